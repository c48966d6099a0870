//! Machines of `tests/machines` with the modules of NixOS: all that is known of them is what Nix computes. Set `NIXPKGS` to a
//! nixpkgs, or to a folder with its `lib` and `nixos`; in Nix, packages are stand-ins then. Takes a minute with `--release`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_eval::{Limits, Mount, World};
use bulkhead_modules::{Configuration, FaultKind, Nixos, OptionPath, is_known, load_nixos};
use bulkhead_source::{TreePath, WorkTree};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};

/// What each of a list of paths is in a machine: `{ value }`, or `{ names }` of a set or `{ length }` of a list that is not
/// known as a whole, or `{ fails }`.
const ASK: &str = r#"
{ nixpkgs, machine, support, paths }:
let
  lib = import (nixpkgs + "/lib");
  packages = import (support + "/packages.nix") { inherit lib nixpkgs; system = "x86_64-linux"; };
  missing = builtins.fromJSON (builtins.readFile ./missing.json);
  other = packages.hello // lib.genAttrs missing (_: other) // { __functor = self: _: self; };
  with-more = value: if lib.isDerivation value then lib.genAttrs missing (_: other) // value else value;
  system = import (nixpkgs + "/nixos/lib/eval-config.nix") {
    system = null;
    inherit lib;
    modules = [ machine ];
    specialArgs.pkgs =
      lib.genAttrs missing (_: other)
      // lib.mapAttrs (_: with-more) packages
      // { systemd = lib.mapAttrs (_: with-more) (with-more packages.systemd); };
  };
  show = value:
    if builtins.isFunction value then "<function>"
    else if builtins.isAttrs value then
      (if value ? __functor then "<function>" else if value ? outPath then value.outPath else builtins.mapAttrs (_: show) value)
    else if builtins.isList value then map show value
    else if builtins.isPath value then toString value
    else value;
  get = builtins.foldl' (value: name: if builtins.isInt name then builtins.elemAt value name else value.${name}) system.config;
  ask = { path, what }:
    let
      found = get path;
      answer = {
        value = { value = show found; };
        names = { names = builtins.attrNames found; };
        length = { length = builtins.length found; };
      }.${what};
      tried = builtins.tryEval (builtins.deepSeq answer answer);
    in if tried.success then tried.value else { fails = true; };
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) system.config.assertions);
in
{
  answers = map ask paths;
  said = {
    inherit failed;
    inherit (system.config) warnings;
  };
}
"#;

fn nixpkgs() -> Option<PathBuf> {
    let Some(nixpkgs) = std::env::var_os("NIXPKGS").filter(|value| !value.is_empty()) else {
        println!("SKIPPED machines with the modules of NixOS: no nixpkgs is given; set NIXPKGS=/path/to/nixpkgs");
        return None;
    };
    if Command::new("nix-instantiate").arg("--version").output().is_err() {
        println!("SKIPPED machines with the modules of NixOS: nix-instantiate is not installed");
        return None;
    }
    Some(fs::canonicalize(nixpkgs).unwrap())
}

fn repository() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

/// A machine in a folder of its own, with the modules of this repository beside it.
struct Machine {
    folder: tempfile::TempDir,
    file: String,
    nixpkgs: PathBuf,
}

impl Machine {
    fn new(name: &str, nixpkgs: &Path) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        copy(&repository().join("nix"), &folder.path().join("nix"));
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines"), folder.path());
        Machine { folder, file: format!("{name}.nix"), nixpkgs: nixpkgs.to_owned() }
    }

    fn load(&self, listed: &str) -> Configuration {
        let limits = Limits { memory: 12 << 30, steps: 1 << 40, ..Limits::default() };
        let mut world = World::new(Arc::new(WorkTree::open(self.folder.path()).unwrap()), limits);
        let at = self.nixpkgs.to_str().unwrap();
        let tree = Arc::new(WorkTree::open(&self.nixpkgs).unwrap());
        world.mount(Mount { at: Arc::from(at), name: Arc::from("<nixpkgs>"), tree });
        world.add_search_path("nixpkgs", at);
        let listed = if listed.is_empty() { OptionPath::root() } else { OptionPath::parse(listed).unwrap() };
        load_nixos(&world, &[TreePath::new(&self.file).unwrap()], &Nixos { platform: None, listed })
    }

    /// What Nix says: an answer to each question, the assertions that do not hold and the warnings. Stand-ins for packages
    /// get the attributes that modules ask for.
    fn ask(&self, questions: &[Question]) -> (Vec<Value>, Value) {
        fs::write(self.folder.path().join("ask.nix"), ASK).unwrap();
        let mut missing: Vec<String> = Vec::new();
        loop {
            fs::write(self.folder.path().join("missing.json"), json!(missing).to_string()).unwrap();
            let both = self.nix(questions, "answers").and_then(|answers| Ok((answers, self.nix(&[], "said")?)));
            let error = match both {
                Ok((answers, said)) => return (answers.as_array().unwrap().clone(), said),
                Err(error) => error,
            };
            let name = error.split('\'').nth(1).unwrap_or_default().to_owned();
            let is_missing = error.starts_with("error: attribute") || error.starts_with("error: undefined variable");
            assert!(is_missing && !missing.contains(&name) && missing.len() < 100, "{}: {error}", self.file);
            missing.push(name);
        }
    }

    fn nix(&self, questions: &[Question], attribute: &str) -> Result<Value, String> {
        let folder = self.folder.path();
        let paths: Vec<Value> =
            questions.iter().map(|question| json!({ "path": question.path, "what": question.what })).collect();
        fs::write(folder.join("paths.json"), json!(paths).to_string()).unwrap();
        let text = format!(
            "(import {0}/ask.nix {{ nixpkgs = {1}; machine = {0}/{2}; support = {3}/nix/tests/support; \
             paths = builtins.fromJSON (builtins.readFile {0}/paths.json); }}).{attribute}",
            folder.display(),
            self.nixpkgs.display(),
            self.file,
            repository().display(),
        );
        let output =
            Command::new("nix-instantiate").args(["--eval", "--strict", "--json", "-E", &text]).output().unwrap();
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(errors.lines().find(|line| line.starts_with("error")).unwrap_or_default().to_owned());
        }
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    }
}

/// What is compared: options whose modules need little of packages, and those of this repository.
const ASKED: &[&[&str]] = &[
    &["age"],
    &["fileSystems"],
    &["machines"],
    &["networking"],
    &["secrets"],
    &["services", "nginx"],
    &["services", "openssh"],
    &["swapDevices"],
    &["thisMachine"],
    &["time"],
    &["users"],
    &["vpn"],
    &["workspaceDefaults"],
    &["workspaces"],
];

fn is_asked(path: &[Value]) -> bool {
    ASKED.iter().any(|asked| path.len() >= asked.len() && asked.iter().zip(path).all(|(a, b)| b == a))
}

/// Something that is known, to compare.
struct Question {
    path: Vec<Value>,
    what: &'static str,
    ours: Value,
}

#[derive(Default)]
struct Walk {
    questions: Vec<Question>,
    /// How many parts are not known, by their reason.
    unknown: BTreeMap<String, usize>,
    failed: usize,
}

impl Walk {
    fn walk(&mut self, data: &Data, path: &mut Vec<Value>) {
        if path.first() == Some(&json!("_module")) {
            return;
        }
        let mut ask = |what, ours| self.questions.push(Question { path: path.clone(), what, ours });
        match &data.kind {
            DataKind::Unknown(reason) => *self.unknown.entry(reason.reason.to_string()).or_default() += 1,
            DataKind::Failed(_) => self.failed += 1,
            _ if is_known(data) && !path.is_empty() => ask("value", value(data)),
            DataKind::List(items) => {
                ask("length", json!(items.len()));
                for (index, item) in items.iter().enumerate() {
                    path.push(json!(index));
                    self.walk(item, path);
                    path.pop();
                }
            }
            DataKind::Attrs(attrs) => {
                if attrs.attrs.contains_key("outPath") {
                    return;
                }
                match &attrs.open {
                    Some(reason) => *self.unknown.entry(format!("more: {}", reason.reason)).or_default() += 1,
                    None if path.is_empty() => {}
                    None => ask("names", attrs.attrs.keys().map(|name| json!(&**name)).collect()),
                }
                for (name, field) in &attrs.attrs {
                    path.push(json!(&**name));
                    self.walk(&field.value, path);
                    path.pop();
                }
            }
            _ => {}
        }
    }
}

fn value(data: &Data) -> Value {
    match &data.kind {
        DataKind::Bool(value) => json!(value),
        DataKind::Int(value) => json!(value),
        DataKind::Float(value) => json!(value),
        DataKind::String(text) | DataKind::Path(text) => json!(&**text),
        DataKind::Function => json!("<function>"),
        DataKind::List(items) => items.iter().map(value).collect(),
        DataKind::Attrs(attrs) if attrs.attrs.contains_key("__functor") => json!("<function>"),
        DataKind::Attrs(attrs) => {
            let entries = attrs.attrs.iter().map(|(name, field)| (name.to_string(), value(&field.value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        DataKind::Null | DataKind::Unknown(_) | DataKind::Failed(_) => Value::Null,
    }
}

/// Modules that are values (`deferredModule`) without the name of their file, which NixOS puts around them.
fn as_told(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(as_told).collect(),
        Value::Object(attrs) => match (attrs.get("_file"), attrs.get("imports").and_then(Value::as_array)) {
            (Some(_), Some(imports)) if attrs.len() == 2 && imports.len() == 1 => as_told(&imports[0]),
            _ => Value::Object(attrs.iter().map(|(name, value)| (name.clone(), as_told(value))).collect()),
        },
        other => other.clone(),
    }
}

/// Compare what is known of a machine; gives the configuration, and what Nix says.
fn compare(name: &str, listed: &str) -> Option<(Configuration, Value)> {
    let machine = Machine::new(name, &nixpkgs()?);
    let configuration = machine.load(listed);
    assert_eq!(configuration.problems, [], "{name}");
    let mut walk = Walk::default();
    walk.walk(configuration.config.as_ref().unwrap(), &mut Vec::new());
    walk.questions.retain(|question| is_asked(&question.path));
    let (answers, said) = machine.ask(&walk.questions);
    let (mut different, mut lazy) = (Vec::new(), 0);
    for (question, answer) in walk.questions.iter().zip(&answers) {
        if answer["fails"] == json!(true) {
            // A value that nobody reads, in a machine that Nix builds all the same.
            lazy += 1;
        } else if as_told(&answer[question.what]) != question.ours {
            different.push(format!(
                "{} {}: {} instead of {answer}",
                json!(question.path),
                question.what,
                question.ours
            ));
        }
    }
    let unknown: usize = walk.unknown.values().sum();
    println!(
        "{name}: {} equal, {unknown} unknown, {} fail, {lazy} fail in Nix alone, {} different, {} passes",
        walk.questions.len() - different.len() - lazy,
        walk.failed,
        different.len(),
        configuration.passes,
    );
    for (reason, count) in &walk.unknown {
        println!("  {count} {}", reason.lines().next().unwrap_or_default());
    }
    assert!(walk.questions.len() > 500, "{name}: only {} parts are known", walk.questions.len());
    let shown: Vec<&String> = different.iter().take(40).collect();
    assert!(different.is_empty(), "{name}: {} differ\n{shown:#?}", different.len());
    Some((configuration, said))
}

#[test]
fn a_server_is_what_nix_computes() {
    compare("server", "");
}

#[test]
fn a_laptop_is_what_nix_computes_and_its_faults_are_those_of_nix() {
    let Some((configuration, said)) = compare("laptop", "") else { return };
    let failed: Vec<&str> = configuration
        .faults
        .iter()
        .filter(|fault| fault.kind == FaultKind::Assertion)
        .map(|fault| fault.message.as_str())
        .collect();
    assert_eq!(json!(failed), said["failed"]);
    assert_eq!(json!(configuration.warnings), said["warnings"]);
}

#[test]
fn bulkheads_own_modules_are_what_nix_computes() {
    compare("workspaces", "");
}

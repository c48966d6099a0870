//! Trees of modules, read by Bulkhead and by Nix.

#![allow(dead_code, clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_eval::{Limits, Mount, World};
use bulkhead_modules::{Configuration, load};
use bulkhead_source::{TreePath, WorkTree};
use serde_json::{Map, Value, json};

/// Which `lib` modules are called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lib {
    BuiltIn,
    Nixpkgs,
}

/// Instead of a value that can't be told: it is not known, it is a function, its evaluation fails.
const UNKNOWN: &str = "<unknown>";
const FUNCTION: &str = "<function>";
pub const FAILS: &str = "<fails>";
/// In the name of an attribute that stands for others.
const OPEN: &str = "<more>";

/// Gives a value as JSON, with [`FUNCTION`] and [`FAILS`] in the place of what JSON lacks.
pub const SHOW: &str = r#"
let
  show = value:
    let
      tried = builtins.tryEval (
        if builtins.isFunction value || value ? __functor then "<function>"
        else if builtins.isAttrs value then
          (if value ? outPath then value.outPath else builtins.mapAttrs (_: show) (removeAttrs value [ "_module" ]))
        else if builtins.isList value then map show value
        else if builtins.isPath value then toString value
        else value);
    in if tried.success then tried.value else "<fails>";
in show
"#;

/// The folder of nixpkgs' `lib` to compare with, if there is one.
pub fn nixpkgs_lib() -> Option<PathBuf> {
    let Some(lib) = std::env::var_os("NIXPKGS_LIB") else {
        println!("SKIPPED nothing is compared with nixpkgs: NIXPKGS_LIB does not name its `lib`");
        return None;
    };
    if Command::new("nix-instantiate").arg("--version").output().is_err() {
        println!("SKIPPED nothing is compared with nixpkgs: there is no nix-instantiate");
        return None;
    }
    Some(PathBuf::from(lib))
}

/// The names of the trees in `tests/trees`.
pub fn trees() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = files.filter_map(|name| name.strip_suffix(".nix").map(str::to_owned)).collect();
    names.sort();
    names
}

pub fn load_tree(name: &str, lib: Lib) -> Configuration {
    load_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trees"), &format!("{name}.nix"), lib)
}

pub fn load_in(folder: &Path, file: &str, lib: Lib) -> Configuration {
    let mut world = World::new(Arc::new(WorkTree::open(folder).unwrap()), Limits::default());
    if lib == Lib::Nixpkgs {
        let tree = WorkTree::open(Path::new(&std::env::var_os("NIXPKGS_LIB").unwrap())).unwrap();
        world.mount(Mount { at: Arc::from("/nixpkgs/lib"), name: Arc::from("<nixpkgs/lib>"), tree: Arc::new(tree) });
        world.add_search_path("nixpkgs", "/nixpkgs");
    }
    load(&world, &TreePath::new(file).unwrap())
}

/// The merged `config` of a tree as Nix computes it. What fails in a way that Nix can't go on from is marked at the
/// root of the option.
pub fn real(lib: &Path, root: &Path) -> Value {
    let names = match nix(lib, root, "builtins.attrNames config") {
        Some(Value::Array(names)) => names,
        other => panic!("{}: {other:?}", root.display()),
    };
    let whole = nix(lib, root, &format!("({SHOW}) config"));
    if let Some(whole) = whole {
        return whole;
    }
    // `tryEval` does not stop an infinite recursion: ask one by one.
    let mut all = Map::new();
    for name in names {
        let name = name.as_str().unwrap().to_owned();
        let value = nix(lib, root, &format!("({SHOW}) config.{}", json!(name)));
        all.insert(name, value.unwrap_or_else(|| json!(FAILS)));
    }
    Value::Object(all)
}

fn nix(lib: &Path, root: &Path, expression: &str) -> Option<Value> {
    let text = format!(
        "let found = (import {}).evalModules {{ modules = [ {} ]; }}; config = removeAttrs found.config [ \"_module\" ]; \
         in {expression}",
        lib.display(),
        root.display()
    );
    let output = Command::new("nix-instantiate").args(["--eval", "--strict", "--json", "-E", &text]).output().unwrap();
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

pub fn value_json(data: &Data) -> Value {
    match &data.kind {
        DataKind::Null => Value::Null,
        DataKind::Bool(value) => json!(value),
        DataKind::Int(value) => json!(value),
        DataKind::Float(value) => json!(value),
        DataKind::String(text) | DataKind::Path(text) => json!(&**text),
        DataKind::Function => json!(FUNCTION),
        DataKind::Failed(_) => json!(FAILS),
        DataKind::Unknown(unknown) => json!(format!("{UNKNOWN} {}", unknown.reason)),
        DataKind::List(items) => items.iter().map(value_json).collect(),
        DataKind::Attrs(attrs) if attrs.attrs.contains_key("__functor") => json!(FUNCTION),
        DataKind::Attrs(attrs) => {
            let mut all: Map<String, Value> =
                attrs.attrs.iter().map(|(name, field)| (name.to_string(), value_json(&field.value))).collect();
            if let Some(open) = &attrs.open {
                all.insert(OPEN.to_owned(), json!(&*open.reason));
            }
            Value::Object(all)
        }
    }
}

/// How two values differ.
#[derive(Debug, Default)]
pub struct Comparison {
    /// So many parts are known and the same.
    pub known: usize,
    /// Parts that differ.
    pub different: Vec<String>,
    /// Parts that Nix has a value for, and we none.
    pub unknown: Vec<String>,
}

pub fn compare(ours: &Value, theirs: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.add("", ours, theirs);
    comparison
}

impl Comparison {
    fn add(&mut self, path: &str, ours: &Value, theirs: &Value) {
        let is_unknown = ours.as_str().is_some_and(|text| text.starts_with(UNKNOWN));
        match (ours, theirs) {
            (_, Value::String(text)) if text == FAILS => {
                // A value that is not used may have any type; that it is no error to read it is what counts.
                if !is_unknown && !has_unknown(ours) && ours != theirs {
                    self.different.push(format!("{path}: {ours}, where Nix fails"));
                }
            }
            _ if is_unknown => self.unknown.push(format!("{path}: {ours} instead of {theirs}")),
            (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
                self.known += 1;
                for (index, (a, b)) in a.iter().zip(b).enumerate() {
                    self.add(&format!("{path}[{index}]"), a, b);
                }
            }
            (Value::Object(a), Value::Object(b)) => {
                self.known += 1;
                for (name, value) in a.iter().filter(|(name, _)| *name != OPEN) {
                    match b.get(name) {
                        Some(theirs) => self.add(&format!("{path}.{name}"), value, theirs),
                        None => self.different.push(format!("{path}.{name} is not there")),
                    }
                }
                for (name, value) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
                    let what = format!("{path}.{name} = {value}");
                    if a.contains_key(OPEN) { self.unknown.push(what) } else { self.different.push(what) }
                }
            }
            (a, b) if a == b => self.known += 1,
            (a, b) => self.different.push(format!("{path}: {a} instead of {b}")),
        }
    }
}

fn has_unknown(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with(UNKNOWN) || text == FAILS,
        Value::Array(items) => items.iter().any(has_unknown),
        Value::Object(attrs) => attrs.contains_key(OPEN) || attrs.values().any(has_unknown),
        _ => false,
    }
}

//! A machine of `tests/machines`: what Bulkhead reads of it, and what Nix says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use bulkhead_eval::{Limits, Mount, World};
use bulkhead_modules::{Configuration, Nixos, OptionPath, load_nixos};
use bulkhead_source::{TreePath, WorkTree};
use serde_json::{Value, json};

const ASK: &str = include_str!("ask.nix");

pub fn nixpkgs() -> Option<PathBuf> {
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
pub struct Machine {
    folder: tempfile::TempDir,
    file: String,
    nixpkgs: PathBuf,
}

impl Machine {
    pub fn new(name: &str, nixpkgs: &Path) -> Machine {
        let folder = tempfile::tempdir().unwrap();
        copy(&repository().join("nix"), &folder.path().join("nix"));
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines"), folder.path());
        Machine { folder, file: format!("{name}.nix"), nixpkgs: nixpkgs.to_owned() }
    }

    pub fn load(&self, listed: &str) -> Configuration {
        let limits = Limits { memory: 12 << 30, steps: 1 << 40, ..Limits::default() };
        let mut world = World::new(Arc::new(WorkTree::open(self.folder.path()).unwrap()), limits);
        let at = self.nixpkgs.to_str().unwrap();
        let tree = Arc::new(WorkTree::open(&self.nixpkgs).unwrap());
        world.mount(Mount { at: Arc::from(at), name: Arc::from("<nixpkgs>"), tree });
        world.add_search_path("nixpkgs", at);
        let listed = if listed.is_empty() { OptionPath::root() } else { OptionPath::parse(listed).unwrap() };
        load_nixos(&world, &[TreePath::new(&self.file).unwrap()], &Nixos { platform: None, listed })
    }

    /// What Nix says. Stand-ins for packages get the attributes that modules ask for.
    pub fn ask(&self, questions: &[Value]) -> Answers {
        let folder = self.folder.path();
        fs::write(folder.join("ask.nix"), ASK).unwrap();
        fs::write(folder.join("paths.json"), json!(questions).to_string()).unwrap();
        fs::write(folder.join("none.json"), "[]").unwrap();
        let mut missing: Vec<String> = Vec::new();
        loop {
            fs::write(folder.join("missing.json"), json!(missing).to_string()).unwrap();
            let error = match self.answers() {
                Ok(answers) => return answers,
                Err(error) => error,
            };
            let name = error.split('\'').nth(1).unwrap_or_default().to_owned();
            let is_missing = error.starts_with("error: attribute") || error.starts_with("error: undefined variable");
            assert!(is_missing && !missing.contains(&name) && missing.len() < 100, "{}: {error}", self.file);
            missing.push(name);
        }
    }

    fn answers(&self) -> Result<Answers, String> {
        let own = self.nix("none.json", "own")?;
        let own = own.as_array().unwrap().iter().map(OwnOption::read).collect();
        let answers = self.nix("paths.json", "answers")?.as_array().unwrap().clone();
        Ok(Answers { own, answers, said: self.nix("none.json", "said")? })
    }

    fn nix(&self, paths: &str, attribute: &str) -> Result<Value, String> {
        let folder = self.folder.path().display();
        let text = format!(
            "(import {folder}/ask.nix {{ nixpkgs = {}; machine = {folder}/{}; support = {folder}/nix/tests/support; \
             modules = {folder}/nix/modules; missing = builtins.fromJSON (builtins.readFile {folder}/missing.json); \
             paths = builtins.fromJSON (builtins.readFile {folder}/{paths}); }}).{attribute}",
            self.nixpkgs.display(),
            self.file,
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

/// What Nix says of a machine.
pub struct Answers {
    /// To each question.
    pub answers: Vec<Value>,
    /// Every option that the modules of this repository declare.
    pub own: Vec<OwnOption>,
    /// The assertions that do not hold, and the warnings.
    pub said: Value,
}

/// An option that the modules of this repository declare, as Nix has it.
pub struct OwnOption {
    pub path: OptionPath,
    /// The description of its type, and whether it is internal, read-only and visible.
    pub about: (String, [bool; 3]),
    /// Its value, as `tree` of ask.nix tells it; none if it is an option of a submodule.
    pub value: Option<Value>,
}

impl OwnOption {
    fn read(option: &Value) -> OwnOption {
        let names = option["loc"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
        let flags = ["internal", "readOnly", "visible"].map(|flag| option[flag].as_bool().unwrap());
        OwnOption {
            path: OptionPath::of(names),
            about: (option["type"].as_str().unwrap().to_owned(), flags),
            value: option["values"].get(0).cloned(),
        }
    }
}

//! Every option that the modules of this repository declare, value by value.
//!
//! Which options there are is asked of Nix; the list that Bulkhead gives must be the same. Of each one its value is compared
//! as a whole, and in it those of the options of its submodules.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_eval::data::{AttrsData, Data, DataKind};
use bulkhead_modules::{Configuration, OptionPath, PACKAGES_UNKNOWN};
use pretty_assertions::assert_eq;
use serde_json::Value;

use super::machine::OwnOption;

/// Why a value that Nix knows may be unknown.
const ALLOWED: &[&str] = &[PACKAGES_UNKNOWN];

/// The options in which something can't be compared: packages, and what paths of packages are part of.
const OF_PACKAGES: &[&str] = &[
    "networking.sandbox.rulesFile",
    "vpn.insideRules",
    "vpn.package",
    "vpn.rulesFile",
    "vpn.settings",
    "workspaceDefaults.incus.package",
    "workspaceDefaults.shell",
    "workspaces.<name>.packages",
    "workspaces.<name>.shell",
];

/// What was compared.
#[derive(Default)]
pub struct Tally {
    options: BTreeMap<OptionPath, Count>,
    wrong: Vec<String>,
}

/// What was compared of one option: leaves of its value that are not those of an option below it.
#[derive(Default)]
struct Count {
    equal: usize,
    /// Those that can't be compared, by their reason.
    left: BTreeMap<String, usize>,
}

impl Tally {
    /// Compare a machine.
    pub fn compare(&mut self, machine: &str, configuration: &Configuration, own: &[OwnOption]) {
        let declared = configuration.options.iter().filter(|(_, declared)| declared.file.starts_with("nix/modules/"));
        let ours: BTreeSet<String> = declared
            .map(|(path, declared)| {
                let flags = [declared.internal, declared.read_only, declared.visible];
                format!("{path} {} {flags:?}", declared.kind.description)
            })
            .collect();
        let theirs: BTreeSet<String> =
            own.iter().map(|option| format!("{} {} {:?}", option.path, option.about.0, option.about.1)).collect();
        let lists =
            [("that Nix does not have", ours.difference(&theirs)), ("that is not listed", theirs.difference(&ours))];
        for (what, options) in lists {
            self.wrong.extend(options.map(|option| format!("{machine}: an option {what}: {option}")));
        }

        for option in own {
            self.options.entry(option.path.clone()).or_default();
        }
        for option in own {
            let Some(value) = &option.value else { continue };
            let mut path = option.path.names().iter().map(ToString::to_string).collect();
            match configuration.value(&option.path) {
                Some(data) => self.value(machine, data, value, &mut path),
                None => self.wrong.push(format!("{machine}: {} is not there", option.path)),
            }
        }
    }

    /// Tell what was compared.
    ///
    /// # Panics
    /// If something differs, or an option was not compared at all.
    pub fn judge(&self) {
        let mut left: BTreeMap<&str, (usize, Vec<String>)> = BTreeMap::new();
        let (mut equal, mut never) = (0, Vec::new());
        for (path, count) in &self.options {
            equal += count.equal;
            for (reason, number) in &count.left {
                let entry = left.entry(reason).or_default();
                entry.0 += number;
                entry.1.push(path.to_string());
            }
            if count.equal == 0 && count.left.is_empty() {
                never.push(path.to_string());
            }
        }
        let known = self.options.values().filter(|count| count.equal > 0 && count.left.is_empty()).count();
        let partly = self.options.values().filter(|count| count.equal > 0 && !count.left.is_empty()).count();
        println!(
            "own options: {} declared; {known} compared in whole, {partly} in part, {} not; {equal} values equal, {} different",
            self.options.len(),
            self.options.len() - known - partly,
            self.wrong.len(),
        );
        for (reason, (number, paths)) in &left {
            println!("  {number} not compared, {reason}: {}", paths.join(", "));
        }
        let shown: Vec<&String> = self.wrong.iter().take(40).collect();
        assert!(self.wrong.is_empty(), "{} differ\n{shown:#?}", self.wrong.len());
        let of_packages: BTreeSet<String> = OF_PACKAGES.iter().map(ToString::to_string).collect();
        let of_left: BTreeSet<String> = left.into_values().flat_map(|(_, paths)| paths).collect();
        assert_eq!(of_left, of_packages, "options with parts that are not compared");
        assert!(never.is_empty(), "no machine has a value of {never:#?}");
    }

    fn value(&mut self, machine: &str, data: &Data, nix: &Value, path: &mut Vec<String>) {
        let nix = unwrapped(nix);
        let is = nix.get("is").and_then(Value::as_str);
        match (&data.kind, is) {
            (DataKind::Unknown(_) | DataKind::Failed(_), Some("failure")) => self.left(path, "it fails in Nix, too"),
            (DataKind::Unknown(unknown), _) if ALLOWED.contains(&&*unknown.reason) => {
                self.left(path, &unknown.reason);
            }
            (DataKind::Function, Some("function")) => self.left(path, "it is a function, as in Nix"),
            (DataKind::Attrs(set), Some("function")) if set.attrs.contains_key("__functor") => {
                self.left(path, "it is a function, as in Nix");
            }
            (DataKind::List(items), None) => match nix.get("list").and_then(Value::as_array) {
                Some(theirs) if theirs.len() == items.len() => {
                    self.equal(path);
                    path.push("*".to_owned());
                    for (item, nix) in items.iter().zip(theirs) {
                        self.value(machine, item, nix, path);
                    }
                    path.pop();
                }
                _ => self.wrong(machine, data, nix, path),
            },
            (DataKind::Attrs(set), None) => self.set(machine, data, set, nix, path),
            (DataKind::Bool(value), _) if nix == value => self.equal(path),
            (DataKind::Int(value), _) if nix == value => self.equal(path),
            (DataKind::Float(value), _) if nix == value => self.equal(path),
            (DataKind::String(text) | DataKind::Path(text), _) if nix == &**text => self.equal(path),
            (DataKind::Null, _) if nix.is_null() => self.equal(path),
            _ => self.wrong(machine, data, nix, path),
        }
    }

    fn set(&mut self, machine: &str, data: &Data, set: &AttrsData, nix: &Value, path: &mut Vec<String>) {
        let Some(theirs) = nix.get("set").and_then(Value::as_object) else {
            return self.wrong(machine, data, nix, path);
        };
        match &set.open {
            None if set.attrs.len() == theirs.len() => self.equal(path),
            Some(reason) if ALLOWED.contains(&&*reason.reason) => self.left(path, &reason.reason),
            _ => return self.wrong(machine, data, nix, path),
        }
        for (name, field) in &set.attrs {
            path.push(name.to_string());
            match theirs.get(&**name) {
                Some(nix) => self.value(machine, &field.value, nix, path),
                None => self.wrong(machine, &field.value, &Value::Null, path),
            }
            path.pop();
        }
    }

    fn equal(&mut self, path: &[String]) {
        self.count(path).equal += 1;
    }

    fn left(&mut self, path: &[String], reason: &str) {
        *self.count(path).left.entry(reason.to_owned()).or_default() += 1;
    }

    fn wrong(&mut self, machine: &str, data: &Data, nix: &Value, path: &[String]) {
        self.count(path);
        let ours = format!("{:?}", data.kind).chars().take(300).collect::<String>();
        let nix = nix.to_string().chars().take(300).collect::<String>();
        self.wrong.push(format!("{machine}: {} is {ours} instead of {nix}", path.join(".")));
    }

    /// Of the innermost option at, or around, a path.
    fn count(&mut self, path: &[String]) -> &mut Count {
        let fits = |pattern: &OptionPath| {
            let names = pattern.names();
            names.len() <= path.len()
                && names.iter().zip(path).all(|(name, part)| **name == **part || &**name == "<name>")
        };
        let innermost = self.options.keys().filter(|pattern| fits(pattern)).max_by_key(|pattern| pattern.names().len());
        let innermost = innermost.cloned().unwrap_or_else(|| OptionPath::of(path));
        self.options.entry(innermost).or_default()
    }
}

/// Modules that are values (`deferredModule`) without the name of their file, which NixOS puts around them.
fn unwrapped(nix: &Value) -> &Value {
    let Some(set) = nix.get("set").and_then(Value::as_object) else { return nix };
    match set.get("imports").and_then(|imports| imports["list"].as_array()) {
        Some(imports) if set.len() == 2 && set.contains_key("_file") && imports.len() == 1 => unwrapped(&imports[0]),
        _ => nix,
    }
}

//! Machines of `tests/machines` with the modules of NixOS: all that is known of them is what Nix computes. Set `NIXPKGS` to a
//! nixpkgs, or to a folder with its `lib` and `nixos`; in Nix, packages are stand-ins then. Takes a minute with `--release`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod machine;
mod own;

use std::collections::BTreeMap;

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::{Configuration, FaultKind, is_known};
use machine::{Answers, Machine, nixpkgs};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};

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
fn compare(name: &str) -> Option<(Configuration, Answers)> {
    let machine = Machine::new(name, &nixpkgs()?);
    let configuration = machine.load("");
    assert_eq!(configuration.problems, [], "{name}");
    let mut walk = Walk::default();
    walk.walk(configuration.config.as_ref().unwrap(), &mut Vec::new());
    walk.questions.retain(|question| is_asked(&question.path));
    let asked = walk.questions.iter().map(|question| json!({ "path": question.path, "what": question.what }));
    let said = machine.ask(&asked.collect::<Vec<_>>());
    let (mut different, mut lazy) = (Vec::new(), 0);
    for (question, answer) in walk.questions.iter().zip(&said.answers) {
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

/// The assertions that do not hold and the warnings are those that Nix gives.
fn same_faults(configuration: &Configuration, said: &Answers) {
    let failed = configuration.faults.iter().filter(|fault| fault.kind == FaultKind::Assertion);
    let failed: Vec<&str> = failed.map(|fault| fault.message.as_str()).collect();
    assert_eq!(json!(failed), said.said["failed"]);
    assert_eq!(json!(configuration.warnings), said.said["warnings"]);
}

#[test]
fn a_server_is_what_nix_computes() {
    compare("server");
}

#[test]
fn a_laptop_is_what_nix_computes_and_its_faults_are_those_of_nix() {
    let Some((configuration, said)) = compare("laptop") else { return };
    same_faults(&configuration, &said);
}

/// One machine uses all of them, the other hardly any: so that each option is once what it is by default.
#[test]
fn every_option_of_bulkheads_own_modules_is_what_nix_computes() {
    let mut own = own::Tally::default();
    for name in ["workspaces", "sparse"] {
        let Some((configuration, said)) = compare(name) else { return };
        same_faults(&configuration, &said);
        own.compare(name, &configuration, &said.own);
    }
    own.judge();
}

//! Violations of the schemas point at the text that caused them.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{AttrsData, Data, DataKind, Field, Unknown};
use bulkhead_fleet::{Config, Machine, SchemaKind, schemas, validate};
use bulkhead_source::{MemoryTree, Span, TreePath};

/// Values written by hand, with a place for each: an own line of an imaginary file.
#[derive(Default)]
struct Writer {
    line: u32,
}

impl Writer {
    fn place(&mut self) -> Place {
        self.line += 1;
        Place::new("machines/s0/properties.nix", Span::new(self.line * 100, self.line * 100 + 10))
    }

    fn data(&mut self, kind: DataKind) -> Data {
        Data { kind, place: Some(self.place()) }
    }

    fn text(&mut self, text: &str) -> Data {
        self.data(DataKind::String(Arc::from(text)))
    }

    fn texts(&mut self, texts: &[&str]) -> Data {
        let items = texts.iter().map(|text| self.text(text)).collect();
        self.data(DataKind::List(items))
    }

    fn unknown(&mut self) -> Data {
        let unknown = Unknown { reason: Arc::from("the environment is not read"), help: None, place: None };
        self.data(DataKind::Unknown(unknown))
    }

    fn set(&mut self, fields: Vec<(&str, Data)>) -> Data {
        let mut attrs = BTreeMap::new();
        for (name, value) in fields {
            attrs.insert(Arc::from(name), Field { key: Some(self.place()), value });
        }
        self.data(DataKind::Attrs(AttrsData { attrs, open: None }))
    }

    fn machine(&mut self) -> Vec<(&'static str, Data)> {
        vec![
            ("hostNames", self.texts(&["s0", "s0.example.org"])),
            ("arch", self.text("x86_64-linux")),
            ("systemRoles", self.texts(&["server", "pia"])),
        ]
    }
}

fn file() -> Place {
    Place::file("machines/s0/properties.nix")
}

fn check(data: &Data) -> Vec<Diagnostic> {
    validate(SchemaKind::Machine, data, &file())
}

fn field<'a>(data: &'a Data, name: &str) -> &'a Field {
    let DataKind::Attrs(set) = &data.kind else { panic!("no set") };
    &set.attrs[name]
}

#[test]
fn a_valid_machine_has_no_violations() {
    let mut w = Writer::default();
    let fields = w.machine();
    let data = w.set(fields);
    assert_eq!(check(&data), []);
}

#[test]
fn a_wrong_architecture_names_the_nearest() {
    let mut w = Writer::default();
    let mut fields = w.machine();
    fields[1].1 = w.text("x86-64-linux");
    let data = w.set(fields);
    let found = check(&data);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].message, "`x86-64-linux` is not an architecture of this fleet");
    assert_eq!(Some(&found[0].place), field(&data, "arch").value.place.as_ref());
    assert_eq!(found[0].help[0], "did you mean `x86_64-linux`?");
    assert_eq!(found[0].severity, Severity::Error);
}

#[test]
fn an_unknown_property_is_marked_at_its_name() {
    let mut w = Writer::default();
    let mut fields = w.machine();
    fields.push(("hostkey", w.text("ssh-ed25519 AAAA")));
    let data = w.set(fields);
    let found = check(&data);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].message, "`hostkey` is not a property of this file");
    assert_eq!(Some(&found[0].place), field(&data, "hostkey").key.as_ref());
    assert_eq!(found[0].help[0], "did you mean `hostKey`?");
}

#[test]
fn a_missing_property_is_marked_at_the_set_and_explained() {
    let mut w = Writer::default();
    let mut fields = w.machine();
    fields.remove(0);
    let unlock = w.set(vec![]);
    fields.push(("remoteUnlock", unlock));
    let data = w.set(fields);
    let found = check(&data);
    let messages: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(messages.contains(&"`hostNames` is missing"), "{messages:?}");
    assert!(messages.contains(&"`remoteUnlock.hostKey` is missing"), "{messages:?}");
    let unlock = found.iter().find(|f| f.message.contains("remoteUnlock")).unwrap();
    assert_eq!(Some(&unlock.place), field(&data, "remoteUnlock").value.place.as_ref());
    assert!(unlock.notes[0].contains("boot environment"), "{unlock:#?}");
}

#[test]
fn wrong_types_are_told_in_the_words_of_nix() {
    let mut w = Writer::default();
    let mut fields = w.machine();
    fields[0].1 = w.text("s0");
    fields[2].1 = w.texts(&[]);
    fields.push(("userKeys", {
        let function = w.data(DataKind::Function);
        w.data(DataKind::List(vec![function]))
    }));
    let data = w.set(fields);
    let found = check(&data);
    let mut messages: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    messages.sort_unstable();
    assert_eq!(
        messages,
        [
            "`hostNames` must be a list, not a string",
            "`systemRoles` is empty",
            "`userKeys[0]` must be a string, not a function",
        ]
    );
}

#[test]
fn what_is_unknown_violates_nothing() {
    let mut w = Writer::default();
    let mut fields = w.machine();
    fields[1].1 = w.unknown();
    fields[2].1 = {
        let role = w.unknown();
        w.data(DataKind::List(vec![role]))
    };
    fields.push(("remoteUnlock", w.unknown()));
    let data = w.set(fields);
    assert_eq!(check(&data), []);

    let tree = MemoryTree::default();
    let mut findings = Vec::new();
    let machine = Machine::read(&tree, TreePath::new("machines/s0").unwrap(), &data, &mut findings);
    assert_eq!(findings, []);
    assert!(machine.arch.gap().is_some());
    assert_eq!(machine.has_role("pia"), None);
    assert_eq!(machine.host_names.items.len(), 2);
}

#[test]
fn an_open_set_may_have_what_is_missing() {
    let mut w = Writer::default();
    let mut data = w.set(vec![]);
    let DataKind::Attrs(set) = &mut data.kind else { unreachable!() };
    set.open = Some(Unknown { reason: Arc::from("no nixpkgs is known here"), help: None, place: None });
    assert_eq!(check(&data), []);
    let tree = MemoryTree::default();
    let machine = Machine::read(&tree, TreePath::new("machines/s0").unwrap(), &data, &mut Vec::new());
    assert_eq!(machine.host_key.gap().map(|gap| &*gap.reason), Some("no nixpkgs is known here"));
    assert!(!machine.system_roles.is_complete());
}

#[test]
fn one_wrong_field_leaves_the_others() {
    let mut w = Writer::default();
    let mut fields = w.machine();
    fields.push(("hostKey", w.data(DataKind::Int(7))));
    fields.push(("publicIP", w.text("203.0.113.300")));
    let data = w.set(fields);
    let tree = MemoryTree::default();
    let mut findings = Vec::new();
    let machine = Machine::read(&tree, TreePath::new("machines/s0").unwrap(), &data, &mut findings);
    let mut messages: Vec<&str> = findings.iter().map(|f| f.message.as_str()).collect();
    messages.sort_unstable();
    assert_eq!(messages, ["`203.0.113.300` is no IP address", "`hostKey` must be a string, not an integer"]);
    assert_eq!(machine.has_role("pia"), Some(true));
    assert!(machine.host_key.gap().is_some());
}

#[test]
fn keys_come_from_files_and_multi_line_strings() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH";
    let files = [
        ("machines/s0/host.pub", format!("{key} root@s0\r\n")),
        ("machines/s0/users.pub", format!("# people\n{key} one\n\n{key} two\n")),
    ];
    let tree = MemoryTree::new(files).unwrap();
    let mut w = Writer::default();
    let mut fields = w.machine();
    fields.push(("hostKey", w.data(DataKind::Path(Arc::from("/machines/s0/host.pub")))));
    fields.push(("userKeys", {
        let read = w.text(&format!("{key} me\n"));
        let path = w.data(DataKind::Path(Arc::from("/machines/s0/users.pub")));
        w.data(DataKind::List(vec![read, path]))
    }));
    fields.push(("deployKeys", {
        let path = w.data(DataKind::Path(Arc::from("/machines/s0/absent.pub")));
        w.data(DataKind::List(vec![path]))
    }));
    let data = w.set(fields);
    let mut findings = Vec::new();
    let machine = Machine::read(&tree, TreePath::new("machines/s0").unwrap(), &data, &mut findings);
    assert_eq!(machine.host_key.known().unwrap().line(), format!("{key} root@s0"));
    assert_eq!(machine.host_key.known().unwrap().identity(), key);
    let comments: Vec<_> = machine.user_keys.iter().map(|key| key.public.comment()).collect();
    assert_eq!(comments, [Some("me"), Some("one"), Some("two")]);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].rule, "unreadable-file");
    assert!(!machine.deploy_keys.is_complete());
}

#[test]
fn a_key_file_outside_the_fleet_is_refused() {
    let tree = MemoryTree::default();
    let mut w = Writer::default();
    let mut fields = w.machine();
    fields.push(("hostKey", w.data(DataKind::Path(Arc::from("/../etc/passwd")))));
    let data = w.set(fields);
    let mut findings = Vec::new();
    Machine::read(&tree, TreePath::new("machines/s0").unwrap(), &data, &mut findings);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert!(findings[0].message.contains("outside the fleet"));
}

#[test]
fn schemas_are_described_and_name_their_draft() {
    for (name, schema) in schemas() {
        assert!(name.ends_with(".schema.json"));
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert!(schema["description"].is_string(), "{name}");
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            assert!(schema["description"].is_string(), "{name}: {property}");
        }
    }
}

#[test]
fn every_violation_of_the_configuration_has_its_place_and_the_rest_holds() {
    let text = "[layout]\nmachines = \"hosts\"\n\n[rules]\nstale-recipient = \"of\"\n\n[polcy]\nx = 1\n";
    let mut findings = Vec::new();
    let config = Config::parse(text, &mut findings);
    assert_eq!(config.machines.as_str(), "hosts");
    let at = |finding: &Diagnostic| {
        let span = finding.place.span.unwrap();
        &text[span.start as usize..span.end as usize]
    };
    let mut marked: Vec<(&str, &str)> = findings.iter().map(|f| (at(f), f.message.as_str())).collect();
    marked.sort_unstable();
    assert_eq!(
        marked,
        [
            ("\"of\"", "`of` is not a value of `rules.stale-recipient`"),
            ("polcy", "`polcy` is not a property of this file"),
        ]
    );
    assert!(findings.iter().any(|f| f.help.first().is_some_and(|help| help == "did you mean `off`?")));
    assert!(findings.iter().any(|f| f.help.first().is_some_and(|help| help == "did you mean `policy`?")));
}

#[test]
fn a_configuration_that_is_no_toml_says_where() {
    let mut findings = Vec::new();
    let config = Config::parse("[layout\nmachines = 1\n", &mut findings);
    assert_eq!(config.machines.as_str(), "machines");
    assert!(!findings.is_empty());
    assert!(findings.iter().all(|finding| finding.rule == "config" && finding.place.span.is_some()));
}

#[test]
fn a_layout_that_leaves_the_fleet_is_refused() {
    let mut findings = Vec::new();
    let config = Config::parse("[layout]\nsecrets = \"../other\"\n", &mut findings);
    assert_eq!(config.secrets.as_str(), "secrets");
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].message, "`../other` leaves the root");
    assert!(findings[0].place.span.is_some());
}

#[test]
fn ignored_paths_cover_what_lies_below() {
    let config = Config::parse("ignore = [\"tests/**/bad\", \"*.bak\"]\n", &mut Vec::new());
    let ignored = |path: &str| config.is_ignored(&TreePath::new(path).unwrap());
    assert!(ignored("tests/bad"));
    assert!(ignored("tests/a/b/bad/machines/x"));
    assert!(ignored("old.bak/x"));
    assert!(!ignored("tests/badly"));
    assert!(!ignored("sub/old.bak"));
}

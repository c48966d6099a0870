//! Cases in Markdown: files in fenced blocks, and in them the findings that are expected.
//!
//! - `## name` begins a case; the fenced blocks up to the next one are its files: ```` ```nix path=machines/s0/properties.nix ````.
//! - `@s0@` in a text stands for a key of [`keys::KEYS`].
//! - `# error: [rule]` on a line expects a finding there; `# error: [rule] "words"` one whose message has those words;
//!   `#^ …` on a line of its own one on the line above. `warning` and `undecided` in the same way.
//! - `error=rule` behind the path expects one about the file as a whole. A block `folder` is only for that.
//! - A block `age` is an age file: `recipients=s0,X25519,grease` becomes a header with those stanzas.
//! - A block `expected-rules` is what `bulkhead gen-secrets` would write.
//! - A block `machine path=NAME` is the `properties.nix` of a machine of which nothing else matters.
//! - A block `removed` is what git's history has: `commit|date|subject|path|line` in each line.

// Each test program uses a part of this.
#![allow(dead_code)]

pub mod keys;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bulkhead_age::Recipient;
use bulkhead_diagnostics::Diagnostic;
use bulkhead_eval::{Limits, World};
use bulkhead_fleet::{Config, Fleet, LoadOptions};
use bulkhead_rules::{Context, History, RemovedLine, Selection, run};
use bulkhead_source::{LineIndex, MemoryTree};

/// A finding as cases name it: file, line (0 for the file as a whole), severity and rule; and words of its message.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    pub file: String,
    pub line: u32,
    pub severity: String,
    pub rule: String,
    pub words: Option<String>,
}

#[derive(Default)]
pub struct Case {
    pub name: String,
    pub files: BTreeMap<String, Vec<u8>>,
    pub expected: Vec<Expected>,
    pub expected_rules: Option<String>,
    pub removed: Vec<RemovedLine>,
}

pub struct Past(pub Vec<RemovedLine>);

impl History for Past {
    fn removed_keys(&self) -> Vec<RemovedLine> {
        self.0.clone()
    }
}

pub fn key(name: &str) -> &'static str {
    keys::KEYS.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no key `{name}`")).1
}

pub fn cases(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("## ") {
            cases.push(Case { name: name.to_owned(), ..Case::default() });
        }
        if let Some(info) = line.strip_prefix("```") {
            let body: String =
                lines.by_ref().take_while(|line| *line != "```").fold(String::new(), |mut body, line| {
                    let _ = writeln!(body, "{line}");
                    body
                });
            let case = cases.last_mut().expect("a block before the first case");
            block(case, info, body);
        }
    }
    cases
}

fn block(case: &mut Case, info: &str, body: String) {
    let mut words = info.split_whitespace();
    let language = words.next().expect("a block without language");
    let attributes: BTreeMap<&str, &str> = words.filter_map(|word| word.split_once('=')).collect();
    let mut body = body;
    for (name, line) in keys::KEYS {
        body = body.replace(&format!("@{name}@"), line);
    }
    match language {
        "expected-rules" => {
            case.expected_rules = Some(body);
            return;
        }
        "removed" => {
            case.removed.extend(body.lines().map(|line| {
                let parts: Vec<&str> = line.splitn(5, '|').collect();
                let part = |index: usize| parts[index].to_owned();
                RemovedLine { commit: part(0), date: part(1), subject: part(2), path: part(3), line: part(4) }
            }));
            return;
        }
        _ => {}
    }
    let path = attributes["path"].to_owned();
    for severity in ["error", "warning", "undecided"] {
        for rule in attributes.get(severity).into_iter().flat_map(|rules| rules.split(',')) {
            case.expected.push(Expected {
                file: path.clone(),
                line: 0,
                severity: severity.to_owned(),
                rule: rule.to_owned(),
                words: None,
            });
        }
    }
    match language {
        "folder" => {}
        "machine" => {
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            let text = format!(
                "{{ hostNames = [ \"{name}\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"any\" ];\n{body}}}\n"
            );
            case.files.insert(format!("machines/{path}/properties.nix"), text.into_bytes());
        }
        "age" => {
            case.files.insert(path, age_file(attributes["recipients"]));
        }
        _ => {
            for (index, line) in body.lines().enumerate() {
                case.expected.extend(comments(&path, index as u32 + 1, line));
            }
            case.files.insert(path, body.into_bytes());
        }
    }
}

/// The expectations in the comments of a line.
fn comments(path: &str, number: u32, line: &str) -> Vec<Expected> {
    let mut found = Vec::new();
    for severity in ["error", "warning", "undecided"] {
        for (marker, above) in [(format!("# {severity}: ["), 0), (format!("#^ {severity}: ["), 1)] {
            for (at, _) in line.match_indices(&marker) {
                let rest = &line[at + marker.len()..];
                let (rule, rest) = rest.split_once(']').unwrap();
                let words = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                found.push(Expected {
                    file: path.to_owned(),
                    line: number - above,
                    severity: severity.to_owned(),
                    rule: rule.to_owned(),
                    words: words.map(str::to_owned),
                });
            }
        }
    }
    found
}

/// An age file of whose contents nothing is true but its form.
pub fn age_file(recipients: &str) -> Vec<u8> {
    let bytes = |count: usize, seed: usize| STANDARD_NO_PAD.encode(vec![(seed % 251) as u8 + 1; count]);
    let mut text = "age-encryption.org/v1\n".to_owned();
    for (seed, recipient) in recipients.split(',').filter(|recipient| !recipient.is_empty()).enumerate() {
        let body = bytes(32, seed);
        let (line, body) = match recipient {
            "X25519" => (format!("X25519 {}", bytes(32, seed)), body),
            "grease" => ("x-grease 1 2 3".to_owned(), bytes(10, seed)),
            "scrypt" => (format!("scrypt {} 18", bytes(16, seed)), body),
            "plugin" => (format!("fido2-hmac {}", bytes(10, seed)), body),
            "broken" => (format!("ssh-ed25519 {} {}", bytes(4, 1), bytes(32, seed)), bytes(3, seed)),
            name => {
                let recipient = Recipient::parse(key(name)).unwrap();
                let tag = recipient.tag().unwrap_or_else(|| panic!("`{name}` has no tag"));
                match recipient.ssh().map(|key| key.algorithm().to_owned()) {
                    Some(algorithm) if algorithm == "ssh-rsa" => {
                        let long = bytes(256, seed);
                        (
                            format!("ssh-rsa {tag}"),
                            long.as_bytes()
                                .chunks(64)
                                .map(|c| std::str::from_utf8(c).unwrap())
                                .collect::<Vec<_>>()
                                .join("\n"),
                        )
                    }
                    Some(algorithm) => (format!("{algorithm} {tag} {}", bytes(32, seed)), body),
                    None => (format!("piv-p256 {tag} {}", bytes(33, seed)), body),
                }
            }
        };
        let _ = writeln!(text, "-> {line}\n{body}");
    }
    let _ = writeln!(text, "--- {}", bytes(32, 7));
    let mut file = text.into_bytes();
    file.extend(vec![0xa5; 16 + 16 + 10]);
    file
}

/// All findings of a case: those of loading and those of the rules.
pub fn findings(case: &Case, selection: Selection) -> Vec<Diagnostic> {
    let tree = MemoryTree::new(&case.files).unwrap();
    let tree = Arc::new(tree);
    let mut world = World::new(tree.clone(), Limits::default());
    let config = Config::load(&*tree, &mut Vec::new());
    config.toml.mappings.iter().for_each(|(usual, name)| world.rename_option(name, usual));
    let fleet = Fleet::load(&*tree, &world, &LoadOptions::default()).unwrap();
    let past = Past(case.removed.clone());
    let mut context = Context::new(&fleet, &*tree).with_history(&past).with_world(&world);
    if let Some(text) = &case.expected_rules {
        context = context.with_expected_rules(text);
    }
    let mut found = fleet.findings.clone();
    found.extend(run(&context, selection));
    found
}

/// A finding in the words of cases.
pub fn seen(case: &Case, finding: &Diagnostic) -> Expected {
    let file = finding.place.file.to_string();
    let text = case.files.get(&file).map(|content| String::from_utf8_lossy(content).into_owned()).unwrap_or_default();
    let line = match finding.place.span {
        Some(span) => LineIndex::new(&text).position(&text, span.start).line,
        None => 0,
    };
    Expected {
        file,
        line,
        severity: format!("{:?}", finding.severity).to_lowercase(),
        rule: finding.rule.to_string(),
        words: Some(finding.message.clone()),
    }
}

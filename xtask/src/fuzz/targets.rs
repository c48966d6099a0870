//! What is tried, and what must hold of it besides that nothing panics.

use bulkhead::age::{
    Recipient, looks_like_private_key, match_recipients, onion::parse_onion, parse_header, recipient::RecipientKind,
};
use bulkhead::check::{judge, rule_descriptions};
use bulkhead::diagnostics::{Format, RenderOptions, Report, render};
use bulkhead::eval::{Input as Source, Limits, Output, Request, World};
use bulkhead::fleet::{Fleet, LoadOptions};
use bulkhead::generate::{adopt::adopt, docs, secrets::secrets_nix};
use bulkhead::source::Span;
use bulkhead::{CheckOptions, Project, Scope};

use super::corpus::Corpus;
use super::input::Input;
use super::mutate::mutate;
use crate::random::Random;

/// The limits of evaluated expressions. Those of fleets are in the corpus.
const LIMITS: Limits = Limits { steps: 50_000, depth: 500, memory: 32 << 20, file_size: 1 << 20 };

/// Something that reads files.
pub struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// Make an input.
    make: fn(&Corpus, &mut Random) -> Input,
    /// Try it. Panics if something does not hold.
    pub run: fn(&Input),
}

impl Target {
    /// The input with a seed.
    pub fn input(&self, corpus: &Corpus, seed: u64) -> Input {
        (self.make)(corpus, &mut Random::new(seed))
    }
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target { name: "syntax", make: |corpus, random| one("input.nix", random, &corpus.nix, &corpus.nix), run: syntax },
    Target {
        name: "eval",
        make: |corpus, random| one("input.nix", random, &corpus.expressions, &corpus.nix),
        run: eval,
    },
    Target { name: "properties", make: damaged_properties, run: load },
    Target { name: "rules", make: damaged_rules, run: audit },
    Target {
        name: "age-header",
        make: |corpus, random| one("input.age", random, &corpus.age, &corpus.age),
        run: header,
    },
    Target {
        name: "recipient",
        make: |corpus, random| one("input.pub", random, &corpus.keys, &corpus.keys),
        run: recipient,
    },
    Target { name: "config", make: damaged_config, run: check },
    Target { name: "check", make: damaged_fleet, run: check },
];

fn one(path: &str, random: &mut Random, from: &[Vec<u8>], others: &[Vec<u8>]) -> Input {
    let text = random.pick(from).map_or(&[][..], Vec::as_slice);
    Input::new([(path, mutate(random, text, others))])
}

/// A small fleet: the machine whose properties are damaged, another one, a secret that both may read.
fn damaged_properties(corpus: &Corpus, random: &mut Random) -> Input {
    let properties = random.pick(&corpus.properties).cloned().unwrap_or_default();
    let key = random.pick(&corpus.keys).cloned().unwrap_or_default();
    let mut input = Input::new([
        ("machines/a/properties.nix", mutate(random, &properties, &corpus.properties)),
        ("machines/a/host.pub", key.clone()),
        ("machines/a/ssh_host_ed25519_key.pub", key),
        ("machines/b/properties.nix", random.pick(&corpus.properties).cloned().unwrap_or_default()),
    ]);
    keep(&mut input, corpus, |path| ["bulkhead.toml", "secrets/properties.nix", "secrets/wifi.age"].contains(&path));
    input
}

/// A repository of somebody who knows nothing of Bulkhead.
fn damaged_rules(corpus: &Corpus, random: &mut Random) -> Input {
    let rules = random.pick(&corpus.rules).cloned().unwrap_or_default();
    let keys = corpus.rules.first().cloned().unwrap_or_default();
    let mut input = Input::new([
        ("secrets/secrets.nix", mutate(random, &rules, &corpus.rules)),
        ("secrets/keys.nix", if random.once_in(4) { mutate(random, &keys, &corpus.rules) } else { keys }),
    ]);
    keep(&mut input, corpus, |path| ["bulkhead.toml", "secrets/smtp-login.age", "secrets/wifi.age"].contains(&path));
    input
}

fn damaged_config(corpus: &Corpus, random: &mut Random) -> Input {
    let mut input = one("bulkhead.toml", random, &corpus.configs, &corpus.configs);
    keep(&mut input, corpus, |path| path != "bulkhead.toml");
    input
}

/// The example fleet with one to five files damaged, moved, copied or removed. The configuration stays: its limits bound
/// how long the others take.
fn damaged_fleet(corpus: &Corpus, random: &mut Random) -> Input {
    let mut input = corpus.fleet.clone();
    for _ in 0..=random.below(5) {
        let paths: Vec<&String> = input.0.keys().filter(|path| *path != "bulkhead.toml").collect();
        let (Some(path), Some(other)) = (random.pick(&paths), random.pick(&paths)) else { break };
        let (path, other) = ((*path).clone(), (*other).clone());
        let bytes = input.0.get(&path).cloned().unwrap_or_default();
        match random.below(12) {
            0 => drop(input.0.remove(&path)),
            1 => drop(input.0.insert(other, bytes)),
            2 if path.contains('/') => {
                // A folder of the same name elsewhere: a second machine, or a secret that is there twice.
                let (_, rest) = path.split_once('/').unwrap_or(("", &path));
                input.0.insert(format!("machines/copies/{rest}"), bytes);
            }
            3 => drop(input.0.insert("secrets/secrets.nix".to_owned(), generated_rules(corpus, random))),
            _ => {
                let others = if path.ends_with(".age") { &corpus.age } else { &corpus.nix };
                input.0.insert(path, mutate(random, &bytes, others));
            }
        }
    }
    // Where a file's name became a folder's, the tree would be none.
    let files: Vec<String> = input.0.keys().cloned().collect();
    input
        .0
        .retain(|path, _| !files.iter().any(|file| path.strip_prefix(file).is_some_and(|rest| rest.starts_with('/'))));
    input
}

fn generated_rules(corpus: &Corpus, random: &mut Random) -> Vec<u8> {
    let rules = random.pick(&corpus.rules).cloned().unwrap_or_default();
    let marker = bulkhead::fleet::GENERATED_MARKER.as_bytes();
    [marker, b"\n", &mutate(random, &rules, &corpus.rules)].concat()
}

/// Add the files of the example fleet that are wanted and not there yet.
fn keep(input: &mut Input, corpus: &Corpus, wanted: impl Fn(&str) -> bool) {
    for (path, bytes) in corpus.fleet.0.iter().filter(|(path, _)| wanted(path)) {
        input.0.entry(path.clone()).or_insert_with(|| bytes.clone());
    }
}

fn syntax(input: &Input) {
    let text = input.text();
    let inside = |span: Span| {
        let range = span.start as usize..span.end as usize;
        assert!(text.get(range.clone()).is_some(), "{range:?} is no piece of the text of {} bytes", text.len());
    };
    match bulkhead::syntax::parse(&text) {
        Ok(ast) => ast.comments.iter().for_each(|comment| inside(comment.span)),
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            for error in &errors {
                inside(error.span);
                error.related.iter().for_each(|(span, _)| inside(*span));
            }
        }
    }
}

fn eval(input: &Input) {
    let world = World::new(input.tree(), LIMITS);
    let source = || Source::Text { text: input.text(), name: "«string»".to_owned(), folder: "/".to_owned() };
    for output in [Output::Nix { strict: false }, Output::Nix { strict: true }, Output::Json, Output::Raw] {
        let request = Request { input: source(), attr_path: String::new(), arguments: Vec::new(), output };
        // Most damaged expressions fail; that they fail with words is enough.
        if let Err(failure) = world.request(&request) {
            assert!(!failure.message.is_empty(), "failed without a reason");
        }
    }
}

fn header(input: &Input) {
    let bytes = input.bytes();
    for whole_file in [false, true] {
        match parse_header(bytes, whole_file) {
            Ok(header) => {
                let problem = header.payload_problem(bytes, bytes.len() as u64);
                assert!(problem.is_none_or(|problem| problem.offset <= bytes.len()), "a problem behind the end");
                let found = match_recipients(&header, &[]);
                assert!(found.matched.is_empty() && found.missing.is_empty(), "found keys that were not asked for");
            }
            Err(error) => assert!(error.offset <= bytes.len(), "an error behind the end"),
        }
    }
    let _ = looks_like_private_key(bytes);
}

fn recipient(input: &Input) {
    let text = input.text();
    if let Ok(key) = Recipient::parse(&text) {
        let again = Recipient::parse(key.canonical());
        assert!(again.is_ok_and(|again| again == key), "the canonical text is another key");
        let _ = (key.fingerprint(), key.public_key_id(), key.tag(), key.weaknesses(), key.age_can_encrypt());
        assert!(matches!(key.kind(), RecipientKind::Ssh(_)) == key.ssh().is_some(), "SSH key or not");
    }
    let _ = Recipient::parse_lines(&text);
    let _ = parse_onion(text.trim());
    let _ = looks_like_private_key(input.bytes());
}

/// Load a fleet, and ask everything that can be asked about it.
fn load(input: &Input) {
    let project = Project::of_tree(input.tree());
    // Only a root that is gone ends loading; this one lies in memory.
    let Ok(fleet) = project.fleet(&LoadOptions::default()) else { panic!("the fleet can't be loaded") };
    let sources = project.sources();
    let _ = (fleet.roles_answer(), fleet.machines_answer(None));
    for secret in fleet.all_secrets() {
        let _ = fleet.readers(secret, &sources);
    }
    for machine in 0..fleet.machines.len() {
        let _ = fleet.secrets_answer(Some(machine), &sources);
    }
    generate(&project, &fleet, input.size());
}

/// Judge the rules of a repository by themselves.
fn audit(input: &Input) {
    judge_and_render(input, Scope::Secrets);
}

/// Run all rules on a fleet.
fn check(input: &Input) {
    judge_and_render(input, Scope::All);
}

fn judge_and_render(input: &Input, scope: Scope) {
    let project = Project::of_tree(input.tree());
    let Ok(fleet) = project.fleet(&LoadOptions::default()) else { panic!("the fleet can't be loaded") };
    let report = judge(&project, &fleet, &CheckOptions { scope, ..CheckOptions::default() });
    render_some(&project, &report, input.size());
    for rules in &fleet.rules_files {
        let _ = adopt(&fleet, rules);
    }
    generate(&project, &fleet, input.size());
}

/// Show findings as people see them, and in one of the other formats: which one depends on the input. What is for
/// programs must be what it says.
fn render_some(project: &Project, report: &Report, number: usize) {
    let (sources, rules) = (project.sources(), rule_descriptions());
    let others: Vec<Format> = Format::ALL.into_iter().filter(|format| *format != Format::Full).collect();
    for format in std::iter::once(&Format::Full).chain(others.get(number % others.len())) {
        let mut out = Vec::new();
        let options = RenderOptions {
            color: number.is_multiple_of(2),
            width: 40 + number % 100,
            rules: &rules,
            folder: "infra/",
        };
        let rendered = render(report, *format, &sources, &options, &mut out);
        assert!(rendered.is_ok(), "writing to memory failed");
        let text = String::from_utf8(out);
        assert!(text.is_ok(), "{format} is not UTF-8");
        if let (Format::Json | Format::Sarif, Ok(text)) = (format, &text) {
            let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
            assert!(parsed.is_ok(), "{format} is not JSON");
        }
    }
}

/// Generate `secrets.nix`, which must be Nix; and for some inputs the documentation, which takes longer.
fn generate(project: &Project, fleet: &Fleet, number: usize) {
    if let Ok(generated) = secrets_nix(fleet) {
        assert!(bulkhead::syntax::parse(&generated.text).is_ok(), "secrets.nix is not Nix");
    }
    if !number.is_multiple_of(32) {
        return;
    }
    let library = docs::read_library(project.tree(), project.world(), &fleet.config);
    let layout = docs::layout(fleet, project.tree());
    let commands = docs::default_commands("bulkhead");
    let input = docs::DocsInput { fleet, library: &library, layout: &layout, commands: &commands };
    let _ = docs::update(None, &input);
}

//! Whole fleets: what is found, who may read what and why, what is said when files are wrong.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use bulkhead_diagnostics::{Severity, Sources};
use bulkhead_eval::{Limits, World};
use bulkhead_fleet::{
    AgeFileError, Evidence, Fleet, GapKind, KeyOwner, LoadError, LoadOptions, RulesState, Scope, SecretRef,
};
use bulkhead_source::{FileTree, MemoryTree, TreePath};
use common::{AGE, HOWL, KIF, PONYO, S0, example, properties};

struct Texts(MemoryTree);

impl Sources for Texts {
    fn text(&self, file: &str) -> Option<Arc<str>> {
        let bytes = self.0.read(&TreePath::new(file).ok()?, 1 << 20).ok()?;
        String::from_utf8(bytes).ok().map(Arc::from)
    }
}

fn tree(files: &[(&str, String)]) -> MemoryTree {
    MemoryTree::new(files.iter().map(|(path, content)| (*path, content))).unwrap()
}

fn load(files: &[(&str, String)]) -> Fleet {
    let tree = Arc::new(tree(files));
    let world = World::new(tree.clone(), Limits::default());
    Fleet::load(&*tree, &world, &LoadOptions::default()).unwrap()
}

fn plain(files: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    files.iter().map(|(path, content)| (*path, (*content).to_owned())).collect()
}

fn find<'a>(fleet: &'a Fleet, name: &str) -> SecretRef<'a> {
    let found = fleet.find_secrets(name);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found[0]
}

/// `name: why, why` for each reader.
fn readers(fleet: &Fleet, name: &str) -> Vec<String> {
    let answer = fleet.readers(find(fleet, name), &Texts(MemoryTree::default()));
    answer.readers.iter().map(|reader| format!("{}: {}", reader.name, reader.why.join(", "))).collect()
}

#[test]
fn the_example_is_read_whole() {
    let fleet = load(&example());
    assert_eq!(fleet.findings, []);
    assert_eq!((fleet.counts.machines, fleet.counts.roles, fleet.counts.secrets), (3, 3, 6));
    let names: Vec<&str> = fleet.machines.iter().map(|machine| &*machine.name).collect();
    assert_eq!(names, ["howl", "kif", "s0"]);
    let roles = serde_json::to_value(fleet.roles_answer()).unwrap();
    assert_eq!(roles, serde_json::json!({"roles": {"personal": ["howl"], "pia": ["s0"], "server": ["kif", "s0"]}}));
    assert!(fleet.by_convention);
}

#[test]
fn machines_are_answered_with_the_names_of_the_nix_file() {
    let fleet = load(&example());
    let answer = serde_json::to_value(fleet.machines_answer(Some("server"))).unwrap();
    assert_eq!(
        answer["machines"]["kif"],
        serde_json::json!({
            "path": "machines/kif",
            "hostNames": ["kif"],
            "arch": "x86_64-linux",
            "systemRoles": ["server"],
            "hostKey": KIF,
            "userKeys": [],
            "deployKeys": [],
            "remoteUnlock": {"hostKey": PONYO, "clearnetHost": "unlock.example.org"},
        })
    );
    assert!(answer["machines"].get("howl").is_none());
}

#[test]
fn secrets_are_granted_by_entry_by_folder_and_to_admins() {
    let fleet = load(&example());
    assert_eq!(readers(&fleet, "pia-login"), ["s0: role pia", "howl-user: user key (personal)", "ponyo: admin key"]);
    assert_eq!(
        readers(&fleet, "server/token"),
        ["kif: role server", "s0: role server", "howl-user: user key (personal)", "ponyo: admin key"]
    );
    assert_eq!(readers(&fleet, "secrets/pia-login.age").len(), 3, "a secret is found by its path too");
    assert_eq!(
        readers(&fleet, "s0/disk"),
        ["s0: its own folder", "howl-user: user key (personal)", "ponyo: admin key"]
    );
    assert_eq!(readers(&fleet, "later"), ["howl: everyone", "kif: everyone", "s0: everyone"]);
    assert_eq!(readers(&fleet, "named"), ["kif: named", "howl-user: user key (personal)", "ponyo: admin key"]);
    assert_eq!(readers(&fleet, "forgotten"), ["howl-user: user key (personal)", "ponyo: admin key"]);
}

#[test]
fn what_is_wrong_with_a_grant_is_kept_for_the_rules() {
    let fleet = load(&example());
    let SecretRef::Convention(later) = find(&fleet, "later") else { panic!("by convention") };
    assert!(!later.exists);
    let keyless: Vec<_> = fleet.grants(later).into_iter().filter(|grant| grant.key.is_none()).collect();
    assert_eq!(keyless.len(), 1);
    assert_eq!(keyless[0].reader, KeyOwner::Host { machine: 0 });
    let SecretRef::Convention(named) = find(&fleet, "named") else { panic!("by convention") };
    assert_eq!(&*named.machines.items[1].value, "nobody");
    assert_eq!(named.rule_name, "named.age");
    let SecretRef::Convention(forgotten) = find(&fleet, "forgotten") else { panic!("by convention") };
    assert!(!forgotten.is_granted());
    let SecretRef::Convention(disk) = find(&fleet, "disk") else { panic!("by convention") };
    assert_eq!(disk.scope, Scope::Machine(2));
    assert_eq!(disk.rule_name, "../machines/storage/s0/secrets/disk.age");
}

#[test]
fn readers_are_told_with_the_line_that_makes_them_one() {
    let files = example();
    let fleet = load(&files);
    let answer = fleet.readers(find(&fleet, "pia-login"), &Texts(tree(&files)));
    let place = answer.readers[0].place.as_ref().unwrap();
    assert_eq!((&*place.file, place.line), ("machines/storage/s0/properties.nix", Some(4)));
    let secrets = fleet.secrets_answer(Some(2), &Texts(tree(&files)));
    let names: Vec<&str> = secrets.secrets.iter().map(|secret| secret.name.as_str()).collect();
    assert_eq!(names, ["s0/disk", "later", "pia-login", "server/token"]);
}

#[test]
fn a_plain_agenix_repository_is_a_fleet_too() {
    let rules = format!(
        "let\n  howl = \"{HOWL}\";\n  hosts = {{ kif.publicKey = \"{KIF}\"; }};\n  people = [ howl \"{PONYO}\" ];\nin\n{{\n  \"wifi.age\".publicKeys = people ++ [ hosts.kif.publicKey ];\n  \"gone.age\" = {{ publicKeys = [ howl ]; armor = true; note = 1; }};\n}}\n"
    );
    let fleet = load(&[("secrets/secrets.nix", rules.clone()), ("secrets/wifi.age", AGE.to_owned())]);
    assert_eq!(fleet.findings, []);
    assert!(!fleet.by_convention);
    let file = &fleet.rules_files[0];
    assert_eq!(file.state, RulesState::Evaluated);
    let entry = &file.entries[1];
    assert_eq!(&*entry.name, "wifi.age");
    let target = entry.file.as_ref().unwrap();
    assert_eq!((target.path.as_str(), target.exists), ("secrets/wifi.age", true));
    assert_eq!(readers(&fleet, "wifi").len(), 3);
    let names: Vec<String> = entry.public_keys.iter().map(|key| fleet.key_name(key)).collect();
    assert_eq!(names, ["howl", "ponyo", "kif"]);
    let gone = &file.entries[0];
    assert_eq!(gone.armor.known().map(|armor| armor.value), Some(true));
    assert_eq!(&*gone.extra[0].0, "note");
    assert!(!gone.file.as_ref().unwrap().exists);
}

#[test]
fn rules_that_take_names_from_the_root_are_understood() {
    let rules = format!("{{ \"secrets/wifi.age\".publicKeys = [ \"{HOWL}\" ]; }}");
    let fleet = load(&[("nix/agenix.nix", rules), ("secrets/wifi.age", AGE.to_owned())]);
    let target = fleet.rules_files[0].entries[0].file.as_ref().unwrap();
    assert_eq!((target.path.as_str(), target.base.as_str(), target.exists), ("secrets/wifi.age", "", true));
}

#[test]
fn modules_and_key_lists_are_no_rules() {
    let fleet = load(&plain(&[
        ("modules/secrets.nix", "{ config, ... }: { age.secrets.x.file = ../secrets/x.age; }"),
        ("keys.nix", "{ howl.publicKeys = [ \"ssh-ed25519 AAAA\" ]; }"),
        ("hosts/secrets.nix", "{ age.secrets.wifi.file = ./wifi.age; }"),
        ("secrets/x.age", AGE),
    ]));
    assert!(fleet.rules_files.is_empty(), "{:#?}", fleet.rules_files);
    assert_eq!(fleet.findings, []);
}

#[test]
fn rules_that_need_nixpkgs_are_undecided() {
    let fleet = load(&plain(&[(
        "secrets.nix",
        "let lib = (import <nixpkgs> { }).lib; in lib.mapAttrs (n: v: { publicKeys = v; }) { \"a.age\" = [ ]; }",
    )]));
    assert!(matches!(&fleet.rules_files[0].state, RulesState::Undecided(gap) if gap.kind == GapKind::Unknown));
    assert_eq!(fleet.secrets_undecided().len(), 1);
}

#[test]
fn wrong_rules_are_told_at_their_place() {
    let text = format!(
        "{{\n  \"a.age\".publicKeys = \"{HOWL}\";\n  \"b.age\".publickeys = [ \"{HOWL}\" ];\n  \"c.age\".publicKeys = [ ./x.pub \"{S0}\" ];\n}}\n"
    );
    let fleet = load(&[("secrets.nix", text.clone())]);
    let mut found: Vec<(usize, &str)> = fleet
        .findings
        .iter()
        .map(|f| (text[..f.place.span.unwrap().start as usize].lines().count(), f.message.as_str()))
        .collect();
    found.sort_unstable();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(found[0].1, "`\"a.age\".publicKeys` must be a list, not a string");
    assert_eq!(found[1].1, "`\"b.age\".publicKeys` is missing");
    let c = &fleet.rules_files[0].entries[2];
    assert_eq!((c.public_keys.items.len(), c.public_keys.gaps.len()), (1, 1));
}

#[test]
fn a_syntax_error_is_told_and_leaves_the_other_machines() {
    let fleet = load(&[
        ("machines/a/properties.nix", properties("a", "\"x\"", "")),
        ("machines/b/properties.nix", "{ hostNames = [ \"b\" ;".to_owned()),
    ]);
    assert_eq!(fleet.machines.len(), 2);
    assert_eq!(fleet.machines[1].gap.as_ref().map(|gap| gap.kind), Some(GapKind::Failed));
    assert!(!fleet.findings.is_empty());
    assert!(fleet.findings.iter().all(|f| f.rule == "nix-syntax" && f.severity == Severity::Error));
    assert!(fleet.findings.iter().all(|f| &*f.place.file == "machines/b/properties.nix"));
}

#[test]
fn a_broken_import_is_told_once() {
    let broken = "{ a = 1".to_owned();
    let machine = "import ../../lib.nix".to_owned();
    let fleet = load(&[
        ("lib.nix", broken),
        ("machines/a/properties.nix", machine.clone()),
        ("machines/b/properties.nix", machine),
    ]);
    let places: Vec<&str> = fleet.findings.iter().map(|f| &*f.place.file).collect();
    assert!(places.iter().all(|file| *file == "lib.nix"), "{:#?}", fleet.findings);
    assert_eq!(fleet.findings.len(), 1);
}

#[test]
fn what_the_environment_decides_is_undecided() {
    let fleet = load(&[(
        "machines/a/properties.nix",
        properties("a", "(builtins.getEnv \"ROLE\")", &format!("hostKey = \"{S0}\";")),
    )]);
    assert_eq!(fleet.machines[0].has_role("x"), None);
    assert_eq!(fleet.role_gaps.len(), 1);
    assert_eq!(fleet.findings.len(), 1, "{:#?}", fleet.findings);
    assert_eq!(fleet.findings[0].rule, "unknown-value");
    assert_eq!(fleet.findings[0].severity, Severity::Undecided);
}

#[test]
fn secrets_in_clear_and_files_that_are_no_age_are_found() {
    let private = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
        b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQ\n\
        -----END OPENSSH PRIVATE KEY-----\n";
    let fleet = load(&plain(&[
        ("machines/a/initrd_host_key", private),
        ("machines/a/luks.key", "0123456789abcdef"),
        ("machines/a/luks-backup.key", AGE),
        ("secrets/plain.age", "hunter2\n"),
        ("README", "a -----BEGIN OPENSSH PRIVATE KEY----- looks like this"),
    ]));
    let found: Vec<(&str, bool)> =
        fleet.key_likes.iter().map(|key| (key.path.as_str(), key.evidence == Evidence::Name)).collect();
    assert_eq!(found, [("machines/a/initrd_host_key", false), ("machines/a/luks.key", true)]);
    assert!(matches!(fleet.age_files[0].header, Err(AgeFileError::Header(_))));
}

#[test]
fn entries_of_secrets_that_are_wrong_are_told() {
    let fleet = load(&plain(&[(
        "secrets/properties.nix",
        "{ \"wifi.age\".roles = [ \"x\" ]; \"../out\".roles = [ ]; a.rols = [ ]; b = 7; }",
    )]));
    let mut messages: Vec<&str> = fleet.findings.iter().map(|f| f.message.as_str()).collect();
    messages.sort_unstable();
    assert_eq!(
        messages,
        [
            "`../out` is no name of a secret",
            "`b` must be a set, not an integer",
            "`rols` is not a property of `a`",
            "`wifi.age` is named with `.age`",
        ]
    );
    let names: Vec<&str> = fleet.secrets.iter().map(|secret| &*secret.name).collect();
    assert_eq!(names, ["a", "b", "wifi"]);
    assert!(fleet.secrets[1].gap.is_some());
}

#[test]
fn rules_named_by_a_person_are_judged_alone() {
    let files = [
        ("one.nix", format!("{{ \"a.age\".publicKeys = [ \"{HOWL}\" ]; }}")),
        ("two.nix", "[ 1 ]".to_owned()),
        ("secrets.nix", format!("{{ \"b.age\".publicKeys = [ \"{HOWL}\" ]; }}")),
    ];
    let tree = Arc::new(tree(&files));
    let world = World::new(tree.clone(), Limits::default());
    let named = |names: &[&str]| LoadOptions {
        rules: names.iter().map(|name| TreePath::new(name).unwrap()).collect(),
        ..LoadOptions::default()
    };
    let fleet = Fleet::load(&*tree, &world, &named(&["one.nix", "two.nix"])).unwrap();
    assert_eq!(fleet.rules_files.len(), 2);
    assert_eq!(fleet.findings.len(), 1);
    assert_eq!(fleet.findings[0].message, "`two.nix` is no agenix rules file: it is a list");
    let missing = Fleet::load(&*tree, &world, &named(&["three.nix"]));
    assert!(matches!(missing, Err(LoadError::Rules(_))));
}

#[test]
fn an_empty_repository_is_an_empty_fleet() {
    let fleet = load(&[]);
    assert_eq!((fleet.counts.machines, fleet.counts.secrets), (0, 0));
    assert_eq!(fleet.findings, []);
}

#[test]
fn secrets_without_rules_or_machines_are_granted_by_no_convention() {
    let files = [("secrets/web/token.age", AGE.to_owned()), ("secrets/wifi.age", AGE.to_owned())];
    let fleet = load(&files);
    assert!(!fleet.by_convention);
    assert_eq!((fleet.secrets.len(), fleet.counts.secrets), (0, 2));
    let howl = ("machines/howl/properties.nix", properties("howl", "\"web\"", ""));
    let [token, wifi] = files;
    assert!(load(&[howl, token, wifi]).by_convention);
}

#[test]
fn keys_that_a_function_reads_are_named_after_their_files() {
    let keys = "let\n  clean = text: builtins.replaceStrings [ \"\\n\" ] [ \"\" ] text;\n  read = name: clean (builtins.readFile (./keys + \"/${name}\"));\nin\n  map read (builtins.attrNames (builtins.readDir ./keys))\n";
    let fleet = load(&[
        ("secrets/secrets.nix", "{ \"wifi.age\".publicKeys = import ../keys.nix; }\n".to_owned()),
        ("secrets/wifi.age", AGE.to_owned()),
        ("keys.nix", keys.to_owned()),
        ("keys/moving.pub", format!("{HOWL}\n")),
        ("keys/several.pub", format!("{KIF}\n{S0}\n")),
        ("elsewhere/heen/ssh_host_ed25519_key.pub", format!("{PONYO}\n")),
        ("keys/copy", format!("{PONYO}\n")),
    ]);
    assert_eq!(fleet.findings, []);
    let keys = &fleet.rules_files[0].entries[0].public_keys;
    let mut names: Vec<String> = keys.iter().map(|key| fleet.key_name(key)).collect();
    names.sort();
    assert_eq!(names[..2], ["heen", "moving"]);
    assert!(!names.iter().any(|name| name == "clean" || name == "read"), "{names:?}");
}

#[test]
fn keys_in_a_list_are_named_by_the_comment_behind_them() {
    let bare = |line: &'static str| line.rsplit_once(' ').map_or(line, |(key, _)| key);
    let (ponyo, kif, s0, howl) = (bare(PONYO), bare(KIF), bare(S0), bare(HOWL));
    let rules = format!(
        "let admins = [\n  \"{ponyo}\" # ponyo, old-ponyo\n  \"{kif}\" # the one that leaves in May\n  \"{s0}\"\n  # howl\n  \"{howl} a@howl\" # amy\n];\nin {{ \"a.age\".publicKeys = admins; }}\n"
    );
    let fleet = load(&[("secrets/secrets.nix", rules)]);
    let keys = &fleet.rules_files[0].entries[0].public_keys;
    let names: Vec<String> = keys.iter().map(|key| fleet.key_name(key)).collect();
    assert_eq!(names, ["ponyo", "admins-2", "admins-3", "a@howl"]);
}

#[test]
fn entries_whose_evaluation_fails_are_told_one_by_one() {
    let rules = "{\n  \"a.age\".publicKeys = throw \"lost\";\n  \"b.age\".publicKeys = [ (throw \"gone\") ];\n  \"c.age\".publicKeys = (import ../nowhere).all;\n  \"d.age\".publicKeys = [ ];\n}\n";
    let fleet = load(&[("secrets/secrets.nix", rules.to_owned())]);
    let told: Vec<(&str, &str)> = fleet.findings.iter().map(|finding| (&*finding.rule, &*finding.message)).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(fleet.findings.iter().all(|finding| finding.severity == Severity::Error));
}

#[test]
fn secrets_count_whatever_they_are_called() {
    let rules =
        format!("{{ \"ssh.config\".publicKeys = [ \"{HOWL}\" ]; \"later.age\".publicKeys = [ \"{HOWL}\" ]; }}\n");
    let fleet = load(&[("secrets/secrets.nix", rules), ("secrets/ssh.config", AGE.to_owned())]);
    assert_eq!(fleet.counts.secrets, 2);
}

#[test]
fn several_keys_and_private_keys_where_one_public_key_is_wanted() {
    let with = |key: &str| {
        let more = format!("hostKey = ''\n{key}\n'';");
        load(&[("machines/s0/properties.nix", properties("s0", "\"pia\"", &more))])
    };
    let fleet = with(&format!("{S0}\n{KIF}"));
    let messages: Vec<&str> = fleet.findings.iter().map(|finding| finding.message.as_str()).collect();
    assert_eq!(messages, ["there are 2 keys here, where one is wanted"]);
    let place = fleet.findings[0].place.clone();
    assert_eq!((&*place.file, place.span.is_some()), ("machines/s0/properties.nix", true));
    assert_eq!(fleet.machines[0].host_key.gap().unwrap().kind, GapKind::Invalid);

    // Blank lines and comments are no keys.
    let fleet = with(&format!("# s0\n\n{S0}\n"));
    assert_eq!((fleet.findings.len(), fleet.machines[0].host_key.known().unwrap().line()), (0, S0));

    // The body of a private key is not a number of keys, and is shown nowhere.
    let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n".repeat(5);
    for end in ["-----END OPENSSH PRIVATE KEY-----", ""] {
        let fleet = with(&format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}{end}"));
        let messages: Vec<&str> = fleet.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, Vec::<&str>::new());
        let key = fleet.machines[0].host_key.known().unwrap();
        assert!(key.recipient().unwrap_err().message.contains("private key"), "{:?}", key.recipient());
        assert!(!format!("{key:?}").contains("b3Blb"), "{key:?}");
    }

    // The same from a file, beside a key.
    let fleet = load(&[
        ("machines/s0/properties.nix", properties("s0", "\"pia\"", "hostKey = ./host.pub;")),
        (
            "machines/s0/host.pub",
            format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}-----END OPENSSH PRIVATE KEY-----\n{S0}\n"),
        ),
    ]);
    assert_eq!(fleet.findings[0].message, "there are 2 keys here, where one is wanted");
}

#[test]
fn what_the_convention_makes_of_a_file() {
    let fleet = load(&example());
    let at = |path: &str| fleet.secret_at(&TreePath::new(path).unwrap(), false);
    let s0 = fleet.machines_named("s0").next().unwrap().0;
    let name_and_scope = |path: &str| at(path).map(|secret| (secret.name.to_string(), secret.scope));
    assert_eq!(name_and_scope("secrets/new.age"), Some(("new".to_owned(), Scope::Shared)));
    assert_eq!(name_and_scope("secrets/pia/new.age"), Some(("pia/new".to_owned(), Scope::Role("pia".into()))));
    let own = name_and_scope("machines/storage/s0/secrets/new.age");
    assert_eq!(own, Some(("s0/new".to_owned(), Scope::Machine(s0))));
    for nowhere in
        ["secrets/a/b/c.age", "other/x.age", "secrets/x.AGE", "secrets/.age", "machines/storage/secrets/x.age"]
    {
        assert_eq!(name_and_scope(nowhere), None, "{nowhere}");
    }
    let secret = at("machines/storage/s0/secrets/new.age").unwrap();
    assert_eq!(secret.rule_name, "../machines/storage/s0/secrets/new.age");
    assert!(!secret.exists && secret.declared.is_none() && secret.roles.is_absent());
}

//! What is passed over, or read only in part, never hides what git tracks.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Folder, Run};
use pretty_assertions::assert_eq;

const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n";
/// An age identity of a test: its checksum is valid.
const KEY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn check(fleet: &Folder, more: &[&str]) -> Run {
    fleet.bulkhead(&[&["check", "--format", "json"], more].concat())
}

fn findings(run: &Run, rule: &str) -> Vec<(String, String)> {
    let json = run.json();
    let all = json["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == rule);
    all.map(|finding| (finding["file"].to_string(), finding["severity"].to_string())).collect()
}

#[test]
fn leftovers_are_passed_over_and_tracked_files_never() {
    for (folder, tag) in [("cache", TAG), ("node_modules", ""), (".direnv", ""), ("machines/.hg", "")] {
        let fleet = Folder::fleet().with_git();
        fleet.write(&format!("{folder}/x.age"), "no age").write(&format!("{folder}/CACHEDIR.TAG"), tag);
        assert_eq!(check(&fleet, &[]).rules(), Vec::<String>::new(), "{folder}");

        fleet.git(&["add", "--force", &format!("{folder}/x.age")]);
        for source in [&[][..], &["--staged"]] {
            let run = check(&fleet, source);
            assert!(run.stdout.contains(&format!("{folder}/x.age")), "{folder} {source:?}: {}", run.stdout);
        }
        // What the index has lost is in the revision all the same.
        fleet.git(&["commit", "--quiet", "--message=cache"]);
        fleet.git(&["rm", "--cached", "--quiet", &format!("{folder}/x.age")]);
        let run = check(&fleet, &["--rev", "HEAD"]);
        assert!(run.stdout.contains(&format!("{folder}/x.age")), "{folder}: {}", run.stdout);
        assert_eq!(check(&fleet, &[]).rules(), Vec::<String>::new(), "{folder}");
    }

    // An archive of a repository has no git that could tell.
    let fleet = Folder::fleet();
    fleet.write("cache/x.age", "no age").write("cache/CACHEDIR.TAG", TAG);
    assert!(check(&fleet, &[]).stdout.contains("cache/x.age"));
    let fleet = Folder::fleet();
    fleet.write("node_modules/x.age", "no age");
    assert_eq!(check(&fleet, &[]).rules(), Vec::<String>::new());
}

fn in_utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
}

#[test]
fn private_keys_late_in_a_text_and_in_utf_16() {
    let late = format!("{}{KEY}\n", "some words\n".repeat(300_000));
    let nix = format!("# {}\n\"{KEY}\"\n", "x".repeat(100_000));
    let across = format!("{}{KEY}\n", " ".repeat((64 << 10) - 20));
    for (name, content) in [
        ("late.txt", late.clone().into_bytes()),
        ("late.md", late.into_bytes()),
        ("late.nix", nix.into_bytes()),
        ("across.txt", across.clone().into_bytes()),
        ("binary", [b"\0", across.as_bytes()].concat()),
        ("windows.txt", in_utf16(&format!("key: {KEY}\r\n"), u16::to_le_bytes)),
        ("big-endian.txt", in_utf16(KEY, u16::to_be_bytes)),
    ] {
        let fleet = Folder::fleet();
        fleet.write(name, content);
        let run = check(&fleet, &[]);
        assert_eq!(findings(&run, "private-key-in-clear"), [(format!("{name:?}"), "\"error\"".to_owned())], "{name}");
        if name == "windows.txt" {
            assert!(run.stdout.contains("it begins at byte 12"), "{}", run.stdout);
        }
    }

    // The rest of what is no text is not read, as the rule's page says.
    let fleet = Folder::fleet();
    fleet.write("disk.img", [vec![0; 100_000], KEY.into()].concat());
    assert_eq!(findings(&check(&fleet, &[]), "private-key-in-clear"), []);
}

/// Nothing but what can't be read is an error.
fn only_undecided(run: &Run, but: &[&str]) {
    let json = run.json();
    for finding in json["findings"].as_array().unwrap() {
        let rule = finding["rule"].as_str().unwrap();
        assert!(finding["severity"] != "error" || but.contains(&rule), "{finding:#}");
    }
    assert!(run.rules().contains(&"unreadable-file".to_owned()), "{}", run.stdout);
    // Also as a note of the cause.
    assert!(run.stdout.contains("secrets-nix-outdated"), "{}", run.stdout);
}

#[test]
fn roles_and_machines_of_a_folder_that_cannot_be_read_are_undecided() {
    let module = Folder::empty();
    let fleet = Folder::fleet();
    let hidden = fleet.path().join("machines/servers");
    std::fs::rename(&hidden, module.path().join("servers")).unwrap();
    // A link out of the tree.
    std::os::unix::fs::symlink(module.path().join("servers"), &hidden).unwrap();
    let run = check(&fleet, &[]);
    assert_eq!(run.code, 1);
    only_undecided(&run, &["unreadable-file"]);
    assert!(run.stdout.contains("instead of the link"), "{}", run.stdout);
    std::fs::remove_file(&hidden).unwrap();

    // A submodule.
    let module = module.with_git();
    let fleet = fleet.with_git();
    let source = module.path().to_str().unwrap().to_owned();
    fleet.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, "machines/sub"]);
    fleet.git(&["commit", "--quiet", "--message=submodule"]);
    for source in [&["--staged"][..], &["--rev", "HEAD"]] {
        let run = check(&fleet, source);
        assert_eq!(run.code, 0, "{}", run.stdout);
        only_undecided(&run, &[]);
    }
    fleet.git(&["submodule", "--quiet", "deinit", "--force", "--all"]);
    let run = check(&fleet, &[]);
    assert_eq!(run.code, 0, "{}", run.stdout);
    only_undecided(&run, &[]);
}

#[test]
fn a_link_to_more_folders_than_are_looked_at_is_undecided() {
    let fleet = common::Folder::fleet();
    for number in 0..1100 {
        std::fs::create_dir_all(fleet.path().join(format!("elsewhere/{number}"))).unwrap();
    }
    std::os::unix::fs::symlink("../elsewhere", fleet.path().join("machines/more")).unwrap();
    let run = fleet.bulkhead(&["check", "--deny", "undecided"]);
    assert_eq!(run.code, 1, "{}", run.stdout);
    assert!(run.stdout.contains("machines or secrets behind `machines/more`"), "{}", run.stdout);
}

#[test]
fn rules_that_are_a_function_are_not_passed_over() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH";
    let secret = std::fs::read(common::example().join("secrets/wifi.age")).unwrap();
    let folder = Folder::empty();
    folder.write("wifi.age", &secret);
    for function in ["{ }: ", "{ lib, ... }: let a = 1; in ", "a: b: with a; "] {
        folder.write("secrets.nix", format!("{function}{{ \"wifi.age\".publicKeys = [ \"{key}\" ]; }}"));
        let run = folder.bulkhead(&["audit", "--format", "json"]);
        assert_eq!(run.code, 1, "{function}: {}", run.stdout);
        assert!(run.stdout.contains("`secrets.nix` is no agenix rules file: it is a function"), "{}", run.stdout);
    }
    // A module of NixOS that speaks of both is none.
    let module = "{ lib, ... }: let rules = import ./rules.nix; in\n{ age.secrets = lib.mapAttrs (_: x: x.publicKeys) rules; x = \"wifi.age\"; }";
    folder.write("secrets.nix", module);
    folder.write("rules.nix", format!("{{ \"wifi.age\".publicKeys = [ \"{key}\" ]; }}"));
    let run = folder.bulkhead(&["audit", "--format", "json"]);
    assert!(!run.stdout.contains("a function"), "{}", run.stdout);
    // One that another file calls is judged through what that makes of it, also under other names.
    let part = format!("{{ lib, ... }}: let a = 1; in {{ \"wifi.age\".publicKeys = [ \"{key}\" ]; }}");
    let root = "let rules = import ./host/secrets.nix { lib = null; }; in\n\
                builtins.listToAttrs (map (n: { name = \"host/${n}\"; value = rules.${n}; }) (builtins.attrNames rules))";
    folder.write("host/wifi.age", &secret).write("host/secrets.nix", part).write("secrets.nix", root);
    let run = folder.bulkhead(&["audit", "--format", "json"]);
    assert!(!run.stdout.contains("a function"), "{}", run.stdout);
    assert!(run.rules().contains(&"stale-recipient".to_owned()), "{}", run.stdout);
}

#[test]
fn rules_that_come_by_read_file_are_found() {
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH";
    let secret = std::fs::read(common::example().join("secrets/wifi.age")).unwrap();
    let folder = Folder::empty();
    folder
        .write("wifi.age", &secret)
        .write("rules.json", format!("{{ \"wifi.age\": {{ \"publicKeys\": [ \"{key}\" ] }} }}"))
        .write("secrets.nix", "builtins.fromJSON (builtins.readFile ./rules.json)");
    let run = folder.bulkhead(&["audit", "--format", "json"]);
    // They name one key, and the file is for others.
    assert!(run.rules().contains(&"stale-recipient".to_owned()), "{}", run.stdout);
    assert!(!run.rules().contains(&"secret-without-rule".to_owned()), "{}", run.stdout);
}

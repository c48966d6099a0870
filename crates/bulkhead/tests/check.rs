//! `check` and `audit` as a person runs them: exit codes, formats, what is read.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;
use pretty_assertions::assert_eq;

#[test]
fn a_fleet_in_order_says_what_was_looked_at() {
    let run = Folder::fleet().bulkhead(&["check"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stdout.starts_with("no findings · 5 machines, 8 roles, 9 secrets"), "{}", run.stdout);
}

#[test]
fn a_fleet_may_have_pipe_operators() {
    let fleet = Folder::fleet();
    fleet.write(
        "machines/servers/kif/default.nix",
        "{ boot.initrd.secrets.\"/key\" = [ ./disk.key ] |> builtins.head; }",
    );
    let run = fleet.bulkhead(&["check"]);
    assert!(run.stdout.contains("unlock-key-in-store"), "{}{}", run.stdout, run.stderr);
    assert!(!run.stdout.contains("pipe operator"), "{}", run.stdout);
}

#[test]
fn a_mapping_that_means_nothing_is_a_finding() {
    let fleet = Folder::fleet();
    let config = fleet.read("bulkhead.toml");
    for (mapping, words) in [
        ("\"workspace\" = \"boxes\"", "there is no option `workspace`"),
        ("\"vpn.subnets\" = \"tunnel.net\"", "there is no option `vpn.subnets`"),
        ("\"vpn.subnet\" = \"tunnel..net\"", "`tunnel..net` is no path of an option: a name in it is empty"),
        ("\"workspaces.<name>.ip\" = \"boxes.<box>.ip\"", "both sides must have the same `<name>`"),
        ("\"vpn\" = \"\"", "both sides must name an option"),
    ] {
        fleet.write("bulkhead.toml", format!("{config}\n[mappings]\n{mapping}\n"));
        let run = fleet.bulkhead(&["check", "--format", "json"]);
        assert_eq!(run.rules(), ["config"], "{mapping}: {}", run.stdout);
        assert!(run.stdout.contains(words), "{mapping}: {}", run.stdout);
    }
    let mappings = "workspaces = \"boxes\"\nnetworking = \"net\"\n\"workspaces.<name>.ip\" = \"boxes.<name>.address\"";
    fleet.write("bulkhead.toml", format!("{config}\n[mappings]\n{mappings}\n"));
    let run = fleet.bulkhead(&["check"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn ten_ways_to_break_a_fleet() {
    let kif = "machines/servers/kif/properties.nix";
    let s0 = "machines/storage/s0/properties.nix";
    let wifi = "secrets/properties.nix";
    let hermes_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVVvKbXcXZK4YA1bpQ2swmOTsfAV6eBsh+4N8/p12XX";
    type Break<'a> = Box<dyn Fn(&Folder) + 'a>;
    let cases: Vec<(&str, Break<'_>)> = vec![
        (
            "nix-syntax",
            Box::new(|f| {
                f.change(kif, "arch = \"x86_64-linux\";", "arch = \"x86_64-linux\"");
            }),
        ),
        (
            "schema",
            Box::new(|f| {
                f.change(kif, "x86_64-linux", "x86-64-linux");
            }),
        ),
        (
            "nix-evaluation",
            Box::new(|f| {
                f.change(kif, "\"203.0.113.7\"", "(throw \"not known yet\")");
            }),
        ),
        (
            "unlock-key-reused",
            Box::new(move |f| {
                let text = f.read(kif);
                let (before, unlock) = text.split_once("remoteUnlock").unwrap();
                let key = unlock.split('"').nth(1).unwrap();
                f.write(kif, format!("{before}remoteUnlock{}", unlock.replacen(key, hermes_key, 1)));
            }),
        ),
        (
            "malformed-onion-address",
            Box::new(|f| {
                f.change(kif, "2dfhbnofd7", "2dfhbnofd6");
            }),
        ),
        (
            "duplicate-host-name",
            Box::new(|f| {
                f.change(s0, "nas.home.arpa", "kif.example.net");
            }),
        ),
        (
            "unknown-role",
            Box::new(|f| {
                f.change(wifi, "\"pia\"", "\"pai\"");
            }),
        ),
        (
            "not-age",
            Box::new(|f| {
                f.write("secrets/wifi.age", "hunter2\n");
            }),
        ),
        (
            "secret-without-rule",
            Box::new(|f| {
                f.write("secrets/new.age", std::fs::read(f.path().join("secrets/wifi.age")).unwrap());
            }),
        ),
        (
            "secrets-nix-outdated",
            Box::new(|f| {
                f.change("secrets/secrets.nix", "hermes = \"ssh-ed25519 AAAA", "hermes = \"ssh-ed25519  AAAA");
            }),
        ),
        (
            "stale-recipient",
            Box::new(|f| {
                f.change(wifi, "\"fry\"", "");
                assert_eq!(f.bulkhead(&["gen-secrets"]).code, 0);
            }),
        ),
        (
            "missing-recipient",
            Box::new(|f| {
                f.change(wifi, "\"fry\"", "\"fry\" \"kif\"");
                assert_eq!(f.bulkhead(&["gen-secrets"]).code, 0);
            }),
        ),
    ];
    for (rule, break_it) in cases {
        let fleet = Folder::fleet();
        break_it(&fleet);
        let run = fleet.bulkhead(&["check", "--deny", "warnings", "--format", "json"]);
        assert_eq!(run.code, 1, "{rule}: {}", run.stdout);
        assert!(run.rules().iter().any(|found| found == rule), "{rule}: {:?}", run.rules());
        let full = fleet.bulkhead(&["check"]);
        assert!(full.stdout.contains(&format!("[{rule}]")), "{}", full.stdout);
        assert!(full.stdout.contains(&format!("bulkhead explain {rule}")), "{}", full.stdout);
    }
}

#[test]
fn the_machine_output_keeps_its_promise() {
    let fleet = Folder::fleet();
    fleet.change("secrets/properties.nix", "\"fry\"", "");
    assert_eq!(fleet.bulkhead(&["gen-secrets"]).code, 0);
    let json = fleet.bulkhead(&["audit", "--format", "json"]).json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["summary"]["errors"], 1);
    let finding = &json["findings"][0];
    assert_eq!((&finding["rule"], &finding["severity"]), (&"stale-recipient".into(), &"error".into()));
    assert_eq!(finding["data"]["secret"], "wifi.age");
    assert_eq!(finding["data"]["recipients"][0]["name"], "fry");
    assert_eq!(finding["file"], "secrets/secrets.nix");
    assert!(finding["range"]["start"]["line"].as_u64().unwrap() > 1);

    let schema = fleet.bulkhead(&["schema", "diagnostics"]).json();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());

    for format in ["concise", "sarif", "github"] {
        let run = fleet.bulkhead(&["audit", "--format", format]);
        assert_eq!(run.code, 1);
        assert!(run.stdout.contains("stale-recipient"), "{format}: {}", run.stdout);
    }
}

#[test]
fn the_host_of_a_repository_is_told_paths_from_its_top() {
    let outer = Folder::empty();
    std::fs::create_dir_all(outer.path().join("infra")).unwrap();
    std::fs::rename(Folder::fleet().path(), outer.path().join("infra/fleet")).unwrap();
    outer.change("infra/fleet/machines/storage/s0/properties.nix", "\"x86_64-linux\"", "\"x86-64-linux\"");
    let outer = outer.with_git();
    for source in [&[] as &[&str], &["--staged"], &["--rev", "HEAD"]] {
        let show = |format| outer.bulkhead(&[&["check", "infra/fleet", "--format", format], source].concat());
        assert!(show("github").stdout.contains(" file=infra/fleet/machines/storage/s0/properties.nix,"));
        assert!(show("sarif").stdout.contains("\"infra/fleet/machines/storage/s0/properties.nix\""));
        assert_eq!(show("json").json()["findings"][0]["file"], "machines/storage/s0/properties.nix");
        assert!(show("concise").stdout.starts_with("machines/storage/s0/properties.nix:"));
    }
}

#[test]
fn roles_and_machines_as_json() {
    let fleet = Folder::fleet();
    assert_eq!(fleet.bulkhead(&["roles", "--json"]).json()["roles"]["pia"], serde_json::json!(["s0"]));
    let machines = fleet.bulkhead(&["machines", "--role", "web", "--json"]).json();
    assert_eq!(machines["machines"]["kif"]["arch"], "x86_64-linux");
    assert_eq!(machines["machines"].as_object().unwrap().len(), 1);
    let readers = fleet.bulkhead(&["who-can-read", "pia-login", "--json"]).json();
    assert_eq!(readers["readers"][0]["name"], "s0");
    let run = fleet.bulkhead(&["who-can-read", "pia-logn"]);
    assert_eq!((run.code, run.stderr.contains("did you mean `pia-login`?")), (2, true), "{}", run.stderr);
}

#[test]
fn an_allow_needs_a_reason_and_something_to_allow() {
    let fleet = Folder::fleet();
    let kif = "machines/servers/kif/properties.nix";
    fleet.change(kif, "    onionHost", "    # bulkhead: allow(malformed-onion-address) moves next week\n    onionHost");
    let run = fleet.bulkhead(&["check", "--format", "json"]);
    assert_eq!((run.code, run.rules()), (0, vec!["unused-allow".to_owned()]));
    fleet.change(kif, "2dfhbnofd7", "2dfhbnofd6");
    let run = fleet.bulkhead(&["check", "--format", "json"]);
    assert_eq!((run.code, run.rules()), (0, vec![]));
}

#[test]
fn severities_and_denials() {
    let fleet = Folder::fleet();
    fleet.change("secrets/properties.nix", "\"pia\"", "\"pai\"");
    assert_eq!(fleet.bulkhead(&["check"]).code, 1);
    let config = fleet.read("bulkhead.toml");
    fleet.write("bulkhead.toml", format!("{config}\n[rules]\nunknown-role = \"warning\"\n"));
    let run = fleet.bulkhead(&["check", "--format", "concise"]);
    assert!(run.stdout.contains("warning[unknown-role]"), "{}", run.stdout);
    fleet.write("bulkhead.toml", format!("{config}\n[rules]\nunknown-roel = \"off\"\n"));
    let run = fleet.bulkhead(&["check"]);
    assert!(run.stdout.contains("did you mean `unknown-role`?"), "{}", run.stdout);
}

#[test]
fn what_needs_a_nixpkgs_is_undecided_and_says_how_to_supply_it() {
    let folder = Folder::empty();
    folder.write("secrets.nix", "let lib = (import <nixpkgs> { }).lib; in { \"a.age\".publicKeys = lib.unique [ ]; }");
    folder.write("a.age", "age-encryption.org/v1\n");
    let run = folder.bulkhead(&["audit", "--format", "json"]);
    let json = run.json();
    let undecided: Vec<_> =
        json["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "undecided").collect();
    assert!(!undecided.is_empty(), "{}", run.stdout);
    assert!(run.stdout.contains("--nixpkgs"), "{}", run.stdout);
    assert_eq!(folder.bulkhead(&["audit", "--deny", "undecided"]).code, 1);
}

#[test]
fn staged_and_revisions_are_judged_without_a_checkout() {
    let fleet = Folder::fleet().with_git();
    let good = fleet.read("secrets/properties.nix");
    fleet.write("secrets/properties.nix", good.replace("\"pia\"", "\"pai\""));
    assert_eq!(fleet.bulkhead(&["check"]).code, 1);
    assert_eq!(fleet.bulkhead(&["check", "--staged"]).code, 0);
    assert_eq!(fleet.bulkhead(&["check", "--rev", "HEAD"]).code, 0);
    fleet.git(&["add", "--all"]);
    fleet.write("secrets/properties.nix", &good);
    assert_eq!(fleet.bulkhead(&["check"]).code, 0);
    assert_eq!(fleet.bulkhead(&["check", "--staged"]).code, 1);
    fleet.git(&["commit", "--quiet", "--message=typo"]);
    assert_eq!(fleet.bulkhead(&["check", "--rev", "HEAD"]).code, 1);
    assert_eq!(fleet.bulkhead(&["check", "--rev", "HEAD~1"]).code, 0);
    let run = fleet.bulkhead(&["check", "--rev", "no-such"]);
    assert_eq!((run.code, run.stderr.contains("no-such")), (2, true), "{}", run.stderr);
}

#[test]
fn the_installed_nix_gives_the_same_findings() {
    let fleet = Folder::fleet();
    if fleet.command("nix-instantiate").arg("--version").output().is_err() {
        println!("SKIPPED: nix-instantiate is not installed, so `--evaluator nix` was not compared");
        return;
    }
    fleet.change("secrets/properties.nix", "\"pia\"", "\"pai\"");
    let (ours, theirs) = (
        fleet.bulkhead(&["check", "--format", "json"]),
        fleet.bulkhead(&["check", "--format", "json", "--evaluator", "nix"]),
    );
    assert_eq!((ours.rules(), ours.code), (theirs.rules(), theirs.code), "{}", theirs.stderr);
    for query in [&["roles", "--json"][..], &["machines", "--json"], &["secrets", "--json"]] {
        let nix: Vec<&str> = query.iter().copied().chain(["--evaluator", "nix"]).collect();
        assert_eq!(fleet.bulkhead(query).json(), fleet.bulkhead(&nix).json(), "{query:?}");
    }
}

#[test]
fn a_departed_machine_is_named_from_history() {
    let fleet = Folder::fleet();
    fleet.write("secrets/properties.nix", "{ wifi.machines = [ \"howl\" ]; }");
    for path in ["secrets/web", "machines/storage/s0/secrets", "machines/servers/kif/secrets"] {
        std::fs::remove_dir_all(fleet.path().join(path)).unwrap();
    }
    for entry in std::fs::read_dir(fleet.path().join("secrets")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "age") && path.file_stem().is_some_and(|name| name != "wifi") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let fleet = fleet.with_git();
    std::fs::remove_dir_all(fleet.path().join("machines/laptops/fry")).unwrap();
    assert_eq!(fleet.bulkhead(&["gen-secrets"]).code, 0);
    fleet.git(&["commit", "--quiet", "--all", "--message=decommission fry"]);
    let run = fleet.bulkhead(&["check"]);
    for part in ["[stale-recipient]", "`fry", "decommission fry"] {
        assert!(run.stdout.contains(part), "{part}: {}", run.stdout);
    }
}

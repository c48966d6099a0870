//! Bad input is normal input: a finding or a failure of the tool, with place and advice; never a panic, never a silent
//! pass.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::os::unix::fs::symlink;

use common::{Folder, Run};
use pretty_assertions::assert_eq;

const KIF: &str = "machines/servers/kif/properties.nix";

/// The run found something, named `file`, and did not panic.
fn found(run: &Run, rule: &str, file: &str) {
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let json = run.json();
    let findings = json["findings"].as_array().unwrap();
    let fits = |finding: &&serde_json::Value| finding["rule"] == rule && finding.to_string().contains(file);
    assert!(findings.iter().any(|finding| fits(&finding)), "{rule} in {file}: {}", run.stdout);
}

fn check(fleet: &Folder) -> Run {
    fleet.bulkhead(&["check", "--format", "json"])
}

#[test]
fn files_that_are_no_text_or_no_files() {
    let fleet = Folder::fleet();
    fleet.write(KIF, b"{ hostNames = [ \"\xff\" ]; }");
    found(&check(&fleet), "unreadable-file", KIF);

    let fleet = Folder::fleet();
    fleet.write(KIF, "\u{feff}{ }");
    assert_eq!(check(&fleet).code, 1);

    let fleet = Folder::fleet();
    std::fs::remove_file(fleet.path().join(KIF)).unwrap();
    std::fs::create_dir(fleet.path().join(KIF)).unwrap();
    assert_ne!(check(&fleet).code, 0);

    let fleet = Folder::fleet();
    std::fs::remove_file(fleet.path().join("secrets/wifi.age")).unwrap();
    std::fs::create_dir(fleet.path().join("secrets/wifi.age")).unwrap();
    assert_ne!(check(&fleet).rules(), Vec::<String>::new());
}

#[test]
fn links_that_leave_the_root_and_circles() {
    let outside = Folder::empty();
    outside.write("key.pub", "ssh-ed25519 AAAA");
    let fleet = Folder::fleet();
    symlink(outside.path().join("key.pub"), fleet.path().join("machines/servers/kif/key.pub")).unwrap();
    fleet.write(KIF, "{ hostNames = [ \"a\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"web\" ]; hostKey = builtins.readFile ./key.pub; }");
    let run = check(&fleet);
    assert!(run.stdout.contains("outside") || run.stdout.contains("leads out"), "{}", run.stdout);

    let fleet = Folder::fleet();
    fleet.write(KIF, "import ./other.nix").write("machines/servers/kif/other.nix", "import ./properties.nix");
    let run = check(&fleet);
    found(&run, "nix-evaluation", "infinite recursion");

    let fleet = Folder::fleet();
    std::fs::remove_file(fleet.path().join(KIF)).unwrap();
    symlink("properties.nix", fleet.path().join(KIF)).unwrap();
    assert_ne!(check(&fleet).code, 0);
}

#[test]
fn age_files_that_are_large_or_have_no_end() {
    let fleet = Folder::fleet();
    let wifi = fleet.path().join("secrets/wifi.age");
    let file = std::fs::OpenOptions::new().write(true).open(&wifi).unwrap();
    file.set_len(1 << 30).unwrap();
    let run = check(&fleet);
    assert_eq!((run.code, run.rules()), (0, vec![]), "{}", run.stdout);

    let mut endless = b"age-encryption.org/v1\n".to_vec();
    endless.extend(b"-> X25519 abc\n".repeat(200_000));
    fleet.write("secrets/wifi.age", endless);
    found(&check(&fleet), "not-age", "secrets/wifi.age");

    let stanza = "-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
    let many =
        format!("age-encryption.org/v1\n{}--- AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", stanza.repeat(100_000));
    fleet.write("secrets/wifi.age", many);
    found(&check(&fleet), "not-age", "secrets/wifi.age");
}

#[test]
fn keys_with_comments_and_windows_line_ends_are_keys() {
    let fleet = Folder::fleet();
    let key = fleet.read("machines/laptops/howl/ssh_host_ed25519_key.pub");
    fleet.write("machines/laptops/howl/ssh_host_ed25519_key.pub", format!("{} a comment here\r\n", key.trim()));
    let run = check(&fleet);
    assert_eq!((run.code, run.rules()), (0, vec![]), "{}", run.stdout);
}

#[test]
fn no_fleet_no_git_and_nothing_at_all() {
    let folder = Folder::empty();
    for arguments in [&["check"][..], &["audit"], &["check", "--staged"], &["check", "--rev", "HEAD"]] {
        let run = folder.bulkhead(arguments);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(run.stderr.starts_with("error: "), "{}", run.stderr);
    }
    let run = folder.bulkhead(&["check", "/no/such/folder"]);
    assert_eq!((run.code, run.stderr.contains("/no/such/folder")), (2, true), "{}", run.stderr);
    let folder = Folder::empty().with_git();
    assert_eq!(folder.bulkhead(&["check", "--staged"]).code, 2);
}

#[test]
fn expressions_that_do_not_end() {
    let fleet = Folder::fleet();
    fleet.write("bulkhead.toml", "[limits]\nsteps = 100000\nmemory = 64\n");
    for text in [
        "let f = x: f x; in f 1",
        "let f = x: f (x + x); in f \"a\"",
        "builtins.genList (x: x) 1000000000",
        "rec { a = b; b = a; }",
    ] {
        fleet.write(KIF, format!("{{ hostNames = [ \"a\" ]; arch = \"x86_64-linux\"; systemRoles = {text}; }}"));
        found(&check(&fleet), "nix-evaluation", "kif");
    }
}

#[test]
fn wrong_types_everywhere() {
    for value in [
        "1",
        "null",
        "[ ]",
        "\"x\"",
        "x: x",
        "{ hostNames = 1; }",
        "{ hostNames = [ { } ]; hostKey = [ ]; remoteUnlock = 3; }",
    ] {
        let fleet = Folder::fleet();
        fleet.write(KIF, value);
        assert_eq!(check(&fleet).code, 1, "{value}");
        let fleet = Folder::fleet();
        fleet.write("secrets/properties.nix", value);
        assert_eq!(check(&fleet).code, 1, "{value}");
    }
}

#[test]
fn what_can_not_be_read_does_not_look_as_if_it_were_not_there() {
    let outside = Folder::empty();
    let fleet = Folder::fleet();
    std::fs::rename(fleet.path().join("secrets"), outside.path().join("secrets")).unwrap();
    symlink(outside.path().join("secrets"), fleet.path().join("secrets")).unwrap();
    found(&check(&fleet), "unreadable-file", "secrets");

    let fleet = Folder::fleet();
    std::fs::rename(fleet.path().join("secrets"), fleet.path().join("elsewhere")).unwrap();
    symlink("elsewhere", fleet.path().join("secrets")).unwrap();
    found(&check(&fleet), "unreadable-file", "symbolic link");

    let fleet = Folder::fleet();
    std::fs::create_dir_all(fleet.path().join("machines/new/properties.nix")).unwrap();
    found(&check(&fleet), "unreadable-file", "machines/new/properties.nix");

    let fleet = Folder::fleet();
    let name = std::os::unix::ffi::OsStringExt::from_vec(b"ponyo\xff".to_vec());
    let name: std::ffi::OsString = name;
    std::fs::create_dir(fleet.path().join("machines").join(name)).unwrap();
    found(&check(&fleet), "unreadable-file", "not UTF-8");

    // A file that is only called like the tag of a cache hides nothing.
    let fleet = Folder::fleet();
    fleet.write(KIF, "{ }").write("machines/servers/kif/CACHEDIR.TAG", "");
    found(&check(&fleet), "schema", KIF);

    let fleet = Folder::fleet();
    std::fs::copy(fleet.path().join("secrets/wifi.age"), fleet.path().join("secrets/OLD.AGE")).unwrap();
    assert_eq!(check(&fleet).rules(), ["schema"]);
    // Elsewhere it is a file like any other that no rule names, and its entry has no extension.
    let fleet = Folder::fleet();
    std::fs::create_dir(fleet.path().join("old")).unwrap();
    std::fs::copy(fleet.path().join("secrets/wifi.age"), fleet.path().join("old/OLD.AGE")).unwrap();
    let run = check(&fleet);
    assert_eq!(run.rules(), ["secret-without-rule"]);
    let help = run.json()["findings"][0]["help"].as_str().unwrap().to_owned();
    assert!(help.contains("\"OLD\".roles") && help.contains("git mv old/OLD.AGE secrets/OLD.age"), "{help}");
}

#[test]
fn what_says_that_nothing_can_be_judged_stays_on() {
    let fleet = Folder::fleet();
    let config = fleet.read("bulkhead.toml");
    fleet.write("bulkhead.toml", format!("{config}\n[rules]\nnix-syntax = \"off\"\n"));
    fleet.write(KIF, "{ hostNames = ");
    let run = check(&fleet);
    found(&run, "nix-syntax", KIF);
    found(&run, "config", "can't be switched off");
}

#[test]
fn rules_that_can_not_be_generated_are_not_taken_for_up_to_date() {
    let fleet = Folder::fleet();
    fleet.change("secrets/properties.nix", "\"pia\"", "\"pai\"");
    let run = check(&fleet);
    let json = run.json();
    let outdated = json["findings"].as_array().unwrap().iter().find(|f| f["rule"] == "secrets-nix-outdated").unwrap();
    assert_eq!(outdated["severity"], "error");

    let fleet = Folder::fleet();
    std::fs::remove_file(fleet.path().join("secrets/secrets.nix")).unwrap();
    found(&check(&fleet), "secrets-nix-outdated", "gen-secrets");

    // Without its first line nobody can tell who wrote it, and whether it is what was generated.
    let fleet = Folder::fleet();
    let text = fleet.read("secrets/secrets.nix");
    fleet.write("secrets/secrets.nix", text.lines().skip(2).collect::<Vec<_>>().join("\n"));
    assert_eq!(check(&fleet).rules(), ["secrets-nix-outdated"]);
}

#[test]
fn a_private_key_in_place_of_a_public_one_is_told_as_that() {
    let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n".repeat(5);
    let key = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}-----END OPENSSH PRIVATE KEY-----");
    let properties = |key: &str| {
        format!(
            "{{ hostNames = [ \"kif\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"web\" ]; hostKey = ''\n{key}\n''; }}"
        )
    };
    let fleet = Folder::fleet();
    fleet.write(KIF, properties(&key));
    let run = check(&fleet);
    found(&run, "private-key-in-clear", KIF);
    found(&run, "malformed-ssh-key", KIF);
    assert!(!run.stdout.contains("keys here") && !run.stdout.contains("b3Blb"), "{}", run.stdout);
    // Nor is it handed on.
    let run = fleet.bulkhead(&["machines", "--json"]);
    assert!(!run.stdout.contains("b3Blb"), "{}", run.stdout);

    let fleet = Folder::fleet();
    let s0 = fleet.read("machines/laptops/howl/ssh_host_ed25519_key.pub");
    let howl = fleet.read("machines/laptops/howl/howl.pub");
    fleet.write(KIF, properties(&format!("{}\n{}", s0.trim(), howl.trim())));
    let run = check(&fleet);
    found(&run, "schema", "there are 2 keys here, where one is wanted");
}

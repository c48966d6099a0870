//! Allows for findings that stand where a person can write no comment.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;

const ENTRIES: &str = "secrets/properties.nix";

fn rules(fleet: &Folder) -> Vec<String> {
    fleet.bulkhead(&["check", "--format", "json"]).rules()
}

/// Let the generated rules say something else than the files.
fn generate(fleet: &Folder) {
    let run = fleet.bulkhead(&["gen-secrets"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_finding_in_generated_rules_is_allowed_where_the_secret_is_granted() {
    let fleet = Folder::fleet();
    fleet.change(ENTRIES, "      \"fry\"\n", "");
    generate(&fleet);
    assert_eq!(rules(&fleet), ["stale-recipient"]);
    fleet.change(ENTRIES, "  wifi = {", "  # bulkhead: allow(stale-recipient) fry is rekeyed on Monday\n  wifi = {");
    assert_eq!(rules(&fleet), [""; 0]);

    // It holds for that secret and that rule alone.
    fleet.change(ENTRIES, "\"pia\"", "\"web\"");
    generate(&fleet);
    assert!(rules(&fleet).contains(&"stale-recipient".to_owned()));
    let fleet = Folder::fleet();
    fleet.change(ENTRIES, "  wifi = {", "  # bulkhead: allow(stale-recipient) fry is rekeyed on Monday\n  wifi = {");
    assert_eq!(rules(&fleet), ["unused-allow"]);
}

#[test]
fn a_secret_in_a_machines_folder_is_allowed_at_the_machines_host_key() {
    let fleet = Folder::fleet();
    let other = std::fs::read(fleet.path().join("secrets/wifi.age")).unwrap();
    fleet.write("machines/servers/kif/secrets/matrix-signing-key.age", other);
    let found = rules(&fleet);
    assert!(
        found.contains(&"stale-recipient".to_owned()) && found.contains(&"missing-recipient".to_owned()),
        "{found:?}"
    );
    let kif = "machines/servers/kif/properties.nix";
    let allow = "# bulkhead: allow(stale-recipient, missing-recipient) the new signing key comes with the next release";
    fleet.change(kif, "  hostKey =", &format!("  {allow}\n  hostKey ="));
    assert_eq!(rules(&fleet), [""; 0]);
}

#[test]
fn a_file_that_holds_no_comment_is_allowed_at_its_entry() {
    let fleet = Folder::fleet();
    fleet.write("secrets/wifi.age", "hunter2\n");
    assert_eq!(rules(&fleet), ["not-age"]);
    fleet.change(ENTRIES, "  wifi = {", "  # bulkhead: allow(not-age) made when both laptops are back\n  wifi = {");
    assert_eq!(rules(&fleet), [""; 0]);

    let folder = Folder::empty();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH";
    folder
        .write("wifi.age", "hunter2\n")
        .write("secrets.nix", format!("{{ \"wifi.age\".publicKeys = [ \"{key}\" ]; }}"));
    assert_eq!(rules(&folder), ["not-age"]);
    folder.change("secrets.nix", "; }", "; } # bulkhead: allow(not-age) not made yet");
    assert_eq!(rules(&folder), [""; 0]);
}

#[test]
fn a_finding_about_two_secrets_is_allowed_at_the_entry_of_each() {
    let fleet = Folder::empty();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH";
    let entry = |name: &str| format!("  \"{name}.age\".publicKeys = [ \"{key}\" ];");
    let rules_with = |first: &str, second: &str| {
        fleet.write("secrets.nix", format!("{{\n{} {first}\n{} {second}\n}}\n", entry("a"), entry("b")));
        rules(&fleet)
    };
    for name in ["a", "b"] {
        fleet.write(&format!("{name}.age"), b"\0GITCRYPT\0\x01\x02");
    }
    let allow = "# bulkhead: allow(not-age) this repository is locked";
    assert_eq!(rules_with("", ""), ["not-age"]);
    assert_eq!(rules_with(allow, ""), ["not-age"]);
    assert_eq!(rules_with("", allow), ["not-age"]);
    assert_eq!(rules_with(allow, allow), [""; 0]);

    // What is told of one does not name the other.
    rules_with(allow, "");
    let run = fleet.bulkhead(&["check", "--format", "concise"]);
    assert!(run.stdout.contains("b.age") && !run.stdout.contains("a.age"), "{}", run.stdout);
}

#[test]
fn a_finding_about_modules_of_two_files_is_allowed_in_each() {
    let fleet = Folder::empty();
    let allow = "# bulkhead: allow(configuration-not-known) it only has packages";
    let machine = |name: &str, module: &str, reason: &str| {
        let folder = format!("machines/{name}");
        fleet.write(
            &format!("{folder}/properties.nix"),
            format!("{{ hostNames = [ \"{name}\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"any\" ]; }}\n"),
        );
        let workspace = "workspaces.dev = { type = \"container\"; ip = \"10.20.0.10\"; };";
        let import = format!("imports = [\n    inputs.{module}.nixosModules.default {reason}\n  ];");
        fleet.write(
            &format!("{folder}/default.nix"),
            format!("{{ inputs, ... }}:\n{{\n  {import}\n  {workspace}\n}}\n"),
        );
    };
    machine("kif", "desktop", allow);
    machine("zoe", "network", "");
    let left = fleet.bulkhead(&["check", "--format", "concise"]).stdout;
    assert!(left.starts_with("machines/zoe/default.nix:4:5: undecided[configuration-not-known]"), "{left}");
    assert_eq!(rules(&fleet), ["configuration-not-known"]);
    machine("zoe", "network", allow);
    assert_eq!(rules(&fleet), [""; 0]);
}

//! What `check` says where `gen-secrets` has not run, or refuses to.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;
use serde_json::Value;

fn finding(run: &common::Run, rule: &str) -> Value {
    let json = run.json();
    let found = json["findings"].as_array().unwrap().iter().find(|finding| finding["rule"] == rule).cloned();
    found.unwrap_or_else(|| panic!("no {rule} in {}", run.stdout))
}

fn check(fleet: &Folder) -> common::Run {
    fleet.bulkhead(&["check", "--format", "json"])
}

#[test]
fn each_cause_of_a_refusal_comes_with_its_help() {
    let fleet = Folder::fleet();
    let entries: String = (0..10).map(|number| format!("  s{number}.roles = [ \"pai\" ];\n")).collect();
    fleet.change("secrets/properties.nix", "{\n", &format!("{{\n{entries}  x.machines = [ \"frry\" ];\n"));
    let outdated = finding(&check(&fleet), "secrets-nix-outdated");
    assert_eq!(outdated["related"].as_array().unwrap().len(), 8);
    let help = outdated["help"].as_str().unwrap();
    assert!(help.contains("`s0` is granted to the role `pai`, but no machine has it: did you mean `pia`?"), "{help}");
    assert_eq!(help.matches("did you mean `pia`?").count(), 1, "{help}");
    assert!(help.ends_with("when all of that is put right: bulkhead gen-secrets"), "{help}");
    assert!(outdated["notes"][0].as_str().unwrap().contains("3 more causes"), "{outdated}");

    let fleet = Folder::fleet();
    fleet.change("secrets/properties.nix", "\"fry\"", "\"frry\"").change(
        "secrets/properties.nix",
        "\"pia\"",
        "\"pai\"",
    );
    let help = finding(&check(&fleet), "secrets-nix-outdated")["help"].as_str().unwrap().to_owned();
    assert!(help.contains("did you mean `fry`?") && help.contains("did you mean `pia`?"), "{help}");
}

#[test]
fn what_is_granted_needs_no_grant_but_new_rules() {
    let fleet = Folder::fleet();
    let secret = std::fs::read(fleet.path().join("secrets/wifi.age")).unwrap();
    fleet.write("secrets/web/new.age", &secret);
    let help = finding(&check(&fleet), "secret-without-rule")["help"].as_str().unwrap().to_owned();
    assert_eq!(
        help,
        "it is granted by its folder, but the rules don't have it yet; write them anew\nbulkhead gen-secrets"
    );

    let fleet = Folder::fleet();
    fleet.write("secrets/new.age", &secret).change("secrets/properties.nix", "{\n", "{\n  new.roles = [ \"pia\" ];\n");
    let help = finding(&check(&fleet), "secret-without-rule")["help"].as_str().unwrap().to_owned();
    assert!(
        help.starts_with("it is granted by secrets/properties.nix") && help.ends_with("bulkhead gen-secrets"),
        "{help}"
    );

    // What nothing grants is to be granted.
    let fleet = Folder::fleet();
    fleet.write("secrets/new.age", &secret);
    let help = finding(&check(&fleet), "secret-without-rule")["help"].as_str().unwrap().to_owned();
    assert!(help.starts_with("grant it in secrets/properties.nix"), "{help}");
}

#[test]
fn a_path_that_leads_out_of_the_tree_makes_no_link_of_the_file_it_is_in() {
    let fleet = Folder::empty();
    let rules = "let key = /etc/ssh/no-such-key.pub; in\n{ \"a.age\".publicKeys = [ (builtins.readFile key) ]; }\n";
    std::fs::write(fleet.path().join("secrets.nix"), rules).unwrap();
    let found = finding(&check(&fleet), "rule-not-evaluated");
    assert!(found["message"].as_str().unwrap().contains("lies outside the tree"), "{found}");
    assert!(!found["notes"].to_string().contains("is a link to"), "{found}");
    assert!(found["help"].as_str().unwrap().contains("put it into the repository"), "{found}");
}

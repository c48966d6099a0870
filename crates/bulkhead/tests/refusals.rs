//! `gen-secrets` writes nothing while an error may change who is granted what, and `check` doesn't send people there.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;
use serde_json::Value;

const FRY: &str = "machines/laptops/fry/properties.nix";

/// `gen-secrets` refuses in each of its forms and leaves the file as it is; `check` names `cause` and `help`.
#[track_caller]
fn assert_refused(fleet: &Folder, cause: &str, help: &str) {
    let before = fleet.read("secrets/secrets.nix");
    let run = fleet.bulkhead(&["gen-secrets"]);
    assert_eq!(run.code, 1, "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.matches(cause).count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("is not written: put the above right first"), "{}", run.stderr);
    assert_eq!(fleet.read("secrets/secrets.nix"), before);
    for form in ["--stdout", "--check"] {
        let run = fleet.bulkhead(&["gen-secrets", form]);
        assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{form}: {}", run.stderr);
    }

    let json = fleet.bulkhead(&["check", "--format", "json"]).json();
    let findings = json["findings"].as_array().unwrap();
    let outdated: Vec<&Value> = findings.iter().filter(|finding| finding["rule"] == "secrets-nix-outdated").collect();
    let [outdated] = outdated[..] else { panic!("{json}") };
    assert_eq!(outdated["severity"], "error");
    assert!(outdated["message"].as_str().unwrap().contains("gen-secrets refuses to write it"), "{outdated}");
    let related = outdated["related"].as_array().unwrap();
    assert!(related.iter().any(|related| related["message"].as_str().unwrap().contains(cause)), "{outdated}");
    let said = outdated["help"].as_str().unwrap();
    assert!(said.contains(help), "{said}");
    assert!(said.ends_with("when all of that is put right: bulkhead gen-secrets"), "{said}");
    assert!(!said.contains("generate it anew"), "{said}");
}

#[test]
fn a_misspelt_property_of_a_machine() {
    for (right, wrong) in [("hostKey", "hostkey"), ("userKeys", "userKey")] {
        let fleet = Folder::fleet();
        fleet.change(FRY, &format!("{right} ="), &format!("{wrong} ="));
        let cause = format!("`{wrong}` is not a property of this file");
        assert_refused(&fleet, &cause, &format!("did you mean `{right}`?"));
    }
    let fleet = Folder::fleet();
    fleet.change(FRY, "systemRoles =", "systemRole =");
    assert_refused(&fleet, "`systemRole` is not a property of this file", "did you mean `systemRoles`?");
}

#[test]
fn a_misspelt_property_that_is_written_in_another_file() {
    let fleet = Folder::fleet();
    fleet.change(FRY, "hostKey =", "hostkey =");
    fleet.write("lib/fry.nix", fleet.read(FRY)).write(FRY, "import ../../../lib/fry.nix\n");
    assert_refused(&fleet, "`hostkey` is not a property of this file", "did you mean `hostKey`?");
}

#[test]
fn a_misspelt_property_of_a_secret_or_of_the_configuration() {
    let fleet = Folder::fleet();
    fleet.change("secrets/properties.nix", "everyone = true", "everyone = true;\n    machine = [ \"fry\" ]");
    assert_refused(&fleet, "`machine` is not a property of `smtp-login`", "did you mean `machines`?");

    let fleet = Folder::fleet();
    fleet.write("bulkhead.toml", "admin = [ ]\n");
    assert_refused(&fleet, "`admin`", "did you mean `admins`?");
}

#[test]
fn the_first_generation_is_refused_too() {
    let fleet = Folder::fleet();
    fleet.change(FRY, "hostKey =", "hostkey =");
    std::fs::remove_file(fleet.path().join("secrets/secrets.nix")).unwrap();
    let run = fleet.bulkhead(&["gen-secrets"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    assert!(!fleet.path().join("secrets/secrets.nix").exists());
    let json = fleet.bulkhead(&["check", "--format", "json"]).json();
    let findings = json["findings"].as_array().unwrap();
    let outdated = findings.iter().find(|finding| finding["rule"] == "secrets-nix-outdated").unwrap();
    let help = outdated["help"].as_str().unwrap();
    assert!(help.contains("did you mean `hostKey`?") && !help.contains("write them:"), "{help}");
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_among_the_machines() {
    let fleet = Folder::fleet();
    std::os::unix::fs::symlink("nowhere", fleet.path().join("machines/laptops/leela")).unwrap();
    assert_refused(&fleet, "can't read `machines/laptops/leela`", "");
}

#[test]
fn what_no_grant_depends_on_does_not_stand_in_the_way() {
    let fleet = Folder::fleet();
    fleet.change(FRY, "arch =", "publicIP = \"256.0.0.1\";\n  arch =");
    fleet.change("secrets/properties.nix", "\"fry\"\n", "");
    let run = fleet.bulkhead(&["gen-secrets"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("`256.0.0.1` is no IP address"), "{}", run.stderr);
    assert!(run.stdout.contains("wrote secrets/secrets.nix"), "{}", run.stdout);

    // Together with an error that counts, it does not hide that one.
    fleet.change(FRY, "hostKey =", "hostkey =");
    assert_refused(&fleet, "`hostkey` is not a property of this file", "did you mean `hostKey`?");
}

#[test]
fn a_broken_rules_file_is_written_anew() {
    let fleet = Folder::fleet();
    let good = fleet.read("secrets/secrets.nix");
    fleet.write("secrets/secrets.nix", format!("{good}}}"));
    let run = fleet.bulkhead(&["gen-secrets"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert_eq!(fleet.read("secrets/secrets.nix"), good);
}

#[test]
fn an_error_that_is_allowed_stands_in_no_way() {
    let fleet = Folder::fleet();
    fleet.change(
        FRY,
        "  hostKey =",
        "  # bulkhead: allow(schema) read by another tool\n  colour = \"red\";\n  hostKey =",
    );
    for command in [&["check"][..], &["gen-secrets"], &["gen-secrets", "--check"], &["machines"], &["gen-docs"]] {
        let run = fleet.bulkhead(command);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{command:?}: {}", run.stdout);
    }

    // That such errors count as warnings says nothing about this one, which may be a misspelt `hostKey`.
    let fleet = Folder::fleet();
    fleet.change(FRY, "  hostKey =", "  colour = \"red\";\n  hostKey =");
    assert_eq!(fleet.bulkhead(&["gen-secrets", "--check"]).code, 1);
    let config = fleet.read("bulkhead.toml");
    fleet.write("bulkhead.toml", format!("{config}\n[rules]\nschema = \"warning\"\n"));
    assert_eq!(fleet.bulkhead(&["gen-secrets", "--check"]).code, 1);
}

#[test]
fn adopting_with_an_error_in_the_fleet_is_a_finding_and_writes_nothing() {
    let fleet = Folder::fleet();
    std::fs::remove_file(fleet.path().join("secrets/properties.nix")).unwrap();
    let rules = fleet.read("secrets/secrets.nix");
    let by_hand: String = rules.lines().skip(1).collect::<Vec<_>>().join("\n");
    let by_hand =
        format!("# By hand.\n{}", by_hand.split_once("let").map_or(String::new(), |(_, rest)| format!("let{rest}")));
    fleet.write("secrets/secrets.nix", &by_hand);
    fleet.change(FRY, "  hostKey =", "  colour = \"red\";\n  hostKey =");
    let run = fleet.bulkhead(&["gen-secrets", "--adopt"]);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("`colour` is not a property of this file"), "{}", run.stderr);
    assert_eq!(fleet.read("secrets/secrets.nix"), by_hand);
    assert!(!fleet.path().join("secrets/properties.nix").exists());
}

#[test]
fn one_cause_counts_a_secret_once() {
    // Nothing is known about its machines: neither their roles nor the keys of their admins.
    let fleet = Folder::fleet();
    std::os::unix::fs::symlink("/etc", fleet.path().join("machines/more")).unwrap();
    let run = fleet.bulkhead(&["gen-secrets", "--check"]);
    let json = fleet.bulkhead(&["secrets", "--json"]).json();
    let secrets = json["secrets"].as_array().unwrap().len();
    assert!(run.stderr.contains(&format!("and {} more: ", secrets - 1)), "{secrets}: {}", run.stderr);
}

#[test]
fn what_is_unknown_comes_with_something_to_do() {
    let fleet = Folder::fleet();
    fleet.change(
        "machines/servers/kif/properties.nix",
        "systemRoles = [",
        "systemRoles = [ (builtins.getEnv \"ROLE\")",
    );
    let json = fleet.bulkhead(&["check", "--format", "json"]).json();
    let findings = json["findings"].as_array().unwrap();
    assert!(!findings.is_empty());
    for finding in findings {
        assert!(finding["help"].as_str().unwrap_or_default().contains("--evaluator nix"), "{finding}");
    }
}

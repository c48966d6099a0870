//! What findings say to programs, and what they never say.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use bulkhead_rules::{RemovedLine, Selection};
use common::{Case, age_file, findings, key};
use serde_json::{Value, json};

fn case(files: &[(&str, &str)], secrets: &[(&str, &str)]) -> Case {
    let mut case = Case::default();
    for (path, text) in files {
        let text = common::keys::KEYS.iter().fold((*text).to_owned(), |t, (n, k)| t.replace(&format!("@{n}@"), k));
        case.files.insert((*path).to_owned(), text.into_bytes());
    }
    for (path, recipients) in secrets {
        case.files.insert((*path).to_owned(), age_file(recipients));
    }
    case
}

fn tag(name: &str) -> String {
    bulkhead_age::Recipient::parse(key(name)).unwrap().tag().unwrap()
}

fn data(case: &Case, rule: &str) -> Vec<Value> {
    let found = findings(case, Selection::Secrets);
    found.into_iter().filter(|finding| finding.rule == rule).map(|finding| Value::Object(finding.data)).collect()
}

#[test]
fn stale_and_missing_recipients_are_one_finding_each_with_tags_and_names() {
    let rules = "let kif = \"@kif@\"; in { \"a.age\".publicKeys = [ kif \"@rsa@\" \"@yubi@ \" ]; }";
    let case = case(&[("secrets.nix", rules)], &[("a.age", "s0,ponyo,grease,yubi")]);
    let stale = data(&case, "stale-recipient");
    assert_eq!(
        stale,
        [json!({
            "secret": "a.age",
            "recipients": [{ "tag": tag("s0"), "name": null }, { "tag": tag("ponyo"), "name": null }],
            "path": "a.age",
        })]
    );
    let missing = data(&case, "missing-recipient");
    assert_eq!(
        missing[0]["recipients"],
        json!([{ "tag": tag("kif"), "name": "kif" }, { "tag": tag("rsa"), "name": null }])
    );
}

#[test]
fn git_names_a_key_by_the_machine_whose_it_was() {
    let mut case = case(&[("secrets.nix", "{ \"a.age\".publicKeys = [ \"@s0@\" ]; }")], &[("a.age", "s0,ponyo")]);
    case.removed.push(RemovedLine {
        line: format!("hostKey = \"{}\";", key("ponyo")),
        path: "machines/storage/ponyo/properties.nix".to_owned(),
        commit: "855e2b0".to_owned(),
        subject: "decommission ponyo".to_owned(),
        date: "2024-03-31".to_owned(),
    });
    let found = findings(&case, Selection::Secrets);
    let stale = found.iter().find(|finding| finding.rule == "stale-recipient").unwrap();
    assert_eq!(stale.data["recipients"], json!([{ "tag": tag("ponyo"), "name": "ponyo" }]));
    assert!(stale.notes.iter().any(|note| note.contains("855e2b0 \"decommission ponyo\"")), "{:?}", stale.notes);
}

#[test]
fn an_imported_entry_is_judged_once_and_two_rules_for_one_file_each() {
    let imported = case(
        &[
            ("secrets.nix", "import ./hosts/secrets.nix"),
            ("hosts/secrets.nix", "{ \"a.age\".publicKeys = [ \"@s0@\" ]; }"),
        ],
        &[("hosts/a.age", "s0,kif")],
    );
    assert_eq!(data(&imported, "stale-recipient").len(), 1);
    let both = case(
        &[
            ("secrets.nix", "{ \"hosts/a.age\".publicKeys = [ \"@s0@\" ]; }"),
            ("hosts/secrets.nix", "{ \"a.age\".publicKeys = [ \"@s0@\" ]; }"),
        ],
        &[("hosts/a.age", "s0,kif")],
    );
    let names: Vec<Value> = data(&both, "stale-recipient").iter().map(|data| data["secret"].clone()).collect();
    assert_eq!(names, ["a.age", "hosts/a.age"]);
}

#[test]
fn a_private_key_is_never_repeated() {
    let secret = "AGE-SECRET-KEY-1GQ9778VQXMMJVE8SK7J6VT8UJ4HDQAJUVSFCWCM02D8GEWQ72PVQ2Y5J33";
    let machine = "{ hostNames = [ \"s0\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"a\" ]; hostKey = \"SECRET\"; }";
    let rules = "{ \"a.age\".publicKeys = [ \"SECRET\" ]; }";
    let case = case(
        &[
            ("machines/s0/properties.nix", &machine.replace("SECRET", secret)),
            ("secrets.nix", &rules.replace("SECRET", secret)),
        ],
        &[("a.age", "s0")],
    );
    let found = findings(&case, Selection::All);
    for rule in ["malformed-ssh-key", "rule-refused-by-agenix"] {
        let finding = found.iter().find(|finding| finding.rule == rule).unwrap();
        assert_eq!(finding.place.span, None, "{rule} marks the text, which is shown then");
    }
    assert!(found.iter().all(|finding| !format!("{finding:?}").contains(&secret[20..])));
}

#[test]
fn odd_headers_and_names_are_findings_not_panics() {
    let long = format!("{{ \"{}.age\".publicKeys = [ \"\" \"\\n\" \"ssh-rsa\" ]; }}", "x/".repeat(500));
    for rules in [
        "{ }",
        "[ ]",
        "{ \"a.age\" = 1; }",
        "{ \"\".publicKeys = [ ]; }",
        "{ \"a\\0.age\".publicKeys = [ 1 ]; }",
        &long,
    ] {
        let mut case = case(&[("secrets.nix", rules)], &[]);
        for (index, bytes) in
            [&b""[..], b"age-encryption.org/v1\n-> ", b"\xff\xfe", b"age-encryption.org/v1\n---"].iter().enumerate()
        {
            case.files.insert(format!("{index}.age"), bytes.to_vec());
        }
        let broken = findings(&case, Selection::All).iter().filter(|finding| finding.rule == "not-age").count();
        assert_eq!(broken, 4, "{rules}");
    }
}

#[test]
fn a_secret_in_the_store_is_told_once_by_its_line_and_never_shown() {
    let module =
        "{ config, ... }:\n{\n  users.users.fry.password = if config.x.enable then \"nibbler\" else \"\";\n}\n";
    let machine = "{ hostNames = [ \"x\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"server\" ]; }";
    let importing = "{ imports = [ ../../modules/fry.nix ]; }";
    let case = case(
        &[
            ("machines/kif/properties.nix", machine),
            ("machines/kif/default.nix", importing),
            ("machines/zoe/properties.nix", &machine.replace("\"x\"", "\"y\"")),
            ("machines/zoe/default.nix", importing),
            ("modules/fry.nix", module),
        ],
        &[],
    );
    let found: Vec<_> =
        findings(&case, Selection::All).into_iter().filter(|finding| finding.rule == "secret-in-store").collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].data["line"], json!(3));
    assert_eq!(found[0].data["also"], json!(["zoe"]));
    assert_eq!(found[0].place.span, None);
    // The condition stands on the same line.
    assert!(found[0].related.iter().all(|related| related.place.span.is_none()), "{found:?}");
}

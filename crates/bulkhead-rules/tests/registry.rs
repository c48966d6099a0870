//! The registry: complete, sorted, documented.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;

use bulkhead_rules::{Area, Selection, find, registry};

#[test]
fn it_is_sorted_and_names_are_kebab_case() {
    let names: Vec<&str> = registry().iter().map(|rule| rule.name).collect();
    assert!(names.is_sorted());
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    for name in names {
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
    }
}

#[test]
fn every_rule_with_a_check_is_a_file_of_its_name_and_every_file_is_registered() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = BTreeSet::new();
    for area in ["machines", "unlock", "secrets", "network", "workspaces", "vpn", "modules"] {
        for entry in std::fs::read_dir(source.join(area)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            if text.contains("const RULE: Rule") {
                let stem = path.file_stem().unwrap().to_str().unwrap().replace('_', "-");
                files.insert((area.to_owned(), stem));
            }
        }
    }
    let rules: BTreeSet<(String, String)> = registry()
        .iter()
        .filter(|rule| rule.check.is_some())
        .map(|rule| (rule.area.as_str().to_owned(), rule.name.to_owned()))
        .collect();
    assert_eq!(files, rules);
}

#[test]
fn every_rule_says_what_why_and_how() {
    for rule in registry() {
        assert!(rule.summary.ends_with('.'), "{}", rule.name);
        for part in ["**Why it matters.**", "**Fix.**", "# bad", "# good"] {
            assert!(rule.docs.contains(part), "{} lacks {part}", rule.name);
        }
        if rule.check.is_some() {
            assert!(rule.docs.contains("**Data.**"), "{} does not say what is in its data", rule.name);
        }
        for line in rule.docs.lines() {
            assert!(line.chars().count() <= 125, "{}: {line}", rule.name);
        }
    }
}

#[test]
fn an_audit_is_about_secrets() {
    for rule in registry().iter().filter(|rule| rule.check.is_some()) {
        assert_eq!(Selection::Secrets.has(rule), rule.area == Area::Secrets, "{}", rule.name);
    }
}

#[test]
fn a_misspelt_rule_is_recognised() {
    assert_eq!(find("stale-recipient").unwrap().name, "stale-recipient");
    assert_eq!(find("stale-recipiant").unwrap_err(), Some("stale-recipient"));
    assert_eq!(find("xyzzy").unwrap_err(), None);
}

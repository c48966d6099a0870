//! The cases in `tests/rules/`: one file for each rule, compared finding for finding.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::path::{Path, PathBuf};

use bulkhead_rules::{Selection, registry};
use common::{Expected, cases, findings, seen};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules")
}

#[test]
fn every_case_has_the_findings_that_it_says() {
    let mut problems = String::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        for case in cases(&path) {
            let found = findings(&case, Selection::All);
            let mut unexpected: Vec<Expected> = found.iter().map(|finding| seen(&case, finding)).collect();
            let mut missing = Vec::new();
            for expected in &case.expected {
                let fits = |seen: &Expected| {
                    let message = seen.words.as_deref().unwrap_or_default();
                    (&seen.file, seen.line, &seen.severity, &seen.rule)
                        == (&expected.file, expected.line, &expected.severity, &expected.rule)
                        && expected.words.as_ref().is_none_or(|words| message.contains(words.as_str()))
                };
                match unexpected.iter().position(fits) {
                    Some(at) => {
                        unexpected.remove(at);
                    }
                    None => missing.push(expected),
                }
            }
            let name = format!("{} / {}", path.file_name().unwrap().to_string_lossy(), case.name);
            for expected in missing {
                problems.push_str(&format!("{name}: missing {expected:?}\n"));
            }
            for seen in unexpected {
                problems.push_str(&format!("{name}: unexpected {seen:?}\n"));
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn every_rule_has_a_good_and_a_bad_case() {
    for rule in registry().iter().filter(|rule| rule.check.is_some()) {
        let path = folder().join(format!("{}.md", rule.name));
        assert!(path.exists(), "{} has no cases", rule.name);
        let cases = cases(&path);
        let finds = |case: &common::Case| case.expected.iter().any(|expected| expected.rule == rule.name);
        assert!(cases.iter().any(finds), "{} has no bad case", rule.name);
        assert!(cases.iter().any(|case| case.expected.is_empty()), "{} has no good case", rule.name);
    }
}

#[test]
fn every_file_of_cases_is_about_a_rule() {
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let rule = name.strip_suffix(".md").unwrap();
        assert!(bulkhead_rules::find(rule).is_ok(), "{name} is about no rule");
    }
}

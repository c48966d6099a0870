//! What GitHub's code scanning asks of a SARIF file.
#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_diagnostics::{Diagnostic, Format, Place, RenderOptions, Report, Severity, Summary};
use bulkhead_source::Span;
use common::{Files, RULES, files, report, show};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

fn run(report: &Report, files: &Files) -> Value {
    let options = RenderOptions { rules: RULES, ..RenderOptions::default() };
    let log: Value = serde_json::from_str(&show(report, Format::Sarif, files, &options)).unwrap();
    assert_eq!(log["version"], "2.1.0");
    log["runs"][0].clone()
}

#[test]
fn rules_are_found_by_index() {
    let run = run(&report(), &files());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 4, "two described, two that only occur");
    for rule in rules {
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[text]["text"].as_str().unwrap().is_empty(), "{rule}");
        }
    }
    for result in run["results"].as_array().unwrap() {
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
    }
    assert_eq!(rules[0]["help"]["markdown"], RULES[0].help);
    assert_eq!(rules[0]["helpUri"], "https://example.org/rules/stale-recipient");
}

#[test]
fn paths_begin_at_the_top_of_the_repository() {
    let options = RenderOptions { folder: "infra/fleet one/", ..RenderOptions::default() };
    let log: Value = serde_json::from_str(&show(&report(), Format::Sarif, &files(), &options)).unwrap();
    let plain = run(&report(), &files());
    let uris = |run: &Value| -> Vec<String> {
        let results = run["results"].as_array().unwrap().iter();
        results
            .flat_map(|result| {
                let related = result["relatedLocations"].as_array().into_iter().flatten();
                result["locations"].as_array().unwrap().iter().chain(related)
            })
            .map(|location| location["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap().to_owned())
            .collect()
    };
    let expected: Vec<String> = uris(&plain).iter().map(|uri| format!("infra/fleet%20one/{uri}")).collect();
    assert!(expected.len() > plain["results"].as_array().unwrap().len());
    assert_eq!(uris(&log["runs"][0]), expected);
    let github = show(&report(), Format::Github, &files(), &options);
    assert!(github.lines().filter(|line| line.starts_with("::")).all(|line| line.contains(" file=infra/fleet one/")));
}

#[test]
fn every_result_has_a_place_in_the_repository() {
    let run = run(&report(), &files());
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    for result in run["results"].as_array().unwrap() {
        let locations = result["locations"].as_array().unwrap();
        assert_eq!(locations.len(), 1);
        let related = result["relatedLocations"].as_array().into_iter().flatten();
        for location in locations.iter().chain(related) {
            let place = &location["physicalLocation"];
            assert_eq!(place["artifactLocation"]["uriBaseId"], "%SRCROOT%");
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(!uri.is_empty() && !uri.starts_with('/') && !uri.contains([':', ' ']), "{uri}");
            assert!(place["region"]["startLine"].as_u64().unwrap() >= 1);
        }
    }
}

#[test]
fn levels_and_places() {
    let run = run(&report(), &files());
    let of = |rule: &str| {
        let results = run["results"].as_array().unwrap();
        results.iter().find(|result| result["ruleId"] == rule).unwrap().clone()
    };
    assert_eq!(of("stale-recipient")["level"], "error");
    assert_eq!(of("secret-without-rule")["level"], "warning");
    assert_eq!(of("rule-not-evaluated")["level"], "note");
    assert_eq!(
        of("secret-without-rule")["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "secrets/50%25%20off%3A%20new%2C%20shiny.age"
    );
    assert_eq!(
        of("stale-recipient")["locations"][0]["physicalLocation"]["region"],
        json!({ "startLine": 10, "startColumn": 3, "endLine": 10, "endColumn": 24 })
    );
    let related = &of("stale-recipient")["relatedLocations"];
    assert_eq!((&related[0]["id"], &related[1]["id"]), (&json!(1), &json!(2)));
    assert_eq!(related[0]["message"]["text"], "from here");
    assert_eq!(of("stale-recipient")["properties"]["secret"], "restic-password.age");
}

#[test]
fn fingerprints_survive_moved_lines_and_tell_twins_apart() {
    let fingerprints = |text: &str| -> Vec<String> {
        let files = Files::new(&[("a.nix", text)]);
        let findings = text
            .match_indices("bad")
            .map(|(at, _)| {
                let place = Place::new("a.nix", Span::new(at as u32, at as u32 + 3));
                Diagnostic::new("a-rule", Severity::Error, place, "it is bad")
            })
            .collect();
        let run = run(&Report::new(findings, Summary::default()), &files);
        let results = run["results"].as_array().unwrap();
        results
            .iter()
            .map(|result| result["partialFingerprints"]["bulkheadFinding/v1"].as_str().unwrap().to_owned())
            .collect()
    };
    let before = fingerprints("bad; bad;");
    assert_ne!(before[0], before[1]);
    assert_eq!(before, fingerprints("\n\n  bad;\n  bad;"));
}

#[test]
fn a_repository_can_not_write_links() {
    let finding = Diagnostic::new("a-rule", Severity::Error, Place::file(""), "`[click](https://evil.example)` is odd");
    let run = run(&Report::new(vec![finding], Summary::default()), &Files::default());
    assert!(!run["results"][0]["message"]["text"].as_str().unwrap().contains("]("));
    assert_eq!(run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], ".");
}

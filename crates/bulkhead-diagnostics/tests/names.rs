//! Names: of formats, of rules, and what was probably meant.
#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_diagnostics::{Diagnostic, Format, Override, Place, Report, Severities, Severity, Summary, nearest};
use bulkhead_source::Span;
use common::{findings, summary};
use pretty_assertions::assert_eq;

const RULES: [&str; 4] = ["stale-recipient", "missing-recipient", "no-recipients", "not-age"];

#[test]
fn formats_are_known_by_name() {
    for (format, name) in Format::ALL.into_iter().zip(Format::NAMES) {
        assert_eq!(format.to_string(), name);
        assert_eq!(name.parse(), Ok(format));
    }
    let error = "jsn".parse::<Format>().unwrap_err();
    assert_eq!(error.to_string(), "`jsn` is no format; there are full, concise, json, sarif, github");
}

#[test]
fn nearest_finds_slips() {
    for slip in ["stale-recipent", "stale-recipients", "satle-recipient", "Stale-Recipient", "stale_recipient"] {
        assert_eq!(nearest(slip, RULES), Some("stale-recipient"), "{slip}");
    }
    assert_eq!(nearest("aarch-64", ["x86_64", "aarch64"]), Some("aarch64"));
    assert_eq!(nearest("no-age", RULES), Some("not-age"));
}

#[test]
fn nearest_does_not_guess_wildly() {
    for word in ["", "wireguard", "age", "x", &"stale-recipient".repeat(10_000)] {
        assert_eq!(nearest(word, RULES), None, "{word:.20}");
    }
    assert_eq!(nearest("a", ["b"]), None);
    assert_eq!(nearest("stale", []), None);
}

#[test]
fn severities_of_the_fleet() {
    let severities: Severities = serde_json::from_str(
        r#"{ "stale-recipient": "warning", "unlock-key-reused": "off", "rule-not-evaluated": "error", "not-aeg": "off" }"#,
    )
    .unwrap();
    let mut left: Vec<_> =
        severities.apply(findings()).into_iter().map(|finding| (finding.rule.into_owned(), finding.severity)).collect();
    left.sort();
    let expected = [
        // What is undecided does not become an error by configuration.
        ("rule-not-evaluated".to_owned(), Severity::Undecided),
        ("secret-without-rule".to_owned(), Severity::Warning),
        ("stale-recipient".to_owned(), Severity::Warning),
    ];
    assert_eq!(left, expected);
    assert!(severities.is_off("unlock-key-reused") && !severities.is_off("stale-recipient"));
    assert_eq!(severities.rules["stale-recipient"], Override::Warning);
    let known = ["stale-recipient", "unlock-key-reused", "rule-not-evaluated", "not-age"];
    assert_eq!(severities.unknown(&known), [("not-aeg", Some("not-age"))]);
}

#[test]
fn a_report_is_sorted_and_says_each_thing_once() {
    let at = |file: &str, start, rule: &'static str, message: &str| {
        Diagnostic::new(rule, Severity::Error, Place::new(file, Span::new(start, start + 1)), message)
    };
    let twin = at("a", 10, "r", "m").with_note("another reason");
    let given = vec![
        at("b", 0, "r", "m"),
        at("a", 10, "r", "m"),
        twin.clone(),
        at("a", 10, "r", "m"),
        at("a", 9, "s", "m"),
        at("a", 9, "r", "n"),
        Diagnostic::new("r", Severity::Undecided, Place::file("a"), "m"),
    ];
    let report = Report::new(given, Summary { errors: 99, ..summary() });
    let expected = vec![
        Diagnostic::new("r", Severity::Undecided, Place::file("a"), "m"),
        at("a", 9, "r", "n"),
        at("a", 9, "s", "m"),
        at("a", 10, "r", "m"),
        twin,
        at("b", 0, "r", "m"),
    ];
    assert_eq!(report.findings, expected);
    let counted = Summary { errors: 5, warnings: 0, undecided: 1, ..summary() };
    assert_eq!(report.summary, counted);
}

//! `# bulkhead: allow(rule) reason`.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use bulkhead_diagnostics::suppress::{Comments, Rules, apply, apply_at};
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_source::Span;
use common::Files;
use pretty_assertions::assert_eq;

/// The comments of a text in which `#` and `/*` begin comments everywhere.
struct Simple<'a>(&'a Files);

impl Comments for Simple<'_> {
    fn comments(&self, file: &str) -> Vec<(Span, Arc<str>)> {
        let text = &self.0.0[file];
        let mut comments = Vec::new();
        let mut at = 0;
        while let Some(start) = text[at..].find(['#', '/']).map(|start| at + start) {
            let block = text[start..].starts_with("/*");
            let (stop, open, close) = if block { ("*/", 2, 2) } else { ("\n", 1, 0) };
            let stop = text[start..].find(stop).map_or(text.len(), |end| start + end);
            comments.push((Span::new(start as u32, (stop + close) as u32), Arc::from(&text[start + open..stop])));
            at = stop + close;
        }
        comments
    }
}

const KNOWN: &[&str] = &["stale-recipient", "not-age"];

/// What is left of a finding `rule` at each `BAD`, as `line: rule: message` with the marked text.
fn left_of(text: &str, rule: &'static str) -> Vec<String> {
    left_if(text, rule, &|_| true)
}

fn left_if(text: &str, rule: &'static str, ran: &dyn Fn(&str) -> bool) -> Vec<String> {
    let files = Files::new(&[("a.nix", text)]);
    let findings = text.match_indices("BAD").map(|(at, _)| {
        Diagnostic::new(rule, Severity::Error, Place::new("a.nix", Span::new(at as u32, text.len() as u32)), "bad")
    });
    let left = apply(findings.collect(), ["a.nix"], &Simple(&files), &files, Rules { known: KNOWN, ran });
    left.iter()
        .map(|finding| {
            let span = finding.place.span.unwrap();
            let line = text[..span.start as usize].matches('\n').count() + 1;
            let marked = if finding.rule == rule { "" } else { &text[span.start as usize..span.end as usize] };
            let help = finding.help.first().filter(|help| help.starts_with("did you mean"));
            format!("{line}: {}: {marked}{}", finding.rule, help.map_or(String::new(), |help| format!(": {help}")))
        })
        .collect()
}

#[test]
fn on_the_line_or_the_line_above() {
    let none: [&str; 0] = [];
    assert_eq!(left_of("BAD # bulkhead: allow(stale-recipient) it is rekeyed on Monday", "stale-recipient"), none);
    assert_eq!(left_of("# bulkhead: allow(stale-recipient) rekeyed soon\nBAD\n", "stale-recipient"), none);
    assert_eq!(left_of("/* bulkhead: allow(stale-recipient): rekeyed\nsoon */\nBAD\n", "stale-recipient"), none);
    assert_eq!(left_of("  #bulkhead:allow( stale-recipient ) soon\r\n  BAD\r\n", "stale-recipient"), none);
}

#[test]
fn no_farther() {
    let text = "# bulkhead: allow(stale-recipient) soon\nfine\nBAD\n";
    assert_eq!(left_of(text, "stale-recipient"), ["3: stale-recipient: ", "1: unused-allow: stale-recipient"]);
    let after_code = "x # bulkhead: allow(stale-recipient) soon\nBAD\n";
    assert_eq!(left_of(after_code, "stale-recipient"), ["2: stale-recipient: ", "1: unused-allow: stale-recipient"]);
}

#[test]
fn stacked_and_listed() {
    let stacked = "# bulkhead: allow(not-age) a\n# and more about it\n# bulkhead: allow(stale-recipient) b\nBAD\n";
    assert_eq!(left_of(stacked, "stale-recipient"), ["1: unused-allow: not-age"]);
    let listed = "BAD # bulkhead: allow(not-age, stale-recipient) b\n";
    assert_eq!(left_of(listed, "not-age"), ["1: unused-allow: stale-recipient"]);
}

#[test]
fn a_rule_that_was_not_checked_is_never_unused() {
    let text = "x # bulkhead: allow(not-age, stale-recipient) b\n";
    assert_eq!(left_if(text, "not-age", &|rule| rule == "not-age"), ["1: unused-allow: not-age"]);
}

#[test]
fn a_reason_is_asked_for() {
    let text = "BAD # bulkhead: allow(not-age)  -- \n";
    assert_eq!(left_of(text, "not-age"), ["1: allow-without-reason: # bulkhead: allow(not-age)  -- "]);
}

#[test]
fn malformed() {
    let unknown = "BAD # bulkhead: allow(not-aeg) why\n";
    assert_eq!(left_of(unknown, "not-age"), ["1: not-age: ", "1: malformed-allow: not-aeg: did you mean `not-age`?"]);
    for wrong in [
        "# bulkhead: allow not-age: because",
        "# bulkhead: allow(not-age because",
        "# bulkhead: allow() because",
        "# bulkhead: allow(not-age,) because",
        "# bulkhead: ignore(not-age) because",
        "# bulkhead allow(not-age) because",
    ] {
        assert_eq!(left_of(wrong, "not-age"), [format!("1: malformed-allow: {wrong}")]);
    }
}

#[test]
fn prose_is_no_allow() {
    let none: [&str; 0] = [];
    for prose in ["# bulkhead: the tool that checks this", "# bulkhead allow lists are below", "# bulkheads(x)", "#"] {
        assert_eq!(left_of(prose, "not-age"), none, "{prose}");
    }
}

#[test]
fn findings_about_allows_can_be_allowed() {
    let none: [&str; 0] = [];
    let text = "# bulkhead: allow(unused-allow) only on Windows\nx # bulkhead: allow(not-age) it may come back\n";
    assert_eq!(left_of(text, "not-age"), none);
    let in_vain = "x # bulkhead: allow(unused-allow) because\n";
    assert_eq!(left_of(in_vain, "not-age"), ["1: unused-allow: unused-allow"]);
}

#[test]
fn a_finding_about_a_whole_file_is_on_line_one_and_undecided_ones_count() {
    let files = Files::new(&[("a.nix", "# bulkhead: allow(not-age) it is a template\n{ }\n")]);
    let finding = Diagnostic::new("not-age", Severity::Undecided, Place::file("a.nix"), "what is this?");
    let rules = Rules { known: KNOWN, ran: &|_| true };
    assert_eq!(apply(vec![finding], ["a.nix"], &Simple(&files), &files, rules), []);
}

/// The lines of the places that are left of a finding about the beginnings of all lines of `text`.
fn same_left(text: &str) -> Vec<u32> {
    let files = Files::new(&[("a.nix", text)]);
    let starts = text.match_indices('x').map(|(at, _)| Place::new("a.nix", Span::new(at as u32, at as u32 + 1)));
    let mut starts = starts.collect::<Vec<_>>().into_iter();
    let first = Diagnostic::new("not-age", Severity::Error, starts.next().unwrap(), "bad");
    let finding = starts.fold(first, |finding, place| finding.with_same(place, "the same"));
    let rules = Rules { known: KNOWN, ran: &|_| true };
    let left = apply(vec![finding], ["a.nix"], &Simple(&files), &files, rules);
    let places = left.iter().flat_map(|left| std::iter::once(&left.place).chain(left.related.iter().map(|r| &r.place)));
    places.map(|place| text[..place.span.unwrap().start as usize].matches('\n').count() as u32 + 1).collect()
}

#[test]
fn a_finding_about_several_places_needs_an_allow_at_each() {
    let allow = "# bulkhead: allow(not-age) so be it";
    assert_eq!(same_left(&format!("x {allow}\nx\nx\n")), [2, 3]);
    assert_eq!(same_left(&format!("x\nx {allow}\nx\n")), [1, 3]);
    assert_eq!(same_left(&format!("x {allow}\nx {allow}\nx\n")), [3]);
    assert!(same_left(&format!("x {allow}\nx {allow}\n")).is_empty());
}

#[test]
fn where_else_the_caller_says() {
    let grants =
        "x\nwifi = 1; # bulkhead: allow(stale-recipient) soon\nother = 2; # bulkhead: allow(stale-recipient) soon\n";
    let files = Files::new(&[("generated.nix", "wifi other"), ("grants.nix", grants)]);
    let at = |file: &str, start: u32| Place::new(file, Span::new(start, start + 4));
    let finding = |place: Place| Diagnostic::new("stale-recipient", Severity::Error, place, "bad");
    let elsewhere = |_: &Diagnostic, place: &Place| match place.span {
        Some(span) if span.start == 0 => vec![at("grants.nix", 2)],
        _ => vec![at("grants.nix", 0)],
    };
    let findings = vec![finding(at("generated.nix", 0)), finding(at("generated.nix", 5))];
    let rules = Rules { known: KNOWN, ran: &|_| true };
    let left = apply_at(findings, ["generated.nix", "grants.nix"], &Simple(&files), &files, rules, &elsewhere);
    let left: Vec<(&str, u32)> = left.iter().map(|left| (&*left.rule, left.place.span.unwrap().start)).collect();
    let unused = grants.rfind("stale").unwrap() as u32;
    assert_eq!(left, [("stale-recipient", 5), ("unused-allow", unused)]);
}

#[test]
fn what_must_not_be_shown_is_allowed_by_its_line() {
    let text = "{\n  # bulkhead: allow(not-age) a test\n  secret\n  secret\n}\n";
    let files = Files::new(&[("a.nix", text)]);
    let at = |line: u32| {
        Diagnostic::new("not-age", Severity::Error, Place::file("a.nix"), "a secret").with_data("line", line)
    };
    let rules = Rules { known: KNOWN, ran: &|_| true };
    let left = apply(vec![at(3), at(4)], ["a.nix"], &Simple(&files), &files, rules);
    assert_eq!(left.iter().map(|finding| finding.data["line"].as_u64()).collect::<Vec<_>>(), [Some(4)]);
}

//! All findings of a run in order, and what the run looked at.

use std::cmp::Ordering;
use std::fmt::Write;
use std::time::Duration;

use crate::{Diagnostic, Severity};

/// How much was found, and what was looked at. [`Report::new`] counts the findings; the rest is the caller's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Findings of severity error.
    pub errors: usize,
    /// Findings of severity warning.
    pub warnings: usize,
    /// Findings of severity undecided.
    pub undecided: usize,
    /// Machines of the fleet.
    pub machines: usize,
    /// Roles of the fleet; `None` where roles play no part, as in an audit of another repository.
    pub roles: Option<usize>,
    /// Secrets looked at.
    pub secrets: usize,
    /// Files read.
    pub files: usize,
    /// How long it took; only shown to people.
    pub elapsed: Option<Duration>,
}

/// The result of a check: findings sorted by file, position, rule and message, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The findings, in order.
    pub findings: Vec<Diagnostic>,
    /// Their number and what was looked at.
    pub summary: Summary,
}

impl Report {
    /// Sort `findings`, drop exact duplicates and count what is left into `summary`.
    pub fn new(findings: Vec<Diagnostic>, summary: Summary) -> Report {
        let findings = sorted(findings);
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let summary = Summary {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            undecided: count(Severity::Undecided),
            ..summary
        };
        Report { findings, summary }
    }
}

fn order(a: &Diagnostic, b: &Diagnostic) -> Ordering {
    (&a.place, &a.rule, &a.message).cmp(&(&b.place, &b.rule, &b.message))
}

fn sorted(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.sort_by(order);
    let mut kept: Vec<Diagnostic> = Vec::with_capacity(findings.len());
    for finding in findings {
        let alike = kept.iter().rev().take_while(|other| order(other, &finding) == Ordering::Equal);
        if !alike.into_iter().any(|other| *other == finding) {
            kept.push(finding);
        }
    }
    kept
}

impl Summary {
    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.errors == 0 && self.warnings == 0 && self.undecided == 0
    }

    /// What was found, in words: `2 errors, 0 warnings, 1 undecided`, or `no findings`.
    pub(crate) fn found(&self) -> Vec<(usize, String)> {
        if self.is_clean() {
            return vec![(0, "no findings".to_owned())];
        }
        vec![
            (self.errors, counted(self.errors, "error")),
            (self.warnings, counted(self.warnings, "warning")),
            (self.undecided, format!("{} undecided", self.undecided)),
        ]
    }

    /// What was looked at, in words: `5 machines, 22 roles, 26 secrets`, and the files where nothing was found.
    pub(crate) fn looked_at(&self) -> String {
        let mut text = counted(self.machines, "machine");
        if let Some(roles) = self.roles {
            let _ = write!(text, ", {}", counted(roles, "role"));
        }
        let _ = write!(text, ", {}", counted(self.secrets, "secret"));
        if self.is_clean() {
            let _ = write!(text, ", {}", counted(self.files, "file"));
        }
        text
    }

    /// How long it took, in words.
    pub(crate) fn took(&self) -> Option<String> {
        let elapsed = self.elapsed?;
        Some(match elapsed.as_millis() {
            0 => "<1 ms".to_owned(),
            millis @ 1..1_000 => format!("{millis} ms"),
            millis @ 1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
            millis => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
        })
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

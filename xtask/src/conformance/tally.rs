//! How the tests of a suite went.

use std::collections::BTreeMap;
use std::fmt::Write;

/// How one test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As the suite says.
    Passed,
    /// Otherwise: what happened.
    Failed(String),
    /// Not comparable: why.
    Excluded(String),
}

/// The tests of one suite.
pub struct Tally {
    suite: String,
    tests: Vec<(String, Outcome)>,
}

impl Tally {
    pub fn new(suite: impl Into<String>) -> Tally {
        Tally { suite: suite.into(), tests: Vec::new() }
    }

    pub fn add(&mut self, test: impl Into<String>, outcome: Outcome) {
        self.tests.push((test.into(), outcome));
    }

    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_))).count()
    }
}

/// All suites in a table, then each failure, then each reason for exclusions with its tests.
pub fn table(tallies: &[Tally]) -> String {
    let mut text = format!("{:<28} {:>6} {:>6} {:>6} {:>8}\n", "suite", "tests", "passed", "failed", "excluded");
    for tally in tallies {
        let passed = tally.tests.iter().filter(|(_, outcome)| *outcome == Outcome::Passed).count();
        let (tests, failed) = (tally.tests.len(), tally.failed());
        let excluded = tests - passed - failed;
        let _ = writeln!(text, "{:<28} {tests:>6} {passed:>6} {failed:>6} {excluded:>8}", tally.suite);
    }
    for tally in tallies {
        for (test, outcome) in &tally.tests {
            if let Outcome::Failed(why) = outcome {
                let _ = write!(text, "\nFAILED {} {test}\n  {}\n", tally.suite, why.trim_end().replace('\n', "\n  "));
            }
        }
    }
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (test, outcome) in tallies.iter().flat_map(|tally| &tally.tests) {
        if let Outcome::Excluded(why) = outcome {
            reasons.entry(why).or_default().push(test);
        }
    }
    for (why, tests) in reasons {
        let _ = write!(text, "\nexcluded, {why} ({}): {}\n", tests.len(), tests.join(" "));
    }
    text
}

//! What a leak test found, for people and for programs.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// What should not get out did not.
    Held,
    /// It could not be tested, and why is said.
    Undecided,
    /// Something got out, or was answered, that should not.
    Leaked,
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    /// Where it was made: `host`, or the name of a service container.
    pub at: String,
    /// Its name.
    pub name: String,
    /// What was tried.
    pub what: String,
    /// How it ended.
    pub outcome: Outcome,
    /// What was seen, or why it is undecided.
    pub detail: Option<String>,
}

/// All tests of a run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The worst outcome; undecided if nothing was tested.
    pub outcome: Outcome,
    /// How many held.
    pub held: usize,
    /// How many leaked.
    pub leaked: usize,
    /// How many are undecided.
    pub undecided: usize,
    /// The tests, in their order.
    pub tests: Vec<Test>,
}

impl Report {
    /// Count.
    pub fn new(tests: Vec<Test>) -> Self {
        let count = |outcome| tests.iter().filter(|test| test.outcome == outcome).count();
        let (held, leaked, undecided) = (count(Outcome::Held), count(Outcome::Leaked), count(Outcome::Undecided));
        let outcome = tests.iter().map(|test| test.outcome).max().unwrap_or(Outcome::Undecided);
        Self { outcome, held, leaked, undecided, tests }
    }

    /// Lines for people; with `color`, for a terminal.
    pub fn text(&self, color: bool) -> String {
        let paint = |outcome: Outcome, text: &str| match (color, outcome) {
            (false, _) => text.to_owned(),
            (true, Outcome::Held) => format!("\u{1b}[32m{text}\u{1b}[0m"),
            (true, Outcome::Undecided) => format!("\u{1b}[33m{text}\u{1b}[0m"),
            (true, Outcome::Leaked) => format!("\u{1b}[1;31m{text}\u{1b}[0m"),
        };
        let width = self.tests.iter().map(|test| test.at.len()).max().unwrap_or_default();
        let mut text = String::new();
        for test in &self.tests {
            let word = match test.outcome {
                Outcome::Held => "held     ",
                Outcome::Undecided => "undecided",
                Outcome::Leaked => "LEAKED   ",
            };
            let detail = test.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            let line = format!("{}{detail}", test.what);
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let _ = writeln!(text, "{}  {:<width$}  {line}", paint(test.outcome, word), test.at);
        }
        let all = self.tests.len();
        let sum = format!("{all} tests: {} held, {} leaked, {} undecided", self.held, self.leaked, self.undecided);
        let _ = writeln!(text, "\n{}", paint(self.outcome, &sum));
        text
    }
}

/// The JSON Schema of the report.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Report);
    schema.insert("title".to_owned(), "Report of vpn leak-test".into());
    schema.into()
}

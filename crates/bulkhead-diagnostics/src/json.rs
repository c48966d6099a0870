//! The format for programs. Its types are public so that a program in Rust can read it back; [`json_schema`] is what
//! `schemas/diagnostics.schema.json` holds.

use std::io;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::text::{Texts, path};
use crate::{Diagnostic, Place, Report, Severity};

/// The version of the format. It grows when a field changes its meaning or goes; new fields don't change it.
pub const VERSION: u32 = 1;

/// The output of `bulkhead check --format json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(title = "Bulkhead diagnostics")]
pub struct ReportJson {
    /// The version of this format: 1.
    #[schemars(extend("const" = VERSION))]
    pub version: u32,
    /// All findings, sorted by file, position, rule and message.
    pub findings: Vec<FindingJson>,
    /// What was found and looked at, in numbers.
    pub summary: SummaryJson,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FindingJson {
    /// The name of the rule, e.g. `stale-recipient`; `bulkhead explain` tells more.
    pub rule: String,
    /// How much it matters. `undecided`: the rule could not be decided, which is not the same as fine.
    pub severity: Severity,
    /// The file that a person has to change: a path relative to the fleet's root, parts joined by `/`.
    pub file: String,
    /// The text meant; 1:1 to 1:1 for the file as a whole.
    pub range: RangeJson,
    /// One sentence: what is wrong.
    pub message: String,
    /// What the text at `range` is, in a few words.
    pub label: Option<String>,
    /// Facts that explain the finding, a paragraph each.
    pub notes: Vec<String>,
    /// What to do or type, paragraphs joined by line feeds.
    pub help: Option<String>,
    /// Other places that matter.
    pub related: Vec<RelatedJson>,
    /// Facts for programs; the documentation of each rule names them.
    pub data: Map<String, Value>,
}

/// Another place that belongs to a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RelatedJson {
    /// A path relative to the fleet's root.
    pub file: String,
    /// The text meant; 1:1 to 1:1 for the file as a whole.
    pub range: RangeJson,
    /// What is to be seen there.
    pub message: String,
}

/// A range of text, the end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RangeJson {
    /// Where the text begins.
    pub start: PositionJson,
    /// Where what follows the text begins.
    pub end: PositionJson,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PositionJson {
    /// The line, from 1.
    #[schemars(range(min = 1))]
    pub line: u32,
    /// The column, from 1, in Unicode scalar values.
    #[schemars(range(min = 1))]
    pub column: u32,
}

/// What was found and looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SummaryJson {
    /// Findings of severity `error`.
    pub errors: usize,
    /// Findings of severity `warning`.
    pub warnings: usize,
    /// Findings of severity `undecided`.
    pub undecided: usize,
    /// Machines of the fleet.
    pub machines: usize,
    /// Secrets looked at.
    pub secrets: usize,
    /// Files read.
    pub files: usize,
}

/// The JSON Schema of [`ReportJson`].
pub fn json_schema() -> Value {
    schemars::schema_for!(ReportJson).to_value()
}

pub(crate) fn render(report: &Report, texts: &Texts<'_>, mut out: &mut dyn io::Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, &convert(report, texts))?;
    writeln!(out)
}

fn convert(report: &Report, texts: &Texts<'_>) -> ReportJson {
    let summary = &report.summary;
    ReportJson {
        version: VERSION,
        findings: report.findings.iter().map(|finding| convert_finding(finding, texts)).collect(),
        summary: SummaryJson {
            errors: summary.errors,
            warnings: summary.warnings,
            undecided: summary.undecided,
            machines: summary.machines,
            secrets: summary.secrets,
            files: summary.files,
        },
    }
}

fn convert_finding(finding: &Diagnostic, texts: &Texts<'_>) -> FindingJson {
    let related = finding.related.iter().map(|related| RelatedJson {
        file: path(&related.place).to_owned(),
        range: range(&related.place, texts),
        message: related.message.clone(),
    });
    FindingJson {
        rule: finding.rule.to_string(),
        severity: finding.severity,
        file: path(&finding.place).to_owned(),
        range: range(&finding.place, texts),
        message: finding.message.clone(),
        label: finding.label.clone(),
        notes: finding.notes.clone(),
        help: (!finding.help.is_empty()).then(|| finding.help.join("\n")),
        related: related.collect(),
        data: finding.data.clone(),
    }
}

fn range(place: &Place, texts: &Texts<'_>) -> RangeJson {
    let Some((start, end)) = texts.positions(place) else {
        let begin = PositionJson { line: 1, column: 1 };
        return RangeJson { start: begin, end: begin };
    };
    RangeJson {
        start: PositionJson { line: start.line, column: start.column },
        end: PositionJson { line: end.line, column: end.column },
    }
}

//! GitHub workflow commands: lines that its runner shows as annotations on the changed files.
//!
//! The commands, their properties and what must be escaped are those of GitHub's documentation ("Workflow commands")
//! and of `@actions/core` (`command.ts`).

use std::io;

use crate::full::summary_line;
use crate::text::{Texts, repository_path};
use crate::{Diagnostic, Report, Severity};

pub(crate) fn render(report: &Report, texts: &Texts<'_>, folder: &str, out: &mut dyn io::Write) -> io::Result<()> {
    for finding in &report.findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Undecided => "notice",
        };
        let mut properties = vec![("file", repository_path(&finding.place, folder))];
        if let Some((start, end)) = texts.positions(&finding.place) {
            properties.push(("line", start.line.to_string()));
            // Columns are refused for annotations over several lines.
            if start.line == end.line {
                properties.push(("col", start.column.to_string()));
            }
            properties.push(("endLine", end.line.to_string()));
            if start.line == end.line {
                properties.push(("endColumn", end.column.to_string()));
            }
        }
        properties.push(("title", format!("bulkhead: {}", finding.rule)));
        let properties: Vec<String> =
            properties.iter().map(|(name, value)| format!("{name}={}", property(value))).collect();
        writeln!(out, "::{command} {}::{}", properties.join(","), data(&prose(finding)))?;
    }
    writeln!(out, "{}", summary_line(&report.summary, false))
}

/// Message, facts and advice as one text of several paragraphs.
pub(crate) fn prose(finding: &Diagnostic) -> String {
    let mut paragraphs = vec![finding.message.clone()];
    paragraphs.extend(finding.label.as_ref().map(|label| format!("Here: {label}")));
    paragraphs.extend(finding.notes.iter().cloned());
    paragraphs.extend(finding.help.iter().map(|help| format!("Help: {help}")));
    paragraphs.push(format!("Why: bulkhead explain {}", finding.rule));
    visible(&paragraphs.join("\n"))
}

/// `text` with the deceptive characters of all its lines escaped.
fn visible(text: &str) -> String {
    let lines: Vec<_> =
        text.split('\n').map(|line| crate::text::escape(line.strip_suffix('\r').unwrap_or(line))).collect();
    lines.join("\n")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

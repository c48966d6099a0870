//! One line per finding, as compilers print them, for editors and `grep`.

use std::io;

use crate::full::{header, summary_line};
use crate::text::{Texts, escape, escape_line_start, path};
use crate::{RenderOptions, Report};

pub(crate) fn render(
    report: &Report,
    texts: &Texts<'_>,
    options: &RenderOptions<'_>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    for finding in &report.findings {
        let (line, column) = texts.positions(&finding.place).map_or((1, 1), |(start, _)| (start.line, start.column));
        writeln!(
            out,
            "{}:{line}:{column}: {}: {}",
            escape_line_start(path(&finding.place)),
            header(finding, options.color),
            escape(&finding.message)
        )?;
    }
    writeln!(out, "{}", summary_line(&report.summary, options.color))
}

//! The format for a person at a terminal: place first, then what, why, what to type. The look is rustc's.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use annotate_snippets::renderer::{
    AnsiColor, DEFAULT_EMPHASIS_STYLE, DEFAULT_ERROR_STYLE, DEFAULT_HELP_STYLE, DEFAULT_LINE_NUM_STYLE,
    DEFAULT_WARNING_STYLE, Style,
};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::excerpt::{Excerpt, Mark, excerpts};
use crate::text::{Texts, escape, escape_line_start, paragraph, path};
use crate::{Diagnostic, Place, RenderOptions, Report, Severity, Summary};

const UNDECIDED_STYLE: Style = AnsiColor::BrightMagenta.on_default().bold();

/// Narrower than this, nothing can be read any more.
const MIN_WIDTH: usize = 40;
/// Related places that are shown; the JSON format has all of them.
const MAX_RELATED: usize = 16;
/// Wider than any line that [`excerpts`] makes, so that the renderer cuts nothing by itself.
const UNLIMITED: usize = 1 << 20;

pub(crate) fn render(
    report: &Report,
    texts: &Texts<'_>,
    options: &RenderOptions<'_>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    for finding in &report.findings {
        render_one(finding, texts, options, out)?;
    }
    writeln!(out, "{}", summary_line(&report.summary, options.color))
}

/// One finding and an empty line.
pub(crate) fn render_one(
    finding: &Diagnostic,
    texts: &Texts<'_>,
    options: &RenderOptions<'_>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let width = options.width.max(MIN_WIDTH);
    let mut view = View { text: String::new(), color: options.color, width, gutter: 1 };
    view.finding(finding, texts);
    view.text.push('\n');
    out.write_all(view.text.as_bytes())
}

/// The last line: what was found, what was looked at, how long it took.
pub(crate) fn summary_line(summary: &Summary, color: bool) -> String {
    let styles = [DEFAULT_ERROR_STYLE, DEFAULT_WARNING_STYLE, UNDECIDED_STYLE];
    let found = summary
        .found()
        .into_iter()
        .zip(styles)
        .map(|((count, words), style)| if color && count > 0 { format!("{style}{words}{style:#}") } else { words });
    let mut parts = vec![found.collect::<Vec<_>>().join(", "), summary.looked_at()];
    parts.extend(summary.took());
    parts.join(" · ")
}

/// `error[rule]`, styled.
pub(crate) fn header(finding: &Diagnostic, color: bool) -> String {
    let (name, style) = match finding.severity {
        Severity::Error => ("error", DEFAULT_ERROR_STYLE),
        Severity::Warning => ("warning", DEFAULT_WARNING_STYLE),
        Severity::Undecided => ("undecided", UNDECIDED_STYLE),
    };
    let rule = escape(&finding.rule);
    if color { format!("{style}{name}[{rule}]{style:#}") } else { format!("{name}[{rule}]") }
}

/// A file with its marks.
struct Shown {
    file: Arc<str>,
    place: Place,
    marks: Vec<Mark>,
}

/// So many further lines of a message are shown.
const MAX_MESSAGE_LINES: usize = 60;

/// The text of one finding as it grows.
struct View {
    text: String,
    color: bool,
    width: usize,
    /// Columns of the largest line number.
    gutter: usize,
}

impl View {
    fn finding(&mut self, finding: &Diagnostic, texts: &Texts<'_>) {
        // What `throw` says often has several lines: those of a failed assertion of NixOS, or of a type error.
        let mut lines = finding.message.trim_matches('\n').split('\n');
        let first = lines.next().unwrap_or_default().trim_end();
        let message = self.styled(DEFAULT_EMPHASIS_STYLE, &format!(": {}", escape(first)));
        let header = header(finding, self.color);
        self.line(&format!("{header}{message}"));
        for line in lines.by_ref().take(MAX_MESSAGE_LINES) {
            self.line(&format!("  {}", escape_line_start(&line.trim_end().replace('\t', "    "))));
        }
        match lines.count() {
            0 => {}
            more => self.line(&format!("  … and {more} more lines")),
        }

        let files = shown(finding, texts);
        let excerpts: Vec<Vec<Excerpt<'_>>> = files
            .iter()
            // The gutter takes its number, ` | ` and the bars of marks over several lines.
            // A file as a whole has no line to show: its first may be the private key that the finding is about.
            .map(|file| match texts.get(&file.file).filter(|_| file.place.span.is_some()) {
                Some(text) => excerpts(&text, &file.marks, self.width.saturating_sub(10)),
                None => Vec::new(),
            })
            .collect();
        let last = excerpts.iter().flatten().map(|excerpt| excerpt.last).max().unwrap_or(1);
        self.gutter = last.to_string().len();

        let mut in_snippet = false;
        for (index, (file, excerpts)) in files.iter().zip(&excerpts).enumerate() {
            if in_snippet {
                self.bar();
            }
            in_snippet = !excerpts.is_empty();
            self.place(index == 0, file, texts);
            for (index, excerpt) in excerpts.iter().enumerate() {
                self.excerpt(finding.severity, excerpt, index > 0);
            }
        }
        if in_snippet {
            self.bar();
        }
        for note in &finding.notes {
            self.paragraph("", note);
        }
        if finding.related.len() > MAX_RELATED {
            let more = finding.related.len() - MAX_RELATED;
            self.paragraph("", &format!("and {more} more places; --format json lists them all"));
        }
        for help in &finding.help {
            self.paragraph("help", help);
        }
        self.paragraph("why", &format!("bulkhead explain {}", finding.rule));
    }

    /// `--> path:line:column`, or `:::` for a further file. What can't be marked in a text is said here.
    fn place(&mut self, is_first: bool, file: &Shown, texts: &Texts<'_>) {
        let arrow = self.styled(DEFAULT_LINE_NUM_STYLE, if is_first { "-->" } else { ":::" });
        let mut line = format!("{}{arrow} {}", " ".repeat(self.gutter), escape(path(&file.place)));
        match texts.positions(&file.place) {
            Some((start, _)) => {
                let _ = write!(line, ":{}:{}", start.line, start.column);
            }
            None => {
                let labels = file.marks.iter().filter_map(|mark| mark.label.as_deref());
                for (index, label) in labels.enumerate() {
                    line.push_str(if index == 0 { ": " } else { "; " });
                    line.push_str(label);
                }
            }
        }
        self.line(&line);
    }

    fn excerpt(&mut self, severity: Severity, excerpt: &Excerpt<'_>, continues: bool) {
        let renderer = if self.color { Renderer::styled().info(UNDECIDED_STYLE) } else { Renderer::plain() };
        let renderer = renderer.term_width(UNLIMITED);
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Undecided => Level::INFO,
        };
        let annotations = excerpt.marks.iter().map(|(range, mark)| {
            let kind = if mark.primary { AnnotationKind::Primary } else { AnnotationKind::Context };
            kind.span(range.clone()).label(mark.label.as_deref())
        });
        let snippet =
            Snippet::source(excerpt.source.as_str()).line_start(excerpt.first as usize).annotations(annotations);
        let rendered = renderer.render(&[Group::with_level(level).element(snippet)]);

        // Each excerpt is as wide as its own line numbers; all of a finding line up. The first line is an empty bar.
        let indent = " ".repeat(self.gutter - excerpt.last.to_string().len());
        for (index, line) in rendered.lines().enumerate() {
            if index == 0 && continues {
                let dots = self.styled(DEFAULT_LINE_NUM_STYLE, "...");
                self.line(&dots);
                continue;
            }
            let line = line.trim_end();
            self.line(&format!("{indent}{line}"));
        }
    }

    fn bar(&mut self) {
        let bar = self.styled(DEFAULT_LINE_NUM_STYLE, "|");
        self.line(&format!("{} {bar}", " ".repeat(self.gutter)));
    }

    /// `= name: text`, the lines after the first aligned with the text.
    fn paragraph(&mut self, name: &str, text: &str) {
        let sign = self.styled(DEFAULT_LINE_NUM_STYLE, "=");
        let margin = self.gutter + 3;
        let (label, indent) = if name.is_empty() {
            (String::new(), margin)
        } else {
            // `why` and `help` line up with each other.
            let label = format!("{:<6}", format!("{name}:"));
            (self.styled(DEFAULT_HELP_STYLE, &label), margin + label.len())
        };
        let lines = paragraph(text, self.width.saturating_sub(indent));
        for (index, line) in lines.iter().enumerate() {
            if index == 0 {
                self.line(&format!("{} {sign} {label}{line}", " ".repeat(self.gutter)));
            } else {
                self.line(format!("{}{line}", " ".repeat(indent)).trim_end());
            }
        }
    }

    fn styled(&self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// The files of a finding in order, the one to change first, each with what to mark in it. A file that has no text,
/// or is meant as a whole, has marks that only say something.
fn shown(finding: &Diagnostic, texts: &Texts<'_>) -> Vec<Shown> {
    let label = |text: &str| Some(escape(text).into_owned()).filter(|text| !text.is_empty());
    let first = (&finding.place, finding.label.as_deref().and_then(label), true);
    let related =
        finding.related.iter().take(MAX_RELATED).map(|related| (&related.place, label(&related.message), false));
    let mut files: Vec<Shown> = Vec::new();
    for (place, label, primary) in std::iter::once(first).chain(related) {
        let span = place.span.filter(|_| texts.get(&place.file).is_some());
        let mark = Mark { span: span.unwrap_or_default(), label, primary };
        let same = files.iter_mut().find(|shown| {
            span.is_some() && shown.file == place.file && shown.place.span.is_some() && texts.get(&shown.file).is_some()
        });
        match same {
            Some(shown) => shown.marks.push(mark),
            None => {
                let place = Place { file: place.file.clone(), span };
                files.push(Shown { file: place.file.clone(), place, marks: vec![mark] });
            }
        }
    }
    files
}

//! The formats a report can be written in.

use std::fmt;
use std::io;
use std::str::FromStr;

use crate::masked::{masked_finding, masked_report};
use crate::text::Texts;
use crate::{Diagnostic, Report, Severity, Sources, concise, full, github, json, sarif};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// For a person at a terminal: every place with its source lines, facts and advice.
    #[default]
    Full,
    /// One line per finding, for editors and `grep`.
    Concise,
    /// For programs; see [`json`].
    Json,
    /// SARIF 2.1.0, as GitHub's code scanning takes it.
    Sarif,
    /// GitHub workflow commands, shown as annotations of a pull request.
    Github,
}

impl Format {
    /// Every format, in the order of help texts.
    pub const ALL: [Format; 5] = [Format::Full, Format::Concise, Format::Json, Format::Sarif, Format::Github];

    /// The names of [`Format::ALL`].
    pub const NAMES: [&'static str; 5] = ["full", "concise", "json", "sarif", "github"];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Full => "full",
            Format::Concise => "concise",
            Format::Json => "json",
            Format::Sarif => "sarif",
            Format::Github => "github",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no [`Format`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is no format; there are {}", Format::NAMES.join(", "))]
pub struct UnknownFormat {
    /// What was given.
    pub given: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Format, UnknownFormat> {
        Format::ALL
            .into_iter()
            .find(|format| format.name() == name)
            .ok_or_else(|| UnknownFormat { given: name.to_owned() })
    }
}

/// What a format may say about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleDescription<'a> {
    /// The rule's name, as in [`crate::Diagnostic::rule`].
    pub name: &'a str,
    /// One sentence: what the rule reports.
    pub summary: &'a str,
    /// The rule's documentation, Markdown.
    pub help: &'a str,
    /// Where that documentation can be read.
    pub url: Option<&'a str>,
    /// The severity of its findings unless the fleet says otherwise.
    pub severity: Severity,
}

/// How [`render`] writes.
#[derive(Clone, Copy, Debug)]
pub struct RenderOptions<'a> {
    /// Colour the formats for people with ANSI escape codes.
    pub color: bool,
    /// Columns of the terminal. Source lines are cut and prose is wrapped to fit; less than 40 counts as 40.
    pub width: usize,
    /// The rules that were checked, for formats that list them.
    pub rules: &'a [RuleDescription<'a>],
    /// Where the paths of places begin in the git repository around them: empty, or a folder with a slash at its end. In
    /// front of the paths in formats that the host of the repository reads: SARIF and GitHub's.
    pub folder: &'a str,
}

impl Default for RenderOptions<'_> {
    fn default() -> Self {
        RenderOptions { color: false, width: 100, rules: &[], folder: "" }
    }
}

/// Write `report` to `out` as `format`, reading source lines from `sources`; see [`mask_private_keys`] for what is left
/// out. Fails only when writing fails.
///
/// [`mask_private_keys`]: crate::mask_private_keys
pub fn render(
    report: &Report,
    format: Format,
    sources: &dyn Sources,
    options: &RenderOptions<'_>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let texts = Texts::new(sources);
    let report = &*masked_report(report);
    match format {
        Format::Full => full::render(report, &texts, options, out),
        Format::Concise => concise::render(report, &texts, options, out),
        Format::Json => json::render(report, &texts, out),
        Format::Sarif => sarif::render(report, &texts, options, out),
        Format::Github => github::render(report, &texts, options.folder, out),
    }
}

/// Write one finding as [`Format::Full`] does, without a report around it. Fails only when writing fails.
pub fn render_finding(
    finding: &Diagnostic,
    sources: &dyn Sources,
    options: &RenderOptions<'_>,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    full::render_one(&masked_finding(finding), &Texts::new(sources), options, out)
}

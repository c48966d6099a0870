//! The fleet's part of `CLAUDE.md`: marked regions in a file that belongs to a person.
//!
//! A region lies between two lines that hold nothing but a marker, and has one of the names of [`Region`]:
//!
//! ```text
//! <!-- bulkhead:begin machines -->
//! … generated …
//! <!-- bulkhead:end machines -->
//! ```
//!
//! What lies outside of regions stays as it is, byte for byte. A file with markers keeps just the regions that it has; a
//! file without any gets all of them at its end, under a heading; where there is no file, a whole one is made. Regions
//! hold names and grants, never keys or the content of secrets.

mod content;
mod layout;
mod library;
mod markdown;
mod regions;
mod signature;
mod templates;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::Fleet;
use bulkhead_source::{LineIndex, Span};

pub use content::{Command, default_commands};
pub use layout::{LayoutItem, layout};
pub use library::{Library, LibraryFile, LibraryFunction, read_library};
pub use regions::Region;

use regions::{Part, split};

/// The name under which findings about `CLAUDE.md` are reported.
pub const RULE: &str = "gen-docs";

/// What the regions are made of.
#[derive(Clone, Copy, Debug)]
pub struct DocsInput<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The functions of the Nix library; see [`read_library`].
    pub library: &'a Library,
    /// Where things lie; see [`layout`].
    pub layout: &'a [LayoutItem],
    /// What a person types in this repository; see [`default_commands`].
    pub commands: &'a [Command],
}

/// Why a document can't be updated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocsError {
    /// The markers in the document are not in order.
    #[error("line {line}: {message}")]
    Marker {
        /// The line of the marker, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
        /// What to do about it.
        help: String,
        /// The marker in the text, in bytes.
        span: Span,
        /// Another marker that matters, and what it is.
        related: Option<(Span, String)>,
    },
    /// A template can't be rendered: a fault of Bulkhead.
    #[error("can't render the template of `{region}`: {reason}")]
    Template {
        /// The region.
        region: &'static str,
        /// The template engine's words.
        reason: String,
    },
}

impl DocsError {
    /// The finding about the document `file`.
    pub fn diagnostic(&self, file: &str) -> Diagnostic {
        match self {
            DocsError::Marker { message, help, span, related, .. } => {
                let place = Place::new(file, *span);
                let mut finding =
                    Diagnostic::new(RULE, Severity::Error, place, message.clone()).with_help(help.clone());
                if let Some((span, message)) = related {
                    finding = finding.with_related(Place::new(file, *span), message.clone());
                }
                finding
            }
            DocsError::Template { .. } => Diagnostic::new(RULE, Severity::Error, Place::file(file), self.to_string()),
        }
    }
}

/// The document with its regions brought up to date; `current` is nothing where there is no file.
///
/// # Errors
/// [`DocsError::Marker`] for markers that are not in order; nothing of the document is changed then.
pub fn update(current: Option<&str>, input: &DocsInput<'_>) -> Result<String, DocsError> {
    let Some(current) = current.filter(|text| !text.is_empty()) else {
        return new_document(input);
    };
    let parts = split(current)?;
    let mut out = String::with_capacity(current.len() * 2);
    let mut has_region = false;
    for part in &parts {
        match part {
            Part::Kept(text) => out.push_str(text),
            Part::Region { region, begin, end, newline } => {
                has_region = true;
                out.push_str(begin);
                out.push_str(&body(*region, input, newline)?);
                out.push_str(end);
            }
        }
    }
    if !has_region {
        append(&mut out, current, input)?;
    }
    Ok(out)
}

/// The names of the regions in a document, in their order.
///
/// # Errors
/// [`DocsError::Marker`] for markers that are not in order.
pub fn regions(text: &str) -> Result<Vec<Region>, DocsError> {
    let parts = split(text)?;
    Ok(parts
        .iter()
        .filter_map(|part| if let Part::Region { region, .. } = part { Some(*region) } else { None })
        .collect())
}

fn new_document(input: &DocsInput<'_>) -> Result<String, DocsError> {
    let mut out = templates::render_document(input.fleet)?;
    all_regions(&mut out, input, "\n")?;
    Ok(out)
}

/// Put all regions after the text of a person, under a heading.
fn append(out: &mut String, current: &str, input: &DocsInput<'_>) -> Result<(), DocsError> {
    let newline =
        if current.split_inclusive('\n').next().is_some_and(|line| line.ends_with("\r\n")) { "\r\n" } else { "\n" };
    if !current.ends_with('\n') {
        out.push_str(newline);
    }
    out.push_str(newline);
    out.push_str("# Fleet");
    out.push_str(newline);
    all_regions(out, input, newline)
}

fn all_regions(out: &mut String, input: &DocsInput<'_>, newline: &str) -> Result<(), DocsError> {
    for region in Region::ALL {
        out.push_str(&format!("{newline}<!-- bulkhead:begin {} -->{newline}", region.name()));
        out.push_str(&body(region, input, newline)?);
        out.push_str(&format!("<!-- bulkhead:end {} -->{newline}", region.name()));
    }
    Ok(())
}

/// What lies between the markers of a region: a blank line, the text, a blank line.
fn body(region: Region, input: &DocsInput<'_>, newline: &str) -> Result<String, DocsError> {
    let text = templates::render(region, input)?;
    let mut out = String::with_capacity(text.len() + 64);
    out.push_str(newline);
    for line in text.trim().lines() {
        out.push_str(line.trim_end());
        out.push_str(newline);
    }
    out.push_str(newline);
    Ok(out)
}

/// The line of an offset in a text, from 1.
fn line_of(text: &str, offset: u32) -> usize {
    LineIndex::new(text).position(text, offset).line as usize
}

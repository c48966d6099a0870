//! Markers in a document: finding them, and what is wrong with them.

use bulkhead_diagnostics::nearest;
use bulkhead_source::Span;
use foldhash::{HashMap, HashMapExt};

use super::{DocsError, line_of};

/// A generated region of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Region {
    /// What to type.
    Commands,
    /// Where things lie.
    Layout,
    /// How to change the fleet.
    Conventions,
    /// The machines.
    Machines,
    /// The roles and who has them.
    Roles,
    /// Who can read which secret.
    Secrets,
    /// The functions of the Nix library.
    Lib,
}

impl Region {
    /// All regions, in the order in which a new document has them.
    pub const ALL: [Region; 7] = [
        Region::Commands,
        Region::Layout,
        Region::Conventions,
        Region::Machines,
        Region::Roles,
        Region::Secrets,
        Region::Lib,
    ];

    /// The name in the markers.
    pub fn name(self) -> &'static str {
        match self {
            Region::Commands => "commands",
            Region::Layout => "layout",
            Region::Conventions => "conventions",
            Region::Machines => "machines",
            Region::Roles => "roles",
            Region::Secrets => "secrets",
            Region::Lib => "lib",
        }
    }

    fn of_name(name: &str) -> Option<Region> {
        Region::ALL.into_iter().find(|region| region.name() == name)
    }
}

/// A piece of a document.
#[derive(Debug)]
pub(super) enum Part<'t> {
    /// Text outside of regions.
    Kept(&'t str),
    /// A region, without what it holds.
    Region {
        region: Region,
        /// The line of the begin marker, with its end.
        begin: &'t str,
        /// The line of the end marker, with its end if it has one.
        end: &'t str,
        /// How the begin marker's line ends.
        newline: &'static str,
    },
}

/// How a line that is meant as a marker begins.
const OPENING: &str = "<!-- bulkhead:";

enum Marker<'t> {
    Begin(&'t str),
    End(&'t str),
    Malformed,
}

/// The marker that a line is, if it is one. The name of the region may be wrong.
fn marker(line: &str) -> Option<Marker<'_>> {
    // A byte order mark may stand before the first line.
    let line = line.trim_start_matches('\u{feff}').trim();
    let inner = line.strip_prefix(OPENING)?;
    let Some(words) = inner.strip_suffix("-->") else { return Some(Marker::Malformed) };
    let words: Vec<&str> = words.split_whitespace().collect();
    Some(match words.as_slice() {
        ["begin", name] => Marker::Begin(name),
        ["end", name] => Marker::End(name),
        _ => Marker::Malformed,
    })
}

struct Open<'t> {
    region: Region,
    start: usize,
    line: &'t str,
}

/// Cut a document at its markers.
pub(super) fn split(text: &str) -> Result<Vec<Part<'_>>, DocsError> {
    let mut parts = Vec::new();
    let mut open: Option<Open<'_>> = None;
    let mut seen: HashMap<Region, Span> = HashMap::new();
    let (mut kept, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let (start, end) = (at, at + line.len());
        at = end;
        let Some(marker) = marker(line) else { continue };
        let here = span_of(line, start);
        let fault = |message: String, help: String, related: Option<(Span, String)>| {
            Err(DocsError::Marker { line: line_of(text, here.start), message, help, span: here, related })
        };
        match marker {
            Marker::Malformed => {
                return fault(
                    "this is no marker of a region".to_owned(),
                    "a marker stands alone on its line: <!-- bulkhead:begin machines -->".to_owned(),
                    None,
                );
            }
            Marker::Begin(name) => {
                let Some(region) = Region::of_name(name) else { return fault(unknown(name), known(name), None) };
                if let Some(outer) = &open {
                    let first = outer.region.name();
                    return fault(
                        format!("the region `{name}` begins inside of `{first}`"),
                        format!("end that one first: <!-- bulkhead:end {first} -->"),
                        Some((span_of(outer.line, outer.start), format!("`{first}` begins here"))),
                    );
                }
                if let Some(first) = seen.insert(region, here) {
                    return fault(
                        format!("the region `{name}` is there twice"),
                        "take one of the two out".to_owned(),
                        Some((first, "the first one".to_owned())),
                    );
                }
                parts.push(Part::Kept(text.get(kept..start).unwrap_or_default()));
                open = Some(Open { region, start, line });
            }
            Marker::End(name) => {
                let Some(region) = Region::of_name(name) else { return fault(unknown(name), known(name), None) };
                let Some(begun) = open.take() else {
                    return fault(
                        format!("the region `{name}` ends, but did not begin"),
                        format!("put <!-- bulkhead:begin {name} --> before it, or take this line out"),
                        None,
                    );
                };
                if begun.region != region {
                    let first = begun.region.name();
                    return fault(
                        format!("the region `{name}` ends inside of `{first}`"),
                        format!("end that one first: <!-- bulkhead:end {first} -->"),
                        Some((span_of(begun.line, begun.start), format!("`{first}` begins here"))),
                    );
                }
                let newline = if begun.line.ends_with("\r\n") { "\r\n" } else { "\n" };
                parts.push(Part::Region { region, begin: begun.line, end: line, newline });
                kept = end;
            }
        }
    }
    if let Some(open) = open {
        let name = open.region.name();
        let span = span_of(open.line, open.start);
        return Err(DocsError::Marker {
            line: line_of(text, span.start),
            message: format!("the region `{name}` has no end"),
            help: format!("put <!-- bulkhead:end {name} --> on a line of its own after it"),
            span,
            related: None,
        });
    }
    parts.push(Part::Kept(text.get(kept..).unwrap_or_default()));
    Ok(parts)
}

/// A marker without the blanks around it. Documents are far below 4 GiB; beyond, spans end there.
fn span_of(line: &str, start: usize) -> Span {
    let shift = line.len() - line.trim_start_matches('\u{feff}').trim_start().len();
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    Span::new(offset(start + shift), offset(start + line.trim_end().len()))
}

fn unknown(name: &str) -> String {
    format!("there is no region `{name}`")
}

fn known(name: &str) -> String {
    let names: Vec<&str> = Region::ALL.into_iter().map(Region::name).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the regions are {}", names.join(", ")),
    }
}

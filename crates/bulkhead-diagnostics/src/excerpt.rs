//! The lines of a file that a finding is about, cut out and made fit for the snippet renderer.
//!
//! `annotate-snippets` panics on spans outside of its text and takes time in proportion to it. All spans pass through
//! here: they are clamped, their ends are moved off line ends, and what the renderer gets is a short text of its own
//! without control characters or overlong lines, with spans inside it.

use std::ops::Range;

use bulkhead_source::Span;

use crate::fold::Folded;
use crate::text::Text;

/// Marks that are at most so many lines apart share an excerpt.
const NEAR: u32 = 8;
/// A mark over more lines than this is shown by its first line alone.
const TALL: u32 = 60;

/// Something to mark in a file.
pub(crate) struct Mark {
    pub(crate) span: Span,
    pub(crate) label: Option<String>,
    pub(crate) primary: bool,
}

/// Consecutive lines with marks.
pub(crate) struct Excerpt<'a> {
    /// Number of the first line, from 1.
    pub(crate) first: u32,
    /// Number of the last line.
    pub(crate) last: u32,
    /// The lines as shown.
    pub(crate) source: String,
    /// The marks, with their bytes in `source`.
    pub(crate) marks: Vec<(Range<usize>, &'a Mark)>,
}

/// A mark placed in the file: the range without line ends at its end, and the lines of both ends.
struct Placed<'a> {
    mark: &'a Mark,
    range: Range<usize>,
    first: u32,
    last: u32,
}

/// The excerpts that show all of `marks`, in the order of the file, lines folded to `width` columns.
pub(crate) fn excerpts<'a>(text: &Text, marks: &'a [Mark], width: usize) -> Vec<Excerpt<'a>> {
    let mut placed: Vec<Placed<'a>> = marks.iter().map(|mark| place(text, mark)).collect();
    placed.sort_by_key(|placed| placed.first);
    let mut groups: Vec<Vec<Placed<'a>>> = Vec::new();
    let mut reached = 0;
    for placed in placed {
        let last = placed.last;
        match groups.last_mut() {
            Some(group) if placed.first <= reached + NEAR => group.push(placed),
            _ => groups.push(vec![placed]),
        }
        reached = last.max(reached);
    }
    groups.iter().map(|group| excerpt(text, group, width)).collect()
}

fn place<'a>(text: &Text, mark: &'a Mark) -> Placed<'a> {
    let mut range = text.clamp(mark.span);
    while let Some(shorter) = text.text[range.clone()].strip_suffix('\n') {
        let shorter = shorter.strip_suffix('\r').unwrap_or(shorter);
        range.end = range.start + shorter.len();
    }
    let first = text.position(range.start).line;
    let mut last = text.position(range.end).line;
    // Of a private key there is nothing to see but stars.
    if last - first > TALL || (last > first && text.is_masked(&range)) {
        range.end = text.line(first).end.max(range.start);
        last = first;
    }
    Placed { mark, range, first, last }
}

fn excerpt<'a>(text: &Text, group: &[Placed<'a>], width: usize) -> Excerpt<'a> {
    let first = group.iter().map(|placed| placed.first).min().unwrap_or(1);
    let last = group.iter().map(|placed| placed.last).max().unwrap_or(first);
    let mut source = String::new();
    let mut ranges = vec![0..0; group.len()];
    for line in first..=last {
        let bytes = text.line(line);
        // An offset inside the line; one at its line end counts as its end.
        let column = |offset: usize| offset.clamp(bytes.start, bytes.end) - bytes.start;
        let points: Vec<usize> = group
            .iter()
            .flat_map(|placed| {
                [(placed.first, placed.range.start), (placed.last, placed.range.end)]
                    .into_iter()
                    .filter(|(at, _)| *at == line)
                    .map(|(_, offset)| column(offset))
            })
            .collect();
        let folded = Folded::new(&text.text[bytes.clone()], &points, width);
        for (placed, range) in group.iter().zip(&mut ranges) {
            if placed.first == line {
                range.start = source.len() + folded.start(column(placed.range.start));
                range.end = range.start;
            }
            if placed.last == line && !placed.range.is_empty() {
                range.end = range.start.max(source.len() + folded.end(column(placed.range.end)));
            }
        }
        source.push_str(&folded.text);
        if line < last {
            source.push('\n');
        } else if folded.text.is_empty() {
            // The renderer knows no empty last line.
            source.push(' ');
        }
    }
    let marks = ranges.into_iter().zip(group.iter().map(|placed| placed.mark)).collect();
    Excerpt { first, last, source, marks }
}

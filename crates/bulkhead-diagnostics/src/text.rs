//! Source texts by file, positions in them, and text made safe to show.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bulkhead_source::{LineIndex, Position, Span};
use unicode_width::UnicodeWidthStr;

use crate::masked::{mask_private_keys, private_keys};
use crate::{Place, Sources};

/// A source text with its lines, and with stars in place of private keys.
pub(crate) struct Text {
    pub(crate) text: Arc<str>,
    /// Where the stars are.
    masked: Vec<Range<usize>>,
    lines: LineIndex,
}

impl Text {
    pub(crate) fn new(text: Arc<str>) -> Text {
        let masked = private_keys(&text);
        let text = match mask_private_keys(&text) {
            Cow::Borrowed(_) => text,
            Cow::Owned(masked) => Arc::from(masked),
        };
        let lines = LineIndex::new(&text);
        Text { text, masked, lines }
    }

    /// Whether something in `range` is not shown.
    pub(crate) fn is_masked(&self, range: &Range<usize>) -> bool {
        self.masked.iter().any(|masked| masked.start < range.end && range.start < masked.end)
    }

    /// The byte range of `span` in this text: inside it and on character boundaries, whatever the span says.
    pub(crate) fn clamp(&self, span: Span) -> Range<usize> {
        let end = floor(&self.text, span.end as usize);
        floor(&self.text, span.start as usize).min(end)..end
    }

    pub(crate) fn position(&self, offset: usize) -> Position {
        self.lines.position(&self.text, u32::try_from(offset).unwrap_or(u32::MAX))
    }

    /// The bytes of line `line` (from 1) without the end of the line; empty at the end of the text if there is none.
    pub(crate) fn line(&self, line: u32) -> Range<usize> {
        let start_of = |line| self.lines.line_start(line).map(|start| start as usize);
        let Some(start) = start_of(line) else { return self.text.len()..self.text.len() };
        let Some(next) = start_of(line + 1) else { return start..self.text.len() };
        let end = next - 1;
        start..if self.text[start..end].ends_with('\r') { end - 1 } else { end }
    }
}

/// The character boundary at `offset` or before it, in `text`.
pub(crate) fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The texts of all files that a report names, each asked for once.
pub(crate) struct Texts<'a> {
    sources: &'a dyn Sources,
    known: RefCell<HashMap<Arc<str>, Option<Rc<Text>>>>,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(sources: &'a dyn Sources) -> Texts<'a> {
        Texts { sources, known: RefCell::default() }
    }

    pub(crate) fn get(&self, file: &Arc<str>) -> Option<Rc<Text>> {
        if let Some(known) = self.known.borrow().get(file) {
            return known.clone();
        }
        let text = self.sources.text(file).map(|text| Rc::new(Text::new(text)));
        self.known.borrow_mut().insert(file.clone(), text.clone());
        text
    }

    /// The text of a place and the bytes it means there; nothing for a whole file or one without text.
    pub(crate) fn marked(&self, place: &Place) -> Option<(Rc<Text>, Range<usize>)> {
        let span = place.span?;
        let text = self.get(&place.file)?;
        let range = text.clamp(span);
        Some((text, range))
    }

    /// Where a place begins and (exclusively) ends, if that can be told.
    pub(crate) fn positions(&self, place: &Place) -> Option<(Position, Position)> {
        let (text, range) = self.marked(place)?;
        Some((text.position(range.start), text.position(range.end)))
    }
}

/// The path of a place's file; the root of the tree is `.`.
pub(crate) fn path(place: &Place) -> &str {
    if place.file.is_empty() { "." } else { &place.file }
}

/// The path of a place from the top of the repository, in which `folder` (empty, or with a slash at its end) is the root.
pub(crate) fn repository_path(place: &Place, folder: &str) -> String {
    match folder.trim_end_matches('/') {
        folder if place.file.is_empty() && !folder.is_empty() => folder.to_owned(),
        _ => format!("{folder}{}", path(place)),
    }
}

/// Whether `c` could change how the text around it is shown, or is not seen at all: control characters, those that
/// change the direction of text (CVE-2021-42574), invisible ones, and spaces that look like a plain space.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// `text` on one line, with deceptive characters as escapes.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_deceptive) && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_deceptive(c) {
            escaped.extend(c.escape_default());
        } else if c == '[' && escaped.ends_with("##") {
            // In the log of a CI job `##[name]` is a command to GitHub's runner, anywhere in a line.
            escaped.push_str("\\u{5b}");
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// [`escape`] for text that may begin a line: there `::name::` is a command to GitHub's runner, after spaces too.
pub(crate) fn escape_line_start(text: &str) -> Cow<'_, str> {
    let escaped = escape(text);
    let trimmed = escaped.trim_start();
    let Some(rest) = trimmed.strip_prefix("::") else { return escaped };
    let indent = &escaped[..escaped.len() - trimmed.len()];
    Cow::Owned(format!("{indent}\\u{{3a}}:{rest}"))
}

/// A paragraph as lines of at most `width` columns where words allow it. Lines that are indented are left as they
/// are: they are something to type, or a table.
pub(crate) fn paragraph(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in text.trim_end().split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line).replace('\t', "    ");
        let line = escape_line_start(&line);
        if line.starts_with(' ') {
            lines.push(line.into_owned());
            continue;
        }
        wrap(&line, width, &mut lines);
    }
    lines
}

fn wrap(line: &str, width: usize, lines: &mut Vec<String>) {
    let mut current = String::new();
    let mut columns = 0;
    for word in line.split(' ') {
        let word_columns = word.width();
        if columns > 0 && columns + 1 + word_columns > width {
            lines.push(escape_line_start(&std::mem::take(&mut current)).into_owned());
            columns = 0;
        } else if columns > 0 {
            current.push(' ');
            columns += 1;
        }
        current.push_str(word);
        columns += word_columns;
    }
    lines.push(escape_line_start(&current).into_owned());
}

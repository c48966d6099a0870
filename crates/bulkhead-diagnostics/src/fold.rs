//! One source line, made fit to show: safe, and not wider than asked.
//!
//! Deceptive characters become escapes. A line that is too wide first loses the middle of long keys, then what is far
//! from the places of interest; `…` stands for what was left out. [`Folded`] knows where every byte went.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

use crate::text::is_deceptive;

/// A run of this many base64 characters is a key, a hash or a ciphertext, which nobody reads to its end.
const LONG_RUN: usize = 32;
/// What stays of a long run, in characters: enough to recognise the kind of a key, and to tell two keys apart.
const RUN_HEAD: usize = 9;
const RUN_TAIL: usize = 6;

const ELLIPSIS: char = '…';
const TAB: &str = "    ";

/// A line as it is shown.
pub(crate) struct Folded {
    pub(crate) text: String,
    /// For each piece in order: where it is in the line, and where in `text`.
    map: Vec<(Range<usize>, Range<usize>)>,
}

impl Folded {
    /// Fold `line` (without line end) to about `width` columns. What is near the byte offsets `points` stays.
    pub(crate) fn new(line: &str, points: &[usize], width: usize) -> Folded {
        let points = if points.is_empty() { &[0] } else { points };
        let mut pieces = pieces(line, points, width);
        if total_width(&pieces) > width {
            pieces = fold_runs(pieces, points);
        }
        if total_width(&pieces) > width {
            pieces = fold_around(pieces, points, width);
        }
        let mut text = String::new();
        let mut map = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let start = text.len();
            match piece.show {
                Show::Char('\t') => text.push_str(TAB),
                Show::Char(c) if is_deceptive(c) => text.extend(c.escape_default()),
                Show::Char(c) if c == '[' && text.ends_with("##") => text.push_str("\\u{5b}"),
                Show::Char(c) => text.push(c),
                Show::Ellipsis => text.push(ELLIPSIS),
            }
            map.push((piece.source, start..text.len()));
        }
        Folded { text, map }
    }

    /// Where in [`Folded::text`] something begins that begins at byte `offset` of the line.
    pub(crate) fn start(&self, offset: usize) -> usize {
        let index = self.map.partition_point(|(source, _)| source.end <= offset);
        self.map.get(index).map_or(self.text.len(), |(_, shown)| shown.start)
    }

    /// Where in [`Folded::text`] something ends that ends before byte `offset` of the line.
    pub(crate) fn end(&self, offset: usize) -> usize {
        let index = self.map.partition_point(|(source, _)| source.start < offset);
        index.checked_sub(1).and_then(|index| self.map.get(index)).map_or(0, |(_, shown)| shown.end)
    }
}

#[derive(Clone, Copy)]
enum Show {
    Char(char),
    Ellipsis,
}

struct Piece {
    source: Range<usize>,
    show: Show,
}

impl Piece {
    fn width(&self) -> usize {
        match self.show {
            Show::Ellipsis => 1,
            Show::Char('\t') => TAB.len(),
            Show::Char(c) if is_deceptive(c) => c.escape_default().count(),
            Show::Char(c) => c.width().unwrap_or(0),
        }
    }

    fn is_run(&self) -> bool {
        matches!(self.show, Show::Char(c) if c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))
    }
}

fn total_width(pieces: &[Piece]) -> usize {
    pieces.iter().map(Piece::width).sum()
}

/// The characters of `line`, leaving out at once what is too far from `points` to be shown in any case, so that the
/// work does not depend on the length of the line.
fn pieces(line: &str, points: &[usize], width: usize) -> Vec<Piece> {
    let reach = width.saturating_mul(4).saturating_add(256);
    let floor = |mut offset: usize| {
        while !line.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    };
    let near = points.iter().map(|point| {
        floor(point.saturating_sub(reach).min(line.len()))..floor(point.saturating_add(reach).min(line.len()))
    });
    let mut pieces = Vec::new();
    let mut done = 0;
    for near in united(near.collect()) {
        if done < near.start {
            pieces.push(Piece { source: done..near.start, show: Show::Ellipsis });
        }
        pieces.extend(line[near.clone()].char_indices().map(|(at, c)| {
            let start = near.start + at;
            Piece { source: start..start + c.len_utf8(), show: Show::Char(c) }
        }));
        done = near.end;
    }
    if done < line.len() {
        pieces.push(Piece { source: done..line.len(), show: Show::Ellipsis });
    }
    pieces
}

/// The union of `ranges`, sorted, those that touch made one.
fn united(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.sort_by_key(|range| range.start);
    let mut united: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match united.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => united.push(range),
        }
    }
    united
}

/// Leave out the middle of long keys; one that holds a point is in two parts.
fn fold_runs(pieces: Vec<Piece>, points: &[usize]) -> Vec<Piece> {
    let mut keep = vec![true; pieces.len()];
    let mut start = 0;
    while start < pieces.len() {
        let mut end = start + 1;
        if pieces[start].is_run() {
            while end < pieces.len() && pieces[end].is_run() && !points.contains(&pieces[end].source.start) {
                end += 1;
            }
        }
        if end - start >= LONG_RUN {
            keep[start + RUN_HEAD..end - RUN_TAIL].fill(false);
        }
        start = end;
    }
    without(pieces, &keep)
}

/// Leave out what is far from `points`: as little as makes the rest at most `width` wide.
fn fold_around(pieces: Vec<Piece>, points: &[usize], width: usize) -> Vec<Piece> {
    let mut columns = Vec::with_capacity(pieces.len());
    let mut column = 0;
    for piece in &pieces {
        columns.push(column);
        column += piece.width();
    }
    let total = column;
    let centres: Vec<usize> = points
        .iter()
        .map(|point| {
            let index = pieces.partition_point(|piece| piece.source.end <= *point);
            columns.get(index).copied().unwrap_or(total)
        })
        .collect();
    let shown = |radius: usize| {
        united(centres.iter().map(|c| c.saturating_sub(radius)..c.saturating_add(radius).min(total)).collect())
    };
    let fits = |radius: usize| {
        let shown = shown(radius);
        shown.iter().map(|range| range.len() + 1).sum::<usize>() < width
    };
    // The union only grows with the radius: search the largest that fits. A few columns are shown in any case.
    let (mut low, mut high) = (3, width.max(4));
    while low + 1 < high {
        let middle = low.midpoint(high);
        if fits(middle) { low = middle } else { high = middle }
    }
    let shown = shown(low);
    let keep: Vec<bool> = pieces
        .iter()
        .zip(&columns)
        .map(|(piece, column)| {
            let index = shown.partition_point(|range| range.end <= *column);
            shown.get(index).is_some_and(|range| range.start <= *column && column + piece.width() <= range.end)
        })
        .collect();
    without(pieces, &keep)
}

/// `pieces` with an ellipsis for each stretch that is not to be kept.
fn without(pieces: Vec<Piece>, keep: &[bool]) -> Vec<Piece> {
    let mut left: Vec<Piece> = Vec::new();
    for (piece, keep) in pieces.into_iter().zip(keep) {
        let leave_out = !keep || matches!(piece.show, Show::Ellipsis);
        match left.last_mut() {
            Some(Piece { source, show: Show::Ellipsis }) if leave_out => source.end = piece.source.end,
            _ if leave_out => left.push(Piece { source: piece.source, show: Show::Ellipsis }),
            _ => left.push(piece),
        }
    }
    left
}

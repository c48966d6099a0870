//! `builtins.substring` and `builtins.replaceStrings`.

/// The part of `text` that `builtins.substring` gives: from `start` at most `length` bytes, all of the rest if `length`
/// is negative, nothing if `start` is behind the end.
///
/// A negative `start` is an error, with Nix's message.
pub(crate) fn substring(start: i64, length: i64, text: &[u8]) -> Result<&[u8], &'static str> {
    if start < 0 {
        return Err("negative start position in 'substring'");
    }
    let rest = usize::try_from(start).ok().and_then(|start| text.get(start..)).unwrap_or_default();
    Ok(match usize::try_from(length) {
        Ok(length) => rest.get(..length).unwrap_or(rest),
        Err(_) => rest,
    })
}

/// What comes next in the result of `builtins.replaceStrings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A piece of the text, unchanged.
    Text(&'a [u8]),
    /// The replacement with this index.
    Replacement(usize),
}

/// How many bytes can be looked at in a step.
const WORK: u64 = 8;

/// The pieces of the result of `builtins.replaceStrings`; the caller evaluates a replacement when it is first used.
///
/// At every place the first of the patterns in the list's order that matches wins. An empty pattern matches before
/// every byte that is not replaced and at the end.
pub(crate) struct Replace<'a> {
    patterns: &'a [&'a [u8]],
    text: &'a [u8],
    at: usize,
    /// The patterns that begin with each byte, in order, as far as they come before the first empty one.
    by_first_byte: Vec<Vec<usize>>,
    empty: Option<usize>,
    /// The byte behind an empty match, to be copied next.
    copy: bool,
}

impl<'a> Replace<'a> {
    pub(crate) fn new(patterns: &'a [&'a [u8]], text: &'a [u8]) -> Replace<'a> {
        let empty = patterns.iter().position(|pattern| pattern.is_empty());
        let mut by_first_byte = vec![Vec::new(); 256];
        for (index, pattern) in patterns.iter().enumerate().take(empty.unwrap_or(patterns.len())) {
            if let Some(&first) = pattern.first() {
                by_first_byte[usize::from(first)].push(index);
            }
        }
        Replace { patterns, text, at: 0, by_first_byte, empty, copy: false }
    }

    fn matching(&self, at: usize, work: &mut u64) -> Option<usize> {
        let rest = self.text.get(at..)?;
        let candidates = rest.first().map(|&first| self.by_first_byte[usize::from(first)].as_slice());
        for &index in candidates.unwrap_or_default() {
            if *work == 0 {
                return None;
            }
            let pattern = self.patterns[index];
            *work = work.saturating_sub(4 + pattern.len() as u64 / 8);
            if rest.starts_with(pattern) {
                return Some(index);
            }
        }
        self.empty
    }

    /// The next piece. What it takes is taken from `budget`, in steps; when that is used up (0), there are no more.
    pub(crate) fn next(&mut self, budget: &mut u64) -> Option<Piece<'a>> {
        let mut work = budget.saturating_mul(WORK);
        let piece = self.find(&mut work);
        *budget = (*budget).min(work / WORK);
        piece.filter(|_| work > 0)
    }

    fn find(&mut self, work: &mut u64) -> Option<Piece<'a>> {
        if std::mem::take(&mut self.copy) {
            let byte = self.text.get(self.at..=self.at);
            self.at += 1;
            if let Some(byte) = byte {
                return Some(Piece::Text(byte));
            }
        }
        let start = self.at;
        while self.at < self.text.len() && *work > 0 && self.matching(self.at, work).is_none() {
            *work = work.saturating_sub(1);
            self.at += 1;
        }
        if self.at > start {
            return Some(Piece::Text(&self.text[start..self.at]));
        }
        let index = self.matching(self.at, work)?;
        self.copy = self.patterns[index].is_empty();
        self.at += self.patterns[index].len();
        Some(Piece::Replacement(index))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn substrings() {
        for (start, length, expected) in [
            (0, 3, "abc"),
            (2, 100, "cdef"),
            (2, -1, "cdef"),
            (6, 1, ""),
            (100, 5, ""),
            (i64::MAX, i64::MIN, ""),
            (0, 0, ""),
            (5, 1, "f"),
        ] {
            assert_eq!(substring(start, length, b"abcdef").unwrap(), expected.as_bytes(), "{start} {length}");
        }
        assert!(substring(-1, 2, b"abc").is_err());
    }

    fn replaced(from: &[&str], to: &[&str], text: &str) -> String {
        let from: Vec<&[u8]> = from.iter().map(|pattern| pattern.as_bytes()).collect();
        let mut budget = 1_000_000;
        let mut pieces = Replace::new(&from, text.as_bytes());
        let pieces = std::iter::from_fn(|| pieces.next(&mut budget)).map(|piece| match piece {
            Piece::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Piece::Replacement(index) => to[index].to_owned(),
        });
        pieces.collect()
    }

    #[test]
    fn replacements_are_those_of_nix() {
        for (from, to, text, expected) in [
            (&["oo", "a"][..], &["a", "i"][..], "foobar", "fabir"),
            (&[""], &["X"], "abc", "XaXbXcX"),
            (&["-", ""], &["_", "."], "a-b", ".a_.b."),
            (&["", "-"], &[".", "_"], "a-b", ".a.-.b."),
            (&[""], &["X"], "", "X"),
            (&[], &[], "abc", "abc"),
            (&["a", "ab"], &["1", "2"], "abab", "1b1b"),
            (&["ab", "a"], &["2", "1"], "abaab", "212"),
            (&["abc"], &["x"], "ab", "ab"),
            (&["a"], &[""], "aaa", ""),
        ] {
            assert_eq!(replaced(from, to, text), expected, "{from:?} {text}");
        }
    }
}

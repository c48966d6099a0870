//! Regular expressions as `builtins.match` and `builtins.split` understand them.
//!
//! Nix hands them to libstdc++'s `std::regex` with the `extended` flag, so that, and not POSIX, is the measure: what is
//! a syntax error, which of several matches is taken, and what groups capture. In short: POSIX extended syntax without
//! back references, where only `.[\()*+?{|^$` may be escaped; bytes, not characters; the leftmost match, and of those
//! the longest that libstdc++'s search comes across. Unlike there, time and memory are bounded and deep recursion is
//! not needed.

mod bracket;
mod program;
mod search;

use std::ops::Range;

use bracket::ByteSet;
use program::Program;
use search::Search;

/// The ranges of the whole match (index 0) and the groups; nothing for a group that took no part.
pub(crate) type Captures = Vec<Option<Range<usize>>>;

/// Why a search was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// The budget was used up.
    Budget,
    /// It would need more memory than a search may take.
    Memory,
}

enum Invalid {
    Syntax,
    TooLarge,
}

/// A compiled regular expression.
pub(crate) struct Regex {
    program: Program,
    first_bytes: Option<ByteSet>,
}

impl Regex {
    /// Compiles `pattern`; the error is Nix's message.
    pub(crate) fn new(pattern: &[u8]) -> Result<Regex, String> {
        match Program::parse(pattern) {
            Ok(program) => Ok(Regex { first_bytes: program.first_bytes(), program }),
            Err(invalid) => {
                let what = match invalid {
                    Invalid::Syntax => "invalid regular expression",
                    Invalid::TooLarge => "memory limit exceeded by regular expression",
                };
                Err(format!("{what} '{}'", String::from_utf8_lossy(pattern)))
            }
        }
    }

    /// How many states its automaton has.
    pub(crate) fn size(&self) -> usize {
        self.program.states.len()
    }

    /// Matches the whole of `text`, as `builtins.match` does. A step takes one from `budget`.
    pub(crate) fn match_whole(&self, text: &[u8], budget: &mut u64) -> Result<Option<Captures>, Exhausted> {
        Search::new(&self.program, text, true).match_at(0, false, budget)
    }

    /// All matches in `text` from left to right, as `builtins.split` takes them.
    pub(crate) fn matches<'a>(&'a self, text: &'a [u8]) -> Matches<'a> {
        Matches { regex: self, search: Search::new(&self.program, text, false), text, last: None, done: false }
    }
}

/// The matches of a regular expression, each found when it is asked for.
pub(crate) struct Matches<'a> {
    regex: &'a Regex,
    search: Search<'a>,
    text: &'a [u8],
    last: Option<Range<usize>>,
    done: bool,
}

impl Matches<'_> {
    /// The next match. A step takes one from `budget`; after a failure there are no more matches.
    pub(crate) fn next(&mut self, budget: &mut u64) -> Result<Option<Captures>, Exhausted> {
        if self.done {
            return Ok(None);
        }
        let found = self.find(budget);
        self.last = found.as_ref().ok().and_then(|captures| captures.as_ref()?.first().cloned().flatten());
        self.done = self.last.is_none();
        found
    }

    fn find(&mut self, budget: &mut u64) -> Result<Option<Captures>, Exhausted> {
        let mut start = 0;
        if let Some(last) = &self.last {
            start = last.end;
            if last.is_empty() {
                // At the same place there may be another match that is not empty; otherwise go on.
                if start == self.text.len() {
                    return Ok(None);
                }
                self.search.forget();
                let found = self.search.match_at(start, true, budget)?;
                if found.is_some() {
                    return Ok(found);
                }
                start += 1;
            }
            self.search.forget();
        }
        while start <= self.text.len() {
            if let Some(first) = self.regex.first_bytes {
                let rest = &self.text[start..];
                let found = rest.iter().position(|&byte| first.contains(byte));
                let skip = found.unwrap_or(rest.len());
                *budget = budget.checked_sub(skip as u64 / 16).ok_or(Exhausted::Budget)?;
                if found.is_none() {
                    return Ok(None);
                }
                start += skip;
            }
            let found = self.search.match_at(start, false, budget)?;
            if found.is_some() {
                return Ok(found);
            }
            start += 1;
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests;

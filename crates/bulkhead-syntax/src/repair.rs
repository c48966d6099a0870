//! Changing a text so that rnix cuts it into the tokens that Nix sees, without losing where things were.

use std::borrow::Cow;

use bulkhead_source::Span;

/// What is put into a text: it ends a comment and separates tokens.
const BREAK: &str = "\n";

/// Byte offsets of a text into which [`BREAK`]s were put.
#[derive(Clone, Default)]
pub(crate) struct Offsets {
    /// Offsets in the original text before which one was put, ascending, each once.
    inserted: Vec<u32>,
}

impl Offsets {
    /// Add the places in the changed text before which a break is to be put as well, so that rnix reads a new token
    /// from there.
    pub(crate) fn add(&mut self, places: &[u32]) {
        let places: Vec<u32> = places.iter().map(|place| self.original(*place)).collect();
        self.inserted.extend(places);
        self.inserted.sort_unstable();
        self.inserted.dedup();
    }

    /// `text`, the original, with the breaks.
    pub(crate) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.inserted.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut changed = String::with_capacity(text.len() + self.inserted.len() * BREAK.len());
        let mut from = 0;
        for place in &self.inserted {
            let place = *place as usize;
            changed.push_str(&text[from..place]);
            changed.push_str(BREAK);
            from = place;
        }
        changed.push_str(&text[from..]);
        Cow::Owned(changed)
    }

    /// The span in the original text of bytes `start` to `end` of the changed one; empty for what was put in.
    pub(crate) fn span(&self, start: u32, end: u32) -> Span {
        if self.inserted.is_empty() {
            return Span::new(start, end);
        }
        Span::new(self.original(start), self.original(end))
    }

    fn original(&self, offset: u32) -> u32 {
        // Number `i` of the breaks, before the original byte `p`, begins at `p + i * length`.
        let length = BREAK.len() as u64;
        let (mut low, mut high) = (0, self.inserted.len());
        while low < high {
            let middle = (low + high) / 2;
            if u64::from(self.inserted[middle]) + middle as u64 * length < u64::from(offset) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let shifted = u64::from(offset).saturating_sub(low as u64 * length) as u32;
        // Inside of a break: the byte that it stands before.
        match low.checked_sub(1).and_then(|last| self.inserted.get(last)) {
            Some(last) => shifted.max(*last),
            None => shifted,
        }
    }
}

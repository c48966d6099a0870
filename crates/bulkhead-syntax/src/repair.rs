//! Text that rnix reads differently from Nix, and where it was changed.

use std::borrow::Cow;

use bulkhead_source::Span;

/// Byte offsets of a text into which line feeds were put.
#[derive(Default)]
pub(crate) struct Offsets {
    /// Offsets in the original text before which a line feed was put, ascending.
    inserted: Vec<u32>,
}

impl Offsets {
    /// Add the places in the changed text before which a line feed is to be put as well, so that rnix reads a new
    /// token from there.
    pub(crate) fn add(&mut self, places: &[u32]) {
        let places: Vec<u32> = places.iter().map(|place| self.original(*place)).collect();
        self.inserted.extend(places);
        self.inserted.sort_unstable();
    }

    /// `text` with the line feeds.
    pub(crate) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.inserted.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut changed = String::with_capacity(text.len() + self.inserted.len());
        let mut from = 0;
        for place in &self.inserted {
            let place = *place as usize;
            changed.push_str(&text[from..place]);
            changed.push('\n');
            from = place;
        }
        changed.push_str(&text[from..]);
        Cow::Owned(changed)
    }


    /// The span in the original text of bytes `start` to `end` of the changed one.
    pub(crate) fn span(&self, start: u32, end: u32) -> Span {
        if self.inserted.is_empty() {
            return Span::new(start, end);
        }
        Span::new(self.original(start), self.original(end))
    }

    fn original(&self, offset: u32) -> u32 {
        // The line feed before the original byte `p` that is number `i` of those inserted lies at `p + i`.
        let (mut low, mut high) = (0, self.inserted.len());
        while low < high {
            let middle = (low + high) / 2;
            if u64::from(self.inserted[middle]) + (middle as u64) < u64::from(offset) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        offset - low as u32
    }
}

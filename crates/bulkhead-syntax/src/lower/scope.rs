//! Where names are bound while a file is lowered.

use rustc_hash::FxHashMap;

use crate::{Binding, Symbol};

/// The frames around the expression that is being lowered. Looking up a name takes the same time however deep it is
/// nested.
#[derive(Default)]
pub(super) struct Scope {
    /// How many frames are open.
    frames: u32,
    /// The innermost entry of each bound name.
    innermost: FxHashMap<Symbol, usize>,
    entries: Vec<Entry>,
    /// The open `with` frames, by their number from the outside.
    withs: Vec<u32>,
}

struct Entry {
    name: Symbol,
    frame: u32,
    slot: u32,
    /// The entry of the same name further out.
    shadowed: Option<usize>,
}

/// Returned by [`Scope::enter`] for [`Scope::leave`].
#[must_use]
pub(super) struct Mark(usize);

impl Scope {
    /// Open a frame that binds `names` to its slots, in order.
    pub(super) fn enter(&mut self, names: impl IntoIterator<Item = Symbol>) -> Mark {
        let mark = Mark(self.entries.len());
        for (slot, name) in names.into_iter().enumerate() {
            let shadowed = self.innermost.insert(name, self.entries.len());
            self.entries.push(Entry { name, frame: self.frames, slot: slot as u32, shadowed });
        }
        self.frames += 1;
        mark
    }

    /// Close the frame opened last.
    pub(super) fn leave(&mut self, mark: Mark) {
        for entry in self.entries.drain(mark.0..).rev() {
            match entry.shadowed {
                Some(outer) => self.innermost.insert(entry.name, outer),
                None => self.innermost.remove(&entry.name),
            };
        }
        self.frames -= 1;
    }

    /// Open a `with` frame; the result is how far out, seen from it, the next one is.
    pub(super) fn enter_with(&mut self) -> Option<u32> {
        let outer = self.withs.last().map(|frame| self.frames - frame);
        self.withs.push(self.frames);
        self.frames += 1;
        outer
    }

    /// Close the `with` frame opened last.
    pub(super) fn leave_with(&mut self) {
        self.withs.pop();
        self.frames -= 1;
    }

    /// Where `name` is bound. Names written in the file always win over `with`, however near the `with` is.
    pub(super) fn resolve(&self, name: Symbol) -> Binding {
        if let Some(entry) = self.innermost.get(&name).and_then(|index| self.entries.get(*index)) {
            return Binding::Local { up: self.frames - 1 - entry.frame, slot: entry.slot };
        }
        match self.withs.last() {
            Some(frame) => Binding::With { up: self.frames - 1 - frame },
            None => Binding::Global,
        }
    }
}

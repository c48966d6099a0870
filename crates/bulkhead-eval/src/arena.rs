//! Where the values of one evaluation live, until all of them go at once.
//!
//! Nothing is given back before the evaluation is over: there are no reference counts, no cycles to take apart, and a
//! structure of a million levels costs nothing to drop. So everything that an evaluation builds up again and again must
//! not be copied each time (see [`Str`](crate::value::Str) and [`List`](crate::value::List)).
//!
//! The arena runs no destructors, so objects in it own nothing outside of it; the compiler checks that.

use std::cell::Cell;
use std::mem::needs_drop;
use std::sync::Arc;

use bulkhead_syntax::Ast;
use bumpalo::Bump;

/// All objects of one evaluation.
pub struct Arena {
    bump: Bump,
    /// Parsed files are shared with other evaluations, and let go of at the end.
    files: typed_arena::Arena<Held>,
    used: Cell<u64>,
}

/// What is let go of at the end.
pub struct Held {
    pub ast: Arc<Ast>,
    /// How messages name the file.
    pub file: Arc<str>,
}

impl Arena {
    pub fn new() -> Arena {
        Arena { bump: Bump::new(), files: typed_arena::Arena::with_capacity(1), used: Cell::new(0) }
    }

    /// Bytes that the objects take, without what the allocator keeps ready.
    #[inline]
    pub fn used(&self) -> u64 {
        self.used.get()
    }

    #[inline]
    fn count(&self, bytes: usize) {
        self.used.set(self.used.get() + bytes as u64);
    }

    #[inline]
    pub fn alloc<T>(&self, value: T) -> &T {
        const { assert!(!needs_drop::<T>(), "what lies in the arena is never dropped") };
        self.count(size_of::<T>());
        self.bump.alloc(value)
    }

    /// Objects beside each other. The iterator may allocate others meanwhile.
    #[inline]
    pub fn slice<T>(&self, items: impl ExactSizeIterator<Item = T>) -> &[T] {
        const { assert!(!needs_drop::<T>(), "what lies in the arena is never dropped") };
        if items.len() == 0 {
            return &[];
        }
        self.count(items.len() * size_of::<T>());
        self.bump.alloc_slice_fill_iter(items)
    }

    /// The same, each by its index: faster, since each is made where it will lie.
    #[inline]
    pub fn slice_of<T>(&self, length: usize, item: impl FnMut(usize) -> T) -> &[T] {
        const { assert!(!needs_drop::<T>(), "what lies in the arena is never dropped") };
        if length == 0 {
            return &[];
        }
        self.count(length * size_of::<T>());
        self.bump.alloc_slice_fill_with(length, item)
    }

    pub fn copied<T: Copy>(&self, items: &[T]) -> &[T] {
        if items.is_empty() {
            return &[];
        }
        self.count(size_of_val(items));
        self.bump.alloc_slice_copy(items)
    }

    pub fn text(&self, text: &str) -> &str {
        self.count(text.len());
        self.bump.alloc_str(text)
    }

    /// Room for `length` bytes, filled by appending.
    pub fn bytes<'p>(&self, length: usize, parts: impl Iterator<Item = &'p [u8]>) -> &[u8] {
        self.count(length);
        let room = self.bump.alloc_slice_fill_copy(length, 0_u8);
        let mut rest = &mut *room;
        for part in parts {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
        room
    }

    /// Keep a file as long as the arena.
    pub fn hold(&self, file: Held) -> &Held {
        self.files.alloc(file)
    }
}

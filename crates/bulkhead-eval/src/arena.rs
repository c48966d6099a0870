//! Where the values of one evaluation live, until all of them go at once.
//!
//! Nothing is given back before the evaluation is over: there are no reference counts, no cycles to take apart, and a
//! structure of a million levels costs nothing to drop. So everything that an evaluation builds up again and again must
//! not be copied each time (see [`Str`](crate::value::Str) and [`List`](crate::value::List)).
//!
//! The arena runs no destructors, so objects in it own nothing outside of it; the compiler checks that.

use std::alloc::Layout;
use std::cell::{Cell, OnceCell};
use std::mem::needs_drop;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use bulkhead_syntax::Ast;
use bumpalo::Bump;

/// All objects of one evaluation.
///
/// The system clears memory when it is touched for the first time, which took a third of the time of large evaluations.
/// So where an evaluation needs more than [`CHUNK`], another thread touches memory ahead of it, unless there is some that an
/// evaluation before has left.
pub struct Arena<'a> {
    memory: &'a Memory,
    /// Where objects go.
    current: Cell<&'a Bump>,
    /// Bytes in what `current` was before.
    before: Cell<u64>,
}

/// What an [`Arena`] takes its memory from.
pub struct Memory {
    chunks: typed_arena::Arena<Bump>,
    /// Parsed files are shared with other evaluations, and let go of at the end.
    files: typed_arena::Arena<Held>,
    /// From the thread that prepares chunks, if there is one.
    ahead: OnceCell<Option<Receiver<Bump>>>,
}

/// What is let go of at the end.
pub struct Held {
    pub ast: Arc<Ast>,
    /// How messages name the file.
    pub file: Arc<str>,
}

/// Bytes that are prepared at once.
const CHUNK: usize = 4 << 20;

/// So many chunks are kept for the evaluations that come next: memory that was touched before need not be cleared.
const MOST_KEPT: usize = 40;

/// Chunks that nothing lies in.
static KEPT: Mutex<Vec<Bump>> = Mutex::new(Vec::new());

/// A chunk of which less is left is not used any more.
const REST: usize = 128 << 10;

/// What ends where a page of memory begins. Where pages are larger than 4 KiB, more is touched than needed.
const PAGE_START: Layout = match Layout::from_size_align(1, 4096) {
    Ok(start) => start,
    Err(_) => Layout::new::<u8>(),
};

/// Prepare memory for somebody who takes it, until nobody does.
fn prepare(chunks: &SyncSender<Bump>) {
    loop {
        let mut chunk = Bump::with_capacity(CHUNK);
        // A bump goes from the end to the start: a byte is written at the end of each page.
        while chunk.chunk_capacity() > 2 * PAGE_START.align() {
            chunk.alloc(0_u8);
            chunk.alloc_layout(PAGE_START);
        }
        chunk.reset();
        if chunks.send(chunk).is_err() {
            return;
        }
    }
}

/// Bytes of a bump that objects take, and what was left over when it grew.
#[inline]
fn used(bump: &Bump) -> u64 {
    (bump.allocated_bytes() - bump.chunk_capacity()) as u64
}

impl Memory {
    pub fn new() -> Memory {
        Memory {
            chunks: typed_arena::Arena::with_capacity(1),
            files: typed_arena::Arena::with_capacity(1),
            ahead: OnceCell::new(),
        }
    }

    /// A chunk that was used before or has been prepared, if one is at hand.
    fn prepared(&self) -> Option<Bump> {
        let kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if kept.is_some() {
            return kept;
        }
        let ahead = self.ahead.get_or_init(|| {
            let (sender, receiver) = sync_channel(1);
            let thread = thread::Builder::new().name("memory".to_owned()).spawn(move || prepare(&sender));
            thread.ok().map(|_| receiver)
        });
        ahead.as_ref()?.try_recv().ok()
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for mut chunk in std::mem::take(&mut self.chunks).into_vec() {
            // Of one that has grown, the part that came last stays, which is larger.
            chunk.reset();
            let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
            if (CHUNK..=CHUNK + REST).contains(&chunk.chunk_capacity()) && kept.len() < MOST_KEPT {
                kept.push(chunk);
            }
        }
    }
}

impl<'a> Arena<'a> {
    pub fn new(memory: &'a Memory) -> Arena<'a> {
        Arena { memory, current: Cell::new(memory.chunks.alloc(Bump::new())), before: Cell::new(0) }
    }

    /// Bytes that the objects take.
    #[inline]
    pub fn used(&self) -> u64 {
        self.before.get() + used(self.current.get())
    }

    /// To be called now and then: go over to memory that has been prepared, if what is at hand is nearly used up. What is
    /// needed meanwhile the bump takes itself.
    pub fn look_ahead(&self) {
        let current = self.current.get();
        if current.chunk_capacity() < REST && current.allocated_bytes() >= CHUNK {
            let next = self.memory.prepared().unwrap_or_else(|| Bump::with_capacity(CHUNK));
            self.before.set(self.used());
            self.current.set(self.memory.chunks.alloc(next));
        }
    }

    #[inline]
    pub fn alloc<T>(&self, value: T) -> &'a T {
        const { assert!(!needs_drop::<T>(), "what lies in the arena is never dropped") };
        self.current.get().alloc(value)
    }

    /// Objects beside each other. The iterator may allocate others meanwhile.
    #[inline]
    pub fn slice<T>(&self, items: impl ExactSizeIterator<Item = T>) -> &'a [T] {
        const { assert!(!needs_drop::<T>(), "what lies in the arena is never dropped") };
        if items.len() == 0 {
            return &[];
        }
        self.current.get().alloc_slice_fill_iter(items)
    }

    /// The same, each by its index: faster, since each is made where it will lie.
    #[inline]
    pub fn slice_of<T>(&self, length: usize, item: impl FnMut(usize) -> T) -> &'a [T] {
        const { assert!(!needs_drop::<T>(), "what lies in the arena is never dropped") };
        if length == 0 {
            return &[];
        }
        self.current.get().alloc_slice_fill_with(length, item)
    }

    pub fn copied<T: Copy>(&self, items: &[T]) -> &'a [T] {
        if items.is_empty() {
            return &[];
        }
        self.current.get().alloc_slice_copy(items)
    }

    pub fn text(&self, text: &str) -> &'a str {
        self.current.get().alloc_str(text)
    }

    /// Room for `length` bytes, filled by appending.
    pub fn bytes<'p>(&self, length: usize, parts: impl Iterator<Item = &'p [u8]>) -> &'a [u8] {
        let room = self.current.get().alloc_slice_fill_copy(length, 0_u8);
        let mut rest = &mut *room;
        for part in parts {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
        room
    }

    /// Keep a file as long as the arena.
    pub fn hold(&self, file: Held) -> &'a Held {
        self.memory.files.alloc(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_stay_where_they_are_from_chunk_to_chunk() {
        let memory = Memory::new();
        let arena = Arena::new(&memory);
        let count = 3 * CHUNK / size_of::<usize>();
        let mut objects = Vec::new();
        for number in 0..count {
            objects.push(arena.alloc(number));
            if number % 1000 == 0 {
                arena.look_ahead();
            }
        }
        assert!(objects.iter().enumerate().all(|(number, object)| **object == number));
        let bytes = (count * size_of::<usize>()) as u64;
        assert!((bytes..bytes + bytes / 10).contains(&arena.used()), "{} for {bytes}", arena.used());
        let chunks = memory.chunks.len();
        assert!((3..=5).contains(&chunks), "{chunks}");
    }
}

//! What an evaluation may use: steps, depth, memory.

use bulkhead_syntax::Symbol;

use super::Evaluator;
use crate::data::FailureKind;
use crate::error::{Error, Result};
use crate::value::{Attr, Attrs, Pos};
use crate::world;

/// Bytes that a name takes besides its text, roughly.
const NAME: u64 = 96;

/// So many steps, and the memory they take, may pass unnoticed.
const CHECK_EVERY: u64 = 1024;

/// What to do about a limit.
pub const RAISE_LIMIT: &str =
    "if this is meant, raise the limit (see `bulkhead eval --help`, or [limits] in bulkhead.toml)";

/// What an evaluation has used: steps, and bytes of memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    pub steps: u64,
    pub memory: u64,
}

/// What it takes to sort so many things, in steps.
pub fn sorting(length: usize) -> usize {
    length * length.checked_ilog2().map_or(0, |log| 1 + log as usize) / 2
}

impl<'a> Evaluator<'a> {
    /// One level deeper; gives the depth to go back to.
    #[inline]
    pub(super) fn enter(&self, pos: impl FnOnce() -> Pos) -> Result<'a, u32> {
        let depth = self.depth.get();
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if depth >= self.limits.depth || steps >= self.next_check.get() || world::stack_position() < self.stack_end {
            self.look_closer(pos())?;
        }
        self.depth.set(depth + 1);
        Ok(depth)
    }

    /// One expression. Expressions within each other are no deeper than the file nests, so their depth is not counted; but
    /// what they take of the stack adds up.
    #[inline]
    pub(super) fn step(&self, pos: impl FnOnce() -> Pos) -> Result<'a, ()> {
        self.steps.set(self.steps.get() + 1);
        if world::stack_position() < self.stack_end { self.look_closer(pos()) } else { Ok(()) }
    }

    #[cold]
    fn look_closer(&self, pos: Pos) -> Result<'a, ()> {
        let depth = self.depth.get();
        if depth >= self.limits.depth || world::stack_position() < self.stack_end {
            return Err(self.limit(pos, format!("evaluation is nested more than {depth} levels deep")));
        }
        self.check(pos)
    }

    /// Do something that recurses, within the limits.
    #[inline]
    pub fn nested<T>(&self, pos: Pos, work: impl FnOnce() -> Result<'a, T>) -> Result<'a, T> {
        let depth = self.enter(|| pos)?;
        let result = work();
        self.depth.set(depth);
        result
    }

    /// Count steps, and now and then look at the memory.
    #[inline]
    pub fn tick(&self, pos: Pos, steps: u64) -> Result<'a, ()> {
        let now = self.steps.get().saturating_add(steps);
        self.steps.set(now);
        if now >= self.next_check.get() { self.check(pos) } else { Ok(()) }
    }

    #[cold]
    fn check(&self, pos: Pos) -> Result<'a, ()> {
        let (now, limit) = (self.steps.get(), self.limits.steps);
        let last = limit.saturating_add(self.forgiven.get().steps);
        if now > last {
            return Err(self.limit(pos, format!("evaluation takes more than {limit} steps")));
        }
        self.next_check.set((now + CHECK_EVERY).min(last.saturating_add(1)));
        self.arena.look_ahead();
        self.reserve(pos, 0)
    }

    /// Fail if `bytes` more would be too much memory.
    #[inline]
    pub fn reserve(&self, pos: Pos, bytes: usize) -> Result<'a, ()> {
        let limit = self.limits.memory;
        let used = (self.arena.used() + self.outside.get()).saturating_add(bytes as u64);
        if used > limit.saturating_add(self.forgiven.get().memory) {
            return Err(self.limit(pos, format!("evaluation needs more than {} MiB of memory", limit >> 20)));
        }
        Ok(())
    }

    /// Count work that is not interpreted, in steps: ten nanoseconds or so. So the limit of steps is one of time. That it was
    /// too much is noticed at the next call.
    #[inline]
    pub fn charge(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_add(steps as u64));
    }

    /// The same for bytes that are looked at one by one.
    #[inline]
    pub fn charge_bytes(&self, bytes: usize) {
        self.charge(bytes / 8);
    }

    /// The same for something that the operating system is asked.
    pub fn charge_system(&self) {
        self.charge(500);
    }

    /// All attributes in the order of their names' bytes.
    pub fn by_name(&self, attrs: &Attrs<'a>) -> Vec<&'a Attr<'a>> {
        self.charge(sorting(attrs.entries().len()));
        attrs.by_name()
    }

    /// Count work on so many bytes that are copied or compared.
    pub fn tick_bulk(&self, pos: Pos, amount: usize) -> Result<'a, ()> {
        self.tick(pos, (amount / 64) as u64)
    }

    /// How many steps are left.
    pub fn steps_left(&self) -> u64 {
        self.limits.steps.saturating_add(self.forgiven.get().steps).saturating_sub(self.steps.get())
    }

    /// What was used so far.
    pub fn used(&self) -> Used {
        Used { steps: self.steps.get(), memory: self.arena.used() + self.outside.get() }
    }

    /// Count nothing any more that was used after `since`: what comes now is another evaluation, with the same values at hand.
    pub fn forgive_after(&self, since: Used) {
        let Used { steps, memory } = self.used();
        self.forgiven
            .set(Used { steps: steps.saturating_sub(since.steps), memory: memory.saturating_sub(since.memory) });
        self.next_check.set(0);
    }

    /// A name that is made during the evaluation. Names live as long as the process, so they count as memory for good.
    pub fn intern(&self, name: &str) -> Symbol {
        let symbol = Symbol::new(name);
        if symbol > self.newest.get() {
            self.newest.set(symbol);
            self.charge(30);
            self.keep_outside(name.len() as u64 + NAME);
        }
        symbol
    }

    /// Count bytes that are kept until the end of the evaluation without lying in the arena.
    pub fn keep_outside(&self, bytes: u64) {
        self.outside.set(self.outside.get() + bytes);
    }

    /// Whether there are steps left, and memory for `bytes` more.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.steps_left() > 0 && self.reserve(Pos::NONE, bytes).is_ok()
    }

    #[cold]
    pub fn limit(&self, pos: Pos, message: String) -> Box<Error<'a>> {
        Error::new(FailureKind::Limit, message, pos).with_help(RAISE_LIMIT)
    }
}

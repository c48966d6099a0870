//! What an evaluation may use: steps, depth, memory.

use bulkhead_syntax::Symbol;

use super::Evaluator;
use crate::data::FailureKind;
use crate::error::{Error, Result};
use crate::value::Pos;
use crate::{memory, world};

/// Bytes that a name takes besides its text, roughly.
const NAME: u64 = 96;

impl Evaluator<'_> {
    /// Do something that recurses, within the limits.
    pub fn nested<T>(&self, pos: Pos, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let depth = self.depth.get();
        self.tick(pos, 1)?;
        if depth >= self.world.limits().depth || world::stack_position() < self.stack_end {
            return Err(self.limit(pos, format!("evaluation is nested more than {depth} levels deep")));
        }
        self.depth.set(depth + 1);
        let result = work();
        self.depth.set(depth);
        result
    }

    /// Count steps, and now and then look at the memory.
    pub fn tick(&self, pos: Pos, steps: u64) -> Result<()> {
        let before = self.steps.get();
        let now = before.saturating_add(steps);
        self.steps.set(now);
        if now > self.world.limits().steps {
            let limit = self.world.limits().steps;
            return Err(self.limit(pos, format!("evaluation takes more than {limit} steps")));
        }
        if (before ^ now) >> 10 != 0 {
            self.reserve(pos, 0)?;
        }
        Ok(())
    }

    /// Fail if `bytes` more would be too much memory.
    pub fn reserve(&self, pos: Pos, bytes: usize) -> Result<()> {
        let limit = self.world.limits().memory;
        let values = memory::live().saturating_sub(self.memory_before);
        let used = values.saturating_add(self.names.get()).saturating_add(bytes as u64);
        if used > limit {
            return Err(self.limit(pos, format!("evaluation needs more than {} MiB of memory", limit >> 20)));
        }
        Ok(())
    }

    /// Count work on so many bytes or items, done by a loop that is not interpreted.
    pub fn tick_bulk(&self, pos: Pos, amount: usize) -> Result<()> {
        self.tick(pos, (amount / 64) as u64)
    }

    /// How many steps are left.
    pub fn steps_left(&self) -> u64 {
        self.world.limits().steps.saturating_sub(self.steps.get())
    }

    /// A name that is made during the evaluation. Names live as long as the process, so they count as memory for good.
    pub fn intern(&self, name: &str) -> Symbol {
        let symbol = Symbol::new(name);
        if symbol > self.newest.get() {
            self.newest.set(symbol);
            self.names.set(self.names.get() + name.len() as u64 + NAME);
        }
        symbol
    }

    /// Whether there are steps left, and memory for `bytes` more.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.steps_left() > 0 && self.reserve(Pos::NONE, bytes).is_ok()
    }

    pub fn limit(&self, pos: Pos, message: String) -> Box<Error> {
        Error::new(FailureKind::Limit, message, pos)
            .with_help("if this is meant, raise the limit (see `bulkhead eval --help`, or [limits] in bulkhead.toml)")
    }
}

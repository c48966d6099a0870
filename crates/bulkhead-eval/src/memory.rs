//! How much memory values take, and how they are given back.
//!
//! Counting: every shared object adds its size when it is made and takes it away when it is dropped, per thread. The
//! count is of the objects alone, without the allocator's share.
//!
//! Dropping: a structure may be a million levels deep, so the objects that it is made of do not drop what they hold
//! directly but hand it to [`drop_many`] or [`drop_frame`]; beyond some depth that is kept in a list and dropped from
//! the outermost call.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::value::{Frame, Value};

/// How many levels are dropped by recursion before the rest is put aside.
const DIRECT: u32 = 64;

thread_local! {
    static LIVE: Cell<u64> = const { Cell::new(0) };
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static ASIDE: RefCell<Vec<Held>> = const { RefCell::new(Vec::new()) };
}

enum Held {
    Value(#[allow(dead_code, reason = "held to be dropped")] Value),
    Frame(#[allow(dead_code, reason = "held to be dropped")] Rc<Frame>),
}

/// Bytes that the values of this thread take now.
pub fn live() -> u64 {
    LIVE.get()
}

pub fn allocated(bytes: usize) {
    LIVE.set(LIVE.get().wrapping_add(bytes as u64));
}

/// Saturates: what one thread made may be dropped by another when a test harness moves an evaluator.
pub fn freed(bytes: usize) {
    LIVE.set(LIVE.get().saturating_sub(bytes as u64));
}

pub fn drop_many(values: impl Iterator<Item = Value>) {
    for value in values {
        if is_deep(&value) {
            drop_held(Held::Value(value));
        }
    }
}

pub fn drop_frame(frame: Rc<Frame>) {
    drop_held(Held::Frame(frame));
}

/// Whether dropping the value may drop others.
fn is_deep(value: &Value) -> bool {
    !matches!(
        value,
        Value::Null(_)
            | Value::Bool(..)
            | Value::Int(..)
            | Value::Float(..)
            | Value::String(..)
            | Value::Path(..)
            | Value::Builtin(..)
    )
}

fn drop_held(held: Held) {
    // While the thread itself ends its variables may be gone; then the plain way must do.
    let Ok(depth) = DEPTH.try_with(Cell::get) else { return };
    if depth >= DIRECT {
        let _ = ASIDE.try_with(|aside| aside.borrow_mut().push(held));
        return;
    }
    DEPTH.set(depth + 1);
    drop(held);
    if depth == 0 {
        while let Ok(Some(next)) = ASIDE.try_with(|aside| aside.borrow_mut().pop()) {
            drop(next);
        }
    }
    DEPTH.set(depth);
}

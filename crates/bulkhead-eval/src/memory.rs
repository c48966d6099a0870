//! How much memory values take, and how they are given back.
//!
//! Counting: every shared object adds its size when it is made and takes it away when it is dropped, per thread. The
//! count is of the objects alone, without the allocator's share.
//!
//! Dropping: a structure may be a million levels deep, so the objects that it is made of do not drop what they hold
//! directly but hand it to [`drop_many`] or [`drop_frame`]; beyond some depth that is kept in a list and dropped from
//! the outermost call.
//!
//! Cycles: a `let` or `rec` frame holds values that see the frame, which reference counting alone never gives back.
//! [`Cycles`] knows those frames and takes them apart when the evaluation is over.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use rustc_hash::FxHashSet;

use crate::value::{Env, Frame, State, Value};

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
#[inline]
pub fn live() -> u64 {
    LIVE.get()
}

#[inline]
pub fn allocated(bytes: usize) {
    LIVE.set(LIVE.get().wrapping_add(bytes as u64));
}

/// Saturates: what one thread made may be dropped by another when a test harness moves an evaluator.
#[inline]
pub fn freed(bytes: usize) {
    LIVE.set(LIVE.get().saturating_sub(bytes as u64));
}

#[inline]
pub fn drop_many(values: impl Iterator<Item = Value>) {
    for value in values {
        if is_deep(&value) {
            drop_held(Held::Value(value));
        }
    }
}

#[inline]
pub fn drop_frame(frame: Rc<Frame>) {
    drop_held(Held::Frame(frame));
}

/// Whether dropping the value may drop others.
#[inline]
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

/// The frames of one evaluation whose values see the frame itself.
#[derive(Default)]
pub struct Cycles {
    frames: RefCell<Vec<Weak<Frame>>>,
    /// At this many frames, those that are gone are forgotten.
    full: Cell<usize>,
}

impl Cycles {
    pub fn add(&self, frame: &Rc<Frame>) {
        let mut frames = self.frames.borrow_mut();
        if frames.len() >= self.full.get() {
            frames.retain(|frame| frame.strong_count() > 0);
            self.full.set((frames.len() * 2).max(1024));
        }
        frames.push(Rc::downgrade(frame));
    }
}

impl Drop for Cycles {
    fn drop(&mut self) {
        let mut apart = Apart::default();
        for frame in self.frames.take() {
            let Some(frame) = frame.upgrade() else { continue };
            apart.todo.extend(frame.take_values());
            apart.run();
        }
        drop_many(apart.kept.into_iter());
    }
}

/// Takes values apart: every thunk that is reached lets go of what it holds.
#[derive(Default)]
struct Apart {
    /// What has been looked into.
    seen: FxHashSet<*const ()>,
    /// The same, kept alive so that no other object gets its address.
    kept: Vec<Value>,
    todo: Vec<Value>,
}

impl Apart {
    fn run(&mut self) {
        while let Some(value) = self.todo.pop() {
            match &value {
                Value::Thunk(thunk) => match thunk.state.replace(State::Running) {
                    State::Done(value) | State::Forward(value) => self.todo.push(value),
                    State::Delayed { env, .. } => self.frames(env),
                    State::Apply(parts) => self.todo.extend([parts.0, parts.1]),
                    State::Select(parts) => self.todo.push(parts.0),
                    State::Running => {}
                },
                Value::List(list, _) if self.seen.insert(Rc::as_ptr(list).cast()) => {
                    self.todo.extend(list.items.iter().filter(|item| is_deep(item)).cloned());
                    self.kept.push(value);
                }
                Value::Attrs(attrs, _) if self.seen.insert(Rc::as_ptr(attrs).cast()) => {
                    self.todo.extend(attrs.entries().iter().map(|attr| &attr.value).filter(|v| is_deep(v)).cloned());
                    self.kept.push(value);
                }
                Value::Partial(partial, _) if self.seen.insert(Rc::as_ptr(partial).cast()) => {
                    self.todo.extend(partial.arguments.iter().cloned());
                    self.kept.push(value);
                }
                Value::Closure(closure, _) if self.seen.insert(Rc::as_ptr(closure).cast()) => {
                    self.frames(closure.env.clone());
                    self.kept.push(value);
                }
                _ => {}
            }
        }
    }

    fn frames(&mut self, mut env: Env) {
        while let Some(frame) = env {
            let taken = frame.take_values();
            if taken.is_empty() {
                self.todo.extend(frame.values().into_iter().filter(is_deep));
            } else {
                self.todo.extend(taken);
            }
            env = frame.parent.clone();
        }
    }
}

//! Thunks to values.

use std::cell::Cell;

use rustc_hash::FxHashSet;

use super::Evaluator;
use crate::error::{Cause, Error, Result};
use crate::value::{Attrs, Past, Pos, State, Thunk, Unknown, Value};

/// What was evaluated so far although it is unknown, because the result does not depend on its value.
#[derive(Default)]
pub struct PassedOver<'a> {
    times: Cell<u64>,
    last: Cell<Option<&'a Unknown<'a>>>,
}

impl<'a> Evaluator<'a> {
    /// The value behind a thunk.
    #[inline]
    pub fn force(&self, value: Value<'a>) -> Result<'a, Value<'a>> {
        match value {
            Value::Thunk(thunk) => self.force_thunk(thunk),
            value => Ok(value),
        }
    }

    /// The value of a thunk.
    #[inline]
    pub(super) fn force_thunk(&self, thunk: &'a Thunk<'a>) -> Result<'a, Value<'a>> {
        if let State::Done(value) = thunk.state.get() {
            return Ok(value);
        }
        // What it gives is read where it was put, not handed from call to call: copying a value that was just written in
        // parts has the processor wait for the parts.
        self.run(thunk)?;
        match thunk.state.get() {
            State::Done(value) => Ok(value),
            State::DonePast(past) => Ok(past.value),
            _ => Err(infinite_recursion()),
        }
    }

    /// Evaluate a thunk that has not been: after that it is [`State::Done`] or [`State::DonePast`].
    fn run(&self, thunk: &'a Thunk<'a>) -> Result<'a, ()> {
        let state = thunk.state.get();
        if let State::DonePast(past) = state {
            self.pass_over_unknown(past.unknown);
            return Ok(());
        }
        thunk.state.set(State::Running);
        let before = self.times_passed_over();
        let result = match state {
            State::Done(value) => Ok(value),
            State::DonePast(past) => Ok(past.value),
            State::Delayed { file, expr, env } => {
                let code = self.files.get(file);
                self.nested(code.pos(expr), || self.eval(code, env, expr))
            }
            State::Apply([function, argument], pos) => {
                let result = self.nested(pos, || self.apply(*function, &[*argument], pos));
                self.unless_unknown(result, pos)
            }
            State::Apply2([function, arguments @ ..], pos) => {
                let result = self.nested(pos, || self.apply(*function, arguments, pos));
                self.unless_unknown(result, pos)
            }
            State::Mapped(mapped, index) => {
                let pos = mapped.pos;
                let call = |arguments: &[Value<'a>]| self.apply(mapped.function, arguments, pos);
                let result = self.nested(pos, || self.with_part(mapped, index, call));
                self.unless_unknown(result, pos)
            }
            State::Select { set, name, pos } => {
                let result = self.nested(pos, || {
                    let set = self.force(Value::Thunk(set))?;
                    self.select_name(set, name, pos)
                });
                self.unless_unknown(result, pos)
            }
            State::Forward(value) => {
                let result = self.nested(Pos::NONE, || self.force(*value));
                self.unless_unknown(result, Pos::NONE)
            }
            State::Running => Err(infinite_recursion()),
        };
        match result {
            Ok(value) => {
                if self.will_be_asked_about(value) {
                    self.set_origin(thunk, state);
                }
                match self.passed_over_since(before) {
                    None => thunk.state.set(State::Done(value)),
                    Some(_) => thunk.state.set(self.done(value, before)),
                }
                Ok(())
            }
            Err(error) => {
                thunk.state.set(state);
                Err(error)
            }
        }
    }

    /// Whether somebody will ask what a value is put together of: one that is unknown, or may have more attributes.
    #[inline]
    pub(super) fn will_be_asked_about(&self, value: Value<'a>) -> bool {
        self.origins.is_some() && matches!(value, Value::Unknown(..) | Value::Attrs(Attrs { open: Some(_), .. }, _))
    }

    /// Whether a value that is known is not enough without the thunk that it was.
    #[inline]
    pub(super) fn needs_thunk(&self, value: Value<'a>) -> bool {
        is_equal_by_place(value) || self.will_be_asked_about(value)
    }

    /// Keep what a thunk was before its evaluation.
    #[cold]
    pub(super) fn set_origin(&self, thunk: &'a Thunk<'a>, state: State<'a>) {
        if let Some(origins) = &self.origins {
            origins.borrow_mut().insert(std::ptr::from_ref(thunk) as usize, state);
        }
    }

    /// What a thunk was before its evaluation, if that was kept.
    pub fn origin(&self, thunk: &Thunk<'a>) -> Option<State<'a>> {
        self.origins.as_ref()?.borrow().get(&(std::ptr::from_ref(thunk) as usize)).copied()
    }

    /// What a thunk is after its evaluation, for which [`Evaluator::times_passed_over`] was asked before.
    #[inline]
    pub fn done(&self, value: Value<'a>, before: u64) -> State<'a> {
        match self.passed_over_since(before) {
            None => State::Done(value),
            Some(unknown) => State::DonePast(self.arena.alloc(Past { value, unknown })),
        }
    }

    /// Turn the failure "this is unknown" into an unknown value.
    pub fn unless_unknown(&self, result: Result<'a, Value<'a>>, pos: Pos) -> Result<'a, Value<'a>> {
        match result {
            Err(error) => match error.cause {
                Cause::Unknown(unknown) => Ok(Value::Unknown(unknown, pos)),
                Cause::Failure(_) => Err(error),
            },
            value => value,
        }
    }

    /// Note that a value was evaluated whose own value does not matter. If it is unknown, it might have failed, which
    /// `tryEval` would tell: now, and whenever a value is used that was evaluated meanwhile ([`State::DonePast`]).
    #[inline]
    pub fn pass_over(&self, value: Value<'a>) {
        if let Value::Unknown(unknown, _) = value {
            self.pass_over_unknown(unknown);
        }
    }

    /// The same, of something that is known to be unknown.
    #[cold]
    pub fn pass_over_unknown(&self, unknown: &'a Unknown<'a>) {
        self.passed_over.times.set(self.passed_over.times.get() + 1);
        self.passed_over.last.set(Some(unknown));
    }

    /// How often something unknown was passed over.
    #[inline]
    pub fn times_passed_over(&self) -> u64 {
        self.passed_over.times.get()
    }

    /// Something unknown that was passed over since there were so many.
    #[inline]
    pub fn passed_over_since(&self, before: u64) -> Option<&'a Unknown<'a>> {
        if self.times_passed_over() == before { None } else { self.passed_over.last.get() }
    }

    /// Force a value all the way down, as `deepSeq` does: each set and list once, so that what contains itself has an
    /// end. Unknown parts are left alone.
    pub fn force_deep(&self, value: Value<'a>, pos: Pos) -> Result<'a, Value<'a>> {
        self.force_parts(value, pos, &mut FxHashSet::default())
    }

    fn force_parts(&self, value: Value<'a>, pos: Pos, seen: &mut FxHashSet<*const ()>) -> Result<'a, Value<'a>> {
        self.nested(pos, || {
            let forced = self.force(value)?;
            self.pass_over(forced);
            self.charge(6);
            match forced {
                Value::List(list, _) if seen.insert(std::ptr::from_ref(list).cast()) => {
                    for item in list.iter().filter(|item| !is_plain(*item)) {
                        self.force_parts(item, pos, seen)?;
                    }
                }
                Value::Attrs(attrs, _) if seen.insert(std::ptr::from_ref(attrs).cast()) => {
                    // Of a derivation whose place is unknown only what it was made of is looked at.
                    if let Some(unknown) = self.uninstantiated(attrs)? {
                        self.pass_over_unknown(unknown);
                        return match attrs.get(self.symbols.drv_attrs) {
                            Some(attr) => self.force_parts(attr.value, attr.key, seen).map(|_| forced),
                            None => Ok(forced),
                        };
                    }
                    for attr in self.by_name(attrs).into_iter().filter(|attr| !is_plain(attr.value)) {
                        self.force_parts(attr.value, attr.key, seen).map_err(|error| {
                            error
                                .or_at(attr.key)
                                .through(attr.key, || format!("while evaluating the attribute `{}`", attr.name))
                        })?;
                    }
                }
                _ => {}
            }
            Ok(forced)
        })
    }
}

/// Whether the value is equal to itself only as the same thunk: a function, or a float, which may be no number.
#[inline]
pub(super) fn is_equal_by_place(value: Value<'_>) -> bool {
    matches!(value, Value::Float(..) | Value::Closure(..) | Value::Builtin(..) | Value::Partial(..))
}

#[cold]
pub(super) fn infinite_recursion<'a>() -> Box<Error<'a>> {
    Error::evaluation("infinite recursion encountered", Pos::NONE)
        .with_help("a value is needed to compute itself; follow the places below to see how")
}

/// Whether there is nothing in the value that could be forced.
fn is_plain(value: Value<'_>) -> bool {
    !matches!(value, Value::Thunk(_) | Value::List(..) | Value::Attrs(..) | Value::Unknown(..))
}

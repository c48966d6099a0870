//! Thunks to values.

use std::rc::Rc;

use rustc_hash::FxHashSet;

use super::Evaluator;
use crate::error::{Cause, Error, Result};
use crate::value::{Pos, State, Thunk, Value};

impl Evaluator<'_> {
    /// The value behind a thunk.
    pub fn force(&self, value: &Value) -> Result<Value> {
        match value {
            Value::Thunk(thunk) => self.force_thunk(thunk),
            value => Ok(value.clone()),
        }
    }

    pub(super) fn force_thunk(&self, thunk: &Rc<Thunk>) -> Result<Value> {
        let state = thunk.state.replace(State::Running);
        match state {
            State::Done(value) => {
                thunk.state.set(State::Done(value.clone()));
                Ok(value)
            }
            State::Delayed { file, expr, env } => {
                let code = self.files.get(file);
                let result = self.eval(&code, &env, expr);
                thunk.state.set(match &result {
                    Ok(value) => State::Done(value.clone()),
                    Err(_) => State::Delayed { file, expr, env },
                });
                result
            }
            State::Apply(parts) => {
                let pos = parts.2;
                let result = self.nested(pos, || self.apply(&parts.0, std::slice::from_ref(&parts.1), pos));
                self.settle(thunk, result, State::Apply(parts), pos)
            }
            State::Select(parts) => {
                let pos = parts.2;
                let result = self.nested(pos, || {
                    let set = self.force(&parts.0)?;
                    self.select_name(&set, parts.1, pos)
                });
                self.settle(thunk, result, State::Select(parts), pos)
            }
            State::Forward(value) => {
                let result = self.nested(Pos::NONE, || self.force(&value));
                self.settle(thunk, result, State::Forward(value), Pos::NONE)
            }
            State::Running => Err(Error::evaluation("infinite recursion encountered", Pos::NONE)
                .with_help("a value is needed to compute itself; follow the places below to see how")),
        }
    }

    fn settle(&self, thunk: &Thunk, result: Result<Value>, again: State, pos: Pos) -> Result<Value> {
        let result = self.unless_unknown(result, pos);
        thunk.state.set(match &result {
            Ok(value) => State::Done(value.clone()),
            Err(_) => again,
        });
        result
    }

    /// Turn the failure "this is unknown" into an unknown value.
    pub fn unless_unknown(&self, result: Result<Value>, pos: Pos) -> Result<Value> {
        match result {
            Err(error) => match error.cause {
                Cause::Unknown(unknown) => Ok(Value::Unknown(unknown, pos)),
                Cause::Failure(_) => Err(error),
            },
            value => value,
        }
    }

    /// Force a value all the way down, as `deepSeq` does: each set and list once, so that what contains itself has an
    /// end. Unknown parts are left alone.
    pub fn force_deep(&self, value: &Value, pos: Pos) -> Result<Value> {
        self.force_parts(value, pos, &mut FxHashSet::default())
    }

    fn force_parts(&self, value: &Value, pos: Pos, seen: &mut FxHashSet<*const ()>) -> Result<Value> {
        self.nested(pos, || {
            let forced = self.force(value)?;
            match &forced {
                Value::List(list, _) if seen.insert(Rc::as_ptr(list).cast()) => {
                    for item in list.items.iter().filter(|item| !is_plain(item)) {
                        self.force_parts(item, pos, seen)?;
                    }
                }
                Value::Attrs(attrs, _) if seen.insert(Rc::as_ptr(attrs).cast()) => {
                    // The outputs of a derivation lead to each other.
                    if self.uninstantiated(attrs).is_some() {
                        return match attrs.get(self.symbols.drv_attrs) {
                            Some(attr) => self.force_parts(&attr.value, attr.key, seen).map(|_| forced.clone()),
                            None => Ok(forced.clone()),
                        };
                    }
                    for attr in attrs.by_name().into_iter().filter(|attr| !is_plain(&attr.value)) {
                        self.force_parts(&attr.value, attr.key, seen).map_err(|error| {
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

/// Whether there is nothing in the value that could be forced.
fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Thunk(_) | Value::List(..) | Value::Attrs(..))
}

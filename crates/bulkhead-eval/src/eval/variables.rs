//! Variables: frames, `with` and globals.

use std::cell::Cell;

use bulkhead_diagnostics::nearest;
use bulkhead_syntax::{Binding, Expr, ExprId, Symbol};

use super::Evaluator;
use super::force::{infinite_recursion, is_equal_by_place};
use super::sets::is_settled;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::value::{Env, Frame, Pos, Slot, State, Thunk, Unknown, Value};

impl<'a> Evaluator<'a> {
    #[inline]
    pub(super) fn global(&self, code: &'a Code<'a>, name: Symbol) -> Option<Value<'a>> {
        if let Some(attr) = code.scope.and_then(|scope| scope.get(name)) {
            return Some(attr.value);
        }
        self.globals.get(name)
    }

    pub(super) fn variable(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        name: Symbol,
        binding: Binding,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        match binding {
            Binding::Local { up, slot } => {
                let Some((frame, content)) = frame_at(env, up).and_then(|frame| Some((frame, frame.slot(slot)?)))
                else {
                    return Err(Error::evaluation(format!("`{name}` is not bound yet"), pos));
                };
                let value = match content {
                    Slot::Value(value) => self.force(value),
                    _ => self.fill(code, frame, slot),
                };
                value.map_err(|error| in_variable(error, name, pos))
            }
            Binding::Global => match self.global(code, name) {
                Some(value) => self.force(value).map(|value| self.reached(value, pos)),
                None => Err(self.undefined(name, pos)),
            },
            Binding::With { up } => self.variable_of_with(code, env, name, up, pos),
        }
    }

    /// The value of a slot, which is put there if it was not yet.
    fn fill(&self, code: &'a Code<'a>, frame: &'a Frame<'a>, slot: u32) -> Result<'a, Value<'a>> {
        let Some(content) = frame.slot(slot) else { return Err(infinite_recursion()) };
        if let Slot::Value(value) = content {
            return self.force(value);
        }
        frame.set(slot, Slot::Running);
        let before = self.times_passed_over();
        let result = match content {
            Slot::Value(value) => self.force(value),
            Slot::Deferred(expr) => self.nested(code.pos(expr), || self.eval(code, Some(frame), expr)),
            Slot::Inherited { set, name, pos } => {
                let result = self.nested(pos, || self.select_name(self.fill(code, frame, set)?, name, pos));
                self.unless_unknown(result, pos)
            }
            Slot::Running => Err(infinite_recursion()),
        };
        frame.set(
            slot,
            match result {
                Ok(value) if self.will_be_asked_about(value) => {
                    self.slot_with_origin(code, frame, content, self.done(value, before))
                }
                Ok(value)
                    if self.passed_over_since(before).is_some()
                        || is_equal_by_place(value) && !makes_function(code, content) =>
                {
                    Slot::Value(self.thunk_of(self.done(value, before)))
                }
                Ok(value) => Slot::Value(value),
                Err(_) => content,
            },
        );
        result
    }

    /// A slot for a value of which somebody will ask what it is put together of: a thunk that was what the slot was.
    #[cold]
    fn slot_with_origin(&self, code: &'a Code<'a>, frame: &'a Frame<'a>, was: Slot<'a>, state: State<'a>) -> Slot<'a> {
        let origin = match was {
            Slot::Deferred(expr) => Some(State::delayed(code.index, expr, Some(frame))),
            Slot::Inherited { set, name, .. } => self
                .keep_slot(code, frame, set)
                .map(|set| State::Forward(self.arena.alloc(self.inherited(set, name, Pos::NONE)))),
            Slot::Value(_) | Slot::Running => None,
        };
        let thunk = self.arena.alloc(Thunk { state: Cell::new(state) });
        if let Some(origin) = origin {
            self.set_origin(thunk, origin);
        }
        Slot::Value(Value::Thunk(thunk))
    }

    /// What is in a slot, for somebody who keeps it without needing it now; none while it is being evaluated.
    #[inline]
    pub fn keep_slot(&self, code: &'a Code<'a>, frame: &'a Frame<'a>, slot: u32) -> Option<Value<'a>> {
        match frame.slot(slot)? {
            Slot::Value(value) => Some(value),
            content => self.keep_pending(code, frame, slot, content),
        }
    }

    #[cold]
    fn keep_pending(
        &self,
        code: &'a Code<'a>,
        frame: &'a Frame<'a>,
        slot: u32,
        content: Slot<'a>,
    ) -> Option<Value<'a>> {
        let value = match content {
            Slot::Value(value) => value,
            Slot::Running => return None,
            Slot::Deferred(expr) if let Some(value) = self.alias(code, frame, expr) => value,
            // What it sees of its own frame may not be there yet.
            Slot::Deferred(expr) if is_settled(code, expr) => self.delay_parts(code, Some(frame), expr),
            Slot::Deferred(expr) => self.thunk(code, Some(frame), expr),
            Slot::Inherited { set, name, pos } => self.inherited(self.keep_slot(code, frame, set)?, name, pos),
        };
        frame.set(slot, Slot::Value(value));
        Some(value)
    }

    /// What another name of a frame stands for, if that is there or takes no work: the same object, as in Nix.
    fn alias(&self, code: &'a Code<'a>, frame: &'a Frame<'a>, expr: ExprId) -> Option<Value<'a>> {
        let Expr::Variable { binding: Binding::Local { up: 0, slot }, .. } = code.expr(expr) else { return None };
        match frame.slot(*slot)? {
            Slot::Value(value) => Some(value),
            Slot::Deferred(expr) if is_settled(code, expr) => self.keep_slot(code, frame, *slot),
            _ => None,
        }
    }

    /// Globals come before every `with`: they are the outermost static scope.
    fn variable_of_with(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        name: Symbol,
        up: u32,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        if let Some(value) = self.global(code, name) {
            return self.force(value);
        }
        let mut frame = frame_at(env, up);
        while let Some(current) = frame {
            let Some(scope) = current.scope() else { break };
            let scope = self.force(scope)?;
            match &scope {
                Value::Attrs(attrs, _) => {
                    if let Some(attr) = attrs.get(name) {
                        let value = self.force(attr.value).map_err(|error| in_variable(error, name, pos))?;
                        return Ok(self.reached(value, pos));
                    }
                    if let Some(unknown) = attrs.open {
                        return Err(Error::unknown(unknown, pos));
                    }
                }
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                other => {
                    return Err(Error::evaluation(format!("expected a set but found {}", other.described_type()), pos)
                        .with_help("`with` takes a set"));
                }
            }
            frame = current.outer_with();
        }
        Err(self.undefined(name, pos))
    }

    pub fn undefined(&self, name: Symbol, pos: Pos) -> Box<Error<'a>> {
        let error = Error::evaluation(format!("undefined variable '{name}'"), pos);
        match nearest(name.as_str(), self.globals.names()) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    /// A value that is reached from here. One that is unknown from the start (the clock) comes in here.
    #[inline]
    pub(super) fn reached(&self, value: Value<'a>, pos: Pos) -> Value<'a> {
        match value {
            Value::Unknown(unknown, _) => self.unknown_reached(unknown, value, pos),
            value => value,
        }
    }

    #[cold]
    fn unknown_reached(&self, unknown: &'a Unknown<'a>, value: Value<'a>, pos: Pos) -> Value<'a> {
        if unknown.origin == Pos::NONE {
            return Value::Unknown(self.came_in(unknown, pos), pos);
        }
        value
    }

    /// Something unknown that is met here; if it was so from the start, it comes in here.
    #[cold]
    pub(super) fn came_in(&self, unknown: &'a Unknown<'a>, pos: Pos) -> &'a Unknown<'a> {
        if unknown.origin != Pos::NONE {
            return unknown;
        }
        self.arena.alloc(Unknown { origin: pos, ..*unknown })
    }
}

#[cold]
fn in_variable<'a>(error: Box<Error<'a>>, name: Symbol, pos: Pos) -> Box<Error<'a>> {
    error.or_at(pos).through(pos, || format!("while evaluating the variable `{name}`"))
}

/// Whether what is in a slot makes a function, rather than taking over one.
#[inline]
fn makes_function(code: &Code<'_>, content: Slot<'_>) -> bool {
    matches!(content, Slot::Deferred(expr) if matches!(code.expr(expr), Expr::Lambda(_)))
}

#[inline]
pub(super) fn frame_at(env: Env<'_>, up: u32) -> Env<'_> {
    let mut frame = env?;
    for _ in 0..up {
        frame = frame.parent()?;
    }
    Some(frame)
}

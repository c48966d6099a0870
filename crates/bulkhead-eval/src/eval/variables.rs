//! Variables: frames, `with` and globals.

use bulkhead_diagnostics::nearest;
use bulkhead_syntax::{Binding, Symbol};

use super::Evaluator;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::value::{Env, Pos, Thunk, Unknown, Value};

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
                let Some(value) = frame_at(env, up).and_then(|frame| frame.slot(slot)) else {
                    return Err(Error::evaluation(format!("`{name}` is not bound yet"), pos));
                };
                match value {
                    Value::Thunk(thunk) => self.force_variable(thunk, name, pos),
                    value => Ok(value),
                }
            }
            Binding::Global => match self.global(code, name) {
                Some(value) => self.force(value).map(|value| self.reached(value, pos)),
                None => Err(self.undefined(name, pos)),
            },
            Binding::With { up } => self.variable_of_with(code, env, name, up, pos),
        }
    }

    fn force_variable(&self, thunk: &'a Thunk<'a>, name: Symbol, pos: Pos) -> Result<'a, Value<'a>> {
        self.force(Value::Thunk(thunk))
            .map_err(|error| error.or_at(pos).through(pos, || format!("while evaluating the variable `{name}`")))
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
            let Some(scope) = current.slot(0) else { break };
            let scope = self.force(scope)?;
            match &scope {
                Value::Attrs(attrs, _) => {
                    if let Some(attr) = attrs.get(name) {
                        let value = self.force(attr.value).map_err(|error| {
                            error.or_at(pos).through(pos, || format!("while evaluating the variable `{name}`"))
                        })?;
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
        if unknown.origin == Pos::NONE { self.unknown(unknown.reason, unknown.help, pos) } else { unknown }
    }
}

#[inline]
pub(super) fn frame_at(env: Env<'_>, up: u32) -> Env<'_> {
    let mut frame = env?;
    for _ in 0..up {
        frame = frame.parent()?;
    }
    Some(frame)
}

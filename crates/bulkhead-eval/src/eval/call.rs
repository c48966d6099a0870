//! Calls: functions, builtins and sets with `__functor`.

use std::cell::Cell;

use bulkhead_diagnostics::nearest;
use bulkhead_syntax::{Expr, ExprId, Formal, Lambda, Parameter};
use smallvec::SmallVec;

use super::Evaluator;
use crate::builtins::{Builtin, MAX_ARITY};
use crate::code::Code;
use crate::error::{Error, Result};
use crate::value::{Attr, Closure, Env, Frame, Partial, Pos, Slot, Value};

impl<'a> Evaluator<'a> {
    /// Apply a function to arguments, one after the other.
    pub fn apply(&self, function: Value<'a>, arguments: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
        let function = self.force(function)?;
        self.apply_forced(function, arguments, pos)
    }

    pub(super) fn apply_forced(
        &self,
        mut function: Value<'a>,
        mut arguments: &[Value<'a>],
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        if let (Value::Closure(closure, _), [argument]) = (function, arguments) {
            return self.call_closure(closure, *argument, &[], pos);
        }
        while let Some((first, rest)) = arguments.split_first() {
            match function {
                Value::Closure(closure, _) => {
                    let taken = arity(closure, rest.len());
                    function = self.call_closure(closure, *first, &rest[..taken], pos)?;
                    arguments = &rest[taken..];
                }
                Value::Builtin(builtin, _) => {
                    let arity = builtin.arity as usize;
                    if arguments.len() < arity {
                        return Ok(self.partial(builtin, arguments, pos));
                    }
                    function = self.call_builtin(builtin, &arguments[..arity], pos)?;
                    arguments = &arguments[arity..];
                }
                Value::Partial(partial, _) => {
                    let missing = partial.builtin.arity as usize - partial.arguments.len();
                    let taken = missing.min(arguments.len());
                    let all: SmallVec<[Value<'a>; 4]> =
                        partial.arguments.iter().chain(&arguments[..taken]).copied().collect();
                    if taken < missing {
                        return Ok(self.partial(partial.builtin, &all, pos));
                    }
                    function = self.call_builtin(partial.builtin, &all, pos)?;
                    arguments = &arguments[taken..];
                }
                Value::Attrs(attrs, _) => {
                    let Some(functor) = attrs.get(self.symbols.functor) else {
                        return Err(match attrs.open {
                            Some(unknown) => Error::unknown(unknown, pos),
                            None => not_a_function(function, pos),
                        });
                    };
                    function = self.nested(pos, || self.apply(functor.value, &[function], pos))?;
                }
                Value::Unknown(unknown, _) => {
                    function = self.stands_in_for("function", Error::unknown(unknown, pos), pos)?;
                }
                other => return Err(not_a_function(other, pos)),
            }
        }
        self.force(function)
    }

    fn partial(&self, builtin: &'static Builtin, arguments: &[Value<'a>], pos: Pos) -> Value<'a> {
        let arguments = self.arena.copied(arguments);
        Value::Partial(self.arena.alloc(Partial { builtin, arguments }), pos)
    }

    fn call_builtin(&self, builtin: &'static Builtin, arguments: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
        match self.nested(pos, || (builtin.run)(self, arguments, pos)) {
            Ok(value) => Ok(value),
            Err(error) => self.unless_unknown(Err(error), pos).map_err(|error| {
                error.or_at(pos).through(pos, || format!("while calling the builtin `{}`", builtin.name))
            }),
        }
    }

    /// Call a function with an argument, and what that gives with those of `rest`, which it must be known to take (see
    /// [`arity`]): for `a: b: …` no function of `b` is made.
    pub(super) fn call_closure(
        &self,
        closure: &'a Closure<'a>,
        first: Value<'a>,
        rest: &[Value<'a>],
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        let (code, mut lambda, env) = (closure.code, closure.lambda, closure.env());
        let mut frame = self.bind(code, lambda, env, first, pos)?;
        for argument in rest {
            let Expr::Lambda(inner) = code.expr(lambda.body) else { break };
            lambda = inner;
            frame = self.bind(code, lambda, Some(frame), *argument, pos)?;
        }
        let depth = self.enter(|| pos)?;
        let mut result = self.eval_nested(code, Some(frame), lambda.body, code.expr(lambda.body));
        self.depth.set(depth);
        match &mut result {
            Ok(_) => self.free_frames.give_back(frame, env),
            Err(error) => in_call(error, lambda, pos),
        }
        result
    }

    /// Apply a function to arguments that are not evaluated yet. Those that are needed at once never become thunks.
    pub(super) fn apply_expressions(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        function: Value<'a>,
        arguments: &'a [ExprId],
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        match (function, arguments) {
            (Value::Closure(closure, _), [argument]) => {
                let argument = self.argument(closure, code, env, *argument)?;
                self.call_closure(closure, argument, &[], pos)
            }
            (Value::Closure(closure, _), [first, second]) if arity(closure, 1) == 1 => {
                let first = self.argument(closure, code, env, *first)?;
                let second = self.delay(code, env, *second);
                self.call_closure(closure, first, &[second], pos)
            }
            (Value::Builtin(builtin, _), _) if arguments.len() == builtin.arity as usize => {
                let mut values = [Value::Null(Pos::NONE); MAX_ARITY];
                let values = &mut values[..arguments.len()];
                for (index, (value, argument)) in values.iter_mut().zip(arguments).enumerate() {
                    *value = if builtin.forces(index) {
                        self.eval(code, env, *argument)?
                    } else {
                        self.delay(code, env, *argument)
                    };
                }
                let value = self.call_builtin(builtin, values, pos)?;
                self.force(value)
            }
            (_, [first, second]) => {
                let arguments = [self.delay(code, env, *first), self.delay(code, env, *second)];
                self.apply_forced(function, &arguments, pos)
            }
            (_, [first, second, third]) => {
                let arguments = [first, second, third].map(|argument| self.delay(code, env, *argument));
                self.apply_forced(function, &arguments, pos)
            }
            _ => {
                let arguments: SmallVec<[Value<'a>; 6]> =
                    arguments.iter().map(|argument| self.delay(code, env, *argument)).collect();
                self.apply_forced(function, &arguments, pos)
            }
        }
    }

    /// The first argument of a function.
    #[inline]
    fn argument(
        &self,
        closure: &Closure<'a>,
        code: &'a Code<'a>,
        env: Env<'a>,
        argument: ExprId,
    ) -> Result<'a, Value<'a>> {
        match &closure.lambda.parameter {
            Parameter::Pattern { .. } => self.eval(code, env, argument),
            Parameter::Name(..) => Ok(self.delay(code, env, argument)),
        }
    }

    /// The frame of a parameter.
    #[inline]
    pub fn bind(
        &self,
        code: &'a Code<'a>,
        lambda: &'a Lambda,
        env: Env<'a>,
        argument: Value<'a>,
        pos: Pos,
    ) -> Result<'a, &'a Frame<'a>> {
        match &lambda.parameter {
            Parameter::Name(..) => Ok(self.free_frames.take(self.arena, argument, env)),
            Parameter::Pattern { formals, ellipsis, whole } => {
                let whole = whole.is_some();
                self.bind_pattern(code, lambda, env, argument, Pattern { formals, ellipsis: *ellipsis, whole }, pos)
            }
        }
    }

    fn bind_pattern(
        &self,
        code: &'a Code<'a>,
        lambda: &'a Lambda,
        env: Env<'a>,
        argument: Value<'a>,
        Pattern { formals, ellipsis, whole }: Pattern<'a>,
        pos: Pos,
    ) -> Result<'a, &'a Frame<'a>> {
        let argument = self.force(argument)?;
        let (attrs, unknown) = match argument {
            Value::Attrs(attrs, _) => (Some(attrs), attrs.open),
            Value::Unknown(unknown, _) => {
                self.pass_over(argument);
                (None, Some(unknown))
            }
            other => {
                let message = format!("{} called with {} where it takes a set", called(lambda), other.described_type());
                return Err(Error::evaluation(message, pos).about(other));
            }
        };
        let slots = self.arena.slice_of(formals.len() + usize::from(whole), |_| Cell::new(Slot::Running));
        let frame: &Frame<'_> = self.arena.alloc(Frame::many(slots, env));
        let mut used = 0;
        for (formal, slot) in formals.iter().zip(slots) {
            slot.set(match (attrs.and_then(|attrs| attrs.get(formal.name)), unknown, formal.default) {
                (Some(attr), ..) => {
                    used += 1;
                    Slot::Value(attr.value)
                }
                (None, Some(unknown), _) => Slot::Value(Value::Unknown(unknown, code.name_pos(formal.key))),
                (None, None, Some(default)) => Slot::Deferred(default),
                (None, None, None) => return Err(missing_argument(code, lambda, formal, pos)),
            });
        }
        if whole && let Some(slot) = slots.last() {
            slot.set(Slot::Value(argument));
        }
        match attrs {
            Some(attrs) if !ellipsis && used < attrs.entries().len() => {
                self.charge(attrs.entries().len());
                let unexpected =
                    attrs.by_name().into_iter().find(|attr| !formals.iter().any(|formal| formal.name == attr.name));
                match unexpected {
                    Some(attr) => Err(unexpected_argument(lambda, formals, attr, pos)),
                    None => Ok(frame),
                }
            }
            _ => Ok(frame),
        }
    }
}

/// `{ a, b ? 1, ... }@whole`
struct Pattern<'a> {
    formals: &'a [Formal],
    ellipsis: bool,
    whole: bool,
}

/// How many arguments after the first a function takes before anything of it is evaluated, at most `most`.
fn arity(closure: &Closure<'_>, most: usize) -> usize {
    let mut lambda = closure.lambda;
    let mut count = 0;
    while let Expr::Lambda(inner) = closure.code.expr(lambda.body)
        && count < most
    {
        lambda = inner;
        count += 1;
    }
    count
}

#[cold]
fn in_call(error: &mut Error<'_>, lambda: &Lambda, pos: Pos) {
    error.add_step(pos, || match lambda.name {
        Some(name) => format!("while calling `{name}`"),
        None => "while calling an anonymous function".to_owned(),
    });
}

#[cold]
fn not_a_function<'a>(value: Value<'a>, pos: Pos) -> Box<Error<'a>> {
    Error::evaluation(format!("attempt to call something which is not a function but {}", value.described_type()), pos)
        .about(value)
}

fn called(lambda: &Lambda) -> String {
    lambda.name.map_or_else(|| "anonymous function".to_owned(), |name| format!("function '{name}'"))
}

#[cold]
fn missing_argument<'a>(code: &Code<'a>, lambda: &Lambda, formal: &Formal, pos: Pos) -> Box<Error<'a>> {
    let message = format!("{} called without required argument '{}'", called(lambda), formal.name);
    Error::evaluation(message, pos).through(code.name_pos(formal.key), || format!("`{}` is declared here", formal.name))
}

#[cold]
fn unexpected_argument<'a>(lambda: &Lambda, formals: &[Formal], extra: &Attr<'a>, pos: Pos) -> Box<Error<'a>> {
    let error = Error::evaluation(format!("{} called with unexpected argument '{}'", called(lambda), extra.name), pos)
        .pointing(extra.key, || format!("`{}` is given here", extra.name));
    match nearest(extra.name.as_str(), formals.iter().map(|f| f.name.as_str())) {
        Some(near) => error.with_help(format!("did you mean `{near}`?")),
        None => error,
    }
}

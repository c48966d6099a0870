//! Calls: functions, builtins and sets with `__functor`.

use std::rc::Rc;

use bulkhead_diagnostics::nearest;
use bulkhead_syntax::{Expr, Parameter, Symbol};

use super::Evaluator;
use crate::builtins::Builtin;
use crate::error::{Error, Result};
use crate::value::{Closure, Frame, Partial, Pos, Value};

impl Evaluator<'_> {
    /// Apply a function to arguments, one after the other.
    pub fn apply(&self, function: &Value, arguments: &[Value], pos: Pos) -> Result<Value> {
        let function = self.force(function)?;
        self.apply_forced(function, arguments, pos)
    }

    pub(super) fn apply_forced(&self, mut function: Value, mut arguments: &[Value], pos: Pos) -> Result<Value> {
        while let Some((first, rest)) = arguments.split_first() {
            match &function {
                Value::Closure(closure, _) => {
                    function = self.call_closure(closure, first.clone(), pos)?;
                    arguments = rest;
                }
                Value::Builtin(builtin, _) => {
                    let arity = builtin.arity as usize;
                    if arguments.len() < arity {
                        return Ok(Value::Partial(Rc::new(Partial { builtin, arguments: arguments.to_vec() }), pos));
                    }
                    function = self.call_builtin(builtin, &arguments[..arity], pos)?;
                    arguments = &arguments[arity..];
                }
                Value::Partial(partial, _) => {
                    let builtin = partial.builtin;
                    let missing = builtin.arity as usize - partial.arguments.len();
                    let take = missing.min(arguments.len());
                    let all: Vec<Value> = partial.arguments.iter().chain(&arguments[..take]).cloned().collect();
                    if take < missing {
                        return Ok(Value::Partial(Rc::new(Partial { builtin, arguments: all }), pos));
                    }
                    function = self.call_builtin(builtin, &all, pos)?;
                    arguments = &arguments[take..];
                }
                Value::Attrs(attrs, _) => {
                    let Some(functor) = attrs.get(self.symbols.functor) else {
                        if let Some(unknown) = &attrs.open {
                            return Err(Error::unknown(unknown, pos));
                        }
                        return Err(self.not_a_function(&function, pos));
                    };
                    let functor = functor.value.clone();
                    function = self.nested(pos, || self.apply(&functor, std::slice::from_ref(&function), pos))?;
                }
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                other => return Err(self.not_a_function(other, pos)),
            }
        }
        self.force(&function)
    }

    fn not_a_function(&self, value: &Value, pos: Pos) -> Box<Error> {
        Error::evaluation(
            format!("attempt to call something which is not a function but {}", value.described_type()),
            pos,
        )
    }

    fn call_builtin(&self, builtin: &'static Builtin, arguments: &[Value], pos: Pos) -> Result<Value> {
        let result = self.nested(pos, || (builtin.run)(self, arguments, pos));
        self.unless_unknown(result, pos)
            .map_err(|error| error.or_at(pos).through(pos, || format!("while calling the builtin `{}`", builtin.name)))
    }

    pub(super) fn call_closure(&self, closure: &Closure, argument: Value, pos: Pos) -> Result<Value> {
        let Expr::Lambda(lambda) = closure.code.ast.expr(closure.lambda) else {
            return Err(Error::evaluation("not a function", pos));
        };
        let frame = match &lambda.parameter {
            Parameter::Name(..) => Frame::one(argument, closure.env.clone()),
            Parameter::Pattern { .. } => {
                Some(self.match_pattern(closure, &lambda.parameter, lambda.name, argument, pos)?)
            }
        };
        self.eval(&closure.code, &frame, lambda.body).map_err(|error| {
            error.through(pos, || match lambda.name {
                Some(name) => format!("while calling `{name}`"),
                None => "while calling an anonymous function".to_owned(),
            })
        })
    }

    fn match_pattern(
        &self,
        closure: &Closure,
        parameter: &Parameter,
        name: Option<Symbol>,
        argument: Value,
        pos: Pos,
    ) -> Result<Rc<Frame>> {
        let Parameter::Pattern { formals, ellipsis, whole } = parameter else {
            return Err(Error::evaluation("not a pattern", pos));
        };
        let code = &closure.code;
        let called = || name.map_or_else(|| "anonymous function".to_owned(), |name| format!("function '{name}'"));
        let argument = self.force(&argument)?;
        let (attrs, unknown) = match &argument {
            Value::Attrs(attrs, _) => (Some(attrs), attrs.open.as_ref()),
            Value::Unknown(unknown, _) => (None, Some(unknown)),
            other => {
                return Err(Error::evaluation(
                    format!("{} called with {} where it takes a set", called(), other.described_type()),
                    pos,
                ));
            }
        };
        let mut used = 0;
        for formal in formals {
            let given = attrs.is_some_and(|attrs| attrs.get(formal.name).is_some());
            used += usize::from(given);
            if !given && formal.default.is_none() && unknown.is_none() {
                return Err(Error::evaluation(
                    format!("{} called without required argument '{}'", called(), formal.name),
                    pos,
                )
                .through(code.name_pos(formal.key), || format!("`{}` is declared here", formal.name)));
            }
        }
        if let Some(attrs) = attrs.filter(|attrs| !ellipsis && used < attrs.entries().len()) {
            let extra = attrs.by_name().into_iter().find(|attr| !formals.iter().any(|f| f.name == attr.name));
            if let Some(extra) = extra {
                let error =
                    Error::evaluation(format!("{} called with unexpected argument '{}'", called(), extra.name), pos);
                let near = nearest(extra.name.as_str(), formals.iter().map(|f| f.name.as_str()));
                return Err(match near {
                    Some(near) => error.with_help(format!("did you mean `{near}`?")),
                    None => error,
                });
            }
        }
        let frame = Frame::recursive(closure.env.clone(), |env| {
            let mut values: Vec<Value> = formals
                .iter()
                .map(|formal| match (attrs.and_then(|attrs| attrs.get(formal.name)), unknown, formal.default) {
                    (Some(attr), ..) => attr.value.clone(),
                    (None, Some(unknown), _) => Value::Unknown(unknown.clone(), code.name_pos(formal.key)),
                    (None, None, Some(default)) => self.delay(code, env, default),
                    (None, None, None) => Value::Null(Pos::NONE),
                })
                .collect();
            if whole.is_some() {
                values.push(argument.clone());
            }
            values
        });
        // Only a default that is used sees the frame.
        if formals.iter().any(|formal| formal.default.is_some()) {
            self.cycles.add(&frame);
        }
        Ok(frame)
    }
}

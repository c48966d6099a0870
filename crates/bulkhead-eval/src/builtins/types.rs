//! Builtins that ask what a value is.

use bulkhead_syntax::{Formal, Parameter};

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Attr, Closure, Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("isAttrs", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Attrs(..)))),
    builtin("isBool", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Bool(..)))),
    builtin("isFloat", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Float(..)))),
    builtin("isFunction", 1, |ev, args, pos| {
        is(ev, args, pos, |v| matches!(v, Value::Closure(..) | Value::Builtin(..) | Value::Partial(..)))
    }),
    builtin("isInt", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Int(..)))),
    builtin("isList", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::List(..)))),
    builtin("isNull", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Null(_)))),
    builtin("isPath", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Path(..)))),
    builtin("isString", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::String(..)))),
    builtin("typeOf", 1, |ev, args, pos| {
        let value = known(ev, args[0], pos)?;
        Ok(ev.string(value.type_name().as_bytes(), pos))
    }),
    builtin("functionArgs", 1, function_args),
];

fn known<'a>(ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<'a, Value<'a>> {
    match ev.force(value)? {
        Value::Unknown(unknown, _) => Err(Error::unknown(unknown, pos)),
        value => Ok(value),
    }
}

fn is<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos, test: fn(&Value<'a>) -> bool) -> Result<'a, Value<'a>> {
    Ok(Value::Bool(test(&known(ev, args[0], pos)?), pos))
}

fn function_args<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let Closure { code, lambda, .. } = match known(ev, args[0], pos)? {
        Value::Closure(closure, _) => closure,
        Value::Builtin(..) | Value::Partial(..) => return Ok(ev.attrs(Vec::new(), pos)),
        other => return Err(ev.wrong_type("a function", other, pos)),
    };
    let formals: &[Formal] = match &lambda.parameter {
        Parameter::Pattern { formals, .. } => formals,
        Parameter::Name(..) => &[],
    };
    let entries = formals.iter().map(|formal| {
        let key = code.name_pos(formal.key);
        Attr { name: formal.name, key, value: Value::Bool(formal.default.is_some(), key) }
    });
    Ok(ev.attrs(entries.collect(), pos))
}

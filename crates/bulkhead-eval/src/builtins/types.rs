//! Builtins that ask what a value is.

use bulkhead_syntax::{Formal, Parameter};

use super::{Builtin, forcing};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Attr, Closure, Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    forcing(0b1, "isAttrs", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Attrs(..)))),
    forcing(0b1, "isBool", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Bool(..)))),
    forcing(0b1, "isFloat", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Float(..)))),
    forcing(0b1, "isFunction", 1, |ev, args, pos| {
        is(ev, args, pos, |v| matches!(v, Value::Closure(..) | Value::Builtin(..) | Value::Partial(..)))
    }),
    forcing(0b1, "isInt", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Int(..)))),
    forcing(0b1, "isList", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::List(..)))),
    forcing(0b1, "isNull", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Null(_)))),
    forcing(0b1, "isPath", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::Path(..)))),
    forcing(0b1, "isString", 1, |ev, args, pos| is(ev, args, pos, |v| matches!(v, Value::String(..)))),
    forcing(0b1, "typeOf", 1, |ev, args, pos| {
        let value = known(ev, args[0], pos)?;
        Ok(ev.string(value.type_name().as_bytes(), pos))
    }),
    forcing(0b1, "functionArgs", 1, function_args),
];

fn known<'a>(ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<'a, Value<'a>> {
    match ev.force(value)? {
        Value::Unknown(unknown, _) => Err(Error::unknown(unknown, pos)),
        value => Ok(value),
    }
}

fn is<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos, test: fn(&Value<'a>) -> bool) -> Result<'a, Value<'a>> {
    Ok(Value::bool(test(&known(ev, args[0], pos)?), pos))
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
        Attr { name: formal.name, key, value: Value::bool(formal.default.is_some(), key) }
    });
    Ok(ev.attrs(entries.collect(), pos))
}

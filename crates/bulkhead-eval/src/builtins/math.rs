//! Builtins on numbers.

use bulkhead_syntax::BinaryOperator;

use super::{Builtin, builtin, forcing};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    forcing(0b11, "add", 2, |ev, args, pos| arithmetic(ev, BinaryOperator::Add, args, pos)),
    forcing(0b11, "sub", 2, |ev, args, pos| arithmetic(ev, BinaryOperator::Subtract, args, pos)),
    forcing(0b11, "mul", 2, |ev, args, pos| arithmetic(ev, BinaryOperator::Multiply, args, pos)),
    forcing(0b11, "div", 2, |ev, args, pos| arithmetic(ev, BinaryOperator::Divide, args, pos)),
    builtin("bitAnd", 2, |ev, args, pos| bits(ev, args, pos, |a, b| a & b)),
    builtin("bitOr", 2, |ev, args, pos| bits(ev, args, pos, |a, b| a | b)),
    builtin("bitXor", 2, |ev, args, pos| bits(ev, args, pos, |a, b| a ^ b)),
    builtin("ceil", 1, |ev, args, pos| round(ev, args[0], pos, "ceil", f64::ceil)),
    builtin("floor", 1, |ev, args, pos| round(ev, args[0], pos, "floor", f64::floor)),
    forcing(0b11, "lessThan", 2, |ev, args, pos| Ok(Value::bool(ev.less(args[0], args[1], pos)?, pos))),
];

fn arithmetic<'a>(ev: &Evaluator<'a>, operator: BinaryOperator, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let (left, right) = (ev.force(args[0])?, ev.force(args[1])?);
    ev.arithmetic(operator, left, right, pos)
}

fn bits<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos, operation: fn(i64, i64) -> i64) -> Result<'a, Value<'a>> {
    Ok(Value::Int(operation(ev.expect_int(args[0], pos)?, ev.expect_int(args[1], pos)?), pos))
}

fn round<'a>(
    ev: &Evaluator<'a>,
    value: Value<'a>,
    pos: Pos,
    name: &str,
    operation: fn(f64) -> f64,
) -> Result<'a, Value<'a>> {
    if let Value::Int(value, _) = ev.force(value)? {
        return Ok(Value::Int(value, pos));
    }
    let rounded = operation(ev.expect_number(value, pos)?);
    // The largest floats below and above the range of integers are powers of two, so these bounds are exact.
    if rounded >= i64::MIN as f64 && rounded < -(i64::MIN as f64) {
        return Ok(Value::Int(rounded as i64, pos));
    }
    Err(Error::evaluation(format!("'builtins.{name}' of {rounded}: not in the range of integers"), pos))
}

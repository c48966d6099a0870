//! Builtins that steer the evaluation: forcing, failing, catching, tracing.

use super::{Builtin, builtin, forcing};
use crate::data::FailureKind;
use crate::error::{Cause, Error, Result};
use crate::eval::Evaluator;
use crate::operators::CoerceMode;
use crate::print::print;
use crate::value::{Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    forcing(0b11, "seq", 2, |ev, args, _| {
        ev.pass_over(ev.force(args[0])?);
        ev.force(args[1])
    }),
    builtin("deepSeq", 2, |ev, args, pos| {
        ev.force_deep(args[0], pos)?;
        ev.force(args[1])
    }),
    builtin("throw", 1, |ev, args, pos| {
        let message = ev.coerce_to_string(args[0], CoerceMode::Interpolate, pos)?;
        // `tryEval` may catch it, again and again.
        ev.charge_bytes(message.len());
        Err(Error::new(FailureKind::Thrown, message.lossy(), pos))
    }),
    builtin("abort", 1, |ev, args, pos| {
        let message = ev.coerce_to_string(args[0], CoerceMode::Interpolate, pos)?;
        let message = format!("evaluation aborted with the following error message: '{}'", message.lossy());
        Err(Error::new(FailureKind::Aborted, message, pos))
    }),
    builtin("tryEval", 1, try_eval),
    builtin("addErrorContext", 2, |ev, args, pos| {
        ev.force(args[1]).map_err(|error| {
            let context = ev.coerce_to_string(args[0], CoerceMode::Interpolate, pos);
            error.through(pos, || {
                let shown = context.map_or_else(|_| String::new(), |text| beginning(text.bytes()));
                ev.charge_bytes(shown.len());
                shown
            })
        })
    }),
    forcing(0b1, "trace", 2, |ev, args, pos| {
        let message = match ev.force(args[0])? {
            Value::String(text, _) => text.lossy().into_owned(),
            other => {
                ev.pass_over(other);
                print(other)
            }
        };
        ev.charge(message.len());
        ev.say(format!("trace: {message}"), pos)?;
        ev.force(args[1])
    }),
    builtin("traceVerbose", 2, |ev, args, _| ev.force(args[1])),
    builtin("warn", 2, |ev, args, pos| {
        let message = ev.expect_string(args[0], pos)?;
        ev.say(format!("evaluation warning: {}", message.lossy()), pos)?;
        if ev.world.aborts_on_warnings() {
            let message = format!("a warning ends the evaluation, as was asked for: {}", message.lossy());
            return Err(Error::new(FailureKind::Aborted, message, pos));
        }
        ev.force(args[1])
    }),
    builtin("break", 1, |ev, args, _| ev.force(args[0])),
];

/// What is shown of the text of `addErrorContext`: a failure may carry many of them.
fn beginning(text: &[u8]) -> String {
    const SHOWN: usize = 10_000;
    match text.get(..SHOWN) {
        Some(start) => format!("{}…", String::from_utf8_lossy(start)),
        None => String::from_utf8_lossy(text).into_owned(),
    }
}

fn try_eval<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let before = ev.times_passed_over();
    let result = ev.force(args[0]);
    // Whether something unknown would have thrown is unknown too.
    let (success, value) = match result {
        Ok(Value::Unknown(unknown, at)) => (Value::Unknown(unknown, pos), Value::Unknown(unknown, at)),
        Ok(value) => match ev.passed_over_since(before) {
            Some(unknown) => (Value::Unknown(unknown, pos), Value::Unknown(unknown, pos)),
            None => (Value::bool(true, pos), value),
        },
        Err(error) if matches!(error.cause, Cause::Failure(FailureKind::Thrown)) => {
            (Value::bool(false, pos), Value::bool(false, pos))
        }
        Err(error) => return Err(error),
    };
    Ok(ev.attrs(vec![ev.attr("success", success, pos), ev.attr("value", value, pos)], pos))
}

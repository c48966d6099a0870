//! The builtins, and the names that are in scope everywhere.
//!
//! Each file holds the builtins of one subject and lists them in its `BUILTINS`. A builtin gets its arguments unforced
//! and the place of the call; it asks for what it needs with the `…_of` methods below, which force and check.

mod attrs;
mod context;
mod control;
mod derivation;
mod files;
mod formats;
mod globals;
pub mod impure;
mod lists;
mod math;
mod strings;
mod types;
mod xml;

use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Attrs, List, Pos, Str, Value};

pub use derivation::uninstantiated;
pub use files::Stored;
pub use formats::value_to_json_text;
pub use globals::Globals;

/// A function that is part of the language.
pub struct Builtin {
    /// Its name in `builtins`.
    pub name: &'static str,
    /// How many arguments it takes before it runs.
    pub arity: u8,
    /// Which arguments it evaluates before anything else, one after the other: bit 0 is the first.
    forced: u8,
    /// What it does with them.
    pub run: Run,
}

/// Gets the arguments, unforced, and the place of the call.
type Run = for<'a> fn(&Evaluator<'a>, &[Value<'a>], Pos) -> Result<'a, Value<'a>>;

impl Builtin {
    /// Whether it evaluates an argument before anything else, so that the caller may do so.
    #[inline]
    pub fn forces(&self, argument: usize) -> bool {
        self.forced >> argument & 1 == 1
    }
}

/// No builtin takes more arguments.
pub const MAX_ARITY: usize = 4;

/// A builtin that may leave its arguments alone.
const fn builtin(name: &'static str, arity: u8, run: Run) -> Builtin {
    forcing(0, name, arity, run)
}

/// A builtin that begins by evaluating some of its arguments, in order; bit 0 of `forced` is the first.
const fn forcing(forced: u8, name: &'static str, arity: u8, run: Run) -> Builtin {
    assert!(arity as usize <= MAX_ARITY);
    Builtin { name, arity, forced, run }
}

const TABLES: &[&[Builtin]] = &[
    attrs::BUILTINS,
    context::BUILTINS,
    control::BUILTINS,
    derivation::BUILTINS,
    files::BUILTINS,
    formats::BUILTINS,
    impure::BUILTINS,
    lists::BUILTINS,
    math::BUILTINS,
    strings::BUILTINS,
    types::BUILTINS,
    xml::BUILTINS,
];

impl<'a> Evaluator<'a> {
    /// The argument as a list.
    fn list_of(&self, value: Value<'a>, pos: Pos) -> Result<'a, &'a List<'a>> {
        match self.force(value)? {
            Value::List(list, _) => Ok(list),
            other => Err(self.wrong_type("a list", other, pos)),
        }
    }

    /// The argument as a set, which may be open.
    fn attrs_of(&self, value: Value<'a>, pos: Pos) -> Result<'a, &'a Attrs<'a>> {
        match self.force(value)? {
            Value::Attrs(attrs, _) => Ok(attrs),
            other => Err(self.wrong_type("a set", other, pos)),
        }
    }

    /// The argument as a set whose names are all known.
    fn closed_attrs_of(&self, value: Value<'a>, pos: Pos) -> Result<'a, &'a Attrs<'a>> {
        let attrs = self.attrs_of(value, pos)?;
        match attrs.open {
            Some(unknown) => Err(Error::unknown(unknown, pos)),
            None => Ok(attrs),
        }
    }

    /// The argument as a string without context.
    fn plain_string_of(&self, value: Value<'a>, pos: Pos) -> Result<'a, &'a Str<'a>> {
        let string = self.expect_string(value, pos)?;
        if string.context.is_some() {
            return Err(Error::evaluation(
                format!("the string '{}' is not allowed to refer to a store path", string.lossy()),
                pos,
            ));
        }
        Ok(string)
    }

    /// The argument as UTF-8 text, for builtins that work on nothing else.
    fn text_of(&self, value: Value<'a>, pos: Pos) -> Result<'a, &'a str> {
        let string = self.expect_string(value, pos)?;
        std::str::from_utf8(string.bytes()).map_err(|_| Error::evaluation("a string that is not UTF-8", pos))
    }

    /// The argument as something that can be called.
    fn expect_function(&self, value: Value<'a>, pos: Pos) -> Result<'a, Value<'a>> {
        let value = self.force(value)?;
        match value {
            Value::Closure(..) | Value::Builtin(..) | Value::Partial(..) => Ok(value),
            Value::Attrs(attrs, _) if attrs.open.is_some() || attrs.get(self.symbols.functor).is_some() => Ok(value),
            other => Err(self.wrong_type("a function", other, pos)),
        }
    }

    /// The same, which Nix evaluates even where nothing is called. What is unknown is passed over until it is.
    fn function_of(&self, value: Value<'a>, pos: Pos) -> Result<'a, Value<'a>> {
        let value = self.force(value)?;
        if let Value::Unknown(..) = value {
            self.pass_over(value);
            return Ok(value);
        }
        self.expect_function(value, pos)
    }

    fn bool_of_value(&self, value: Value<'a>, pos: Pos) -> Result<'a, bool> {
        let value = self.force(value)?;
        self.expect_bool(value, pos)
    }
}

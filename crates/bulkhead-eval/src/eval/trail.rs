//! How something unknown was reached, for who knows what it is by that: `import "${sources.nixpkgs}/nixos"` is a function that
//! makes systems, whatever the nixpkgs.

use bulkhead_syntax::{AttrName, StringPart};

use super::Evaluator;
use crate::error::{Cause, Error, Result};
use crate::value::{Attrs, Pos, Unknown, Value};

/// Longer trails lead to nothing that is known.
const LONGEST: usize = 200;

impl<'a> Evaluator<'a> {
    /// The same failure with the trail that `trail` makes of the one so far, if it is about something unknown and somebody
    /// asks.
    #[cold]
    pub fn on_trail(&self, mut error: Box<Error<'a>>, trail: impl FnOnce(&str) -> String) -> Box<Error<'a>> {
        let (Cause::Unknown(unknown), Some(_)) = (&error.cause, self.stand_in.get()) else { return error };
        let trail = trail(unknown.trail);
        let trail = if trail.len() > LONGEST { "" } else { self.arena.text(&trail) };
        error.cause = Cause::Unknown(self.arena.alloc(Unknown { trail, ..**unknown }));
        error
    }

    /// It was selected by a path. Where something lies is still that something.
    #[cold]
    pub(super) fn on_path(&self, error: Box<Error<'a>>, path: &[AttrName]) -> Box<Error<'a>> {
        self.on_trail(error, |trail| {
            let mut names = path.iter().rev().map(|name| match name {
                AttrName::Static(name, _) => Some(*name),
                AttrName::Dynamic(_) => None,
            });
            match names.find(|name| *name != Some(self.symbols.out_path)) {
                Some(Some(name)) => format!(".{}", name.as_str()),
                Some(None) => String::new(),
                None => trail.to_owned(),
            }
        })
    }

    /// Where a set lies that may have a `__toString` besides, if that is unknown and somebody asks: its trail tells more.
    #[cold]
    pub fn unknown_place(&self, attrs: &Attrs<'a>) -> Result<'a, Option<&'a Unknown<'a>>> {
        let (Some(_), Some(place)) = (self.stand_in.get(), attrs.get(self.symbols.out_path)) else { return Ok(None) };
        match self.force(place.value) {
            Ok(Value::Unknown(unknown, _)) => Ok(Some(unknown)),
            Err(error) if error.is_limit() => Err(error),
            _ => Ok(None),
        }
    }

    /// It is the first part of a string, before the others.
    #[cold]
    pub(super) fn in_string(&self, error: Box<Error<'a>>, parts: &[StringPart]) -> Box<Error<'a>> {
        self.on_trail(error, |trail| match parts {
            [StringPart::Interpolation(_)] => trail.to_owned(),
            [StringPart::Interpolation(_), StringPart::Text(text, _)] => format!("{trail}{text}"),
            _ => String::new(),
        })
    }

    /// What stands for a file that is imported, or for a function that is called. `what` says which of the two.
    pub fn stands_in(&self, what: &str, trail: &str, pos: Pos) -> Result<'a, Option<Value<'a>>> {
        let (Some(stand_in), false) = (self.stand_in.get(), trail.is_empty()) else { return Ok(None) };
        let arguments = [what, trail].map(|text| self.string(text, Pos::NONE));
        match self.apply(stand_in, &arguments, pos)? {
            Value::Null(_) => Ok(None),
            value => Ok(Some(value)),
        }
    }

    /// What stands for what a failure is about, if that is unknown.
    #[cold]
    pub fn stands_in_for(&self, what: &str, error: Box<Error<'a>>, pos: Pos) -> Result<'a, Value<'a>> {
        if let Cause::Unknown(unknown) = &error.cause
            && let Some(value) = self.stands_in(what, unknown.trail, pos)?
        {
            return Ok(value);
        }
        // What it gives is something else.
        Err(self.on_trail(error, |_| String::new()))
    }
}

//! How something unknown was reached, for who knows what it is by that: `import "${sources.nixpkgs}/nixos"` is a function that
//! makes systems, whatever the nixpkgs.

use bulkhead_syntax::{AttrName, StringPart};

use super::Evaluator;
use crate::error::{Cause, Error, Result};
use crate::value::{Pos, Unknown, Value};

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

    /// It was selected by a path.
    #[cold]
    pub(super) fn on_path(&self, error: Box<Error<'a>>, path: &[AttrName]) -> Box<Error<'a>> {
        self.on_trail(error, |_| match path.last() {
            Some(AttrName::Static(name, _)) => format!(".{}", name.as_str()),
            _ => String::new(),
        })
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

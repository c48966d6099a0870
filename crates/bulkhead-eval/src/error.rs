//! Why an evaluation does not give a value.

use bulkhead_diagnostics::Place;

use crate::data::{Failure, FailureKind};
use crate::value::{Pos, Unknown, Value};

/// The result of evaluating something.
pub type Result<'a, T> = std::result::Result<T, Box<Error<'a>>>;

/// How many steps of a trace are kept; the middle of a longer one tells nothing new.
const TRACE_LENGTH: usize = 40;

/// A failure, with the way to it.
#[derive(Debug)]
pub struct Error<'a> {
    pub cause: Cause<'a>,
    pub message: String,
    pub pos: Pos,
    pub help: Option<String>,
    /// A place that has no [`Pos`], because its file could not be parsed; counts before `pos`.
    pub place: Option<Place>,
    /// Further places of that kind.
    pub elsewhere: Vec<(Option<Place>, String)>,
    /// Through which calls it came, innermost first.
    pub trace: Vec<(Pos, String)>,
    /// How many steps were left out of `trace`.
    pub omitted: usize,
}

/// What kind of failure it is.
#[derive(Debug)]
pub enum Cause<'a> {
    /// A failure that the user sees.
    Failure(FailureKind),
    /// Not a failure: something needed is unknown. The innermost expression that needs it turns into unknown.
    Unknown(&'a Unknown<'a>),
}

impl<'a> Error<'a> {
    pub fn new(kind: FailureKind, message: impl Into<String>, pos: Pos) -> Box<Error<'a>> {
        Box::new(Error {
            cause: Cause::Failure(kind),
            message: message.into(),
            pos,
            help: None,
            place: None,
            elsewhere: Vec::new(),
            trace: Vec::new(),
            omitted: 0,
        })
    }

    /// A type error, a missing attribute, a wrong argument.
    pub fn evaluation(message: impl Into<String>, pos: Pos) -> Box<Error<'a>> {
        Error::new(FailureKind::Evaluation, message, pos)
    }

    pub fn unknown(unknown: &'a Unknown<'a>, pos: Pos) -> Box<Error<'a>> {
        Box::new(Error {
            cause: Cause::Unknown(unknown),
            message: String::new(),
            pos,
            help: None,
            place: None,
            elsewhere: Vec::new(),
            trace: Vec::new(),
            omitted: 0,
        })
    }

    /// A file or text that could not be parsed; it was asked for at `pos`.
    pub fn parsing(failure: Failure, pos: Pos) -> Box<Error<'a>> {
        let mut error = Error::new(failure.kind, failure.message, pos).placed(failure.place);
        error.help = failure.help;
        error.elsewhere = failure.trace;
        error
    }

    /// Whether a limit was reached, rather than something wrong found.
    pub fn is_limit(&self) -> bool {
        matches!(self.cause, Cause::Failure(FailureKind::Limit))
    }

    pub fn with_help(mut self: Box<Error<'a>>, help: impl Into<String>) -> Box<Error<'a>> {
        self.help = Some(help.into());
        self
    }

    pub fn placed(mut self: Box<Error<'a>>, place: Option<Place>) -> Box<Error<'a>> {
        self.place = place;
        self
    }

    /// Give a failure that has no place this one.
    pub fn or_at(mut self: Box<Error<'a>>, pos: Pos) -> Box<Error<'a>> {
        if self.pos == Pos::NONE {
            self.pos = pos;
        }
        self
    }

    /// Say what a value is that does not fit, where it was made.
    pub fn about(self: Box<Error<'a>>, value: Value<'a>) -> Box<Error<'a>> {
        self.pointing(value.pos(), || format!("this is {}", value.described_type()))
    }

    /// Say something about another place, if there is one.
    pub fn pointing(self: Box<Error<'a>>, pos: Pos, what: impl FnOnce() -> String) -> Box<Error<'a>> {
        if pos.number() == 0 { self } else { self.through(pos, what) }
    }

    /// Add a step to the trace: what was being done at `pos`. A step at the place of the last one, or of the failure
    /// itself, adds nothing.
    pub fn through(mut self: Box<Error<'a>>, pos: Pos, what: impl FnOnce() -> String) -> Box<Error<'a>> {
        self.add_step(pos, what);
        self
    }

    /// The same, in place.
    pub fn add_step(&mut self, pos: Pos, what: impl FnOnce() -> String) {
        let last = self.trace.last().map_or(self.pos, |(last, _)| *last);
        if matches!(self.cause, Cause::Unknown(_)) || last == pos {
            return;
        }
        if self.trace.len() < TRACE_LENGTH {
            self.trace.push((pos, what()));
        } else {
            self.omitted += 1;
        }
    }
}

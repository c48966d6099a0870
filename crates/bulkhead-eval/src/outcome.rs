//! From an evaluator's values and errors to owned data.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_source::ReadError;

use crate::code::Code;
use crate::data::{AttrsData, Data, DataKind, Failure, FailureKind, Field, Unknown};
use crate::error::{Cause, Error};
use crate::eval::Evaluator;
use crate::eval::limits::RAISE_LIMIT;
use crate::value::{self, Pos, Truth, Value};
use crate::world::ParseFailure;

/// Bytes that one node of [`Data`] takes with its name, roughly; counted against the limit of memory.
const NODE: usize = 256;

/// Deeper data is cut off with a failure: who reads it does so recursively, on stacks of any size. No configuration is
/// nested anywhere near this deep.
const MAX_NESTING: usize = 500;

impl<'a> Evaluator<'a> {
    /// Evaluate a value all the way down. Failures and unknowns stay where they are.
    pub fn data_of(&self, value: Value<'a>) -> Data {
        self.data_after(value, 0).0
    }

    /// The same after so many nodes, which count against the limit of memory too; gives how many there are now.
    pub fn data_after(&self, value: Value<'a>, nodes: usize) -> (Data, usize) {
        let mut path = Path { containers: Vec::new(), nodes, exhausted: None };
        (self.convert(value, Pos::NONE, &mut path), path.nodes)
    }

    fn convert(&self, value: Value<'a>, pos: Pos, path: &mut Path) -> Data {
        if let Some(failure) = &path.exhausted {
            return Data { kind: DataKind::Failed(failure.clone()), place: self.files.place(pos) };
        }
        let forced = self.part(value, pos, path);
        let value = match forced {
            Ok(value) => value,
            Err(error) => {
                let place = self.files.place(pos);
                let kind = match &error.cause {
                    Cause::Unknown(unknown) => DataKind::Unknown(self.unknown_of(unknown)),
                    Cause::Failure(kind) => {
                        let ends = self.ends(*kind, path);
                        let failure = Arc::new(self.failure_of(*error));
                        if ends {
                            path.exhausted = Some(failure.clone());
                        }
                        DataKind::Failed(failure)
                    }
                };
                return Data { kind, place };
            }
        };
        let place = self.files.place(value.pos());
        let kind = match value {
            Value::Null(_) => DataKind::Null,
            Value::Bool(Truth(value), _) => DataKind::Bool(value),
            Value::Int(value, _) => DataKind::Int(value),
            Value::Float(value, _) => DataKind::Float(value),
            Value::String(text, _) => DataKind::String(self.shared_text(text.bytes())),
            Value::Path(path, _) => DataKind::Path(self.shared_text(path.path.as_bytes())),
            Value::Closure(..) | Value::Builtin(..) | Value::Partial(..) | Value::Thunk(_) => DataKind::Function,
            Value::Unknown(unknown, _) => DataKind::Unknown(self.unknown_of(unknown)),
            Value::List(list, at) => match path.enter(ptr::from_ref(list) as usize) {
                false => self.endless(at),
                true => {
                    let items = list.iter().map(|item| self.convert(item, at, path)).collect();
                    path.containers.pop();
                    DataKind::List(items)
                }
            },
            Value::Attrs(attrs, at) => match self.output_path(attrs) {
                // A derivation is what it becomes in JSON and in strings: where its output lies.
                Ok(Some(Value::Unknown(unknown, _))) => DataKind::Unknown(self.unknown_of(unknown)),
                Ok(Some(Value::String(text, _))) => DataKind::String(self.shared_text(text.bytes())),
                Err(error) => self.failed(*error),
                Ok(_) if !path.enter(self.identity(attrs)) => self.endless(at),
                Ok(_) => {
                    let entries = attrs.entries().iter().map(|attr| {
                        let field =
                            Field { key: self.files.place(attr.key), value: self.convert(attr.value, attr.key, path) };
                        (self.shared_text(attr.name.as_str().as_bytes()), field)
                    });
                    let entries = entries.collect();
                    path.containers.pop();
                    let open = attrs.open.map(|unknown| self.unknown_of(unknown));
                    DataKind::Attrs(AttrsData { attrs: entries, open })
                }
            },
        };
        Data { kind, place }
    }

    /// A part of a value, evaluated within the limits.
    fn part(&self, value: Value<'a>, pos: Pos, path: &mut Path) -> Result<Value<'a>, Box<Error<'a>>> {
        path.nodes += 1;
        self.nested(pos, || {
            self.reserve(pos, path.nodes * NODE)?;
            if path.containers.len() > MAX_NESTING {
                return Err(self.limit(pos, format!("a value is nested more than {MAX_NESTING} levels deep")));
            }
            self.force(value)
        })
    }

    /// Whether nothing more can be evaluated after such a failure. Steps and memory don't come back: what is left needs no
    /// look, and no message of its own.
    fn ends(&self, kind: FailureKind, path: &Path) -> bool {
        kind == FailureKind::Limit && !self.has_room(path.nodes * NODE)
    }

    /// What [`Evaluator::data_after`] would give, in short; `nodes` are not kept.
    pub fn summary_of(&self, value: Value<'a>, nodes: usize, awaited: &str) -> Summary {
        let mut path = Path { containers: Vec::new(), nodes, exhausted: None };
        let mut summary = Summarizer { hasher: DefaultHasher::new(), awaited, waits: false };
        self.summarize(value, Pos::NONE, &mut path, &mut summary);
        Summary { hash: summary.hasher.finish(), values: path.nodes - nodes, waits: summary.waits }
    }

    /// As [`Evaluator::convert`].
    fn summarize(&self, value: Value<'a>, pos: Pos, path: &mut Path, summary: &mut Summarizer<'_>) {
        if path.exhausted.is_some() {
            return summary.tag(0);
        }
        let value = match self.part(value, pos, path) {
            Ok(value) => value,
            Err(error) => {
                if let Cause::Failure(kind) = &error.cause
                    && self.ends(*kind, path)
                {
                    path.exhausted = Some(Arc::new(self.failure_of(*error)));
                    return summary.tag(0);
                }
                return summary.error(&error);
            }
        };
        match value {
            Value::Null(_) => summary.tag(1),
            Value::Bool(Truth(value), _) => summary.tag(2 + u8::from(value)),
            Value::Int(value, _) => summary.word(4, value.cast_unsigned()),
            Value::Float(value, _) => summary.word(5, value.to_bits()),
            Value::String(text, _) => summary.text(6, text.bytes()),
            Value::Path(at, _) => summary.text(7, at.path.as_bytes()),
            Value::Closure(..) | Value::Builtin(..) | Value::Partial(..) | Value::Thunk(_) => summary.tag(8),
            Value::Unknown(unknown, _) => summary.unknown(unknown),
            Value::List(list, _) => {
                if !path.enter(ptr::from_ref(list) as usize) {
                    return summary.tag(0);
                }
                summary.word(9, list.len() as u64);
                list.iter().for_each(|item| self.summarize(item, pos, path, summary));
                path.containers.pop();
            }
            Value::Attrs(attrs, _) => match self.output_path(attrs) {
                Ok(Some(Value::Unknown(unknown, _))) => summary.unknown(unknown),
                Ok(Some(Value::String(text, _))) => summary.text(6, text.bytes()),
                Err(error) => summary.error(&error),
                Ok(_) if !path.enter(self.identity(attrs)) => summary.tag(0),
                Ok(_) => {
                    summary.word(10, attrs.entries().len() as u64);
                    match attrs.open {
                        Some(unknown) => summary.unknown(unknown),
                        None => summary.tag(11),
                    }
                    for attr in attrs.entries() {
                        attr.name.hash(&mut summary.hasher);
                        self.summarize(attr.value, attr.key, path, summary);
                    }
                    path.containers.pop();
                }
            },
        }
    }

    /// What tells a set apart from others: the address of what it stands for, or its own.
    pub fn identity(&self, attrs: &value::Attrs<'a>) -> usize {
        let own = ptr::from_ref(attrs) as usize;
        self.stand_ins.borrow().get(&own).copied().unwrap_or(own)
    }

    fn failed(&self, error: Error<'a>) -> DataKind {
        match &error.cause {
            Cause::Unknown(unknown) => DataKind::Unknown(self.unknown_of(unknown)),
            Cause::Failure(_) => DataKind::Failed(Arc::new(self.failure_of(error))),
        }
    }

    fn endless(&self, pos: Pos) -> DataKind {
        DataKind::Failed(Arc::new(Failure {
            message: "this value contains itself and has no end".to_owned(),
            kind: FailureKind::Evaluation,
            place: self.files.place(pos),
            help: None,
            trace: Vec::new(),
        }))
    }

    /// Why something is unknown, with its place.
    pub fn unknown_of(&self, unknown: &value::Unknown<'a>) -> Unknown {
        Unknown {
            reason: self.shared_text(unknown.reason.as_bytes()),
            help: unknown.help.map(|help| self.shared_text(help.as_bytes())),
            place: self.files.place(unknown.origin),
        }
    }

    /// A text that is handed out again and again: the same value is seen in several places, sets have the same names, and most
    /// values are unknown for one of a few reasons. So it is copied once. Bytes that are not UTF-8 are replaced.
    fn shared_text(&self, text: &'a [u8]) -> Arc<str> {
        let mut shared = self.shared_texts.borrow_mut();
        let known = shared.entry((text.as_ptr() as usize, text.len()));
        known.or_insert_with(|| Arc::from(String::from_utf8_lossy(text))).clone()
    }

    /// An error for people: places instead of positions.
    pub fn failure_of(&self, error: Error<'a>) -> Failure {
        let (kind, message, help, at) = match &error.cause {
            Cause::Failure(kind) => (*kind, in_words(error.message), error.help, error.pos),
            Cause::Unknown(unknown) => (
                FailureKind::Unknown,
                format!("this is unknown: {}", unknown.reason),
                unknown.help.map(str::to_owned),
                unknown.origin,
            ),
        };
        let mut trace = error.elsewhere;
        if error.place.is_some() && at != Pos::NONE {
            trace.push((self.files.place(at), "needed here".to_owned()));
        }
        trace.extend(error.trace.into_iter().map(|(pos, what)| (self.files.place(pos), what)));
        if error.omitted > 0 {
            trace.push((None, format!("… and {} steps more", error.omitted)));
        }
        Failure { message, kind, place: error.place.or_else(|| self.files.place(at)), help, trace }
    }
}

/// What a value is in all its parts, in short.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// Equal for what is equal but for functions, places, and why something has failed or, if it is for another reason than
    /// the one that was asked for, is unknown.
    pub hash: u64,
    /// How many values there are.
    pub values: usize,
    /// Whether a part is unknown for the reason that was asked for.
    pub waits: bool,
}

struct Summarizer<'t> {
    hasher: DefaultHasher,
    awaited: &'t str,
    waits: bool,
}

impl Summarizer<'_> {
    fn tag(&mut self, tag: u8) {
        tag.hash(&mut self.hasher);
    }

    fn word(&mut self, tag: u8, word: u64) {
        (tag, word).hash(&mut self.hasher);
    }

    fn text(&mut self, tag: u8, text: &[u8]) {
        (tag, text).hash(&mut self.hasher);
    }

    fn unknown(&mut self, unknown: &value::Unknown<'_>) {
        let waits = unknown.reason == self.awaited;
        self.tag(12 + u8::from(waits));
        self.waits |= waits;
    }

    fn error(&mut self, error: &Error<'_>) {
        match &error.cause {
            Cause::Unknown(unknown) => self.unknown(unknown),
            Cause::Failure(_) => self.tag(0),
        }
    }
}

/// The containers that are being converted, outermost first, and how many nodes there are so far.
struct Path {
    containers: Vec<usize>,
    nodes: usize,
    /// Why nothing more can be converted.
    exhausted: Option<Arc<Failure>>,
}

impl Path {
    /// Go into a container, unless it is being converted already.
    fn enter(&mut self, container: usize) -> bool {
        if self.containers.contains(&container) {
            return false;
        }
        self.containers.push(container);
        true
    }
}

/// A message that may be shown: `throw ""` has none.
fn in_words(message: String) -> String {
    let message = without_escapes(message);
    if message.trim().is_empty() { "thrown without a message".to_owned() } else { message }
}

/// A message without the sequences that colour it on a terminal (ECMA-48, `ESC [ … m`): it is shown in other places too,
/// and who wrote it has no say over the terminal.
pub fn without_escapes(message: String) -> String {
    if !message.contains('\u{1b}') {
        return message;
    }
    let mut out = String::with_capacity(message.len());
    let mut rest = message.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        out.push_str(before);
        rest = match after.strip_prefix('[') {
            Some(sequence) => {
                let end = sequence.find(|c: char| !matches!(c, '0'..='?' | ' '..='/'));
                end.map_or("", |end| sequence.get(end + 1..).unwrap_or(&sequence[end..]))
            }
            None => after,
        };
    }
    out.push_str(rest);
    out
}

/// The failure to parse a file, at its place.
pub fn parse_failure(file: &Arc<str>, failure: ParseFailure) -> Failure {
    let whole = |kind, message, help: Option<&str>| Failure {
        message,
        kind,
        place: Some(Place::file(file.clone())),
        help: help.map(str::to_owned),
        trace: Vec::new(),
    };
    match failure {
        ParseFailure::Read(error @ ReadError::TooLarge { .. }) => {
            whole(FailureKind::Read, error.to_string(), Some(RAISE_LIMIT))
        }
        ParseFailure::Read(error) => whole(FailureKind::Read, error.to_string(), None),
        ParseFailure::NotUtf8(offset, byte) => whole(
            FailureKind::Read,
            format!("can't read {file}: it is not UTF-8 (byte 0x{byte:02x} at {offset})"),
            Some("save the file as UTF-8"),
        ),
        ParseFailure::Syntax(errors) => {
            let mut errors = errors.into_iter();
            let Some(first) = errors.next() else {
                return whole(FailureKind::Syntax, "it is no Nix expression".to_owned(), None);
            };
            let mut trace = Vec::new();
            if let Some((span, message)) = first.related {
                trace.push((Some(Place::new(file.clone(), span)), message));
            }
            trace.extend(errors.map(|error| (Some(Place::new(file.clone(), error.span)), error.message)));
            Failure {
                message: first.message,
                kind: FailureKind::Syntax,
                place: Some(Place::new(file.clone(), first.span)),
                help: first.help,
                trace,
            }
        }
    }
}

/// Names that a file uses but nothing defines, as Nix finds them before it evaluates.
pub fn check_globals<'a>(evaluator: &Evaluator<'a>, code: &Code<'a>) -> Result<(), Box<Error<'a>>> {
    for (name, expr) in &code.ast.globals {
        let scoped = code.scope.is_some_and(|scope| scope.get(*name).is_some());
        if !scoped && !evaluator.globals.contains(*name) {
            return Err(evaluator.undefined(*name, code.pos(*expr)));
        }
    }
    Ok(())
}

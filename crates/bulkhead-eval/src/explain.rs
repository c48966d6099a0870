//! Where a value comes from: the name that it is bound to, the expression that made it, and the parts of a string that was
//! put together.

use std::cell::RefCell;

use bulkhead_diagnostics::Place;
use bulkhead_syntax::Symbol;
use rustc_hash::FxHashMap;

use crate::arena::{Arena, Memory};
use crate::code::Code;
use crate::data::Failure;
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::print::print;
use crate::request::{Request, attr_path, start};
use crate::value::{Pos, Str, Value};
use crate::world::World;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The value as Nix prints it, evaluated all the way down.
    pub value: String,
    /// What Nix calls its type.
    pub kind: &'static str,
    /// The name that it is bound to, where that is written; items of lists have none.
    pub key: Option<Place>,
    /// The expression that made it.
    pub place: Option<Place>,
    /// Of a string that was put together: its parts, in order.
    pub parts: Vec<Part>,
    /// Of a set its attributes, of a list its items: the name or index, and where each comes from.
    pub members: Vec<Member>,
}

/// A part of a string.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What it adds to the string.
    pub text: String,
    /// The text in a literal, or the expression that made the part.
    pub place: Option<Place>,
    /// The parts that it was put together of itself.
    pub parts: Vec<Part>,
}

/// An attribute of a set or an item of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name, or its index from 0.
    pub name: String,
    /// Where the name is written.
    pub key: Option<Place>,
    /// The expression that made the value.
    pub place: Option<Place>,
}

/// Parts nested deeper are not told apart.
const MAX_DEPTH: usize = 32;

/// So many parts of one string are told apart.
const MAX_PARTS: usize = 10_000;

/// What strings are put together of, by the strings; only kept while a value is to be explained.
#[derive(Default)]
pub struct Recorded<'a> {
    parts: RefCell<FxHashMap<*const Str<'a>, Vec<Recording<'a>>>>,
}

/// A part of a string as it is noted.
pub enum Recording<'a> {
    /// A piece of a literal.
    Literal(&'a [u8], Place),
    /// A value that was, or became, this string.
    Value(&'a Str<'a>, Pos),
}

impl<'a> Evaluator<'a> {
    /// Note what a string is put together of.
    #[inline]
    pub fn record(&self, whole: &'a Str<'a>, parts: impl FnOnce() -> Vec<Recording<'a>>) {
        if let Some(recorded) = &self.recorded {
            recorded.parts.borrow_mut().insert(std::ptr::from_ref(whole), parts());
        }
    }

    fn parts(&self, whole: &'a Str<'a>, depth: usize) -> Vec<Part> {
        let recorded = self.recorded.as_ref().map(|recorded| recorded.parts.borrow());
        let Some(parts) = recorded.as_ref().and_then(|parts| parts.get(&std::ptr::from_ref(whole))) else {
            return Vec::new();
        };
        if depth > MAX_DEPTH {
            return Vec::new();
        }
        let part = |part: &Recording<'a>| match part {
            Recording::Literal(text, place) => {
                Part { text: String::from_utf8_lossy(text).into_owned(), place: Some(place.clone()), parts: Vec::new() }
            }
            Recording::Value(text, pos) => Part {
                text: text.lossy().into_owned(),
                place: self.files.place(*pos),
                parts: self.parts(text, depth + 1),
            },
        };
        parts.iter().take(MAX_PARTS).map(part).collect()
    }

    fn explain(&self, value: Value<'a>, key: Pos) -> Result<'a, Explanation> {
        let value = self.force_deep(value, key)?;
        let member = |name: String, key: Pos, value: Value<'a>| Member {
            name,
            key: self.files.place(key),
            place: self.files.place(value.resolved().pos()),
        };
        let members = match value {
            Value::List(list, _) => {
                list.iter().enumerate().map(|(index, item)| member(index.to_string(), Pos::NONE, item)).collect()
            }
            Value::Attrs(attrs, _) => {
                attrs.by_name().into_iter().map(|attr| member(attr.name.to_string(), attr.key, attr.value)).collect()
            }
            _ => Vec::new(),
        };
        let parts = match value {
            Value::String(text, _) => self.parts(text, 0),
            _ => Vec::new(),
        };
        Ok(Explanation {
            value: print(value),
            kind: value.type_name(),
            key: self.files.place(key),
            place: self.files.place(value.pos()),
            parts,
            members,
        })
    }

    /// Go down to a value; gives where its name is written too.
    fn find(&self, mut value: Value<'a>, path: &str, arguments: Value<'a>) -> Result<'a, (Value<'a>, Pos)> {
        let mut key = Pos::NONE;
        for name in attr_path(path)? {
            let around = self.follow_name(value, &name, path, arguments)?;
            key = match around.0 {
                Value::Attrs(attrs, _) => attrs.get(Symbol::new(&name)).map_or(Pos::NONE, |attr| attr.key),
                _ => Pos::NONE,
            };
            value = around.1;
        }
        Ok((value, key))
    }
}

/// Where the value at `path` in the result of a request comes from.
pub fn explain(world: &World, request: &Request, path: &str) -> std::result::Result<Explanation, Failure> {
    let memory = Memory::new();
    let arena = Arena::new(&memory);
    let mut evaluator = Evaluator::new(world, &arena);
    evaluator.recorded = Some(Recorded::default());
    let explained = explained(&evaluator, request, path);
    explained.map_err(|error| evaluator.failure_of(*error))
}

fn explained<'a>(ev: &Evaluator<'a>, request: &Request, path: &str) -> Result<'a, Explanation> {
    let (value, arguments) = start(ev, request)?;
    let (value, key) = ev.find(value, path, arguments)?;
    match ev.explain(value, key) {
        // What is said of the value must not hide where it would have come from.
        Err(error) => Err::<Explanation, Box<Error<'a>>>(error.or_at(key)),
        explained => explained,
    }
}

impl<'a> Code<'a> {
    /// The place of a piece of a literal.
    pub fn literal(&self, span: bulkhead_source::Span) -> Place {
        Place::new(self.file.clone(), span)
    }
}

//! Values while they are evaluated: lazy, shared, and each with the place of the expression that made it.
//!
//! A [`Value`] is 16 bytes: a tag, a [`Pos`] and one word. What is larger lies behind an [`Rc`]; an evaluator stays on
//! one thread. Deep structures are dropped without recursing without end (see [`memory`](crate::memory)).

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use bulkhead_syntax::{ExprId, Symbol};

use crate::builtins::Builtin;
use crate::code::Code;
use crate::memory;

/// A place in the files of one evaluator: 0 is none; see [`crate::code::Files`] for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos(pub u32);

impl Pos {
    /// No place.
    pub const NONE: Pos = Pos(0);
}

/// A Nix value, perhaps not evaluated yet. The [`Pos`] is the expression that made it.
#[derive(Clone)]
pub enum Value {
    Null(Pos),
    Bool(bool, Pos),
    Int(i64, Pos),
    Float(f64, Pos),
    String(Rc<Str>, Pos),
    Path(Rc<PathValue>, Pos),
    List(Rc<List>, Pos),
    Attrs(Rc<Attrs>, Pos),
    Closure(Rc<Closure>, Pos),
    Builtin(&'static Builtin, Pos),
    /// A builtin that waits for more arguments.
    Partial(Rc<Partial>, Pos),
    Unknown(Rc<Unknown>, Pos),
    /// Not evaluated yet, or evaluated and shared. Never inside a forced value's own tag.
    Thunk(Rc<Thunk>),
}

impl Value {
    /// Where it was made; of a thunk, nothing is said.
    pub fn pos(&self) -> Pos {
        match self {
            Value::Null(pos)
            | Value::Bool(_, pos)
            | Value::Int(_, pos)
            | Value::Float(_, pos)
            | Value::String(_, pos)
            | Value::Path(_, pos)
            | Value::List(_, pos)
            | Value::Attrs(_, pos)
            | Value::Closure(_, pos)
            | Value::Builtin(_, pos)
            | Value::Partial(_, pos)
            | Value::Unknown(_, pos) => *pos,
            Value::Thunk(_) => Pos::NONE,
        }
    }

    /// A string without context.
    pub fn string(bytes: impl Into<Box<[u8]>>, pos: Pos) -> Value {
        Value::String(Str::new(bytes.into(), None), pos)
    }

    /// A list.
    pub fn list(items: Vec<Value>, pos: Pos) -> Value {
        Value::List(List::new(items), pos)
    }

    /// `{ name = value; … }`.
    pub fn attrs(attrs: Attrs, pos: Pos) -> Value {
        Value::Attrs(Rc::new(attrs), pos)
    }

    /// A value that is evaluated when it is needed.
    pub fn thunk(state: State) -> Value {
        memory::allocated(size_of::<Thunk>());
        Value::Thunk(Rc::new(Thunk { state: Cell::new(state) }))
    }

    /// What Nix calls the type, for `typeOf`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null(_) => "null",
            Value::Bool(..) => "bool",
            Value::Int(..) => "int",
            Value::Float(..) => "float",
            Value::String(..) => "string",
            Value::Path(..) => "path",
            Value::List(..) => "list",
            Value::Attrs(..) => "set",
            Value::Closure(..) | Value::Builtin(..) | Value::Partial(..) => "lambda",
            Value::Unknown(..) => "unknown",
            Value::Thunk(_) => "thunk",
        }
    }

    /// What Nix calls the type in its messages, with an article.
    pub fn described_type(&self) -> &'static str {
        match self {
            Value::Null(_) => "null",
            Value::Bool(..) => "a Boolean",
            Value::Int(..) => "an integer",
            Value::Float(..) => "a float",
            Value::String(s, _) if s.context.is_some() => "a string with context",
            Value::String(..) => "a string",
            Value::Path(..) => "a path",
            Value::List(..) => "a list",
            Value::Attrs(..) => "a set",
            Value::Closure(..) => "a function",
            Value::Builtin(..) => "a built-in function",
            Value::Partial(..) => "a partially applied built-in function",
            Value::Unknown(..) => "unknown",
            Value::Thunk(_) => "a thunk",
        }
    }
}

/// A string: bytes, as in Nix, and what it depends on in the store.
pub struct Str {
    pub bytes: Box<[u8]>,
    pub context: Option<Rc<Context>>,
}

impl Str {
    pub fn new(bytes: Box<[u8]>, context: Option<Rc<Context>>) -> Rc<Str> {
        memory::allocated(size_of::<Str>() + bytes.len());
        Rc::new(Str { bytes, context: context.filter(|c| !c.is_empty()) })
    }

    /// The text; bytes that are not UTF-8 are replaced.
    pub fn lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

impl Drop for Str {
    fn drop(&mut self) {
        memory::freed(size_of::<Str>() + self.bytes.len());
    }
}

/// What a string refers to in the store.
pub type Context = BTreeSet<ContextElement>;

/// One reference of a string to the store, as in Nix's `NixStringContextElem`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ContextElement {
    /// A store path itself.
    Opaque(Arc<str>),
    /// A derivation with all its outputs.
    DrvDeep(Arc<str>),
    /// An output of a derivation.
    Output { drv: Arc<str>, output: Arc<str> },
}

/// A path: absolute, normalised.
pub struct PathValue {
    pub path: Box<str>,
}

/// The items of a list.
pub struct List {
    pub items: Vec<Value>,
}

impl List {
    pub fn new(items: Vec<Value>) -> Rc<List> {
        memory::allocated(size_of::<List>() + items.len() * size_of::<Value>());
        Rc::new(List { items })
    }
}

impl Drop for List {
    fn drop(&mut self) {
        memory::freed(size_of::<List>() + self.items.len() * size_of::<Value>());
        memory::drop_many(self.items.drain(..));
    }
}

/// One attribute.
#[derive(Clone)]
pub struct Attr {
    pub name: Symbol,
    /// Where the name is written.
    pub key: Pos,
    pub value: Value,
}

/// A set: attributes sorted by [`Symbol`], each name once.
pub struct Attrs {
    entries: Vec<Attr>,
    /// Why there may be more attributes than `entries`, if there may. An attribute in `entries` surely exists.
    pub open: Option<Rc<Unknown>>,
}

impl Attrs {
    /// A set of attributes in any order; of a name that comes twice the first counts.
    pub fn new(mut entries: Vec<Attr>) -> Attrs {
        if !entries.is_sorted_by(|a, b| a.name < b.name) {
            entries.sort_by_key(|attr| attr.name);
            entries.dedup_by_key(|attr| attr.name);
        }
        Attrs::from_sorted(entries, None)
    }

    /// A set of attributes that are sorted by symbol and unique.
    pub fn from_sorted(entries: Vec<Attr>, open: Option<Rc<Unknown>>) -> Attrs {
        memory::allocated(size_of::<Attrs>() + entries.len() * size_of::<Attr>());
        Attrs { entries, open }
    }

    pub fn get(&self, name: Symbol) -> Option<&Attr> {
        self.entries.binary_search_by_key(&name, |attr| attr.name).ok().map(|i| &self.entries[i])
    }

    /// All attributes, by symbol: an order without meaning.
    pub fn entries(&self) -> &[Attr] {
        &self.entries
    }

    /// All attributes in the order of their names' bytes, the order that Nix shows.
    pub fn by_name(&self) -> Vec<&Attr> {
        let mut sorted: Vec<(&'static str, &Attr)> = self.entries.iter().map(|a| (a.name.as_str(), a)).collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted.into_iter().map(|(_, attr)| attr).collect()
    }
}

impl Drop for Attrs {
    fn drop(&mut self) {
        memory::freed(size_of::<Attrs>() + self.entries.len() * size_of::<Attr>());
        memory::drop_many(self.entries.drain(..).map(|attr| attr.value));
    }
}

/// A function of the language, with the frames it sees.
pub struct Closure {
    pub code: Rc<Code>,
    /// The [`bulkhead_syntax::Expr::Lambda`].
    pub lambda: ExprId,
    pub env: Env,
}

/// A builtin with fewer arguments than it takes.
pub struct Partial {
    pub builtin: &'static Builtin,
    pub arguments: Vec<Value>,
}

impl Drop for Partial {
    fn drop(&mut self) {
        memory::drop_many(self.arguments.drain(..));
    }
}

/// Why a value is not known.
#[derive(Debug)]
pub struct Unknown {
    /// A clause: "the environment is not read".
    pub reason: Arc<str>,
    /// What to do about it.
    pub help: Option<Arc<str>>,
    /// The expression that brought it in.
    pub origin: Pos,
}

/// The frames that an expression sees, innermost first.
pub type Env = Option<Rc<Frame>>;

/// One frame; see [`bulkhead_syntax::ast`] for which expressions open one.
pub struct Frame {
    pub parent: Env,
    slots: Slots,
}

enum Slots {
    One(Value),
    /// The set of a `with`, and how many frames further out that of the next `with` is.
    With(Value, Option<u32>),
    /// Empty while the values that see this frame are being made, and once the evaluation is over.
    Many(RefCell<Box<[Value]>>),
}

impl Frame {
    /// The frame of a `with`; `outer` as in [`bulkhead_syntax::Expr::With`].
    pub fn with(set: Value, outer: Option<u32>, parent: Env) -> Env {
        memory::allocated(size_of::<Frame>());
        Some(Rc::new(Frame { parent, slots: Slots::With(set, outer) }))
    }

    /// The frame of the next `with` outside this one.
    pub fn outer_with(&self) -> Option<&Rc<Frame>> {
        let Slots::With(_, Some(outer)) = self.slots else { return None };
        let mut frame = self.parent.as_ref()?;
        for _ in 1..outer {
            frame = frame.parent.as_ref()?;
        }
        Some(frame)
    }

    /// A frame of one value (a plain parameter).
    pub fn one(value: Value, parent: Env) -> Env {
        memory::allocated(size_of::<Frame>());
        Some(Rc::new(Frame { parent, slots: Slots::One(value) }))
    }

    /// A frame of values that see the frame itself: `make` gets it before it has any.
    pub fn recursive(parent: Env, make: impl FnOnce(&Env) -> Vec<Value>) -> Rc<Frame> {
        let frame = Rc::new(Frame { parent, slots: Slots::Many(RefCell::default()) });
        let values = make(&Some(frame.clone())).into_boxed_slice();
        memory::allocated(size_of::<Frame>() + values.len() * size_of::<Value>());
        if let Slots::Many(slots) = &frame.slots {
            slots.replace(values);
        }
        frame
    }

    /// Take the values out of a recursive frame: what they see is the frame itself, so it would never be dropped.
    pub fn take_values(&self) -> Vec<Value> {
        let Slots::Many(slots) = &self.slots else { return Vec::new() };
        let values = slots.take().into_vec();
        memory::freed(values.len() * size_of::<Value>());
        values
    }

    /// The value in a slot; `None` only while the frame is being made.
    pub fn slot(&self, slot: u32) -> Option<Value> {
        match &self.slots {
            Slots::One(value) | Slots::With(value, _) => Some(value.clone()),
            Slots::Many(slots) => slots.borrow().get(slot as usize).cloned(),
        }
    }

    /// All values of the frame.
    pub fn values(&self) -> Vec<Value> {
        match &self.slots {
            Slots::One(value) | Slots::With(value, _) => vec![value.clone()],
            Slots::Many(slots) => slots.borrow().to_vec(),
        }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let bytes = match &mut self.slots {
            Slots::One(value) | Slots::With(value, _) => {
                memory::drop_many([std::mem::replace(value, Value::Null(Pos::NONE))].into_iter());
                0
            }
            Slots::Many(slots) => {
                let values = slots.take().into_vec();
                let bytes = values.len() * size_of::<Value>();
                memory::drop_many(values.into_iter());
                bytes
            }
        };
        memory::freed(size_of::<Frame>() + bytes);
        if let Some(parent) = self.parent.take() {
            memory::drop_frame(parent);
        }
    }
}

/// A value that is evaluated when it is first needed, and once.
pub struct Thunk {
    pub state: Cell<State>,
}

/// What is known of a thunk.
pub enum State {
    /// Evaluated; never a [`Value::Thunk`].
    Done(Value),
    /// An expression and the frames it sees.
    Delayed { file: u16, expr: ExprId, env: Env },
    /// A function to be applied to one argument.
    Apply(Box<(Value, Value, Pos)>),
    /// Attribute `name` of a set, for `inherit (set) name`.
    Select(Box<(Value, Symbol, Pos)>),
    /// Another value, perhaps not evaluated.
    Forward(Value),
    /// Being evaluated: needing it now is infinite recursion.
    Running,
}

impl Thunk {
    /// The value, if it has been evaluated.
    pub fn done(&self) -> Option<Value> {
        let state = self.state.replace(State::Running);
        let value = match &state {
            State::Done(value) => Some(value.clone()),
            _ => None,
        };
        self.state.set(state);
        value
    }
}

impl Drop for Thunk {
    fn drop(&mut self) {
        memory::freed(size_of::<Thunk>());
        match self.state.replace(State::Running) {
            State::Done(value) | State::Forward(value) => memory::drop_many([value].into_iter()),
            State::Delayed { env: Some(frame), .. } => memory::drop_frame(frame),
            State::Apply(parts) => memory::drop_many([parts.0, parts.1].into_iter()),
            State::Select(parts) => memory::drop_many([parts.0].into_iter()),
            State::Delayed { env: None, .. } | State::Running => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_thunks_stay_small() {
        assert_eq!(size_of::<Value>(), 16);
        assert_eq!(size_of::<Attr>(), 24);
        assert_eq!(size_of::<Thunk>(), 24);
    }
}

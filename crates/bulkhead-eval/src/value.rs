//! Values while they are evaluated: lazy, shared, and each with the place of the expression that made it.
//!
//! A [`Value`] is 16 bytes: a tag, a [`Pos`] and one word. What is larger lies in the [`Arena`], and a value points
//! there; so values are copied freely and never dropped.

use std::borrow::Cow;
use std::cell::Cell;
use std::ptr;

use bulkhead_syntax::{ExprId, Lambda, Symbol};

use crate::arena::Arena;
use crate::builtins::Builtin;
use crate::code::Code;

/// A place in the files of one evaluator: 0 is none; see [`crate::code::Files`] for the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pos(pub u32);

impl Pos {
    /// No place.
    pub const NONE: Pos = Pos(0);

    const CARRIED: u32 = 1 << 31;

    /// The same place, of a name that a builtin (`mapAttrs`) took over from another set. Nix forgets it there, and so does
    /// `unsafeGetAttrPos`; where values come from is told nevertheless.
    pub fn carried(self) -> Pos {
        if self == Pos::NONE { self } else { Pos(self.0 | Pos::CARRIED) }
    }

    /// The place, unless it was carried over.
    pub fn own(self) -> Pos {
        if self.0 & Pos::CARRIED == 0 { self } else { Pos::NONE }
    }

    /// The number of the place.
    pub fn number(self) -> u32 {
        self.0 & !Pos::CARRIED
    }
}

/// A Nix value, perhaps not evaluated yet. The [`Pos`] is the expression that made it.
#[derive(Clone, Copy)]
pub enum Value<'a> {
    Null(Pos),
    Bool(Truth, Pos),
    Int(i64, Pos),
    Float(f64, Pos),
    String(&'a Str<'a>, Pos),
    Path(&'a PathValue<'a>, Pos),
    List(&'a List<'a>, Pos),
    Attrs(&'a Attrs<'a>, Pos),
    Closure(&'a Closure<'a>, Pos),
    Builtin(&'static Builtin, Pos),
    /// A builtin that waits for more arguments.
    Partial(&'a Partial<'a>, Pos),
    Unknown(&'a Unknown<'a>, Pos),
    /// Not evaluated yet, or evaluated and shared. Never inside a forced value's own tag.
    Thunk(&'a Thunk<'a>),
}

/// A Boolean of four bytes: with smaller parts the compiler would copy values byte by byte.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(align(4))]
pub struct Truth(pub bool);

impl<'a> Value<'a> {
    /// `true` or `false`.
    #[inline]
    pub fn bool(value: bool, pos: Pos) -> Value<'a> {
        Value::Bool(Truth(value), pos)
    }

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

    /// Equal for values that are the same in memory, with the same place; so they are equal in all that can be asked of them.
    pub fn identity(self) -> (u8, u32, u64) {
        fn address<T>(of: &T) -> u64 {
            ptr::from_ref(of) as u64
        }
        let (kind, word) = match self {
            Value::Null(_) => (0, 0),
            Value::Bool(Truth(value), _) => (1, u64::from(value)),
            Value::Int(value, _) => (2, value.cast_unsigned()),
            Value::Float(value, _) => (3, value.to_bits()),
            Value::String(text, _) => (4, address(text)),
            Value::Path(path, _) => (5, address(path)),
            Value::List(list, _) => (6, address(list)),
            Value::Attrs(attrs, _) => (7, address(attrs)),
            Value::Closure(closure, _) => (8, address(closure)),
            Value::Builtin(builtin, _) => (9, address(builtin)),
            Value::Partial(partial, _) => (10, address(partial)),
            Value::Unknown(unknown, _) => (11, address(unknown)),
            Value::Thunk(thunk) => (12, address(thunk)),
        };
        (kind, self.pos().0, word)
    }

    /// The value itself or, of a thunk that has been evaluated, its value: to look at, not to be put in its place.
    pub fn resolved(self) -> Value<'a> {
        match self.settled() {
            Value::Thunk(Thunk { state }) => match state.get() {
                State::DonePast(past) => past.value,
                _ => self,
            },
            value => value,
        }
    }

    /// The value itself or, of a thunk that has been evaluated, its value, if that is all there is to know of the thunk.
    #[inline]
    pub fn settled(self) -> Value<'a> {
        match self {
            Value::Thunk(thunk) => match thunk.state.get() {
                State::Done(value) => value,
                _ => self,
            },
            value => value,
        }
    }
}

/// A string: bytes, as in Nix, and what it depends on in the store.
///
/// A long string that was put together is not copied until its bytes are asked for, so that building one piece by piece
/// takes linear time and memory.
pub struct Str<'a> {
    content: Cell<Content<'a>>,
    pub context: Option<&'a Context<'a>>,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    Flat(&'a [u8]),
    Joined(&'a Joined<'a>),
}

struct Joined<'a> {
    left: &'a Str<'a>,
    right: &'a Str<'a>,
    length: usize,
    arena: &'a Arena<'a>,
}

impl<'a> Str<'a> {
    /// Shorter strings are copied at once.
    const WORTH_JOINING: usize = 256;

    pub fn flat(bytes: &'a [u8], context: Option<&'a Context<'a>>) -> Str<'a> {
        Str { content: Cell::new(Content::Flat(bytes)), context }
    }

    /// One string behind the other.
    pub fn joined(
        arena: &'a Arena<'a>,
        left: &'a Str<'a>,
        right: &'a Str<'a>,
        context: Option<&'a Context<'a>>,
    ) -> Str<'a> {
        let length = left.len() + right.len();
        if length < Self::WORTH_JOINING {
            return Str::flat(arena.bytes(length, [left.bytes(), right.bytes()].into_iter()), context);
        }
        let joined = arena.alloc(Joined { left, right, length, arena });
        Str { content: Cell::new(Content::Joined(joined)), context }
    }

    pub fn len(&self) -> usize {
        match self.content.get() {
            Content::Flat(bytes) => bytes.len(),
            Content::Joined(joined) => joined.length,
        }
    }

    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        match self.content.get() {
            Content::Flat(bytes) => bytes,
            Content::Joined(joined) => self.flatten(joined),
        }
    }

    #[cold]
    fn flatten(&self, joined: &'a Joined<'a>) -> &'a [u8] {
        // From right to left, without recursion: it may be a million strings deep.
        let mut parts = Vec::new();
        let mut rest = vec![joined.left, joined.right];
        while let Some(next) = rest.pop() {
            match next.content.get() {
                Content::Flat(bytes) => parts.push(bytes),
                Content::Joined(joined) => rest.extend([joined.left, joined.right]),
            }
        }
        let bytes = joined.arena.bytes(joined.length, parts.into_iter().rev());
        self.content.set(Content::Flat(bytes));
        bytes
    }

    /// The text; bytes that are not UTF-8 are replaced.
    pub fn lossy(&self) -> Cow<'a, str> {
        // Texts of megabytes are looked at, and this is the quicker way where nothing is to be replaced.
        match std::str::from_utf8(self.bytes()) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(self.bytes()),
        }
    }
}

/// What a string refers to in the store: sorted, each element once, at least one.
pub struct Context<'a> {
    pub elements: &'a [ContextElement<'a>],
}

/// One reference of a string to the store, as in Nix's `NixStringContextElem`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ContextElement<'a> {
    /// A store path itself.
    Opaque(&'a str),
    /// A derivation with all its outputs.
    DrvDeep(&'a str),
    /// An output of a derivation.
    Output { drv: &'a str, output: &'a str },
}

/// A path: absolute, normalised.
pub struct PathValue<'a> {
    pub path: &'a str,
}

/// The items of a list: a part of a row that other lists may share.
///
/// The row behind a list that was made by `++` may have room left. Appending to it takes that room, which no other list
/// sees; so a list that is built piece by piece is not copied each time.
pub struct List<'a> {
    items: &'a [Cell<Value<'a>>],
    room: Option<&'a Room<'a>>,
}

struct Room<'a> {
    all: &'a [Cell<Value<'a>>],
    used: Cell<usize>,
}

impl<'a> List<'a> {
    pub fn new(items: &'a [Cell<Value<'a>>]) -> List<'a> {
        List { items, room: None }
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<Value<'a>> {
        self.items.get(index).map(Cell::get)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value<'a>> + DoubleEndedIterator + use<'a> {
        self.items.iter().map(Cell::get)
    }

    /// The list without its first item; shares the row.
    pub fn tail(&self) -> Option<List<'a>> {
        Some(List { items: self.items.get(1..)?, room: self.room })
    }

    /// How many bytes [`List::concat`] will take.
    pub fn concat_cost(&self, other: &List<'a>) -> usize {
        if self.fits(other.len()).is_some() { 0 } else { (self.len() + other.len()) * size_of::<Value<'_>>() }
    }

    /// This list and another behind it.
    pub fn concat(&self, arena: &'a Arena<'a>, other: &List<'a>) -> List<'a> {
        let length = self.len() + other.len();
        if let Some((room, start)) = self.fits(other.len()) {
            let used = room.used.get();
            for (slot, item) in room.all[used..].iter().zip(other.iter()) {
                slot.set(item);
            }
            room.used.set(used + other.len());
            return List { items: &room.all[start..start + length], room: Some(room) };
        }
        // A list that was appended to before will be so again.
        let capacity = if self.room.is_some() { length * 2 } else { length };
        let filler = std::iter::repeat_n(Value::Null(Pos::NONE), capacity - length);
        let mut items = self.iter().chain(other.iter()).chain(filler);
        let next = (0..capacity).map(|_| Cell::new(items.next().unwrap_or(Value::Null(Pos::NONE))));
        let all = arena.slice(next);
        let room = arena.alloc(Room { all, used: Cell::new(length) });
        List { items: &all[..length], room: Some(room) }
    }

    /// The room behind the list if there is enough, and where the list starts in it.
    fn fits(&self, more: usize) -> Option<(&'a Room<'a>, usize)> {
        let room = self.room?;
        let used = room.used.get();
        let start = used.checked_sub(self.len())?;
        let at_end = ptr::eq(self.items.as_ptr(), room.all.get(start)?);
        (at_end && room.all.len() - used >= more).then_some((room, start))
    }
}

/// One attribute.
#[derive(Clone, Copy)]
pub struct Attr<'a> {
    pub name: Symbol,
    /// Where the name is written.
    pub key: Pos,
    pub value: Value<'a>,
}

/// A set: attributes sorted by [`Symbol`], each name once.
pub struct Attrs<'a> {
    entries: &'a [Attr<'a>],
    /// Why there may be more attributes than `entries`, if there may. An attribute in `entries` surely exists.
    pub open: Option<&'a Unknown<'a>>,
}

/// Up to so many attributes, looking at each is faster than bisection.
const FEW: usize = 8;

impl<'a> Attrs<'a> {
    /// A set of attributes that are sorted by symbol and unique.
    pub fn from_sorted(entries: &'a [Attr<'a>], open: Option<&'a Unknown<'a>>) -> Attrs<'a> {
        debug_assert!(entries.is_sorted_by(|a, b| a.name < b.name));
        Attrs { entries, open }
    }

    #[inline]
    pub fn get(&self, name: Symbol) -> Option<&'a Attr<'a>> {
        if self.entries.len() <= FEW {
            return self.entries.iter().find(|attr| attr.name == name);
        }
        self.entries.binary_search_by_key(&name, |attr| attr.name).ok().map(|i| &self.entries[i])
    }

    /// All attributes, by symbol: an order without meaning.
    pub fn entries(&self) -> &'a [Attr<'a>] {
        self.entries
    }

    /// All attributes in the order of their names' bytes, the order that Nix shows.
    pub fn by_name(&self) -> Vec<&'a Attr<'a>> {
        let mut sorted: Vec<(&'static str, &Attr<'_>)> = self.entries.iter().map(|a| (a.name.as_str(), a)).collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        sorted.into_iter().map(|(_, attr)| attr).collect()
    }
}

/// A function of the language, with the frames it sees.
pub struct Closure<'a> {
    pub code: &'a Code<'a>,
    pub lambda: &'a Lambda,
    env: Env<'a>,
}

impl<'a> Closure<'a> {
    pub fn new(code: &'a Code<'a>, lambda: &'a Lambda, env: Env<'a>) -> Closure<'a> {
        Closure { code, lambda, env: captured(env) }
    }

    /// The frames that the function sees.
    pub fn env(&self) -> Env<'a> {
        self.env
    }
}

/// A builtin with fewer arguments than it takes.
pub struct Partial<'a> {
    pub builtin: &'static Builtin,
    pub arguments: &'a [Value<'a>],
}

/// Why a value is not known.
#[derive(Clone, Copy, Debug)]
pub struct Unknown<'a> {
    /// A clause: "the environment is not read".
    pub reason: &'a str,
    /// What to do about it.
    pub help: Option<&'a str>,
    /// The expression that brought it in.
    pub origin: Pos,
    /// The name by which it was selected (`.nixpkgs`), and what was put after it as text (`.nixpkgs/nixos`); as far as somebody
    /// asks, see `Session::stand_in`.
    pub trail: &'a str,
}

/// The frames that an expression sees, innermost first.
pub type Env<'a> = Option<&'a Frame<'a>>;

/// One frame; see [`bulkhead_syntax::ast`] for which expressions open one.
///
/// Most frames of calls are seen by nobody after the call; those are used again, so that a loop of a million calls takes
/// no more memory than one. Everything that keeps a frame is made by a function of this module which marks it
/// ([`captured`]): functions, thunks, and frames inside of it.
pub struct Frame<'a> {
    parent: Cell<Env<'a>>,
    slots: Slots<'a>,
}

enum Slots<'a> {
    /// Whether something keeps the frame, and the value.
    One(Cell<Truth>, Cell<Slot<'a>>),
    /// How many frames further out that of the next `with` is (0 if there is none), and the set of this one.
    With(u32, Value<'a>),
    /// Made before the values that see it.
    Many(&'a [Cell<Slot<'a>>]),
}

/// What a frame has for a variable. The value of a `let` or a default is made when it is first asked for, in the slot
/// itself; only who wants to keep it unevaluated makes a thunk of it, which then takes its place.
#[derive(Clone, Copy)]
pub enum Slot<'a> {
    Value(Value<'a>),
    /// Will be the value of an expression that sees the frame.
    Deferred(ExprId),
    /// Will be an attribute of the set in slot `set` of the same frame: `inherit (set) name`.
    Inherited {
        set: u32,
        name: Symbol,
        pos: Pos,
    },
    /// Being evaluated: needing it now is infinite recursion.
    Running,
}

/// Note that something keeps these frames.
#[inline]
fn captured(env: Env<'_>) -> Env<'_> {
    if let Some(Frame { slots: Slots::One(captured, _), .. }) = env {
        captured.set(Truth(true));
    }
    env
}

impl<'a> Frame<'a> {
    /// The frame of a `with`; `outer` as in [`bulkhead_syntax::Expr::With`].
    pub fn with(set: Value<'a>, outer: Option<u32>, parent: Env<'a>) -> Frame<'a> {
        Frame { parent: Cell::new(captured(parent)), slots: Slots::With(outer.unwrap_or(0), set) }
    }

    /// The frame of the next `with` outside this one.
    pub fn outer_with(&self) -> Option<&'a Frame<'a>> {
        let Slots::With(outer @ 1.., _) = self.slots else { return None };
        let mut frame = self.parent()?;
        for _ in 1..outer {
            frame = frame.parent()?;
        }
        Some(frame)
    }

    /// A frame of slots that see it themselves.
    pub fn many(slots: &'a [Cell<Slot<'a>>], parent: Env<'a>) -> Frame<'a> {
        Frame { parent: Cell::new(captured(parent)), slots: Slots::Many(slots) }
    }

    /// The next frame outside.
    #[inline]
    pub fn parent(&self) -> Env<'a> {
        self.parent.get()
    }

    #[inline]
    fn cell(&self, slot: u32) -> Option<&Cell<Slot<'a>>> {
        match &self.slots {
            Slots::One(_, slot) => Some(slot),
            Slots::Many(slots) => slots.get(slot as usize),
            Slots::With(..) => None,
        }
    }

    /// What is in a slot.
    #[inline]
    pub fn slot(&self, slot: u32) -> Option<Slot<'a>> {
        self.cell(slot).map(Cell::get)
    }

    /// Put something else into a slot.
    #[inline]
    pub fn set(&self, slot: u32, content: Slot<'a>) {
        if let Some(cell) = self.cell(slot) {
            cell.set(content);
        }
    }

    /// The set that the names of a `with` come from.
    pub fn scope(&self) -> Option<Value<'a>> {
        match self.slots {
            Slots::With(_, set) => Some(set),
            _ => None,
        }
    }
}

/// Frames of one value that nobody sees any more, each naming the next as its parent.
#[derive(Default)]
pub struct FreeFrames<'a> {
    first: Cell<Env<'a>>,
}

impl<'a> FreeFrames<'a> {
    /// A frame of one value (a plain parameter). It does not by itself keep its parent: whoever makes it gives both back
    /// together.
    #[inline]
    pub fn take(&self, arena: &'a Arena<'a>, value: Value<'a>, parent: Env<'a>) -> &'a Frame<'a> {
        if let Some(frame) = self.first.get()
            && let Slots::One(captured, slot) = &frame.slots
        {
            self.first.set(frame.parent.get());
            frame.parent.set(parent);
            captured.set(Truth(false));
            slot.set(Slot::Value(value));
            return frame;
        }
        arena.alloc(Frame {
            parent: Cell::new(parent),
            slots: Slots::One(Cell::new(Truth(false)), Cell::new(Slot::Value(value))),
        })
    }

    /// Give back a frame and those outside of it up to `end`, as far as nothing keeps them.
    #[inline]
    pub fn give_back(&self, mut frame: &'a Frame<'a>, end: Env<'a>) {
        while let Slots::One(captured, _) = &frame.slots
            && !captured.get().0
        {
            let parent = frame.parent.get();
            frame.parent.set(self.first.get());
            self.first.set(Some(frame));
            match (parent, end) {
                (Some(next), Some(end)) if !ptr::eq(next, end) => frame = next,
                (Some(next), None) => frame = next,
                _ => break,
            }
        }
    }
}

/// A value that is evaluated when it is first needed, and once.
pub struct Thunk<'a> {
    pub state: Cell<State<'a>>,
}

/// What is known of a thunk.
#[derive(Clone, Copy)]
pub enum State<'a> {
    /// Evaluated; never a [`Value::Thunk`].
    Done(Value<'a>),
    /// Evaluated, past something unknown.
    DonePast(&'a Past<'a>),
    /// An expression and the frames it sees; made by [`State::delayed`].
    Delayed { file: u32, expr: ExprId, env: Env<'a> },
    /// A function, and an argument.
    Apply(&'a [Value<'a>; 2], Pos),
    /// A function, and two arguments.
    Apply2(&'a [Value<'a>; 3], Pos),
    /// A function, and one of the parts that it is applied to.
    Mapped(&'a Mapped<'a>, usize),
    /// Attribute `name` of a set, for `inherit (set) name`.
    Select { set: &'a Thunk<'a>, name: Symbol, pos: Pos },
    /// Another value, perhaps not evaluated.
    Forward(&'a Value<'a>),
    /// Being evaluated: needing it now is infinite recursion.
    Running,
}

impl<'a> State<'a> {
    /// An expression and the frames it sees.
    #[inline]
    pub fn delayed(file: u32, expr: ExprId, env: Env<'a>) -> State<'a> {
        State::Delayed { file, expr, env: captured(env) }
    }
}

/// A value that does not depend on something unknown; but had that failed, so would have the evaluation of the value.
pub struct Past<'a> {
    /// Never a [`Value::Thunk`].
    pub value: Value<'a>,
    pub unknown: &'a Unknown<'a>,
}

/// What `map`, `mapAttrs` and `genList` make of a function: a call for each part of something.
pub struct Mapped<'a> {
    pub function: Value<'a>,
    pub over: Parts<'a>,
    pub pos: Pos,
}

/// What a function is applied to part by part.
pub enum Parts<'a> {
    /// Numbers from 0 on.
    Numbers,
    Items(&'a List<'a>),
    /// Names and values.
    Attrs(&'a [Attr<'a>]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_thunks_stay_small() {
        assert_eq!(size_of::<Value<'_>>(), 16);
        assert_eq!(size_of::<Attr<'_>>(), 24);
        assert_eq!(size_of::<Thunk<'_>>(), 24);
        assert_eq!(size_of::<Str<'_>>(), 24);
        assert_eq!(size_of::<Frame<'_>>(), 32);
        assert_eq!(size_of::<Slot<'_>>(), 16);
    }
}

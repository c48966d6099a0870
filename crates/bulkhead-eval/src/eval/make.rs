//! Making values.

use std::cell::Cell;

use bulkhead_syntax::Symbol;

use super::Evaluator;
use super::limits::sorting;
use crate::value::{Attr, Attrs, Context, ContextElement, List, Mapped, Parts, Pos, State, Str, Thunk, Unknown, Value};

impl<'a> Evaluator<'a> {
    /// A string without context; the bytes are copied.
    pub fn string(&self, bytes: impl AsRef<[u8]>, pos: Pos) -> Value<'a> {
        self.borrowed_string(self.arena.copied(bytes.as_ref()), pos)
    }

    /// A string without context, of bytes that outlive the evaluation.
    pub fn borrowed_string(&self, bytes: &'a [u8], pos: Pos) -> Value<'a> {
        Value::String(self.str(bytes, None), pos)
    }

    /// A string of bytes that outlive the evaluation.
    pub fn str(&self, bytes: &'a [u8], context: Option<&'a Context<'a>>) -> &'a Str<'a> {
        self.arena.alloc(Str::flat(bytes, context))
    }

    /// A string; the bytes are copied.
    pub fn new_str(&self, bytes: &[u8], context: Option<&'a Context<'a>>) -> &'a Str<'a> {
        self.str(self.arena.copied(bytes), context)
    }

    /// A context of elements in any order; none if there are none.
    pub fn context(&self, mut elements: Vec<ContextElement<'a>>) -> Option<&'a Context<'a>> {
        if elements.is_empty() {
            return None;
        }
        self.charge(sorting(elements.len()));
        elements.sort_unstable();
        elements.dedup();
        Some(self.arena.alloc(Context { elements: self.arena.copied(&elements) }))
    }

    /// The context of what is made of two parts.
    pub fn join_context(&self, all: Option<&'a Context<'a>>, part: Option<&'a Context<'a>>) -> Option<&'a Context<'a>> {
        let (Some(left), Some(right)) = (all, part) else { return all.or(part) };
        self.charge(4 * right.elements.len());
        if right.elements.iter().all(|element| left.elements.binary_search(element).is_ok()) {
            return all;
        }
        self.context([left.elements, right.elements].concat())
    }

    /// A list.
    pub fn list(&self, items: impl ExactSizeIterator<Item = Value<'a>>, pos: Pos) -> Value<'a> {
        if items.len() == 0 {
            return Value::List(self.empty_list, pos);
        }
        let items = self.arena.slice(items.map(Cell::new));
        Value::List(self.arena.alloc(List::new(items)), pos)
    }

    /// A list of so many items, each by its index.
    #[inline]
    pub fn row(&self, length: usize, mut item: impl FnMut(usize) -> Value<'a>, pos: Pos) -> Value<'a> {
        if length == 0 {
            return Value::List(self.empty_list, pos);
        }
        let items = self.arena.slice_of(length, |index| Cell::new(item(index)));
        Value::List(self.arena.alloc(List::new(items)), pos)
    }

    /// A list of items that have been collected.
    pub fn list_of_vec(&self, items: &[Value<'a>], pos: Pos) -> Value<'a> {
        self.row(items.len(), |index| items[index], pos)
    }

    /// A set of attributes in any order; of a name that comes twice the first counts.
    pub fn attrs(&self, mut entries: Vec<Attr<'a>>, pos: Pos) -> Value<'a> {
        if !entries.is_sorted_by(|a, b| a.name < b.name) {
            self.charge(sorting(entries.len()));
            entries.sort_by_key(|attr| attr.name);
            entries.dedup_by_key(|attr| attr.name);
        }
        self.sorted_attrs(self.arena.copied(&entries), None, pos)
    }

    /// A set of attributes that are sorted by symbol and unique.
    #[inline]
    pub fn sorted_attrs(&self, entries: &'a [Attr<'a>], open: Option<&'a Unknown<'a>>, pos: Pos) -> Value<'a> {
        Value::Attrs(self.arena.alloc(Attrs::from_sorted(entries, open)), pos)
    }

    /// An attribute that no file names.
    pub fn attr(&self, name: &str, value: Value<'a>, pos: Pos) -> Attr<'a> {
        Attr { name: Symbol::new(name), key: pos.carried(), value }
    }

    /// A call that is made when its value is needed.
    pub fn lazy_apply(&self, function: Value<'a>, argument: Value<'a>, pos: Pos) -> Value<'a> {
        self.thunk_of(State::Apply(self.arena.alloc([function, argument]), pos))
    }

    /// The call that is made for one of the parts of something, when its value is needed.
    pub fn lazy_part(&self, mapped: &'a Mapped<'a>, index: usize) -> Value<'a> {
        self.thunk_of(State::Mapped(mapped, index))
    }

    /// Do something with the arguments of that call.
    pub fn with_part<T>(&self, mapped: &Mapped<'a>, index: usize, work: impl FnOnce(&[Value<'a>]) -> T) -> T {
        match mapped.over {
            Parts::Numbers => work(&[Value::Int(index as i64, mapped.pos)]),
            Parts::Items(list) => work(list.get(index).as_slice()),
            Parts::Attrs(attrs) => match attrs.get(index) {
                Some(attr) => work(&[self.name_of(attr), attr.value]),
                None => work(&[]),
            },
        }
    }

    /// The name of an attribute, where it is written.
    pub fn name_of(&self, attr: &Attr<'a>) -> Value<'a> {
        Value::String(self.string_of(attr.name), attr.key)
    }

    /// `set.name`, selected when its value is needed.
    pub fn lazy_select(&self, set: Value<'a>, name: Symbol, pos: Pos) -> Value<'a> {
        let set = match set {
            Value::Thunk(thunk) => thunk,
            value => self.arena.alloc(Thunk { state: Cell::new(State::Done(value)) }),
        };
        self.thunk_of(State::Select { set, name, pos })
    }

    /// The same with two arguments.
    pub fn lazy_apply2(&self, function: Value<'a>, first: Value<'a>, second: Value<'a>, pos: Pos) -> Value<'a> {
        self.thunk_of(State::Apply2(self.arena.alloc([function, first, second]), pos))
    }

    /// Something unknown that comes in here.
    pub fn unknown(&self, reason: &str, help: Option<&str>, pos: Pos) -> &'a Unknown<'a> {
        let help = help.map(|help| self.arena.text(help));
        self.arena.alloc(Unknown { reason: self.arena.text(reason), help, origin: pos, trail: "" })
    }

    /// `{ file, line, column }` of a place, or null.
    pub fn position_value(&self, pos: Pos) -> Value<'a> {
        let Some((file, position)) = self.files.position(pos) else { return Value::Null(pos) };
        let entries = vec![
            self.attr("file", self.borrowed_string(file.as_bytes(), pos), pos),
            self.attr("line", Value::Int(position.line.into(), pos), pos),
            self.attr("column", Value::Int(position.column.into(), pos), pos),
        ];
        self.attrs(entries, pos)
    }
}

//! Attribute sets and `let` bindings: nested definitions are merged before anything in them is resolved, because a
//! merged definition sees the names of the set that it ends up in.
//!
//! The rules are those of `addAttr` in Nix's `parser-state.hh`: two definitions of one name merge if both are written
//! as sets (in parentheses too), and the set written first decides whether the whole is recursive.

use bulkhead_source::Span;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::Lowerer;
use crate::tree::{Kind, Node};
use crate::{Attr, AttrName, AttrSet, AttrValue, DynamicAttr, Expr, ExprId, NameId, Symbol};

/// A part of an attribute path.
#[derive(Clone, Copy)]
pub(super) enum Name<'t> {
    Static(Symbol, Span),
    /// The expression that computes it.
    Dynamic(Node<'t>, Span),
}

impl Name<'_> {
    fn span(&self) -> Span {
        match self {
            Name::Static(_, span) | Name::Dynamic(_, span) => *span,
        }
    }
}

/// What an attribute is bound to, before it is lowered.
enum Value<'t> {
    Expr(Node<'t>),
    Set(Box<RawSet<'t>>),
    Inherit,
    InheritFrom(u32),
}

struct RawAttr<'t> {
    name: Symbol,
    key: Span,
    value: Value<'t>,
}

/// A set whose definitions are merged, but not lowered.
pub(super) struct RawSet<'t> {
    recursive: bool,
    span: Span,
    attrs: Vec<RawAttr<'t>>,
    /// Where each name is in `attrs`; only for sets that are not small.
    index: FxHashMap<Symbol, u32>,
    inherit_from: Vec<Node<'t>>,
    dynamic: Vec<(Name<'t>, Value<'t>)>,
}

/// Up to so many attributes a search through all is faster than hashing.
const SMALL: usize = 8;

impl<'t> RawSet<'t> {
    fn new(recursive: bool, span: Span) -> RawSet<'t> {
        RawSet {
            recursive,
            span,
            attrs: Vec::new(),
            index: FxHashMap::default(),
            inherit_from: Vec::new(),
            dynamic: Vec::new(),
        }
    }

    fn find(&self, name: Symbol) -> Option<usize> {
        if self.attrs.len() <= SMALL {
            return self.attrs.iter().position(|attr| attr.name == name);
        }
        self.index.get(&name).map(|at| *at as usize)
    }

    fn push(&mut self, attr: RawAttr<'t>) -> usize {
        let at = self.attrs.len();
        if at == SMALL {
            self.index = self.attrs.iter().enumerate().map(|(at, attr)| (attr.name, at as u32)).collect();
        }
        if at >= SMALL {
            self.index.insert(attr.name, at as u32);
        }
        self.attrs.push(attr);
        at
    }
}

impl<'t> Lowerer<'t> {
    /// `let { …, body = …; }`, which means `(rec { … }).body`.
    pub(super) fn legacy_let(&mut self, node: Node<'t>) -> ExprId {
        let span = self.span(node);
        let raw = self.read_entries(node, true);
        let base = self.lower_set_expr(raw);
        let body = self.name_id(span);
        let path = Box::new([AttrName::Static(Symbol::new("body"), body)]);
        self.alloc(span, Expr::Select { base, path, default: None })
    }

    /// `let … in …`.
    pub(super) fn let_in(&mut self, node: Node<'t>) -> ExprId {
        let span = self.span(node);
        let raw = self.read_entries(node, true);
        for (name, _) in &raw.dynamic {
            self.error(
                name.span(),
                "`let` can't bind a computed name",
                Some("write the name itself, or build a set and select from it: `(… { ${name} = value; })`"),
                None,
            );
        }
        let names: Vec<Symbol> = raw.attrs.iter().map(|attr| attr.name).collect();
        let inherited = self.inherited(&raw);
        let mark = self.scope.enter(names);
        let bindings = Box::new(self.lower_entries(raw, inherited));
        let body = match node.children().next_back() {
            Some(body) => self.expr(body),
            None => self.child(node, 0),
        };
        self.scope.leave(mark);
        self.alloc(span, Expr::Let { bindings, body })
    }

    /// The name that a part of an attribute path stands for.
    pub(super) fn attr_name(&mut self, node: Node<'t>) -> Name<'t> {
        let span = self.span(node);
        match node.kind() {
            Kind::Ident => Name::Static(self.symbol(node), span),
            // A quoted name is known unless it has an interpolation, even one of a known string.
            Kind::String { .. } if node.children().all(|part| part.kind() == Kind::Content) => {
                let text = self.static_text(node).unwrap_or_default();
                Name::Static(Symbol::new(&text), span)
            }
            Kind::Interpolation => {
                let inner = node.child(0).unwrap_or(node);
                match self.static_text(inner) {
                    Some(text) => Name::Static(Symbol::new(&text), span),
                    None => Name::Dynamic(inner, span),
                }
            }
            _ => Name::Dynamic(node, span),
        }
    }

    /// What is in a set or `let`, with its definitions merged.
    pub(super) fn read_entries(&mut self, node: Node<'t>, recursive: bool) -> RawSet<'t> {
        let mut set = RawSet::new(recursive, self.span(node));
        for entry in node.children() {
            match entry.kind() {
                Kind::Inherit | Kind::InheritFrom => self.read_inherit(&mut set, entry),
                Kind::Definition => self.read_definition(&mut set, entry),
                _ => {}
            }
        }
        set
    }

    fn read_inherit(&mut self, set: &mut RawSet<'t>, entry: Node<'t>) {
        let mut names = entry.children();
        let mut source = None;
        if entry.kind() == Kind::InheritFrom
            && let Some(from) = names.next()
        {
            source = Some(set.inherit_from.len() as u32);
            set.inherit_from.push(from);
        }
        for child in names {
            match self.attr_name(child) {
                Name::Static(name, key) => {
                    let value = source.map_or(Value::Inherit, Value::InheritFrom);
                    self.insert(set, RawAttr { name, key, value }, &mut SmallVec::new());
                }
                Name::Dynamic(_, span) => self.error(
                    span,
                    "`inherit` can't take a computed name",
                    Some("write the name itself, or bind it: `${name} = set.${name};`"),
                    None,
                ),
            }
        }
    }

    fn read_definition(&mut self, set: &mut RawSet<'t>, entry: Node<'t>) {
        let (Some(path), Some(value)) = (entry.child(0), entry.child(1)) else { return };
        let end = self.span(value).end;
        let mut set = set;
        let mut written: SmallVec<[Symbol; 4]> = SmallVec::new();
        let mut names = path.children().map(|name| self.attr_name(name)).collect::<SmallVec<[_; 4]>>().into_iter();
        let Some(mut name) = names.next() else { return };
        for next in names {
            let nested = || Value::Set(Box::new(RawSet::new(false, Span::new(next.span().start, end))));
            let slot = match name {
                Name::Static(symbol, key) => {
                    written.push(symbol);
                    let at = match set.find(symbol) {
                        Some(at) => at,
                        None => set.push(RawAttr { name: symbol, key, value: nested() }),
                    };
                    let first = set.attrs[at].key;
                    if !self.open(&mut set.attrs[at].value) {
                        return self.duplicate(&written, key, first);
                    }
                    &mut set.attrs[at].value
                }
                Name::Dynamic(..) => {
                    set.dynamic.push((name, nested()));
                    match set.dynamic.last_mut() {
                        Some((_, value)) => value,
                        None => return,
                    }
                }
            };
            match slot {
                Value::Set(inner) => set = inner,
                _ => return,
            }
            name = next;
        }
        match name {
            Name::Static(name, key) => {
                self.insert(set, RawAttr { name, key, value: Value::Expr(value) }, &mut written);
            }
            Name::Dynamic(..) => set.dynamic.push((name, Value::Expr(value))),
        }
    }

    /// Turn a value that is written as a set into one that can be merged into; false if it is no set.
    fn open(&mut self, value: &mut Value<'t>) -> bool {
        if let Value::Expr(node) = value {
            let node = node.without_parens();
            if let Kind::Set { recursive } = node.kind() {
                *value = Value::Set(Box::new(self.read_entries(node, recursive)));
            }
        }
        matches!(value, Value::Set(_))
    }

    /// Add an attribute, merging it with what is already there. `outer` is the path that leads to `set`.
    fn insert(&mut self, set: &mut RawSet<'t>, mut attr: RawAttr<'t>, outer: &mut SmallVec<[Symbol; 4]>) {
        let Some(at) = set.find(attr.name) else {
            set.push(attr);
            return;
        };
        outer.push(attr.name);
        let first = &mut set.attrs[at];
        if self.open(&mut first.value) && self.open(&mut attr.value) {
            if let (Value::Set(into), Value::Set(from)) = (&mut first.value, attr.value) {
                self.merge(into, *from, outer);
            }
        } else {
            self.duplicate(outer, attr.key, first.key);
        }
        outer.pop();
    }

    fn merge(&mut self, into: &mut RawSet<'t>, from: RawSet<'t>, outer: &mut SmallVec<[Symbol; 4]>) {
        let sources = into.inherit_from.len() as u32;
        for mut attr in from.attrs {
            if let Value::InheritFrom(source) = &mut attr.value {
                *source += sources;
            }
            self.insert(into, attr, outer);
        }
        into.inherit_from.extend(from.inherit_from);
        into.dynamic.extend(from.dynamic);
    }

    fn duplicate(&mut self, path: &[Symbol], here: Span, first: Span) {
        let path: Vec<&str> = path.iter().map(|name| name.as_str()).collect();
        self.error(
            here,
            format!("attribute `{}` is already defined", path.join(".")),
            Some("keep one of the two definitions"),
            Some((first, "first defined here")),
        );
    }

    pub(super) fn lower_set_expr(&mut self, raw: RawSet<'t>) -> ExprId {
        let span = raw.span;
        let inherited = self.inherited(&raw);
        let set = if raw.recursive {
            let names: Vec<Symbol> = raw.attrs.iter().map(|attr| attr.name).collect();
            let mark = self.scope.enter(names);
            let set = self.lower_entries(raw, inherited);
            self.scope.leave(mark);
            set
        } else {
            self.lower_entries(raw, inherited)
        };
        self.alloc(span, Expr::Attrs(Box::new(set)))
    }

    /// The variables of `inherit a b;`, which are looked up outside the set.
    fn inherited(&mut self, raw: &RawSet<'t>) -> Vec<ExprId> {
        let plain = raw.attrs.iter().filter(|attr| matches!(attr.value, Value::Inherit));
        plain.map(|attr| self.variable(attr.name, attr.key)).collect()
    }

    /// Lower what is in a set, in the scope that is current.
    fn lower_entries(&mut self, raw: RawSet<'t>, inherited: Vec<ExprId>) -> AttrSet {
        let inherit_from = raw.inherit_from.iter().map(|node| self.expr(*node)).collect();
        let mut inherited = inherited.into_iter();
        let mut attrs = Vec::with_capacity(raw.attrs.len());
        for attr in raw.attrs {
            let key: NameId = self.name_id(attr.key);
            let value = match attr.value {
                Value::Expr(node) => AttrValue::Expr(self.named_expr(node, attr.name)),
                Value::Set(set) => AttrValue::Expr(self.lower_set_expr(*set)),
                Value::InheritFrom(source) => AttrValue::InheritFrom { source },
                Value::Inherit => match inherited.next() {
                    Some(variable) => AttrValue::Inherit(variable),
                    None => AttrValue::Inherit(self.variable(attr.name, attr.key)),
                },
            };
            attrs.push(Attr { name: attr.name, key, value });
        }
        let mut dynamic = Vec::with_capacity(raw.dynamic.len());
        for (name, value) in raw.dynamic {
            let name = match name {
                Name::Dynamic(node, _) => self.expr(node),
                Name::Static(name, span) => self.text(span, name.as_str().into()),
            };
            let value = match value {
                Value::Set(set) => self.lower_set_expr(*set),
                Value::Expr(node) => self.expr(node),
                Value::Inherit | Value::InheritFrom(_) => continue,
            };
            dynamic.push(DynamicAttr { name, value });
        }
        AttrSet {
            recursive: raw.recursive,
            by_symbol: by_symbol(&attrs),
            attrs: attrs.into(),
            inherit_from,
            dynamic: dynamic.into(),
        }
    }
}

fn by_symbol(attrs: &[Attr]) -> Box<[u32]> {
    if attrs.is_sorted_by_key(|attr| attr.name) {
        return Box::default();
    }
    let mut order: Vec<u32> = (0..attrs.len() as u32).collect();
    order.sort_unstable_by_key(|index| attrs[*index as usize].name);
    order.into()
}

//! Attribute sets and `let` bindings: nested definitions are merged before anything in them is resolved, because a
//! merged definition sees the names of the set that it ends up in.
//!
//! The rules are those of `addAttr` in Nix's `parser-state.hh`: two definitions of one name merge if both are written
//! as sets (in parentheses too), and the set written first decides whether the whole is recursive.

use bulkhead_source::Span;
use rnix::SyntaxKind::{self, *};
use rnix::SyntaxNode;
use rustc_hash::FxHashMap;

use super::{Lowerer, is_expression, strip_parens};
use crate::{Attr, AttrName, AttrSet, AttrValue, DynamicAttr, Expr, ExprId, NameId, Symbol};

/// A part of an attribute path.
#[derive(Clone)]
pub(super) enum Name {
    Static(Symbol, Span),
    /// The expression that computes it.
    Dynamic(SyntaxNode, Span),
}

impl Name {
    fn span(&self) -> Span {
        match self {
            Name::Static(_, span) | Name::Dynamic(_, span) => *span,
        }
    }
}

/// What an attribute is bound to, before it is lowered.
enum Value {
    Expr(SyntaxNode),
    Set(Box<RawSet>),
    Inherit,
    InheritFrom(u32),
}

struct RawAttr {
    name: Symbol,
    key: Span,
    value: Value,
}

/// A set whose definitions are merged, but not lowered.
pub(super) struct RawSet {
    recursive: bool,
    span: Span,
    attrs: Vec<RawAttr>,
    /// Where each name is in `attrs`; only for sets that are not small.
    index: FxHashMap<Symbol, usize>,
    inherit_from: Vec<SyntaxNode>,
    dynamic: Vec<(Name, Value)>,
}

/// Up to so many attributes a search through all is faster than hashing.
const SMALL: usize = 8;

impl RawSet {
    fn new(recursive: bool, span: Span) -> RawSet {
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
        self.index.get(&name).copied()
    }

    fn push(&mut self, attr: RawAttr) -> usize {
        let at = self.attrs.len();
        if at == SMALL {
            self.index = self.attrs.iter().enumerate().map(|(at, attr)| (attr.name, at)).collect();
        }
        if at >= SMALL {
            self.index.insert(attr.name, at);
        }
        self.attrs.push(attr);
        at
    }
}

impl Lowerer<'_> {
    /// `{ … }` or `rec { … }`.
    pub(super) fn attr_set(&mut self, node: &SyntaxNode) -> ExprId {
        let raw = self.read_set(node);
        self.lower_set_expr(raw)
    }

    /// `let { …, body = …; }`, which means `(rec { … }).body`.
    pub(super) fn legacy_let(&mut self, node: &SyntaxNode) -> ExprId {
        let span = self.span(node);
        let raw = self.read_entries(node, true);
        let base = self.lower_set_expr(raw);
        let body = self.name_id(span);
        let path = Box::new([AttrName::Static(Symbol::new("body"), body)]);
        self.alloc(span, Expr::Select { base, path, default: None })
    }

    /// `let … in …`.
    pub(super) fn let_in(&mut self, node: &SyntaxNode) -> ExprId {
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
        let body = self.child(node);
        self.scope.leave(mark);
        self.alloc(span, Expr::Let { bindings, body })
    }

    /// The name that a part of an attribute path stands for.
    pub(super) fn attr_name(&mut self, node: &SyntaxNode) -> Name {
        let span = self.span(node);
        match node.kind() {
            NODE_IDENT => Name::Static(self.symbol(node), span),
            // A quoted name is known unless it has an interpolation, even one of a known string.
            NODE_STRING if !node.children().any(|part| part.kind() == NODE_INTERPOL) => {
                let text = self.static_text(node).unwrap_or_default();
                Name::Static(Symbol::new(&text), span)
            }
            NODE_DYNAMIC => {
                let Some(inner) = node.children().find(|child| is_expression(child.kind())) else {
                    self.broken(node);
                    return Name::Static(Symbol::new(""), span);
                };
                match self.static_text(&inner) {
                    Some(text) => Name::Static(Symbol::new(&text), span),
                    None => Name::Dynamic(inner, span),
                }
            }
            _ => Name::Dynamic(node.clone(), span),
        }
    }

    /// The parts of an attribute path.
    pub(super) fn attr_names(&mut self, path: &SyntaxNode) -> Vec<Name> {
        path.children().filter(|child| is_attr(child.kind())).map(|child| self.attr_name(&child)).collect()
    }

    fn read_set(&mut self, node: &SyntaxNode) -> RawSet {
        let recursive = node.first_token().is_some_and(|token| token.kind() == TOKEN_REC);
        self.read_entries(node, recursive)
    }

    fn read_entries(&mut self, node: &SyntaxNode, recursive: bool) -> RawSet {
        let mut set = RawSet::new(recursive, self.span(node));
        for entry in node.children() {
            match entry.kind() {
                NODE_INHERIT => self.read_inherit(&mut set, &entry),
                NODE_ATTRPATH_VALUE => self.read_definition(&mut set, &entry),
                _ => {}
            }
        }
        set
    }

    fn read_inherit(&mut self, set: &mut RawSet, entry: &SyntaxNode) {
        let mut source = None;
        for child in entry.children() {
            if child.kind() == NODE_INHERIT_FROM {
                let Some(from) = child.children().find(|child| is_expression(child.kind())) else {
                    self.broken(&child);
                    continue;
                };
                source = Some(set.inherit_from.len() as u32);
                set.inherit_from.push(from);
                continue;
            }
            match self.attr_name(&child) {
                Name::Static(name, key) => {
                    let value = source.map_or(Value::Inherit, Value::InheritFrom);
                    self.insert(set, RawAttr { name, key, value }, &mut Vec::new());
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

    fn read_definition(&mut self, set: &mut RawSet, entry: &SyntaxNode) {
        let path = entry.children().find(|child| child.kind() == NODE_ATTRPATH);
        let value = entry.children().find(|child| is_expression(child.kind()));
        let (Some(path), Some(value)) = (path, value) else { return self.broken(entry) };
        let names = self.attr_names(&path);
        let end = self.span(&value).end;
        let mut set = set;
        let mut written: Vec<Symbol> = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let Some(next) = names.get(at + 1) else {
                match name {
                    Name::Static(symbol, key) => {
                        let attr = RawAttr { name: *symbol, key: *key, value: Value::Expr(value) };
                        self.insert(set, attr, &mut written);
                    }
                    Name::Dynamic(..) => set.dynamic.push((name.clone(), Value::Expr(value))),
                }
                return;
            };
            let nested = || Value::Set(Box::new(RawSet::new(false, Span::new(next.span().start, end))));
            let slot = match name {
                Name::Static(symbol, key) => {
                    written.push(*symbol);
                    let at = match set.find(*symbol) {
                        Some(at) => at,
                        None => set.push(RawAttr { name: *symbol, key: *key, value: nested() }),
                    };
                    let first = set.attrs[at].key;
                    if !self.open(&mut set.attrs[at].value) {
                        return self.duplicate(&written, *key, first);
                    }
                    &mut set.attrs[at].value
                }
                Name::Dynamic(..) => {
                    set.dynamic.push((name.clone(), nested()));
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
        }
    }

    /// Turn a value that is written as a set into one that can be merged into; false if it is no set.
    fn open(&mut self, value: &mut Value) -> bool {
        if let Value::Expr(node) = value {
            let node = strip_parens(node);
            if node.kind() == NODE_ATTR_SET && !self.is_legacy_let(&node) {
                *value = Value::Set(Box::new(self.read_set(&node)));
            }
        }
        matches!(value, Value::Set(_))
    }

    /// Add an attribute, merging it with what is already there. `outer` is the path that leads to `set`.
    fn insert(&mut self, set: &mut RawSet, mut attr: RawAttr, outer: &mut Vec<Symbol>) {
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

    fn merge(&mut self, into: &mut RawSet, from: RawSet, outer: &mut Vec<Symbol>) {
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

    fn lower_set_expr(&mut self, raw: RawSet) -> ExprId {
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
    fn inherited(&mut self, raw: &RawSet) -> Vec<ExprId> {
        let plain = raw.attrs.iter().filter(|attr| matches!(attr.value, Value::Inherit));
        plain.map(|attr| self.variable(attr.name, attr.key)).collect()
    }

    /// Lower what is in a set, in the scope that is current.
    fn lower_entries(&mut self, raw: RawSet, inherited: Vec<ExprId>) -> AttrSet {
        let inherit_from = raw.inherit_from.iter().map(|node| self.expr(node)).collect();
        let mut inherited = inherited.into_iter();
        let mut attrs = Vec::with_capacity(raw.attrs.len());
        for attr in raw.attrs {
            let key: NameId = self.name_id(attr.key);
            let value = match attr.value {
                Value::Expr(node) => AttrValue::Expr(self.named_expr(&node, attr.name)),
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
                Name::Dynamic(node, _) => self.expr(&node),
                Name::Static(name, span) => self.alloc(span, Expr::Text(name.as_str().into())),
            };
            let value = match value {
                Value::Set(set) => self.lower_set_expr(*set),
                Value::Expr(node) => self.expr(&node),
                Value::Inherit | Value::InheritFrom(_) => continue,
            };
            dynamic.push(DynamicAttr { name, value });
        }
        AttrSet { recursive: raw.recursive, attrs: attrs.into(), inherit_from, dynamic: dynamic.into() }
    }
}

fn is_attr(kind: SyntaxKind) -> bool {
    matches!(kind, NODE_IDENT | NODE_DYNAMIC | NODE_STRING)
}

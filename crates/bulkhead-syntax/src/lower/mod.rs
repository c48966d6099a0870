//! From the concrete tree to the [`Ast`].
//!
//! Lowering goes through the tree once, resolves variables on the way and reports
//! what Nix's parser refuses although the grammar allows it: duplicate attributes and parameters, computed names in
//! `let` and `inherit`, numbers that do not fit. Chains of operators and applications take no stack, so the depth of
//! the recursion is that of the nesting that [`crate::grammar`] has measured.

mod scope;
mod sets;
mod strings;

use std::sync::Arc;

use bulkhead_source::Span;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::scope::Scope;
use self::sets::Name;
use crate::errors::Errors;
use crate::repair::Offsets;
use crate::tree::{Kind, Node, Pipe, Tree};
use crate::{AttrName, Binding, Expr, ExprId, Formal, Lambda, NameId, Parameter, Symbol, TextId};

/// What a tree is lowered to: the parts of an [`Ast`](crate::Ast) that come from expressions.
pub(crate) struct Lowered {
    pub(crate) exprs: Vec<Expr>,
    pub(crate) expr_spans: Vec<Span>,
    pub(crate) name_spans: Vec<Span>,
    pub(crate) globals: Vec<(Symbol, ExprId)>,
    pub(crate) texts: u32,
    pub(crate) root: ExprId,
}

/// Lower the tree of a file. `text` is what the tree was built from, and `offsets` say where that was in the original.
pub(crate) fn lower(text: &str, tree: &Tree, offsets: &Offsets, errors: &mut Errors) -> Lowered {
    let mut lowerer = Lowerer {
        text,
        offsets,
        errors,
        exprs: Vec::with_capacity(tree.len() * 3 / 4),
        expr_spans: Vec::with_capacity(tree.len() * 3 / 4),
        name_spans: Vec::with_capacity(tree.len() / 2),
        globals: Vec::new(),
        texts: 0,
        scope: Scope::default(),
    };
    let root = lowerer.expr(tree.root());
    let Lowerer { exprs, expr_spans, name_spans, globals, texts, .. } = lowerer;
    Lowered { exprs, expr_spans, name_spans, globals, texts, root }
}

struct Lowerer<'t> {
    text: &'t str,
    offsets: &'t Offsets,
    errors: &'t mut Errors,
    exprs: Vec<Expr>,
    expr_spans: Vec<Span>,
    name_spans: Vec<Span>,
    globals: Vec<(Symbol, ExprId)>,
    texts: u32,
    scope: Scope,
}

impl<'t> Lowerer<'t> {
    /// Where a node is in the original text.
    fn span(&self, node: Node<'t>) -> Span {
        let Span { start, end } = node.span();
        self.offsets.span(start, end)
    }

    /// What is written there.
    fn text_of(&self, node: Node<'t>) -> &'t str {
        let Span { start, end } = node.span();
        self.text.get(start as usize..end as usize).unwrap_or("")
    }

    fn alloc(&mut self, span: Span, expr: Expr) -> ExprId {
        let id = ExprId(self.exprs.len() as u32);
        self.exprs.push(expr);
        self.expr_spans.push(span);
        id
    }

    fn text(&mut self, span: Span, text: Arc<str>) -> ExprId {
        let id = TextId(self.texts);
        self.texts += 1;
        self.alloc(span, Expr::Text(text, id))
    }

    fn name_id(&mut self, span: Span) -> NameId {
        let id = NameId(self.name_spans.len() as u32);
        self.name_spans.push(span);
        id
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: Option<&str>, related: Option<(Span, &str)>) {
        let related = related.map(|(span, message)| (span, message.to_owned()));
        self.errors.push(span, message.into(), help.map(str::to_owned), related);
    }

    /// The symbol of an identifier.
    fn symbol(&self, node: Node<'t>) -> Symbol {
        Symbol::new(self.text_of(node))
    }

    /// Child `index` of `node`, which is an expression.
    fn child(&mut self, node: Node<'t>, index: usize) -> ExprId {
        match node.child(index) {
            Some(child) => self.expr(child),
            // A tree has what its kinds promise; were it not so, this must not look like a value.
            None => {
                let span = self.span(node);
                self.error(span, "this expression is incomplete", None, None);
                self.alloc(span, Expr::List(Box::new([])))
            }
        }
    }

    fn expr(&mut self, node: Node<'t>) -> ExprId {
        let node = node.without_parens();
        match node.kind() {
            Kind::Ident => {
                let (name, span) = (self.symbol(node), self.span(node));
                self.variable(name, span)
            }
            Kind::Integer | Kind::Float | Kind::Uri => self.literal(node),
            Kind::String { indented } => self.string(node, indented),
            Kind::Apply => self.apply(node),
            Kind::Select => {
                let base = self.child(node, 0);
                let path = self.attr_path(node);
                let default = node.child(2).map(|default| self.expr(default));
                self.alloc(self.span(node), Expr::Select { base, path, default })
            }
            Kind::LegacyLet => self.legacy_let(node),
            Kind::Set { recursive } => {
                let raw = self.read_entries(node, recursive);
                self.lower_set_expr(raw)
            }
            Kind::List => {
                let items = node.children().map(|item| self.expr(item)).collect();
                self.alloc(self.span(node), Expr::List(items))
            }
            Kind::Lambda => self.lambda(node, None),
            Kind::Binary(_) | Kind::Pipe(_) => self.operation(node),
            Kind::Not => {
                let operand = self.child(node, 0);
                self.alloc(self.span(node), Expr::Not(operand))
            }
            Kind::Negate => {
                let operand = self.child(node, 0);
                self.alloc(self.span(node), Expr::Negate(operand))
            }
            Kind::HasAttr => {
                let base = self.child(node, 0);
                let path = self.attr_path(node);
                self.alloc(self.span(node), Expr::HasAttr { base, path })
            }
            Kind::Let => self.let_in(node),
            Kind::With => {
                let scope = self.child(node, 0);
                let outer = self.scope.enter_with();
                let body = self.child(node, 1);
                self.scope.leave_with();
                self.alloc(self.span(node), Expr::With { scope, body, outer })
            }
            Kind::Assert => {
                let condition = self.child(node, 0);
                let body = self.child(node, 1);
                self.alloc(self.span(node), Expr::Assert { condition, body })
            }
            Kind::If => {
                let condition = self.child(node, 0);
                let consequence = self.child(node, 1);
                let alternative = self.child(node, 2);
                self.alloc(self.span(node), Expr::If { condition, consequence, alternative })
            }
            Kind::Path => self.path(node),
            Kind::SearchPath => self.search_path(node),
            Kind::CurrentPosition => self.alloc(self.span(node), Expr::CurrentPosition),
            Kind::PathText
            | Kind::Content
            | Kind::Interpolation
            | Kind::Paren
            | Kind::Definition
            | Kind::Inherit
            | Kind::InheritFrom
            | Kind::AttrPath
            | Kind::Pattern { .. }
            | Kind::Formal
            | Kind::Whole => {
                let span = self.span(node);
                self.error(span, "this is no expression", None, None);
                self.alloc(span, Expr::List(Box::new([])))
            }
        }
    }

    /// An expression that is bound to a name: functions remember it.
    fn named_expr(&mut self, node: Node<'t>, name: Symbol) -> ExprId {
        let inner = node.without_parens();
        match inner.kind() {
            Kind::Lambda => self.lambda(inner, Some(name)),
            _ => self.expr(inner),
        }
    }

    fn variable(&mut self, name: Symbol, span: Span) -> ExprId {
        let binding = self.scope.resolve(name);
        let id = self.alloc(span, Expr::Variable { name, binding });
        if binding == Binding::Global {
            self.globals.push((name, id));
        }
        id
    }

    fn literal(&mut self, node: Node<'t>) -> ExprId {
        let (span, text) = (self.span(node), self.text_of(node));
        let expr = match node.kind() {
            Kind::Integer => Expr::Int(text.parse().unwrap_or_else(|_| {
                let help = "the largest is 9223372036854775807 (64 bits); write a string or a float";
                self.error(span, format!("the integer `{}` is too large", shorten(text)), Some(help), None);
                0
            })),
            Kind::Float => {
                let number: f64 = text.parse().unwrap_or(f64::INFINITY);
                if !number.is_finite() {
                    let help = "the largest is about 1.7e308";
                    self.error(span, format!("the float `{}` is too large", shorten(text)), Some(help), None);
                }
                Expr::Float(number)
            }
            _ => return self.text(span, Arc::from(text)),
        };
        self.alloc(span, expr)
    }

    /// `f a b c`, parentheses around the functions included: one [`Expr::Apply`].
    fn apply(&mut self, node: Node<'t>) -> ExprId {
        let span = self.span(node);
        // The innermost application last.
        let mut applications: SmallVec<[Node<'t>; 4]> = SmallVec::new();
        let mut function = node;
        while let (Kind::Apply, Some(inner)) = (function.kind(), function.child(0)) {
            applications.push(function);
            function = inner.without_parens();
        }
        let function = self.expr(function);
        let arguments = applications.iter().rev().flat_map(|application| application.children().skip(1));
        let arguments = arguments.map(|argument| self.expr(argument)).collect();
        self.alloc(span, Expr::Apply { function, arguments })
    }

    /// The attribute path of a selection or `?`.
    fn attr_path(&mut self, node: Node<'t>) -> Box<[AttrName]> {
        let names = node.child(1).into_iter().flat_map(|path| path.children());
        let lower = |node| match self.attr_name(node) {
            Name::Static(name, span) => AttrName::Static(name, self.name_id(span)),
            Name::Dynamic(node, _) => AttrName::Dynamic(self.expr(node)),
        };
        names.map(lower).collect()
    }

    /// `a + b + c`, `a |> f |> g`. The sides are lowered from left to right without recursion along the chain.
    fn operation(&mut self, node: Node<'t>) -> ExprId {
        // What is still to do, last first: a side to lower, or an operator whose sides are both lowered.
        enum Step<'t> {
            Lower(Node<'t>),
            Combine(Kind, Span),
        }
        let mut steps: SmallVec<[Step<'t>; 8]> = SmallVec::new();
        steps.push(Step::Lower(node));
        let mut done: SmallVec<[ExprId; 8]> = SmallVec::new();
        while let Some(step) = steps.pop() {
            match step {
                Step::Lower(node) => match (node.kind(), node.child(0), node.child(1)) {
                    (operator @ (Kind::Binary(_) | Kind::Pipe(_)), Some(left), Some(right)) => {
                        steps.push(Step::Combine(operator, self.span(node)));
                        steps.push(Step::Lower(right));
                        steps.push(Step::Lower(left));
                    }
                    _ => done.push(self.expr(node)),
                },
                Step::Combine(operator, span) => {
                    let (Some(right), Some(left)) = (done.pop(), done.pop()) else { continue };
                    let apply = |function, argument| Expr::Apply { function, arguments: Box::new([argument]) };
                    let expr = match operator {
                        Kind::Binary(operator) => Expr::Binary { operator, left, right },
                        Kind::Pipe(Pipe::Into) => apply(right, left),
                        _ => apply(left, right),
                    };
                    done.push(self.alloc(span, expr));
                }
            }
        }
        done.pop().unwrap_or_else(|| self.alloc(self.span(node), Expr::List(Box::new([]))))
    }

    fn search_path(&mut self, node: Node<'t>) -> ExprId {
        let span = self.span(node);
        let path = Arc::from(self.text_of(node).trim_start_matches('<').trim_end_matches('>'));
        let find_file = self.variable(Symbol::new("__findFile"), span);
        let nix_path = self.variable(Symbol::new("__nixPath"), span);
        self.alloc(span, Expr::SearchPath { path, find_file, nix_path })
    }

    fn lambda(&mut self, node: Node<'t>, name: Option<Symbol>) -> ExprId {
        let span = self.span(node);
        let (parameter, mark) = match node.child(0) {
            Some(pattern) if matches!(pattern.kind(), Kind::Pattern { .. }) => self.pattern(pattern),
            plain => {
                let plain = plain.unwrap_or(node);
                let (symbol, key) = (self.symbol(plain), self.span(plain));
                let key = self.name_id(key);
                (Parameter::Name(symbol, key), self.scope.enter([symbol]))
            }
        };
        let body = match (node.child(1), name) {
            (Some(body), Some(name)) => self.named_expr(body, name),
            _ => self.child(node, 1),
        };
        self.scope.leave(mark);
        self.alloc(span, Expr::Lambda(Box::new(Lambda { parameter, body, name })))
    }

    /// `{ a, b ? 1, ... }@whole`; opens its frame.
    fn pattern(&mut self, node: Node<'t>) -> (Parameter, scope::Mark) {
        let ellipsis = node.kind() == Kind::Pattern { ellipsis: true };
        let mut entries: SmallVec<[(Symbol, Span, Option<Node<'t>>); 8]> = SmallVec::new();
        let mut seen: FxHashMap<Symbol, Span> = FxHashMap::default();
        let mut whole = None;
        for entry in node.children() {
            let ident = entry.child(0).unwrap_or(entry);
            let (name, key) = (self.symbol(ident), self.span(ident));
            if entry.kind() == Kind::Whole {
                whole = Some((name, key));
            } else if let Some(first) = seen.insert(name, key) {
                self.duplicate_formal(name, key, first);
            } else {
                entries.push((name, key, entry.child(1)));
            }
        }
        if let Some((name, key)) = whole
            && let Some(first) = seen.get(&name)
        {
            let (first, second) = if *first < key { (*first, key) } else { (key, *first) };
            self.duplicate_formal(name, second, first);
        }
        let names = entries.iter().map(|(name, ..)| *name).chain(whole.map(|(name, _)| name));
        let mark = self.scope.enter(names);
        let mut formals = Vec::with_capacity(entries.len());
        for (name, key, default) in entries {
            let key = self.name_id(key);
            let default = default.map(|default| self.expr(default));
            formals.push(Formal { name, key, default });
        }
        let whole = whole.map(|(name, key)| (name, self.name_id(key)));
        (Parameter::Pattern { formals: formals.into(), ellipsis, whole }, mark)
    }

    fn duplicate_formal(&mut self, name: Symbol, here: Span, first: Span) {
        self.error(
            here,
            format!("duplicate formal function argument `{name}`"),
            Some("rename or remove one of the two"),
            Some((first, "first named here")),
        );
    }
}

/// A literal that may be very long, for a message.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(24) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

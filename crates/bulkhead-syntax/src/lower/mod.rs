//! From rnix's tree to the [`Ast`].
//!
//! Lowering expects a tree without errors. It goes through the tree once, resolves variables on the way and reports
//! what Nix's parser refuses although the grammar allows it: duplicate attributes and parameters, computed names in
//! `let` and `inherit`, numbers that do not fit. Chains of operators and applications take no stack, so the depth of
//! the recursion is that of the nesting that [`crate::grammar`] has measured.

mod scope;
mod sets;
mod strings;

use std::sync::Arc;

use bulkhead_source::Span;
use rnix::SyntaxKind::{self, *};
use rnix::{NodeOrToken, SyntaxNode, SyntaxToken, TextRange};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use self::scope::Scope;
use self::sets::Name;
use crate::errors::Errors;
use crate::repair::Offsets;
use crate::{AttrName, BinaryOperator, Binding, Expr, ExprId, Formal, Lambda, NameId, Parameter, Symbol};

/// What a tree is lowered to: the parts of an [`Ast`](crate::Ast) that come from expressions.
pub(crate) struct Lowered {
    pub(crate) exprs: Vec<Expr>,
    pub(crate) expr_spans: Vec<Span>,
    pub(crate) name_spans: Vec<Span>,
    pub(crate) globals: Vec<(Symbol, ExprId)>,
    pub(crate) root: ExprId,
}

/// Lower the tree of a file. The sets that begin at `legacy_lets` (ascending) are written `let { … }`.
pub(crate) fn lower(root: &SyntaxNode, offsets: &Offsets, legacy_lets: &[u32], errors: &mut Errors) -> Lowered {
    let length = usize::from(root.text_range().len());
    let mut lowerer = Lowerer {
        offsets,
        legacy_lets,
        errors,
        exprs: Vec::with_capacity(length / 16),
        expr_spans: Vec::with_capacity(length / 16),
        name_spans: Vec::with_capacity(length / 32),
        globals: Vec::new(),
        scope: Scope::default(),
    };
    let root = lowerer.child(root);
    let Lowerer { exprs, expr_spans, name_spans, globals, .. } = lowerer;
    Lowered { exprs, expr_spans, name_spans, globals, root }
}

struct Lowerer<'a> {
    offsets: &'a Offsets,
    legacy_lets: &'a [u32],
    errors: &'a mut Errors,
    exprs: Vec<Expr>,
    expr_spans: Vec<Span>,
    name_spans: Vec<Span>,
    globals: Vec<(Symbol, ExprId)>,
    scope: Scope,
}

impl Lowerer<'_> {
    fn range(&self, range: TextRange) -> Span {
        self.offsets.span(u32::from(range.start()), u32::from(range.end()))
    }

    fn span(&self, node: &SyntaxNode) -> Span {
        self.range(node.text_range())
    }

    fn is_legacy_let(&self, node: &SyntaxNode) -> bool {
        !self.legacy_lets.is_empty() && self.legacy_lets.binary_search(&self.span(node).start).is_ok()
    }

    fn alloc(&mut self, span: Span, expr: Expr) -> ExprId {
        let id = ExprId(self.exprs.len() as u32);
        self.exprs.push(expr);
        self.expr_spans.push(span);
        id
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

    /// Report a node that lacks a part. Trees without errors have none.
    fn broken(&mut self, node: &SyntaxNode) {
        let span = self.span(node);
        self.error(span, "this expression is incomplete", None, None);
    }

    /// The symbol of an identifier.
    fn symbol(&self, node: &SyntaxNode) -> Symbol {
        match node.first_token() {
            Some(token) => Symbol::new(token.text()),
            None => Symbol::new(""),
        }
    }

    /// The first expression directly below `node`.
    fn child(&mut self, node: &SyntaxNode) -> ExprId {
        self.nth_child(node, 0)
    }

    fn nth_child(&mut self, node: &SyntaxNode, index: usize) -> ExprId {
        match nth_expression(node, index) {
            Some(child) => self.expr(&child),
            None => {
                self.broken(node);
                let span = self.span(node);
                self.alloc(span, Expr::List(Box::new([])))
            }
        }
    }

    fn expr(&mut self, node: &SyntaxNode) -> ExprId {
        let node = &strip_parens(node);
        match node.kind() {
            NODE_IDENT => {
                let (name, span) = (self.symbol(node), self.span(node));
                self.variable(name, span)
            }
            NODE_LITERAL => self.literal(node),
            NODE_STRING => self.string(node),
            NODE_APPLY => self.apply(node),
            NODE_SELECT => self.select(node),
            NODE_ATTR_SET if self.is_legacy_let(node) => self.legacy_let(node),
            NODE_ATTR_SET => self.attr_set(node),
            NODE_LIST => {
                let items: SmallVec<[SyntaxNode; 8]> =
                    node.children().filter(|child| is_expression(child.kind())).collect();
                let items = items.iter().map(|item| self.expr(item)).collect();
                self.alloc(self.span(node), Expr::List(items))
            }
            NODE_LAMBDA => self.lambda(node, None),
            NODE_BIN_OP => self.binary(node),
            NODE_UNARY_OP => {
                let operand = self.child(node);
                let negate = node.first_token().is_some_and(|token| token.kind() == TOKEN_SUB);
                self.alloc(self.span(node), if negate { Expr::Negate(operand) } else { Expr::Not(operand) })
            }
            NODE_HAS_ATTR => {
                let base = self.child(node);
                let path = self.attr_path(node);
                self.alloc(self.span(node), Expr::HasAttr { base, path })
            }
            NODE_LET_IN => self.let_in(node),
            NODE_WITH => {
                let scope = self.nth_child(node, 0);
                let outer = self.scope.enter_with();
                let body = self.nth_child(node, 1);
                self.scope.leave_with();
                self.alloc(self.span(node), Expr::With { scope, body, outer })
            }
            NODE_ASSERT => {
                let condition = self.nth_child(node, 0);
                let body = self.nth_child(node, 1);
                self.alloc(self.span(node), Expr::Assert { condition, body })
            }
            NODE_IF_ELSE => {
                let condition = self.nth_child(node, 0);
                let consequence = self.nth_child(node, 1);
                let alternative = self.nth_child(node, 2);
                self.alloc(self.span(node), Expr::If { condition, consequence, alternative })
            }
            NODE_PATH_ABS | NODE_PATH_REL | NODE_PATH_HOME => self.path(node),
            NODE_PATH_SEARCH => self.search_path(node),
            NODE_CUR_POS => self.alloc(self.span(node), Expr::CurrentPosition),
            _ => {
                self.broken(node);
                self.alloc(self.span(node), Expr::List(Box::new([])))
            }
        }
    }

    /// An expression that is bound to a name: functions remember it.
    fn named_expr(&mut self, node: &SyntaxNode, name: Symbol) -> ExprId {
        let inner = strip_parens(node);
        match inner.kind() {
            NODE_LAMBDA => self.lambda(&inner, Some(name)),
            _ => self.expr(&inner),
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

    fn literal(&mut self, node: &SyntaxNode) -> ExprId {
        let span = self.span(node);
        let Some(token) = node.first_token() else {
            self.broken(node);
            return self.alloc(span, Expr::Int(0));
        };
        let text = token.text();
        let expr = match token.kind() {
            TOKEN_INTEGER => Expr::Int(text.parse().unwrap_or_else(|_| {
                let help = "the largest is 9223372036854775807 (64 bits); write a string or a float";
                self.error(span, format!("the integer `{}` is too large", shorten(text)), Some(help), None);
                0
            })),
            TOKEN_FLOAT => {
                let number: f64 = text.parse().unwrap_or(f64::INFINITY);
                if !number.is_finite() {
                    let help = "the largest is about 1.7e308";
                    self.error(span, format!("the float `{}` is too large", shorten(text)), Some(help), None);
                }
                Expr::Float(number)
            }
            _ => Expr::Text(Arc::from(text)),
        };
        self.alloc(span, expr)
    }

    /// `f a b c`, parentheses around the functions included: one [`Expr::Apply`].
    fn apply(&mut self, node: &SyntaxNode) -> ExprId {
        let span = self.span(node);
        let mut arguments: SmallVec<[SyntaxNode; 4]> = SmallVec::new();
        let mut function = node.clone();
        while function.kind() == NODE_APPLY {
            let mut parts = expressions(&function);
            let (Some(inner), Some(argument)) = (parts.next(), parts.next()) else {
                self.broken(node);
                break;
            };
            arguments.push(argument);
            function = strip_parens(&inner);
        }
        if function.kind() == NODE_APPLY {
            return self.alloc(span, Expr::List(Box::new([])));
        }
        let function = self.expr(&function);
        let arguments = arguments.iter().rev().map(|argument| self.expr(argument)).collect();
        self.alloc(span, Expr::Apply { function, arguments })
    }

    fn select(&mut self, node: &SyntaxNode) -> ExprId {
        let base = self.child(node);
        let path = self.attr_path(node);
        let default = nth_expression(node, 1).map(|default| self.expr(&default));
        self.alloc(self.span(node), Expr::Select { base, path, default })
    }

    /// The attribute path below a selection or `?`.
    fn attr_path(&mut self, node: &SyntaxNode) -> Box<[AttrName]> {
        let Some(path) = node.children().find(|child| child.kind() == NODE_ATTRPATH) else {
            self.broken(node);
            return Box::new([]);
        };
        let names = self.attr_names(&path);
        let lower = |name| match name {
            Name::Static(name, span) => AttrName::Static(name, self.name_id(span)),
            Name::Dynamic(node, _) => AttrName::Dynamic(self.expr(&node)),
        };
        names.into_iter().map(lower).collect()
    }

    /// `a + b + c`. The sides are lowered from left to right without recursion along the chain.
    fn binary(&mut self, node: &SyntaxNode) -> ExprId {
        // What is still to do, last first: a side to lower, or an operator whose sides are both lowered.
        enum Step {
            Lower(SyntaxNode),
            Combine(BinaryOperator, Span),
        }
        let mut steps = vec![Step::Lower(node.clone())];
        let mut done: Vec<ExprId> = Vec::new();
        while let Some(step) = steps.pop() {
            match step {
                Step::Lower(node) if node.kind() == NODE_BIN_OP => {
                    let mut sides = expressions(&node);
                    let (Some(left), Some(right), Some(operator)) =
                        (sides.next(), sides.next(), binary_operator(&node))
                    else {
                        self.broken(&node);
                        done.push(self.alloc(self.span(&node), Expr::List(Box::new([]))));
                        continue;
                    };
                    steps.push(Step::Combine(operator, self.span(&node)));
                    steps.push(Step::Lower(right));
                    steps.push(Step::Lower(left));
                }
                Step::Lower(node) => done.push(self.expr(&node)),
                Step::Combine(operator, span) => {
                    if let (Some(right), Some(left)) = (done.pop(), done.pop()) {
                        done.push(self.alloc(span, Expr::Binary { operator, left, right }));
                    }
                }
            }
        }
        done.pop().unwrap_or_else(|| self.alloc(self.span(node), Expr::List(Box::new([]))))
    }

    fn search_path(&mut self, node: &SyntaxNode) -> ExprId {
        let span = self.span(node);
        let path = match node.first_token() {
            Some(token) => Arc::from(token.text().trim_start_matches('<').trim_end_matches('>')),
            None => Arc::from(""),
        };
        let find_file = self.variable(Symbol::new("__findFile"), span);
        let nix_path = self.variable(Symbol::new("__nixPath"), span);
        self.alloc(span, Expr::SearchPath { path, find_file, nix_path })
    }

    fn lambda(&mut self, node: &SyntaxNode, name: Option<Symbol>) -> ExprId {
        let span = self.span(node);
        let parameter = node.children().find(|child| matches!(child.kind(), NODE_IDENT_PARAM | NODE_PATTERN));
        let (parameter, mark) = match parameter {
            Some(pattern) if pattern.kind() == NODE_PATTERN => self.pattern(&pattern),
            Some(plain) => {
                let (symbol, key) = (self.symbol(&plain), self.span(&plain));
                let key = self.name_id(key);
                (Parameter::Name(symbol, key), self.scope.enter([symbol]))
            }
            None => {
                self.broken(node);
                let symbol = Symbol::new("");
                let key = self.name_id(span);
                (Parameter::Name(symbol, key), self.scope.enter([symbol]))
            }
        };
        let body = match (nth_expression(node, 0), name) {
            (Some(body), Some(name)) => self.named_expr(&body, name),
            _ => self.child(node),
        };
        self.scope.leave(mark);
        self.alloc(span, Expr::Lambda(Box::new(Lambda { parameter, body, name })))
    }

    /// `{ a, b ? 1, ... }@whole`; opens its frame.
    fn pattern(&mut self, node: &SyntaxNode) -> (Parameter, scope::Mark) {
        let mut entries: SmallVec<[(Symbol, Span, Option<SyntaxNode>); 8]> = SmallVec::new();
        let mut seen: FxHashMap<Symbol, Span> = FxHashMap::default();
        let mut whole = None;
        let mut ellipsis = false;
        for child in node.children_with_tokens() {
            match child {
                NodeOrToken::Token(token) => ellipsis |= token.kind() == TOKEN_ELLIPSIS,
                NodeOrToken::Node(entry) => {
                    let mut parts = entry.children();
                    let Some(ident) = parts.find(|part| part.kind() == NODE_IDENT) else {
                        self.broken(&entry);
                        continue;
                    };
                    let (name, key) = (self.symbol(&ident), self.span(&ident));
                    match entry.kind() {
                        NODE_PAT_ENTRY => {
                            if let Some(first) = seen.insert(name, key) {
                                self.duplicate_formal(name, key, first);
                                continue;
                            }
                            entries.push((name, key, parts.find(|part| is_expression(part.kind()))));
                        }
                        NODE_PAT_BIND => whole = Some((name, key)),
                        _ => self.broken(&entry),
                    }
                }
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
            let default = default.map(|default| self.expr(&default));
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

fn binary_operator(node: &SyntaxNode) -> Option<BinaryOperator> {
    let operator = |token: SyntaxToken| {
        Some(match token.kind() {
            TOKEN_CONCAT => BinaryOperator::Concat,
            TOKEN_UPDATE => BinaryOperator::Update,
            TOKEN_ADD => BinaryOperator::Add,
            TOKEN_SUB => BinaryOperator::Subtract,
            TOKEN_MUL => BinaryOperator::Multiply,
            TOKEN_DIV => BinaryOperator::Divide,
            TOKEN_EQUAL => BinaryOperator::Equal,
            TOKEN_NOT_EQUAL => BinaryOperator::NotEqual,
            TOKEN_LESS => BinaryOperator::Less,
            TOKEN_LESS_OR_EQ => BinaryOperator::LessOrEqual,
            TOKEN_MORE => BinaryOperator::Greater,
            TOKEN_MORE_OR_EQ => BinaryOperator::GreaterOrEqual,
            TOKEN_AND_AND => BinaryOperator::And,
            TOKEN_OR_OR => BinaryOperator::Or,
            TOKEN_IMPLICATION => BinaryOperator::Implies,
            _ => return None,
        })
    };
    node.children_with_tokens().filter_map(NodeOrToken::into_token).find_map(operator)
}

fn is_expression(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        NODE_APPLY
            | NODE_ASSERT
            | NODE_ATTR_SET
            | NODE_BIN_OP
            | NODE_CUR_POS
            | NODE_HAS_ATTR
            | NODE_IDENT
            | NODE_IF_ELSE
            | NODE_LAMBDA
            | NODE_LET_IN
            | NODE_LIST
            | NODE_LITERAL
            | NODE_PAREN
            | NODE_PATH_ABS
            | NODE_PATH_HOME
            | NODE_PATH_REL
            | NODE_PATH_SEARCH
            | NODE_SELECT
            | NODE_STRING
            | NODE_UNARY_OP
            | NODE_WITH
    )
}

fn expressions(node: &SyntaxNode) -> impl Iterator<Item = SyntaxNode> + use<> {
    node.children().filter(|child| is_expression(child.kind()))
}

fn nth_expression(node: &SyntaxNode, index: usize) -> Option<SyntaxNode> {
    expressions(node).nth(index)
}

/// What is inside of parentheses, however many there are.
fn strip_parens(node: &SyntaxNode) -> SyntaxNode {
    let mut node = node.clone();
    while node.kind() == NODE_PAREN {
        match nth_expression(&node, 0) {
            Some(inner) => node = inner,
            None => break,
        }
    }
    node
}

/// A literal that may be very long, for a message.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(24) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

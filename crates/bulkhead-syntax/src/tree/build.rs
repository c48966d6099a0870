//! From tokens to a [`Tree`].
//!
//! Recursion goes as deep as [`crate::grammar`] has measured the nesting; rows of operators and arguments take none.
//! Precedences are those of `parser.y` in Nix.

use bulkhead_source::Span;
use rnix::SyntaxKind::{self, *};

use super::{Kind, NodeData, Pipe, Tree};
use crate::BinaryOperator;
use crate::tokens::Token;

/// Build the tree of `text`, whose `tokens` the grammar check has found in order. `Err` is where they are not, which
/// would be a fault of that check.
pub(crate) fn build(text: &str, tokens: &[Token]) -> Result<Tree, Span> {
    let mut builder = Builder {
        text,
        tokens,
        at: 0,
        tree: Tree { nodes: Vec::with_capacity(tokens.len()), children: Vec::with_capacity(tokens.len()), root: 0 },
        waiting: Vec::new(),
        operators: Vec::new(),
        broken: None,
    };
    builder.tree.root = builder.expression();
    if builder.at < tokens.len() {
        builder.unexpected();
    }
    match builder.broken {
        Some(span) => Err(span),
        None => Ok(builder.tree),
    }
}

struct Builder<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// The next token.
    at: usize,
    tree: Tree,
    /// Nodes whose parents are not complete yet.
    waiting: Vec<u32>,
    /// Operators whose right sides are not complete yet.
    operators: Vec<Operator>,
    /// Where something is that the grammar does not allow.
    broken: Option<Span>,
}

#[derive(Clone, Copy)]
enum Operator {
    Binary(BinaryOperator),
    Pipe(Pipe),
    /// `!` or `-` before an operand, at this byte.
    Prefix(Kind, u32),
}

/// How tightly `?` binds.
const TEST: u8 = 11;

/// How tightly `|>` and `<|` bind.
const PIPE: u8 = 0;

impl Operator {
    /// How tightly it binds.
    fn level(self) -> u8 {
        match self {
            Operator::Binary(operator) => level(operator),
            Operator::Pipe(_) => PIPE,
            Operator::Prefix(Kind::Not, _) => 7,
            Operator::Prefix(..) => 12,
        }
    }

    fn is_right_associative(self) -> bool {
        use BinaryOperator::{Concat, Implies, Update};
        matches!(self, Operator::Binary(Implies | Update | Concat) | Operator::Pipe(Pipe::From))
    }
}

/// How tightly a binary operator binds.
fn level(operator: BinaryOperator) -> u8 {
    match operator {
        BinaryOperator::Implies => 1,
        BinaryOperator::Or => 2,
        BinaryOperator::And => 3,
        BinaryOperator::Equal | BinaryOperator::NotEqual => 4,
        BinaryOperator::Less
        | BinaryOperator::LessOrEqual
        | BinaryOperator::Greater
        | BinaryOperator::GreaterOrEqual => 5,
        BinaryOperator::Update => 6,
        BinaryOperator::Add | BinaryOperator::Subtract => 8,
        BinaryOperator::Multiply | BinaryOperator::Divide => 9,
        BinaryOperator::Concat => 10,
    }
}

/// An operator between two operands.
fn infix(kind: SyntaxKind) -> Option<Operator> {
    Some(Operator::Binary(match kind {
        TOKEN_PIPE_RIGHT => return Some(Operator::Pipe(Pipe::Into)),
        TOKEN_PIPE_LEFT => return Some(Operator::Pipe(Pipe::From)),
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
    }))
}

impl Builder<'_> {
    fn peek(&self) -> Option<SyntaxKind> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<SyntaxKind> {
        self.tokens.get(self.at + ahead).map(|token| token.kind)
    }

    /// Where the next token begins.
    fn start(&self) -> u32 {
        self.tokens.get(self.at).map_or(self.end(), |token| token.span.start)
    }

    /// Where the token before the next one ends.
    fn end(&self) -> u32 {
        let last = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).or(self.tokens.last());
        last.map_or(0, |token| token.span.end)
    }

    /// Note that the next token has no place in the grammar, and skip everything.
    fn unexpected(&mut self) {
        let here = Span::new(self.start(), self.tokens.get(self.at).map_or(self.end(), |token| token.span.end));
        self.broken.get_or_insert(here);
        self.at = self.tokens.len();
    }

    /// Take the next token, which must be of that kind.
    fn take(&mut self, kind: SyntaxKind) {
        if self.peek() == Some(kind) {
            self.at += 1;
        } else {
            self.unexpected();
        }
    }

    fn take_if(&mut self, kind: SyntaxKind) -> bool {
        let is_next = self.peek() == Some(kind);
        self.at += usize::from(is_next);
        is_next
    }

    fn span_of(&self, node: u32) -> Span {
        self.tree.nodes[node as usize].span
    }

    /// Make a node of the nodes that wait since `mark`.
    fn node(&mut self, kind: Kind, span: Span, mark: usize) -> u32 {
        let first_child = self.tree.children.len() as u32;
        self.tree.children.extend(self.waiting.drain(mark..));
        let child_count = self.tree.children.len() as u32 - first_child;
        let index = self.tree.nodes.len() as u32;
        self.tree.nodes.push(NodeData { kind, span, first_child, child_count });
        index
    }

    fn node_of<const N: usize>(&mut self, kind: Kind, span: Span, children: [u32; N]) -> u32 {
        let mark = self.waiting.len();
        self.waiting.extend(children);
        self.node(kind, span, mark)
    }

    /// A node from `start` to the token before the next one.
    fn node_from<const N: usize>(&mut self, kind: Kind, start: u32, children: [u32; N]) -> u32 {
        let span = Span::new(start, self.end());
        self.node_of(kind, span, children)
    }

    /// A node of the next token.
    fn leaf(&mut self, kind: Kind) -> u32 {
        let span = self.tokens.get(self.at).map_or_else(Span::default, |token| token.span);
        self.at += 1;
        self.node_of(kind, span, [])
    }

    fn expression(&mut self) -> u32 {
        let start = self.start();
        match (self.peek(), self.peek_at(1)) {
            (Some(TOKEN_IDENT), Some(TOKEN_COLON)) => {
                let parameter = self.leaf(Kind::Ident);
                self.lambda(parameter, start)
            }
            (Some(TOKEN_IDENT), Some(TOKEN_AT)) => {
                let mark = self.waiting.len();
                let whole = self.whole();
                self.waiting.push(whole);
                self.at += 1;
                let parameter = self.pattern(start, mark);
                self.lambda(parameter, start)
            }
            (Some(TOKEN_L_BRACE), _) if crate::grammar::is_pattern(self.tokens, self.at) => {
                let parameter = self.pattern(start, self.waiting.len());
                self.lambda(parameter, start)
            }
            (Some(TOKEN_LET), next) if next != Some(TOKEN_L_BRACE) => {
                self.at += 1;
                let mark = self.waiting.len();
                self.entries(TOKEN_IN);
                let body = self.expression();
                self.waiting.push(body);
                self.node(Kind::Let, Span::new(start, self.end()), mark)
            }
            (Some(TOKEN_WITH), _) => self.two_parts(Kind::With),
            (Some(TOKEN_ASSERT), _) => self.two_parts(Kind::Assert),
            (Some(TOKEN_IF), _) => {
                self.at += 1;
                let condition = self.expression();
                self.take(TOKEN_THEN);
                let consequence = self.expression();
                self.take(TOKEN_ELSE);
                let alternative = self.expression();
                self.node_from(Kind::If, start, [condition, consequence, alternative])
            }
            _ => self.operation(),
        }
    }

    /// `with e; e`, `assert e; e`.
    fn two_parts(&mut self, kind: Kind) -> u32 {
        let start = self.start();
        self.at += 1;
        let first = self.expression();
        self.take(TOKEN_SEMICOLON);
        let second = self.expression();
        self.node_from(kind, start, [first, second])
    }

    fn lambda(&mut self, parameter: u32, start: u32) -> u32 {
        self.take(TOKEN_COLON);
        let body = self.expression();
        self.node_from(Kind::Lambda, start, [parameter, body])
    }

    /// The name of a whole argument.
    fn whole(&mut self) -> u32 {
        let name = self.leaf(Kind::Ident);
        let span = self.span_of(name);
        self.node_of(Kind::Whole, span, [name])
    }

    /// `{ a, b ? 1, ... }`, and `@whole` after it; what waits since `mark` comes first.
    fn pattern(&mut self, start: u32, mark: usize) -> u32 {
        self.take(TOKEN_L_BRACE);
        let mut ellipsis = false;
        loop {
            match self.peek() {
                Some(TOKEN_IDENT) => {
                    let start = self.start();
                    let name = self.leaf(Kind::Ident);
                    let formal = if self.take_if(TOKEN_QUESTION) {
                        let default = self.expression();
                        self.node_from(Kind::Formal, start, [name, default])
                    } else {
                        self.node_from(Kind::Formal, start, [name])
                    };
                    self.waiting.push(formal);
                }
                Some(TOKEN_ELLIPSIS) => {
                    ellipsis = true;
                    self.at += 1;
                }
                Some(TOKEN_COMMA) => self.at += 1,
                _ => break,
            }
        }
        self.take(TOKEN_R_BRACE);
        if self.take_if(TOKEN_AT) {
            let whole = self.whole();
            self.waiting.push(whole);
        }
        self.node(Kind::Pattern { ellipsis }, Span::new(start, self.end()), mark)
    }

    /// Operators and their operands.
    fn operation(&mut self) -> u32 {
        let (operators, operands) = (self.operators.len(), self.waiting.len());
        loop {
            loop {
                let kind = match self.peek() {
                    Some(TOKEN_SUB) => Kind::Negate,
                    Some(TOKEN_INVERT) => Kind::Not,
                    _ => break,
                };
                self.operators.push(Operator::Prefix(kind, self.start()));
                self.at += 1;
            }
            let operand = self.application();
            self.waiting.push(operand);
            while self.peek() == Some(TOKEN_QUESTION) {
                self.reduce(operators, TEST, false);
                self.at += 1;
                let base = self.waiting.pop().unwrap_or(operand);
                let start = self.span_of(base).start;
                let path = self.attr_path();
                let test = self.node_from(Kind::HasAttr, start, [base, path]);
                self.waiting.push(test);
            }
            match self.peek().and_then(infix) {
                Some(operator) => {
                    self.reduce(operators, operator.level(), !operator.is_right_associative());
                    self.operators.push(operator);
                    self.at += 1;
                }
                None => {
                    self.reduce(operators, PIPE, true);
                    let whole = self.waiting.pop().unwrap_or(operand);
                    self.waiting.truncate(operands);
                    return whole;
                }
            }
        }
    }

    /// Complete the operators since `mark` that bind tighter than `level`, or as tightly if `equal`.
    fn reduce(&mut self, mark: usize, level: u8, equal: bool) {
        while let Some(operator) = self.operators[mark..].last().copied() {
            if operator.level() < level || operator.level() == level && !equal {
                return;
            }
            self.operators.pop();
            let Some(right) = self.waiting.pop() else { return self.unexpected() };
            let end = self.span_of(right).end;
            let node = match operator {
                Operator::Prefix(kind, start) => self.node_of(kind, Span::new(start, end), [right]),
                Operator::Binary(operator) => self.infix_node(Kind::Binary(operator), right),
                Operator::Pipe(pipe) => self.infix_node(Kind::Pipe(pipe), right),
            };
            self.waiting.push(node);
        }
    }

    /// A node of an operand that waits and another one.
    fn infix_node(&mut self, kind: Kind, right: u32) -> u32 {
        let Some(left) = self.waiting.pop() else {
            self.unexpected();
            return right;
        };
        let span = Span::new(self.span_of(left).start, self.span_of(right).end);
        self.node_of(kind, span, [left, right])
    }

    /// `f a b`.
    fn application(&mut self) -> u32 {
        let function = self.selection();
        if !self.begins_argument() {
            return function;
        }
        let start = self.span_of(function).start;
        let mark = self.waiting.len();
        self.waiting.push(function);
        while self.begins_argument() {
            let argument = self.selection();
            self.waiting.push(argument);
        }
        self.node(Kind::Apply, Span::new(start, self.end()), mark)
    }

    fn begins_argument(&self) -> bool {
        self.peek().is_some_and(|kind| crate::grammar::begins_argument(kind, self.peek_at(1)))
    }

    /// `e.a.b or e`; and `e or`, which applies `e` to a variable of that name.
    fn selection(&mut self) -> u32 {
        let base = self.simple();
        let start = self.span_of(base).start;
        match self.peek() {
            Some(TOKEN_DOT) => {
                self.at += 1;
                let path = self.attr_path();
                if self.take_if(TOKEN_OR) {
                    let default = self.selection();
                    self.node_from(Kind::Select, start, [base, path, default])
                } else {
                    self.node_from(Kind::Select, start, [base, path])
                }
            }
            Some(TOKEN_OR) => {
                let or = self.leaf(Kind::Ident);
                self.node_from(Kind::Apply, start, [base, or])
            }
            _ => base,
        }
    }

    fn simple(&mut self) -> u32 {
        let start = self.start();
        match self.peek() {
            Some(TOKEN_IDENT) => {
                let node = self.leaf(Kind::Ident);
                let Span { start, end } = self.span_of(node);
                if &self.text[start as usize..end as usize] == "__curPos" {
                    self.tree.nodes[node as usize].kind = Kind::CurrentPosition;
                }
                node
            }
            Some(TOKEN_INTEGER) => self.leaf(Kind::Integer),
            Some(TOKEN_FLOAT) => self.leaf(Kind::Float),
            Some(TOKEN_URI) => self.leaf(Kind::Uri),
            Some(TOKEN_PATH_SEARCH) => self.leaf(Kind::SearchPath),
            Some(TOKEN_PATH_ABS | TOKEN_PATH_REL | TOKEN_PATH_HOME) => self.path(),
            Some(TOKEN_STRING_START) => self.string(),
            Some(TOKEN_L_PAREN) => {
                self.at += 1;
                let inner = self.expression();
                self.take(TOKEN_R_PAREN);
                self.node_from(Kind::Paren, start, [inner])
            }
            Some(TOKEN_L_BRACK) => {
                self.at += 1;
                let mark = self.waiting.len();
                while self.begins_argument() {
                    let element = self.selection();
                    self.waiting.push(element);
                }
                self.take(TOKEN_R_BRACK);
                self.node(Kind::List, Span::new(start, self.end()), mark)
            }
            Some(TOKEN_L_BRACE) => self.set(Kind::Set { recursive: false }, start),
            Some(TOKEN_REC) => {
                self.at += 1;
                self.set(Kind::Set { recursive: true }, start)
            }
            Some(TOKEN_LET) => {
                self.at += 1;
                self.set(Kind::LegacyLet, start)
            }
            _ => {
                self.unexpected();
                self.node_from(Kind::Ident, start, [])
            }
        }
    }

    fn set(&mut self, kind: Kind, start: u32) -> u32 {
        self.take(TOKEN_L_BRACE);
        let mark = self.waiting.len();
        self.entries(TOKEN_R_BRACE);
        self.node(kind, Span::new(start, self.end()), mark)
    }

    /// Definitions and `inherit`s up to `end`.
    fn entries(&mut self, end: SyntaxKind) {
        while self.at < self.tokens.len() && self.peek() != Some(end) {
            let start = self.start();
            let entry = if self.take_if(TOKEN_INHERIT) {
                self.inherit(start)
            } else {
                let path = self.attr_path();
                self.take(TOKEN_ASSIGN);
                let value = self.expression();
                self.take(TOKEN_SEMICOLON);
                self.node_from(Kind::Definition, start, [path, value])
            };
            self.waiting.push(entry);
        }
        self.take(end);
    }

    fn inherit(&mut self, start: u32) -> u32 {
        let mark = self.waiting.len();
        let mut kind = Kind::Inherit;
        if self.take_if(TOKEN_L_PAREN) {
            kind = Kind::InheritFrom;
            let source = self.expression();
            self.take(TOKEN_R_PAREN);
            self.waiting.push(source);
        }
        while self.at < self.tokens.len() && self.peek() != Some(TOKEN_SEMICOLON) {
            let name = self.attr_name();
            self.waiting.push(name);
        }
        self.take(TOKEN_SEMICOLON);
        self.node(kind, Span::new(start, self.end()), mark)
    }

    fn attr_path(&mut self) -> u32 {
        let (start, mark) = (self.start(), self.waiting.len());
        loop {
            let name = self.attr_name();
            self.waiting.push(name);
            if !self.take_if(TOKEN_DOT) {
                return self.node(Kind::AttrPath, Span::new(start, self.end()), mark);
            }
        }
    }

    fn attr_name(&mut self) -> u32 {
        match self.peek() {
            Some(TOKEN_IDENT | TOKEN_OR) => self.leaf(Kind::Ident),
            Some(TOKEN_STRING_START) => self.string(),
            Some(TOKEN_INTERPOL_START) => self.interpolation(),
            _ => {
                let start = self.start();
                self.unexpected();
                self.node_from(Kind::Ident, start, [])
            }
        }
    }

    fn interpolation(&mut self) -> u32 {
        let start = self.start();
        self.take(TOKEN_INTERPOL_START);
        let inner = self.expression();
        self.take(TOKEN_INTERPOL_END);
        self.node_from(Kind::Interpolation, start, [inner])
    }

    fn string(&mut self) -> u32 {
        let (start, mark) = (self.start(), self.waiting.len());
        let indented = self.text[start as usize..].starts_with('\'');
        self.at += 1;
        loop {
            let part = match self.peek() {
                Some(TOKEN_STRING_CONTENT) => self.leaf(Kind::Content),
                Some(TOKEN_INTERPOL_START) => self.interpolation(),
                _ => break,
            };
            self.waiting.push(part);
        }
        self.take(TOKEN_STRING_END);
        self.node(Kind::String { indented }, Span::new(start, self.end()), mark)
    }

    /// A path literal: its parts follow each other without a space.
    fn path(&mut self) -> u32 {
        let (start, mark) = (self.start(), self.waiting.len());
        loop {
            let part = match self.peek() {
                Some(TOKEN_PATH_ABS | TOKEN_PATH_REL | TOKEN_PATH_HOME) => self.leaf(Kind::PathText),
                Some(TOKEN_INTERPOL_START) => self.interpolation(),
                _ => break,
            };
            self.waiting.push(part);
            if self.start() != self.end() {
                break;
            }
        }
        self.node(Kind::Path, Span::new(start, self.end()), mark)
    }
}

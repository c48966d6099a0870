//! Whether the tokens of a file follow Nix's grammar (`parser.y`), and how deep they nest.
//!
//! The tokens are run through an automaton with its own stack. It reports errors in Nix's vocabulary with their places,
//! goes on after them, and measures the nesting, so that the recursion of everything after it has a known depth.
//! [`crate::tree`] then only sees tokens that are in order.

mod names;
mod report;

use bulkhead_source::Span;
use rnix::SyntaxKind::{self, *};

use crate::errors::Errors;
use crate::tokens::Token;

/// How deep a file nests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Depth {
    /// Expressions inside of expressions: brackets, functions, `let`, `if`, unary operators, nested attributes.
    pub(crate) nesting: u32,
    /// Binary operators and arguments in a row, added up over the nesting.
    pub(crate) chain: u32,
}

/// Deeper nesting is refused. nixpkgs stays below half of it.
pub(crate) const MOST_NESTING: u32 = 500;

/// Longer chains of operators or arguments are refused.
pub(crate) const MOST_CHAIN: u32 = 250_000;

/// Check the tokens of a file, and measure how deep it nests; that is only good if no error is added.
pub(crate) fn check(text: &str, tokens: &[Token], errors: &mut Errors) -> Depth {
    let mut checker = Checker {
        text,
        tokens,
        at: 0,
        state: State::Expression,
        frames: vec![Frame { kind: FrameKind::Root, open: 0, here: Depth::default(), order: Order::default() }],
        here: Depth::default(),
        deepest: Depth::default(),
        order: Order::default(),
        errors,
    };
    while checker.state != State::Done {
        checker.step();
    }
    checker.deepest
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Any expression.
    Expression,
    /// An expression that is the operand of an operator, the argument of a function, or a default after `or`.
    Operand,
    /// An element of a list, or its end.
    Element,
    /// What may follow an operand.
    After(After),
    /// An attribute definition, `inherit`, or the end of the set or `let`.
    Entry,
    /// An attribute name.
    Name(PathOf),
    /// What may follow an attribute name.
    AfterName(PathOf),
    /// The inside of a string.
    InString,
    /// What may follow a piece of a path literal.
    InPath,
    /// A formal of a pattern, or its end.
    Formal,
    /// What follows the closing brace of a pattern.
    AfterPattern,
    /// Nothing: the end is reached, or an error that can't be recovered from.
    Done,
}

/// What may follow an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct After {
    /// `.` and `or`.
    select: bool,
    /// An argument.
    apply: bool,
    /// A binary operator.
    operator: bool,
}

impl After {
    const SIMPLE: After = After { select: true, apply: true, operator: true };
    const SELECTED: After = After { select: false, apply: true, operator: true };
    const TESTED: After = After { select: false, apply: false, operator: true };
}

/// What an attribute path belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PathOf {
    /// `path = value;`
    Definition,
    /// `base.path`
    Selection,
    /// `base ? path`
    Test,
    /// `inherit name name;`
    Inherit,
}

/// What is open around the current token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FrameKind {
    Root,
    Paren,
    List,
    Set,
    Let,
    Pattern {
        bound: bool,
    },
    /// `name = …;`; the frame opens at the first token of the path.
    Value,
    /// `inherit ( … )`.
    InheritFrom,
    With,
    Assert,
    Condition,
    Consequence,
    String {
        attribute: Option<PathOf>,
    },
    /// `${…}` in a string.
    StringPart,
    /// `${…}` in a path literal.
    PathPart,
    /// `${…}` as an attribute name.
    NamePart(PathOf),
}

struct Frame {
    kind: FrameKind,
    /// The token that opened it.
    open: usize,
    /// The depth outside.
    here: Depth,
    /// The operators outside.
    order: Order,
}

/// Which operators that can't be chained have been met in the current row.
#[derive(Clone, Copy, Debug, Default)]
struct Order {
    equality: Option<usize>,
    comparison: Option<usize>,
    /// `|>` and `<|`, which can't be mixed.
    pipe: Option<usize>,
}

struct Checker<'a> {
    text: &'a str,
    tokens: &'a [Token],
    /// The next token.
    at: usize,
    state: State,
    frames: Vec<Frame>,
    here: Depth,
    deepest: Depth,
    order: Order,
    errors: &'a mut Errors,
}

impl Checker<'_> {
    fn peek(&self, ahead: usize) -> Option<SyntaxKind> {
        self.tokens.get(self.at + ahead).map(|token| token.kind)
    }

    fn frame(&self) -> FrameKind {
        self.frames.last().map_or(FrameKind::Root, |frame| frame.kind)
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Whether the next token follows the one before without a space.
    fn adjacent(&self) -> bool {
        match (self.at.checked_sub(1).and_then(|at| self.tokens.get(at)), self.tokens.get(self.at)) {
            (Some(last), Some(next)) => last.span.end == next.span.start,
            _ => false,
        }
    }

    /// Open a frame at token `open`, which counts as `levels` (none or one) of nesting.
    fn push(&mut self, kind: FrameKind, open: usize, levels: u32) {
        self.frames.push(Frame { kind, open, here: self.here, order: self.order });
        self.order = Order::default();
        if levels > 0 {
            self.nest();
        }
    }

    fn pop(&mut self) {
        if let Some(frame) = self.frames.pop() {
            self.here = frame.here;
            self.order = frame.order;
        }
    }

    /// Go back to the depth at the beginning of the innermost frame, for its next part.
    fn rewind(&mut self) {
        if let Some(frame) = self.frames.last() {
            self.here = frame.here;
        }
        self.order = Order::default();
    }

    /// One level more.
    fn nest(&mut self) {
        self.here.nesting += 1;
        self.deepest.nesting = self.deepest.nesting.max(self.here.nesting);
        if self.here.nesting > MOST_NESTING {
            self.too_deep();
        }
    }

    /// One operator or argument more, which is the current token.
    fn chain(&mut self) {
        self.here.chain += 1;
        self.deepest.chain = self.deepest.chain.max(self.here.chain);
        if self.here.chain > MOST_CHAIN {
            self.too_long();
        }
    }

    fn step(&mut self) {
        match self.state {
            State::Expression => self.expression(),
            State::Operand => self.operand(),
            State::Element => self.element(),
            State::After(after) => self.after(after),
            State::Entry => self.entry(),
            State::Name(of) => self.name(of),
            State::AfterName(of) => self.after_name(of),
            State::InString => self.in_string(),
            State::InPath => self.in_path(),
            State::Formal => self.formal(),
            State::AfterPattern => self.after_pattern(),
            State::Done => {}
        }
    }

    /// Take the next token and go on with `state`, unless a limit has been passed.
    fn take(&mut self, state: State) {
        self.at += 1;
        if self.state != State::Done {
            self.state = state;
        }
    }

    fn expression(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some(TOKEN_IDENT), Some(TOKEN_COLON)) => {
                self.at += 1;
                self.nest();
                self.take(State::Expression);
            }
            (Some(TOKEN_IDENT), Some(TOKEN_AT)) => {
                self.at += 2;
                if self.peek(0) != Some(TOKEN_L_BRACE) {
                    return self.unexpected("`{`");
                }
                self.push(FrameKind::Pattern { bound: true }, self.at, 1);
                self.take(State::Formal);
            }
            (Some(TOKEN_L_BRACE), _) if self.is_pattern() => {
                self.push(FrameKind::Pattern { bound: false }, self.at, 1);
                self.take(State::Formal);
            }
            (Some(TOKEN_LET), next) if next != Some(TOKEN_L_BRACE) => {
                self.push(FrameKind::Let, self.at, 0);
                self.take(State::Entry);
            }
            (Some(TOKEN_WITH), _) => {
                self.push(FrameKind::With, self.at, 1);
                self.take(State::Expression);
            }
            (Some(TOKEN_ASSERT), _) => {
                self.push(FrameKind::Assert, self.at, 1);
                self.take(State::Expression);
            }
            (Some(TOKEN_IF), _) => {
                self.push(FrameKind::Condition, self.at, 1);
                self.take(State::Expression);
            }
            (Some(TOKEN_INVERT), _) => {
                self.nest();
                self.take(State::Operand);
            }
            _ => self.operand(),
        }
    }

    fn is_pattern(&self) -> bool {
        is_pattern(self.tokens, self.at)
    }

    fn begins_argument(&self, kind: SyntaxKind) -> bool {
        begins_argument(kind, self.peek(1))
    }

    fn operand(&mut self) {
        match self.peek(0) {
            Some(TOKEN_SUB | TOKEN_INVERT) => {
                self.nest();
                self.take(State::Operand);
            }
            _ => self.simple(State::After(After::SIMPLE)),
        }
    }

    fn element(&mut self) {
        self.rewind();
        if self.peek(0) == Some(TOKEN_R_BRACK) {
            self.pop();
            return self.take(State::After(After::SIMPLE));
        }
        // The list is one level; its elements are not deeper than each other.
        self.nest();
        if self.state != State::Done {
            self.simple(State::After(After { operator: false, ..After::SIMPLE }));
        }
    }

    /// An operand without operators and arguments.
    fn simple(&mut self, after: State) {
        match self.peek(0) {
            Some(TOKEN_IDENT) if matches!(self.peek(1), Some(TOKEN_COLON | TOKEN_AT)) => self.bare_function(),
            Some(TOKEN_IDENT | TOKEN_INTEGER | TOKEN_FLOAT | TOKEN_URI | TOKEN_PATH_SEARCH) => self.take(after),
            Some(TOKEN_PATH_ABS | TOKEN_PATH_REL | TOKEN_PATH_HOME) => self.take(State::InPath),
            Some(TOKEN_STRING_START) => {
                self.push(FrameKind::String { attribute: None }, self.at, 0);
                self.take(State::InString);
            }
            Some(TOKEN_L_PAREN) => {
                self.push(FrameKind::Paren, self.at, 1);
                self.take(State::Expression);
            }
            Some(TOKEN_L_BRACK) => {
                self.push(FrameKind::List, self.at, 0);
                self.take(State::Element);
            }
            Some(TOKEN_L_BRACE) if self.is_pattern() => self.bare_function(),
            Some(TOKEN_L_BRACE) => {
                self.push(FrameKind::Set, self.at, 0);
                self.take(State::Entry);
            }
            Some(TOKEN_LET) if self.peek(1) == Some(TOKEN_L_BRACE) => {
                self.at += 1;
                self.push(FrameKind::Set, self.at, 0);
                self.take(State::Entry);
            }
            Some(TOKEN_REC) if self.peek(1) == Some(TOKEN_L_BRACE) => {
                self.at += 1;
                self.push(FrameKind::Set, self.at, 0);
                self.take(State::Entry);
            }
            Some(TOKEN_REC) => {
                self.at += 1;
                self.unexpected("`{`");
            }
            _ => self.no_operand(),
        }
    }

    /// The state after an operand ends; in a list there are no operators.
    fn operand_done(&mut self, after: After) {
        if self.state == State::Done {
            return;
        }
        let operator = after.operator && self.frame() != FrameKind::List;
        self.state = State::After(After { operator, ..after });
    }

    fn after(&mut self, after: After) {
        let Some(kind) = self.peek(0) else { return self.complete() };
        match kind {
            TOKEN_DOT if after.select => self.take(State::Name(PathOf::Selection)),
            TOKEN_OR if after.select => {
                self.chain();
                self.at += 1;
                self.operand_done(After::SELECTED);
            }
            _ if self.frame() == FrameKind::List => {
                if kind == TOKEN_R_BRACK || self.begins_argument(kind) {
                    self.state = State::Element;
                } else {
                    self.complete();
                }
            }
            _ if after.apply && self.begins_argument(kind) => {
                self.chain();
                if self.state != State::Done {
                    self.simple(State::After(After::SIMPLE));
                }
            }
            TOKEN_QUESTION if after.operator => {
                if after == After::TESTED {
                    self.nest();
                }
                self.take(State::Name(PathOf::Test));
            }
            _ if after.operator && binary_level(kind).is_some() => self.operator(kind),
            _ => self.complete(),
        }
    }

    fn operator(&mut self, kind: SyntaxKind) {
        match binary_level(kind) {
            Some(Level::Pipe) => {
                let mixed =
                    self.order.pipe.filter(|first| self.tokens.get(*first).is_some_and(|token| token.kind != kind));
                if let Some(first) = mixed {
                    return self.mixed_pipes(first);
                }
                self.order = Order { pipe: Some(self.at), ..Order::default() };
            }
            Some(Level::Loose) => self.order = Order { pipe: self.order.pipe, ..Order::default() },
            Some(Level::Equality) => {
                if let Some(first) = self.order.equality.replace(self.at) {
                    return self.unchainable(first);
                }
                self.order.comparison = None;
            }
            Some(Level::Comparison) => {
                if let Some(first) = self.order.comparison.replace(self.at) {
                    return self.unchainable(first);
                }
            }
            Some(Level::Tight) | None => {}
        }
        self.chain();
        self.take(State::Operand);
    }

    /// An expression has ended: go on with what it is part of.
    fn complete(&mut self) {
        let next = self.peek(0);
        match (self.frame(), next) {
            (FrameKind::Root, None) => self.state = State::Done,
            (FrameKind::Paren, Some(TOKEN_R_PAREN)) => {
                self.pop();
                self.at += 1;
                self.operand_done(After::SIMPLE);
            }
            (FrameKind::InheritFrom, Some(TOKEN_R_PAREN)) => {
                self.pop();
                self.take(State::Name(PathOf::Inherit));
            }
            (FrameKind::Value, Some(TOKEN_SEMICOLON)) => {
                self.pop();
                self.take(State::Entry);
            }
            (FrameKind::With | FrameKind::Assert, Some(TOKEN_SEMICOLON)) => {
                self.pop();
                self.nest();
                self.take(State::Expression);
            }
            (FrameKind::Condition, Some(TOKEN_THEN)) => {
                self.rewind();
                self.nest();
                if let Some(frame) = self.frames.last_mut() {
                    frame.kind = FrameKind::Consequence;
                }
                self.take(State::Expression);
            }
            (FrameKind::Consequence, Some(TOKEN_ELSE)) => {
                self.pop();
                self.nest();
                self.take(State::Expression);
            }
            (FrameKind::Pattern { .. }, Some(TOKEN_COMMA)) => {
                self.rewind();
                self.take(State::Formal);
            }
            (FrameKind::Pattern { .. }, Some(TOKEN_R_BRACE)) => {
                self.rewind();
                self.take(State::AfterPattern);
            }
            (FrameKind::StringPart, Some(TOKEN_INTERPOL_END)) => {
                self.pop();
                self.take(State::InString);
            }
            (FrameKind::PathPart, Some(TOKEN_INTERPOL_END)) => {
                self.pop();
                self.take(State::InPath);
            }
            (FrameKind::NamePart(of), Some(TOKEN_INTERPOL_END)) => {
                self.pop();
                self.take(State::AfterName(of));
            }
            _ => self.unfinished(),
        }
    }

    fn in_string(&mut self) {
        match self.peek(0) {
            Some(TOKEN_STRING_CONTENT) => self.take(State::InString),
            Some(TOKEN_INTERPOL_START) => {
                self.push(FrameKind::StringPart, self.at, 1);
                self.take(State::Expression);
            }
            Some(TOKEN_STRING_END) => {
                let attribute = match self.frame() {
                    FrameKind::String { attribute } => attribute,
                    _ => None,
                };
                self.pop();
                self.at += 1;
                match attribute {
                    Some(of) => self.state = State::AfterName(of),
                    None => self.operand_done(After::SIMPLE),
                }
            }
            _ => self.unclosed_string(),
        }
    }

    fn in_path(&mut self) {
        match self.peek(0) {
            Some(TOKEN_INTERPOL_START) if self.adjacent() => {
                self.push(FrameKind::PathPart, self.at, 1);
                self.take(State::Expression);
            }
            Some(TOKEN_PATH_ABS | TOKEN_PATH_REL | TOKEN_PATH_HOME) if self.adjacent() => self.take(State::InPath),
            _ => self.operand_done(After::SIMPLE),
        }
    }
}

/// Whether the `{` at token `at` begins the pattern of a function: what follows can't begin a set.
pub(crate) fn is_pattern(tokens: &[Token], at: usize) -> bool {
    let peek = |ahead: usize| tokens.get(at + ahead).map(|token| token.kind);
    matches!(
        (peek(1), peek(2)),
        (Some(TOKEN_IDENT), Some(TOKEN_COMMA | TOKEN_QUESTION | TOKEN_R_BRACE))
            | (Some(TOKEN_ELLIPSIS), Some(TOKEN_R_BRACE))
            | (Some(TOKEN_R_BRACE), Some(TOKEN_COLON | TOKEN_AT))
    )
}

/// Whether a token, and the one after it, begin an argument or an element of a list.
pub(crate) fn begins_argument(kind: SyntaxKind, next: Option<SyntaxKind>) -> bool {
    kind.is_fn_arg() || kind == TOKEN_LET && next == Some(TOKEN_L_BRACE)
}

/// How tightly a binary operator binds, as far as chains of it may be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Pipe,
    Loose,
    Equality,
    Comparison,
    Tight,
}

fn binary_level(kind: SyntaxKind) -> Option<Level> {
    Some(match kind {
        TOKEN_PIPE_LEFT | TOKEN_PIPE_RIGHT => Level::Pipe,
        TOKEN_IMPLICATION | TOKEN_OR_OR | TOKEN_AND_AND => Level::Loose,
        TOKEN_EQUAL | TOKEN_NOT_EQUAL => Level::Equality,
        TOKEN_LESS | TOKEN_LESS_OR_EQ | TOKEN_MORE | TOKEN_MORE_OR_EQ => Level::Comparison,
        TOKEN_UPDATE | TOKEN_ADD | TOKEN_SUB | TOKEN_MUL | TOKEN_DIV | TOKEN_CONCAT => Level::Tight,
        _ => return None,
    })
}

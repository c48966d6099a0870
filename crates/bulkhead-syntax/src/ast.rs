//! The syntax tree: an arena of expressions, with a span for each.
//!
//! The tree is what is left of a file once everything that needs no evaluation is decided: nested attribute
//! definitions (`a.b = 1; a.c = 2;`) are merged, indented strings have lost their indentation, and each variable knows
//! where its value will be found.
//!
//! # Frames
//! Evaluation keeps a chain of frames. These expressions open one; everything inside them counts it:
//!
//! | expression | frame |
//! |---|---|
//! | [`Expr::Lambda`] with a plain parameter | one slot |
//! | [`Expr::Lambda`] with a pattern | a slot for each formal, in source order, then one for `@name` if there is one |
//! | [`Expr::Let`], [`Expr::Attrs`] with `recursive` | a slot for each of `attrs`, in order, then one for each of `inherit_from` |
//! | [`Expr::With`] | the set itself, searched by name |
//!
//! A [`Binding`] names a frame by how many frames lie between (0 is the innermost).

use std::sync::Arc;

use bulkhead_source::{LineIndex, Span};

use crate::{Symbol, SyntaxError};

/// An expression of an [`Ast`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// An [`Expr::Text`] of an [`Ast`], counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TextId(pub u32);

/// A name that is written in a file and is no expression: the key of an attribute, a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameId(pub u32);

/// Where the value of a variable is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binding {
    /// In slot `slot` of the frame `up` frames away.
    Local {
        /// How many frames to go up; 0 is the innermost.
        up: u32,
        /// Which slot of that frame.
        slot: u32,
    },
    /// No scope of the file binds it, and it is inside of a `with`. First among the globals, which win over `with` in
    /// Nix (`with { map = 1; }; map` is the function); then by name in the `with` frame `up` frames away, then in the
    /// one that its [`Expr::With`] names as `outer`, and so on.
    With {
        /// How many frames to go up to the innermost `with`.
        up: u32,
    },
    /// Among the globals (`builtins`, `true`, `map`, …, or what `scopedImport` supplied); all of them are in
    /// [`Ast::globals`].
    Global,
}

/// An expression. Sub-expressions are named by their [`ExprId`] in the same [`Ast`].
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// An integer literal.
    Int(i64),
    /// A floating point literal.
    Float(f64),
    /// A string without interpolation (also a URI literal), after escapes and indentation are dealt with.
    Text(Arc<str>, TextId),
    /// A string with at least one interpolation.
    Interpolated(Box<[StringPart]>),
    /// A path literal.
    Path(Box<PathLiteral>),
    /// `<name/rest>`: the text between the angle brackets. Evaluates `__findFile __nixPath "name/rest"`; the two
    /// variables are resolved like any other (they can be shadowed).
    SearchPath {
        /// `name/rest`.
        path: Arc<str>,
        /// The expression for `__findFile` (an [`Expr::Variable`]).
        find_file: ExprId,
        /// The expression for `__nixPath` (an [`Expr::Variable`]).
        nix_path: ExprId,
    },
    /// A variable.
    Variable {
        /// Its name.
        name: Symbol,
        /// Where its value is.
        binding: Binding,
    },
    /// `__curPos`.
    CurrentPosition,
    /// `[ a b ]`.
    List(Box<[ExprId]>),
    /// `{ … }` and `rec { … }`.
    Attrs(Box<AttrSet>),
    /// `let … in body`. The set is always recursive and has no dynamic attributes.
    Let {
        /// What is bound.
        bindings: Box<AttrSet>,
        /// What it is bound for; evaluated in the frame of `bindings`.
        body: ExprId,
    },
    /// `with scope; body`.
    With {
        /// Evaluated outside the new frame.
        scope: ExprId,
        /// Evaluated inside the new frame.
        body: ExprId,
        /// How many frames lie between this `with`'s frame and that of the next `with` further out: seen from the
        /// frame of this one, 1 is the frame directly outside.
        outer: Option<u32>,
    },
    /// `x: body`, `{ a, b ? 1, ... }@x: body`.
    Lambda(Box<Lambda>),
    /// `function a b c`: applied to one argument after the other.
    Apply {
        /// What is applied; never itself an [`Expr::Apply`].
        function: ExprId,
        /// The arguments, at least one.
        arguments: Box<[ExprId]>,
    },
    /// `base.a.b or default`.
    Select {
        /// What is selected from.
        base: ExprId,
        /// The names, at least one.
        path: Box<[AttrName]>,
        /// The expression after `or`.
        default: Option<ExprId>,
    },
    /// `base ? a.b`.
    HasAttr {
        /// What is looked into.
        base: ExprId,
        /// The names, at least one.
        path: Box<[AttrName]>,
    },
    /// `if condition then consequence else alternative`.
    If {
        /// The condition.
        condition: ExprId,
        /// What holds if it is true.
        consequence: ExprId,
        /// What holds if it is false.
        alternative: ExprId,
    },
    /// `assert condition; body`.
    Assert {
        /// What must be true.
        condition: ExprId,
        /// The value then.
        body: ExprId,
    },
    /// `!x`.
    Not(ExprId),
    /// `-x`.
    Negate(ExprId),
    /// `left operator right`.
    Binary {
        /// Which.
        operator: BinaryOperator,
        /// The left side.
        left: ExprId,
        /// The right side.
        right: ExprId,
    },
}

/// Operators with two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOperator {
    /// `++`
    Concat,
    /// `//`
    Update,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `&&`
    And,
    /// `||`
    Or,
    /// `->`
    Implies,
}

/// A piece of a string or path literal.
#[derive(Clone, Debug, PartialEq)]
pub enum StringPart {
    /// Text as it will stand in the value (escapes and indentation dealt with), and where it is written.
    Text(Arc<str>, Span),
    /// `${…}`.
    Interpolation(ExprId),
}

/// Against what a path literal is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathAnchor {
    /// `./x`, `../x`, `x/y`: the folder of the file.
    Relative,
    /// `/x`.
    Absolute,
    /// `~/x`.
    Home,
}

/// A path literal.
#[derive(Clone, Debug, PartialEq)]
pub struct PathLiteral {
    /// Against what it is read.
    pub anchor: PathAnchor,
    /// The path as written (with its leading `./`, `/`, `~/`), in pieces; the first is always text.
    pub parts: Box<[StringPart]>,
}

/// A set of attributes or of `let` bindings, with nested definitions merged.
#[derive(Clone, Debug, PartialEq)]
pub struct AttrSet {
    /// Whether the attributes see each other: `rec`, `let`. Opens a frame.
    pub recursive: bool,
    /// Attributes whose names are known, each name once, in the order in which they are first written.
    pub attrs: Box<[Attr]>,
    /// Indices into `attrs` in the order of their symbols; empty if they are in that order.
    pub by_symbol: Box<[u32]>,
    /// The sets named by `inherit (set) …`, in order. Evaluated in the frame of this set if it is recursive, each at
    /// most once.
    pub inherit_from: Box<[ExprId]>,
    /// Attributes with computed names, in order. Names and values see the frame of this set if it is recursive.
    pub dynamic: Box<[DynamicAttr]>,
}

/// An attribute whose name is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Attr {
    /// Its name.
    pub name: Symbol,
    /// Where the name is written (of a nested definition: this attribute's own part of the path).
    pub key: NameId,
    /// What it is bound to.
    pub value: AttrValue,
}

/// What an attribute is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrValue {
    /// `name = expression;`, evaluated in the frame of the set if it is recursive.
    Expr(ExprId),
    /// `inherit name;`: a variable, evaluated outside the frame of the set.
    Inherit(ExprId),
    /// `inherit (source) name;`.
    InheritFrom {
        /// Index into [`AttrSet::inherit_from`].
        source: u32,
    },
}

/// An attribute with a computed name: `${name} = value;`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DynamicAttr {
    /// The expression in `${…}` (or the interpolated string); where it is null the attribute is left out.
    pub name: ExprId,
    /// The value.
    pub value: ExprId,
}

/// A part of an attribute path in a selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrName {
    /// A name that is known, and where it is written.
    Static(Symbol, NameId),
    /// A computed name.
    Dynamic(ExprId),
}

/// A function.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    /// What it takes.
    pub parameter: Parameter,
    /// What it gives, evaluated in the frame of the parameter.
    pub body: ExprId,
    /// The attribute or variable it is the value of, for messages.
    pub name: Option<Symbol>,
}

/// What a function takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// `x: …`
    Name(Symbol, NameId),
    /// `{ a, b ? 1, ... }@x: …`
    Pattern {
        /// The formals, each name once, in the order written.
        formals: Box<[Formal]>,
        /// Whether further attributes are allowed (`...`).
        ellipsis: bool,
        /// The name of the whole, if it has one.
        whole: Option<(Symbol, NameId)>,
    },
}

/// One name of a function's pattern.
#[derive(Clone, Debug, PartialEq)]
pub struct Formal {
    /// The name.
    pub name: Symbol,
    /// Where it is written.
    pub key: NameId,
    /// The value where the argument lacks it, evaluated in the frame of the parameter.
    pub default: Option<ExprId>,
}

/// A comment, for suppressions and documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The comment with its markers.
    pub span: Span,
    /// Its text without the markers `#`, `/*`, `*/`, otherwise as written.
    pub text: Arc<str>,
}

/// A parsed file. `Send` and `Sync`; nothing in it depends on an evaluation.
#[derive(Clone, Debug)]
pub struct Ast {
    /// All expressions; an [`ExprId`] is an index.
    pub exprs: Vec<Expr>,
    /// Where each expression is written, by [`ExprId`].
    pub expr_spans: Vec<Span>,
    /// Where each name is written, by [`NameId`].
    pub name_spans: Vec<Span>,
    /// How many [`Expr::Text`] there are.
    pub texts: u32,
    /// The whole file.
    pub root: ExprId,
    /// Variables that no scope of the file binds and that are in no `with` (each of them an [`Expr::Variable`] with
    /// [`Binding::Global`]): each use. Which of them exist is the evaluator's to say.
    pub globals: Vec<(Symbol, ExprId)>,
    /// The comments, in order.
    pub comments: Vec<Comment>,
    /// Where the lines begin.
    pub lines: LineIndex,
    /// The text that was parsed.
    pub text: Arc<str>,
    /// The first `|>` or `<|`.
    pub pipe: Option<Span>,
}

impl Ast {
    /// The same tree, if it is one of a file that Nix takes without its experimental feature `pipe-operators`.
    ///
    /// # Errors
    /// Where the first of these operators is.
    pub fn without_pipe_operators(self) -> Result<Ast, Vec<SyntaxError>> {
        let Some(span) = self.pipe else { return Ok(self) };
        let found = self.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        Err(vec![SyntaxError {
            span,
            message: format!("`{found}` is a pipe operator, which Nix refuses unless an experimental feature is on"),
            help: Some("write the application: `f x` for `x |> f`".to_owned()),
            related: None,
        }])
    }

    /// An expression.
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }

    /// Where an expression is written.
    pub fn span(&self, id: ExprId) -> Span {
        self.expr_spans[id.0 as usize]
    }

    /// Where a name is written.
    pub fn name_span(&self, id: NameId) -> Span {
        self.name_spans[id.0 as usize]
    }
}

//! The concrete syntax tree of a file: what is written, before names are resolved and sets are merged.
//!
//! The nodes lie in one vector, children before their parents, and white space and comments are left out. A tree is
//! only built of tokens whose grammar [`crate::grammar`] has checked, so each node has the children that [`Kind`] says.

mod build;

pub(crate) use build::build;

use bulkhead_source::Span;

use crate::BinaryOperator;

/// Which side of a pipe operator the argument is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pipe {
    /// `argument |> function`
    Into,
    /// `function <| argument`
    From,
}

/// What a node is, and which children it has. *e* is an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A variable, or a name.
    Ident,
    /// `__curPos` as an expression.
    CurrentPosition,
    Integer,
    Float,
    Uri,
    /// `<name/rest>`.
    SearchPath,
    /// A path literal: `PathText` and `Interpolation`, in order, at least one.
    Path,
    PathText,
    /// A string: `Content` and `Interpolation`, in order.
    String {
        /// Whether it is written with two single quotes.
        indented: bool,
    },
    Content,
    /// `${…}`: *e*.
    Interpolation,
    /// `(…)`: *e*.
    Paren,
    /// Its elements.
    List,
    /// `{ … }`: `Definition` and `Inherit`, in order.
    Set {
        /// Whether it is written `rec { … }`.
        recursive: bool,
    },
    /// `let { … }`: as `Set`.
    LegacyLet,
    /// `let … in …`: `Definition` and `Inherit`, in order, then *e*.
    Let,
    /// `a.b = …;`: `AttrPath`, *e*.
    Definition,
    /// `inherit …;`: names, each as in an `AttrPath`.
    Inherit,
    /// `inherit (…) …;`: *e*, then names.
    InheritFrom,
    /// Names, at least one: `Ident`, `String`, `Interpolation`.
    AttrPath,
    /// *e*, `AttrPath`, and perhaps the default *e*.
    Select,
    /// *e*, `AttrPath`.
    HasAttr,
    /// The function, then arguments, at least one.
    Apply,
    /// Left *e*, right *e*.
    Binary(BinaryOperator),
    /// Left *e*, right *e*; an application.
    Pipe(Pipe),
    /// *e*.
    Not,
    /// *e*.
    Negate,
    /// A function: `Ident` or `Pattern`, then the body *e*.
    Lambda,
    /// `{ a, b ? 1, ... }@whole`: `Formal` and `Whole`, in order.
    Pattern {
        /// Whether it has `...`.
        ellipsis: bool,
    },
    /// `Ident`, and perhaps the default *e*.
    Formal,
    /// `@whole`: `Ident`.
    Whole,
    /// The set *e*, the body *e*.
    With,
    /// The condition *e*, the body *e*.
    Assert,
    /// The condition *e*, the consequence *e*, the alternative *e*.
    If,
}

/// The tree of a file.
pub(crate) struct Tree {
    nodes: Vec<NodeData>,
    /// The children of all nodes, those of one node in a row.
    children: Vec<u32>,
    root: u32,
}

struct NodeData {
    kind: Kind,
    span: Span,
    first_child: u32,
    child_count: u32,
}

impl Tree {
    /// The node of the whole file.
    pub(crate) fn root(&self) -> Node<'_> {
        Node { tree: self, index: self.root }
    }

    /// How many nodes there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }
}

/// A node of a [`Tree`].
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    tree: &'t Tree,
    index: u32,
}

impl<'t> Node<'t> {
    fn data(self) -> &'t NodeData {
        &self.tree.nodes[self.index as usize]
    }

    pub(crate) fn kind(self) -> Kind {
        self.data().kind
    }

    /// Where it is, from its first token to its last.
    pub(crate) fn span(self) -> Span {
        self.data().span
    }

    pub(crate) fn children(self) -> impl DoubleEndedIterator<Item = Node<'t>> + ExactSizeIterator {
        let NodeData { first_child, child_count, .. } = *self.data();
        let from = first_child as usize;
        let tree = self.tree;
        tree.children[from..from + child_count as usize].iter().map(move |index| Node { tree, index: *index })
    }

    pub(crate) fn child(self, index: usize) -> Option<Node<'t>> {
        let mut children = self.children();
        children.nth(index)
    }

    /// What is inside of parentheses, however many there are.
    pub(crate) fn without_parens(self) -> Node<'t> {
        let mut node = self;
        while node.kind() == Kind::Paren {
            match node.child(0) {
                Some(inner) => node = inner,
                None => break,
            }
        }
        node
    }
}

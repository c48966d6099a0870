//! Nix source text to a compact syntax tree.
//!
//! This is the only crate that names rnix and rowan: [`parse`] reads a text with them, lowers the result to an
//! [`Ast`] and drops theirs.

mod ast;
mod symbol;

pub use ast::*;
pub use symbol::Symbol;

use bulkhead_source::Span;

/// What is wrong with a text that is no Nix expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where.
    pub span: Span,
    /// What is wrong, in one sentence.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
    /// Another place that matters (the first definition, the unclosed bracket), and what is there.
    pub related: Option<(Span, String)>,
}

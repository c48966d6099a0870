//! Nix source text to a compact syntax tree.
//!
//! This is the only crate that names rnix: [`parse`] cuts a text into rnix's tokens, checks their grammar, and builds
//! and lowers a tree of them. It accepts what Nix 2.18 and its successors accept without experimental features, and
//! reports everything else with a place. Pipe operators are read too; a caller may refuse them
//! ([`Ast::without_pipe_operators`]). No text makes it panic or overflow the stack.
//!
//! Refused although Nix takes them: nesting beyond 500 levels, more than 250,000 operators or arguments in a row, tens
//! of characters of operators without any space, NUL in strings, and texts beyond 64 MiB.

mod ast;
mod conflict;
mod docs;
mod errors;
mod grammar;
mod lower;
mod repair;
mod stack;
mod symbol;
mod tokens;
mod tree;

pub use ast::*;
pub use symbol::Symbol;

use std::borrow::Cow;

use bulkhead_source::{LineIndex, Span};

use crate::errors::Errors;
use crate::lower::Lowered;
use crate::repair::Offsets;
use crate::tokens::Token;

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

/// After so many rounds a text is no longer repaired; one round does for all but texts with the line ends of old Macs.
const MOST_REPAIRS: usize = 32;

/// Longer texts are refused, in bytes.
const MOST_TEXT: usize = 64 << 20;

/// Read a Nix expression.
///
/// # Errors
/// What is wrong with the text, in its order, at most twenty findings and at least one. Each span lies inside of the
/// text. A text with an error in its grammar is not searched for errors in its meaning (duplicate attributes).
///
/// # Examples
/// ```
/// let ast = bulkhead_syntax::parse("{ a.b = 1; a.c = 2; }").unwrap();
/// let bulkhead_syntax::Expr::Attrs(set) = ast.expr(ast.root) else { panic!() };
/// assert_eq!(set.attrs.len(), 1);
///
/// let errors = bulkhead_syntax::parse("{ a = 1; a = 2; }").unwrap_err();
/// assert_eq!(errors[0].message, "attribute `a` is already defined");
/// ```
pub fn parse(text: &str) -> Result<Ast, Vec<SyntaxError>> {
    read(text).map_err(|errors| conflict::explain(text, errors))
}

fn read(text: &str) -> Result<Ast, Vec<SyntaxError>> {
    let mut errors = Errors::default();
    if text.len() > MOST_TEXT {
        let message = format!("the text is {} bytes long; at most {MOST_TEXT} are read", text.len());
        errors.push(Span::default(), message, None, None);
        return Err(errors.into_sorted());
    }
    let mut offsets = Offsets::default();
    let mut readable = Cow::Borrowed(text);
    let mut tokens = tokens::read(text, &mut errors);
    for _ in 0..MOST_REPAIRS {
        if tokens.breaks.is_empty() || !errors.is_empty() {
            break;
        }
        offsets.add(&tokens.breaks);
        readable = offsets.apply(text);
        tokens = tokens::read(&readable, &mut errors);
    }
    if let Some(place) = tokens.breaks.first()
        && errors.is_empty()
    {
        let message = "too many lines end in a carriage return alone".to_owned();
        let help = "end lines with LF or CR LF: `dos2unix -c mac FILE`".to_owned();
        errors.push(Span::new(*place, *place), message, Some(help), None);
    }
    if !errors.is_empty() {
        return Err(errors.into_original(&offsets));
    }
    let depth = grammar::check(&readable, &tokens.tokens, &mut errors);
    if !errors.is_empty() {
        return Err(errors.into_original(&offsets));
    }
    let comments: Vec<Comment> = tokens
        .comments
        .into_iter()
        .map(|comment| Comment { span: offsets.span(comment.span.start, comment.span.end), ..comment })
        .filter(|comment| comment.span.start < comment.span.end)
        .collect();
    let pipe =
        tokens.tokens.iter().find(|token| token.is_pipe()).map(|pipe| offsets.span(pipe.span.start, pipe.span.end));
    let lowered = match stack::run(depth, || build(&readable, tokens.tokens, &offsets, &mut errors)) {
        Ok(lowered) => lowered,
        Err(message) => {
            errors.push(Span::default(), message, None, None);
            None
        }
    };
    let Some(Lowered { exprs, expr_spans, name_spans, globals, texts, root }) = lowered else {
        return Err(errors.into_sorted());
    };
    let (lines, text) = (LineIndex::new(text), text.into());
    Ok(Ast { exprs, expr_spans, name_spans, texts, root, globals, comments, lines, text, pipe })
}

/// Build and lower the tree of a text whose grammar is in order; none if it has errors nevertheless.
fn build(text: &str, tokens: Vec<Token>, offsets: &Offsets, errors: &mut Errors) -> Option<Lowered> {
    let tree = match tree::build(text, &tokens) {
        Ok(tree) => tree,
        Err(span) => {
            errors.push(offsets.span(span.start, span.end), "this is not a Nix expression".to_owned(), None, None);
            return None;
        }
    };
    // From here on the tree is all that is needed, and a large file has many tokens.
    drop(tokens);
    let lowered = lower::lower(text, &tree, offsets, errors);
    errors.is_empty().then_some(lowered)
}

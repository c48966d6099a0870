//! Nix source text to a compact syntax tree.
//!
//! This is the only crate that names rnix or rowan: [`parse`] reads a text with them, lowers the result to an
//! [`Ast`] and drops theirs. It accepts what Nix 2.18 and its successors accept without experimental features, and
//! reports everything else with a place. No text makes it panic or overflow the stack.
//!
//! Refused although Nix takes them: nesting beyond 500 levels, more than 250,000 operators or arguments in a row, `!`
//! directly after an arithmetic operator (`1 + !x`), tens of characters of operators without any space, NUL in
//! strings, and texts beyond 64 MiB.

mod ast;
mod docs;
mod errors;
mod grammar;
mod lower;
mod repair;
mod stack;
mod symbol;
mod tokens;

pub use ast::*;
pub use symbol::Symbol;

use std::borrow::Cow;

use bulkhead_source::{LineIndex, Span};

use crate::errors::Errors;
use crate::grammar::{Checked, Depth};
use crate::lower::Lowered;
use crate::repair::Offsets;

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

/// Files beyond this are kept from being interned while they are parsed.
const INTERNED: Depth = Depth { nesting: 100, chain: 300 };

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
    let Checked { depth, links, legacy_lets } = grammar::check(&readable, &tokens.tokens, &mut errors);
    if !errors.is_empty() {
        return Err(errors.into_original(&offsets));
    }
    let comments: Vec<Comment> = tokens
        .comments
        .into_iter()
        .map(|comment| Comment { span: offsets.span(comment.span.start, comment.span.end), ..comment })
        .filter(|comment| comment.span.start < comment.span.end)
        .collect();
    drop(tokens.tokens);
    let checked_at = offsets.clone();
    if depth.nesting > INTERNED.nesting || depth.chain > INTERNED.chain {
        offsets.add(&links);
        readable = offsets.apply(text);
    }
    drop(links);
    let legacy_lets: Vec<u32> = legacy_lets.into_iter().map(|start| checked_at.span(start, start).start).collect();
    // rnix knows `let { … }` only as a whole expression; as `rec { … }` it may stand wherever Nix allows it.
    if !legacy_lets.is_empty() {
        let mut changed = readable.into_owned();
        for start in &legacy_lets {
            let start = offsets.changed(*start) as usize;
            changed.replace_range(start..start + "let".len(), "rec");
        }
        readable = Cow::Owned(changed);
    }

    let lowered = match stack::run(depth, || build(&readable, &offsets, &legacy_lets, &mut errors)) {
        Ok(lowered) => lowered,
        Err(message) => {
            errors.push(Span::default(), message, None, None);
            None
        }
    };
    let Some(Lowered { exprs, expr_spans, name_spans, globals, root }) = lowered else {
        return Err(errors.into_sorted());
    };
    let (lines, text) = (LineIndex::new(text), text.into());
    Ok(Ast { exprs, expr_spans, name_spans, root, globals, comments, lines, text })
}

/// Parse and lower a text whose grammar is in order; none if it has errors nevertheless.
fn build(text: &str, offsets: &Offsets, legacy_lets: &[u32], errors: &mut Errors) -> Option<Lowered> {
    let tree = rnix::Root::parse(text);
    if let Some(error) = tree.errors().first() {
        let (span, message) = describe(text, error);
        errors.push(offsets.span(span.start, span.end), message, None, None);
        return None;
    }
    let lowered = lower::lower(&tree.syntax(), offsets, legacy_lets, errors);
    errors.is_empty().then_some(lowered)
}

/// An error of rnix that the grammar check has not foreseen. Those without a place are at the end of the text.
fn describe(text: &str, error: &rnix::ParseError) -> (Span, String) {
    use rnix::ParseError::*;
    let range = match error {
        Unexpected(range)
        | UnexpectedExtra(range)
        | UnexpectedWanted(_, range, _)
        | UnexpectedDoubleBind(range)
        | DuplicatedArgs(range, _) => Some(Span::new(range.start().into(), range.end().into())),
        _ => None,
    };
    let span = range.unwrap_or_else(|| {
        let end = text.trim_end().len();
        let start = text[..end].char_indices().next_back().map_or(0, |(start, _)| start);
        Span::new(start as u32, end as u32)
    });
    (span, "this is not a Nix expression".to_owned())
}

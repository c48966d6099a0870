//! The functions of a Nix file, read from its text without evaluating it.

use bulkhead_syntax::{Ast, AttrSet, AttrValue, Binding, Expr, ExprId, Parameter};

use super::library::LibraryFunction;

/// Deeper nesting of sets and names is not followed.
const MAX_DEPTH: usize = 64;
/// Sets in sets are named `a.b` down to this depth.
const MAX_NESTING: usize = 4;
/// A default longer than this is shown as `…`, in characters.
const MAX_DEFAULT: usize = 24;
/// More arguments than this are shown as `…`.
const MAX_ARGUMENTS: usize = 32;
/// More functions of one file are not listed.
const MAX_FUNCTIONS: usize = 2_000;

/// What encloses an expression.
#[derive(Clone, Copy)]
enum Frame<'a> {
    /// A set whose attributes see each other, or a `let`.
    Names(&'a AttrSet),
    /// A function's argument, or a `with`.
    Opaque,
}

struct Reader<'a> {
    ast: &'a Ast,
    functions: Vec<LibraryFunction>,
}

/// The attributes of the set that a file gives, in the order in which they are written; of a file that is a function,
/// those of the set that it returns. A file that gives no set is one function without a name.
pub(super) fn functions(ast: &Ast) -> Vec<LibraryFunction> {
    let mut reader = Reader { ast, functions: Vec::new() };
    let mut frames = Vec::new();
    if !reader.sets(ast.root, &mut frames, "", 0) {
        let arguments = reader.arguments(ast.root, &[]);
        if !arguments.is_empty() {
            let doc = ast.doc_comment(ast.span(ast.root).start);
            reader.functions.push(LibraryFunction { name: String::new(), arguments, doc });
        }
    }
    reader.functions
}

/// The documentation of a file as a whole: that of its outermost expression.
pub(super) fn file_doc(ast: &Ast) -> Option<String> {
    ast.doc_comment(ast.span(ast.root).start)
}

impl<'a> Reader<'a> {
    /// Read the attributes of the sets that an expression gives; false if it gives none, as far as the text tells.
    fn sets(&mut self, id: ExprId, frames: &mut Vec<Frame<'a>>, prefix: &str, depth: usize) -> bool {
        if depth > MAX_DEPTH || self.functions.len() >= MAX_FUNCTIONS {
            return false;
        }
        let height = frames.len();
        let found = match self.ast.expr(id) {
            Expr::Attrs(set) => {
                if set.recursive {
                    frames.push(Frame::Names(set));
                }
                self.attributes(set, frames, prefix, depth);
                true
            }
            Expr::Let { bindings, body } => {
                frames.push(Frame::Names(bindings));
                self.sets(*body, frames, prefix, depth + 1)
            }
            Expr::With { body, .. } => {
                frames.push(Frame::Opaque);
                self.sets(*body, frames, prefix, depth + 1)
            }
            Expr::Assert { body, .. } => self.sets(*body, frames, prefix, depth + 1),
            // Within a library, a function that returns a set is a function; the file itself is called first.
            Expr::Lambda(lambda) if prefix.is_empty() => {
                frames.push(Frame::Opaque);
                self.sets(lambda.body, frames, prefix, depth + 1)
            }
            Expr::Binary { operator: bulkhead_syntax::BinaryOperator::Update, left, right } => {
                let left = self.sets(*left, frames, prefix, depth + 1);
                frames.truncate(height);
                self.sets(*right, frames, prefix, depth + 1) || left
            }
            Expr::Variable { binding, .. } => match resolve(*binding, frames) {
                Some((AttrValue::Expr(value), kept)) => {
                    let mut outer: Vec<Frame<'a>> = frames.iter().take(kept).copied().collect();
                    self.sets(value, &mut outer, prefix, depth + 1)
                }
                _ => false,
            },
            _ => false,
        };
        frames.truncate(height);
        found
    }

    fn attributes(&mut self, set: &'a AttrSet, frames: &[Frame<'a>], prefix: &str, depth: usize) {
        let inside = frames.to_vec();
        for attr in &set.attrs {
            if self.functions.len() >= MAX_FUNCTIONS {
                return;
            }
            let name = format!("{prefix}{}", attr.name.as_str());
            let mut doc = self.doc_of_key(self.ast.name_span(attr.key).start);
            let mut value = None;
            match attr.value {
                AttrValue::Expr(id) => value = Some((id, inside.clone())),
                AttrValue::Inherit(id) => {
                    // Written outside the frame of its own set.
                    let mut outer = inside.clone();
                    if set.recursive {
                        outer.pop();
                    }
                    if let Some((id, frames, written)) = self.follow(id, &outer) {
                        doc = doc.or_else(|| written.and_then(|start| self.doc_of_key(start)));
                        value = Some((id, frames));
                    }
                }
                AttrValue::InheritFrom { .. } => {}
            }
            if let Some((id, frames)) = &value {
                let is_set = matches!(self.ast.expr(*id), Expr::Attrs(_));
                if is_set && prefix.matches('.').count() < MAX_NESTING {
                    let mut frames = frames.clone();
                    self.sets(*id, &mut frames, &format!("{name}."), depth + 1);
                    continue;
                }
                doc = doc.or_else(|| self.ast.doc_comment(self.ast.span(*id).start));
            }
            let arguments = value.map(|(id, frames)| self.arguments(id, &frames)).unwrap_or_default();
            self.functions.push(LibraryFunction { name, arguments, doc });
        }
    }

    /// The expression that a variable stands for, what encloses it, and where its name is written.
    fn follow(&self, mut id: ExprId, frames: &[Frame<'a>]) -> Option<(ExprId, Vec<Frame<'a>>, Option<u32>)> {
        let mut frames = frames.to_vec();
        let mut written = None;
        for _ in 0..MAX_DEPTH {
            let Expr::Variable { binding, .. } = self.ast.expr(id) else { return Some((id, frames, written)) };
            let Binding::Local { up, slot } = *binding else { return None };
            let at = frames.len().checked_sub(up as usize + 1)?;
            let Frame::Names(set) = *frames.get(at)? else { return None };
            let attr = set.attrs.get(slot as usize)?;
            written = written.or(Some(self.ast.name_span(attr.key).start));
            match attr.value {
                AttrValue::Expr(value) => {
                    frames.truncate(at + 1);
                    id = value;
                }
                AttrValue::Inherit(value) => {
                    frames.truncate(at);
                    id = value;
                }
                AttrValue::InheritFrom { .. } => return None,
            }
        }
        None
    }

    /// The documentation before a key; for the last part of `a.b.c`, before the whole of it.
    fn doc_of_key(&self, start: u32) -> Option<String> {
        let before = self.ast.text.get(..start as usize)?;
        let start = match before.ends_with('.') {
            true => before
                .trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '\'' | '"' | '.'))
                .len(),
            false => before.len(),
        };
        self.ast.doc_comment(u32::try_from(start).ok()?)
    }

    /// The arguments of the functions that an expression is, one after the other.
    fn arguments(&self, id: ExprId, frames: &[Frame<'a>]) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut id = match self.follow(id, frames) {
            Some((id, ..)) => id,
            None => return arguments,
        };
        for _ in 0..MAX_DEPTH {
            match self.ast.expr(id) {
                Expr::Lambda(lambda) => {
                    arguments.push(self.parameter(&lambda.parameter));
                    if arguments.len() >= MAX_ARGUMENTS {
                        arguments.push("…".to_owned());
                        break;
                    }
                    id = lambda.body;
                }
                Expr::Let { body, .. } | Expr::With { body, .. } | Expr::Assert { body, .. } => id = *body,
                _ => break,
            }
        }
        arguments
    }

    fn parameter(&self, parameter: &Parameter) -> String {
        match parameter {
            Parameter::Name(name, _) => name.as_str().to_owned(),
            Parameter::Pattern { formals, ellipsis, whole } => {
                let mut parts: Vec<String> = formals
                    .iter()
                    .map(|formal| match formal.default {
                        None => formal.name.as_str().to_owned(),
                        Some(default) => format!("{} ? {}", formal.name.as_str(), self.short(default)),
                    })
                    .collect();
                parts.extend(ellipsis.then(|| "...".to_owned()));
                let pattern = if parts.is_empty() { "{ }".to_owned() } else { format!("{{ {} }}", parts.join(", ")) };
                match whole {
                    Some((name, _)) => format!("{pattern}@{}", name.as_str()),
                    None => pattern,
                }
            }
        }
    }

    /// The text of an expression, if it is short.
    fn short(&self, id: ExprId) -> String {
        let span = self.ast.span(id);
        let text = self.ast.text.get(span.start as usize..span.end as usize).unwrap_or_default();
        let is_short = text.chars().count() <= MAX_DEFAULT && !text.contains(['\n', '\r']);
        if is_short { text.to_owned() } else { "…".to_owned() }
    }
}

/// What a variable is bound to, and how many frames enclose that.
fn resolve(binding: Binding, frames: &[Frame<'_>]) -> Option<(AttrValue, usize)> {
    let Binding::Local { up, slot } = binding else { return None };
    let at = frames.len().checked_sub(up as usize + 1)?;
    let Frame::Names(set) = frames.get(at)? else { return None };
    Some((set.attrs.get(slot as usize)?.value, at + 1))
}

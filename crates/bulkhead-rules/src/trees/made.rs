//! Files that packages put into the store, by how they are written: what is in them can't be computed here.

use bulkhead_diagnostics::Place;
use bulkhead_syntax::{AttrValue, BinaryOperator, Expr, ExprId, StringPart};
use foldhash::HashSet;

use super::secret_mention::{Names, written};
use crate::context::Context;

/// Expressions in expressions are followed this far.
const DEEPEST: u8 = 16;

/// What stands for text that is computed.
pub(crate) const COMPUTED: char = char::REPLACEMENT_CHARACTER;

/// Functions of nixpkgs and of Nix that make a file with a text that is given to them.
const MAKERS: [&str; 5] = ["toFile", "writeScript", "writeText", "writeTextDir", "writeTextFile"];

/// Whether the expression at a place is a file that is made in the store of a text: `pkgs.writeText "key" "…"`, also in a
/// string.
pub(crate) fn is_made_in_store(context: &Context<'_>, place: &Place) -> bool {
    made_in_store(context, place, &|_| true)
}

/// The same, if `is_wanted` takes the text, with [`COMPUTED`] in the place of each interpolation. One that is not written
/// there is wanted.
pub(crate) fn made_in_store(context: &Context<'_>, place: &Place, is_wanted: &dyn Fn(&str) -> bool) -> bool {
    made_as(context, place, &|_, text| text.is_none_or(is_wanted))
}

/// The same, if `is_wanted` takes the name of the file, which is empty if it is not written there, and the text.
pub(crate) fn made_as(context: &Context<'_>, place: &Place, is_wanted: &Wanted<'_>) -> bool {
    let Some(names) = context.names_in(&place.file) else { return false };
    names.at(place).into_iter().any(|id| is_made(&names, id, is_wanted, &mut HashSet::default(), DEEPEST))
}

/// The text of a file that the expression at a place makes in the store, with [`COMPUTED`] for what is computed in it.
pub(crate) fn text_in_store(context: &Context<'_>, place: &Place) -> Option<String> {
    let found = std::cell::RefCell::new(None);
    let is_wanted = |text: &str| {
        *found.borrow_mut() = Some(text.to_owned());
        true
    };
    made_in_store(context, place, &is_wanted);
    found.into_inner()
}

/// Whether a file of this name, and with this text, is meant.
type Wanted<'w> = dyn Fn(&str, Option<&str>) -> bool + 'w;

/// Whether an expression is such a file.
pub(crate) fn makes_file(names: &Names, id: ExprId) -> bool {
    is_made(names, id, &|_, _| true, &mut HashSet::default(), DEEPEST)
}

/// What was `seen` is no such file: variables may lead to the same one in very many ways.
fn is_made(names: &Names, id: ExprId, is_wanted: &Wanted<'_>, seen: &mut HashSet<ExprId>, depth: u8) -> bool {
    let Some(depth) = depth.checked_sub(1).filter(|_| seen.insert(id)) else { return false };
    match names.ast.expr(id) {
        Expr::Apply { function, arguments } => {
            let called = written(&names.ast, *function);
            let called = called.rsplit('.').next().unwrap_or(called);
            if MAKERS.contains(&called) {
                let text = arguments.last().and_then(|last| text_of(names, *last, depth));
                let name = match &**arguments {
                    [name, _, ..] => text_of(names, *name, depth),
                    [set] => attribute(names, *set, "name").and_then(|name| text_of(names, name, depth)),
                    [] => None,
                };
                return is_wanted(&name.unwrap_or_default(), text.as_deref());
            }
            called == "toString" && arguments.iter().any(|of| is_made(names, *of, is_wanted, seen, depth))
        }
        // Also with a folder before it, as the store of a machine that is being started.
        Expr::Interpolated(parts) => parts.iter().any(|part| match part {
            StringPart::Interpolation(id) => is_made(names, *id, is_wanted, seen, depth),
            StringPart::Text(..) => false,
        }),
        Expr::Binary { operator: BinaryOperator::Add, left, right } => {
            is_made(names, *left, is_wanted, seen, depth) || is_made(names, *right, is_wanted, seen, depth)
        }
        Expr::Select { base, .. } => is_made(names, *base, is_wanted, seen, depth),
        Expr::Variable { .. } => {
            names.stands_for(id).is_some_and(|value| is_made(names, value, is_wanted, seen, depth))
        }
        _ => false,
    }
}

/// What an expression writes into a file, as far as it is written there.
fn text_of(names: &Names, id: ExprId, depth: u8) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    match names.ast.expr(id) {
        Expr::Text(text, _) => Some(text.to_string()),
        Expr::Interpolated(parts) => {
            let part = |part: &StringPart| match part {
                StringPart::Text(text, _) => text.to_string(),
                StringPart::Interpolation(_) => COMPUTED.to_string(),
            };
            Some(parts.iter().map(part).collect())
        }
        // The argument of `writeTextFile`.
        Expr::Attrs(_) => text_of(names, attribute(names, id, "text")?, depth),
        Expr::Variable { .. } => text_of(names, names.stands_for(id)?, depth),
        _ => None,
    }
}

/// An attribute of a set.
fn attribute(names: &Names, id: ExprId, name: &str) -> Option<ExprId> {
    let Expr::Attrs(set) = names.ast.expr(id) else { return None };
    match set.attrs.iter().find(|attr| attr.name.as_str() == name)?.value {
        AttrValue::Expr(value) => Some(value),
        _ => None,
    }
}

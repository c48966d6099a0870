//! Files that packages put into the store, by how they are written: what is in them can't be computed here.

use bulkhead_diagnostics::Place;
use bulkhead_syntax::{Expr, ExprId, StringPart};

use super::secret_mention::{Names, written};
use crate::context::Context;

/// Expressions in expressions are followed this far.
const DEEPEST: u8 = 16;

/// Functions of nixpkgs and of Nix that make a file with a text that is given to them.
const MAKERS: [&str; 5] = ["toFile", "writeScript", "writeText", "writeTextDir", "writeTextFile"];

/// Whether the expression at a place is a file that is made in the store of a text: `pkgs.writeText "key" "…"`, also in a
/// string.
pub(crate) fn is_made_in_store(context: &Context<'_>, place: &Place) -> bool {
    let Some(names) = context.names_in(&place.file) else { return false };
    names.at(place).into_iter().any(|id| is_made(&names, id, DEEPEST))
}

fn is_made(names: &Names, id: ExprId, depth: u8) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    match names.ast.expr(id) {
        Expr::Apply { function, arguments } => {
            let called = written(&names.ast, *function);
            let called = called.rsplit('.').next().unwrap_or(called);
            MAKERS.contains(&called) || (called == "toString" && arguments.iter().any(|of| is_made(names, *of, depth)))
        }
        Expr::Interpolated(parts) => match parts.first() {
            Some(StringPart::Interpolation(first)) => is_made(names, *first, depth),
            _ => false,
        },
        Expr::Select { base, .. } => is_made(names, *base, depth),
        Expr::Variable { .. } => names.stands_for(id).is_some_and(|value| is_made(names, value, depth)),
        _ => false,
    }
}

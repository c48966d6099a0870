//! Paths of decrypted secrets: where agenix puts a secret is not known, and well enough known all the same.

use bulkhead_diagnostics::Place;
use bulkhead_syntax::{Ast, AttrName, BinaryOperator, Expr, ExprId, StringPart};

use crate::context::Context;

/// Whether the expression at a place is `config.age.secrets.<name>.path`, or a text in which nothing else is computed.
pub(crate) fn is_secret_path(context: &Context<'_>, place: &Place) -> bool {
    let Some(names) = context.names_in(&place.file) else { return false };
    names.at(place).into_iter().any(|id| is_path(&names.ast, id) == Some(true))
}

/// Whether an expression has the path of a secret in it; `None` if it has something else that is computed.
fn is_path(ast: &Ast, id: ExprId) -> Option<bool> {
    match ast.expr(id) {
        Expr::Text(..) => Some(false),
        Expr::Interpolated(parts) => {
            let mut found = false;
            for part in parts {
                if let StringPart::Interpolation(id) = part {
                    found |= is_path(ast, *id)?;
                }
            }
            Some(found)
        }
        Expr::Binary { operator: BinaryOperator::Add, left, right } => {
            Some(is_path(ast, *left)? | is_path(ast, *right)?)
        }
        Expr::Select { base, path, default: None } => {
            let Expr::Variable { name, .. } = ast.expr(*base) else { return None };
            let is =
                |part: &AttrName, wanted: &str| matches!(part, AttrName::Static(name, _) if name.as_str() == wanted);
            // The name of the secret may be computed.
            let is_path = match &**path {
                [age, secrets, _, end] => is(age, "age") && is(secrets, "secrets") && is(end, "path"),
                _ => false,
            };
            (is_path && name.as_str() == "config").then_some(true)
        }
        _ => None,
    }
}

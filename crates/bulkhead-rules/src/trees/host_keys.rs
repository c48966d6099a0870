//! Expressions that take keys from the options of the SSH server, or of agenix: which ones is not known, and well
//! enough known all the same.

use bulkhead_diagnostics::Place;
use bulkhead_syntax::{AttrName, BinaryOperator, Expr, ExprId, Parameter};
use foldhash::HashMap;

use super::secret_mention::{Names, written};
use crate::context::Context;

/// Expressions in expressions are followed this far.
const DEEPEST: u8 = 32;

/// Whose keys they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// `services.openssh.hostKeys`
    Server,
    /// `age.identityPaths`
    Agenix,
}

/// What an expression has of keys.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Keys {
    whose: Whose,
    /// Whether it is one, or a list.
    is_list: bool,
    /// Whether they are paths, or sets with one.
    are_paths: bool,
}

/// Whose keys the expression at a place is paths of, or a list with paths of: all of them, or those that it chooses;
/// and where it says so. At the place of an option, all that the option has of them.
pub(crate) fn taken_keys(context: &Context<'_>, place: &Place) -> Vec<(Whose, Place)> {
    let mut found = Vec::new();
    let Some(names) = context.names_in(&place.file) else { return found };
    let mut seen = HashMap::default();
    names.at_or_behind(place).into_iter().for_each(|id| taken_in(&names, id, place, &mut seen, DEEPEST, &mut found));
    found
}

/// Add the parts of an expression that take keys.
fn taken_in(names: &Names, id: ExprId, place: &Place, seen: &mut Seen, depth: u8, found: &mut Vec<(Whose, Place)>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let mut within = |id: ExprId| taken_in(names, id, place, seen, depth, found);
    match names.ast.expr(id) {
        Expr::Binary { operator: BinaryOperator::Concat, left, right } => {
            within(*left);
            within(*right);
        }
        Expr::List(items) => items.iter().for_each(|item| within(*item)),
        Expr::Apply { function, arguments } if called(names, *function).starts_with("mk") => {
            arguments.last().into_iter().for_each(|last| within(*last));
        }
        _ => {
            let keys = keys(names, id, seen, DEEPEST).filter(|keys| keys.are_paths);
            found.extend(keys.map(|keys| (keys.whose, Place::new(place.file.clone(), names.ast.span(id)))));
        }
    }
}

/// What expressions have of keys: variables may lead to the same one in very many ways. It is nothing while it is looked for.
type Seen = HashMap<ExprId, Option<Keys>>;

fn keys(names: &Names, id: ExprId, seen: &mut Seen, depth: u8) -> Option<Keys> {
    let depth = depth.checked_sub(1)?;
    if let Some(known) = seen.get(&id) {
        return *known;
    }
    seen.insert(id, None);
    let found = keys_anew(names, id, seen, depth);
    seen.insert(id, found);
    found
}

fn keys_anew(names: &Names, id: ExprId, seen: &mut Seen, depth: u8) -> Option<Keys> {
    if let Some([.., around, last]) = names.names_of(id).as_deref() {
        match (around.as_str(), last.as_str()) {
            ("openssh", "hostKeys") => return Some(Keys { whose: Whose::Server, is_list: true, are_paths: false }),
            ("age", "identityPaths") => return Some(Keys { whose: Whose::Agenix, is_list: true, are_paths: true }),
            _ => {}
        }
    }
    let ast = &names.ast;
    match ast.expr(id) {
        Expr::Variable { .. } => keys(names, names.stands_for(id)?, seen, depth),
        Expr::Select { base, path, .. } => {
            let [AttrName::Static(name, _)] = &**path else { return None };
            let keys = keys(names, *base, seen, depth).filter(|keys| !keys.is_list && !keys.are_paths)?;
            (name.as_str() == "path").then_some(Keys { are_paths: true, ..keys })
        }
        Expr::Binary { operator: BinaryOperator::Concat, left, right } => {
            keys(names, *left, seen, depth).or_else(|| keys(names, *right, seen, depth))
        }
        Expr::List(items) => {
            let one = items.iter().find_map(|item| keys(names, *item, seen, depth)).filter(|keys| !keys.is_list)?;
            Some(Keys { is_list: true, ..one })
        }
        Expr::With { body, .. } | Expr::Let { body, .. } | Expr::Assert { body, .. } => keys(names, *body, seen, depth),
        Expr::Apply { function, arguments } => match (called(names, *function), &**arguments) {
            ("pipe", [start, functions]) => {
                let Expr::List(functions) = ast.expr(*functions) else { return None };
                functions.iter().try_fold(keys(names, *start, seen, depth)?, |keys, function| {
                    match ast.expr(*function) {
                        Expr::Apply { function, arguments } => passed(names, *function, arguments, keys),
                        _ => passed(names, *function, &[], keys),
                    }
                })
            }
            ("elemAt", [list, _]) => passed(names, *function, &[], keys(names, *list, seen, depth)?),
            (_, [before @ .., last]) => passed(names, *function, before, keys(names, *last, seen, depth)?),
            (_, []) => None,
        },
        _ => None,
    }
}

/// The last part of the name of a function.
fn called(names: &Names, function: ExprId) -> &str {
    let called = written(&names.ast, function);
    called.rsplit('.').next().unwrap_or(called)
}

/// What a function makes of keys. `before` are its arguments but for the last one.
fn passed(names: &Names, function: ExprId, before: &[ExprId], keys: Keys) -> Option<Keys> {
    let takes_path = |id: &ExprId| match names.ast.expr(*id) {
        // `key: key.path`
        Expr::Lambda(lambda) => {
            let is_path = |id: ExprId| match names.ast.expr(id) {
                Expr::Select { base, path, .. } => {
                    let is_argument = match (&lambda.parameter, names.ast.expr(*base)) {
                        (Parameter::Name(argument, _), Expr::Variable { name, .. }) => argument == name,
                        _ => false,
                    };
                    is_argument && matches!(&**path, [AttrName::Static(name, _)] if name.as_str() == "path")
                }
                // `{ path, ... }: path`
                Expr::Variable { name, .. } => {
                    matches!(lambda.parameter, Parameter::Pattern { .. }) && name.as_str() == "path"
                }
                _ => false,
            };
            match names.ast.expr(lambda.body) {
                Expr::List(items) => matches!(&**items, [item] if is_path(*item)),
                _ => is_path(lambda.body),
            }
        }
        // `getAttr "path"`
        Expr::Apply { function, arguments } => {
            called(names, *function) == "getAttr"
                && matches!(&**arguments, [name] if matches!(names.ast.expr(*name), Expr::Text(text, _) if **text == *"path"))
        }
        Expr::Text(text, _) => **text == *"path",
        _ => false,
    };
    match (called(names, function), keys.is_list, before) {
        ("map" | "concatMap" | "forEach", true, [of]) => {
            (!keys.are_paths && takes_path(of)).then_some(Keys { are_paths: true, ..keys })
        }
        ("catAttrs", true, [of]) => takes_path(of).then_some(Keys { are_paths: true, ..keys }),
        ("getAttr", false, [of]) => takes_path(of).then_some(Keys { are_paths: true, ..keys }),
        ("head" | "last" | "elemAt", true, []) => Some(Keys { is_list: false, ..keys }),
        ("findFirst", true, [_, _]) => Some(Keys { is_list: false, ..keys }),
        ("filter" | "take" | "drop" | "sort", true, [_]) | ("sublist", true, [_, _]) => Some(keys),
        ("init" | "reverseList" | "tail" | "unique", true, []) => Some(keys),
        ("optionals", true, [_]) => Some(keys),
        ("optional", false, [_]) | ("singleton" | "toList", false, []) => Some(Keys { is_list: true, ..keys }),
        ("toString" | "id", false, []) => Some(keys),
        _ => None,
    }
}

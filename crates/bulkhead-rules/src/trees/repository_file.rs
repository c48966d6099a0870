//! Which file of the repository a value is, by what it is or, where that is unknown or a store path, by how it is written.

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_eval::normal_path;
use bulkhead_source::TreePath;
use bulkhead_syntax::{AttrValue, BinaryOperator, Expr, ExprId, PathAnchor, StringPart};

use super::secret_mention::{Names, written};
use crate::context::Context;

/// Expressions in expressions, and variables that lead to variables, are followed this far.
const DEEPEST: u8 = 32;

/// Where Nix puts what it copies.
const STORE: &str = "/nix/store/";

/// The file of the repository that a value is, whether it is there or not.
///
/// That is a path, `"${self}/x"`, `self + "/x"`, `"${./x}"`, `toString ./x` and `builtins.path { path = ./x; }`, and what
/// variables of the file stand for that. A path that is written with a leading `/` is meant on the machine.
pub(crate) fn repository_file(context: &Context<'_>, data: &Data) -> Option<TreePath> {
    let at = data.place.as_ref();
    let begins = |start: &str| at.is_some_and(|at| context.begins_with(at, start));
    match &data.kind {
        DataKind::Path(path) if !path.starts_with(STORE) => (!begins("/")).then(|| context.file_of(path)).flatten(),
        DataKind::String(path) if path.starts_with('/') && !path.starts_with(STORE) => {
            if begins("\"/") || begins("''/") {
                return None;
            }
            let file = context.file_of(&normal_path(path))?;
            // Else it may be one of the machine's, by way of an option.
            (context.tree.exists(&file) || at.and_then(|at| written_file(context, at)).as_ref() == Some(&file))
                .then_some(file)
        }
        // A copy that another file has made is known by where it lies.
        DataKind::String(path) | DataKind::Path(path) => {
            at.and_then(|at| written_file(context, at)).or_else(|| context.copied_from(path))
        }
        DataKind::Unknown(_) | DataKind::Failed(_) => written_file(context, at?),
        _ => None,
    }
}

/// The file of the repository that the expression at a place names.
pub(crate) fn written_file(context: &Context<'_>, place: &Place) -> Option<TreePath> {
    let names = context.names_in(&place.file)?;
    names.at(place).into_iter().find_map(|id| file_of_expression(&names, id, place))
}

/// The file of the repository that is copied into the store for a text at a place, with something before it.
pub(crate) fn copied_behind(context: &Context<'_>, place: &Place) -> Option<TreePath> {
    let names = context.names_in(&place.file)?;
    names.at(place).into_iter().find_map(|id| {
        let Expr::Interpolated(parts) = names.ast.expr(id) else { return None };
        let copied = parts.iter().find_map(|part| match part {
            StringPart::Interpolation(id) => {
                let id = names.stands_for(*id).unwrap_or(*id);
                let is_path = matches!(names.ast.expr(id), Expr::Path(path) if path.anchor == PathAnchor::Relative);
                is_path.then_some(id)
            }
            StringPart::Text(..) => None,
        })?;
        file_of_expression(&names, copied, place)
    })
}

/// The file of the repository that an expression of the file at a place names.
pub(crate) fn file_of_expression(names: &Names, id: ExprId, place: &Place) -> Option<TreePath> {
    let folder = TreePath::new(&place.file).ok()?.parent()?;
    let Spelled::From(base, rest) = spelled(names, id, DEEPEST).filter(Spelled::is_file)? else { return None };
    let base = match base {
        Base::Folder => folder,
        Base::Root => TreePath::root(),
    };
    base.join(rest.trim_start_matches('/')).ok()
}

/// What an expression spells.
enum Spelled {
    /// A path in the repository.
    From(Base, String),
    /// Text that may be added to one.
    Text(String),
}

impl Spelled {
    /// Whether it is a path below where it begins.
    fn is_file(&self) -> bool {
        matches!(self, Spelled::From(_, rest) if !rest.trim_matches(['.', '/']).is_empty())
    }
}

/// Where a path begins.
#[derive(Clone, Copy)]
enum Base {
    /// At the folder of the file.
    Folder,
    /// At the root of the flake.
    Root,
}

fn spelled(names: &Names, id: ExprId, depth: u8) -> Option<Spelled> {
    let depth = depth.checked_sub(1)?;
    match names.ast.expr(id) {
        Expr::Text(text, _) => Some(Spelled::Text(text.to_string())),
        Expr::Path(path) if path.anchor == PathAnchor::Relative => {
            Some(Spelled::From(Base::Folder, texts(names, &path.parts, depth)?))
        }
        Expr::Interpolated(parts) => match &**parts {
            [StringPart::Interpolation(first), rest @ ..] => {
                let Spelled::From(base, mut path) = spelled(names, *first, depth)? else { return None };
                path.push_str(&texts(names, rest, depth)?);
                Some(Spelled::From(base, path))
            }
            parts => texts(names, parts, depth).map(Spelled::Text),
        },
        Expr::Binary { operator: BinaryOperator::Add, left, right } => {
            let Spelled::Text(right) = spelled(names, *right, depth)? else { return None };
            match spelled(names, *left, depth)? {
                Spelled::From(base, left) => Some(Spelled::From(base, left + &right)),
                Spelled::Text(left) => Some(Spelled::Text(left + &right)),
            }
        }
        Expr::Apply { function, arguments } => {
            let called = written(&names.ast, *function);
            let called = called.rsplit('.').next().unwrap_or(called);
            match (called, &**arguments) {
                ("toString" | "cleanSource", [of]) | ("filterSource", [_, of]) => spelled(names, *of, depth),
                ("append", [base, rest]) => {
                    let Spelled::From(base, path) = spelled(names, *base, depth)? else { return None };
                    let Spelled::Text(rest) = spelled(names, *rest, depth)? else { return None };
                    Some(Spelled::From(base, format!("{path}/{rest}")))
                }
                ("path", [set]) => {
                    let Expr::Attrs(set) = names.ast.expr(*set) else { return None };
                    let path = set.attrs.iter().find(|attr| attr.name.as_str() == "path")?;
                    let AttrValue::Expr(path) = path.value else { return None };
                    spelled(names, path, depth)
                }
                _ => None,
            }
        }
        Expr::Variable { .. } => match names.stands_for(id) {
            Some(value) => spelled(names, value, depth),
            None => own_flake(written(&names.ast, id)),
        },
        Expr::Select { default: None, .. } => own_flake(written(&names.ast, id)),
        _ => None,
    }
}

/// The root of the flake, under its usual names.
fn own_flake(name: &str) -> Option<Spelled> {
    let name = name.strip_suffix(".outPath").unwrap_or(name);
    matches!(name, "self" | "inputs.self").then(|| Spelled::From(Base::Root, String::new()))
}

/// The text of pieces in which nothing else is computed.
fn texts(names: &Names, parts: &[StringPart], depth: u8) -> Option<String> {
    let mut all = String::new();
    for part in parts {
        match part {
            StringPart::Text(text, _) => all.push_str(text),
            StringPart::Interpolation(id) => match spelled(names, *id, depth)? {
                Spelled::Text(text) => all.push_str(&text),
                Spelled::From(..) => return None,
            },
        }
    }
    Some(all)
}

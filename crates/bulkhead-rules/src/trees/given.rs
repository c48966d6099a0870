//! What files of a fleet are called with that is about secrets: `pkgs.callPackage ./x.nix { key = config.age.secrets.x.path; }`.

use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_source::{FileTree, TreePath};
use bulkhead_syntax::{AttrValue, Expr, ExprId, Parameter};
use foldhash::HashMap;

use super::repository_file::file_of_expression;
use super::secret_mention::{Names, written};

/// Functions that call what is in a file, with the set that is their second argument.
const CALLING: [&str; 3] = ["callPackage", "callPackages", "import"];

/// What files are called with.
#[derive(Default)]
pub(crate) struct Given {
    /// The arguments of each file that are about secrets, as paths of options.
    pub(crate) arguments: HashMap<Arc<str>, Vec<(String, Vec<String>)>>,
    /// The files that a file calls so.
    pub(crate) calls: HashMap<Arc<str>, Vec<Arc<str>>>,
}

/// The file that an expression calls, and with what.
pub(crate) fn called(files: &dyn FileTree, names: &Names, id: ExprId, path: &Arc<str>) -> Option<(TreePath, ExprId)> {
    let Expr::Apply { function, arguments } = names.ast.expr(id) else { return None };
    let name = written(&names.ast, *function);
    let [file, set, ..] = &**arguments else { return None };
    if !CALLING.contains(&name.rsplit('.').next().unwrap_or(name)) {
        return None;
    }
    // `callPackage (import ./x.nix) { … }`
    let file = match names.ast.expr(*file) {
        Expr::Apply { function, arguments } if written(&names.ast, *function).ends_with("import") => {
            *arguments.first()?
        }
        _ => *file,
    };
    let place = Place::new(path.clone(), names.ast.span(id));
    let file = file_of_expression(names, file, &place)?;
    let inner = file.join("default.nix").ok().filter(|inner| files.exists(inner));
    Some((inner.unwrap_or(file), *set))
}

/// Add what the calls in a file give.
pub(crate) fn add(files: &dyn FileTree, names: &Names, path: &Arc<str>, found: &mut Given) {
    for index in 0..names.ast.exprs.len() {
        let Ok(id) = u32::try_from(index).map(ExprId) else { return };
        let Some((file, set)) = called(files, names, id, path) else { continue };
        let Expr::Attrs(set) = names.ast.expr(names.stands_for(set).unwrap_or(set)) else { continue };
        let file = file.to_arc();
        let known = found.arguments.get(&file).map_or(0, Vec::len);
        for attr in &set.attrs {
            let name = attr.name.as_str();
            let secret = match attr.value {
                AttrValue::Expr(value) | AttrValue::Inherit(value) => names.secret(value),
                AttrValue::InheritFrom { source } => {
                    let source = set.inherit_from.get(source as usize);
                    source.and_then(|source| names.secret_in(*source, name))
                }
            };
            if let Some(secret) = secret {
                found.arguments.entry(file.clone()).or_default().push((name.to_owned(), secret));
            }
        }
        if found.arguments.get(&file).map_or(0, Vec::len) > known {
            found.calls.entry(path.clone()).or_default().push(file);
        }
    }
}

/// The names of the arguments that a file takes, and where they have that meaning.
pub(crate) fn parameters(names: &Names) -> Option<(&Parameter, ExprId)> {
    let mut root = names.ast.root;
    while let Expr::With { body, .. } | Expr::Let { body, .. } | Expr::Assert { body, .. } = names.ast.expr(root) {
        root = *body;
    }
    match names.ast.expr(root) {
        Expr::Lambda(lambda) => Some((&lambda.parameter, lambda.body)),
        _ => None,
    }
}

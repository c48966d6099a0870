//! What files of a fleet are called with that is about secrets: `pkgs.callPackage ./x.nix { key = config.age.secrets.x.path; }`.

use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_source::{FileTree, TreePath};
use bulkhead_syntax::{AttrValue, Expr, ExprId, Parameter};
use foldhash::{HashMap, HashSet};

use super::repository_file::file_of_expression;
use super::secret_mention::{ALL, Names, written};

/// Functions that call what is in a file, with the set that is their second argument.
const CALLING: [&str; 3] = ["callPackage", "callPackages", "import"];

/// The arguments of a file that are about secrets, by their names.
pub(crate) type Arguments = HashMap<String, Vec<String>>;

/// What files are called with.
#[derive(Default)]
pub(crate) struct Given {
    /// The arguments of each file that are about secrets, as paths of options; of [`ALL`] where one is given several.
    pub(crate) arguments: HashMap<Arc<str>, Arguments>,
    /// The files that a file calls so.
    pub(crate) calls: HashMap<Arc<str>, HashSet<Arc<str>>>,
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
        let mut is_given = false;
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
                is_given = true;
                let arguments = found.arguments.entry(file.clone()).or_default();
                let known = arguments.entry(name.to_owned()).or_insert_with(|| secret.clone());
                if *known != secret {
                    *known = of_all(&secret);
                }
            }
        }
        if is_given {
            found.calls.entry(path.clone()).or_default().insert(file);
        }
    }
}

/// The same path for each of all secrets.
fn of_all(path: &[String]) -> Vec<String> {
    let mut path = path.to_vec();
    let at = path.iter().position(|name| name == "secrets").map(|at| at + 1);
    if let Some(name) = at.and_then(|at| path.get_mut(at)) {
        ALL.clone_into(name);
    }
    path
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

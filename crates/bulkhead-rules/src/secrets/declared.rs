//! What machines declare in `age.secrets`, their own and those of what is inside of them.

use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::Data;
use bulkhead_modules::{OptionPath, depth_inside};
use bulkhead_source::{FileTree, TreePath};

use crate::context::Context;
use crate::trees::repository_file::repository_file;
use crate::trees::{Stated, Tree};

/// A secret that a machine declares with its file.
pub(crate) struct Declared {
    /// The name in `age.secrets`.
    pub(crate) name: Arc<str>,
    /// The file, as far as it is one of the repository.
    pub(crate) file: Stated<TreePath>,
    /// Where the file is written.
    pub(crate) place: Place,
    /// Who decrypts it.
    pub(crate) holder: Holder,
}

/// Who decrypts secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The machine.
    Machine,
    /// A user of it, by home-manager, or all of them; as messages call it.
    User(Arc<str>),
    /// A container or a virtual machine, or a user there. Its keys are not known.
    Inside,
}

/// The options below which a tree declares secrets, and who decrypts them.
pub(crate) fn declarations(tree: &Tree<'_>) -> Vec<(OptionPath, Holder)> {
    let mut found: Vec<(OptionPath, Holder)> = Vec::new();
    for named in tree.definitions() {
        let names = named.path.names();
        let start = depth_inside(&named.path);
        let [age, secrets, _, ..] = &names[start..] else { continue };
        if (&**age, &**secrets) != ("age", "secrets") {
            continue;
        }
        let holder = match names {
            _ if start == 0 => Holder::Machine,
            [first, _, user, ..] if start == 3 && **first == *"home-manager" => Holder::User(match &**user {
                "*" => Arc::from("each user"),
                name => Arc::from(format!("`{name}`")),
            }),
            _ => Holder::Inside,
        };
        let root = OptionPath::of(&names[..start + 2]);
        // They are sorted by path.
        if found.last().is_none_or(|(known, _)| *known != root) {
            found.push((root, holder));
        }
    }
    found
}

/// The secrets that a tree declares with files of the repository.
pub(crate) fn declared(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Declared> {
    let mut found = Vec::new();
    for (secrets, holder) in declarations(tree) {
        for (name, _) in tree.children(&secrets) {
            let read = |data: &Data| repository_file(context, data);
            for stated in tree.stated(&secrets.join(&name).join("file"), read, None) {
                let Some(place) = stated.place.clone() else { continue };
                found.push(Declared { name: name.clone(), file: stated, place, holder: holder.clone() });
            }
        }
    }
    found
}

/// Whether a file may be there although it can't be seen: in a submodule, or in a folder that is not read.
pub(crate) fn is_hidden(context: &Context<'_>, path: &TreePath) -> bool {
    let is_unread = context.fleet.unread.iter().any(|folder| path.starts_with(&folder.path));
    let mut around = path.parent();
    while let Some(folder) = around {
        if context.tree.is_submodule(&folder) {
            return true;
        }
        around = folder.parent();
    }
    is_unread || context.tree.kind(path).is_err()
}

/// Whether the file is there.
pub(crate) fn exists(tree: &dyn FileTree, path: &TreePath) -> bool {
    matches!(tree.kind(path), Ok(Some(_)))
}

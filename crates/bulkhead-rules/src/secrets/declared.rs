//! What machines declare in `age.secrets`.

use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::Data;
use bulkhead_source::{FileTree, TreePath};

use crate::context::Context;
use crate::trees::repository_file::repository_file;
use crate::trees::{Stated, Tree, option};

/// A secret that a machine declares with its file.
pub(crate) struct Declared {
    /// The name in `age.secrets`.
    pub(crate) name: Arc<str>,
    /// The file, as far as it is one of the repository.
    pub(crate) file: Stated<TreePath>,
    /// Where the file is written.
    pub(crate) place: Place,
}

/// The secrets that a tree declares with files of the repository.
pub(crate) fn declared(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Declared> {
    let secrets = option("age.secrets");
    let mut found = Vec::new();
    for (name, _) in tree.children(&secrets) {
        let read = |data: &Data| repository_file(context, data);
        for stated in tree.stated(&secrets.join(&name).join("file"), read, None) {
            let Some(place) = stated.place.clone() else { continue };
            found.push(Declared { name: name.clone(), file: stated, place });
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

//! Rules about workspaces.

pub(crate) mod cid_collision;
pub(crate) mod malformed_workspace_key;
pub(crate) mod missing_workspace_config;
pub(crate) mod option_without_effect;
pub(crate) mod reserved_cid;
pub(crate) mod workspace_key_reused;

use crate::trees::addresses::cid_of;
use crate::trees::{Shape, Stated, Tree, When, Workspace};

/// The context identifier that a virtual machine may have. `when` is when the workspace is one.
pub(crate) fn cids(tree: &Tree<'_>, workspace: &Workspace) -> Vec<Stated<i64>> {
    let read = |data: &bulkhead_eval::data::Data| match data.kind {
        bulkhead_eval::data::DataKind::Int(value) => Some(value),
        _ => None,
    };
    let default = (workspace.shape == Shape::Native).then(|| cid_of(&workspace.name));
    let mut found = Vec::new();
    for kind in workspace.kinds.iter().filter(|kind| &*kind.value == "vm") {
        let stated = tree.stated(&workspace.path.join("cid"), read, default);
        found.extend(stated.into_iter().filter_map(|stated| {
            let when: When = stated.when.and(&kind.when)?;
            Some(Stated { when, ..stated })
        }));
    }
    found
}

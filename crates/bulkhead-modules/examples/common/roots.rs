//! The files at which machines usually start.

use bulkhead_source::{FileKind, FileTree, TreePath};

const FOLDERS: &[&str] = &["machines", "hosts", "systems", "nixos/hosts", "nixos/machines", "nixos", "host"];

/// Every `default.nix` or `configuration.nix` below one of the usual folders, that is not below another.
pub fn roots(tree: &dyn FileTree) -> Vec<TreePath> {
    let mut found = Vec::new();
    for folder in FOLDERS.iter().filter_map(|folder| TreePath::new(folder).ok()) {
        below(tree, &folder, 3, &mut found);
    }
    found
}

fn below(tree: &dyn FileTree, folder: &TreePath, depth: usize, found: &mut Vec<TreePath>) {
    let Ok(entries) = tree.list(folder) else { return };
    for entry in entries.iter().filter(|entry| entry.kind == FileKind::Directory) {
        let Ok(inner) = folder.join(&entry.name) else { continue };
        let root = ["default.nix", "configuration.nix"].into_iter().find_map(|name| {
            let path = inner.join(name).ok()?;
            tree.exists(&path).then_some(path)
        });
        match root {
            Some(root) if !found.contains(&root) => found.push(root),
            None if depth > 1 => below(tree, &inner, depth - 1, found),
            _ => {}
        }
    }
}

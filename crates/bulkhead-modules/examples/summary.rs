//! How much of a tree of modules is known, as a line for each root:
//! `cargo run -p bulkhead-modules --example summary -- REPOSITORY REVISION [PATH…]`. Without paths, every folder below
//! `machines`, `hosts` or `systems` with a `default.nix` or `configuration.nix` is a root.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bulkhead_eval::{Limits, World};
use bulkhead_modules::{Configuration, load};
use bulkhead_source::{FileKind, FileTree, GitTree, TreePath};

const FOLDERS: &[&str] = &["machines", "hosts", "systems", "nixos/hosts", "nixos/machines", "nixos", "host"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [repository, revision, paths @ ..] = arguments.as_slice() else {
        eprintln!("summary REPOSITORY REVISION [PATH…]");
        return;
    };
    let tree: Arc<dyn FileTree> = match GitTree::revision(Path::new(repository), revision) {
        Ok(tree) => Arc::new(tree),
        Err(error) => return eprintln!("{error}"),
    };
    let roots: Vec<TreePath> = match paths {
        [] => roots(&*tree),
        paths => paths.iter().filter_map(|path| TreePath::new(path).ok()).collect(),
    };
    for root in roots {
        let world = World::new(tree.clone(), Limits::default());
        let start = Instant::now();
        let configuration = load(&world, &root);
        tell(repository, &root, &configuration, start.elapsed().as_millis());
    }
}

fn tell(repository: &str, root: &TreePath, configuration: &Configuration, milliseconds: u128) {
    let known = configuration.definitions.iter().filter(|definition| definition.is_known()).count();
    let always = configuration.definitions.iter().filter(|definition| definition.condition.is_always()).count();
    println!(
        "{} {root} modules={} definitions={} known={known} always={always} options={} undecided={} conflicts={} problems={} ms={milliseconds}",
        repository.rsplit('/').next().unwrap_or(repository),
        configuration.modules.len(),
        configuration.definitions.len(),
        configuration.options.len(),
        configuration.undecided.len(),
        configuration.conflicts().len(),
        configuration.problems.len(),
    );
    if std::env::var_os("VERBOSE").is_some() {
        for problem in &configuration.problems {
            println!("  problem: {} {:?}", problem.message, problem.place.as_ref().map(|place| &place.file));
        }
        for (path, definitions) in configuration.conflicts() {
            println!("  conflict: {path} {:?}", definitions.iter().map(|d| &d.file).collect::<Vec<_>>());
        }
        for definition in configuration.definitions.iter().filter(|definition| !definition.is_known()) {
            if let Some(unknown) = bulkhead_modules::first_unknown(&definition.value) {
                println!("  unknown: {} {} | {}", definition.path, definition.file, unknown.reason);
            } else {
                println!("  failed: {} {} {:?}", definition.path, definition.file, definition.value);
            }
        }
        for undecided in &configuration.undecided {
            println!("  undecided: {} {} {}", undecided.path, undecided.what, undecided.reason.reason);
        }
    }
}

fn roots(tree: &dyn FileTree) -> Vec<TreePath> {
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

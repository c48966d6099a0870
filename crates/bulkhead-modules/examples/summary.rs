//! How much of a tree of modules is known, as a line for each root:
//! `cargo run -p bulkhead-modules --example summary -- REPOSITORY REVISION [PATH…]`. Without paths, every folder below
//! `machines`, `hosts` or `systems` with a `default.nix` or `configuration.nix` is a root.

#[path = "common/roots.rs"]
mod roots;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bulkhead_eval::{Limits, World};
use bulkhead_modules::{Configuration, load};
use bulkhead_source::{FileTree, GitTree, TreePath};

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
        [] => roots::roots(&*tree),
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

//! How much is known of the systems that flakes make, as a line for each:
//! `cargo run --release -p bulkhead-modules --example systems -- FOLDER…`.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bulkhead_eval::{Limits, World};
use bulkhead_modules::{load_system, systems};
use bulkhead_source::{TreePath, WorkTree};

fn main() {
    for folder in std::env::args().skip(1) {
        let tree = match WorkTree::open(Path::new(&folder)) {
            Ok(tree) => Arc::new(tree),
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let Ok(flake) = TreePath::new("flake.nix") else { continue };
        let world = World::new(tree, Limits::default());
        let start = Instant::now();
        let found = systems(&world, &flake);
        let unknown = found.unknown.map(|(reason, _)| reason.reason);
        let problem = found.problem.map(|problem| problem.message);
        println!("{folder}: {} systems in {} ms", found.systems.len(), start.elapsed().as_millis());
        unknown.iter().for_each(|reason| println!("  perhaps more: {reason}"));
        problem.iter().for_each(|problem| println!("  problem: {problem}"));
        for system in found.systems {
            if let Some(reason) = system.unknown {
                println!("  {}: unknown: {}", system.name, reason.reason);
                continue;
            }
            let start = Instant::now();
            let configuration = load_system(&world, &flake, &system.name, &[], None);
            let elapsed = start.elapsed().as_millis();
            let definitions = &configuration.definitions;
            let known = definitions.iter().filter(|definition| definition.is_known()).count();
            println!(
                "  {}: {} modules, {} definitions, {known} known, {} places undecided, {} problems, {} passes, {elapsed} ms",
                system.name,
                configuration.modules.len(),
                definitions.len(),
                configuration.undecided.len(),
                configuration.problems.len(),
                configuration.passes,
            );
        }
    }
}

//! What the tests of this crate share.

#![allow(dead_code, clippy::unwrap_used)]

use std::sync::Arc;

use bulkhead_eval::data::{Data, Failure};
use bulkhead_eval::{Input, Limits, Output, Request, World, on_large_stack};
use bulkhead_source::{FileTree, MemoryTree, TreePath};

/// A world of these files, mounted at `/`.
pub fn world(files: &[(&str, &str)]) -> World {
    world_with(files, Limits::default())
}

/// A world of these files with these limits.
pub fn world_with(files: &[(&str, &str)], limits: Limits) -> World {
    let tree: Arc<dyn FileTree> = Arc::new(MemoryTree::new(files.iter().copied()).unwrap());
    World::new(tree, limits)
}

/// The request to print the value of an expression, evaluated all the way down.
pub fn strict(text: &str) -> Request {
    Request {
        input: Input::Text { text: text.to_owned(), name: "«test»".to_owned(), folder: "/".to_owned() },
        attr_path: String::new(),
        arguments: Vec::new(),
        output: Output::Nix { strict: true },
    }
}

/// What an expression prints.
pub fn ask(world: &World, text: &str) -> Result<String, Failure> {
    world.request(&strict(text)).map(|answer| String::from_utf8_lossy(&answer.text).into_owned())
}

/// What an expression prints in a world without files, or the message of its failure.
pub fn print(text: &str) -> Result<String, String> {
    ask(&world(&[]), text).map_err(|failure| failure.message)
}

/// The value of a file.
pub fn evaluate(files: &[(&str, &str)], path: &str) -> Data {
    world(files).evaluate(&TreePath::new(path).unwrap())
}

/// Run a whole test on one large stack, so that its evaluations start no threads of their own.
pub fn large<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    on_large_stack(work).unwrap()
}

//! What evaluated code may see.

use std::sync::Arc;

use bulkhead_source::{FileTree, ReadError, TreePath};
use bulkhead_syntax::{Ast, SyntaxError};

use crate::data::Data;

/// How much an evaluation may use before it ends with an error that names the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Evaluation steps (expressions and built-in loops).
    pub steps: u64,
    /// Nested evaluations (calls, forced thunks).
    pub depth: u32,
    /// Bytes that values may occupy, roughly.
    pub memory: u64,
    /// Size of one file that is read, in bytes.
    pub file_size: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { steps: 1_000_000_000, depth: 10_000, memory: 4 << 30, file_size: 64 << 20 }
    }
}

/// A tree of files under an absolute path.
#[derive(Clone)]
pub struct Mount {
    /// Where evaluated code sees the root of the tree: absolute, normalised, `/home/me/fleet`.
    pub at: Arc<str>,
    /// How messages name files of the tree: empty for the fleet itself, else for instance `<nixpkgs>`.
    pub name: Arc<str>,
    /// The files.
    pub tree: Arc<dyn FileTree>,
}

/// Why a file can't be had as a syntax tree.
#[derive(Clone, Debug, PartialEq)]
pub enum ParseFailure {
    /// It can't be read.
    Read(ReadError),
    /// It is not UTF-8; the offset of the first wrong byte, and that byte.
    NotUtf8(usize, u8),
    /// It is no Nix.
    Syntax(Vec<SyntaxError>),
}

/// What evaluated code may see, and the files parsed so far. Shared by threads.
pub struct World {}

impl World {
    /// A world of one tree. It is mounted at the tree's own root on disk, or at `/` where it has none.
    pub fn new(tree: Arc<dyn FileTree>, limits: Limits) -> World {
        let _ = (tree, limits);
        unimplemented!()
    }

    /// Add another tree.
    pub fn mount(&mut self, mount: Mount) {
        let _ = mount;
        unimplemented!()
    }

    /// Add an entry to the search path that `<name>` looks through; an empty name matches every path. `path` is
    /// absolute.
    pub fn add_search_path(&mut self, name: &str, path: &str) {
        let _ = (name, path);
        unimplemented!()
    }

    /// The tree given to [`World::new`].
    pub fn tree(&self) -> &Arc<dyn FileTree> {
        unimplemented!()
    }

    /// The syntax tree of a file of the first tree; parsed once.
    pub fn parse(&self, path: &TreePath) -> Result<Arc<Ast>, ParseFailure> {
        let _ = path;
        unimplemented!()
    }

    /// The value of a file of the first tree, evaluated all the way down. What fails is [`crate::data::DataKind::Failed`]
    /// just where it fails; a file that can't be parsed is so as a whole.
    pub fn evaluate(&self, path: &TreePath) -> Data {
        let _ = path;
        unimplemented!()
    }
}

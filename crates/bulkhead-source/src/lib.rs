//! The only way to the files of a repository.
//!
//! A [`FileTree`] shows the working tree, the git index (what will be committed) or a git revision as the same thing:
//! a tree of files below one root. Paths are [`TreePath`]s, relative to that root, and nothing read through them can
//! leave it, through symbolic links either. Above this crate nothing else touches the disk.

mod path;
mod span;
mod tree;

pub use path::{TreePath, TreePathError};
pub use span::{LineIndex, Position, Span};
pub use tree::{Entry, FileKind, FileTree, MemoryTree, Prefix, ReadError};

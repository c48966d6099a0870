//! The only way to the files of a repository.
//!
//! A [`FileTree`] shows the working tree ([`WorkTree`]), the git index (what will be committed) or a git revision
//! ([`GitTree`]) as the same thing: a tree of files below one root. Paths are [`TreePath`]s, relative to that root, and
//! nothing read through them can leave it, through symbolic links either. Above this crate nothing else touches the
//! disk.
//!
//! The crate needs a Unix system, and the program `git` for [`GitTree`] and [`GitHistory`].

mod git;
mod links;
mod path;
mod span;
mod text;
mod tree;
mod work_tree;
mod write;

pub use git::{
    Committed, GitError, GitHistory, GitHooks, GitTree, Removal, find_git_root, find_hooks, refuse_sparse_checkout,
};
pub use path::{TreePath, TreePathError};
pub use span::{LineIndex, Position, Span};
pub use text::{TextError, read_text};
pub use tree::{Entry, FileKind, FileTree, MemoryTree, Prefix, ReadError};
pub use work_tree::{OpenError, WorkTree};
pub use write::{WriteError, write_atomic};

//! What git has: the index, revisions and history, through the program `git`.
//!
//! Nothing that the repository's own configuration names is ever run, nothing is fetched, and nothing is written.

mod blobs;
mod history;
mod listing;
mod repository;
mod sparse;
mod tree;

use std::path::PathBuf;

pub use history::{Committed, GitHistory, Removal};
pub use repository::{GitHooks, find_git_root, find_hooks};
pub use sparse::refuse_sparse_checkout;
pub use tree::GitTree;
pub(crate) use tree::submodules;

/// Why git can't show a tree. Every message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The program `git` is not there.
    #[error("can't run `git`: {reason}; install git, or look at the working tree, which needs none")]
    NoGit {
        /// The system's words.
        reason: String,
    },
    /// No repository holds the folder.
    #[error("`{}` is not in a git repository; look at the working tree, or make one with `git init`", .path.display())]
    NotRepository {
        /// The folder asked for.
        path: PathBuf,
    },
    /// A bare repository has no index.
    #[error("`{}` is a bare git repository, which has no index; name a revision, such as `HEAD`", .path.display())]
    Bare {
        /// The repository.
        path: PathBuf,
    },
    /// Git knows no such commit.
    #[error("`{revision}` names no commit in the git repository of `{}`{hint}", .path.display())]
    UnknownRevision {
        /// What was asked for.
        revision: String,
        /// The folder asked for.
        path: PathBuf,
        /// What may be the reason, ready to be appended; or nothing.
        hint: String,
    },
    /// The root of the tree is a folder that the revision lacks.
    #[error("the commit `{revision}` has no files in `{}`", .path.display())]
    NoFolder {
        /// What was asked for.
        revision: String,
        /// The folder asked for.
        path: PathBuf,
    },
    /// A merge is not finished.
    #[error(
        "the git index has merge conflicts: `{first}`{}; resolve them, then `git add` the files",
        match .count { 1 => String::new(), count => format!(" and {} more", count - 1) }
    )]
    Conflicted {
        /// One of the files, relative to the root of the tree.
        first: String,
        /// How many files there are.
        count: usize,
    },
    /// A sparse checkout lacks files that git has.
    #[error(
        "the checkout of `{}` is sparse and lacks `{first}`{}; look at what git has with `--staged` or `--rev HEAD`, or \
         get all files with `git sparse-checkout disable`",
        .path.display(),
        match .count { 1 => String::new(), count => format!(" and {} more", count - 1) }
    )]
    SparseCheckout {
        /// The folder asked for.
        path: PathBuf,
        /// One of the files, relative to the folder.
        first: String,
        /// How many files there are.
        count: usize,
    },
    /// Anything else that git says.
    #[error("git can't read the repository of `{}`: {reason}", .path.display())]
    Failed {
        /// The folder asked for.
        path: PathBuf,
        /// Git's words.
        reason: String,
    },
}

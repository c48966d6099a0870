//! Files that git has and keeps out of the working tree, git-sparse-checkout(1).

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::GitError;
use super::repository::{Repository, find_git_root, printable};

/// Refuse a working tree below the folder `root` that lacks files because its checkout is sparse: to whoever reads it,
/// they would have been deleted. Git is only run where the repository says which files it wants.
pub fn refuse_sparse_checkout(root: &Path) -> Result<(), GitError> {
    if !may_be_sparse(root) {
        return Ok(());
    }
    let repository = Repository::find(root)?;
    let (mut first, mut count) = (None, 0);
    repository.records(["ls-files", "-t", "-z"], |record| {
        // "S" is for entries that are not to be in the working tree; some may be there all the same.
        let Some(path) = record.strip_prefix(b"S ") else { return Ok(()) };
        if fs::symlink_metadata(repository.folder.join(OsStr::from_bytes(path))).is_err() {
            count += 1;
            first.get_or_insert_with(|| printable(&String::from_utf8_lossy(path)));
        }
        Ok(())
    })?;
    match first {
        Some(first) => Err(GitError::SparseCheckout { path: repository.folder, first, count }),
        None => Ok(()),
    }
}

/// Whether the repository around `root` has the file with the patterns of a sparse checkout.
fn may_be_sparse(root: &Path) -> bool {
    let Some(top) = find_git_root(root) else { return false };
    let mut folder = top.join(".git");
    // In worktrees and submodules it is a file, gitrepository-layout(5).
    if let Ok(text) = fs::read(&folder) {
        let Some(named) = text.strip_prefix(b"gitdir: ") else { return false };
        folder = top.join(PathBuf::from(OsStr::from_bytes(named.trim_ascii_end())));
    }
    folder.join("info/sparse-checkout").exists()
}

//! Following symbolic links inside a tree, part by part, without ever leaving it.
//!
//! The system's own resolution can't be used: it leaves the root without a word, and for trees that live in git there
//! is none. The rules are those of path_resolution(7), except that the root of the tree is a wall. `..` in a link goes
//! to the folder above the one that the link really lies in, as on disk.

use crate::{FileKind, ReadError, TreePath};

/// The longest path, and the longest link, in bytes: Linux's `PATH_MAX`. Longer ones can't be checked out, and would
/// let a hostile tree make resolution slow.
pub(crate) const PATH_LIMIT: usize = 4096;

/// How many links one path may lead through: Linux's limit, path_resolution(7).
const LINK_LIMIT: u32 = 40;

/// What one name in a folder stands for.
pub(crate) enum Found<D> {
    Nothing,
    Directory(D),
    /// A symbolic link, with its target as written.
    Link(String),
    /// A regular file or something else that has no names in it.
    Leaf(FileKind),
}

/// A tree as the resolution sees it: one lookup at a time, in folders that are known to be no links.
pub(crate) trait Lookup {
    /// A folder, in whatever form makes the next lookup cheap.
    type Directory: Clone;

    /// The folder at the root.
    fn top(&self) -> Self::Directory;

    /// What `name` stands for in `folder`; `path` is the same from the root.
    fn look_up(&self, folder: &Self::Directory, name: &str, path: &str) -> Result<Found<Self::Directory>, ReadError>;

    /// Why it can't be told what follows after `here`, where nothing is, or nothing that has names in it.
    fn hidden(&self, here: &TreePath, asked: &TreePath) -> Option<ReadError>;

    /// The part of an absolute link target that follows the root, if the target lies below the root.
    fn inside<'t>(&self, absolute: &'t str) -> Option<&'t str>;
}

/// Where a path leads.
pub(crate) enum Resolved<D> {
    /// Nowhere, with the error for those who need something there.
    Nothing(ReadError),
    Directory(TreePath, D),
    /// A file, or with `follow_last` off a link.
    Leaf(TreePath, FileKind),
}

/// A link whose target is being walked.
struct Followed {
    link: String,
    target: String,
    /// How many parts were still to come after the link.
    remaining: usize,
}

/// Follow the links in `path`; one at its very end only with `follow_last`.
pub(crate) fn resolve<L: Lookup>(
    tree: &L,
    path: &TreePath,
    follow_last: bool,
) -> Result<Resolved<L::Directory>, ReadError> {
    check_length(path)?;
    // Folders from the root to where we are; `here` is the same as text.
    let mut folders = vec![tree.top()];
    let mut here = String::new();
    let mut pending: Vec<String> = path.parts().rev().map(str::to_owned).collect();
    let mut unfinished: Vec<Followed> = Vec::new();
    let mut links = 0;

    while let Some(part) = pending.pop() {
        while unfinished.last().is_some_and(|link| pending.len() < link.remaining) {
            unfinished.pop();
        }
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                folders.pop();
                if folders.is_empty() {
                    return Err(leaves(path, unfinished.pop()));
                }
                here.truncate(here.rfind('/').unwrap_or(0));
                continue;
            }
            _ => {}
        }
        let before = here.len();
        if before > 0 {
            here.push('/');
        }
        here.push_str(&part);
        if here.len() > PATH_LIMIT {
            return Err(failure(path, format!("it leads to a path of more than {PATH_LIMIT} bytes")));
        }
        let Some(folder) = folders.last() else { return Ok(Resolved::Nothing(missing(path, None))) };
        match tree.look_up(folder, &part, &here)? {
            Found::Directory(folder) => folders.push(folder),
            Found::Leaf(kind) if pending.is_empty() => return Ok(Resolved::Leaf(own(&here)?, kind)),
            // The parts of the path itself are the lowest of `pending`, so this is its own last part.
            Found::Link(_) if pending.is_empty() && !follow_last => {
                return Ok(Resolved::Leaf(own(&here)?, FileKind::Symlink));
            }
            Found::Link(target) => {
                links += 1;
                if links > LINK_LIMIT {
                    return Err(ReadError::LinkLoop { path: path.clone() });
                }
                let relative = if target.starts_with('/') {
                    let Some(inside) = tree.inside(&target) else {
                        return Err(ReadError::LeavesRoot { path: own(&here)?, target });
                    };
                    inside
                } else {
                    &target
                };
                let remaining = pending.len();
                pending.extend(relative.split('/').rev().map(str::to_owned));
                let link = here.clone();
                if target.starts_with('/') {
                    folders.truncate(1);
                    here.clear();
                } else {
                    here.truncate(before);
                }
                // An empty link leads nowhere, path_resolution(7).
                let is_empty = target.is_empty();
                unfinished.push(Followed { link, target, remaining });
                if is_empty {
                    return Ok(Resolved::Nothing(missing(path, unfinished.pop())));
                }
            }
            Found::Leaf(_) | Found::Nothing => {
                return match tree.hidden(&own(&here)?, path) {
                    Some(error) => Err(error),
                    None => Ok(Resolved::Nothing(missing(path, unfinished.pop()))),
                };
            }
        }
    }
    match folders.pop() {
        Some(folder) => Ok(Resolved::Directory(own(&here)?, folder)),
        None => Ok(Resolved::Nothing(missing(path, None))),
    }
}

/// What lies at `path`, not following a link at its end: [`FileTree::kind`](crate::FileTree::kind).
pub(crate) fn resolve_kind<L: Lookup>(tree: &L, path: &TreePath) -> Result<Option<FileKind>, ReadError> {
    match resolve(tree, path, false) {
        Ok(Resolved::Directory(..)) => Ok(Some(FileKind::Directory)),
        Ok(Resolved::Leaf(_, kind)) => Ok(Some(kind)),
        Ok(Resolved::Nothing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuse paths that no system could open.
pub(crate) fn check_length(path: &TreePath) -> Result<(), ReadError> {
    let length = path.as_str().len();
    if length <= PATH_LIMIT {
        return Ok(());
    }
    // The path itself would fill the screen.
    let start: String = path.as_str().chars().take(60).collect();
    let start = own(&format!("{start}…"))?;
    Err(failure(&start, format!("the path is {length} bytes long; at most {PATH_LIMIT} are possible")))
}

/// [`ReadError::Io`] about `path`.
pub(crate) fn failure(path: &TreePath, reason: impl ToString) -> ReadError {
    ReadError::Io { path: path.clone(), reason: reason.to_string() }
}

fn own(path: &str) -> Result<TreePath, ReadError> {
    TreePath::new(path).map_err(|error| failure(&TreePath::root(), error))
}

fn leaves(path: &TreePath, link: Option<Followed>) -> ReadError {
    // Only a link can have brought a `..` that leads out.
    let Some(Followed { link, target, .. }) = link else {
        return ReadError::LeavesRoot { path: path.clone(), target: "..".to_owned() };
    };
    match own(&link) {
        Ok(path) => ReadError::LeavesRoot { path, target },
        Err(error) => error,
    }
}

/// Nothing lies at `path`. If a broken link is to blame, the error names it: "does not exist" would be puzzling about a
/// name that everybody can see.
fn missing(path: &TreePath, link: Option<Followed>) -> ReadError {
    match link {
        Some(Followed { link, target, .. }) if link == path.as_str() => {
            failure(path, format!("it is a symbolic link to `{target}`, which does not exist"))
        }
        Some(Followed { link, target, .. }) => {
            failure(path, format!("it leads through the symbolic link `{link}` to `{target}`, which does not exist"))
        }
        None => ReadError::NotFound { path: path.clone() },
    }
}

//! Paths inside a tree.

use std::fmt;
use std::sync::Arc;

/// A path relative to the root of a tree: parts joined by `/`, no `.` or `..`, never absolute. The empty path is the
/// root itself. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TreePath(Arc<str>);

/// Why a text is no path inside a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreePathError {
    /// The path begins with `/`.
    #[error("`{0}` is absolute; a path relative to the root is expected")]
    Absolute(String),
    /// `..` leads out of the root.
    #[error("`{0}` leaves the root")]
    Escapes(String),
    /// The path has a NUL character.
    #[error("the path has a NUL character")]
    Nul,
}

impl TreePath {
    /// The root of the tree.
    pub fn root() -> TreePath {
        TreePath(Arc::from(""))
    }

    /// Normalise `path`: `.` and doubled slashes go, `..` goes up.
    pub fn new(path: &str) -> Result<TreePath, TreePathError> {
        if path.starts_with('/') {
            return Err(TreePathError::Absolute(path.to_owned()));
        }
        TreePath::root().join(path)
    }

    /// `self/relative`, normalised. `relative` may have `.` and `..` but can't leave the root or be absolute.
    pub fn join(&self, relative: &str) -> Result<TreePath, TreePathError> {
        if relative.starts_with('/') {
            return Err(TreePathError::Absolute(relative.to_owned()));
        }
        if relative.contains('\0') {
            return Err(TreePathError::Nul);
        }
        // One name, as in the listing of a folder, is nearly every case.
        if !relative.contains('/') && !matches!(relative, "" | "." | "..") {
            let text = if self.is_root() { Arc::from(relative) } else { Arc::from([&*self.0, "/", relative].concat()) };
            return Ok(TreePath(text));
        }
        let mut parts: Vec<&str> = self.parts().collect();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    if parts.pop().is_none() {
                        return Err(TreePathError::Escapes(relative.to_owned()));
                    }
                }
                part => parts.push(part),
            }
        }
        Ok(TreePath(Arc::from(parts.join("/"))))
    }

    /// The path as text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path's text, shared.
    pub fn to_arc(&self) -> Arc<str> {
        self.0.clone()
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The parts between the slashes; none for the root.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|p| !p.is_empty())
    }

    /// The last part, or `""` for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or("")
    }

    /// The folder that holds this path; none for the root.
    pub fn parent(&self) -> Option<TreePath> {
        if self.is_root() {
            return None;
        }
        Some(TreePath(Arc::from(self.0.rsplit_once('/').map_or("", |(folder, _)| folder))))
    }

    /// Whether this path is `folder` or lies below it.
    pub fn starts_with(&self, folder: &TreePath) -> bool {
        folder.is_root() || self.0.strip_prefix(&*folder.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Whether one of the two is the other or lies below it.
    pub fn meets(&self, other: &TreePath) -> bool {
        self.starts_with(other) || other.starts_with(self)
    }

    /// What follows `folder` in this path (without the slash), if it lies there.
    pub fn strip_prefix(&self, folder: &TreePath) -> Option<&str> {
        if folder.is_root() {
            return Some(&self.0);
        }
        let rest = self.0.strip_prefix(&*folder.0)?;
        if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
    }

    /// The relative path (with `..` where needed) that leads from the folder `from` to `self`.
    pub fn relative_to(&self, from: &TreePath) -> String {
        let (here, there): (Vec<_>, Vec<_>) = (from.parts().collect(), self.parts().collect());
        let common = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
        let mut parts = vec![".."; here.len() - common];
        parts.extend(&there[common..]);
        if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_root() { "." } else { &self.0 })
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

//! A tree with a few files changed, to see what a change would do before it is made.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bulkhead_source::{Entry, FileKind, FileTree, Prefix, ReadError, TreePath};

/// Another tree with some files replaced, added or taken away. The folders of added files must exist, or become one.
pub struct Overlay {
    base: Arc<dyn FileTree>,
    changes: BTreeMap<TreePath, Option<Arc<[u8]>>>,
}

impl Overlay {
    /// `base` with `changes`: new content, or nothing for a file that is to be gone.
    pub fn new(base: Arc<dyn FileTree>, changes: impl IntoIterator<Item = (TreePath, Option<Arc<[u8]>>)>) -> Overlay {
        Overlay { base, changes: changes.into_iter().collect() }
    }
}

impl FileTree for Overlay {
    fn describe(&self) -> String {
        format!("{} after the change", self.base.describe())
    }

    fn root(&self) -> Option<&Path> {
        self.base.root()
    }

    fn kind(&self, path: &TreePath) -> Result<Option<FileKind>, ReadError> {
        match self.changes.get(path) {
            Some(Some(_)) => Ok(Some(FileKind::Regular)),
            Some(None) => Ok(None),
            None => match self.base.kind(path)? {
                None if self.changes.iter().any(|(file, new)| new.is_some() && file.starts_with(path)) => {
                    Ok(Some(FileKind::Directory))
                }
                kind => Ok(kind),
            },
        }
    }

    fn resolve(&self, path: &TreePath) -> Result<TreePath, ReadError> {
        match self.kind(path)? {
            None => Err(ReadError::NotFound { path: path.clone() }),
            Some(_) if self.changes.contains_key(path) || !self.base.exists(path) => Ok(path.clone()),
            Some(_) => self.base.resolve(path),
        }
    }

    fn read_prefix(&self, path: &TreePath, limit: u64) -> Result<Prefix, ReadError> {
        match self.changes.get(path) {
            Some(Some(content)) => {
                let take = usize::try_from(limit).unwrap_or(usize::MAX).min(content.len());
                Ok(Prefix { bytes: content[..take].to_vec(), length: content.len() as u64 })
            }
            Some(None) => Err(ReadError::NotFound { path: path.clone() }),
            None => self.base.read_prefix(path, limit),
        }
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, ReadError> {
        let mut entries: BTreeMap<Arc<str>, FileKind> = match self.base.list(path) {
            Ok(entries) => entries.into_iter().map(|entry| (entry.name, entry.kind)).collect(),
            Err(ReadError::NotFound { .. }) if self.kind(path)? == Some(FileKind::Directory) => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        for (file, content) in &self.changes {
            let Some(rest) = file.strip_prefix(path).filter(|rest| !rest.is_empty()) else { continue };
            match (rest.split_once('/'), content) {
                (Some((folder, _)), Some(_)) => {
                    entries.entry(Arc::from(folder)).or_insert(FileKind::Directory);
                }
                (None, Some(_)) => {
                    entries.insert(Arc::from(rest), FileKind::Regular);
                }
                (None, None) => {
                    entries.remove(rest);
                }
                (Some(_), None) => {}
            }
        }
        Ok(entries.into_iter().map(|(name, kind)| Entry { name, kind }).collect())
    }

    fn is_working_tree(&self) -> bool {
        self.base.is_working_tree()
    }

    fn is_submodule(&self, path: &TreePath) -> bool {
        !self.changes.keys().any(|file| file.starts_with(path)) && self.base.is_submodule(path)
    }

    fn is_executable(&self, path: &TreePath) -> Option<bool> {
        if self.changes.contains_key(path) { Some(false) } else { self.base.is_executable(path) }
    }
}

//! The trait that every kind of tree fulfils, and a tree in memory.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::TreePath;

/// What lies at a path, without following a symbolic link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A file with content.
    Regular,
    /// A folder.
    Directory,
    /// A symbolic link, whatever it points to.
    Symlink,
    /// A socket, a device, a submodule: nothing that can be read here.
    Other,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, one path part. A name that is not UTF-8 has U+FFFD for what is wrong and is of the kind
    /// [`FileKind::Other`]: it can't be opened, but it is there.
    pub name: Arc<str>,
    /// What the name stands for.
    pub kind: FileKind,
}

/// The first bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// At most as many bytes as were asked for.
    pub bytes: Vec<u8>,
    /// The length of the whole file in bytes.
    pub length: u64,
}

/// Why a path can't be read. Every message names the path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nothing lies there.
    #[error("`{path}` does not exist")]
    NotFound {
        /// The path asked for.
        path: TreePath,
    },
    /// A folder lies where a file is wanted.
    #[error("`{path}` is a directory, not a file")]
    IsDirectory {
        /// The path asked for.
        path: TreePath,
    },
    /// A file lies where a folder is wanted.
    #[error("`{path}` is not a directory")]
    NotDirectory {
        /// The path asked for.
        path: TreePath,
    },
    /// A symbolic link leads out of the root.
    #[error("`{path}` leads out of the tree, to `{target}`")]
    LeavesRoot {
        /// The link.
        path: TreePath,
        /// Where it points.
        target: String,
    },
    /// The path lies in a git submodule whose files are not in the tree: it can't be told whether anything is there.
    #[error("`{path}` belongs to the git submodule `{submodule}`, whose files are not there to be read")]
    InSubmodule {
        /// The path asked for.
        path: TreePath,
        /// The place of the submodule.
        submodule: TreePath,
    },
    /// Symbolic links lead in a circle, or too far.
    #[error("`{path}` is a chain of symbolic links without end")]
    LinkLoop {
        /// The path asked for.
        path: TreePath,
    },
    /// The file is larger than `limit` bytes.
    #[error("`{path}` is {length} bytes long; at most {limit} are read")]
    TooLarge {
        /// The path asked for.
        path: TreePath,
        /// Its length in bytes.
        length: u64,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// Anything else the system or git says.
    #[error("can't read `{path}`: {reason}")]
    Io {
        /// The path asked for.
        path: TreePath,
        /// The system's words.
        reason: String,
    },
}

/// A tree of files below one root: a working tree, the git index, a revision, or memory.
///
/// Every method follows symbolic links in the folders that lead to `path`; links that leave the root are
/// [`ReadError::LeavesRoot`], and what lies in a submodule that is not there is [`ReadError::InSubmodule`]. Implementations are safe to use from many threads at once.
pub trait FileTree: Send + Sync {
    /// What this tree is, for messages: `the working tree`, `the git index`, `revision 1f3a9c2`.
    fn describe(&self) -> String;

    /// The folder on disk that the root stands for, where there is one (for a git revision: the checkout's folder).
    fn root(&self) -> Option<&Path>;

    /// What lies at `path`, not following a link at its end; `None` if nothing does.
    fn kind(&self, path: &TreePath) -> Result<Option<FileKind>, ReadError>;

    /// Where `path` leads once all symbolic links are followed. Fails when nothing lies there.
    fn resolve(&self, path: &TreePath) -> Result<TreePath, ReadError>;

    /// The first `limit` bytes of the file at `path`, following links.
    fn read_prefix(&self, path: &TreePath, limit: u64) -> Result<Prefix, ReadError>;

    /// The names in the folder at `path`, sorted, following links to the folder (not those in it).
    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, ReadError>;

    /// The whole file at `path`, following links; [`ReadError::TooLarge`] beyond `limit` bytes.
    fn read(&self, path: &TreePath, limit: u64) -> Result<Vec<u8>, ReadError> {
        let prefix = self.read_prefix(path, limit)?;
        if prefix.length > limit || (prefix.bytes.len() as u64) < prefix.length {
            return Err(ReadError::TooLarge { path: path.clone(), length: prefix.length, limit });
        }
        Ok(prefix.bytes)
    }

    /// Whether the file at `path`, following links, may be executed by its owner; `None` where the tree does not tell.
    fn is_executable(&self, path: &TreePath) -> Option<bool> {
        let _ = path;
        None
    }

    /// What the symbolic link at `path` holds; `None` where there is no link, or the tree does not tell.
    fn link_target(&self, path: &TreePath) -> Option<String> {
        let _ = path;
        None
    }

    /// Whether `path` is the place of a git submodule whose files are not there to be read: always so in the index and
    /// in revisions, and in a working tree where it is not checked out.
    fn is_submodule(&self, path: &TreePath) -> bool {
        let _ = path;
        false
    }

    /// Whether these are the files of a working tree, changed or not. Tools leave things behind there that nobody keeps;
    /// an index, a revision and memory hold what somebody put there.
    fn is_working_tree(&self) -> bool {
        false
    }

    /// Whether a file, folder or link lies at `path`; errors count as no.
    fn exists(&self, path: &TreePath) -> bool {
        matches!(self.kind(path), Ok(Some(_)))
    }
}

/// A tree in memory, for tests, examples and expressions from the command line.
#[derive(Clone, Debug, Default)]
pub struct MemoryTree {
    files: BTreeMap<TreePath, Arc<[u8]>>,
}

impl MemoryTree {
    /// A tree of the given `(path, content)` pairs. Paths that are not inside the tree are an error.
    pub fn new<P: AsRef<str>, C: AsRef<[u8]>>(
        files: impl IntoIterator<Item = (P, C)>,
    ) -> Result<MemoryTree, crate::TreePathError> {
        let files = files
            .into_iter()
            .map(|(path, content)| Ok((TreePath::new(path.as_ref())?, Arc::from(content.as_ref()))))
            .collect::<Result<_, _>>()?;
        Ok(MemoryTree { files })
    }

    fn is_directory(&self, path: &TreePath) -> bool {
        path.is_root() || self.files.keys().any(|file| file != path && file.starts_with(path))
    }
}

impl FileTree for MemoryTree {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn root(&self) -> Option<&Path> {
        None
    }

    fn kind(&self, path: &TreePath) -> Result<Option<FileKind>, ReadError> {
        Ok(if self.files.contains_key(path) {
            Some(FileKind::Regular)
        } else if self.is_directory(path) {
            Some(FileKind::Directory)
        } else {
            None
        })
    }

    fn resolve(&self, path: &TreePath) -> Result<TreePath, ReadError> {
        match self.kind(path)? {
            Some(_) => Ok(path.clone()),
            None => Err(ReadError::NotFound { path: path.clone() }),
        }
    }

    fn read_prefix(&self, path: &TreePath, limit: u64) -> Result<Prefix, ReadError> {
        match self.files.get(path) {
            Some(content) => {
                let take = usize::try_from(limit).unwrap_or(usize::MAX).min(content.len());
                Ok(Prefix { bytes: content[..take].to_vec(), length: content.len() as u64 })
            }
            None if self.is_directory(path) => Err(ReadError::IsDirectory { path: path.clone() }),
            None => Err(ReadError::NotFound { path: path.clone() }),
        }
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, ReadError> {
        if self.files.contains_key(path) {
            return Err(ReadError::NotDirectory { path: path.clone() });
        }
        if !self.is_directory(path) {
            return Err(ReadError::NotFound { path: path.clone() });
        }
        let mut entries: BTreeMap<Arc<str>, FileKind> = BTreeMap::new();
        for file in self.files.keys() {
            let Some(rest) = file.strip_prefix(path).filter(|rest| !rest.is_empty()) else { continue };
            match rest.split_once('/') {
                Some((folder, _)) => entries.insert(Arc::from(folder), FileKind::Directory),
                None => entries.insert(Arc::from(rest), FileKind::Regular),
            };
        }
        Ok(entries.into_iter().map(|(name, kind)| Entry { name, kind }).collect())
    }
}

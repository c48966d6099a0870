//! The working tree: the files as they lie on disk.
//!
//! A repository is untrusted text, so links are resolved here and not by the system. That must not cost anything where
//! there are none: folders that were once seen to be real folders are remembered, and a file in one of them is opened
//! at once, with `O_NOFOLLOW` to notice that it is a link after all. What is remembered is never checked again: whoever
//! can replace folders with links *while* the program runs can lead it astray, but then they can write to the disk
//! already.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use foldhash::{HashMap, HashSet};

use crate::git;
use crate::links::{self, Found, Lookup, Resolved, failure};
use crate::{Entry, FileKind, FileTree, Prefix, ReadError, TreePath, WriteError, write_atomic};

/// Memory set aside for a file before its bytes have come; a sparse file may claim any length.
const FIRST_BUFFER: u64 = 1 << 20;

/// Why a folder can't be opened as a tree. The message names the folder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("can't open `{}`: {reason}", .path.display())]
pub struct OpenError {
    /// The folder asked for.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// The files on disk below one folder.
///
/// Relative links are followed as long as they stay below the root; absolute links are followed if they point below the
/// root (as it was named, or as it really lies). A link that leaves the root and comes back leaves it. Only regular
/// files are read: a FIFO, socket or device is [`ReadError::Io`], and never waited for. Files that change while they
/// are read give some of their old or new content.
#[derive(Debug)]
pub struct WorkTree {
    /// Without links in it.
    root: PathBuf,
    /// As the caller named it, made absolute.
    named: PathBuf,
    /// Folders that are real ones, as all folders above them are.
    folders: RwLock<HashSet<Box<str>>>,
    /// Folders that something lies in: modules ask for files beside them again and again, most of which are not there.
    filled: RwLock<HashSet<Box<str>>>,
    /// The submodules in the index of each git repository that somebody asked about. Git is not run before.
    submodules: Mutex<HashMap<PathBuf, HashSet<TreePath>>>,
}

impl WorkTree {
    /// The tree below the folder `root`. A link to a folder will do.
    pub fn open(root: &Path) -> Result<WorkTree, OpenError> {
        let fail = |reason: String| OpenError { path: root.to_owned(), reason };
        let real = fs::canonicalize(root).map_err(|error| fail(words(&error)))?;
        let metadata = fs::metadata(&real).map_err(|error| fail(words(&error)))?;
        if !metadata.is_dir() {
            return Err(fail("it is not a directory".to_owned()));
        }
        let named = std::path::absolute(root).unwrap_or_else(|_| real.clone());
        Ok(WorkTree {
            root: real,
            named,
            folders: RwLock::default(),
            filled: RwLock::default(),
            submodules: Mutex::default(),
        })
    }

    /// Replace the file at `path`, or make it, following links inside the tree; [`write_atomic`] says how.
    ///
    /// The folder must exist.
    pub fn write(&self, path: &TreePath, content: &[u8]) -> Result<(), WriteError> {
        let fail = |reason: String| WriteError { path: self.on_disk(path.as_str()), reason };
        let target = match self.kind(path) {
            Ok(Some(_)) => self.resolve(path),
            Ok(None) => {
                let folder = path.parent().unwrap_or_else(TreePath::root);
                self.resolve(&folder).and_then(|folder| folder.join(path.name()).map_err(|e| failure(path, e)))
            }
            Err(error) => Err(error),
        };
        let target = target.map_err(|error| match error {
            ReadError::Io { reason, .. } => fail(reason),
            error => fail(error.to_string()),
        })?;
        write_atomic(&self.on_disk(target.as_str()), content)
    }

    fn on_disk(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn remember(&self, folder: &str) {
        self.folders.write().unwrap_or_else(PoisonError::into_inner).insert(Box::from(folder));
    }

    /// Whether `folder` and everything above it are real folders. "No" may also mean that nothing lies there.
    fn is_real_folder(&self, folder: &str) -> bool {
        let mut known = folder.len();
        {
            let folders = self.folders.read().unwrap_or_else(PoisonError::into_inner);
            while known > 0 && !folders.contains(&folder[..known]) {
                known = folder[..known].rfind('/').unwrap_or(0);
            }
        }
        while known < folder.len() {
            // A step further down; `known` stands before a slash, except at the root.
            let from = if known == 0 { 0 } else { known + 1 };
            known = folder[from..].find('/').map_or(folder.len(), |slash| from + slash);
            let step = &folder[..known];
            match fs::symlink_metadata(self.on_disk(step)) {
                Ok(metadata) if metadata.is_dir() => self.remember(step),
                _ => return false,
            }
        }
        true
    }

    /// Whether only real folders lead to `path`, so that its last part can be asked for directly.
    fn is_plain(&self, path: &TreePath) -> Result<bool, ReadError> {
        links::check_length(path)?;
        Ok(self.is_real_folder(path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder)))
    }

    /// Open the file at `path`, which no link leads to. `None` if it is a link after all.
    fn open_plain(&self, asked: &TreePath, path: &TreePath) -> Result<Option<(File, u64)>, ReadError> {
        // A FIFO without a writer would block, and a terminal could become ours.
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let not_regular = || failure(asked, "it is not a regular file");
        let file = match OpenOptions::new().read(true).custom_flags(flags).open(self.on_disk(path.as_str())) {
            Ok(file) => file,
            Err(error) => match (error.kind(), error.raw_os_error()) {
                (_, Some(libc::ELOOP)) => return Ok(None),
                // A socket, or a device without a driver: open(2).
                (_, Some(libc::ENXIO | libc::ENODEV)) => return Err(not_regular()),
                (ErrorKind::NotFound | ErrorKind::NotADirectory, _) => {
                    return Err(match self.in_submodule(path) {
                        Some(submodule) => ReadError::InSubmodule { path: asked.clone(), submodule },
                        None => ReadError::NotFound { path: asked.clone() },
                    });
                }
                _ => return Err(failure(asked, words(&error))),
            },
        };
        let metadata = file.metadata().map_err(|error| failure(asked, words(&error)))?;
        if metadata.is_dir() {
            return Err(ReadError::IsDirectory { path: asked.clone() });
        }
        if !metadata.is_file() {
            return Err(not_regular());
        }
        Ok(Some((file, metadata.len())))
    }

    fn open_file(&self, path: &TreePath) -> Result<(File, u64), ReadError> {
        if self.is_plain(path)?
            && let Some(opened) = self.open_plain(path, path)?
        {
            return Ok(opened);
        }
        match links::resolve(self, path, true)? {
            Resolved::Leaf(target, _) => self
                .open_plain(path, &target)?
                .ok_or_else(|| failure(path, "it became a symbolic link while it was being read")),
            Resolved::Directory(..) => Err(ReadError::IsDirectory { path: path.clone() }),
            Resolved::Nothing(error) => Err(error),
        }
    }

    /// The submodule that `path`, where nothing lies, is in, if that is not checked out: an empty folder.
    fn in_submodule(&self, path: &TreePath) -> Option<TreePath> {
        let mut folder = path.parent()?;
        while matches!(self.look(folder.as_str()), Ok(None)) {
            folder = folder.parent()?;
        }
        self.is_submodule(&folder).then_some(folder)
    }

    /// What lies at `path`, to which only real folders lead.
    fn look(&self, path: &str) -> Result<Option<FileKind>, ReadError> {
        match fs::symlink_metadata(self.on_disk(path)) {
            Ok(metadata) => Ok(Some(kind_of(metadata.file_type()))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(ReadError::Io {
                path: TreePath::new(path).unwrap_or_else(|_| TreePath::root()),
                reason: words(&error),
            }),
        }
    }
}

impl Lookup for WorkTree {
    // The system finds folders by their path.
    type Directory = ();

    fn hidden(&self, here: &TreePath, asked: &TreePath) -> Option<ReadError> {
        self.in_submodule(here).map(|submodule| ReadError::InSubmodule { path: asked.clone(), submodule })
    }

    fn top(&self) {}

    fn look_up(&self, _: &(), _: &str, path: &str) -> Result<Found<()>, ReadError> {
        // Icon themes are thousands of links, each below the same few folders.
        if self.folders.read().unwrap_or_else(PoisonError::into_inner).contains(path) {
            return Ok(Found::Directory(()));
        }
        match self.look(path)? {
            None => Ok(Found::Nothing),
            Some(FileKind::Directory) => {
                self.remember(path);
                Ok(Found::Directory(()))
            }
            Some(FileKind::Symlink) => {
                let fail = |reason: &str| ReadError::Io {
                    path: TreePath::new(path).unwrap_or_else(|_| TreePath::root()),
                    reason: reason.to_owned(),
                };
                let target = fs::read_link(self.on_disk(path)).map_err(|error| fail(&words(&error)))?;
                match target.into_os_string().into_string() {
                    Ok(target) => Ok(Found::Link(target)),
                    Err(_) => Err(fail("it is a symbolic link whose target is not UTF-8")),
                }
            }
            Some(kind) => Ok(Found::Leaf(kind)),
        }
    }

    fn inside<'t>(&self, absolute: &'t str) -> Option<&'t str> {
        [&self.root, &self.named].into_iter().find_map(|root| Path::new(absolute).strip_prefix(root).ok()?.to_str())
    }
}

impl FileTree for WorkTree {
    fn describe(&self) -> String {
        "the working tree".to_owned()
    }

    fn root(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn is_working_tree(&self) -> bool {
        true
    }

    fn kind(&self, path: &TreePath) -> Result<Option<FileKind>, ReadError> {
        if path.is_root() {
            return Ok(Some(FileKind::Directory));
        }
        if self.is_plain(path)? {
            let kind = self.look(path.as_str())?;
            return match kind.is_none().then(|| self.in_submodule(path)).flatten() {
                Some(submodule) => Err(ReadError::InSubmodule { path: path.clone(), submodule }),
                None => Ok(kind),
            };
        }
        links::resolve_kind(self, path)
    }

    fn resolve(&self, path: &TreePath) -> Result<TreePath, ReadError> {
        if self.is_plain(path)? && matches!(self.look(path.as_str())?, Some(kind) if kind != FileKind::Symlink) {
            return Ok(path.clone());
        }
        match links::resolve(self, path, true)? {
            Resolved::Directory(target, ()) | Resolved::Leaf(target, _) => Ok(target),
            Resolved::Nothing(error) => Err(error),
        }
    }

    fn link_target(&self, path: &TreePath) -> Option<String> {
        let folder = self.resolve(&path.parent()?).ok()?;
        let link = folder.join(path.name()).ok()?;
        fs::read_link(self.on_disk(link.as_str())).ok()?.into_os_string().into_string().ok()
    }

    fn is_executable(&self, path: &TreePath) -> Option<bool> {
        let (file, _) = self.open_file(path).ok()?;
        Some(file.metadata().ok()?.permissions().mode() & 0o100 != 0)
    }

    /// A submodule that is not checked out is an empty folder; only then is git asked what it stands for.
    fn is_submodule(&self, path: &TreePath) -> bool {
        if path.is_root() || self.filled.read().unwrap_or_else(PoisonError::into_inner).contains(path.as_str()) {
            return false;
        }
        let asked = path;
        let Ok(Resolved::Directory(path, ())) = links::resolve(self, path, true) else { return false };
        let folder = self.on_disk(path.as_str());
        match fs::read_dir(&folder).map(|mut entries| entries.next()) {
            Ok(None) => {}
            Ok(Some(_)) => {
                self.filled.write().unwrap_or_else(PoisonError::into_inner).insert(Box::from(asked.as_str()));
                return false;
            }
            Err(_) => return false,
        }
        // A folder outside of git is what it looks like.
        let Some(top) = git::find_git_root(&folder) else { return false };
        let Some(below) = folder.strip_prefix(&top).ok().and_then(Path::to_str) else { return false };
        let Ok(below) = TreePath::new(below) else { return false };
        let mut repositories = self.submodules.lock().unwrap_or_else(PoisonError::into_inner);
        let submodules = repositories.entry(top).or_insert_with_key(|top| git::submodules(top).unwrap_or_default());
        submodules.contains(&below)
    }

    fn read_prefix(&self, path: &TreePath, limit: u64) -> Result<Prefix, ReadError> {
        let (file, length) = self.open_file(path)?;
        let wanted = length.min(limit);
        let mut bytes = Vec::with_capacity(usize::try_from(wanted.min(FIRST_BUFFER)).unwrap_or(0));
        file.take(wanted).read_to_end(&mut bytes).map_err(|error| failure(path, words(&error)))?;
        // A file that was cut short meanwhile is as long as what was found.
        let length = if (bytes.len() as u64) < wanted { bytes.len() as u64 } else { length };
        Ok(Prefix { bytes, length })
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, ReadError> {
        links::check_length(path)?;
        let resolved;
        let folder = if self.is_real_folder(path.as_str()) {
            path
        } else {
            resolved = match links::resolve(self, path, true)? {
                Resolved::Directory(target, ()) => target,
                Resolved::Leaf(..) => return Err(ReadError::NotDirectory { path: path.clone() }),
                Resolved::Nothing(error) => return Err(error),
            };
            &resolved
        };
        let names = fs::read_dir(self.on_disk(folder.as_str())).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ReadError::NotFound { path: path.clone() },
            ErrorKind::NotADirectory => ReadError::NotDirectory { path: path.clone() },
            _ => failure(path, words(&error)),
        })?;
        let mut entries = Vec::new();
        for name in names {
            let entry = name.map_err(|error| failure(path, words(&error)))?;
            let kind = match entry.file_type() {
                Ok(file_type) => kind_of(file_type),
                // Gone since it was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(failure(path, words(&error))),
            };
            entries.push(match entry.file_name().to_str() {
                Some(name) => Entry { name: Arc::from(name), kind },
                None => Entry { name: Arc::from(entry.file_name().to_string_lossy()), kind: FileKind::Other },
            });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let mut folders = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.iter().filter(|entry| entry.kind == FileKind::Directory) {
            let prefix = folder.as_str();
            let path = if prefix.is_empty() { entry.name.to_string() } else { format!("{prefix}/{}", entry.name) };
            folders.insert(path.into_boxed_str());
        }
        drop(folders);
        Ok(entries)
    }
}

fn kind_of(file_type: fs::FileType) -> FileKind {
    if file_type.is_symlink() {
        FileKind::Symlink
    } else if file_type.is_dir() {
        FileKind::Directory
    } else if file_type.is_file() {
        FileKind::Regular
    } else {
        FileKind::Other
    }
}

/// The system's words about an error, without the number that Rust appends.
pub(crate) fn words(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

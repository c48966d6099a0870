//! Writing files so that nobody ever sees half of one.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use crate::work_tree::words;

/// Mode of a new file, before the umask.
const NEW_FILE_MODE: u32 = 0o644;

/// Mode of the temporary file while it will take over the mode of another: nobody else may look in before.
const HIDDEN_MODE: u32 = 0o600;

/// Why a file can't be written. The message names the file. Unless it says otherwise, what was
/// there before is still there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("can't write `{}`: {reason}", .path.display())]
pub struct WriteError {
    /// The file asked for.
    pub path: PathBuf,
    /// What stands in the way.
    pub reason: String,
}

/// Replace the file `target` with `content`, or make it: whoever opens it sees all of the old or all of the new
/// content, after a power cut too.
///
/// The content goes to a new file in the same folder (`.bulkhead-….tmp`), which then takes the name of `target`, as
/// rename(2) promises. An existing file's mode stays, and its owner and group where the system lets us; a new file gets
/// 0644 less the umask. Other hard links to the old file keep the old content.
///
/// A symbolic link is refused, wherever it points: to replace the link would cut it from its target without a word, and
/// to follow it could overwrite a file anywhere. [`WorkTree::write`](crate::WorkTree::write) follows links, inside its
/// tree only. Anything else that is no regular file is refused as well.
pub fn write_atomic(target: &Path, content: &[u8]) -> Result<(), WriteError> {
    let fail = |reason: String| WriteError { path: target.to_owned(), reason };
    let old = match fs::symlink_metadata(target) {
        Ok(metadata) if metadata.is_symlink() => {
            let reason = match fs::read_link(target) {
                Ok(to) => {
                    format!("it is a symbolic link to `{}`; write to that file, or remove the link", to.display())
                }
                Err(error) => words(&error),
            };
            return Err(fail(reason));
        }
        Ok(metadata) if metadata.is_dir() => return Err(fail("a directory lies there".to_owned())),
        Ok(metadata) if !metadata.is_file() => return Err(fail("it is not a regular file".to_owned())),
        Ok(metadata) => Some(metadata),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(fail(words(&error))),
    };
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) => Path::new("."),
        None => return Err(fail("a directory lies there".to_owned())),
    };
    let mode = if old.is_some() { HIDDEN_MODE } else { NEW_FILE_MODE };
    let (temporary, file) = create_beside(folder, mode)
        .map_err(|error| fail(format!("can't make a file in `{}`: {}", folder.display(), words(&error))))?;
    let written = fill(file, content, old.as_ref()).and_then(|()| fs::rename(&temporary, target));
    if let Err(error) = written {
        // The first error is the one to tell; nothing can be done about a second.
        let _ = fs::remove_file(&temporary);
        return Err(fail(words(&error)));
    }
    // Without this the new name may be lost in a power cut. Some file systems can't do it for folders (EINVAL), and
    // there the rename is all that can be had.
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if error.kind() != ErrorKind::InvalidInput => {
            Err(fail(format!("it is written, but may not survive a power cut: {}", words(&error))))
        }
        _ => Ok(()),
    }
}

/// A new file in `folder`, under a name that nobody can have foreseen.
fn create_beside(folder: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    loop {
        // `RandomState` is seeded by the system's random numbers, and differs from one call to the next.
        let path = folder.join(format!(".bulkhead-{:016x}.tmp", RandomState::new().hash_one(std::process::id())));
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

fn fill(mut file: File, content: &[u8], old: Option<&fs::Metadata>) -> io::Result<()> {
    file.write_all(content)?;
    if let Some(old) = old {
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            // Only root may give files away; for all others the file becomes theirs, as with any editor.
            let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
        }
        // Never more than rwx: if the owner could not be kept, a set-user-ID bit would be about somebody else.
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))?;
    }
    file.sync_all()
}

//! Locks between the commands of one machine: flock(2) on empty files, which the kernel releases when their holder dies.
//!
//! Order, so that nobody waits in a circle: a workspace, then `images`, then one of the others.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::error::Error;
use crate::progress::Progress;
use crate::watch::{TICK, Watch};

/// The locks of one state folder.
#[derive(Clone, Debug)]
pub struct Locks {
    folder: PathBuf,
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

impl Locks {
    /// The locks in `folder`, which is made if it is missing.
    ///
    /// # Errors
    /// The folder can't be made, or others than its owner may write there.
    pub fn open(folder: &Path) -> Result<Locks, Error> {
        let attempt = || format!("use the state folder {}", folder.display());
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| Error::host(attempt(), error))?;
        let found = std::fs::metadata(folder).map_err(|error| Error::host(attempt(), error))?;
        if found.mode() & 0o022 != 0 {
            return Err(Error::Host {
                attempt: attempt(),
                reason: format!("others may write there (mode {:o})", found.mode() & 0o7777),
                help: Some(format!("chmod 0700 {}", folder.display())),
            });
        }
        Ok(Locks { folder: folder.to_owned() })
    }

    /// Everything about one workspace: its holder alone makes, starts and removes its instance.
    ///
    /// # Errors
    /// The deadline passed, a signal came, or the file can't be opened.
    pub fn workspace(&self, project: &str, name: &str, watch: &Watch, progress: &Progress) -> Result<Held, Error> {
        let what = format!("another command on `{name}`");
        self.take(&workspace_file(project, name), FlockOperation::NonBlockingLockExclusive, &what, watch, progress)
    }

    /// The same, but only if nobody holds it now.
    ///
    /// # Errors
    /// The file can't be opened.
    pub fn workspace_now(&self, project: &str, name: &str) -> Result<Option<Held>, Error> {
        self.attempt(&workspace_file(project, name), FlockOperation::NonBlockingLockExclusive)
    }

    /// While this is held, no image is removed: from finding the image until an instance uses it.
    ///
    /// # Errors
    /// As for [`Locks::workspace`].
    pub fn images_kept(&self, watch: &Watch, progress: &Progress) -> Result<Held, Error> {
        self.take("images.lock", FlockOperation::NonBlockingLockShared, "images being removed", watch, progress)
    }

    /// The right to remove images.
    ///
    /// # Errors
    /// As for [`Locks::workspace`].
    pub fn images_removed(&self, watch: &Watch, progress: &Progress) -> Result<Held, Error> {
        let what = "other starts that need their images";
        self.take("images.lock", FlockOperation::NonBlockingLockExclusive, what, watch, progress)
    }

    /// The right to import an image: one at a time, so that what two need is imported once.
    ///
    /// # Errors
    /// As for [`Locks::workspace`].
    pub fn import(&self, watch: &Watch, progress: &Progress) -> Result<Held, Error> {
        let what = "another import of an image";
        self.take("import.lock", FlockOperation::NonBlockingLockExclusive, what, watch, progress)
    }

    /// The right to have Incus choose ids for a new instance.
    ///
    /// # Errors
    /// As for [`Locks::workspace`].
    pub fn ids(&self, watch: &Watch, progress: &Progress) -> Result<Held, Error> {
        let what = "another instance being made";
        self.take("ids.lock", FlockOperation::NonBlockingLockExclusive, what, watch, progress)
    }

    fn take(
        &self,
        file: &str,
        operation: FlockOperation,
        what: &str,
        watch: &Watch,
        progress: &Progress,
    ) -> Result<Held, Error> {
        loop {
            if let Some(held) = self.attempt(file, operation)? {
                return Ok(held);
            }
            watch.check(|| format!("still waiting for {what}"))?;
            progress.step(&format!("waiting for {what}"));
            watch.sleep(TICK);
        }
    }

    fn attempt(&self, name: &str, operation: FlockOperation) -> Result<Option<Held>, Error> {
        let path = self.folder.join(name);
        let fail = |error: std::io::Error| Error::host(format!("lock {}", path.display()), error);
        let mut options = OpenOptions::new();
        // Never truncated: nothing is written there, and nothing that another might have written is lost.
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(fail)?;
        match flock(&file, operation) {
            Ok(()) => Ok(Some(Held { _file: file })),
            Err(Errno::WOULDBLOCK | Errno::INTR) => Ok(None),
            Err(error) => Err(fail(error.into())),
        }
    }
}

/// A name has no dots, so the last one tells project and name apart.
fn workspace_file(project: &str, name: &str) -> String {
    format!("workspace.{project}.{name}.lock")
}

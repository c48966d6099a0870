//! What survives a restart: token, forwarded port, time of the last connection, and the provider's list of servers.
//!
//! Two files in a folder of mode 0700, each of mode 0600 and replaced as a whole: `state.json` and `servers`. A file that
//! can't be read is put aside as `NAME.damaged` and told of; the daemon goes on without it. Nobody's rights are trusted: a
//! folder or file that others may read is narrowed first.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::log;
use crate::provider::SignedPort;
use crate::secret::Secret;

/// No state file is longer.
const LONGEST: u64 = 16 << 20;

/// What is in `state.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct State {
    /// The provider's token.
    pub token: Option<Token>,
    /// The forwarded port.
    pub port: Option<SignedPort>,
    /// When the connection was made.
    pub connected: Option<SystemTime>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The token itself.
    pub token: Secret,
    /// When it was given.
    pub obtained: SystemTime,
    /// Whose it is, as a hash of the user name: a token of somebody else is of no use.
    pub user: u64,
}

/// The folder.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    state: State,
}

impl Store {
    /// Open the folder, make it if it is missing, and read the state.
    pub fn open(folder: &Path) -> io::Result<Self> {
        if !folder.is_dir() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        narrow(folder, 0o700)?;
        let mut store = Self { folder: folder.to_owned(), state: State::default() };
        let path = store.path("state.json");
        if let Some(text) = store.read(&path) {
            match serde_json::from_slice(&text) {
                Ok(state) => store.state = state,
                // The error's text may have parts of the file in it, so only its kind and place are told.
                Err(error) => store.put_aside(&path, &format!("{:?} error at line {}", error.classify(), error.line())),
            }
        }
        Ok(store)
    }

    /// The state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Change the state and write it. If that fails, the change holds for this run.
    pub fn change(&mut self, change: impl FnOnce(&mut State)) {
        let before = self.state.clone();
        change(&mut self.state);
        if self.state == before {
            return;
        }
        let written = serde_json::to_vec_pretty(&self.state).map(Zeroizing::new).map_err(io::Error::from);
        if let Err(error) = written.and_then(|text| write_private(&self.path("state.json"), &text)) {
            log::error!(
                "can't write {}: {error}; the state is lost at the next start",
                self.path("state.json").display()
            );
        }
    }

    /// The provider's list of servers, as it came, and when it was written.
    pub fn list(&self) -> Option<(Vec<u8>, SystemTime)> {
        let path = self.path("servers");
        let text = self.read(&path)?;
        let written = fs::metadata(&path).and_then(|found| found.modified()).ok()?;
        Some((text.to_vec(), written))
    }

    /// Keep the provider's list of servers.
    pub fn keep_list(&self, text: &[u8], at: SystemTime) {
        let path = self.path("servers");
        let written = write_private(&path, text).and_then(|()| File::open(&path)?.set_modified(at));
        if let Err(error) = written {
            log::error!("can't write {}: {error}", path.display());
        }
    }

    /// Put the list aside: it can't be used.
    pub fn spoil_list(&self, reason: &str) {
        self.put_aside(&self.path("servers"), reason);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn read(&self, path: &Path) -> Option<Zeroizing<Vec<u8>>> {
        let result = (|| {
            narrow(path, 0o600)?;
            let mut text = Zeroizing::new(Vec::new());
            File::open(path)?.take(LONGEST + 1).read_to_end(&mut text)?;
            if text.len() as u64 > LONGEST {
                return Err(io::Error::other("it is too long"));
            }
            Ok(text)
        })();
        match result {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                self.put_aside(path, &error.to_string());
                None
            }
        }
    }

    fn put_aside(&self, path: &Path, reason: &str) {
        let aside = path.with_extension("damaged");
        log::warning!("{} can't be used ({reason}); it is kept as {}", path.display(), aside.display());
        if let Err(error) = fs::rename(path, &aside) {
            log::error!("can't rename {}: {error}", path.display());
        }
    }
}

/// Replace a file: beside it, with mode 0600, synced, renamed.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    write_with_mode(path, content, 0o600)
}

/// As [`write_private`], with another mode.
pub fn write_with_mode(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    // What a killed run left.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let result = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
        return result;
    }
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Take the rights of others away.
fn narrow(path: &Path, mode: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.file_type().is_symlink() {
        return Err(io::Error::other("it is a link"));
    }
    if found.mode() & 0o777 & !mode != 0 {
        log::warning!("{} could be used by others (mode {:03o}); now it can't", path.display(), found.mode() & 0o777);
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

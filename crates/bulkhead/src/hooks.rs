//! The pre-commit hook.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use xshell::{Shell, cmd};

/// How a hook of ours begins; what begins otherwise was written by a person.
const MARKER: &str = "# Installed by `bulkhead install-hooks`.";

/// What installing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installed {
    /// The hook is new.
    New(PathBuf),
    /// The hook was there, from an earlier time, and has been replaced.
    Replaced(PathBuf),
    /// The hook was there as it should be.
    Unchanged(PathBuf),
}

/// Why the hook can't be installed.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The folder is in no git repository, or git is not installed.
    #[error("can't find git's folder for hooks: {0}; run this in a git repository")]
    NoRepository(String),
    /// There is a hook that a person wrote.
    #[error("{} exists and was not installed by bulkhead; add this line to it instead:\n\n    {line}", .path.display())]
    Foreign {
        /// The hook.
        path: PathBuf,
        /// What it should run.
        line: String,
    },
    /// The file can't be written.
    #[error("can't write {}: {error}", .path.display())]
    Write {
        /// The hook.
        path: PathBuf,
        /// The system's words.
        error: std::io::Error,
    },
}

/// Install a pre-commit hook in the git repository that holds `root`. It checks what is staged, and refuses the commit
/// if that has errors. `command` is the program with its first arguments, such as `bulkhead` or `cargo xtask`.
pub fn install(root: &Path, command: &str) -> Result<Installed, HookError> {
    let no_repository = |error: &dyn std::fmt::Display| HookError::NoRepository(error.to_string());
    let shell = Shell::new().map_err(|error| no_repository(&error))?;
    shell.change_dir(root);
    let top =
        cmd!(shell, "git rev-parse --show-toplevel").quiet().ignore_stderr().read().map_err(|e| no_repository(&e))?;
    let hooks =
        cmd!(shell, "git rev-parse --git-path hooks").quiet().ignore_stderr().read().map_err(|e| no_repository(&e))?;
    let path = root.join(hooks).join("pre-commit");
    let real_root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    let real_top = fs::canonicalize(&top).unwrap_or_else(|_| PathBuf::from(&top));
    let folder = real_root.strip_prefix(&real_top).ok().and_then(Path::to_str).unwrap_or("");
    let folder = if folder.is_empty() { "." } else { folder };
    let line = format!("{command} check --staged {}", shell_quoted(folder));
    let text = format!(
        "#!/bin/sh\n{MARKER}\n# Judges what is staged, not what lies in the working tree. To commit all the same: git commit --no-verify\nexec {line}\n"
    );
    let before = fs::read_to_string(&path).ok();
    match &before {
        Some(before) if *before == text && is_executable(&path) => return Ok(Installed::Unchanged(path)),
        Some(before) if !before.contains(MARKER) => return Err(HookError::Foreign { path, line }),
        None if path.symlink_metadata().is_ok() => return Err(HookError::Foreign { path, line }),
        _ => {}
    }
    write_executable(&path, &text).map_err(|error| HookError::Write { path: path.clone(), error })?;
    Ok(if before.is_some() { Installed::Replaced(path) } else { Installed::New(path) })
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

fn write_executable(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = path.with_extension(format!("tmp{}", std::process::id()));
    let written =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o755).open(&temporary).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// A word for `sh`.
fn shell_quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

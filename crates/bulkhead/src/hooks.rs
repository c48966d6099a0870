//! The pre-commit hook.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bulkhead_source::{GitError, find_hooks, write_atomic};

/// How a hook of ours begins; what begins otherwise was written by a person.
const BEGINNING: &str = "#!/bin/sh\n# Installed by `bulkhead install-hooks`.\n";

/// Larger hooks are not ours.
const HOOK_LIMIT: u64 = 1 << 20;

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
    #[error("can't install {}: {reason}", .path.display())]
    Write {
        /// The hook.
        path: PathBuf,
        /// What stands in the way.
        reason: String,
    },
}

/// Install a pre-commit hook in the git repository that holds `root`. It checks what is staged, and refuses the commit
/// if that has errors. What an earlier hook of ours does for other folders of the repository stays. `command` is the program with its first arguments, such as `bulkhead` or `cargo xtask`.
pub fn install(root: &Path, command: &str) -> Result<Installed, HookError> {
    let hooks = find_hooks(root).map_err(|error| {
        HookError::NoRepository(match error {
            GitError::NotRepository { path } => format!("{} is in none", path.display()),
            GitError::Bare { path } => format!("{} is a bare repository, in which nobody commits", path.display()),
            error => error.to_string(),
        })
    })?;
    let path = hooks.folder.join("pre-commit");
    let folder = if hooks.below.as_os_str().is_empty() { Path::new(".") } else { &hooks.below };
    // The name of a folder is whatever bytes it has.
    let mut line = format!("{command} check --staged ").into_bytes();
    line.extend(shell_quoted(folder.as_os_str().as_bytes()));
    // The lines of a hook are told apart by their ends.
    if line.contains(&b'\n') {
        let reason = "the fleet's folder, or the command, has a line end in its name".to_owned();
        return Err(HookError::Write { path, reason });
    }
    let before = match read_hook(&path) {
        Found::Nothing => None,
        Found::Hook(before) if before.starts_with(BEGINNING.as_bytes()) => Some(before),
        Found::Hook(_) | Found::Other => {
            return Err(HookError::Foreign { path, line: String::from_utf8_lossy(&line).into_owned() });
        }
    };
    let text = hook(before.as_deref().unwrap_or_default(), line);
    if before.as_ref() == Some(&text) && is_executable(&path) {
        return Ok(Installed::Unchanged(path));
    }
    write_executable(&path, &text).map_err(|reason| HookError::Write { path: path.clone(), reason })?;
    Ok(if before.is_some() { Installed::Replaced(path) } else { Installed::New(path) })
}

/// Between the program and the folder in a line of a hook.
const CHECK: &[u8] = b" check --staged ";

/// Follows a line of a hook that judges several fleets.
const NEXT: &[u8] = b" || status=$?";

/// The text of a hook that runs `line`, and what the hook `before` ran for other folders of the repository.
fn hook(before: &[u8], line: Vec<u8>) -> Vec<u8> {
    let folder = |line: &[u8]| {
        let at = line.windows(CHECK.len()).position(|window| window == CHECK)?;
        Some(line[at + CHECK.len()..].to_vec())
    };
    let mut lines: Vec<Vec<u8>> = before
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_prefix(b"exec ").unwrap_or(line))
        .map(|line| line.strip_suffix(NEXT).unwrap_or(line).to_vec())
        .filter(|line| !line.starts_with(b"#") && folder(line).is_some())
        .collect();
    match lines.iter_mut().find(|other| folder(other) == folder(&line)) {
        Some(same) => *same = line,
        None => lines.push(line),
    }
    let mut text = format!(
        "{BEGINNING}# Judges what is staged, not what lies in the working tree. To commit all the same: git commit --no-verify\n"
    )
    .into_bytes();
    let mut programs: Vec<&str> = lines.iter().filter_map(|line| program(line)).collect();
    programs.sort_unstable();
    programs.dedup();
    for program in programs {
        text.extend(without(program).into_bytes());
    }
    if let [line] = &lines[..] {
        text.extend([b"exec ", &line[..], b"\n"].concat());
        return text;
    }
    text.extend(b"status=0\n");
    for line in &lines {
        text.extend([line, NEXT, b"\n"].concat());
    }
    text.extend(b"exit \"$status\"\n");
    text
}

/// The program of a line, if it is a plain word.
fn program(line: &[u8]) -> Option<&str> {
    let word = line.split(|byte| *byte == b' ').next()?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./+".contains(byte);
    let word = std::str::from_utf8(word).ok().filter(|word| !word.is_empty() && word.bytes().all(|b| is_plain(&b)))?;
    Some(word)
}

/// What a hook says and does where its program is not there: a commit that nobody has judged is none that is fine.
fn without(program: &str) -> String {
    format!(
        "command -v {program} >/dev/null 2>&1 || {{\n  \
         echo \"bulkhead: {program} can't be run (PATH is $PATH), so what is staged can't be judged\" >&2\n  \
         echo \"enter the shell that has it (nix develop), or install it again by its full path: bulkhead install-hooks \
         --command /path/to/bulkhead\" >&2\n  \
         echo \"to commit all the same: git commit --no-verify\" >&2\n  exit 1\n}}\n"
    )
}

enum Found {
    Nothing,
    Hook(Vec<u8>),
    /// A link, a FIFO, a folder, something unreadable: nothing that we made.
    Other,
}

fn read_hook(path: &Path) -> Found {
    match path.symlink_metadata() {
        Ok(metadata) if metadata.is_file() && metadata.len() <= HOOK_LIMIT => {
            fs::read(path).map_or(Found::Other, Found::Hook)
        }
        Ok(_) => Found::Other,
        // What can't be looked at can't be written either, and that is told then.
        Err(_) => Found::Nothing,
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
}

fn write_executable(path: &Path, text: &[u8]) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
    }
    write_atomic(path, text).map_err(|error| error.reason)?;
    // Until then git passes the hook over. Whoever may read it may run it.
    let mode = fs::metadata(path).map_err(|error| error.to_string())?.permissions().mode();
    let mode = mode & 0o777 | (mode & 0o444) >> 2;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| error.to_string())
}

/// A word for `sh`.
fn shell_quoted(word: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_./=:@%+,".contains(byte);
    // A folder `-x` would be taken for an option.
    if !word.is_empty() && word.iter().all(is_plain) && !word.starts_with(b"-") {
        return word.to_owned();
    }
    let mut quoted = b"'".to_vec();
    if word.starts_with(b"-") {
        quoted.extend(b"./");
    }
    for byte in word {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(*byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

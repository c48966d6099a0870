//! Which repository a folder belongs to, and how to run `git` on it.
//!
//! Two environments meet here. Git's hooks are run with variables that name the repository and, in `git commit -a` or
//! `git commit FILE`, a temporary index that holds exactly what the commit will hold: judging anything else would be
//! wrong. But the same variables mislead as soon as the folder to look at belongs to *another* repository (a submodule,
//! or a path on the command line), and git takes them over any discovery. So the repository is found from the folder
//! alone, and the variables are obeyed only if they mean that same repository.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::GitError;
use crate::work_tree::words;

/// Variables by which git finds a repository and its parts, as `git rev-parse --local-env-vars` lists them. Left out
/// are the ones for configuration, which belong to whoever runs us (safe.directory may be there).
const LOCATION: [&str; 11] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_GRAFT_FILE",
    "GIT_SHALLOW_FILE",
];

/// Variables that change what pathspecs and output mean, git(1).
const MEANING: [&str; 7] = [
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
    "GIT_EXTERNAL_DIFF",
    "GIT_DIFF_OPTS",
    "GIT_REPLACE_REF_BASE",
];

/// How much of git's complaints is kept, in bytes.
const COMPLAINT_LIMIT: u64 = 8 << 10;

/// The longest record in a listing, in bytes: metadata and a path.
const RECORD_LIMIT: u64 = 64 << 10;

/// The nearest folder at or above `path` that holds `.git`, as a folder or (in worktrees and submodules) a file. Git is
/// not run, so a broken repository is found too, and a bare one is not.
pub fn find_git_root(path: &Path) -> Option<PathBuf> {
    let start = fs::canonicalize(path).or_else(|_| std::path::absolute(path)).ok()?;
    start.ancestors().find(|folder| fs::metadata(folder.join(".git")).is_ok()).map(Path::to_owned)
}

/// Where a repository has its hooks, and a folder in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitHooks {
    /// The folder of the hooks: `core.hooksPath`, or `hooks` in git's own folder. It need not be there.
    pub folder: PathBuf,
    /// The top of the working tree, where git runs most hooks.
    pub top: PathBuf,
    /// The way from there to the folder that was asked about; empty for the top itself.
    pub below: PathBuf,
}

/// Where the hooks of the repository that holds the folder `root` lie.
pub fn find_hooks(root: &Path) -> Result<GitHooks, GitError> {
    let repository = Repository::find(root)?;
    let Some(top) = repository.top.clone() else { return Err(GitError::Bare { path: repository.folder }) };
    let mut command = hardened();
    for name in LOCATION {
        command.env_remove(name);
    }
    // A relative `core.hooksPath` is meant from where hooks run, and git answers with it as it is.
    command.current_dir(&top).env("GIT_DIR", &repository.git_dir).env("GIT_WORK_TREE", &top);
    command.args(["rev-parse", "--git-path", "hooks"]);
    let answer = output(command)?.map_err(|reason| repository.failed(reason))?;
    let answer = answer.strip_suffix(b"\n").unwrap_or(&answer);
    let below = repository.folder.strip_prefix(&top).unwrap_or(Path::new("")).to_owned();
    Ok(GitHooks { folder: top.join(OsStr::from_bytes(answer)), top, below })
}

/// A folder in a repository, and how to ask git about it.
#[derive(Clone, Debug)]
pub(super) struct Repository {
    /// The folder asked for, without links in it.
    pub folder: PathBuf,
    /// The top of the working tree; none in a bare repository.
    pub top: Option<PathBuf>,
    git_dir: PathBuf,
    /// Variables of ours that mean this repository.
    variables: Vec<(&'static str, OsString)>,
}

impl Repository {
    /// The repository that holds `folder`.
    pub fn find(folder: &Path) -> Result<Repository, GitError> {
        let fail = |reason: String| GitError::Failed { path: folder.to_owned(), reason };
        let real = fs::canonicalize(folder).map_err(|error| fail(words(&error)))?;
        if !real.is_dir() {
            return Err(fail("it is not a directory".to_owned()));
        }
        let located = env::var_os("GIT_DIR").is_some();
        if !located && env::var_os("GIT_INDEX_FILE").is_none() && env::var_os("GIT_OBJECT_DIRECTORY").is_none() {
            return discover(&real, &[]);
        }
        let named = named_by_environment();
        match (discover(&real, &[]), named) {
            (Ok(found), Some(git_dir)) if !is_same(&found.git_dir, &git_dir) => Ok(found),
            // In no repository at all, without GIT_DIR: the variables can only be about the folder.
            (Ok(found), named) if named.is_some() || !located => Ok(found.with_our_variables()),
            (Ok(found), _) => Ok(found),
            // Only the variables know a repository whose working tree is elsewhere.
            (Err(GitError::NotRepository { path }), Some(git_dir)) if located => {
                let mut location = vec![("GIT_DIR", git_dir.into_os_string())];
                if let Some(top) = absolute_variable("GIT_WORK_TREE") {
                    location.push(("GIT_WORK_TREE", top));
                }
                let found = discover(&real, &location)?;
                // Without GIT_WORK_TREE git takes any folder for the top of the working tree.
                match found.top.as_ref() {
                    Some(_) if location.len() == 1 => Err(GitError::NotRepository { path }),
                    _ => Ok(found.with_our_variables()),
                }
            }
            (Err(error), _) => Err(error),
        }
    }

    fn with_our_variables(mut self) -> Repository {
        // A relative index lies, to git, below the top of the working tree, wherever the process stands.
        if let Some(index) = env::var_os("GIT_INDEX_FILE") {
            let base = self.top.as_ref().unwrap_or(&self.git_dir);
            self.variables.push(("GIT_INDEX_FILE", base.join(index).into_os_string()));
        }
        // `pre-receive` keeps what was pushed in a folder of its own until it is accepted.
        if let Some(objects) = absolute_variable("GIT_OBJECT_DIRECTORY") {
            self.variables.push(("GIT_OBJECT_DIRECTORY", objects));
        }
        if let Some(folders) = env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES") {
            self.variables.push(("GIT_ALTERNATE_OBJECT_DIRECTORIES", folders));
        }
        self
    }

    /// `git ARGUMENTS`, in the folder, on this repository.
    pub fn git<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = git(&self.folder);
        command.env("GIT_DIR", &self.git_dir);
        if let Some(top) = &self.top {
            command.env("GIT_WORK_TREE", top);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(arguments);
        command
    }

    /// What a git command prints; for commands that print little.
    pub fn ask<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<Vec<u8>, GitError> {
        output(self.git(arguments)).and_then(|answer| answer.map_err(|reason| self.failed(reason)))
    }

    /// Hand each record, ended by a NUL, of what a git command prints to `each`.
    pub fn records<A: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = A>,
        mut each: impl FnMut(&[u8]) -> Result<(), GitError>,
    ) -> Result<(), GitError> {
        let mut command = self.git(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running(spawn(command)?);
        let complaints = running.0.stderr.take().map(|stderr| std::thread::spawn(move || drain(stderr)));
        let stdout = running.0.stdout.take().ok_or_else(|| self.failed("it has no output"))?;
        let mut stdout = BufReader::with_capacity(64 << 10, stdout);
        let mut record = Vec::new();
        loop {
            record.clear();
            let read = (&mut stdout).take(RECORD_LIMIT).read_until(0, &mut record);
            if read.map_err(|error| self.failed(words(&error)))? == 0 {
                break;
            }
            if record.pop() != Some(0) {
                // Cut short: git tells why below, unless the record is too long.
                if record.len() as u64 + 1 >= RECORD_LIMIT {
                    return Err(self.failed(format!("it has a path of more than {RECORD_LIMIT} bytes")));
                }
                break;
            }
            each(&record)?;
        }
        let status = running.0.wait().map_err(|error| self.failed(words(&error)))?;
        let complaints = complaints.and_then(|thread| thread.join().ok()).unwrap_or_default();
        if !status.success() {
            return Err(self.failed(complaint(&complaints, &status.to_string())));
        }
        Ok(())
    }

    pub fn failed(&self, reason: impl Into<String>) -> GitError {
        GitError::Failed { path: self.folder.clone(), reason: reason.into() }
    }
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(super) struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `git` in `folder`, which finds its repository from there and runs nothing that the repository names.
fn git(folder: &Path) -> Command {
    let mut command = bare_git();
    command.current_dir(folder);
    for name in LOCATION {
        command.env_remove(name);
    }
    command
}

fn bare_git() -> Command {
    let mut command = hardened();
    command.args(["-c", "core.hooksPath=/dev/null"]);
    command
}

/// `git` that runs nothing but hooks, and those only in commands that have any.
fn hardened() -> Command {
    let mut command = Command::new("git");
    command.args(["--no-pager", "-c", "core.fsmonitor=false"]);
    for name in MEANING {
        command.env_remove(name);
    }
    command
        // Read only: not even the index's times are refreshed.
        .env("GIT_OPTIONAL_LOCKS", "0")
        // A partial clone would fetch what it lacks, with a helper that its configuration names. Versions before 2.45
        // don't know the first variable, so no protocol is allowed either.
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_ALLOW_PROTOCOL", "none")
        .env("GIT_TERMINAL_PROMPT", "0")
        // What is committed, not what a local replacement shows in its stead.
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("LC_ALL", "C")
        .env_remove("LANGUAGE")
        .stdin(Stdio::null());
    command
}

pub(super) fn spawn(mut command: Command) -> Result<Child, GitError> {
    command.spawn().map_err(|error| GitError::NoGit { reason: words(&error) })
}

fn output(mut command: Command) -> Result<Result<Vec<u8>, String>, GitError> {
    let output = command.output().map_err(|error| GitError::NoGit { reason: words(&error) })?;
    if output.status.success() {
        return Ok(Ok(output.stdout));
    }
    Ok(Err(complaint(&output.stderr, &output.status.to_string())))
}

/// Ask git which repository holds `folder`, with the given variables set.
fn discover(folder: &Path, location: &[(&'static str, OsString)]) -> Result<Repository, GitError> {
    let mut command = git(folder);
    command.envs(location.iter().map(|(name, value)| (name, value)));
    // The git directory comes last since its name may have line ends in it.
    command.args(["rev-parse", "--is-bare-repository", "--is-inside-work-tree", "--show-cdup", "--absolute-git-dir"]);
    let answer = match output(command)? {
        Ok(answer) => answer,
        Err(reason) if reason.contains("not a git repository") => {
            return Err(GitError::NotRepository { path: folder.to_owned() });
        }
        Err(reason) => return Err(GitError::Failed { path: folder.to_owned(), reason }),
    };
    let unreadable = || GitError::Failed {
        path: folder.to_owned(),
        reason: format!("`git rev-parse` answers {:?}", String::from_utf8_lossy(&answer)),
    };
    let rest = answer.strip_suffix(b"\n").unwrap_or(&answer);
    let (is_bare, rest) = split_line(rest).ok_or_else(unreadable)?;
    let (is_inside, rest) = split_line(rest).ok_or_else(unreadable)?;
    let (top, git_dir) = match (is_bare, is_inside) {
        (_, b"true") => {
            let (up, git_dir) = split_line(rest).ok_or_else(unreadable)?;
            let levels = up.split(|byte| *byte == b'/').filter(|part| *part == b"..").count();
            let top = folder.ancestors().nth(levels).ok_or_else(unreadable)?;
            (Some(top.to_owned()), git_dir)
        }
        (b"true", _) => (None, rest),
        _ if !location.is_empty() => return Err(GitError::NotRepository { path: folder.to_owned() }),
        _ => {
            let reason = "the folder is a part of git's own files".to_owned();
            return Err(GitError::Failed { path: folder.to_owned(), reason });
        }
    };
    let git_dir = PathBuf::from(OsString::from_vec(git_dir.to_vec()));
    Ok(Repository { folder: folder.to_owned(), top, git_dir, variables: Vec::new() })
}

/// The git directory that our own variables and our own folder mean; `None` if there is none.
fn named_by_environment() -> Option<PathBuf> {
    let mut command = bare_git();
    command.args(["rev-parse", "--absolute-git-dir"]);
    let answer = output(command).ok()?.ok()?;
    let path = answer.strip_suffix(b"\n").unwrap_or(&answer);
    Some(PathBuf::from(OsStr::from_bytes(path)))
}

fn absolute_variable(name: &str) -> Option<OsString> {
    let value = env::var_os(name)?;
    Some(std::path::absolute(&value).map_or(value, PathBuf::into_os_string))
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some((&text[..end], &text[end + 1..]))
}

/// Read everything, so that the writer never waits, and keep the beginning.
fn drain(mut from: impl Read) -> Vec<u8> {
    let mut kept = Vec::new();
    // What can't be read is no loss: these are only words for a message.
    let _ = from.by_ref().take(COMPLAINT_LIMIT).read_to_end(&mut kept);
    let _ = io::copy(&mut from, &mut io::sink());
    kept
}

/// Git's words as one line for a message, or `otherwise` if it said nothing.
fn complaint(stderr: &[u8], otherwise: &str) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let text = printable(&lines.join(" "));
    match text.strip_prefix("fatal: ").unwrap_or(&text) {
        "" => format!("it ended with {otherwise}"),
        text => text.to_owned(),
    }
}

/// `text` without characters that would steer a terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

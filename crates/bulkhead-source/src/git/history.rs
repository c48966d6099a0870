//! What git's history says about lines that are gone.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::repository::{Repository, Running, printable, spawn};

/// The longest that a search may last. History only makes a message friendlier; nobody should wait for it.
const SEARCH_TIME: Duration = Duration::from_secs(2);

/// The most lines that are kept.
const MAX_LINES: usize = 5_000;

/// How much of a line is read, in bytes.
const LINE_LIMIT: u64 = 8 << 10;

/// The history of the repository that holds a folder.
#[derive(Debug)]
pub struct GitHistory {
    repository: Repository,
}

/// A line that a commit took away. All texts are free of control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The commit's id, shortened as git does.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// The day it was committed, as `2024-03-31`.
    pub date: String,
    /// The file in which the line stood before, relative to the root.
    pub path: String,
    /// The line, without the space around.
    pub line: String,
}

/// A line of the last commit. All texts are free of control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The file in which the line stands, relative to the root.
    pub path: String,
    /// The line, without the space around.
    pub line: String,
}

impl GitHistory {
    /// The history that leads to `HEAD`, in the repository that holds the folder `root`; `None` if there is no git, no
    /// repository or no commit.
    pub fn open(root: &Path) -> Option<GitHistory> {
        let repository = Repository::find(root).ok()?;
        repository.ask(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).ok()?;
        Some(GitHistory { repository })
    }

    /// The lines that commits took out of files below the root, the newest first, as far as `wanted` wants them.
    /// `pattern` (a POSIX extended regular expression) matches in every such line; git looks only where it does. A
    /// commit that changes or moves a line takes the old one away.
    ///
    /// On any trouble, and after 2 seconds or 5,000 lines, it gives what it has found so far.
    /// `pathspecs` (gitglossary(7), relative to the root; none match all files) bound where it looks.
    pub fn removed_lines(&self, pattern: &str, pathspecs: &[&str], wanted: impl Fn(&str) -> bool) -> Vec<Removal> {
        if !is_plain(pattern, pathspecs) {
            return Vec::new();
        }
        // `log` would run what the configuration names for `log.showSignature`, textconv and external diffs.
        let mut command = self.repository.git(["-c", "core.quotePath=false", "log", "--no-show-signature"]);
        command
            .args(["--no-textconv", "--no-ext-diff", "--no-color", "--no-decorate", "--no-notes", "--no-renames"])
            .args(["--relative", "--patch", "--unified=0", "--src-prefix=a/", "--dst-prefix=b/"])
            .arg("--format=%x01%h%x00%s%x00%cs")
            .arg(format!("-G{pattern}"))
            .args(["HEAD", "--"])
            .args(pathspecs);
        collect(command, read_removals, |removal: &Removal| wanted(&removal.line))
    }

    /// The lines that stand in files of the last commit below the root, sorted by file: what the working tree or the index
    /// has lost already is still there. Patterns, pathspecs and bounds are those of [`GitHistory::removed_lines`].
    pub fn committed_lines(&self, pattern: &str, pathspecs: &[&str], wanted: impl Fn(&str) -> bool) -> Vec<Committed> {
        if !is_plain(pattern, pathspecs) {
            return Vec::new();
        }
        let mut command = self.repository.git(["grep", "-I", "-E", "-z", "--no-color", "--no-line-number"]);
        command
            .args(["--no-column", "--no-full-name", "--no-textconv", "--no-recurse-submodules", "-e"])
            .arg(pattern)
            .args(["HEAD", "--"])
            .args(pathspecs);
        collect(command, read_committed, |committed: &Committed| wanted(&committed.line))
    }
}

fn is_plain(pattern: &str, pathspecs: &[&str]) -> bool {
    [pattern].iter().chain(pathspecs).all(|text| !text.is_empty() && !text.contains(['\0', '\n']))
}

/// What `read` makes of what git prints, within the bounds.
fn collect<T: Send + 'static>(
    mut command: Command,
    read: fn(ChildStdout, &mpsc::SyncSender<T>),
    wanted: impl Fn(&T) -> bool,
) -> Vec<T> {
    let mut found = Vec::new();
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(child) = spawn(command) else { return found };
    // Git is stopped when this goes, and with it the thread that reads what it prints.
    let mut git = Running(child);
    let Some(stdout) = git.0.stdout.take() else { return found };
    let (sender, lines) = mpsc::sync_channel(64);
    std::thread::spawn(move || read(stdout, &sender));
    let deadline = Instant::now() + SEARCH_TIME;
    while found.len() < MAX_LINES {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(item) if wanted(&item) => found.push(item),
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    found
}

/// Read the next line, as far as it is kept; `false` at the end.
fn next_line(stdout: &mut BufReader<ChildStdout>, line: &mut Vec<u8>) -> bool {
    line.clear();
    match stdout.by_ref().take(LINE_LIMIT).read_until(b'\n', line) {
        Ok(length) if length > 0 => {}
        _ => return false,
    }
    if line.last() != Some(&b'\n') {
        // The rest of a line that is too long; what was read of it serves.
        let _ = stdout.skip_until(b'\n');
    }
    true
}

/// Send on the lines that `git grep -z` prints: `HEAD:path`, NUL, the line.
fn read_committed(stdout: ChildStdout, sender: &mpsc::SyncSender<Committed>) {
    let mut stdout = BufReader::new(stdout);
    let mut line = Vec::new();
    while next_line(&mut stdout, &mut line) {
        let text = String::from_utf8_lossy(&line);
        let Some((path, text)) = text.strip_prefix("HEAD:").and_then(|text| text.split_once('\0')) else { continue };
        let committed = Committed { path: printable(path), line: printable(text).trim().to_owned() };
        if sender.send(committed).is_err() {
            return;
        }
    }
}

/// Send on the removed lines that `git log --patch` prints; ends with its output, or when nobody listens any more.
fn read_removals(stdout: ChildStdout, sender: &mpsc::SyncSender<Removal>) {
    let mut stdout = BufReader::new(stdout);
    let (mut commit, mut subject, mut date, mut path) = (String::new(), String::new(), String::new(), String::new());
    let mut in_hunk = false;
    let mut line = Vec::new();
    while next_line(&mut stdout, &mut line) {
        let text = printable(&String::from_utf8_lossy(&line));
        if let Some(header) = line.strip_prefix(b"\x01") {
            let header = String::from_utf8_lossy(header);
            let mut fields = header.trim_end_matches('\n').split('\0').map(printable);
            let mut field = || fields.next().unwrap_or_default();
            (commit, subject, date) = (field(), field(), field());
            in_hunk = false;
        } else if line.starts_with(b"diff --git ") {
            in_hunk = false;
        } else if line.starts_with(b"@@") {
            in_hunk = true;
        } else if let (false, Some(name)) = (in_hunk, text.strip_prefix("--- ")) {
            path = name.trim().strip_prefix("a/").unwrap_or(name.trim()).to_owned();
        } else if let (true, Some(removed)) = (in_hunk, text.strip_prefix('-')) {
            let removal = Removal {
                commit: commit.clone(),
                subject: subject.clone(),
                date: date.clone(),
                path: path.clone(),
                line: removed.trim().to_owned(),
            };
            if sender.send(removal).is_err() {
                return;
            }
        }
    }
}

//! What git's history says about a text that is gone.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::blobs::Blobs;
use super::repository::{Repository, Running, printable, spawn};
use crate::TreePath;

/// The longest that one search may last. History only makes a message friendlier; nobody should wait for it.
const SEARCH_TIME: Duration = Duration::from_secs(2);

/// The longest that all searches together may last.
const TOTAL_TIME: Duration = Duration::from_secs(4);

/// How much of a file is searched for the line, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// How much of a line is kept, in characters.
const LINE_LIMIT: usize = 400;

/// The history of the repository that holds a folder.
#[derive(Debug)]
pub struct GitHistory {
    repository: Repository,
    blobs: Blobs,
    left: Mutex<Duration>,
}

/// The commit that took a text away. All texts are free of control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// The commit's id, shortened as git does.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// The day it was committed, as `2024-03-31`.
    pub date: String,
    /// The file in which the text stood before.
    pub path: TreePath,
    /// The line in which it stood, without the space around; at most 400 characters, which may leave out the text.
    pub line: String,
}

/// One change in the history: a file before and after it.
struct Change {
    commit: String,
    subject: String,
    date: String,
    path: Vec<u8>,
    before: String,
    after: String,
}

impl GitHistory {
    /// The history that leads to `HEAD`, in the repository that holds the folder `root`; `None` if there is no git, no
    /// repository or no commit.
    pub fn open(root: &Path) -> Option<GitHistory> {
        let repository = Repository::find(root).ok()?;
        repository.ask(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"]).ok()?;
        let blobs = Blobs::new(repository.clone());
        Some(GitHistory { repository, blobs, left: Mutex::new(TOTAL_TIME) })
    }

    /// The newest commit that took `needle` out of a file below the root that matches one of the pathspecs
    /// (gitglossary(7), relative to the root; none match all files).
    ///
    /// `None` if no commit did, and on any trouble: a search ends after 2 seconds, and all searches of one `GitHistory`
    /// together after 4. A commit that moves the text to another file takes it out of the first.
    pub fn last_version_containing(&self, needle: &str, pathspecs: &[&str]) -> Option<Removal> {
        if needle.is_empty() || needle.contains(['\0', '\n']) || pathspecs.iter().any(|spec| spec.contains('\0')) {
            return None;
        }
        // Searches don't overlap, so that together they keep to the limit.
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let start = Instant::now();
        let found = self.search(needle, pathspecs, start + left.min(SEARCH_TIME));
        *left = left.saturating_sub(start.elapsed());
        found
    }

    fn search(&self, needle: &str, pathspecs: &[&str], deadline: Instant) -> Option<Removal> {
        deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
        // `log` would run what the configuration names for `log.showSignature`, textconv and external diffs.
        let mut command = self.repository.git(["log", "--no-show-signature", "--no-textconv", "--no-ext-diff"]);
        command
            .args(["--no-color", "--no-decorate", "--no-notes", "--no-renames", "--relative", "--diff-filter=DM"])
            .args(["--raw", "--no-abbrev", "-z", "--format=%x01%H%x00%s%x00%cs"])
            .arg(format!("-S{needle}"))
            .args(["HEAD", "--"])
            .args(pathspecs)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        // Git is stopped when this goes, and with it the thread that reads what it prints.
        let mut git = Running(spawn(command).ok()?);
        let stdout = git.0.stdout.take()?;
        let (sender, changes) = mpsc::channel();
        std::thread::spawn(move || read_changes(stdout, &sender));
        loop {
            match changes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(change) => {
                    if let Some(removal) = self.judge(needle, change) {
                        return Some(removal);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    /// The removal that `change` is, if it takes the needle away rather than adds it.
    fn judge(&self, needle: &str, change: Change) -> Option<Removal> {
        let text = |id: &str| -> Option<String> {
            let content = self.blobs.read(id, FILE_LIMIT).ok()?;
            Some(String::from_utf8_lossy(&content.bytes).into_owned())
        };
        let before = text(&change.before)?;
        let line = before.lines().find(|line| line.contains(needle))?;
        // A deleted file has an id of zeros.
        let is_deleted = change.after.bytes().all(|byte| byte == b'0');
        if !is_deleted && text(&change.after)?.contains(needle) {
            return None;
        }
        Some(Removal {
            commit: self.short(change.commit),
            subject: printable(&change.subject),
            date: printable(&change.date),
            path: TreePath::new(std::str::from_utf8(&change.path).ok()?).ok()?,
            line: printable(line).trim().chars().take(LINE_LIMIT).collect(),
        })
    }

    /// The commit's id, as short as it can be in this repository.
    fn short(&self, commit: String) -> String {
        let short = self.repository.ask(["rev-parse", "--verify", "--short", &commit]);
        let short = short.ok().and_then(|answer| String::from_utf8(answer).ok());
        short.map_or(commit, |short| short.trim_end().to_owned())
    }
}

/// Send on the changes that `git log --raw -z` prints; ends with its output, or when nobody listens any more.
fn read_changes(stdout: ChildStdout, sender: &mpsc::Sender<Change>) {
    let mut stdout = BufReader::new(stdout);
    let mut field = move || -> Option<Vec<u8>> {
        let mut field = Vec::new();
        (&mut stdout).take(1 << 20).read_until(0, &mut field).ok()?;
        (field.pop()? == 0).then_some(field)
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (mut commit, mut subject, mut date) = (String::new(), String::new(), String::new());
    while let Some(first) = field() {
        // A line end parts the commit from its changes.
        let first = first.strip_prefix(b"\n").unwrap_or(&first);
        if let Some(id) = first.strip_prefix(b"\x01") {
            let (Some(second), Some(third)) = (field(), field()) else { return };
            (commit, subject, date) = (text(id), text(&second), text(&third));
            continue;
        }
        // `:100644 000000 <before> <after> D`, and then the path.
        let (Some(path), Ok(raw)) = (field(), std::str::from_utf8(first)) else { return };
        let mut words = raw.split(' ').skip(2);
        let (Some(before), Some(after)) = (words.next(), words.next()) else { return };
        let change = Change {
            commit: commit.clone(),
            subject: subject.clone(),
            date: date.clone(),
            path,
            before: before.to_owned(),
            after: after.to_owned(),
        };
        if sender.send(change).is_err() {
            return;
        }
    }
}

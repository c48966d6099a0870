//! The socket that `status` and `renew` talk to: a word and a newline in, one JSON value out.

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use serde::{Deserialize, Serialize};

use crate::clock::Inbox;
use crate::log;
use crate::network::SharedNetwork;
use crate::status::{Board, Status, metrics};
use crate::timed::Timed;

/// How long an answer may take.
const AT_MOST: Duration = Duration::from_secs(15);
/// How long it may take until somebody listens.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a question may take: others wait meanwhile.
const QUESTION: Duration = Duration::from_secs(2);
/// The longest answer.
const LONGEST: usize = 1 << 20;

/// What may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The status.
    Status,
    /// The metrics.
    Metrics,
    /// A new connection.
    Renew,
}

impl Question {
    fn word(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Metrics => "metrics",
            Self::Renew => "renew",
        }
    }
}

/// What is answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// The status.
    Status(Box<Status>),
    /// The metrics.
    Metrics(String),
    /// It will be done.
    Accepted,
    /// The question makes no sense.
    Unknown,
}

/// Answers questions until it is dropped; then the socket is gone.
pub struct Control {
    path: PathBuf,
}

impl Control {
    /// Listen. A socket that a killed run has left is replaced; one that somebody listens on is not.
    pub fn listen(path: &Path, board: Board, network: SharedNetwork, inbox: Inbox) -> io::Result<Self> {
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(io::Error::other("it is there and is no socket"));
            }
            // Who takes nobody's connection listens too.
            let refused = Timed::connect(path, Instant::now() + CONNECT).err().map(|error| error.kind());
            if matches!(refused, None | Some(io::ErrorKind::TimedOut)) {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "another bulkhead-vpn listens there"));
            }
            fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        thread::Builder::new().name("control".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                // One at a time: each is short and bounded. Without a pause, running out of files would spin.
                match stream {
                    Ok(stream) => drop(serve(stream, &board, &network, &inbox)),
                    Err(_) => thread::sleep(Duration::from_millis(200)),
                }
            }
        })?;
        Ok(Self { path: path.to_owned() })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            log::warning!("can't remove {}: {error}", self.path.display());
        }
    }
}

fn serve(stream: UnixStream, board: &Board, network: &SharedNetwork, inbox: &Inbox) -> io::Result<()> {
    let question = read(Timed::new(&stream, Instant::now() + QUESTION), 64, |text| text.ends_with(b"\n"))?;
    let answer = match std::str::from_utf8(&question).unwrap_or_default().trim_end() {
        "status" => Answer::Status(Box::new(board.read_with_counters(network))),
        "metrics" => Answer::Metrics(metrics(&board.read_with_counters(network))),
        "renew" => {
            inbox.renew();
            Answer::Accepted
        }
        _ => Answer::Unknown,
    };
    Timed::new(&stream, Instant::now() + QUESTION).write_all(&serde_json::to_vec(&answer)?)
}

/// Ask the daemon that listens on a socket. It is in a container, and perhaps no daemon of ours: it must be a socket, and
/// its answer is bounded in size and time. Below `root`, the folder that holds the container's files, no link is followed,
/// for who is root in there may have put it in place of any folder; without it, the socket itself must be none.
pub fn ask(root: Option<&Path>, path: &Path, question: Question) -> io::Result<Answer> {
    let socket = find(root, path)?;
    // What was found, and not what is there by now (open(2), O_PATH; proc_pid_fd(5)).
    let path = format!("/proc/self/fd/{}", socket.as_raw_fd());
    let stream = Timed::connect(Path::new(&path), Instant::now() + CONNECT)?;
    let mut stream = stream.until(Instant::now() + AT_MOST);
    stream.write_all(format!("{}\n", question.word()).as_bytes())?;
    let text = read(stream, LONGEST, |_| false)?;
    Ok(serde_json::from_slice(&text)?)
}

fn find(root: Option<&Path>, path: &Path) -> io::Result<OwnedFd> {
    let root = root.or(path.parent()).unwrap_or(Path::new("/"));
    let below = path.strip_prefix(root).map_err(|_| io::Error::other("it is not below the container's files"))?;
    let folder =
        openat2(CWD, root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::empty())?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let found = openat2(folder, below, flags, Mode::empty(), resolve).map_err(|error| match error {
        rustix::io::Errno::LOOP => io::Error::other("a folder of the container is a link"),
        other => other.into(),
    })?;
    match FileType::from_raw_mode(fstat(&found)?.st_mode) {
        FileType::Socket => Ok(found),
        _ => Err(io::Error::other("it is no socket")),
    }
}

/// Read to the end, or until a text is complete; not more than `longest` bytes.
fn read(mut stream: impl Read, longest: usize, is_complete: fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let (mut text, mut some) = (Vec::new(), [0; 4096]);
    while !is_complete(&text) {
        let count = stream.read(&mut some)?;
        if count == 0 {
            break;
        }
        text.extend_from_slice(&some[..count]);
        if text.len() > longest {
            return Err(io::Error::other("it is too long"));
        }
    }
    Ok(text)
}

//! The socket that `status` and `renew` talk to: a word and a newline in, one JSON value out.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, thread};

use serde::{Deserialize, Serialize};

use crate::clock::Inbox;
use crate::log;
use crate::network::SharedNetwork;
use crate::status::{Board, Status, metrics};

/// How long one side waits for the other.
const AT_MOST: Duration = Duration::from_secs(15);

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
            if UnixStream::connect(path).is_ok() {
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
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    let mut line = String::new();
    BufReader::new((&stream).take(64)).read_line(&mut line)?;
    let answer = match line.trim_end() {
        "status" => Answer::Status(Box::new(board.read_with_counters(network))),
        "metrics" => Answer::Metrics(metrics(&board.read_with_counters(network))),
        "renew" => {
            inbox.renew();
            Answer::Accepted
        }
        _ => Answer::Unknown,
    };
    (&stream).write_all(&serde_json::to_vec(&answer)?)
}

/// Ask the daemon that listens on a socket.
pub fn ask(path: &Path, question: Question) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(AT_MOST))?;
    stream.set_write_timeout(Some(AT_MOST))?;
    stream.write_all(format!("{}\n", question.word()).as_bytes())?;
    let mut text = Vec::new();
    stream.take(8 << 20).read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

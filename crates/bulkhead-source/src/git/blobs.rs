//! Contents of files in git, through one long-lived `git cat-file --batch`.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::process::{ChildStdin, ChildStdout, Stdio};
use std::sync::{Mutex, PoisonError};

use super::repository::{Repository, Running, spawn};
use crate::Prefix;

/// The longest first line of an answer, in bytes: an object id, a type and a length.
const HEADER_LIMIT: u64 = 256;

/// The end of a file that nobody asked for is read and dropped up to this length, in bytes; for more it is faster to
/// start git anew.
const DRAIN_LIMIT: u64 = 256 << 10;

/// Memory set aside for a file before its bytes have come.
const FIRST_BUFFER: u64 = 1 << 20;

/// Reads objects of one repository by their id; from one thread at a time, the others wait.
#[derive(Debug)]
pub(super) struct Blobs {
    repository: Repository,
    reader: Mutex<Option<Reader>>,
}

#[derive(Debug)]
struct Reader {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    // Dropped last, when its pipes are closed.
    _git: Running,
}

impl Blobs {
    pub fn new(repository: Repository) -> Blobs {
        Blobs { repository, reader: Mutex::default() }
    }

    /// The first `limit` bytes of the blob `id`, or why they can't be had.
    pub fn read(&self, id: &str, limit: u64) -> Result<Prefix, String> {
        let mut slot = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // If the git that was running has ended (somebody may have killed it), a new one can still do it.
        let was_running = slot.is_some();
        match self.try_read(&mut slot, id, limit) {
            Err(_) if was_running => self.try_read(&mut slot, id, limit),
            result => result,
        }
    }

    fn try_read(&self, slot: &mut Option<Reader>, id: &str, limit: u64) -> Result<Prefix, String> {
        // After any trouble it is not known what git will say next, so the reader is put back only when all is well.
        let mut reader = match slot.take() {
            Some(reader) => reader,
            None => self.start()?,
        };
        let (answer, is_in_step) = reader.ask(id, limit).map_err(|error| {
            let why = if error.kind() == ErrorKind::UnexpectedEof { "git gives up".into() } else { error.to_string() };
            format!("{why}, reading the object {id}; `git fsck` may tell more")
        })?;
        if is_in_step {
            *slot = Some(reader);
        }
        answer
    }

    fn start(&self) -> Result<Reader, String> {
        // Objects above the threshold are streamed; smaller ones git unpacks whole, in memory, before it answers.
        let mut command = self.repository.git(["-c", "core.bigFileThreshold=1m", "cat-file", "--batch"]);
        // Complaints would have to be read all the time, lest git waits for us to do so.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut git = Running(spawn(command).map_err(|error| error.to_string())?);
        match (git.0.stdin.take(), git.0.stdout.take()) {
            (Some(stdin), Some(stdout)) => Ok(Reader { stdin, stdout: BufReader::new(stdout), _git: git }),
            _ => Err("git was started without pipes".to_owned()),
        }
    }
}

impl Reader {
    /// The answer, and whether git is ready for the next question.
    fn ask(&mut self, id: &str, limit: u64) -> io::Result<(Result<Prefix, String>, bool)> {
        self.stdin.write_all(format!("{id}\n").as_bytes())?;
        let mut header = String::new();
        (&mut self.stdout).take(HEADER_LIMIT).read_line(&mut header)?;
        let Some(header) = header.strip_suffix('\n') else { return Err(ErrorKind::UnexpectedEof.into()) };
        let mut words = header.split(' ').skip(1);
        let length: u64 = match (words.next(), words.next().and_then(|length| length.parse().ok())) {
            (Some("blob"), Some(length)) => length,
            (Some("missing"), _) => {
                let reason = format!("the object {id} is not in the repository (a partial clone, or a damaged one)");
                return Ok((Err(reason), true));
            }
            _ => return Ok((Err(format!("git says about the object {id}: {header}")), false)),
        };
        let wanted = length.min(limit);
        let mut bytes = Vec::with_capacity(usize::try_from(wanted.min(FIRST_BUFFER)).unwrap_or(0));
        (&mut self.stdout).take(wanted).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < wanted {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let rest = length - wanted;
        if rest > DRAIN_LIMIT {
            return Ok((Ok(Prefix { bytes, length }), false));
        }
        // The rest, and a line end.
        let is_in_step = io::copy(&mut (&mut self.stdout).take(rest + 1), &mut io::sink())? == rest + 1;
        Ok((Ok(Prefix { bytes, length }), is_in_step))
    }
}

//! A stream with one deadline for everything that is read and written, and how to connect to a socket within one.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};

/// A stream that can be told how long to wait.
pub trait Stream {
    /// What to wait at most for each read.
    fn wait_for_read(&self, at_most: Duration) -> Result<()>;
    /// What to wait at most for each write.
    fn wait_for_write(&self, at_most: Duration) -> Result<()>;
}

impl Stream for TcpStream {
    fn wait_for_read(&self, at_most: Duration) -> Result<()> {
        self.set_read_timeout(Some(at_most))
    }

    fn wait_for_write(&self, at_most: Duration) -> Result<()> {
        self.set_write_timeout(Some(at_most))
    }
}

impl Stream for UnixStream {
    fn wait_for_read(&self, at_most: Duration) -> Result<()> {
        self.set_read_timeout(Some(at_most))
    }

    fn wait_for_write(&self, at_most: Duration) -> Result<()> {
        self.set_write_timeout(Some(at_most))
    }
}

impl<S: Stream> Stream for &S {
    fn wait_for_read(&self, at_most: Duration) -> Result<()> {
        (*self).wait_for_read(at_most)
    }

    fn wait_for_write(&self, at_most: Duration) -> Result<()> {
        (*self).wait_for_write(at_most)
    }
}

/// Fails with `TimedOut` as soon as the deadline has passed, even if bytes still trickle in.
pub struct Timed<S> {
    stream: S,
    deadline: Instant,
}

impl<S> Timed<S> {
    pub fn new(stream: S, deadline: Instant) -> Self {
        Self { stream, deadline }
    }

    /// The same stream, with another deadline from now on.
    pub fn until(self, deadline: Instant) -> Self {
        Self { deadline, ..self }
    }
}

impl Timed<UnixStream> {
    /// Connect to a socket, but don't wait beyond the deadline: who listens and takes nobody's connection has them all wait
    /// (unix(7), socket(7)).
    pub fn connect(path: &Path, deadline: Instant) -> Result<Self> {
        let fd = socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        let (stream, address) = (UnixStream::from(fd), UnixAddr::new(path)?);
        loop {
            stream.wait_for_write(left(deadline)?)?;
            match socket::connect(stream.as_raw_fd(), &address) {
                Ok(()) => return Ok(Self::new(stream, deadline)),
                // A signal, or nobody has taken it so far: the time that is left tells.
                Err(Errno::EINTR | Errno::EAGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn left(deadline: Instant) -> Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Error::from(ErrorKind::TimedOut)) } else { Ok(left) }
}

/// A signal ends the wait of whichever thread it comes to; with a time-out it is not begun anew by itself. Whether the time
/// is over, the deadline tells.
fn is_pause(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock)
}

impl<S: Read + Stream> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            self.stream.wait_for_read(left(self.deadline)?)?;
            match self.stream.read(buffer) {
                Err(error) if is_pause(&error) => {}
                other => return other,
            }
        }
    }
}

impl<S: Write + Stream> Write for Timed<S> {
    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        loop {
            self.stream.wait_for_write(left(self.deadline)?)?;
            match self.stream.write(buffer) {
                Err(error) if is_pause(&error) => {}
                other => return other,
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const SHORT: Duration = Duration::from_millis(300);

    /// Whether it fails for want of time, and neither at once nor much later.
    fn times_out<T>(action: impl FnOnce(Instant) -> Result<T>) -> bool {
        let start = Instant::now();
        let failed = action(start + SHORT).err().map(|error| error.kind()) == Some(ErrorKind::TimedOut);
        failed && start.elapsed() >= SHORT && start.elapsed() < Duration::from_secs(10)
    }

    #[test]
    fn who_takes_nobodys_connection_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        // Those that wait until the queue is full; the control is that they could connect.
        let mut waiting = Vec::new();
        let full = loop {
            match Timed::connect(&path, Instant::now() + SHORT) {
                Ok(stream) => waiting.push(stream),
                Err(error) => break error,
            }
            assert!(waiting.len() < 100_000, "the queue has an end");
        };
        assert_eq!(full.kind(), ErrorKind::TimedOut);
        assert!(!waiting.is_empty() && times_out(|deadline| Timed::connect(&path, deadline)));
        drop(listener);
        let refused = Timed::connect(&path, Instant::now() + SHORT).err();
        assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::ConnectionRefused));
    }

    #[test]
    fn who_reads_or_writes_a_little_at_a_time_is_not_waited_for() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let reader = near.try_clone().unwrap();
        let trickle = std::thread::spawn(move || {
            let mut some = [0; 4096];
            // Until the other side is gone.
            while far.write_all(b"x").and_then(|()| far.read_exact(&mut some)).is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let much = vec![0; 64 << 20];
        assert!(times_out(|deadline| Timed::new(&near, deadline).write_all(&much)));
        assert!(times_out(|deadline| Timed::new(&reader, deadline).read_to_end(&mut Vec::new())));
        reader.shutdown(std::net::Shutdown::Both).unwrap();
        trickle.join().unwrap();
    }
}

//! HTTP over the daemon's socket: ureq's client, with a connection of our own that heeds signals and deadlines.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Agent, Error};

use crate::watch::{TICK, Watch};

/// A client for the daemon at `socket`. Its requests fail once `watch` is over.
pub(crate) fn agent(socket: PathBuf, watch: Watch) -> Agent {
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // The environment may name one; the socket is no place that a proxy could reach.
        .proxy(None)
        .user_agent(concat!("bulkhead-incus/", env!("CARGO_PKG_VERSION")))
        // The daemon may be restarted between any two requests.
        .max_idle_connections(0)
        .build();
    Agent::with_parts(config, SocketConnector { socket, watch }, NoResolver)
}

#[derive(Debug)]
struct SocketConnector {
    socket: PathBuf,
    watch: Watch,
}

impl Connector for SocketConnector {
    type Out = SocketTransport;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<SocketTransport>, Error> {
        let stream = connect(&self.socket, &self.watch).map_err(|error| {
            Error::Io(std::io::Error::new(error.kind(), NotConnected { reason: error.to_string(), kind: error.kind() }))
        })?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(SocketTransport { stream, buffers, watch: self.watch.clone(), refused: false }))
    }
}

/// Connect, until the watch is over: a daemon that hangs takes nobody's connection, and once as many wait as may, who comes
/// next has to wait too (unix(7)).
fn connect(path: &Path, watch: &Watch) -> std::io::Result<UnixStream> {
    let address = SocketAddrUnix::new(path)?;
    loop {
        // A socket that does not block fails where it would have to wait.
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let stream = UnixStream::from(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?);
        match net::connect(&stream, &address) {
            Ok(()) => {
                stream.set_nonblocking(false)?;
                return Ok(stream);
            }
            Err(Errno::AGAIN | Errno::INTR) if watch.is_over() => return Err(ErrorKind::TimedOut.into()),
            Err(Errno::AGAIN | Errno::INTR) => watch.sleep(TICK),
            Err(error) => return Err(error.into()),
        }
    }
}

/// There was nobody to talk to, in contrast to a conversation that broke off.
#[derive(Debug)]
pub(crate) struct NotConnected {
    pub(crate) reason: String,
    pub(crate) kind: ErrorKind,
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for NotConnected {}

#[derive(Debug)]
struct SocketTransport {
    stream: UnixStream,
    buffers: LazyBuffers,
    watch: Watch,
    /// The daemon reads no more. It may have answered before it stopped, so what is left to send is dropped and the
    /// answer read.
    refused: bool,
}

impl SocketTransport {
    fn over(&self) -> Result<(), Error> {
        if self.watch.is_over() {
            return Err(Error::Io(ErrorKind::TimedOut.into()));
        }
        Ok(())
    }
}

impl Transport for SocketTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), Error> {
        let mut sent = 0;
        while sent < amount && !self.refused {
            self.over()?;
            let rest = self.buffers.output().get(sent..amount).unwrap_or_default();
            match self.stream.write(rest) {
                Ok(written) => sent += written,
                Err(error) if is_pause(error.kind()) => {}
                Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    self.refused = true;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        loop {
            self.over()?;
            let input = self.buffers.input_append_buf();
            match self.stream.read(input) {
                Ok(amount) => {
                    self.buffers.input_appended(amount);
                    return Ok(amount > 0);
                }
                Err(error) if is_pause(error.kind()) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

fn is_pause(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// The client wants an address of every host before it connects; the connector does not look at it.
#[derive(Debug)]
struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        addresses.push(SocketAddr::from(([0, 0, 0, 0], 0)));
        Ok(addresses)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn a_daemon_that_takes_nobodys_connection_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let try_once = || connect(&path, &Watch::undisturbed(Duration::from_millis(300)));
        // As many as may wait; that there are some is the control.
        let mut waiting = Vec::new();
        while let Ok(stream) = try_once() {
            waiting.push(stream);
            assert!(waiting.len() < 100_000, "the queue has an end");
        }
        assert!(!waiting.is_empty());
        let start = Instant::now();
        assert_eq!(try_once().unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(start.elapsed() < Duration::from_secs(10));
        // One place more, and it goes on.
        drop(listener.accept().unwrap());
        assert!(try_once().is_ok());
    }
}

//! HTTP over the daemon's socket: ureq's client, with a connection of our own that heeds signals and deadlines.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

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
        let stream = UnixStream::connect(&self.socket).map_err(|error| {
            Error::Io(std::io::Error::new(error.kind(), NotConnected { reason: error.to_string(), kind: error.kind() }))
        })?;
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(SocketTransport { stream, buffers, watch: self.watch.clone(), refused: false }))
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

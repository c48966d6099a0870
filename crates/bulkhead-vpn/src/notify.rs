//! Telling the service manager (sd_notify(3)).
//!
//! The crate for it blocks for as long as the manager does not read. Here only readiness is waited for, and not for long.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

/// Who is told. Tests listen; the daemon tells systemd.
pub trait Notify: Send {
    /// The service is ready.
    fn ready(&mut self);
    /// The service ends.
    fn stopping(&mut self);
    /// The service is alive: feeds the watchdog.
    fn alive(&mut self);
    /// One line about what the service does.
    fn status(&mut self, text: &str);
    /// The start takes this much longer.
    fn extend_start(&mut self, by: Duration);
    /// How often the watchdog must be fed, if there is one.
    fn watchdog(&self) -> Option<Duration>;
}

/// systemd, if `NOTIFY_SOCKET` names its socket; else nobody.
#[derive(Debug)]
pub struct Systemd {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
    fed: Option<Instant>,
    extended: Option<Instant>,
}

/// How long readiness may take to be told.
const PATIENCE: Duration = Duration::from_secs(5);
/// Steps may follow each other fast; the start is not extended more often than this.
const EXTEND: Duration = Duration::from_secs(10);

impl Systemd {
    /// Read what systemd says in the environment.
    pub fn new() -> Self {
        Self { socket: connect().ok().flatten(), watchdog: watchdog(), fed: None, extended: None }
    }

    /// Nobody hears it without systemd, and a failure must not stop the service.
    fn tell(&self, state: &str, patience: Option<Duration>) {
        let Some(socket) = &self.socket else { return };
        let _ = socket
            .set_nonblocking(patience.is_none())
            .and_then(|()| socket.set_write_timeout(patience))
            .and_then(|()| socket.send(state.as_bytes()));
    }
}

impl Default for Systemd {
    fn default() -> Self {
        Self::new()
    }
}

fn connect() -> io::Result<Option<UnixDatagram>> {
    let Some(name) = env::var_os("NOTIFY_SOCKET") else { return Ok(None) };
    let address = match name.as_encoded_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(&name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(Some(socket))
}

/// sd_watchdog_enabled(3).
fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_other = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|usec| *usec > 0 && !is_other).map(Duration::from_micros)
}

impl Notify for Systemd {
    fn ready(&mut self) {
        self.tell("READY=1", Some(PATIENCE));
    }

    fn stopping(&mut self) {
        self.tell("STOPPING=1", None);
    }

    fn alive(&mut self) {
        let Some(interval) = self.watchdog else { return };
        if self.fed.is_none_or(|fed| fed.elapsed() > interval / 8) {
            self.fed = Some(Instant::now());
            self.tell("WATCHDOG=1", None);
        }
    }

    fn status(&mut self, text: &str) {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.tell(&format!("STATUS={line}"), None);
    }

    fn extend_start(&mut self, by: Duration) {
        if self.extended.is_none_or(|at| at.elapsed() > EXTEND) {
            self.extended = Some(Instant::now());
            self.tell(&format!("EXTEND_TIMEOUT_USEC={}", by.as_micros()), None);
        }
    }

    fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }
}

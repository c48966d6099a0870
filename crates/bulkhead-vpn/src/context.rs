//! What every step of the machine has at hand: time, stored state, what it was asked for, and whom to tell.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::{Clock, Inbox};
use crate::fault::Fault;
use crate::log;
use crate::notify::Notify;
use crate::state::Store;
use crate::status::Board;

/// Where the [machine](crate::machine) is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Looking at interfaces and routes, and closing the way out.
    #[default]
    Start,
    /// Getting a token.
    Token,
    /// Getting the list of servers.
    List,
    /// Choosing servers.
    Server,
    /// Registering a key.
    Key,
    /// Configuring the interface.
    Interface,
    /// Loading the rules.
    Nat,
    /// Waiting for a handshake.
    Handshake,
    /// Getting and binding a port.
    Port,
    /// Telling that all is ready.
    Ready,
    /// Watching the tunnel.
    Watch,
    /// Waiting before another try.
    Pause,
    /// Cleaning up.
    Stop,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "looking at the interfaces",
            Self::Token => "getting a token",
            Self::List => "getting the list of servers",
            Self::Server => "choosing a server",
            Self::Key => "registering a key",
            Self::Interface => "configuring the interface",
            Self::Nat => "loading the rules",
            Self::Handshake => "waiting for a handshake",
            Self::Port => "getting a port",
            Self::Ready => "ready",
            Self::Watch => "connected",
            Self::Pause => "waiting before another try",
            Self::Stop => "cleaning up",
        })
    }
}

/// Shared by all steps.
pub struct Context {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What was asked for.
    pub inbox: Inbox,
    /// Stored state.
    pub store: Store,
    /// What `status` shows.
    pub board: Board,
    notify: Box<dyn Notify>,
    step: Step,
    ready: bool,
    hopeless_since: Option<Duration>,
}

/// The service manager waits this much longer whenever a step begins before readiness.
const START_EXTENSION: Duration = Duration::from_secs(120);
/// A tunnel that can't be brought back for so long may need a new interface: the watchdog is not fed any more, and the
/// service manager restarts the container.
const HOPELESS: Duration = Duration::from_secs(15 * 60);

impl Context {
    /// A context in which nothing has happened yet.
    pub fn new(clock: Arc<dyn Clock>, inbox: Inbox, store: Store, board: Board, notify: Box<dyn Notify>) -> Self {
        Self { clock, inbox, store, board, notify, step: Step::Start, ready: false, hopeless_since: None }
    }

    /// Go to a step, unless it was asked to stop.
    pub fn enter(&mut self, step: Step) -> Result<(), Fault> {
        if step != Step::Stop {
            self.check_stop()?;
        }
        if self.step != step {
            self.step = step;
            self.board.change(|status| status.step = step);
        }
        if !self.ready {
            self.notify.extend_start(START_EXTENSION);
        }
        self.feed();
        Ok(())
    }

    /// The step that the machine is in.
    pub fn step(&self) -> Step {
        self.step
    }

    /// Fails if it was asked to stop.
    pub fn check_stop(&self) -> Result<(), Fault> {
        if self.inbox.is_stopping() { Err(Fault::Stopped) } else { Ok(()) }
    }

    /// One line for the service manager and for `status`.
    pub fn tell(&mut self, text: &str) {
        self.notify.status(text);
    }

    /// The service can be used; only the first time is told.
    pub fn tell_ready(&mut self) {
        self.hopeless_since = None;
        if !self.ready {
            self.ready = true;
            self.notify.ready();
            log::info!("ready");
        }
    }

    /// The service is about to end.
    pub fn tell_stopping(&mut self) {
        self.notify.stopping();
    }

    /// Whether readiness was told.
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// A fault that a new interface could help with.
    pub fn tell_hopeless(&mut self) {
        let now = self.clock.monotonic();
        self.hopeless_since.get_or_insert(now);
    }

    /// The fault is another one.
    pub fn tell_hope(&mut self) {
        self.hopeless_since = None;
    }

    /// Wait, at most until a moment of the monotonic clock; a request ends it early. The watchdog is fed meanwhile.
    pub fn wait_until(&mut self, until: Duration) -> Result<(), Fault> {
        loop {
            self.check_stop()?;
            self.feed();
            let now = self.clock.monotonic();
            if now >= until || !self.inbox.is_empty() {
                return Ok(());
            }
            let slice = self.notify.watchdog().map_or(Duration::from_secs(60), |interval| interval / 2);
            if !self.ready {
                self.notify.extend_start(START_EXTENSION);
            }
            self.clock.wait(&self.inbox, until.min(now + slice));
        }
    }

    fn feed(&mut self) {
        let now = self.clock.monotonic();
        let hopeless = self.hopeless_since.is_some_and(|since| now.saturating_sub(since) >= HOPELESS);
        if !(self.ready && hopeless) {
            self.notify.alive();
        }
    }
}

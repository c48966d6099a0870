//! Time, as far as decisions depend on it. Nothing else in this crate asks the system what time it is, but for the
//! time-outs of single reads and writes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Where time comes from, and how waiting is done.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment. It never jumps; intervals are measured with it.
    fn monotonic(&self) -> Duration;

    /// The time of day. It may jump; only what others have dated (a token's life, a port's expiry) is compared with it.
    fn wall(&self) -> SystemTime;

    /// Wait until `monotonic()` reaches `until`, or until something is in the inbox.
    fn wait(&self, inbox: &Inbox, until: Duration);
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// The clocks, with now as the fixed moment.
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn wait(&self, inbox: &Inbox, until: Duration) {
        inbox.wait(until.saturating_sub(self.monotonic()));
    }
}

/// What the daemon was asked to do while it runs. Cheap to clone; all clones are one inbox.
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<(Mutex<Asked>, Condvar)>);

#[derive(Debug, Default)]
struct Asked {
    stop: bool,
    renew: bool,
}

impl Inbox {
    /// Ask to stop. This can't be taken back.
    pub fn stop(&self) {
        self.lock().stop = true;
        self.0.1.notify_all();
    }

    /// Ask for a new connection.
    pub fn renew(&self) {
        self.lock().renew = true;
        self.0.1.notify_all();
    }

    /// Whether it was asked to stop.
    pub fn is_stopping(&self) -> bool {
        self.lock().stop
    }

    /// Whether a new connection was asked for; asking again tells of the next request.
    pub fn take_renewal(&self) -> bool {
        std::mem::take(&mut self.lock().renew)
    }

    /// Whether there is something to do.
    pub fn is_empty(&self) -> bool {
        let asked = self.lock();
        !asked.stop && !asked.renew
    }

    /// Wait for something to do, at most this long.
    pub fn wait(&self, at_most: Duration) {
        let guard = self.lock();
        let waited = self.0.1.wait_timeout_while(guard, at_most, |asked| !asked.stop && !asked.renew);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, Asked> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

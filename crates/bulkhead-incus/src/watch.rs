//! How long something may take, and whether a signal wants it to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::Error;

/// How often a signal and the deadline are looked at while something is waited for.
pub const TICK: Duration = Duration::from_millis(100);

/// A deadline, and the signals that end a command before it. Cheap to clone; clones share the signals.
#[derive(Clone, Debug)]
pub struct Watch {
    until: Instant,
    allowed: Duration,
    /// The number of the signal that came, or 0; none where signals are not heeded.
    signal: Option<Arc<AtomicUsize>>,
}

impl Watch {
    /// From now on, for `allowed`, and until SIGTERM, SIGINT or SIGHUP.
    ///
    /// # Errors
    /// The system refuses to tell of signals.
    pub fn new(allowed: Duration) -> Result<Watch, Error> {
        let signal = Arc::new(AtomicUsize::new(0));
        for number in [SIGTERM, SIGINT, SIGHUP] {
            let value = usize::try_from(number).unwrap_or(0);
            signal_hook::flag::register_usize(number, Arc::clone(&signal), value)
                .map_err(|error| Error::host("wait for signals", error))?;
        }
        Ok(Watch { until: Instant::now() + allowed, allowed, signal: Some(signal) })
    }

    /// From now on, for `allowed`, whatever signals come: for cleaning up.
    pub fn undisturbed(allowed: Duration) -> Watch {
        Watch { until: Instant::now() + allowed, allowed, signal: None }
    }

    /// The same signals, from now on for `allowed`, but never beyond this one.
    pub fn within(&self, allowed: Duration) -> Watch {
        let allowed = allowed.min(self.left());
        Watch { until: Instant::now() + allowed, allowed, signal: self.signal.clone() }
    }

    /// The time that is left.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Fails once a signal came or the deadline passed, which is told with `state`: what was waited for.
    ///
    /// # Errors
    /// See there.
    pub fn check(&self, state: impl FnOnce() -> String) -> Result<(), Error> {
        if let Some(signal) = self.signal() {
            return Err(Error::Signal(signal));
        }
        if self.left().is_zero() {
            let seconds = self.allowed.as_secs();
            return Err(Error::Deadline { seconds, state: state(), details: Vec::new() });
        }
        Ok(())
    }

    /// Whether [`Watch::check`] would fail.
    pub fn is_over(&self) -> bool {
        self.signal().is_some() || self.left().is_zero()
    }

    /// Sleep, but no longer than until a signal or the deadline comes.
    pub fn sleep(&self, time: Duration) {
        let end = Instant::now() + time;
        while !self.is_over() {
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return;
            }
            std::thread::sleep(rest.min(TICK).min(self.left()));
        }
    }

    fn signal(&self) -> Option<i32> {
        let number = self.signal.as_ref()?.load(Ordering::SeqCst);
        i32::try_from(number).ok().filter(|number| *number != 0)
    }
}

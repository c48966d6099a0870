//! Time that a test moves forward, for itself and for programs that it starts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use bulkhead_vpn::clock::{Inbox, SystemClock};

/// The system's clocks, ahead by what a file says. All that have the same file have the same time.
#[derive(Debug)]
pub struct Clock {
    file: PathBuf,
    system: SystemClock,
}

/// How often somebody who waits looks at the clock.
const LOOK: Duration = Duration::from_millis(4);

impl Clock {
    /// The environment variable that names the file.
    pub const VARIABLE: &str = "BULKHEAD_LAB_CLOCK";

    /// The clock with this file. Without a file, it is the system's.
    pub fn of(file: PathBuf) -> Self {
        Self { file, system: SystemClock::new() }
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How far it is ahead.
    pub fn ahead(&self) -> Duration {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        Duration::from_millis(text.trim().parse().unwrap_or_default())
    }

    /// Move it forward. One at a time may do that.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn forward(&self, by: Duration) -> Result<()> {
        let new = self.file.with_extension("new");
        fs::write(&new, (self.ahead() + by).as_millis().to_string())
            .and_then(|()| fs::rename(&new, &self.file))
            .with_context(|| format!("can't write {}", self.file.display()))
    }
}

impl bulkhead_vpn::clock::Clock for Clock {
    fn monotonic(&self) -> Duration {
        self.system.monotonic() + self.ahead()
    }

    fn wall(&self) -> SystemTime {
        self.system.wall() + self.ahead()
    }

    fn wait(&self, inbox: &Inbox, until: Duration) {
        while inbox.is_empty() {
            let left = until.saturating_sub(self.monotonic());
            if left.is_zero() {
                return;
            }
            inbox.wait(left.min(LOOK));
        }
    }
}

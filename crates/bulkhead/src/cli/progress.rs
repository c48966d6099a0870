//! Progress on a terminal, for work that takes more than a second.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bulkhead_fleet::{Progress, Stage};

const PATIENCE: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(100);

/// One line on standard error that is rewritten while work goes on, and removed at its end.
pub struct Meter {
    start: Instant,
    state: Mutex<State>,
    is_terminal: bool,
}

#[derive(Default)]
struct State {
    shown: Option<Instant>,
}

impl Meter {
    /// Begin now.
    pub fn start() -> Meter {
        Meter { start: Instant::now(), state: Mutex::default(), is_terminal: io::stderr().is_terminal() }
    }

    /// How far the work has come; may be called often, and from any thread.
    pub fn tell(&self, progress: Progress) {
        if !self.is_terminal || self.start.elapsed() < PATIENCE {
            return;
        }
        // A thread that finds the lock taken has nothing newer to say than the one that holds it.
        let Ok(mut state) = self.state.try_lock() else { return };
        if state.shown.is_some_and(|shown| shown.elapsed() < INTERVAL) {
            return;
        }
        state.shown = Some(Instant::now());
        let what = match progress.stage {
            Stage::Folders => "reading folders",
            Stage::Machines => "reading machines",
            Stage::AgeFiles => "reading headers of secrets",
            Stage::Rules => "evaluating rules",
        };
        let _ = write!(io::stderr(), "\r\u{1b}[K{what}: {} of {}", progress.done, progress.total);
        let _ = io::stderr().flush();
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        let shown = self.state.get_mut().is_ok_and(|state| state.shown.is_some());
        if shown {
            let _ = write!(io::stderr(), "\r\u{1b}[K");
            let _ = io::stderr().flush();
        }
    }
}

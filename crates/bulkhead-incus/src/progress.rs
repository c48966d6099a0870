//! Telling what is being done: to people on standard error, and to systemd (sd_notify(3)).

use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::output;

/// How much more time systemd is asked for, and how often.
const MORE_TIME: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_secs(5);
/// How often a number that grows is told.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Tells of steps. systemd is told where `NOTIFY_SOCKET` is set.
#[derive(Debug)]
pub struct Progress {
    name: String,
    quiet: bool,
    terminal: bool,
    current: RefCell<String>,
    asked: Cell<Option<Instant>>,
    told: Cell<Option<Instant>>,
}

impl Progress {
    /// For the workspace `name`, or a command without one; `quiet` prints nothing.
    pub fn new(name: &str, quiet: bool) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let (current, asked, told) = (RefCell::default(), Cell::default(), Cell::default());
        Progress { name: name.to_owned(), quiet, terminal, current, asked, told }
    }

    /// A new step begins: a few words such as "importing the image".
    pub fn step(&self, words: &str) {
        if *self.current.borrow() == words {
            return self.alive();
        }
        self.current.replace(words.to_owned());
        self.told.set(None);
        self.print(words);
        self.notify(&[NotifyState::Status(words)]);
        self.ask_for_time();
    }

    /// How far the step is, in words such as "40 %".
    pub fn detail(&self, words: &str) {
        let now = Instant::now();
        if self.told.get().is_some_and(|told| now - told < TELL_EVERY) {
            return self.alive();
        }
        self.told.set(Some(now));
        let text = format!("{}: {words}", self.current.borrow());
        if self.terminal {
            self.print(&text);
        }
        self.notify(&[NotifyState::Status(&text)]);
        self.alive();
    }

    /// The step goes on; systemd may have to be asked for more time.
    pub fn alive(&self) {
        if self.asked.get().is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
            self.ask_for_time();
        }
    }

    /// The work is done.
    pub fn ready(&self, words: &str) {
        self.print(words);
        self.notify(&[NotifyState::Ready, NotifyState::Status(words)]);
    }

    /// Something that a person should know and that stops nothing.
    pub fn note(&self, words: &str) {
        output::error_line(&format!("{}note: {words}", self.prefix()));
    }

    fn print(&self, words: &str) {
        if !self.quiet {
            output::error_line(&format!("{}{words}", self.prefix()));
        }
    }

    fn prefix(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) }
    }

    fn ask_for_time(&self) {
        self.asked.set(Some(Instant::now()));
        let time = u32::try_from(MORE_TIME.as_micros()).unwrap_or(u32::MAX);
        self.notify(&[NotifyState::ExtendTimeoutUsec(time)]);
    }

    fn notify(&self, states: &[NotifyState]) {
        // Nothing depends on whether systemd hears it.
        let _ = sd_notify::notify(states);
    }
}

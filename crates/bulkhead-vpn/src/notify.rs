//! Telling the service manager (sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;

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
    watchdog: Option<Duration>,
    fed: Option<std::time::Instant>,
}

impl Systemd {
    /// Read what systemd says in the environment.
    pub fn new() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled(), fed: None }
    }
}

impl Default for Systemd {
    fn default() -> Self {
        Self::new()
    }
}

/// Nobody hears it without systemd, and a failure must not stop the service.
fn tell(state: NotifyState<'_>) {
    let _ = sd_notify::notify(&[state]);
}

impl Notify for Systemd {
    fn ready(&mut self) {
        tell(NotifyState::Ready);
    }

    fn stopping(&mut self) {
        tell(NotifyState::Stopping);
    }

    fn alive(&mut self) {
        let Some(interval) = self.watchdog else { return };
        // Steps may follow each other fast.
        if self.fed.is_none_or(|fed| fed.elapsed() > interval / 8) {
            self.fed = Some(std::time::Instant::now());
            tell(NotifyState::Watchdog);
        }
    }

    fn status(&mut self, text: &str) {
        tell(NotifyState::Status(text));
    }

    fn extend_start(&mut self, by: Duration) {
        tell(NotifyState::ExtendTimeoutUsec(u32::try_from(by.as_micros()).unwrap_or(u32::MAX)));
    }

    fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }
}

//! The operator's program that is told the forwarded port.

use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::backoff::Backoff;
use crate::config::Hook;
use crate::log;

/// Runs the program until it has succeeded for the port that is wanted; never waits for it.
pub struct HookRunner {
    hook: Hook,
    target: Ipv4Addr,
    wanted: Option<u16>,
    done: Option<u16>,
    running: Option<Running>,
    next: Duration,
    backoff: Backoff,
}

struct Running {
    child: Child,
    port: u16,
    deadline: Duration,
}

/// How often a running program is looked at.
const LOOK: Duration = Duration::from_millis(250);

impl HookRunner {
    /// A program for a service at an address.
    pub fn new(hook: Hook, target: Ipv4Addr) -> Self {
        let backoff = Backoff::default();
        Self { hook, target, wanted: None, done: None, running: None, next: Duration::ZERO, backoff }
    }

    /// The program is to be told this port.
    pub fn want(&mut self, port: u16) {
        if self.wanted != Some(port) {
            self.wanted = Some(port);
            self.backoff.reset();
            self.next = Duration::ZERO;
        }
    }

    /// Start, look after, or kill the program. Gives what went wrong, if something did.
    pub fn tick(&mut self, now: Duration) -> Option<String> {
        let mut failure = None;
        if let Some(running) = &mut self.running {
            let port = running.port;
            match running.child.try_wait() {
                Ok(None) if now < running.deadline => return None,
                Ok(None) => {
                    self.kill();
                    failure = Some(format!("did not end within {} s and was killed", self.hook.timeout_seconds));
                }
                Ok(Some(status)) if status.success() => {
                    log::info!("the program for forwarded ports was told port {port}");
                    self.done = Some(port);
                    self.backoff.reset();
                }
                Ok(Some(status)) => failure = Some(format!("failed ({status})")),
                Err(error) => failure = Some(format!("can't be looked after: {error}")),
            }
            self.running = None;
        } else if let Some(port) = self.wanted.filter(|port| self.done != Some(*port))
            && now >= self.next
        {
            match self.start(port) {
                Ok(child) => {
                    let deadline = now + Duration::from_secs(self.hook.timeout_seconds.into());
                    self.running = Some(Running { child, port, deadline });
                }
                Err(error) => failure = Some(format!("can't be run: {error}")),
            }
        }
        if failure.is_some() {
            let pause = self.backoff.next(Duration::ZERO);
            self.next = now + pause;
            failure = failure.map(|what| format!("{what}; trying again in {} s", pause.as_secs()));
        }
        failure
    }

    /// When [`HookRunner::tick`] is due next, if it has something to do.
    pub fn due(&self, now: Duration) -> Option<Duration> {
        if self.running.is_some() {
            return Some(now + LOOK);
        }
        (self.wanted.is_some() && self.wanted != self.done).then_some(self.next)
    }

    /// Kill the program and all that it has started.
    pub fn kill(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        if let Some(group) = i32::try_from(running.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = running.child.wait();
    }

    fn start(&self, port: u16) -> std::io::Result<Child> {
        let Some((program, arguments)) = self.hook.command.split_first() else {
            return Err(std::io::Error::other("it has no name"));
        };
        let mut command = Command::new(program);
        command.args(arguments).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.env("PORT", port.to_string()).env("TARGET_IP", self.target.to_string());
        command.stdin(Stdio::null()).process_group(0).spawn()
    }
}

impl Drop for HookRunner {
    fn drop(&mut self) {
        self.kill();
    }
}

//! Processes that run while a lab does.

use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::Namespace;

/// A process in a namespace, killed when dropped.
#[derive(Debug)]
pub struct Background(Child);

impl Background {
    /// Start a command in a namespace.
    ///
    /// # Errors
    /// It can't be run.
    pub fn start(namespace: &Namespace, command: &mut Command) -> Result<Self> {
        namespace.enter(|| {
            let child = command.spawn().with_context(|| format!("can't run {}", command.get_program().display()))?;
            Ok(Self(child))
        })
    }

    /// The process itself.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Wait for its end, at most so long.
    ///
    /// # Errors
    /// The process can't be asked.
    pub fn wait_for(&mut self, most: Duration) -> Result<Option<ExitStatus>> {
        let end = Instant::now() + most;
        loop {
            if let Some(status) = self.0.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

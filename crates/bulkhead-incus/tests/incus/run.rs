//! A run of `bulkhead-incus` that is watched through what it tells systemd.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::lab::Lab;

/// More than a run takes on a busy machine.
const HANGS: Duration = Duration::from_secs(660);

/// A run that has begun. One that is dropped is killed.
pub struct Run {
    child: Option<Child>,
    socket: UnixDatagram,
    path: PathBuf,
    /// Everything that it told systemd until now, a message a line.
    pub told: Vec<String>,
}

/// A run that has ended.
pub struct Finished {
    /// Its exit code and output.
    pub output: Output,
    /// Everything that it told systemd.
    pub told: Vec<String>,
}

impl Run {
    /// Begin `bulkhead-incus COMMAND SPEC` in the lab.
    pub fn begin(lab: &Lab, command: &str, spec: &Path) -> Run {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let path = lab.dir.join(format!("notify{}", NUMBER.fetch_add(1, Ordering::SeqCst)));
        let socket = UnixDatagram::bind(&path).expect("make a socket");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("set a timeout");
        let mut child = lab.command(env!("CARGO_BIN_EXE_bulkhead-incus"));
        child.arg(command).arg(spec).env("NOTIFY_SOCKET", &path).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn().expect("run bulkhead-incus");
        Run { child: Some(child), socket, path, told: Vec::new() }
    }

    /// Wait until it tells of the step that `starts` so, or it ends. Gives whether it told of it.
    pub fn reach(&mut self, starts: &str) -> bool {
        let is_it = |line: &str| line.strip_prefix("STATUS=").is_some_and(|status| status.starts_with(starts));
        let end = Instant::now() + HANGS;
        loop {
            if self.listen(is_it) {
                return true;
            }
            if self.is_over() {
                return self.listen(is_it);
            }
            assert!(Instant::now() < end, "it hangs; it told {:#?}", self.told);
        }
    }

    /// Send a signal.
    pub fn signal(&self, signal: &str) {
        let Some(child) = &self.child else { return };
        let status = Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status();
        assert!(status.expect("run kill").success(), "the process is gone already");
    }

    /// Close its output, as a terminal that goes away does.
    pub fn close_output(&mut self) {
        if let Some(child) = &mut self.child {
            child.stdout.take();
            child.stderr.take();
        }
    }

    /// Wait for its end.
    pub fn finish(mut self) -> Finished {
        let end = Instant::now() + HANGS;
        while !self.is_over() {
            self.listen(|_| false);
            assert!(Instant::now() < end, "it hangs; it told {:#?}", self.told);
        }
        self.listen(|_| false);
        let child = self.child.take().expect("it was not finished before");
        let output = child.wait_with_output().expect("wait for bulkhead-incus");
        Finished { output, told: std::mem::take(&mut self.told) }
    }

    /// Take what has come, up to the line that `ends` it. Gives whether it came.
    fn listen(&mut self, ends: impl Fn(&str) -> bool) -> bool {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
            let mut found = false;
            for line in text.lines() {
                found |= ends(line);
                self.told.push(line.to_owned());
            }
            if found {
                return true;
            }
        }
        false
    }

    fn is_over(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None)))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Finished {
    /// The steps that it told of, each once, without how far they were and the fingerprint of the image.
    pub fn steps(&self) -> Vec<String> {
        let mut steps: Vec<String> = Vec::new();
        for status in self.told.iter().filter_map(|line| line.strip_prefix("STATUS=")) {
            let step = status.split(": ").next().unwrap_or(status);
            let is_fingerprint = |word: &str| word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            let step = match step.rsplit_once(' ') {
                Some((words, last)) if is_fingerprint(last) => words.to_owned(),
                _ => step.to_owned(),
            };
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
        steps
    }
}

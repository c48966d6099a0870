//! Running a program to its end: fixed arguments, an empty environment, all input and output in memory, and a deadline.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The most that is kept of what a program writes.
const MOST: u64 = 4 << 20;

/// How a program ended, and what it wrote.
pub struct Ended {
    pub status: ExitStatus,
    pub output: String,
    pub messages: String,
}

/// Run a program with a text on standard input. One that does not end in time is killed, and is an error.
pub fn run(program: &Path, arguments: &[&str], input: &str, at_most: Duration) -> io::Result<Ended> {
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        // It may read late, and write before it has read all. One that ends early does not want the rest.
        scope.spawn(move || stdin.map(|mut pipe| pipe.write_all(input.as_bytes())));
        let output = scope.spawn(move || stdout.map(read));
        let messages = scope.spawn(move || stderr.map(read));
        let status = wait(&mut child, at_most)?;
        let text =
            |thread: thread::ScopedJoinHandle<'_, Option<String>>| thread.join().ok().flatten().unwrap_or_default();
        Ok(Ended { status, output: text(output), messages: text(messages) })
    })
}

fn wait(child: &mut Child, at_most: Duration) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + at_most;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            let message = format!("it did not end within {} s", at_most.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn read(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // What could be read until a failure is all there is to know.
    let _ = pipe.by_ref().take(MOST).read_to_end(&mut bytes);
    // It must not wait for somebody who reads the rest.
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn sh(script: &str, input: &str) -> io::Result<Ended> {
        run(Path::new("/bin/sh"), &["-c", script], input, Duration::from_secs(5))
    }

    #[test]
    fn much_input_and_output_is_no_dead_lock() {
        let input = "x".repeat(1 << 20);
        // It reads nothing before it has written more than a pipe holds.
        let ended = sh("head -c 300000 /dev/zero | tr '\\0' y; cat; echo z >&2; exit 3", &input).expect("it ends");
        assert_eq!((ended.output.len(), ended.messages.as_str()), (300_000 + (1 << 20), "z\n"));
        assert_eq!(ended.status.code(), Some(3));
        assert!(sh("exec true", &input).expect("it ends").status.success(), "it may leave its input");
    }

    #[test]
    fn one_that_hangs_is_killed() {
        let hangs = run(Path::new("/bin/sleep"), &["1000"], "", Duration::from_millis(50));
        assert_eq!(hangs.err().map(|error| error.kind()), Some(io::ErrorKind::TimedOut));
    }
}

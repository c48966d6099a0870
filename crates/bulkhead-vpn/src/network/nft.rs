//! Running `nft`: rules go in by standard input, arguments are fixed.
//!
//! The crates for nftables either bind its C library, drive this same program with JSON, or are under another licence;
//! and a text of rules is what a person can read and compare.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Counter, rules};
use crate::fault::Fault;

/// `nft` talks to the kernel alone, so it is fast or stuck.
const AT_MOST: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub struct Nft {
    program: PathBuf,
}

impl Nft {
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// Load a transaction: all of it or nothing.
    pub fn load(&self, transaction: &str) -> Result<(), Fault> {
        self.run(&["-f", "-"], transaction).map(drop)
    }

    /// The counters of our table.
    pub fn counters(&self) -> Result<Vec<Counter>, Fault> {
        let mut arguments = vec!["-j", "list", "counters", "table"];
        arguments.extend(rules::TABLE.split(' '));
        let text = self.run(&arguments, "")?;
        let listed: Value =
            serde_json::from_str(&text).map_err(|error| Fault::Local(format!("nft's JSON: {error}")))?;
        let objects = listed.get("nftables").and_then(Value::as_array).into_iter().flatten();
        let counters = objects.filter_map(|object| {
            let counter = object.get("counter")?;
            Some(Counter {
                name: counter.get("name")?.as_str()?.to_owned(),
                packets: counter.get("packets")?.as_u64()?,
                bytes: counter.get("bytes")?.as_u64()?,
            })
        });
        Ok(counters.collect())
    }

    /// A table as `nft` writes it, without what its counters say.
    pub fn list(&self, family: &str, name: &str) -> Result<String, Fault> {
        self.run(&["--stateless", "list", "table", family, name], "")
    }

    fn run(&self, arguments: &[&str], input: &str) -> Result<String, Fault> {
        let failed = |error: std::io::Error| Fault::Local(format!("{}: {error}", self.program.display()));
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take()
            && let Err(error) = stdin.write_all(input.as_bytes())
            && error.kind() != std::io::ErrorKind::BrokenPipe
        {
            kill(&mut child);
            return Err(failed(error));
        }
        let output = child.stdout.take().map(|pipe| std::thread::spawn(move || read(pipe)));
        let messages = child.stderr.take().map(|pipe| std::thread::spawn(move || read(pipe)));
        let deadline = Instant::now() + AT_MOST;
        let mut pause = Duration::from_micros(200);
        let status = loop {
            match child.try_wait().map_err(failed)? {
                Some(status) => break status,
                None if Instant::now() >= deadline => {
                    kill(&mut child);
                    let seconds = AT_MOST.as_secs();
                    return Err(Fault::Local(format!("{} did not end within {seconds} s", self.program.display())));
                }
                None => std::thread::sleep(pause),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        };
        let join =
            |thread: Option<std::thread::JoinHandle<String>>| thread.and_then(|t| t.join().ok()).unwrap_or_default();
        let (output, messages) = (join(output), join(messages));
        if !status.success() {
            let first: Vec<&str> = messages.lines().take(3).collect();
            return Err(Fault::Local(format!("nft refuses: {}", first.join(" "))));
        }
        Ok(output)
    }
}

fn read(mut pipe: impl Read) -> String {
    let mut text = String::new();
    // What could be read until a failure is all there is to know.
    let _ = pipe.by_ref().take(1 << 20).read_to_string(&mut text);
    text
}

fn kill(child: &mut Child) {
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

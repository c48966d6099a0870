//! Running `nft`: rules go in by standard input, arguments are fixed.
//!
//! The crates for nftables either bind its C library, drive this same program with JSON, or are under another licence;
//! and a text of rules is what a person can read and compare.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::{Counter, rules};
use crate::command;
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
        let ended = command::run(&self.program, arguments, input, AT_MOST)
            .map_err(|error| Fault::Local(format!("{}: {error}", self.program.display())))?;
        if !ended.status.success() {
            let first: Vec<&str> = ended.messages.lines().take(3).collect();
            return Err(Fault::Local(format!("nft refuses: {}", first.join(" "))));
        }
        Ok(ended.output)
    }
}

//! `test`: sets up what the tests need, runs them, and tells what was not tested and why.

mod backports;
mod nixos;
mod output;
mod setup;
mod unpacked;

use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use bulkhead::cli::{FINDINGS, OK};

use crate::repository;
use output::{Skips, Visible};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
On Debian and Ubuntu, as root, it installs what is missing of nix-bin, age, openssh-client, git, the tools for networks and
containers, and incus-base, which on Debian 12 is in the suite bookworm-backports: apt is told of that. Elsewhere it says
what is missing, and the tests that need those programs are skipped. Packages that start a server as they are installed
(unbound) are unpacked below target/ instead. As root, the rules of the sandbox are attacked in
network namespaces; nothing leaves these.

The modules in nix/ are evaluated as parts of NixOS systems (nix/tests) where the environment variable NIXPKGS names a
nixpkgs, or Nix's search path has one. What Bulkhead reads of machines with these modules is compared with what Nix
computes, each option of them.

Examples:
  cargo xtask test
  NIXPKGS=~/nixpkgs cargo xtask test --nixos
  cargo xtask test -- -p bulkhead-age
  cargo xtask test -- --test fleet -- --test-threads 1")]
pub struct Args {
    /// Install nothing
    #[arg(long)]
    no_setup: bool,
    /// Only evaluate the modules in nix/ as parts of NixOS systems, and compare what Bulkhead reads of them
    #[arg(long, conflicts_with = "cargo")]
    nixos: bool,
    /// Arguments for `cargo test`; without any, the whole workspace is tested
    #[arg(last = true, value_name = "ARGS")]
    cargo: Vec<String>,
}

pub fn run(args: &Args) -> Result<u8> {
    if args.nixos {
        let mut skips = Skips::default();
        let passed = nixos::run(&mut skips)? & nixos::compare()?;
        println!("{}", skips.summary());
        return Ok(if passed { OK } else { FINDINGS });
    }
    let missing = if args.no_setup { setup::missing() } else { setup::install() };
    for tool in &missing {
        println!("not installed: {}, so these tests are skipped: {}", tool.program, tool.used_for);
    }

    let mut child = Command::new(repository::cargo())
        .args(arguments(&args.cargo))
        .env("PATH", path()?)
        .envs(nixos::absolute()?)
        .current_dir(repository::root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("can't run cargo")?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut skips = Skips::default();
    std::thread::scope(|scope| -> Result<()> {
        let errors = scope.spawn(|| relay(stderr, std::io::stderr(), None));
        let tests = relay(stdout, std::io::stdout(), Some(Visible::default()));
        skips.extend(tests?);
        // What a thread panics with is not lost: `join` gives it back.
        skips.extend(errors.join().map_err(|_| anyhow::anyhow!("can't read cargo's messages"))??);
        Ok(())
    })?;
    let mut passed = child.wait()?.success();
    if args.cargo.is_empty() {
        passed &= nixos::run(&mut skips)?;
    }

    println!("{}", skips.summary());
    for tool in &missing {
        println!("  {} is not installed: {}", tool.program, tool.advice());
    }
    Ok(if passed { OK } else { FINDINGS })
}

/// Where programs are looked for: also among those that were unpacked for the tests.
fn path() -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::env::split_paths(&path).chain([unpacked::programs()]))?)
}

/// The arguments of cargo. libtest keeps to itself what passing tests print, unless it is told to show it; that is
/// where they say that they skip something.
fn arguments(given: &[String]) -> Vec<String> {
    let split = given.iter().position(|arg| arg == "--").unwrap_or(given.len());
    let (cargo, tests) = (&given[..split], given.get(split + 1..).unwrap_or_default());
    let mut arguments = vec!["test".to_owned()];
    if std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        arguments.extend(["--color".to_owned(), "always".to_owned()]);
    }
    if cargo.is_empty() {
        arguments.extend(["--workspace".to_owned(), "--no-fail-fast".to_owned()]);
    }
    arguments.extend(cargo.iter().cloned());
    arguments.extend(["--".to_owned(), "--show-output".to_owned()]);
    arguments.extend(tests.iter().cloned());
    arguments
}

/// Pass lines on as they come, and keep those that tell of something skipped.
fn relay(from: Option<impl Read>, mut to: impl Write, mut visible: Option<Visible>) -> Result<Skips> {
    let mut skips = Skips::default();
    let Some(from) = from else { return Ok(skips) };
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let test = visible.as_ref().and_then(Visible::test).map(str::to_owned);
        skips.read(&text, test.as_deref());
        if visible.as_mut().is_none_or(|visible| visible.shows(&text)) {
            to.write_all(&line)?;
            to.flush()?;
        }
        line.clear();
    }
    Ok(skips)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_of_cargo_and_of_the_tests_stay_apart() {
        let given = |words: &str| arguments(&words.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).join(" ");
        assert!(given("").ends_with("--workspace --no-fail-fast -- --show-output"));
        assert!(given("-p bulkhead-age").ends_with("-p bulkhead-age -- --show-output"));
        assert!(given("--doc -- one two").ends_with("--doc -- --show-output one two"));
    }
}

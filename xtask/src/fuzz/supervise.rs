//! Watches the process that tries inputs: it may hang, and a stack that overflows ends it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::corpus::Corpus;
use super::input::Input;
use super::targets::Target;
use crate::repository;

/// An input that takes longer hangs.
const LONGEST: Duration = Duration::from_secs(10);

/// How often is looked whether the work goes on.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// After so many hangs and aborts there is enough to do.
const MOST_FAILURES: usize = 5;

/// Which inputs to try.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The first one.
    pub seed: u64,
    /// How many; none to go by the time.
    pub iterations: Option<u64>,
    /// How long, unless `iterations` says how many.
    pub time: Duration,
}

/// An input that fails.
pub struct Failure<'a> {
    /// What it was tried on.
    pub target: &'a Target,
    /// Which input.
    pub seed: u64,
    /// What happened.
    pub what: String,
}

impl Failure<'_> {
    /// Save the input, and give what to tell a person.
    pub fn save(&self, input: &Input) -> Result<String> {
        let Failure { target: Target { name, .. }, seed, what } = self;
        let folder = folder(name).join(format!("crash-{seed:x}"));
        input.write(&folder)?;
        let shown = folder.strip_prefix(repository::root()).unwrap_or(&folder).display();
        Ok(format!(
            "fuzz {name}: {what}\n  saved: {shown}\n  again: cargo xtask fuzz {name} --replay {shown}\n  \
             or:    cargo xtask fuzz {name} --seed {seed} --iterations 1"
        ))
    }
}

/// Try a target as planned. Prints what it did, and gives whether something failed.
pub fn supervise(target: &Target, corpus: &Corpus, plan: Plan) -> Result<bool> {
    let folder = folder(target.name);
    fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    let state = folder.join("running");
    let start = Instant::now();
    let (mut tried, mut failures, mut panicked) = (0, 0, false);
    loop {
        let rest = Plan {
            seed: plan.seed.wrapping_add(tried),
            iterations: plan.iterations.map(|iterations| iterations.saturating_sub(tried)),
            time: plan.time.saturating_sub(start.elapsed()),
        };
        // What an earlier run has left there says nothing about this one.
        let _ = fs::remove_file(&state);
        let ended = watch(work(target, rest, &state)?, &state)?;
        let last = seed_in(&state);
        tried += last.map_or(0, |last| last.wrapping_sub(rest.seed).wrapping_add(1));
        let what = match ended {
            Ended::Itself(status) => match status.code() {
                Some(0) => break,
                Some(1) => {
                    panicked = true;
                    break;
                }
                Some(code) => anyhow::bail!("fuzz {}: can't go on (exit code {code})", target.name),
                None => format!("ended the process: {status}, most likely a stack overflow"),
            },
            Ended::Hangs => format!("took more than {} seconds", LONGEST.as_secs()),
        };
        let Some(seed) = last else { anyhow::bail!("fuzz {}: {what}, before the first input", target.name) };
        println!("{}", Failure { target, seed, what }.save(&target.input(corpus, seed))?);
        failures += 1;
        let is_done = rest.iterations.map_or(start.elapsed() >= plan.time, |_| plan.iterations <= Some(tried));
        if failures >= MOST_FAILURES || is_done {
            break;
        }
    }
    let rate = tried as f64 / start.elapsed().as_secs_f64();
    let from = plan.seed;
    let failed = panicked || failures > 0;
    let result = if failed { "FAILED, see above" } else { "nothing failed" };
    println!("{:<11} {tried:>8} inputs from seed {from}, {rate:>7.0} per second: {result}", target.name);
    Ok(failed)
}

/// Where what is about a target lies.
fn folder(name: &str) -> std::path::PathBuf {
    repository::target().join("fuzz").join(name)
}

fn work(target: &Target, plan: Plan, state: &Path) -> Result<Child> {
    let own = std::env::current_exe().context("can't find the program that runs")?;
    let mut command = Command::new(own);
    command.args(["fuzz", target.name, "--seed", &plan.seed.to_string(), "--worker"]).arg(state);
    match plan.iterations {
        Some(iterations) => command.args(["--iterations", &iterations.to_string()]),
        // At least one second: that much is rounded away at most.
        None => command.args(["--seconds", &plan.time.as_secs().max(1).to_string()]),
    };
    command.spawn().context("can't start a process to work in")
}

enum Ended {
    Itself(ExitStatus),
    Hangs,
}

fn watch(mut child: Child, state: &Path) -> Result<Ended> {
    let (mut seed, mut since) = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Itself(status));
        }
        let now = seed_in(state);
        if now != seed {
            (seed, since) = (now, Instant::now());
        } else if since.elapsed() > LONGEST && seed.is_some() {
            child.kill()?;
            child.wait()?;
            return Ok(Ended::Hangs);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The seed of the input that is being tried.
fn seed_in(state: &Path) -> Option<u64> {
    Some(u64::from_le_bytes(fs::read(state).ok()?.try_into().ok()?))
}

//! `fuzz`: damaged input for everything that reads files. Nothing may panic, abort or hang.
//!
//! Inputs are made from a corpus (this repository's own files and `tests/fuzz/`) and a number, the seed; the next input
//! has the next seed. So a seed says which input it was, and a stack that overflows, which ends the process, is found by
//! the process that watches.

mod corpus;
mod input;
mod mutate;
mod supervise;
mod targets;
mod worker;

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bulkhead::cli::{FINDINGS, OK};
use bulkhead::diagnostics::nearest;

use corpus::Corpus;
use input::Input;
use supervise::Plan;
use targets::{TARGETS, Target};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Targets: syntax, eval, properties, rules, age-header, recipient, config, check.

What fails is saved below target/fuzz/TARGET/, and how to run it again is printed.

Examples:
  cargo xtask fuzz                        all targets, a minute in total
  cargo xtask fuzz eval --seconds 600
  cargo xtask fuzz eval --seed 42 --iterations 10000
  cargo xtask fuzz eval --replay target/fuzz/eval/crash-2a

Exit code: 0 nothing failed, 1 something did.")]
pub struct Args {
    /// What to try [default: all targets, one after the other]
    target: Option<String>,
    /// How long to try, for all targets together
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// The number of the first input [default: a random one]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many inputs to try of each target, however long it takes
    #[arg(long, value_name = "N")]
    iterations: Option<u64>,
    /// Try an input that was saved
    #[arg(long, value_name = "FOLDER", requires = "target")]
    replay: Option<PathBuf>,
    /// The file through which the watched process tells where it is
    #[arg(long, hide = true, requires = "target", requires = "seed")]
    worker: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<u8> {
    let targets: Vec<&'static Target> = match &args.target {
        Some(name) => vec![find(name)?],
        None => TARGETS.iter().collect(),
    };
    let corpus = Corpus::load().context("can't read the corpus")?;
    let count = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    // Seeds from far apart, so that another run tries other inputs; small enough to be typed.
    let seed = args.seed.unwrap_or_else(|| RandomState::new().hash_one(std::process::id()) >> 24);
    let plan = Plan { seed, iterations: args.iterations, time: Duration::from_secs(args.seconds) / count };

    let mut failed = false;
    for target in targets {
        failed |= if let Some(folder) = &args.replay {
            worker::replay(target, &Input::read(folder)?)?
        } else if let Some(state) = &args.worker {
            worker::run(target, &corpus, plan, state)?
        } else {
            supervise::supervise(target, &corpus, plan)?
        };
    }
    Ok(if failed { FINDINGS } else { OK })
}

fn find(name: &str) -> Result<&'static Target> {
    if let Some(target) = TARGETS.iter().find(|target| target.name == name) {
        return Ok(target);
    }
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    match nearest(name, names.iter().copied()) {
        Some(near) => bail!("there is no target `{name}`; did you mean `{near}`?"),
        None => bail!("there is no target `{name}`; there are {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Inputs of a target in every run of the tests.
    const MANY: u64 = 10_000;

    /// The same for targets that take ten milliseconds for each, without optimisation.
    const SOME: u64 = 1_000;

    /// The inputs of all runs of the tests begin here.
    const SEED: u64 = 1;

    fn holds(name: &str, inputs: u64) {
        let (target, corpus) = (find(name).unwrap(), Corpus::load().unwrap());
        let failed = bulkhead::eval::on_large_stack(|| {
            (SEED..SEED + inputs).find(|seed| worker::panics(target, &target.input(&corpus, *seed)))
        });
        if let Some(seed) = failed.unwrap() {
            panic!("it panicked, see above; again: cargo xtask fuzz {name} --seed {seed} --iterations 1");
        }
    }

    #[test]
    fn syntax() {
        holds("syntax", MANY);
    }

    #[test]
    fn eval() {
        holds("eval", MANY);
    }

    #[test]
    fn properties() {
        holds("properties", MANY);
    }

    #[test]
    fn rules() {
        holds("rules", MANY);
    }

    #[test]
    fn age_header() {
        holds("age-header", MANY);
    }

    #[test]
    fn recipient() {
        holds("recipient", MANY);
    }

    #[test]
    fn config() {
        holds("config", SOME);
    }

    #[test]
    fn check() {
        holds("check", SOME);
    }

    #[test]
    fn a_seed_always_makes_the_same_input() {
        let corpus = Corpus::load().unwrap();
        for target in &TARGETS {
            assert_eq!(target.input(&corpus, 7), target.input(&corpus, 7), "{}", target.name);
            let inputs: Vec<Input> = (0..20).map(|seed| target.input(&corpus, seed)).collect();
            assert!(inputs.iter().any(|input| *input != inputs[0]), "{} makes one input only", target.name);
        }
    }

    #[test]
    fn the_help_names_every_target() {
        let mut command = <Args as clap::Args>::augment_args(clap::Command::new("fuzz"));
        let help = command.render_long_help().to_string();
        for target in &TARGETS {
            assert!(help.contains(target.name), "{}", target.name);
        }
    }

    #[test]
    fn a_saved_input_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let input = Input::new([("a/b.nix", b"{ }".to_vec()), ("c", vec![0, 255])]);
        input.write(folder.path()).unwrap();
        assert_eq!(Input::read(folder.path()).unwrap(), input);
    }
}

//! The process that tries inputs. It writes the seed of each into a file before it tries it, for the one that watches.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};

use super::corpus::Corpus;
use super::input::Input;
use super::supervise::{Failure, Plan};
use super::targets::Target;

/// After so many different panics there is enough to do.
const MOST_PANICS: usize = 10;

/// What the last panic said.
static LAST_PANIC: Mutex<Option<Panic>> = Mutex::new(None);

struct Panic {
    place: String,
    message: String,
}

/// Try inputs until the plan is fulfilled. Gives whether something panicked.
pub fn run(target: &Target, corpus: &Corpus, plan: Plan, state: &Path) -> Result<bool> {
    let state = File::create(state).with_context(|| format!("can't write {}", state.display()))?;
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or("an unknown place".to_owned(), ToString::to_string);
        let text = info.payload().downcast_ref::<&str>().copied();
        let text = text.or_else(|| info.payload().downcast_ref::<String>().map(String::as_str));
        let message = text.unwrap_or("").to_owned();
        *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(Panic { place, message });
    }));
    // Evaluations run where they are if the stack is large enough, rather than on a new thread each.
    let tried = bulkhead::eval::on_large_stack(|| try_all(target, corpus, plan, &state));
    tried.context("there is no thread to work on")?
}

fn try_all(target: &Target, corpus: &Corpus, plan: Plan, state: &File) -> Result<bool> {
    let start = Instant::now();
    let mut places = BTreeSet::new();
    for tried in 0.. {
        let is_done = plan.iterations.map_or(start.elapsed() >= plan.time, |iterations| tried >= iterations);
        if is_done || places.len() >= MOST_PANICS {
            break;
        }
        let seed = plan.seed.wrapping_add(tried);
        state.write_all_at(&seed.to_le_bytes(), 0).context("can't tell where the work is")?;
        let input = target.input(corpus, seed);
        if !panics(target, &input) {
            continue;
        }
        let panic = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Panic { place, message } = panic.unwrap_or(Panic { place: "?".to_owned(), message: String::new() });
        if places.insert(place.clone()) {
            let what = format!("panicked at {place}: {message}");
            writeln!(std::io::stderr(), "{}", Failure { target, seed, what }.save(&input)?)?;
        }
    }
    Ok(!places.is_empty())
}

/// Try an input that was saved. Gives whether it panicked, which has then been printed.
pub fn replay(target: &Target, input: &Input) -> Result<bool> {
    let panicked = bulkhead::eval::on_large_stack(|| panics(target, input)).context("there is no thread to work on")?;
    println!("{}: {}", target.name, if panicked { "it panicked" } else { "nothing failed" });
    Ok(panicked)
}

/// Whether trying an input panics.
pub fn panics(target: &Target, input: &Input) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).is_err()
}

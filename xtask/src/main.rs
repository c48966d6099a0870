//! `cargo xtask`: the commands of `bulkhead`, on the example fleet unless another is named, and the developers' own.

mod bench;
mod codegen;
mod conformance;
mod fmt_nix;
mod fuzz;
mod random;
mod repository;
mod test;

use std::ffi::OsString;
use std::process::ExitCode;

use bulkhead::cli::{Cli, FAILED, OK, Program, run_parsed};
use clap::{CommandFactory, FromArgMatches, Parser};

/// The commands for people who work on Bulkhead itself.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
enum Developer {
    /// Write what is generated from the code: schemas/, the references of rules and of the command line
    Codegen(codegen::Args),
    /// Format the Nix code of this repository, and parse it with Bulkhead and Nix
    FmtNix(fmt_nix::Args),
    /// Set up what the tests need, run all tests, and tell what had to be skipped
    Test(test::Args),
    /// Measure `bulkhead check` on made-up fleets, side by side with Nix
    Bench(bench::Args),
    /// Run public test suites of Nix against the embedded evaluator
    Conformance(conformance::Args),
    /// Try damaged input on everything that reads files, for a bounded time
    Fuzz(fuzz::Args),
}

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if is_for_developers(&arguments) {
        return develop(Developer::parse_from(arguments));
    }
    let mut command = Cli::command().name("cargo xtask").bin_name("cargo xtask");
    // Listed in the help, and told apart above: options such as --staged mean nothing to them.
    command = command.subcommands(Developer::command().get_subcommands().cloned());
    let parsed = command.try_get_matches_from_mut(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    match parsed {
        Ok(cli) => run_parsed(Program { name: "cargo xtask", default_root: Some(repository::example_fleet()) }, cli),
        Err(error) => {
            let code = if error.use_stderr() { FAILED } else { OK };
            // Nothing can be told to anybody when standard error is gone.
            let _ = error.format(&mut command).print();
            ExitCode::from(code)
        }
    }
}

/// Whether the first word, or that after `help`, is a command of [`Developer`].
fn is_for_developers(arguments: &[OsString]) -> bool {
    let mut words = arguments.iter().skip(1).map(|word| word.to_string_lossy());
    let first = words.next();
    let word = if first.as_deref() == Some("help") { words.next() } else { first };
    word.is_some_and(|word| Developer::command().get_subcommands().any(|command| command.get_name() == word))
}

fn develop(developer: Developer) -> ExitCode {
    let result = match developer {
        Developer::Codegen(args) => codegen::run(&args),
        Developer::FmtNix(args) => fmt_nix::run(&args),
        Developer::Test(args) => test::run(&args),
        Developer::Bench(args) => bench::run(&args),
        Developer::Conformance(args) => conformance::run(&args),
        Developer::Fuzz(args) => fuzz::run(&args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Developer::command().debug_assert();
    }

    #[test]
    fn commands_of_developers_are_told_from_those_of_bulkhead() {
        let is_ours = |line: &str| is_for_developers(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert!(is_ours("xtask test") && is_ours("xtask help fuzz") && is_ours("xtask bench check --runs 3"));
        assert!(!is_ours("xtask check") && !is_ours("xtask help check") && !is_ours("xtask explain test"));
    }
}

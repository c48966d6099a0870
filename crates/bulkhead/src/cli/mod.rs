//! The command line. `bulkhead` and `cargo xtask` are the same commands; only the default fleet differs.

mod args;
mod check;
mod complete;
mod configuration;
mod diff_config;
mod eval;
mod explain;
mod explained;
mod generate;
mod hooks;
mod options;
mod output;
mod progress;
mod query;
mod root_module;
mod show;
mod table;
mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use args::{Cli, Command};
pub use complete::answer as answer_shell;

/// What a program is, for the parts in which they differ.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name in usage texts and hooks: `bulkhead`, `cargo xtask`.
    pub name: &'static str,
    /// The fleet that is read when none is named; that around the current folder if there is none.
    pub default_root: Option<&'static str>,
}

/// Everything is in order.
pub const OK: u8 = 0;
/// There are findings that fail the run, or the evaluated expression failed.
pub const FINDINGS: u8 = 1;
/// The tool could not do its work.
pub const FAILED: u8 = 2;

/// Run the program on its arguments, the first being its name, and give its exit code: 0, 1 for findings, 2 for
/// failures of the tool itself.
pub fn run(program: Program, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { FAILED } else { OK });
        }
    };
    run_parsed(program, cli)
}

/// Run a command line that has been parsed.
pub fn run_parsed(program: Program, cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    let result = match command {
        Command::Check(args) => check::check(program, &global, &args),
        Command::Audit(args) => check::audit(program, &global, &args),
        Command::GenSecrets(args) => generate::secrets(program, &global, &args),
        Command::GenDocs(args) => generate::docs(program, &global, &args),
        Command::Machines(args) => query::machines(program, &global, &args),
        Command::Roles(args) => query::roles(program, &global, &args),
        Command::Secrets(args) => query::secrets(program, &global, &args),
        Command::WhoCanRead(args) => query::who_can_read(program, &global, &args),
        Command::Show(args) => show::show(program, &global, &args),
        Command::DiffConfig(args) => diff_config::diff_config(program, &global, &args),
        Command::Options(args) => options::options(program, &global, &args),
        Command::Eval(args) => eval::eval(&global, &args),
        Command::Explain(args) => explain::explain(&global, &args),
        Command::Schema(args) => explain::schema(program, &global, &args),
        Command::InstallHooks(args) => hooks::install(program, &global, &args),
        Command::Completions(args) => explain::completions(&args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        // Whoever reads our output has seen enough, as `head` does.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::from(OK),
        Err(error) => {
            output::report_failure(&global, &error);
            ExitCode::from(FAILED)
        }
    }
}

//! `bulkhead-vpn` by the clock of a test. The program that machines run has no way to be given another one.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bulkhead_lab::Clock;
use bulkhead_vpn::cli;

fn main() -> ExitCode {
    let Some(file) = std::env::var_os(Clock::VARIABLE) else {
        eprintln!("error: {} has to name the file of a clock", Clock::VARIABLE);
        return ExitCode::from(2);
    };
    cli::main_with_clock(Arc::new(Clock::of(PathBuf::from(file))))
}

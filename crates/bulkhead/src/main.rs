//! The program `bulkhead`.

use std::process::ExitCode;

use bulkhead::cli::{Program, run};

fn main() -> ExitCode {
    run(Program { name: "bulkhead", default_root: None }, std::env::args_os())
}

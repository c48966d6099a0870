//! The program `bulkhead`.

use std::process::ExitCode;

use bulkhead::cli::{Program, answer_shell, run};

fn main() -> ExitCode {
    if answer_shell(std::env::args_os()) {
        return ExitCode::SUCCESS;
    }
    run(Program { name: "bulkhead", default_root: None }, std::env::args_os())
}

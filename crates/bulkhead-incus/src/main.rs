//! The program `bulkhead-incus`.

use std::process::ExitCode;

fn main() -> ExitCode {
    bulkhead_incus::run()
}

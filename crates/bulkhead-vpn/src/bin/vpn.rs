//! The host's tool; see [`bulkhead_vpn::host`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bulkhead_vpn::host::cli::main()
}

//! The VPN daemon in its lab: a benchmark of its own crate, which the analyzer does not depend on.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use bulkhead::cli::OK;

use crate::repository::{cargo, root};

pub fn run() -> Result<u8> {
    let status = Command::new(cargo())
        .args(["bench", "--package", "bulkhead-vpn", "--bench", "path"])
        .current_dir(root())
        .status()
        .context("can't run cargo")?;
    ensure!(status.success(), "the benchmark of bulkhead-vpn fails");
    Ok(OK)
}

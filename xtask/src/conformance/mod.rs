//! `conformance`: public test suites of Nix against the embedded evaluator.
//!
//! The suites stay outside this repository; their folders are given. They are evaluated here as anywhere else, but with
//! the file system's root as the tree that may be read, because their tests ask for paths all over it.

mod lang;
mod nixpkgs;
mod tally;

use std::path::PathBuf;

use anyhow::{Result, bail};
use bulkhead::cli::{FINDINGS, OK};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  git clone --depth 1 https://github.com/NixOS/nix
  git clone --depth 1 https://github.com/nix-community/nixpkgs.lib
  cargo xtask conformance --nix-lang nix/tests/functional/lang --nixpkgs-lib nixpkgs.lib/lib

Exit status: 0 if nothing failed, 1 if something did, 2 if a suite could not be run.")]
pub struct Args {
    /// The folder tests/functional/lang of NixOS/nix
    #[arg(long, value_name = "DIR")]
    nix_lang: Option<PathBuf>,
    /// The folder lib of nixpkgs, with its tests
    #[arg(long, value_name = "DIR")]
    nixpkgs_lib: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<u8> {
    if args.nix_lang.is_none() && args.nixpkgs_lib.is_none() {
        bail!("name a suite: --nix-lang DIR, --nixpkgs-lib DIR, or both");
    }
    let mut tallies = Vec::new();
    if let Some(folder) = &args.nix_lang {
        tallies.extend(lang::run(folder)?);
    }
    if let Some(folder) = &args.nixpkgs_lib {
        tallies.extend(nixpkgs::run(folder)?);
    }
    print!("{}", tally::table(&tallies));
    Ok(if tallies.iter().any(|tally| tally.failed() > 0) { FINDINGS } else { OK })
}

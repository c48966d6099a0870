//! `bench`: measurements of whole processes, as a person waits for them.

mod check;
mod eval;
mod fleet;
mod key;
mod measure;
mod modules;
mod table;
mod vpn;

use anyhow::Result;

pub use self::check::build;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    check: check::CheckArgs,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// `bulkhead check` on fleets of several sizes, side by side with Nix [default]
    Check(check::CheckArgs),
    /// The embedded evaluator on demanding files, side by side with Nix
    Eval(eval::EvalArgs),
    /// `bulkhead check` and `bulkhead show` on a machine with many modules
    Modules(modules::ModulesArgs),
    /// The VPN daemon in network namespaces, as root: start, renewal, throughput beside plain WireGuard, memory
    Vpn,
}

pub fn run(args: &Args) -> Result<u8> {
    match &args.what {
        Some(What::Check(args)) => check::run(args),
        Some(What::Eval(args)) => eval::run(args),
        Some(What::Modules(args)) => modules::run(args),
        Some(What::Vpn) => vpn::run(),
        None => check::run(&args.check),
    }
}

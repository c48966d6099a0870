//! The command line. Help texts are part of the product.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::error::{Error, OK};
use crate::spec::{SOCKET, SPEC_FOLDER, STATE_FOLDER, read};
use crate::{gc, output, schema, start, status, stop};

/// Makes, starts and removes declarative Incus workspaces, each from its SPEC.json.
///
/// A workspace is an unprivileged container that is made anew at each start and removed at stop; what is to stay lies in
/// folders of the host that are mounted in it.
#[derive(Debug, Parser)]
#[command(
    name = "bulkhead-incus",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "\
Exit codes:
  0    done
  1    Incus or the system refused something, or the workspace stopped by itself; `status SPEC`: it is not ready
  2    the command line or a spec is wrong: trying again can't help
  3    Incus can't be reached, or went away
  4    the deadline passed
  5    another instance has the name; it was left as it is
  128+ ended by a signal: 143 for SIGTERM

As a systemd service:
  [Service]
  Type=oneshot
  RemainAfterExit=yes
  NotifyAccess=main
  ExecStart=bulkhead-incus start /etc/bulkhead/incus/dev.json
  ExecStopPost=bulkhead-incus stop /etc/bulkhead/incus/dev.json
ExecStopPost runs after a start that was killed, too."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a workspace anew, start it, and wait until it is ready
    ///
    /// The image is imported if Incus has not got it. An instance that an earlier start has made is removed first. If
    /// anything fails, or a signal ends it, nothing half-made is left. Steps are told on standard error and to systemd.
    #[command(after_help = "\
Examples:
  bulkhead-incus start /etc/bulkhead/incus/dev.json
  bulkhead-incus start --quiet dev.json && ssh dev

A small spec; `bulkhead-incus schema spec` tells all that it may say:
  { \"version\": 1, \"name\": \"dev\",
    \"image\": { \"metadata\": \"/images/metadata.tar.xz\", \"rootfs\": \"/images/rootfs.tar.zst\" },
    \"network\": { \"bridge\": \"br-work\", \"hostInterface\": \"ws-dev\", \"mac\": \"02:00:0a:09:00:0a\",
                 \"addresses\": [\"10.9.0.10/24\"] },
    \"mounts\": [{ \"source\": \"/var/lib/workspaces/dev/home\", \"path\": \"/home/me\" }] }")]
    Start(OneSpec),
    /// Shut a workspace down and remove its instance
    ///
    /// Nothing is wrong if it does not run. Its image stays, for the next start; `gc` removes it once no spec needs it.
    /// An instance of that name that Bulkhead has not made is left as it is.
    #[command(after_help = "\
Examples:
  bulkhead-incus stop /etc/bulkhead/incus/dev.json")]
    Stop(OneSpec),
    /// Remove what no spec needs any more
    ///
    /// That is: instances without a spec in the folder, instances that a killed start has left, and images that neither
    /// a spec nor an instance needs. It looks only at what was started from specs of that folder. If a spec there can't
    /// be read, nothing is removed.
    #[command(after_help = "\
Examples:
  bulkhead-incus gc --dry-run
  bulkhead-incus gc --specs ~/workspaces")]
    Gc(Gc),
    /// Tell which workspaces there are, and how they are
    ///
    /// A workspace is `ready`, `unfinished` (being started, or left by a killed start), `down`, `absent` or `foreign`
    /// (another's instance has its name).
    #[command(after_help = "\
Examples:
  bulkhead-incus status
  bulkhead-incus status /etc/bulkhead/incus/dev.json && echo it is ready
  bulkhead-incus status --json | jq '.workspaces[] | select(.state != \"ready\")'")]
    Status(Status),
    /// Check a spec without Incus
    #[command(after_help = "\
Examples:
  bulkhead-incus check dev.json")]
    Check {
        /// The spec
        #[arg(value_name = "SPEC.json", value_hint = ValueHint::FilePath)]
        spec: PathBuf,
    },
    /// Print the JSON Schema of a spec, or of what `status --json` prints
    #[command(after_help = "\
Examples:
  bulkhead-incus schema spec")]
    Schema {
        /// Of what
        of: Schema,
    },
}

#[derive(Debug, Args)]
struct OneSpec {
    /// The workspace's spec
    #[arg(value_name = "SPEC.json", value_hint = ValueHint::FilePath)]
    spec: PathBuf,
    /// Print errors alone
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct Gc {
    /// The folder of the specs
    #[arg(long, value_name = "DIR", default_value = SPEC_FOLDER, value_hint = ValueHint::DirPath)]
    specs: PathBuf,
    /// The daemon's socket
    #[arg(long, value_name = "PATH", default_value = SOCKET, value_hint = ValueHint::FilePath)]
    socket: PathBuf,
    /// The folder of the lock files, as in the specs
    #[arg(long, value_name = "DIR", default_value = STATE_FOLDER, value_hint = ValueHint::DirPath)]
    state_folder: PathBuf,
    /// Tell what would be removed, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Print what was removed, and errors, alone
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Debug, Args)]
struct Status {
    /// Only these workspaces; the exit code tells whether all of them are ready
    #[arg(value_name = "SPEC.json", value_hint = ValueHint::FilePath)]
    only: Vec<PathBuf>,
    /// The folder of the specs
    #[arg(long, value_name = "DIR", default_value = SPEC_FOLDER, value_hint = ValueHint::DirPath)]
    specs: PathBuf,
    /// The daemon's socket, for instances without a spec
    #[arg(long, value_name = "PATH", default_value = SOCKET, value_hint = ValueHint::FilePath)]
    socket: PathBuf,
    /// Print JSON; its schema is `bulkhead-incus schema status`
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Schema {
    /// SPEC.json
    Spec,
    /// What `status --json` prints
    Status,
}

/// Run the command line of this process.
pub fn run() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::error_line(&format!("error: {error}"));
            if let Some(help) = error.help() {
                output::error_line(&format!("  help: {help}"));
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn execute(command: Command) -> Result<u8, Error> {
    match command {
        Command::Start(OneSpec { spec, quiet }) => start::start(&spec, quiet)?,
        Command::Stop(OneSpec { spec, quiet }) => stop::stop(&spec, quiet)?,
        Command::Gc(Gc { specs, socket, state_folder, dry_run, quiet }) => {
            gc::gc(&gc::Request { specs, socket, state_folder, dry_run, quiet })?;
        }
        Command::Status(Status { only, specs, socket, json }) => {
            return status::status(&status::Request { only, specs, socket, json });
        }
        Command::Check { spec } => {
            let name = read(&spec)?.name;
            output::result(&format!("{}: a spec of the workspace `{name}`", spec.display()))?;
        }
        Command::Schema { of } => output::result(&match of {
            Schema::Spec => schema::text::<crate::spec::Spec>()?,
            Schema::Status => schema::text::<status::Status>()?,
        })?,
    }
    Ok(OK)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}

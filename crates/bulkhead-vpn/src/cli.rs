//! The command line.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, ConfigError};
use crate::control::{Answer, Question, ask};
use crate::host;
use crate::run;
use crate::status;

/// Exit code: all is well.
const OK: u8 = 0;
/// Exit code: what was looked at is not well.
const NOT_WELL: u8 = 1;
/// Exit code: it could not be done.
const FAILED: u8 = 2;

/// Keeps the WireGuard connection of a VPN container: login, interface, NAT, port forwarding, renewal.
#[derive(Debug, Parser)]
#[command(name = "bulkhead-vpn", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Connect, and stay connected until SIGTERM
    #[command(after_help = "\
Runs inside of the VPN container, as a service of systemd with Type=notify. The WireGuard interface must be there: the
host makes it and moves it into the container's network namespace. SIGHUP renews the connection, as `renew` does.

Example:
  bulkhead-vpn run --config /etc/bulkhead-vpn.json")]
    Run(WithConfig),
    /// Show what the running service does
    #[command(after_help = "\
Exit codes: 0 connected, and the port is forwarded if one is wanted; 1 not so; 2 the service could not be asked.

Examples:
  bulkhead-vpn status --config /etc/bulkhead-vpn.json
  bulkhead-vpn status --config /etc/bulkhead-vpn.json --json | jq .connection.server")]
    Status {
        #[command(flatten)]
        config: WithConfig,
        /// As JSON; schemas/vpn-status.schema.json describes it
        #[arg(long, conflicts_with = "metrics")]
        json: bool,
        /// As metrics in Prometheus' text format
        #[arg(long)]
        metrics: bool,
    },
    /// Ask the running service for a new connection
    #[command(after_help = "\
The new key is registered while the old connection works; services notice one reconnect. The forwarded port stays.")]
    Renew(WithConfig),
    /// Check the configuration and the files that it names, and change nothing
    #[command(after_help = "\
Exit codes: 0 it can be used; 2 it can't, and why, with the place in the file.

Example:
  bulkhead-vpn check-config --config /etc/bulkhead-vpn.json")]
    CheckConfig {
        #[command(flatten)]
        config: WithConfig,
        /// Look at the configuration alone: the files that it names are on another machine
        #[arg(long)]
        no_files: bool,
    },
    /// Print a JSON Schema: of the configuration, of what `status --json` prints, or of the host's `vpn` and its `leak-test`
    Schema {
        /// Of which
        #[arg(value_enum, default_value = "config")]
        of: Schema,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Schema {
    Config,
    Status,
    Host,
    LeakTest,
}

#[derive(Debug, clap::Args)]
struct WithConfig {
    /// The configuration file (JSON)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl WithConfig {
    fn load(&self) -> Result<Config, ConfigError> {
        config::load(&self.config)
    }
}

/// Run the program with the arguments of this process.
pub fn main() -> ExitCode {
    main_with_clock(Arc::new(SystemClock::new()))
}

/// As [`main`], with another clock.
pub fn main_with_clock(clock: Arc<dyn Clock>) -> ExitCode {
    match execute(Cli::parse().command, clock) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let text = format!("error: {error:#}");
            // What others say may be in it.
            let text: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
            // Nothing can be told to anybody when standard error is gone.
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::from(FAILED)
        }
    }
}

fn execute(command: Command, clock: Arc<dyn Clock>) -> Result<u8> {
    match command {
        Command::Run(config) => {
            run::run(config.load()?, clock)?;
            Ok(OK)
        }
        Command::Status { config, json, metrics } => {
            let question = if metrics { Question::Metrics } else { Question::Status };
            let status = match ask_service(&config, question)? {
                Answer::Status(status) => status,
                Answer::Metrics(text) => return print(&text).map(|()| OK),
                _ => bail!("the service is of another version"),
            };
            let text = if json {
                serde_json::to_string_pretty(&status)? + "\n"
            } else {
                status::text(&status, status::unix_seconds(SystemTime::now()))
            };
            print(&text)?;
            Ok(if status.is_well() { OK } else { NOT_WELL })
        }
        Command::Renew(config) => match ask_service(&config, Question::Renew)? {
            Answer::Accepted => print("the connection will be renewed; `status` tells when\n").map(|()| OK),
            _ => bail!("the service is of another version"),
        },
        Command::CheckConfig { config, no_files } => {
            let file = config.config.clone();
            let config = config.load()?;
            let problems = if no_files { Vec::new() } else { config::check_files(&config) };
            if !problems.is_empty() {
                return Err(ConfigError { file, problems }.into());
            }
            let port = if config.port_forwarding.is_some() { ", a forwarded port" } else { "" };
            print(&format!("{} can be used: {} services{port}\n", file.display(), config.services.len()))?;
            Ok(OK)
        }
        Command::Schema { of } => {
            let schema = match of {
                Schema::Config => config::schema(),
                Schema::Status => status::schema(),
                Schema::Host => host::schema(),
                Schema::LeakTest => host::leak_test::schema(),
            };
            print(&(serde_json::to_string_pretty(&schema)? + "\n"))?;
            Ok(OK)
        }
    }
}

fn ask_service(config: &WithConfig, question: Question) -> Result<Answer> {
    let config = config.load()?;
    let socket = &config.control_socket;
    ask(None, socket, question).with_context(|| format!("can't ask the service at {} (does it run?)", socket.display()))
}

fn print(text: &str) -> Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("can't write to standard output")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}

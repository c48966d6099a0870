//! The command line of `vpn`.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};

use super::leak_test::{self, Outcome};
use super::{DEFAULT, HostConfig};
use crate::config::ServiceName;
use crate::control::{Answer, Question};
use crate::status;

/// Exit code: all is well.
const OK: u8 = 0;
/// Exit code: what was looked at is not well.
const NOT_WELL: u8 = 1;
/// Exit code: it could not be done, or not all of it.
const FAILED: u8 = 2;

/// Shows what the VPN container does, and attacks what must not leak. Runs as root on the host.
#[derive(Debug, Parser)]
#[command(name = "vpn", version, max_term_width = 100)]
struct Cli {
    /// The configuration file (JSON)
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show region, server, public address, handshake, forwarded port, renewal, and traffic of each container
    #[command(after_help = "\
Exit codes: 0 connected, and the port is forwarded if one is wanted; 1 not so; 2 the service could not be asked.

Examples:
  vpn status
  vpn status --json | jq .port.port")]
    Status {
        /// As JSON; schemas/vpn-status.schema.json describes it
        #[arg(long)]
        json: bool,
    },
    /// Ask for a new connection; services notice one reconnect, and the forwarded port stays
    Renew,
    /// Attack the VPN from inside of the service containers, as far as that is safe on a live machine
    #[command(after_help = "\
Sends frames from each service container that a broken guard would let out: past the VPN, to the host's router, addresses,
DNS servers and proxy, to other containers, with forged addresses. All interfaces of the host are watched meanwhile.
Nothing is changed. What would leave goes to the host's router or to 192.0.2.1, which is nobody's.

Exit codes: 0 all held; 1 something leaked; 2 nothing leaked, but not all could be tested.

Examples:
  vpn leak-test
  vpn leak-test --only torrent --json | jq '.tests[] | select(.outcome != \"held\")'")]
    LeakTest {
        /// As JSON; schemas/vpn-leak-test.schema.json describes it
        #[arg(long)]
        json: bool,
        /// From this service container alone; may be given several times
        #[arg(long, value_name = "NAME", value_parser = service_name)]
        only: Vec<ServiceName>,
    },
}

fn service_name(text: &str) -> Result<ServiceName, String> {
    text.parse()
}

/// Run the program with the arguments of this process.
pub fn main() -> ExitCode {
    match execute(&Cli::parse()) {
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

fn execute(cli: &Cli) -> Result<u8> {
    let config = HostConfig::load(&cli.config)?;
    let socket = &config.vpn.control_socket;
    let question =
        |question| config.vpn.ask(question).with_context(|| format!("can't ask the service at {}", socket.display()));
    match &cli.command {
        Command::Status { json } => {
            let Answer::Status(status) = question(Question::Status)? else {
                bail!("the service is of another version")
            };
            print(&match json {
                true => serde_json::to_string_pretty(&status)? + "\n",
                false => status::text(&status, status::unix_seconds(SystemTime::now())),
            })?;
            Ok(if status.is_well() { OK } else { NOT_WELL })
        }
        Command::Renew => match question(Question::Renew)? {
            Answer::Accepted => print("the connection will be renewed; `vpn status` tells when\n").map(|()| OK),
            _ => bail!("the service is of another version"),
        },
        Command::LeakTest { json, only } => {
            if let Some(unknown) = only.iter().find(|name| !config.services.contains_key(name)) {
                let known: Vec<&str> = config.services.keys().map(ServiceName::as_str).collect();
                bail!("there is no service `{unknown}` (services: {})", known.join(", "));
            }
            let report = leak_test::run(&config, only, tell)?;
            let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|it| it.is_empty());
            print(&match json {
                true => serde_json::to_string_pretty(&report)? + "\n",
                false => report.text(color),
            })?;
            Ok(match report.outcome {
                Outcome::Held => OK,
                Outcome::Leaked => NOT_WELL,
                Outcome::Undecided => FAILED,
            })
        }
    }
}

fn tell(progress: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let _ = writeln!(stderr, "{progress} …");
    }
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

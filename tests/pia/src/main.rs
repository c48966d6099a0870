//! The fake as a program, for labs: run it in the network namespace of the provider.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use clap::Parser;
use fake_pia::{FakePia, Options, dns, serve_control, wireguard};

/// A fake of Private Internet Access with a real WireGuard server (wireguard-go)
///
/// Writes ca.pem, list-key.pem and public-ca.pem into its folder, listens on `control.sock` there, prints `ready`, and
/// runs until its standard input ends or it is killed.
#[derive(Parser)]
struct Cli {
    /// Options, as JSON
    #[arg(long)]
    options: PathBuf,
    /// The folder for its files
    #[arg(long)]
    folder: PathBuf,
    /// The WireGuard interface that it makes
    #[arg(long, default_value = "wg-pia")]
    interface: String,
    /// The interface to the internet
    #[arg(long)]
    uplink: String,
    /// The address that its DNS servers give for every name
    #[arg(long)]
    dns_answer: Option<Ipv4Addr>,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let text =
        std::fs::read_to_string(&cli.options).with_context(|| format!("can't read {}", cli.options.display()))?;
    let options: Options = serde_json::from_str(&text).with_context(|| format!("in {}", cli.options.display()))?;
    let server = wireguard::Server::start(&options, &cli.interface, &cli.uplink, &cli.folder)?;
    if let Some(answer) = cli.dns_answer {
        for address in &options.dns {
            dns::serve((*address, 53).into(), answer)?;
        }
    }
    let fake = FakePia::start(options, server, Arc::new(SystemTime::now))?;
    fake.write_files(&cli.folder)?;
    serve_control(&fake, &cli.folder.join("control.sock"))?;
    println!("ready");
    std::io::stdout().flush()?;
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

//! The daemon: everything put together.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, anyhow, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::clock::{Clock, Inbox};
use crate::config::{Config, ProviderConfig, check_files};
use crate::context::Context;
use crate::control::Control;
use crate::log;
use crate::machine::Machine;
use crate::network::{KernelNetwork, SharedNetwork};
use crate::notify::Systemd;
use crate::pia::Pia;
use crate::provider::Provider;
use crate::state::{Store, write_with_mode};
use crate::status::{Board, metrics};
use crate::wireguard_file::WireguardFile;

/// How long the machine may take to notice that it is to stop, before it is cleaned up behind its back. It may be in the
/// middle of a request.
const STOP_PATIENCE: Duration = Duration::from_secs(1);
/// How often the metrics file is written.
const METRICS: Duration = Duration::from_secs(15);

/// Run until SIGTERM or SIGINT. SIGHUP renews the connection.
pub fn run(config: Config, clock: Arc<dyn Clock>) -> Result<()> {
    let config = Arc::new(config);
    // Signals first: one that comes during the start must not kill us between two changes.
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("can't receive signals")?;
    let inbox = Inbox::default();
    // Until the process ends; there is one table, and one daemon for it.
    let _alone = be_alone()?;
    for problem in check_files(&config) {
        log::warning!("{}: {}", problem.path, problem.message);
    }
    let store = Store::open(&config.state_directory)
        .with_context(|| format!("can't use the state directory {}", config.state_directory.display()))?;
    let provider = provider(&config)?;
    let board = Board::new(&config);
    let network = SharedNetwork::new(KernelNetwork::new(config.clone()));
    let control = Control::listen(&config.control_socket, board.clone(), network.clone(), inbox.clone())
        .with_context(|| format!("can't listen on {}", config.control_socket.display()))?;

    let (ended, end) = mpsc::channel();
    let context = Context::new(clock, inbox.clone(), store, board.clone(), Box::new(Systemd::new()));
    let mut machine = Machine::new(config.clone(), context, provider, network.clone());
    let machine = thread::Builder::new().name("machine".to_owned()).spawn(move || {
        let faults = machine.run();
        // Nobody waits any more if the end came otherwise.
        let _ = ended.send(faults);
    })?;

    let asked_to_stop = Arc::new(Mutex::new(None));
    {
        let (inbox, asked) = (inbox.clone(), asked_to_stop.clone());
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for signal in signals.forever() {
                if signal == SIGHUP {
                    inbox.renew();
                } else {
                    asked.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Instant::now);
                    inbox.stop();
                }
            }
        })?;
    }

    let mut metrics_written: Option<Instant> = None;
    let faults = loop {
        match end.recv_timeout(Duration::from_millis(200)) {
            Ok(faults) => break faults,
            Err(RecvTimeoutError::Disconnected) => {
                // It has said why. Fail closed is what cleaning up is.
                network.clean_up();
                drop(control);
                bail!("the machine ended unexpectedly");
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let asked = *asked_to_stop.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_some_and(|at| at.elapsed() > STOP_PATIENCE) {
            log::info!("a request is still under way; it is left");
            break network.clean_up();
        }
        if let Some(file) = &config.metrics_file
            && metrics_written.is_none_or(|at| at.elapsed() >= METRICS)
        {
            write_metrics(file, &board, &network);
            metrics_written = Some(Instant::now());
        }
    };
    drop(control);
    if let Some(file) = &config.metrics_file {
        // Numbers that are not kept up to date any more would look like a tunnel that works.
        let _ = fs::remove_file(file);
    }
    drop(machine);
    match faults.as_slice() {
        [] => Ok(()),
        faults => {
            faults.iter().for_each(|fault| log::error!("{fault}"));
            bail!("not everything could be set back");
        }
    }
}

/// Be the one daemon of this network namespace: abstract names of sockets are the namespace's (unix(7)).
fn be_alone() -> Result<UnixDatagram> {
    let name = SocketAddr::from_abstract_name("bulkhead-vpn")?;
    UnixDatagram::bind_addr(&name).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow!("another bulkhead-vpn runs in this network namespace"),
        _ => anyhow!(error).context("can't make sure to be the one bulkhead-vpn of this network namespace"),
    })
}

fn provider(config: &Config) -> Result<Box<dyn Provider>> {
    Ok(match &config.provider {
        ProviderConfig::Pia(pia) => Box::new(Pia::new(config, pia).map_err(anyhow::Error::msg)?),
        ProviderConfig::Wireguard(wireguard) => Box::new(WireguardFile::new(&wireguard.file, config.bridge.subnet)),
    })
}

fn write_metrics(file: &Path, board: &Board, network: &SharedNetwork) {
    let text = metrics(&board.read_with_counters(network));
    // The collector runs as another user, and there is no secret in it.
    if let Err(error) = write_with_mode(file, text.as_bytes(), 0o644) {
        log::warning!("can't write {}: {error}", file.display());
    }
}

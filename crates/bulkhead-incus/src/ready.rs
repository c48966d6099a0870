//! Waiting until a workspace is ready: it runs, has its addresses, and takes connections if the spec says so.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::Deserialize;

use crate::api::Api;
use crate::error::Error;
use crate::instance;
use crate::log;
use crate::progress::Progress;
use crate::spec::{Address, Spec};

/// Pauses between two looks: short at first, as a small system is up in no time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Deserialize)]
struct State {
    status: String,
    #[serde(default)]
    network: Option<BTreeMap<String, Card>>,
}

#[derive(Debug, Deserialize)]
struct Card {
    #[serde(default)]
    hwaddr: String,
    #[serde(default)]
    addresses: Vec<CardAddress>,
}

#[derive(Debug, Deserialize)]
struct CardAddress {
    address: String,
    netmask: String,
}

/// Wait until the workspace of `spec` is ready.
///
/// # Errors
/// The deadline passed, with what was still missing; it stopped; or Incus went away.
pub fn wait(api: &Api, spec: &Spec, progress: &Progress) -> Result<(), Error> {
    let name = spec.name.as_str();
    let mut pause = FIRST_PAUSE;
    let mut last = String::new();
    loop {
        let missing = match missing(api, spec) {
            // The workspace goes on without the daemon.
            Err(error) if error.is_lost() => {
                api.wait_until_back(instance::ABSENCE, progress)?;
                continue;
            }
            // While it starts or stops, the daemon can't always tell.
            Err(Error::Refused { answer, .. }) => {
                progress.alive();
                format!("asking for its state (Incus answers: {answer})")
            }
            Err(Error::Deadline { seconds, details, .. }) if !last.is_empty() => {
                let error = Error::Deadline { seconds, state: format!("still {last}"), details };
                return Err(with_console(error, api, name));
            }
            Err(error) => return Err(error),
            Ok(Missing::Nothing) => return Ok(()),
            Ok(Missing::Stopped) => {
                return Err(Error::Stopped { name: name.to_owned(), details: log::last_words(api, name) });
            }
            Ok(Missing::Something { step, seen }) => {
                progress.step(&step);
                if seen.is_empty() { step } else { format!("{step} ({seen})") }
            }
        };
        api.watch().check(|| format!("still {missing}")).map_err(|error| with_console(error, api, name))?;
        last = missing;
        api.watch().sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The addresses that the card of the workspace has now.
///
/// # Errors
/// As for [`Api::get`].
pub fn addresses(api: &Api, name: &str) -> Result<Vec<String>, Error> {
    let cards = state(api, name)?.and_then(|state| state.network).unwrap_or_default();
    let all = cards.into_iter().filter(|(card, _)| card != "lo").flat_map(|(_, card)| card.addresses);
    Ok(all.map(|address| format!("{}/{}", address.address, address.netmask)).collect())
}

enum Missing {
    Nothing,
    Stopped,
    Something { step: String, seen: String },
}

fn missing(api: &Api, spec: &Spec) -> Result<Missing, Error> {
    let Some(state) = state(api, spec.name.as_str())? else { return Ok(Missing::Stopped) };
    // It was running when this began.
    if state.status == "Stopped" {
        return Ok(Missing::Stopped);
    }
    let something = |step: String, seen: &str| Ok(Missing::Something { step, seen: seen.to_owned() });
    if state.status != "Running" {
        return something("waiting for the instance to run".to_owned(), &format!("it is {}", state.status));
    }
    let network = &spec.network;
    let cards = state.network.unwrap_or_default();
    let Some(card) = cards.get(network.interface.as_str()) else {
        return something(format!("waiting for the interface {}", network.interface), "");
    };
    if !card.hwaddr.eq_ignore_ascii_case(network.mac.as_str()) {
        let seen = format!("it is {}", card.hwaddr);
        return something(format!("waiting for the MAC address {}", network.mac), &seen);
    }
    let has = |wanted: &Address| {
        card.addresses
            .iter()
            .any(|found| found.address.parse() == Ok(wanted.ip) && found.netmask.parse() == Ok(wanted.prefix))
    };
    if let Some(address) = network.addresses.as_slice().iter().find(|address| !has(address)) {
        let found: Vec<String> = card.addresses.iter().map(|it| format!("{}/{}", it.address, it.netmask)).collect();
        let seen = if found.is_empty() { "it has none".to_owned() } else { format!("it has {}", found.join(", ")) };
        return something(format!("waiting for the address {address} on {}", network.interface), &seen);
    }
    let Some(port) = spec.ready.port else { return Ok(Missing::Nothing) };
    let Some(first) = network.addresses.as_slice().first() else { return Ok(Missing::Nothing) };
    match TcpStream::connect_timeout(&SocketAddr::new(first.ip, port.get()), Duration::from_secs(1)) {
        Ok(_) => Ok(Missing::Nothing),
        Err(error) => something(format!("waiting for port {port}"), &error.to_string()),
    }
}

fn state(api: &Api, name: &str) -> Result<Option<State>, Error> {
    let attempt = format!("ask for the state of `{name}`");
    api.find(&format!("/instances/{name}/state"), &attempt)?.map(|state| api.typed(state, &attempt)).transpose()
}

fn with_console(error: Error, api: &Api, name: &str) -> Error {
    match error {
        Error::Deadline { seconds, state, .. } => {
            // The deadline is over for the console too.
            let api = api.with(api.project(), &crate::watch::Watch::undisturbed(Duration::from_secs(5)));
            Error::Deadline { seconds, state, details: log::log(&api, name) }
        }
        other => other,
    }
}

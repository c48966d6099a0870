//! What the fields of the configuration mean together, and whether the files that it names are there.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Config, Location, Problem, ProviderConfig};
use crate::pia;
use crate::wireguard_file;

/// What is wrong with the fields.
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    addresses(config, &mut problems);
    if config.interface == config.bridge.interface {
        problems.push(Problem::new("interface", "this is also the interface to the bridge"));
    }
    if let Some(mtu) = config.mtu.filter(|mtu| !(576..=9000).contains(mtu)) {
        problems.push(Problem::new("mtu", format!("{mtu} is no MTU that works: 576 to 9000, and 1420 on most links")));
    }
    for (path, value, least, most) in [
        ("renewAfterDays", config.renew_after_days, 1, 60),
        ("requestTimeoutSeconds", config.request_timeout_seconds, 1, 120),
        ("handshakeTimeoutSeconds", config.handshake_timeout_seconds, 1, 60),
    ] {
        if value < least || value > most {
            problems.push(Problem::new(path, format!("{value} is not from {least} to {most}")));
        }
    }
    forwarding(config, &mut problems);
    let mut paths = vec![
        ("stateDirectory", &config.state_directory),
        ("controlSocket", &config.control_socket),
        ("nft", &config.nft),
    ];
    paths.extend(config.metrics_file.as_ref().map(|path| ("metricsFile", path)));
    match &config.provider {
        ProviderConfig::Wireguard(wireguard) => paths.push(("provider.wireguard.file", &wireguard.file)),
        ProviderConfig::Pia(pia) => {
            paths.push(("provider.pia.credentialsFile", &pia.credentials_file));
            paths.push(("provider.pia.caFile", &pia.ca_file));
            paths.push(("provider.pia.listKeyFile", &pia.list_key_file));
            paths.extend(pia.dedicated_ip_file.as_ref().map(|path| ("provider.pia.dedicatedIpFile", path)));
            paths.extend(pia.public_ca_file.as_ref().map(|path| ("provider.pia.publicCaFile", path)));
            if matches!(&pia.location, Location::Regions(regions) if regions.is_empty()) {
                problems.push(Problem::new("provider.pia.location.regions", "no region is named"));
            }
            if let Some(proxy) = pia.proxy.filter(|proxy| proxy.port() == 0) {
                problems.push(Problem::new("provider.pia.proxy", format!("{proxy} has no port")));
            }
        }
    }
    for (field, path) in paths {
        if !path.is_absolute() {
            problems.push(Problem::new(field, format!("{} is no absolute path", path.display())));
        }
    }
    problems
}

/// What is wrong with the files that the configuration names, as far as this process may read them.
pub fn check_files(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let executable = fs::metadata(&config.nft).map(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    match executable {
        Ok(true) => {}
        Ok(false) => problems.push(Problem::new("nft", format!("{} is no program", config.nft.display()))),
        Err(error) => problems.push(Problem::new("nft", format!("{}: {error}", config.nft.display()))),
    }
    match &config.provider {
        ProviderConfig::Pia(pia) => {
            let mut take = |field: &str, result: Result<(), String>| {
                if let Err(message) = result {
                    problems.push(Problem::new(format!("provider.pia.{field}"), message));
                }
            };
            take("credentialsFile", pia::Credentials::read(&pia.credentials_file).map(drop));
            take("credentialsFile", not_for_everybody(&pia.credentials_file));
            if let Some(file) = &pia.dedicated_ip_file {
                take("dedicatedIpFile", pia::read_secret_line(file).map(drop));
                take("dedicatedIpFile", not_for_everybody(file));
            }
            take("caFile", pia::read_authorities(&pia.ca_file).map(drop));
            take("listKeyFile", pia::ListKey::read(&pia.list_key_file).map(drop));
            if let Some(file) = &pia.public_ca_file {
                take("publicCaFile", pia::read_authorities(file).map(drop));
            }
        }
        ProviderConfig::Wireguard(wireguard) => {
            let mut take = |result: Result<(), String>| {
                if let Err(message) = result {
                    problems.push(Problem::new("provider.wireguard.file", message));
                }
            };
            take(wireguard_file::read(&wireguard.file).map(drop));
            take(not_for_everybody(&wireguard.file));
        }
    }
    problems
}

fn addresses(config: &Config, problems: &mut Vec<Problem>) {
    let bridge = &config.bridge;
    if bridge.subnet.network() != bridge.subnet.address {
        let message = format!(
            "{} has bits outside of its prefix; write {}/{}",
            bridge.subnet,
            bridge.subnet.network(),
            bridge.subnet.prefix
        );
        problems.push(Problem::new("bridge.subnet", message));
    }
    if bridge.subnet.prefix > 30 {
        problems
            .push(Problem::new("bridge.subnet", format!("{} has no room for host and VPN container", bridge.subnet)));
    }
    let mut taken: BTreeMap<Ipv4Addr, String> = BTreeMap::new();
    let own = [("bridge.hostAddress", bridge.host_address), ("bridge.vpnAddress", bridge.vpn_address)];
    let own = own.into_iter().map(|(path, address)| (path.to_owned(), address));
    let services = config.services.iter().map(|(name, service)| (format!("services.{name}.address"), service.address));
    for (path, address) in own.chain(services) {
        if !bridge.subnet.contains(address) {
            problems.push(Problem::new(&path, format!("{address} is not in {}", bridge.subnet)));
        } else if address == bridge.subnet.network() || address == bridge.subnet.broadcast() {
            problems.push(Problem::new(&path, format!("{address} is no address of a machine in {}", bridge.subnet)));
        }
        match taken.get(&address) {
            Some(other) => problems.push(Problem::new(&path, format!("{address} is also {other}"))),
            None => drop(taken.insert(address, path)),
        }
    }
}

fn forwarding(config: &Config, problems: &mut Vec<Problem>) {
    let Some(forwarding) = &config.port_forwarding else { return };
    if !config.services.contains_key(&forwarding.service) {
        let known: Vec<&str> = config.services.keys().map(|name| name.as_str()).collect();
        let message = format!("there is no service `{}` (services: {})", forwarding.service, known.join(", "));
        problems.push(Problem::new("portForwarding.service", message));
    }
    if forwarding.port == Some(0) {
        problems.push(Problem::new("portForwarding.port", "0 is no port"));
    }
    if matches!(config.provider, ProviderConfig::Wireguard(_)) {
        let message = "a WireGuard file can't ask its provider for a port; leave portForwarding out";
        problems.push(Problem::new("portForwarding", message));
    }
    let Some(hook) = &forwarding.on_forwarded else { return };
    match hook.command.first() {
        None => problems.push(Problem::new("portForwarding.onForwarded.command", "it names no program")),
        Some(program) if !Path::new(program).is_absolute() => {
            let message = format!("{program:?} is no absolute path");
            problems.push(Problem::new("portForwarding.onForwarded.command[0]", message));
        }
        Some(_) => {}
    }
    if hook.timeout_seconds == 0 {
        problems.push(Problem::new("portForwarding.onForwarded.timeoutSeconds", "0 is no time to run"));
    }
}

/// A file with a secret must not be readable by everybody.
fn not_for_everybody(file: &Path) -> Result<(), String> {
    let Ok(found) = fs::metadata(file) else { return Ok(()) };
    if found.permissions().mode() & 0o007 != 0 {
        return Err(format!("{} can be read or changed by everybody: chmod o= it", file.display()));
    }
    Ok(())
}

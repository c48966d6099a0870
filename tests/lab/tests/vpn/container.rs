//! A real container of systemd-nspawn in the place of search, in which root attacks.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};
use bulkhead_lab::{Container, container, skip_without};

use crate::battery::Battery;
use crate::daemon::Daemon;
use crate::world::*;
use crate::{NEEDS, open};

/// The program that sends frames.
const SENDER: &str = env!("CARGO_BIN_EXE_bulkhead-lab-send");

/// What root does inside: send the frames of attacks, and then try what needs none, with its own address, past the VPN
/// container, and with the address of the VPN container.
fn script() -> String {
    let (mac, own, _) = numbered("search");
    let (vpn_mac, vpn, _) = numbered("vpn");
    let torrent = numbered("torrent").1;
    format!(
        "
ip link set host0 address {mac}
ip link set host0 up
ip address add {own}/24 dev host0
ip route add default via {vpn}
attack
try 'the internet' nc -w 3 {INTERNET} {HTTP} &
try 'the proxy' nc -w 3 {HOST} {PROXY} &
try 'SSH of the host' nc -w 3 {HOST} {SSH} &
try 'SSH of the host on the LAN' nc -w 3 {HOST_LAN} {SSH} &
try 'SSH of torrent' nc -w 3 {torrent} {SSH} &
try 'a ping to the host' ping -c 2 -W 3 {HOST} &
wait
ip route del default
ip route add default via {HOST}
try 'SSH of the NAS by way of the host' nc -w 3 {NAS} {SSH} &
try 'the tailnet by way of the host' nc -w 3 {TAILNET} {SSH} &
wait
ip link set host0 down
ip address flush dev host0
ip link set host0 address {vpn_mac}
ip link set host0 up
ip address add {vpn}/24 dev host0
try 'the proxy as vpn' nc -w 3 {HOST} {PROXY}
",
        mac = mac_text(mac),
        vpn_mac = mac_text(vpn_mac),
    )
}

const ALLOWED: [&str; 1] = ["the internet"];
const FORBIDDEN: [&str; 7] = [
    "SSH of the NAS by way of the host",
    "SSH of the host",
    "SSH of torrent",
    "a ping to the host",
    "the proxy",
    "the proxy as vpn",
    "the tailnet by way of the host",
];

#[test]
fn root_in_a_service_container_gets_no_further() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.extend(Container::NEEDS);
    if skip_without(&needs, "the attacks from inside of a service container") {
        return Ok(());
    }
    for is_guarded in [false, true] {
        let world = World::new()?;
        // The container takes the place of search.
        world.host.ip(&["link del vb-search"])?;
        world.guard()?;
        world.start_wireguard()?;
        let daemon = Daemon::start(&world)?;
        daemon.ready()?;
        let root = tempfile::tempdir()?;
        container::prepare(root.path(), &script(), Path::new(SENDER))?;
        let mut container = Container::start(&world.host, root.path(), "search", BRIDGE)?;
        if !is_guarded {
            // What it may do without a guard, it may do also without a tunnel.
            daemon.kill()?;
            open(&world)?;
        }
        let battery = Battery::new(&world)?;
        let (won, lost, worked) = battery.attack_from(&mut container, "search")?;
        let mut worked: BTreeSet<String> = worked.into_iter().collect();
        // It is among the host's addresses that are reached by another way, too.
        worked.remove("SSH of the host on the LAN");
        if is_guarded {
            ensure!(won.is_empty(), "these get through: {won:#?}");
            ensure!(worked == ALLOWED.map(str::to_owned).into(), "{worked:?} works");
        } else {
            println!("{} attacks from inside of a container", won.len());
            ensure!(lost.is_empty(), "these prove nothing, they fail without a guard: {lost:#?}");
            worked.remove(ALLOWED[0]);
            ensure!(worked == FORBIDDEN.map(str::to_owned).into(), "without a guard {worked:?} works");
        }
        ensure!(!container.is_root_outside()?, "root inside is root outside");
    }
    Ok(())
}

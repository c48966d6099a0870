//! A real container of systemd-nspawn on the guarded bridge, in a user namespace of its own: root inside attacks as
//! workspace a.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use bulkhead_lab::{Container, Tables, container, skip_without};

use crate::attacks::{Attack, Evidence};
use crate::battery::Battery;
use crate::topology::*;
use crate::{NEEDS, unguarded};

/// What root does inside. It takes the address of a, waits until all is ready, sends the frames of attacks, and then tries
/// what needs no frames: the programs of a workspace, with its own address and with those of others.
fn script(address: &Workspace, peer: &Workspace) -> String {
    let (mac, own, own6, other) = (mac_text(address.mac), address.address, address.address6, peer.address);
    format!(
        "
ip link set host0 address {mac}
ip link set host0 up
ip address add {own}/24 dev host0
ip address add {own6}/64 dev host0 nodad
ip route add default via {GATEWAY}
attack
try 'ping the gateway' ping -c 2 -W 3 {GATEWAY}
try 'the internet' nc -w 3 {INTERNET} 80 &
try 'the hole' nc -w 3 {NAS} {NAS_HOLE} &
try 'SSH of the NAS' nc -w 3 {NAS} {SSH} &
try 'SSH of the host' nc -w 3 {GATEWAY} {SSH} &
try 'SSH of the host on the LAN' nc -w 3 {HOST_LAN} {SSH} &
try 'SSH of c' nc -w 3 {other} {SSH} &
try 'ping the tailnet' ping -c 2 -W 3 {TAILNET} &
wait
ip address add {forged}/24 dev host0
try 'ping the gateway from another address' ping -c 2 -W 3 -I {forged} {GATEWAY}
ip link set host0 down
ip link set host0 address 02:66:00:00:00:77
ip link set host0 up
ip route add default via {GATEWAY}
try 'ping the gateway from another MAC address' ping -c 2 -W 3 {GATEWAY}
",
        forged = std::net::Ipv4Addr::new(10, 20, 0, 77),
    )
}

/// The program that sends frames.
const SENDER: &str = env!("CARGO_BIN_EXE_bulkhead-lab-send");

/// What works from inside with the guard, and what only without.
const ALLOWED: [&str; 3] = ["ping the gateway", "the hole", "the internet"];
const FORBIDDEN: [&str; 7] = [
    "SSH of c",
    "SSH of the NAS",
    "SSH of the host",
    "SSH of the host on the LAN",
    "ping the gateway from another address",
    "ping the gateway from another MAC address",
    "ping the tailnet",
];

#[test]
fn root_in_a_container_gets_no_further() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.extend(Container::NEEDS);
    if skip_without(&needs, "the attacks from inside of a container") {
        return Ok(());
    }
    let (mut topology, services) = unguarded(Setting { ipv6: true, br_netfilter: true })?;
    // The container takes the place of a.
    topology.host.ip(&["link del vb-a"])?;
    set_isolation(&topology.host, false)?;
    let rules = rules(true)?;
    for is_guarded in [false, true] {
        let root = tempfile::tempdir()?;
        container::prepare(root.path(), &script(topology.workspace("a"), topology.workspace("c")), Path::new(SENDER))?;
        let mut container = Container::start(&topology.host, root.path(), "a", BRIDGE)?;
        topology.host_mac_on_a = mac_of(&topology.host, "vb-a")?;
        let battery = Battery::new(&topology, &services);
        let _tables = if is_guarded { Some(Tables::load(&topology.host, &rules)?) } else { None };

        let mut attacks = battery.attacks();
        // The container tells its true MAC address as soon as it is asked, so a lie about its own does not last until we
        // look.
        let a = topology.workspace("a");
        let own = [a.address.into(), a.address6.into(), a.link_local().into()];
        attacks.retain(|attack| attack.from == "a" && !attack.needs_the_host());
        attacks.retain(|attack| own.iter().all(|own| attack.evidence != Evidence::Moved(*own)));
        battery.prepare()?;
        container.attack(attacks.iter().flat_map(|attack| &attack.frames))?;
        let mut observed = battery.observe()?;
        container.finish()?;
        observed.captured.extend(container.captured()?.into_iter().map(|frame| ("a", frame)));

        let (won, lost): (Vec<&Attack>, Vec<&Attack>) =
            attacks.iter().partition(|attack| battery.has_succeeded(attack, &observed));
        let names = |attacks: Vec<&Attack>| attacks.into_iter().map(|attack| attack.name.clone()).collect::<Vec<_>>();
        let worked = container.worked();
        let worked: BTreeSet<&str> = worked.iter().map(String::as_str).collect();
        if is_guarded {
            assert_eq!(names(won), [] as [&str; 0], "these get through");
            assert_eq!(worked, BTreeSet::from(ALLOWED));
        } else {
            println!("{} attacks from inside of a container", won.len());
            assert_eq!(names(lost), [] as [&str; 0], "these prove nothing, they fail without a guard");
            assert_eq!(worked, ALLOWED.into_iter().chain(FORBIDDEN).collect());
        }
        assert!(!container.is_root_outside()?, "root inside is root outside");
    }
    Ok(())
}

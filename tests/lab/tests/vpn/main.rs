//! A VPN container and its services: `bulkhead-vpn` itself, tinyproxy, wireguard-go and the rules of `nix/lib`, between a
//! provider that may do anything and services that may send anything. Nothing leaves the host but WireGuard's datagrams and
//! the proxy's connections to the provider.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attacks;
mod battery;
mod checks;
mod container;
mod daemon;
mod forwarded;
mod hostile;
mod measured;
mod mutation;
mod oracle;
mod others;
mod proxied;
mod times;
mod unusual;
mod world;

use anyhow::Result;
use battery::Battery;
use bulkhead_lab::{Need, skip_without};
use daemon::Daemon;
use world::World;

const NEEDS: [Need; 9] = [
    Need::Root,
    Need::Program("nix-instantiate"),
    Need::Program("nft"),
    Need::Program("ip"),
    Need::Program("wg"),
    Need::Program("wireguard-go"),
    Need::Program("tinyproxy"),
    Need::Program("setpriv"),
    Need::File("/dev/net/tun"),
];

/// Everything is open: the host's guard is off, its proxy gets whatever it is asked for, and the VPN container forwards
/// whatever comes to wherever it goes.
fn open(world: &World) -> Result<()> {
    world.host.run("nft", &["flush", "ruleset"])?;
    world.host.feed("nft", &["-f", "-"], world::CARELESS)?;
    world.vpn().run("nft", &["flush", "ruleset"])?;
    world.vpn().sysctl("ipv4/conf/all/forwarding", "1")?;
    for name in ["torrent", "search"] {
        world.host.run("bridge", &["link", "set", "dev", &format!("vb-{name}"), "isolated", "off"])?;
    }
    world.start_a_careless_proxy()
}

#[test]
fn attacks_succeed_without_the_guard_and_fail_with_it() -> Result<()> {
    if skip_without(&NEEDS, "the attacks on a VPN container and its services") {
        return Ok(());
    }
    // Bridged frames are shown to the hooks for IP where the kernel can do that.
    let world = World::with(!skip_without(&[Need::BrNetfilter], "a VPN container beside Docker"))?;
    world.guard()?;
    world.start_wireguard()?;
    let daemon = Daemon::start(&world)?;
    println!("ready after {:?}", daemon.ready()?);
    // The provider may send the containers themselves something.
    world.let_the_far_end_send()?;
    let battery = Battery::new(&world)?;
    let failing = battery.check();
    assert!(failing.is_empty(), "this does not work: {failing:#?}\n{}", daemon.log());
    let (got_through, lost) = battery.attack()?;
    assert!(got_through.is_empty(), "these get through: {got_through:#?}");
    println!("{} attacks", lost.len());

    // The tunnel stays when the daemon is killed.
    daemon.kill()?;
    let (got_through, _) = battery.attack()?;
    assert!(got_through.is_empty(), "after the daemon was killed these get through: {got_through:#?}");
    open(&world)?;
    let failed = battery.attacks_that_always_fail()?;
    assert!(failed.is_empty(), "these prove nothing, they fail without a guard: {failed:#?}");
    Ok(())
}

#[test]
fn every_part_of_the_rules_is_needed() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.push(Need::BrNetfilter);
    if skip_without(&needs, "the rules of a VPN container, each taken out in turn") {
        return Ok(());
    }
    let survivors = mutation::survivors()?;
    assert!(survivors.is_empty(), "nothing notices that these are missing: {survivors:#?}");
    Ok(())
}

//! The sandbox's rules, in a real kernel, against everybody who would get past them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attacks;
mod battery;
mod checks;
mod container;
mod mutation;
mod resolver;
mod services;
mod times;
mod topology;

use anyhow::Result;
use battery::Battery;
use bulkhead_lab::{Need, Tables, skip_without};
use services::Services;
use topology::{SETTINGS, Setting, Topology, rules, set_isolation};

const NEEDS: [Need; 5] =
    [Need::Root, Need::Program("nix-instantiate"), Need::Program("nft"), Need::Program("ip"), Need::BrNetfilter];

/// Rules of the host that send packets elsewhere, as a published port and a transparent proxy do.
const HOST_TRANSLATIONS: &str = "
table ip host {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 45.77.0.7 udp dport 8081 dnat to 45.33.0.2:7777
    iifname sandbox0 udp dport 3129 redirect to :7777
  }
}
";

/// A host without a guard, with all that attacks go for.
fn unguarded(setting: Setting) -> Result<(Topology, Services)> {
    let topology = Topology::new(setting)?;
    let services = Services::start(&topology)?;
    topology.host.feed("nft", &["-f", "-"], HOST_TRANSLATIONS)?;
    Ok((topology, services))
}

#[test]
fn attacks_succeed_without_the_guard_and_fail_with_it() -> Result<()> {
    if skip_without(&NEEDS, "the attacks on the sandbox") {
        return Ok(());
    }
    for setting in SETTINGS {
        let (topology, services) = unguarded(setting)?;
        let battery = Battery::new(&topology, &services);
        let host = &topology.host;

        set_isolation(host, false)?;
        let (succeeded, failed) = battery.attack()?;
        assert!(failed.is_empty(), "{setting:?}: these prove nothing, they fail without a guard: {failed:#?}");
        set_isolation(host, true)?;

        let _tables = Tables::load(host, &rules(setting.ipv6)?)?;
        let (got_through, _) = battery.attack()?;
        assert!(got_through.is_empty(), "{setting:?}: these get through: {got_through:#?}");
        let failing = battery.check(false)?;
        assert!(failing.is_empty(), "{setting:?}: this does not work: {failing:#?}");
        println!("{setting:?}: {} attacks", succeeded.len());
    }
    Ok(())
}

#[test]
fn every_part_of_the_rules_is_needed() -> Result<()> {
    if skip_without(&NEEDS, "the rules of the sandbox, each taken out in turn") {
        return Ok(());
    }
    for ipv6 in [true, false] {
        let survivors = mutation::survivors(ipv6)?;
        assert!(survivors.is_empty(), "nothing notices that these are missing (IPv6: {ipv6}): {survivors:#?}");
    }
    Ok(())
}

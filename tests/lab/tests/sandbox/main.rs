//! The sandbox's rules, in a real kernel, against everybody who would get past them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod attacks;
mod battery;
mod checks;
mod container;
mod mutation;
mod random;
mod resolver;
mod services;
mod times;
mod topology;

use anyhow::{Context as _, Result};
use battery::Battery;
use bulkhead_lab::{Namespace, Need, Tables, evaluate, skip_without};
use serde_json::{Value, json};
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
        let failing = battery.check()?;
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

#[test]
fn rules_of_all_shapes_are_taken() -> Result<()> {
    if skip_without(&NEEDS, "loading the rules of sandboxes of all shapes") {
        return Ok(());
    }
    let host = Namespace::new("host")?;
    let port = |index: u8, address: bool, address6: bool| {
        json!({
            "interface": format!("vb-{index}"),
            "mac": format!("02:00:00:00:01:{index:02x}"),
            "address": address.then(|| format!("10.20.0.{index}")),
            "address6": address6.then(|| format!("fd20::{index:x}")),
        })
    };
    let ports = |count: u8, address: bool, address6: bool| -> Value {
        (2..2 + count).map(|index| (format!("w{index}"), port(index, address, address6))).collect()
    };
    let hole = |address: &str, protocol: &str, from: Value| json!({ "address": address, "port": 1, "protocol": protocol, "from": from, "reason": "it is tested" });
    let everything = json!({
        "allow": [
            hole("192.168.1.1", "udp", Value::Null),
            hole("192.168.1.1", "udp", json!(["w2"])), // a second time for one of them
            hole("10.20.0.1", "tcp", json!(["w2", "w3"])),
            hole("fd77::1", "tcp", Value::Null),
        ],
        "allowBetween": [["w2", "w3"], ["w3", "w2"], ["w2", "w4"]],
        "deny": ["10.0.0.0/16", "45.1.0.0/16", "45.1.2.0/24", "45.1.0.0/16", "0.0.0.0/0", "2a00::/16"],
        "dns": false,
        "upstreams": ["eth0", "wlan0"],
    });
    for (shape, changes) in [
        ("nobody is there", json!({ "ports": {} })),
        ("nobody is there, without IPv6", json!({ "ports": {}, "gateway6": null })),
        ("IPv4 alone", json!({ "ports": ports(3, true, false), "gateway6": null })),
        ("IPv6 alone", json!({ "ports": ports(3, false, true) })),
        ("no way out", json!({ "ports": ports(3, true, true), "upstreams": [] })),
        ("many", json!({ "ports": ports(240, true, true) })),
        ("everything", everything.clone()),
        (
            "names that Linux takes",
            json!({
                "bridge": "lab.0",
                "upstreams": ["eth0.5", "ENP3s0", "br-lan", "_x.Y-9"],
                "ports": { "w2": { "interface": "tap.2", "mac": "02:00:00:00:01:02", "address": "10.20.0.2", "address6": null } },
            }),
        ),
    ] {
        let mut description = topology::description(true);
        for changes in [json!({ "ports": ports(3, true, true), "allow": [], "allowBetween": [], "deny": [] }), changes]
        {
            for (name, value) in changes.as_object().into_iter().flatten() {
                description[name] = value.clone();
            }
        }
        let rules = evaluate("sandboxRuleset", &description)?;
        let tables = Tables::load(&host, rules.as_str().unwrap_or_default()).with_context(|| shape.to_owned())?;
        tables.reload().with_context(|| format!("{shape}, the second time"))?;
        let listed = host.run("nft", &["list", "tables"])?;
        assert_eq!(listed.lines().count(), 3, "{shape}: {listed}");
    }
    Ok(())
}

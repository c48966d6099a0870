//! At which times the guard is there: reloads, boots in every order, firewalls that stop, tables that somebody flushes.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bulkhead_lab::{Namespace, Need, Tables, evaluate, skip_without};
use serde_json::{Value, json};

use crate::battery::Battery;
use crate::topology::*;
use crate::{NEEDS, unguarded};

const SETTING: Setting = Setting { ipv6: true, br_netfilter: true };

/// All attacks fail, and all that has to work works.
fn holds(battery: &Battery<'_>, when: &str) -> Result<()> {
    let (got_through, _) = battery.attack()?;
    ensure!(got_through.is_empty(), "{when}, these get through: {got_through:#?}");
    let failing = battery.check()?;
    ensure!(failing.is_empty(), "{when}, this does not work: {failing:#?}");
    Ok(())
}

#[test]
fn a_reload_is_no_gap() -> Result<()> {
    if skip_without(&NEEDS, "reloads of the guard under attack") {
        return Ok(());
    }
    let (topology, services) = unguarded(SETTING)?;
    let battery = Battery::new(&topology, &services);
    let rules = rules(SETTING.ipv6)?;
    let tables = Tables::load(&topology.host, &rules)?;

    let (_, definitions) = rules.split_once("\n\n").context("no definitions")?;
    let got_through = battery.attack_during(|| {
        for _ in 0..30 {
            for family in ["bridge", "arp", "inet"] {
                topology.host.run("nft", &["delete", "table", family, TABLE])?;
            }
            topology.host.feed("nft", &["-f", "-"], definitions)?;
        }
        Ok(())
    })?;
    assert!(!got_through.is_empty(), "deleting the tables before loading them should be a gap");

    let got_through = battery.attack_during(|| {
        for _ in 0..100 {
            tables.reload()?;
        }
        Ok(())
    })?;
    assert!(got_through.is_empty(), "during reloads these get through: {got_through:#?}");

    // Ports come and go; they leave the bridge and return to it.
    let got_through = battery.attack_during(|| {
        for _ in 0..30 {
            for port in ["vb-a", "vb-c"] {
                topology.host.ip(&[&format!("link set {port} down"), &format!("link set {port} up")])?;
                topology
                    .host
                    .ip(&[&format!("link set {port} nomaster"), &format!("link set {port} master {BRIDGE}")])?;
            }
        }
        Ok(())
    })?;
    assert!(got_through.is_empty(), "while ports flap these get through: {got_through:#?}");
    holds(&battery, "after all that")
}

#[test]
fn nobody_is_early_at_boot() -> Result<()> {
    if skip_without(&NEEDS, "boots of the guard under attack") {
        return Ok(());
    }
    let (topology, services) = unguarded(SETTING)?;
    let battery = Battery::new(&topology, &services);
    let host = &topology.host;
    // Workspaces are up, and attack, from before the bridge is there until they are in it.
    let boot = || {
        host.ip(&[&format!("link del {BRIDGE}")])?;
        std::thread::sleep(Duration::from_millis(50));
        make_bridge(host, SETTING)?;
        for name in ["a", "b", "c", "x"] {
            host.ip(&[&format!("link set vb-{name} master {BRIDGE}")])?;
        }
        set_isolation(host, true)?;
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    };
    assert!(!battery.attack_during(boot)?.is_empty(), "a boot without a guard should be open");
    let _tables = Tables::load(host, &rules(SETTING.ipv6)?)?;
    let mut got_through = battery.attack_during(boot)?;
    // Until it is in the bridge, an interface that nobody has declared is one of the host's like any other.
    got_through.retain(|name| !name.starts_with("H7: x to the host"));
    assert!(got_through.is_empty(), "during the boot these get through: {got_through:#?}");
    holds(&battery, "after the boot")?;

    // The guard comes late, when all are there: what was open is closed.
    host.run("nft", &["flush", "ruleset"])?;
    host.feed("nft", &["-f", "-"], crate::HOST_TRANSLATIONS)?;
    let _tables = Tables::load(host, &rules(SETTING.ipv6)?)?;
    holds(&battery, "when the guard came late")
}

/// What happens at a boot, in whichever order systemd lets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The guard is loaded.
    Guard,
    /// networkd makes the bridge.
    Bridge,
    /// Workspaces start: the host's ends of their interfaces are up.
    Start,
    /// Their ports are put into the bridge.
    Plug,
}

impl Step {
    fn take(self, host: &Namespace, guard: &Guard) -> Result<()> {
        match self {
            Self::Guard => ensure!(guard.load(host)?.0, "the guard is loaded"),
            Self::Bridge => make_bridge(host, SETTING)?,
            Self::Start => {
                for name in PORTS {
                    host.ip(&[&format!("link set vb-{name} up")])?;
                }
            }
            Self::Plug => {
                for name in PLUGGED {
                    host.ip(&[&format!("link set vb-{name} master {BRIDGE}")])?;
                }
                set_isolation(host, true)?;
            }
        }
        // So long attacks go on in this state.
        std::thread::sleep(Duration::from_millis(60));
        Ok(())
    }

    /// All orders in which the bridge is there before ports are put into it.
    fn orders() -> Vec<Vec<Self>> {
        let mut orders = vec![vec![Self::Bridge, Self::Plug]];
        for step in [Self::Start, Self::Guard] {
            orders = orders
                .iter()
                .flat_map(|order| {
                    (0..=order.len()).map(move |place| {
                        let mut longer = order.clone();
                        longer.insert(place, step);
                        longer
                    })
                })
                .collect();
        }
        orders
    }
}

const PORTS: [&str; 5] = ["a", "b", "c", "x", "d"];
const PLUGGED: [&str; 4] = ["a", "b", "c", "x"];

/// Until it is in the bridge, an interface that nobody has declared is one of the host's like any other.
fn without_strangers(mut got_through: BTreeSet<String>) -> BTreeSet<String> {
    got_through.retain(|name| !name.starts_with("H7: x to the host"));
    got_through
}

#[test]
fn in_whatever_order_a_boot_goes() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.extend([Need::Program("unshare"), Need::Program("diff")]);
    if skip_without(&needs, "boots of the guard in all orders") {
        return Ok(());
    }
    let (topology, services) = unguarded(SETTING)?;
    let battery = Battery::new(&topology, &services);
    let host = &topology.host;
    let folder = tempfile::tempdir()?;
    let guard = Guard::write(folder.path(), &rules(SETTING.ipv6)?)?;
    let power_off = || -> Result<()> {
        host.run("nft", &["flush", "ruleset"])?;
        host.feed("nft", &["-f", "-"], crate::HOST_TRANSLATIONS)?;
        host.ip(&[&format!("link del {BRIDGE}")])?;
        for name in PORTS {
            host.ip(&[&format!("link set vb-{name} down")])?;
        }
        Ok(())
    };
    let orders = Step::orders();
    assert_eq!(orders.len(), 12, "{orders:?}");
    for order in orders {
        let take = |steps: &[Step]| steps.iter().try_for_each(|step| step.take(host, &guard));
        // The control: without the guard, each order is open.
        power_off()?;
        let others: Vec<Step> = order.iter().copied().filter(|step| *step != Step::Guard).collect();
        let got_through = without_strangers(battery.attack_unprepared(|| take(&others))?);
        assert!(!got_through.is_empty(), "{others:?} without a guard should be open");

        // No unit of a workspace is there before the guard; but somebody else may have been early. From the moment on in
        // which the guard is loaded, nothing gets through.
        power_off()?;
        let place = order.iter().position(|step| *step == Step::Guard).context("no guard")?;
        let (early, late) = order.split_at(place + 1);
        take(early)?;
        let got_through = without_strangers(battery.attack_unprepared(|| take(late))?);
        assert!(got_through.is_empty(), "{order:?}: these get through after the guard: {got_through:#?}");
        holds(&battery, &format!("after {order:?}"))?;
        assert_eq!(guard.verify(host)?, (true, String::new()), "{order:?}: nothing is to be said of it");
    }
    Ok(())
}

/// What happens, with the guard or without.
type Event<'a> = dyn Fn(bool) -> Result<()> + Sync + 'a;

#[test]
fn units_restart_while_workspaces_run() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.extend([Need::Program("unshare"), Need::Program("diff")]);
    if skip_without(&needs, "restarts of the guard and of the network under attack") {
        return Ok(());
    }
    let (topology, services) = unguarded(SETTING)?;
    let battery = Battery::new(&topology, &services);
    let host = &topology.host;
    let folder = tempfile::tempdir()?;
    let guard = Guard::write(folder.path(), &rules(SETTING.ipv6)?)?;
    // As a switch to another configuration does: a workspace comes and goes.
    let mut other = description(SETTING.ipv6);
    other["ports"]["e"] = json!({
        "interface": "vb-e", "mac": "02:00:00:00:00:1e", "address": "10.20.0.30", "address6": "fd20::1e",
    });
    let other = evaluate("sandboxRuleset", &other)?;
    let other_folder = tempfile::tempdir()?;
    let other = Guard::write(other_folder.path(), other.as_str().unwrap_or_default())?;

    // The addresses, too, come anew; ports are out of the bridge meanwhile.
    let networkd = |with_guard: bool| -> Result<()> {
        for _ in 0..6 {
            host.ip(&[&format!("address flush dev {BRIDGE}"), &format!("link set {BRIDGE} down")])?;
            for name in PLUGGED {
                host.ip(&[&format!("link set vb-{name} nomaster")])?;
            }
            std::thread::sleep(Duration::from_millis(30));
            for name in PLUGGED {
                host.ip(&[&format!("link set vb-{name} master {BRIDGE}")])?;
            }
            set_isolation(host, true)?;
            // Both at once is what a switch of the configuration may do.
            if with_guard {
                ensure!(guard.load(host)?.0, "the guard is loaded");
            }
            host.ip(&[
                &format!("link set {BRIDGE} up"),
                &format!("address add {GATEWAY}/24 dev {BRIDGE}"),
                &format!("address add {GATEWAY6}/64 dev {BRIDGE} nodad"),
            ])?;
            std::thread::sleep(Duration::from_millis(30));
        }
        Ok(())
    };
    // The bridge itself is made anew.
    let anew = |_: bool| -> Result<()> {
        for _ in 0..4 {
            host.ip(&[&format!("link del {BRIDGE}")])?;
            std::thread::sleep(Duration::from_millis(30));
            make_bridge(host, SETTING)?;
            for name in PLUGGED {
                host.ip(&[&format!("link set vb-{name} master {BRIDGE}")])?;
            }
            set_isolation(host, true)?;
            std::thread::sleep(Duration::from_millis(30));
        }
        Ok(())
    };
    let network: [(&str, &Event<'_>); 2] = [("the network restarts", &networkd), ("the bridge is made anew", &anew)];
    for (what, event) in network {
        let got_through = without_strangers(battery.attack_during(|| event(false))?);
        assert!(!got_through.is_empty(), "without a guard: {what}: that should be open");
    }

    assert!(guard.load(host)?.0, "the guard is loaded");
    // Stopping it does nothing; starting it loads it again.
    let got_through = battery.attack_during(|| {
        for _ in 0..15 {
            ensure!(other.load(host)?.0 && guard.load(host)?.0, "the guard is loaded");
        }
        Ok(())
    })?;
    assert!(got_through.is_empty(), "while the guard restarts, these get through: {got_through:#?}");
    holds(&battery, "after restarts of the guard")?;
    for (what, event) in network {
        let got_through = without_strangers(battery.attack_during(|| event(true))?);
        assert!(got_through.is_empty(), "{what}: these get through: {got_through:#?}");
        holds(&battery, what)?;
        assert_eq!(guard.verify(host)?, (true, String::new()), "{what}: nothing is to be said of it");
    }
    Ok(())
}

#[test]
fn connections_from_before_the_guard_end_with_it() -> Result<()> {
    if skip_without(&NEEDS, "connections that were opened while no guard was there") {
        return Ok(());
    }
    let (topology, _services) = unguarded(SETTING)?;
    let a = topology.workspace("a");
    let pairs: [(&str, &Namespace, IpAddr, &Namespace); 3] = [
        ("from the LAN to a", &topology.lan, a.address.into(), &a.namespace),
        ("from a to the LAN", &a.namespace, NAS.into(), &topology.lan),
        ("from a to the host", &a.namespace, HOST_LAN.into(), &topology.host),
    ];
    const PORT: u16 = 4444;
    let mut connections = Vec::new();
    for (name, client, address, server) in pairs {
        let listener = server.enter(|| Ok(TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT))?))?;
        let near = client.enter(|| Ok(TcpStream::connect_timeout(&(address, PORT).into(), Duration::from_secs(2))?))?;
        let (far, _) = listener.accept()?;
        connections.push((name, near, far));
    }
    let heard = |connections: &mut Vec<(&str, TcpStream, TcpStream)>| -> Result<Vec<String>> {
        let mut heard = Vec::new();
        for (name, near, far) in connections {
            let (mut from, mut to) = (&*near, &*far);
            from.write_all(b"?")?;
            to.set_read_timeout(Some(Duration::from_millis(500)))?;
            if to.read_exact(&mut [0]).is_ok() {
                heard.push(name.to_string());
            }
        }
        Ok(heard)
    };
    assert_eq!(heard(&mut connections)?.len(), 3, "without a guard all go on");
    let _tables = Tables::load(&topology.host, &rules(SETTING.ipv6)?)?;
    assert_eq!(heard(&mut connections)?, [] as [&str; 0], "with it none does");
    Ok(())
}

#[test]
fn the_hosts_firewall_may_stop() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.extend([Need::Program("iptables"), Need::Program("ip6tables")]);
    if skip_without(&needs, "firewalls of the host that stop") {
        return Ok(());
    }
    let (topology, services) = unguarded(SETTING)?;
    let battery = Battery::new(&topology, &services);
    let host = &topology.host;
    // As NixOS' firewall with nf_tables: it drops what nobody has allowed, and lets our bridge forward.
    const FIREWALL: &str = "
table inet nixos-fw
delete table inet nixos-fw
table inet nixos-fw {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state { established, related } accept
    iifname { lo, lan0, tailscale0 } accept
    iifname sandbox0 meta l4proto { icmp, ipv6-icmp } accept
    iifname sandbox0 th dport { 53, 8443 } accept
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    ct state { established, related } accept
    iifname sandbox0 accept
  }
}
";
    let _tables = Tables::load(host, &rules(SETTING.ipv6)?)?;
    host.feed("nft", &["-f", "-"], FIREWALL)?;
    holds(&battery, "with a firewall of nf_tables")?;
    let got_through = battery.attack_during(|| {
        for _ in 0..20 {
            host.feed("nft", &["-f", "-"], FIREWALL)?;
            host.run("nft", &["delete", "table", "inet", "nixos-fw"])?;
        }
        Ok(())
    })?;
    assert!(got_through.is_empty(), "while it reloads and stops, these get through: {got_through:#?}");
    holds(&battery, "after it has stopped")?;

    let iptables = |arguments: &str| -> Result<()> {
        for tool in ["iptables", "ip6tables"] {
            host.run(tool, &arguments.split(' ').collect::<Vec<_>>())?;
        }
        Ok(())
    };
    // As Docker does, with the exception that our module makes.
    iptables("-P FORWARD DROP")?;
    iptables("-N DOCKER-USER")?;
    iptables("-I FORWARD -j DOCKER-USER")?;
    iptables("-I DOCKER-USER -i sandbox0 -j ACCEPT")?;
    iptables("-I DOCKER-USER -o sandbox0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT")?;
    holds(&battery, "with Docker's policy")?;
    let got_through = battery.attack_during(|| {
        iptables("-P FORWARD ACCEPT")?;
        iptables("-F")?;
        iptables("-X")?;
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    })?;
    assert!(got_through.is_empty(), "while iptables is flushed, these get through: {got_through:#?}");
    holds(&battery, "after iptables was flushed")
}

#[test]
fn what_others_do_to_the_tables_is_undone() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.extend([Need::Program("unshare"), Need::Program("diff")]);
    if skip_without(&needs, "the verification of the guard") {
        return Ok(());
    }
    let (topology, services) = unguarded(SETTING)?;
    let battery = Battery::new(&topology, &services);
    let host = &topology.host;
    let folder = tempfile::tempdir()?;
    let guard = Guard::write(folder.path(), &rules(SETTING.ipv6)?)?;

    assert!(guard.load(host)?.0, "the guard is loaded");
    assert_eq!(guard.verify(host)?, (true, String::new()), "nothing is to be said of it");
    holds(&battery, "after loading")?;

    for (what, arguments) in [
        ("everything is flushed", "flush ruleset"),
        ("a table is missing", "delete table arp bulkhead-sandbox"),
        ("a chain is flushed", "flush chain inet bulkhead-sandbox to_host"),
        ("a rule is there that opens all", "insert rule inet bulkhead-sandbox from_workspaces accept"),
        ("a hole is there", "add element inet bulkhead-sandbox holes { 10.20.0.12 . 192.168.1.10 . tcp . 22 }"),
        (
            "a port has another address",
            "add element bridge bulkhead-sandbox bound { \"vb-a\" . 02:00:00:00:00:0a . 10.20.0.12 }",
        ),
        ("a table sleeps", "add table inet bulkhead-sandbox { flags dormant; }"),
    ] {
        host.run("nft", &arguments.split(' ').collect::<Vec<_>>())?;
        if arguments == "flush ruleset" {
            assert!(!battery.attack()?.0.is_empty(), "{what}: that should be open");
        }
        let (passed, told) = guard.verify(host)?;
        assert!(passed && told.contains("<4>the guard of sandbox0"), "{what}: {told}");
        assert_eq!(guard.verify(host)?, (true, String::new()), "{what}: it is loaded again");
        if arguments == "flush ruleset" {
            host.feed("nft", &["-f", "-"], crate::HOST_TRANSLATIONS)?;
        }
        holds(&battery, what)?;
    }

    // A bridge from before the guard, or that somebody has changed.
    for feature in ["group_fwd_mask 0", "mcast_snooping 1", "stp_state 1"] {
        host.ip(&[&format!("link set {BRIDGE} type bridge {feature}")])?;
        if feature == "group_fwd_mask 0" {
            assert!(!battery.attack()?.0.is_empty(), "{feature}: that should be open");
        }
        let (passed, told) = guard.verify(host)?;
        let (name, _) = feature.split_once(' ').context("no value")?;
        assert!(passed && told.contains(&format!("<4>{name} of sandbox0")), "{feature}: {told}");
        assert_eq!(guard.verify(host)?, (true, String::new()), "{feature}: it is set again");
    }
    holds(&battery, "after the bridge was made over")?;
    host.ip(&[&format!("link set {BRIDGE} type bridge group_fwd_mask 0")])?;
    assert!(guard.load(host)?.0, "the guard is loaded for a bridge from before it");
    holds(&battery, "with a bridge from before the guard")?;

    // What has the bridge's name and is none can't have its features.
    let other = Namespace::new("other")?;
    other.ip(&[&format!("link add name {BRIDGE} type veth peer name far"), &format!("link set {BRIDGE} up")])?;
    for (passed, told) in [guard.load(&other)?, guard.verify(&other)?] {
        assert!(!passed && told.contains("the bridge is cut off"), "{told}");
    }
    let state: Value = serde_json::from_str(&other.run("ip", &["-json", "link", "show", BRIDGE])?)?;
    assert!(state[0]["flags"].as_array().is_some_and(|flags| !flags.contains(&json!("UP"))), "{state}");
    std::fs::remove_dir_all(folder.path().join("state"))?;

    // Rules that can't be loaded: nothing goes by the bridge until they can.
    let good = std::fs::read_to_string(&guard.rules)?;
    host.run("nft", &["flush", "ruleset"])?;
    std::fs::write(&guard.rules, "table inet bulkhead-sandbox { nonsense }")?;
    let (passed, told) = guard.verify(host)?;
    assert!(!passed && told.contains("<3>the guard of sandbox0 can not be loaded"), "{told}");
    // The gateway's address stays one of the host's, which those outside reach as its others; and where the host's routes
    // lead without the bridge is not the bridge's.
    let (mut open, _) = battery.attack()?;
    open.retain(|name| !name.starts_with("outside: ") && !name.starts_with("H13: the host's own datagram"));
    // Interfaces that nobody has declared are not known, and so not cut off.
    open.retain(|name| !name.starts_with("H7: x to the host"));
    assert!(open.is_empty(), "the bridge is cut off, and these get through: {open:#?}");
    std::fs::write(&guard.rules, good)?;
    let (passed, told) = guard.verify(host)?;
    assert!(passed && told.contains("<5>the guard of sandbox0 is in place again"), "{told}");
    host.feed("nft", &["-f", "-"], crate::HOST_TRANSLATIONS)?;
    holds(&battery, "after the rules could be loaded again")?;

    // The service itself fails, and takes the bridge along.
    std::fs::write(&guard.rules, "nonsense")?;
    let (passed, _) = guard.load(host)?;
    let state: Value = serde_json::from_str(&host.run("ip", &["-json", "link", "show", BRIDGE])?)?;
    assert!(!passed && state[0]["operstate"] == "DOWN", "{state}");
    Ok(())
}

/// The guard's services.
struct Guard {
    rules: std::path::PathBuf,
    load: std::path::PathBuf,
    verify: std::path::PathBuf,
}

impl Guard {
    fn write(folder: &Path, rules: &str) -> Result<Self> {
        let guard = Self { rules: folder.join("guard.nft"), load: folder.join("load"), verify: folder.join("verify") };
        std::fs::write(&guard.rules, rules)?;
        let tables: Vec<Value> =
            ["bridge", "arp", "inet"].iter().map(|family| json!({ "family": family, "name": TABLE })).collect();
        let ports = ["vb-a", "vb-b", "vb-c", "vb-d"];
        let load = json!({ "rules": guard.rules, "bridge": BRIDGE, "ports": ports });
        let state = folder.join("state");
        let verify =
            json!({ "rules": guard.rules, "bridge": BRIDGE, "ports": ports, "state": state, "tables": tables });
        for (path, function, argument) in
            [(&guard.load, "guardLoadScript", load), (&guard.verify, "guardVerifyScript", verify)]
        {
            let script = evaluate(function, &argument)?;
            std::fs::write(path, format!("#!/bin/sh\n{}", script.as_str().unwrap_or_default()))?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(guard)
    }

    fn load(&self, host: &Namespace) -> Result<(bool, String)> {
        run(host, &self.load)
    }

    fn verify(&self, host: &Namespace) -> Result<(bool, String)> {
        run(host, &self.verify)
    }
}

/// Whether a script succeeds, and what it writes to standard error.
fn run(host: &Namespace, script: &Path) -> Result<(bool, String)> {
    let output = host.output("sh", &[script.to_str().context("no UTF-8")?], "")?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

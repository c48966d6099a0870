//! What others change on the host: administrators, and programs that manage interfaces, firewalls and kernel settings. It
//! opens nothing, and the verification sets it right.

use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use bulkhead_lab::skip_without;
use serde_json::json;

use crate::NEEDS;
use crate::battery::Battery;
use crate::daemon::Daemon;
use crate::world::*;

const WORKERS: usize = 3;

/// What the unit of the verification runs.
struct Verification<'a> {
    world: &'a World,
    rules: PathBuf,
    script: String,
}

impl<'a> Verification<'a> {
    fn new(world: &'a World) -> Result<Self> {
        let rules = world.folder.path().join("guard.nft");
        std::fs::write(&rules, world.rules().0)?;
        let tables = ["bridge", "arp", "inet"].map(|family| json!({ "family": family, "name": TABLE }));
        let guard = json!({
            "rules": rules,
            "bridge": BRIDGE,
            "ports": ["vb-vpn", "vb-torrent", "vb-search"],
            "state": world.folder.path().join("verify"),
            "tables": tables.to_vec(),
        });
        let script = format!(
            "({}) || exit 1\n{}\n{}",
            text("guardVerifyScript", &guard)?,
            text("vpnBridgeScript", &description())?,
            text("vpnPlugScript", &description())?,
        );
        Ok(Self { world, rules, script })
    }

    fn run(&self) -> Result<Output> {
        self.world.host.output("sh", &[], &self.script)
    }

    /// It succeeds, and says that something was wrong, or not.
    fn sets_right(&self, what: &str, is_told: bool) -> Result<()> {
        let output = self.run()?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{what}: the verification fails: {told}");
        ensure!(told.contains("<4>") == is_told, "{what}: the verification says: {told}");
        let again = self.run()?;
        ensure!(
            again.status.success() && again.stderr.is_empty(),
            "{what}: the second verification says: {}",
            String::from_utf8_lossy(&again.stderr)
        );
        Ok(())
    }

    /// The guard is gone, and nothing else.
    fn take_the_guard_away(&self) -> Result<()> {
        let families = ["bridge", "arp", "inet"];
        let commands: String = families.map(|family| format!("delete table {family} {TABLE}\n")).concat();
        self.world.host.feed("nft", &["-f", "-"], &commands).map(drop)
    }
}

/// Something that others do on the host, as a script, and how they undo what is not the guard's to undo.
struct Change {
    what: &'static str,
    does: &'static str,
    undoes: &'static str,
    /// The verification says that it has set something right.
    is_told: bool,
}

impl Change {
    fn is_set_right(&self) -> Result<()> {
        let Change { what, does, undoes, is_told } = *self;
        let world = World::new()?;
        world.guard()?;
        world.start_wireguard()?;
        let daemon = Daemon::start(&world)?;
        daemon.ready()?;
        let battery = Battery::new(&world)?;
        let works = |when: &str| -> Result<()> {
            let failing = battery.check();
            ensure!(failing.is_empty(), "{what}: {when}, this does not work: {failing:#?}\n{}", daemon.log());
            Ok(())
        };
        let verification = Verification::new(&world)?;
        verification.sets_right("at first", false)?;
        works("at first")?;
        let shell = |script: &str| world.host.feed("sh", &["-e"], script).map(drop);
        let is_moved = does.contains("master docker0");
        let is_accepted = |leak: &str| is_moved && asks_the_host(leak);
        let ((), mut leaks) = battery.attack_during(|| shell(does))?;
        leaks.retain(|leak| !is_accepted(leak));
        ensure!(leaks.is_empty(), "{what}: while it happens: {leaks:#?}");
        let (mut got_through, _) = battery.attack()?;
        got_through.retain(|attack| !is_accepted(attack));
        ensure!(got_through.is_empty(), "{what}: these get through: {got_through:#?}");
        // It is the guard that holds, in this very state.
        verification.take_the_guard_away()?;
        let (open, _) = battery.attack()?;
        let is_removed = does.contains("link del vpn0");
        ensure!(is_removed || open.len() > 10, "{what}: without a guard this should be open: {open:#?}");
        println!("{what}: {} attacks succeed without the guard", open.len());
        world.guard()?;
        shell(undoes)?;
        verification.sets_right(what, is_told)?;
        let (got_through, _) = battery.attack()?;
        ensure!(got_through.is_empty(), "{what}: after the verification these get through: {got_through:#?}");
        works("after the verification")
    }
}

const CHANGES: [Change; 12] = [
    Change {
        what: "forwarding is turned on for everything, with proxies for ARP",
        does: "cd /proc/sys/net/ipv4
               echo 0 > ip_forward; echo 1 > ip_forward
               for setting in proxy_arp proxy_arp_pvlan accept_local accept_redirects send_redirects; do
                 echo 1 > conf/all/$setting; echo 1 > conf/vpn0/$setting
               done",
        undoes: "",
        is_told: false,
    },
    Change {
        what: "bridged frames are shown to the rules for IP, tags and all",
        does: "for setting in /proc/sys/net/bridge/*; do echo 1 > $setting || true; done",
        undoes: "for setting in /proc/sys/net/bridge/*; do echo 0 > $setting || true; done",
        is_told: false,
    },
    Change {
        what: "ports get other flags",
        does: "for port in vb-vpn vb-torrent vb-search; do
                 bridge link set dev $port isolated off hairpin on mcast_flood on flood on \
                   neigh_suppress on mcast_to_unicast on
               done",
        undoes: "for port in vb-vpn vb-torrent vb-search; do
                   bridge link set dev $port hairpin off neigh_suppress off mcast_to_unicast off
                 done",
        is_told: false,
    },
    Change {
        what: "the bridge gets other features",
        does: "ip link set vpn0 type bridge group_fwd_mask 0 mcast_snooping 1 stp_state 1 ageing_time 0
               ip link set vpn0 type bridge vlan_filtering 1 || true",
        undoes: "ip link set vpn0 type bridge vlan_filtering 0 || true
                 ip link set vpn0 type bridge ageing_time 30000",
        is_told: true,
    },
    Change {
        what: "another firewall accepts everything, and translates what comes from the bridge",
        does: "nft -f - <<'END'
               table ip other {
                 chain prerouting {
                   type nat hook prerouting priority dstnat - 10; policy accept;
                   iifname vpn0 udp dport 7777 dnat to 192.168.1.10
                   iifname vpn0 tcp dport { 22, 8888 } dnat to 192.168.1.10
                 }
                 chain forward { type filter hook forward priority -300; policy accept; accept; }
                 chain postrouting { type nat hook postrouting priority srcnat - 10; policy accept; masquerade; }
               }
               table bridge other {
                 chain prerouting { type filter hook prerouting priority -500; policy accept; accept; }
                 chain forward { type filter hook forward priority -500; policy accept; accept; }
               }
END",
        undoes: "nft delete table ip other; nft delete table bridge other",
        is_told: false,
    },
    Change {
        what: "what comes from the bridge has a table of routes of its own",
        does: "ip route add default via 192.168.1.1 table 99
               ip rule add iif vpn0 table 99 pref 10
               ip rule add from 10.73.0.0/24 table 99 pref 11",
        undoes: "ip rule del pref 10; ip rule del pref 11; ip route flush table 99",
        is_told: false,
    },
    Change {
        what: "a port is moved into another bridge",
        does: "ip link set vb-search master docker0",
        undoes: "",
        is_told: true,
    },
    Change {
        what: "a port is taken out of the bridge, and gets an address",
        does: "ip link set vb-search nomaster
               ip address add 10.73.0.1/24 dev vb-search noprefixroute
               ip address add 172.30.0.1/24 dev vb-search",
        undoes: "ip address flush dev vb-search",
        is_told: true,
    },
    Change {
        what: "the bridge has no address, and another MAC address",
        does: "ip address flush dev vpn0; ip link set vpn0 address 02:77:00:00:00:01",
        undoes: "",
        is_told: false,
    },
    Change {
        what: "the bridge gets another name",
        does: "ip link set vpn0 name other0",
        undoes: "ip link set other0 name vpn0",
        is_told: false,
    },
    // A port that nobody has declared is an interface of the host like any other now.
    Change {
        what: "something on top of the bridge takes what comes in by it",
        does: "ip link set vb-x down
               ip link add link vpn0 name over0 type macvlan mode passthru; ip link set over0 up
               echo 1 > /proc/sys/net/ipv4/conf/over0/forwarding",
        undoes: "ip link del over0; ip link set vb-x up",
        is_told: false,
    },
    Change {
        what: "the bridge is removed",
        does: "ip link set vb-x down; ip link del vpn0",
        undoes: "",
        is_told: true,
    },
];

/// What a port may ask the host is seen at the host's side of another bridge when the port is moved there. It has no other
/// ports to which it could go.
fn asks_the_host(leak: &str) -> bool {
    const ARP_TO_ALL: &str = "a frame at docker0: [ff, ff, ff, ff, ff, ff, 02, 00, 00, 00, 01, 04, 08, 06,";
    ["search asks all who the host is", "search asks all who the host is (seen at docker0)"].contains(&leak)
        || leak.starts_with(ARP_TO_ALL)
}

#[test]
fn what_others_change_is_set_right() -> Result<()> {
    if skip_without(&NEEDS, "what others change on the host of a VPN container, under attack") {
        return Ok(());
    }
    // Each in a world of its own: answers to what was sent without a guard come late. Several at once: much of the time is
    // spent waiting.
    let next = AtomicUsize::new(0);
    let worker = || -> Result<()> {
        while let Some(change) = CHANGES.get(next.fetch_add(1, Ordering::Relaxed)) {
            change.is_set_right()?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    println!("{} changes by others", CHANGES.len());
    Ok(())
}

#[test]
fn a_flushed_guard_comes_back() -> Result<()> {
    if skip_without(&NEEDS, "the verification of a VPN's guard") {
        return Ok(());
    }
    let world = World::new()?;
    world.guard()?;
    world.start_wireguard()?;
    let daemon = Daemon::start(&world)?;
    daemon.ready()?;
    let battery = Battery::new(&world)?;
    let verification = Verification::new(&world)?;
    verification.sets_right("at first", false)?;
    // On the host a flush opens what the verification closes again.
    let flush = || -> Result<()> {
        world.host.run("nft", &["flush", "ruleset"])?;
        world.host.feed("nft", &["-f", "-"], CARELESS).map(drop)
    };
    flush()?;
    ensure!(!battery.attack()?.0.is_empty(), "after a flush it should be open");
    verification.sets_right("after a flush", true)?;
    let holds = |when: &str| -> Result<()> {
        let (got_through, _) = battery.attack()?;
        ensure!(got_through.is_empty(), "{when}, these get through: {got_through:#?}");
        let failing = battery.check();
        ensure!(failing.is_empty(), "{when}, this does not work: {failing:#?}");
        Ok(())
    };
    holds("after the verification")?;

    // Rules that can't be loaded: the bridge is cut off, and comes back with them.
    flush()?;
    std::fs::write(&verification.rules, "nonsense")?;
    let output = verification.run()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && told.contains("<3>the guard of vpn0 can not be loaded"), "{told}");
    let (open, _) = battery.attack()?;
    // What is not the guard's to cut off: ports that nobody has declared, addresses of the host that others reach, and what
    // the host's own programs send.
    let mut open: Vec<_> = open.iter().filter(|name| name.contains("search") || name.contains("torrent")).collect();
    open.retain(|name| !["by the proxy: torrent", "the proxy to torrent"].contains(&name.as_str()));
    ensure!(open.is_empty(), "the bridge is cut off, and these get through: {open:#?}");
    std::fs::write(&verification.rules, world.rules().0)?;
    let output = verification.run()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success() && told.contains("<5>the guard of vpn0 is in place again"), "{told}");
    std::thread::sleep(Duration::from_millis(50));
    holds("after the rules could be loaded again")
}

//! The attacks: frames of a service container that nobody but the VPN container may take, and how what became of them is
//! judged.
//!
//! They are those that do no harm where they succeed: nothing is claimed that is somebody's (an address, a hardware
//! address, a route), and what would leave the host goes to its own router or to 192.0.2.1, which is nobody's (RFC 5737).

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::frame::{self, Kind, Mac, Stamp};
use super::namespace::Port;
use super::observer::{Seen, has};
use super::report::Outcome;
use crate::config::Ipv4Net;

/// Nobody's address (TEST-NET-1, RFC 5737).
pub const NOWHERE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// Ports of the host that are tried at each of its addresses.
const PORTS: usize = 4;
const EVERYBODY: Mac = [0xff; 6];
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const VLAN: u16 = 0x8100;
const IPV6: u16 = 0x86dd;

/// What is attacked, and from where.
pub struct Ground {
    /// The service's own address.
    pub own: Ipv4Addr,
    /// Its interface.
    pub port: Port,
    /// The VPN container's interface.
    pub vpn_port: Port,
    /// The VPN container's address.
    pub vpn: Ipv4Addr,
    /// The bridge's network.
    pub subnet: Ipv4Net,
    /// The bridge on the host: its number, hardware address and IPv4 address.
    pub bridge: (u32, Mac, Ipv4Addr),
    /// The other services, with their hardware addresses if they run.
    pub siblings: Vec<(String, Ipv4Addr, Option<Mac>)>,
    /// The host's other addresses.
    pub host_addresses: Vec<Ipv4Addr>,
    /// Where the host listens on TCP; 0.0.0.0 is everywhere.
    pub listening: Vec<(Ipv4Addr, u16)>,
    /// The host's routers.
    pub routers: Vec<Ipv4Addr>,
    /// The host's DNS servers.
    pub resolvers: Vec<Ipv4Addr>,
    /// The proxy.
    pub proxy: Option<SocketAddrV4>,
    /// A text that no other run has in its frames.
    pub mark: String,
    /// A number that no other run counts TCP from: a host that has accepted a connection says so for a while.
    pub sequence: u32,
}

/// One attack.
pub struct Attack {
    /// Its name.
    pub name: String,
    /// What it tries.
    pub what: String,
    /// What it sends.
    pub frame: Vec<u8>,
    goal: Goal,
    canary: String,
    source_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// To get past the bridge, or to be answered.
    Escape,
    /// To be taken by the host at all.
    Belief,
    /// None: it is what a service may do, and arrives at the VPN container alone.
    Ordinary,
}

struct Maker<'a> {
    ground: &'a Ground,
    attacks: Vec<Attack>,
}

impl Maker<'_> {
    fn add(&mut self, goal: Goal, name: &str, what: String, frame: impl FnOnce(Stamp<'_>) -> Vec<u8>) {
        let number = u16::try_from(self.attacks.len()).unwrap_or_default();
        // Ports that Linux gives to nobody by itself (ip_local_port_range).
        let source_port = 61_000 + (u16::try_from(self.ground.sequence % 4000).unwrap_or_default() + number) % 4000;
        let canary = format!("{}x{number:04}", self.ground.mark);
        let frame = frame(Stamp { port: source_port, sequence: self.ground.sequence, canary: &canary });
        self.attacks.push(Attack { name: name.to_owned(), what, frame, goal, canary, source_port });
    }

    fn packet(&mut self, name: &str, what: String, via: Mac, from: Ipv4Addr, to: Ipv4Addr, kind: Kind) {
        let mac = self.ground.port.mac;
        self.add(Goal::Escape, name, what, |stamp| {
            frame::ethernet(via, mac, IPV4, &frame::ipv4(from, to, kind, stamp))
        });
    }
}

impl Ground {
    /// All attacks that make sense here.
    pub fn attacks(&self) -> Vec<Attack> {
        let mut make = Maker { ground: self, attacks: Vec::new() };
        let (own, mac) = (self.own, self.port.mac);
        let (_, host, host_address) = self.bridge;
        make.add(Goal::Ordinary, "ordinary", "its usual way, by the VPN container".to_owned(), |stamp| {
            frame::ethernet(self.vpn_port.mac, mac, IPV4, &frame::ipv4(own, NOWHERE, Kind::Udp(9), stamp))
        });
        for (name, kind) in [
            ("udp", Kind::Udp(9)),
            ("tcp", Kind::Tcp(9)),
            ("ping", Kind::Ping),
            ("sctp", Kind::Sctp),
            ("dns", Kind::Dns),
        ] {
            let what = format!("{name} to the internet by the host");
            make.packet(&format!("past-vpn-{name}"), what, host, own, NOWHERE, kind);
        }
        for router in &self.routers {
            for (name, kind) in [("udp", Kind::Udp(9)), ("tcp", Kind::Tcp(9)), ("ping", Kind::Ping), ("dns", Kind::Dns)]
            {
                make.packet(
                    &format!("router-{name}"),
                    format!("{name} to {router}, the host's router"),
                    host,
                    own,
                    *router,
                    kind,
                );
            }
        }
        self.forged(&mut make);
        self.hosts_own(&mut make);
        for resolver in self.resolvers.iter().filter(|resolver| !self.routers.contains(resolver)) {
            make.packet("resolver", format!("DNS of {resolver}, the host's server"), host, own, *resolver, Kind::Dns);
        }
        make.packet("host-dns", format!("DNS of the host, {host_address}"), host, own, host_address, Kind::Dns);
        for (sibling, address, mac) in &self.siblings {
            for (name, kind) in [("ping", Kind::Ping), ("udp", Kind::Udp(9)), ("tcp", Kind::Tcp(9))] {
                let what = format!("{name} to {sibling}, {address}");
                make.packet(&format!("sibling-{name}"), what, mac.unwrap_or(EVERYBODY), own, *address, kind);
            }
        }
        let what = "a broadcast to all containers".to_owned();
        make.packet("broadcast", what, EVERYBODY, own, Ipv4Addr::BROADCAST, Kind::Udp(9));
        make.add(Goal::Escape, "ipv6", "IPv6 by the host".to_owned(), |stamp| {
            let packet = frame::ipv6(
                [0x2001, 0xdb8, 0, 0, 0, 0, 0, 2].into(),
                [0x2001, 0xdb8, 1, 0, 0, 0, 0, 1].into(),
                9,
                stamp,
            );
            frame::ethernet(host, mac, IPV6, &packet)
        });
        make.add(Goal::Escape, "ipv6-neighbours", "IPv6 to all containers".to_owned(), |stamp| {
            let own = [0xfe80, 0, 0, 0, 0, 0, 0, 0xb].into();
            let packet = frame::ipv6(own, [0xff02, 0, 0, 0, 0, 0, 0, 1].into(), 9, stamp);
            frame::ethernet([0x33, 0x33, 0, 0, 0, 1], mac, IPV6, &packet)
        });
        make.add(Goal::Escape, "vlan", "a broadcast with a VLAN tag".to_owned(), |stamp| {
            let packet = frame::ipv4(own, Ipv4Addr::BROADCAST, Kind::Udp(9), stamp);
            frame::ethernet(EVERYBODY, mac, VLAN, &frame::tagged(1, IPV4, &packet))
        });
        make.attacks
    }

    fn forged(&self, make: &mut Maker<'_>) {
        let (_, host, host_address) = self.bridge;
        let mac = self.port.mac;
        // One of the host itself is no use: Linux takes no such packets from outside.
        let mut sources = vec![("the VPN container", self.vpn)];
        sources.extend(self.siblings.first().map(|(_, address, _)| ("another service", *address)));
        let unused = self.unused();
        sources.extend(unused.map(|address| ("nobody on the bridge", address)));
        sources.extend(self.routers.first().map(|address| ("the host's router", *address)));
        for (whose, source) in sources {
            let what = format!("udp to the internet by the host, from {source} ({whose})");
            make.packet("forged-source", what, host, source, NOWHERE, Kind::Udp(9));
        }
        if let Some(proxy) = self.proxy {
            let what = format!("the proxy {proxy}, from {} (the VPN container)", self.vpn);
            make.packet("forged-proxy", what, host, self.vpn, *proxy.ip(), Kind::Tcp(proxy.port()));
        }
        if let Some(unused) = unused {
            let what = format!("{unused} (nobody's) is claimed by ARP");
            make.add(Goal::Belief, "forged-arp", what, |stamp| {
                frame::ethernet(EVERYBODY, mac, ARP, &frame::arp(mac, unused, host_address, stamp.canary))
            });
        }
    }

    fn hosts_own(&self, make: &mut Maker<'_>) {
        let (_, host, host_address) = self.bridge;
        if let Some(proxy) = self.proxy {
            make.packet("proxy", format!("the proxy {proxy}"), host, self.own, *proxy.ip(), Kind::Tcp(proxy.port()));
        }
        for address in self.host_addresses.iter().chain([&host_address]) {
            if *address != host_address {
                make.packet(
                    "host-ping",
                    format!("ping to {address}, the host's"),
                    host,
                    self.own,
                    *address,
                    Kind::Ping,
                );
            }
            let open = self.listening.iter().filter(|(at, _)| at.is_unspecified() || at == address);
            let not_the_proxy = |port: &u16| self.proxy.is_none_or(|it| (it.ip(), it.port()) != (address, *port));
            for port in open.map(|(_, port)| *port).filter(not_the_proxy).take(PORTS) {
                let what = format!("tcp to {address}:{port}, where the host listens");
                make.packet("host-tcp", what, host, self.own, *address, Kind::Tcp(port));
            }
        }
    }

    /// An address of the bridge's network that nobody has.
    fn unused(&self) -> Option<Ipv4Addr> {
        let (first, last) = (self.subnet.network().to_bits() + 1, self.subnet.broadcast().to_bits());
        let taken = |address: &Ipv4Addr| {
            [self.own, self.vpn, self.bridge.2].contains(address) || self.siblings.iter().any(|it| it.1 == *address)
        };
        (first..last).rev().map(Ipv4Addr::from_bits).find(|address| !taken(address))
    }

    /// What became of an attack. `names` are the interfaces of the host by their numbers.
    pub fn judge(&self, attack: &Attack, seen: &[Seen], names: &BTreeMap<u32, String>) -> (Outcome, Option<String>) {
        let mine = seen.iter().filter(|seen| has(&seen.frame, attack.canary.as_bytes()));
        let (bridge, own, vpn) = (self.bridge.0, self.port.host_index, self.vpn_port.host_index);
        let (mut sent, mut arrived, mut leaks) = (false, false, Vec::new());
        for seen in mine {
            if seen.interface == own && !seen.sent {
                sent = true;
            } else if seen.interface == vpn {
                arrived = true;
            } else if seen.interface == bridge && !seen.sent {
                if attack.goal == Goal::Belief {
                    leaks.push("the host takes it".to_owned());
                }
            } else if frame::refuses(&seen.frame) {
            } else if seen.interface == bridge || seen.interface == own {
                leaks.push("it is answered".to_owned());
            } else {
                let name = names.get(&seen.interface).map_or("an interface that is gone", String::as_str);
                leaks.push(format!("it leaves by {name}"));
            }
        }
        // An answer to TCP has no text of ours.
        let accepted =
            |seen: &Seen| seen.sent && frame::accepts(&seen.frame, self.sequence) == Some(attack.source_port);
        if seen.iter().any(accepted) {
            leaks.push("the connection is accepted".to_owned());
        }
        leaks.sort();
        leaks.dedup();
        if !leaks.is_empty() {
            return (Outcome::Leaked, Some(leaks.join(", ")));
        }
        if !sent {
            return (Outcome::Undecided, Some("its frame was not seen where it begins".to_owned()));
        }
        if attack.goal == Goal::Ordinary && !arrived {
            return (Outcome::Undecided, Some("it does not arrive at the VPN container".to_owned()));
        }
        (Outcome::Held, None)
    }
}

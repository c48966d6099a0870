//! The attacks: frames of somebody who may send what they like, and by what it would be seen that they get through.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bulkhead_lab::frame::{
    ARP, Arp, BROADCAST, ICMPV6, IPV4, IPV6, Mac, TCP, UDP, canary, echo, ethernet, ethertype, icmpv6, ip, ipv4, ipv6,
    nd_option, tagged, tcp_syn, udp,
};

use crate::topology::*;

/// One attack.
pub struct Attack {
    /// The hole of the design that it goes for, and what it does.
    pub name: String,
    /// The number of its canary.
    pub number: u32,
    /// Who sends: a workspace, or `lan` for somebody outside.
    pub from: &'static str,
    /// What is sent.
    pub frames: Vec<Vec<u8>>,
    /// By what success is known.
    pub evidence: Evidence,
}

/// By what it is known that an attack has succeeded.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// Its canary is seen anywhere but on the attacker's own way in: on the way out of the host, at somebody else, in a
    /// service of the host, or in an answer.
    Anywhere,
    /// The host sends a canary to c, and the attacker gets it.
    Intercepted,
    /// The host answers an ARP request for this address.
    ArpReply(Ipv4Addr),
    /// The host believes that this address, which had another MAC address, has moved.
    Moved(IpAddr),
    /// The host has taken a route from a router advertisement.
    Route,
}

/// What the attacks of one run have in common.
pub struct Attacks<'a> {
    topology: &'a Topology,
    run: u32,
    attacks: Vec<Attack>,
}

/// MAC addresses that nobody has, one for each attack.
fn nobody(number: u32) -> Mac {
    let [_, _, high, low] = number.to_be_bytes();
    [2, 0x66, 0, 0, high, low]
}

/// The address whose entry in the host's table an attack wants to change: nobody has it.
fn victim4(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 20, 0, 100 + index)
}

fn victim6(index: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd20, 0, 0, 0, 0, 0, 0, 0x100 + index)
}

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];
/// A group address that no bridge forwards: that of LLDP (IEEE 802.1AB, 7.1).
const NEAREST_BRIDGE: Mac = [1, 0x80, 0xc2, 0, 0, 0x0e];
const SPANNING_TREE: Mac = [1, 0x80, 0xc2, 0, 0, 0];

/// One address, at least, of every network that is not the public internet, and of both ends of large ones.
const RESERVED: [&str; 23] = [
    "0.1.2.3",
    "0.255.255.254",
    "10.0.0.1",
    "10.255.255.254",
    "100.64.1.9",
    "100.127.255.254",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.254",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "255.255.255.254",
    "100.100.100.100",
];

const RESERVED6: [&str; 17] = [
    "::1.2.3.4",
    "64:ff9b::c0a8:10a",
    "64:ff9b:1::c0a8:10a",
    "100::1",
    "1fff::1",
    "2001::c0a8:10a",
    "2001:1::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:c0a8:10a::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fdff::1",
    "fec0::1",
    "9000::1",
];

impl<'a> Attacks<'a> {
    /// All attacks, with numbers and source ports that no other run has.
    pub fn new(topology: &'a Topology, run: u32) -> Vec<Attack> {
        let mut attacks = Self { topology, run, attacks: Vec::new() };
        for family in [4, 6] {
            attacks.to_private_networks(family);
            attacks.with_forged_sources(family);
            attacks.to_the_host(family);
            attacks.to_other_workspaces(family);
            attacks.by_other_ports(family);
            attacks.from_outside(family);
        }
        attacks.to_reserved_addresses();
        attacks.with_odd_packets();
        attacks.with_odd_frames();
        attacks.against_arp();
        attacks.against_neighbour_discovery();
        attacks.against_the_forwarding_table();
        attacks.attacks
    }

    fn next(&self) -> u32 {
        self.run << 12 | self.attacks.len() as u32
    }

    fn port(&self) -> u16 {
        20_000 + (self.run % 40_000) as u16
    }

    fn add(&mut self, name: impl Into<String>, from: &'static str, frame: Vec<u8>) {
        self.add_all(name, from, vec![frame], Evidence::Anywhere);
    }

    fn add_all(&mut self, name: impl Into<String>, from: &'static str, frames: Vec<Vec<u8>>, evidence: Evidence) {
        let number = self.next();
        self.attacks.push(Attack { name: name.into(), number, from, frames, evidence });
    }

    fn address(&self, name: &str, family: u8) -> IpAddr {
        let workspace = self.topology.workspace(name);
        if family == 4 { workspace.address.into() } else { workspace.address6.into() }
    }

    fn mac(&self, name: &str) -> Mac {
        self.topology.workspace(name).mac
    }

    /// A datagram with the next attack's canary.
    fn datagram(&self, from: IpAddr, to: IpAddr, port: u16) -> Vec<u8> {
        ip(from, to, UDP, &udp(from, to, self.port(), port, &canary(self.next())))
    }

    fn syn(&self, from: IpAddr, to: IpAddr, port: u16) -> Vec<u8> {
        ip(from, to, TCP, &tcp_syn(from, to, self.port(), port, self.next(), &canary(self.next())))
    }

    fn ping(&self, from: IpAddr, to: IpAddr) -> Vec<u8> {
        let (protocol, message) = echo(from, to, &canary(self.next()));
        ip(from, to, protocol, &message)
    }

    /// A packet in a frame to the gateway, from the MAC address of a workspace.
    fn via_gateway(&self, from: &str, packet: &[u8]) -> Vec<u8> {
        let kind = if packet[0] >> 4 == 4 { IPV4 } else { IPV6 };
        ethernet(BRIDGE_MAC, self.mac(from), kind, packet)
    }

    fn udp_via_gateway(&mut self, name: impl Into<String>, from: &'static str, to: impl Into<IpAddr>, port: u16) {
        let to = to.into();
        let source = self.address(from, if to.is_ipv4() { 4 } else { 6 });
        let frame = self.via_gateway(from, &self.datagram(source, to, port));
        self.add(name, from, frame);
    }

    fn to_private_networks(&mut self, family: u8) {
        let (nas, tailnet, behind, router, denied): (IpAddr, IpAddr, IpAddr, IpAddr, IpAddr) = match family {
            4 => (NAS.into(), TAILNET.into(), BEHIND_VPN.into(), ROUTER.into(), DENIED.into()),
            _ => (NAS6.into(), TAILNET6.into(), BEHIND_VPN6.into(), "fd77::1".parse().unwrap(), DENIED6.into()),
        };
        let a = self.address("a", family);
        let c = self.address("c", family);
        let of = |text: &str| format!("{text}, IPv{family}");

        self.udp_via_gateway(of("H4: UDP to the LAN"), "a", nas, SINK);
        let frame = self.via_gateway("a", &self.syn(a, nas, SSH));
        self.add(of("H4: TCP to the LAN"), "a", frame);
        let frame = self.via_gateway("a", &self.ping(a, nas));
        self.add(of("H4: a ping to the LAN"), "a", frame);
        for (protocol, what) in
            [(132, "SCTP"), (33, "DCCP"), (47, "GRE"), (50, "ESP"), (41, "IPv6 in IP"), (4, "IP in IP")]
        {
            let frame = self.via_gateway("a", &ip(a, nas, protocol, &[vec![0; 12], canary(self.next())].concat()));
            self.add(of(&format!("H4: {what} to the LAN")), "a", frame);
        }
        self.udp_via_gateway(of("H12: DNS to the LAN's router"), "a", router, 53);
        self.udp_via_gateway(of("H6: to the tailnet"), "a", tailnet, SINK);
        self.udp_via_gateway(of("H6: by way of a VPN to the internet"), "a", behind, SINK);
        self.udp_via_gateway(of("H9: to a denied network"), "a", denied, SINK);

        // Beside the holes: another port, another protocol, another workspace.
        let frame = self.via_gateway("a", &self.syn(a, nas, NAS_HOLE + 1));
        self.add(of("hole: TCP to the next port"), "a", frame);
        self.udp_via_gateway(of("hole: UDP to the port"), "a", nas, NAS_HOLE);
        let frame = self.via_gateway("c", &self.syn(c, nas, NAS_HOLE));
        self.add(of("hole: somebody else's"), "c", frame);
        let frame = self.via_gateway("c", &self.syn(a, nas, NAS_HOLE));
        self.add(of("H5: hole: somebody else's, with their address"), "c", frame);
    }

    fn with_forged_sources(&mut self, family: u8) {
        let internet: IpAddr = if family == 4 { INTERNET.into() } else { INTERNET6.into() };
        let forged: [&str; 5] = match family {
            4 => ["192.168.1.50", "172.17.0.9", "100.64.0.50", "8.8.4.4", "10.20.0.200"],
            _ => ["fd77::50", "fd00::9", "fd7a:115c:a1e0::50", "2a00:44::4", "fd20::200"],
        };
        for text in forged {
            let source: IpAddr = text.parse().unwrap();
            let frame = self.via_gateway("a", &self.datagram(source, internet, SINK));
            self.add(format!("H5: from the address {text}"), "a", frame);
        }
        for victim in ["b", "c"] {
            let source = self.address(victim, family);
            let frame = self.via_gateway("a", &self.datagram(source, internet, SINK));
            self.add(format!("H5: from the IPv{family} address of {victim}"), "a", frame);
        }
        let own = self.address("a", family);
        let frame = ethernet(BRIDGE_MAC, nobody(self.next()), ethertype(own), &self.datagram(own, internet, SINK));
        self.add(format!("H5: from another MAC address, IPv{family}"), "a", frame);
        let gateway: IpAddr = if family == 4 { GATEWAY.into() } else { GATEWAY6.into() };
        let b = self.address("b", family);
        let frame = self.via_gateway("a", &self.ping(b, gateway));
        self.add(format!("H5: a ping that the gateway answers to b, IPv{family}"), "a", frame);
    }

    fn to_the_host(&mut self, family: u8) {
        let of = |text: &str| format!("{text}, IPv{family}");
        let a = self.address("a", family);
        let (gateway, others): (IpAddr, Vec<(&str, IpAddr)>) = match family {
            4 => (
                GATEWAY.into(),
                vec![
                    ("on the LAN", HOST_LAN.into()),
                    ("on the internet", HOST_PUBLIC.into()),
                    ("of Docker", HOST_DOCKER.into()),
                    ("on the tailnet", HOST_TAILNET.into()),
                    ("of its loopback", Ipv4Addr::LOCALHOST.into()),
                ],
            ),
            _ => (GATEWAY6.into(), vec![("on the LAN", HOST_LAN6.into()), ("on the tailnet", HOST_TAILNET6.into())]),
        };
        for (whose, address) in others {
            self.udp_via_gateway(of(&format!("H7: UDP to the host's address {whose}")), "a", address, SINK);
            let frame = self.via_gateway("a", &self.syn(a, address, SSH));
            self.add(of(&format!("H7: TCP to the host's address {whose}")), "a", frame);
            let frame = self.via_gateway("a", &self.ping(a, address));
            self.add(of(&format!("H7: a ping to the host's address {whose}")), "a", frame);
        }
        self.udp_via_gateway(of("H7: UDP to the gateway"), "a", gateway, SINK);
        let frame = self.via_gateway("a", &self.syn(a, gateway, SSH));
        self.add(of("H7: SSH to the gateway"), "a", frame);
        let on_lan: IpAddr = if family == 4 { HOST_LAN.into() } else { HOST_LAN6.into() };
        let frame = self.via_gateway("a", &self.syn(a, on_lan, HOST_HOLE));
        self.add(of("hole: into the host, somebody else's"), "a", frame);

        // The MAC address of the port is the host's too, and group addresses that bridges keep to themselves.
        let kind = ethertype(a);
        for (mac, what) in [(self.topology.host_mac_on_a, "of the port"), (NEAREST_BRIDGE, "of no bridge's business")] {
            let frame = ethernet(mac, self.mac("a"), kind, &self.datagram(a, on_lan, SINK));
            self.add(of(&format!("H7: to the host in a frame to the address {what}")), "a", frame);
        }
        if family == 4 {
            self.udp_via_gateway("H9: to a port of the host that is forwarded to the internet", "a", HOST_PUBLIC, 8081);
            self.udp_via_gateway("H9: to the internet, redirected to a service of the host", "a", INTERNET, 3129);
            for (to, mac) in [
                (Ipv4Addr::BROADCAST, BROADCAST),
                (Ipv4Addr::new(10, 20, 0, 255), BROADCAST),
                (Ipv4Addr::new(224, 0, 0, 1), [1, 0, 0x5e, 0, 0, 1]),
                (Ipv4Addr::new(10, 20, 0, 255), BRIDGE_MAC),
            ] {
                let frame = ethernet(mac, self.mac("a"), IPV4, &self.datagram(a, to.into(), SINK));
                self.add(format!("H9: to {to}, in a frame to {}", mac_text(mac)), "a", frame);
            }
        } else {
            let to = IpAddr::from(ALL_NODES);
            for mac in [ALL_NODES_MAC, BRIDGE_MAC] {
                let frame = ethernet(mac, self.mac("a"), IPV6, &self.datagram(a, to, SINK));
                self.add(format!("H9: to {to}, in a frame to {}", mac_text(mac)), "a", frame);
            }
            let own = IpAddr::from(link_local(BRIDGE_MAC));
            self.udp_via_gateway("H8: to the gateway's link-local address", "a", own, SINK);
            let from = IpAddr::from(self.topology.workspace("a").link_local());
            let frame = self.via_gateway("a", &self.datagram(from, own, SINK));
            self.add("H8: from link-local address to link-local address", "a", frame);
        }
    }

    fn to_other_workspaces(&mut self, family: u8) {
        let of = |text: &str| format!("{text}, IPv{family}");
        for (from, to) in [("a", "c"), ("c", "a"), ("a", "x"), ("b", "c")] {
            let (source, target) = (self.address(from, family), self.address(to, family));
            let frame = ethernet(self.mac(to), self.mac(from), ethertype(source), &self.datagram(source, target, SINK));
            self.add(of(&format!("H10: UDP from {from} to {to}")), from, frame);
            let frame = ethernet(self.mac(to), self.mac(from), ethertype(source), &self.syn(source, target, SSH));
            self.add(of(&format!("H10: TCP from {from} to {to}")), from, frame);
            self.udp_via_gateway(of(&format!("H4: UDP from {from} to {to} by way of the gateway")), from, target, SINK);
        }
        // Of a pair: with the address of a third one.
        let (c, b) = (self.address("c", family), self.address("b", family));
        let frame = ethernet(self.mac("b"), self.mac("a"), ethertype(c), &self.datagram(c, b, SINK));
        self.add(of("H5: to b from the address of c"), "a", frame);
        let a = self.address("a", family);
        let frame = ethernet(BROADCAST, self.mac("a"), ethertype(a), &self.datagram(a, b, SINK));
        self.add(of("H10: a broadcast to b"), "a", frame);
        let frame = ethernet([1, 0, 0x5e, 0, 0, 0xfb], self.mac("a"), ethertype(a), &self.datagram(a, b, 5353));
        self.add(of("H10: a multicast to b"), "a", frame);
    }

    fn by_other_ports(&mut self, family: u8) {
        let of = |text: &str| format!("{text}, IPv{family}");
        let (internet, gateway, nas): (IpAddr, IpAddr, IpAddr) = match family {
            4 => (INTERNET.into(), GATEWAY.into(), NAS.into()),
            _ => (INTERNET6.into(), GATEWAY6.into(), NAS6.into()),
        };
        let on_lan: IpAddr = if family == 4 { HOST_LAN.into() } else { HOST_LAN6.into() };
        self.udp_via_gateway(of("H14: to the internet by a port that nobody declared"), "x", internet, SINK);
        let x = self.address("x", family);
        let frame = self.via_gateway("x", &self.ping(x, gateway));
        self.add(of("H14: a ping to the gateway by a port that nobody declared"), "x", frame);
        let a = self.address("a", family);
        let frame = ethernet(BRIDGE_MAC, self.mac("a"), ethertype(a), &self.syn(a, nas, NAS_HOLE));
        self.add(of("H14: through the hole of a by a port that nobody declared"), "x", frame);
        let c = self.address("c", family);
        let frame = ethernet(self.mac("c"), self.mac("x"), ethertype(c), &self.datagram(x, c, SINK));
        self.add(of("H14: to c by a port that nobody declared"), "x", frame);

        let d = self.address("d", family);
        let to_host = self.topology.host_mac_on_d;
        let frame = ethernet(to_host, self.mac("d"), ethertype(d), &self.datagram(d, on_lan, SINK));
        self.add(of("H13: to the host by a port that is not in the bridge"), "d", frame);
        let frame = ethernet(to_host, self.mac("d"), ethertype(d), &self.datagram(d, internet, SINK));
        self.add(of("H13: to the internet by a port that is not in the bridge"), "d", frame);
        let frame = ethernet(to_host, self.mac("d"), ethertype(d), &self.datagram(d, nas, SINK));
        self.add(of("H13: to the LAN by a port that is not in the bridge"), "d", frame);
    }

    fn from_outside(&mut self, family: u8) {
        let of = |text: &str| format!("{text}, IPv{family}");
        let (nas, gateway): (IpAddr, IpAddr) =
            if family == 4 { (NAS.into(), GATEWAY.into()) } else { (NAS6.into(), GATEWAY6.into()) };
        let a = self.address("a", family);
        let c = self.address("c", family);
        let to_host = self.topology.host_mac_on_lan;
        let mut targets = vec![(a, "a"), (c, "c")];
        // Without IPv6 in the sandbox, an address of the host is not the gateway's.
        if family == 4 || self.topology.setting.ipv6 {
            targets.push((gateway, "the gateway"));
        }
        for (target, whose) in targets {
            let packet = self.datagram(nas, target, SINK);
            let frame = ethernet(to_host, self.topology.lan_mac, ethertype(nas), &packet);
            self.add(of(&format!("outside: UDP from the LAN to {whose}")), "lan", frame);
        }
        let packet = self.syn(nas, a, SSH);
        let frame = ethernet(to_host, self.topology.lan_mac, ethertype(nas), &packet);
        self.add(of("outside: TCP from the LAN to a"), "lan", frame);
    }

    fn to_reserved_addresses(&mut self) {
        for text in RESERVED.iter().chain(&RESERVED6) {
            let to: IpAddr = text.parse().unwrap();
            self.udp_via_gateway(format!("H9: to {text}"), "a", to, SINK);
        }
    }

    fn with_odd_packets(&mut self) {
        let a = self.topology.workspace("a").address;
        let a6 = self.topology.workspace("a").address6;
        // Two fragments, the second of which has no ports (RFC 791, 3.1: the offset counts 8 bytes).
        let number = self.next();
        let whole =
            udp(a.into(), NAS.into(), self.port(), SINK, &[canary(number), vec![0; 4], canary(number)].concat());
        let (first, second) = whole.split_at(24);
        let frames = [(0x2000, first), (3, second)]
            .map(|(fragment, part)| self.via_gateway("a", &ipv4(a, NAS, UDP, &[], fragment, part)));
        self.add_all("H4: fragments to the LAN", "a", frames.to_vec(), Evidence::Anywhere);
        let number = self.next();
        let whole =
            udp(a6.into(), NAS6.into(), self.port(), SINK, &[canary(number), vec![0; 4], canary(number)].concat());
        let (first, second) = whole.split_at(24);
        let frames = [([0, 1], first), ([0, 24], second)].map(|(offset, part)| {
            let header = [&[UDP, 0][..], &offset, &[0x42, 0x42, 0x42, 0x42], part].concat();
            self.via_gateway("a", &ipv6(a6, NAS6, 44, 64, &header))
        });
        self.add_all("H4: fragments to the LAN, IPv6", "a", frames.to_vec(), Evidence::Anywhere);
        // To the gateway, but first to the LAN (RFC 791, 3.1, loose source route).
        let route = [&[131, 7, 4][..], &NAS.octets()].concat();
        for port in [SINK, 53] {
            let datagram = udp(a.into(), GATEWAY.into(), self.port(), port, &canary(self.next()));
            let frame = self.via_gateway("a", &ipv4(a, GATEWAY, UDP, &route, 0, &datagram));
            self.add(format!("H9: a source route to the LAN, port {port}"), "a", frame);
        }
    }

    fn with_odd_frames(&mut self) {
        let (a, c) = (self.address("a", 4), self.address("c", 4));
        let internet = IpAddr::from(INTERNET);
        for victim in ["b", "c"] {
            let (to, target) = (self.mac(victim), self.address(victim, 4));
            for (kind, what) in [
                (0x88b5, "an experimental ethertype"),
                (0x8847, "MPLS"),
                (0x8863, "PPPoE"),
                (0x888e, "802.1X"),
                (0x22f0, "AVTP"),
            ] {
                let frame = ethernet(to, self.mac("a"), kind, &canary(self.next()));
                self.add(format!("H10: {what} to {victim}"), "a", frame);
            }
            for (tag, vlan) in [(0x8100, 5), (0x8100, 0), (0x88a8, 5)] {
                let inner = ethernet(to, self.mac("a"), IPV4, &self.datagram(a, target, SINK));
                self.add(format!("H10: VLAN {vlan} ({tag:04x}) to {victim}"), "a", tagged(&inner, tag, vlan));
            }
            let twice = ethernet(to, self.mac("a"), IPV4, &self.datagram(a, target, SINK));
            self.add(format!("H10: two VLAN tags to {victim}"), "a", tagged(&tagged(&twice, 0x8100, 7), 0x88a8, 5));
        }
        // A priority tag (VLAN 0) is none to the host.
        for (source, what) in [(c, "the address of c"), (IpAddr::from([8, 8, 4, 4]), "a forged address")] {
            let inner = self.via_gateway("a", &self.datagram(source, internet, SINK));
            self.add(format!("H10: a priority tag and {what}"), "a", tagged(&inner, 0x8100, 0));
        }
        // Without an ethertype: a length, and LLC (IEEE 802.3, 3.2.6).
        let llc = [&[0x42, 0x42, 3][..], &canary(self.next())].concat();
        self.add("H10: a spanning tree message", "a", ethernet(SPANNING_TREE, self.mac("a"), llc.len() as u16, &llc));
        let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &self.datagram(a, c, SINK)].concat();
        let frame = ethernet(self.mac("c"), self.mac("a"), snap.len() as u16, &snap);
        self.add("H10: IP in LLC to c", "a", frame);
        // A DHCP server for the others (RFC 2131).
        for source in [a, GATEWAY.into()] {
            let to = IpAddr::from(Ipv4Addr::BROADCAST);
            let offer = ip(source, to, UDP, &udp(source, to, 67, 68, &canary(self.next())));
            let frame = ethernet(BROADCAST, self.mac("a"), IPV4, &offer);
            self.add(format!("H10: a DHCP offer from {source}"), "a", frame);
        }
    }

    /// A frame with an ARP message and the next attack's canary as its padding.
    fn arp(&self, to: Mac, from: Mac, message: Arp) -> Vec<u8> {
        ethernet(to, from, ARP, &[message.bytes(), canary(self.next())].concat())
    }

    fn against_arp(&mut self) {
        let (mac, own) = (self.mac("a"), self.topology.workspace("a").address);
        let nobody_yet = ([0; 6], GATEWAY);
        // To the others.
        for (whose, claimed) in [("the gateway", GATEWAY), ("c", self.topology.workspace("c").address)] {
            for operation in [1, 2] {
                let message = Arp { operation, sender: (mac, claimed), target: ([0; 6], claimed) };
                let frame = self.arp(BROADCAST, mac, message);
                self.add(format!("H10: to all: a has the address of {whose} (ARP {operation})"), "a", frame);
            }
        }
        let message =
            Arp { operation: 2, sender: (mac, GATEWAY), target: (self.mac("b"), Ipv4Addr::new(10, 20, 0, 11)) };
        let frame = self.arp(self.mac("b"), mac, message);
        self.add("H10: to b: a is the gateway (ARP)", "a", frame);
        let frame = self.arp(self.mac("b"), mac, Arp { operation: 1, ..message });
        self.add("H10: to b: a is the gateway, who asks (ARP)", "a", frame);
        let message = Arp { operation: 1, sender: (mac, own), target: ([0; 6], self.topology.workspace("c").address) };
        let frame = self.arp(BROADCAST, mac, message);
        self.add("H10: who has the address of c (ARP)", "a", frame);
        let frame = self.arp(BROADCAST, mac, Arp { operation: 8, sender: (mac, own), target: nobody_yet });
        self.add("H10: inverse ARP", "a", frame);
        // The host's other addresses.
        let c = self.topology.workspace("c");
        let frame = self.arp(BROADCAST, c.mac, Arp { operation: 1, sender: (c.mac, c.address), target: nobody_yet });
        self.add("H10: a question of c to the gateway that others see (ARP)", "c", frame);
        for (from, address, to) in [
            ("a", HOST_LAN, BROADCAST),
            ("a", HOST_TAILNET, BRIDGE_MAC),
            ("a", HOST_DOCKER, NEAREST_BRIDGE),
            ("b", HOST_DOCKER, NEAREST_BRIDGE),
            ("c", HOST_DOCKER, NEAREST_BRIDGE),
        ] {
            let (mac, own) = (self.mac(from), self.topology.workspace(from).address);
            let frame = self.arp(to, mac, Arp { operation: 1, sender: (mac, own), target: ([0; 6], address) });
            let name = format!("H7: {from} asks who has {address}, in a frame to {} (ARP)", mac_text(to));
            self.add_all(name, from, vec![frame], Evidence::ArpReply(address));
        }
        let d = self.topology.workspace("d");
        let question = Arp { operation: 1, sender: (d.mac, d.address), target: ([0; 6], HOST_PUBLIC) };
        let frame = self.arp(BROADCAST, d.mac, question);
        let name = format!("H13: who has {HOST_PUBLIC}, by a port that is not in the bridge (ARP)");
        self.add_all(name, "d", vec![frame], Evidence::ArpReply(HOST_PUBLIC));
        // The host's table of neighbours.
        let claims = [
            ("asks as", 1, mac, mac, BROADCAST),
            ("asks the gateway as", 1, mac, mac, BRIDGE_MAC),
            ("answers as", 2, mac, mac, BRIDGE_MAC),
            ("says to all to be", 2, mac, mac, BROADCAST),
        ];
        for (index, (what, operation, sender, source, to)) in claims.into_iter().enumerate() {
            let claimed = victim4(index as u8);
            let frame = self.arp(to, source, Arp { operation, sender: (sender, claimed), target: nobody_yet });
            self.add_all(format!("H10: a {what} {claimed} (ARP)"), "a", vec![frame], Evidence::Moved(claimed.into()));
        }
        let c = self.topology.workspace("c").address;
        let lie = Arp { operation: 1, sender: (nobody(self.next()), c), target: nobody_yet };
        let frame = self.arp(BRIDGE_MAC, self.mac("c"), lie);
        self.add_all(
            "H10: c has another MAC address in ARP than in the frame",
            "c",
            vec![frame],
            Evidence::Moved(c.into()),
        );
        let lie = Arp { operation: 1, sender: (nobody(self.next()), own), target: nobody_yet };
        let frame = self.arp(BRIDGE_MAC, lie.sender.0, lie);
        self.add_all("H10: a has another MAC address in ARP and frame", "a", vec![frame], Evidence::Moved(own.into()));
    }

    fn against_neighbour_discovery(&mut self) {
        let a = self.topology.workspace("a");
        let (mac, own, local) = (a.mac, a.address6, a.link_local());
        let c = self.topology.workspace("c");
        let (c_mac, c_own) = (c.mac, c.address6);
        let gateway = GATEWAY6;
        let frame = |to: Mac, from: Mac, packet: Vec<u8>| ethernet(to, from, IPV6, &packet);
        let message = |from: Ipv6Addr, to: Ipv6Addr, kind: u8, body: &[u8]| {
            ipv6(from, to, ICMPV6, 255, &icmpv6(from.into(), to.into(), kind, body))
        };
        // RFC 4861, 4.3 and 4.4: flags, the target, options.
        let solicit = |target: Ipv6Addr, options: &[u8]| [&[0; 4][..], &target.octets(), options].concat();
        let advert = |target: Ipv6Addr, options: &[u8]| [&[0x20, 0, 0, 0][..], &target.octets(), options].concat();
        let source_is = |mac: Mac| nd_option(1, &mac);
        let target_is = |mac: Mac| nd_option(2, &mac);
        let marked = |number: u32| nd_option(253, &canary(number)); // RFC 4727: for experiments

        // To the others: a canary in an option that they pass over.
        for (whose, claimed, from) in
            [("the gateway", gateway, gateway), ("c", c_own, c_own), ("the gateway", gateway, own)]
        {
            let options = [target_is(mac), marked(self.next())].concat();
            let packet = message(from, ALL_NODES, 136, &advert(claimed, &options));
            self.add(
                format!("H10: to all: a has the address of {whose}, from {from} (ND)"),
                "a",
                frame(ALL_NODES_MAC, mac, packet),
            );
        }
        // RFC 4861, 4.2: hop limit, flags, lifetimes; and a default route for half an hour.
        let advertisement =
            |number: u32| [&[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], &source_is(mac), &marked(number)].concat();
        let packet = message(local, ALL_NODES, 134, &advertisement(self.next()));
        self.add("H8: a router advertisement to the others", "a", frame(ALL_NODES_MAC, mac, packet));
        let packet = message(local, ALL_NODES, 134, &advertisement(self.next()));
        self.add_all(
            "H8: a router advertisement to the host",
            "a",
            vec![frame(BRIDGE_MAC, mac, packet)],
            Evidence::Route,
        );
        let packet = message(own, self.topology.workspace("b").address6, 134, &advertisement(self.next()));
        self.add("H8: a router advertisement to b from a's global address", "a", frame(self.mac("b"), mac, packet));
        let redirect = [&[0; 4][..], &own.octets(), &INTERNET6.octets(), &marked(self.next())].concat();
        let packet = message(local, self.topology.workspace("b").link_local(), 137, &redirect);
        self.add("H10: a redirect to b", "a", frame(self.mac("b"), mac, packet));
        let report = [&[0, 0, 0, 0][..], &marked(self.next())].concat();
        let packet = message(local, ALL_NODES, 143, &report);
        self.add("H10: a multicast listener report to all", "a", frame(ALL_NODES_MAC, mac, packet));

        // The host's table of neighbours.
        let forged = nobody(self.next());
        let claims: [(&str, &'static str, Mac, Vec<u8>, Ipv6Addr); 9] = [
            (
                "a asks as somebody else",
                "a",
                mac,
                message(victim6(0), gateway, 135, &solicit(gateway, &source_is(mac))),
                victim6(0),
            ),
            (
                "a answers as somebody else",
                "a",
                mac,
                message(victim6(1), gateway, 136, &advert(victim6(1), &target_is(mac))),
                victim6(1),
            ),
            (
                "a answers for somebody else",
                "a",
                mac,
                message(own, gateway, 136, &advert(victim6(2), &target_is(mac))),
                victim6(2),
            ),
            (
                "a answers for somebody else from its link-local address",
                "a",
                mac,
                message(local, gateway, 136, &advert(victim6(3), &target_is(mac))),
                victim6(3),
            ),
            (
                "a asks with a nonce before another MAC address",
                "a",
                mac,
                message(own, gateway, 135, &solicit(gateway, &[nd_option(14, &[7; 6]), source_is(forged)].concat())),
                own,
            ),
            (
                "c asks with another MAC address",
                "c",
                c_mac,
                message(c_own, gateway, 135, &solicit(gateway, &source_is(forged))),
                c_own,
            ),
            (
                "b answers with another MAC address",
                "b",
                self.mac("b"),
                message(
                    self.topology.workspace("b").address6,
                    gateway,
                    136,
                    &advert(self.topology.workspace("b").address6, &target_is(forged)),
                ),
                self.topology.workspace("b").address6,
            ),
            (
                "a asks as another link-local address",
                "a",
                mac,
                message(link_local(forged), gateway, 135, &solicit(gateway, &source_is(mac))),
                link_local(forged),
            ),
            (
                "a asks from another MAC address",
                "a",
                forged,
                message(local, gateway, 135, &solicit(gateway, &source_is(forged))),
                local,
            ),
        ];
        for (what, from, source, packet, moved) in claims {
            self.add_all(
                format!("H10: {what} (ND)"),
                from,
                vec![frame(BRIDGE_MAC, source, packet)],
                Evidence::Moved(moved.into()),
            );
        }
        // A neighbour solicitation that the gateway is to forward.
        let target = c_own;
        let body = solicit(target, &source_is(mac));
        let body = [&body[..20], &nd_option(1, &canary(self.next())[..6]), &marked(self.next())].concat();
        let packet = message(own, target, 135, &body);
        self.add("H4: a solicitation to c by way of the gateway (ND)", "a", frame(BRIDGE_MAC, mac, packet));
    }

    /// The bridge learns where a MAC address is from what is sent from it. This one comes last, since others suffer.
    fn against_the_forwarding_table(&mut self) {
        let own = self.address("a", 4);
        let frame = ethernet(BRIDGE_MAC, self.mac("c"), IPV4, &self.datagram(own, INTERNET.into(), SINK));
        self.add_all(
            "H10: a sends from the MAC address of c, to get what is sent to it",
            "a",
            vec![frame],
            Evidence::Intercepted,
        );
    }
}

/// The addresses whose entries in the host's table of neighbours must not change, with what they are before.
pub fn neighbours(topology: &Topology) -> Vec<(IpAddr, Mac)> {
    let unmoved = [2, 0x55, 0, 0, 0, 0];
    let mut entries: Vec<(IpAddr, Mac)> = (0..8).map(|index| (victim4(index).into(), unmoved)).collect();
    entries.extend((0..8).map(|index| (victim6(index).into(), unmoved)));
    for workspace in &topology.workspaces[..3] {
        entries.push((workspace.address.into(), workspace.mac));
        entries.push((workspace.address6.into(), workspace.mac));
        entries.push((workspace.link_local().into(), workspace.mac));
    }
    entries
}

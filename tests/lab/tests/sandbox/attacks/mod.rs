//! The attacks: frames of somebody who may send what they like, and by what it would be seen that they get through.

mod forged;
mod neighbours;
mod reach;
mod switching;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bulkhead_lab::frame::{
    ARP, Arp, BROADCAST, ICMPV6, IPV4, IPV6, Mac, TCP, UDP, canary, echo, ethernet, ethertype, icmpv6, ip, ipv4, ipv6,
    nd_option, tagged, tcp_syn, udp, unreachable,
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

impl Attack {
    /// Whether the host has to do something, or to be asked at once, for it to be seen.
    pub fn needs_the_host(&self) -> bool {
        use Evidence::{Intercepted, Learned, Overheard, Reported};
        matches!(self.evidence, Intercepted | Learned(..) | Overheard(_) | Reported(..))
    }
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
    /// The bridge believes that this MAC address is behind the port.
    Learned(Mac, &'static str),
    /// The host sends a canary to this MAC address while the bridge does not know where it is, and the attacker gets it.
    Overheard(Mac),
    /// The host is told of an error of its own connection, from this port to that address.
    Reported(u16, IpAddr),
}

/// What the attacks of one run have in common.
pub struct Attacks<'a> {
    topology: &'a Topology,
    run: u32,
    attacks: Vec<Attack>,
}

/// MAC addresses that nobody has, one for each attack of each run: the bridge remembers those of earlier runs.
fn nobody(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    [2, 0x66, a, b, c, d]
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
const NEAREST_BRIDGE: Mac = reserved_group(0x0e);
/// Another one, which a bridge keeps to itself in any case: that of link aggregation (IEEE 802.1AX).
const AGGREGATION: Mac = reserved_group(2);
const SPANNING_TREE: Mac = reserved_group(0);

/// The group addresses that are for bridges themselves (IEEE 802.1Q, table 8-1).
const fn reserved_group(last: u8) -> Mac {
    [1, 0x80, 0xc2, 0, 0, last]
}

impl<'a> Attacks<'a> {
    /// All attacks, with numbers and source ports that no other run has.
    pub fn all(topology: &'a Topology, run: u32) -> Vec<Attack> {
        let mut attacks = Self { topology, run, attacks: Vec::new() };
        for family in [4, 6] {
            attacks.private_networks(family);
            attacks.forged_sources(family);
            attacks.the_host(family);
            attacks.other_workspaces(family);
            attacks.other_ports(family);
            attacks.outsiders(family);
        }
        attacks.reserved_addresses();
        attacks.odd_packets();
        attacks.odd_frames();
        attacks.arp_lies();
        attacks.neighbour_lies();
        attacks.neighbour_lies_in_fragments();
        attacks.reserved_groups();
        attacks.eavesdropping();
        for family in [4, 6] {
            attacks.lies_about_connections(family);
        }
        attacks.stolen_mac();
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

    /// A frame with an ARP message and the next attack's canary as its padding.
    fn arp(&self, to: Mac, from: Mac, message: Arp) -> Vec<u8> {
        ethernet(to, from, ARP, &[message.bytes(), canary(self.next())].concat())
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

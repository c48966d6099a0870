//! The attacks: what a service, the VPN container itself, somebody on the LAN, on the tailnet or at the far end of the
//! tunnel may send, as they like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};

use bulkhead_lab::frame::{
    ARP, Arp, BROADCAST, ICMPV6, IPV4, IPV6, Mac, TCP, UDP, canary, echo, ethernet, ethertype, icmpv6, ip, ipv4, ipv6,
    nd_option, tagged, tcp_syn, udp, unreachable,
};

use crate::world::*;

/// One attack.
pub struct Attack {
    pub name: String,
    /// The number of its canary.
    pub number: u32,
    /// A container, `lan` or `far`, the far end of the tunnel.
    pub from: &'static str,
    pub frames: Vec<Vec<u8>>,
    /// Where its canary may be seen.
    pub allowed: &'static [&'static str],
    pub evidence: Evidence,
}

/// By what it is known that an attack has succeeded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Evidence {
    /// Its canary is seen where it may not, or the attacker's connection is answered.
    Anywhere,
    /// Somebody believes that this address, which had another MAC address, has moved.
    Moved(&'static str, IpAddr),
    /// The bridge believes that this MAC address is behind the port.
    Learned(Mac, &'static str),
    /// The host sends a canary to this MAC address while the bridge does not know where it is, and the attacker gets it.
    Overheard(Mac),
}

impl Attack {
    /// Whether it is seen where its frames are, and changes nothing that others believe.
    pub fn is_plain(&self) -> bool {
        self.evidence == Evidence::Anywhere
    }
}

pub struct Attacks<'a> {
    pub world: &'a World,
    run: u32,
    attacks: Vec<Attack>,
}

pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
pub const ALL_NODES_MAC: Mac = [0x33, 0x33, 0, 0, 0, 1];

/// What a container believes before: addresses that attacks claim, by who believes it.
pub fn beliefs() -> Vec<(&'static str, IpAddr, Mac)> {
    let of = |who: &'static str, name: &str| (who, IpAddr::from(numbered(name).1), numbered(name).0);
    vec![
        of("host", "vpn"),
        of("host", "torrent"),
        of("vpn", "torrent"),
        of("torrent", "vpn"),
        ("vpn", HOST.into(), BRIDGE_MAC),
        ("torrent", HOST.into(), BRIDGE_MAC),
    ]
}

impl<'a> Attacks<'a> {
    /// All attacks, with numbers and source ports that no other run has.
    pub fn all(world: &'a World, run: u32) -> Vec<Attack> {
        let mut it = Self { world, run, attacks: Vec::new() };
        it.around_the_tunnel();
        it.around_the_tunnel_by_name();
        it.the_host();
        it.as_somebody_else();
        it.through_the_vpn();
        it.siblings();
        it.lies();
        it.lies_to_the_bridge();
        it.without_ipv4();
        it.by_a_port_that_nobody_declared();
        it.the_vpn_container();
        it.as_a_router();
        it.questions();
        it.outsiders();
        it.the_far_end();
        it.unusual();
        it.attacks
    }

    /// What services send in good faith, which must not be seen but in the tunnel.
    pub fn traffic(world: &'a World, run: u32) -> Vec<Attack> {
        let mut it = Self { world, run, attacks: Vec::new() };
        // What is answered comes back.
        let allowed: [&'static [&'static str]; 2] = [&["vpn", "tunnel", "torrent"], &["vpn", "tunnel", "search"]];
        for (from, allowed) in ["torrent", "search"].into_iter().zip(allowed) {
            for (to, port) in [(INTERNET, ECHO), (INTERNET, 53), (NAS, SINK), (Ipv4Addr::new(1, 1, 1, 1), 53)] {
                let frame = it.to_vpn(from, &it.datagram(it.own(from), to.into(), port));
                it.push(format!("{from}'s own traffic to {to}, port {port}"), from, vec![frame], allowed);
            }
            let frame = it.to_vpn(from, &it.datagram(it.own(from), numbered("vpn").1.into(), 53));
            it.push(format!("{from} asks for a name"), from, vec![frame], allowed);
        }
        it.attacks
    }

    /// A datagram to what answers in the internet, with a number that no attack has.
    pub fn marker(world: &World) -> (Attack, u32) {
        static MARKERS: AtomicU32 = AtomicU32::new(0);
        let mut it =
            Attacks { world, run: 0xf_f000 + MARKERS.fetch_add(1, Ordering::Relaxed) % 0xf00, attacks: Vec::new() };
        let frame = it.to_vpn("torrent", &it.datagram(it.own("torrent"), INTERNET.into(), ECHO));
        it.add("a marker", "torrent", frame);
        let marker = it.attacks.remove(0);
        let number = marker.number;
        (marker, number)
    }

    pub fn next(&self) -> u32 {
        self.run << 12 | self.attacks.len() as u32
    }

    pub fn port(&self) -> u16 {
        20_000 + ((self.run * 512 + self.attacks.len() as u32) % 40_000) as u16
    }

    pub fn own(&self, name: &str) -> IpAddr {
        address_of(name, 4)
    }

    pub fn mac(&self, name: &str) -> Mac {
        self.world.container(name).mac
    }

    pub fn push(
        &mut self,
        name: impl Into<String>,
        from: &'static str,
        frames: Vec<Vec<u8>>,
        allowed: &'static [&'static str],
    ) {
        let number = self.next();
        self.attacks.push(Attack { name: name.into(), number, from, frames, allowed, evidence: Evidence::Anywhere });
    }

    pub fn add(&mut self, name: impl Into<String>, from: &'static str, frame: Vec<u8>) {
        self.push(name, from, vec![frame], &[]);
    }

    pub fn claim(&mut self, name: impl Into<String>, from: &'static str, frame: Vec<u8>, evidence: Evidence) {
        let number = self.next();
        self.attacks.push(Attack { name: name.into(), number, from, frames: vec![frame], allowed: &[], evidence });
    }

    pub fn datagram(&self, from: IpAddr, to: IpAddr, port: u16) -> Vec<u8> {
        ip(from, to, UDP, &udp(from, to, self.port(), port, &canary(self.next())))
    }

    pub fn syn(&self, from: IpAddr, to: IpAddr, port: u16) -> Vec<u8> {
        ip(from, to, TCP, &tcp_syn(from, to, self.port(), port, self.next(), &canary(self.next())))
    }

    pub fn ping(&self, from: IpAddr, to: IpAddr) -> Vec<u8> {
        let (protocol, message) = echo(from, to, &canary(self.next()));
        ip(from, to, protocol, &message)
    }

    pub fn frame(&self, to: Mac, from: Mac, packet: &[u8]) -> Vec<u8> {
        let kind = if packet[0] >> 4 == 4 { IPV4 } else { IPV6 };
        ethernet(to, from, kind, packet)
    }

    pub fn to_host_mac(&self, from: &str, packet: &[u8]) -> Vec<u8> {
        self.frame(BRIDGE_MAC, self.mac(from), packet)
    }

    pub fn to_vpn(&self, from: &str, packet: &[u8]) -> Vec<u8> {
        self.frame(self.mac("vpn"), self.mac(from), packet)
    }

    /// The host as a gateway, for everything that goes past the tunnel.
    fn around_the_tunnel(&mut self) {
        let a = self.own("search");
        for (to, port, what) in [
            (INTERNET, SINK, "the internet"),
            (INTERNET, 53, "a resolver of the internet"),
            (NAS, SINK, "the LAN"),
            (ROUTER, 53, "the LAN's resolver"),
            (TAILNET, SINK, "the tailnet"),
            (PIA, 443, "the provider"),
            (SERVERS[0], KEYS, "the provider's WireGuard"),
            (Ipv4Addr::new(169, 254, 169, 254), 80, "the metadata service"),
            (Ipv4Addr::new(172, 17, 0, 9), SINK, "Docker"),
            (Ipv4Addr::new(8, 8, 8, 8), 53, "a public resolver"),
        ] {
            let frame = self.to_host_mac("search", &self.datagram(a, to.into(), port));
            self.add(format!("by way of the host: UDP to {what}"), "search", frame);
        }
        for (to, port) in [(INTERNET, HTTP), (NAS, SSH), (TAILNET, SSH), (PIA, 443), (SERVERS[0], KEYS)] {
            let frame = self.to_host_mac("search", &self.syn(a, to.into(), port));
            self.add(format!("by way of the host: TCP to {to}, port {port}"), "search", frame);
        }
        for to in [INTERNET, NAS, TAILNET] {
            let frame = self.to_host_mac("search", &self.ping(a, to.into()));
            self.add(format!("by way of the host: a ping to {to}"), "search", frame);
        }
        for (protocol, what) in [
            (132, "SCTP"),
            (33, "DCCP"),
            (47, "GRE"),
            (50, "ESP"),
            (41, "IPv6 in IP"),
            (4, "IP in IP"),
            (136, "UDP-Lite"),
        ] {
            let packet = ip(a, INTERNET.into(), protocol, &[vec![0; 12], canary(self.next())].concat());
            let frame = self.to_host_mac("search", &packet);
            self.add(format!("by way of the host: {what} to the internet"), "search", frame);
        }
        let number = self.next();
        let own = self.world.container("search").address;
        let whole = udp(a, INTERNET.into(), self.port(), SINK, &[canary(number), vec![0; 4], canary(number)].concat());
        let (first, second) = whole.split_at(24);
        let frames = [(0x2000, first), (3, second)]
            .map(|(at, part)| self.to_host_mac("search", &ipv4(own, INTERNET, UDP, &[], at, part)));
        self.push("by way of the host: fragments to the internet", "search", frames.to_vec(), &[]);
        let (protocol, message) = unreachable(a, INTERNET.into(), &self.datagram(INTERNET.into(), a, 1));
        let frame = self.to_host_mac("search", &ip(a, INTERNET.into(), protocol, &message));
        self.add("by way of the host: an ICMP error to the internet", "search", frame);
        let route = [&[131, 7, 4][..], &INTERNET.octets()].concat();
        let datagram = udp(a, HOST.into(), self.port(), SINK, &canary(self.next()));
        let frame = self.to_host_mac("search", &ipv4(own, HOST, UDP, &route, 0, &datagram));
        self.add("by way of the host: a source route", "search", frame);
    }

    /// Other names of the host's end on the wire.
    fn around_the_tunnel_by_name(&mut self) {
        let a = self.own("search");
        for last in (0..16).filter(|last| *last != 1) {
            let group = [1, 0x80, 0xc2, 0, 0, last];
            let frame = self.frame(group, self.mac("search"), &self.datagram(a, HOST_LAN.into(), SINK));
            self.add(format!("to the host in a frame to {}", mac_text(group)), "search", frame);
        }
        for (tag, vlan) in [(0x8100, 5), (0x8100, 0), (0x88a8, 5)] {
            let inner = self.to_host_mac("search", &self.datagram(self.own("torrent"), INTERNET.into(), SINK));
            let frame = tagged(&inner, tag, vlan);
            if vlan == 0 {
                self.add("by way of the host: a priority tag and somebody else's address", "search", frame);
                continue;
            }
            let inner =
                self.frame(self.mac("torrent"), self.mac("search"), &self.datagram(a, self.own("torrent"), SINK));
            let frame = tagged(&inner, tag, vlan);
            self.add(format!("VLAN {vlan} ({tag:04x}) to torrent"), "search", frame);
        }
    }

    fn the_host(&mut self) {
        for from in ["search", "torrent"] {
            let a = self.own(from);
            for to in [HOST, HOST_LAN, HOST_TAILNET, HOST_DOCKER, Ipv4Addr::LOCALHOST] {
                let frame = self.to_host_mac(from, &self.datagram(a, to.into(), SINK));
                self.add(format!("the host: UDP from {from} to {to}"), from, frame);
                let frame = self.to_host_mac(from, &self.syn(a, to.into(), SSH));
                self.add(format!("the host: SSH from {from} to {to}"), from, frame);
            }
            let frame = self.to_host_mac(from, &self.syn(a, HOST.into(), PROXY));
            self.add(format!("the proxy: from {from}"), from, frame);
            let frame = self.to_host_mac(from, &self.ping(a, HOST.into()));
            self.add(format!("the host: a ping from {from}"), from, frame);
            let frame = self.frame(BROADCAST, self.mac(from), &self.datagram(a, Ipv4Addr::BROADCAST.into(), SINK));
            self.add(format!("the host: a broadcast from {from}"), from, frame);
        }
    }

    fn as_somebody_else(&mut self) {
        for from in ["search", "torrent"] {
            let (vpn, mac) = (self.own("vpn"), self.mac("vpn"));
            // The answer of a proxy that believes it comes to whoever has the MAC address now.
            let frame = self.frame(BRIDGE_MAC, mac, &self.syn(vpn, HOST.into(), PROXY));
            self.add(format!("the proxy: {from} as vpn, with its MAC address"), from, frame);
            let frame = self.to_host_mac(from, &self.syn(vpn, HOST.into(), PROXY));
            self.push(format!("the proxy: {from} as vpn"), from, vec![frame], &[]);
            let frame = ethernet(BROADCAST, mac, 0x88b5, &canary(self.next()));
            let port = if from == "search" { "vb-search" } else { "vb-torrent" };
            self.claim(format!("{from} has the MAC address of vpn"), from, frame, Evidence::Learned(mac, port));
            let frame = ethernet([1, 0x80, 0xc2, 0, 0, 0x0e], mac, 0x88cc, &canary(self.next()));
            self.claim(
                format!("{from} has the MAC address of vpn, in a frame for bridges"),
                from,
                frame,
                Evidence::Learned(mac, port),
            );
        }
        for (source, what) in [
            ("10.73.0.2", "vpn"),
            ("10.73.0.3", "torrent"),
            ("10.73.0.77", "nobody"),
            ("192.168.1.50", "the LAN"),
            ("172.17.0.9", "Docker"),
            ("8.8.4.4", "the internet"),
        ] {
            let Ok(source) = source.parse::<Ipv4Addr>() else { continue };
            let frame = self.to_host_mac("search", &self.datagram(source.into(), INTERNET.into(), SINK));
            self.add(format!("by way of the host: with an address of {what}"), "search", frame);
        }
        let frame =
            self.frame(BRIDGE_MAC, [2, 0x66, 0, 0, 0, 1], &self.datagram(self.own("search"), INTERNET.into(), SINK));
        self.add("by way of the host: from another MAC address", "search", frame);
    }

    fn through_the_vpn(&mut self) {
        // Out through the tunnel with an address that is not one's own.
        for (source, what) in [("10.73.0.3", "torrent"), ("192.168.1.50", "the LAN"), ("8.8.4.4", "the internet")] {
            let Ok(source) = source.parse::<Ipv4Addr>() else { continue };
            let frame = self.to_vpn("search", &self.datagram(source.into(), INTERNET.into(), SINK));
            self.add(format!("through the tunnel with an address of {what}"), "search", frame);
        }
        // Back to the bridge by way of the VPN container.
        for (to, what) in [(HOST, "the host"), (numbered("torrent").1, "torrent")] {
            let frame = self.to_vpn("search", &self.datagram(self.own("search"), to.into(), SINK));
            self.push(format!("by way of vpn: UDP to {what}"), "search", vec![frame], &["vpn"]);
        }
        if self.world.br_netfilter {
            let frame = self.to_vpn("search", &self.datagram(self.own("search"), INTERNET.into(), 3129));
            let name = "through the tunnel, redirected to a service of the host";
            // Nobody listens at that port of the internet, which the sender is told.
            self.push(name, "search", vec![frame], &["vpn", "tunnel", "search"]);
        }
        let frame = self.to_vpn("search", &self.datagram(self.own("search"), self.own("vpn"), SINK));
        self.push("vpn itself: UDP", "search", vec![frame], &["vpn"]);
        let frame = self.to_vpn("search", &self.syn(self.own("search"), self.own("vpn"), SSH));
        self.push("vpn itself: SSH", "search", vec![frame], &["vpn"]);
    }

    fn siblings(&mut self) {
        for (from, to) in [("search", "torrent"), ("torrent", "search")] {
            let (a, b) = (self.own(from), self.own(to));
            let frame = self.frame(self.mac(to), self.mac(from), &self.datagram(a, b, SINK));
            self.add(format!("{from} to {to}: UDP"), from, frame);
            let frame = self.frame(self.mac(to), self.mac(from), &self.syn(a, b, SSH));
            self.add(format!("{from} to {to}: SSH"), from, frame);
            let frame = self.frame(BROADCAST, self.mac(from), &self.datagram(a, b, SINK));
            self.add(format!("{from} to {to}: a broadcast"), from, frame);
            let frame = self.frame([1, 0, 0x5e, 0, 0, 0xfb], self.mac(from), &self.datagram(a, b, 5353));
            self.add(format!("{from} to {to}: a multicast"), from, frame);
            let frame = ethernet(self.mac(to), self.mac(from), 0x8863, &canary(self.next()));
            self.add(format!("{from} to {to}: PPPoE"), from, frame);
            let vpn = self.own("vpn");
            let frame = self.frame(self.mac(to), self.mac(from), &self.datagram(vpn, b, SINK));
            self.add(format!("{from} to {to} as vpn"), from, frame);
            let frame = self.frame(self.mac(to), self.mac("vpn"), &self.datagram(INTERNET.into(), b, SINK));
            self.add(format!("{from} to {to} as vpn, from the internet"), from, frame);
            let source = if to == "torrent" { a } else { b };
            let frame = self.to_host_mac(from, &self.datagram(source, b, SINK));
            self.add(format!("{from} to {to} by way of the host"), from, frame);
        }
    }

    fn lies(&mut self) {
        let arp = |to: Mac, from: Mac, message: Arp| ethernet(to, from, ARP, &message.bytes());
        let mac = self.mac("search");
        let name_of = |address: Ipv4Addr| if address == HOST { "the host" } else { "vpn" };
        for (victim, claimed) in [("host", numbered("vpn").1), ("host", numbered("torrent").1)] {
            let message = Arp { operation: 1, sender: (mac, claimed), target: ([0; 6], HOST) };
            let frame = arp(BRIDGE_MAC, mac, message);
            self.claim(
                format!("to the {victim}: search has {claimed}"),
                "search",
                frame,
                Evidence::Moved("host", claimed.into()),
            );
        }
        for claimed in [numbered("vpn").1, HOST] {
            let torrent = numbered("torrent");
            let message = Arp { operation: 1, sender: (mac, claimed), target: ([0; 6], torrent.1) };
            let frame = arp(torrent.0, mac, message);
            self.claim(
                format!("to torrent: search is {}", name_of(claimed)),
                "search",
                frame,
                Evidence::Moved("torrent", claimed.into()),
            );
        }
        for claimed in [numbered("torrent").1, HOST] {
            let vpn = numbered("vpn");
            let message = Arp { operation: 1, sender: (mac, claimed), target: ([0; 6], vpn.1) };
            let frame = arp(vpn.0, mac, message);
            self.claim(format!("to vpn: search is {claimed}"), "search", frame, Evidence::Moved("vpn", claimed.into()));
        }
    }

    fn lies_to_the_bridge(&mut self) {
        for (from, port) in [("search", "vb-search"), ("torrent", "vb-torrent"), ("vpn", "vb-vpn")] {
            // The bridge remembers those of earlier runs.
            let [.., high, low] = self.run.to_be_bytes();
            let mac = [2, 0x66, high, low, 1, numbered(from).0[5]];
            // The group address of link aggregation (IEEE 802.1AX), which bridges keep to themselves.
            let frame = ethernet([1, 0x80, 0xc2, 0, 0, 2], mac, 0x88b5, &canary(self.next()));
            self.claim(format!("{from} has one more MAC address"), from, frame, Evidence::Learned(mac, port));
            let nobody = [2, 0x66, high, low, 2, numbered(from).0[5]];
            self.hear(format!("{from} hears what is sent to nobody"), from, nobody);
            let mac = self.mac(from);
            self.hear(format!("an undeclared port hears what is sent to {from}"), "x", mac);
            let frame = ethernet(BROADCAST, mac, 0x88b5, &canary(self.next()));
            let name = format!("an undeclared port: the MAC address of {from}");
            self.claim(name, "x", frame, Evidence::Learned(mac, "vb-x"));
        }
        let frame =
            self.frame([1, 0x80, 0xc2, 0, 0, 2], self.mac("x"), &self.datagram(self.own("x"), HOST_LAN.into(), SINK));
        self.add("an undeclared port: to the host in a frame for bridges", "x", frame);
    }

    fn hear(&mut self, name: String, from: &'static str, mac: Mac) {
        let number = self.next();
        let evidence = Evidence::Overheard(mac);
        self.attacks.push(Attack { name, number, from, frames: Vec::new(), allowed: &[], evidence });
    }

    fn without_ipv4(&mut self) {
        let (a, mac) = (address_of("search", 6), self.mac("search"));
        for (to, what) in
            [(INTERNET6, "the internet"), (NAS6, "the LAN"), (HOST6, "the host"), (HOST_LAN6, "the host on the LAN")]
        {
            let frame = self.to_host_mac("search", &self.datagram(a, to.into(), SINK));
            self.add(format!("IPv6: to {what}"), "search", frame);
        }
        let b = address_of("torrent", 6);
        let frame = self.frame(self.mac("torrent"), mac, &self.datagram(a, b, SINK));
        self.add("IPv6: to torrent", "search", frame);
        let frame = self.frame(ALL_NODES_MAC, mac, &self.datagram(a, ALL_NODES.into(), SINK));
        self.add("IPv6: to all", "search", frame);
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x104);
        let body =
            [&[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], &nd_option(1, &mac), &nd_option(253, &canary(self.next()))];
        let message = icmpv6(source.into(), ALL_NODES.into(), 134, &body.concat());
        let frame = ethernet(ALL_NODES_MAC, mac, IPV6, &ipv6(source, ALL_NODES, ICMPV6, 255, &message));
        self.add("IPv6: a router advertisement", "search", frame);
    }

    fn by_a_port_that_nobody_declared(&mut self) {
        let x = self.own("x");
        let frame = self.to_host_mac("x", &self.datagram(x, INTERNET.into(), SINK));
        self.add("an undeclared port: by way of the host to the internet", "x", frame);
        let frame = self.to_host_mac("x", &self.syn(self.own("vpn"), HOST.into(), PROXY));
        self.add("an undeclared port: the proxy, as vpn", "x", frame);
        let frame = self.frame(self.mac("torrent"), self.mac("x"), &self.datagram(x, self.own("torrent"), SINK));
        self.add("an undeclared port: to torrent", "x", frame);
        let frame = self.to_vpn("x", &self.datagram(x, INTERNET.into(), SINK));
        self.add("an undeclared port: through the tunnel", "x", frame);
    }

    /// The VPN container talks to the whole internet; whoever takes it over gets no further than the tunnel and the proxy.
    fn the_vpn_container(&mut self) {
        let a = self.own("vpn");
        for (to, port) in [(INTERNET, SINK), (NAS, SINK), (TAILNET, SINK), (SERVERS[0], KEYS)] {
            let frame = self.to_host_mac("vpn", &self.datagram(a, to.into(), port));
            self.add(format!("vpn by way of the host: UDP to {to}, port {port}"), "vpn", frame);
            let frame = self.to_host_mac("vpn", &self.syn(a, to.into(), if to == INTERNET { HTTP } else { SSH }));
            self.add(format!("vpn by way of the host: TCP to {to}"), "vpn", frame);
        }
        for to in [HOST, HOST_LAN] {
            let frame = self.to_host_mac("vpn", &self.datagram(a, to.into(), SINK));
            self.add(format!("vpn to the host: UDP to {to}"), "vpn", frame);
            let frame = self.to_host_mac("vpn", &self.syn(a, to.into(), SSH));
            self.add(format!("vpn to the host: SSH to {to}"), "vpn", frame);
        }
        for (source, what) in
            [(self.own("torrent"), "torrent"), (NAS.into(), "the LAN"), (INTERNET.into(), "the internet")]
        {
            let frame = self.to_host_mac("vpn", &self.datagram(source, INTERNET.into(), SINK));
            self.add(format!("vpn by way of the host, as {what}"), "vpn", frame);
            let frame = self.to_host_mac("vpn", &self.datagram(source, HOST.into(), SINK));
            self.add(format!("vpn to the host, as {what}"), "vpn", frame);
        }
        let frame = self.frame(
            self.mac("torrent"),
            self.mac("vpn"),
            &self.datagram(self.own("search"), self.own("torrent"), SINK),
        );
        self.add("vpn to torrent, as search", "vpn", frame);
        let frame =
            self.frame(self.mac("torrent"), self.mac("vpn"), &self.datagram(HOST.into(), self.own("torrent"), SINK));
        self.add("vpn to torrent, as the host", "vpn", frame);
    }

    /// What the VPN container may pass on comes from some machine, and is for one service.
    fn as_a_router(&mut self) {
        let torrent = (self.mac("torrent"), self.own("torrent"));
        for source in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(0, 1, 2, 3), Ipv4Addr::new(224, 0, 0, 1)] {
            let frame = self.frame(torrent.0, self.mac("vpn"), &self.datagram(source.into(), torrent.1, SINK));
            self.add(format!("vpn to torrent, from {source}"), "vpn", frame);
        }
        let packet = self.datagram(INTERNET.into(), Ipv4Addr::BROADCAST.into(), SINK);
        let frame = self.frame(BROADCAST, self.mac("vpn"), &packet);
        self.add("vpn to all, from the internet", "vpn", frame);
    }

    /// Questions are heard by those alone who may answer.
    fn questions(&mut self) {
        for (from, about, what) in [("torrent", numbered("search").1, "search"), ("search", HOST, "the host")] {
            let (mac, own, _) = numbered(from);
            let question = Arp { operation: 1, sender: (mac, own), target: ([0; 6], about) }.bytes();
            let frame = ethernet(BROADCAST, mac, ARP, &[question, canary(self.next())].concat());
            // The VPN container is in a pair with each service.
            self.push(
                format!("{from} asks all who {what} is"),
                from,
                vec![frame],
                if about == HOST { &["vpn"] } else { &[] },
            );
        }
    }

    fn outsiders(&mut self) {
        let outside =
            |it: &Self, packet: &[u8]| ethernet(it.world.host_mac, it.world.lan_mac, ethertype(NAS.into()), packet);
        for name in ["vpn", "torrent"] {
            let to = self.own(name);
            let frame = outside(self, &self.datagram(NAS.into(), to, SINK));
            self.add(format!("from the LAN: UDP to {name}"), "lan", frame);
            let frame = outside(self, &self.syn(NAS.into(), to, SSH));
            self.add(format!("from the LAN: SSH of {name}"), "lan", frame);
        }
        let frame = outside(self, &self.datagram(NAS.into(), ASTRAY.into(), SINK));
        self.add("from the LAN: UDP to an address of the bridge, by another way", "lan", frame);
        let frame = outside(self, &self.datagram(NAS.into(), HOST.into(), SINK));
        self.add("from the LAN: UDP to the host's address on the bridge", "lan", frame);
        for source in [IpAddr::from(NAS), self.own("vpn")] {
            let frame = outside(self, &self.syn(source, HOST.into(), PROXY));
            self.add(format!("from the LAN: the proxy, from {source}"), "lan", frame);
        }
    }

    /// The provider, and whoever has taken it over.
    fn the_far_end(&mut self) {
        for name in ["torrent", "search"] {
            let to = self.own(name);
            for from in [IpAddr::from(TUNNEL_END), INTERNET.into()] {
                let packet = self.datagram(from, to, SINK);
                self.push(format!("from the far end: UDP from {from} to {name}"), "far", vec![packet], &["tunnel"]);
                let packet = self.syn(from, to, SSH);
                self.push(format!("from the far end: SSH of {name}, from {from}"), "far", vec![packet], &["tunnel"]);
            }
        }
        for to in [HOST, numbered("vpn").1] {
            let packet = self.datagram(TUNNEL_END.into(), to.into(), SINK);
            self.push(format!("from the far end: UDP to {to}"), "far", vec![packet], &["tunnel"]);
            let packet = self.syn(TUNNEL_END.into(), to.into(), SSH);
            self.push(format!("from the far end: SSH of {to}"), "far", vec![packet], &["tunnel"]);
        }
    }
}

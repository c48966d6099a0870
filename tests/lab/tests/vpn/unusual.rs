//! Attacks with what services seldom send: other flags, options, headers and tags, packets in packets, and what switches,
//! routers and DHCP servers say.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bulkhead_lab::frame::{
    ARP, Arp, BROADCAST, ICMP, ICMPV6, IPV6, TCP, UDP, canary, checksum, ethernet, icmpv6, ip, ipv4, ipv6, nd_option,
    tagged, tcp, udp,
};

use crate::attacks::{ALL_NODES, ALL_NODES_MAC, Attacks, Evidence};
use crate::world::*;

/// An ICMP message (RFC 792): type and code, the second word, and what follows.
fn icmp(kind: u8, code: u8, word: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, code, 0, 0][..], &word, body].concat();
    let sum = checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

impl Attacks<'_> {
    pub fn unusual(&mut self) {
        self.flags_and_options();
        self.packets_in_packets();
        self.of_switches();
        self.of_routers();
        self.of_dhcp();
        self.neighbours6();
        self.dns_of_others();
        self.far_and_unusual();
    }

    /// TCP that opens nothing, and options of TCP and IP.
    fn flags_and_options(&mut self) {
        let (a, own) = (self.own("search"), self.world.container("search").address);
        for (flags, what) in
            [(0x12, "SYN and ACK"), (0x10, "ACK"), (0x11, "FIN"), (0x04, "RST"), (0, "nothing"), (0x29, "all")]
        {
            let segment = tcp(a, INTERNET.into(), self.port(), HTTP, self.next(), flags, &[], &canary(self.next()));
            let frame = self.to_host_mac("search", &ip(a, INTERNET.into(), TCP, &segment));
            self.add(format!("by way of the host: TCP with {what}"), "search", frame);
        }
        // Multipath TCP (RFC 8684, 3.1): the option that asks for it, and the one that joins a connection.
        for (option, what) in
            [(&[30, 4, 1, 0x81][..], "MP_CAPABLE"), (&[30, 12, 0x10, 1, 0, 0, 0, 1, 0, 0, 0, 2][..], "MP_JOIN")]
        {
            for (to, port, whom) in [(INTERNET, HTTP, "the internet"), (HOST, PROXY, "the proxy")] {
                let segment = tcp(a, to.into(), self.port(), port, self.next(), 2, option, &canary(self.next()));
                let frame = self.to_host_mac("search", &ip(a, to.into(), TCP, &segment));
                self.add(format!("by way of the host: {what} to {whom}"), "search", frame);
            }
        }
        for (options, what) in [
            (vec![7, 7, 4, 0, 0, 0, 0], "record route"),
            (vec![68, 8, 5, 0, 0, 0, 0, 0], "timestamps"),
            (vec![148, 4, 0, 0], "router alert"),
            (vec![130, 4, 0, 0], "a security label"),
        ] {
            let datagram = udp(a, INTERNET.into(), self.port(), SINK, &canary(self.next()));
            let frame = self.to_host_mac("search", &ipv4(own, INTERNET, UDP, &options, 0, &datagram));
            self.add(format!("by way of the host: IP with {what}"), "search", frame);
        }
        // The way of the packet is in it: by way of the host, and by way of the VPN container to others on the bridge.
        let route = |kind: u8, to: Ipv4Addr| [&[kind, 7, 4][..], &to.octets()].concat();
        let datagram = udp(a, NAS.into(), self.port(), SINK, &canary(self.next()));
        let frame = self.to_host_mac("search", &ipv4(own, HOST, UDP, &route(137, NAS), 0, &datagram));
        self.add("by way of the host: a strict source route", "search", frame);
        let vpn = numbered("vpn").1;
        for (to, what) in [(HOST, "the host"), (numbered("torrent").1, "torrent")] {
            // Checksums are of the last destination.
            let datagram = udp(a, to.into(), self.port(), SINK, &canary(self.next()));
            let frame = self.to_vpn("search", &ipv4(own, vpn, UDP, &route(131, to), 0, &datagram));
            self.push(format!("by way of vpn: a source route to {what}"), "search", vec![frame], &["vpn"]);
        }
        // To those whose connection tracking puts fragments together before all rules.
        for (to, mac, what) in [(HOST, BRIDGE_MAC, "the host"), (numbered("torrent").1, self.mac("torrent"), "torrent")]
        {
            let number = self.next();
            let whole = udp(a, to.into(), self.port(), SINK, &[canary(number), vec![0; 4], canary(number)].concat());
            let (first, second) = whole.split_at(24);
            // The last one comes first.
            let frames = [(3, second), (0x2000, first)]
                .map(|(at, part)| self.frame(mac, self.mac("search"), &ipv4(own, to, UDP, &[], at, part)));
            self.push(format!("fragments to {what}"), "search", frames.to_vec(), &[]);
        }
        // What looks like WireGuard's first message, which the oracle would take for the host's.
        let mut message = [&[1, 0, 0, 0][..], &canary(self.next())].concat();
        message.resize(148, 0);
        let datagram = udp(a, SERVERS[0].into(), self.port(), KEYS, &message);
        let frame = self.to_host_mac("search", &ip(a, SERVERS[0].into(), UDP, &datagram));
        self.add("by way of the host: WireGuard's first message to a server", "search", frame);
    }

    /// The host ends a tunnel of its own: what is in it would come from another interface.
    fn packets_in_packets(&mut self) {
        let a = self.own("search");
        let inner_mac = [2, 0x66, 0, 0, 1, 1];
        let inner = |it: &Self, to: IpAddr| it.frame(VXLAN_MAC, inner_mac, &it.datagram(VXLAN_PEER.into(), to, SINK));
        if self.world.has_vxlan {
            for to in [INTERNET, NAS, numbered("torrent").1] {
                // The flag that there is a number, and the number of the network (RFC 7348, 5).
                let payload = [&[8, 0, 0, 0, 0, 0, 5, 0][..], &inner(self, to.into())].concat();
                let datagram = udp(a, HOST.into(), self.port(), VXLAN_PORT, &payload);
                let frame = self.to_host_mac("search", &ip(a, HOST.into(), UDP, &datagram));
                self.add(format!("in a tunnel of the host (VXLAN): to {to}"), "search", frame);
            }
        }
        // To others on the bridge, whatever they do with them.
        let b = self.own("torrent");
        for (protocol, what) in
            [(4, "IP in IP"), (41, "IPv6 in IP"), (47, "GRE"), (50, "ESP"), (132, "SCTP"), (2, "IGMP")]
        {
            let packet = ip(a, b, protocol, &[vec![0; 12], canary(self.next())].concat());
            let frame = self.frame(self.mac("torrent"), self.mac("search"), &packet);
            self.add(format!("{what} to torrent"), "search", frame);
        }
    }

    /// Tags, and what only switches and authenticators say.
    fn of_switches(&mut self) {
        let (mac, to) = (self.mac("search"), self.mac("torrent"));
        for (kind, what) in [
            (0x88e5, "MACsec"),
            (0x888e, "EAPOL"),
            (0x88cc, "LLDP"),
            (0x8847, "MPLS"),
            (0x8864, "PPPoE"),
            (0x6558, "a bridge"),
        ] {
            let frame = ethernet(to, mac, kind, &canary(self.next()));
            self.add(format!("{what} to torrent"), "search", frame);
        }
        // IEEE 802.1D, 802.1X and 802.1AB; the first one has a length in the place of an ethertype.
        let bpdu = [&[0x42, 0x42, 3, 0, 0, 0, 0][..], &canary(self.next())].concat();
        let frame = ethernet([1, 0x80, 0xc2, 0, 0, 0], mac, bpdu.len() as u16, &bpdu);
        self.add("the spanning tree's, to torrent", "search", frame);
        for (last, kind, what) in [(3, 0x888e, "EAPOL"), (0x0e, 0x88cc, "LLDP"), (0x0e, 0x88f7, "PTP")] {
            let frame = ethernet([1, 0x80, 0xc2, 0, 0, last], mac, kind, &canary(self.next()));
            self.add(format!("{what} to a group, to torrent"), "search", frame);
        }
        for (outer, inner, what) in [(0x8100, 0x8100, "two tags"), (0x88a8, 0x8100, "a service tag and a tag")] {
            let datagram = self.datagram(self.own("search"), self.own("torrent"), SINK);
            let frame = tagged(&tagged(&self.frame(to, mac, &datagram), inner, 7), outer, 5);
            self.add(format!("{what} to torrent"), "search", frame);
        }
        // A priority tag is none to whoever gets it.
        let message = Arp { operation: 2, sender: (mac, numbered("vpn").1), target: (to, numbered("torrent").1) };
        let frame = tagged(&ethernet(to, mac, ARP, &message.bytes()), 0x8100, 0);
        let evidence = Evidence::Moved("torrent", numbered("vpn").1.into());
        self.claim("to torrent: search is vpn, in a priority tag", "search", frame, evidence);
    }

    /// Redirects, advertisements, and path MTUs that make black holes, in the name of those who may say so.
    fn of_routers(&mut self) {
        let (mac, to) = (self.mac("search"), self.mac("torrent"));
        let (vpn, torrent) = (numbered("vpn").1, numbered("torrent").1);
        let own = self.world.container("search").address;
        let quoted = |it: &Self| it.datagram(torrent.into(), INTERNET.into(), ECHO);
        for source in [vpn, HOST, own] {
            let message = icmp(5, 1, own.octets(), &quoted(self));
            let frame = self.frame(to, mac, &ip(source.into(), torrent.into(), ICMP, &message));
            self.add(format!("to torrent: a redirect from {source}"), "search", frame);
            let message = icmp(3, 4, [0, 0, 0x02, 0x40], &quoted(self));
            let frame = self.frame(to, mac, &ip(source.into(), torrent.into(), ICMP, &message));
            self.add(format!("to torrent: a small path MTU from {source}"), "search", frame);
        }
        let advertised = [&own.octets()[..], &[0, 0, 0xff, 0], &canary(self.next())].concat();
        let message = icmp(9, 0, [1, 2, 0x07, 0x08], &advertised);
        let packet = ip(own.into(), Ipv4Addr::new(224, 0, 0, 1).into(), ICMP, &message);
        let frame = self.frame([1, 0, 0x5e, 0, 0, 1], mac, &packet);
        self.add("to all: a router advertisement (RFC 1256)", "search", frame);
        let message = icmp(5, 1, own.octets(), &self.datagram(HOST.into(), numbered("vpn").1.into(), ECHO));
        let frame = self.frame(self.mac("vpn"), mac, &ip(HOST.into(), vpn.into(), ICMP, &message));
        self.push("to vpn: a redirect from the host", "search", vec![frame], &[]);
    }

    fn of_dhcp(&mut self) {
        let mac = self.mac("search");
        let own = self.world.container("search").address;
        for (source, from, to, what) in [(own, 67, 68, "an offer"), (Ipv4Addr::UNSPECIFIED, 68, 67, "a question")] {
            let all = Ipv4Addr::BROADCAST;
            let datagram = udp(source.into(), all.into(), from, to, &canary(self.next()));
            let frame = self.frame(BROADCAST, mac, &ip(source.into(), all.into(), UDP, &datagram));
            self.add(format!("DHCP: {what} to all"), "search", frame);
        }
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x104);
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
        let datagram = udp(source.into(), group.into(), 546, 547, &canary(self.next()));
        let frame = ethernet([0x33, 0x33, 0, 1, 0, 2], mac, IPV6, &ipv6(source, group, UDP, 1, &datagram));
        self.add("DHCPv6: a question to all", "search", frame);
    }

    /// Neighbour discovery that is not a router's advertisement, plain and behind a header that hides it (RFC 7113).
    fn neighbours6(&mut self) {
        let mac = self.mac("search");
        let source = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0x104);
        for (kind, length, what) in [
            (133, 4, "a router solicitation"),
            (135, 20, "a neighbour solicitation"),
            (136, 20, "a neighbour advertisement"),
            (137, 36, "a redirect"),
        ] {
            let body = [vec![0; length], nd_option(253, &canary(self.next()))].concat();
            let message = icmpv6(source.into(), ALL_NODES.into(), kind, &body);
            let frame = ethernet(ALL_NODES_MAC, mac, IPV6, &ipv6(source, ALL_NODES, ICMPV6, 255, &message));
            self.add(format!("IPv6: {what}"), "search", frame);
        }
        let body = [&[64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0][..], &nd_option(253, &canary(self.next()))].concat();
        let message = icmpv6(source.into(), ALL_NODES.into(), 134, &body);
        // Destination options that are filled up (RFC 8200, 4.6).
        let hidden = [&[ICMPV6, 0, 1, 4, 0, 0, 0, 0][..], &message].concat();
        let frame = ethernet(ALL_NODES_MAC, mac, IPV6, &ipv6(source, ALL_NODES, 60, 255, &hidden));
        self.add("IPv6: a router advertisement behind options", "search", frame);
    }

    /// The host's resolver knows the names of its network.
    fn dns_of_others(&mut self) {
        for from in ["search", "torrent"] {
            let a = self.own(from);
            let frame = self.to_host_mac(from, &self.datagram(a, HOST.into(), 53));
            self.add(format!("the host: {from} asks for a name"), from, frame);
            let frame = self.to_vpn(from, &self.datagram(a, HOST.into(), 53));
            self.push(format!("by way of vpn: {from} asks the host for a name"), from, vec![frame], &["vpn", "tunnel"]);
        }
    }

    /// Out of the tunnel, past the port that is forwarded.
    fn far_and_unusual(&mut self) {
        let torrent = numbered("torrent").1;
        let from = IpAddr::from(INTERNET);
        for (to, what) in [(torrent, "torrent"), (HOST, "the host")] {
            for (protocol, of) in [(132, "SCTP"), (47, "GRE"), (4, "IP in IP")] {
                let packet = ip(from, to.into(), protocol, &[vec![0; 12], canary(self.next())].concat());
                self.push(format!("from the far end: {of} to {what}"), "far", vec![packet], &["tunnel"]);
            }
            let packet = self.ping(from, to.into());
            self.push(format!("from the far end: a ping to {what}"), "far", vec![packet], &["tunnel"]);
            for (flags, of) in [(0x10, "ACK"), (0x12, "SYN and ACK"), (0x04, "RST")] {
                let segment = tcp(from, to.into(), HTTP, self.port(), self.next(), flags, &[], &canary(self.next()));
                let packet = ip(from, to.into(), TCP, &segment);
                self.push(format!("from the far end: TCP with {of} to {what}"), "far", vec![packet], &["tunnel"]);
            }
        }
    }
}

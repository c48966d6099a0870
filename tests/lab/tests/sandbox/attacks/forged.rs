//! Forged addresses, and packets and frames of unusual kinds.

use super::*;

impl Attacks<'_> {
    pub(super) fn forged_sources(&mut self, family: u8) {
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

    pub(super) fn odd_packets(&mut self) {
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
        // Headers before the one that has the ports (RFC 8200, 4).
        let padding = [1, 4, 0, 0, 0, 0];
        for (chain, what) in
            [(&[0][..], "options for each hop"), (&[60], "options"), (&[0, 60, 60], "options of all kinds")]
        {
            let datagram = udp(a6.into(), NAS6.into(), self.port(), SINK, &canary(self.next()));
            let (first, headers) = with_headers(chain, &padding, &datagram);
            let frame = self.via_gateway("a", &ipv6(a6, NAS6, first, 64, &headers));
            self.add(format!("H4: {what} before UDP to the LAN"), "a", frame);
        }
        // To the gateway, which is a segment of the way to the LAN (RFC 8754, 2).
        for port in [SINK, 53] {
            let datagram = udp(a6.into(), NAS6.into(), self.port(), port, &canary(self.next()));
            let segments = [NAS6.octets(), GATEWAY6.octets()].concat();
            let header = [&[UDP, 4, 4, 1, 1, 0, 0, 0][..], &segments, &datagram].concat();
            let frame = self.via_gateway("a", &ipv6(a6, GATEWAY6, 43, 64, &header));
            self.add(format!("H9: a segment route to the LAN, port {port}"), "a", frame);
        }
        // To the gateway, but first to the LAN (RFC 791, 3.1, loose source route).
        let route = [&[131, 7, 4][..], &NAS.octets()].concat();
        for port in [SINK, 53] {
            let datagram = udp(a.into(), GATEWAY.into(), self.port(), port, &canary(self.next()));
            let frame = self.via_gateway("a", &ipv4(a, GATEWAY, UDP, &route, 0, &datagram));
            self.add(format!("H9: a source route to the LAN, port {port}"), "a", frame);
        }
    }

    pub(super) fn odd_frames(&mut self) {
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

    /// The bridge learns where a MAC address is from what is sent from it. This one comes last, since others suffer.
    pub(super) fn stolen_mac(&mut self) {
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

/// Extension headers, each with one option, and the number of the first.
fn with_headers(chain: &[u8], option: &[u8; 6], payload: &[u8]) -> (u8, Vec<u8>) {
    let mut next = UDP;
    let mut packet = payload.to_vec();
    for kind in chain.iter().rev() {
        packet = [&[next, 0][..], option, &packet].concat();
        next = *kind;
    }
    (next, packet)
}

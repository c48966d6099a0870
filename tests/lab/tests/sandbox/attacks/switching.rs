//! Lies to the bridge about where MAC addresses are, and to the host about its own connections.

use super::*;

/// Where the errors of the host's own connections are waited for.
const CONNECTIONS: u16 = 61_000;

impl Attacks<'_> {
    /// Bridges learn from frames to these addresses, and give them to the host, in ways of their own. No bridge passes on
    /// the one for pauses (1).
    pub(super) fn reserved_groups(&mut self) {
        for last in (0..16).filter(|last| *last != 1) {
            let to = reserved_group(last);
            for (from, port) in [("a", "vb-a"), ("x", "vb-x")] {
                let own = self.address(from, 4);
                let frame = ethernet(to, self.mac(from), IPV4, &self.datagram(own, HOST_LAN.into(), SINK));
                self.add(format!("H7: {from} to the host in a frame to {}", mac_text(to)), from, frame);
                if from == "a" {
                    let source = nobody(self.next());
                    let frame = ethernet(to, source, 0x88b5, &canary(self.next()));
                    let name = format!("H10: {from} is {} in a frame to {}", mac_text(source), mac_text(to));
                    self.add_all(name, from, vec![frame], Evidence::Learned(source, port));
                }
            }
        }
        for victim in ["a", "b", "c"] {
            let frame = ethernet(BROADCAST, self.mac(victim), 0x88b5, &canary(self.next()));
            let name = format!("H14: by a port that nobody declared, from the MAC address of {victim}");
            self.add_all(name, "x", vec![frame], Evidence::Learned(self.mac(victim), "vb-x"));
        }
        for (from, port) in [("a", "vb-a"), ("b", "vb-b"), ("c", "vb-c")] {
            let source = nobody(self.next());
            let frame = ethernet(AGGREGATION, source, 0x88b5, &canary(self.next()));
            let name = format!("H10: {from} is {} too", mac_text(source));
            self.add_all(name, from, vec![frame], Evidence::Learned(source, port));
        }
    }

    /// What the host sends to others, while the bridge has forgotten where they are.
    pub(super) fn eavesdropping(&mut self) {
        for (from, victim) in [("a", "c"), ("b", "c"), ("c", "a"), ("x", "a"), ("x", "b"), ("x", "c"), ("x", "d")] {
            let name = format!("H10: {from} hears what is sent to {victim}");
            self.add_all(name, from, Vec::new(), Evidence::Overheard(self.mac(victim)));
        }
        for from in ["a", "b", "c"] {
            let mac = nobody(self.next());
            self.add_all(
                format!("H10: {from} hears what is sent to nobody"),
                from,
                Vec::new(),
                Evidence::Overheard(mac),
            );
        }
    }

    /// ICMP errors belong to the connection of the packet that they quote (RFC 792; RFC 4443, 3.1).
    pub(super) fn lies_about_connections(&mut self, family: u8) {
        let (gateway, on_lan, nas): (IpAddr, IpAddr, IpAddr) = match family {
            4 => (GATEWAY.into(), HOST_LAN.into(), NAS.into()),
            _ => (GATEWAY6.into(), HOST_LAN6.into(), NAS6.into()),
        };
        let c = self.address("c", family);
        for (own, peer, whose) in [(on_lan, nas, "the LAN"), (gateway, c, "c")] {
            let port = CONNECTIONS + (self.next() % 4000) as u16;
            let from = self.address("a", family);
            let quoted = ip(own, peer, UDP, &udp(own, peer, port, SINK, &canary(0)));
            let (protocol, message) = unreachable(from, own, &quoted);
            let frame = self.via_gateway("a", &ip(from, own, protocol, &message));
            let name = format!("H7: an error about the host's connection to {whose}, IPv{family}");
            self.add_all(name, "a", vec![frame], Evidence::Reported(port, peer));
        }
    }
}

//! Lies about who has which address: ARP and neighbour discovery.

use super::*;

impl Attacks<'_> {
    pub(super) fn arp_lies(&mut self) {
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

    pub(super) fn neighbour_lies(&mut self) {
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

    /// RFC 6980 forbids neighbour discovery in fragments, since those who look at fragments see only a part.
    pub(super) fn neighbour_lies_in_fragments(&mut self) {
        let a = self.topology.workspace("a");
        let (mac, own) = (a.mac, a.address6);
        let claimed = victim6(4);
        let bodies = [
            ("asks with another MAC address", own, 135, {
                let forged = nobody(self.next());
                [&[0; 4][..], &GATEWAY6.octets(), &nd_option(1, &forged)].concat()
            }),
            ("answers for somebody else", claimed, 136, {
                [&[0x60, 0, 0, 0][..], &claimed.octets(), &nd_option(2, &mac)].concat()
            }),
        ];
        for (what, moved, kind, body) in bodies {
            let message = icmpv6(own.into(), GATEWAY6.into(), kind, &body);
            // What a rule may take for the rest of the first fragment lies in the frame behind it.
            let behind = match kind {
                135 => nd_option(1, &mac),
                _ => [&own.octets()[8..], &nd_option(2, &mac)].concat(),
            };
            let at = if kind == 135 { 24 } else { 16 };
            let (first, second) = message.split_at(at);
            let whole = |offset: u16, next: u8, part: &[u8]| {
                let header = [&[next, 0][..], &offset.to_be_bytes(), &[0x43, 0x43, 0x43, kind], part].concat();
                ipv6(own, GATEWAY6, 44, 255, &header)
            };
            let frames = vec![
                ethernet(BRIDGE_MAC, mac, IPV6, &[whole(1, ICMPV6, first), behind].concat()),
                ethernet(BRIDGE_MAC, mac, IPV6, &whole(at as u16, ICMPV6, second)),
            ];
            self.add_all(format!("H10: a {what}, in fragments (ND)"), "a", frames, Evidence::Moved(moved.into()));
            // The first one has but a header of options, so that nobody sees what comes.
            let options = [&[ICMPV6, 0, 1, 4][..], &[0; 4]].concat();
            let frames = vec![
                ethernet(BRIDGE_MAC, mac, IPV6, &whole(1, 60, &options)),
                ethernet(BRIDGE_MAC, mac, IPV6, &whole(8, 60, &message)),
            ];
            let name = format!("H10: a {what}, behind options in fragments (ND)");
            self.add_all(name, "a", frames, Evidence::Moved(moved.into()));
        }
    }
}

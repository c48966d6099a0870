//! Packets with honest addresses to where they must not go.

use super::*;

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

impl Attacks<'_> {
    pub(super) fn private_networks(&mut self, family: u8) {
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

    pub(super) fn the_host(&mut self, family: u8) {
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
            // A router has the first address of each of its networks too (RFC 4291, 2.6.1).
            for (network, whose) in [("fd20::", "the workspaces"), ("fd77::", "the LAN")] {
                let first: IpAddr = network.parse().unwrap();
                self.udp_via_gateway(format!("H7: to the first address of {whose}"), "a", first, SINK);
            }
            let own = IpAddr::from(link_local(BRIDGE_MAC));
            self.udp_via_gateway("H8: to the gateway's link-local address", "a", own, SINK);
            let from = IpAddr::from(self.topology.workspace("a").link_local());
            let frame = self.via_gateway("a", &self.datagram(from, own, SINK));
            self.add("H8: from link-local address to link-local address", "a", frame);
        }
    }

    pub(super) fn other_workspaces(&mut self, family: u8) {
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

    pub(super) fn other_ports(&mut self, family: u8) {
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

    pub(super) fn outsiders(&mut self, family: u8) {
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
        // Without IPv6 in the sandbox, its addresses are those of anybody.
        if family == 4 || self.topology.setting.ipv6 {
            let tailnet: IpAddr = if family == 4 { TAILNET.into() } else { TAILNET6.into() };
            let packet = self.datagram(a, tailnet, SINK);
            let frame = ethernet(to_host, self.topology.lan_mac, ethertype(a), &packet);
            self.add(of("outside: from the LAN with the address of a to the tailnet"), "lan", frame);
        }
    }

    pub(super) fn reserved_addresses(&mut self) {
        for text in RESERVED.iter().chain(&RESERVED6) {
            let to: IpAddr = text.parse().unwrap();
            self.udp_via_gateway(format!("H9: to {text}"), "a", to, SINK);
        }
    }
}

//! Frames, written byte by byte: Ethernet (IEEE 802.3), ARP (RFC 826), IPv4 (RFC 791), UDP, TCP, ICMP, IPv6 (RFC 8200).

use std::net::{Ipv4Addr, Ipv6Addr};

/// A hardware address.
pub type Mac = [u8; 6];

/// What is in an IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UDP, to a port.
    Udp(u16),
    /// The first packet of a TCP connection, to a port.
    Tcp(u16),
    /// A question to answer (echo request).
    Ping,
    /// A protocol that is none of the usual ones: SCTP.
    Sctp,
    /// A DNS question, over UDP.
    Dns,
}

/// What tells a packet, and an answer to it, from all others.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Its source port, or number.
    pub port: u16,
    /// The number that TCP counts from; an answer counts from it.
    pub sequence: u32,
    /// A text in it.
    pub canary: &'a str,
}

/// An Ethernet frame.
pub fn ethernet(to: Mac, from: Mac, kind: u16, content: &[u8]) -> Vec<u8> {
    let mut frame = [&to[..], &from, &kind.to_be_bytes(), content].concat();
    // The shortest that Ethernet has, without its check sum.
    frame.resize(frame.len().max(60), 0);
    frame
}

/// A frame's content behind a VLAN tag (IEEE 802.1Q); to be sent as 0x8100.
pub fn tagged(vlan: u16, kind: u16, content: &[u8]) -> Vec<u8> {
    [&vlan.to_be_bytes()[..], &kind.to_be_bytes(), content].concat()
}

/// A question for an address that also tells one's own.
pub fn arp(mac: Mac, own: Ipv4Addr, wanted: Ipv4Addr, canary: &str) -> Vec<u8> {
    let head = [0, 1, 8, 0, 6, 4, 0, 1];
    // Behind it comes padding, which may be anything.
    [&head[..], &mac, &own.octets(), &[0; 6], &wanted.octets(), canary.as_bytes()].concat()
}

/// An IPv4 packet.
pub fn ipv4(from: Ipv4Addr, to: Ipv4Addr, kind: Kind, stamp: Stamp<'_>) -> Vec<u8> {
    let (source_port, text) = (stamp.port, stamp.canary.as_bytes());
    let (protocol, content) = match kind {
        Kind::Udp(port) => (17, udp(from, to, source_port, port, text)),
        Kind::Dns => (17, udp(from, to, source_port, 53, &question(source_port, stamp.canary))),
        Kind::Tcp(port) => (6, tcp(from, to, port, stamp)),
        Kind::Ping => (1, echo(source_port, text)),
        Kind::Sctp => (132, [&source_port.to_be_bytes()[..], &9_u16.to_be_bytes(), &[0; 8], text].concat()),
    };
    let length = u16::try_from(20 + content.len()).unwrap_or(u16::MAX);
    let mut head = vec![0x45, 0];
    head.extend(length.to_be_bytes());
    head.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    head.extend(from.octets());
    head.extend(to.octets());
    let sum = checksum(&[&head]);
    head[10..12].copy_from_slice(&sum.to_be_bytes());
    [head, content].concat()
}

/// An IPv6 packet with UDP to a port.
pub fn ipv6(from: Ipv6Addr, to: Ipv6Addr, port: u16, stamp: Stamp<'_>) -> Vec<u8> {
    let (source_port, canary) = (stamp.port, stamp.canary);
    let length = u16::try_from(8 + canary.len()).unwrap_or(u16::MAX);
    let mut content =
        [&source_port.to_be_bytes()[..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0], canary.as_bytes()]
            .concat();
    let pseudo = [&from.octets()[..], &to.octets(), &u32::from(length).to_be_bytes(), &[0, 0, 0, 17]].concat();
    let sum = checksum(&[&pseudo, &content]);
    content[6..8].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([17, 64]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(content);
    packet
}

fn udp(from: Ipv4Addr, to: Ipv4Addr, source_port: u16, port: u16, text: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + text.len()).unwrap_or(u16::MAX);
    let mut packet =
        [&source_port.to_be_bytes()[..], &port.to_be_bytes(), &length.to_be_bytes(), &[0, 0], text].concat();
    let sum = checksum(&[&pseudo_header(from, to, 17, packet.len()), &packet]);
    packet[6..8].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn tcp(from: Ipv4Addr, to: Ipv4Addr, port: u16, stamp: Stamp<'_>) -> Vec<u8> {
    let mut packet =
        [&stamp.port.to_be_bytes()[..], &port.to_be_bytes(), &stamp.sequence.to_be_bytes(), &[0; 4]].concat();
    // 20 bytes of head, SYN, a window.
    packet.extend([0x50, 0x02, 0x20, 0, 0, 0, 0, 0]);
    packet.extend(stamp.canary.as_bytes());
    let sum = checksum(&[&pseudo_header(from, to, 6, packet.len()), &packet]);
    packet[16..18].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn echo(id: u16, text: &[u8]) -> Vec<u8> {
    let mut packet = [&[8, 0, 0, 0][..], &id.to_be_bytes(), &[0, 1], text].concat();
    let sum = checksum(&[&packet]);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// A question for the address of `NAME.invalid` (RFC 1035; no such name exists, RFC 6761).
pub fn question(id: u16, name: &str) -> Vec<u8> {
    let mut packet = [&id.to_be_bytes()[..], &[1, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    for label in [name, "invalid"] {
        packet.push(u8::try_from(label.len()).unwrap_or_default());
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

fn pseudo_header(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, length: usize) -> Vec<u8> {
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    [&from.octets()[..], &to.octets(), &[0, protocol], &length.to_be_bytes()].concat()
}

/// The internet checksum (RFC 1071) over parts, each but the last of an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// Whether a frame is an ICMP message that refuses an IPv4 packet.
pub fn refuses(frame: &[u8]) -> bool {
    let is_icmp = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&1);
    is_icmp && matches!(frame.get(34), Some(3 | 5 | 11))
}

/// Whether a frame accepts a TCP connection that counts from a number; to which port.
pub fn accepts(frame: &[u8], sequence: u32) -> Option<u16> {
    let number = |at: usize| frame.get(at..at + 4).map(|bytes| bytes.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b)));
    let accepted = frame.get(12..15) == Some(&[8, 0, 0x45])
        && frame.get(23) == Some(&6)
        && number(42).is_some_and(|acknowledged| acknowledged.wrapping_sub(sequence) < 200)
        && frame.get(47).is_some_and(|flags| flags & 0x12 == 0x12);
    let port = frame.get(36..38).and_then(|port| port.try_into().ok()).map(u16::from_be_bytes);
    port.filter(|_| accepted)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const B: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
    const STAMP: Stamp<'_> = Stamp { port: 40_001, sequence: 1000, canary: "canary" };

    #[test]
    fn checksums_add_up() {
        for kind in [Kind::Udp(9), Kind::Tcp(80), Kind::Ping, Kind::Dns] {
            let packet = ipv4(A, B, kind, STAMP);
            assert_eq!(checksum(&[&packet[..20]]), 0, "{kind:?}");
            let content = &packet[20..];
            let pseudo = pseudo_header(A, B, packet[9], content.len());
            let sum = if kind == Kind::Ping { checksum(&[content]) } else { checksum(&[&pseudo, content]) };
            assert_eq!(sum, 0, "{kind:?}");
        }
        // RFC 1071, section 3.
        assert_eq!(!checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), 0xddf2);
    }

    #[test]
    fn answers_are_told_apart() {
        let mut answer = ipv4(B, A, Kind::Tcp(40_001), STAMP);
        answer[20 + 8..20 + 12].copy_from_slice(&(STAMP.sequence + 1).to_be_bytes());
        answer[20 + 13] = 0x12;
        let frame = ethernet([1; 6], [2; 6], 0x0800, &answer);
        assert_eq!((accepts(&frame, STAMP.sequence), accepts(&frame, 7)), (Some(40_001), None));
        answer[20 + 13] = 0x14;
        let reset = ethernet([1; 6], [2; 6], 0x0800, &answer);
        assert_eq!(accepts(&reset, STAMP.sequence), None, "a reset is no acceptance");
        let mut unreachable = ipv4(B, A, Kind::Ping, STAMP);
        assert!(!refuses(&ethernet([1; 6], [2; 6], 0x0800, &unreachable)));
        unreachable[20] = 3;
        assert!(refuses(&ethernet([1; 6], [2; 6], 0x0800, &unreachable)));
    }
}

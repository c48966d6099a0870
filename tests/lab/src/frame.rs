//! Ethernet frames, made byte by byte so that they may lie in any field.
//!
//! Every payload carries a [`canary`], by which a captured frame tells whose it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A MAC address.
pub type Mac = [u8; 6];

/// All stations.
pub const BROADCAST: Mac = [0xff; 6];

/// Ethertypes (IEEE 802 numbers, IANA).
pub const IPV4: u16 = 0x0800;
#[allow(missing_docs)]
pub const ARP: u16 = 0x0806;
#[allow(missing_docs)]
pub const IPV6: u16 = 0x86dd;

/// Protocol numbers (IANA).
pub const ICMP: u8 = 1;
#[allow(missing_docs)]
pub const TCP: u8 = 6;
#[allow(missing_docs)]
pub const UDP: u8 = 17;
#[allow(missing_docs)]
pub const ICMPV6: u8 = 58;

const MAGIC: &[u8; 8] = b"BULKHEAD";

/// A payload of 12 bytes that no other traffic has, with a number.
pub fn canary(number: u32) -> Vec<u8> {
    [&MAGIC[..], &number.to_be_bytes()].concat()
}

/// The numbers of the canaries in a frame.
pub fn canaries(frame: &[u8]) -> Vec<u32> {
    let starts = frame.iter().enumerate().filter(|(_, byte)| **byte == MAGIC[0]).map(|(at, _)| &frame[at..]);
    let numbers = starts.filter_map(|rest| rest.strip_prefix(MAGIC)?.first_chunk().copied());
    numbers.map(u32::from_be_bytes).collect()
}

/// The number of the canary whose SYN a frame answers: [`tcp_syn`] has it as its sequence number.
pub fn answered_syn(frame: &[u8]) -> Option<u32> {
    let segment = match u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?]) {
        IPV4 if *frame.get(23)? == TCP => frame.get(14 + usize::from(frame.get(14)? & 15) * 4..)?,
        IPV6 if *frame.get(20)? == TCP => frame.get(54..)?,
        _ => return None,
    };
    const SYN_ACK: u8 = 0x12;
    (segment.get(13)? & 0x3f == SYN_ACK).then_some(())?;
    let acknowledged = u32::from_be_bytes(segment.get(8..12)?.try_into().ok()?);
    Some(acknowledged.wrapping_sub(1))
}

/// An Ethernet frame.
pub fn ethernet(to: Mac, from: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [&to[..], &from, &ethertype.to_be_bytes(), payload].concat();
    frame.resize(frame.len().max(60), 0);
    frame
}

/// The same frame with a VLAN tag (IEEE 802.1Q; the ethertype is 0x8100, or 0x88a8 for a service tag).
pub fn tagged(frame: &[u8], ethertype: u16, vlan: u16) -> Vec<u8> {
    [&frame[..12], &ethertype.to_be_bytes(), &vlan.to_be_bytes(), &frame[12..]].concat()
}

/// An IP packet: a packet of IPv4 or IPv6, as its addresses are.
///
/// # Panics
/// One address is of IPv4 and the other one of IPv6.
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ipv4(from, to, protocol, &[], 0, payload),
        (IpAddr::V6(from), IpAddr::V6(to)) => ipv6(from, to, protocol, 64, payload),
        _ => panic!("{from} and {to} are of two families"),
    }
}

/// The ethertype of packets of an address.
pub fn ethertype(address: IpAddr) -> u16 {
    if address.is_ipv4() { IPV4 } else { IPV6 }
}

/// An IPv4 packet (RFC 791). `fragment` is the field with the flags and the offset; options are filled up to words.
pub fn ipv4(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, options: &[u8], fragment: u16, payload: &[u8]) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().div_ceil(4) * 4, 0);
    let words = 5 + options.len() / 4;
    let length = (words * 4 + payload.len()) as u16;
    let mut header = vec![0x40 | words as u8, 0];
    header.extend(length.to_be_bytes());
    header.extend(0x4242_u16.to_be_bytes()); // the same for all fragments
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    header.extend(options);
    let sum = checksum(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(payload);
    header
}

/// An IPv6 packet (RFC 8200).
pub fn ipv6(from: Ipv6Addr, to: Ipv6Addr, next_header: u8, hop_limit: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0][..], &length, &[next_header, hop_limit], &from.octets(), &to.octets(), payload].concat()
}

/// A UDP datagram (RFC 768).
pub fn udp(from: IpAddr, to: IpAddr, from_port: u16, to_port: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len() as u16).to_be_bytes();
    let mut datagram = [&from_port.to_be_bytes()[..], &to_port.to_be_bytes(), &length, &[0, 0], payload].concat();
    let sum = checksum(&[&pseudo_header(from, to, UDP, datagram.len()), &datagram]);
    datagram[6..8].copy_from_slice(&sum.max(1).to_be_bytes());
    datagram
}

/// A TCP segment that opens a connection (RFC 9293), with a sequence number.
pub fn tcp_syn(from: IpAddr, to: IpAddr, from_port: u16, to_port: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    const SYN: u8 = 2;
    tcp(from, to, from_port, to_port, sequence, SYN, &[], payload)
}

/// A TCP segment with these flags and options, which are filled up to words.
#[allow(clippy::too_many_arguments)]
pub fn tcp(
    from: IpAddr,
    to: IpAddr,
    from_port: u16,
    to_port: u16,
    sequence: u32,
    flags: u8,
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let words = 5 + options.len().div_ceil(4);
    let mut segment = [&from_port.to_be_bytes()[..], &to_port.to_be_bytes(), &sequence.to_be_bytes()].concat();
    segment.extend([0, 0, 0, 0, (words as u8) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(options);
    segment.resize(words * 4, 0);
    segment.extend(payload);
    let sum = checksum(&[&pseudo_header(from, to, TCP, segment.len()), &segment]);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// An ICMP or ICMPv6 echo request. Other payloads have other identifiers, for connection tracking takes the same one for
/// the same conversation.
pub fn echo(from: IpAddr, to: IpAddr, payload: &[u8]) -> (u8, Vec<u8>) {
    let body = [&checksum(&[payload]).to_be_bytes()[..], &[0, 1], payload].concat();
    match from {
        IpAddr::V4(_) => {
            let mut message = [&[8, 0, 0, 0][..], &body].concat();
            let sum = checksum(&[&message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            (ICMP, message)
        }
        IpAddr::V6(_) => (ICMPV6, icmpv6(from, to, 128, &body)),
    }
}

/// The ICMP or ICMPv6 message that nobody listens at a port, about a packet.
pub fn unreachable(from: IpAddr, to: IpAddr, packet: &[u8]) -> (u8, Vec<u8>) {
    match from {
        IpAddr::V4(_) => {
            let mut message = [&[3, 3, 0, 0, 0, 0, 0, 0][..], packet].concat();
            let sum = checksum(&[&message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            (ICMP, message)
        }
        IpAddr::V6(_) => {
            // Type 1, code 4 (RFC 4443, 3.1): the code is in the second byte, which `icmpv6` leaves zero.
            let mut message = icmpv6(from, to, 1, &[&[0; 4][..], packet].concat());
            message[1] = 4;
            message[2..4].fill(0);
            let sum = checksum(&[&pseudo_header(from, to, ICMPV6, message.len()), &message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            (ICMPV6, message)
        }
    }
}

/// An ICMPv6 message (RFC 4443): the body is what follows the checksum.
pub fn icmpv6(from: IpAddr, to: IpAddr, kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = [&[kind, 0, 0, 0][..], body].concat();
    let sum = checksum(&[&pseudo_header(from, to, ICMPV6, message.len()), &message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An option of neighbour discovery (RFC 4861, 4.6), filled up to a multiple of 8 bytes.
pub fn nd_option(kind: u8, value: &[u8]) -> Vec<u8> {
    let units = (value.len() + 2).div_ceil(8);
    let mut option = [&[kind, units as u8][..], value].concat();
    option.resize(units * 8, 0);
    option
}

/// An ARP message (RFC 826).
#[derive(Clone, Copy, Debug)]
pub struct Arp {
    /// 1 for a request, 2 for a reply.
    pub operation: u16,
    /// Who says so.
    pub sender: (Mac, Ipv4Addr),
    /// Who is asked.
    pub target: (Mac, Ipv4Addr),
}

impl Arp {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0, 1, 8, 0, 6, 4];
        bytes.extend(self.operation.to_be_bytes());
        for (mac, address) in [self.sender, self.target] {
            bytes.extend(mac);
            bytes.extend(address.octets());
        }
        bytes
    }
}

fn pseudo_header(from: IpAddr, to: IpAddr, protocol: u8, length: usize) -> Vec<u8> {
    let length = (length as u32).to_be_bytes();
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [&from.octets()[..], &to.octets(), &[0, protocol], &length[2..]].concat(),
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            [&from.octets()[..], &to.octets(), &length, &[0, 0, 0, protocol]].concat()
        }
        _ => Vec::new(),
    }
}

/// The checksum of the internet (RFC 1071). All parts but the last have an even number of bytes.
/// The checksum of the internet (RFC 1071) of parts, each of which begins a word.
pub fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(*word.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_found_wherever_it_is() {
        let (from, to): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let packet = ip(from, to, UDP, &udp(from, to, 1, 2, &canary(0x0102_0304)));
        let frame = ethernet(BROADCAST, [2, 0, 0, 0, 0, 1], IPV4, &packet);
        assert_eq!(canaries(&frame), [0x0102_0304]);
        assert_eq!(canaries(&tagged(&frame, 0x8100, 5)), [0x0102_0304]);
        assert_eq!(canaries(&frame[..frame.len() - 10]), [] as [u32; 0]);
    }

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        // RFC 1071, 3, in network order.
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
    }
}

//! The oracle: what is seen, where, and whether it may be.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::Ordering;

use bulkhead_lab::frame::{ARP, ICMP, IPV4, IPV6, TCP, UDP, answered_syn, canaries};

use crate::attacks::Attack;
use crate::battery::{Captured, SEEN};
use crate::world::*;

/// Whether a frame that was seen at a place tells that an attack has succeeded.
pub fn is_evidence(attack: &Attack, place: &str, frame: &[u8]) -> bool {
    if answered_syn(frame) == Some(attack.number) {
        return true;
    }
    let is_own_way = match attack.from {
        // On its way in, the frame of somebody outside is where it has to be.
        "lan" => ["lan", "lan0"].contains(&place),
        name => place == name && !is_answer(frame),
    };
    !is_own_way && !attack.allowed.contains(&place) && canaries(frame).contains(&attack.number)
}

/// An answer that carries what was asked: of a ping, or an ICMP error other than advice to the sender.
fn is_answer(frame: &[u8]) -> bool {
    let is_redirect = frame.len() > 54 && frame[12..14] == [8, 0] && frame[23] == 1 && frame[34] == 5;
    !is_redirect
}

/// What gets through of attacks, and what leaves the host that is neither WireGuard's nor the proxy's.
pub fn judge(world: &World, attacks: &[Attack], captured: &[Captured]) -> BTreeSet<String> {
    let mut leaks = BTreeSet::new();
    let ways_out: Vec<&str> = world.egress.iter().map(|(name, _)| *name).collect();
    for (place, frame) in captured {
        let numbers = canaries(frame);
        if !numbers.is_empty() || answered_syn(frame).is_some() {
            let of = attacks.iter().filter(|attack| is_evidence(attack, place, frame));
            leaks.extend(of.map(|attack| format!("{} (seen at {place})", attack.name)));
        }
        if ways_out.contains(place) {
            SEEN.fetch_add(1, Ordering::Relaxed);
            // The host may send back what somebody on the LAN has sent to where it has no way.
            let is_lans = |number: &u32| attacks.iter().any(|attack| attack.from == "lan" && attack.number == *number);
            if !may_pass(world, place, frame) && (numbers.is_empty() || !numbers.iter().all(is_lans)) {
                leaks.insert(format!("a frame at {place}: {frame:02x?}"));
            }
        }
    }
    leaks
}

/// Whether a frame may be seen on a way out of the host: it is not the host's, WireGuard's, the proxy's to the provider, or
/// the host's own look for its router.
fn may_pass(world: &World, place: &str, frame: &[u8]) -> bool {
    if place != "lan0" {
        // The host itself says there nothing but who it is.
        return is_of_neighbours(frame) && canaries(frame).is_empty();
    }
    if frame.get(6..12) != Some(&world.host_mac) {
        return true;
    }
    if is_of_neighbours(frame) {
        return canaries(frame).is_empty();
    }
    let (Some(packet), Some(IPV4)) = (frame.get(14..), kind(frame)) else { return false };
    let header = usize::from(packet[0] & 15) * 4;
    let (Some(to), Some(payload)) = (packet.get(16..20), packet.get(header..)) else { return false };
    let to = Ipv4Addr::new(to[0], to[1], to[2], to[3]);
    let port = payload.get(2..4).map(|port| u16::from_be_bytes([port[0], port[1]]));
    match (packet[9], port) {
        // WireGuard's messages have a type of 1 to 4 and three zeros (its paper, 5.4).
        (UDP, Some(KEYS)) => {
            let kind = payload.get(8..12).unwrap_or_default();
            SERVERS.contains(&to) && matches!(kind, [1..=4, 0, 0, 0])
        }
        // The host tells the server that WireGuard does not listen any more (RFC 792), with what it has sent. Where a server
        // begins to speak, it does so with the first of its addresses.
        (ICMP, _) => {
            let quoted = payload.get(8..).unwrap_or_default();
            (SERVERS.contains(&to) || to == PIA)
                && payload.starts_with(&[3, 3])
                && quoted.get(9) == Some(&UDP)
                && quoted.get(12..16) == Some(&to.octets())
                && quoted.get(16..20) == Some(&HOST_LAN.octets())
                && quoted.get(20..22) == Some(&KEYS.to_be_bytes())
        }
        (TCP, Some(443)) => to == PIA,
        (TCP, Some(KEYS)) => SERVERS.contains(&to),
        _ => false,
    }
}

fn kind(frame: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?]))
}

/// ARP, neighbour discovery and reports about multicast groups: ICMPv6 alone, or after a header with options.
fn is_of_neighbours(frame: &[u8]) -> bool {
    match kind(frame) {
        Some(ARP) => true,
        Some(IPV6) => match frame.get(20) {
            Some(58) => matches!(frame.get(54), Some(130..=137 | 143)),
            Some(0) => matches!(frame.get(62), Some(130..=132 | 143)),
            _ => false,
        },
        _ => false,
    }
}

/// Where the TCP connection goes that a frame opens.
pub fn opens(frame: &[u8]) -> Option<SocketAddr> {
    let packet = frame.get(14..)?;
    let (to, segment): (IpAddr, &[u8]) = match kind(frame)? {
        IPV4 if *packet.get(9)? == TCP => {
            (<[u8; 4]>::try_from(packet.get(16..20)?).ok()?.into(), packet.get(usize::from(packet[0] & 15) * 4..)?)
        }
        IPV6 if *packet.get(6)? == TCP => (<[u8; 16]>::try_from(packet.get(24..40)?).ok()?.into(), packet.get(40..)?),
        _ => return None,
    };
    const SYN: u8 = 2;
    (*segment.get(13)? & 0x3f == SYN).then(|| (to, u16::from_be_bytes([segment[2], segment[3]])).into())
}

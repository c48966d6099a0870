//! WireGuard interfaces of the kernel (include/uapi/linux/wireguard.h).

use std::io;
use std::time::Duration;

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_generic::GenlMessage;
use netlink_packet_generic::ctrl::nlas::GenlCtrlAttrs;
use netlink_packet_generic::ctrl::{GenlCtrl, GenlCtrlCmd};
use netlink_packet_wireguard::{
    WireguardAddressFamily, WireguardAllowedIp, WireguardAllowedIpAttr, WireguardAttribute, WireguardCmd,
    WireguardDeviceFlags, WireguardMessage, WireguardPeer, WireguardPeerAttribute, WireguardPeerFlags,
};
use netlink_sys::protocols::NETLINK_GENERIC;

use super::PeerState;
use super::netlink::request;
use crate::provider::Tunnel;
use crate::secret::PublicKey;

pub fn set(interface: &str, tunnel: &Tunnel) -> io::Result<()> {
    send(set_message(interface, tunnel), 0).map(drop)
}

pub fn clear(interface: &str) -> io::Result<()> {
    let attributes = vec![
        WireguardAttribute::IfName(interface.to_owned()),
        // A key of zeros is none.
        WireguardAttribute::PrivateKey([0; 32]),
        WireguardAttribute::Flags(WireguardDeviceFlags::ReplacePeers),
    ];
    send(WireguardMessage { cmd: WireguardCmd::SetDevice, attributes }, 0).map(drop)
}

pub fn peer(interface: &str) -> io::Result<PeerState> {
    let attributes = vec![WireguardAttribute::IfName(interface.to_owned())];
    let answers = send(WireguardMessage { cmd: WireguardCmd::GetDevice, attributes }, NLM_F_DUMP)?;
    let mut state = PeerState::default();
    // A peer may be told in several parts.
    for attribute in answers.iter().flat_map(|answer| &answer.attributes) {
        let WireguardAttribute::Peers(peers) = attribute else { continue };
        for attribute in peers.iter().flat_map(|peer| &peer.0) {
            match attribute {
                WireguardPeerAttribute::PublicKey(key) => state.key = Some(PublicKey::from_bytes(*key)),
                WireguardPeerAttribute::LastHandshake(time) => {
                    let seconds = Duration::from_secs(time.seconds.try_into().unwrap_or_default());
                    let at = seconds + Duration::from_nanos(time.nano_seconds.try_into().unwrap_or_default());
                    state.handshake = Some(at).filter(|at| !at.is_zero()).or(state.handshake);
                }
                WireguardPeerAttribute::RxBytes(bytes) => state.received += bytes,
                WireguardPeerAttribute::TxBytes(bytes) => state.sent += bytes,
                _ => {}
            }
        }
    }
    Ok(state)
}

fn set_message(interface: &str, tunnel: &Tunnel) -> WireguardMessage {
    let peer = &tunnel.peer;
    let mut attributes = vec![
        WireguardPeerAttribute::PublicKey(*peer.public_key.bytes()),
        WireguardPeerAttribute::Flags(WireguardPeerFlags::ReplaceAllowedIps),
        WireguardPeerAttribute::Endpoint(peer.endpoint),
        WireguardPeerAttribute::PersistentKeepalive(peer.keepalive),
    ];
    if let Some(key) = &peer.preshared_key {
        attributes.push(WireguardPeerAttribute::PresharedKey(*key.reveal()));
    }
    let allowed = peer.allowed_ips.iter().map(|net| {
        WireguardAllowedIp(vec![
            WireguardAllowedIpAttr::Family(WireguardAddressFamily::Ipv4),
            WireguardAllowedIpAttr::IpAddr(net.network().into()),
            WireguardAllowedIpAttr::Cidr(net.prefix),
        ])
    });
    attributes.push(WireguardPeerAttribute::AllowedIps(allowed.collect()));
    WireguardMessage {
        cmd: WireguardCmd::SetDevice,
        attributes: vec![
            WireguardAttribute::IfName(interface.to_owned()),
            WireguardAttribute::PrivateKey(*tunnel.private_key.reveal()),
            WireguardAttribute::Flags(WireguardDeviceFlags::ReplacePeers),
            WireguardAttribute::Peers(vec![WireguardPeer(attributes)]),
        ],
    }
}

fn send(message: WireguardMessage, flags: u16) -> io::Result<Vec<WireguardMessage>> {
    let mut message = GenlMessage::from_payload(message);
    message.set_resolved_family_id(family()?);
    Ok(request(NETLINK_GENERIC, message, flags)?.into_iter().map(|answer| answer.payload).collect())
}

/// The number of WireGuard's family, which the kernel gives out.
fn family() -> io::Result<u16> {
    let question =
        GenlCtrl { cmd: GenlCtrlCmd::GetFamily, nlas: vec![GenlCtrlAttrs::FamilyName("wireguard".to_owned())] };
    let answers = request(NETLINK_GENERIC, GenlMessage::from_payload(question), 0).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            return io::Error::other("this kernel has no WireGuard, and no program has a socket in /var/run/wireguard");
        }
        error
    })?;
    let mut attributes = answers.into_iter().flat_map(|answer| answer.payload.nlas);
    let number = attributes.find_map(|attribute| match attribute {
        GenlCtrlAttrs::FamilyId(number) => Some(number),
        _ => None,
    });
    number.ok_or_else(|| io::Error::other("the kernel does not tell the number of WireGuard's family"))
}

//! Rules about the networks that workspaces and the services behind a VPN are in.

pub(crate) mod address_collision;
pub(crate) mod address_outside_subnet;
pub(crate) mod address_reserved;
pub(crate) mod forward_rules_ignored;
pub(crate) mod interface_name_too_long;
pub(crate) mod isolation_off;
pub(crate) mod mac_collision;
pub(crate) mod malformed_address;
pub(crate) mod nix_daemon_reachable;
pub(crate) mod private_range_open;
pub(crate) mod subnet_overlap;
pub(crate) mod trusted_interface;

use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_diagnostics::Place;

use crate::trees::addresses::Prefix;
use crate::trees::{Network, Peer, Stated, When};

/// An address of somebody on a network, and when it is that.
pub(crate) struct Address<'t> {
    pub(crate) peer: &'t Peer,
    pub(crate) stated: &'t Stated<Arc<str>>,
    pub(crate) value: IpAddr,
    pub(crate) when: When,
}

impl Address<'_> {
    /// Where it is written, or what is nearest to that.
    pub(crate) fn place(&self) -> Place {
        place(self.peer, self.stated)
    }
}

/// Where something of `peer` is written.
pub(crate) fn place(peer: &Peer, stated: &Stated<Arc<str>>) -> Place {
    stated.place.clone().unwrap_or_else(|| peer.place.clone())
}

/// The addresses of a network that can be read, the host's first.
pub(crate) fn addresses(network: &Network) -> Vec<Address<'_>> {
    let all = network.everybody().flat_map(|peer| peer.addresses.iter().map(move |stated| (peer, stated)));
    let read = all.filter_map(|(peer, stated)| {
        let value: IpAddr = stated.value.parse().ok()?;
        let when = stated.when.and(&network.when)?;
        (value.is_ipv6() == network.is_v6).then_some(Address { peer, stated, value, when })
    });
    read.collect()
}

/// The subnets that a network may have, as far as they can be read.
pub(crate) fn subnets(network: &Network) -> Vec<(&Stated<Arc<str>>, Prefix, When)> {
    let read = network.subnets.iter().filter_map(|stated| {
        let prefix = Prefix::parse(&stated.value).filter(|_| Prefix::is_exact(&stated.value))?;
        Some((stated, prefix, stated.when.and(&network.when)?))
    });
    read.collect()
}

/// `` `vpn.subnet` ``, or with a word that it is a default.
pub(crate) fn called(stated: &Stated<Arc<str>>) -> String {
    match &stated.place {
        Some(_) => format!("`{}`", stated.option),
        None => format!("`{}` (its default)", stated.option),
    }
}

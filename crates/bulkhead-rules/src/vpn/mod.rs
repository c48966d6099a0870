//! Rules about services behind a VPN.

pub(crate) mod host_forwards_for_vpn;
pub(crate) mod openvpn_leftover;
pub(crate) mod proxy_open_to_services;
pub(crate) mod second_way_out;
pub(crate) mod secrets_folder_mounted;
pub(crate) mod several_port_receivers;
pub(crate) mod vpn_credentials_outside_age;
pub(crate) mod vpn_ipv6_unguarded;
pub(crate) mod vpn_reachable_uplink;

use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;

use crate::trees::addresses::Prefix;
use crate::trees::networkd::{Link, files};
use crate::trees::{Assumed, Named, Network, Shape, Stated, Tree, VPN_CONTAINER, When, option, text};

/// A machine's tree with its VPN.
pub(crate) fn vpns<'t, 'a>(trees: &'t [Tree<'a>]) -> impl Iterator<Item = (&'t Tree<'a>, &'t Network)> {
    trees.iter().filter_map(|tree| Some((tree, tree.networks.vpn()?)))
}

/// The NixOS containers of a VPN: the services, and the VPN container itself where our module makes it.
pub(crate) fn containers(vpn: &Network) -> Vec<Arc<str>> {
    let own = (vpn.shape == Shape::Native).then(|| Arc::from(VPN_CONTAINER));
    own.into_iter().chain(vpn.peers.iter().map(|peer| peer.name.clone())).collect()
}

/// What the host does that makes it forward for the VPN's bridge, and where.
pub(crate) struct Forwarding {
    /// What it is, as a clause.
    pub(crate) what: String,
    /// Where.
    pub(crate) place: Place,
    /// Whether it holds.
    pub(crate) when: When,
}

/// Options by which the host forwards, or translates addresses, for the VPN's bridge or its ports.
pub(crate) fn forwarding(tree: &Tree<'_>, vpn: &Network) -> Vec<Forwarding> {
    let mut found = Vec::new();
    let names: Vec<&Stated<Arc<str>>> =
        vpn.bridges.iter().chain(vpn.everybody().flat_map(|peer| &peer.interfaces)).collect();
    let named = |name: &str| names.iter().any(|stated| fits(name, &stated.value));
    for item in tree.items(&option("networking.nat.internalInterfaces")) {
        let (Some(name), Some(place)) = (text(item.value), item.place.clone()) else { continue };
        if named(&name) {
            found.push(Forwarding {
                what: format!("`networking.nat.internalInterfaces` has `{name}`"),
                place,
                when: item.when,
            });
        }
    }
    for item in tree.items(&option("networking.nat.internalIPs")) {
        let (Some(shown), Some(place)) = (text(item.value), item.place.clone()) else { continue };
        let Some(range) = Prefix::parse(&shown).or_else(|| Prefix::parse(&format!("{shown}/32"))) else { continue };
        for (_, subnet, holds) in crate::network::subnets(vpn) {
            if let (true, Some(when)) = (subnet.overlaps(&range), item.when.and(&holds)) {
                let what = format!("`networking.nat.internalIPs` has {shown}");
                found.push(Forwarding { what, place: place.clone(), when });
            }
        }
    }
    let bridges = vpn.bridges.iter().map(|bridge| Link::bridge(bridge.value.clone()));
    let ports = vpn.everybody().flat_map(|peer| &peer.interfaces).map(|port| Link::port(port.value.clone()));
    let links: Vec<Link> = bridges.chain(ports).collect();
    for path in files(tree, vpn, &links) {
        for key in ["IPMasquerade", "IPForward", "IPv4Forwarding"] {
            let on = tree.stated(&path.join("networkConfig").join(key), |data| is_on(data).then_some(()), None);
            found.extend(on.into_iter().filter_map(|stated| {
                Some(Forwarding { what: format!("`{}` is on", stated.option), place: stated.place?, when: stated.when })
            }));
        }
    }
    found
}

/// The first table of the fleet's own whose text may be rules that close something; what they do is not judged.
pub(crate) fn table_that_may_close(tree: &Tree<'_>, may: impl Fn(&str) -> bool) -> Option<Assumed> {
    let mut tables = tree.below(&option("networking.nftables")).iter();
    tables.find(|named| text(&named.definition.value).is_some_and(|rules| may(&rules))).map(not_judged)
}

/// That the rules in the text of an option may decide.
pub(crate) fn not_judged(rules: &Named) -> Assumed {
    let option = &rules.definition.path;
    Assumed {
        what: format!("rules in `{option}` may close it, or open it: their text is not judged"),
        place: rules.definition.place().cloned(),
    }
}

/// Whether the value of a networkd option turns on something for IPv4.
fn is_on(data: &Data) -> bool {
    match &data.kind {
        DataKind::Bool(on) => *on,
        DataKind::String(text) => matches!(&**text, "yes" | "true" | "1" | "on" | "ipv4" | "both"),
        _ => false,
    }
}

/// Whether a name with `+` or `*` at its end stands for an interface.
pub(crate) fn fits(name: &str, interface: &str) -> bool {
    match name.strip_suffix(['+', '*']) {
        Some(start) => interface.starts_with(start),
        None => interface == name,
    }
}

/// Where the configuration inside of a container of a VPN is defined.
pub(crate) fn configurations(name: &str) -> [OptionPath; 2] {
    [container(name, "config"), option("vpn.containers").join(name).join("config")]
}

/// The option `containers.<name>.<attribute>`.
pub(crate) fn container(name: &str, attribute: &str) -> OptionPath {
    option("containers").join(name).join(attribute)
}

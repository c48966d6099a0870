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
use bulkhead_eval::data::DataKind;
use bulkhead_modules::OptionPath;

use crate::context::Context;
use crate::trees::addresses::Prefix;
use crate::trees::firewall::{commands, tables, translations};
use crate::trees::networkd::{Link, files, is_yes};
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
pub(crate) fn forwarding(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network) -> Vec<Forwarding> {
    let mut found = Vec::new();
    let names: Vec<&Stated<Arc<str>>> =
        vpn.bridges.iter().chain(vpn.everybody().flat_map(|peer| &peer.interfaces)).collect();
    let named = |name: &str| names.iter().any(|stated| fits(name, &stated.value));
    let from = found.len();
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
        let Some(range) = prefix_or_address(&shown) else { continue };
        for (_, subnet, holds) in crate::network::subnets(vpn) {
            if let (true, Some(when)) = (subnet.overlaps(&range), item.when.and(&holds)) {
                let what = format!("`networking.nat.internalIPs` has {shown}");
                found.push(Forwarding { what, place: place.clone(), when });
            }
        }
    }
    // What `networking.nat` says is nothing where it is surely off.
    let off = tree.bools(&option("networking.nat.enable"), Some(false));
    if off.iter().all(|stated| !stated.value && stated.when.is_sure()) {
        found.truncate(from);
    }
    found.extend(translating(context, tree, vpn, &named));
    let links: Vec<Link> = Link::bridges(tree, vpn).into_iter().chain(Link::ports(vpn)).collect();
    let own = files(tree, vpn, &links);
    for file in &own {
        for key in ["IPMasquerade", "IPForward", "IPv4Forwarding"] {
            found.extend(file.all("Network", key).into_iter().filter(|stated| is_on(&stated.value)).filter_map(
                |stated| {
                    let what = format!("`{}` is on", stated.option);
                    Some(Forwarding { what, place: stated.place.clone()?, when: stated.when.clone() })
                },
            ));
        }
    }
    // networkd translates the addresses of a link's networks, by whichever link they come.
    for file in tree.networkd.iter().filter(|file| !own.iter().any(|known| std::ptr::eq(*known, *file))) {
        for stated in file.all("Network", "IPMasquerade").into_iter().filter(|stated| is_on(&stated.value)) {
            for address in file.addresses() {
                let Some(range) = Prefix::parse(&address.value) else { continue };
                for (_, subnet, holds) in crate::network::subnets(vpn) {
                    let when = stated.when.and(&address.when).and_then(|when| when.and(&holds));
                    if let (true, Some(when), Some(place)) = (subnet.overlaps(&range), when, stated.place.clone()) {
                        let what = format!("`{}` is on for a link of {}", stated.option, address.value);
                        found.push(Forwarding { what, place, when });
                    }
                }
            }
        }
    }
    found
}

/// A network, or an address as a network of its own.
fn prefix_or_address(text: &str) -> Option<Prefix> {
    let text = text.trim_matches([',', '{', '}']);
    let length = if text.contains(':') { 128 } else { 32 };
    Prefix::parse(text).or_else(|| Prefix::parse(&format!("{text}/{length}")))
}

/// Rules that translate the addresses of the VPN's services.
fn translating(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network, named: &dyn Fn(&str) -> bool) -> Vec<Forwarding> {
    let mut found = Vec::new();
    let nftables = tree.bools(&option("networking.nftables.enable"), Some(false));
    let is_on = nftables.iter().any(|stated| stated.value || !stated.when.is_sure());
    let of_tables = tables(context, tree).into_iter().filter(|_| is_on);
    for stated in of_tables.chain(commands(context, tree)) {
        let Some(place) = stated.place.clone() else { continue };
        for rule in translations(&stated.value) {
            let mut whens: Vec<When> = Vec::new();
            for word in &rule {
                if named(word) {
                    whens.push(stated.when.clone());
                }
                // Of a range of addresses, its ends.
                let ranges: Vec<Prefix> = word.split('-').filter_map(prefix_or_address).collect();
                let of_subnets = crate::network::subnets(vpn).into_iter();
                let overlapping = of_subnets.filter(|(_, subnet, _)| ranges.iter().any(|range| subnet.overlaps(range)));
                whens.extend(overlapping.filter_map(|(_, _, holds)| stated.when.and(&holds)));
            }
            found.extend(whens.into_iter().next().map(|when| Forwarding {
                what: format!("`{}` translates their addresses", stated.option),
                place: place.clone(),
                when,
            }));
        }
    }
    found
}

/// The first table of the fleet's own whose text may be rules that close something; what they do is not judged.
pub(crate) fn table_that_may_close(tree: &Tree<'_>, may: impl Fn(&str) -> bool) -> Option<Assumed> {
    let mut tables = tree.below(&option("networking.nftables")).iter();
    let may_close = |named: &&Named| match &named.definition.value.kind {
        DataKind::String(rules) => may(rules),
        DataKind::Unknown(_) | DataKind::Failed(_) => true,
        _ => false,
    };
    tables.find(may_close).map(not_judged)
}

/// That the rules in the text of an option may decide.
pub(crate) fn not_judged(rules: &Named) -> Assumed {
    let option = &rules.definition.path;
    Assumed {
        what: format!("rules in `{option}` may close it, or open it: their text is not judged"),
        place: rules.definition.place().cloned(),
    }
}

/// Whether a setting of networkd turns on something for IPv4.
pub(crate) fn is_on(value: &str) -> bool {
    is_yes(value) || matches!(value, "ipv4" | "both")
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

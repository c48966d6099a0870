//! `second-way-out`: a container of a VPN with another network or default route.

use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;

use super::{configurations, container, containers, vpns};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::firewall::default_route;
use crate::trees::flags::flags;
use crate::trees::networkd::{File, all_files};
use crate::trees::oci::{self, Leads, leads};
use crate::trees::partial::partial;
use crate::trees::{Assumed, Network, Stated, Tree, VPN_CONTAINER, When, text};

pub(crate) const RULE: Rule = Rule {
    name: "second-way-out",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "A container of a VPN has another network, or another default route.",
    docs: "\
A service container behind a VPN, or the VPN container itself, has an interface besides the one on the VPN's bridge
(`interfaces`, `macvlans`, `extraVeths`, `hostAddress`, `localAddress` without a bridge, another `hostBridge`,
`networkNamespace`, `forwardPorts`; of docker or podman, any network but `none`, that of another container, or the
VPN's bridge), or its configuration names another default gateway than the VPN container. It is a warning that its
configuration has a tunnel of its own (WireGuard, Tailscale, ZeroTier, nebula, NetBird, tinc …), or asks for an
address by DHCP.

**Why it matters.** What goes that way does not go through the tunnel. The module refuses it when the configuration
is built.

**Fix.** Leave it out. The host reaches services at their addresses; others reach them by a reverse proxy of the host.

```nix
# bad
containers.web.macvlans = [ \"eth0\" ];
# good
vpn.containers.web.ip = \"10.73.0.11\";
```

**Limits.** Whether the way leads to the internet is what `vpn-reachable-uplink` says. Routes that a program sets at
run time are not seen, unless it is `ip route` in a script or command of a unit.

**Data.** `machine`: the machine. `container`: the container. `option`: the option.
",
    check: Some(check),
};

/// Options of NixOS' containers that give another network, and whether a value of them does.
const OTHER_NETWORKS: [&str; 9] = [
    "interfaces",
    "macvlans",
    "forwardPorts",
    "extraVeths",
    "hostAddress",
    "hostAddress6",
    "localAddress",
    "localAddress6",
    "networkNamespace",
];

/// Options of systemd-nspawn(1) that do.
const OTHER_FLAGS: [&str; 7] = [
    "--network-interface",
    "--network-ipvlan",
    "--network-macvlan",
    "--network-namespace-path",
    "--network-veth-extra",
    "--network-zone",
    "--port",
];

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (tree, vpn) in vpns(context.trees()) {
        for name in containers(vpn) {
            let of = if &*name == VPN_CONTAINER { "the VPN container".to_owned() } else { format!("`{name}`") };
            for stated in ways(tree, std::slice::from_ref(vpn), &name) {
                let (Some(when), Some(at)) = (stated.when.and(&vpn.when), stated.place.clone()) else { continue };
                let message = format!("`{}` is set, which would be another way out of {of}, or into it", stated.option);
                found.push(
                    RULE.judged(context.tree, &when, at, message)
                        .with_help("leave it out")
                        .with_data("machine", &*tree.name)
                        .with_data("container", &*name)
                        .with_data("option", stated.option.clone()),
                );
            }
            let configurations = configurations(&name);
            let of_networkd = |config| all_files(tree, config, &|path| context.text_of(path));
            let files: Vec<File> = configurations.iter().flat_map(of_networkd).collect();
            for Gateway { stated, what } in gateways(tree, vpn, &name, &files) {
                let (Some(when), Some(at)) = (stated.when.and(&vpn.when), stated.place.clone()) else { continue };
                let message = format!("the default gateway of {of} is {what}, and not the VPN container");
                found.push(
                    RULE.judged(context.tree, &when, at, message)
                        .with_help("leave it out: the module sets the route")
                        .with_data("machine", &*tree.name)
                        .with_data("container", &*name)
                        .with_data("option", stated.option.clone()),
                );
            }
            let tunnels = tunnels(tree, &name).into_iter().map(|stated| (stated, format!("another tunnel of {of}")));
            let from_others =
                format!("the address and the default route of {of} come from whoever answers on the bridge");
            let leases = leases(tree, &name, &files).into_iter().map(|stated| (stated, from_others.clone()));
            let routes = routes(context, tree, vpn, &name).into_iter().map(|stated| {
                (
                    stated.plain(),
                    format!("it sets a default route of {of} by {}, and not by the VPN container", stated.value),
                )
            });
            let unread = files.iter().filter_map(unread);
            let unread = unread.map(|stated| (stated, format!("it may be another way out of {of}")));
            for (stated, what) in tunnels.chain(leases).chain(routes).chain(unread) {
                let (Some(when), Some(at)) = (stated.when.and(&vpn.when), stated.place.clone()) else { continue };
                let message = format!("`{}` is set: {what}", stated.option);
                // What it carries goes through the VPN's tunnel first, and a lease takes somebody who gives one.
                let mut finding = RULE.judged(context.tree, &when, at, message);
                finding.severity = finding.severity.min(Severity::Warning);
                found.push(
                    finding
                        .with_help("leave it out")
                        .with_data("machine", &*tree.name)
                        .with_data("container", &*name)
                        .with_data("option", stated.option),
                );
            }
        }
    }
}

/// Where a container gets another network than that of a bridge of `networks`.
pub(crate) fn ways(tree: &Tree<'_>, networks: &[Network], name: &str) -> Vec<Stated<()>> {
    let mut found = Vec::new();
    let bridge = container(name, "hostBridge");
    let on_bridge = tree.texts(&bridge, None);
    let unknown = tree.unknown(&bridge).into_iter().map(|(_, place)| Some(place));
    let maybe_on_bridge = on_bridge.iter().map(|stated| stated.place.clone()).chain(unknown).next();
    let maybe_on_bridge =
        maybe_on_bridge.map(|place| Assumed { what: format!("whether `{bridge}` is set is not known"), place });
    for attribute in OTHER_NETWORKS {
        let path = container(name, attribute);
        // On a bridge, it is the address at the interface there; without one, it makes a link to the host.
        let is_local = attribute.starts_with("localAddress");
        if is_local && on_bridge.iter().any(|stated| stated.when.is_sure()) {
            continue;
        }
        found.extend(tree.given(&path).into_iter().map(|mut stated| {
            if let Some(what) = maybe_on_bridge.clone().filter(|_| is_local) {
                stated.when.assumed.push(what);
            }
            stated
        }));
        // `extraVeths.x = { … }` defines options below it.
        let below = tree.below(&path).iter().find(|named| named.path != path);
        found.extend(below.map(|named| Stated {
            value: (),
            place: named.definition.place().cloned(),
            option: tree.called(&path).to_string(),
            when: When::of(&named.definition.condition),
        }));
    }
    let bridges: Vec<&str> =
        networks.iter().flat_map(|network| &network.bridges).map(|bridge| &*bridge.value).collect();
    if oci::is_compartment(tree, name) {
        found.extend(oci::networks(tree, name).iter().filter_map(|network| match leads(&network.value) {
            Leads::Out => oci::leading_out(tree, network, &bridges),
            Leads::Somewhere => {
                let mut stated = network.plain();
                let what = format!("where the network `{}` leads is not known", network.value);
                stated.when.assumed.push(Assumed { what, place: None });
                Some(stated)
            }
            // That it is the host's is told by itself.
            Leads::Host | Leads::Nowhere => None,
        }));
    }
    let is_other = |bridge: &str| !bridges.is_empty() && !bridges.contains(&bridge);
    let read = |data: &Data| is_other(&text(data)?).then_some(());
    found.extend(tree.stated(&container(name, "hostBridge"), read, None));
    for flag in flags(tree, name) {
        let is_way = match &*flag.value.name {
            "--network-bridge" => is_other(&flag.value.value),
            name => OTHER_FLAGS.contains(&name),
        };
        if is_way {
            found.push(Stated { value: (), option: flag.called(), place: flag.place, when: flag.when });
        }
    }
    found
}

/// Kinds of interfaces of networkd that are tunnels.
const TUNNELS: [&str; 13] = [
    "bareudp",
    "fou",
    "geneve",
    "gre",
    "gretap",
    "ip6gre",
    "ip6tnl",
    "ipip",
    "l2tp",
    "sit",
    "vti",
    "vxlan",
    "wireguard",
];

/// Services that are tunnels, or networks on top of others.
const TUNNEL_SERVICES: [&str; 17] = [
    "services.cjdns.enable",
    "services.cloudflare-warp.enable",
    "services.expressvpn.enable",
    "services.ivpn.enable",
    "services.libreswan.enable",
    "services.mullvad-vpn.enable",
    "services.netbird.enable",
    "services.netclient.enable",
    "services.rosenpass.enable",
    "services.softether.vpnclient.enable",
    "services.strongswan-swanctl.enable",
    "services.strongswan.enable",
    "services.tailscale.enable",
    "services.toxvpn.enable",
    "services.wg-netmanager.enable",
    "services.yggdrasil.enable",
    "services.zerotierone.enable",
];

/// Sets of such, each of which is one unless its `enable` is false.
const TUNNEL_SETS: [&str; 7] = [
    "networking.openconnect.interfaces",
    "networking.wg-quick.interfaces",
    "networking.wireguard.interfaces",
    "services.nebula.networks",
    "services.netbird.clients",
    "services.netbird.tunnels",
    "services.tinc.networks",
];

/// Tunnels in a container's own configuration; of OpenVPN there is a rule of its own.
fn tunnels(tree: &Tree<'_>, name: &str) -> Vec<Stated<()>> {
    let mut found = Vec::new();
    for config in configurations(name) {
        let below = |path: &str| OptionPath::of(config.names().iter().map(|name| &**name).chain(path.split('.')));
        for root in TUNNEL_SETS {
            let root = below(root);
            for (interface, _) in tree.children(&root) {
                let path = root.join(&interface);
                let mut off = tree.off(&path.join("enable")).into_iter();
                if off.any(|off| off.when.is_sure()) {
                    continue;
                }
                let first = tree.below(&path).iter().find(|named| tree.counts(named));
                found.extend(first.map(|named| Stated {
                    value: (),
                    place: named.definition.place().cloned(),
                    option: tree.called(&path).to_string(),
                    when: When::of(&named.definition.condition),
                }));
            }
        }
        let netdevs = below("systemd.network.netdevs");
        for (netdev, _) in tree.children(&netdevs) {
            let is_tunnel = |data: &Data| TUNNELS.contains(&&*text(data)?).then_some(());
            found.extend(tree.stated(&netdevs.join(&netdev).join("netdevConfig").join("Kind"), is_tunnel, None));
        }
        for service in TUNNEL_SERVICES {
            found.extend(tree.on(&below(service)));
        }
    }
    found
}

/// Where a container's own configuration asks for an address by DHCP.
fn leases(tree: &Tree<'_>, name: &str, files: &[File]) -> Vec<Stated<()>> {
    let mut found = Vec::new();
    for config in configurations(name) {
        let networking = config.join("networking");
        found.extend(tree.on(&networking.join("useDHCP")));
        let interfaces = networking.join("interfaces");
        for (interface, _) in tree.children(&interfaces) {
            found.extend(tree.on(&interfaces.join(&interface).join("useDHCP")));
        }
    }
    for file in files {
        let leases = file.all("Network", "DHCP").into_iter();
        found
            .extend(leases.filter(|stated| super::is_on(&stated.value) || *stated.value == *"ipv6").map(Stated::plain));
    }
    found
}

/// Default routes that scripts in a container's own configuration set.
fn routes(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network, name: &str) -> Vec<Stated<String>> {
    if name == VPN_CONTAINER {
        return Vec::new();
    }
    let own: Vec<IpAddr> =
        vpn.own.iter().flat_map(|peer| &peer.addresses).filter_map(|stated| stated.value.parse().ok()).collect();
    // The host is no router of theirs.
    let own: Vec<IpAddr> = own.into_iter().filter(|address| !is_host(vpn, *address)).collect();
    let mut found = Vec::new();
    for config in configurations(name) {
        for named in ["systemd", "networking"].iter().flat_map(|root| tree.below(&config.join(root))) {
            let value = &named.definition.value;
            let script = text(value).or_else(|| partial(context, value).map(|script| Arc::from(script.text)));
            let gateway = script.and_then(|script| default_route(&script, &own));
            found.extend(gateway.filter(|_| tree.counts(named)).map(|gateway| named.stated().with(gateway)));
        }
    }
    found
}

fn is_host(vpn: &Network, address: IpAddr) -> bool {
    let host = vpn.own.iter().filter(|peer| peer.name.is_empty());
    host.flat_map(|peer| &peer.addresses).any(|stated| stated.value.parse() == Ok(address))
}

/// A file of networkd in a container whose text is not known.
fn unread(file: &File) -> Option<Stated<()>> {
    let mut stated = file.unread.clone()?;
    let what = format!("what is in `{}.network` is not known", file.name);
    stated.when.assumed.push(Assumed { what, place: None });
    Some(stated)
}

/// A way to everywhere in a container's own configuration.
struct Gateway {
    stated: Stated<()>,
    /// Its address, or the device that it leads to.
    what: String,
}

/// Default gateways in a container's own configuration that are not the VPN container.
fn gateways(tree: &Tree<'_>, vpn: &Network, name: &str, files: &[File]) -> Vec<Gateway> {
    if name == VPN_CONTAINER {
        return Vec::new();
    }
    let vpn_addresses: Vec<IpAddr> = vpn
        .own
        .iter()
        .filter(|peer| !peer.name.is_empty())
        .flat_map(|peer| &peer.addresses)
        .filter_map(|stated| stated.value.parse().ok())
        .collect();
    if vpn_addresses.is_empty() {
        return Vec::new();
    }
    let is_other = |gateway: &str| gateway.parse().map_or(true, |address| !vpn_addresses.contains(&address));
    let mut found = Vec::new();
    let mut add = |stated: Vec<Stated<String>>| {
        let others = stated.into_iter().filter(|stated| is_other(&stated.value));
        found.extend(others.map(|stated| Gateway { stated: stated.plain(), what: stated.value }));
    };
    for config in configurations(name) {
        let address = |data: &Data| Some(text(data)?.to_string());
        let networking = config.join("networking");
        for gateway in ["defaultGateway", "defaultGateway6"] {
            let gateway = networking.join(gateway);
            add(tree.stated(&gateway, address, None));
            add(tree.stated(&gateway.join("address"), address, None));
            // Without an address, it is everybody on the link.
            if tree.below(&gateway.join("address")).is_empty() {
                let at_link = |data: &Data| Some(format!("what is at `{}`", text(data)?));
                add(tree.stated(&gateway.join("interface"), at_link, None));
            }
        }
        let interfaces = networking.join("interfaces");
        for (interface, _) in tree.children(&interfaces) {
            for family in ["ipv4", "ipv6"] {
                let routes = tree.items(&interfaces.join(&interface).join(family).join("routes"));
                add(of_items(routes, |route| scripted_route(route, &interface)));
            }
        }
        let units = config.join("systemd").join("network").join("networks");
        for (unit, _) in tree.children(&units) {
            let unit = units.join(&unit);
            add(of_items(tree.items(&unit.join("routes")), networkd_route));
        }
    }
    let from_files = files.iter().flat_map(file_gateways).collect();
    add(from_files);
    found
}

/// The same in the texts and settings of a file of networkd.
fn file_gateways(file: &File) -> Vec<Stated<String>> {
    let mut found: Vec<Stated<String>> =
        file.all("Network", "Gateway").into_iter().map(|stated| stated.with(stated.value.to_string())).collect();
    for route in file.each("Route") {
        let get = |key: &str| route.iter().find(|line| *line.key == *key).map(|line| &line.value);
        if !is_way_out(get("Destination").map(|to| &*to.value), get("Type").map(|kind| &*kind.value)) {
            continue;
        }
        match (get("Gateway"), route.first()) {
            (Some(gateway), _) => found.push(gateway.with(gateway.value.to_string())),
            (None, Some(first)) => found.push(first.value.with(AT_INTERFACE.to_owned())),
            (None, None) => {}
        }
    }
    let at_links = format!("what is at the links of `{}.network`", file.name);
    found.extend(file.on("Network", "DefaultRouteOnDevice").iter().map(|on| on.with(at_links.clone())));
    found
}

/// Where a route without a gateway leads.
const AT_INTERFACE: &str = "what is at its interface";

/// Whether a route of networkd leads to everywhere, or to one half of it. One that drops what it takes leads nowhere.
fn is_way_out(destination: Option<&str>, kind: Option<&str>) -> bool {
    let is_wide = |to: &str| to.rsplit_once('/').is_some_and(|(_, length)| matches!(length, "0" | "1"));
    destination.is_none_or(is_wide) && kind.is_none_or(|kind| matches!(kind, "unicast" | "local" | "multicast"))
}

fn of_items(items: Vec<Stated<&Data>>, read: impl Fn(&Data) -> Option<String>) -> Vec<Stated<String>> {
    let read = |item: Stated<&Data>| {
        Some(Stated { value: read(item.value)?, place: item.place, option: item.option, when: item.when })
    };
    items.into_iter().filter_map(read).collect()
}

/// Where a route of `networking.interfaces.<name>.ipv4.routes` leads, if it is one to everywhere, or to one half of it.
fn scripted_route(route: &Data, interface: &str) -> Option<String> {
    let DataKind::Attrs(set) = &route.kind else { return None };
    let get = |name: &str| set.attrs.get(name).map(|field| &field.value);
    let Some(DataKind::Int(0 | 1)) = get("prefixLength").map(|length| &length.kind) else { return None };
    match get("via") {
        Some(via) if via.kind != DataKind::Null => text(via).map(|via| via.to_string()),
        _ => Some(format!("what is at `{interface}`")),
    }
}

/// The same of `systemd.network.networks.<name>.routes`, whose keys were in `routeConfig` before NixOS 24.11.
fn networkd_route(route: &Data) -> Option<String> {
    let DataKind::Attrs(set) = &route.kind else { return None };
    let set = match set.attrs.get("routeConfig").map(|field| &field.value.kind) {
        Some(DataKind::Attrs(inner)) => inner,
        Some(_) => return None,
        None => set,
    };
    let get = |name: &str| set.attrs.get(name).map(|field| &field.value);
    let destination = match get("Destination") {
        Some(destination) => Some(text(destination)?),
        None => None,
    };
    if !is_way_out(destination.as_deref(), get("Type").and_then(text).as_deref()) {
        return None;
    }
    match get("Gateway") {
        Some(gateway) => text(gateway).map(|gateway| gateway.to_string()),
        None => Some(AT_INTERFACE.to_owned()),
    }
}

//! `second-way-out`: a container of a VPN with another network or default route.

use std::net::IpAddr;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::{Data, DataKind};

use super::{container, containers, vpns};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Network, Stated, Tree, VPN_CONTAINER, text};

pub(crate) const RULE: Rule = Rule {
    name: "second-way-out",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "A container of a VPN has another network, or another default route.",
    docs: "\
A service container behind a VPN, or the VPN container itself, has an interface besides the one on the VPN's bridge
(`interfaces`, `macvlans`, `extraVeths`, `hostAddress`, `localAddress`, another `hostBridge`, `networkNamespace`,
`forwardPorts`), or its configuration names another default gateway than the VPN container.

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
run time are not seen.

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

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (tree, vpn) in vpns(context.trees()) {
        for name in containers(vpn) {
            let of = if &*name == VPN_CONTAINER { "the VPN container".to_owned() } else { format!("`{name}`") };
            for stated in ways(tree, vpn, &name) {
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
            for (stated, gateway) in gateways(tree, vpn, &name) {
                let (Some(when), Some(at)) = (stated.when.and(&vpn.when), stated.place.clone()) else { continue };
                let message = format!("the default gateway of {of} is {gateway}, and not the VPN container");
                found.push(
                    RULE.judged(context.tree, &when, at, message)
                        .with_help("leave it out: the module sets the route")
                        .with_data("machine", &*tree.name)
                        .with_data("container", &*name)
                        .with_data("option", stated.option.clone()),
                );
            }
        }
    }
}

/// Where a container gets another network.
pub(crate) fn ways(tree: &Tree<'_>, vpn: &Network, name: &str) -> Vec<Stated<()>> {
    let mut found = Vec::new();
    for attribute in OTHER_NETWORKS {
        let path = container(name, attribute);
        found.extend(tree.stated(&path, |data| is_given(data).then_some(()), None));
        // `extraVeths.x = { … }` defines options below it.
        let below = tree.below(&path).iter().find(|named| named.path != path);
        found.extend(below.map(|named| Stated {
            value: (),
            place: named.definition.place().cloned(),
            option: tree.called(&path).to_string(),
            when: crate::trees::When::of(&named.definition.condition),
        }));
    }
    let is_other = |data: &Data| {
        let bridge = text(data)?;
        (!vpn.bridges.is_empty() && vpn.bridges.iter().all(|known| known.value != bridge)).then_some(())
    };
    found.extend(tree.stated(&container(name, "hostBridge"), is_other, None));
    found
}

fn is_given(data: &Data) -> bool {
    match &data.kind {
        DataKind::Null | DataKind::Unknown(_) | DataKind::Failed(_) => false,
        DataKind::List(items) => !items.is_empty(),
        DataKind::Attrs(set) => !set.attrs.is_empty(),
        _ => true,
    }
}

/// Default gateways in a container's own configuration that are not the VPN container.
fn gateways(tree: &Tree<'_>, vpn: &Network, name: &str) -> Vec<(Stated<()>, IpAddr)> {
    if name == VPN_CONTAINER {
        return Vec::new();
    }
    let inside = [
        container(name, "config").join("networking").join("defaultGateway"),
        container(name, "config").join("networking").join("defaultGateway").join("address"),
        crate::trees::option("vpn.containers").join(name).join("config").join("networking").join("defaultGateway"),
    ];
    let vpn_addresses: Vec<IpAddr> = vpn
        .own
        .iter()
        .filter(|peer| !peer.name.is_empty())
        .flat_map(|peer| &peer.addresses)
        .filter_map(|stated| stated.value.parse().ok())
        .collect();
    let read = |data: &Data| text(data)?.parse::<IpAddr>().ok();
    let all = inside.iter().flat_map(|path| tree.stated(path, read, None));
    let other = all.filter(|stated| !vpn_addresses.is_empty() && !vpn_addresses.contains(&stated.value));
    other
        .map(|stated| {
            let gateway = stated.value;
            (Stated { value: (), place: stated.place, option: stated.option, when: stated.when }, gateway)
        })
        .collect()
}

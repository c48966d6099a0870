//! What is on the bridge of a network and is nobody's port there: containers and machines that are not declared, further
//! interfaces of the host; and interfaces of workspaces that are on no bridge.

use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;

use super::flags::flags;
use super::networkd::{Link, files};
use super::{Network, Purpose, Shape, Stated, Tree, VPN_CONTAINER, Workspace, option, text};

/// Options of networkd for interfaces on top of another.
const ON_TOP: [&str; 5] = ["IPVLAN", "IPVTAP", "MACVLAN", "MACVTAP", "VLAN"];

/// Options that put the containers of a program on a bridge.
pub(super) const ENGINES: [(&str, &str); 2] = [
    ("virtualisation.docker.daemon.settings.bridge", "docker"),
    ("virtualisation.podman.defaultNetwork.settings.network_interface", "podman"),
];

/// Containers and machines on the bridge that nobody has declared, each with its name.
pub(crate) fn strangers(tree: &Tree<'_>, network: &Network) -> Vec<Stated<Arc<str>>> {
    // Other modules call the container of the VPN something that is not known.
    if network.purpose == Purpose::Vpn && network.shape != Shape::Native {
        return Vec::new();
    }
    let mut found = Vec::new();
    let is_port = |interface: &str| is_port(tree, interface);
    let on_bridge = |value: &str| network.bridges.iter().find(|bridge| *bridge.value == *value);
    let mut add = |name: &Arc<str>, bridge: &str, at: Stated<()>| {
        let Some(when) = on_bridge(bridge).and_then(|bridge| at.when.and(&bridge.when)) else { return };
        found.push(Stated { value: name.clone(), place: at.place, option: at.option, when });
    };
    let containers = option("containers");
    let mut names: Vec<Arc<str>> = tree.children(&containers).into_iter().map(|(name, _)| name).collect();
    names.extend(tree.nspawn.iter().map(|file| file.name.clone()));
    names.sort();
    names.dedup();
    for name in names {
        if is_declared(tree, &name) {
            continue;
        }
        let path = containers.join(&name);
        if !is_port(&format!("vb-{name}")) {
            for bridge in tree.texts(&path.join("hostBridge"), None) {
                add(&name, &bridge.value, bridge.plain());
            }
            for flag in flags(tree, &name) {
                match &*flag.value.name {
                    "--network-bridge" => add(&name, &flag.value.value, flag.plain()),
                    "--network-macvlan" | "--network-ipvlan" => {
                        add(&name, flag.value.value.split(':').next().unwrap_or_default(), flag.plain());
                    }
                    _ => {}
                }
            }
        }
        let veths = path.join("extraVeths");
        for (veth, _) in tree.children(&veths).into_iter().filter(|(veth, _)| !is_port(veth)) {
            for bridge in tree.texts(&veths.join(&veth).join("hostBridge"), None) {
                add(&name, &bridge.value, bridge.plain());
            }
        }
        for item in tree.items(&path.join("macvlans")) {
            if let Some(link) = text(item.value) {
                add(&name, link.split(':').next().unwrap_or_default(), item.plain());
            }
        }
    }
    for (path, engine) in ENGINES {
        for bridge in tree.texts(&option(path), None) {
            add(&Arc::from(engine), &bridge.value, bridge.plain());
        }
    }
    let machines = option("microvm.vms");
    for (name, _) in tree.children(&machines).into_iter().filter(|(name, _)| !is_declared(tree, name)) {
        for (interface, at) in interfaces(tree, &interfaces_of(machines.join(&name))) {
            let is_declared = interface.id.as_deref().is_some_and(is_port);
            if let Some(bridge) = interface.link.filter(|_| !is_declared) {
                add(&name, &bridge, at);
            }
        }
    }
    found
}

/// Whether an interface is a port of some bridge.
fn is_port(tree: &Tree<'_>, interface: &str) -> bool {
    let ports = tree.networks.all.iter().flat_map(Network::everybody).flat_map(|peer| &peer.interfaces);
    ports.into_iter().any(|known| *known.value == *interface)
}

/// Whether a container or machine is a workspace or behind a VPN.
fn is_declared(tree: &Tree<'_>, name: &str) -> bool {
    let vpn = tree.networks.vpn().is_some().then_some(VPN_CONTAINER);
    let peers = tree.networks.all.iter().flat_map(Network::everybody).map(|peer| &*peer.name);
    peers.chain(tree.workspaces.iter().map(|workspace| &*workspace.name)).chain(vpn).any(|known| known == name)
}

/// The containers that are no compartments, nor ports of a bridge.
pub(crate) fn undeclared(tree: &Tree<'_>) -> Vec<Arc<str>> {
    let all = tree.children(&option("containers")).into_iter().map(|(name, _)| name);
    all.filter(|name| !is_declared(tree, name) && !is_port(tree, &format!("vb-{name}"))).collect()
}

/// Further interfaces of the host on the bridge, each with its name.
pub(crate) fn on_top(tree: &Tree<'_>, network: &Network) -> Vec<Stated<Arc<str>>> {
    let mut found = Vec::new();
    for root in ["networking.vlans", "networking.macvlans"] {
        let root = option(root);
        for (name, _) in tree.children(&root) {
            for below in tree.texts(&root.join(&name).join("interface"), None) {
                let bridge = network.bridges.iter().find(|bridge| bridge.value == below.value);
                if let Some(when) = bridge.and_then(|bridge| below.when.and(&bridge.when)) {
                    found.push(Stated { value: name.clone(), when, ..below });
                }
            }
        }
    }
    for file in files(tree, network, &Link::bridges(tree, network)) {
        found.extend(ON_TOP.iter().flat_map(|key| file.all("Network", key)).cloned());
    }
    found
}

/// Interfaces of a workspace's machine that are no ports of its bridge, each with where it leads.
pub(crate) fn beside(tree: &Tree<'_>, workspace: &Workspace) -> Vec<Stated<String>> {
    let bridges: Vec<&str> = tree
        .networks
        .all
        .iter()
        .filter(|network| network.purpose == Purpose::Sandbox)
        .flat_map(|network| &network.bridges)
        .map(|bridge| &*bridge.value)
        .collect();
    let mut found = Vec::new();
    for path in workspace_interfaces(workspace) {
        for (interface, at) in interfaces(tree, &path) {
            let link = interface.link.as_deref();
            let leads = match &*interface.kind {
                "macvtap" => format!("to `{}`", link.unwrap_or("a link of the host")),
                "user" => "to wherever the host's own programs get".to_owned(),
                "bridge" => match link {
                    Some(bridge) if !bridges.is_empty() && !bridges.contains(&bridge) => {
                        format!("to the bridge `{bridge}`")
                    }
                    _ => continue,
                },
                // Ours have one, whose name is known.
                "tap" if workspace.shape == Shape::Native => match interface.id {
                    Some(id) if *id != *format!("vm-{}", workspace.name) => format!("to `{id}`"),
                    _ => continue,
                },
                _ => continue,
            };
            found.push(at.with(leads));
        }
    }
    found
}

/// The options that give interfaces to a workspace's machine.
pub(crate) fn workspace_interfaces(workspace: &Workspace) -> [OptionPath; 2] {
    [option("microvm.vms").join(&workspace.name), workspace.path.clone()].map(interfaces_of)
}

/// The option that gives interfaces to a machine, in its own configuration.
fn interfaces_of(machine: OptionPath) -> OptionPath {
    machine.join("config").join("microvm").join("interfaces")
}

/// An item of `microvm.interfaces`, as in `nixos-modules/microvm/options.nix` of microvm.nix.
struct Interface {
    kind: Arc<str>,
    id: Option<Arc<str>>,
    /// The bridge or link of the host that it is at.
    link: Option<Arc<str>>,
}

fn interfaces(tree: &Tree<'_>, path: &OptionPath) -> Vec<(Interface, Stated<()>)> {
    let read = |item: Stated<&Data>| {
        let DataKind::Attrs(set) = &item.value.kind else { return None };
        let get = |name: &str| set.attrs.get(name).map(|field| &field.value);
        let of_macvtap = || match &get("macvtap")?.kind {
            DataKind::Attrs(inner) => text(&inner.attrs.get("link")?.value),
            _ => None,
        };
        let link = get("bridge").and_then(text).or_else(of_macvtap);
        let interface = Interface { kind: get("type").and_then(text)?, id: get("id").and_then(text), link };
        Some((interface, item.plain()))
    };
    tree.items(path).into_iter().filter_map(read).collect()
}

//! Workspaces, and the networks that workspaces and service containers of a VPN are in.

use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::DataKind;
use bulkhead_modules::OptionPath;

use super::addresses::mac_of;
use super::{Assumed, Named, Stated, Tree, When, option};

/// The name of the VPN container itself; `vpnContainer` of `nix/lib`.
pub(crate) const VPN_CONTAINER: &str = "vpn";

/// Defaults of our modules, and of the shapes that are known without being named. A test compares ours with `nix/modules`.
const DEFAULTS: [(&str, &str, Option<&str>); 10] = [
    ("networking.sandbox.subnet", "10.20.0.0/24", Some("192.168.83.0/24")),
    ("networking.sandbox.gateway", "10.20.0.1", Some("192.168.83.1")),
    ("networking.sandbox.bridge", "sandbox0", Some("sandbox-br")),
    ("vpn.subnet", "10.73.0.0/24", Some("10.100.0.0/24")),
    ("vpn.hostAddress", "10.73.0.1", Some("10.100.0.1")),
    ("vpn.vpnAddress", "10.73.0.2", Some("10.100.0.2")),
    ("vpn.bridgeName", "vpn0", Some("br-vpn")),
    ("vpn.interfaceName", "wg-vpn", Some("piaw")),
    ("vpn.provider", "pia", None),
    ("vpn.serverLocation", "lowest-latency", None),
];

/// Where the names come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Our modules.
    Native,
    /// `sandboxed-workspace` or `pia-vpn`.
    Known,
    /// A mapping of the fleet's own.
    Mapped,
}

/// A development environment.
pub(crate) struct Workspace {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// `workspaces.dev`, as the fleet writes it.
    pub(crate) option: String,
    /// Our path of it.
    pub(crate) path: OptionPath,
    /// Where the fleet first says something about it.
    pub(crate) place: Place,
    /// Whose module makes it.
    pub(crate) shape: Shape,
    /// What runs it: `vm`, `container`, `incus`.
    pub(crate) kinds: Vec<Stated<Arc<str>>>,
}

impl Workspace {
    /// When it is run by `kind`.
    pub(crate) fn is(&self, kind: &str) -> Vec<&When> {
        self.kinds.iter().filter(|stated| &*stated.value == kind).map(|stated| &stated.when).collect()
    }
}

/// What has an address on a bridge.
pub(crate) struct Peer {
    /// Its name; empty for the host.
    pub(crate) name: Arc<str>,
    /// Its addresses, any of which it may have.
    pub(crate) addresses: Vec<Stated<Arc<str>>>,
    /// Its MAC addresses, any of which it may have.
    pub(crate) macs: Vec<Stated<Arc<str>>>,
    /// What its interface on the host may be called.
    pub(crate) interfaces: Vec<Stated<Arc<str>>>,
    /// Where the fleet first says something about it; the network's place for what it says nothing about.
    pub(crate) place: Place,
}

/// What a network is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Workspaces.
    Sandbox,
    /// The VPN's service containers.
    Vpn,
}

/// A bridge with what is on it, in one address family.
pub(crate) struct Network {
    /// What it is for.
    pub(crate) purpose: Purpose,
    /// Whose module makes it.
    pub(crate) shape: Shape,
    /// Whether it is there.
    pub(crate) when: When,
    /// Whether this is its IPv6 side.
    pub(crate) is_v6: bool,
    /// Its addresses.
    pub(crate) subnets: Vec<Stated<Arc<str>>>,
    /// What the bridge is called.
    pub(crate) bridges: Vec<Stated<Arc<str>>>,
    /// The host and the VPN container.
    pub(crate) own: Vec<Peer>,
    /// Workspaces or service containers.
    pub(crate) peers: Vec<Peer>,
    /// Where the fleet first says something about it.
    pub(crate) place: Place,
}

impl Network {
    /// What is on the bridge, the host first.
    pub(crate) fn everybody(&self) -> impl Iterator<Item = &Peer> {
        self.own.iter().chain(&self.peers)
    }
}

/// The networks of a machine.
#[derive(Default)]
pub(crate) struct Networks {
    /// All of them.
    pub(crate) all: Vec<Network>,
}

impl Networks {
    /// The VPN's.
    pub(crate) fn vpn(&self) -> Option<&Network> {
        self.all.iter().find(|network| network.purpose == Purpose::Vpn)
    }
}

/// The workspaces of a tree.
pub(crate) fn workspaces(tree: &Tree<'_>) -> Vec<Workspace> {
    let root = option("workspaces");
    let children = tree.children(&root).into_iter();
    let found = children.filter_map(|(name, first)| {
        let shape = shape(tree, &root, &first.definition.path);
        let path = root.join(&name);
        // Other modules call other things so.
        let is_one = || ["type", "ip"].iter().any(|attribute| !tree.below(&path.join(attribute)).is_empty());
        if tree.declares_otherwise(&root) && !is_one() {
            return None;
        }
        if shape == Shape::Known && enabled(tree, "sandboxed-workspace.enable").is_empty() {
            return None;
        }
        Some(Workspace {
            kinds: tree.texts(&path.join("type"), None),
            option: tree.called(&path).to_string(),
            place: beginning(tree, &path, first),
            name,
            path,
            shape,
        })
    });
    found.collect()
}

/// The networks of a tree whose workspaces are known.
pub(crate) fn networks(tree: &Tree<'_>) -> Networks {
    let mut all = Vec::new();
    sandbox(tree, &mut all);
    vpn(tree, &mut all);
    Networks { all }
}

fn sandbox(tree: &Tree<'_>, all: &mut Vec<Network>) {
    let at = |name: &str| option(&format!("networking.sandbox.{name}"));
    // Ports of other containers and machines; those of workspaces are made of the workspaces.
    let mut ports = tree.children(&at("ports"));
    ports.retain(|(name, _)| tree.workspaces.iter().all(|workspace| workspace.name != *name));
    let (shape, place, when) = match (tree.workspaces.first(), ports.first()) {
        (Some(first), _) => (first.shape, first.place.clone(), When::default()),
        (None, Some((name, first))) => {
            let Some(when) = enabled(tree, "networking.sandbox.enable").into_iter().next() else { return };
            let root = option("networking.sandbox");
            let place = beginning(tree, &at("ports").join(name), first);
            (shape(tree, &root, &first.definition.path), place, when)
        }
        (None, None) => return,
    };
    for is_v6 in [false, true] {
        let [subnet, gateway, ip] = if is_v6 { ["subnet6", "gateway6", "ip6"] } else { ["subnet", "gateway", "ip"] };
        let subnets = texts(tree, &at(subnet), shape);
        let peer = |workspace: &Workspace| {
            // A default that is made from names is another for each.
            let is_made = workspace.shape == Shape::Native || tree.declares_otherwise(&option("workspaces"));
            let mac = is_made.then(|| mac_of(&workspace.name));
            Peer {
                name: workspace.name.clone(),
                addresses: tree.texts(&workspace.path.join(ip), None),
                macs: tree.texts(&workspace.path.join("mac"), mac.as_deref()),
                interfaces: workspace
                    .kinds
                    .iter()
                    .filter_map(|kind| {
                        let prefix = match (&*kind.value, workspace.shape) {
                            ("container", _) => "vb-",
                            ("vm", Shape::Native) => "vm-",
                            ("incus", Shape::Native) => "vi-",
                            _ => return None,
                        };
                        Some(Stated { value: Arc::from(format!("{prefix}{}", workspace.name)), ..kind.clone() })
                    })
                    .collect(),
                place: workspace.place.clone(),
            }
        };
        let port = |(name, first): &(Arc<str>, &Named)| {
            let path = at("ports").join(name);
            Peer {
                name: name.clone(),
                addresses: tree.texts(&path.join(if is_v6 { "address6" } else { "address" }), None),
                macs: tree.texts(&path.join("mac"), None),
                interfaces: tree.texts(&path.join("interface"), None),
                place: beginning(tree, &path, first),
            }
        };
        let peers: Vec<Peer> = tree.workspaces.iter().map(peer).chain(ports.iter().map(port)).collect();
        if is_v6 && subnets.is_empty() && peers.iter().all(|peer| peer.addresses.is_empty()) {
            continue;
        }
        let bridges = texts(tree, &at("bridge"), shape);
        let host = Peer {
            name: Arc::from(""),
            addresses: texts(tree, &at(gateway), shape),
            macs: tree.texts(&at("mac"), None),
            interfaces: Vec::new(),
            place: place.clone(),
        };
        all.push(Network {
            purpose: Purpose::Sandbox,
            shape,
            when: when.clone(),
            is_v6,
            subnets,
            bridges,
            own: vec![host],
            peers,
            place: place.clone(),
        });
    }
}

fn vpn(tree: &Tree<'_>, all: &mut Vec<Network>) {
    let root = option("vpn");
    let Some(first) = tree.below(&root).first() else { return };
    let shape = shape(tree, &root, &first.definition.path);
    // Other modules call other things so.
    if tree.declares_otherwise(&root) && tree.below(&root.join("containers")).is_empty() {
        return;
    }
    let place = beginning(tree, &root, first);
    let Some(when) = enabled(tree, "vpn.enable").into_iter().next() else { return };
    let at = |name: &str| option(&format!("vpn.{name}"));
    let bridges = texts(tree, &at("bridgeName"), shape);
    let own = |name: &str, address: &str| Peer {
        name: Arc::from(name),
        addresses: texts(tree, &at(address), shape),
        macs: Vec::new(),
        interfaces: Vec::new(),
        place: place.clone(),
    };
    let peers = tree.children(&at("containers")).into_iter().map(|(name, first)| {
        let path = at("containers").join(&name);
        let mac = match (bridges.as_slice(), shape) {
            ([bridge], Shape::Native) => Some(mac_of(&format!("{name} of {}", bridge.value))),
            _ => None,
        };
        let when = When::of(&first.definition.condition);
        Peer {
            addresses: tree.texts(&path.join("ip"), None),
            macs: tree.texts(&path.join("mac"), mac.as_deref()),
            interfaces: vec![Stated {
                value: Arc::from(format!("vb-{name}")),
                place: None,
                option: tree.called(&path).to_string(),
                when,
            }],
            place: beginning(tree, &path, first),
            name,
        }
    });
    let peers = peers.collect();
    let (host, vpn) = (own("", "hostAddress"), own(VPN_CONTAINER, "vpnAddress"));
    all.push(Network {
        purpose: Purpose::Vpn,
        shape,
        when,
        is_v6: false,
        subnets: texts(tree, &at("subnet"), shape),
        bridges,
        own: vec![host, vpn],
        peers,
        place,
    });
}

/// When something is switched on; it is off by default.
fn enabled(tree: &Tree<'_>, path: &str) -> Vec<When> {
    let path = option(path);
    let mut found: Vec<When> =
        tree.bools(&path, None).into_iter().filter(|stated| stated.value).map(|stated| stated.when).collect();
    // What is said in a way that can't be read may be `true`.
    let unknown = tree.counting(&path).into_iter().find_map(|named| match &named.definition.value.kind {
        DataKind::Unknown(unknown) => Some((named, unknown.reason.to_string())),
        DataKind::Failed(failure) => Some((named, failure.message.clone())),
        _ => None,
    });
    if let (true, Some((named, reason))) = (found.is_empty(), unknown) {
        let option = named.definition.path.to_string();
        let assumed = vec![Assumed::value(&option, &reason, named.definition.place().cloned())];
        found.push(When { guards: Vec::new(), assumed });
    }
    found
}

/// Where the file that `first` is in begins to say something about an option.
fn beginning(tree: &Tree<'_>, path: &OptionPath, first: &Named) -> Place {
    let places = tree.below(path).iter().filter_map(|named| named.definition.place());
    let file = first.definition.place().map(|place| place.file.clone());
    let in_file = places.filter(|place| Some(&place.file) == file.as_ref());
    in_file.min().cloned().unwrap_or_else(|| Place::file(first.definition.file.clone()))
}

fn shape(tree: &Tree<'_>, ours: &OptionPath, written: &OptionPath) -> Shape {
    match written.names().first().map(|name| &**name) {
        Some("sandboxed-workspace" | "pia-vpn") => Shape::Known,
        _ if written.starts_with(ours) && !tree.declares_otherwise(ours) => Shape::Native,
        _ => Shape::Mapped,
    }
}

/// What a text option may be, with the default of the module that has it.
pub(crate) fn texts(tree: &Tree<'_>, path: &OptionPath, shape: Shape) -> Vec<Stated<Arc<str>>> {
    let name = path.to_string();
    let known = DEFAULTS.iter().find(|(option, ..)| *option == name);
    let default = known.and_then(|(_, native, other)| match shape {
        Shape::Native => Some(*native),
        Shape::Known => *other,
        Shape::Mapped => None,
    });
    let mut found = tree.texts(path, default);
    let is_renamed = shape != Shape::Native && !tree.declares_otherwise(path);
    for stated in found.iter_mut().filter(|stated| stated.place.is_none() && is_renamed) {
        if let Some(theirs) = tree.mapping.theirs(path).last() {
            stated.option = theirs.to_string();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::DEFAULTS;

    /// The defaults are those that `nix/modules` declare.
    #[test]
    fn defaults_are_those_of_the_modules() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nix/modules/");
        let read = |file: &str| std::fs::read_to_string(format!("{root}{file}")).unwrap_or_else(|_| panic!("{file}"));
        let (sandbox, vpn) = (read("sandbox/options.nix"), read("vpn/options.nix"));
        for (option, default, _) in DEFAULTS {
            let text = if option.starts_with("vpn.") { &vpn } else { &sandbox };
            let name = option.rsplit('.').next().unwrap_or(option);
            let declared =
                text.split(&format!("    {name} = mkOption {{")).nth(1).unwrap_or_else(|| panic!("{option}"));
            let declared = declared.split("default = ").nth(1).unwrap_or_default();
            assert!(declared.starts_with(&format!("\"{default}\"")), "{option}");
        }
    }

    /// What `config` has where nothing defines them is the same.
    #[test]
    fn defaults_are_those_of_config() {
        for (path, value) in bulkhead_modules::OWN_DEFAULTS.iter().filter(|(path, _)| path[0] != "age") {
            let known = DEFAULTS.iter().find(|(option, ..)| *option == path.join("."));
            assert_eq!(known.map(|(_, native, _)| native), Some(value), "{path:?}");
        }
    }
}

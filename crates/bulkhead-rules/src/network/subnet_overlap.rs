//! `subnet-overlap`: a network of workspaces or services that has addresses of another network.

use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;
use foldhash::HashSet;

use super::{called, subnets};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::addresses::Prefix;
use crate::trees::{Shape, Stated, Tree, When, is_placeholder, option};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "subnet-overlap",
    area: Area::Network,
    severity: Severity::Error,
    summary: "The network of workspaces or services overlaps with another network.",
    docs: "\
The subnet of workspaces or of the services behind a VPN has addresses that another network has too: the other one of
the two, a network that the host's configuration gives to an interface (`networking.interfaces`,
`networking.wireguard`, `networking.wg-quick`, `systemd.network`, Docker's `bip` and `default-address-pools`, the
addresses of `containers` without a bridge), or one of `networks` in `bulkhead.toml`.

**Why it matters.** An address then means two machines: what is sent to the one may reach the other, past the rules
that keep them apart.

**Fix.** Take another private network. `networks` in `bulkhead.toml` is where the fleet's LANs are named.

```nix
# bad: bulkhead.toml says that 192.168.1.0/24 is the network at home
networking.sandbox.subnet = \"192.168.0.0/16\";
# good
networking.sandbox.subnet = \"10.20.0.0/24\";
```

**Limits.** Networks of interfaces that are configured by DHCP are not known. Of an interface with a single address
(`/32`, `/128`) only that address counts. Routes are not looked at, nor `allowedIPs`: the more specific one wins.
Addresses that can't be known make the rule *undecided*, once for a machine.

**Data.** `machine`: the machine. `subnet`: the network. `other`: the one that it overlaps with.
",
    check: Some(check),
};

/// What is read of the host, but for the options of which a definition that is unknown says so itself.
const READ: [&str; 10] = [
    "containers.<name>.hostAddress",
    "networking.interfaces.<name>.ipv4.addresses",
    "networking.interfaces.<name>.ipv6.addresses",
    "networking.wg-quick.interfaces.<name>.address",
    "networking.wireguard.interfaces.<name>.ips",
    "systemd.network.networks.<name>.address",
    "systemd.network.networks.<name>.addresses",
    "systemd.network.networks.<name>.networkConfig.Address",
    "virtualisation.docker.daemon.settings.bip",
    "virtualisation.docker.daemon.settings.default-address-pools",
];

/// The addresses of a container, on both sides.
const SIDES: [&str; 4] = ["hostAddress", "localAddress", "hostAddress6", "localAddress6"];

/// A network that is there besides.
struct Other {
    called: String,
    prefix: Prefix,
    shown: Arc<str>,
    place: Option<Place>,
    when: When,
}

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let declared: Vec<Other> = context
        .fleet
        .config
        .toml
        .networks
        .iter()
        .filter_map(|network| {
            Some(Other {
                called: format!("the network `{}` of bulkhead.toml", network.name),
                prefix: Prefix::parse(&network.prefix)?,
                shown: Arc::from(&*network.prefix),
                place: None,
                when: When::default(),
            })
        })
        .collect();
    for tree in context.trees().iter().filter(|tree| tree.has_compartments()) {
        let interfaces = interfaces(tree);
        found.extend(unknown(tree, &interfaces));
        for (index, network) in tree.networks.all.iter().enumerate() {
            for (subnet, prefix, holds) in subnets(network) {
                let at = subnet.place.clone().unwrap_or_else(|| network.place.clone());
                let bridges: Vec<&str> = network.bridges.iter().map(|bridge| &*bridge.value).collect();
                let others =
                    tree.networks.all.iter().take(index).flat_map(subnets).map(|(other, prefix, when)| Other {
                        called: called(other),
                        prefix,
                        shown: other.value.clone(),
                        place: other.place.clone(),
                        when,
                    });
                let others: Vec<Other> = others.collect();
                let own =
                    interfaces.known.iter().filter(|(name, _)| !bridges.contains(&&**name)).map(|(_, other)| other);
                for other in others.iter().chain(&declared).chain(own) {
                    if !prefix.overlaps(&other.prefix) {
                        continue;
                    }
                    let Some(when) = holds.and(&other.when) else { continue };
                    let message = format!(
                        "{}, {}, overlaps with {}, {}",
                        called(subnet),
                        subnet.value,
                        other.called,
                        other.shown
                    );
                    let mut finding = RULE.judged(context.tree, &when, at.clone(), message);
                    if let Some(place) = &other.place {
                        finding = finding.with_related(place.clone(), "the other network");
                    }
                    found.push(
                        finding
                            .with_help("take another private network for one of them")
                            .with_data("machine", &*tree.name)
                            .with_data("subnet", &*subnet.value)
                            .with_data("other", &*other.shown),
                    );
                }
            }
        }
    }
}

/// That the networks of interfaces are not known, once for all of a machine.
fn unknown(tree: &Tree<'_>, interfaces: &Interfaces) -> Option<Diagnostic> {
    let (first, others) = interfaces.unknown.split_first()?;
    let network = tree.networks.all.first()?;
    let machine = &tree.name;
    let place_of = |unknown: &NotKnown| unknown.place.clone().unwrap_or_else(|| network.place.clone());
    let at = place_of(first);
    let here = interfaces.unknown.iter().filter(|unknown| place_of(unknown) == at);
    let options = quoted(here.map(|unknown| &*unknown.option));
    let message = format!("can't tell whether a network of `{machine}` overlaps with {options}: {}", first.reason);
    let mut finding = RULE.finding(at.clone(), message).with_label("not known");
    finding.severity = Severity::Undecided;
    for unknown in others {
        let place = place_of(unknown);
        if place != at {
            finding = finding.with_same(place, format!("`{}` is not known, either", unknown.option));
        }
    }
    let subnet = network.subnets.first().map_or("", |subnet| &*subnet.value);
    Some(
        finding
            .with_help("write the addresses down")
            .with_data("machine", &**machine)
            .with_data("subnet", subnet)
            .with_data("other", first.option.clone()),
    )
}

/// An option that can't be known.
#[derive(Clone, PartialEq, Eq, Hash)]
struct NotKnown {
    option: String,
    reason: Arc<str>,
    place: Option<Place>,
}

/// What a tree gives to interfaces.
#[derive(Default)]
struct Interfaces {
    /// Networks, by the interface's name.
    known: Vec<(Arc<str>, Other)>,
    /// What can't be known, in the order in which it is found, each once.
    unknown: Vec<NotKnown>,
    /// The same.
    seen: HashSet<NotKnown>,
}

impl Interfaces {
    /// Add what a list says, or a single value, each item read by `read`.
    fn list(&mut self, tree: &Tree<'_>, name: &Arc<str>, path: &OptionPath, read: fn(&Data) -> Addresses) {
        self.list_when(tree, name, path, &When::default(), read);
    }

    /// The same of what counts only under a condition.
    fn list_when(
        &mut self,
        tree: &Tree<'_>,
        name: &Arc<str>,
        path: &OptionPath,
        holds: &When,
        read: fn(&Data) -> Addresses,
    ) {
        for item in tree.items(path) {
            let Some(when) = item.when.and(holds) else { continue };
            match read(item.value) {
                Addresses::Known(all) => {
                    for shown in all {
                        // Without a length it is that address alone.
                        let prefix = match shown.parse::<IpAddr>() {
                            Ok(address) => Prefix::of(address, if address.is_ipv4() { 32 } else { 128 }),
                            Err(_) => Prefix::parse(&shown),
                        };
                        let Some(prefix) = prefix else { continue };
                        let (called, place) = (format!("`{}`", item.option), item.place.clone());
                        self.known.push((name.clone(), Other { called, prefix, shown, place, when: when.clone() }));
                    }
                }
                Addresses::Unknown(reason) => self.not_known(item.option, reason, item.place),
            }
        }
    }

    fn not_known(&mut self, option: String, reason: Arc<str>, place: Option<Place>) {
        let unknown = NotKnown { option, reason, place };
        if self.seen.insert(unknown.clone()) {
            self.unknown.push(unknown);
        }
    }

    /// Add why options that are read, or what they are in, may be more than is seen.
    fn undecided(&mut self, tree: &Tree<'_>) {
        let patterns: Vec<OptionPath> = READ.iter().map(|path| option(path)).collect();
        for undecided in &tree.configuration.undecided {
            let (at, names) = (&undecided.path, undecided.path.names());
            // Modules that can't be read are another rule's, and what is unknown of a definition has been said as its value.
            let is_above = |pattern: &OptionPath| {
                let same = |(pattern, name): (&Arc<str>, &Arc<str>)| is_placeholder(pattern) || pattern == name;
                names.len() < pattern.names().len() && pattern.names().iter().zip(names).all(same)
            };
            if names.is_empty() || !patterns.iter().any(is_above) {
                continue;
            }
            // Those of containers on bridges are no networks of their own.
            let is_container = names.len() == 2 && names.first().is_some_and(|root| &**root == "containers");
            if is_container && without_bridge(tree, at).is_empty() && tree.unknown(&at.join("hostBridge")).is_empty() {
                continue;
            }
            self.not_known(at.to_string(), undecided.reason.reason.clone(), undecided.place.clone());
        }
    }
}

/// When a container has no bridge: on one its address is that of the bridge's network.
fn without_bridge(tree: &Tree<'_>, container: &OptionPath) -> Vec<Stated<()>> {
    let is_none = |data: &Data| (data.kind == DataKind::Null).then_some(());
    tree.stated(&container.join("hostBridge"), is_none, Some(()))
}

/// The addresses and networks that an item says.
enum Addresses {
    Known(Vec<Arc<str>>),
    Unknown(Arc<str>),
}

/// The networks that a tree gives to interfaces.
fn interfaces(tree: &Tree<'_>) -> Interfaces {
    let mut found = Interfaces::default();
    let root = option("networking.interfaces");
    for (name, _) in tree.children(&root) {
        for family in ["ipv4", "ipv6"] {
            found.list(tree, &name, &root.join(&name).join(family).join("addresses"), |item| {
                field(item, &["address"], &|address| match length(item) {
                    Ok(length) => written(address, &|text| Arc::from(format!("{text}/{length}"))),
                    Err(unknown) => Addresses::Unknown(unknown),
                })
            });
        }
    }
    for (root, list) in [("networking.wireguard.interfaces", "ips"), ("networking.wg-quick.interfaces", "address")] {
        let root = option(root);
        for (name, _) in tree.children(&root) {
            found.list(tree, &name, &root.join(&name).join(list), plain);
        }
    }
    let root = option("systemd.network.networks");
    for (unit, _) in tree.children(&root) {
        let path = root.join(&unit);
        let name = tree.texts(&path.join("matchConfig").join("Name"), None);
        let name = name.first().map_or(unit, |stated| stated.value.clone());
        found.list(tree, &name, &path.join("address"), plain);
        found.list(tree, &name, &path.join("networkConfig").join("Address"), plain);
        found.list(tree, &name, &path.join("addresses"), |item| match &item.kind {
            DataKind::Attrs(set) if set.attrs.contains_key("addressConfig") => {
                field(item, &["addressConfig", "Address"], &plain)
            }
            _ => field(item, &["Address"], &plain),
        });
    }
    let docker = option("virtualisation.docker.daemon.settings");
    found.list(tree, &Arc::from("docker0"), &docker.join("bip"), plain);
    found.list(tree, &Arc::from("docker0"), &docker.join("default-address-pools"), |item| {
        field(item, &["base"], &plain)
    });
    let root = option("containers");
    // Another module than ours may make a container of each compartment: its address is that of the compartment.
    let others = tree.networks.all.iter().filter(|network| network.shape != Shape::Native);
    let made: Vec<&Arc<str>> = others.flat_map(|network| &network.peers).map(|peer| &peer.name).collect();
    for (name, _) in tree.children(&root).into_iter().filter(|(name, _)| !made.contains(&name)) {
        let path = root.join(&name);
        let side = Arc::from(format!("ve-{name}"));
        for stated in without_bridge(tree, &path) {
            for side_of in SIDES {
                found.list_when(tree, &side, &path.join(side_of), &stated.when, plain);
            }
        }
        let has_address = SIDES.iter().any(|side| !tree.below(&path.join(side)).is_empty());
        for (reason, place) in tree.unknown(&path.join("hostBridge")).into_iter().filter(|_| has_address) {
            found.not_known(path.join("hostBridge").to_string(), reason, Some(place));
        }
    }
    found.undecided(tree);
    found
}

/// What is in the field of a set that is in others.
fn field(data: &Data, names: &[&str], read: &dyn Fn(&Data) -> Addresses) -> Addresses {
    let Some((name, rest)) = names.split_first() else { return read(data) };
    match &data.kind {
        DataKind::Attrs(set) => match (set.attrs.get(*name), &set.open) {
            (Some(field_), _) => field(&field_.value, rest, read),
            (None, Some(open)) => Addresses::Unknown(open.reason.clone()),
            (None, None) => Addresses::Known(Vec::new()),
        },
        _ => written(data, &|text| Arc::from(text)),
    }
}

/// `prefixLength` of an address, or why it is unknown.
fn length(item: &Data) -> Result<i64, Arc<str>> {
    let DataKind::Attrs(set) = &item.kind else { return Err(Arc::from("it is no set")) };
    match set.attrs.get("prefixLength").map(|field| &field.value.kind) {
        Some(DataKind::Int(length)) => Ok(*length),
        Some(DataKind::Unknown(unknown)) => Err(unknown.reason.clone()),
        Some(DataKind::Failed(failure)) => Err(Arc::from(&*failure.message)),
        _ => Err(Arc::from("its `prefixLength` is no number")),
    }
}

/// Texts, several in one with commas between, as wg-quick takes them.
fn plain(data: &Data) -> Addresses {
    match &data.kind {
        DataKind::List(items) => {
            let mut all = Vec::new();
            for item in items {
                match plain(item) {
                    Addresses::Known(more) => all.extend(more),
                    unknown => return unknown,
                }
            }
            Addresses::Known(all)
        }
        _ => written(data, &|text| Arc::from(text)),
    }
}

fn written(data: &Data, shown: &dyn Fn(&str) -> Arc<str>) -> Addresses {
    match &data.kind {
        DataKind::String(text) => Addresses::Known(text.split(',').map(|part| shown(part.trim())).collect()),
        DataKind::Unknown(unknown) => Addresses::Unknown(unknown.reason.clone()),
        DataKind::Failed(failure) => Addresses::Unknown(Arc::from(&*failure.message)),
        _ => Addresses::Known(Vec::new()),
    }
}

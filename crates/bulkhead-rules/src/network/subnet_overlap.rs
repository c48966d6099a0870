//! `subnet-overlap`: a network of workspaces or services that has addresses of another network.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};

use super::{called, subnets};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::addresses::Prefix;
use crate::trees::{Tree, When, option, text};

pub(crate) const RULE: Rule = Rule {
    name: "subnet-overlap",
    area: Area::Network,
    severity: Severity::Error,
    summary: "The network of workspaces or services overlaps with another network.",
    docs: "\
The subnet of workspaces or of the services behind a VPN has addresses that another network has too: the other one of
the two, a network that the host's configuration gives to an interface (`networking.interfaces`,
`networking.wireguard`, `networking.wg-quick`, `systemd.network`), or one of `networks` in `bulkhead.toml`.

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
(`/32`, `/128`) only that address counts.

**Data.** `machine`: the machine. `subnet`: the network. `other`: the one that it overlaps with.
",
    check: Some(check),
};

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
                let own = interfaces.iter().filter(|(name, _)| !bridges.contains(&&**name)).map(|(_, other)| other);
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
                            .with_data("machine", &*tree.machine.name)
                            .with_data("subnet", &*subnet.value)
                            .with_data("other", &*other.shown),
                    );
                }
            }
        }
    }
}

/// The networks that a tree gives to interfaces, by the interface's name.
fn interfaces(tree: &Tree<'_>) -> Vec<(Arc<str>, Other)> {
    let mut found = Vec::new();
    let mut add = |name: &Arc<str>, option: &str, shown: Arc<str>, place: Option<Place>, when: &When| {
        if let Some(prefix) = Prefix::parse(&shown) {
            let called = format!("`{option}`");
            found.push((name.clone(), Other { called, prefix, shown, place, when: when.clone() }));
        }
    };
    let root = option("networking.interfaces");
    for (name, _) in tree.children(&root) {
        for family in ["ipv4", "ipv6"] {
            let path = root.join(&name).join(family).join("addresses");
            for item in tree.items(&path) {
                if let Some(shown) = address(item.value) {
                    add(&name, &item.option, shown, item.place.clone(), &item.when);
                }
            }
        }
    }
    for (root, list) in [
        ("networking.wireguard.interfaces", "ips"),
        ("networking.wg-quick.interfaces", "address"),
        ("systemd.network.networks", "address"),
    ] {
        let root = option(root);
        for (unit, _) in tree.children(&root) {
            let path = root.join(&unit);
            let name = tree.texts(&path.join("matchConfig").join("Name"), None);
            let name = name.first().map_or(unit, |stated| stated.value.clone());
            for item in tree.items(&path.join(list)) {
                if let Some(shown) = text(item.value) {
                    add(&name, &item.option, shown, item.place.clone(), &item.when);
                }
            }
        }
    }
    found
}

/// `{ address = "192.168.1.2"; prefixLength = 24; }` in one.
fn address(data: &Data) -> Option<Arc<str>> {
    let DataKind::Attrs(set) = &data.kind else { return None };
    let address = text(&set.attrs.get("address")?.value)?;
    let DataKind::Int(length) = set.attrs.get("prefixLength")?.value.kind else { return None };
    Some(Arc::from(format!("{address}/{length}")))
}

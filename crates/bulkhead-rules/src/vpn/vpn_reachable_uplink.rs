//! `vpn-reachable-uplink`: a way from a service to the internet that does not go through the tunnel.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::DataKind;
use serde_json::Value;

use super::{container, containers, forwarding, not_judged, table_that_may_close, vpns};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::flags::{NO_NETWORK, flags};
use crate::trees::networkd::shown;
use crate::trees::oci::{self, Leads, leads};
use crate::trees::plugged::plugged;
use crate::trees::{Assumed, Network, Shape, Stated, Tree, VPN_CONTAINER, When, option, text};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "vpn-reachable-uplink",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "A path leads from a service to an uplink without the tunnel.",
    docs: "\
From what the configuration says about network namespaces, links, routes and rules, a path leads from a service
container behind a VPN to an interface of the host with another network, that does not go through the tunnel. The
finding shows the path.

**Why it matters.** It is the one thing that the VPN is there to prevent: when the tunnel is down, or for whoever is
root in the service, packets leave with the host's address.

**Fix.** Cut the path at the place of the finding.

```nix
# bad: web → eth0
containers.web.macvlans = [ \"eth0\" ];
# good: web → bridge vpn0 → VPN container → tunnel
vpn.containers.web.ip = \"10.73.0.11\";
```

**Limits.** What is looked at: the network of a container (the host's own, interfaces, macvlans, veth pairs, other
bridges and what is on them; by options, flags or a file of systemd.nspawn(5); of docker and podman, the network),
what is plugged into the VPN's bridge, and whether the host forwards for it (address translation, networkd,
`ip_forward` and its like, `useRoutingFeatures` of Tailscale and NetBird). Bulkhead's guard drops what is forwarded,
so that is no path while it is loaded. `filterForward` closes what nobody accepts. Rules of nf_tables are text that is
not judged: where a table names the bridge and drops, or `extraForwardRules` may accept, a path through the host is
*undecided*. What modules set that can't be read is `configuration-not-known`. What a script plugs into the bridge
(`ip link set … master`, `brctl addif`) is not seen.

**Data.** `machine`: the machine. `container`: where it begins. `containers`: all from which the same steps
lead out. `path`: the steps.
",
    check: Some(check),
};

/// A step that a packet can take.
struct Step {
    from: Node,
    to: Node,
    how: String,
    place: Option<Place>,
    when: When,
    /// Whether it is a matter of routes and rules that the configuration does not show as a whole.
    is_weak: bool,
}

impl Step {
    /// Whether it is the same but for whose it is, and says nothing of its own.
    fn is_like(&self, other: &Step) -> bool {
        self.to == other.to && self.place.is_none() && other.place.is_none() && self.when == other.when
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Container(Arc<str>),
    /// The bridge of the VPN.
    Bridge,
    /// Another bridge.
    OtherBridge(Arc<str>),
    /// The host, as whoever sends to it as a router sees it.
    Router,
    Uplink(Arc<str>),
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Node::Container(name) if &**name == VPN_CONTAINER => f.write_str("VPN container"),
            Node::Container(name) => f.write_str(name),
            Node::Bridge => f.write_str("the VPN's bridge"),
            Node::OtherBridge(name) => write!(f, "bridge {name}"),
            Node::Router => f.write_str("host"),
            Node::Uplink(name) => f.write_str(name),
        }
    }
}

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (tree, vpn) in vpns(context.trees()) {
        let steps = steps(context, tree, vpn);
        // What leads on from the bridge does so for all that are on it: that is told once.
        let mut all: Vec<(Vec<Arc<str>>, Vec<&Step>)> = Vec::new();
        for name in containers(vpn).into_iter().filter(|name| &**name != VPN_CONTAINER) {
            for path in paths(&steps, &name) {
                let is_same = |other: &[&Step]| {
                    path.len() > 1
                        && path.len() == other.len()
                        && path.iter().zip(other).skip(1).all(|(step, other)| std::ptr::eq(*step, *other))
                        && matches!((path.first(), other.first()), (Some(a), Some(b)) if a.is_like(b))
                };
                match all.iter_mut().find(|(_, other)| is_same(other)) {
                    Some((names, _)) => names.push(name.clone()),
                    None => all.push((vec![name.clone()], path)),
                }
            }
        }
        found.extend(all.iter().filter_map(|(names, path)| finding(context, tree, vpn, names, path)));
    }
}

fn steps(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut add = |from: Node, to: Node, how: String, place: Option<Place>, when: When, is_weak: bool| {
        steps.push(Step { from, to, how, place, when, is_weak });
    };
    let own: Vec<&str> = vpn.bridges.iter().map(|bridge| &*bridge.value).collect();
    let mut bridges: Vec<Arc<str>> = Vec::new();
    for name in containers(vpn) {
        let from = || Node::Container(name.clone());
        add(from(), Node::Bridge, "its interface".to_owned(), None, When::default(), false);
        if &*name == VPN_CONTAINER {
            add(Node::Bridge, from(), "its gateway".to_owned(), None, When::default(), false);
        }
        for attribute in ["interfaces", "macvlans"] {
            for item in tree.items(&container(&name, attribute)) {
                let Some(uplink) = text(item.value) else { continue };
                let uplink = Arc::from(uplink.split(':').next().unwrap_or(&uplink));
                add(from(), Node::Uplink(uplink), format!("`{}`", item.option), item.place.clone(), item.when, false);
            }
        }
        for stated in tree.off(&container(&name, "privateNetwork")) {
            let how = format!("`{}` is false", stated.option);
            add(from(), Node::Uplink(Arc::from("the host's uplink")), how, stated.place, stated.when, false);
        }
        for flag in flags(tree, &name) {
            let how = format!("`{}`", flag.called());
            let value = &*flag.value.value;
            let to = match &*flag.value.name {
                "--network-interface" | "--network-ipvlan" | "--network-macvlan" => {
                    Node::Uplink(Arc::from(value.split(':').next().unwrap_or_default()))
                }
                "--network-namespace-path" if value == "/proc/1/ns/net" => Node::Uplink(Arc::from("the host's uplink")),
                "--network-bridge" if vpn.bridges.iter().all(|own| *own.value != *value) => {
                    bridges.push(Arc::from(value));
                    Node::OtherBridge(Arc::from(value))
                }
                NO_NETWORK => Node::Uplink(Arc::from("the host's uplink")),
                _ => continue,
            };
            add(from(), to, how, flag.place, flag.when, false);
        }
        for network in oci::networks(tree, &name).into_iter().filter(|_| oci::is_compartment(tree, &name)) {
            let out = match leads(&network.value) {
                Leads::Host => Some(network.plain()),
                Leads::Out => oci::leading_out(tree, &network, &own),
                Leads::Somewhere | Leads::Nowhere => None,
            };
            if let Some(out) = out {
                let how = format!("`{}`: the network `{}`", network.option, network.value);
                add(from(), Node::Uplink(Arc::from("the host's uplink")), how, out.place, out.when, false);
            }
        }
        for namespace in tree.texts(&container(&name, "networkNamespace"), None) {
            if &*namespace.value == "/proc/1/ns/net" {
                let how = format!("`{}`", namespace.option);
                add(from(), Node::Uplink(Arc::from("the host's uplink")), how, namespace.place, namespace.when, false);
            }
        }
        let mut other = tree.texts(&container(&name, "hostBridge"), None);
        let veths = container(&name, "extraVeths");
        for (veth, _) in tree.children(&veths) {
            other.extend(tree.texts(&veths.join(&veth).join("hostBridge"), None));
        }
        for bridge in other {
            if vpn.bridges.iter().any(|own| own.value == bridge.value) {
                continue;
            }
            bridges.push(bridge.value.clone());
            let how = format!("`{}`", bridge.option);
            add(from(), Node::OtherBridge(bridge.value), how, bridge.place, bridge.when, false);
        }
        for pair in ["hostAddress", "localAddress"] {
            for stated in tree.texts(&container(&name, pair), None) {
                for item in tree.items(&option("networking.nat.internalInterfaces")) {
                    let Some(inside) = text(item.value) else { continue };
                    if super::fits(&inside, &format!("ve-{name}")) {
                        let how = format!("`{}`, and `{}` has `{inside}`", stated.option, item.option);
                        let Some(when) = stated.when.and(&item.when) else { continue };
                        let uplink = Node::Uplink(Arc::from("the host's uplink"));
                        add(from(), uplink, how, item.place.clone(), when, false);
                    }
                }
            }
        }
    }
    for other in plugged(tree, vpn).others {
        let how = format!("`{}`", other.option);
        add(Node::Bridge, Node::Uplink(other.value), how, other.place, other.when, false);
    }
    for bridge in bridges {
        let path = option("networking.bridges").join(&bridge).join("interfaces");
        for item in tree.items(&path) {
            let Some(uplink) = text(item.value) else { continue };
            let how = format!("`{}`", item.option);
            add(Node::OtherBridge(bridge.clone()), Node::Uplink(uplink), how, item.place.clone(), item.when, false);
        }
        for item in tree.items(&option("networking.nat.internalInterfaces")) {
            if text(item.value).is_some_and(|name| super::fits(&name, &bridge)) {
                let how = format!("`{}`", item.option);
                let uplink = Node::Uplink(Arc::from("the host's uplink"));
                add(Node::OtherBridge(bridge.clone()), uplink, how, item.place.clone(), item.when, false);
            }
        }
    }
    let guard = tree.bools(&option("systemd.services.vpn-guard.enable"), Some(true));
    let unguarded: Vec<When> = match vpn.shape {
        Shape::Native => guard.into_iter().filter(|stated| !stated.value).map(|stated| stated.when).collect(),
        _ => vec![When { guards: Vec::new(), assumed: closing_table(tree, vpn).into_iter().collect() }],
    };
    // It closes nothing that is accepted by name, as what `forwarding` finds is.
    let filter = filter_forward(tree);
    for open in unguarded {
        add(Node::Bridge, Node::Router, "the host's address".to_owned(), None, open.clone(), false);
        for forwarding in forwarding(context, tree, vpn) {
            let uplink = Node::Uplink(Arc::from("the host's uplink"));
            add(Node::Router, uplink, forwarding.what, Some(forwarding.place), forwarding.when, false);
        }
        let on = |data: &bulkhead_eval::data::Data| match &data.kind {
            DataKind::Bool(on) => on.then_some(()),
            DataKind::Int(number) => (*number != 0).then_some(()),
            DataKind::String(text) => (text.trim() != "0").then_some(()),
            _ => None,
        };
        let names = option("boot.kernel.sysctl");
        let mut switches = Vec::new();
        let of_bridges = vpn.bridges.iter().map(|bridge| format!("net.ipv4.conf.{}.forwarding", bridge.value));
        let keys: Vec<String> = SWITCHES.iter().map(|key| (*key).to_owned()).chain(of_bridges).collect();
        for (written, _) in tree.children(&names) {
            let Some(key) = keys.iter().find(|key| **key == dotted(&written)) else { continue };
            for stated in tree.stated(&names.join(&written), on, None) {
                switches.push((format!("`{key}` is on"), stated));
            }
        }
        let of_networkd = option("systemd.network.config.networkConfig");
        let paths = [of_networkd.join("IPv4Forwarding"), of_networkd.join("IPForward")];
        let is_on = |data: &bulkhead_eval::data::Data| super::is_on(&shown(data)?).then_some(());
        let mut of_links: Vec<Stated<()>> = paths.iter().flat_map(|path| tree.stated(path, is_on, None)).collect();
        // `IPForward=` of one link is about all of them, and with `IPMasquerade=` it is on (before systemd 256).
        for file in &tree.networkd {
            let keys = ["IPForward", "IPMasquerade"].iter().flat_map(|key| file.all("Network", key));
            of_links.extend(keys.filter(|stated| super::is_on(&stated.value)).map(Stated::plain));
        }
        let told: Vec<Place> = forwarding(context, tree, vpn).into_iter().map(|forwarding| forwarding.place).collect();
        for stated in of_links {
            if !stated.place.as_ref().is_some_and(|place| told.contains(place)) {
                switches.push((format!("`{}` is on", stated.option), stated));
            }
        }
        let is_router = |data: &bulkhead_eval::data::Data| {
            text(data).is_some_and(|features| matches!(&*features, "server" | "both")).then_some(())
        };
        for service in ["services.netbird.useRoutingFeatures", "services.tailscale.useRoutingFeatures"] {
            for stated in tree.stated(&option(service), is_router, None) {
                switches.push((format!("`{}` turns forwarding on", stated.option), stated));
            }
        }
        for stated in tree.stated(&option("networking.nat.enable"), on, None) {
            switches.push((format!("`{}` turns forwarding on", stated.option), stated));
        }
        for (how, stated) in switches {
            let Some(when) = filter.unless_closed(&stated.when) else { continue };
            add(Node::Router, Node::Uplink(Arc::from("the host's uplink")), how, stated.place, when, true);
        }
    }
    steps
}

/// Variables of the kernel by which it forwards, besides that of an interface.
const SWITCHES: [&str; 3] = ["net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding"];

/// The name of a variable of the kernel with dots, as sysctl.d(5) takes it: with slashes the two are swapped.
fn dotted(name: &str) -> String {
    let swapped = |c: char| match c {
        '/' => '.',
        '.' => '/',
        other => other,
    };
    match name.find(['.', '/']) {
        Some(at) if name.get(at..).is_some_and(|rest| rest.starts_with('/')) => name.chars().map(swapped).collect(),
        _ => name.to_owned(),
    }
}

/// What `networking.firewall.filterForward` does to packets that nothing else is about.
enum Filter {
    /// They pass.
    Open,
    /// They are dropped.
    Closed,
    /// They are dropped, but for what these rules accept.
    Ruled(Assumed),
}

impl Filter {
    /// When a step that holds `when` is open all the same; `None` if never.
    fn unless_closed(&self, when: &When) -> Option<When> {
        match self {
            Filter::Open => Some(when.clone()),
            Filter::Closed => None,
            Filter::Ruled(rules) => when.and(&When { guards: Vec::new(), assumed: vec![rules.clone()] }),
        }
    }
}

fn filter_forward(tree: &Tree<'_>) -> Filter {
    let filters = tree.on(&option("networking.firewall.filterForward"));
    if !filters.iter().any(|stated| stated.when.is_sure()) {
        return Filter::Open;
    }
    match tree.below(&option("networking.firewall.extraForwardRules")).first() {
        Some(named) => Filter::Ruled(not_judged(named)),
        None => Filter::Closed,
    }
}

/// A table that may drop what is forwarded for the bridge.
fn closing_table(tree: &Tree<'_>, vpn: &Network) -> Option<Assumed> {
    table_that_may_close(tree, |rules| {
        rules.contains("drop") && vpn.bridges.iter().any(|bridge| rules.contains(&*bridge.value))
    })
}

/// The shortest path from a container to each uplink by each last step.
fn paths<'s>(steps: &'s [Step], name: &Arc<str>) -> Vec<Vec<&'s Step>> {
    let mut found: Vec<Vec<&Step>> = Vec::new();
    let mut queue: std::collections::VecDeque<Vec<&Step>> = std::collections::VecDeque::from([Vec::new()]);
    while let Some(path) = queue.pop_front() {
        let here = path.last().map_or_else(|| Node::Container(name.clone()), |step| step.to.clone());
        let passed = |node: &Node| *node == Node::Container(name.clone()) || path.iter().any(|step| step.to == *node);
        for step in steps.iter().filter(|step| step.from == here && !passed(&step.to)) {
            let mut longer = path.clone();
            longer.push(step);
            if matches!(step.to, Node::Uplink(_)) {
                // Of two switches that turn on the same forwarding, one is enough to tell.
                let is_told = |other: &Vec<&Step>| {
                    other.last().is_some_and(|last| last.from == step.from && last.to == step.to && step.is_weak)
                };
                if !found.iter().any(is_told) {
                    found.push(longer);
                }
            } else {
                queue.push_back(longer);
            }
        }
    }
    found
}

fn finding(
    context: &Context<'_>,
    tree: &Tree<'_>,
    vpn: &Network,
    names: &[Arc<str>],
    path: &[&Step],
) -> Option<Diagnostic> {
    let name = names.first()?;
    let mut when = vpn.when.clone();
    let mut shown = name.to_string();
    for step in path {
        when = when.and(&step.when)?;
        shown.push_str(&format!(" → {}", step.to));
    }
    let last = path.last()?;
    let at = path.iter().rev().find_map(|step| step.place.clone())?;
    let verb = if names.len() == 1 { "reaches" } else { "reach" };
    let message = format!("{} {verb} an uplink without the tunnel: {shown}", quoted(names.iter().map(|name| &**name)));
    let mut finding = RULE.judged(context.tree, &when, at.clone(), message);
    if path.iter().any(|step| step.is_weak) {
        finding.severity = finding.severity.min(Severity::Warning);
    }
    for step in path {
        if let Some(place) = step.place.clone().filter(|place| *place != at) {
            finding = finding.with_related(place, format!("{} → {}", step.from, step.to));
        }
    }
    let steps: Vec<String> = path.iter().map(|step| format!("{} → {}: {}", step.from, step.to, step.how)).collect();
    Some(
        finding
            .with_label(format!("{} → {}", last.from, last.to))
            .with_note(steps.join("\n"))
            .with_help("cut the path here")
            .with_data("machine", &*tree.name)
            .with_data("container", &**name)
            .with_data("containers", names.iter().map(|name| Value::from(&**name)).collect::<Vec<_>>())
            .with_data("path", steps),
    )
}

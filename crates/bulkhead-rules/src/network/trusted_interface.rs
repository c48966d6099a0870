//! `trusted-interface`: a firewall that trusts the inside of a compartment.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::firewall::{Trusted, commands, rules, trusted};
use crate::trees::{Network, Purpose, Stated, Tree, option, text};

pub(crate) const RULE: Rule = Rule {
    name: "trusted-interface",
    area: Area::Network,
    severity: Severity::Error,
    summary: "The firewall trusts the interface of workspaces or services.",
    docs: "\
`networking.firewall.trustedInterfaces`, or a rule of `extraInputRules` or `extraCommands` that accepts everything from
an interface, names the bridge of workspaces or of the VPN's services, or the interface of one of them. Or all ports of
a protocol are open to it: by ranges and ports of `networking.firewall.interfaces.<name>`, together with those that are
open to everybody, or by a rule.

**Why it matters.** NixOS' firewall accepts everything that comes from a trusted interface: all services of the host,
those too that listen for the host alone. Bulkhead's own guard closes that again; without it nothing does.

**Fix.** Take it out. What workspaces need of the host is opened one by one (`networking.sandbox.allow`, or
`networking.firewall.interfaces.<name>.allowedTCPPorts`).

```nix
# bad
networking.firewall.trustedInterfaces = [ \"sandbox0\" ];
# good
networking.firewall.interfaces.sandbox0.allowedUDPPorts = [ 53 ];
```

**Limits.** The interfaces of workspaces and service containers of this machine alone: `docker0` or `virbr0` are not
looked at. Where nearly all ports are open (all that programs of users may take, for example), it is a warning; fewer
are not judged.

**Data.** `machine`: the machine. `interface`: the name.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees().iter().filter(|tree| tree.has_compartments()) {
        let listed = tree.items(&option("networking.firewall.trustedInterfaces")).into_iter();
        let everything = |interface: Arc<str>| Trusted { interface: interface.to_string(), protocol: None };
        let mut all: Vec<Stated<Trusted>> =
            listed.filter_map(|item| Some(item.with(everything(text(item.value)?)))).collect();
        let input = rules(context, tree, &option("networking.firewall.extraInputRules"));
        for stated in input.into_iter().chain(commands(context, tree)) {
            all.extend(trusted(&stated.value).into_iter().map(|trusted| stated.with(trusted)));
        }
        found.extend(open_ports(context, tree));
        for item in all {
            let (Trusted { interface: name, protocol }, Some(at)) = (&item.value, item.place.clone()) else { continue };
            let Some((inside, whose)) = inside(tree, name) else { continue };
            let Some(when) = item.when.and(&inside.when) else { continue };
            let (message, label) = match protocol {
                None => (format!("the firewall trusts `{name}`, {whose}"), "everything from there is accepted"),
                Some(protocol) => {
                    let protocol = protocol.to_uppercase();
                    (format!("the firewall opens all {protocol} ports to `{name}`, {whose}"), REACHED)
                }
            };
            found.push(
                RULE.judged(context.tree, &when, at, message)
                    .with_label(label)
                    .with_help("take it out, and open what is needed one by one")
                    .with_data("machine", &*tree.name)
                    .with_data("interface", name.as_str()),
            );
        }
    }
}

const REACHED: &str = "all services of the host are reached from there";

/// Protocols, and how the options for their ports begin.
const PROTOCOLS: [(&str, &str); 2] = [("TCP", "allowedTCP"), ("UDP", "allowedUDP")];

/// With so many open ports, hardly a service is left that is not reached: those above 1023 are more.
const NEARLY_ALL: usize = 64_000;

/// Compartments to which all ports of the host are open.
fn open_ports(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let firewall = option("networking.firewall");
    let interfaces = firewall.join("interfaces");
    let root = (firewall, None);
    let named = tree.children(&interfaces).into_iter().map(|(name, _)| (interfaces.join(&name), Some(name)));
    let places: Vec<(OptionPath, Option<Arc<str>>)> = std::iter::once(root).chain(named).collect();
    for (protocol, begin) in PROTOCOLS {
        let to_everybody = opened(tree, &option("networking.firewall"), begin);
        for (path, name) in &places {
            let own = opened(tree, path, begin);
            // What is open to everybody is told where it is said.
            let Some(first) = own.iter().max_by_key(|range| range.value.len()) else { continue };
            let others = to_everybody.iter().filter(|_| name.is_some());
            let all: Vec<&Stated<RangeInclusive<u16>>> = own.iter().chain(others).collect();
            let is_whole = |only_sure: bool| {
                let ranges = all.iter().filter(|range| !only_sure || range.when.is_sure());
                let count = covered(ranges.map(|range| range.value.clone()).collect());
                (count >= NEARLY_ALL).then_some(count == usize::from(u16::MAX))
            };
            let sure = is_whole(true);
            let Some(is_all) = sure.or_else(|| is_whole(false)) else { continue };
            let inside = match name {
                Some(name) => inside(tree, name),
                None => anybody(tree),
            };
            let Some((inside, whose)) = inside else { continue };
            let mut when = inside.when.clone();
            for range in all.iter().filter(|range| sure.is_none() && !range.when.is_sure()) {
                let Some(both) = when.and(&range.when) else { continue };
                when = both;
            }
            let Some(at) = first.place.clone() else { continue };
            let how_many = if is_all { "all" } else { "nearly all" };
            let to = if name.is_some() { format!("`{}`, {whose}", inside.value) } else { "every interface".to_owned() };
            let also = if name.is_some() { String::new() } else { format!(", and so to {whose}") };
            let message = format!("the firewall opens {how_many} {protocol} ports to {to}{also}");
            let mut finding = RULE.judged(context.tree, &when, at, message);
            if !is_all {
                finding.severity = finding.severity.min(Severity::Warning);
            }
            found.push(
                finding
                    .with_label(REACHED)
                    .with_help("open what is needed one by one")
                    .with_data("machine", &*tree.name)
                    .with_data("interface", &*inside.value),
            );
        }
    }
    found
}

/// The ports that options open.
fn opened(tree: &Tree<'_>, path: &OptionPath, begin: &str) -> Vec<Stated<RangeInclusive<u16>>> {
    let number = |data: &Data| match data.kind {
        DataKind::Int(number) => u16::try_from(number).ok(),
        _ => None,
    };
    let range = |data: &Data| {
        let DataKind::Attrs(set) = &data.kind else { return None };
        let end = |name: &str| number(&set.attrs.get(name)?.value);
        Some(end("from")?..=end("to")?)
    };
    let ranges = tree.items(&path.join(&format!("{begin}PortRanges"))).into_iter();
    let ports = tree.items(&path.join(&format!("{begin}Ports"))).into_iter();
    let ports = ports.filter_map(|item| number(item.value).map(|port| item.with(port..=port)));
    ranges.filter_map(|item| Some(item.with(range(item.value)?))).chain(ports).collect()
}

/// How many ports are in some of these ranges; there is none of number 0.
fn covered(mut ranges: Vec<RangeInclusive<u16>>) -> usize {
    ranges.sort_by_key(|range| *range.start());
    let (mut count, mut next) = (0, 1);
    for range in ranges {
        let (from, to) = (usize::from(*range.start()).max(next), usize::from(*range.end()));
        if from <= to {
            count += to + 1 - from;
            next = to + 1;
        }
    }
    count
}

/// What is inside of some compartment.
fn anybody<'t>(tree: &'t Tree<'_>) -> Option<(&'t Stated<Arc<str>>, String)> {
    tree.networks.all.iter().find_map(|network| Some((network.bridges.first()?, whom(network).to_owned() + " bridge")))
}

/// Whose network it is.
fn whom(network: &Network) -> &'static str {
    match network.purpose {
        Purpose::Sandbox => "the workspaces'",
        Purpose::Vpn => "the VPN's",
    }
}

/// What is inside of a compartment and has an interface of this name; `+` at its end stands for anything, as iptables has it,
/// `*` as nft has it.
fn inside<'t>(tree: &'t Tree<'_>, name: &str) -> Option<(&'t Stated<Arc<str>>, String)> {
    let fits = |interface: &str| match name.strip_suffix(['+', '*']) {
        Some(start) => interface.starts_with(start),
        None => interface == name,
    };
    tree.networks.all.iter().filter(|network| !network.is_v6).find_map(|network| {
        let whom = whom(network);
        let bridge = network.bridges.iter().find(|bridge| fits(&bridge.value));
        if let Some(bridge) = bridge {
            return Some((bridge, format!("{whom} bridge")));
        }
        let port = network.everybody().flat_map(|peer| peer.interfaces.iter().map(move |port| (peer, port)));
        let (peer, port) = port.into_iter().find(|(_, port)| fits(&port.value))?;
        Some((port, format!("the interface of `{}`", peer.name)))
    })
}

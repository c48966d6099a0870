//! `proxy-open-to-services`: a proxy of the host that services reach, too.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::DataKind;
use bulkhead_modules::OptionPath;

use super::vpns;
use crate::context::Context;
use crate::network::addresses;
use crate::rule::{Area, Rule};
use crate::trees::addresses::Prefix;
use crate::trees::{Assumed, Network, Shape, Stated, Tree, When, option, text};

pub(crate) const RULE: Rule = Rule {
    name: "proxy-open-to-services",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "A proxy of the host that is for the VPN container's login lets services in.",
    docs: "\
`services.tinyproxy` of a machine with services behind a VPN listens on the VPN's bridge (or everywhere), and its
`Allow` has addresses besides the VPN container's, or there is no `Allow`, which allows everybody.

**Why it matters.** A service that asks the proxy reaches the internet from the host's address, past the tunnel.

**Fix.** Allow the VPN container's address alone, and bind it to its port and MAC address: a service may take the
address. Bulkhead's module `vpn` has such a proxy.

```nix
# bad
services.tinyproxy.settings = { Listen = \"10.73.0.1\"; Allow = [ \"10.73.0.0/24\" ]; };
# good
services.tinyproxy.settings = { Listen = \"10.73.0.1\"; Allow = [ \"10.73.0.2\" ]; };
```

**Limits.** Of squid, privoxy, microsocks, 3proxy and dante only where they listen is looked at, for a warning; whom
they let in is not, nor are other proxies. With Bulkhead's module it is a warning, because its guard lets services
reach nothing of the host.

**Data.** `machine`: the machine.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let settings = option("services.tinyproxy.settings");
    for (tree, vpn) in vpns(context.trees()) {
        others(context, tree, vpn, found);
        for on in tree.on(&option("services.tinyproxy.enable")) {
            let Some(holds) = on.when.and(&vpn.when) else { continue };
            if !listens_on_bridge(tree, vpn) {
                continue;
            }
            let allowed = tree.items(&settings.join("Allow"));
            let mut report = |stated_place, when: &When, message: String| {
                let mut finding = RULE.judged(context.tree, when, stated_place, message);
                if vpn.shape == Shape::Native {
                    finding.severity = finding.severity.min(Severity::Warning);
                }
                found.push(
                    finding.with_help("allow the address of the VPN container alone").with_data("machine", &*tree.name),
                );
            };
            let is_written = !tree.below(&settings.join("Allow")).is_empty();
            if let (false, Some(at)) = (is_written, on.place.clone()) {
                let message = "the proxy has no `Allow`, so that every service behind the VPN may use it";
                let mut when = holds.clone();
                if let Some(undecided) = tree.undecided_at(&settings) {
                    let option = settings.join("Allow").to_string();
                    when.assumed.push(Assumed::value(&option, &undecided.reason.reason, undecided.place.clone()));
                }
                report(at, &when, message.to_owned());
            }
            for item in allowed {
                let (Some(shown), Some(at), Some(when)) = (text(item.value), item.place.clone(), item.when.and(&holds))
                else {
                    continue;
                };
                if let Some(name) = lets_in(vpn, &shown) {
                    report(at, &when, format!("the proxy allows {shown}, and so {name}, which is behind the VPN"));
                }
            }
        }
    }
}

/// Other proxies, where they listen, and where by themselves; they are not asked whom they let in.
const OTHERS: [(&str, &str, &str); 5] = [
    ("services._3proxy", "services.*.bindAddress", "0.0.0.0"),
    ("services.dante", "", "0.0.0.0"),
    ("services.microsocks", "ip", "127.0.0.1"),
    ("services.privoxy", "settings.listen-address", "127.0.0.1:8118"),
    ("services.squid", "proxyAddress", "0.0.0.0"),
];

/// Other proxies that listen on the bridge.
fn others(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network, found: &mut Vec<Diagnostic>) {
    for (service, listen, default) in OTHERS {
        let root = option(service);
        let mut listens: Vec<Arc<str>> = Vec::new();
        let mut unknown = None;
        if let Some((list, field)) = listen.split_once(".*.") {
            for item in tree.items(&root.join(list)) {
                let DataKind::Attrs(set) = &item.value.kind else { continue };
                let own = set.attrs.get(field).and_then(|field| text(&field.value));
                listens.push(own.unwrap_or_else(|| Arc::from(default)));
            }
        } else if !listen.is_empty() {
            let path = OptionPath::of(root.names().iter().map(|name| &**name).chain(listen.split('.')));
            listens.extend(tree.texts(&path, Some(default)).into_iter().map(|stated| stated.value));
            unknown = tree.unknown(&path).into_iter().next();
        }
        if listens.is_empty() && unknown.is_none() {
            listens.push(Arc::from(default));
        }
        let on_bridge = listens.iter().any(|text| is_on_bridge(vpn, address(text)));
        for on in tree.on(&root.join("enable")).into_iter().filter(|_| on_bridge || unknown.is_some()) {
            let (Some(when), Some(at)) = (on.when.and(&vpn.when), on.place.clone()) else { continue };
            let message = format!("`{service}` listens on the bridge of the VPN: services behind it may use it");
            let mut finding = RULE.judged(context.tree, &when, at, message);
            finding.severity = finding.severity.min(Severity::Warning);
            if let Some((why, place)) = unknown.as_ref().filter(|_| !on_bridge) {
                finding.severity = Severity::Undecided;
                finding = finding
                    .with_note(format!("unless it listens elsewhere, which is not known: {why}"))
                    .with_related(place.clone(), "not known");
            }
            found.push(
                finding.with_help("let it listen on another address of the host").with_data("machine", &*tree.name),
            );
        }
    }
}

/// The address that a proxy listens at, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    if text.strip_prefix("localhost").is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().or_else(|_| text.parse().map(|at: SocketAddr| at.ip())).ok()
}

/// Whether an address is that of the host on the bridge, or all of them; one that is not known is.
fn is_on_bridge(vpn: &Network, address: Option<IpAddr>) -> bool {
    let host = || addresses(vpn).into_iter().filter(|address| address.peer.name.is_empty());
    address.is_none_or(|address| address.is_unspecified() || host().any(|own| own.value == address))
}

/// Whether the proxy listens where services are: also if it is not known where.
fn listens_on_bridge(tree: &Tree<'_>, vpn: &Network) -> bool {
    let listens: Vec<Stated<_>> = tree.texts(&option("services.tinyproxy.settings.Listen"), Some("127.0.0.1"));
    listens.iter().any(|listen| is_on_bridge(vpn, address(&listen.value)))
}

/// Who of the services an entry of `Allow` lets in.
fn lets_in(vpn: &Network, allowed: &str) -> Option<String> {
    let range = Prefix::parse(allowed).or_else(|| {
        let address: std::net::IpAddr = allowed.parse().ok()?;
        Prefix::of(address, if address.is_ipv4() { 32 } else { 128 })
    })?;
    let service = addresses(vpn)
        .into_iter()
        .find(|address| range.contains(address.value) && vpn.peers.iter().any(|peer| std::ptr::eq(peer, address.peer)));
    if let Some(service) = service {
        return Some(format!("`{}`", service.peer.name));
    }
    // More of the network than one address is open to whoever takes another one.
    let subnet = crate::network::subnets(vpn).into_iter().find(|(_, subnet, _)| range.covers(subnet))?;
    Some(format!("all of {}", subnet.0.value))
}

//! `proxy-open-to-services`: a proxy of the host that services reach, too.

use bulkhead_diagnostics::{Diagnostic, Severity};

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

**Limits.** Other proxies are not looked at. With Bulkhead's module it is a warning, because its guard lets services
reach nothing of the host.

**Data.** `machine`: the machine.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let settings = option("services.tinyproxy.settings");
    for (tree, vpn) in vpns(context.trees()) {
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

/// Whether the proxy listens where services are: also if it is not known where.
fn listens_on_bridge(tree: &Tree<'_>, vpn: &Network) -> bool {
    let listens: Vec<Stated<_>> = tree.texts(&option("services.tinyproxy.settings.Listen"), Some("127.0.0.1"));
    let host: Vec<_> = addresses(vpn).into_iter().filter(|address| address.peer.name.is_empty()).collect();
    listens.iter().any(|listen| match listen.value.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_unspecified() || host.iter().any(|own| own.value == address),
        Err(_) => true,
    })
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

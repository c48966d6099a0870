//! `malformed-address`: what should be an address, a MAC address or a network and is none.

use std::net::IpAddr;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};

use super::{called, place};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::addresses::{Mac, Prefix};
use crate::trees::{Network, Shape, Stated, Tree};

pub(crate) const RULE: Rule = Rule {
    name: "malformed-address",
    area: Area::Network,
    severity: Severity::Error,
    summary: "An address or a network of workspaces or services is none.",
    docs: "\
`ip`, `ip6`, a gateway or a subnet of workspaces or services is no address, or no network (`10.20.0.0/24`, without
bits after the prefix), or one of the other family: `ip` is IPv4, `ip6` IPv6, and services behind a VPN have no IPv6.
Or `mac` is no MAC address of a virtual interface: locally administered, unicast, in lower case with colons. Where
another module makes the workspaces, it is any that one interface may have.

**Why it matters.** Rules and routes are made from it. The modules refuse it when the configuration is built.

**Fix.** Write an address as four numbers from 0 to 255, or as IPv6 has it; of a network, its first address and its
length.

```nix
# bad
networking.sandbox.subnet = \"10.20.0.1/24\";
# good
networking.sandbox.subnet = \"10.20.0.0/24\";
```

**Data.** `machine`: the machine. `option`: the option. `value`: its value.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for network in &tree.networks.all {
            let family = if network.is_v6 { "IPv6" } else { "IPv4" };
            for stated in &network.subnets {
                let is_good = Prefix::is_exact(&stated.value) && stated.value.contains(':') == network.is_v6;
                if !is_good {
                    let at = stated.place.clone().unwrap_or_else(|| network.place.clone());
                    let example = if network.is_v6 { "fd20::/64" } else { "10.20.0.0/24" };
                    let what = format!("an {family} network such as {example}, with no bits after the prefix");
                    found.extend(finding(context, tree, network, stated, at, &what));
                }
            }
            for peer in network.everybody() {
                for stated in &peer.addresses {
                    let is_good =
                        stated.value.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6() == network.is_v6);
                    if !is_good {
                        let what = format!("an {family} address");
                        found.extend(finding(context, tree, network, stated, place(peer, stated), &what));
                    }
                }
                for stated in peer.macs.iter().filter(|_| !network.is_v6) {
                    let (is_good, what) = match network.shape {
                        Shape::Native => (
                            Mac::is_private(&stated.value),
                            "a locally administered unicast address in lower case such as 02:00:00:00:00:01",
                        ),
                        _ => {
                            (Mac::parse(&stated.value).is_some_and(Mac::is_unicast), "the MAC address of one interface")
                        }
                    };
                    if !is_good {
                        found.extend(finding(context, tree, network, stated, place(peer, stated), what));
                    }
                }
            }
        }
    }
}

fn finding(
    context: &Context<'_>,
    tree: &Tree<'_>,
    network: &Network,
    stated: &Stated<Arc<str>>,
    place: Place,
    what: &str,
) -> Option<Diagnostic> {
    let when = stated.when.and(&network.when)?;
    let message = format!("{} is `{}`, and not {what}", called(stated), stated.value);
    Some(
        RULE.judged(context.tree, &when, place, message)
            .with_data("machine", &*tree.name)
            .with_data("option", stated.option.clone())
            .with_data("value", &*stated.value),
    )
}

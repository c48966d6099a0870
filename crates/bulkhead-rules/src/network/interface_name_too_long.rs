//! `interface-name-too-long`: names that Linux cuts or refuses.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::place;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Stated, option};

/// IFNAMSIZ of Linux is 16, with the zero at the end (net/if.h).
const LONGEST: usize = 15;

pub(crate) const RULE: Rule = Rule {
    name: "interface-name-too-long",
    area: Area::Network,
    severity: Severity::Error,
    summary: "A name makes a network interface whose name has over 15 characters.",
    docs: "\
The interface of a workspace or of a service container on the host is called after it (`vb-dev`, `vm-dev`, `vi-dev`),
and Linux takes 15 characters. The same for the bridges of workspaces and VPNs and for the VPN's interface.

**Why it matters.** systemd-nspawn makes another name of one that is too long, which no rule of the guard names, and
all else fails to start. The modules refuse it when the configuration is built.

**Fix.** A name of at most 12 characters.

```nix
# bad: vb-customer-portal has 18 characters
workspaces.customer-portal = { type = \"container\"; ip = \"10.20.0.10\"; };
# good
workspaces.portal = { type = \"container\"; ip = \"10.20.0.10\"; };
```

**Limits.** Other interfaces of the host (`networking.bridges`, `vlans`, `bonds`, `wireguard.interfaces`,
`wg-quick.interfaces`, `netdevs` of networkd) are not looked at.

**Data.** `machine`: the machine. `interface`: the name.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        let interface = tree.texts(&option("vpn.interfaceName"), None);
        for network in tree.networks.all.iter().filter(|network| !network.is_v6) {
            let made = network.everybody().flat_map(|peer| {
                peer.interfaces.iter().map(move |stated| {
                    (format!("the interface of `{}` on the host", of(stated)), place(peer, stated), stated)
                })
            });
            let is_vpn = network.purpose == crate::trees::Purpose::Vpn;
            let written = network.bridges.iter().chain(interface.iter().filter(|_| is_vpn));
            let written = written.map(|stated| {
                let at = stated.place.clone().unwrap_or_else(|| network.place.clone());
                (format!("`{}`", stated.option), at, stated)
            });
            for (what, at, stated) in made.chain(written) {
                let length = stated.value.chars().count();
                let Some(when) = stated.when.and(&network.when).filter(|_| length > LONGEST) else { continue };
                let message =
                    format!("{what} is `{}`, which has {length} characters; Linux takes {LONGEST}", stated.value);
                found.push(
                    RULE.judged(context.tree, &when, at, message)
                        .with_help(format!("shorten the name by {}", length - LONGEST))
                        .with_data("machine", &*tree.name)
                        .with_data("interface", &*stated.value),
                );
            }
        }
    }
}

/// `workspaces.dev` of `workspaces.dev.type`.
fn of(stated: &Stated<Arc<str>>) -> &str {
    stated.option.strip_suffix(".type").unwrap_or(&stated.option)
}

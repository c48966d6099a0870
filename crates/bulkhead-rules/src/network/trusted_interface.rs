//! `trusted-interface`: a firewall that trusts the inside of a compartment.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::firewall::{commands, rules, trusted};
use crate::trees::{Purpose, Stated, Tree, option, text};

pub(crate) const RULE: Rule = Rule {
    name: "trusted-interface",
    area: Area::Network,
    severity: Severity::Error,
    summary: "The firewall trusts the interface of workspaces or services.",
    docs: "\
`networking.firewall.trustedInterfaces`, or a rule of `extraInputRules` or `extraCommands` that accepts everything from
an interface, names the bridge of workspaces or of the VPN's services, or the interface of
one of them.

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
looked at.

**Data.** `machine`: the machine. `interface`: the name.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees().iter().filter(|tree| tree.has_compartments()) {
        let listed = tree.items(&option("networking.firewall.trustedInterfaces")).into_iter();
        let mut all: Vec<Stated<Arc<str>>> = listed.filter_map(|item| Some(item.with(text(item.value)?))).collect();
        let input = rules(context, tree, &option("networking.firewall.extraInputRules"));
        for stated in input.into_iter().chain(commands(context, tree)) {
            all.extend(trusted(&stated.value).into_iter().map(|name| stated.with(Arc::from(name))));
        }
        for item in all {
            let (name, Some(at)) = (&item.value, item.place.clone()) else { continue };
            let Some((inside, whose)) = inside(tree, name) else { continue };
            let Some(when) = item.when.and(&inside.when) else { continue };
            let message = format!("the firewall trusts `{name}`, {whose}");
            found.push(
                RULE.judged(context.tree, &when, at, message)
                    .with_label("everything from there is accepted")
                    .with_help("take it out, and open what is needed one by one")
                    .with_data("machine", &*tree.name)
                    .with_data("interface", &**name),
            );
        }
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
        let whom = match network.purpose {
            Purpose::Sandbox => "the workspaces'",
            Purpose::Vpn => "the VPN's",
        };
        let bridge = network.bridges.iter().find(|bridge| fits(&bridge.value));
        if let Some(bridge) = bridge {
            return Some((bridge, format!("{whom} bridge")));
        }
        let port = network.everybody().flat_map(|peer| peer.interfaces.iter().map(move |port| (peer, port)));
        let (peer, port) = port.into_iter().find(|(_, port)| fits(&port.value))?;
        Some((port, format!("the interface of `{}`", peer.name)))
    })
}

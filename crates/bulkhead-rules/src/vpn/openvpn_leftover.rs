//! `openvpn-leftover`: OpenVPN beside the VPN that replaced it.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_modules::OptionPath;

use super::{configurations, containers, vpns};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::partial::partial;
use crate::trees::{Network, Tree, When, option, text};

pub(crate) const RULE: Rule = Rule {
    name: "openvpn-leftover",
    area: Area::Vpn,
    severity: Severity::Warning,
    summary: "A machine with a VPN of service containers still has OpenVPN.",
    docs: "\
A machine has services behind a WireGuard VPN, and `services.openvpn.servers` too, on the host or in one of the service
containers, or a unit that runs `openvpn`.

**Why it matters.** A second tunnel changes the default route of the host, by which the encrypted packets of the first
one leave, or is what is left of an older setup, with credentials that nobody thinks of any more.

**Fix.** Remove it, with its credentials.

```nix
# bad
services.openvpn.servers.pia.config = \"config /run/agenix/pia.ovpn\";
# good
vpn.enable = true;
```

**Limits.** A server for others to connect to is not meant; allow it with a reason.

**Data.** `machine`: the machine. `server`: its name.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (tree, vpn) in vpns(context.trees()) {
        let inside = containers(vpn)
            .into_iter()
            .flat_map(|name| configurations(&name))
            .map(|config| config.join("services").join("openvpn").join("servers"));
        for root in std::iter::once(option("services.openvpn.servers")).chain(inside) {
            for (server, _) in tree.children(&root) {
                let all = tree.below(&root.join(&server));
                let Some(first) = all.iter().find(|named| tree.counts(named)) else { continue };
                let Some(at) = first.definition.place().cloned() else { continue };
                let Some(when) = When::of(&first.definition.condition).and(&vpn.when) else { continue };
                let message =
                    format!("`{}` is OpenVPN beside the VPN of the services", tree.called(&root.join(&server)));
                found.push(
                    RULE.judged(context.tree, &when, at, message)
                        .with_help("remove it, and the credentials that it used")
                        .with_data("machine", &*tree.name)
                        .with_data("server", &*server),
                );
            }
        }
        units(context, tree, vpn, found);
    }
}

/// Units that run OpenVPN by themselves.
fn units(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network, found: &mut Vec<Diagnostic>) {
    let inside = containers(vpn).into_iter().flat_map(|name| configurations(&name));
    let inside = inside.map(|config| config.join("systemd").join("services"));
    let roots: Vec<OptionPath> = std::iter::once(option("systemd.services")).chain(inside).collect();
    for named in roots.iter().flat_map(|root| tree.below(root)).filter(|named| tree.counts(named)) {
        let value = &named.definition.value;
        let command = text(value).or_else(|| partial(context, value).map(|command| Arc::from(command.text)));
        let runs = |command: &Arc<str>| {
            let mut words = command.split(|c: char| c.is_whitespace() || matches!(c, ';' | '"' | '\'' | '&' | '|'));
            words.any(|word| word.ends_with("/bin/openvpn"))
        };
        let Some(when) = When::of(&named.definition.condition).and(&vpn.when) else { continue };
        if !command.as_ref().is_some_and(runs) {
            continue;
        }
        let option = &named.definition.path;
        let unit = named.path.names().iter().skip_while(|name| ***name != *"services").nth(1);
        let message = format!("`{option}` runs OpenVPN beside the VPN of the services");
        found.push(
            RULE.judged(context.tree, &when, named.place(), message)
                .with_help("remove it, and the credentials that it used")
                .with_data("machine", &*tree.name)
                .with_data("server", unit.map_or("", |unit| &**unit)),
        );
    }
}

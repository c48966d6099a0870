//! `host-forwards-for-vpn`: a host that forwards, or translates addresses, for the bridge of a VPN.

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::{forwarding, vpns};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::Shape;

pub(crate) const RULE: Rule = Rule {
    name: "host-forwards-for-vpn",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "The host forwards, or translates addresses, for the bridge of a VPN.",
    docs: "\
`networking.nat`, systemd-networkd (`IPMasquerade`, `IPv4Forwarding`, `IPForward`), or a rule of nf_tables or iptables
that translates addresses (`masquerade`, `snat`) names the bridge of the VPN's
services, one of their interfaces, or addresses of theirs.

**Why it matters.** A host that forwards is a gateway: a service that takes the host for its router reaches the
internet past the tunnel. The services need nothing of the host but its proxy.

**Fix.** Take it out.

```nix
# bad
networking.nat = { enable = true; internalInterfaces = [ \"vpn0\" ]; externalInterface = \"eth0\"; };
# good
vpn.containers.web.ip = \"10.73.0.11\";
```

**Limits.** Bulkhead's module has a guard that drops what is forwarded for the bridge, so it is a warning there. Rules
that go by a map (`vmap`), a `goto` or a mark, or that stand in `postUp` of wg-quick or in scripts of units, are not
looked at.

**Data.** `machine`: the machine.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (tree, vpn) in vpns(context.trees()) {
        for forwarding in forwarding(context, tree, vpn) {
            let Some(when) = forwarding.when.and(&vpn.when) else { continue };
            let message = format!("the host forwards for the services behind the VPN: {}", forwarding.what);
            let mut finding = RULE.judged(context.tree, &when, forwarding.place, message);
            if vpn.shape == Shape::Native {
                finding.severity = finding.severity.min(Severity::Warning);
                finding = finding.with_note("the guard drops it all the same, as long as it is loaded");
            }
            found.push(finding.with_help("take it out").with_data("machine", &*tree.name));
        }
    }
}

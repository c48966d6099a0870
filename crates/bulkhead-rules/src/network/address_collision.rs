//! `address-collision`: two on a bridge that have the same address.

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::{Address, addresses, called};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::clashes;

pub(crate) const RULE: Rule = Rule {
    name: "address-collision",
    area: Area::Network,
    severity: Severity::Error,
    summary: "Two workspaces, services, or one of them and the gateway have the same address.",
    docs: "\
Two on the same bridge have the same address: two workspaces, two service containers, or one of them and the host or
the VPN container.

**Why it matters.** Who has the gateway's address gets what others send to the internet. Of two with the same address
one is cut off, and which one changes with every answer to ARP. The modules refuse it when the configuration is built.

**Fix.** Give one of them another address.

```nix
# bad
workspaces = { dev.ip = \"10.20.0.10\"; web.ip = \"10.20.0.10\"; };
# good
workspaces = { dev.ip = \"10.20.0.10\"; web.ip = \"10.20.0.11\"; };
```

**Limits.** Conditions that are unknown and exclude each other are recognised if they are written once (`if`, `else`);
else two definitions under different conditions make a warning.

**Data.** `machine`: the machine. `address`: the address. `options`: the options that have it.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for network in &tree.networks.all {
            let mut all = addresses(network);
            all.sort_by_key(|address| address.value);
            for group in all.chunk_by(|a, b| a.value == b.value) {
                // One that may have either of two addresses is one all the same.
                let are_one = |a: &Address<'_>, b: &Address<'_>| std::ptr::eq(a.peer, b.peer);
                for (first, other, when) in clashes(group, |address| &address.when, are_one) {
                    let message =
                        format!("{} and {} are both {}", called(first.stated), called(other.stated), first.value);
                    // The one that is written is the one to change.
                    let (at, also) = if other.stated.place.is_some() { (other, first) } else { (first, other) };
                    let mut finding = RULE.judged(context.tree, &when, at.place(), message);
                    if let Some(place) = &also.stated.place {
                        finding = finding.with_related(place.clone(), "the same address");
                    }
                    found.push(
                        finding
                            .with_help("give one of them another address")
                            .with_data("machine", &*tree.name)
                            .with_data("address", first.value.to_string())
                            .with_data("options", vec![first.stated.option.clone(), other.stated.option.clone()]),
                    );
                }
            }
        }
    }
}

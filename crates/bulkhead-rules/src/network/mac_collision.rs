//! `mac-collision`: two on a bridge that have the same MAC address.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::{called, place};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::addresses::Mac;
use crate::trees::{Peer, Stated, When, clashes};

pub(crate) const RULE: Rule = Rule {
    name: "mac-collision",
    area: Area::Network,
    severity: Severity::Error,
    summary: "Two workspaces or services have the same MAC address.",
    docs: "\
Two on the same bridge have the same MAC address, by their options or because it is made from their names.

**Why it matters.** The bridge sends the frames for one to the other. The modules refuse it when the configuration is
built.

**Fix.** Leave `mac` out, so that it is made from the name, or write another one.

```nix
# bad
workspaces = { dev.mac = \"02:00:00:00:00:01\"; web.mac = \"02:00:00:00:00:01\"; };
# good
workspaces = { dev.mac = \"02:00:00:00:00:01\"; web.mac = \"02:00:00:00:00:02\"; };
```

**Limits.** The MAC address of a bridge is made from the host's name, and is not looked at unless it is written down.

**Data.** `machine`: the machine. `mac`: the address. `options`: the options that have it.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for network in tree.networks.all.iter().filter(|network| !network.is_v6) {
            let all = network.everybody().flat_map(|peer| peer.macs.iter().map(move |mac| (peer, mac)));
            let mut all: Vec<(Mac, &Peer, &Stated<Arc<str>>, When)> = all
                .filter_map(|(peer, mac)| Some((Mac::parse(&mac.value)?, peer, mac, mac.when.and(&network.when)?)))
                .collect();
            all.sort_by_key(|(mac, ..)| *mac);
            for group in all.chunk_by(|(a, ..), (b, ..)| a == b) {
                let are_one = |a: &(Mac, &Peer, _, When), b: &(Mac, &Peer, _, When)| std::ptr::eq(a.1, b.1);
                for (first, other, when) in clashes(group, |(.., when)| when, are_one) {
                    let (_, _, first, _) = first;
                    let (_, peer, other, _) = other;
                    let message = format!("{} and {} are both {}", called(first), called(other), first.value);
                    let mut finding = RULE.judged(context.tree, &when, place(peer, other), message);
                    if let Some(place) = &first.place {
                        finding = finding.with_related(place.clone(), "the same address");
                    }
                    found.push(
                        finding
                            .with_help("leave one of them out: it is made from the name then")
                            .with_data("machine", &*tree.name)
                            .with_data("mac", &*first.value)
                            .with_data("options", vec![first.option.clone(), other.option.clone()]),
                    );
                }
            }
        }
    }
}

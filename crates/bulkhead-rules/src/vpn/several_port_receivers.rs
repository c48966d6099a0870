//! `several-port-receivers`: more than one container that the forwarded port is for.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::DataKind;

use super::vpns;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Stated, When, option};

pub(crate) const RULE: Rule = Rule {
    name: "several-port-receivers",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "More than one container is to receive the forwarded port.",
    docs: "\
`receiveForwardedPort` is set for more than one container of a VPN.

**Why it matters.** The provider forwards one port, and it leads to one address. The module refuses it when the
configuration is built.

**Fix.** Choose one container.

```nix
# bad
vpn.containers = { a.receiveForwardedPort = { }; b.receiveForwardedPort = { }; };
# good
vpn.containers.a.receiveForwardedPort = { };
```

**Data.** `machine`: the machine. `containers`: the containers.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (tree, vpn) in vpns(context.trees()) {
        let mut receivers: Vec<(&str, Stated<()>)> = Vec::new();
        for peer in &vpn.peers {
            let path = option("vpn.containers").join(&peer.name).join("receiveForwardedPort");
            // `null`, the default, is none; with options in it, it is one.
            let whole = tree.stated(&path, |data| (data.kind != DataKind::Null).then_some(()), None);
            let part = tree.below(&path).iter().find(|named| named.path != path).map(|named| Stated {
                value: (),
                place: named.definition.place().cloned(),
                option: tree.called(&path).to_string(),
                when: When::of(&named.definition.condition),
            });
            receivers.extend(whole.into_iter().chain(part).take(1).map(|stated| (&*peer.name, stated)));
        }
        let [(first, one), others @ ..] = receivers.as_slice() else { continue };
        for (name, other) in others {
            let when = one.when.and(&other.when).and_then(|when| when.and(&vpn.when));
            let (Some(when), Some(at)) = (when, other.place.clone()) else { continue };
            let message = format!(
                "`{}` and `{}` are both set, but the provider forwards one port: choose one container",
                one.option, other.option
            );
            let mut finding = RULE.judged(context.tree, &when, at, message);
            if let Some(place) = &one.place {
                finding = finding.with_related(place.clone(), "the other one");
            }
            found.push(
                finding
                    .with_data("machine", &*tree.name)
                    .with_data("containers", vec![(*first).to_owned(), (*name).to_owned()]),
            );
        }
    }
}

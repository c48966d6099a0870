//! `vpn-ipv6-unguarded`: IPv6 on the bridge of a VPN that carries IPv4 alone.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;

use super::{container, containers, table_that_may_close, vpns};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::networkd::{Link, files};
use crate::trees::{Assumed, Network, Shape, Stated, Tree, When, option, text};

pub(crate) const RULE: Rule = Rule {
    name: "vpn-ipv6-unguarded",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "There is IPv6 on the bridge of a VPN whose tunnel has none.",
    docs: "\
The bridge of a VPN's services, or one of their containers, is given IPv6: an address, router advertisements
(`IPv6AcceptRA`), `localAddress6`, `hostAddress6`. Where another module than Bulkhead's makes the bridge, it is a
warning that nothing closes IPv6 on it.

**Why it matters.** The tunnel carries IPv4. Services that have IPv6 besides reach the host, and what the host
forwards to, past it; a router advertisement from anybody on the bridge is enough.

**Fix.** No IPv6 there: `IPv6AcceptRA = false`, `LinkLocalAddressing = \"no\"`, and a rule that drops it on the bridge
(`ether type ip6 drop` in a table of the family `bridge`).

```nix
# bad
systemd.network.networks.\"10-vpn0\" = { matchConfig.Name = \"vpn0\"; networkConfig.IPv6AcceptRA = true; };
# good
systemd.network.networks.\"10-vpn0\" = { matchConfig.Name = \"vpn0\"; networkConfig.LinkLocalAddressing = \"no\"; };
```

**Limits.** Bulkhead's module has neither addresses nor a way for it; what is given in spite of that is an error. Rules
of nf_tables are not judged: where a table has some for IPv6, it is *undecided* whether they close it.

**Data.** `machine`: the machine.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for (tree, vpn) in vpns(context.trees()) {
        let mut given = given(tree, vpn);
        given.retain(|(stated, _)| stated.place.is_some());
        let is_none = given.is_empty();
        for (stated, what) in given {
            let (Some(when), Some(at)) = (stated.when.and(&vpn.when), stated.place) else { continue };
            found.push(
                RULE.judged(context.tree, &when, at, format!("`{}` is set: {what}", stated.option))
                    .with_help("leave it out: the tunnel carries IPv4 alone")
                    .with_data("machine", &*tree.name),
            );
        }
        if is_none && vpn.shape != Shape::Native && !is_closed(tree, vpn) {
            found.push(open(context, tree, vpn));
        }
    }
}

/// What gives IPv6 to the bridge or to a container.
fn given(tree: &Tree<'_>, vpn: &Network) -> Vec<(Stated<()>, &'static str)> {
    let mut found = Vec::new();
    let some = |data: &Data| match &data.kind {
        DataKind::List(items) => (!items.is_empty()).then_some(()),
        DataKind::String(_) => Some(()),
        _ => None,
    };
    for bridge in &vpn.bridges {
        let path = option("networking.interfaces").join(&bridge.value).join("ipv6").join("addresses");
        found.extend(tree.stated(&path, some, None).into_iter().map(|stated| (stated, "the VPN's bridge has IPv6")));
    }
    for path in units(tree, vpn) {
        let on = |data: &Data| match &data.kind {
            DataKind::Bool(on) => on.then_some(()),
            DataKind::String(text) => matches!(&**text, "yes" | "true" | "1" | "on").then_some(()),
            _ => None,
        };
        for key in ["IPv6AcceptRA", "IPv6SendRA", "IPv6Forwarding"] {
            let stated = tree.stated(&path.join("networkConfig").join(key), on, None);
            found.extend(stated.into_iter().map(|stated| (stated, "there is IPv6 on the VPN's bridge")));
        }
        // The module says `no`; where others make the bridge, that it is on is told as that nothing closes it.
        if vpn.shape == Shape::Native {
            let six = |data: &Data| on(data).or_else(|| (text(data)?.as_ref() == "ipv6").then_some(()));
            let stated = tree.stated(&path.join("networkConfig").join("LinkLocalAddressing"), six, None);
            found.extend(stated.into_iter().map(|stated| (stated, "there is IPv6 on the VPN's bridge")));
        }
        for addresses in [path.join("address"), path.join("addresses"), path.join("networkConfig").join("Address")] {
            let six = tree.items(&addresses).into_iter().filter(|item| is_six(item.value));
            found.extend(six.map(|item| {
                let stated = Stated { value: (), place: item.place, option: item.option, when: item.when };
                (stated, "the VPN's bridge has IPv6")
            }));
        }
    }
    for name in containers(vpn) {
        for key in ["localAddress6", "hostAddress6"] {
            let stated = tree.stated(&container(&name, key), some, None);
            found.extend(stated.into_iter().map(|stated| (stated, "a container behind the VPN has IPv6")));
        }
    }
    found
}

/// The units of networkd for the bridge.
/// Whether an address is one of IPv6: a text, or what networkd calls `[Address]`, whose keys were in `addressConfig` before
/// NixOS 24.11.
fn is_six(data: &Data) -> bool {
    match &data.kind {
        DataKind::Attrs(set) => {
            ["Address", "addressConfig"].iter().any(|key| set.attrs.get(*key).is_some_and(|field| is_six(&field.value)))
        }
        _ => text(data).is_some_and(|address| address.contains(':')),
    }
}

fn units(tree: &Tree<'_>, vpn: &Network) -> Vec<OptionPath> {
    let links: Vec<Link> = vpn.bridges.iter().map(|bridge| Link::bridge(bridge.value.clone())).collect();
    files(tree, vpn, &links)
}

/// Whether something surely keeps IPv6 from the bridge of a module that is not ours.
fn is_closed(tree: &Tree<'_>, vpn: &Network) -> bool {
    let off =
        tree.stated(&option("networking.enableIPv6"), |data| (data.kind == DataKind::Bool(false)).then_some(()), None);
    if off.iter().any(|stated| stated.when.is_sure()) {
        return true;
    }
    let has_none = |path: &OptionPath| {
        let link = tree.texts(&path.join("networkConfig").join("LinkLocalAddressing"), None);
        link.iter().any(|stated| matches!(&*stated.value, "no" | "ipv4") && stated.when.is_sure())
    };
    units(tree, vpn).iter().any(has_none)
}

fn open(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network) -> Diagnostic {
    let mut when: When = vpn.when.clone();
    for path in ["systemd.network.networks", "networking.nftables", "networking.enableIPv6"] {
        if let Some(undecided) = tree.undecided_at(&option(path)) {
            when.assumed.push(Assumed::value(path, &undecided.reason.reason, undecided.place.clone()));
            break;
        }
    }
    when.assumed.extend(table_that_may_close(tree, |rules| rules.contains("ip6")));
    let place: Place = vpn.place.clone();
    let mut finding = RULE.judged(context.tree, &when, place, "nothing closes IPv6 on the bridge of the VPN");
    finding.severity = finding.severity.min(Severity::Warning);
    finding
        .with_help("`LinkLocalAddressing = \"no\"` for the bridge and inside, and a rule that drops IPv6 on the bridge")
        .with_data("machine", &*tree.name)
}

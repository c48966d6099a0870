//! `vpn-ipv6-unguarded`: IPv6 on the bridge of a VPN that carries IPv4 alone.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};

use super::{container, containers, table_that_may_close, vpns};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::firewall::closes_ip6;
use crate::trees::networkd::{File, Link, files, is_yes};
use crate::trees::{Assumed, Named, Network, Shape, Stated, Tree, When, option};

pub(crate) const RULE: Rule = Rule {
    name: "vpn-ipv6-unguarded",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "There is IPv6 on the bridge of a VPN whose tunnel has none.",
    docs: "\
The bridge of a VPN's services, or one of their containers, is given IPv6: an address, router advertisements
(`IPv6AcceptRA`), `localAddress6`, `hostAddress6`, or by radvd of the host. Where another module than Bulkhead's makes
the bridge, it is a warning that nothing closes IPv6 on it.

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

**Limits.** Bulkhead's module has neither addresses nor a way for it; what is given in spite of that is an error. Of
rules of nf_tables only those are judged that drop all IPv6 on the bridge, in a table of the family `bridge` at the hook
`prerouting`, or at `forward` and `input`: where a table has others for IPv6, it is *undecided* whether they close it.

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
    for file in units(tree, vpn) {
        for key in ["IPv6AcceptRA", "IPv6SendRA", "IPv6Forwarding"] {
            let on = file.on("Network", key);
            found.extend(on.into_iter().map(|stated| (stated, "there is IPv6 on the VPN's bridge")));
        }
        // The module says `no`; where others make the bridge, that it is on is told as that nothing closes it.
        if vpn.shape == Shape::Native {
            let links = file.all("Network", "LinkLocalAddressing").into_iter();
            let six = links.filter(|stated| is_yes(&stated.value) || *stated.value == *"ipv6");
            found.extend(six.map(|stated| (stated.plain(), "there is IPv6 on the VPN's bridge")));
        }
        let six = file.addresses().into_iter().filter(|stated| stated.value.contains(':'));
        found.extend(six.map(|stated| (stated.plain(), "the VPN's bridge has IPv6")));
    }
    // Advertisements of the host itself.
    let radvd = tree.on(&option("services.radvd.enable")).into_iter().next();
    for stated in tree.texts(&option("services.radvd.config"), None) {
        let all: Vec<&str> = stated.value.split(|c: char| c.is_whitespace() || c == '{').collect();
        let is_named = |bridge: &Stated<Arc<str>>| all.windows(2).any(|pair| *pair == ["interface", &*bridge.value]);
        let when = radvd.as_ref().and_then(|radvd| radvd.when.and(&stated.when));
        if let (true, Some(when)) = (vpn.bridges.iter().any(is_named), when) {
            found.push((Stated { when, ..stated.plain() }, "the host advertises IPv6 on the VPN's bridge"));
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

/// The files of networkd for the bridge.
fn units<'t>(tree: &'t Tree<'_>, vpn: &Network) -> Vec<&'t File> {
    files(tree, vpn, &Link::bridges(tree, vpn))
}

/// Whether something surely keeps IPv6 from the bridge of a module that is not ours.
fn is_closed(tree: &Tree<'_>, vpn: &Network) -> bool {
    if tree.off(&option("networking.enableIPv6")).iter().any(|stated| stated.when.is_sure()) {
        return true;
    }
    let bridges: Vec<&str> = vpn.bridges.iter().map(|bridge| &*bridge.value).collect();
    let is_dropping = |(name, _): &(Arc<str>, &Named)| {
        let table = option("networking.nftables.tables").join(name);
        let is = |text: Stated<Arc<str>>, wanted: &dyn Fn(&str) -> bool| text.when.is_sure() && wanted(&text.value);
        let of_bridges =
            tree.texts(&table.join("family"), None).into_iter().any(|text| is(text, &|name| name == "bridge"));
        let closes = |rules: &str| closes_ip6(rules, &bridges);
        let may_be_off = tree.bools(&table.join("enable"), Some(true)).iter().any(|stated| !stated.value);
        of_bridges && !may_be_off && tree.texts(&table.join("content"), None).into_iter().any(|text| is(text, &closes))
    };
    let is_nftables = tree.on(&option("networking.nftables.enable")).iter().any(|stated| stated.when.is_sure());
    if is_nftables && tree.children(&option("networking.nftables.tables")).iter().any(is_dropping) {
        return true;
    }
    let is_none = |stated: &Stated<Arc<str>>| matches!(&*stated.value, "no" | "ipv4") && stated.when.is_sure();
    let has_none = |file: &File| file.all("Network", "LinkLocalAddressing").into_iter().any(is_none);
    units(tree, vpn).into_iter().any(has_none)
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

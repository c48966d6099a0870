//! What a fleet's own configuration plugs into the bridge of a network.

use std::sync::Arc;

use super::networkd::{Link, extends_own, files, own_file};
use super::{Assumed, Network, Purpose, Stated, Tree, When, option, text};

/// What interfaces are called that are no way out: ports of containers and machines, and links that lead nowhere.
const INNER: [&str; 7] = ["vb-", "ve-", "vi-", "vm-", "dummy", "tap", "vnet"];

/// What is plugged in besides what the modules plug in.
#[derive(Default)]
pub(crate) struct Plugged {
    /// Other links: an uplink of the host is one.
    pub(crate) others: Vec<Stated<Arc<str>>>,
    /// Files of networkd that take the place of the module's for its ports, and don't keep them apart.
    pub(crate) instead: Vec<Stated<()>>,
    /// Other bridges that such files plug its ports into.
    pub(crate) elsewhere: Vec<Stated<Arc<str>>>,
    /// Files of networkd that may do so: what is in them was not read.
    pub(crate) unread: Vec<Stated<()>>,
}

pub(crate) fn plugged(tree: &Tree<'_>, network: &Network) -> Plugged {
    let mut found = Plugged::default();
    let ports: Vec<&Stated<Arc<str>>> = network.everybody().flat_map(|peer| &peer.interfaces).collect();
    let is_inner =
        |name: &str| INNER.iter().any(|start| name.starts_with(start)) || ports.iter().any(|port| *port.value == *name);
    for bridge in &network.bridges {
        for item in tree.items(&option("networking.bridges").join(&bridge.value).join("interfaces")) {
            let (Some(value), Some(when)) = (text(item.value), item.when.and(&bridge.when)) else { continue };
            if !is_inner(&value) {
                found.others.push(Stated { value, place: item.place, option: item.option, when });
            }
        }
    }
    let of_ports = files(tree, network, &Link::ports(network));
    for file in &tree.networkd {
        let all = file.all("Network", "Bridge");
        let into = all.iter().find_map(|stated| {
            let bridge = network.bridges.iter().find(|bridge| bridge.value == stated.value)?;
            Some(Stated { when: stated.when.and(&bridge.when)?, ..stated.plain() })
        });
        let names = file.all("Match", "Name");
        let lines = names.iter().map(|stated| &*stated.value).filter(|line| !line.starts_with('!'));
        let mut words = lines.flat_map(str::split_whitespace);
        let other = words.clone().find(|word| !is_inner(word));
        // Ours takes the first place, but for a file that comes before, or is written in its stead.
        let is_before =
            own_file(network).is_some_and(|own| *file.name < *own) || file.is_text && extends_own(network, file);
        let is_first = is_before && of_ports.iter().any(|known| std::ptr::eq(*known, file));
        let is_ours = network.purpose == Purpose::Sandbox && extends_own(network, file);
        if let Some(unread) = &file.unread
            && (is_ours || is_before || own_file(network).is_none())
        {
            let what = format!("whether `{}.network` is about the bridge or its ports is not known", file.name);
            let when = When { guards: Vec::new(), assumed: vec![Assumed { what, place: None }] };
            found.unread.extend(unread.when.and(&when).map(|when| Stated { when, ..unread.clone() }));
        }
        if into.is_none() && (is_first || is_ours) {
            let others = all.iter().filter(|stated| network.bridges.iter().all(|bridge| bridge.value != stated.value));
            found.elsewhere.extend(others.map(|stated| (*stated).clone()));
        }
        let left = file.on("Link", "Unmanaged").into_iter().find(|_| is_first && network.purpose == Purpose::Sandbox);
        let is_apart = || file.on("Bridge", "Isolated").iter().any(|stated| stated.when.is_sure());
        match (into, other) {
            (Some(Stated { place, option, when, .. }), Some(name)) => {
                found.others.push(Stated { value: Arc::from(name), place, option, when });
            }
            (Some(into), None) if words.next().is_some() && is_first && !is_apart() => found.instead.push(into),
            // A container plugs its port in by itself, and nobody keeps it apart then.
            (None, _) => found.instead.extend(left),
            _ => {}
        }
    }
    found
}

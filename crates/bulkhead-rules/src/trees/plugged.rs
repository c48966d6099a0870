//! What a fleet's own configuration plugs into the bridge of a network.

use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};

use super::networkd::{Link, files, own_file};
use super::{Network, Stated, Tree, option, text};

/// What interfaces are called that are no way out: ports of containers and machines, and links that lead nowhere.
const INNER: [&str; 7] = ["vb-", "ve-", "vi-", "vm-", "dummy", "tap", "vnet"];

/// What is plugged in besides what the modules plug in.
#[derive(Default)]
pub(crate) struct Plugged {
    /// Other links: an uplink of the host is one.
    pub(crate) others: Vec<Stated<Arc<str>>>,
    /// Files of networkd that take the place of the module's for its ports, and don't keep them apart.
    pub(crate) instead: Vec<Stated<()>>,
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
    let links: Vec<Link> = ports.iter().map(|port| Link::port(port.value.clone())).collect();
    let of_ports = files(tree, network, &links);
    let root = option("systemd.network.networks");
    for (unit, _) in tree.children(&root) {
        let path = root.join(&unit);
        let items = [path.join("networkConfig").join("Bridge"), path.join("bridge")];
        let into = items.iter().flat_map(|items| tree.items(items)).find_map(|item| {
            let bridge = network.bridges.iter().find(|bridge| text(item.value).as_deref() == Some(&*bridge.value))?;
            let when = item.when.and(&bridge.when)?;
            Some(Stated { value: (), place: item.place, option: item.option, when })
        });
        let Some(into) = into else { continue };
        let lines = [path.join("matchConfig").join("Name"), path.join("name")];
        let lines: Vec<Arc<str>> =
            lines.iter().flat_map(|path| tree.items(path)).filter_map(|item| text(item.value)).collect();
        let mut words = lines.iter().filter(|line| !line.starts_with('!')).flat_map(|line| line.split_whitespace());
        match words.clone().find(|word| !is_inner(word)) {
            Some(name) => found.others.push(Stated {
                value: Arc::from(name),
                place: into.place,
                option: into.option,
                when: into.when,
            }),
            None if words.next().is_some() => {
                let is_before = own_file(network).is_some_and(|own| *unit < *own);
                let apart = tree.stated(&path.join("bridgeConfig").join("Isolated"), is_on, None);
                if is_before && of_ports.contains(&path) && !apart.iter().any(|stated| stated.when.is_sure()) {
                    found.instead.push(into);
                }
            }
            None => {}
        }
    }
    found
}

fn is_on(data: &Data) -> Option<()> {
    match &data.kind {
        DataKind::Bool(on) => on.then_some(()),
        DataKind::String(text) => matches!(&**text, "yes" | "true" | "1" | "on").then_some(()),
        _ => None,
    }
}

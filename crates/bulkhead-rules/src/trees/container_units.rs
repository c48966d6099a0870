//! What a fleet says about the units that run compartments, and what takes these out of their network.

use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::{DEFAULT_PRIORITY, OptionPath};

use super::forced::{MOST_FORCED, Taken, depth, too_many};
use super::{Named, Network, Purpose, Shape, Stated, Tree, VPN_CONTAINER, option, text};
use crate::context::Context;

/// Variables by which NixOS' script starts a container, and that `containers.<name>` leaves out where it has no such address;
/// as in `nixos/modules/virtualisation/nixos-containers.nix`.
pub(crate) const DECIDING: [&str; 7] = [
    "HOST_ADDRESS",
    "HOST_ADDRESS6",
    "HOST_PORT",
    "LOCAL_ADDRESS",
    "LOCAL_ADDRESS6",
    "NETWORK_NAMESPACE_PATH",
    "extraFlags",
];

/// Those of the same that it always says, in a file that comes after.
const SAID: [&str; 5] = ["EXTRA_NSPAWN_FLAGS", "HOST_BRIDGE", "INTERFACES", "MACVLANS", "PRIVATE_NETWORK"];

/// Attributes of a unit that start the container, or keep it in.
const STARTING: [&str; 3] = ["environment", "preStart", "script"];
const ORDERING: [&str; 2] = ["after", "requires"];
const COMMANDS: [&str; 2] = ["EnvironmentFile", "ExecStart"];
const CONFINING: [&str; 3] = ["BindReadOnlyPaths", "RestrictAddressFamilies", "SystemCallArchitectures"];

/// What is said about the units of a network's compartments that takes them out of it.
pub(crate) fn taken(context: &Context<'_>, tree: &Tree<'_>, network: &Network) -> Vec<Taken> {
    let mut found = Vec::new();
    let is_ours = network.shape == Shape::Native;
    let mut units: Vec<(Arc<str>, String, bool)> = Vec::new();
    match network.purpose {
        Purpose::Sandbox => {
            for workspace in &tree.workspaces {
                for kind in &workspace.kinds {
                    let (unit, is_container) = match &*kind.value {
                        "container" => (format!("container@{}", workspace.name), true),
                        "vm" => (format!("microvm@{}", workspace.name), false),
                        "incus" => (format!("incus-workspace@{}", workspace.name), false),
                        _ => continue,
                    };
                    units.push((workspace.name.clone(), unit, is_container));
                }
            }
        }
        Purpose::Vpn => {
            let own = is_ours.then(|| Arc::from(VPN_CONTAINER));
            let names = own.into_iter().chain(network.peers.iter().map(|peer| peer.name.clone()));
            units.extend(names.map(|name| (name.clone(), format!("container@{name}"), true)));
        }
    }
    for (name, unit, is_container) in units {
        let unit = option("systemd.services").join(&unit);
        if tree.below(&unit).is_empty() {
            continue;
        }
        if is_container {
            variables(tree, &unit, &name, &mut found);
        }
        namespaces(tree, &unit, &name, &mut found);
        let is_forced = |named: &&Named| named.definition.priority < DEFAULT_PRIORITY && tree.counts(named);
        let mut told: Vec<String> = Vec::new();
        for (index, named) in tree.below(&unit).iter().filter(is_forced).enumerate() {
            if index == MOST_FORCED {
                found.push(too_many(named, &unit));
                break;
            }
            if let Some(what) = forced(context, named, unit.names().len(), is_container, is_ours, &name)
                // One override is told once.
                && !told.contains(&what)
            {
                told.push(what.clone());
                found.push(Taken { stated: named.stated(), what, is_certain: false });
            }
        }
    }
    found
}

/// Variables of the unit that decide about the network.
fn variables(tree: &Tree<'_>, unit: &OptionPath, name: &str, found: &mut Vec<Taken>) {
    let mut judge = |variable: &str, stated: Stated<()>| {
        if DECIDING.contains(&variable) {
            let what = format!("`{name}` is started with another network by `{variable}`");
            found.push(Taken { stated, what, is_certain: true });
        } else if SAID.contains(&variable) {
            let what =
                format!("`{variable}` is about the network of `{name}`, where `containers.{name}` does not say it");
            found.push(Taken { stated, what, is_certain: false });
        }
    };
    let environment = unit.join("environment");
    for (variable, _) in tree.children(&environment) {
        for stated in tree.given(&environment.join(&variable)) {
            judge(&variable, stated);
        }
    }
    for item in tree.items(&unit.join("serviceConfig").join("Environment")) {
        for word in text(item.value).iter().flat_map(|line| line.split_whitespace()) {
            if let Some((variable, _)) = word.trim_start_matches(['"', '\'']).split_once('=') {
                judge(variable, item.plain());
            }
        }
    }
}

/// Network namespaces that the unit is in.
fn namespaces(tree: &Tree<'_>, unit: &OptionPath, name: &str, found: &mut Vec<Taken>) {
    let service = unit.join("serviceConfig");
    let paths = tree.given(&service.join("NetworkNamespacePath"));
    found.extend(paths.into_iter().map(|stated| Taken {
        stated,
        what: format!("`{name}` is started in another network namespace than the bridge's"),
        is_certain: true,
    }));
    let is_on = |data: &Data| match &data.kind {
        DataKind::Bool(on) => on.then_some(()),
        DataKind::String(text) => super::networkd::is_yes(text).then_some(()),
        _ => None,
    };
    let others = tree.stated(&service.join("PrivateNetwork"), is_on, None).into_iter();
    let others = others.chain(tree.given(&unit.join("unitConfig").join("JoinsNamespaceOf")));
    found.extend(others.map(|stated| Taken {
        stated,
        what: format!("`{name}` is started in another network namespace than the bridge's"),
        is_certain: false,
    }));
}

/// What a forced definition of a unit may take away.
fn forced(
    context: &Context<'_>,
    named: &Named,
    unit: usize,
    is_container: bool,
    is_ours: bool,
    name: &str,
) -> Option<String> {
    let rest: Vec<&str> = named.path.names().iter().skip(unit).map(|name| &**name).collect();
    let from = depth(context, named).unwrap_or(named.path.names().len());
    let is_whole =
        from <= unit || rest == ["serviceConfig"] || (from == unit + 1 && rest.first() == Some(&"serviceConfig"));
    let started = || format!("`{name}` is started in another way");
    match rest.as_slice() {
        _ if is_whole => Some(format!("what the unit of `{name}` has besides is gone")),
        [key] if is_ours && ORDERING.contains(key) => Some(format!("`{name}` may start without the guard")),
        [key] if is_container && STARTING.contains(key) => Some(started()),
        ["serviceConfig", key] if is_container && COMMANDS.contains(key) => Some(started()),
        ["serviceConfig", key] if is_container && is_ours && CONFINING.contains(key) => {
            Some(format!("what the module sets there for `{name}` is gone"))
        }
        _ => None,
    }
}

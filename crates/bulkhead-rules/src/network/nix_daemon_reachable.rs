//! `nix-daemon-reachable`: a compartment that can ask the host's nix-daemon.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;
use serde_json::Value;

use super::isolation_off::containers;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::flags::{is_of_nixos, mounted};
use crate::trees::oci;
use crate::trees::{Named, Purpose, Shape, Stated, Tree, When, option, plain_path, text};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "nix-daemon-reachable",
    area: Area::Network,
    severity: Severity::Error,
    summary: "A workspace or service can ask the nix-daemon of the host.",
    docs: "\
A mount gives a workspace or service the socket of the host's nix-daemon. NixOS does so by itself for each of its
containers (`containers.<name>`); Bulkhead's modules take it away again, other modules often do not.

**Why it matters.** The daemon builds in the host's network: a fixed-output derivation fetches from the LAN and past
the VPN. In a container without a user namespace, root is the host's user 0, whom the daemon trusts with everything.

**Fix.** Don't mount it. For containers that other modules make: `privateUsers`, and a mount namespace of the unit in
which the folder is empty.

```nix
# bad
workspaces.dev.extraMounts.\"/nix/var/nix/daemon-socket\".hostPath = \"/nix/var/nix/daemon-socket\";
# good
systemd.services.\"container@dev\".serviceConfig.BindReadOnlyPaths = [ \"/run/empty:/nix/var/nix/daemon-socket\" ];
```

**Limits.** For containers of modules other than Bulkhead's it is a warning, unless `BindReadOnlyPaths`,
`TemporaryFileSystem` or `InaccessiblePaths` of their unit name the folder.

**Data.** `machine`: the machine. `compartment`: the workspace or service. `compartments`: all, where NixOS does it.
",
    check: Some(check),
};

/// Where the socket is; as in `nixos/modules/virtualisation/nixos-containers.nix`.
const FOLDER: &str = "/nix/var/nix/daemon-socket";

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees().iter().filter(|tree| tree.has_compartments()) {
        for (name, stated) in in_compartments(tree) {
            let folder = host_path(&stated.value);
            let folder = folder.trim_end_matches('/');
            let is_inside = folder == FOLDER || folder.starts_with(&format!("{FOLDER}/"));
            // A folder above it, the root and `/nix` among them, has it too.
            let is_above = format!("{FOLDER}/").starts_with(&format!("{folder}/"));
            let Some(at) = stated.place.clone().filter(|_| is_inside || is_above) else { continue };
            let message = format!("`{name}` can ask the nix-daemon of the host: `{}` is mounted in it", stated.value);
            found.push(
                RULE.judged(context.tree, &stated.when, at, message)
                    .with_label("the socket is in it")
                    .with_help("don't mount it: builds run in the network of the host")
                    .with_data("machine", &*tree.name)
                    .with_data("compartment", &*name),
            );
        }
        by_default(context, tree, found);
    }
}

/// What of the host is mounted in compartments, by options and by flags: in which, and what.
pub(crate) fn in_compartments(tree: &Tree<'_>) -> Vec<(String, Stated<Arc<str>>)> {
    let mut found = Vec::new();
    for (name, mount) in mounts(tree) {
        found.extend(sources(tree, &mount).into_iter().map(|stated| (name.clone(), stated)));
    }
    for (name, _) in containers(tree) {
        let mut mounted = mounted(tree, &name);
        if oci::is_compartment(tree, &name) {
            mounted.extend(oci::mounted(tree, &name));
        }
        found.extend(mounted.into_iter().map(|stated| (name.to_string(), stated)));
    }
    found
}

/// The mounts of compartments: whose, and the path of our option up to the mount.
pub(crate) fn mounts(tree: &Tree<'_>) -> Vec<(String, OptionPath)> {
    let mut found = Vec::new();
    let mut add = |name: &str, root: OptionPath| {
        for (mount, _) in tree.children(&root) {
            found.push((name.to_owned(), root.join(&mount)));
        }
    };
    for workspace in &tree.workspaces {
        add(&workspace.name, workspace.path.join("extraMounts"));
    }
    for network in tree.networks.all.iter().filter(|network| network.purpose == Purpose::Vpn) {
        for peer in &network.peers {
            add(&peer.name, option("vpn.containers").join(&peer.name).join("mounts"));
        }
    }
    for (name, _) in containers(tree) {
        add(&name, option("containers").join(&name).join("bindMounts"));
    }
    found
}

/// A path of the host without what only leads there: `/var/run` is `/run`, and below `/proc` each process has the root.
pub(crate) fn host_path(path: &str) -> Arc<str> {
    let plain = plain_path(path);
    let of_process = plain.strip_prefix("/proc/").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
    if let Some(rest) = of_process.and_then(|rest| rest.strip_prefix("root")) {
        if rest.is_empty() {
            return Arc::from("/");
        }
        if rest.starts_with('/') {
            return host_path(rest);
        }
    }
    match plain.strip_prefix("/var/run") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => Arc::from(format!("/run{rest}")),
        _ => plain,
    }
}

/// What of the host a mount may have.
pub(crate) fn sources(tree: &Tree<'_>, mount: &OptionPath) -> Vec<Stated<Arc<str>>> {
    let is_of_nixos = mount.names().first().is_some_and(|root| &**root == "containers");
    let read = |data: &Data| match &data.kind {
        DataKind::String(text) => Some(Some(text.clone())),
        DataKind::Null => Some(None),
        _ => None,
    };
    let mut found = Vec::new();
    for Stated { value, place, option, when } in tree.stated(&mount.join("hostPath"), read, is_of_nixos.then_some(None))
    {
        // Without a path of the host, NixOS takes that in the container.
        let Some(value) = value else {
            let name = mount.names().last().filter(|_| is_of_nixos);
            for point in tree.texts(&mount.join("mountPoint"), name.map(|name| &**name)) {
                let Some(when) = when.and(&point.when) else { continue };
                found.push(Stated { place: point.place.or_else(|| place.clone()), when, ..point });
            }
            continue;
        };
        found.push(Stated { value, place, option, when });
    }
    for stated in found.iter_mut().filter(|stated| stated.place.is_none()) {
        stated.place = tree.below(mount).first().map(Named::place);
    }
    found
}

/// A compartment, and where it begins.
type At = (Arc<str>, Place);

/// NixOS mounts the socket into each container that nothing takes it away from.
fn by_default(context: &Context<'_>, tree: &Tree<'_>, found: &mut Vec<Diagnostic>) {
    let foreign = |name: &str| {
        let workspace = tree.workspaces.iter().find(|workspace| &*workspace.name == name);
        match (workspace, tree.networks.vpn()) {
            (Some(workspace), _) => (workspace.shape != Shape::Native).then(|| workspace.place.clone()),
            (None, Some(vpn)) if vpn.shape != Shape::Native => {
                vpn.peers.iter().find(|peer| &*peer.name == name).map(|peer| peer.place.clone())
            }
            _ => None,
        }
    };
    let mut all: Vec<(When, Vec<At>)> = Vec::new();
    for (name, when) in containers(tree) {
        let Some(at) = foreign(&name) else { continue };
        let workspace = tree.workspaces.iter().find(|workspace| workspace.name == name);
        let path = workspace.map_or_else(|| option("vpn.containers").join(&name), |workspace| workspace.path.clone());
        let called = tree.called(&path);
        // What systemd or docker starts has what it is told. A file of systemd says nothing of who does, unless the module is
        // read that makes the compartment.
        let beginnings = || (1..=called.names().len()).map(|depth| OptionPath::of(called.names().iter().take(depth)));
        let is_read = || beginnings().any(|path| tree.configuration.options.contains_key(&path));
        let is_other =
            oci::is_compartment(tree, &name) || (tree.nspawn.iter().any(|file| file.name == name) && is_read());
        // What a fleet's own modules make is seen where they do.
        let root = OptionPath::of(path.names().iter().take(1));
        let is_own = called.starts_with(&root) && tree.declares_otherwise(&root);
        if (is_other || is_own) && !is_of_nixos(tree, &name) {
            continue;
        }
        let unit = option("systemd.services").join(&format!("container@{name}")).join("serviceConfig");
        let is_hidden =
            ["BindReadOnlyPaths", "TemporaryFileSystem", "InaccessiblePaths", "BindPaths"].iter().any(|key| {
                let items = tree.items(&unit.join(key));
                items
                    .iter()
                    .filter(|item| item.when.is_sure())
                    .filter_map(|item| text(item.value))
                    .any(|text| hides(key, &text))
            });
        if is_hidden {
            continue;
        }
        match all.iter_mut().find(|(known, _)| *known == when) {
            Some((_, same)) => same.push((name, at)),
            None => all.push((when, vec![(name, at)])),
        }
    }
    // It is one cause, however many there are.
    for (when, mut same) in all {
        same.sort_by(|a, b| a.1.cmp(&b.1));
        let names: Vec<&str> = same.iter().map(|(name, _)| &**name).collect();
        let Some(((name, at), others)) = same.split_first() else { continue };
        let message = format!(
            "{} can ask the nix-daemon of the host: NixOS mounts its socket into every container",
            quoted(names.iter().copied())
        );
        let mut finding = RULE.judged(context.tree, &when, at.clone(), message);
        finding.severity = finding.severity.min(Severity::Warning);
        for (other, place) in others {
            finding = finding.with_same(place.clone(), format!("so can `{other}`"));
        }
        found.push(
            finding
                .with_help(
                    "hide the folder from the unit of the container; `bulkhead explain nix-daemon-reachable` shows how",
                )
                .with_data("machine", &*tree.name)
                .with_data("compartment", &**name)
                .with_data("compartments", names.into_iter().map(Value::from).collect::<Vec<_>>()),
        );
    }
}

/// Whether a line of a unit puts something else in the place of the folder with the socket, as in systemd.exec(5).
fn hides(key: &str, line: &str) -> bool {
    line.split_whitespace().any(|entry| {
        let entry = entry.trim_start_matches(['-', '+']);
        let (first, second) = entry.split_once(':').unwrap_or((entry, ""));
        let target = if key.starts_with("Bind") { second.split(':').next().unwrap_or_default() } else { first };
        // What is mounted there may have the socket itself.
        let source = host_path(first);
        let has_socket =
            key.starts_with("Bind") && (matches!(&*source, "/" | "/nix") || source.starts_with("/nix/var"));
        let target = plain_path(target);
        !target.is_empty() && !has_socket && format!("{FOLDER}/").starts_with(&format!("{target}/"))
    })
}

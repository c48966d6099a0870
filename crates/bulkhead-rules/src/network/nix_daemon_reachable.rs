//! `nix-daemon-reachable`: a compartment that can ask the host's nix-daemon.

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::isolation_off::containers;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Purpose, Shape, Tree, When, option};

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

**Data.** `machine`: the machine. `compartment`: the workspace or service.
",
    check: Some(check),
};

/// Where the socket is; as in `nixos/modules/virtualisation/nixos-containers.nix`.
const FOLDER: &str = "/nix/var/nix/daemon-socket";

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees().iter().filter(|tree| tree.has_compartments()) {
        for (name, root, host_path) in mounts(tree) {
            for stated in tree.texts(&root.join(&host_path), None) {
                let folder = stated.value.trim_end_matches('/');
                let is_inside = folder == FOLDER || folder.starts_with(&format!("{FOLDER}/"));
                // A folder above it, the root and `/nix` among them, has it too.
                let is_above = format!("{FOLDER}/").starts_with(&format!("{folder}/"));
                let Some(at) = stated.place.clone().filter(|_| is_inside || is_above) else { continue };
                let message =
                    format!("`{name}` can ask the nix-daemon of the host: `{}` is mounted in it", stated.value);
                found.push(
                    RULE.judged(context.tree, &stated.when, at, message)
                        .with_label("the socket is in it")
                        .with_help("don't mount it: builds run in the network of the host")
                        .with_data("machine", &*tree.name)
                        .with_data("compartment", &*name),
                );
            }
        }
        by_default(context, tree, found);
    }
}

/// The mounts of compartments: whose, the path of our option up to the mount, and the name of what is mounted.
pub(crate) fn mounts(tree: &Tree<'_>) -> Vec<(String, bulkhead_modules::OptionPath, String)> {
    let mut found = Vec::new();
    let mut add = |name: &str, root: bulkhead_modules::OptionPath| {
        for (mount, _) in tree.children(&root) {
            found.push((name.to_owned(), root.join(&mount), "hostPath".to_owned()));
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
    for (name, when) in containers(tree) {
        let Some(at) = foreign(&name) else { continue };
        let unit = option("systemd.services").join(&format!("container@{name}")).join("serviceConfig");
        let is_hidden =
            ["BindReadOnlyPaths", "TemporaryFileSystem", "InaccessiblePaths", "BindPaths"].iter().any(|key| {
                let items = tree.items(&unit.join(key));
                items
                    .iter()
                    .any(|item| crate::trees::text(item.value).is_some_and(|text| text.contains("/nix/var/nix")))
            });
        if is_hidden {
            continue;
        }
        let message =
            format!("`{name}` can ask the nix-daemon of the host: NixOS mounts its socket into every container");
        let mut finding = RULE.judged(context.tree, &When::default().and(&when).unwrap_or_default(), at, message);
        finding.severity = finding.severity.min(Severity::Warning);
        found.push(
            finding
                .with_help(
                    "hide the folder from the unit of the container; `bulkhead explain nix-daemon-reachable` shows how",
                )
                .with_data("machine", &*tree.name)
                .with_data("compartment", &*name),
        );
    }
}

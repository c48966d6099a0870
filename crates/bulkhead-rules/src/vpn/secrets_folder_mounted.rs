//! `secrets-folder-mounted`: a container that has all secrets of its host.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::network::isolation_off::containers as compartments;
use crate::network::nix_daemon_reachable::{host_path, mounts, sources};
use crate::rule::{Area, Rule};
use crate::trees::flags::mounted;
use crate::trees::{When, oci, option};
use crate::unlock::initrd_key_in_use::host_keys;

pub(crate) const RULE: Rule = Rule {
    name: "secrets-folder-mounted",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "A folder with all secrets of the host is mounted into a workspace or container.",
    docs: "\
A mount of a workspace, a service behind a VPN, or a container (of NixOS, systemd-nspawn, docker or podman) is a folder
in which the host has its secrets (`/run/agenix`, `/run/secrets`, `/run/keys`, `/etc/ssh`), a key of
`services.openssh.hostKeys` or `age.identityPaths`, or a folder above one of these.

**Why it matters.** What talks to the internet then has every secret of the machine, and its host key, which decrypts
all of them.

**Fix.** Give it the one file that it needs: `credentials` of a service behind the VPN, or a mount of that file.

```nix
# bad
vpn.containers.web.mounts.\"/run/agenix\".hostPath = \"/run/agenix\";
# good
vpn.containers.web.credentials.login = config.age.secrets.web-login.path;
```

**Limits.** For containers that are neither workspaces nor behind a VPN it is a warning: they may be meant to be
trusted. What is mounted into those of docker and podman in a way that can't be told is passed over: it is the folder
of a package or of a service nearly always.

**Data.** `machine`: the machine. `container`: the container. `path`: the folder.
",
    check: Some(check),
};

/// Where secrets of a host are, as in the module `vpn`.
const FOLDERS: [&str; 6] = ["/run/agenix", "/run/agenix.d", "/run/secrets", "/run/secrets.d", "/run/keys", "/etc/ssh"];

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        let inside = mounts(tree);
        let root = option("containers");
        let plain = tree.children(&root).into_iter().flat_map(|(name, _)| {
            let mounts = root.join(&name).join("bindMounts");
            let children = tree.children(&mounts).into_iter();
            children.map(|(mount, _)| (name.to_string(), mounts.join(&mount))).collect::<Vec<_>>()
        });
        let plain: Vec<_> = plain.filter(|(_, path)| inside.iter().all(|(_, known)| known != path)).collect();
        let mut all = Vec::new();
        for (mounts, is_inside) in [(inside, true), (plain, false)] {
            for (name, mount) in mounts {
                all.extend(sources(tree, &mount).into_iter().map(|stated| (name.clone(), stated, is_inside)));
            }
        }
        let compartments = compartments(tree);
        let mut names: Vec<Arc<str>> = tree.children(&root).into_iter().map(|(name, _)| name).collect();
        names.extend(tree.nspawn.iter().map(|file| file.name.clone()));
        names.sort();
        names.dedup();
        for name in names {
            let is_inside = compartments.iter().any(|(compartment, _)| *compartment == name);
            all.extend(mounted(tree, &name).into_iter().map(|stated| (name.to_string(), stated, is_inside)));
        }
        for (name, _) in oci::containers(tree) {
            let is_inside = oci::is_compartment(tree, &name);
            all.extend(oci::mounted(tree, &name).into_iter().map(|stated| (name.to_string(), stated, is_inside)));
        }
        let mut own: Vec<(Arc<str>, When)> = ["age.secretsDir", "age.secretsMountPoint"]
            .into_iter()
            .flat_map(|path| tree.texts(&option(path), None))
            .map(|stated| (host_path(&stated.value), When::default()))
            .collect();
        own.extend(host_keys(tree).into_iter().map(|key| (key.path, key.when)));
        let folders = || {
            let usual = FOLDERS.into_iter().map(|folder| (folder, When::default()));
            usual.chain(own.iter().map(|(folder, when)| (&**folder, when.clone())))
        };
        for (name, stated, is_inside) in all {
            let folder = &*host_path(&stated.value);
            let prefix = if folder == "/" { "/".to_owned() } else { format!("{folder}/") };
            let mut held = folders().filter(|(secret, _)| *secret == folder || secret.starts_with(&prefix));
            let Some((held, when)) = held.find_map(|(held, when)| Some((held, stated.when.and(&when)?))) else {
                continue;
            };
            let Some(at) = stated.place.clone() else { continue };
            let which = if held == folder { String::new() } else { format!(", with {held} in it") };
            let message = format!("all secrets of the host are in `{name}`: {folder} is mounted there{which}");
            let mut finding = RULE.judged(context.tree, &when, at, message);
            if !is_inside {
                finding.severity = finding.severity.min(Severity::Warning);
            }
            found.push(
                finding
                    .with_help("give it the one file that it needs")
                    .with_data("machine", &*tree.name)
                    .with_data("container", name.clone())
                    .with_data("path", folder),
            );
        }
    }
}

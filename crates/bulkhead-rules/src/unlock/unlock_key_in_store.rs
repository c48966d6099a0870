//! `unlock-key-in-store`: a key of a disk or boot environment that everybody on the machine can read.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::secret_mention::copied_at;
use crate::trees::{Stated, Tree, option};

pub(crate) const RULE: Rule = Rule {
    name: "unlock-key-in-store",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "The key of a disk or boot environment is a file of the repository, or in the Nix store.",
    docs: "\
`keyFile` of an encrypted disk, a file of `boot.initrd.secrets`, or a host key of `boot.initrd.network.ssh` is a path
of the repository, or in the Nix store.

**Why it matters.** The repository's files are copied into the store, which everybody on the machine can read, and
which goes wherever the configuration goes. And the key is in the repository's history for ever.

**Fix.** Name a file on the machine as a string, make a new key there, and remove the old one from the disk
(`cryptsetup luksRemoveKey`).

```nix
# bad
boot.initrd.secrets.\"/disk.key\" = ./disk.key;
# good
boot.initrd.secrets.\"/disk.key\" = \"/etc/secrets/initrd/disk.key\";
```

**Limits.** A path without quotes that begins with `/` stays where it is, and is not meant. Public keys (`*.pub`) are
none. What is computed from packages (`pkgs.writeText`), or comes from modules that can't be read, is not looked at.

**Data.** `machine`: the machine. `option`: the option. `path`: the file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for stated in keys(context, tree) {
            let (Some(at), path) = (stated.place.clone(), &stated.value) else { continue };
            let is_known = path.starts_with('/');
            if path.ends_with(".pub") || is_known && !is_copied(context, path, &at) {
                continue;
            }
            let file = context.file_of(path);
            let shown = file.as_ref().map_or(&**path, |file| file.as_str());
            let message =
                format!("`{}` is `{shown}`, which is in the Nix store, where everybody can read it", stated.option);
            found.push(
                RULE.judged(context.tree, &stated.when, at, message)
                    .with_help("make a new key in a file on the machine, and name that file as a string")
                    .with_data("machine", &*tree.name)
                    .with_data("option", stated.option.clone())
                    .with_data("path", shown),
            );
        }
    }
}

/// What unlocks, as far as its path is known.
fn keys(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Stated<Arc<str>>> {
    let path = |data: &Data| match &data.kind {
        DataKind::Path(path) => Some(path.clone()),
        DataKind::String(path) if path.starts_with("/nix/store/") => Some(path.clone()),
        DataKind::Unknown(_) => copied_at(context, data.place.as_ref()?).map(Arc::from),
        _ => None,
    };
    let items = tree.items(&option("boot.initrd.network.ssh.hostKeys")).into_iter().filter_map(|item| {
        Some(Stated { value: path(item.value)?, place: item.place, option: item.option, when: item.when })
    });
    let mut found: Vec<Stated<Arc<str>>> = items.collect();
    let secrets = option("boot.initrd.secrets");
    for (name, _) in tree.children(&secrets) {
        found.extend(tree.stated(&secrets.join(&name), path, None));
    }
    let devices = option("boot.initrd.luks.devices");
    for (name, _) in tree.children(&devices) {
        found.extend(tree.stated(&devices.join(&name).join("keyFile"), path, None));
    }
    let systems = option("fileSystems");
    for (name, _) in tree.children(&systems) {
        found.extend(tree.stated(&systems.join(&name).join("encrypted").join("keyFile"), path, None));
    }
    found
}

/// Whether a path value is a file of the repository: one that is written with a leading `/` is meant on the machine.
pub(crate) fn is_copied(context: &Context<'_>, path: &str, at: &Place) -> bool {
    if path.starts_with("/nix/store/") {
        return true;
    }
    let is_absolute = context.begins_with(at, "/");
    !is_absolute && context.file_of(path).is_some_and(|file| context.tree.exists(&file))
}

//! `unlock-key-in-store`: a key of a disk or boot environment that everybody on the machine can read.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::{OptionPath, systems_file};
use bulkhead_source::TreePath;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::secrets::secret_in_store::unshown;
use crate::trees::made::is_made_in_store;
use crate::trees::repository_file::{repository_file, written_file};
use crate::trees::{Stated, Tree, option, plain_path};

pub(crate) const RULE: Rule = Rule {
    name: "unlock-key-in-store",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "The key of a disk or boot environment is a file of the repository, or in the Nix store.",
    docs: "\
`keyFile` of an encrypted disk or swap device, also one of `/etc/crypttab`, a file of `boot.initrd.secrets`, or a host
key of `boot.initrd.network.ssh` is a path of the repository, or in the Nix store; in a flake also a text that names a
file of it (`toString ./disk.key`, `\"${self}/disk.key\"`), since all of a flake is in the store. So may be what GRUB
loads as a second initrd (`boot.loader.grub.extraInitrd`), which is a warning.

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
none, nor is what age, GnuPG or sops has encrypted. What comes from modules that can't be read is not looked at; of what
is computed from packages, only what is made of a text (`pkgs.writeText`).

**Data.** `machine`: the machine. `option`: the option. `path`: the file.
",
    check: Some(check),
};

/// How much of a file is looked at to see whether it is encrypted, in bytes.
const LOOK: u64 = 64 << 10;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for stated in keys(context, tree) {
            let (Some(at), shown) = (stated.place.clone(), &*stated.value) else { continue };
            if shown.ends_with(".pub") || is_encrypted(context, shown) {
                continue;
            }
            let message =
                format!("`{}` is `{shown}`, which is in the Nix store, where everybody can read it", stated.option);
            let finding = RULE.judged(context.tree, &stated.when, at, message);
            // Of a text it would be shown.
            let is_text = stated.option.ends_with(".text") || shown == MADE;
            found.push(
                if is_text { unshown(context, finding) } else { finding }
                    .with_help("make a new key in a file on the machine, and name that file as a string")
                    .with_data("machine", &*tree.name)
                    .with_data("option", stated.option.clone())
                    .with_data("path", shown),
            );
        }
        found.extend(second_initrd(context, tree));
    }
}

/// What GRUB loads besides, which is meant to lie outside of the store so that it can have secrets. Tables of ACPI are put
/// there, too.
fn second_initrd(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Diagnostic> {
    let all = tree.stated(&option("boot.loader.grub.extraInitrd"), |data| stored(context, data), None).into_iter();
    let told = all.filter_map(|stated| {
        let message = format!(
            "`{}` is `{}`, which is in the Nix store, where everybody can read it",
            stated.option, stated.value
        );
        let mut finding = RULE.judged(context.tree, &stated.when, stated.place?, message);
        finding.severity = finding.severity.min(Severity::Warning);
        let finding = finding
            .with_note("if there are no keys of disks in it, that does no harm")
            .with_help("if there are, make new keys, put the file on the machine, and name it as a string")
            .with_data("machine", &*tree.name)
            .with_data("option", stated.option.clone())
            .with_data("path", &*stated.value);
        Some(finding)
    });
    told.collect()
}

/// What unlocks, as far as it is a file in the store.
fn keys(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Stated<Arc<str>>> {
    let path = |data: &Data| {
        let is_made = || data.place.as_ref().is_some_and(|at| is_made_in_store(context, at));
        match &data.kind {
            DataKind::Unknown(_) | DataKind::Failed(_) if is_made() => Some(Arc::from(MADE)),
            _ => stored(context, data),
        }
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
    let mut key_files: Vec<Arc<str>> = Vec::new();
    for (name, _) in tree.children(&devices) {
        let option = devices.join(&name).join("keyFile");
        key_files.extend(tree.texts(&option, None).into_iter().map(|stated| plain_path(&stated.value)));
        found.extend(tree.stated(&option, path, None));
    }
    found.extend(crypttab(context, tree));
    for item in tree.items(&option("swapDevices")) {
        let DataKind::Attrs(device) = &item.value.kind else { continue };
        let Some(DataKind::Attrs(set)) = device.attrs.get("encrypted").map(|field| &field.value.kind) else { continue };
        let Some(key) = set.attrs.get("keyFile").map(|field| &field.value) else { continue };
        let place = key.place.clone().or_else(|| item.place.clone());
        let stated =
            |value| Stated { value, place, option: format!("{}.*.encrypted.keyFile", item.option), when: item.when };
        found.extend(path(key).map(stated));
    }
    let disks = tree.below(&option("disko.devices")).iter().map(|named| &named.path);
    let mut keys: Vec<&OptionPath> =
        disks.filter(|path| path.names().last().is_some_and(|name| &**name == "keyFile")).collect();
    // Several may define one option.
    keys.dedup();
    found.extend(keys.into_iter().flat_map(|option| tree.stated(option, path, None)));
    for files in ["boot.initrd.extraFiles", "boot.initrd.systemd.contents"] {
        let files = option(files);
        for (name, _) in tree.children(&files) {
            // Much else is put there.
            let is_key = key_files.contains(&plain_path(&name));
            let key = |data: &Data| path(data).filter(|file| is_key || is_called_key(&name) || is_called_key(file));
            found.extend(tree.stated(&files.join(&name).join("source"), key, None));
            let texts = tree.texts(&files.join(&name).join("text"), None).into_iter();
            found.extend(texts.filter(|_| is_key).map(|text| text.with(Arc::from(format!("the text of {name}")))));
        }
    }
    let systems = option("fileSystems");
    for (name, _) in tree.children(&systems) {
        found.extend(tree.stated(&systems.join(&name).join("encrypted").join("keyFile"), path, None));
    }
    found
}

/// What a file is called that Nix makes of a text.
const MADE: &str = "a file that is made";

/// The key files of disks in `/etc/crypttab`: the third field of a line.
fn crypttab(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Stated<Arc<str>>> {
    let texts = tree.texts(&option("environment.etc.crypttab.text"), None);
    let keys = texts.iter().flat_map(|stated| {
        let lines = stated.value.lines().filter(|line| !line.trim_start().starts_with('#'));
        let keys = lines.filter_map(|line| line.split_whitespace().nth(2)).filter(|key| key.starts_with("/nix/store/"));
        keys.map(|key| {
            let file = context.copied_from(key).map_or_else(|| Arc::from(key), |file| file.to_arc());
            Stated { option: format!("the key of a disk in {}", stated.option), ..stated.with(file) }
        })
    });
    keys.collect()
}

/// Whether a file is one that age, GnuPG or sops has encrypted, which anybody may read. What git-crypt has encrypted lies in
/// the store in clear.
fn is_encrypted(context: &Context<'_>, path: &str) -> bool {
    let begin = || context.tree.read_prefix(&TreePath::new(path).ok()?, LOOK).ok();
    begin().is_some_and(|prefix| is_ciphertext(&String::from_utf8_lossy(&prefix.bytes)))
}

/// Whether it is what age, GnuPG or sops has encrypted.
pub(crate) fn is_ciphertext(text: &str) -> bool {
    let begins = ["age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE-----", "-----BEGIN PGP MESSAGE-----"];
    begins.iter().any(|begin| text.starts_with(begin)) || text.contains("ENC[AES256_GCM,")
}

/// Whether a file's name says that it is a key.
fn is_called_key(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    name.ends_with(".key") || ["key", "keyfile", "id_ed25519", "id_rsa"].iter().any(|end| stem.ends_with(end))
}

/// What is in the store: a file of the repository that Nix copies there, with the whole of a flake or by itself.
pub(crate) fn stored(context: &Context<'_>, data: &Data) -> Option<Arc<str>> {
    let (DataKind::String(text) | DataKind::Path(text)) = &data.kind else {
        return written_file(context, data.place.as_ref()?).map(|file| file.to_arc());
    };
    let file = repository_file(context, data);
    if text.starts_with("/nix/store/") {
        return Some(file.map_or_else(|| text.clone(), |file| file.to_arc()));
    }
    // The text of a path does not copy the file, and only a flake lies in the store itself.
    let is_copied = matches!(data.kind, DataKind::Path(_))
        || systems_file(context.tree).is_some_and(|file| file.name() == "flake.nix");
    let is_there = |file: &TreePath| {
        context.tree.exists(file) || data.place.as_ref().is_some_and(|at| written_file(context, at).is_some())
    };
    file.filter(|file| is_copied && is_there(file)).map(|file| file.to_arc())
}

/// Whether a path value is a file of the repository: one that is written with a leading `/` is meant on the machine.
pub(crate) fn is_copied(context: &Context<'_>, path: &str, at: &Place) -> bool {
    if path.starts_with("/nix/store/") {
        return true;
    }
    let is_absolute = context.begins_with(at, "/");
    !is_absolute && context.file_of(path).is_some_and(|file| context.tree.exists(&file))
}

//! `initrd-key-in-use`: what a boot environment holds in clear and the running machine uses.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Stated, Tree, When, option, text, written};

pub(crate) const RULE: Rule = Rule {
    name: "initrd-key-in-use",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "A boot environment is given a host key, or a secret, that the running machine uses.",
    docs: "\
`boot.initrd.network.ssh.hostKeys` or `boot.initrd.secrets` names a key of the machine's SSH server, or a decrypted
secret of
agenix that other options use.

**Why it matters.** What the boot environment holds lies in clear in `/boot`: whoever holds the disk, or reads
`/boot`, has the
machine's identity, with which all of its secrets are decrypted, or the secret itself.

**Fix.** Make a key for the boot environment alone.

```nix
# bad
boot.initrd.network.ssh.hostKeys = [ \"/etc/ssh/ssh_host_ed25519_key\" ];
# good: ssh-keygen -t ed25519 -N '' -f /etc/secrets/initrd/ssh_host_ed25519_key
boot.initrd.network.ssh.hostKeys = [ \"/etc/secrets/initrd/ssh_host_ed25519_key\" ];
```

**Limits.** Keys are compared by their paths: those of `services.openssh.hostKeys`, and
`/etc/ssh/ssh_host_<type>_key`. A secret that no other option names is one for the boot environment alone.

**Data.** `machine`: the machine. `path`: the key or secret.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        let host_keys = host_keys(tree);
        for source in sources(tree) {
            let Some(at) = source.place.clone() else { continue };
            match &source.value {
                Source::Path(path) => {
                    let Some((why, when, place)) = host_keys.iter().find(|key| key.path == *path).map_or_else(
                        || {
                            is_usual(path)
                                .then(|| ("where the keys of its SSH server are".to_owned(), When::default(), None))
                        },
                        |key| Some(("a host key of its SSH server".to_owned(), key.when.clone(), key.place.clone())),
                    ) else {
                        if let Some(secret) = path.strip_prefix("/run/agenix/") {
                            found.extend(of_secret(context, tree, secret, &source, at));
                        }
                        continue;
                    };
                    let Some(when) = source.when.and(&when) else { continue };
                    let message = format!("the boot environment of `{}` holds {path}, {why}", tree.machine.name);
                    let mut finding = RULE.judged(context.tree, &when, at, message);
                    if let Some(place) = place {
                        finding = finding.with_related(place, "the same key");
                    }
                    found.push(
                        finding
                            .with_label("stored in clear in /boot")
                            .with_help(
                                "make a key for the boot environment alone\nssh-keygen -t ed25519 -N '' -f \
                                 /etc/secrets/initrd/ssh_host_ed25519_key",
                            )
                            .with_data("machine", &*tree.machine.name)
                            .with_data("path", &**path),
                    );
                }
                Source::Unknown => {
                    let name = written(context.tree, &at).and_then(|text| secret_in(&text));
                    if let Some(name) = name {
                        found.extend(of_secret(context, tree, &name, &source, at));
                    }
                }
            }
        }
    }
}

/// What a boot environment is given.
enum Source {
    Path(Arc<str>),
    /// It is not known; how it is written may tell.
    Unknown,
}

/// The files that are copied into the boot environment.
fn sources(tree: &Tree<'_>) -> Vec<Stated<Source>> {
    let read = |data: &Data| match &data.kind {
        DataKind::String(path) => Some(Source::Path(path.clone())),
        DataKind::Unknown(_) => Some(Source::Unknown),
        // One that is in the repository is another rule's.
        _ => None,
    };
    let keys = tree.items(&option("boot.initrd.network.ssh.hostKeys")).into_iter().filter_map(|item| {
        let value = read(item.value)?;
        Some(Stated { value, place: item.place, option: item.option, when: item.when })
    });
    let mut found: Vec<Stated<Source>> = keys.collect();
    let secrets = option("boot.initrd.secrets");
    for (name, _) in tree.children(&secrets) {
        // `null` means: from the same path.
        let or_same = |data: &Data| match data.kind {
            DataKind::Null => Some(Source::Path(name.clone())),
            _ => read(data),
        };
        found.extend(tree.stated(&secrets.join(&name), or_same, None));
    }
    found
}

struct HostKey {
    path: Arc<str>,
    place: Option<Place>,
    when: When,
}

/// The keys that the configuration gives to the SSH server.
fn host_keys(tree: &Tree<'_>) -> Vec<HostKey> {
    let items = tree.items(&option("services.openssh.hostKeys")).into_iter();
    let read = items.filter_map(|item| {
        let DataKind::Attrs(set) = &item.value.kind else { return None };
        let field = set.attrs.get("path")?;
        let path = text(&field.value)?;
        Some(HostKey { path, place: field.value.place.clone().or(item.place), when: item.when })
    });
    read.collect()
}

/// Where NixOS makes the keys of an SSH server, unless it is told otherwise.
fn is_usual(path: &str) -> bool {
    path.strip_prefix("/etc/ssh/ssh_host_").is_some_and(|rest| rest.ends_with("_key") && !rest.contains("initrd"))
}

/// `x` of `config.age.secrets.x.path`.
fn secret_in(written: &str) -> Option<String> {
    let (_, rest) = written.split_once("age.secrets.")?;
    let name = match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next()?,
        None => rest.split(['.', ' ', ')', '}', ';', ']']).next()?,
    };
    (!name.is_empty() && !name.contains("${")).then(|| name.to_owned())
}

fn of_secret(
    context: &Context<'_>,
    tree: &Tree<'_>,
    name: &str,
    source: &Stated<Source>,
    at: Place,
) -> Option<Diagnostic> {
    let used = tree.definitions().iter().find_map(|named| {
        let is_boot = named.path.starts_with(&option("boot.initrd"));
        let place = named.definition.value.place.as_ref().filter(|_| !is_boot)?;
        let is_same = secret_in(&written(context.tree, place)?).as_deref() == Some(name);
        is_same.then(|| (named, place.clone()))
    });
    let (named, place) = used?;
    let message = format!("the boot environment of `{}` holds the secret `{name}`", tree.machine.name);
    Some(
        RULE.judged(context.tree, &source.when, at, message)
            .with_label("stored in clear in /boot")
            .with_related(place, format!("`{}` uses it, too", named.definition.path))
            .with_help("give the boot environment a key that is used nowhere else")
            .with_data("machine", &*tree.machine.name)
            .with_data("path", name),
    )
}

//! `initrd-key-in-use`: what a boot environment holds in clear and the running machine uses.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_source::{TreePath, read_text};
use foldhash::HashSet;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::host_keys::{Whose, taken_keys};
use crate::trees::made::is_made_in_store;
use crate::trees::repository_file::written_file;
use crate::trees::secret_mention::{Mention, mention_at};
use crate::trees::{Assumed, Named, Stated, Tree, When, option, plain_path, text};
use crate::unlock::unlock_key_in_store::is_copied;

pub(crate) const RULE: Rule = Rule {
    name: "initrd-key-in-use",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "A boot environment is given a host key, or a secret, that the running machine uses.",
    docs: "\
`boot.initrd.network.ssh.hostKeys`, `boot.initrd.secrets` or another file of the boot environment names a key of the
machine's SSH server, a decrypted secret of agenix that other options use, a file that an option of the running machine
names (`privateKeyFile`), or an onion service of its own.

**Why it matters.** What the boot environment holds lies in clear in `/boot`: whoever holds the disk, or reads
`/boot`, has the machine's identity, with which all of its secrets are decrypted, or the secret itself.

**Fix.** Make a key for the boot environment alone.

```nix
# bad
boot.initrd.network.ssh.hostKeys = [ \"/etc/ssh/ssh_host_ed25519_key\" ];
# good: ssh-keygen -t ed25519 -N '' -f /etc/secrets/initrd/ssh_host_ed25519_key
boot.initrd.network.ssh.hostKeys = [ \"/etc/secrets/initrd/ssh_host_ed25519_key\" ];
```

**Limits.** Keys are compared by their paths: those of `services.openssh.hostKeys` and `age.identityPaths`, and
`/etc/ssh/ssh_host_<type>_key`; the same below another folder (`/persist`) is *undecided*. What functions choose from
those two options (`map`, `filter`, `head`, `catAttrs`, `pipe` …) counts as their keys. A copy of a key under another
name is not recognised. A secret that no other option names is one for the boot environment alone; a script that makes
keys (`ssh-keygen`) does not count. Of `boot.initrd.extraFiles` and `boot.initrd.systemd.contents` only paths that are
known are looked at; what modules say that can't be read is not.

**Data.** `machine`: the machine. `path`: the key or secret.
",
    check: Some(check),
};

/// Longer files are not read, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        let host_keys = host_keys(tree);
        // What functions choose may be several items.
        let mut told: HashSet<Place> = HashSet::default();
        for source in sources(context, tree) {
            let Some(at) = source.place.clone() else { continue };
            match &source.value {
                Source::Path(path) => {
                    let known = host_keys.iter().find(|key| key.path == *path);
                    let known = known.map(|key| (key.what, key.when.clone(), key.place.clone()));
                    let Some((why, when, place)) = known.or_else(|| usual(path)) else {
                        match path.strip_prefix("/run/agenix/") {
                            Some(secret) => found.extend(of_secret(context, tree, secret, &source, at)),
                            None => found.extend(of_file(context, tree, path, &source, at)),
                        }
                        continue;
                    };
                    let Some(when) = source.when.and(&when) else { continue };
                    let message = format!("the boot environment of `{}` holds {path}, {why}", tree.name);
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
                            .with_data("machine", &*tree.name)
                            .with_data("path", &**path),
                    );
                }
                Source::Unknown(reason) => {
                    let mention = mention_at(context, &at);
                    if let Some(Mention::Decrypted(name)) = mention {
                        let of_secret = of_secret(context, tree, &name, &source, at.clone());
                        // Which secret it is may be computed.
                        if of_secret.is_some() || !name.contains("${") {
                            found.extend(of_secret);
                            continue;
                        }
                    }
                    let machine = &tree.name;
                    let mut push = |finding: Diagnostic| {
                        found.push(finding.with_data("machine", &**machine).with_data("path", source.option.clone()));
                    };
                    let taken = taken_keys(context, &at);
                    if taken.is_empty() {
                        let message = format!(
                            "can't tell whether the boot environment of `{machine}` holds a key that is in use: {reason}"
                        );
                        let mut undecided = RULE.finding(at, message);
                        undecided.severity = Severity::Undecided;
                        push(undecided);
                    }
                    for (whose, at) in taken {
                        if !told.insert(at.clone()) {
                            continue;
                        }
                        let what = match whose {
                            Whose::Server => "the keys of its SSH server",
                            Whose::Agenix => "the keys with which agenix decrypts its secrets",
                        };
                        let message = format!("the boot environment of `{machine}` holds {what}");
                        let finding = RULE.judged(context.tree, &source.when, at, message);
                        push(finding.with_label("stored in clear in /boot"));
                    }
                }
            }
        }
    }
}

/// What a boot environment is given.
enum Source {
    Path(Arc<str>),
    /// It is not known, and why; how it is written may tell.
    Unknown(Arc<str>),
}

/// The files that are copied into the boot environment.
fn sources(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Stated<Source>> {
    let read = |data: &Data| match &data.kind {
        DataKind::String(path) => Some(Source::Path(plain_path(path))),
        // One that is in the repository is another rule's.
        DataKind::Path(path) => {
            let is_copied = data.place.as_ref().is_none_or(|at| is_copied(context, path, at));
            (!is_copied).then(|| Source::Path(plain_path(path)))
        }
        // Nor is one that is made.
        DataKind::Unknown(_)
            if data
                .place
                .as_ref()
                .is_some_and(|at| written_file(context, at).is_some() || is_made_in_store(context, at)) =>
        {
            None
        }
        DataKind::Unknown(unknown) => Some(Source::Unknown(unknown.reason.clone())),
        DataKind::Failed(failure) => Some(Source::Unknown(Arc::from(&*failure.message))),
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
            DataKind::Null => Some(Source::Path(plain_path(&name))),
            _ => read(data),
        };
        found.extend(tree.stated(&secrets.join(&name), or_same, None));
    }
    for files in ["boot.initrd.extraFiles", "boot.initrd.systemd.contents"] {
        let files = option(files);
        for (name, _) in tree.children(&files) {
            // What is built for the boot environment is no key.
            let known = tree.stated(&files.join(&name).join("source"), read, None).into_iter();
            found.extend(known.filter(|stated| matches!(stated.value, Source::Path(_))));
        }
    }
    found
}

/// A key of the SSH server, or one that decrypts secrets.
pub(crate) struct HostKey {
    pub(crate) path: Arc<str>,
    what: &'static str,
    place: Option<Place>,
    pub(crate) when: When,
}

/// The keys that the configuration gives to the SSH server, and to agenix.
pub(crate) fn host_keys(tree: &Tree<'_>) -> Vec<HostKey> {
    let of_server = tree.items(&option("services.openssh.hostKeys")).into_iter().filter_map(|item| {
        let DataKind::Attrs(set) = &item.value.kind else { return None };
        let field = set.attrs.get("path")?;
        let path = plain_path(&text(&field.value)?);
        let place = field.value.place.clone().or(item.place);
        Some(HostKey { path, what: "a host key of its SSH server", place, when: item.when })
    });
    let of_agenix = tree.items(&option("age.identityPaths")).into_iter().filter_map(|item| {
        let (DataKind::String(path) | DataKind::Path(path)) = &item.value.kind else { return None };
        let what = "a key with which agenix decrypts its secrets";
        Some(HostKey { path: plain_path(path), what, place: item.place, when: item.when })
    });
    of_server.chain(of_agenix).collect()
}

/// Where NixOS makes the keys of an SSH server, unless it is told otherwise. Below another folder, they are those of a
/// system whose root is not kept, or a copy.
fn usual(path: &str) -> Option<(&'static str, When, Option<Place>)> {
    let (root, name) = path.split_once("/etc/ssh/ssh_host_")?;
    if !name.ends_with("_key") || path.contains("initrd") || path.contains("/boot/") {
        return None;
    }
    let mut when = When::default();
    if !root.is_empty() {
        let what = format!("`{root}` may have other keys than the running machine's /etc/ssh");
        when.assumed.push(Assumed { what, place: None });
    }
    Some(("where the keys of its SSH server are", when, None))
}

/// Whether a definition is a script that makes keys: the first one of a machine has to be there before agenix has decrypted any.
fn makes_keys(context: &Context<'_>, named: &Named) -> bool {
    let is_making = |text: &str| text.contains("ssh-keygen") || text.contains("dropbearkey");
    if let DataKind::String(text) = &named.definition.value.kind {
        return is_making(text);
    }
    let at = named.place();
    let text = || {
        let (span, path) = (at.span?, TreePath::new(&at.file).ok()?);
        let text = read_text(context.tree, &path, FILE_LIMIT).ok()?;
        text.get(span.start as usize..span.end as usize).map(is_making)
    };
    text().unwrap_or(false)
}

/// A file that an option of the running machine names too, or the folder of an onion service of its own.
fn of_file(
    context: &Context<'_>,
    tree: &Tree<'_>,
    path: &Arc<str>,
    source: &Stated<Source>,
    at: Place,
) -> Option<Diagnostic> {
    let names_file = |named: &&Named| {
        let names = named.path.names();
        let is_file = names.last().is_some_and(|name| name.ends_with("File"));
        // What the boot environment unlocks, or how, is no use of a running machine.
        let is_boot = names.first().is_some_and(|first| ["boot", "disko", "fileSystems"].contains(&&**first));
        is_file && !is_boot && text(&named.definition.value).is_some_and(|text| plain_path(&text) == *path)
    };
    let onion = || {
        let inside = path.strip_prefix("/var/lib/tor/onion/")?;
        let name = inside.split('/').next().filter(|name| !name.is_empty())?;
        tree.below(&option("services.tor.relay.onionServices").join(name)).first()
    };
    let named = tree.definitions().iter().find(names_file).or_else(onion)?;
    let when = source.when.and(&named.stated().when)?;
    let message = format!("the boot environment of `{}` holds {path}, which the running machine uses", tree.name);
    Some(
        RULE.judged(context.tree, &when, at, message)
            .with_label("stored in clear in /boot")
            .with_related(named.place(), format!("`{}` uses it, too", named.definition.path))
            .with_help("give the boot environment a key that is used nowhere else")
            .with_data("machine", &*tree.name)
            .with_data("path", &**path),
    )
}

fn of_secret(
    context: &Context<'_>,
    tree: &Tree<'_>,
    name: &str,
    source: &Stated<Source>,
    at: Place,
) -> Option<Diagnostic> {
    let is_same = |named: &Named| match &named.definition.value.kind {
        DataKind::String(path) => path.strip_prefix("/run/agenix/") == Some(name),
        DataKind::Unknown(_) | DataKind::Failed(_) => {
            mention_at(context, &named.place()) == Some(Mention::Decrypted(name.to_owned()))
        }
        _ => false,
    };
    let used = tree.definitions().iter().find_map(|named| {
        let is_boot = named.path.starts_with(&option("boot.initrd"));
        (!is_boot && is_same(named) && !makes_keys(context, named)).then(|| (named, named.place()))
    });
    let (named, place) = used?;
    let message = format!("the boot environment of `{}` holds the secret `{name}`", tree.name);
    Some(
        RULE.judged(context.tree, &source.when, at, message)
            .with_label("stored in clear in /boot")
            .with_related(place, format!("`{}` uses it, too", named.definition.path))
            .with_help("give the boot environment a key that is used nowhere else")
            .with_data("machine", &*tree.name)
            .with_data("path", name),
    )
}

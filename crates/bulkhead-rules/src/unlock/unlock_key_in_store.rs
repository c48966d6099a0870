//! `unlock-key-in-store`: a key of a disk or boot environment that everybody on the machine can read.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::{OptionPath, systems_file};
use bulkhead_source::TreePath;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::secrets::secret_in_store::{is_plain, unshown};
use crate::trees::made::{COMPUTED, is_made_in_store};
use crate::trees::repository_file::{copied_behind, repository_file, written_file};
use crate::trees::shell::{Command, commands, copies_input, has_script, read_within};
use crate::trees::texts::{MADE, Scripts, Text, What, texts_of};
use crate::trees::{Named, Stated, Tree, When, option, plain_path};

pub(crate) const RULE: Rule = Rule {
    name: "unlock-key-in-store",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "The key of a disk or boot environment is a file of the repository, or in the Nix store.",
    docs: "\
`keyFile` of an encrypted disk or swap device, also one of `/etc/crypttab`, a file of `boot.initrd.secrets`, or a host
key of `boot.initrd.network.ssh` is a path of the repository, or in the Nix store; in a flake also a text that names a
file of it (`toString ./disk.key`, `\"${self}/disk.key\"`), since all of a flake is in the store. So may be what GRUB
loads as a second initrd (`boot.loader.grub.extraInitrd`), which is a warning. Or a parameter of the kernel names such
a file (`rd.luks.key=` in `boot.kernelParams`), or has a passphrase (`systemd.set_credential=cryptsetup.passphrase:…`;
as a warning, others that are called so), which everybody sees in `/proc/cmdline`, too. Or a script (of the boot
environment, of a unit) unlocks a disk, or sets its key, with such a file: `cryptsetup --key-file`,
`systemd-cryptsetup attach`, `bcachefs unlock -f`, `zfs load-key -L`, `keylocation=`, or what comes from `<`, `<(cat
…)` or `cat … |`; or with a passphrase that is written in it (`echo … | cryptsetup`).

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
none, nor is what age, GnuPG or sops has encrypted. What comes from modules that can't be read is not looked at; of
what is computed from packages, only what is made of a text (`pkgs.writeText`). Of scripts, what is written in the
option, in variables of the same file, and in a file that a unit runs. What another program makes of a file than a
copy, a part or a checksum is not meant: it may decrypt it (`gpg -d … | cryptsetup`). A script of more than 256 KiB is
not read, and of one with more than 32,768 words the beginning; a machine's scripts are read up to 16 MiB. If there is
more, that is told as undecided. Of a crypttab, a text is read, but no `source` of it, nor one in
`boot.initrd.systemd.contents`; key files that `environment.etc` makes, here-strings and heredocs for cryptsetup are
not followed.

**Data.** `machine`: the machine. `option`: the option. `path`: the file.
",
    check: Some(check),
};

/// How much of a file is looked at to see whether it is encrypted, in bytes.
const LOOK: u64 = 64 << 10;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut scripts = Scripts::of(&UNLOCKING);
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
        parameters(context, tree, found);
        for named in tree.definitions() {
            scripted(context, tree, named, &mut scripts, found);
        }
        if let Some(at) = scripts.next_machine() {
            let message =
                format!("can't tell whether scripts of `{}` unlock disks with what is in the Nix store", tree.name);
            let mut undecided = RULE.finding(at, message).with_label("it is too much to look at all of it");
            undecided.severity = Severity::Undecided;
            found.push(undecided.with_data("machine", &*tree.name));
        }
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

/// Keys and passphrases of disks on the command line of the kernel.
fn parameters(context: &Context<'_>, tree: &Tree<'_>, found: &mut Vec<Diagnostic>) {
    for item in tree.items(&option("boot.kernelParams")) {
        let Some(at) = item.place.clone() else { continue };
        for text in texts_of(context, item.value, &at) {
            // A list that is not known as a whole has several.
            for word in text.text.split_whitespace() {
                let Some((name, value)) = word.split_once('=') else { continue };
                let mut report = |file: &str, severity: Severity, message: String| {
                    let mut finding = RULE.judged(context.tree, &item.when, text.place.clone(), message);
                    finding.severity = finding.severity.min(severity);
                    let is_text = file == MADE || file == PASSPHRASE;
                    found.push(
                        if is_text { unshown(context, finding) } else { finding }
                            .with_help("make a new key, and have the disk unlocked by something that the parameter does not tell")
                            .with_data("machine", &*tree.name)
                            .with_data("option", item.option.clone())
                            .with_data("path", file),
                    );
                };
                if names_key(name) {
                    let Some(file) = in_store(context, &text, value) else { continue };
                    if !file.ends_with(".pub") && !is_encrypted(context, &file) {
                        let message = format!(
                            "`{name}` in `{}` is `{file}`, which is in the Nix store, where everybody can read it",
                            item.option
                        );
                        report(&file, Severity::Error, message);
                    }
                } else if let Some(severity) = gives_passphrase(name, value) {
                    let message = format!(
                        "`{name}` in `{}` has the passphrase of a disk, and everybody can read /proc/cmdline",
                        item.option
                    );
                    report(PASSPHRASE, severity, message);
                }
            }
        }
    }
}

/// Whether a parameter of the kernel names the key of a disk: `rd.luks.key`, `cryptkey`.
fn names_key(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("key") && ["crypt", "keyfile", "luks", "unlock"].iter().any(|word| name.contains(word))
}

/// Whether a parameter of the kernel is the passphrase of a disk, and how sure that is: systemd takes it as a credential, others
/// by names of their own.
pub(crate) fn gives_passphrase(name: &str, value: &str) -> Option<Severity> {
    if let "systemd.set_credential" | "systemd.set_credential_binary" = name {
        let (credential, value) = value.split_once(':')?;
        return (credential.starts_with("cryptsetup.") && is_written(value)).then_some(Severity::Error);
    }
    let name = name.to_ascii_lowercase();
    let is_passphrase = ["pass", "passphrase", "password", "passwd", "pin"].iter().any(|end| name.ends_with(end));
    let is_of_disk = ["crypt", "disk", "luks", "unlock", "zfs"].iter().any(|word| name.contains(word));
    (is_passphrase && is_of_disk && is_written(value)).then_some(Severity::Warning)
}

/// Whether a value is written as it is, and says something.
fn is_written(value: &str) -> bool {
    !value.contains(|c: char| c == COMPUTED || ('\u{E000}'..='\u{F8FF}').contains(&c)) && is_plain(value)
}

/// Programs that unlock disks.
const UNLOCKING: [&str; 4] = ["bcachefs", "cryptsetup", "keylocation", "load-key"];

/// The keys that scripts of a definition unlock disks with.
fn scripted(context: &Context<'_>, tree: &Tree<'_>, named: &Named, scripts: &mut Scripts, found: &mut Vec<Diagnostic>) {
    if !scripts.may_be_in(context, named, &|_| true) || !tree.counts(named) {
        return;
    }
    for text in scripts.fresh(context, named, &format!("{:?}", named.definition.condition)) {
        if !scripts.has_word(&text.text) {
            continue;
        }
        let mut piped: Option<Given> = None;
        let script = commands(&text.text);
        if script.is_cut {
            scripts.note_cut(text.place.clone());
        }
        for command in script.all {
            let given = piped.take();
            piped = passed_on(&command, given.as_ref()).filter(|_| command.is_piped);
            let option = &named.definition.path;
            let mut told: Option<(String, Arc<str>)> = None;
            for key in keys_of(&command) {
                let key = match (key, &given) {
                    ("-" | "/dev/stdin", Some(Given::File(path) | Given::Text(path))) => Some(&**path),
                    ("-" | "/dev/stdin", None) => None,
                    (key, _) if has_script(key) => read_within(key),
                    (key, _) => Some(key),
                };
                let Some(file) = key.and_then(|key| in_store(context, &text, key)) else { continue };
                if !file.ends_with(".pub") && !is_encrypted(context, &file) {
                    let message = format!(
                        "a script in `{option}` unlocks a disk with `{file}`, which is in the Nix store, where everybody can \
                         read it"
                    );
                    told = Some((message, file));
                }
            }
            // `echo passphrase | cryptsetup open …`
            if let Some(Given::Text(passphrase)) = given {
                let is_computed =
                    |c: char| c == '$' || c == '`' || c == COMPUTED || ('\u{E000}'..='\u{F8FF}').contains(&c);
                if takes_passphrase(&command)
                    && !passphrase.is_empty()
                    && !passphrase.contains(is_computed)
                    && !passphrase.eq_ignore_ascii_case("yes")
                {
                    let message =
                        format!("a script in `{option}` unlocks a disk with a passphrase that is written in it");
                    told = Some((message, Arc::from(PASSPHRASE)));
                }
            }
            let Some((message, file)) = told else { continue };
            let at = text.place_of(context, command.range.clone());
            let finding = RULE.judged(context.tree, &When::of(&named.definition.condition), at, message);
            let is_text = *file == *MADE || *file == *PASSPHRASE;
            found.push(
                if is_text { unshown(context, finding) } else { finding }
                    .with_help("make a new key in a file on the machine, and name that file as a string")
                    .with_data("machine", &*tree.name)
                    .with_data("option", option.to_string())
                    .with_data("path", &*file),
            );
        }
    }
}

/// What a command gets from the one before it.
#[derive(Clone)]
enum Given {
    /// What is in a file.
    File(String),
    /// A text.
    Text(String),
}

/// What a command passes on: other programs than these may decrypt it.
fn passed_on(command: &Command, given: Option<&Given>) -> Option<Given> {
    let file = |path: &str| Given::File(path.to_owned());
    let read = |word: &str| match read_within(word) {
        Some(path) => Some(file(path)),
        None => (!has_script(word)).then(|| file(word)),
    };
    let mut words = command.arguments().iter().map(String::as_str).filter(|word| !word.starts_with('-'));
    match command.name() {
        "echo" | "printf" => match words.next_back() {
            Some(word) if has_script(word) => read(word),
            word => word.map(|word| Given::Text(word.to_owned())),
        },
        "dd" => words.find_map(|word| read(word.strip_prefix("if=")?)).or_else(|| given.cloned()),
        name if copies_input(name) || SUMS.contains(&name) => {
            let of_input = || command.input.as_deref().and_then(read).or_else(|| given.cloned());
            of_input().or_else(|| words.next_back().filter(|_| name != "tee").and_then(read))
        }
        _ => None,
    }
}

/// Programs that make a key of what everybody knows: everybody can.
const SUMS: [&str; 5] = ["b2sum", "md5sum", "sha1sum", "sha256sum", "sha512sum"];

/// What stands for a passphrase.
const PASSPHRASE: &str = "a passphrase";

/// Whether a command unlocks, or makes what is unlocked with, what comes from its input.
fn takes_passphrase(command: &Command) -> bool {
    let has = |word: &str| command.arguments().iter().any(|argument| argument == word);
    match command.name() {
        "cryptsetup" => ["open", "luksOpen", "luksFormat", "plainOpen"].iter().any(|action| has(action)),
        "bcachefs" => has("unlock"),
        "zfs" => has("load-key"),
        _ => false,
    }
}

/// The files of keys in a command that unlocks disks, or makes them.
fn keys_of(command: &Command) -> Vec<&str> {
    let mut found: Vec<&str> = Vec::new();
    let (long, short, behind): (&[&str], &str, &[(&str, usize)]) = match command.name() {
        "cryptsetup" => (
            &["--key-file", "--new-keyfile", "--new-key-file", "--volume-key-file", "--master-key-file"],
            "-d",
            &[("luksAddKey", 2), ("luksChangeKey", 2), ("luksFormat", 2)],
        ),
        "systemd-cryptsetup" => (&[], "", &[("attach", 3)]),
        "bcachefs" => (&["--file", "--passphrase_file"], "-f", &[]),
        "zfs" | "zpool" => (&[], "-L", &[]),
        _ => return found,
    };
    let mut arguments = command.arguments().iter().map(String::as_str);
    let mut others = Vec::new();
    while let Some(argument) = arguments.next() {
        let (name, value) = argument.split_once('=').map_or((argument, None), |(name, value)| (name, Some(value)));
        if long.contains(&name) || (!short.is_empty() && argument == short) {
            found.extend(value.or_else(|| arguments.next()));
        } else if let Some(value) =
            argument.strip_prefix(short).filter(|_| !short.is_empty() && !argument.starts_with("--"))
        {
            found.push(value);
        } else if let Some(value) = argument.strip_prefix("keylocation=") {
            found.push(value);
        } else if !argument.starts_with('-') {
            others.push(argument);
        }
    }
    for (action, at) in behind {
        found.extend(others.get(*at).filter(|_| others.first() == Some(action)));
    }
    // `bcachefs unlock /dev/sda < key`
    found.extend(command.input.as_deref().filter(|_| takes_passphrase(command)));
    // `cat key | cryptsetup open …`
    if takes_passphrase(command) && command.input.is_none() && found.is_empty() {
        found.push("-");
    }
    found
}

/// The file in the store that a word of a script names.
fn in_store(context: &Context<'_>, text: &Text, word: &str) -> Option<Arc<str>> {
    let put = word.chars().find_map(|c| match text.what(c) {
        Some(What::Stored(file)) => Some(Arc::from(&**file)),
        _ => None,
    });
    put.or_else(|| {
        let path = word.get(word.find("/nix/store/")?..)?;
        Some(context.copied_from(path).map_or_else(|| Arc::from(path), |file| file.to_arc()))
    })
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

/// Whether a file is one that age, GnuPG, sops or clevis has encrypted, which anybody may read. What git-crypt has encrypted lies in
/// the store in clear.
pub(crate) fn is_encrypted(context: &Context<'_>, path: &str) -> bool {
    let begin = || context.tree.read_prefix(&TreePath::new(path).ok()?, LOOK).ok();
    begin().is_some_and(|prefix| is_ciphertext(&String::from_utf8_lossy(&prefix.bytes)))
}

/// Whether it is what age, GnuPG, sops or clevis has encrypted.
pub(crate) fn is_ciphertext(text: &str) -> bool {
    let begins = ["age-encryption.org/", "-----BEGIN AGE ENCRYPTED FILE-----", "-----BEGIN PGP MESSAGE-----"];
    begins.iter().any(|begin| text.starts_with(begin)) || text.contains("ENC[AES256_GCM,") || is_jwe(text)
}

/// Whether it is JSON Web Encryption: RFC 7516, sections 3.1 and 3.2. Signed tokens, which are no ciphertext, have two dots.
fn is_jwe(text: &str) -> bool {
    let is_compact = text.starts_with("eyJ") && (text.contains("..") || text.matches('.').count() == 4);
    is_compact
        || (text.trim_start().starts_with('{') && text.contains("\"protected\"") && text.contains("\"ciphertext\""))
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
        let at = data.place.as_ref()?;
        return written_file(context, at).or_else(|| copied_behind(context, at)).map(|file| file.to_arc());
    };
    let file = repository_file(context, data);
    // Also the store of a machine that is being started, below another folder.
    if let Some(begin) = text.find("/nix/store/").filter(|begin| *begin == 0 || !text.contains(char::is_whitespace)) {
        let file = file.or_else(|| context.copied_from(text.get(begin..)?));
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

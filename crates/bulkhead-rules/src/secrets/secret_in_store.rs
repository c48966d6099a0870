//! `secret-in-store`: a secret that an option copies into the Nix store.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::{OptionPath, depth_inside};
use bulkhead_source::{LineIndex, Span, TreePath, read_text};

use super::command_lines::{self, Kind};
use super::formats::has_password;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::inside::inside;
use crate::trees::made::{COMPUTED, made_as, made_in_store};
use crate::trees::secret_mention::copied_at;
use crate::trees::texts::{Scripts, texts_of};
use crate::trees::{Named, Stated, Tree, When, unwrapped};
use crate::unlock::unlock_key_in_store::{gives_passphrase, is_ciphertext, is_copied, is_encrypted, stored};

pub(crate) const RULE: Rule = Rule {
    name: "secret-in-store",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is written in the configuration, or is a file that Nix copies into its store.",
    docs: "\
An option that is for a secret has it as text (a WireGuard `privateKey` or `presharedKey`, a WiFi `psk`, a user's
`password`, that of OpenVPN's `authUserPass`); or, as a warning, a setting of a service that is called like a secret
has (`password`, `secretKey`, `apiKey`, `clientSecret`, `authToken` …), a variable in the environment of a unit, a
container or a session (`DISCORD_TOKEN`), or a line in a text of `environment.etc` (`psk=…`); or a password where a
well-known file has one, in a text of `environment.etc`, of home-manager, or of a file that is made: `chap-secrets`,
`ipsec.secrets`, `swanctl.conf`, `.netrc`, `.pgpass`, `htpasswd` (not hashed), `rsyncd.secrets`, `sasl_passwd`,
`passwd.client`, `wpa_supplicant.conf`, options of pppd, `msmtprc`, `nslcd.conf`, `davfs2/secrets`, `.git-credentials`
and the like, or where the file lies in the repository (`source`);
or, as a warning, a parameter of the kernel that is called so (`boot.kernelParams`), which is in
`/proc/cmdline`, too; or an option or variable of a command in a script, command line or list of arguments
(`--password …`, `PGPASSWORD=… psql`, `curl -u user:…`, `Authorization: Bearer …`); or, as a warning too, an option
that names the file of one (`passwordFile`, `privateKeyFile`, `tokenFile`, …) is a path of the repository, which Nix
copies into its store, or a file that is made there (`builtins.toFile`, `pkgs.writeText`). A key in
`age.identityPaths` that is such a file is an error: it decrypts all secrets of the machine; and so is a host key of
the SSH server. Files of variables (`environmentFile`, `environmentFiles`) that lie in the repository, or
are made, are looked into.

**Why it matters.** Everybody on the machine can read the store, and it goes wherever the configuration goes.

**Fix.** Encrypt it with agenix, and name the decrypted file. Change the secret: the old one is in the history.

```nix
# bad
networking.wireguard.interfaces.wg0.privateKeyFile = ./wg0.key;
# good
networking.wireguard.interfaces.wg0.privateKeyFile = config.age.secrets.wg0.path;
```

**Limits.** A user's `password` is a warning: test machines have one on purpose. Options are recognised by their
names: secrets in other options are not seen; nor are values that are not known, modules that can't be read (those of
flake inputs), `initialPassword`, which is there to be changed, and hashes (`hashedPassword`), which NixOS takes there
on purpose; nor what says that something else stands for it (`$NAME`, `@NAME@`, `ext:…`, `%env(…)%`, `REPLACE_ME`, a
sentence with `placeholder` in it), how long a token holds in `lifespans`, switches and numbers of at most four digits
in variables, and made files of variables of which none is called like a secret. Of scripts, those of units, of the
activation, of shells and of `systemPackages` are read as far as they are written in the fleet: what they compute
(`$NAME`, `$(…)`), what is no secret by the option's name (`-k`), and what says that it is to be replaced (`changeme`,
`<key>`) is none. Programs of `systemPackages` are read as if all of them were shell scripts. A script of more than
256 KiB is not read, of one with more than 32,768 words the beginning, and a machine's scripts up to 16 MiB; if there
is more, that is undecided. The text of a secret is not shown.

**Data.** `machine`: the machine. `option`: the option. `line`: where the text of a secret begins, from 1.
",
    check: Some(check),
};

/// How names of options end that take the path of a secret, without `_` and in small letters.
const FILES: [&str; 14] = [
    "accesskeyfile",
    "apikeyfile",
    "authkeyfile",
    "credentialsfile",
    "passfile",
    "passwdfile",
    "passwordfile",
    "presharedkeyfile",
    "privatekeyfile",
    "pskfile",
    "secretfile",
    "secretkeyfile",
    "signingkeyfile",
    "tokenfile",
];

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut scripts = Scripts::of(&command_lines::WORDS);
    for tree in context.all_trees().with_others() {
        for named in tree.definitions() {
            let definition = &named.definition;
            // That of the VPN has a rule of its own, which knows nothing of what runs in its containers.
            let is_vpn = named.path.names().first().is_some_and(|name| &**name == "vpn");
            if is_vpn && depth_inside(&definition.path) == 0 {
                continue;
            }
            let place = definition.place().cloned().unwrap_or_else(|| named.place());
            let whole = Part {
                path: inside(&definition.path),
                option: definition.path.to_string(),
                value: &definition.value,
                place,
                when: When::of(&definition.condition),
            };
            let mut parts = Vec::new();
            whole.add(DEEPEST, &mut parts);
            let mut findings = parts.iter().filter_map(|part| judge(context, tree, part)).peekable();
            if findings.peek().is_some() && tree.counts(named) {
                found.extend(findings);
            }
            given(context, tree, named, &mut scripts, found);
        }
        if let Some(at) = scripts.next_machine() {
            let message =
                format!("can't tell whether secrets are written in scripts of `{}`: they are too long", tree.name);
            let mut undecided = RULE.finding(at, message).with_label("it is too much to look at all of it");
            undecided.severity = Severity::Undecided;
            found.push(undecided.with_data("machine", &*tree.name));
        }
    }
}

/// Secrets that are written in the scripts and command lines of a definition.
fn given(context: &Context<'_>, tree: &Tree<'_>, named: &Named, scripts: &mut Scripts, found: &mut Vec<Diagnostic>) {
    let Some(kind) = command_lines::kind(&named.path) else { return };
    let mut report = |at: Place, name: &str| {
        let option = &named.definition.path;
        let message = format!("`{name}` in `{option}` of `{}` is given a secret that is written there", tree.name);
        let mut finding =
            unshown(context, RULE.judged(context.tree, &When::of(&named.definition.condition), at, message));
        finding.severity = finding.severity.min(Severity::Warning);
        found.push(
            finding
                .with_help("encrypt it with agenix, and have the program read the decrypted file")
                .with_data("machine", &*tree.name)
                .with_data("option", option.to_string()),
        );
    };
    if let (Kind::Arguments, DataKind::List(items)) = (kind, &named.definition.value.kind) {
        let words: Vec<&str> =
            items.iter().map(|item| if let DataKind::String(text) = &item.kind { &**text } else { "$" }).collect();
        // Where a flag and what it is given are one item, it has both.
        let split: Vec<&str> = words.iter().flat_map(|word| word.split_whitespace()).collect();
        let name = command_lines::given_to(&words).or_else(|| command_lines::given_to(&split));
        if let Some(name) = name.filter(|_| tree.counts(named)) {
            let item = items.iter().find(|item| matches!(&item.kind, DataKind::String(text) if text.contains(&*name)));
            let at = item.and_then(|item| item.place.clone()).unwrap_or_else(|| named.place());
            report(at, &name);
        }
        return;
    }
    if !scripts.may_be_in(context, named, &|_| true) || !tree.counts(named) {
        return;
    }
    for text in scripts.fresh(context, named, &format!("{:?} {kind:?}", named.definition.condition)) {
        // What is one line there may be a sentence.
        if !scripts.has_word(&text.text) || (kind == Kind::Programs && !text.text.contains('\n')) {
            continue;
        }
        let (all, is_cut) = match kind {
            Kind::Arguments => {
                let words: Vec<&str> = text.text.split_whitespace().collect();
                (command_lines::given_to(&words).map(|name| (name, 0..text.text.len())).into_iter().collect(), false)
            }
            Kind::Programs | Kind::Script => {
                let (mut all, is_cut) = command_lines::given_in(&text.text);
                if kind == Kind::Programs {
                    // In other languages than that of the shell these are variables of the program's own.
                    all.retain(|given| {
                        given.name.starts_with('-') || !given.name.bytes().any(|b| b.is_ascii_lowercase())
                    });
                }
                (all.into_iter().map(|given| (given.name, given.range)).collect::<Vec<_>>(), is_cut)
            }
        };
        if is_cut {
            scripts.note_cut(text.place.clone());
        }
        for (name, range) in all {
            report(text.place_of(context, range), &name);
        }
    }
}

/// Files longer than this are not looked at for the line of a secret.
const FILE_LIMIT: u64 = 4 << 20;

/// Lists in sets in lists are followed this far.
const DEEPEST: u8 = 8;

/// A value of an option, or of a set in a list.
struct Part<'d> {
    /// The option as a machine has it, also where it is that of a container.
    path: OptionPath,
    /// The option as it is shown.
    option: String,
    value: &'d Data,
    place: Place,
    when: When,
}

impl<'d> Part<'d> {
    /// Add it, and what the sets of a list have.
    fn add(self, depth: u8, parts: &mut Vec<Part<'d>>) {
        if let (Some(depth), DataKind::List(items)) = (depth.checked_sub(1), &self.value.kind) {
            let items = items.iter().map(|value| Stated {
                value,
                place: value.place.clone().or_else(|| Some(self.place.clone())),
                option: self.option.clone(),
                when: self.when.clone(),
            });
            let mut sets = Vec::new();
            items.for_each(|item| unwrapped(item, depth, &mut sets));
            for set in sets {
                if !matches!(set.value.kind, DataKind::Attrs(_))
                    && (is_identities(&self.path)
                        || is_variables(&self.path)
                        || names_variables(&self.path)
                        || is_list_of_texts(&self.path))
                {
                    let place = set.place.unwrap_or_else(|| self.place.clone());
                    let (path, option) = (self.path.clone(), self.option.clone());
                    parts.push(Part { path, option, value: set.value, place, when: set.when });
                } else {
                    self.add_fields(&set, format!("{}.*", self.option), depth, parts);
                }
            }
        } else if let (DataKind::Attrs(_), Some(deeper)) = (&self.value.kind, depth.checked_sub(1))
            && depth < DEEPEST
        {
            // A set in a set in a list; others are definitions of their own.
            let set = Stated {
                value: self.value,
                place: Some(self.place.clone()),
                option: self.option.clone(),
                when: self.when.clone(),
            };
            self.add_fields(&set, self.option.clone(), deeper, parts);
        }
        parts.push(self);
    }

    /// Add what a set has that is in this part, as options below `option`.
    fn add_fields(&self, set: &Stated<&'d Data>, option: String, depth: u8, parts: &mut Vec<Part<'d>>) {
        let DataKind::Attrs(fields) = &set.value.kind else { return };
        for (name, field) in &fields.attrs {
            let place = field.key.clone().or_else(|| field.value.place.clone()).or_else(|| set.place.clone());
            let part = Part {
                path: self.path.join(name),
                option: format!("{option}.{name}"),
                value: &field.value,
                place: place.unwrap_or_else(|| self.place.clone()),
                when: set.when.clone(),
            };
            part.add(depth, parts);
        }
    }
}

fn judge(context: &Context<'_>, tree: &Tree<'_>, part: &Part<'_>) -> Option<Diagnostic> {
    let Part { path: names, option, value, place, when } = part;
    let finding = match &value.kind {
        _ if holds_literal(names, &value.kind) => {
            let message = format!("the secret `{option}` of `{}` is written in the configuration", tree.name);
            let at = value.place.as_ref().unwrap_or(place);
            let mut finding = unshown(context, RULE.judged(context.tree, when, at.clone(), message));
            // Test machines and live systems have one on purpose; and a service's may be a setting that means something else.
            if !is_surely_secret(names) {
                finding.severity = finding.severity.min(Severity::Warning);
            }
            finding
        }
        // What is in such a file is no secret by the option's name, but by its own.
        _ if names_variables(names) => {
            let at = value.place.clone().unwrap_or_else(|| place.clone());
            let file = file_in_store(context, value, &at);
            let has_text = file.is_none() && made_in_store(context, &at, &has_secret_variable);
            let message = match file {
                Some(file) => {
                    let text = read_text(context.tree, &TreePath::new(&file).ok()?, FILE_LIMIT).ok()?;
                    has_secret_variable(&text).then(|| {
                        format!("`{option}` is the file `{file}` of the repository, which is in the Nix store")
                    })?
                }
                None => has_text
                    .then(|| format!("`{option}` is a file that is made in the Nix store, with the secret in it"))?,
            };
            let finding = RULE.judged(context.tree, when, at, message);
            let mut finding = if has_text { unshown(context, finding) } else { finding };
            finding.severity = finding.severity.min(Severity::Warning);
            finding
        }
        kind if names_file(names) || is_identities(names) || is_host_key(names) => {
            let at = value.place.clone().unwrap_or_else(|| place.clone());
            let mut has_text = false;
            // A key by itself may look like a variable.
            let may_be_variables =
                names.names().last().is_some_and(|name| plain_name(name).ends_with("credentialsfile"));
            let is_made = || made_in_store(context, &at, &|text| !may_be_variables || !has_no_secret(text));
            // What age has encrypted is no secret; that the option wants it decrypted is another matter.
            let (at, message) = match kind {
                DataKind::Path(path) if !path.ends_with(".age") && is_copied(context, path, &at) => {
                    let shown = context.file_of(path).filter(|file| !is_encrypted(context, file.as_str()))?;
                    (at, format!("`{option}` is the file `{shown}` of the repository, which Nix copies into its store"))
                }
                DataKind::String(path) if is_in_store(path) => {
                    (at, format!("`{option}` is a file in the Nix store, which everybody on the machine can read"))
                }
                // Also the text of a path, in a flake.
                DataKind::String(_) => match stored(context, value) {
                    Some(file) if !file.ends_with(".age") && !is_encrypted(context, &file) => {
                        (at, format!("`{option}` is the file `{file}` of the repository, which is in the Nix store"))
                    }
                    _ => return None,
                },
                DataKind::Unknown(_) | DataKind::Failed(_) => match copied_at(context, &at) {
                    Some(file) if !file.ends_with(".age") && !is_encrypted(context, &file) => {
                        (at, format!("`{option}` is the file `{file}`, which Nix copies into its store"))
                    }
                    _ if is_made() => {
                        let message =
                            format!("`{option}` is a file that is made in the Nix store, with the secret in it");
                        has_text = true;
                        (at, message)
                    }
                    _ => return None,
                },
                _ => return None,
            };
            let mut finding = RULE.judged(context.tree, when, at, message);
            if !is_identities(names) && !is_host_key(names) {
                finding.severity = finding.severity.min(Severity::Warning);
            }
            if has_text { unshown(context, finding) } else { finding }
        }
        _ => {
            let at = value.place.clone().unwrap_or_else(|| place.clone());
            let is_file = is_file_of_passwords(context, names, value, &at);
            let message = if is_file {
                format!("`{option}` is a file of the repository with a password in it, which is in the Nix store")
            } else if has_password_in(context, names, value, &at) {
                format!("the text of `{option}` of `{}` has a password in it", tree.name)
            } else if made_as(context, &at, &|name, text| {
                text.is_some_and(|text| is_text_of_passwords(names, name, text))
            }) {
                format!("`{option}` is a file that is made in the Nix store, with a password in it")
            } else {
                return None;
            };
            let finding = RULE.judged(context.tree, when, at, message);
            let mut finding = if is_file { finding } else { unshown(context, finding) };
            finding.severity = finding.severity.min(Severity::Warning);
            finding
        }
    };
    Some(
        finding
            .with_help("encrypt it with agenix, and name the decrypted file: `config.age.secrets.<name>.path`")
            .with_data("machine", &*tree.name)
            .with_data("option", option.clone()),
    )
}

/// A finding at the text of a secret. What is marked is shown, with the lines that it stands on: so nothing is marked
/// there, and the line is told instead.
pub(crate) fn unshown(context: &Context<'_>, mut finding: Diagnostic) -> Diagnostic {
    let Some(span) = finding.place.span.take() else { return finding };
    let file = finding.place.file.clone();
    let text = TreePath::new(&file).ok().and_then(|path| read_text(context.tree, &path, FILE_LIMIT).ok());
    let Some(text) = text else {
        finding.related.retain(|related| related.place.file != file);
        return finding;
    };
    let lines = LineIndex::new(&text);
    let lines_of = |span: Span| {
        let line = |offset| lines.position(&text, offset).line;
        line(span.start)..=line(span.end)
    };
    let secret = lines_of(span);
    finding.related.retain(|related| {
        let shown = related.place.span.filter(|_| related.place.file == file).map(lines_of);
        shown.is_none_or(|shown| shown.end() < secret.start() || secret.end() < shown.start())
    });
    let line = *secret.start();
    finding.with_note(format!("it begins in line {line}")).with_data("line", line)
}

/// The file of the repository that an option copies into the store.
fn file_in_store(context: &Context<'_>, value: &Data, at: &Place) -> Option<Arc<str>> {
    match &value.kind {
        DataKind::Path(path) if is_copied(context, path, at) => context.file_of(path).map(|file| file.to_arc()),
        _ => stored(context, value),
    }
}

/// Whether an option makes a well-known file of one of the repository, with a password in it.
fn is_file_of_passwords(context: &Context<'_>, path: &OptionPath, value: &Data, at: &Place) -> bool {
    let Some(name) = file_of(path, "source") else { return false };
    let file = file_in_store(context, value, at).and_then(|file| TreePath::new(&file).ok());
    file.and_then(|file| read_text(context.tree, &file, FILE_LIMIT).ok())
        .is_some_and(|text| !is_ciphertext(&text) && has_password(name, &text))
}

/// The file whose text an option is, or goes into.
fn file_of_text(path: &OptionPath) -> Option<&str> {
    let names: Vec<&str> = path.names().iter().map(|name| &**name).collect();
    match names.as_slice() {
        ["networking", "wireless", "extraConfig"] | ["networking", "supplicant", _, "extraConf"] => {
            return Some("wpa_supplicant.conf");
        }
        ["services", "pppd", "peers", _, "config"] | ["services", "pptpd" | "xl2tpd", "extraPppdOptions"] => {
            return Some("ppp/peers/x");
        }
        _ => {}
    }
    file_of(path, "text")
}

/// The file that an option of NixOS or home-manager makes, by an attribute of it.
fn file_of<'p>(path: &'p OptionPath, attribute: &str) -> Option<&'p str> {
    match path.names() {
        [environment, etc, file, last] if (&**environment, &**etc, &**last) == ("environment", "etc", attribute) => {
            Some(file)
        }
        [.., home, kind, file, last]
            if **last == *attribute
                && matches!(
                    (&**home, &**kind),
                    ("home", "file") | ("xdg", "configFile" | "dataFile" | "stateFile")
                ) =>
        {
            Some(file)
        }
        _ => None,
    }
}

/// Whether an option is the text of a file that has a password in it, as far as it is known or written.
fn has_password_in(context: &Context<'_>, path: &OptionPath, value: &Data, at: &Place) -> bool {
    let Some(file) = file_of_text(path) else { return false };
    match &value.kind {
        DataKind::String(text) => has_password(file, text),
        DataKind::Unknown(_) | DataKind::Failed(_) => {
            let is_etc = path.names().first().is_some_and(|first| **first == *"environment");
            texts_of(context, value, at).iter().any(|text| {
                let text = text.without_holes();
                has_password(file, &text) || (is_etc && has_secret_line(&text))
            })
        }
        _ => false,
    }
}

/// Whether a file that is made has passwords, by the name that it is given or by the option that takes it.
fn is_text_of_passwords(path: &OptionPath, name: &str, text: &str) -> bool {
    let names = path.names();
    let last = names.last().map(|last| &**last).unwrap_or_default();
    let around = names.len().checked_sub(2).and_then(|at| names.get(at)).map(|name| &**name).unwrap_or_default();
    let own = if last == "source" { around } else { last };
    has_password(name, text) || has_password(own, text)
}

fn names_file(path: &OptionPath) -> bool {
    path.names().last().is_some_and(|name| {
        let name = plain_name(name);
        FILES.iter().any(|end| name.ends_with(end))
    })
}

/// Whether it takes a file of variables, which may have a secret or none.
fn names_variables(path: &OptionPath) -> bool {
    path.names().last().is_some_and(|name| {
        let name = plain_name(name);
        name.ends_with("environmentfile") || name.ends_with("environmentfiles")
    })
}

/// Whether it is a host key of the SSH server.
fn is_host_key(path: &OptionPath) -> bool {
    let names: Vec<&str> = path.names().iter().map(|name| &**name).collect();
    match names.as_slice() {
        ["services", "openssh", "hostKeys", "path"] => true,
        ["environment", "etc", file, "source"] => file.starts_with("ssh/ssh_host_") && !file.ends_with(".pub"),
        _ => false,
    }
}

/// The lines of a file of variables, each as a name and a value; `None` for a line that is something else.
fn variables(text: &str) -> impl Iterator<Item = Option<(&str, &str)>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        is_name_of_variable(name).then_some((name, value))
    })
}

/// Whether a file of variables has one that is a secret.
fn has_secret_variable(text: &str) -> bool {
    variables(text).flatten().any(|(name, value)| {
        let is_written = value.chars().any(|c| c != COMPUTED && !c.is_whitespace() && c != '"');
        is_written && (name.starts_with("PSK") || is_secret_variable(name, "secret"))
    })
}

/// Whether a text is a list of variables of which none is a secret, or names the file of one.
fn has_no_secret(text: &str) -> bool {
    let mut variables = variables(text).peekable();
    variables.peek().is_some()
        && variables.all(|variable| {
            let Some((name, value)) = variable else { return false };
            let plain = plain_name(name);
            let names_file = plain.ends_with("file") || plain.ends_with("path");
            let may_be_secret = ["cred", "key", "pass", "pat", "psk", "pw", "secret", "token"];
            let is_secret = may_be_secret.iter().any(|part| plain.contains(part)) && !names_file;
            // `postgres://user:password@host`
            !(is_secret || (value.contains("://") && value.contains('@')))
        })
}

/// Whether it is where the keys are that decrypt the secrets.
fn is_identities(path: &OptionPath) -> bool {
    matches!(path.names(), [.., age, last] if **age == *"age" && **last == *"identityPaths")
}

/// Whether it is a list of variables for a unit, as systemd takes them: `NAME=value`.
fn is_variables(path: &OptionPath) -> bool {
    matches!(path.names(), [.., unit, last] if **unit == *"serviceConfig" && **last == *"Environment")
}

/// Whether it is another list whose texts are looked at.
fn is_list_of_texts(path: &OptionPath) -> bool {
    match path.names() {
        [first, last] => **first == *"boot" && **last == *"kernelParams",
        [first, _, last] => {
            (**first == *"fileSystems" && **last == *"options") || (**first == *"nix" && **last == *"access-tokens")
        }
        _ => false,
    }
}

/// Whether a text has a token for a host, as Nix takes them.
fn has_access_token(text: &str) -> bool {
    text.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .any(|(host, token)| host.contains('.') && is_plain(token))
}

/// Whether it is a variable in an environment.
fn is_variable_of(names: &[&str]) -> bool {
    matches!(
        names,
        ["systemd", .., "environment", _]
            | ["environment", "variables" | "sessionVariables", _]
            | ["virtualisation", "oci-containers", "containers", _, "environment", _]
            | [.., "home", "sessionVariables", _]
    )
}

/// How variables are called that have secrets, besides [`SECRETS`].
const VARIABLES: [&str; 6] = ["accesskey", "passwd", "privatekey", "secret", "token", "apikey"];

/// Whether a variable is called like a secret, and its value may be one.
fn is_secret_variable(name: &str, value: &str) -> bool {
    let plain = plain_name(name);
    let is_called = is_called_secret(name) || VARIABLES.iter().any(|end| plain.ends_with(end));
    // Switches and numbers are none; `%d` is where systemd puts credentials.
    let is_number = value.len() < 5 && value.chars().all(|c| c.is_ascii_digit());
    let is_switch = is_number || ["true", "yes", "no", "off", "on"].contains(&value);
    is_called && !is_switch && !value.starts_with('%') && is_plain(value)
}

/// Whether a file has a line that gives a secret: `psk=…`, `password: …`.
fn has_secret_line(text: &str) -> bool {
    text.lines().any(|line| {
        let Some((name, value)) = line.split_once('=').or_else(|| line.split_once(": ")) else { return false };
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        let is_word = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
        let is_called = name == "psk" || is_called_secret(name);
        is_word
            && is_called
            && !value.is_empty()
            // What is called is not written here.
            && !value.contains(|c: char| c.is_whitespace() || c == '(' || c == COMPUTED)
            && is_secret_variable("secret", value)
    })
}

/// Whether a parameter of the kernel is a secret, but for those that unlock disks.
fn has_secret_parameter(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    if gives_passphrase(name, value).is_some() {
        return false;
    }
    let (name, value) = match name {
        "systemd.set_credential" | "systemd.set_credential_binary" => value.split_once(':').unwrap_or_default(),
        _ => (name, value),
    };
    // Credentials may be called after what they are for: `passwd.plaintext-password.root`.
    name.split('.').any(|part| is_secret_variable(&part.replace('-', ""), value))
}

/// Whether an option has a secret as its value, or in the sets of a list.
fn holds_literal(path: &OptionPath, value: &DataKind) -> bool {
    let names: Vec<&str> = path.names().iter().map(|name| &**name).collect();
    match (names.as_slice(), value) {
        (
            ["networking", "wireguard" | "wg-quick", "interfaces", _, "privateKey"]
            | ["networking", "wireguard" | "wg-quick", "interfaces", _, "peers", "presharedKey"]
            | ["networking", "wireless", "networks", _, "psk" | "pskRaw"]
            | ["services", "openvpn", "servers", _, "authUserPass", "password"]
            | ["systemd", "network", "netdevs", _, "wireguardConfig", "PrivateKey"]
            | ["systemd", "network", "netdevs", _, "wireguardPeers", "PresharedKey"]
            | ["systemd", "network", "netdevs", _, "wireguardPeers", "wireguardPeerConfig", "PresharedKey"]
            | ["users", "users", _, "password"],
            DataKind::String(text),
        ) => is_literal(text),
        // `envsubst` puts variables in their places, whatever the case of their names.
        (["networking", "networkmanager", "ensureProfiles", "profiles", _, _, name], DataKind::String(text)) => {
            (*name == "psk" && is_literal(text) && !text.starts_with('$')) || (is_called_secret(name) && is_plain(text))
        }
        // `github.com=…`, also several.
        (["nix", "settings", "access-tokens"], DataKind::String(text)) => has_access_token(text),
        (["nix", "extraOptions"], DataKind::String(text)) => text.lines().any(|line| {
            let (name, value) = line.split_once('=').unwrap_or_default();
            matches!(name.trim(), "access-tokens" | "extra-access-tokens") && has_access_token(value)
        }),
        (["boot", "kernelParams"], DataKind::String(text)) => text.split_whitespace().any(has_secret_parameter),
        (["fileSystems", _, "options"], DataKind::String(text)) => text.split(',').any(|option| {
            let (name, value) = option.split_once('=').unwrap_or_default();
            matches!(name, "pass" | "passwd" | "password") && is_plain(value)
        }),
        (["networking", "wireless", "networks", _, "auth"], DataKind::String(text)) => text.lines().any(|line| {
            let (name, value) = line.split_once('=').unwrap_or_default();
            matches!(name.trim(), "psk" | "password") && is_literal(value.trim().trim_matches('"'))
        }),
        (["systemd", .., "serviceConfig", "Environment"], DataKind::String(text)) => {
            let words = text.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
            words.filter_map(|word| word.split_once('=')).any(|(name, value)| is_secret_variable(name, value))
        }
        (["environment", "etc", _, "text"], DataKind::String(text)) => has_secret_line(text),
        (names @ [.., name], DataKind::String(text)) if is_variable_of(names) => is_secret_variable(name, text),
        (["services", "k3s" | "rke2", "token" | "agentToken"], DataKind::String(text)) => is_plain(text),
        // Transmission hashes it, and knows a hash by its brace.
        (["services", "transmission", .., "rpc-password"], DataKind::String(text)) if text.starts_with('{') => false,
        (["services" | "programs", _, .., name], DataKind::String(text)) => {
            let holds_so_long = name.ends_with("token") && names.contains(&"lifespans") && is_duration(text);
            is_called_secret(name) && is_plain(text) && !holds_so_long
        }
        _ => false,
    }
}

/// Whether an option can have nothing but a secret that is meant to be kept.
fn is_surely_secret(path: &OptionPath) -> bool {
    match path.names() {
        [first, ..] if ["boot", "environment", "home", "programs", "users", "virtualisation"].contains(&&**first) => {
            false
        }
        [first, second, ..] if **first == *"systemd" => **second == *"network",
        [first, second, ..] if **first == *"services" => **second == *"openvpn",
        _ => true,
    }
}

/// How services name their secrets, without `_` and in small letters.
const SECRETS: [&str; 13] = [
    "accesstoken",
    "apikey",
    "apitoken",
    "authtoken",
    "passphrase",
    "auth-secret",
    "admintoken",
    "clientsecret",
    "password",
    "preauthkey",
    "secretaccesskey",
    "secretkey",
    "sharedsecret",
];

/// Whether an attribute is called like a secret. A first password is there to be changed, and a hash is none.
pub(super) fn is_called_secret(name: &str) -> bool {
    // Options have no `-`: with one it is a name that people gave to something.
    let name = plain_name(name);
    let is_other = ["initial", "default", "hashed", "existing", "imagepull", "disable", "ask"]
        .iter()
        .any(|begin| name.starts_with(begin));
    !is_other && SECRETS.iter().any(|end| name.ends_with(end))
}

/// A name without `_` and in small letters.
fn plain_name(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

/// What says that a service has no secret, or makes one itself.
const NO_SECRETS: [&str; 8] = ["disable", "disabled", "false", "generate", "none", "null", "unnecessary", "unused"];

/// How a setting begins that says where the secret is: a file, a variable, a tag of YAML.
const REFERENCES: [&str; 9] = ["$", "./", "/", "<", "ENV[", "env:", "file:", "http://", "https://"];

/// What programs put something in the place of, within a setting.
const REPLACED: [&str; 5] = ["${", "$__", "%(", "%env(", "{{"];

/// Whether a setting is a text for what it says, and not where to find it.
pub(crate) fn is_plain(text: &str) -> bool {
    let is_tag = text.strip_prefix('!').is_some_and(|tag| tag.contains(' '));
    let is_braced = text.starts_with('{') && text.ends_with('}');
    let refers = is_tag
        || is_braced
        || is_ciphertext(text)
        || (text.contains(' ') && text.to_ascii_lowercase().contains("placeholder"))
        || REFERENCES.iter().any(|begin| text.starts_with(begin))
        || REPLACED.iter().any(|part| text.contains(part));
    is_literal(text) && !refers && !NO_SECRETS.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// How long something holds, as in `access_token = "1 week"`.
fn is_duration(text: &str) -> bool {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_unit = |unit: &str| {
        let unit = unit.strip_suffix('s').filter(|unit| unit.len() > 2).unwrap_or(unit);
        [
            "ms", "s", "m", "h", "d", "w", "M", "y", "sec", "second", "min", "minute", "hour", "day", "week", "month",
            "year",
        ]
        .contains(&unit)
    };
    unit.len() < text.len() && is_unit(unit.trim_start())
}

/// Whether a file was put into the store; what age has encrypted may be there.
fn is_in_store(path: &str) -> bool {
    path.starts_with("/nix/store/") && !path.ends_with(".age")
}

/// `ext:…`, `@…@` and `$…` stand for what is read when the service starts, also where only the hash of a password is.
fn is_literal(text: &str) -> bool {
    let given = text.strip_prefix("hash:").unwrap_or(text);
    let is_reference = given.starts_with("ext:") || is_variable(given) || between_ats(given);
    !text.is_empty() && !is_reference && !is_placeholder(text)
}

/// `$NAME` and `${NAME}`.
fn is_variable(text: &str) -> bool {
    let Some(name) = text.strip_prefix('$') else { return false };
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    is_name_of_variable(name)
}

/// Whether a variable stands somewhere between two `@`.
fn between_ats(text: &str) -> bool {
    let parts: Vec<&str> = text.split('@').collect();
    (text.len() > 1 && text.starts_with('@') && text.ends_with('@'))
        || parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| is_name_of_variable(part))
}

fn is_name_of_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// Whether a text in capitals says that a secret is to be put in its place.
fn is_placeholder(text: &str) -> bool {
    let is_capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || " _-<>{}[]".contains(c);
    (text.contains("REPLACE") || text.contains("PLACEHOLDER")) && text.chars().all(is_capital)
}

//! `secret-in-store`: a secret that an option copies into the Nix store.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::DataKind;
use bulkhead_modules::OptionPath;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::secret_mention::copied_at;
use crate::trees::{When, written};
use crate::unlock::unlock_key_in_store::is_copied;

pub(crate) const RULE: Rule = Rule {
    name: "secret-in-store",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is written in the configuration, or is a file that Nix copies into its store.",
    docs: "\
An option that is for a secret has it as text (a WireGuard `privateKey` or `presharedKey`, a WiFi `psk`, a user's
`password`, that of OpenVPN's `authUserPass`); or (a warning) an option that names the file of one (`passwordFile`,
`privateKeyFile`, `tokenFile`, …) is a path of the repository, which Nix copies into its store, or a file that is made
there (`builtins.toFile`, `pkgs.writeText`).

**Why it matters.** Everybody on the machine can read the store, and it goes wherever the configuration goes.

**Fix.** Encrypt it with agenix, and name the decrypted file. Change the secret: the old one is in the history.

```nix
# bad
networking.wireguard.interfaces.wg0.privateKeyFile = ./wg0.key;
# good
networking.wireguard.interfaces.wg0.privateKeyFile = config.age.secrets.wg0.path;
```

**Limits.** A user's `password` is a warning: test machines have one on purpose. Options are recognised by their
names: secrets in other options, in `environment.etc`, in scripts and in `environment` of units are not seen; nor are
files that may hold no secret (`environmentFile`), values that are not known, modules that can't be read (those of
flake inputs), and `initialPassword`, which is there to be changed. The text of a secret is not shown.

**Data.** `machine`: the machine. `option`: the option.
",
    check: Some(check),
};

/// How names of options end that take the path of a secret.
const FILES: [&str; 11] = [
    "passwordFile",
    "PasswordFile",
    "privateKeyFile",
    "presharedKeyFile",
    "secretFile",
    "secretKeyFile",
    "tokenFile",
    "TokenFile",
    "authKeyFile",
    "credentialsFile",
    "SecretFile",
];

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for named in tree.definitions() {
            let definition = &named.definition;
            // That of the VPN has a rule of its own.
            let is_vpn = named.path.names().first().is_some_and(|name| &**name == "vpn");
            if is_vpn {
                continue;
            }
            let place = definition.place().cloned().unwrap_or_else(|| named.place());
            let option = definition.path.to_string();
            let when = When::of(&definition.condition);
            let finding = match &definition.value.kind {
                _ if holds_literal(&definition.path, &definition.value.kind) => {
                    let message = format!("the secret `{option}` of `{}` is written in the configuration", tree.name);
                    // What is marked is shown.
                    let mut finding = RULE.judged(context.tree, &when, Place::file(place.file), message);
                    // Test machines and live systems have one on purpose.
                    if definition.path.names().first().is_some_and(|name| &**name == "users") {
                        finding.severity = finding.severity.min(Severity::Warning);
                    }
                    finding
                }
                DataKind::Path(path) if names_file(&definition.path) => {
                    let at = definition.value.place.clone().unwrap_or(place);
                    // What age has encrypted is no secret; that the option wants it decrypted is another matter.
                    if path.ends_with(".age") || !is_copied(context, path, &at) {
                        continue;
                    }
                    let Some(shown) = context.file_of(path) else { continue };
                    let message =
                        format!("`{option}` is the file `{shown}` of the repository, which Nix copies into its store");
                    let mut finding = RULE.judged(context.tree, &when, at, message);
                    finding.severity = finding.severity.min(Severity::Warning);
                    finding
                }
                DataKind::String(path) if names_file(&definition.path) && is_in_store(path) => {
                    let at = definition.value.place.clone().unwrap_or(place);
                    let message =
                        format!("`{option}` is a file in the Nix store, which everybody on the machine can read");
                    let mut finding = RULE.judged(context.tree, &when, at, message);
                    finding.severity = finding.severity.min(Severity::Warning);
                    finding
                }
                DataKind::Unknown(_) | DataKind::Failed(_) if names_file(&definition.path) => {
                    let at = definition.value.place.clone().unwrap_or(place);
                    let is_made = written(context.tree, &at).is_some_and(|text| text.contains("writeText"));
                    let copied = copied_at(context, &at);
                    let message = match copied.filter(|file| !file.ends_with(".age")) {
                        Some(file) => format!("`{option}` is the file `{file}`, which Nix copies into its store"),
                        None if is_made => {
                            format!("`{option}` is a file that is made in the Nix store, with the secret in it")
                        }
                        None => continue,
                    };
                    let mut finding =
                        RULE.judged(context.tree, &when, if is_made { Place::file(at.file) } else { at }, message);
                    finding.severity = finding.severity.min(Severity::Warning);
                    finding
                }
                _ => continue,
            };
            if !tree.counts(named) {
                continue;
            }
            found.push(
                finding
                    .with_help("encrypt it with agenix, and name the decrypted file: `config.age.secrets.<name>.path`")
                    .with_data("machine", &*tree.name)
                    .with_data("option", option),
            );
        }
    }
}

fn names_file(path: &OptionPath) -> bool {
    path.names().last().is_some_and(|name| FILES.iter().any(|end| name.ends_with(end)))
}

/// Whether an option has a secret as its value, or in the sets of a list.
fn holds_literal(path: &OptionPath, value: &DataKind) -> bool {
    let names: Vec<&str> = path.names().iter().map(|name| &**name).collect();
    match (names.as_slice(), value) {
        (
            ["networking", "wireguard" | "wg-quick", "interfaces", _, "privateKey"]
            | ["networking", "wireless", "networks", _, "psk" | "pskRaw"]
            | ["services", "openvpn", "servers", _, "authUserPass", "password"]
            | ["systemd", "network", "netdevs", _, "wireguardConfig", "PrivateKey"]
            | ["users", "users", _, "password"],
            DataKind::String(text),
        ) => is_literal(text),
        (["networking", "wireless", "networks", _, "auth"], DataKind::String(text)) => text.lines().any(|line| {
            let (name, value) = line.split_once('=').unwrap_or_default();
            matches!(name.trim(), "psk" | "password") && is_literal(value.trim().trim_matches('"'))
        }),
        (["networking", "wireguard" | "wg-quick", "interfaces", _, "peers"], DataKind::List(peers)) => {
            peers.iter().any(|peer| match &peer.kind {
                DataKind::Attrs(set) => set
                    .attrs
                    .get("presharedKey")
                    .is_some_and(|field| matches!(&field.value.kind, DataKind::String(text) if is_literal(text))),
                _ => false,
            })
        }
        _ => false,
    }
}

/// Whether a file was put into the store; what age has encrypted may be there.
fn is_in_store(path: &str) -> bool {
    path.starts_with("/nix/store/") && !path.ends_with(".age")
}

/// `ext:…` and `@…@` stand for what is read when the service starts.
fn is_literal(text: &str) -> bool {
    let is_reference = text.starts_with("ext:") || (text.starts_with('@') && text.ends_with('@'));
    !text.is_empty() && !is_reference
}

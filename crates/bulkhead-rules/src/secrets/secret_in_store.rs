//! `secret-in-store`: a secret that an option copies into the Nix store.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::DataKind;
use bulkhead_modules::OptionPath;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::When;
use crate::unlock::unlock_key_in_store::is_copied;

pub(crate) const RULE: Rule = Rule {
    name: "secret-in-store",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is written in the configuration, or is a file that Nix copies into its store.",
    docs: "\
An option that is for a secret has it as text (a WireGuard `privateKey`, a WiFi `psk`, the password of OpenVPN's
`authUserPass`); or
(a warning) an option that names the file of one (`passwordFile`, `privateKeyFile`, `tokenFile`, …) is a path of the
repository,
which Nix copies into its store.

**Why it matters.** Everybody on the machine can read the store, and it goes wherever the configuration goes.

**Fix.** Encrypt it with agenix, and name the decrypted file. Change the secret: the old one is in the history.

```nix
# bad
networking.wireguard.interfaces.wg0.privateKeyFile = ./wg0.key;
# good
networking.wireguard.interfaces.wg0.privateKeyFile = config.age.secrets.wg0.path;
```

**Limits.** Options are recognised by their names. The text of a secret is not shown.

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
            let Some(place) = definition.place().cloned().filter(|_| !is_vpn) else { continue };
            let option = definition.path.to_string();
            let when = When::of(&definition.condition);
            let finding = match &definition.value.kind {
                DataKind::String(text) if holds_secret(&definition.path) && is_literal(text) => {
                    let message =
                        format!("the secret `{option}` of `{}` is written in the configuration", tree.machine.name);
                    // What is marked is shown.
                    RULE.judged(context.tree, &when, Place::file(place.file), message)
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
                _ => continue,
            };
            found.push(
                finding
                    .with_help("encrypt it with agenix, and name the decrypted file: `config.age.secrets.<name>.path`")
                    .with_data("machine", &*tree.machine.name)
                    .with_data("option", option),
            );
        }
    }
}

fn names_file(path: &OptionPath) -> bool {
    path.names().last().is_some_and(|name| FILES.iter().any(|end| name.ends_with(end)))
}

/// Whether an option has a secret as its value.
fn holds_secret(path: &OptionPath) -> bool {
    let names: Vec<&str> = path.names().iter().map(|name| &**name).collect();
    matches!(
        names.as_slice(),
        ["networking", "wireguard", "interfaces", _, "privateKey"]
            | ["networking", "wg-quick", "interfaces", _, "privateKey"]
            | ["networking", "wireless", "networks", _, "psk" | "pskRaw"]
            | ["services", "openvpn", "servers", _, "authUserPass", "password"]
    )
}

/// `ext:…` and `@…@` stand for what is read when the service starts.
fn is_literal(text: &str) -> bool {
    let is_reference = text.starts_with("ext:") || (text.starts_with('@') && text.ends_with('@'));
    !text.is_empty() && !is_reference
}

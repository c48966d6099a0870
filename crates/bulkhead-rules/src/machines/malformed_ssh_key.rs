//! `malformed-ssh-key`: a text that is no public key where one belongs.

use bulkhead_age::KeyErrorKind;
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Key, KeySource};

use super::written_keys::{WrittenKey, written_keys};
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "malformed-ssh-key",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "A machine's properties have something that is no public key where one belongs.",
    docs: "\
`hostKey`, `userKeys`, `deployKeys`, `remoteUnlock.hostKey` or `admins` has a text that is not one whole public key: cut
off, with characters missing, with a host name or options before it, of a type that does not exist, or a private key.

**Why it matters.** SSH refuses the key, so that people lock themselves out; agenix fails for every secret that is meant
for it. A private key in a repository is leaked.

**Fix.** Copy the one line of the `.pub` file. After a private key was committed: make a new one, and replace what the
old one opened.

```nix
# bad: the end is missing
hostKey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup\";
# good
hostKey = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH s0\";
```

**Limits.** Host, user and admin keys may also be recipients of age (`age1…`). Keys in rules files are judged by
`rule-refused-by-agenix`. A private key is never shown, and the place is then the whole file.

**Data.** `machine`: its name, or null for `admins`. `use`: `host key`, `user key`, `deploy key`, `unlock key` or
`admin key`.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for written in written_keys(context.fleet) {
        let finding = match written.key.recipient() {
            Err(error) => {
                let finding = finding(&written, &error.message);
                match &error.help {
                    Some(help) => finding.with_help(help.clone()),
                    None => finding.with_help("write the whole line of its .pub file, as ssh-keygen has made it"),
                }
            }
            Ok(recipient) if written.used.is_for_ssh() && recipient.ssh().is_none() => {
                finding(&written, "it is a recipient of age, which SSH can't use").with_help("ssh-keygen -t ed25519")
            }
            Ok(_) => continue,
        };
        found.push(
            finding.with_data("machine", serde_json::json!(written.machine)).with_data("use", written.used.noun()),
        );
    }
}

fn finding(written: &WrittenKey<'_>, problem: &str) -> Diagnostic {
    let mut finding =
        RULE.finding(at_key(written.key), format!("{} is not a public key: {problem}", written.describe()));
    if let KeySource::File(path) = &written.key.source {
        finding = finding.with_related(Place::file(path.to_arc()), "it is read from here");
    }
    finding
}

/// The place of a key; the whole file if it is a private one, since what is marked is shown.
pub(crate) fn at_key(key: &Key) -> Place {
    match key.recipient() {
        Err(error) if matches!(error.kind, KeyErrorKind::PrivateKey(_)) => Place::file(key.place.file.clone()),
        _ => key.place.clone(),
    }
}

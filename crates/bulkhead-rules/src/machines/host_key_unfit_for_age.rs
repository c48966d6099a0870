//! `host-key-unfit-for-age`: a host key of a type that age can't encrypt to.

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::written_keys::{Use, written_keys};
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "host-key-unfit-for-age",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "A machine's host key is of a type that age can't encrypt to.",
    docs: "\
`hostKey` is of type `ecdsa-…`, `sk-…`, `ssh-dss`, or a certificate. age encrypts to `ssh-ed25519` and `ssh-rsa` keys
only.

**Why it matters.** The machine can never read a secret, and agenix fails for every secret that is granted to it.

**Fix.** Write the machine's ed25519 key: `ssh-keyscan -t ed25519 HOST`, without the host name in front.

```nix
# bad
hostKey = \"ecdsa-sha2-nistp256 AAAA…\";
# good
hostKey = \"ssh-ed25519 AAAA…\";
```

**Data.** `machine`: its name. `type`: the key's type.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for written in written_keys(context.fleet).filter(|written| written.used == Use::Host) {
        let Some(ssh) = written.key.recipient().ok().and_then(|recipient| recipient.ssh()) else { continue };
        if ssh.kind().age_can_encrypt() {
            continue;
        }
        let machine = written.machine.unwrap_or_default();
        let message = format!("`{machine}` can't read secrets: age can't encrypt to `{}` keys", ssh.algorithm());
        let host = context.fleet.machines_named(machine).find_map(|(_, found)| found.host_names.iter().next());
        let host = host.map_or(machine, |name| &name.value);
        found.push(
            RULE.finding(written.key.place.clone(), message)
                .with_label("not a key for age")
                .with_help(format!("write the host's ed25519 key\nssh-keyscan -t ed25519 {host}"))
                .with_data("machine", machine)
                .with_data("type", ssh.algorithm()),
        );
    }
}

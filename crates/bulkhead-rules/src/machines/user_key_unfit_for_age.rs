//! `user-key-unfit-for-age`: a key of a person that age can't encrypt to.

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::written_keys::{Use, written_keys};
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "user-key-unfit-for-age",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "A user key or an admin key is of a type that age can't encrypt to.",
    docs: "\
A key in `userKeys` or `admins` is of type `sk-…`, `ecdsa-…`, `ssh-dss`, or a certificate. Such keys are meant to
decrypt every secret; age encrypts to `ssh-ed25519` and `ssh-rsa` keys and to its own recipients only.

**Why it matters.** agenix fails for every secret that lists the key, which is all of them.

**Fix.** For a key on hardware use a plugin of age, such as `age-plugin-yubikey`, and write its recipient; or use a
key of type ed25519. Keys that only log in belong in the machine's own configuration.

```nix
# bad
userKeys = [ \"sk-ssh-ed25519@openssh.com AAAA…\" ];
# good
userKeys = [ \"age1yubikey1…\" ];
```

**Data.** `machine`: its name, or null for `admins`. `type`: the key's type.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for written in written_keys(context.fleet).filter(|written| matches!(written.used, Use::User | Use::Admin)) {
        let Some(ssh) = written.key.recipient().ok().and_then(|recipient| recipient.ssh()) else { continue };
        if ssh.kind().age_can_encrypt() {
            continue;
        }
        let message =
            format!("{} can't decrypt anything: age can't encrypt to `{}` keys", written.describe(), ssh.algorithm());
        found.push(
            RULE.finding(written.key.place.clone(), message)
                .with_label("not a key for age")
                .with_help("write a key of type ssh-ed25519, or the recipient of an age plugin (age1yubikey1…)")
                .with_data("machine", serde_json::json!(written.machine))
                .with_data("type", ssh.algorithm()),
        );
    }
}

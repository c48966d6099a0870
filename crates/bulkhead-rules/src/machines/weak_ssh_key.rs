//! `weak-ssh-key`: a well-formed key that protects nothing, or that age or rage refuses.

use bulkhead_age::Weakness;
use bulkhead_diagnostics::{Diagnostic, Severity};

use super::written_keys::{WrittenKey, written_keys};
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "weak-ssh-key",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "A key is too short, obsolete or no real key, so that it protects nothing or is refused.",
    docs: "\
A key in a machine's properties or in `admins` is RSA of less than 2048 bits, DSA, or an Ed25519 key that is no point of
the curve or one of small order. RSA of more than 4096 bits is a warning: rage, and so ragenix, refuses it.

**Why it matters.** Short RSA keys can be broken, DSA is removed from OpenSSH, and what is encrypted to a point of small
order can be read by everybody. No private key belongs to a point off the curve: a character was changed.

**Fix.** Make a new key: `ssh-keygen -t ed25519`. For a host: remove `/etc/ssh/ssh_host_rsa_key` and let
`services.openssh.hostKeys` make one of type ed25519.

```nix
# bad: a 1024-bit key
hostKey = \"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ…\";
# good
hostKey = \"ssh-ed25519 AAAA…\";
```

**Data.** `machine`: its name, or null for `admins`. `use`: as in `malformed-ssh-key`.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for written in written_keys(context.fleet) {
        let weaknesses = context.weaknesses(written.key.identity());
        found.extend(weaknesses.iter().map(|weakness| finding(&written, weakness)));
    }
}

fn finding(written: &WrittenKey<'_>, weakness: &Weakness) -> Diagnostic {
    let mut finding = RULE
        .finding(written.key.place.clone(), format!("{} is unfit: {weakness}", written.describe()))
        .with_help("make a new one\nssh-keygen -t ed25519")
        .with_data("machine", serde_json::json!(written.machine))
        .with_data("use", written.used.noun());
    if !weakness.age_refuses() {
        finding.severity = Severity::Warning;
    }
    finding
}

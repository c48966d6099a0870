//! `world-readable-secret`: a decrypted secret that everybody on the machine can read.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{When, option};

pub(crate) const RULE: Rule = Rule {
    name: "world-readable-secret",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "Everybody on a machine can read a decrypted secret.",
    docs: "\
`mode` of a secret, in `age.secrets` or in `secrets/properties.nix`, lets everybody read the decrypted file.

**Why it matters.** Any user and any service of the machine has the secret, one that talks to the internet among them.

**Fix.** Say by `owner` or `group` who needs it.

```nix
# bad
age.secrets.wifi.mode = \"0444\";
# good
age.secrets.wifi = { owner = \"wpa_supplicant\"; mode = \"0400\"; };
```

**Data.** `secret`: the secret. `mode`: its mode. `machine`: the machine, for one in `age.secrets`.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for secret in &context.fleet.secrets {
        let Some(mode) = secret.mode.known().filter(|mode| is_open(&mode.value)) else { continue };
        let message = format!("everybody can read `{}` where it is decrypted: its mode is {}", secret.name, mode.value);
        found.push(finding(
            RULE.judged(context.tree, &When::default(), mode.place.clone(), message),
            &secret.name,
            &mode.value,
        ));
    }
    let secrets = option("age.secrets");
    for tree in context.trees() {
        for (name, _) in tree.children(&secrets) {
            for mode in tree.texts(&secrets.join(&name).join("mode"), None) {
                let Some(at) = mode.place.clone().filter(|_| is_open(&mode.value)) else { continue };
                let message = format!(
                    "everybody on `{}` can read the secret `{name}`: its mode is {}",
                    tree.machine.name, mode.value
                );
                let found_here = RULE.judged(context.tree, &mode.when, at, message);
                found.push(finding(found_here, &name, &mode.value).with_data("machine", &*tree.machine.name));
            }
        }
    }
}

fn finding(finding: Diagnostic, secret: &str, mode: &Arc<str>) -> Diagnostic {
    finding.with_help("say by `owner` or `group` who needs it").with_data("secret", secret).with_data("mode", &**mode)
}

/// Whether an octal mode lets everybody read.
fn is_open(mode: &str) -> bool {
    mode.len() >= 3
        && mode.bytes().all(|b| b.is_ascii_digit())
        && mode.bytes().last().is_some_and(|b| (b - b'0') & 4 != 0)
}

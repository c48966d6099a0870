//! `world-readable-secret`: a decrypted secret that everybody on the machine can read.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_modules::OptionPath;

use super::declared::declarations;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Tree, When};

pub(crate) const RULE: Rule = Rule {
    name: "world-readable-secret",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "Everybody on a machine can read a decrypted secret.",
    docs: "\
`mode` of a secret lets everybody read the decrypted file: in `secrets/properties.nix`, or in `age.secrets` of a
machine, of its users (home-manager), its containers and virtual machines.

**Why it matters.** Any user and any service of the machine has the secret, one that talks to the internet among them.

**Fix.** Say by `owner` or `group` who needs it.

```nix
# bad
age.secrets.wifi.mode = \"0444\";
# good
age.secrets.wifi = { owner = \"wpa_supplicant\"; mode = \"0400\"; };
```

**Limits.** Modes are read as chmod(1) reads them, octal or symbolic. Who may read the folder is not looked at, nor
what scripts do with a secret, nor modules that can't be read (those of flake inputs).

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
    for tree in context.all_trees().with_others() {
        for (secrets, _) in declarations(tree) {
            for (name, _) in tree.children(&secrets) {
                open_modes(context, tree, &secrets.join(&name).join("mode"), &name, found);
            }
        }
    }
}

/// What is told of the mode of a secret, which is the option at `path`.
fn open_modes(context: &Context<'_>, tree: &Tree<'_>, path: &OptionPath, name: &str, found: &mut Vec<Diagnostic>) {
    for (why, at) in tree.unknown(path) {
        let message = format!("can't tell whether everybody on `{}` can read the secret `{name}`: {why}", tree.name);
        let mut undecided = RULE.finding(at, message).with_label("its mode is not known");
        undecided.severity = Severity::Undecided;
        found.push(undecided.with_data("secret", name).with_data("machine", &*tree.name));
    }
    for mode in tree.texts(path, None) {
        let Some(at) = mode.place.clone().filter(|_| is_open(&mode.value)) else { continue };
        let message = format!("everybody on `{}` can read the secret `{name}`: its mode is {}", tree.name, mode.value);
        let found_here = RULE.judged(context.tree, &mode.when, at, message);
        found.push(finding(found_here, name, &mode.value).with_data("machine", &*tree.name));
    }
}

fn finding(finding: Diagnostic, secret: &str, mode: &Arc<str>) -> Diagnostic {
    finding.with_help("say by `owner` or `group` who needs it").with_data("secret", secret).with_data("mode", &**mode)
}

/// Whether a mode lets everybody read. agenix gives it to chmod(1), so it may have fewer digits than three, or be
/// symbolic; what agenix decrypts is closed to others before.
fn is_open(mode: &str) -> bool {
    if mode.bytes().all(|b| b.is_ascii_digit()) {
        return mode.bytes().last().is_some_and(|b| b.wrapping_sub(b'0') & 4 != 0);
    }
    let mut is_open = false;
    for clause in mode.split(',') {
        let Some(operator) = clause.find(['+', '-', '=']) else { continue };
        let (whom, mut rest) = clause.split_at(operator);
        // Without a name it is for all, but for what the umask of root takes: that leaves others their reading.
        if !whom.is_empty() && !whom.contains(['o', 'a']) {
            continue;
        }
        while let Some(operator) = rest.chars().next() {
            let rights = rest.get(1..).unwrap_or_default();
            let end = rights.find(['+', '-', '=']).unwrap_or(rights.len());
            let (rights, after) = rights.split_at(end);
            // Those of the owner, or of the group, copied: the owner can read.
            let reads = rights.contains(['r', 'u', 'g']);
            match operator {
                '+' => is_open |= reads,
                '-' => is_open &= !reads,
                _ => is_open = reads,
            }
            rest = after;
        }
    }
    is_open
}

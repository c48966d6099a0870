//! `no-recipients`: a secret that is meant for nobody, or that only a passphrase opens.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};

use crate::comparison::{Comparison, Origin};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::rekey;

pub(crate) const RULE: Rule = Rule {
    name: "no-recipients",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is meant for nobody, or only a passphrase opens it.",
    docs: "\
The rule of a secret has an empty list of keys, nobody is granted it, or its file is encrypted with a passphrase.

**Why it matters.** No machine can read such a secret: agenix on a machine decrypts with keys and asks for no
passphrase. agenix and ragenix refuse to encrypt to an empty list.

**Fix.** Name at least one key, or delete the rule and the file. A file with a passphrase: decrypt it with `age -d`, and
make it anew with `agenix -e FILE`.

```nix
# bad
\"wifi.age\".publicKeys = [ ];
# good
\"wifi.age\".publicKeys = [ s0 ];
```

**Data.** `secret`: its name in the rules file. `recipients`: an empty list.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for comparison in &context.comparisons().all {
        if is_empty(comparison) {
            let message = format!("`{}` is meant for nobody: its list of keys is empty", comparison.name);
            let help = "name the machines or people who are to read it, or delete it";
            found.push(finding(comparison, message).with_help(help));
        }
        let is_passphrase = comparison.header().is_some_and(bulkhead_age::Header::is_passphrase);
        if let (true, Some(file)) = (is_passphrase, &comparison.file) {
            let message =
                format!("`{}` is encrypted with a passphrase, so that no machine can read it", comparison.name);
            let finding = finding(comparison, message).with_related(Place::file(file.path.to_arc()), "the file");
            let help =
                format!("decrypt it, then encrypt it to its keys\nage -d {} and {}", file.path, rekey(comparison));
            found.push(finding.with_help(help));
        }
    }
}

fn is_empty(comparison: &Comparison<'_>) -> bool {
    if !comparison.keys.is_empty() || !comparison.gaps.is_empty() {
        return false;
    }
    match comparison.origin {
        Origin::Rules(_, entry) => !entry.public_keys.is_absent(),
        Origin::Convention(secret) => secret.is_granted(),
    }
}

fn finding(comparison: &Comparison<'_>, message: String) -> Diagnostic {
    RULE.finding(comparison.place(), message)
        .with_data("secret", &*comparison.name)
        .with_data("recipients", serde_json::Value::Array(Vec::new()))
}

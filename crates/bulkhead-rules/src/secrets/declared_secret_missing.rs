//! `declared-secret-missing`: a secret of a machine whose file is not there.

use bulkhead_diagnostics::{Diagnostic, Severity, nearest};

use super::declared::{declared, exists, is_hidden};
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "declared-secret-missing",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A machine declares a secret whose file does not exist.",
    docs: "\
`age.secrets.<name>.file` of a machine names a file of the repository that is not there.

**Why it matters.** The machine's configuration can't be built.

**Fix.** Correct the path, or make the secret (`agenix -e`). In a flake, files that git does not know are not there:
`git add` it.

```nix
# bad: there is only secrets/wifi.age
age.secrets.wifi.file = ../../secrets/wlan.age;
# good
age.secrets.wifi.file = ../../secrets/wifi.age;
```

**Limits.** Files in submodules that are not checked out are not looked for.

**Data.** `machine`: the machine. `secret`: the name in `age.secrets`. `path`: the file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.all_trees().with_others() {
        for secret in declared(context, tree) {
            let path = &secret.file.value;
            if exists(context.tree, path) || is_hidden(context, path) {
                continue;
            }
            let message = format!("`{}` is `{path}`, which does not exist", secret.file.option);
            let mut finding = RULE.judged(context.tree, &secret.file.when, secret.place.clone(), message);
            let there = context.fleet.age_files.iter().map(|file| file.path.as_str());
            if let Some(near) = nearest(path.as_str(), there) {
                finding = finding.with_help(format!("did you mean `{near}`?"));
            }
            found.push(
                finding
                    .with_help("correct the path, or make the secret")
                    .with_data("machine", &*tree.name)
                    .with_data("secret", &*secret.name)
                    .with_data("path", path.as_str()),
            );
        }
    }
}

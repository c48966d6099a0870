//! `declared-secret-without-rule`: a secret of a machine that no rule is about.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_fleet::RulesState;
use foldhash::HashSet;

use super::declared::{declared, exists};
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "declared-secret-without-rule",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "A machine declares a secret that no rule says who may read.",
    docs: "\
`age.secrets.<name>.file` of a machine names an `.age` file that is in no rules file, and that no convention grants.

**Why it matters.** `agenix --rekey` passes it over, and `agenix -e` refuses it: when the machine gets a new key, the
secret can't be read any more, and whoever has left can read it for ever.

**Fix.** Add a rule for it.

```nix
# bad: secrets.nix does not name wifi.age
age.secrets.wifi.file = ./secrets/wifi.age;
# good, in secrets.nix
\"wifi.age\".publicKeys = [ s0 ];
```

**Limits.** Not in a repository without rules; where not all rules are known, `secret-without-rule` is *undecided*
about the file.

**Data.** `machine`: the machine. `secret`: the name in `age.secrets`. `path`: the file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let is_known = fleet.rules_files.iter().all(|rules| matches!(rules.state, RulesState::Evaluated));
    let has_rules = !fleet.rules_files.is_empty() || !fleet.secrets.is_empty();
    if !is_known || !has_rules || fleet.rules_are_chosen || fleet.secrets_gap.is_some() {
        return;
    }
    let ruled: HashSet<&str> =
        context.comparisons().all.iter().filter_map(|known| Some(known.path.as_ref()?.as_str())).collect();
    for tree in context.all_trees().with_others() {
        for secret in declared(context, tree) {
            let path = &secret.file.value;
            if ruled.contains(path.as_str()) || !exists(context.tree, path) {
                continue;
            }
            let message = format!("no rule says who may read `{path}`, which `{}` decrypts", tree.name);
            found.push(
                RULE.judged(context.tree, &secret.file.when, secret.place.clone(), message)
                    .with_help("add a rule for it")
                    .with_data("machine", &*tree.name)
                    .with_data("secret", &*secret.name)
                    .with_data("path", path.as_str()),
            );
        }
    }
}

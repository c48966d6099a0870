//! `unknown-machine`: a secret that is granted to a machine which does not exist.

use bulkhead_diagnostics::{Diagnostic, Severity, nearest};
use foldhash::HashSet;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "unknown-machine",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is granted to a machine that does not exist.",
    docs: "\
An entry in `secrets/properties.nix` names a machine, and there is no folder of that name with a `properties.nix`.

**Why it matters.** The grant does nothing, silently. Either the name is misspelt and the machine won't get its
secret, or the machine has left and its access should be taken away for good.

**Fix.** Correct the name, or delete it. Machines are named after their folders, not their host names.

```nix
# bad: the machine is called `kif`
{ \"wifi\".machines = [ \"kiff\" ]; }
# good
{ \"wifi\".machines = [ \"kif\" ]; }
```

**Data.** `machine`: the name. `secret`: the secret's name in the rules file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    // Then there is one cause, which has a finding of its own.
    if fleet.unread_machines().is_some() {
        return;
    }
    let names: HashSet<&str> = fleet.machines.iter().map(|machine| &*machine.name).collect();
    for secret in &fleet.secrets {
        for named in secret.machines.iter().filter(|named| !names.contains(&*named.value)) {
            let message = format!("there is no machine `{}`, to which `{}` is granted", named.value, secret.name);
            let mut finding = RULE.finding(named.place.clone(), message);
            if let Some(gap) = &fleet.machines_gap {
                finding.severity = Severity::Undecided;
                finding.message = format!("can't tell whether there is a machine `{}`: {}", named.value, gap.reason);
                finding = finding.with_related(gap.place.clone(), "these machines are not known");
            }
            if let Some(near) = nearest(&named.value, fleet.machines.iter().map(|machine| &*machine.name)) {
                finding = finding.with_help(format!("did you mean `{near}`?"));
            }
            let machines = quoted(fleet.machines.iter().map(|machine| &*machine.name));
            found.push(
                finding
                    .with_help(format!("machines of this fleet: {machines}"))
                    .with_data("machine", &*named.value)
                    .with_data("secret", secret.rule_name.as_str()),
            );
        }
    }
}

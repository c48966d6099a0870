//! `deploy-key-without-role`: deploy keys on a machine that does not deploy.

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "deploy-key-without-role",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "A machine has deploy keys, but not the role of machines that deploy.",
    docs: "\
`deployKeys` log in on every machine to deploy to it. Only machines with the role `deploy` have them.

**Why it matters.** Whoever deploys can run anything as root. That a machine can do so should be visible in its roles.

**Fix.** Take the key away, or give the machine the role.

```nix
# bad
{ systemRoles = [ \"server\" ]; deployKeys = [ \"ssh-ed25519 AAAA…\" ]; … }
# good
{ systemRoles = [ \"server\" \"deploy\" ]; deployKeys = [ \"ssh-ed25519 AAAA…\" ]; … }
```

**Configuration.** `policy.deploy-role` in `bulkhead.toml` is the role's name.

**Limits.** Roles that are not known make the rule *undecided*.

**Data.** `machine`: its name. `role`: the role that it lacks.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let role = context.fleet.config.toml.policy.deploy_role.as_str();
    for machine in &context.fleet.machines {
        let Some(key) = machine.deploy_keys.iter().next() else { continue };
        match machine.has_role(role) {
            Some(true) => {}
            Some(false) => found.push(
                RULE.finding(
                    machine.deploy_keys.key.clone().unwrap_or_else(|| key.place.clone()),
                    format!("`{}` has deploy keys without the role `{role}`", machine.name),
                )
                .with_note("whoever has a deploy key is root on every machine")
                .with_help(format!("give `{}` the role `{role}`, or take the keys away", machine.name))
                .with_data("machine", &*machine.name)
                .with_data("role", role),
            ),
            None => {
                let what = format!("whether `{}` may have deploy keys", machine.name);
                RULE.undecided(&machine.system_roles.gaps, &what, found);
            }
        }
    }
}

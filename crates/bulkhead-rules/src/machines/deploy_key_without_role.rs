//! `deploy-key-without-role`: deploy keys on a machine that does not deploy.

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::keys_without_role::Needs;
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

**Limits.** A key that is a deploy key and a user key is not reported. It opens no more than a deploy key does, but for
secrets that admins alone read: whoever is root on every machine has every host key, and so every secret that some
machine reads. Two keys still are better: a deploy key mostly lies on a disk without a passphrase.

**Configuration.** `policy.deploy-role` in `bulkhead.toml` is the role's name.

**Limits.** Roles that are not known make the rule *undecided*.

**Data.** `machine`: its name. `role`: the role that it lacks.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let role = context.fleet.config.toml.policy.deploy_role.as_str();
    let needs = Needs { rule: &RULE, role, keys: "deploy keys" };
    for machine in &context.fleet.machines {
        needs.check(machine, &machine.deploy_keys, found, |finding| {
            finding
                .with_note("whoever has a deploy key is root on every machine")
                .with_help(format!("give `{}` the role `{role}`, or take the keys away", machine.name))
        });
    }
}

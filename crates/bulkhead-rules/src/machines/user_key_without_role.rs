//! `user-key-without-role`: keys of people on a machine that nobody sits at.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_fleet::UserKeyPolicy;

use super::keys_without_role::Needs;
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "user-key-without-role",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "A machine has user keys, but not the role of machines that people sit at.",
    docs: "\
`userKeys` decrypt every secret of the fleet. The fleet's policy is that only machines with the role `personal` have
them.

**Why it matters.** A private key that decrypts everything, lying on a server, makes of one broken service a broken
fleet.

**Fix.** Take the key away, write it as a deploy key if the machine only deploys, or give the machine the role.

```nix
# bad
{ systemRoles = [ \"server\" ]; userKeys = [ \"ssh-ed25519 AAAA…\" ]; … }
# good
{ systemRoles = [ \"personal\" ]; userKeys = [ \"ssh-ed25519 AAAA…\" ]; … }
```

**Configuration.** In `bulkhead.toml`: `policy.user-keys = \"any\"` allows them everywhere, `policy.personal-role` is
the role's name.

**Limits.** Roles that are not known make the rule *undecided*.

**Data.** `machine`: its name. `role`: the role that it lacks.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let policy = &context.fleet.config.toml.policy;
    if policy.user_keys == UserKeyPolicy::Any {
        return;
    }
    let role = policy.personal_role.as_str();
    let needs = Needs { rule: &RULE, role, keys: "user keys" };
    for machine in &context.fleet.machines {
        needs.check(machine, &machine.user_keys, found, |finding| {
            finding
                .with_note("user keys decrypt every secret of the fleet")
                .with_help(format!(
                    "take them away, write them as `deployKeys`, or give `{}` the role `{role}`",
                    machine.name
                ))
                .with_help("policy.user-keys = \"any\" in bulkhead.toml allows them on all machines")
        });
    }
}

//! `personal-without-user-key`: a machine that people sit at, without a key of theirs.

use bulkhead_diagnostics::{Diagnostic, Severity};

use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "personal-without-user-key",
    area: Area::Machines,
    severity: Severity::Warning,
    summary: "A machine that people sit at has no user key.",
    docs: "\
A machine has the role `personal` and no `userKeys`.

**Why it matters.** Nobody can edit or rekey secrets from it. In a fleet with a single such machine nobody can at all.

**Fix.** Add the public key of the person: `~/.ssh/id_ed25519.pub`.

```nix
# bad
{ systemRoles = [ \"personal\" ]; … }
# good
{ systemRoles = [ \"personal\" ]; userKeys = [ \"ssh-ed25519 AAAA…\" ]; … }
```

**Configuration.** In `bulkhead.toml`: `policy.personal-needs-user-key = false` turns it off, `policy.personal-role`
is the role's name.

**Limits.** User keys that are not known make the rule *undecided*.

**Data.** `machine`: its name. `role`: the role.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let policy = &context.fleet.config.toml.policy;
    if !policy.personal_needs_user_key {
        return;
    }
    let role = policy.personal_role.as_str();
    for machine in context.fleet.machines.iter().filter(|machine| machine.user_keys.items.is_empty()) {
        let (Some(true), Some(place)) = (machine.has_role(role), machine.role_place(role)) else { continue };
        if !machine.user_keys.is_complete() {
            RULE.undecided(&machine.user_keys.gaps, &format!("whether `{}` has a user key", machine.name), found);
            continue;
        }
        found.push(
            RULE.finding(place.clone(), format!("`{}` has the role `{role}` and no user key", machine.name))
                .with_note("nobody can edit or rekey secrets from it")
                .with_help("add the person's public key\nuserKeys = [ \"…\" ];   # cat ~/.ssh/id_ed25519.pub")
                .with_data("machine", &*machine.name)
                .with_data("role", role),
        );
    }
}

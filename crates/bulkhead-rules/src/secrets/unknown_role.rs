//! `unknown-role`: a secret that is granted to a role which no machine has.

use bulkhead_diagnostics::{Diagnostic, Place, Severity, nearest};
use bulkhead_fleet::{Fleet, Machine, Scope};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "unknown-role",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is granted to a role that no machine has.",
    docs: "\
An entry in `secrets/properties.nix` names a role, or a folder of secrets is called almost like one, that is in no
machine's `systemRoles`.

**Why it matters.** Roles exist because machines have them. A misspelt role grants nothing, silently: the machines that
need the secret don't get it.

**Fix.** Correct the name, or give the role to a machine.

```nix
# bad: the machines have the role `pia`
{ \"pia-login\".roles = [ \"pla\" ]; }
# good
{ \"pia-login\".roles = [ \"pia\" ]; }
```

**Limits.** If the roles of a machine are not known, the finding is *undecided*. A folder whose name is like no role is
`role-without-machine`.

**Data.** `role`: the name. `secret`: the secret's name in the rules file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    // Then there is one cause, which has a finding of its own.
    if fleet.unread_machines().is_some() {
        return;
    }
    for secret in &fleet.secrets {
        for role in secret.roles.iter().filter(|role| !fleet.roles.contains_key(&role.value)) {
            let name = &*role.value;
            let message = format!("no machine has the role `{name}`, to which `{}` is granted", secret.name);
            found
                .push(finding(fleet, role.place.clone(), name, message).with_data("secret", secret.rule_name.as_str()));
        }
    }
    for (role, file) in role_folders(fleet) {
        if nearest_role(fleet, role).is_some() {
            let folder = file.parent().unwrap_or_else(bulkhead_source::TreePath::root);
            let message = format!("no machine has the role `{role}`, whose secrets `{folder}` holds");
            found.push(finding(fleet, Place::file(folder.to_arc()), role, message));
        }
    }
}

/// The folders that are called after a role which no machine has, each with one of its secrets.
pub(crate) fn role_folders(fleet: &Fleet) -> Vec<(&str, &bulkhead_source::TreePath)> {
    let mut folders: Vec<(&str, &bulkhead_source::TreePath)> = Vec::new();
    for secret in fleet.secrets.iter().filter(|secret| secret.exists) {
        if let Scope::Role(role) = &secret.scope
            && !fleet.roles.contains_key(role)
            && folders.iter().all(|(known, _)| *known != &**role)
        {
            folders.push((role, &secret.file));
        }
    }
    folders
}

/// The role that was probably meant.
pub(crate) fn nearest_role<'a>(fleet: &'a Fleet, name: &str) -> Option<&'a str> {
    nearest(name, fleet.roles.keys().map(|role| &**role))
}

/// The one machine that has a role, and where it says so.
fn only_holder<'f>(fleet: &'f Fleet, role: &str) -> Option<(&'f Machine, &'f Place)> {
    let [index] = fleet.roles.get(role)?.machines[..] else { return None };
    let machine = fleet.machines.get(index)?;
    let written = machine.system_roles.items.iter().find(|written| &*written.value == role)?;
    Some((machine, &written.place))
}

fn finding(fleet: &Fleet, place: Place, role: &str, message: String) -> Diagnostic {
    let mut finding = RULE.finding(place, message);
    if let Some(gap) = fleet.role_gaps.first() {
        finding.severity = Severity::Undecided;
        finding.message = format!("can't tell whether any machine has the role `{role}`: {}", gap.reason);
        finding = finding.with_related(gap.place.clone(), "these roles are not known");
    }
    finding = match nearest_role(fleet, role) {
        Some(near) => {
            let finding = finding.with_help(format!("did you mean `{near}`?"));
            // The mistake may as well be at the machine.
            match only_holder(fleet, near) {
                Some((machine, place)) => {
                    finding.with_related(place.clone(), format!("only `{}` has the role `{near}`", machine.name))
                }
                None => finding,
            }
        }
        None => finding.with_help("give the role to a machine, or take it out here"),
    };
    if !fleet.roles.is_empty() {
        finding = finding.with_help(format!("roles of this fleet: {}", quoted(fleet.roles.keys().map(|role| &**role))));
    }
    finding.with_data("role", role)
}

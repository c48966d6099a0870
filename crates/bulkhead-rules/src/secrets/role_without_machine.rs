//! `role-without-machine`: a folder of secrets for a role that no machine has (any more).

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_source::TreePath;

use super::unknown_role::{nearest_role, role_folders};
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "role-without-machine",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "A folder holds secrets of a role that no machine has.",
    docs: "\
The folder `secrets/<role>/` grants what lies in it to all machines with that role, and there is none.

**Why it matters.** Nobody but the admins can read these secrets. Mostly the last machine of the role has left, and its
secrets are still valid somewhere.

**Fix.** Give the role to a machine; or revoke the secrets where they are used, and delete the folder.

```console
$ ls secrets/       # bad: no machine has the role `mastodon`
mastodon  pia
$ bulkhead roles    # good: every folder there is a role
```

**Limits.** If the roles of a machine are not known, the finding is *undecided*. A name that is like that of a role is
`unknown-role`.

**Data.** `role`: the name.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    // Then there is one cause, which has a finding of its own.
    if fleet.unread_machines().is_some() {
        return;
    }
    for (role, file) in role_folders(fleet) {
        if nearest_role(fleet, role).is_some() {
            continue;
        }
        let folder = file.parent().unwrap_or_else(TreePath::root);
        let place = Place::file(folder.to_arc());
        let finding = match fleet.role_gaps.first() {
            Some(gap) => {
                let message = format!("can't tell whether any machine has the role `{role}`: {}", gap.reason);
                let mut finding =
                    RULE.finding(place, message).with_related(gap.place.clone(), "these roles are not known");
                finding.severity = Severity::Undecided;
                finding
            }
            None => RULE
                .finding(
                    place,
                    format!("no machine has the role `{role}`, so that nobody but the admins reads `{folder}`"),
                )
                .with_help("give the role to a machine, or revoke these secrets and delete the folder"),
        };
        found.push(finding.with_data("role", role));
    }
}

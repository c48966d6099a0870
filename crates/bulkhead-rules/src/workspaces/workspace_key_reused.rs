//! `workspace-key-reused`: a workspace with the host key of something else.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{KeyOwner, PublicKey};
use foldhash::{HashMap, HashMapExt};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::When;

pub(crate) const RULE: Rule = Rule {
    name: "workspace-key-reused",
    area: Area::Workspaces,
    severity: Severity::Error,
    summary: "A workspace has the host key of a machine, or of another workspace.",
    docs: "\
`hostKey` of a workspace is also the host key of a machine, the key of a boot environment, a key of a user, or the
`hostKey` of another workspace.

**Why it matters.** Whoever is root in a workspace has its private key. If it is a machine's too, they can pose as
that machine, and read every secret that is encrypted to it.

**Fix.** Take the line out; the workspace gets a key of its own at its first start.

```nix
# bad: the host key of the machine s0
workspaces.dev.hostKey = \"ssh-ed25519 AAAAC3Nza… root@s0\";
# good
workspaces.dev.hostKey = \"ssh-ed25519 AAAAC3Nza… dev\";
```

**Limits.** A workspace of the same name on another machine may have been moved: then it is a warning.

**Data.** `machine`: the machine. `workspace`: the workspace. `other`: whose key it is.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<String, (String, std::sync::Arc<str>, Place, When)> = HashMap::new();
    for tree in context.trees() {
        for workspace in &tree.workspaces {
            for stated in tree.texts(&workspace.path.join("hostKey"), None) {
                let key = PublicKey::new(&stated.value);
                let (Ok(_), Some(at)) = (key.recipient(), stated.place.clone()) else { continue };
                let owner = context.fleet.keys.owners(key.identity()).iter().find(|owner| {
                    matches!(
                        owner,
                        KeyOwner::Host { .. }
                            | KeyOwner::Unlock { .. }
                            | KeyOwner::User { .. }
                            | KeyOwner::Admin { .. }
                            | KeyOwner::Deploy { .. }
                    )
                });
                let report = |when: &When, whose: String, place: Option<Place>, severity: Severity| {
                    let message = format!("`{}` is also {whose}", stated.option);
                    let mut finding = RULE.judged(context.tree, when, at.clone(), message);
                    finding.severity = finding.severity.min(severity);
                    if let Some(place) = place {
                        finding = finding.with_related(place, "the same key");
                    }
                    finding
                        .with_note("whoever is root in the workspace has its private half")
                        .with_help("take the line out: the workspace makes a key of its own at its first start")
                        .with_data("machine", &*tree.machine.name)
                        .with_data("workspace", &*workspace.name)
                        .with_data("other", whose)
                };
                if let Some(owner) = owner {
                    let place = machine(owner)
                        .and_then(|index| context.fleet.machines.get(index))
                        .map(|machine| machine.place.clone());
                    found.push(report(&stated.when, whose(context, owner), place, Severity::Error));
                }
                let name = format!("{}'s workspace `{}`", tree.machine.name, workspace.name);
                match seen.get(key.identity()) {
                    Some((other, other_name, place, holds)) => {
                        let Some(when) = stated.when.and(holds) else { continue };
                        let severity = if *other_name == workspace.name { Severity::Warning } else { Severity::Error };
                        found.push(report(&when, format!("the host key of {other}"), Some(place.clone()), severity));
                    }
                    None => {
                        seen.insert(
                            key.identity().to_owned(),
                            (name, workspace.name.clone(), at.clone(), stated.when.clone()),
                        );
                    }
                }
            }
        }
    }
}

fn machine(owner: &KeyOwner) -> Option<usize> {
    match owner {
        KeyOwner::Host { machine }
        | KeyOwner::User { machine, .. }
        | KeyOwner::Deploy { machine, .. }
        | KeyOwner::Unlock { machine } => Some(*machine),
        KeyOwner::Admin { .. } | KeyOwner::Binding { .. } => None,
    }
}

fn whose(context: &Context<'_>, owner: &KeyOwner) -> String {
    let name = context.fleet.owner_name(owner);
    match owner {
        KeyOwner::Host { .. } => format!("the host key of `{name}`"),
        KeyOwner::Unlock { .. } => format!("the key of a boot environment, `{name}`"),
        KeyOwner::Deploy { .. } => format!("a deploy key, `{name}`"),
        _ => format!("the key of a person, `{name}`"),
    }
}

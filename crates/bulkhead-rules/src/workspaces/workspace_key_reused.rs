//! `workspace-key-reused`: a workspace with the host key of something else.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{KeyOwner, PublicKey};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::namesakes::{is_key_of, is_named_with};
use crate::trees::{Stated, Tree, When, Workspace, clashes};

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

Where a rules file has the key, it is also that of a recipient of secrets, unless it is called like the workspace.

**Limits.** A workspace of the same name on another machine may have been moved: then it is a warning.

**Data.** `machine`: the machine. `workspace`: the workspace. `other`: whose key it is.
",
    check: Some(check),
};

/// A host key that a workspace has or may have.
struct Written<'t> {
    key: PublicKey,
    tree: &'t Tree<'t>,
    workspace: &'t Workspace,
    stated: Stated<Arc<str>>,
}

impl Written<'_> {
    /// Whether it is the same workspace: a machine may be read in several ways.
    fn is_same(&self, other: &Self) -> bool {
        let (machine, others) = (&self.tree.machine, &other.tree.machine);
        machine.name == others.name && machine.place == others.place && self.workspace.name == other.workspace.name
    }

    /// Where it is written; a default has no place of its own.
    fn place(&self) -> Place {
        self.stated.place.clone().unwrap_or_else(|| self.workspace.place.clone())
    }
}

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut all: Vec<Written<'_>> = Vec::new();
    for tree in context.trees() {
        for workspace in &tree.workspaces {
            for stated in tree.texts(&workspace.path.join("hostKey"), None) {
                let key = PublicKey::new(&stated.value);
                if key.recipient().is_ok() {
                    all.push(Written { key, tree, workspace, stated });
                }
            }
        }
    }
    for written in &all {
        // What only rules files know may be the workspace's own key: it may have secrets, too.
        let owners = context.fleet.keys.owners(written.key.identity());
        let is_own = |owner: &&KeyOwner| {
            matches!(owner, KeyOwner::Binding { .. }) && is_named_with(&written.key, owners, &written.workspace.name)
        };
        let Some(owner) = owners.iter().find(|owner| !is_own(owner)) else { continue };
        let machine = machine(owner).and_then(|index| context.fleet.machines.get(index));
        let place = machine.map(|machine| machine.place.clone());
        let mut told = finding(context, written, &written.stated.when, whose(context, owner), place);
        if let KeyOwner::Binding { place, .. } = owner {
            told = told.with_related(place.clone(), "the same key");
            if !context.trees().iter().any(|tree| is_key_of(tree, &written.key, owners)) {
                told.severity = told.severity.min(Severity::Warning);
            }
        }
        found.push(told);
    }
    all.sort_by(|a, b| a.key.identity().cmp(b.key.identity()));
    for group in all.chunk_by(|a, b| a.key.identity() == b.key.identity()) {
        for (first, other, when) in clashes(group, |written| &written.stated.when, Written::is_same) {
            let whose = format!("the host key of {}'s workspace `{}`", first.tree.name, first.workspace.name);
            let mut finding = finding(context, other, &when, whose, Some(first.place()));
            if first.workspace.name == other.workspace.name {
                finding.severity = finding.severity.min(Severity::Warning);
            }
            found.push(finding);
        }
    }
}

fn finding(
    context: &Context<'_>,
    written: &Written<'_>,
    when: &When,
    whose: String,
    place: Option<Place>,
) -> Diagnostic {
    let message = format!("`{}` is also {whose}", written.stated.option);
    let mut finding = RULE.judged(context.tree, when, written.place(), message);
    if let Some(place) = place {
        finding = finding.with_related(place, "the same key");
    }
    finding
        .with_note("whoever is root in the workspace has its private half")
        .with_help("take the line out: the workspace makes a key of its own at its first start")
        .with_data("machine", &*written.tree.name)
        .with_data("workspace", &*written.workspace.name)
        .with_data("other", whose)
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
        KeyOwner::Binding { .. } => format!("that of `{name}`, to whom secrets are encrypted"),
        _ => format!("the key of a person, `{name}`"),
    }
}

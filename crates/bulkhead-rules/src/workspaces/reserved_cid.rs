//! `reserved-cid`: a virtual machine with a context identifier that is not for machines.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::{Data, DataKind};

use super::cids;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Shape, Stated, Tree, Workspace};

pub(crate) const RULE: Rule = Rule {
    name: "reserved-cid",
    area: Area::Workspaces,
    severity: Severity::Error,
    summary: "A virtual machine has a vsock context identifier that is reserved.",
    docs: "\
`cid` of a workspace that is a virtual machine is 0, 1, 2, 4294967295, no number of 32 bits, or `null`. vsock(7) keeps
these: 0 is the hypervisor's, 1 a machine's own, 2 the host's, and the last one stands for any.

**Why it matters.** The machine does not start, or what is meant for it is sent to the host. The module refuses it
when the configuration is built.

**Fix.** Leave `cid` out, so that it is made from the name, or take a number from 3 to 4294967294.

```nix
# bad
workspaces.dev = { type = \"vm\"; ip = \"10.20.0.10\"; cid = 2; };
# good
workspaces.dev = { type = \"vm\"; ip = \"10.20.0.10\"; };
```

**Limits.** Where another module makes the workspaces, `null` may mean that it picks a number.

**Data.** `machine`: the machine. `cid`: the number, or `null`.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for workspace in &tree.workspaces {
            for null in nulls(tree, workspace) {
                let at = null.place.clone().unwrap_or_else(|| workspace.place.clone());
                found.push(
                    RULE.judged(
                        context.tree,
                        &null.when,
                        at,
                        format!("`{}` is null, and a VM has to have one", null.option),
                    )
                    .with_help("leave it out, or take one from 3 to 4294967294")
                    .with_data("machine", &*tree.name)
                    .with_data("cid", serde_json::Value::Null),
                );
            }
            for cid in cids(tree, workspace) {
                let whose = match cid.value {
                    0 => "which is the hypervisor's (vsock(7))",
                    1 => "which is that of a machine for itself (vsock(7))",
                    2 => "which is the host's (vsock(7))",
                    4_294_967_295 => "which is that of any machine (vsock(7))",
                    value if !(0..4_294_967_295).contains(&value) => "and not a number from 3 to 4294967294",
                    _ => continue,
                };
                let at = cid.place.clone().unwrap_or_else(|| workspace.place.clone());
                found.push(
                    RULE.judged(context.tree, &cid.when, at, format!("`{}` is {}, {whose}", cid.option, cid.value))
                        .with_help("leave it out, or take one from 3 to 4294967294")
                        .with_data("machine", &*tree.name)
                        .with_data("cid", cid.value),
                );
            }
        }
    }
}

/// Where a virtual machine of our module may have no context identifier.
fn nulls(tree: &Tree<'_>, workspace: &Workspace) -> Vec<Stated<()>> {
    if workspace.shape != Shape::Native {
        return Vec::new();
    }
    let is_null = |data: &Data| matches!(data.kind, DataKind::Null).then_some(());
    let stated = tree.stated(&workspace.path.join("cid"), is_null, None);
    let kinds = workspace.is("vm");
    let both = kinds.iter().flat_map(|kind| stated.iter().filter_map(|null| Some((null, null.when.and(kind)?))));
    // A default is a number for a VM, whatever it is for others.
    let written = both.filter(|(null, _)| null.place.is_some());
    written.map(|(null, when)| Stated { when, ..null.clone() }).collect()
}

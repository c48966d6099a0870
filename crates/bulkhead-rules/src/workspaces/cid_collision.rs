//! `cid-collision`: two virtual machines with the same context identifier.

use bulkhead_diagnostics::{Diagnostic, Severity};

use super::cids;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Stated, Workspace, clashes};

pub(crate) const RULE: Rule = Rule {
    name: "cid-collision",
    area: Area::Workspaces,
    severity: Severity::Error,
    summary: "Two virtual machines have the same vsock context identifier.",
    docs: "\
Two workspaces of a machine that are virtual machines have the same `cid`.

**Why it matters.** The second one does not start. The module refuses it when the configuration is built.

**Fix.** Leave `cid` out, so that it is made from the name, or take another number.

```nix
# bad
workspaces = { a = { type = \"vm\"; cid = 7; … }; b = { type = \"vm\"; cid = 7; … }; };
# good
workspaces = { a = { type = \"vm\"; cid = 7; … }; b = { type = \"vm\"; cid = 8; … }; };
```

**Limits.** Virtual machines that are not among the workspaces (`microvm.vms`) are not looked at.

**Data.** `machine`: the machine. `cid`: the number. `options`: the options that have it.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        let all = tree
            .workspaces
            .iter()
            .flat_map(|workspace| cids(tree, workspace).into_iter().map(move |cid| (workspace, cid)));
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|(_, cid)| cid.value);
        for group in all.chunk_by(|(_, a), (_, b)| a.value == b.value) {
            let are_one = |(a, _): &(&Workspace, Stated<i64>), (b, _): &(&Workspace, Stated<i64>)| a.name == b.name;
            for ((_, first), (workspace, other), when) in clashes(group, |(_, cid)| &cid.when, are_one) {
                let at = other.place.clone().unwrap_or_else(|| workspace.place.clone());
                let message = format!("`{}` and `{}` are both {}", first.option, other.option, first.value);
                let mut finding = RULE.judged(context.tree, &when, at, message);
                if let Some(place) = &first.place {
                    finding = finding.with_related(place.clone(), "the same number");
                }
                found.push(
                    finding
                        .with_help("set one of them to another number, or leave it out")
                        .with_data("machine", &*tree.name)
                        .with_data("cid", first.value)
                        .with_data("options", vec![first.option.clone(), other.option.clone()]),
                );
            }
        }
    }
}

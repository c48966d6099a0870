//! `option-without-effect`: what the backend of a workspace can't do.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::{Data, DataKind};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::Shape;

pub(crate) const RULE: Rule = Rule {
    name: "option-without-effect",
    area: Area::Workspaces,
    severity: Severity::Error,
    summary: "A workspace has an option that what runs it ignores.",
    docs: "\
A virtual machine has `gpu`, or no limit of processors or memory (`null`); a container has a limit of its disk
(`resources.disk`); a container or an Incus instance has a `cid`.

**Why it matters.** What is written does not hold: a limit that isn't one, a device that isn't there. Bulkhead's
module refuses it when the configuration is built; where another module makes the workspaces it is a warning.

**Fix.** Leave it out, or run the workspace by something that can do it.

```nix
# bad
workspaces.dev = { type = \"container\"; ip = \"10.20.0.10\"; resources.disk = 20480; };
# good
workspaces.dev = { type = \"incus\"; ip = \"10.20.0.10\"; resources.disk = 20480; };
```

**Data.** `machine`: the machine. `option`: the option. `type`: what runs the workspace.
",
    check: Some(check),
};

type Ignored = (&'static str, &'static [&'static str], fn(&Data) -> bool, &'static str);

/// What runs a workspace, an option that it ignores, which of its values, and why.
const IGNORED: [Ignored; 6] = [
    ("vm", &["gpu"], is_true, "to which the host's GPU can't be given without taking it from the host"),
    ("vm", &["resources", "cpu"], is_null, "which can't do without a limit"),
    ("vm", &["resources", "memory"], is_null, "which can't do without a limit"),
    ("container", &["resources", "disk"], is_number, "which shares the host's file system, so that it can't be kept"),
    ("container", &["cid"], is_number, "and only a VM has a vsock"),
    ("incus", &["cid"], is_number, "and only a VM has a vsock"),
];

fn is_true(data: &Data) -> bool {
    data.kind == DataKind::Bool(true)
}

fn is_null(data: &Data) -> bool {
    data.kind == DataKind::Null
}

fn is_number(data: &Data) -> bool {
    matches!(data.kind, DataKind::Int(_))
}

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees() {
        for workspace in &tree.workspaces {
            for (kind, names, is_meant, why) in IGNORED {
                let path = names.iter().fold(workspace.path.clone(), |path, name| path.join(name));
                for holds in workspace.is(kind) {
                    for stated in tree.stated(&path, |data| is_meant(data).then_some(()), None) {
                        let (Some(when), Some(at)) = (stated.when.and(holds), stated.place.clone()) else { continue };
                        let article = if kind == "incus" {
                            "an Incus instance"
                        } else if kind == "vm" {
                            "a VM"
                        } else {
                            "a container"
                        };
                        let message =
                            format!("`{}` has no effect: `{}` is {article}, {why}", stated.option, workspace.option);
                        let mut finding = RULE.judged(context.tree, &when, at, message);
                        if workspace.shape != Shape::Native {
                            finding.severity = finding.severity.min(Severity::Warning);
                        }
                        found.push(
                            finding
                                .with_help("leave it out, or use another `type`")
                                .with_data("machine", &*tree.name)
                                .with_data("option", stated.option.clone())
                                .with_data("type", kind),
                        );
                    }
                }
            }
        }
    }
}

//! `duplicate-machine-name`: two folders of machines with one name.

use std::collections::BTreeMap;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_fleet::Machine;

use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "duplicate-machine-name",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "Two folders below the machines' folder have the same name.",
    docs: "\
A machine is called like its folder, however deep it lies. Two folders with a `properties.nix` have the same name.

**Why it matters.** The name is how secrets are granted, how `nixos-rebuild` finds the configuration, and what findings
say. With two machines of one name each of these may mean the wrong one.

**Fix.** Rename one of the folders.

```console
machines/storage/s0/properties.nix   # bad: both are called s0
machines/attic/s0/properties.nix
machines/attic/s0-old/properties.nix # good
```

**Data.** `machine`: the name. `paths`: the folders.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut by_name: BTreeMap<&str, Vec<&Machine>> = BTreeMap::new();
    for machine in &context.fleet.machines {
        by_name.entry(&machine.name).or_default().push(machine);
    }
    for (name, machines) in by_name {
        let Some((first, others)) = machines.split_first().filter(|(_, others)| !others.is_empty()) else { continue };
        let paths: Vec<&str> = machines.iter().map(|machine| machine.dir.as_str()).collect();
        for other in others {
            found.push(
                RULE.finding(
                    other.place.clone(),
                    format!("there are two machines `{name}`: `{}` and `{}`", first.dir, other.dir),
                )
                .with_label("this one")
                .with_related(first.place.clone(), "and this one")
                .with_note("a machine is called like its folder")
                .with_help("rename one of the folders")
                .with_data("machine", name)
                .with_data("paths", serde_json::json!(paths)),
            );
        }
    }
}

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
A machine is called like its folder, however deep it lies. Two folders with a `properties.nix` have the same name. If
the names differ in upper and lower case alone, it is a warning: to Nix they are two, to DNS and some file systems one.

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
    let mut by_name: BTreeMap<String, Vec<&Machine>> = BTreeMap::new();
    for machine in &context.fleet.machines {
        by_name.entry(machine.name.to_lowercase()).or_default().push(machine);
    }
    for machines in by_name.into_values() {
        let Some((first, others)) = machines.split_first() else { continue };
        let paths: Vec<&str> = machines.iter().map(|machine| machine.dir.as_str()).collect();
        for (index, other) in others.iter().enumerate() {
            let name = &*other.name;
            let same = machines.iter().take(index + 1).find(|machine| machine.name == other.name);
            let (first, is_same) = (*same.unwrap_or(first), same.is_some());
            let message = if is_same {
                format!("there are two machines `{name}`: `{}` and `{}`", first.dir, other.dir)
            } else {
                format!("the machines `{}` and `{name}` have the same name but for upper and lower case", first.name)
            };
            let mut finding = RULE.finding(other.place.clone(), message);
            if !is_same {
                finding.severity = Severity::Warning;
            }
            found.push(
                finding
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

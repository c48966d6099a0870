//! `duplicate-host-name`: a host name of two machines.

use std::net::IpAddr;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use foldhash::{HashMap, HashMapExt};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::called;

pub(crate) const RULE: Rule = Rule {
    name: "duplicate-host-name",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "Two machines have the same host name.",
    docs: "\
The `hostNames` of two machines have a name in common. Upper and lower case don't count, nor how an address is
written.

**Why it matters.** The generated `known_hosts` has two keys for that name: SSH trusts either machine for the other,
and a deployment may reach the wrong one.

**Fix.** Take the name from one of them.

```nix
# bad: machines/kif/properties.nix and machines/s0/properties.nix both have
hostNames = [ \"s0.example.org\" ];
# good: kif has its own
hostNames = [ \"kif.example.org\" ];
```

**Limits.** Host names that are not known make the rule *undecided*.

**Data.** `name`: the host name. `machines`: the two machines.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let mut seen: HashMap<String, (usize, &Place)> = HashMap::new();
    for (index, machine) in fleet.machines.iter().enumerate() {
        for name in &machine.host_names {
            let (first, place) = *seen.entry(plain(&name.value)).or_insert((index, &name.place));
            let Some(other) = fleet.machines.get(first).filter(|_| first != index) else { continue };
            let first = called(other, machine);
            found.push(
                RULE.finding(
                    name.place.clone(),
                    format!("`{}` is a host name of {first} and of {}", name.value, called(machine, other)),
                )
                .with_related(place.clone(), format!("{first} has it too"))
                .with_note("SSH would trust either machine's key for this name")
                .with_help("take it from one of them")
                .with_data("name", &*name.value)
                .with_data("machines", serde_json::json!([other.name, machine.name])),
            );
        }
    }
    let gaps = fleet.machines.iter().flat_map(|machine| &machine.host_names.gaps);
    if fleet.machines.len() > 1 {
        RULE.undecided(gaps, "whether each host name belongs to one machine", found);
    }
}

/// A host name as DNS compares it; an address in the one way of writing it (RFC 5952).
pub(crate) fn plain(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.trim_end_matches('.').to_ascii_lowercase(),
    }
}

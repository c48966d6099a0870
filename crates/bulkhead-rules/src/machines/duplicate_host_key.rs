//! `duplicate-host-key`: a host key of two machines.

use bulkhead_diagnostics::{Diagnostic, Severity};
use foldhash::{HashMap, HashMapExt};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::called;

pub(crate) const RULE: Rule = Rule {
    name: "duplicate-host-key",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "Two machines have the same host key.",
    docs: "\
The `hostKey` of two machines is the same key, whatever its comment says.

**Why it matters.** Whoever has one of the machines can read the secrets of both, and can pass for the other towards
SSH. It happens when an image with keys in it is installed twice, or when a line is copied and not changed.

**Fix.** Make new keys on one of them: delete `/etc/ssh/ssh_host_*`, restart sshd, write the new key, rekey.

```nix
# bad: machines/kif/properties.nix and machines/s0/properties.nix both have
hostKey = \"ssh-ed25519 AAAA…same\";
# good: each has its own
```

**Limits.** Host keys that are not known make the rule *undecided*.

**Data.** `machines`: the two machines. `tag`: the key's tag in age headers.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let mut seen: HashMap<&str, usize> = HashMap::with_capacity(fleet.machines.len());
    for (index, machine) in fleet.machines.iter().enumerate() {
        let Some(key) = machine.host_key.known().filter(|key| key.recipient().is_ok()) else { continue };
        let first = *seen.entry(key.identity()).or_insert(index);
        let other = fleet.machines.get(first).filter(|_| first != index);
        let Some((other, own)) = other.and_then(|other| Some((other, other.host_key.known()?))) else { continue };
        let first = called(other, machine);
        found.push(
            RULE.finding(key.place.clone(), format!("{first} and {} have the same host key", called(machine, other)))
                .with_related(own.place.clone(), format!("the host key of {first}"))
                .with_note("whoever has one of the machines can read the secrets of both")
                .with_help(format!(
                    "write the key that {} really has; if it is this one, make a new one there",
                    machine.name
                ))
                .with_data("machines", serde_json::json!([other.name, machine.name]))
                .with_data("tag", serde_json::json!(key.recipient().ok().and_then(|key| key.tag()))),
        );
    }
    if fleet.machines.len() > 1 {
        let gaps = fleet.machines.iter().filter_map(|machine| machine.host_key.gap());
        RULE.undecided(gaps, "whether each host key belongs to one machine", found);
    }
}

//! `secret-unreadable-by-machine`: a machine that is granted secrets and has no key to read them with.

use std::collections::BTreeMap;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_fleet::{Fact, KeyOwner, Scope, Secret};
use foldhash::HashSet;
use serde_json::Value;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "secret-unreadable-by-machine",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A machine is granted secrets and has no host key to read them with.",
    docs: "\
A machine has a role that secrets are granted to, is named by one, or has secrets in its folder; and its properties have
no `hostKey`.

**Why it matters.** The secrets can't be encrypted to the machine. It fails at activation.

**Fix.** Add its host key: `ssh-keyscan -t ed25519 HOST`, or `/etc/ssh/ssh_host_ed25519_key.pub` on the machine
itself. A machine that is yet to be installed can be given a key made beforehand.

```nix
# bad
{ hostNames = [ \"s0\" ]; systemRoles = [ \"pia\" ]; … }
# good
{ hostNames = [ \"s0\" ]; systemRoles = [ \"pia\" ]; hostKey = \"ssh-ed25519 AAAA…\"; … }
```

**Limits.** Only grants of the convention. Keys that age can't encrypt to are `host-key-unfit-for-age`. A key that is
not known makes the finding *undecided*.

**Data.** `machine`: its name. `secrets`: the names of the secrets in the rules file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let keyless: HashSet<usize> = fleet
        .machines
        .iter()
        .enumerate()
        .filter(|(_, machine)| machine.host_key.known().is_none())
        .map(|(index, _)| index)
        .collect();
    if keyless.is_empty() {
        return;
    }
    let mut unreadable: BTreeMap<usize, Vec<&Secret>> = BTreeMap::new();
    for secret in fleet.secrets.iter().filter(|secret| concerns(context, secret, &keyless)) {
        for grant in fleet.grants(secret) {
            if let KeyOwner::Host { machine } = grant.reader
                && keyless.contains(&machine)
            {
                unreadable.entry(machine).or_default().push(secret);
            }
        }
    }
    for (index, secrets) in unreadable {
        let Some(machine) = fleet.machines.get(index) else { continue };
        let names = quoted(secrets.iter().map(|secret| &*secret.name));
        let finding = match &machine.host_key {
            Fact::Gap(gap) => {
                let before = found.len();
                RULE.undecided([gap], &format!("whether `{}` can read {names}", machine.name), found);
                if found.len() == before {
                    continue;
                }
                let Some(finding) = found.pop() else { continue };
                finding
            }
            _ => {
                let host = machine.host_names.iter().next().map_or(&*machine.name, |name| &name.value);
                RULE.finding(
                    machine.place.clone(),
                    format!("`{}` has no host key, but is to read {names}", machine.name),
                )
                .with_label("`hostKey` is missing")
                .with_help(format!("add the machine's key as `hostKey`\nssh-keyscan -t ed25519 {host}"))
            }
        };
        let secrets = secrets.iter().map(|secret| Value::from(secret.rule_name.as_str())).collect();
        found.push(finding.with_data("machine", &*machine.name).with_data("secrets", Value::Array(secrets)));
    }
}

/// Whether one of `keyless` may be granted `secret`; asking for all grants of all secrets would take long.
fn concerns(context: &Context<'_>, secret: &Secret, keyless: &HashSet<usize>) -> bool {
    let fleet = context.fleet;
    let has_role = |role: &str| {
        fleet.roles.get(role).is_some_and(|role| role.machines.iter().any(|machine| keyless.contains(machine)))
    };
    let by_scope = match &secret.scope {
        Scope::Machine(index) => keyless.contains(index),
        Scope::Role(role) => has_role(role),
        Scope::Shared => false,
    };
    by_scope
        || secret.for_everyone() == Some(true)
        || secret.roles.iter().any(|role| has_role(&role.value))
        || !secret.machines.items.is_empty()
}

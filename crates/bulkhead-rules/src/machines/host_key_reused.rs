//! `host-key-reused`: the host key of a machine that people or deployments use too.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_fleet::{Fleet, Gap, Key, KeyOwner, Machine};

use super::written_keys::{Use, WrittenKey, written_keys};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "host-key-reused",
    area: Area::Machines,
    severity: Severity::Error,
    summary: "A machine's host key is also a user, deploy or admin key.",
    docs: "\
A key among `userKeys`, `deployKeys` or `admins` is the `hostKey` of a machine, whatever its comment says. That a boot
key is used twice is `unlock-key-reused`; that two machines share a host key is `duplicate-host-key`.

**Why it matters.** A host key has no passphrase, and whoever is root on its machine has it. As a user or admin key it
decrypts every secret of the fleet, as a deploy key it is root on every machine: the machine can then do so by itself,
and so can whoever breaks into one of its services.

**Severity.** An error if the key stands with another machine: either a line was copied from the wrong file, and the
person whose key is missing can read nothing, or the private half of a host key lies on two machines. A warning if it
stands with the machine itself or in `admins`, which works and may be meant: a machine that rekeys or deploys by
itself.

**Fix.** Make a key for the person or the deployment: `ssh-keygen -t ed25519`. Write its `.pub` line, then rekey.

```nix
# bad: machines/zoe/properties.nix has the host key of kif
userKeys = [ \"ssh-ed25519 AAAA…kif\" ];
# good
userKeys = [ \"ssh-ed25519 AAAA…zoe\" ];
```

**Limits.** Keys that are not known make the rule *undecided*, once for each cause.

**Data.** `machine`: where the key is written, or null for `admins`. `use`: `user key`, `deploy key` or `admin key`.
`hosts`: the machines whose host key it is. `tag`: the key's tag in age headers.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let mut is_used = false;
    for written in written_keys(fleet).filter(|written| !matches!(written.used, Use::Host | Use::Unlock)) {
        is_used = true;
        // What is no key is `malformed-ssh-key`; two empty strings are not the same key.
        if written.key.recipient().is_err() {
            continue;
        }
        let hosts: Vec<(&Machine, &Key)> = hosts(fleet, written.key);
        if !hosts.is_empty() {
            found.push(finding(&written, &hosts));
        }
    }
    RULE.undecided(gaps(fleet, is_used), "whether a host key is also a key of a person or a deployment", found);
}

/// The machines whose host key is `key`.
fn hosts<'f>(fleet: &'f Fleet, key: &Key) -> Vec<(&'f Machine, &'f Key)> {
    let owners = fleet.keys.owners(key.identity()).iter();
    let hosts = owners.filter_map(|owner| match owner {
        KeyOwner::Host { machine } => fleet.machines.get(*machine),
        _ => None,
    });
    hosts.filter_map(|machine| Some((machine, machine.host_key.known()?))).collect()
}

fn finding(written: &WrittenKey<'_>, hosts: &[(&Machine, &Key)]) -> Diagnostic {
    let names = quoted(hosts.iter().map(|(machine, _)| &*machine.name));
    let power = match written.used {
        Use::Deploy => "be root on every machine",
        _ => "decrypt every secret of the fleet",
    };
    let mut finding = RULE
        .finding(written.key.place.clone(), format!("{} is also the host key of {names}", written.describe()))
        .with_label("a key without passphrase that lies on a machine")
        .with_note(format!("whoever is root there can {power} with it"))
        .with_help("make a key for this alone, write its .pub line here, and rekey\nssh-keygen -t ed25519")
        .with_data("machine", serde_json::json!(written.machine))
        .with_data("use", written.used.noun())
        .with_data("hosts", hosts.iter().map(|(machine, _)| machine.name.to_string()).collect::<Vec<_>>())
        .with_data("tag", serde_json::json!(written.key.recipient().ok().and_then(|recipient| recipient.tag())));
    for (machine, key) in hosts {
        finding = finding.with_related(key.place.clone(), format!("the host key of `{}`", machine.name));
    }
    // With the machine itself, or among the admins, it works and may be meant.
    let may_be_meant = written.machine.is_none_or(|own| hosts.iter().all(|(machine, _)| &*machine.name == own));
    if may_be_meant {
        finding.severity = Severity::Warning;
    }
    finding
}

/// What is not known: host keys if anybody could use one, and keys that could be a host key if there is one.
fn gaps(fleet: &Fleet, is_used: bool) -> Vec<&Gap> {
    let people =
        fleet.machines.iter().flat_map(|machine| machine.user_keys.gaps.iter().chain(&machine.deploy_keys.gaps));
    let has_host = fleet.machines.iter().any(|machine| !machine.host_key.is_absent());
    let mut gaps: Vec<&Gap> = people.filter(|_| has_host).collect();
    if is_used || !gaps.is_empty() {
        gaps.extend(fleet.machines.iter().filter_map(|machine| machine.host_key.gap()));
    }
    gaps
}

//! `unlock-key-reused`: the key of a boot environment that is used for anything else.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Fleet, Gap, Key, KeyOwner, Machine, PublicKey};
use foldhash::{HashMap, HashMapExt, HashSet};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{option, text};
use crate::words::called;

pub(crate) const RULE: Rule = Rule {
    name: "unlock-key-reused",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "The key of a boot environment is also a host, user, admin, deploy or other unlock key.",
    docs: "\
`remoteUnlock.hostKey` is the host key of the SSH server in the initial ramdisk. Its private half lies in clear in
`/boot`, since nothing is unlocked yet. The rule compares it with every other key of the whole fleet, whatever the
comments say, and with the keys that log in to machines.

**Why it matters.** Whoever holds the disk, or just reads `/boot`, has the key. If it is a host or user key too, they
can read secrets; if it is another machine's unlock key, they can pass for that machine and be given its passphrase.

**Fix.** Make a key for the boot environment alone: `ssh-keygen -t ed25519 -N '' -f initrd_host_key`. If the shared
key was a host key: make a new host key too, and rekey.

```nix
# bad
{ hostKey = \"ssh-ed25519 AAAA…jx2\"; remoteUnlock.hostKey = \"ssh-ed25519 AAAA…jx2\"; … }
# good
{ hostKey = \"ssh-ed25519 AAAA…jx2\"; remoteUnlock.hostKey = \"ssh-ed25519 AAAA…t9w\"; … }
```

**Limits.** Keys that are not known make the rule *undecided*, once for each cause.

**Data.** `machine`: whose boot environment. `tag`: the key's tag in age headers. `uses`: what else it is, in words.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let in_rules = in_rules(context);
    let logins = logins(context);
    let mut has_unlock = false;
    for (index, machine) in fleet.machines.iter().enumerate() {
        has_unlock |= !machine.remote_unlock.is_absent();
        let Some(key) = machine.remote_unlock.known().and_then(|unlock| unlock.host_key.known()) else { continue };
        // What is no key is `malformed-ssh-key`; two empty strings are not the same key.
        if key.recipient().is_err() {
            continue;
        }
        let owners = fleet.keys.owners(key.identity());
        let others: Vec<&KeyOwner> =
            owners.iter().filter(|owner| **owner != KeyOwner::Unlock { machine: index }).collect();
        let mut uses: Vec<(Place, String)> =
            others.iter().filter_map(|owner| other_use(fleet, machine, owner)).collect();
        let is_owned = !uses.is_empty();
        let is_sure = is_owned || logins.get(key.identity()).is_none_or(|all| all.iter().any(|login| login.is_sure));
        let found_logins = logins.get(key.identity()).into_iter().flatten();
        uses.extend(found_logins.map(|login| (login.place.clone(), login.what.clone())));
        if let Some(place) = in_rules.get(key.identity()).filter(|_| !is_owned) {
            uses.push(((*place).clone(), "a recipient of secrets in a rules file".to_owned()));
        }
        if !uses.is_empty() {
            let mut finding = finding(&machine.name, key, &uses);
            if !is_sure {
                finding.severity = finding.severity.min(Severity::Warning);
            }
            found.push(finding);
        }
    }
    if has_unlock {
        RULE.undecided(gaps(fleet), "whether an unlock key is used for something else", found);
    }
}

/// Where whoever has a key logs in.
struct Login {
    place: Place,
    what: String,
    /// Whether that holds in any case.
    is_sure: bool,
}

/// Where the configurations of machines let whoever has an unlock key log in, by the key.
fn logins<'a>(context: &Context<'a>) -> HashMap<&'a str, Vec<Login>> {
    let wanted = wanted(context);
    let mut found: HashMap<&'a str, Vec<Login>> = HashMap::new();
    if wanted.is_empty() {
        return found;
    }
    for tree in context.trees() {
        let users = option("users.users");
        let of_users = tree.children(&users).into_iter().map(|(user, _)| {
            (users.join(&user).join("openssh").join("authorizedKeys").join("keys"), format!("the user `{user}`"))
        });
        let boot = (option("boot.initrd.network.ssh.authorizedKeys"), "the boot environment".to_owned());
        for (path, whom) in of_users.chain([boot]) {
            for item in tree.items(&path) {
                let (Some(line), Some(place)) = (text(item.value), item.place) else { continue };
                let Some(key) = wanted.get(PublicKey::new(&line).identity()) else { continue };
                let known = found.entry(key).or_default();
                // A module that many have is one place.
                if known.iter().all(|login| login.place != place) {
                    let what = format!("a key that logs in to {whom} of `{}`", tree.name);
                    known.push(Login { place, what, is_sure: item.when.is_sure() });
                }
            }
        }
    }
    found
}

/// The identities of all unlock keys.
fn wanted<'a>(context: &Context<'a>) -> HashSet<&'a str> {
    let unlock = |machine: &'a Machine| Some(machine.remote_unlock.known()?.host_key.known()?.identity());
    context.fleet.machines.iter().filter_map(unlock).collect()
}

/// What else the unlock key of a machine is, and where.
fn other_use(fleet: &Fleet, of: &Machine, owner: &KeyOwner) -> Option<(Place, String)> {
    let machine = |index: &usize| fleet.machines.get(*index);
    let (key, what): (&Key, String) = match owner {
        KeyOwner::Host { machine: index } => {
            let machine = machine(index)?;
            (machine.host_key.known()?, format!("the host key of {}", called(machine, of)))
        }
        KeyOwner::User { machine: index, index: which } => {
            let machine = machine(index)?;
            (machine.user_keys.items.get(*which)?, format!("a user key of {}", called(machine, of)))
        }
        KeyOwner::Deploy { machine: index, index: which } => {
            let machine = machine(index)?;
            (machine.deploy_keys.items.get(*which)?, format!("a deploy key of {}", called(machine, of)))
        }
        KeyOwner::Unlock { machine: index } => {
            let machine = machine(index)?;
            (machine.remote_unlock.known()?.host_key.known()?, format!("the boot key of {}", called(machine, of)))
        }
        KeyOwner::Admin { index } => (fleet.admins.get(*index)?, "an admin key of the fleet".to_owned()),
        KeyOwner::Binding { name, place } => {
            return Some((place.clone(), format!("the key of `{name}` in a rules file")));
        }
    };
    Some((key.place.clone(), what))
}

/// Where rules files first name each of the unlock keys, by the key.
fn in_rules<'a>(context: &Context<'a>) -> HashMap<&'a str, &'a Place> {
    let wanted = wanted(context);
    let mut places = HashMap::new();
    if wanted.is_empty() {
        return places;
    }
    for rule in &context.comparisons().rule_keys {
        if wanted.contains(rule.key.identity()) {
            places.entry(rule.key.identity()).or_insert(&rule.key.place);
        }
    }
    places
}

fn finding(machine: &str, key: &Key, uses: &[(Place, String)]) -> Diagnostic {
    let what: Vec<String> = uses.iter().map(|(_, what)| what.clone()).collect();
    let message = format!("the boot key of `{machine}` is also {}", crate::words::enumerate(&what));
    let mut finding = RULE
        .finding(key.place.clone(), message)
        .with_label(format!("stored in clear in {machine}'s /boot"))
        .with_help("make a key for the boot environment alone\nssh-keygen -t ed25519 -N '' -f initrd_host_key")
        .with_data("machine", machine)
        .with_data("tag", serde_json::json!(key.recipient().ok().and_then(|recipient| recipient.tag())))
        .with_data("uses", serde_json::json!(what));
    for (place, what) in uses {
        finding = finding.with_related(place.clone(), what.clone());
    }
    finding
}

fn gaps(fleet: &Fleet) -> Vec<&Gap> {
    let of_machine = fleet.machines.iter().flat_map(|machine| {
        let unlock = machine.remote_unlock.gap().or_else(|| machine.remote_unlock.known()?.host_key.gap());
        let lists = machine.user_keys.gaps.iter().chain(&machine.deploy_keys.gaps);
        machine.host_key.gap().into_iter().chain(unlock).chain(lists)
    });
    of_machine.collect()
}

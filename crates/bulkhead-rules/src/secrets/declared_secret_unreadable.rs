//! `declared-secret-unreadable`: a secret of a machine that is not encrypted to it.

use std::sync::Arc;

use bulkhead_age::Recipient;
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Fact, Key, KeyOwner};
use foldhash::{HashMap, HashMapExt, HashSet};
use serde_json::Value;

use super::declared::{Declared, Holder, declared};
use crate::comparison::{Comparison, Origin};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::namesakes::namesakes;
use crate::trees::{Tree, option};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "declared-secret-unreadable",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A machine declares a secret that it is not among the recipients of.",
    docs: "\
`age.secrets.<name>` of a machine names a file whose rule does not have the machine's `hostKey`.

**Why it matters.** The machine can't decrypt it: activation fails, and what needs the secret does not start. If the
file is still encrypted to the machine, that ends with the next rekeying.

**Fix.** Add the machine to the rule and rekey, or take the declaration out.

```nix
# bad: in secrets.nix, \"wifi.age\".publicKeys = [ s0 ];
age.secrets.wifi.file = ./secrets/wifi.age;                  # in the configuration of kif
# good
\"wifi.age\".publicKeys = [ s0 kif ];
```

**Limits.** A machine that decrypts with other keys (`age.identityPaths`), or has several host keys of which the rule
may name another one, makes a warning. Without a known `hostKey` it is *undecided*, once for a machine. Of systems of a
flake without a `properties.nix` the key is the one that a rules file calls like the system (`leela = \"ssh-ed25519
…\"`, or with the comment `root@leela`), and it is a warning, or *undecided* where the rule has another key with that
name in its own; where no key is called so, and the rule has not all keys of its file, it is *undecided*, once for all
of them. Secrets of users (`home-manager.users.<name>.age.secrets`) want one of the machine's `userKeys`, which is a
warning too; those of containers and virtual machines are not judged: their keys are not known.

**Data.** `machine`: the machine. `secret`: the name in `age.secrets`. `path`: the file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut by_path: HashMap<&str, Vec<&Comparison<'_>>> = HashMap::new();
    for comparison in &context.comparisons().all {
        if let Some(path) = &comparison.path {
            by_path.entry(path.as_str()).or_default().push(comparison);
        }
    }
    let mut unnamed = Vec::new();
    for tree in context.trees() {
        let declared = declared(context, tree);
        if !tree.has_properties() {
            of_namesakes(context, tree, &declared, &by_path, &mut unnamed, found);
            continue;
        }
        let ruled = declared.iter().filter_map(|secret| Some((secret, by_path.get(secret.file.value.as_str())?)));
        let (of_machine, others): (Vec<_>, Vec<_>) = ruled.partition(|(secret, _)| secret.holder == Holder::Machine);
        of_users(context, tree, &others, found);
        let ruled = of_machine;
        let Fact::Known(key) = &tree.machine.host_key else {
            if let (Some((first, _)), Fact::Absent) = (ruled.first(), &tree.machine.host_key) {
                found.push(keyless(
                    tree,
                    first.place.clone(),
                    &ruled.iter().map(|(secret, _)| &*secret.name).collect::<Vec<_>>(),
                ));
            }
            continue;
        };
        for (secret, rules) in ruled {
            for rule in rules {
                let is_reader = |other: &&Key| other.identity() == key.identity();
                // What is not known of the rule may be this key.
                if rule.keys.iter().copied().any(|other| is_reader(&other)) || !rule.gaps.is_empty() {
                    continue;
                }
                let message =
                    format!("`{}` is not among the recipients of `{}`, which it declares", tree.name, rule.name);
                let mut finding = RULE
                    .judged(context.tree, &secret.file.when, secret.place.clone(), message)
                    .with_label("it fails at activation")
                    .with_related(rule.place(), format!("for {} keys, none of them its host key", rule.keys.len()));
                if let Some(why) = may_differ(context, tree, rule) {
                    finding.severity = finding.severity.min(Severity::Warning);
                    finding = finding.with_note(why);
                }
                found.push(
                    finding
                        .with_help("add the machine to the rule and rekey, or take the declaration out")
                        .with_data("machine", &*tree.name)
                        .with_data("secret", &*secret.name)
                        .with_data("path", secret.file.value.as_str()),
                );
            }
        }
    }
    found.extend(nameless(&unnamed));
}

/// A secret of a system of which no key is known.
struct Unnamed {
    machine: Arc<str>,
    secret: Arc<str>,
    place: Place,
    rule: Place,
}

/// The secrets of a system without properties: its key is one that is called like it.
fn of_namesakes(
    context: &Context<'_>,
    tree: &Tree<'_>,
    declared: &[Declared],
    by_path: &HashMap<&str, Vec<&Comparison<'_>>>,
    unnamed: &mut Vec<Unnamed>,
    found: &mut Vec<Diagnostic>,
) {
    let of_machine = declared.iter().filter(|secret| secret.holder == Holder::Machine);
    let ruled: Vec<_> =
        of_machine.filter_map(|secret| Some((secret, by_path.get(secret.file.value.as_str())?))).collect();
    if ruled.is_empty() {
        return;
    }
    let keys = namesakes(context, tree);
    // With another key than its host's a machine is whoever has that.
    let has_others = !tree.below(&option("age.identityPaths")).is_empty();
    for (secret, rules) in ruled {
        for rule in rules.iter().filter(|rule| rule.gaps.is_empty()) {
            let has = |known: &HashSet<&str>| rule.keys.iter().any(|key| known.contains(key.identity()));
            let similar = has(&keys.similar);
            if has(&keys.exact) || (similar && keys.exact.is_empty()) {
                continue;
            }
            if keys.exact.is_empty() || has_others {
                if !is_for_all(context, rule) {
                    unnamed.push(Unnamed {
                        machine: tree.name.clone(),
                        secret: secret.name.clone(),
                        place: secret.place.clone(),
                        rule: rule.place(),
                    });
                }
                continue;
            }
            let name = &tree.name;
            let message = format!("`{name}` is not among the recipients of `{}`, which it declares", rule.name);
            let mut finding = RULE
                .judged(context.tree, &secret.file.when, secret.place.clone(), message)
                .with_label("it fails at activation")
                .with_related(rule.place(), format!("for {} keys, none of them called `{name}`", rule.keys.len()))
                .with_note("going by names: there are keys that are called like it, which other rules have");
            finding.severity = finding.severity.min(Severity::Warning);
            if similar {
                finding.severity = Severity::Undecided;
                finding =
                    finding.with_note(format!("unless a key of the rule in whose name `{name}` is a part is its own"));
            }
            found.push(
                finding
                    .with_help("add the machine to the rule and rekey, or take the declaration out")
                    .with_data("machine", &**name)
                    .with_data("secret", &*secret.name)
                    .with_data("path", secret.file.value.as_str()),
            );
        }
    }
}

/// Whether a rule has every key that some rule of its file has.
fn is_for_all(context: &Context<'_>, rule: &Comparison<'_>) -> bool {
    let Origin::Rules(file, _) = rule.origin else { return false };
    let keys: HashSet<&str> = rule.keys.iter().map(|key| key.identity()).collect();
    let all = context.comparisons().all.iter();
    let mut same = all.filter(|other| matches!(other.origin, Origin::Rules(of, _) if of.path == file.path));
    same.all(|other| other.keys.iter().all(|key| keys.contains(key.identity())))
}

/// That the keys of systems are not known, once for all.
fn nameless(unnamed: &[Unnamed]) -> Option<Diagnostic> {
    let first = unnamed.first()?;
    let mut machines: Vec<&str> = Vec::new();
    for other in unnamed {
        if !machines.contains(&&*other.machine) {
            machines.push(&other.machine);
        }
    }
    let of_first = unnamed.iter().filter(|other| other.machine == first.machine).map(|other| &*other.secret);
    let message = format!(
        "can't tell whether {} can read what it declares: no key in the rules is called like it",
        quoted(machines.iter().copied())
    );
    let mut finding = RULE.finding(first.place.clone(), message).with_related(first.rule.clone(), "the rule");
    finding.severity = Severity::Undecided;
    Some(
        finding
            .with_help(
                "call its key like the machine, in the rules file; or write a `properties.nix` with its `hostKey`",
            )
            .with_data("machine", &*first.machine)
            .with_data("secret", &*first.secret)
            .with_data("secrets", Value::Array(of_first.map(Value::from).collect())),
    )
}

/// Secrets that users decrypt by home-manager, each with the rules for its file: they have keys of their own, and may have
/// more of them than the machine's properties tell.
fn of_users(
    context: &Context<'_>,
    tree: &Tree<'_>,
    ruled: &[(&Declared, &Vec<&Comparison<'_>>)],
    found: &mut Vec<Diagnostic>,
) {
    let keys = &tree.machine.user_keys;
    let mut unknown: Vec<(&str, &Declared)> = Vec::new();
    for (secret, rules) in ruled {
        let Holder::User(user) = &secret.holder else { continue };
        for rule in rules.iter().filter(|rule| rule.gaps.is_empty()) {
            let is_of_user = |other: &&Key| keys.iter().any(|key| key.identity() == other.identity());
            if rule.keys.iter().any(is_of_user) || !keys.is_complete() {
                continue;
            }
            if keys.items.is_empty() {
                unknown.push((user, secret));
                continue;
            }
            let message = format!(
                "no key of users of `{}` is among the recipients of `{}`, which {user} declares",
                tree.name, rule.name
            );
            let mut finding = RULE
                .judged(context.tree, &secret.file.when, secret.place.clone(), message)
                .with_label("it fails when the user's services start")
                .with_related(rule.place(), format!("for {} keys, none of them in `userKeys`", rule.keys.len()))
                .with_note(
                    "unless the user decrypts with another key: home-manager takes those in `age.identityPaths`",
                );
            finding.severity = finding.severity.min(Severity::Warning);
            found.push(
                finding
                    .with_help("add a key of the user to the rule and rekey, or take the declaration out")
                    .with_data("machine", &*tree.name)
                    .with_data("secret", &*secret.name)
                    .with_data("path", secret.file.value.as_str()),
            );
        }
    }
    let Some((_, first)) = unknown.first() else { return };
    let mut users: Vec<&str> = Vec::new();
    for (user, _) in &unknown {
        if !users.contains(user) {
            users.push(user);
        }
    }
    let names: Vec<&str> = unknown.iter().map(|(_, secret)| &*secret.name).collect();
    let secrets = quoted(names.iter().copied());
    let message = format!(
        "can't tell whether {} on `{}` can read {secrets}: its properties have no `userKeys`",
        users.join(" and "),
        tree.name
    );
    let mut finding =
        RULE.finding(first.place.clone(), message).with_related(tree.machine.place.clone(), "`userKeys` is missing");
    finding.severity = Severity::Undecided;
    found.push(
        finding
            .with_help("add the public keys of its users as `userKeys`")
            .with_data("machine", &*tree.name)
            .with_data("secret", &*first.name)
            .with_data("secrets", Value::Array(names.iter().map(|name| Value::from(*name)).collect())),
    );
}

/// Why the machine may decrypt with a key other than its `hostKey`.
fn may_differ(context: &Context<'_>, tree: &Tree<'_>, rule: &Comparison<'_>) -> Option<String> {
    if !tree.below(&option("age.identityPaths")).is_empty() {
        return Some("unless it decrypts with another key: `age.identityPaths` is set".to_owned());
    }
    let is_nobodys = |key: &&&Key| {
        let owners = context.fleet.keys.owners(key.identity());
        let known = |owner: &KeyOwner| !matches!(owner, KeyOwner::Binding { .. });
        key.recipient().is_ok_and(|key: &Recipient| key.ssh().is_some()) && !owners.iter().any(known)
    };
    let other = rule.keys.iter().find(is_nobodys)?;
    let name = context.fleet.keys.owners(other.identity()).first().map(|owner| context.fleet.owner_name(owner));
    let name = name.or_else(|| other.public.comment().map(str::to_owned)).unwrap_or_else(|| "a key".to_owned());
    Some(format!(
        "unless `{name}`, which the rule names and whose properties don't tell, is another host key of this machine"
    ))
}

fn keyless(tree: &Tree<'_>, place: bulkhead_diagnostics::Place, names: &[&str]) -> Diagnostic {
    let machine = &tree.name;
    let secrets = quoted(names.iter().copied());
    let message = format!("can't tell whether `{machine}` can read {secrets}: its properties have no `hostKey`");
    let mut finding = RULE.finding(place, message).with_related(tree.machine.place.clone(), "`hostKey` is missing");
    finding.severity = Severity::Undecided;
    finding
        .with_help("add the machine's host key as `hostKey`")
        .with_data("machine", &**machine)
        .with_data("secret", names.first().copied().unwrap_or_default())
        .with_data("secrets", Value::Array(names.iter().map(|name| Value::from(*name)).collect()))
}

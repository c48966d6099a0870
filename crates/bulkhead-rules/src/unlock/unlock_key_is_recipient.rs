//! `unlock-key-is-recipient`: a secret that the key of a boot environment opens.

use bulkhead_age::Recipient;
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Key, KeyOwner, RulesState};
use foldhash::{HashMap, HashMapExt};
use serde_json::Value;

use crate::comparison::Origin;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "unlock-key-is-recipient",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "The key of a boot environment can read secrets.",
    docs: "\
`remoteUnlock.hostKey` of a machine is among the recipients of a secret: by the grants of the convention, in a rules
file, or in the header of an `.age` file.

**Why it matters.** The private half lies in clear in `/boot`: whoever holds the disk, or reads `/boot`, can decrypt
these secrets.

**Fix.** Take the key out of the rules, rekey, and change the secrets. If it is the machine's host key as well, make a
key for the boot environment alone (see `unlock-key-reused`).

```nix
# bad
\"wifi.age\".publicKeys = [ kif kif-initrd ];
# good
\"wifi.age\".publicKeys = [ kif ];
```

**Limits.** In headers the key is recognised by its tag of 32 bits. Rules that are not known make the rule *undecided*.

**Data.** `machine`: whose boot environment. `tag`: the key's tag. `secrets`: the secrets by name in the rules file,
or by path if only the header has it.
",
    check: Some(check),
};

/// A boot environment's key and what it opens.
struct Opened<'a> {
    machine: &'a str,
    key: &'a Key,
    tag: Option<String>,
    secrets: Vec<String>,
    places: Vec<(Place, String)>,
}

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let mut opened: Vec<Opened<'_>> = Vec::new();
    for machine in &fleet.machines {
        let Some(key) = machine.remote_unlock.known().and_then(|unlock| unlock.host_key.known()) else { continue };
        let Ok(recipient) = key.recipient() else { continue };
        let tag = recipient.tag();
        opened.push(Opened { machine: &machine.name, key, tag, secrets: Vec::new(), places: Vec::new() });
    }
    if opened.is_empty() {
        return;
    }
    in_rules(context, &mut opened);
    in_grants(context, &mut opened);
    in_headers(context, &mut opened);
    found.extend(opened.into_iter().filter(|opened| !opened.secrets.is_empty()).map(finding));
    let gaps = fleet.rules_files.iter().filter_map(|rules| match &rules.state {
        RulesState::Undecided(gap) => Some(gap),
        _ => None,
    });
    let of_entries = context.comparisons().all.iter().flat_map(|comparison| comparison.gaps.iter().copied());
    RULE.undecided(gaps.chain(of_entries), "whether an unlock key can read secrets", found);
}

fn in_rules<'a>(context: &Context<'a>, opened: &mut [Opened<'a>]) {
    let by_key = by_key(opened);
    let mut rules: Vec<(usize, &str, &Key)> = Vec::new();
    let comparisons = context.comparisons();
    // Few keys, each looked up once; the entries only of those that are found.
    let is_known = comparisons.rule_keys.iter().any(|rule| by_key.contains_key(rule.key.identity()));
    if is_known {
        for comparison in comparisons.all.iter().filter(|found| matches!(found.origin, Origin::Rules(..))) {
            for key in &comparison.keys {
                for index in by_key.get(key.identity()).into_iter().flatten() {
                    rules.push((*index, &comparison.name, key));
                }
            }
        }
    }
    for (index, name, key) in rules {
        let Some(opened) = opened.get_mut(index) else { continue };
        if !opened.secrets.iter().any(|known| known == name) {
            opened.secrets.push(name.to_owned());
        }
        if !opened.places.iter().any(|(place, _)| *place == key.place) {
            opened.places.push((key.place.clone(), "a recipient here".to_owned()));
        }
    }
}

/// Indices of boot environments by key: several may wrongly have one.
fn by_key<'a>(opened: &[Opened<'a>]) -> HashMap<&'a str, Vec<usize>> {
    let mut by_key: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, opened) in opened.iter().enumerate() {
        by_key.entry(opened.key.identity()).or_default().push(index);
    }
    by_key
}

fn in_grants<'a>(context: &Context<'a>, opened: &mut [Opened<'a>]) {
    let fleet = context.fleet;
    for opened in opened {
        let owners = fleet.keys.owners(opened.key.identity());
        let reads =
            |owner: &KeyOwner| matches!(owner, KeyOwner::Host { .. } | KeyOwner::User { .. } | KeyOwner::Admin { .. });
        if !owners.iter().any(reads) {
            continue;
        }
        for secret in &fleet.secrets {
            let is_granted = fleet.grants(secret).iter().any(|grant| owners.contains(&grant.reader));
            if is_granted && !opened.secrets.contains(&secret.rule_name) {
                opened.secrets.push(secret.rule_name.clone());
            }
        }
    }
}

fn in_headers<'a>(context: &Context<'a>, opened: &mut [Opened<'a>]) {
    let mut by_tag: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, opened) in opened.iter().enumerate() {
        if let Some(tag) = &opened.tag {
            by_tag.entry(tag.clone()).or_default().push(index);
        }
    }
    let mut names: Option<HashMap<&str, &str>> = None;
    for file in &context.fleet.age_files {
        let Ok(header) = &file.header else { continue };
        for stanza in header.stanzas.iter().filter(|stanza| !stanza.is_grease()) {
            let Some(indices) = stanza.tag().and_then(|tag| by_tag.get(tag)) else { continue };
            for index in indices {
                let Some(opened) = opened.get_mut(*index) else { continue };
                // The type has to fit too: tags of different types are hashes of different things.
                if opened
                    .key
                    .recipient()
                    .ok()
                    .and_then(Recipient::ssh)
                    .is_none_or(|key| key.algorithm() != stanza.type_name())
                {
                    continue;
                }
                let names = names.get_or_insert_with(|| {
                    let named = context.comparisons().all.iter();
                    named.filter_map(|found| Some((found.path.as_ref()?.as_str(), &*found.name))).collect()
                });
                let path = file.path.as_str();
                let name = names.get(path).copied().unwrap_or(path);
                if !opened.secrets.iter().any(|known| known == name) {
                    opened.secrets.push(name.to_owned());
                }
                opened.places.push((Place::file(file.path.to_arc()), "encrypted to it".to_owned()));
            }
        }
    }
}

fn finding(opened: Opened<'_>) -> Diagnostic {
    let message =
        format!("the boot key of `{}` can read {}", opened.machine, quoted(opened.secrets.iter().map(String::as_str)));
    let mut finding = RULE
        .finding(opened.key.place.clone(), message)
        .with_label(format!("stored in clear in {}'s /boot", opened.machine))
        .with_note("whoever holds the machine's disk can decrypt them")
        .with_help("make a key for the boot environment alone, rekey, and change these secrets\nssh-keygen -t ed25519 -N '' -f initrd_host_key")
        .with_data("machine", opened.machine)
        .with_data("tag", serde_json::json!(opened.tag))
        .with_data("secrets", Value::Array(opened.secrets.into_iter().map(Value::from).collect()));
    for (place, message) in opened.places {
        finding = finding.with_related(place, message);
    }
    finding
}

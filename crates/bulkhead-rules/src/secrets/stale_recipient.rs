//! `stale-recipient`: a file that somebody can read whom its rule does not name.

use bulkhead_age::Recipient;
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use foldhash::{HashSet, HashSetExt};

use super::together::{Found, together, with_others};
use crate::comparison::{Comparison, Mismatch};
use crate::context::Context;
use crate::names::{self, Somebody};
use crate::rule::{Area, Rule};
use crate::words::{count, edit, enumerate, quoted, rekey};

pub(crate) const RULE: Rule = Rule {
    name: "stale-recipient",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is still encrypted to a key that its rule no longer names.",
    docs: "\
An `.age` file lists, for each key that can open it, a tag of that key. This rule compares the tags with the keys of
the secret's rule, without decrypting anything, and reports those that no key of the rule explains.

**Why it matters.** Taking a key out of `secrets.nix` changes no file: whoever has the key can read the secret until
somebody rekeys. That is how machines that were sold, people who have left and roles that were dropped keep their
access, often for years.

**Fix.** Rekey: `agenix --rekey`, or for one file `agenix -e FILE` and save it as it is. Then change the secret itself:
whoever had the key could read the old value, and can for ever in git's history.

```nix
# bad: the file is still encrypted to ponyo's key
\"restic-password.age\".publicKeys = [ kif s0 ];
# good: the same rule, after `agenix --rekey`
```

**Limits.** A tag has 32 bits: that a tag belongs to a certain machine is evidence, not proof; that it belongs to no key
of the rule is certain. `X25519` recipients (`age1…`) have no tag, see `unidentifiable-recipient`. Where the rule has
keys that can't be read or are not known, the finding is *undecided*.

**Allow.** In a generated `secrets.nix` a comment would be out of place: it goes to the secret's entry in
`secrets/properties.nix`, or to the `hostKey` of the machine in whose folder the secret lies.

**Data.** `secret`: its name in the rules file. `path`: its file. `recipients`: a list of `tag` and `name` (null if
nobody knows it). `secrets`, `paths`: all secrets of a handwritten rules file that the same others can read, if there
are several: they get one finding.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut all: Vec<Found<'_, '_>> = Vec::new();
    for comparison in &context.comparisons().all {
        let Some(mismatch) = &comparison.mismatch else { continue };
        let stale = stale(context, comparison, mismatch);
        if !stale.is_empty() {
            all.push((comparison, stale));
        }
    }
    let is_same = |one: &Comparison<'_>, other: &Comparison<'_>| {
        let certain = |comparison: &Comparison<'_>| comparison.gaps.is_empty() && comparison.damaged_keys() == 0;
        certain(one) && certain(other)
    };
    found.extend(together(all, is_same).iter().filter_map(|group| finding(group)));
}

/// Who can read the file without being named, each once.
fn stale(context: &Context<'_>, comparison: &Comparison<'_>, mismatch: &Mismatch) -> Vec<Somebody> {
    let tags: HashSet<String> =
        comparison.keys.iter().filter_map(|key| key.recipient().ok().and_then(Recipient::tag)).collect();
    let stanzas = mismatch.found.stale.iter().chain(&mismatch.found.malformed);
    let mut seen = HashSet::new();
    stanzas
        .filter_map(|index| comparison.stanza(*index))
        .filter_map(|stanza| Some((stanza.type_name(), stanza.tag()?)))
        .filter(|(_, tag)| !tags.contains(*tag) && seen.insert(*tag))
        .map(|(kind, tag)| context.who_has(kind, tag))
        .collect()
}

/// What `keys` say at the rule of a secret.
fn label(keys: usize) -> String {
    match keys {
        1 => "only this 1 key is meant to read it".to_owned(),
        keys => format!("these {keys} keys are meant to read it"),
    }
}

fn finding(group: &[Found<'_, '_>]) -> Option<Diagnostic> {
    let (comparison, stale) = group.first()?;
    let names = quoted(group.iter().map(|(comparison, _)| &*comparison.name));
    let (its_rule_does, it) = if group.len() == 1 {
        ("its rule does", "it, and change the secret itself")
    } else {
        ("their rules do", "them, and change the secrets themselves")
    };
    let is_certain = comparison.gaps.is_empty() && stale.len() > comparison.damaged_keys();
    let who = enumerate(&stale.iter().map(Somebody::short).collect::<Vec<_>>());
    let message = match is_certain {
        true => format!("{names} can still be read by {who}, which {its_rule_does} not name"),
        false => format!("can't tell whether {who} may read `{}`: not all keys of its rule are known", comparison.name),
    };
    let mut finding = RULE
        .finding(comparison.place(), message)
        .with_label(label(comparison.keys.len()))
        .with_data("secret", &*comparison.name)
        .with_data("recipients", names::json(stale));
    if let Some(file) = &comparison.file {
        let recipients = count(stale.len(), "further key");
        finding = finding
            .with_related(Place::file(file.path.to_arc()), format!("encrypted to {recipients}"))
            .with_data("path", file.path.as_str());
    }
    for somebody in stale.iter().take(4) {
        finding = finding.with_note(format!("also encrypted to {}", somebody.long()));
    }
    if !is_certain {
        finding.severity = Severity::Undecided;
        return Some(finding.with_help("write the rule's keys so that they can be read; then this is decided"));
    }
    let one = edit(comparison).filter(|_| group.len() == 1);
    let one = one.map(|edit| format!("\n(or only this one: {edit}, and save it as it is)"));
    finding = finding.with_help(format!(
        "rekey {it}: whoever has such a key could read the old value\n{}{}",
        rekey(comparison),
        one.unwrap_or_default()
    ));
    Some(with_others(finding, group, "can be read by the same"))
}

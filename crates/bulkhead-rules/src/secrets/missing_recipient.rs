//! `missing-recipient`: a file that somebody can't read whom its rule names.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use foldhash::{HashSet, HashSetExt};

use super::together::{Found, together, with_others};
use crate::comparison::Comparison;
use crate::context::Context;
use crate::names::{self, Somebody};
use crate::rule::{Area, Rule};
use crate::words::{edit, enumerate, quoted, rekey};

pub(crate) const RULE: Rule = Rule {
    name: "missing-recipient",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is not encrypted to a key that its rule names.",
    docs: "\
The rule of a secret names a key, and the `.age` file has no stanza with the key's tag: whoever has the key can't
decrypt the file.

**Why it matters.** A machine finds out when it activates its new configuration: the secret is missing, and what needs
it does not start.

**Fix.** `agenix --rekey`, or for one file `agenix -e FILE` and save it as it is. This needs a key that can read the
file now.

```nix
# bad: s0 was added, and nobody has rekeyed
\"restic-password.age\".publicKeys = [ kif s0 ];
# good: the same rule, after `agenix --rekey`
```

**Limits.** Certain for keys that headers name by a tag (SSH keys, YubiKeys). For others see `unidentifiable-recipient`;
for keys that age can't encrypt to see `rule-refused-by-agenix`.

**Allow.** In a generated `secrets.nix` a comment would be out of place: it goes to the secret's entry in
`secrets/properties.nix`, or to the `hostKey` of the machine in whose folder the secret lies.

**Data.** `secret`: its name in the rules file. `path`: its file. `recipients`: a list of `tag` (null where it differs
from file to file) and `name` (null if nobody knows it). `secrets`, `paths`: all secrets of a handwritten rules file
that lack the same keys, if there are several: they get one finding.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut lacking: Vec<Found<'_, '_>> = Vec::new();
    for comparison in &context.comparisons().all {
        let Some(mismatch) = &comparison.mismatch else { continue };
        // A stanza that is damaged is a damaged file, not a key that was forgotten.
        let damaged: HashSet<&str> =
            mismatch.found.malformed.iter().filter_map(|index| comparison.stanza(*index)?.tag()).collect();
        let mut seen = HashSet::new();
        let missing: Vec<Somebody> = mismatch
            .found
            .missing
            .iter()
            .filter_map(|index| comparison.recipient(*index))
            .filter(|key| seen.insert(key.identity()))
            .map(|key| names::of_key(context.fleet, key))
            .filter(|somebody| !somebody.tag.as_deref().is_some_and(|tag| damaged.contains(tag)))
            .collect();
        if !missing.is_empty() {
            lacking.push((comparison, missing));
        }
        for ambiguity in &mismatch.found.ambiguous {
            found.push(ambiguous(context, comparison, &ambiguity.recipients));
        }
    }
    found.extend(together(lacking, |_, _| true).iter().filter_map(|group| finding(group)));
}

fn finding(group: &[Found<'_, '_>]) -> Option<Diagnostic> {
    let (comparison, missing) = group.first()?;
    let names = quoted(group.iter().map(|(comparison, _)| &*comparison.name));
    let they = if group.len() == 1 {
        "it is not encrypted to what its rule names"
    } else {
        "they are not encrypted to what their rules name"
    };
    let label = "meant to be read by more than can read it";
    let who = enumerate(&missing.iter().map(Somebody::short).collect::<Vec<_>>());
    let mut finding = RULE
        .finding(comparison.place(), format!("{names} can't be read by {who}: {they}"))
        .with_label(label)
        .with_data("secret", &*comparison.name)
        .with_data("recipients", names::json(missing));
    if let Some(file) = &comparison.file {
        finding =
            finding.with_related(Place::file(file.path.to_arc()), "lacks them").with_data("path", file.path.as_str());
    }
    for somebody in missing.iter().take(4) {
        // Nobody may know whose the key is, but the rule does name it.
        let who = if somebody.name.is_some() { somebody.long() } else { somebody.short() };
        finding = finding.with_note(format!("not encrypted to {who}"));
    }
    let one = edit(comparison).filter(|_| group.len() == 1);
    let one = one.map(|edit| format!("\n(or only this one: {edit}, and save it as it is)"));
    let what = if group.len() == 1 { "rekey it" } else { "rekey them" };
    finding = finding.with_help(format!(
        "{what} before the next deployment, or the secret will be missing there\n{}{}",
        rekey(comparison),
        one.unwrap_or_default()
    ));
    Some(with_others(finding, group, label))
}

/// Two keys share a tag, and there are not as many stanzas.
fn ambiguous(context: &Context<'_>, comparison: &Comparison<'_>, recipients: &[usize]) -> Diagnostic {
    let keys = recipients.iter().filter_map(|index| comparison.recipient(*index));
    let everybody: Vec<Somebody> = keys.map(|key| names::of_key(context.fleet, key)).collect();
    let who = enumerate(&everybody.iter().map(Somebody::short).collect::<Vec<_>>());
    let message = format!("can't tell which of {who} can read `{}`: their keys share a tag", comparison.name);
    let mut finding = RULE.finding(comparison.place(), message);
    finding.severity = Severity::Undecided;
    finding
        .with_data("secret", &*comparison.name)
        .with_data("recipients", names::json(&everybody))
        .with_help("rekey it, or make a new key for one of them: equal tags are one in 4 billion by chance")
}

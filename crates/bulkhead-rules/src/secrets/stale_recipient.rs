//! `stale-recipient`: a file that somebody can read whom its rule does not name.

use bulkhead_age::Recipient;
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use foldhash::{HashSet, HashSetExt};

use crate::comparison::{Comparison, Mismatch};
use crate::context::Context;
use crate::names::{self, Somebody};
use crate::rule::{Area, Rule};
use crate::words::{count, edit, enumerate, rekey};

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
nobody knows it).
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for comparison in &context.comparisons().all {
        let Some(mismatch) = &comparison.mismatch else { continue };
        let stale = stale(context, comparison, mismatch);
        if !stale.is_empty() {
            found.push(finding(comparison, &stale));
        }
    }
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

fn finding(comparison: &Comparison<'_>, stale: &[Somebody]) -> Diagnostic {
    let is_certain = comparison.gaps.is_empty() && stale.len() > comparison.damaged_keys();
    let who = enumerate(&stale.iter().map(Somebody::short).collect::<Vec<_>>());
    let message = match is_certain {
        true => format!("`{}` can still be read by {who}, which its rule does not name", comparison.name),
        false => format!("can't tell whether {who} may read `{}`: not all keys of its rule are known", comparison.name),
    };
    let mut finding = RULE
        .finding(comparison.place(), message)
        .with_label(match comparison.keys.len() {
            1 => "only this 1 key is meant to read it".to_owned(),
            keys => format!("these {keys} keys are meant to read it"),
        })
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
        return finding.with_help("write the rule's keys so that they can be read; then this is decided");
    }
    let one = edit(comparison).map(|edit| format!("\n(or only this one: {edit}, and save it as it is)"));
    finding.with_help(format!(
        "rekey it, and change the secret itself: whoever has such a key could read the old value\n{}{}",
        rekey(comparison),
        one.unwrap_or_default()
    ))
}

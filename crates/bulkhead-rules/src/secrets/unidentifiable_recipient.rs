//! `unidentifiable-recipient`: anonymous recipients whose number does not fit.

use bulkhead_age::matching::{CountVerdict, Counted};
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use foldhash::{HashSet, HashSetExt};
use serde_json::{Value, json};

use crate::comparison::{Comparison, Mismatch};
use crate::context::Context;
use crate::names::{self, Somebody};
use crate::rule::{Area, Rule};
use crate::words::{count, enumerate, rekey};

pub(crate) const RULE: Rule = Rule {
    name: "unidentifiable-recipient",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "The number of anonymous recipients of a secret does not fit its rule.",
    docs: "\
Recipients of the types `X25519` (`age1…`) and `mlkem768x25519` (`age1pq1…`) leave no name in the header of an `.age`
file; they can only be counted. More of them than the rule has keys of that type: somebody can read the secret whom the
rule does not name. Fewer: somebody whom it names can't.

**Why it matters.** As for `stale-recipient` and `missing-recipient`; only who it is can't be told.

**Fix.** `agenix --rekey`. If there were too many, change the secret itself afterwards.

```nix
# bad: the rule has one age1… key, and the file two X25519 stanzas
\"wifi.age\".publicKeys = [ s0 \"age1…\" ];
# good: the same rule, after `agenix --rekey`
```

**Limits.** A number that fits proves nothing: one anonymous key may have taken the place of another. Stanzas of plugins
that are not known here give an *undecided* finding if their number differs from that of the plugins' keys.

**Data.** `secret`: its name in the rules file. `path`: its file. `recipients`: the rule's keys of that type, `tag`
null. `counts`: for each type that does not fit `type`, `keys` (in the rule) and `stanzas` (in the file).
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for comparison in &context.comparisons().all {
        let Some(mismatch) = &comparison.mismatch else { continue };
        let counted: Vec<&Counted> =
            mismatch.found.counted.iter().filter(|counted| counted.verdict != CountVerdict::Fits).collect();
        if !counted.is_empty() {
            found.push(miscounted(context, comparison, &counted));
        }
        found.extend(unidentified(context, comparison, mismatch));
    }
}

fn miscounted(context: &Context<'_>, comparison: &Comparison<'_>, counted: &[&Counted]) -> Diagnostic {
    let mut everybody = Vec::new();
    let mut sentences = Vec::new();
    let mut counts = Vec::new();
    let mut is_certain = true;
    for counted in counted {
        let keys: HashSet<&str> =
            counted.recipients.iter().filter_map(|i| Some(comparison.recipient(*i)?.identity())).collect();
        let (keys, stanzas) = (keys.len(), counted.stanzas.len());
        everybody.extend(somebodies(context, comparison, &counted.recipients));
        counts.push(json!({ "type": counted.stanza_type, "keys": keys, "stanzas": stanzas }));
        let meaning = match counted.verdict {
            CountVerdict::Fewer => "somebody whom the rule names can't read it",
            _ => "somebody can read it whom the rule does not name",
        };
        // A key that is not known may be one of those that are too many, never one of those that lack.
        let unread = stanzas.saturating_sub(keys) <= comparison.damaged_keys() || !comparison.gaps.is_empty();
        is_certain &= counted.verdict == CountVerdict::Fewer || (counted.verdict == CountVerdict::More && !unread);
        sentences.push(format!(
            "{} of type {} for {} of that type in its rule, so that {meaning}",
            count(stanzas, "recipient"),
            counted.stanza_type,
            count(keys, "key"),
        ));
    }
    let finding = finding(comparison, &everybody, format!("`{}` has {}", comparison.name, sentences.join("; ")));
    let mut finding = finding.with_data("counts", Value::Array(counts)).with_note(
        "recipients of this type leave no name in the header; who it is can't be told without their private keys",
    );
    if !is_certain {
        finding.severity = Severity::Undecided;
        return finding.with_note("not all keys of the rule are known; one of those may explain it");
    }
    finding
        .with_help(format!("rekey it; if it could be read by too many, change the secret too\n{}", rekey(comparison)))
}

/// What plugins have written, or may have.
fn unidentified(context: &Context<'_>, comparison: &Comparison<'_>, mismatch: &Mismatch) -> Option<Diagnostic> {
    let (keys, stanzas) = (&mismatch.found.unidentified_recipients, &mismatch.found.unidentified_stanzas);
    if keys.len() == stanzas.len() {
        return None;
    }
    let everybody = somebodies(context, comparison, keys);
    let kinds: HashSet<&str> =
        stanzas.iter().filter_map(|index| Some(comparison.stanza(*index)?.type_name())).collect();
    let mut kinds: Vec<String> =
        kinds.into_iter().map(|kind| format!("`{}`", kind.chars().take(40).collect::<String>())).collect();
    kinds.sort();
    let of_type = if kinds.is_empty() { String::new() } else { format!(" (of type {})", enumerate(&kinds)) };
    let message = format!(
        "can't tell who can read `{}`: it has {}{of_type} that can't be judged here, for {} of plugins in its rule",
        comparison.name,
        count(stanzas.len(), "recipient"),
        count(keys.len(), "key"),
    );
    let mut finding = finding(comparison, &everybody, message);
    finding.severity = Severity::Undecided;
    Some(finding.with_help("rekey it to be sure, or try to decrypt it with each of the keys"))
}

fn finding(comparison: &Comparison<'_>, everybody: &[Somebody], message: String) -> Diagnostic {
    let mut finding = RULE
        .finding(comparison.place(), message)
        .with_data("secret", &*comparison.name)
        .with_data("recipients", names::json(everybody));
    if let Some(file) = &comparison.file {
        finding =
            finding.with_related(Place::file(file.path.to_arc()), "its header").with_data("path", file.path.as_str());
    }
    let named: Vec<String> =
        everybody.iter().filter_map(|somebody| Some(format!("`{}`", somebody.name.as_ref()?))).collect();
    match named.as_slice() {
        [] => finding,
        named => finding.with_note(format!("the rule's keys of that type: {}", enumerate(named))),
    }
}

fn somebodies(context: &Context<'_>, comparison: &Comparison<'_>, recipients: &[usize]) -> Vec<Somebody> {
    let mut seen = HashSet::new();
    let keys = recipients.iter().filter_map(|index| comparison.recipient(*index));
    keys.filter(|key| seen.insert(key.identity())).map(|key| names::of_key(context.fleet, key)).collect()
}

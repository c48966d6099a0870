//! `duplicate-recipient`: the same key twice, in a rule or in a file.

use bulkhead_diagnostics::{Diagnostic, Severity};
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};

use crate::comparison::{Comparison, Origin};
use crate::context::Context;
use crate::names::{self, Somebody};
use crate::rule::{Area, Rule};
use crate::words::{enumerate, rekey};

pub(crate) const RULE: Rule = Rule {
    name: "duplicate-recipient",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "A rule names the same key twice, or a file is encrypted to it twice.",
    docs: "\
The rule of a secret lists one key several times, perhaps with different comments; or the `.age` file has two stanzas
for one key.

**Why it matters.** ragenix refuses a rules file with a list that has the same string twice. age writes a stanza for
each mention, so that headers grow, and a key that is taken out of one list stays in through the other: the usual way
in which access is kept by accident.

**Fix.** Name each key once, for instance with `lib.unique (users ++ hosts)`. For a file: `agenix --rekey`.

```nix
# bad
\"wifi.age\".publicKeys = admins ++ [ s0 (builtins.head admins) ];
# good
\"wifi.age\".publicKeys = admins ++ [ s0 ];
```

**Data.** `secret`: its name in the rules file. `path`: its file. `recipients`: the keys that are there twice, with
`tag` and `name`. `where`: `rule` or `file`.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for comparison in &context.comparisons().all {
        let in_rule = listed_twice(context, comparison);
        if !in_rule.is_empty() {
            found.push(finding(comparison, "rule", &in_rule));
            continue;
        }
        let Some(mismatch) = &comparison.mismatch else { continue };
        let mut seen = HashSet::new();
        let in_file: Vec<Somebody> = mismatch
            .found
            .duplicate_stanzas
            .iter()
            .filter_map(|index| comparison.stanza(*index))
            .filter_map(|stanza| Some((stanza.type_name(), stanza.tag()?)))
            .filter(|(_, tag)| seen.insert(*tag))
            .map(|(kind, tag)| context.who_has(kind, tag))
            .collect();
        if !in_file.is_empty() {
            found.push(finding(comparison, "file", &in_file));
        }
    }
}

fn listed_twice(context: &Context<'_>, comparison: &Comparison<'_>) -> Vec<Somebody> {
    // The keys of the convention are made different when they are listed.
    if matches!(comparison.origin, Origin::Convention(_)) {
        return Vec::new();
    }
    let mut times: HashMap<&str, usize> = HashMap::with_capacity(comparison.keys.len());
    let mut twice = Vec::new();
    for key in &comparison.keys {
        let times = times.entry(key.identity()).or_default();
        *times += 1;
        if *times == 2 {
            twice.push(names::of_key(context.fleet, key));
        }
    }
    twice
}

fn finding(comparison: &Comparison<'_>, place: &str, twice: &[Somebody]) -> Diagnostic {
    let who = enumerate(&twice.iter().map(Somebody::short).collect::<Vec<_>>());
    let finding = match place {
        "rule" => RULE
            .finding(comparison.place(), format!("the rule of `{}` names {who} more than once", comparison.name))
            .with_note("ragenix refuses lists with the same string twice; a key that is taken out once stays in")
            .with_help("name each key once"),
        _ => RULE
            .finding(comparison.place(), format!("`{}` is encrypted to {who} more than once", comparison.name))
            .with_help(format!("rekey it\n{}", rekey(comparison))),
    };
    let finding = finding
        .with_data("secret", &*comparison.name)
        .with_data("recipients", names::json(twice))
        .with_data("where", place);
    match &comparison.path {
        Some(path) => finding.with_data("path", path.as_str()),
        None => finding,
    }
}

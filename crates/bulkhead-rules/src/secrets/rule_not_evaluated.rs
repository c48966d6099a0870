//! `rule-not-evaluated`: rules that can't be known here.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Gap, GapKind, RulesState};
use foldhash::{HashMap, HashMapExt};
use serde_json::Value;

use crate::comparison::unknown;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "rule-not-evaluated",
    area: Area::Secrets,
    severity: Severity::Undecided,
    summary: "Who may read a secret depends on something that can't be known here.",
    docs: "\
A rules file, an entry in it or a grant depends on something that Bulkhead does not know: `<nixpkgs>` without a nixpkgs,
an environment variable, a fetched file.

**Why it matters.** The other rules can't judge these secrets. What is not judged must not look as if it were fine.

**Fix.** Name a nixpkgs with `--nixpkgs PATH` or in `NIX_PATH`, or let the installed Nix evaluate with
`--evaluator nix`. Rules that use `builtins` alone need neither.

```nix
# bad: undecided without a nixpkgs
let lib = (import <nixpkgs> { }).lib; in { \"wifi.age\".publicKeys = lib.attrValues hosts; }
# good
{ \"wifi.age\".publicKeys = builtins.attrValues hosts; }
```

**Data.** `secrets`: the names of the secrets concerned. `secret`: the name, if it is one. `rules`: the rules file, if
it is not known as a whole.
",
    check: Some(check),
};

struct Cause<'a> {
    gap: &'a Gap,
    secrets: Vec<&'a str>,
    /// The place of the first secret's rule.
    rule: Option<Place>,
}

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for rules in &context.fleet.rules_files {
        if let RulesState::Undecided(gap) = &rules.state {
            let what = format!("which secrets `{}` has rules for", rules.path);
            let mut finding = gap.undecided(RULE.name, &what);
            if *gap.place.file != *rules.path.as_str() {
                finding = finding.with_related(Place::file(rules.path.to_arc()), "needed by this rules file");
            }
            found.push(finding.with_data("rules", rules.path.as_str()).with_data("secrets", Value::Array(Vec::new())));
        }
    }
    if let Some(gap) = &context.fleet.secrets_gap
        && gap.kind == GapKind::Unknown
    {
        found.push(
            gap.undecided(RULE.name, "which secrets the fleet has").with_data("secrets", Value::Array(Vec::new())),
        );
    }
    // One cause often concerns many secrets.
    let mut causes: Vec<Cause<'_>> = Vec::new();
    let mut known: HashMap<(&Place, &str), usize> = HashMap::new();
    for comparison in &context.comparisons().all {
        for gap in unknown(&comparison.gaps) {
            if context.fleet.secrets_gap.as_ref().is_some_and(|whole| whole == gap) {
                continue;
            }
            let at = *known.entry((&gap.place, &gap.reason)).or_insert(causes.len());
            if at == causes.len() {
                causes.push(Cause { gap, secrets: Vec::new(), rule: Some(comparison.place()) });
            }
            if let Some(cause) = causes.get_mut(at)
                && cause.secrets.last() != Some(&&*comparison.name)
            {
                cause.secrets.push(&comparison.name);
            }
        }
    }
    found.extend(causes.into_iter().map(finding));
}

fn finding(cause: Cause<'_>) -> Diagnostic {
    let what = format!("who may read {}", quoted(cause.secrets.iter().copied()));
    let mut finding = cause.gap.undecided(RULE.name, &what);
    if let Some(rule) = cause.rule.filter(|rule| *rule != cause.gap.place) {
        finding = finding.with_related(rule, "needed by this rule");
    }
    if let [secret] = cause.secrets.as_slice() {
        finding = finding.with_data("secret", *secret);
    }
    finding.with_data("secrets", Value::Array(cause.secrets.into_iter().map(Value::from).collect()))
}

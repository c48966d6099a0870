//! `unused-secret`: a secret that no machine uses.

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_modules::UNKNOWN_DEFINITION;
use bulkhead_source::read_text;
use foldhash::{HashSet, HashSetExt};
use serde_json::Value;

use super::declared::declared;
use crate::comparison::{Comparison, Origin};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::option;
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "unused-secret",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "A secret is encrypted to machines, and no machine declares it.",
    docs: "\
A rules file names an `.age` file that is there, no machine's `age.secrets` has it, and no other Nix file names it.

**Why it matters.** A secret that nobody needs is still one that can leak, and is rekeyed at each change. Often the
service is gone, and the login still works.

**Fix.** Delete file and rule, and take back what the secret opens; or declare it where it is needed.

```nix
# bad: no machine has age.secrets.old-api
\"old-api.age\".publicKeys = [ s0 ];
# good
age.secrets.old-api.file = ../secrets/old-api.age;
```

**Limits.** Only in a fleet whose machines declare secrets by their files. Secrets of the convention are declared by
the module `secrets`. If some declaration is not known, it is one *undecided* finding for all.

**Data.** `secrets`: the names. `secret`: the name, if it is one.
",
    check: Some(check),
};

/// Files longer than this are not searched, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let root = option("age.secrets");
    let mut used: HashSet<String> = HashSet::new();
    for tree in context.trees() {
        used.extend(declared(context, tree).into_iter().map(|secret| secret.file.value.as_str().to_owned()));
    }
    if used.is_empty() || fleet.rules_are_chosen {
        return;
    }
    let candidates: Vec<&Comparison<'_>> = context
        .comparisons()
        .all
        .iter()
        .filter(|rule| matches!(rule.origin, Origin::Rules(rules, _) if !rules.generated) && rule.file.is_some())
        .filter(|rule| rule.path.as_ref().is_some_and(|path| !used.contains(path.as_str())))
        .collect();
    if candidates.is_empty() {
        return;
    }
    let texts = texts(context);
    let is_named = |rule: &&Comparison<'_>| {
        let name = rule.path.as_ref().map_or("", |path| path.name());
        // Also without its ending, where a name is put together or a secret is asked for.
        let stem = rule.name.strip_suffix(".age").unwrap_or(&rule.name);
        let asked = [format!("\"{stem}\""), format!("/{stem}\""), format!("secrets.{stem}")];
        texts.iter().any(|text| text.contains(name) || asked.iter().any(|word| text.contains(word.as_str())))
    };
    let unused: Vec<&Comparison<'_>> = candidates.into_iter().filter(|rule| !is_named(rule)).collect();
    let Some(first) = unused.first() else { return };
    // A name that is put together may be that of any file; what a machine outside of the fleet declares is not read.
    let computed = texts.iter().any(|text| puts_names_together(context, text));
    let unknown = context.trees().iter().find_map(|tree| {
        let undecided = tree.configuration.undecided_at(&root).into_iter();
        let named = undecided.filter(|undecided| {
            !undecided.path.names().is_empty()
                && (undecided.what != UNKNOWN_DEFINITION
                    || undecided.path.names().last().is_some_and(|name| &**name == "file"))
        });
        named
            .map(|undecided| undecided.reason.reason.to_string())
            .next()
            .or_else(|| tree.configuration.problems.first().map(|problem| problem.message.clone()))
    });
    let reason = match (unknown, computed) {
        (Some(reason), _) => Some(reason),
        (None, true) => Some("a file puts the names of secrets together".to_owned()),
        (None, false) => None,
    };
    if let Some(reason) = reason {
        let names: Vec<&str> = unused.iter().map(|rule| &*rule.name).collect();
        let message = format!("can't tell whether any machine uses {}: {reason}", quoted(names.iter().copied()));
        let mut finding = RULE.finding(first.place(), message);
        finding.severity = Severity::Undecided;
        found.push(finding.with_data("secrets", Value::Array(names.into_iter().map(Value::from).collect())));
        return;
    }
    for rule in unused {
        found.push(
            RULE.finding(rule.place(), format!("no machine uses `{}`", rule.name))
                .with_label("encrypted to machines, and declared by none")
                .with_help("delete it with its rule, and take back what it opens; or declare it in `age.secrets`")
                .with_data("secret", &*rule.name)
                .with_data("secrets", vec![Value::from(&*rule.name)]),
        );
    }
}

/// Whether a file may declare secrets whose names are written nowhere: from the rules, from a folder, from a list.
fn puts_names_together(context: &Context<'_>, text: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let rules = context.fleet.rules_files.iter().map(|rules| rules.path.name());
    has(&["}.age", "+ \".age\""])
        || (has(&["age.secrets", "age = {"])
            && (has(&["readDir", "mapAttrs", "genAttrs", "listToAttrs", "foldl"])
                || rules.into_iter().any(|name| text.contains(&format!("import ./{name}")))))
}

/// The texts of the files that speak of secrets, but for the rules.
fn texts(context: &Context<'_>) -> Vec<std::sync::Arc<str>> {
    let fleet = context.fleet;
    let entries = fleet.rules_files.iter().flat_map(|rules| &rules.entries);
    let mut rules: HashSet<&str> = entries.map(|entry| &*entry.key.file).collect();
    rules.extend(fleet.rules_files.iter().map(|rules| rules.path.as_str()));
    let others = fleet.module_files.iter().filter(|path| !rules.contains(path.as_str()));
    others.filter_map(|path| read_text(context.tree, path, FILE_LIMIT).ok()).collect()
}

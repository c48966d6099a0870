//! `damaged-secret`: an age file that can't be decrypted though it begins like one.

use std::collections::BTreeMap;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::AgeFile;
use bulkhead_source::TreePath;
use foldhash::HashSet;

use crate::comparison::Comparison;
use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "damaged-secret",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "An age file is cut off, or a recipient in its header is broken.",
    docs: "\
The file begins like an age file, but its encrypted contents are cut off, a recipient in its header has the wrong form,
or a passphrase stands next to other recipients. age refuses such files.

**Why it matters.** The secret is lost as it lies there, and machines that need it fail at activation.

**Fix.** `git log --oneline -- FILE` finds the last whole version; or make the secret anew with `agenix -e FILE`.

```console
$ head -c 200 whole.age > secrets/wifi.age      # bad
$ cp whole.age secrets/wifi.age                 # good
```

**Limits.** Only what the length and the header tell: contents that were changed need the key to be noticed.

**Data.** `secret`: its name in the rules file, or its path if no rule names it. `path`: its file.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let comparisons = &context.comparisons().all;
    let mut damaged: BTreeMap<&str, (&AgeFile, String)> = BTreeMap::new();
    let named = comparisons.iter().filter_map(|comparison| comparison.file.as_deref());
    // Comparing has looked at the stanzas already.
    let sound: HashSet<&TreePath> =
        comparisons.iter().filter(|c| is_sound(c)).filter_map(|c| c.path.as_ref()).collect();
    for file in context.fleet.age_files.iter().chain(named) {
        if let Some(problem) = problem(file, sound.contains(&file.path)) {
            damaged.insert(file.path.as_str(), (file, problem));
        }
    }
    for (path, (file, problem)) in damaged {
        let named = comparisons.iter().find(|comparison| comparison.path.as_ref() == Some(&file.path));
        let finding = RULE
            .finding(Place::file(file.path.to_arc()), format!("`{path}` is damaged: {problem}"))
            .with_help(format!("go back to a version that is whole, or make it anew\ngit log --oneline -- {path}"))
            .with_data("secret", named.map_or(path, |comparison| &comparison.name))
            .with_data("path", path);
        found.push(match named {
            Some(comparison) => finding.with_related(comparison.place(), "its rule"),
            None => finding,
        });
    }
}

fn is_sound(comparison: &Comparison<'_>) -> bool {
    match &comparison.mismatch {
        Some(mismatch) => mismatch.found.malformed.is_empty(),
        None => comparison.is_compared,
    }
}

fn problem(file: &AgeFile, is_sound: bool) -> Option<String> {
    let header = file.header.as_ref().ok()?;
    if let Some(problem) = header.problem() {
        return Some(problem.to_owned());
    }
    let mut stanzas = header.stanzas.iter().filter(|stanza| !is_sound && !stanza.is_grease());
    stanzas.find_map(|stanza| stanza.problem()).or_else(|| Some(file.payload_problem.as_ref()?.message.clone()))
}

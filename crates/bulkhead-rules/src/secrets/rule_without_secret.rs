//! `rule-without-secret`: a rule for a file that is not there.

use bulkhead_diagnostics::{Diagnostic, Severity, nearest};
use bulkhead_fleet::Fleet;
use bulkhead_source::TreePath;

use crate::comparison::Origin;
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::words::edit;

pub(crate) const RULE: Rule = Rule {
    name: "rule-without-secret",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "A rule names a file that does not exist.",
    docs: "\
An entry of a rules file, or of `secrets/properties.nix`, is about an `.age` file that is not there: not made yet,
renamed, misspelt, or not added to git.

**Why it matters.** A machine that refers to the file does not build. A rule that was forgotten hides that another file,
named almost the same, has no rule.

**Fix.** Make the file with `agenix -e NAME`, correct the name, or delete the rule.

```nix
# bad: there is no wfi.age
\"wfi.age\".publicKeys = [ s0 ];
# good
\"wifi.age\".publicKeys = [ s0 ];
```

**Limits.** Names are looked up against the folder of the rules file and the folders above it. A name that leads out of
the repository can't be judged: *undecided*. What lies in a folder that is not read (a submodule, a link out of the
repository) is left to the finding about the folder.

**Data.** `secret`: its name in the rules file. `recipients`: an empty list.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    // What lies in a folder that is not read is neither there nor missing; a finding about the folder says so.
    let is_unread = |path: &Option<TreePath>| path.as_ref().is_some_and(|path| fleet.is_unread(path));
    let missing = context.comparisons().all.iter().filter(|comparison| comparison.file.is_none());
    for comparison in missing.filter(|comparison| !is_unread(&comparison.path)) {
        let Some(path) = &comparison.path else {
            let message = format!("can't judge `{}`: it lies outside of what is looked at", comparison.name);
            let mut finding = RULE.finding(comparison.place(), message);
            finding.severity = Severity::Undecided;
            let finding = finding.with_help("look at the folder that holds both the rules and the secrets");
            found.push(data(finding, &comparison.name));
            continue;
        };
        let message = match comparison.origin {
            Origin::Rules(..) => format!("there is no `{path}` for the rule of `{}`", comparison.name),
            Origin::Convention(_) => format!("there is no `{path}`, though it is granted"),
        };
        let mut finding = RULE.finding(comparison.place(), message).with_label("no such file");
        let folder = path.parent();
        let beside = fleet.age_files.iter().filter(|file| file.path.parent() == folder).map(|file| file.path.name());
        if let Some(near) = nearest(path.name(), beside) {
            finding = finding.with_help(format!("did you mean `{near}`?"));
        }
        let make = edit(comparison).unwrap_or_else(|| "agenix -e FILE".to_owned());
        let help = match comparison.origin {
            Origin::Rules(rules, _) if !rules.generated => format!("make it, or delete the rule\n{make}"),
            // Nobody edits generated rules; what they are made of must change.
            Origin::Rules(..) if !fleet.secrets.iter().any(|secret| secret.file == *path) => {
                "put it back, or write the rules anew if it has left for good\nbulkhead gen-secrets".to_owned()
            }
            _ => format!("make it, or take out its entry in {} and run bulkhead gen-secrets\n{make}", entries(fleet)),
        };
        found.push(data(finding.with_help(help), &comparison.name));
    }
}

/// The file that grants secrets.
fn entries(fleet: &Fleet) -> String {
    fleet.config.secrets.join("properties.nix").map_or_else(|_| "properties.nix".to_owned(), |path| path.to_string())
}

fn data(finding: Diagnostic, secret: &str) -> Diagnostic {
    finding.with_data("secret", secret).with_data("recipients", serde_json::Value::Array(Vec::new()))
}

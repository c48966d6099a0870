//! `secret-without-rule`: an `.age` file that nothing says whom it is for.

use bulkhead_diagnostics::{Diagnostic, Place, Severity, nearest};
use bulkhead_fleet::{AgeFile, AgeFileError, Fleet, Gap, GapKind, RulesFile, RulesState, secret_stem};
use bulkhead_source::{TreePath, read_text};
use foldhash::HashSet;

use super::not_age::is_public;
use crate::comparison::Origin;
use crate::context::Context;
use crate::names;
use crate::rule::{Area, Rule};
use crate::words::count;

pub(crate) const RULE: Rule = Rule {
    name: "secret-without-rule",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "An `.age` file has no rule that says whom it is for.",
    docs: "\
An `.age` file is named by no rules file, and no convention grants it.

**Why it matters.** `agenix --rekey` passes it over: whoever could read it when it was made can read it for ever, also
machines and people who have left. Often it is a file that was renamed, or a secret that nobody needs any more.

**Fix.** Add a rule, or delete the file (and change the secret if it is still used anywhere).

```nix
# bad: secrets/old-wifi.age is there, and no rule names it
{ \"wifi.age\".publicKeys = [ s0 ]; }
# good
{ \"wifi.age\".publicKeys = [ s0 ]; \"old-wifi.age\".publicKeys = [ s0 ]; }
```

**Limits.** A repository without rules files and machines gets one finding for all files. It is *undecided* where the
rules are those of another tool, which are not read (agenix-rekey, agenix-cli), or may lie in what can't be read (a
submodule). If a rules file is not known as a whole, it may name the files that no other names: they get one *undecided*
finding together. A file whose name ends in `.AGE` where a secret would be is not reported here: `schema` asks to rename
it first.

**Data.** `secret`: the file's path. `path`: the same. `recipients`: who can read it, as far as its header tells by
tags. `files`: how many files have no rule, where they are reported together.
",
    check: Some(check),
};

/// Where agenix-cli, another tool, has its rules.
const AGENIX_CLI: &str = ".agenix.toml";

const FLAKE: &str = "flake.nix";

/// Longer flakes are not searched, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let fleet = context.fleet;
    let named: HashSet<&TreePath> = context
        .comparisons()
        .all
        .iter()
        .filter(|comparison| match comparison.origin {
            Origin::Rules(..) => true,
            Origin::Convention(secret) => secret.is_granted(),
        })
        .filter_map(|comparison| comparison.path.as_ref())
        .collect();
    let without: Vec<&AgeFile> = fleet
        .age_files
        .iter()
        // What can't be read is reported as such: its name may be all that is like a secret.
        .filter(|file| !matches!(file.header, Err(AgeFileError::Read(_))) && !is_public(file))
        .filter(|file| !named.contains(&file.path) && concerns(fleet, file) && !is_misnamed(fleet, file))
        .collect();
    if without.is_empty() {
        return;
    }
    let has_none = fleet.rules_files.is_empty() && fleet.machines.is_empty();
    if let (true, [first, others @ ..]) = (has_none, without.as_slice()) {
        match elsewhere(context) {
            Some(reason) => found.push(no_rules_seen(first, without.len(), &reason)),
            None if others.is_empty() => found.push(finding(context, first, gap(fleet), &[])),
            None => found.push(no_rules(first, without.len())),
        }
        return;
    }
    let gap = gap(fleet);
    if let (Some(gap), [first, others @ ..]) = (gap, without.as_slice())
        && !others.is_empty()
    {
        found.push(undecided_together(first, without.len(), gap));
        return;
    }
    let names: Vec<&str> = named.iter().filter(|path| fleet.age_file(path).is_none()).map(|path| path.name()).collect();
    for file in without {
        found.push(finding(context, file, gap, &names));
    }
}

/// One rules file that is not known leaves all files open that no other names: that is one question, not hundreds.
fn undecided_together(first: &AgeFile, files: usize, gap: &Gap) -> Diagnostic {
    let path = first.path.as_str();
    let others = count(files - 1, "other `.age` file");
    undecided(Place::file(first.path.to_arc()), format!("`{path}` and {others} have a rule"), gap)
        .with_data("secret", path)
        .with_data("path", path)
        .with_data("recipients", serde_json::Value::Array(Vec::new()))
        .with_data("files", files)
}

fn undecided(place: Place, what: String, gap: &Gap) -> Diagnostic {
    let mut finding = RULE
        .finding(place, format!("can't tell whether {what}: {}", gap.reason))
        .with_related(gap.place.clone(), "not known");
    finding.severity = Severity::Undecided;
    match (&gap.help, gap.kind) {
        (Some(help), _) => finding.with_help(&**help),
        (None, GapKind::Unknown | GapKind::Unread) => finding,
        (None, _) => finding.with_help("correct what is wrong there; another finding says what"),
    }
}

/// Whether the rules files at hand could be expected to name a file. Those that a person has named need not know those of
/// others.
fn concerns(fleet: &Fleet, file: &AgeFile) -> bool {
    !fleet.rules_are_chosen
        || fleet.rules_files.iter().filter_map(|rules| rules.path.parent()).any(|folder| file.path.starts_with(&folder))
}

/// Whether another finding says already that the file is no secret because its name ends in `.AGE`. What it is to be
/// called comes first; then there may be an entry that grants it.
fn is_misnamed(fleet: &Fleet, file: &AgeFile) -> bool {
    let is_reported = |finding: &Diagnostic| {
        finding.rule == "schema" && finding.place.span.is_none() && &*finding.place.file == file.path.as_str()
    };
    secret_stem(file.path.name()).is_none() && fleet.findings.iter().any(is_reported)
}

/// Where a repository has its rules that has none for agenix, or may have them.
fn elsewhere(context: &Context<'_>) -> Option<String> {
    let unread = context.fleet.findings.iter().find(|finding| {
        finding.rule == "unreadable-file"
            && finding.severity == Severity::Undecided
            && finding.place.file.rsplit('/').next().is_some_and(|name| name.ends_with(".nix") || !name.contains('.'))
    });
    if let Some(unread) = unread {
        return Some(format!("`{}` may hold the rules, and can't be read", unread.place.file));
    }
    if TreePath::new(AGENIX_CLI).is_ok_and(|path| context.tree.exists(&path)) {
        return Some(format!("the rules of agenix-cli in `{AGENIX_CLI}` are not read"));
    }
    let flake = read_text(context.tree, &TreePath::new(FLAKE).ok()?, FILE_LIMIT).ok()?;
    flake
        .contains("agenix-rekey")
        .then(|| "agenix-rekey keeps its rules in the configuration of the machines, which is not judged".to_owned())
}

/// A repository that has its rules elsewhere: that is one question, not hundreds.
fn no_rules_seen(first: &AgeFile, files: usize, reason: &str) -> Diagnostic {
    let path = first.path.as_str();
    let what = match files {
        1 => format!("`{path}`"),
        _ => format!("`{path}` and {}", count(files - 1, "other `.age` file")),
    };
    let message = format!("can't tell who may read {what}: {reason}");
    let mut finding = of_all(RULE.finding(Place::file(first.path.to_arc()), message), path, files);
    finding.severity = Severity::Undecided;
    finding
}

/// A repository that has no rules at all has them elsewhere, or is for another tool: that is one finding, not hundreds.
fn no_rules(first: &AgeFile, files: usize) -> Diagnostic {
    let path = first.path.as_str();
    let message = format!("no rules say who may read `{path}` and {}", count(files - 1, "other `.age` file"));
    let finding = RULE
        .finding(Place::file(first.path.to_arc()), message)
        .with_note("no agenix rules file was found (a set with `publicKeys` under the names of the files)")
        .with_help("if there is one, name it: bulkhead audit --rules FILE");
    of_all(finding, path, files)
}

fn of_all(finding: Diagnostic, path: &str, files: usize) -> Diagnostic {
    finding
        .with_data("secret", path)
        .with_data("path", path)
        .with_data("recipients", serde_json::Value::Array(Vec::new()))
        .with_data("files", files)
}

/// Why there may be a rule nevertheless.
fn gap(fleet: &Fleet) -> Option<&Gap> {
    let of_state = |rules: &'_ RulesFile| match &rules.state {
        RulesState::Evaluated => None,
        RulesState::Undecided(_) | RulesState::Failed(_) => Some(()),
    };
    let unknown = fleet.rules_files.iter().find(|rules| of_state(rules).is_some());
    match unknown.map(|rules| &rules.state) {
        Some(RulesState::Undecided(gap) | RulesState::Failed(gap)) => Some(gap),
        _ => fleet.secrets_gap.as_ref().filter(|_| fleet.rules_files.is_empty()),
    }
}

fn finding(context: &Context<'_>, file: &AgeFile, gap: Option<&Gap>, declared: &[&str]) -> Diagnostic {
    let path = file.path.as_str();
    let stanzas = file.header.as_ref().map(|header| header.stanzas.as_slice()).unwrap_or_default();
    let recipients: Vec<_> = stanzas
        .iter()
        .filter(|stanza| !stanza.is_grease())
        .filter_map(|stanza| Some((stanza.type_name(), stanza.tag()?)))
        .map(|(kind, tag)| context.who_has(kind, tag))
        .collect();
    let place = Place::file(file.path.to_arc());
    let mut finding = match gap {
        Some(gap) => undecided(place, format!("`{path}` has a rule"), gap),
        None => RULE
            .finding(place, format!("no rule says who may read `{path}`"))
            .with_note("agenix --rekey passes it over, so that whoever can read it now can do so for ever"),
    };
    let known: Vec<String> =
        recipients.iter().filter_map(|somebody| Some(format!("`{}`", somebody.name.as_ref()?))).collect();
    if !known.is_empty() {
        finding = finding.with_note(format!("it is encrypted to {}", crate::words::enumerate(&known)));
    }
    if gap.is_none() {
        if let Some(near) = nearest(file.path.name(), declared.iter().copied()) {
            finding = finding.with_help(format!("there is a rule for `{near}`, which is not there: was it renamed?"));
        }
        finding = finding.with_help(add(context.fleet, file));
    }
    finding.with_data("secret", path).with_data("path", path).with_data("recipients", names::json(&recipients))
}

/// The rules file in the deepest folder that holds the file, else the first.
fn nearest_rules<'f>(fleet: &'f Fleet, file: &AgeFile) -> Option<&'f RulesFile> {
    let holds = |rules: &&RulesFile| rules.path.parent().is_some_and(|folder| file.path.starts_with(&folder));
    let depth = |rules: &&RulesFile| rules.path.as_str().matches('/').count();
    fleet.rules_files.iter().filter(holds).max_by_key(depth).or_else(|| fleet.rules_files.first())
}

fn add(fleet: &Fleet, file: &AgeFile) -> String {
    let granted = fleet.secrets.iter().find(|secret| secret.file == file.path && secret.is_granted());
    let is_by_hand = nearest_rules(fleet, file).is_some_and(|rules| !rules.generated);
    let placed = fleet.secret_at(&file.path, true);
    // Where the convention has no place for it, the rules around it are those that it was made by.
    if !fleet.by_convention || (is_by_hand && (granted.is_some() || placed.is_none())) {
        return match nearest_rules(fleet, file) {
            Some(rules) => format!("add a rule for it to {}, or delete it:\ngit rm {}", rules.path, file.path),
            None => format!("add a rules file (secrets.nix) that names it, or delete it:\ngit rm {}", file.path),
        };
    }
    if let Some(secret) = granted {
        let by = match &secret.declared {
            Some(place) => place.file.to_string(),
            None => "its folder".to_owned(),
        };
        return format!(
            "it is granted by {by}, but the rules don't have it yet; write them anew\nbulkhead gen-secrets"
        );
    }
    let folder = &fleet.config.secrets;
    let grant = |name: &str| format!("then run bulkhead gen-secrets; or delete it\n\"{name}\".roles = [ \"…\" ];");
    match placed {
        Some(secret) => format!("grant it in {folder}/properties.nix, {}", grant(&secret.name)),
        None => {
            let name = file.path.name();
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            format!(
                "move it to where secrets are looked for, and grant it in {folder}/properties.nix, {}\ngit mv {} \
                 {folder}/{stem}.age",
                grant(stem),
                file.path
            )
        }
    }
}

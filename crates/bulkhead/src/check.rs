//! Judging a fleet.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bulkhead_diagnostics::{Diagnostic, Place, Report, RuleDescription, Severities, Severity, Summary, suppress};
use bulkhead_fleet::{CONFIG_FILE, Fleet, LoadOptions, Progress, Scope as SecretScope};
use bulkhead_generate::secrets as generated_secrets;
use bulkhead_rules::{CommittedLine, Context, History, RemovedLine, Selection, mapping_fault, registry};
use bulkhead_source::{GitHistory, TreePath, read_text};

use crate::links::one_for_each_link;
use crate::{FleetError, Project};

/// Which rules run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    #[default]
    All,
    /// Those about secrets, on any agenix repository.
    Secrets,
}

/// How to check.
#[derive(Clone, Default)]
pub struct CheckOptions<'a> {
    /// Which rules run.
    pub scope: Scope,
    /// The rules files to judge; all that are found if there are none.
    pub rules_files: Vec<TreePath>,
    /// Whether git's history may be asked for the names of keys that left. That may take seconds in a large repository,
    /// and what it finds depends on how long it takes; only people need it.
    pub history: bool,
    /// Is told how far loading has come.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// Load the fleet of a project and run the rules on it. Findings that comments in the files allow are left out, and the
/// severities of `bulkhead.toml` hold. A fleet in which everything is wrong is still `Ok`.
pub fn check(project: &Project, options: &CheckOptions<'_>) -> Result<Report, FleetError> {
    Ok(check_keeping_fleet(project, options)?.0)
}

/// As [`check`]; the fleet comes along.
pub fn check_keeping_fleet(project: &Project, options: &CheckOptions<'_>) -> Result<(Report, Fleet), FleetError> {
    let start = Instant::now();
    let load = LoadOptions { rules: options.rules_files.clone(), progress: options.progress, ..LoadOptions::default() };
    let fleet = project.fleet(&load)?;
    let mut report = judge(project, &fleet, options);
    report.summary.elapsed = Some(start.elapsed());
    Ok((report, fleet))
}

/// Run the rules on a fleet that has been loaded; see [`check`].
pub fn judge(project: &Project, fleet: &Fleet, options: &CheckOptions<'_>) -> Report {
    let history = if options.history { project.tree().root().map(LazyHistory::new) } else { None };
    let selection = match options.scope {
        Scope::All => Selection::All,
        Scope::Secrets => Selection::Secrets,
    };
    let mut context = Context::new(fleet, project.tree()).with_world(project.world());
    context.history = history.as_ref().map(|history| history as &dyn History);
    let expected = || match options.scope {
        Scope::All => expected_rules(project, fleet),
        Scope::Secrets => (None, None),
    };
    let ((expected, refusal), ()) = rayon::join(expected, || context.prepare());
    context.expected_rules = expected.as_deref();
    let mut findings: Vec<Diagnostic> = match options.scope {
        Scope::All => fleet.findings.clone(),
        // What is wrong with machines and the configuration is not what an audit of secrets was asked for.
        Scope::Secrets => {
            let machines: HashSet<&str> = fleet.machines.iter().map(|machine| machine.file.as_str()).collect();
            // But for why no machine is known, about which the rules are silent then.
            let is_cause = |finding: &Diagnostic| fleet.unread_machines().is_some_and(|gap| gap.place == finding.place);
            let about_secrets = |finding: &&Diagnostic| {
                let file = &*finding.place.file;
                (file != CONFIG_FILE && !machines.contains(file)) || is_cause(finding)
            };
            fleet.findings.iter().filter(about_secrets).cloned().collect()
        }
    };
    findings.extend(bulkhead_rules::run(&context, selection));
    findings.extend(refusal);
    let findings = one_for_each_link(findings);

    let known: Vec<&str> = registry().iter().map(|rule| rule.name).collect();
    let severities = &judging(&project.config().toml.rules);
    let sources = project.sources();
    let files = files_with_allows(fleet, &findings);
    let ran = |name: &str| !severities.is_off(name) && bulkhead_rules::find(name).is_ok_and(|rule| selection.has(rule));
    let rules = suppress::Rules { known: &known, ran: &ran };
    let files = files.iter().map(|file| &**file);
    let elsewhere = |finding: &Diagnostic, place: &Place| allowed_elsewhere(fleet, finding, place);
    let mut findings = suppress::apply_at(findings, files, &sources, &sources, rules, &elsewhere);
    findings.extend(unknown_rules(project, &known));
    findings.extend(mappings_without_meaning(project));
    let findings = severities.apply(findings);
    let summary = Summary {
        machines: fleet.counts.machines + context.other_systems(),
        roles: Some(fleet.counts.roles),
        secrets: fleet.counts.secrets,
        files: fleet.counts.files,
        ..Summary::default()
    };
    Report::new(findings, summary)
}

/// Those of a fleet's errors that comments at their places allow. What `bulkhead.toml` makes of a whole rule says nothing
/// about one error.
pub(crate) fn accepted(project: &Project, fleet: &Fleet) -> Vec<Diagnostic> {
    let is_error = |finding: &&Diagnostic| finding.severity == Severity::Error;
    let errors: Vec<Diagnostic> = fleet.findings.iter().filter(is_error).cloned().collect();
    if errors.is_empty() {
        return Vec::new();
    }
    let known: Vec<&str> = registry().iter().map(|rule| rule.name).collect();
    let sources = project.sources();
    let files: BTreeSet<Arc<str>> = errors.iter().map(|finding| finding.place.file.clone()).collect();
    let rules = suppress::Rules { known: &known, ran: &|_| false };
    let files = files.iter().map(|file| &**file);
    let left = suppress::apply(errors.clone(), files, &sources, &sources, rules);
    errors.into_iter().filter(|error| !left.contains(error)).collect()
}

/// All rules as renderers want them.
pub fn rule_descriptions() -> Vec<RuleDescription<'static>> {
    registry().iter().map(|rule| rule.description()).collect()
}

/// What `gen-secrets` would write, where the fleet has a rules file that it wrote before; if it would refuse, a finding
/// that says so, since nobody can tell then whether the file is up to date.
fn expected_rules(project: &Project, fleet: &Fleet) -> (Option<String>, Option<Diagnostic>) {
    let rules = &fleet.config.rules;
    let finding = |severity, message: String| {
        Diagnostic::new("secrets-nix-outdated", severity, Place::file(rules.to_arc()), message)
    };
    match read_text(project.tree(), rules, 64 << 20) {
        Ok(current) if generated_secrets::is_generated(&current) => {}
        // Where nothing is granted by convention there is nothing to generate.
        _ if !fleet.by_convention || !fleet.secrets.iter().any(|secret| secret.is_granted()) => return (None, None),
        Ok(_) => {
            let message = format!(
                "can't tell whether `{rules}` fits the fleet: its first line does not say that it is generated"
            );
            let help = "to let bulkhead write it: move it away, then run bulkhead gen-secrets, and compare the two";
            return (None, Some(finding(Severity::Undecided, message).with_help(help)));
        }
        Err(error) => {
            let message = format!("there are no rules that agenix could use: {error}");
            let finding = finding(Severity::Error, message);
            let finding = match generated_secrets::text(fleet) {
                Ok(_) => finding.with_help("write them: bulkhead gen-secrets"),
                Err(refusals) => with_causes(finding, &refusals),
            };
            return (None, Some(finding));
        }
    }
    let refusals = match generated_secrets::text(fleet) {
        Ok(text) => return (Some(text), None),
        Err(refusals) => refusals,
    };
    let is_wrong = refusals.iter().any(|refusal| refusal.severity == Severity::Error);
    let severity = if is_wrong { Severity::Error } else { Severity::Undecided };
    let message = format!("can't tell whether `{rules}` is up to date: gen-secrets refuses to write it");
    (None, Some(with_causes(finding(severity, message), &refusals)))
}

/// How many causes a finding names, each with its place and what to do about it.
const MOST_CAUSES: usize = 8;

/// The refusals of gen-secrets as places and help of one finding. What it would only leave out does not stand in the way,
/// and comes after what does.
fn with_causes(mut finding: Diagnostic, refusals: &[Diagnostic]) -> Diagnostic {
    let (refused, left_out): (Vec<_>, Vec<_>) =
        refusals.iter().partition(|refusal| refusal.severity != Severity::Warning);
    let causes = if refused.is_empty() { left_out } else { refused };
    for cause in causes.iter().take(MOST_CAUSES) {
        finding = finding.with_related(cause.place.clone(), cause.message.clone());
        // One help for several causes is said once, behind the first of them.
        let is_new = |help: &&String| !finding.help.iter().any(|said| said.ends_with(help.as_str()));
        let help: Vec<&str> = cause.help.iter().filter(is_new).map(String::as_str).collect();
        if !help.is_empty() {
            finding = finding.with_help(format!("{}: {}", cause.message, help.join("\n")));
        }
    }
    if causes.len() > MOST_CAUSES {
        finding =
            finding.with_note(format!("{} more causes; bulkhead gen-secrets shows all", causes.len() - MOST_CAUSES));
    }
    finding.with_help("when all of that is put right: bulkhead gen-secrets")
}

/// Rules that say what can't be read or judged. Without them the others would pass in silence, so they stay on.
const ALWAYS_ON: [&str; 9] = [
    "config",
    "configuration-not-known",
    "linked-machine",
    "nix-evaluation",
    "nix-syntax",
    "rule-not-evaluated",
    "schema",
    "unknown-value",
    "unreadable-file",
];

/// The severities that hold: those of `bulkhead.toml`, without what can't be switched off.
fn judging(written: &Severities) -> Severities {
    let mut severities = written.clone();
    severities.rules.retain(|name, _| !(written.is_off(name) && ALWAYS_ON.contains(&name.as_str())));
    severities
}

/// Findings about the table `rules` of `bulkhead.toml`: names that no rule has, and rules that can't be switched off.
fn unknown_rules(project: &Project, known: &[&str]) -> Vec<Diagnostic> {
    let config = project.config();
    let off = ALWAYS_ON.iter().filter(|name| config.toml.rules.is_off(name)).map(|name| {
        let message = format!("`{name}` can't be switched off: what can't be judged would look as if it were fine");
        let place = config.key_of(&["rules", name]);
        Diagnostic::new("config", Severity::Error, place, message)
            .with_help(format!("allow a single finding where it is: # bulkhead: allow({name}) reason"))
    });
    let mut findings: Vec<Diagnostic> = off.collect();
    findings.extend(config.toml.rules.unknown(known).into_iter().map(|(name, near)| {
        let place = config.key_of(&["rules", name]);
        let message = format!("`{name}` is no rule");
        let finding = Diagnostic::new("config", Severity::Error, place, message);
        match near {
            Some(near) => finding.with_help(format!("did you mean `{near}`?")),
            None => finding.with_help(format!("`bulkhead explain` lists the rules; {CONFIG_FILE} sets their severity")),
        }
    }));
    findings
}

/// Entries of `mappings` by which no rule would read anything.
fn mappings_without_meaning(project: &Project) -> Vec<Diagnostic> {
    let config = project.config();
    let faults = config.toml.mappings.iter().filter_map(|(ours, theirs)| {
        let message = format!("this mapping means nothing: {}", mapping_fault(ours, theirs)?);
        let place = config.key_of(&["mappings", ours]);
        let help = "Bulkhead's option on the left, the fleet's on the right: \"workspaces.<name>.ip\" = \"boxes.<name>.address\"";
        Some(Diagnostic::new("config", Severity::Error, place, message).with_help(help))
    });
    faults.collect()
}

/// The files whose comments may allow findings: those that the fleet is read from, and those that findings name.
fn files_with_allows(fleet: &Fleet, findings: &[Diagnostic]) -> BTreeSet<Arc<str>> {
    let mut files: BTreeSet<Arc<str>> = fleet.machines.iter().map(|machine| machine.file.to_arc()).collect();
    files.extend(fleet.rules_files.iter().map(|rules| rules.path.to_arc()));
    files.extend(fleet.secrets.iter().filter_map(|secret| secret.declared.as_ref()).map(|place| place.file.clone()));
    for finding in findings {
        let same = finding.related.iter().filter(|related| related.is_same).map(|related| &related.place);
        files.extend(same.chain([&finding.place]).map(|place| place.file.clone()));
    }
    files
}

/// Where a person can allow a finding about a secret that stands where no comment can: in a generated rules file, whose
/// comments would make it out of date, or in an `.age` file. That is the secret's entry in `secrets/properties.nix`; for
/// one in a machine's folder, which has no entry, the machine's `hostKey`; and else its entry in a handwritten rules file.
fn allowed_elsewhere(fleet: &Fleet, finding: &Diagnostic, place: &Place) -> Vec<Place> {
    let file = &*place.file;
    let rules = fleet.rules_files.iter().find(|rules| rules.path.as_str() == file);
    let is_age = || TreePath::new(file).is_ok_and(|path| fleet.age_file(&path).is_some());
    if !rules.is_some_and(|rules| rules.generated) && !is_age() {
        return Vec::new();
    }
    // It is the secret at the finding's own place.
    let name = finding.data.get("secret").filter(|_| *place == finding.place).and_then(|name| name.as_str());
    let is_meant = |path: &TreePath, rule_name: &str| path.as_str() == file || Some(rule_name) == name;
    let secrets = fleet.secrets.iter().filter(|secret| is_meant(&secret.file, &secret.rule_name));
    let grants = secrets.filter_map(|secret| match (&secret.declared, &secret.scope) {
        (Some(declared), _) => Some(declared.clone()),
        (None, SecretScope::Machine(index)) => Some(fleet.machines.get(*index)?.host_key.known()?.place.clone()),
        (None, _) => None,
    });
    let by_hand = fleet.rules_files.iter().filter(|rules| !rules.generated);
    let entries = by_hand.flat_map(|rules| &rules.entries).filter_map(|entry| {
        let is_meant = entry.file.as_ref().is_some_and(|target| target.path.as_str() == file);
        is_meant.then(|| entry.key.clone())
    });
    grants.chain(entries).collect()
}

/// Opens the git repository only when a rule asks for its history.
struct LazyHistory<'a> {
    root: &'a Path,
}

impl<'a> LazyHistory<'a> {
    fn new(root: &'a Path) -> LazyHistory<'a> {
        LazyHistory { root }
    }
}

/// The lines that may hold a public key (a POSIX extended regular expression), and where keys are written.
const KEYS: &str = "(ssh-(ed25519|rsa) AAAA|age1[a-z0-9]+)";
const FILES_WITH_KEYS: [&str; 3] = ["*.nix", "*.pub", "*.toml"];

fn is_key(line: &str) -> bool {
    line.contains("ssh-ed25519 AAAA") || line.contains("ssh-rsa AAAA") || line.contains("age1")
}

impl History for LazyHistory<'_> {
    fn committed_keys(&self) -> Vec<CommittedLine> {
        let Some(history) = GitHistory::open(self.root) else { return Vec::new() };
        let committed = history.committed_lines(KEYS, &FILES_WITH_KEYS, is_key);
        committed.into_iter().map(|committed| CommittedLine { line: committed.line, path: committed.path }).collect()
    }

    fn removed_keys(&self) -> Vec<RemovedLine> {
        let Some(history) = GitHistory::open(self.root) else { return Vec::new() };
        let removed = history.removed_lines(KEYS, &FILES_WITH_KEYS, is_key);
        let line = |removal: bulkhead_source::Removal| RemovedLine {
            line: removal.line,
            path: removal.path,
            commit: removal.commit,
            subject: removal.subject,
            date: removal.date,
        };
        removed.into_iter().map(line).collect()
    }
}

/// Every JSON Schema of Bulkhead, by file name.
pub fn all_schemas() -> Vec<(String, serde_json::Value)> {
    let mut schemas: Vec<(String, serde_json::Value)> =
        bulkhead_fleet::schemas().into_iter().map(|(file, schema)| (file.to_string(), schema)).collect();
    schemas.push(("diagnostics.schema.json".to_owned(), bulkhead_diagnostics::json::json_schema()));
    schemas.sort_by(|a, b| a.0.cmp(&b.0));
    schemas
}

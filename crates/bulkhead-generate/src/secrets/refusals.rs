//! Findings that stand in the way of a `secrets.nix`.

use bulkhead_diagnostics::{Diagnostic, Place, Severity, nearest};
use bulkhead_fleet::{Fact, Fleet, Gap, GapKind, Machine, Many, Secret, Spanned};
use bulkhead_source::TreePath;

use super::RULE;

pub(super) fn handwritten(fleet: &Fleet) -> Diagnostic {
    let rules = fleet.rules_files.iter().find(|rules| !rules.generated);
    let (place, name) = match rules {
        Some(rules) => (Place::file(rules.path.to_arc()), rules.path.to_string()),
        None => {
            let message = "there is nothing to generate rules from".to_owned();
            return Diagnostic::new(RULE, Severity::Error, Place::file(fleet.config.rules.to_arc()), message)
                .with_note(format!(
                    "there are no {}/**/properties.nix and no {}/properties.nix",
                    fleet.config.machines, fleet.config.secrets
                ))
                .with_help("describe a machine first (`bulkhead schema machine-properties`), or name other folders in bulkhead.toml");
        }
    };
    let message = format!("`{name}` is written by hand and says who may read which secret");
    Diagnostic::new(RULE, Severity::Error, place, message)
        .with_note("generating it anew would overwrite what a person wrote")
        .with_help("let Bulkhead infer the grants from it: bulkhead gen-secrets --adopt")
}

/// Without the folder that holds the machines, every grant would seem to be one to nobody.
pub(super) fn unread_machines(fleet: &Fleet) -> Option<Diagnostic> {
    Some(refusal(fleet.unread_machines()?, "which machines there are"))
}

/// Folders of secrets that are not read: whatever lies in them would get no entry. Places that `said` names are not named
/// again.
pub(super) fn unread_secrets(fleet: &Fleet, said: &[Diagnostic]) -> Vec<Diagnostic> {
    let (machines, secrets) = (&fleet.config.machines, &fleet.config.secrets);
    let unread = fleet.unread.iter().filter(|unread| unread.path.meets(machines) || unread.path.meets(secrets));
    let is_new = |gap: &&Gap| !said.iter().any(|finding| finding.place == gap.place);
    unread.map(|unread| &unread.gap).filter(is_new).map(|gap| refusal(gap, "which secrets there are")).collect()
}

/// What is not known stands in the way; `what` completes "can't tell …".
pub(super) fn refusal(gap: &Gap, what: &str) -> Diagnostic {
    match gap.kind {
        GapKind::Unknown | GapKind::Unread => gap.undecided(RULE, what),
        GapKind::Invalid | GapKind::Failed => {
            let message = format!("can't tell {what}: {}", gap.reason);
            Diagnostic::new(RULE, Severity::Error, gap.place.clone(), message)
        }
    }
}

pub(super) fn no_recipient(fleet: &Fleet, secret: &Secret) -> Diagnostic {
    let place = secret.declared.clone().unwrap_or_else(|| Place::file(secret.file.to_arc()));
    let message = format!("nobody could read `{}`: no machine and no admin that may read it has a key", secret.name);
    let mut finding = Diagnostic::new(RULE, Severity::Error, place, message)
        .with_note("agenix would fail on it, and ragenix refuses the whole file");
    if secret.for_admins() == Some(true) && fleet.admin_keys().next().is_none() {
        finding = finding.with_help("add `userKeys` to a machine, or `admins` to bulkhead.toml");
    }
    finding.with_help("grant it to a machine that has a `hostKey`, by its role or its name")
}

pub(super) fn unknown_name<'n>(
    kind: &str,
    why: &str,
    name: &str,
    place: &Place,
    secret: &Secret,
    known: impl Iterator<Item = &'n str>,
) -> Diagnostic {
    let message = format!("`{}` is granted to the {kind} `{name}`, but {why}", secret.name);
    let finding = Diagnostic::new(RULE, Severity::Error, place.clone(), message);
    match nearest(name, known) {
        Some(near) => finding.with_help(format!("did you mean `{near}`?")),
        None => finding.with_help("take it out of the entry if it is gone"),
    }
}

/// A role that no machine is known to have, where the roles of some machines are not known. The sentence is that of the
/// rules `unknown-role` and `role-without-machine`.
pub(super) fn open_role(fleet: &Fleet, role: &str, place: Place, gap: &Gap) -> Diagnostic {
    let message = format!("can't tell whether any machine has the role `{role}`: {}", gap.reason);
    let finding = Diagnostic::new(RULE, Severity::Undecided, place, message)
        .with_related(gap.place.clone(), "these roles are not known");
    match nearest(role, fleet.roles.keys().map(|role| &**role)) {
        Some(near) => finding.with_help(format!("did you mean `{near}`?")),
        None => finding,
    }
}

/// agenix puts a name between quotes in a Nix expression, and splits the list of all names at blanks.
pub(super) fn bad_name(secret: &Secret) -> Option<Diagnostic> {
    let shown = match bad_character(&secret.rule_name)? {
        ' ' => "a blank".to_owned(),
        c => format!("`{}`", c.escape_default()),
    };
    let message = format!("agenix can't take the name `{}`: it contains {shown}", secret.rule_name);
    let place = secret.declared.clone().unwrap_or_else(|| Place::file(secret.file.to_arc()));
    Some(
        Diagnostic::new(RULE, Severity::Error, place, message)
            .with_note("agenix pastes names into a Nix expression and into a list that the shell splits and expands")
            .with_help("rename the file: letters, digits, `-`, `_` and `.` are safe"),
    )
}

/// The first character of a name that agenix or the shell would take for something else.
fn bad_character(name: &str) -> Option<char> {
    let mut before = None;
    for c in name.chars() {
        if c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`' | '\\' | '*' | '?' | '[') {
            return Some(c);
        }
        if before == Some('$') && c == '{' {
            return Some('$');
        }
        before = Some(c);
    }
    None
}

/// Errors that were found while the fleet was loaded and may change who is granted what, as they are. A property with a
/// misspelt name leaves no gap in the fleet: the machine looks as if it had none. So every such error counts, unless it
/// is certain that it is about something else.
pub(super) fn load_errors(fleet: &Fleet) -> Vec<Diagnostic> {
    let errors: Vec<&Diagnostic> =
        fleet.findings.iter().filter(|finding| finding.severity == Severity::Error).collect();
    let is_harmless = |finding: &Diagnostic| {
        is_about_rules(fleet, finding)
            || is_outside_the_layout(fleet, finding)
            || is_about_other_properties(fleet, finding, &errors)
    };
    let errors = errors.iter().filter(|finding| !fleet.accepted.contains(finding));
    errors.filter(|finding| !is_harmless(finding)).map(|finding| (*finding).clone()).collect()
}

/// Whether a finding is about a rules file: it is to be written anew, or has no say where grants are by convention.
fn is_about_rules(fleet: &Fleet, finding: &Diagnostic) -> bool {
    let is_rules = |place: &Place| {
        *place.file == *fleet.config.rules.as_str()
            || fleet.rules_files.iter().any(|rules| *place.file == *rules.path.as_str())
    };
    is_rules(&finding.place) || finding.related.iter().any(|related| is_rules(&related.place))
}

/// Whether a file or folder that can't be read is neither one of those that the fleet is described in nor around them. One
/// that such a file imports comes with the place that needs it.
fn is_outside_the_layout(fleet: &Fleet, finding: &Diagnostic) -> bool {
    let is_whole = finding.place.span.is_none() && finding.related.is_empty();
    let Ok(path) = TreePath::new(&finding.place.file) else { return false };
    let meets = |folder: &TreePath| path.starts_with(folder) || folder.starts_with(&path);
    finding.rule == "unreadable-file"
        && is_whole
        && *finding.place.file != *bulkhead_fleet::CONFIG_FILE
        && !meets(&fleet.config.machines)
        && !meets(&fleet.config.secrets)
}

/// Whether a finding is about the value of a machine's property that no grant depends on, and nothing else is wrong at
/// that place.
fn is_about_other_properties(fleet: &Fleet, finding: &Diagnostic, errors: &[&Diagnostic]) -> bool {
    finding.rule == "schema"
        && errors.iter().filter(|other| other.place == finding.place).count() == 1
        && fleet.machines.iter().any(|machine| has_other_property_at(machine, &finding.place))
        && !fleet.machines.iter().any(|machine| has_grant_gap_at(machine, &finding.place))
}

fn has_other_property_at(machine: &Machine, place: &Place) -> bool {
    let is_gap = |gap: Option<&Gap>| gap.is_some_and(|gap| gap.place == *place);
    let names: &Many<Spanned<_>> = &machine.host_names;
    is_gap(machine.arch.gap())
        || is_gap(machine.public_ip.gap())
        || is_gap(machine.meta.gap())
        || is_gap(machine.remote_unlock.gap())
        || names.gaps.iter().any(|gap| gap.place == *place)
        || names.iter().any(|name| name.place == *place)
        || machine.deploy_keys.gaps.iter().any(|gap| gap.place == *place)
}

/// Whether something about the keys or roles of a machine is not known, or written, at a place.
fn has_grant_gap_at(machine: &Machine, place: &Place) -> bool {
    let lists = machine.system_roles.gaps.iter().chain(&machine.user_keys.gaps);
    let is_host_key = match &machine.host_key {
        Fact::Known(key) => key.place == *place,
        Fact::Gap(gap) => gap.place == *place,
        Fact::Absent => false,
    };
    is_host_key
        || machine.gap.iter().chain(lists).any(|gap| gap.place == *place)
        || machine.system_roles.iter().any(|role| role.place == *place)
        || machine.user_keys.iter().any(|key| key.place == *place)
}

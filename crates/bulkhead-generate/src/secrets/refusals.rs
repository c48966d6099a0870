//! Findings that stand in the way of a `secrets.nix`.

use bulkhead_diagnostics::{Diagnostic, Place, Severity, nearest};
use bulkhead_fleet::{Fleet, Gap, Secret};

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

//! Phrases that several rules share.

use bulkhead_diagnostics::{Diagnostic, Place};
use bulkhead_fleet::{Gap, GapKind, Machine};
use bulkhead_source::TreePath;
use foldhash::{HashSet, HashSetExt};

use crate::comparison::{Comparison, Origin};
use crate::rule::Rule;

/// How many names a sentence holds.
const MOST_NAMES: usize = 4;

impl Rule {
    /// A finding of this rule with its usual severity.
    pub(crate) fn finding(&self, place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::new(self.name, self.severity, place, message)
    }

    /// Undecided findings about what can't be known, each cause once. `what` completes "can't tell …".
    pub(crate) fn undecided<'g>(
        &self,
        gaps: impl IntoIterator<Item = &'g Gap>,
        what: &str,
        found: &mut Vec<Diagnostic>,
    ) {
        let mut seen = HashSet::new();
        for gap in gaps.into_iter().filter(|gap| gap.kind == GapKind::Unknown) {
            if seen.insert((&gap.place, &gap.reason)) {
                found.push(gap.undecided(self.name, what));
            }
        }
    }
}

/// `1 secret`, `3 secrets`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
pub(crate) fn enumerate(items: &[String]) -> String {
    let mut shown: Vec<String> = items.iter().take(MOST_NAMES).cloned().collect();
    if items.len() > MOST_NAMES {
        shown.push(format!("{} more", items.len() - MOST_NAMES));
    }
    match shown.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// What a machine is called in a sentence that names another, too: where both have one name, the folder tells them apart.
pub(crate) fn called(machine: &Machine, beside: &Machine) -> String {
    if machine.name == beside.name && machine.dir != beside.dir {
        format!("`{}` in `{}`", machine.name, machine.dir)
    } else {
        format!("`{}`", machine.name)
    }
}

/// The names in backticks, enumerated.
pub(crate) fn quoted<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    enumerate(&names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>())
}

/// What to type to encrypt everything of a rules file anew.
pub(crate) fn rekey(comparison: &Comparison<'_>) -> String {
    let (folder, rules) = match comparison.origin {
        Origin::Rules(rules, entry) => {
            let folder = entry.file.as_ref().map(|target| target.base.clone()).unwrap_or_else(TreePath::root);
            (folder.clone(), rules.path.relative_to(&folder))
        }
        Origin::Convention(_) => return "bulkhead gen-secrets, and then agenix --rekey in its folder".to_owned(),
    };
    format!("{}agenix --rekey", environment(&folder, &rules))
}

/// What to type to encrypt one secret anew: agenix does it when the editor has left the content as it is.
pub(crate) fn edit(comparison: &Comparison<'_>) -> Option<String> {
    let Origin::Rules(rules, entry) = comparison.origin else { return None };
    let folder = entry.file.as_ref()?.base.clone();
    let is_plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./+@".contains(&b));
    is_plain(&entry.name)
        .then(|| format!("{}agenix -e {}", environment(&folder, &rules.path.relative_to(&folder)), entry.name))
}

fn environment(folder: &TreePath, rules: &str) -> String {
    let go = if folder.is_root() { String::new() } else { format!("cd {folder} && ") };
    if rules == "secrets.nix" { go } else { format!("{go}RULES=./{rules} ") }
}

//! Whether something that a module tree says holds.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_modules::{Condition, Guard};
use bulkhead_source::{FileTree, TreePath, read_text};

use crate::rule::Rule;

/// Files longer than this are not looked at for the text of a condition.
const FILE_LIMIT: u64 = 4 << 20;

/// Longer conditions are not shown.
const LONGEST: usize = 80;

/// With how many earlier ones that have the same something is compared. A group has more only where it is made to.
const MOST_COMPARED: usize = 100;

/// What has to be so for something to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct When {
    /// Conditions that are unknown.
    pub(crate) guards: Vec<Guard>,
    /// What is taken for granted because nothing that was read says otherwise, though something that was not might.
    pub(crate) assumed: Vec<Assumed>,
}

/// For each of `group` but the first, an earlier one that has the same and when both hold: one that surely has it, if
/// there is one. Those that exclude each other, and those that `are_one`, make no pair.
pub(crate) fn clashes<T>(
    group: &[T],
    when: impl Fn(&T) -> &When,
    are_one: impl Fn(&T, &T) -> bool,
) -> Vec<(&T, &T, When)> {
    let mut found = Vec::new();
    // Those that surely have it are not kept from being seen by many that may.
    let (mut sure, mut others): (Vec<&T>, Vec<&T>) = (Vec::new(), Vec::new());
    for other in group {
        let earlier = sure.iter().chain(&others).copied().filter(|first| !are_one(first, other));
        let mut best: Option<(&T, &T, When)> = None;
        for first in earlier {
            let Some(both) = when(first).and(when(other)) else { continue };
            let is_sure =
                both.guards.len() + both.assumed.len() <= when(other).guards.len() + when(other).assumed.len();
            if is_sure || best.is_none() {
                best = Some((first, other, both));
            }
            if is_sure {
                break;
            }
        }
        found.extend(best);
        let seen = if when(other).is_sure() { &mut sure } else { &mut others };
        if seen.len() < MOST_COMPARED {
            seen.push(other);
        }
    }
    found
}

/// Something that is taken for granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assumed {
    /// What may be otherwise, and why, as a sentence.
    pub(crate) what: String,
    /// Where.
    pub(crate) place: Option<Place>,
}

impl Assumed {
    /// That an option, as the fleet writes it, has its default, or the value that is seen; it may be another for `reason`.
    pub(crate) fn value(option: &str, reason: &str, place: Option<Place>) -> Assumed {
        Assumed { what: format!("`{option}` may be something else: {reason}"), place }
    }
}

impl When {
    pub(crate) fn of(condition: &Condition) -> When {
        When { guards: condition.guards().to_vec(), assumed: Vec::new() }
    }

    /// Both; `None` if they exclude each other.
    pub(crate) fn and(&self, other: &When) -> Option<When> {
        let mut both = self.clone();
        for guard in &other.guards {
            let is_opposite =
                |mine: &Guard| mine.place.is_some() && mine.place == guard.place && mine.expected != guard.expected;
            if both.guards.iter().any(is_opposite) {
                return None;
            }
            if !both.guards.contains(guard) {
                both.guards.push(guard.clone());
            }
        }
        for assumed in &other.assumed {
            if !both.assumed.contains(assumed) {
                both.assumed.push(assumed.clone());
            }
        }
        Some(both)
    }

    /// Whether it surely holds.
    pub(crate) fn is_sure(&self) -> bool {
        self.guards.is_empty() && self.assumed.is_empty()
    }
}

impl Rule {
    /// A finding about something that holds `when`: with the rule's severity if that is sure, at most a warning under a
    /// condition that is unknown, and undecided where a default is taken for granted.
    pub(crate) fn judged(
        &self,
        tree: &dyn FileTree,
        when: &When,
        place: Place,
        message: impl Into<String>,
    ) -> Diagnostic {
        let mut finding = self.finding(place, message);
        if when.is_sure() {
            return finding;
        }
        finding.severity = finding.severity.min(Severity::Warning);
        for guard in &when.guards {
            let word = if guard.expected { "if" } else { "unless" };
            let shown = guard.place.as_ref().and_then(|place| written(tree, place));
            let shown = shown.map_or_else(|| "a condition holds".to_owned(), |text| format!("`{text}`"));
            finding = finding.with_note(format!("only {word} {shown}, which is unknown: {}", guard.reason.reason));
            if let Some(place) = &guard.place {
                finding = finding.with_related(place.clone(), "the condition");
            }
        }
        for assumed in &when.assumed {
            finding.severity = Severity::Undecided;
            finding = finding.with_note(assumed.what.clone());
            if let Some(place) = &assumed.place {
                finding = finding.with_related(place.clone(), "not known");
            }
        }
        finding
    }
}

/// The text at a place, if it is short and stands on one line.
pub(crate) fn written(tree: &dyn FileTree, place: &Place) -> Option<String> {
    let span = place.span?;
    let text = read_text(tree, &TreePath::new(&place.file).ok()?, FILE_LIMIT).ok()?;
    let shown = text.get(span.start as usize..span.end as usize)?.trim();
    (!shown.is_empty() && shown.len() <= LONGEST && !shown.contains('\n')).then(|| shown.to_owned())
}

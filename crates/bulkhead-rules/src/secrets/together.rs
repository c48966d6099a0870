//! Secrets of one rules file that differ from their rules in the same way: that is one cause, and one finding.

use bulkhead_diagnostics::Diagnostic;

use crate::comparison::{Comparison, Origin};
use crate::names::{self, Somebody};

/// A secret, and whom a rule finds with it.
pub(super) type Found<'c, 'a> = (&'c Comparison<'a>, Vec<Somebody>);

/// Secrets of which the same is to be told, in the order of the first of each.
pub(super) fn together<'c, 'a>(
    all: Vec<Found<'c, 'a>>,
    is_same: impl Fn(&Comparison<'_>, &Comparison<'_>) -> bool,
) -> Vec<Vec<Found<'c, 'a>>> {
    let mut groups: Vec<Vec<Found<'c, 'a>>> = Vec::new();
    for found in all {
        let is_of = |group: &&mut Vec<Found<'c, 'a>>| {
            group.first().is_some_and(|first| {
                of_one_file(first.0, found.0) && is_same(first.0, found.0) && are_same(&first.1, &found.1)
            })
        };
        match groups.iter_mut().find(is_of) {
            Some(group) => group.push(found),
            None => groups.push(vec![found]),
        }
    }
    groups
}

/// Whether both are in one rules file that a person writes: what is found in a generated one is allowed elsewhere, secret by
/// secret.
fn of_one_file(one: &Comparison<'_>, other: &Comparison<'_>) -> bool {
    match (one.origin, other.origin) {
        (Origin::Rules(one, _), Origin::Rules(other, _)) => one.path == other.path && !one.generated,
        _ => false,
    }
}

fn are_same(some: &[Somebody], others: &[Somebody]) -> bool {
    let is_known = |somebody: &Somebody| somebody.tag.is_some() || somebody.name.is_some();
    some.iter().all(is_known) && names::json(some) == names::json(others)
}

/// What is told of the first secret of a group, said of all of them.
pub(super) fn with_others(mut finding: Diagnostic, group: &[Found<'_, '_>], label: &str) -> Diagnostic {
    for (comparison, _) in group.iter().skip(1) {
        finding = finding.with_same(comparison.place(), label);
    }
    let secrets: Vec<String> = group.iter().map(|(comparison, _)| comparison.name.to_string()).collect();
    let paths: Vec<String> =
        group.iter().filter_map(|(comparison, _)| Some(comparison.path.as_ref()?.to_string())).collect();
    if group.len() > 1 {
        finding = finding.with_data("secrets", secrets).with_data("paths", paths);
    }
    finding
}

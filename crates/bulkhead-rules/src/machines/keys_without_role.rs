//! What the rules about keys that only machines of a certain role may have share.

use bulkhead_diagnostics::Diagnostic;
use bulkhead_fleet::{Key, Machine, Many};

use crate::rule::Rule;

/// Keys that need a role.
pub(super) struct Needs<'a> {
    /// The rule that says so.
    pub(super) rule: &'a Rule,
    /// The role.
    pub(super) role: &'a str,
    /// What the keys are called: `user keys`.
    pub(super) keys: &'static str,
}

impl Needs<'_> {
    /// A finding if `machine` has such keys without the role; undecided if that is not known. `explain` adds to the
    /// finding why it matters and what to do.
    pub(super) fn check(
        &self,
        machine: &Machine,
        keys: &Many<Key>,
        found: &mut Vec<Diagnostic>,
        explain: impl Fn(Diagnostic) -> Diagnostic,
    ) {
        let Some(key) = keys.iter().next() else { return };
        match machine.has_role(self.role) {
            Some(true) => {}
            Some(false) => {
                let place = keys.key.clone().unwrap_or_else(|| key.place.clone());
                let message = format!("`{}` has {} without the role `{}`", machine.name, self.keys, self.role);
                let finding = self.rule.finding(place, message);
                found.push(explain(finding).with_data("machine", &*machine.name).with_data("role", self.role));
            }
            None => {
                let what = format!("whether `{}` may have {}", machine.name, self.keys);
                self.rule.undecided(&machine.system_roles.gaps, &what, found);
            }
        }
    }
}

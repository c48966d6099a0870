//! Whether something holds.

use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::Unknown;

/// Whether a module or definition holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It does.
    #[default]
    Always,
    /// It does if all of these come true.
    Possible(Arc<[Guard]>),
}

/// A condition that is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The expression.
    pub place: Option<Place>,
    /// What it must be: false for the `else` of an `if`.
    pub expected: bool,
    /// Why it is unknown.
    pub reason: Unknown,
}

impl Condition {
    /// Whether it surely holds.
    pub fn is_always(&self) -> bool {
        *self == Condition::Always
    }

    /// What must come true.
    pub fn guards(&self) -> &[Guard] {
        match self {
            Condition::Always => &[],
            Condition::Possible(guards) => guards,
        }
    }

    /// This, and one more.
    pub fn and(&self, guard: Guard) -> Condition {
        if self.guards().contains(&guard) {
            return self.clone();
        }
        Condition::Possible(self.guards().iter().cloned().chain([guard]).collect())
    }

    /// Both.
    pub fn and_all(&self, other: &Condition) -> Condition {
        other.guards().iter().fold(self.clone(), |all, guard| all.and(guard.clone()))
    }
}

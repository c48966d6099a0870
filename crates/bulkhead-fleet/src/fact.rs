//! Facts that may be missing: known, absent, or a gap with a reason and a place.
//!
//! Nothing here turns "not known" into "not there": a rule that meets a [`Gap`] of kind [`GapKind::Unknown`] says that
//! it is undecided, and one of kind [`GapKind::Invalid`] or [`GapKind::Failed`] has been reported when the fleet was
//! loaded.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};

/// A value with the text that it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The expression that wrote it; the key or the whole file where no expression is known.
    pub place: Place,
    /// The name under which it is written; the same as `place` for items of lists.
    pub key: Place,
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GapKind {
    /// It depends on something that can't be known here (the environment, a nixpkgs that is not there).
    Unknown,
    /// It lies in a folder that is not read: a submodule, or what a link leads to out of the tree. A finding of the rule
    /// `unreadable-file` says so, and stands for everything that depends on it.
    Unread,
    /// It is there, but of a wrong type or form; a `schema` finding says so.
    Invalid,
    /// Evaluating it failed; a finding of the rule `nix-syntax`, `nix-evaluation` or `unreadable-file` says so.
    Failed,
}

/// Something that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What kind of gap.
    pub kind: GapKind,
    /// A clause that completes "not known, because …".
    pub reason: Arc<str>,
    /// What to do to make it known, if anything.
    pub help: Option<Arc<str>>,
    /// Where.
    pub place: Place,
}

impl Gap {
    /// An undecided finding of `rule` about this gap. `what` completes "can't tell …": `who may read `wifi.age``.
    ///
    /// ```
    /// use bulkhead_diagnostics::{Place, Severity};
    /// use bulkhead_fleet::{Gap, GapKind};
    ///
    /// let gap = Gap {
    ///     kind: GapKind::Unknown,
    ///     reason: "no nixpkgs is known here".into(),
    ///     help: Some("name one with --nixpkgs PATH".into()),
    ///     place: Place::file("secrets.nix"),
    /// };
    /// let finding = gap.undecided("missing-recipient", "who may read `wifi.age`");
    /// assert_eq!(finding.severity, Severity::Undecided);
    /// assert_eq!(finding.message, "can't tell who may read `wifi.age`: no nixpkgs is known here");
    /// ```
    pub fn undecided(&self, rule: &'static str, what: &str) -> Diagnostic {
        let finding = Diagnostic::new(
            rule,
            Severity::Undecided,
            self.place.clone(),
            format!("can't tell {what}: {}", self.reason),
        );
        match &self.help {
            Some(help) => finding.with_help(&**help),
            None => finding,
        }
    }
}

/// A value that may be absent or not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is known.
    Known(T),
    /// It is known not to be there.
    Absent,
    /// It is not known.
    Gap(Gap),
}

impl<T> Fact<T> {
    /// The value, if it is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Fact::Known(value) => Some(value),
            _ => None,
        }
    }

    /// Why it is not known, if it is not.
    pub fn gap(&self) -> Option<&Gap> {
        match self {
            Fact::Gap(gap) => Some(gap),
            _ => None,
        }
    }

    /// Whether it is known not to be there.
    pub fn is_absent(&self) -> bool {
        matches!(self, Fact::Absent)
    }
}

/// A list whose items, or some of them, may not be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Many<T> {
    /// The items that are known, in order.
    pub items: Vec<T>,
    /// What is missing in `items`: a gap for each item, or one for the whole list. Empty means: `items` is everything.
    pub gaps: Vec<Gap>,
    /// The expression of the list; `None` where there is none.
    pub place: Option<Place>,
    /// The name under which it is written, if there is one.
    pub key: Option<Place>,
}

impl<T> Default for Many<T> {
    fn default() -> Many<T> {
        Many { items: Vec::new(), gaps: Vec::new(), place: None, key: None }
    }
}

impl<T> Many<T> {
    /// Whether `items` is everything there is.
    pub fn is_complete(&self) -> bool {
        self.gaps.is_empty()
    }

    /// Whether nothing is written at all: no list, and nothing unknown about it.
    pub fn is_absent(&self) -> bool {
        self.place.is_none() && self.key.is_none() && self.gaps.is_empty() && self.items.is_empty()
    }

    /// The first gap whose content can't be known here, for an undecided finding.
    pub fn unknown(&self) -> Option<&Gap> {
        self.gaps.iter().find(|gap| gap.kind == GapKind::Unknown)
    }

    /// The items.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }
}

impl<'a, T> IntoIterator for &'a Many<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

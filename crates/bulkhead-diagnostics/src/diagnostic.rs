//! What a finding is.

use std::borrow::Cow;
use std::sync::Arc;

use bulkhead_source::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How much a finding matters. Ordered: an error is greater than a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A rule could not be decided, because something it needs is unknown. Never to be read as "fine".
    Undecided,
    /// Worth a look; does not fail a check unless warnings are denied.
    Warning,
    /// Wrong; fails the check.
    Error,
}

/// A place in a file of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Path relative to the fleet's root, as in [`bulkhead_source::TreePath`]; files of another tree (a nixpkgs) carry
    /// the name under which that tree is known, as `<nixpkgs>/lib/lists.nix`.
    pub file: Arc<str>,
    /// The bytes meant; `None` for the file as a whole (a binary file, a folder).
    pub span: Option<Span>,
}

impl Place {
    /// A place inside a text file.
    pub fn new(file: impl Into<Arc<str>>, span: Span) -> Place {
        Place { file: file.into(), span: Some(span) }
    }

    /// A file or folder as a whole.
    pub fn file(file: impl Into<Arc<str>>) -> Place {
        Place { file: file.into(), span: None }
    }
}

/// Another place that belongs to a finding, with what it has to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is to be seen there.
    pub message: String,
    /// Whether the finding is about this place as much as about its own: a comment that allows it has to stand here, too.
    pub is_same: bool,
}

/// One finding: what is wrong, where, why it matters and what to type.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// The rule's name, e.g. `stale-recipient`; names are kebab-case and stable.
    pub rule: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence: what is wrong. Names in backticks.
    pub message: String,
    /// Where a person has to change something.
    pub place: Place,
    /// What the marked text is, in a few words, shown beside the marks.
    pub label: Option<String>,
    /// Other places that matter.
    pub related: Vec<Related>,
    /// Facts that explain the finding, a paragraph each.
    pub notes: Vec<String>,
    /// What to do or type, a paragraph each.
    pub help: Vec<String>,
    /// Facts for machines, by name; which ones is documented by each rule.
    pub data: Map<String, Value>,
}

impl Diagnostic {
    /// A finding with nothing but rule, severity, place and message; see the `with_…` methods for the rest.
    pub fn new(
        rule: impl Into<Cow<'static, str>>,
        severity: Severity,
        place: Place,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            rule: rule.into(),
            severity,
            message: message.into(),
            place,
            label: None,
            related: Vec::new(),
            notes: Vec::new(),
            help: Vec::new(),
            data: Map::new(),
        }
    }

    /// Say beside the marked text what it is.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// Add another place.
    #[must_use]
    pub fn with_related(mut self, place: Place, message: impl Into<String>) -> Diagnostic {
        self.related.push(Related { place, message: message.into(), is_same: false });
        self
    }

    /// Add another place that the finding is about as much as about its own ([`Related::is_same`]).
    #[must_use]
    pub fn with_same(mut self, place: Place, message: impl Into<String>) -> Diagnostic {
        self.related.push(Related { place, message: message.into(), is_same: true });
        self
    }

    /// Add an explaining paragraph.
    #[must_use]
    pub fn with_note(mut self, note: impl Into<String>) -> Diagnostic {
        self.notes.push(note.into());
        self
    }

    /// Add a paragraph of advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help.push(help.into());
        self
    }

    /// Add a fact for machines.
    #[must_use]
    pub fn with_data(mut self, name: &str, value: impl Into<Value>) -> Diagnostic {
        self.data.insert(name.to_owned(), value.into());
        self
    }
}

/// Gives renderers the text of a file, to show the lines that a finding is about.
pub trait Sources {
    /// The text of `file` (a [`Place::file`]), or `None` where it is no text or can't be read.
    fn text(&self, file: &str) -> Option<Arc<str>>;
}

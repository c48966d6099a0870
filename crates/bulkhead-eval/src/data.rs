//! Values of a file, owned and with their places: what the evaluator hands to the rest of Bulkhead.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_diagnostics::Place;

/// A value that has been evaluated all the way down. `Send`; nothing in it is lazy any more.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// What it is.
    pub kind: DataKind,
    /// The expression that made it; `None` where no file did (values of the command line, of `--evaluator nix`).
    pub place: Option<Place>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum DataKind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// A string. Bytes that are not UTF-8 are replaced by U+FFFD.
    String(Arc<str>),
    /// A path: absolute, as Nix would print it.
    Path(Arc<str>),
    /// A list.
    List(Vec<Data>),
    /// A set.
    Attrs(AttrsData),
    /// A function.
    Function,
    /// Something that can't be known here, and why.
    Unknown(Unknown),
    /// The evaluation of just this part failed.
    Failed(Arc<Failure>),
}

/// A set, by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttrsData {
    /// The attributes that are known to exist.
    pub attrs: BTreeMap<Arc<str>, Field>,
    /// Why there may be further attributes, if there may.
    pub open: Option<Unknown>,
}

/// An attribute of a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Where its name is written.
    pub key: Option<Place>,
    /// Its value.
    pub value: Data,
}

/// Why something is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// A clause that completes "unknown, because …": `the environment is not read`.
    pub reason: Arc<str>,
    /// What to do to make it known, if anything.
    pub help: Option<Arc<str>>,
    /// The expression that brought it in.
    pub place: Option<Place>,
}

/// Why an evaluation failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// One sentence, as Nix would put it.
    pub message: String,
    /// What kind of failure.
    pub kind: FailureKind,
    /// Where, with the innermost first.
    pub place: Option<Place>,
    /// What to do.
    pub help: Option<String>,
    /// Through which calls it came, innermost first: a place and what happened there.
    pub trace: Vec<(Option<Place>, String)>,
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// The text is no Nix expression.
    Syntax,
    /// A file can't be read, or lies outside the root.
    Read,
    /// `throw` or a failed `assert`.
    Thrown,
    /// `abort`.
    Aborted,
    /// A type error, a missing attribute, a wrong argument …
    Evaluation,
    /// A limit of steps, depth or memory.
    Limit,
    /// Not wrong, but not known either, where a value is needed.
    Unknown,
}

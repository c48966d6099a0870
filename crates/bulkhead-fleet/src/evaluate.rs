//! Where the values of files come from: Bulkhead's own evaluator, or the installed Nix.

use std::collections::BTreeSet;
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, Failure, FailureKind};
use bulkhead_eval::{ParseFailure, World};
use bulkhead_source::{ReadError, TreePath};
use bulkhead_syntax::Ast;
use rayon::prelude::*;

/// Something that evaluates the files of a fleet.
pub trait Evaluate: Send + Sync {
    /// The value of a file, evaluated all the way down.
    fn evaluate(&self, path: &TreePath) -> Data;

    /// The syntax tree of a file.
    fn parse(&self, path: &TreePath) -> Result<Arc<Ast>, ParseFailure>;

    /// Give the value of each of `paths`, in any order and from many threads, to `each` with its index.
    fn evaluate_all(&self, paths: &[TreePath], each: &(dyn Fn(usize, Data) + Sync)) {
        paths.par_iter().enumerate().for_each(|(index, path)| each(index, self.evaluate(path)));
    }
}

impl Evaluate for World {
    fn evaluate(&self, path: &TreePath) -> Data {
        World::evaluate(self, path)
    }

    fn parse(&self, path: &TreePath) -> Result<Arc<Ast>, ParseFailure> {
        World::parse(self, path)
    }
}

/// The findings that explain why an evaluation failed: each syntax error of a broken file (rule `nix-syntax`), a file
/// that can't be read (`unreadable-file`), or the evaluation's own error with its trace (`nix-evaluation`). `around` is
/// the place of what was evaluated.
///
/// ```
/// use bulkhead_diagnostics::Place;
/// use bulkhead_eval::data::{Failure, FailureKind};
///
/// let failure = Failure {
///     message: "attribute `hostName` missing".to_owned(),
///     kind: FailureKind::Evaluation,
///     place: None,
///     help: None,
///     trace: Vec::new(),
/// };
/// let findings = bulkhead_fleet::diagnostics_of_failure(&failure, &Place::file("secrets.nix"), None);
/// assert_eq!(findings[0].rule, "nix-evaluation");
/// ```
pub fn diagnostics_of_failure(failure: &Failure, around: &Place, evaluator: Option<&dyn Evaluate>) -> Vec<Diagnostic> {
    let place = failure.place.as_ref().unwrap_or(around);
    if matches!(failure.kind, FailureKind::Syntax | FailureKind::Read)
        && let Some(evaluator) = evaluator
        && let Ok(path) = TreePath::new(&place.file)
        && let Err(reason) = evaluator.parse(&path)
    {
        let mut findings = diagnostics_of_parse_failure(&path, &reason);
        if path.as_str() != &*around.file {
            for finding in &mut findings {
                *finding = finding.clone().with_related(around.clone(), "it is needed here");
            }
        }
        if !findings.is_empty() {
            return findings;
        }
    }
    let rule = match failure.kind {
        FailureKind::Syntax => "nix-syntax",
        FailureKind::Read => "unreadable-file",
        _ => "nix-evaluation",
    };
    let mut finding = Diagnostic::new(rule, Severity::Error, place.clone(), failure.message.clone());
    for (place, message) in &failure.trace {
        finding = match place {
            Some(place) => finding.with_related(place.clone(), message.clone()),
            None => finding.with_note(message.clone()),
        };
    }
    if place.file != around.file && !finding.related.iter().any(|related| related.place.file == around.file) {
        finding = finding.with_related(around.clone(), "while this was evaluated");
    }
    if let Some(help) = &failure.help {
        finding = finding.with_help(help.clone());
    }
    vec![finding]
}

/// The findings that explain why a file can't be parsed.
pub fn diagnostics_of_parse_failure(path: &TreePath, failure: &ParseFailure) -> Vec<Diagnostic> {
    let file = path.to_arc();
    match failure {
        ParseFailure::Read(error) => {
            let finding = Diagnostic::new("unreadable-file", Severity::Error, Place::file(file), error.to_string());
            vec![if matches!(error, ReadError::InSubmodule { .. }) { in_submodule(finding) } else { finding }]
        }
        ParseFailure::NotUtf8(at, byte) => {
            let message = format!("can't read `{path}`: it is not UTF-8 (byte 0x{byte:02x} at {at})");
            let help = format!("save it as UTF-8: iconv -f latin1 -t utf-8 {path} > new && mv new {path}");
            vec![Diagnostic::new("unreadable-file", Severity::Error, Place::file(file), message).with_help(help)]
        }
        ParseFailure::Syntax(errors) => errors
            .iter()
            .map(|error| {
                let place = Place::new(file.clone(), error.span);
                let mut finding = Diagnostic::new("nix-syntax", Severity::Error, place, error.message.clone());
                if let Some((span, message)) = &error.related {
                    finding = finding.with_related(Place::new(file.clone(), *span), message.clone());
                }
                match &error.help {
                    Some(help) => finding.with_help(help.clone()),
                    None => finding,
                }
            })
            .collect(),
    }
}

/// A finding about what can't be read because it is in a submodule that is not there: it may be as it should.
pub(crate) fn in_submodule(mut finding: Diagnostic) -> Diagnostic {
    finding.severity = Severity::Undecided;
    finding.with_help("check a working tree with the submodule: git submodule update --init")
}

/// Findings without repetition, in the order of their places: several machines may import the same broken file.
pub(crate) fn sorted(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    findings.sort_by(|a, b| (&a.place, &a.rule, &a.message).cmp(&(&b.place, &b.rule, &b.message)));
    let mut seen = BTreeSet::new();
    findings.retain(|finding| seen.insert((finding.place.clone(), finding.rule.clone(), finding.message.clone())));
    findings
}

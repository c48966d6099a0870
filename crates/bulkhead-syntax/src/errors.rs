//! Collecting syntax errors.

use bulkhead_source::Span;

use crate::SyntaxError;
use crate::repair::Offsets;

/// So many errors are reported for one file; more would hide the first.
const MOST: usize = 20;

/// The errors of one file.
#[derive(Default)]
pub(crate) struct Errors(Vec<SyntaxError>);

impl Errors {
    pub(crate) fn push(&mut self, span: Span, message: String, help: Option<String>, related: Option<(Span, String)>) {
        if self.0.len() < MOST {
            self.0.push(SyntaxError { span, message, help, related });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// [`Errors::into_sorted`] for errors with places in a repaired text.
    pub(crate) fn into_original(mut self, offsets: &Offsets) -> Vec<SyntaxError> {
        for error in &mut self.0 {
            error.span = offsets.span(error.span.start, error.span.end);
            if let Some((span, _)) = &mut error.related {
                *span = offsets.span(span.start, span.end);
            }
        }
        self.into_sorted()
    }

    /// The errors in the order of the text; a place is reported once.
    pub(crate) fn into_sorted(mut self) -> Vec<SyntaxError> {
        self.0.sort_by_key(|error| error.span);
        self.0.dedup_by_key(|error| error.span);
        self.0
    }
}

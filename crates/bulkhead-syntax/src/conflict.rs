//! Merge conflicts that git has left in a text: what is wrong is said once, and not about each `<`.

use bulkhead_source::Span;

use crate::SyntaxError;

/// The errors of `text`; those that come from merge conflicts are replaced by one for each conflict.
///
/// The markers are those of git-merge(1), at the start of a line. A string may have such lines too: only what is not
/// accepted is a conflict.
pub(crate) fn explain(text: &str, mut errors: Vec<SyntaxError>) -> Vec<SyntaxError> {
    for (begin, end) in conflicts(text) {
        let around = errors.len();
        errors.retain(|error| error.span.start < begin.start || error.span.start > end.end);
        if errors.len() < around {
            errors.push(SyntaxError {
                span: begin,
                message: "a merge conflict is not resolved".to_owned(),
                help: Some(
                    "choose between the two sides, and delete the lines with `<<<<<<<`, `=======` and `>>>>>>>`"
                        .to_owned(),
                ),
                related: Some((end, "it ends here".to_owned())),
            });
        }
    }
    errors.sort_by_key(|error| error.span);
    errors
}

/// The first and the last line of each conflict.
fn conflicts(text: &str) -> Vec<(Span, Span)> {
    let (mut found, mut open, mut start) = (Vec::new(), None, 0);
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        if let (Ok(from), Ok(to)) = (u32::try_from(start), u32::try_from(start + content.len())) {
            if content.starts_with("<<<<<<< ") {
                open = Some(Span::new(from, to));
            } else if content.starts_with(">>>>>>> ")
                && let Some(begin) = open.take()
            {
                found.push((begin, Span::new(from, to)));
            }
        }
        start += line.len();
    }
    found
}

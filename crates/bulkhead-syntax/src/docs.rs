//! Documentation comments.

use crate::{Ast, Comment};

impl Ast {
    /// The documentation of what is written at byte `start` (the start of an attribute's key, of a function): the text
    /// of the comment directly before it, without markers and common indentation.
    ///
    /// `/** … */` (Nix RFC 145) is taken wherever it stands; otherwise a block of `#` lines or a `/* … */` counts if no
    /// blank line separates it from the code and it does not belong to the line before. None if there is no text.
    pub fn doc_comment(&self, start: u32) -> Option<String> {
        let end = self.comments.partition_point(|comment| comment.span.end <= start);
        let before = self.comments.get(..end)?;
        let last = before.last()?;
        let gap = self.between(last.span.end, start)?;
        let text = if let Some(doc) = self.doc_block(last) {
            dedent(doc)
        } else if newlines(gap) > 1 {
            return None;
        } else if self.is_line(last) {
            let mut first = before.len() - 1;
            while let Some(above) = first.checked_sub(1)
                && self.is_line(&before[above])
                && self.between(before[above].span.end, before[first].span.start).is_some_and(|gap| newlines(gap) == 1)
                && !self.follows_code(&before[above])
            {
                first = above;
            }
            if self.follows_code(&before[first]) {
                return None;
            }
            let lines: Vec<&str> = before[first..].iter().map(|comment| &*comment.text).collect();
            dedent_lines(&lines)
        } else {
            if newlines(gap) == 1 && self.follows_code(last) {
                return None;
            }
            dedent(&last.text)
        };
        (!text.is_empty()).then_some(text)
    }

    /// The text between two offsets, if it is nothing but white space.
    fn between(&self, from: u32, to: u32) -> Option<&str> {
        self.text.get(from as usize..to as usize).filter(|gap| gap.trim().is_empty())
    }

    /// The text of a `/** … */`; `/***` and `/**/` are ordinary comments.
    fn doc_block<'a>(&self, comment: &'a Comment) -> Option<&'a str> {
        if self.is_line(comment) {
            return None;
        }
        comment.text.strip_prefix('*').filter(|text| !text.starts_with('*'))
    }

    fn is_line(&self, comment: &Comment) -> bool {
        self.text.as_bytes().get(comment.span.start as usize) == Some(&b'#')
    }

    /// Whether something else stands before a comment on its line.
    fn follows_code(&self, comment: &Comment) -> bool {
        let front = self.text.get(..comment.span.start as usize).unwrap_or("");
        let line = front.rsplit('\n').next().unwrap_or("");
        !line.trim().is_empty()
    }
}

fn newlines(gap: &str) -> usize {
    gap.bytes().filter(|byte| *byte == b'\n').count()
}

/// The text of a block comment: the first line stands behind the marker, the others share their indentation.
fn dedent(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or("").trim();
    let rest: Vec<&str> = lines.collect();
    let rest = dedent_lines(&rest);
    match (first.is_empty(), rest.is_empty()) {
        (true, _) => rest,
        (false, true) => first.to_owned(),
        (false, false) => format!("{first}\n{rest}"),
    }
}

/// Lines without the indentation that all of them share, and without blank lines around them.
fn dedent_lines(lines: &[&str]) -> String {
    let indentation = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let common = filled.map(|line| indentation(line)).min().unwrap_or(0);
    let lines: Vec<&str> = lines.iter().map(|line| line.get(common..).unwrap_or("").trim_end()).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

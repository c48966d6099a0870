//! Making text of a repository harmless in Markdown.
//!
//! Names, descriptions and comments come from files that anybody may have written. In a document that people and
//! programs trust they must not end a region, a table or a fence, nor hide the text after them; and a private key in them
//! must not be copied.

use bulkhead_diagnostics::mask_private_keys;

/// Text for a table's cell: one line; nothing in it is taken for markup.
pub(super) fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut was_blank = false;
    for c in mask_private_keys(text).trim().chars() {
        if c.is_whitespace() || c.is_control() {
            if !was_blank {
                out.push(' ');
            }
            was_blank = true;
            continue;
        }
        was_blank = false;
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '`' | '\\' | '*' | '_' | '[' | ']' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Text as code within a line: in as many backticks as it needs. In a table, `|` must be escaped even there.
pub(super) fn code(text: &str) -> String {
    let text: String = mask_private_keys(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim().replace('|', "\\|");
    if text.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

fn longest_run(text: &str, of: char) -> usize {
    text.split(|c| c != of).map(str::len).max().unwrap_or(0)
}

/// A documentation comment as a part of a larger document: headings become bold, fences are closed, HTML is shown
/// rather than obeyed, and every line is indented by `indent`.
pub(super) fn doc_text(text: &str, indent: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<(char, usize)> = None;
    for line in mask_private_keys(text).lines() {
        let trimmed = line.trim_start();
        let marker = fence_of(trimmed);
        let line = match (fence, marker) {
            (Some((open, length)), Some((c, count, rest)))
                if c == open && count >= length && rest.trim().is_empty() =>
            {
                fence = None;
                line.to_owned()
            }
            (Some(_), _) => line.to_owned(),
            (None, Some((c, count, _))) => {
                fence = Some((c, count));
                line.to_owned()
            }
            (None, None) => match heading(trimmed) {
                Some(title) => format!("**{}**", plain_html(title)),
                None => plain_html(line),
            },
        };
        if !line.trim().is_empty() {
            out.push_str(indent);
            out.push_str(line.trim_end());
        }
        out.push('\n');
    }
    if let Some((c, length)) = fence {
        out.push_str(indent);
        out.extend(std::iter::repeat_n(c, length));
        out.push('\n');
    }
    out.trim_end().to_owned()
}

/// The fence that a line opens or closes: its character, its length, and what follows it.
fn fence_of(trimmed: &str) -> Option<(char, usize, &str)> {
    let c = trimmed.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let rest = trimmed.trim_start_matches(c);
    let count = trimmed.len() - rest.len();
    (count >= 3 && !(c == '`' && rest.contains('`'))).then_some((c, count, rest))
}

fn heading(trimmed: &str) -> Option<&str> {
    let rest = trimmed.trim_start_matches('#');
    let level = trimmed.len() - rest.len();
    let title = rest.trim().trim_end_matches('#').trim();
    ((1..=6).contains(&level) && rest.starts_with([' ', '\t']) && !title.is_empty()).then_some(title)
}

/// A line in which `<` begins no HTML, except within code, where it never does.
fn plain_html(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['`', '<']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if rest.starts_with('<') {
            out.push_str("&lt;");
            rest = &rest[1..];
            continue;
        }
        let ticks = rest.len() - rest.trim_start_matches('`').len();
        let (open, after) = rest.split_at(ticks);
        out.push_str(open);
        rest = after;
        if let Some(length) = code_end(after, ticks) {
            out.push_str(&after[..length]);
            rest = &after[length..];
        }
    }
    out.push_str(rest);
    out
}

/// Where a code span of `ticks` backticks ends, the closing ones included.
fn code_end(text: &str, ticks: usize) -> Option<usize> {
    let mut at = 0;
    while let Some(found) = text[at..].find('`') {
        let start = at + found;
        let run = text[start..].len() - text[start..].trim_start_matches('`').len();
        if run == ticks {
            return Some(start + run);
        }
        at = start + run;
    }
    None
}

/// The last safeguard for a whole region: nothing in it is an HTML comment, so nothing in it is a marker.
pub(super) fn without_comments(text: &str) -> String {
    text.replace("<!--", "&lt;!--")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_stays_in_its_cell() {
        assert_eq!(cell("a | b\n`c` <!-- x -->"), "a \\| b \\`c\\` &lt;!-- x --&gt;");
        assert_eq!(cell("  two\r\n\tlines "), "two lines");
    }

    #[test]
    fn code_has_enough_backticks() {
        assert_eq!(code("s0"), "`s0`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(code("a|b\nc"), "`a\\|b c`");
        assert_eq!(code(""), "");
    }

    #[test]
    fn doc_text_can_not_leave_its_place() {
        assert_eq!(doc_text("# Type\n\n```nix\n<x> # a\n", "  "), "  **Type**\n\n  ```nix\n  <x> # a\n  ```");
        assert_eq!(doc_text("a <b> `<c>` </details>", ""), "a &lt;b> `<c>` &lt;/details>");
        assert_eq!(doc_text("a ` <b>", ""), "a ` &lt;b>");
    }
}

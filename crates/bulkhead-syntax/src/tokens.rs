//! The tokens of a file, its comments, and what is wrong with single tokens.
//!
//! rnix cuts a text into tokens; where it differs from Nix's lexer (`lexer.l`), this module says so or asks for a
//! repair.

use std::sync::Arc;

use bulkhead_source::Span;
use rnix::SyntaxKind::{self, *};

use crate::Comment;
use crate::errors::Errors;

/// A token that is neither white space nor a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: SyntaxKind,
    pub(crate) span: Span,
}

impl Token {
    /// `|>` or `<|`
    pub(crate) fn is_pipe(&self) -> bool {
        matches!(self.kind, TOKEN_PIPE_LEFT | TOKEN_PIPE_RIGHT)
    }
}

/// What [`read`] finds in a text.
#[derive(Default)]
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: Vec<Comment>,
    /// Before which bytes white space must be put for rnix to see the tokens that Nix sees, ascending.
    pub(crate) breaks: Vec<u32>,
}

/// For each byte of the text, rnix may look at this many more to tell paths from names. Ordinary files need less than
/// three; a text made to be slow needs as many as it has.
const LOOKAHEAD: usize = 64;

/// Cut `text` into tokens.
pub(crate) fn read(text: &str, errors: &mut Errors) -> Tokens {
    let mut tokens = Tokens::default();
    tokens.tokens.reserve(text.len() / 6);
    let mut open_strings: Vec<Span> = Vec::new();
    let mut lookahead = Lookahead::default();
    let mut start = 0;
    for (kind, part) in rnix::tokenize(text) {
        let end = start + part.len();
        let span = Span::new(start as u32, end as u32);
        if !lookahead.allows(text, start, kind) {
            let help = "split the expression into lines, or put the text into a string";
            let message = "too many names and operators without a space between them".to_owned();
            errors.push(span, message, Some(help.to_owned()), None);
            break;
        }
        match kind {
            TOKEN_WHITESPACE => check_space(part, span, errors),
            TOKEN_COMMENT => comment(part, span, &mut tokens),
            TOKEN_ERROR => match open_strings.last() {
                Some(open) if end == text.len() && !is_repairable(part) => {
                    unclosed_string(text, *open, errors);
                }
                _ => wrong(part, span, &mut tokens, errors),
            },
            _ => {
                check_literal(kind, part, span, &mut tokens.breaks, errors);
                match kind {
                    TOKEN_STRING_START => open_strings.push(span),
                    TOKEN_STRING_END => {
                        open_strings.pop();
                    }
                    _ => {}
                }
                tokens.tokens.push(Token { kind, span });
            }
        }
        start = end;
    }
    tokens
}

/// Counts how much of the text rnix has looked at.
#[derive(Default)]
struct Lookahead {
    /// Where the run of characters ends that may belong to a path.
    end: usize,
    seen: usize,
}

impl Lookahead {
    fn allows(&mut self, text: &str, start: usize, kind: SyntaxKind) -> bool {
        if matches!(kind, TOKEN_WHITESPACE | TOKEN_COMMENT | TOKEN_STRING_CONTENT) {
            return true;
        }
        if start >= self.end {
            let run = text.as_bytes()[start..].iter();
            let run = run.take_while(|byte| is_path_byte(**byte) || matches!(byte, b'/' | b'<'));
            self.end = start + run.count();
        }
        self.seen += self.end - start.min(self.end);
        self.seen <= LOOKAHEAD * text.len() + (1 << 23)
    }
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'+')
}

fn check_space(part: &str, span: Span, errors: &mut Errors) {
    if part.bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
        return;
    }
    for (at, c) in part.char_indices().filter(|(_, c)| !matches!(c, ' ' | '\t' | '\r' | '\n')) {
        let start = span.start + at as u32;
        let message = format!("the character {} is no white space in Nix", named(c));
        let help = "replace it by an ordinary space".to_owned();
        errors.push(Span::new(start, start + c.len_utf8() as u32), message, Some(help), None);
    }
}

fn comment(part: &str, span: Span, tokens: &mut Tokens) {
    let text = match part.strip_prefix('#') {
        Some(line) => {
            let line = line.trim_end_matches('\r');
            // For Nix a carriage return alone ends the comment too.
            if let Some(at) = line.find('\r') {
                tokens.breaks.push(span.start + at as u32 + 2);
            }
            line
        }
        None => part.strip_prefix("/*").unwrap_or(part).strip_suffix("*/").unwrap_or(part),
    };
    let trimmed = part.trim_end_matches('\r').len() as u32;
    let span = Span::new(span.start, span.start + trimmed);
    tokens.comments.push(Comment { span, text: Arc::from(text) });
}

/// Literals that rnix accepts and Nix reads as something else.
fn check_literal(kind: SyntaxKind, part: &str, span: Span, breaks: &mut Vec<u32>, errors: &mut Errors) {
    match kind {
        // A number that begins with `0.` needs a digit after it: `0.a` is a selection.
        TOKEN_FLOAT if part.starts_with("0.") && !part[2..].starts_with(|c: char| c.is_ascii_digit()) => {
            breaks.push(span.start + 1);
        }
        TOKEN_PATH_SEARCH => {
            let inner = part.trim_start_matches('<').trim_end_matches('>');
            if inner.split('/').any(str::is_empty) {
                let message = format!("`{part}` is no search path");
                let help = "write a name and what lies below it, without doubled slashes: `<nixpkgs/lib>`";
                errors.push(span, message, Some(help.to_owned()), None);
            }
        }
        _ => {}
    }
}

/// `a/` before something that can't be in a path: Nix reads a name and a division, rnix a path that ends in a slash.
fn is_repairable(part: &str) -> bool {
    part.strip_suffix('/')
        .is_some_and(|front| front.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') && !front.contains('/'))
}

/// Report a token that rnix can't read, or note how to make it readable.
fn wrong(part: &str, span: Span, tokens: &mut Tokens, errors: &mut Errors) {
    let after_interpolation =
        tokens.tokens.last().is_some_and(|token| token.kind == TOKEN_INTERPOL_END && token.span.end == span.start);
    if is_repairable(part) && !after_interpolation {
        tokens.breaks.push(span.end - 1);
        return;
    }
    let (message, help) = describe_wrong(part, span);
    errors.push(span, message, help.map(str::to_owned), None);
}

fn describe_wrong(part: &str, span: Span) -> (String, Option<&'static str>) {
    if part.starts_with("/*") {
        return ("this comment is never closed".to_owned(), Some("end it with `*/`"));
    }
    if part.starts_with('~') {
        return (format!("`{part}` is no path"), Some("a path in the home folder needs a name: `~/name`"));
    }
    if part.starts_with('<') {
        return (
            format!("`{part}` is no search path"),
            Some("close it with `>`: `<nixpkgs>`; to compare, put a space after `<`"),
        );
    }
    if part.contains("//") {
        return (format!("the path `{part}` has a doubled slash"), Some("write a single `/`"));
    }
    if part.ends_with('/') {
        return (
            "path has a trailing slash".to_owned(),
            Some("remove the last `/`; for the folder itself write `./.`"),
        );
    }
    if part.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return (format!("`{part}` is no number"), Some("digits are missing after the exponent's `e`"));
    }
    match part.chars().next() {
        Some('\u{feff}') if span.start == 0 => (
            "the file begins with a byte order mark, which Nix does not accept".to_owned(),
            Some("save it as UTF-8 without a byte order mark"),
        ),
        Some('\'') => (
            "strings have double quotes in Nix".to_owned(),
            Some("write `\"…\"`, or two single quotes for a text of several lines: `''…''`"),
        ),
        Some('“' | '”' | '„' | '‘' | '’') => {
            (format!("the character {} is no quote in Nix", named_first(part)), Some("write a straight `\"`"))
        }
        Some('$') => {
            ("unexpected `$`".to_owned(), Some("variables are named without `$`; `${…}` inserts a value into a string"))
        }
        Some('&') => ("unexpected `&`".to_owned(), Some("the logical and is `&&`")),
        Some('|') => ("unexpected `|`".to_owned(), Some("the logical or is `||`")),
        Some('%') => ("unexpected `%`".to_owned(), Some("Nix has no remainder operator; see `lib.mod`")),
        _ => (format!("unexpected character {}", named_first(part)), None),
    }
}

fn unclosed_string(text: &str, open: Span, errors: &mut Errors) {
    let quotes = &text[open.start as usize..open.end as usize];
    let message = format!("the string that begins here is never closed: a {quotes} is missing");
    let help = "perhaps the quotes of a string further up are missing, and this one was meant to end it";
    errors.push(open, message, Some(help.to_owned()), None);
}

fn named_first(part: &str) -> String {
    part.chars().next().map(named).unwrap_or_default()
}

/// A character that may be invisible.
fn named(c: char) -> String {
    match c {
        '\u{a0}' => "U+00A0 (a non-breaking space)".to_owned(),
        '\u{feff}' => "U+FEFF (a byte order mark)".to_owned(),
        c if c.is_ascii_graphic() => format!("`{c}`"),
        c if c.is_control() || c.is_whitespace() => format!("U+{:04X}", u32::from(c)),
        c => format!("`{c}` (U+{:04X})", u32::from(c)),
    }
}

//! String and path literals: escapes, line ends and indentation.
//!
//! Text is cut into pieces exactly as Nix's lexer cuts it (`lexer.l`), because `stripIndentation` in
//! `parser-state.hh` treats text that was escaped differently from text that was not.

use std::sync::Arc;

use bulkhead_source::Span;

use super::Lowerer;
use crate::tree::{Kind, Node};
use crate::{Expr, ExprId, PathAnchor, PathLiteral, StringPart};

/// A piece of a string literal.
enum Piece<'t> {
    /// Text, where it is written, and whether its leading spaces count as indentation (escapes do not).
    Text(String, Span, bool),
    /// The expression of an interpolation.
    Expr(Node<'t>),
}

impl<'t> Lowerer<'t> {
    /// `"…"` or `''…''`.
    pub(super) fn string(&mut self, node: Node<'t>, indented: bool) -> ExprId {
        let span = self.span(node);
        // Most strings are plain: they need no pieces.
        if !indented
            && let (Some(content), None) = (node.child(0), node.child(1))
            && content.kind() == Kind::Content
            && let text = self.text_of(content)
            && !text.contains(['\\', '\r', '\0'])
        {
            return self.text(span, Arc::from(text));
        }
        let mut pieces = self.pieces(node, indented);
        join(&mut pieces);
        let expr = match &pieces[..] {
            [] => return self.text(span, Arc::from("")),
            [Piece::Text(text, ..)] => return self.text(span, Arc::from(text.as_str())),
            _ => Expr::Interpolated(self.parts(pieces)),
        };
        // Nix drops an indented string around a lone string literal.
        if let Expr::Interpolated(parts) = &expr
            && let [StringPart::Interpolation(inner)] = parts[..]
            && indented
            && matches!(self.exprs.get(inner.0 as usize), Some(Expr::Text(..)))
        {
            return inner;
        }
        self.alloc(span, expr)
    }

    /// The text of an expression that Nix's parser reduces to a plain string, if it is one. (An indented string with an
    /// escape is none.)
    pub(super) fn static_text(&mut self, node: Node<'t>) -> Option<String> {
        let mut node = node.without_parens();
        loop {
            match node.kind() {
                Kind::Uri => return Some(self.text_of(node).to_owned()),
                Kind::String { indented } => {
                    let mut pieces = self.pieces(node, indented);
                    match (pieces.pop(), pieces.is_empty()) {
                        (None, _) => return Some(String::new()),
                        (Some(Piece::Text(text, ..)), true) => return Some(text),
                        (Some(Piece::Expr(inner)), true) if indented => node = inner.without_parens(),
                        _ => return None,
                    }
                }
                _ => return None,
            }
        }
    }

    /// `./a`, `/a`, `~/a`, with or without interpolations.
    pub(super) fn path(&mut self, node: Node<'t>) -> ExprId {
        let span = self.span(node);
        let piece = |part: Node<'t>| match (part.kind(), part.child(0)) {
            (Kind::Interpolation, Some(inner)) => Piece::Expr(inner),
            _ => Piece::Text(self.text_of(part).to_owned(), self.span(part), false),
        };
        let pieces: Vec<Piece<'t>> = node.children().map(piece).collect();
        let anchor = match pieces.first() {
            Some(Piece::Text(text, ..)) if text.starts_with('/') => PathAnchor::Absolute,
            Some(Piece::Text(text, ..)) if text.starts_with('~') => PathAnchor::Home,
            _ => PathAnchor::Relative,
        };
        let parts = self.parts(pieces);
        self.alloc(span, Expr::Path(Box::new(PathLiteral { anchor, parts })))
    }

    fn parts(&mut self, pieces: Vec<Piece<'t>>) -> Box<[StringPart]> {
        let part = |piece| match piece {
            Piece::Text(text, span, _) => StringPart::Text(Arc::from(text), span),
            Piece::Expr(node) => StringPart::Interpolation(self.expr(node)),
        };
        pieces.into_iter().map(part).collect()
    }

    /// The pieces of a string literal with escapes and indentation dealt with, none of them empty.
    fn pieces(&mut self, node: Node<'t>, indented: bool) -> Vec<Piece<'t>> {
        let mut pieces = Vec::new();
        for (index, part) in node.children().enumerate() {
            if let (Kind::Interpolation, Some(inner)) = (part.kind(), part.child(0)) {
                pieces.push(Piece::Expr(inner));
                continue;
            }
            let (span, text) = (self.span(part), self.text_of(part));
            if let Some(at) = text.find('\0') {
                let at = span.start + at as u32;
                let help = "Nix strings can't hold it; remove it";
                self.error(Span::new(at, at + 1), "a NUL character in a string", Some(help), None);
            }
            if indented {
                cut_indented(text, span, index == 0, &mut pieces);
            } else {
                pieces.push(Piece::Text(unescape(text), span, false));
            }
        }
        if indented {
            strip_indentation(&mut pieces);
        }
        pieces.retain(|piece| !matches!(piece, Piece::Text(text, ..) if text.is_empty()));
        pieces
    }
}

/// Make one piece of neighbouring texts.
fn join(pieces: &mut Vec<Piece<'_>>) {
    pieces.dedup_by(|next, piece| match (piece, next) {
        (Piece::Text(text, span, _), Piece::Text(next, end, _)) => {
            text.push_str(next);
            *span = span.to(*end);
            true
        }
        _ => false,
    });
}

/// Resolve the escapes of a `"…"` string (`unescapeStr` of `lexer.l`): `\n`, `\r`, `\t`, any other escaped character
/// is itself; unescaped CR and CR LF become LF.
fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(other) => text.push(other),
                None => {}
            },
            '\r' => {
                text.push('\n');
                chars.next_if_eq(&'\n');
            }
            c => text.push(c),
        }
    }
    text
}

/// Cut the text between two interpolations of a `''…''` string into pieces, as the `IND_STRING` rules of `lexer.l` do.
/// Neighbouring pieces of one sort stay apart there too, and [`strip_indentation`] depends on it.
fn cut_indented(raw: &str, span: Span, first: bool, pieces: &mut Vec<Piece<'_>>) {
    let mut at = 0;
    if first {
        // The opening quotes swallow the rest of their line if it is blank.
        let blank = raw.len() - raw.trim_start_matches(' ').len();
        if raw[blank..].starts_with('\n') {
            at = blank + 1;
        }
    }
    let bytes = raw.as_bytes();
    let mut push = |from: usize, to: usize, text: String, indentation: bool| {
        pieces.push(Piece::Text(text, Span::new(span.start + from as u32, span.start + to as u32), indentation));
    };
    while at < raw.len() {
        let plain = plain_length(&bytes[at..]);
        if plain > 0 {
            push(at, at + plain, raw[at..at + plain].to_owned(), true);
            at += plain;
            continue;
        }
        let rest = &raw[at..];
        let (length, text) = if rest.starts_with("''$") {
            (3, "$".to_owned())
        } else if rest.starts_with("'''") {
            (3, "''".to_owned())
        } else if let Some(escaped) = rest.strip_prefix("''\\") {
            let length = escaped.chars().next().map_or(0, char::len_utf8);
            (3 + length, unescape(&rest[2..3 + length]))
        } else {
            // A lone `$` or `'`.
            (1, rest[..1].to_owned())
        };
        push(at, at + length, text, false);
        at += length;
    }
}

/// The length of what the rule `([^\$\']|\$[^\{\']|\'[^\'\$])+` of `lexer.l` takes from the front.
fn plain_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    loop {
        at += match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'$'), Some(next)) if !matches!(next, b'{' | b'\'') => 2,
            (Some(b'\''), Some(next)) if !matches!(next, b'\'' | b'$') => 2,
            (Some(b'$' | b'\'') | None, _) => return at,
            (Some(_), _) => 1,
        };
    }
}

/// Remove the indentation that all lines share, as `ParserState::stripIndentation` does.
fn strip_indentation(pieces: &mut [Piece<'_>]) {
    let mut at_line_start = true;
    let mut least = usize::MAX;
    let mut current = 0;
    for piece in pieces.iter() {
        match piece {
            Piece::Text(text, _, true) => {
                for byte in text.bytes() {
                    match byte {
                        b'\n' => {
                            at_line_start = true;
                            current = 0;
                        }
                        b' ' if at_line_start => current += 1,
                        _ if at_line_start => {
                            at_line_start = false;
                            least = least.min(current);
                        }
                        _ => {}
                    }
                }
            }
            // Interpolations and escapes end the indentation of their line.
            _ if at_line_start => {
                at_line_start = false;
                least = least.min(current);
            }
            _ => {}
        }
    }

    let last = pieces.len().saturating_sub(1);
    let mut dropped = 0;
    at_line_start = true;
    for (index, piece) in pieces.iter_mut().enumerate() {
        let Piece::Text(text, ..) = piece else {
            at_line_start = false;
            dropped = 0;
            continue;
        };
        let mut kept = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                ' ' if at_line_start => {
                    if dropped >= least {
                        kept.push(c);
                    }
                    dropped += 1;
                    continue;
                }
                '\n' if at_line_start => dropped = 0,
                '\n' => at_line_start = true,
                _ if at_line_start => {
                    at_line_start = false;
                    dropped = 0;
                }
                _ => {}
            }
            kept.push(c);
        }
        if index == last
            && let Some(end) = kept.rfind('\n')
            && kept[end + 1..].bytes().all(|byte| byte == b' ')
        {
            kept.truncate(end + 1);
        }
        *text = kept;
    }
}

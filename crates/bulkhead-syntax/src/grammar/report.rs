//! What to say about a token that does not fit, and where to go on afterwards.

use bulkhead_source::Span;
use rnix::SyntaxKind::{self, *};

use super::{Checker, FrameKind, MOST_CHAIN, MOST_NESTING, PathOf, State, binary_level};

type Related = Option<(Span, String)>;

impl Checker<'_> {
    /// Report an error at the current token, and go on with the next attribute definition if there is one.
    fn fail(&mut self, span: Span, message: impl Into<String>, help: Option<&str>, related: Related) {
        self.errors.push(span, message.into(), help.map(str::to_owned), related);
        self.recover();
    }

    /// Leave what is open up to the innermost set or `let`, and skip to the end of the current definition there.
    fn recover(&mut self) {
        let entries = |kind| matches!(kind, FrameKind::Set | FrameKind::Let);
        self.state = State::Done;
        let Some(index) = self.frames.iter().rposition(|frame| entries(frame.kind)) else { return };
        let mut depth = self.frames[index + 1..].iter().filter(|frame| is_bracket(frame.kind)).count();
        self.frames.truncate(index + 1);
        self.rewind();
        if self.peek(0) == Some(TOKEN_SEMICOLON) {
            depth = 0;
        }
        while let Some(kind) = self.peek(0) {
            match kind {
                TOKEN_SEMICOLON if depth == 0 => {
                    self.at += 1;
                    self.state = State::Entry;
                    return;
                }
                TOKEN_L_BRACE | TOKEN_L_BRACK | TOKEN_L_PAREN | TOKEN_LET | TOKEN_INTERPOL_START
                | TOKEN_STRING_START => depth += 1,
                TOKEN_R_BRACE | TOKEN_R_BRACK | TOKEN_R_PAREN | TOKEN_IN | TOKEN_INTERPOL_END | TOKEN_STRING_END => {
                    match depth.checked_sub(1) {
                        Some(outer) => depth = outer,
                        None => return,
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
    }

    /// Report without going on: what follows can't be told apart.
    fn stop(&mut self, span: Span, message: impl Into<String>, help: Option<&str>, related: Related) {
        self.errors.push(span, message.into(), help.map(str::to_owned), related);
        self.state = State::Done;
    }

    /// Where the current token is; at the end of the file, the last token.
    fn here(&self) -> Span {
        self.token_span(self.at)
    }

    fn token_span(&self, at: usize) -> Span {
        let token = self.tokens.get(at).or(self.tokens.last());
        token.map_or(Span::default(), |token| token.span)
    }

    fn before(&self) -> Span {
        self.token_span(self.at.saturating_sub(1))
    }

    /// The current token, for a message.
    fn found(&self) -> String {
        self.described(self.at)
    }

    fn described(&self, at: usize) -> String {
        let Some(token) = self.tokens.get(at) else { return "the end of the file".to_owned() };
        match token.kind {
            TOKEN_STRING_START | TOKEN_STRING_CONTENT | TOKEN_STRING_END => "a string".to_owned(),
            TOKEN_INTERPOL_END => "`}`".to_owned(),
            _ => {
                let text = self.slice(token.span);
                match text.char_indices().nth(40) {
                    Some((end, _)) => format!("`{}…`", &text[..end]),
                    None => format!("`{text}`"),
                }
            }
        }
    }

    /// The innermost bracket or keyword that still waits for its end.
    fn opener(&self) -> Related {
        let frame = self.frames.iter().rev().find(|frame| is_bracket(frame.kind))?;
        let span = self.token_span(frame.open);
        let message = match frame.kind {
            FrameKind::Let => "this `let` has no `in` yet".to_owned(),
            _ => format!("this `{}` is not closed yet", self.slice(span)),
        };
        Some((span, message))
    }

    /// The path of the definition that the current token is part of.
    fn definition(&self) -> Option<String> {
        let frame = self.frames.iter().rev().find(|frame| frame.kind == FrameKind::Value)?;
        let mut end = frame.open;
        while matches!(self.tokens.get(end), Some(token) if token.kind != TOKEN_ASSIGN) && end < self.at {
            end += 1;
        }
        let last = end.checked_sub(1).filter(|last| *last >= frame.open)?;
        let text = self.slice(self.token_span(frame.open).to(self.token_span(last)));
        (text.len() <= 60 && !text.contains('\n')).then(|| text.to_owned())
    }

    pub(super) fn unexpected(&mut self, expected: &str) {
        if self.peek(0).is_none() {
            return self.end_of_file(expected);
        }
        let message = format!("unexpected {}, expected {expected}", self.found());
        self.fail(self.here(), message, None, None);
    }

    /// The file ends in the middle of something: point at what is open.
    fn end_of_file(&mut self, expected: &str) {
        let end = self.here();
        match self.opener() {
            Some((span, message)) => {
                let message = message.trim_end_matches(" yet").replace("is not closed", "is never closed");
                let related = Some((end, format!("the file ends here, where {expected} is expected")));
                self.stop(span, message, None, related);
            }
            None if self.tokens.is_empty() => {
                let help = "a Nix file is one expression; an empty set is `{ }`";
                self.stop(end, "the file has no expression", Some(help), None);
            }
            None => self.stop(end, format!("the file ends after this, where {expected} is expected"), None, None),
        }
    }

    /// A closing bracket that closes nothing, or the wrong thing.
    fn wrong_closer(&mut self) {
        let message = match self.opener() {
            Some(_) => format!("unexpected {}: it does not close what is open here", self.found()),
            None => format!("unexpected {}: nothing is open that it could close", self.found()),
        };
        let related = self.opener();
        self.stop(self.here(), message, Some("look for a bracket too many, or one missing before"), related);
    }

    pub(super) fn no_operand(&mut self) {
        let Some(kind) = self.peek(0) else { return self.end_of_file("an expression") };
        let after = match self.at.checked_sub(1) {
            Some(last) => format!(" after {}", self.described(last)),
            None => String::new(),
        };
        match kind {
            TOKEN_LET | TOKEN_IF | TOKEN_WITH | TOKEN_ASSERT => {
                let word = self.found();
                let help = format!("write `({} …)`", word.trim_matches('`'));
                self.fail(self.here(), format!("{word} must be in parentheses here"), Some(&help), None);
            }
            TOKEN_INVERT => {
                self.fail(self.here(), "`!` must be in parentheses here", Some("write `(!…)`"), None);
            }
            TOKEN_INTERPOL_START => {
                let help =
                    "it inserts a value into a string, a path or an attribute name; elsewhere write the name alone";
                self.fail(self.here(), "unexpected `${`", Some(help), None);
            }
            TOKEN_R_PAREN | TOKEN_R_BRACK | TOKEN_R_BRACE | TOKEN_INTERPOL_END if !self.closes(kind) => {
                self.wrong_closer();
            }
            TOKEN_SEMICOLON if self.frame() == FrameKind::Value && self.follows(TOKEN_ASSIGN) => {
                let name = self.definition().map_or("this attribute".to_owned(), |name| format!("`{name}`"));
                self.fail(self.here(), format!("{name} has no value"), None, None);
            }
            TOKEN_COMMA if self.frame() == FrameKind::List => self.comma_in_list(),
            TOKEN_SEMICOLON if self.frame() == FrameKind::List => {
                let related = self.opener();
                self.fail(self.here(), "unexpected `;` in a list", Some("close the list with `]` before it"), related);
            }
            TOKEN_ASSIGN if self.follows(TOKEN_ASSIGN) || self.frame() != FrameKind::Value => self.comparison(),
            TOKEN_OR => {
                let help = "`or` gives a default: `set.name or default`";
                self.fail(self.here(), format!("expected an expression{after}, found `or`"), Some(help), None);
            }
            _ => {
                let message = format!("expected an expression{after}, found {}", self.found());
                self.fail(self.here(), message, None, None);
            }
        }
    }

    fn follows(&self, kind: SyntaxKind) -> bool {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).is_some_and(|last| last.kind == kind)
    }

    /// Whether a closing bracket is the one that the innermost open bracket waits for.
    fn closes(&self, kind: SyntaxKind) -> bool {
        let open = self.frames.iter().rev().find(|frame| is_bracket(frame.kind)).map(|frame| frame.kind);
        match open {
            Some(FrameKind::Paren | FrameKind::InheritFrom) => kind == TOKEN_R_PAREN,
            Some(FrameKind::List) => kind == TOKEN_R_BRACK,
            Some(FrameKind::Set | FrameKind::Pattern { .. }) => kind == TOKEN_R_BRACE,
            Some(FrameKind::StringPart | FrameKind::PathPart | FrameKind::NamePart(_)) => kind == TOKEN_INTERPOL_END,
            _ => false,
        }
    }

    fn comma_in_list(&mut self) {
        self.fail(self.here(), "unexpected `,` in a list", Some("list elements are separated by spaces alone"), None);
    }

    fn comparison(&mut self) {
        self.fail(
            self.here(),
            "unexpected `=`",
            Some("to compare, write `==`; to define an attribute, write `{ name = value; }`"),
            None,
        );
    }

    pub(super) fn bare_function(&mut self) {
        let help = "write `(x: …)`, or `(… )` around the set and what follows it";
        let help = match self.peek(0) {
            Some(TOKEN_IDENT) => format!("write `({}: …)`", self.slice(self.here())),
            _ if self.peek(1) == Some(TOKEN_R_BRACE) => "write `({ }: …)`".to_owned(),
            _ if self.peek(1) == Some(TOKEN_IDENT) && self.peek(2) == Some(TOKEN_R_BRACE) => {
                "write `({ … }: …)`; a set needs values: `{ name = value; }` or `{ inherit name; }`".to_owned()
            }
            _ => help.to_owned(),
        };
        self.fail(self.here(), "a function must be in parentheses here", Some(&help), None);
    }

    /// A token after a whole expression that what is open can't take.
    pub(super) fn unfinished(&mut self) {
        let expected = match self.frame() {
            FrameKind::Paren | FrameKind::InheritFrom => "`)`",
            FrameKind::List => "`]`",
            FrameKind::Value | FrameKind::With | FrameKind::Assert => "`;`",
            FrameKind::Condition => "`then`",
            FrameKind::Consequence => "`else`",
            FrameKind::Pattern { .. } => "`,` or `}`",
            FrameKind::StringPart | FrameKind::PathPart | FrameKind::NamePart(_) => "`}`",
            _ => "the end of the file",
        };
        let Some(kind) = self.peek(0) else { return self.end_of_file(expected) };
        let frame = self.frame();
        match (kind, frame) {
            (TOKEN_ASSIGN, FrameKind::Value) => self.second_assignment(),
            (TOKEN_ASSIGN, FrameKind::Root) => {
                let help = "a Nix file is one expression: put `{ }` around the definitions";
                self.fail(self.here(), "unexpected `=`", Some(help), None);
            }
            (TOKEN_ASSIGN, _) => self.comparison(),
            (TOKEN_COMMA, FrameKind::List) => self.comma_in_list(),
            (TOKEN_COMMA, FrameKind::Value) => {
                self.fail(self.here(), "unexpected `,`", Some("definitions end with `;`"), None);
            }
            (TOKEN_COMMA, FrameKind::Paren) => {
                let help = "arguments are separated by spaces: `f a b`";
                self.fail(self.here(), "unexpected `,`", Some(help), self.opener());
            }
            (TOKEN_R_PAREN | TOKEN_R_BRACK, FrameKind::Value) => self.wrong_closer(),
            (TOKEN_R_BRACE | TOKEN_INTERPOL_END | TOKEN_IN, FrameKind::Value) => self.missing_semicolon(),
            (_, FrameKind::Value) if binary_level(kind).is_none() => self.missing_semicolon(),
            (TOKEN_R_PAREN | TOKEN_R_BRACK | TOKEN_R_BRACE | TOKEN_INTERPOL_END, _) if !self.closes(kind) => {
                self.wrong_closer();
            }
            (_, FrameKind::List) if binary_level(kind).is_some() || kind == TOKEN_QUESTION => {
                let message = format!("{} must be in parentheses in a list", self.found());
                self.fail(self.here(), message, Some("write `[ (a + b) ]`"), None);
            }
            (_, FrameKind::Consequence) => {
                let open = self.frames.last().map(|frame| (self.token_span(frame.open), "this `if`".to_owned()));
                let message = format!("expected `else`, found {}", self.found());
                self.fail(self.here(), message, Some("every `if` needs an `else`"), open);
            }
            (_, FrameKind::Condition | FrameKind::With | FrameKind::Assert) => {
                let open = self.frames.last().map(|frame| {
                    let span = self.token_span(frame.open);
                    (span, format!("this `{}`", self.slice(span)))
                });
                let message = format!("expected {expected}, found {}", self.found());
                self.fail(self.here(), message, None, open);
            }
            (_, FrameKind::Root) => {
                let message = format!("unexpected {} after the end of the expression", self.found());
                let help = "a Nix file is one expression; parentheses make it clear what belongs together";
                self.fail(self.here(), message, Some(help), None);
            }
            _ => {
                let message = format!("expected {expected}, found {}", self.found());
                self.fail(self.here(), message, None, self.opener());
            }
        }
    }

    fn missing_semicolon(&mut self) {
        let name = self.definition().map_or("this definition".to_owned(), |name| format!("the value of `{name}`"));
        let related = Some((self.here(), format!("found {} instead", self.found())));
        self.fail(self.before(), format!("missing `;` after {name}"), Some("write `;` here"), related);
    }

    /// `=` inside of a value: most often the definition before lacks its `;`.
    fn second_assignment(&mut self) {
        let start = self.frames.last().map_or(0, |frame| frame.open);
        let mut name = self.at;
        while let Some(before) = name.checked_sub(1).filter(|before| *before > start) {
            match self.tokens[before].kind {
                TOKEN_IDENT | TOKEN_DOT | TOKEN_STRING_START | TOKEN_STRING_CONTENT | TOKEN_STRING_END => name = before,
                _ => break,
            }
            let gap = self.tokens[before - 1].span.end..self.tokens[before].span.start;
            if self.text.get(gap.start as usize..gap.end as usize).is_some_and(|gap| gap.contains('\n')) {
                break;
            }
        }
        let gap = name.checked_sub(1).map(|before| self.tokens[before].span.end..self.token_span(name).start);
        let new_line = gap
            .and_then(|gap| self.text.get(gap.start as usize..gap.end as usize))
            .is_some_and(|gap| gap.contains('\n'));
        if name == self.at || !new_line {
            return self.comparison();
        }
        let before = self.tokens[name - 1];
        if before.kind == TOKEN_ASSIGN {
            let text = self.definition().map_or("this attribute".to_owned(), |name| format!("`{name}`"));
            return self.fail(before.span, format!("{text} has no value"), None, None);
        }
        let value = self.definition().map_or("this definition".to_owned(), |name| format!("the value of `{name}`"));
        let related = Some((self.token_span(name), "the next definition begins here".to_owned()));
        self.errors.push(before.span, format!("missing `;` after {value}"), Some("write `;` here".to_owned()), related);
        // The next definition can be read as if the `;` were there.
        self.at = name;
        self.pop();
        self.state = State::Entry;
    }

    pub(super) fn unchainable(&mut self, first: usize) {
        let message = format!("{} can't follow another comparison", self.found());
        let related = Some((self.token_span(first), "the first comparison".to_owned()));
        self.fail(self.here(), message, Some("combine them with `&&`: `a < b && b < c`; or use parentheses"), related);
    }

    pub(super) fn mixed_pipes(&mut self, first: usize) {
        let message = format!("{} can't follow the other pipe operator", self.found());
        let related = Some((self.token_span(first), "the other one".to_owned()));
        self.fail(self.here(), message, Some("use parentheses: `f <| (x |> g)`"), related);
    }

    pub(super) fn no_entry(&mut self) {
        let of_let = self.frame() == FrameKind::Let;
        let expected = if of_let { "a definition or `in`" } else { "a definition or `}`" };
        let Some(kind) = self.peek(0) else { return self.end_of_file(expected) };
        match kind {
            TOKEN_SEMICOLON => {
                let help = "definitions have one `;` each, at their end";
                self.fail(self.here(), "unexpected `;`", Some(help), None);
            }
            TOKEN_R_PAREN | TOKEN_R_BRACK | TOKEN_R_BRACE | TOKEN_INTERPOL_END => self.wrong_closer(),
            kind if is_keyword(kind) => self.keyword(),
            _ => self.unexpected(expected),
        }
    }

    /// A keyword where a name belongs.
    fn keyword(&mut self) {
        let word = self.found();
        let help = format!("as a name it must be quoted: `\"{}\"`", word.trim_matches('`'));
        self.fail(self.here(), format!("{word} is a keyword"), Some(&help), None);
    }

    pub(super) fn no_name(&mut self, of: PathOf) {
        let expected = match of {
            PathOf::Inherit => "a name or `;`",
            _ => "an attribute name",
        };
        match self.peek(0) {
            Some(TOKEN_STRING_START) => {
                self.fail(self.here(), "an attribute name can't be an indented string", Some("write `\"…\"`"), None);
            }
            Some(TOKEN_R_PAREN | TOKEN_R_BRACK | TOKEN_R_BRACE | TOKEN_INTERPOL_END | TOKEN_ASSIGN)
                if of == PathOf::Inherit =>
            {
                let related = Some((self.here(), format!("found {} instead", self.found())));
                self.fail(self.before(), "missing `;` after `inherit`", Some("write `;` here"), related);
            }
            Some(kind) if is_keyword(kind) => self.keyword(),
            _ => self.unexpected(expected),
        }
    }

    /// A definition without `=`.
    pub(super) fn no_value(&mut self) {
        let name = self.definition().unwrap_or_default();
        match self.peek(0) {
            Some(TOKEN_EQUAL) => {
                let help = format!("to define it, write `{name} = …;`");
                self.fail(self.here(), "unexpected `==` in a definition", Some(&help), None);
            }
            Some(TOKEN_COLON) => {
                let help = format!("definitions have `=`: `{name} = …;`");
                self.fail(self.here(), "unexpected `:` in a definition", Some(&help), None);
            }
            Some(TOKEN_SEMICOLON | TOKEN_R_BRACE) => {
                let help = format!("write `{name} = …;`, or `inherit {name};` for the variable of that name");
                self.fail(self.here(), format!("`{name}` has no value"), Some(&help), None);
            }
            _ => self.unexpected("`=` or `.`"),
        }
    }

    pub(super) fn no_formal(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some(TOKEN_ELLIPSIS), Some(_)) => {
                self.at += 1;
                self.fail(self.here(), "`...` must be the last in a pattern", Some("write `{ a, b, ... }:`"), None);
            }
            (Some(TOKEN_IDENT | TOKEN_ELLIPSIS), _) => {
                self.at += 1;
                self.unexpected("`,` or `}`");
            }
            (Some(kind), _) if is_keyword(kind) => {
                self.fail(self.here(), format!("{} is a keyword and can't be a parameter", self.found()), None, None);
            }
            _ => self.unexpected("a parameter name, `...` or `}`"),
        }
    }

    pub(super) fn no_function_body(&mut self, bound: bool) {
        if bound && self.peek(0) == Some(TOKEN_AT) {
            let help = "keep one of `name@{ … }` and `{ … }@name`";
            return self.fail(self.here(), "the pattern is named twice", Some(help), None);
        }
        if self.peek(0) == Some(TOKEN_AT) {
            self.at += 1;
            return self.unexpected("a name");
        }
        let pattern = self.frames.last().map(|frame| self.token_span(frame.open));
        self.pop();
        if self.peek(0).is_none() && self.opener().is_some() {
            return self.end_of_file("`:`");
        }
        let related = pattern.map(|span| (span, "this begins the pattern of a function".to_owned()));
        let help = "write `{ … }: body`; a set needs values: `{ name = value; }` or `{ inherit name; }`";
        self.fail(self.here(), format!("expected `:`, found {}", self.found()), Some(help), related);
    }

    pub(super) fn unclosed_string(&mut self) {
        let span = self.frames.last().map_or(Span::default(), |frame| self.token_span(frame.open));
        let message = format!("the string that begins here is never closed: a {} is missing", self.slice(span));
        let help = "perhaps the quotes of a string further up are missing, and this one was meant to end it";
        self.stop(span, message, Some(help), None);
    }

    pub(super) fn too_deep(&mut self) {
        let message = format!("the code nests more than {MOST_NESTING} levels deep here, which is the limit");
        self.stop(self.here(), message, Some("bind parts of it to names with `let`"), None);
    }

    pub(super) fn too_long(&mut self) {
        let message = format!("more than {MOST_CHAIN} operators or arguments in a row, which is the limit");
        self.stop(self.here(), message, Some("use a list and `builtins.concatLists`, or `builtins.foldl'`"), None);
    }
}

fn is_bracket(kind: FrameKind) -> bool {
    use FrameKind::*;
    match kind {
        Paren
        | List
        | Set
        | Let
        | Pattern { .. }
        | InheritFrom
        | String { .. }
        | StringPart
        | PathPart
        | NamePart(_) => true,
        Root | Value | With | Assert | Condition | Consequence => false,
    }
}

fn is_keyword(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        TOKEN_IF
            | TOKEN_THEN
            | TOKEN_ELSE
            | TOKEN_ASSERT
            | TOKEN_WITH
            | TOKEN_LET
            | TOKEN_IN
            | TOKEN_REC
            | TOKEN_INHERIT
    )
}

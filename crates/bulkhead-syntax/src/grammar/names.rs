//! The parts of the grammar where names are bound: sets, `let`, attribute paths and the patterns of functions.

use rnix::SyntaxKind::*;

use super::{After, Checker, FrameKind, PathOf, State};

impl Checker<'_> {
    pub(super) fn entry(&mut self) {
        self.rewind();
        match (self.frame(), self.peek(0)) {
            (FrameKind::Set, Some(TOKEN_R_BRACE)) => {
                self.pop();
                self.at += 1;
                self.operand_done(After::SIMPLE);
            }
            (FrameKind::Let, Some(TOKEN_IN)) => {
                self.pop();
                self.nest();
                self.take(State::Expression);
            }
            (_, Some(TOKEN_INHERIT)) => {
                if self.peek(1) == Some(TOKEN_L_PAREN) {
                    self.at += 1;
                    self.push(FrameKind::InheritFrom, self.at, 1);
                    self.take(State::Expression);
                } else {
                    self.take(State::Name(PathOf::Inherit));
                }
            }
            (_, Some(TOKEN_IDENT | TOKEN_OR | TOKEN_STRING_START | TOKEN_INTERPOL_START)) => {
                self.push(FrameKind::Value, self.at, 0);
                self.nest();
                if self.state != State::Done {
                    self.state = State::Name(PathOf::Definition);
                }
            }
            _ => self.no_entry(),
        }
    }

    pub(super) fn name(&mut self, of: PathOf) {
        match self.peek(0) {
            Some(TOKEN_IDENT | TOKEN_OR) => self.take(State::AfterName(of)),
            Some(TOKEN_STRING_START)
                if self.tokens.get(self.at).is_some_and(|token| self.slice(token.span) == "\"") =>
            {
                self.push(FrameKind::String { attribute: Some(of) }, self.at, 0);
                self.take(State::InString);
            }
            Some(TOKEN_INTERPOL_START) => {
                self.push(FrameKind::NamePart(of), self.at, 1);
                self.take(State::Expression);
            }
            Some(TOKEN_SEMICOLON) if of == PathOf::Inherit => self.take(State::Entry),
            _ => self.no_name(of),
        }
    }

    pub(super) fn after_name(&mut self, of: PathOf) {
        match (of, self.peek(0)) {
            (PathOf::Inherit, _) => self.state = State::Name(of),
            (PathOf::Definition, Some(TOKEN_DOT)) => {
                // `a.b = c;` is a set in a set.
                self.nest();
                self.take(State::Name(of));
            }
            (_, Some(TOKEN_DOT)) => self.take(State::Name(of)),
            (PathOf::Definition, Some(TOKEN_ASSIGN)) => self.take(State::Expression),
            (PathOf::Definition, _) => self.no_value(),
            (PathOf::Selection, Some(TOKEN_OR)) => {
                self.nest();
                self.at += 1;
                if self.state != State::Done {
                    self.simple(self.after_default());
                }
            }
            (PathOf::Selection, _) => self.operand_done(After::SELECTED),
            (PathOf::Test, _) => self.operand_done(After::TESTED),
        }
    }

    /// The state after the default of a selection.
    fn after_default(&self) -> State {
        State::After(After { operator: self.frame() != FrameKind::List, ..After::SIMPLE })
    }

    pub(super) fn formal(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some(TOKEN_R_BRACE), _) => self.take(State::AfterPattern),
            (Some(TOKEN_ELLIPSIS), Some(TOKEN_R_BRACE)) => {
                self.at += 1;
                self.take(State::AfterPattern);
            }
            (Some(TOKEN_IDENT), Some(TOKEN_QUESTION)) => {
                self.at += 1;
                self.nest();
                self.take(State::Expression);
            }
            (Some(TOKEN_IDENT), Some(TOKEN_COMMA)) => {
                self.at += 1;
                self.take(State::Formal);
            }
            (Some(TOKEN_IDENT), Some(TOKEN_R_BRACE)) => {
                self.at += 1;
                self.take(State::AfterPattern);
            }
            _ => self.no_formal(),
        }
    }

    pub(super) fn after_pattern(&mut self) {
        let bound = matches!(self.frame(), FrameKind::Pattern { bound: true });
        match (self.peek(0), self.peek(1)) {
            (Some(TOKEN_COLON), _) => {
                self.pop();
                self.nest();
                self.take(State::Expression);
            }
            (Some(TOKEN_AT), Some(TOKEN_IDENT)) if !bound => {
                self.at += 2;
                if self.peek(0) != Some(TOKEN_COLON) {
                    return self.unexpected("`:`");
                }
                self.pop();
                self.nest();
                self.take(State::Expression);
            }
            _ => self.no_function_body(bound),
        }
    }
}

//! String and path literals.

use bulkhead_syntax::{PathAnchor, PathLiteral, StringPart};
use smallvec::SmallVec;

use super::Evaluator;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::explain::Recording;
use crate::operators::CoerceMode;
use crate::pure::path;
use crate::value::{Context, Env, PathValue, Pos, Str, Value};

/// A string of at least so many bytes at an end of an interpolation is not copied at once.
const LONG: usize = 4096;

/// A piece of a string that is put together.
enum Piece<'a> {
    Text(&'a [u8]),
    Str(&'a Str<'a>, Pos),
}

impl Piece<'_> {
    fn len(&self) -> usize {
        match self {
            Piece::Text(text) => text.len(),
            Piece::Str(str, _) => str.len(),
        }
    }
}

type Pieces<'a> = SmallVec<[Piece<'a>; 6]>;

impl<'a> Evaluator<'a> {
    fn pieces(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        parts: &'a [StringPart],
        mode: CoerceMode,
        pos: Pos,
    ) -> Result<'a, (Pieces<'a>, Option<&'a Context<'a>>)> {
        let mut pieces = Pieces::new();
        let mut context = None;
        let mut length = 0;
        for part in parts {
            let piece = match part {
                StringPart::Text(text, _) => Piece::Text(text.as_bytes()),
                StringPart::Interpolation(id) => {
                    let value = self.eval(code, env, *id)?;
                    let string = self.coerce_to_string(value, mode, code.pos(*id))?;
                    context = self.join_context(context, string.context);
                    let made = if value.pos() == Pos::NONE { code.pos(*id) } else { value.pos() };
                    Piece::Str(string, made)
                }
            };
            length += piece.len();
            self.reserve(pos, length)?;
            pieces.push(piece);
        }
        self.tick_bulk(pos, length)?;
        Ok((pieces, context))
    }

    /// `"…${…}…"`
    pub(super) fn interpolated(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        parts: &'a [StringPart],
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        let (pieces, context) = match self.pieces(code, env, parts, CoerceMode::Interpolate, pos) {
            Ok(pieces) => pieces,
            Err(error) => return Err(self.in_string(error, parts)),
        };
        let string = match &pieces[..] {
            [Piece::Str(first, _), rest @ ..] if first.len() >= LONG => {
                self.arena.alloc(Str::joined(self.arena, first, self.flat(rest, None), context))
            }
            [before @ .., Piece::Str(last, _)] if last.len() >= LONG => {
                self.arena.alloc(Str::joined(self.arena, self.flat(before, None), last, context))
            }
            pieces => self.flat(pieces, context),
        };
        self.record(string, || recordings(code, parts, &pieces));
        Ok(Value::String(string, pos))
    }

    fn flat(&self, pieces: &[Piece<'a>], context: Option<&'a Context<'a>>) -> &'a Str<'a> {
        let length = pieces.iter().map(Piece::len).sum();
        let bytes = pieces.iter().map(|piece| match piece {
            Piece::Text(text) => *text,
            Piece::Str(str, _) => str.bytes(),
        });
        self.str(self.arena.bytes(length, bytes), context)
    }

    pub(super) fn path_literal(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        literal: &'a PathLiteral,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        let (pieces, _) = self.pieces(code, env, &literal.parts, CoerceMode::Path, pos)?;
        let text = self.flat(&pieces, None).bytes();
        let text = std::str::from_utf8(text).map_err(|_| Error::evaluation("a path that is not UTF-8", pos))?;
        let absolute = match literal.anchor {
            PathAnchor::Absolute => text.to_owned(),
            PathAnchor::Relative => format!("{}/{text}", code.folder),
            PathAnchor::Home => {
                return Err(Error::unknown(
                    self.unknown("the home folder is not known to an analysis", None, pos),
                    pos,
                ));
            }
        };
        Ok(self.path(&absolute, pos))
    }

    /// A path value of an absolute path, normalised.
    pub fn path(&self, absolute: &str, pos: Pos) -> Value<'a> {
        self.charge_bytes(absolute.len());
        let path = self.arena.text(&normal_path(absolute));
        Value::Path(self.arena.alloc(PathValue { path }), pos)
    }
}

fn recordings<'a>(code: &'a Code<'a>, parts: &'a [StringPart], pieces: &[Piece<'a>]) -> Vec<Recording<'a>> {
    let recording = |(part, piece): (&'a StringPart, &Piece<'a>)| match (part, piece) {
        (StringPart::Text(_, span), Piece::Text(text)) => Some(Recording::Literal(text, code.literal(*span))),
        (_, Piece::Str(str, pos)) => Some(Recording::Value(str, *pos)),
        _ => None,
    };
    parts.iter().zip(pieces).filter_map(recording).collect()
}

/// An absolute path without `.`, `..` and doubled slashes.
pub fn normal_path(absolute: &str) -> String {
    // Taking away whole parts between slashes leaves UTF-8 what it was.
    String::from_utf8_lossy(&path::canonicalise(absolute.as_bytes())).into_owned()
}

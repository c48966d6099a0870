//! Selection: `a.b`, `a.b or c`, `a ? b`.

use bulkhead_diagnostics::nearest;
use bulkhead_syntax::{AttrName, ExprId, Symbol};

use super::Evaluator;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::value::{Env, Pos, Unknown, Value};

impl<'a> Evaluator<'a> {
    pub(super) fn select(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        mut value: Value<'a>,
        path: &'a [AttrName],
        default: Option<ExprId>,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        for (index, part) in path.iter().enumerate() {
            let (name, name_pos) = self.attr_name(code, env, part)?;
            let found = match value {
                Value::Attrs(attrs, _) => match (attrs.get(name), attrs.open) {
                    (Some(attr), _) => Some(attr.value),
                    (None, Some(unknown)) => {
                        let unknown = self.came_in(self.lacking(unknown, name), pos);
                        return Err(self.on_path(Error::unknown(unknown, pos), path));
                    }
                    (None, None) => None,
                },
                Value::Unknown(unknown, _) => {
                    return Err(self.on_path(Error::unknown(self.came_in(unknown, pos), pos), path));
                }
                _ => None,
            };
            let Some(found) = found else {
                return match default {
                    Some(default) => self.eval(code, env, default),
                    None => Err(self.missing(value, name, name_pos)),
                };
            };
            value = match self.force(found) {
                Ok(value) => value,
                Err(error) => return Err(self.in_selection(error, code, env, &path[..=index], pos)),
            };
        }
        Ok(self.reached(value, pos))
    }

    #[cold]
    fn in_selection(
        &self,
        error: Box<Error<'a>>,
        code: &'a Code<'a>,
        env: Env<'a>,
        path: &'a [AttrName],
        pos: Pos,
    ) -> Box<Error<'a>> {
        error.or_at(pos).through(pos, || {
            let names = path.iter().filter_map(|part| self.attr_name(code, env, part).ok());
            let names: Vec<String> = names.map(|(name, _)| name.to_string()).collect();
            format!("while evaluating the attribute `{}`", names.join("."))
        })
    }

    /// `set.name`, forced.
    pub fn select_name(&self, set: Value<'a>, name: Symbol, pos: Pos) -> Result<'a, Value<'a>> {
        match set {
            Value::Attrs(attrs, _) => match (attrs.get(name), attrs.open) {
                (Some(attr), _) => self.force(attr.value).map(|value| self.reached(value, pos)),
                (None, Some(unknown)) => Err(Error::unknown(self.lacking(unknown, name), pos)),
                (None, None) => Err(self.missing(set, name, pos)),
            },
            Value::Unknown(unknown, _) => Err(Error::unknown(unknown, pos)),
            _ => Err(self.missing(set, name, pos)),
        }
    }

    /// Why what a set with more names has under this one is not known: who says that it "lacks it" is told what.
    #[cold]
    fn lacking(&self, unknown: &'a Unknown<'a>, name: Symbol) -> &'a Unknown<'a> {
        let Some(what) = unknown.reason.strip_suffix(" lacks it") else { return unknown };
        let reason = self.arena.text(&format!("{what} lacks `{name}`"));
        self.arena.alloc(Unknown { reason, ..*unknown })
    }

    #[cold]
    fn missing(&self, value: Value<'a>, name: Symbol, pos: Pos) -> Box<Error<'a>> {
        let Value::Attrs(attrs, _) = value else {
            return Error::evaluation(format!("expected a set but found {}", value.described_type()), pos)
                .about(value)
                .with_help(format!("`.{name}` selects from a set"));
        };
        let error = Error::evaluation(format!("attribute '{name}' missing"), pos);
        match nearest(name.as_str(), attrs.entries().iter().map(|attr| attr.name.as_str())) {
            Some(near) => error.with_help(format!("did you mean `{near}`?")),
            None => error,
        }
    }

    pub(super) fn has_attr(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        base: ExprId,
        path: &'a [AttrName],
        pos: Pos,
    ) -> Result<'a, bool> {
        let mut value = self.eval(code, env, base)?;
        for (index, part) in path.iter().enumerate() {
            let (name, _) = self.attr_name(code, env, part)?;
            let next = match value {
                Value::Attrs(attrs, _) => match (attrs.get(name), attrs.open) {
                    (Some(attr), _) => attr.value,
                    (None, Some(unknown)) => return Err(Error::unknown(unknown, pos)),
                    (None, None) => return Ok(false),
                },
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                _ => return Ok(false),
            };
            if index + 1 < path.len() {
                value = self.force(next)?;
            }
        }
        Ok(true)
    }

    #[inline(always)]
    fn attr_name(&self, code: &'a Code<'a>, env: Env<'a>, name: &AttrName) -> Result<'a, (Symbol, Pos)> {
        match name {
            AttrName::Static(symbol, key) => Ok((*symbol, code.name_pos(*key))),
            AttrName::Dynamic(id) => self.computed_name(code, env, *id),
        }
    }

    #[inline(never)]
    fn computed_name(&self, code: &'a Code<'a>, env: Env<'a>, id: ExprId) -> Result<'a, (Symbol, Pos)> {
        let pos = code.pos(id);
        let value = self.eval(code, env, id)?;
        Ok((self.expect_symbol(value, pos)?, pos))
    }
}

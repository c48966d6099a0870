//! Selection: `a.b`, `a.b or c`, `a ? b`.

use std::rc::Rc;

use bulkhead_diagnostics::nearest;
use bulkhead_syntax::{AttrName, ExprId, Symbol};

use super::Evaluator;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::value::{Env, Pos, Value};

impl Evaluator<'_> {
    pub(super) fn select(
        &self,
        code: &Rc<Code>,
        env: &Env,
        base: ExprId,
        path: &[AttrName],
        default: Option<ExprId>,
        pos: Pos,
    ) -> Result<Value> {
        let mut value = self.eval(code, env, base)?;
        for (index, part) in path.iter().enumerate() {
            let (name, name_pos) = self.attr_name(code, env, part)?;
            let found = match &value {
                Value::Attrs(attrs, _) => match attrs.get(name) {
                    Some(attr) => Some(attr.value.clone()),
                    None => match &attrs.open {
                        Some(unknown) => return Err(Error::unknown(unknown, pos)),
                        None => None,
                    },
                },
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                _ => None,
            };
            let Some(found) = found else {
                return match default {
                    Some(default) => self.eval(code, env, default),
                    None => Err(self.missing(&value, name, name_pos)),
                };
            };
            value = match found {
                Value::Thunk(thunk) => self.force_thunk(&thunk).map_err(|error| {
                    let names: Vec<String> = path[..=index]
                        .iter()
                        .filter_map(|part| self.attr_name(code, env, part).ok())
                        .map(|(n, _)| n.to_string())
                        .collect();
                    error.or_at(pos).through(pos, || format!("while evaluating the attribute `{}`", names.join(".")))
                })?,
                value => value,
            };
        }
        Ok(self.reached(value, pos))
    }

    /// `set.name`, forced.
    pub fn select_name(&self, set: &Value, name: Symbol, pos: Pos) -> Result<Value> {
        match set {
            Value::Attrs(attrs, _) => match (attrs.get(name), &attrs.open) {
                (Some(attr), _) => self.force(&attr.value).map(|value| self.reached(value, pos)),
                (None, Some(unknown)) => Err(Error::unknown(unknown, pos)),
                (None, None) => Err(self.missing(set, name, pos)),
            },
            Value::Unknown(unknown, _) => Err(Error::unknown(unknown, pos)),
            _ => Err(self.missing(set, name, pos)),
        }
    }

    fn missing(&self, value: &Value, name: Symbol, pos: Pos) -> Box<Error> {
        let Value::Attrs(attrs, _) = value else {
            return Error::evaluation(format!("expected a set but found {}", value.described_type()), pos)
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
        code: &Rc<Code>,
        env: &Env,
        base: ExprId,
        path: &[AttrName],
        pos: Pos,
    ) -> Result<Value> {
        let mut value = self.eval(code, env, base)?;
        for (index, part) in path.iter().enumerate() {
            let (name, _) = self.attr_name(code, env, part)?;
            let next = match &value {
                Value::Attrs(attrs, _) => match (attrs.get(name), &attrs.open) {
                    (Some(attr), _) => attr.value.clone(),
                    (None, Some(unknown)) => return Err(Error::unknown(unknown, pos)),
                    (None, None) => return Ok(Value::Bool(false, pos)),
                },
                Value::Unknown(unknown, _) => return Err(Error::unknown(unknown, pos)),
                _ => return Ok(Value::Bool(false, pos)),
            };
            if index + 1 < path.len() {
                value = self.force(&next)?;
            }
        }
        Ok(Value::Bool(true, pos))
    }

    fn attr_name(&self, code: &Rc<Code>, env: &Env, name: &AttrName) -> Result<(Symbol, Pos)> {
        match name {
            AttrName::Static(symbol, key) => Ok((*symbol, code.name_pos(*key))),
            AttrName::Dynamic(id) => {
                let pos = code.pos(*id);
                let value = self.eval(code, env, *id)?;
                Ok((self.expect_symbol(&value, pos)?, pos))
            }
        }
    }
}

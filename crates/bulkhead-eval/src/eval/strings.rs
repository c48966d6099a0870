//! String and path literals.

use std::rc::Rc;

use bulkhead_syntax::{PathAnchor, PathLiteral, StringPart};

use super::Evaluator;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::operators::CoerceMode;
use crate::pure::path;
use crate::value::{Context, Env, PathValue, Pos, Value};

impl Evaluator<'_> {
    pub(super) fn concat_parts(
        &self,
        code: &Rc<Code>,
        env: &Env,
        parts: &[StringPart],
        mode: CoerceMode,
        pos: Pos,
    ) -> Result<(Vec<u8>, Option<Rc<Context>>)> {
        let mut bytes = Vec::new();
        let mut context: Option<Rc<Context>> = None;
        for part in parts {
            match part {
                StringPart::Text(text, _) => bytes.extend_from_slice(text.as_bytes()),
                StringPart::Interpolation(id) => {
                    let pos = code.pos(*id);
                    let value = self.eval(code, env, *id)?;
                    let string = self.coerce_to_string(&value, mode, pos)?;
                    bytes.extend_from_slice(&string.bytes);
                    join_context(&mut context, &string.context);
                }
            }
            self.reserve(pos, bytes.len())?;
        }
        Ok((bytes, context))
    }

    pub(super) fn path_literal(&self, code: &Rc<Code>, env: &Env, literal: &PathLiteral, pos: Pos) -> Result<Value> {
        let (bytes, _) = self.concat_parts(code, env, &literal.parts, CoerceMode::Path, pos)?;
        let text = String::from_utf8(bytes).map_err(|_| Error::evaluation("a path that is not UTF-8", pos))?;
        let absolute = match literal.anchor {
            PathAnchor::Absolute => text,
            PathAnchor::Relative => format!("{}/{text}", code.folder),
            PathAnchor::Home => {
                return Err(Error::unknown(
                    &self.unknown("the home folder is not known to an analysis", None, pos),
                    pos,
                ));
            }
        };
        Ok(self.path(&absolute, pos))
    }

    /// A path value of an absolute path, normalised.
    pub fn path(&self, absolute: &str, pos: Pos) -> Value {
        Value::Path(Rc::new(PathValue { path: normal_path(absolute).into() }), pos)
    }
}

/// An absolute path without `.`, `..` and doubled slashes.
pub fn normal_path(absolute: &str) -> String {
    // Taking away whole parts between slashes leaves UTF-8 what it was.
    String::from_utf8_lossy(&path::canonicalise(absolute.as_bytes())).into_owned()
}

/// Add the context of a part to that of the whole.
pub fn join_context(all: &mut Option<Rc<Context>>, part: &Option<Rc<Context>>) {
    let Some(part) = part else { return };
    match all {
        None => *all = Some(part.clone()),
        Some(all) if Rc::ptr_eq(all, part) => {}
        Some(all) => Rc::make_mut(all).extend(part.iter().cloned()),
    }
}

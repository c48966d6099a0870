//! Attribute sets, and the frames of `rec` and `let`.

use std::rc::Rc;

use bulkhead_syntax::{AttrSet, AttrValue, Symbol};
use rustc_hash::FxHashMap;

use super::Evaluator;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::value::{Attr, Attrs, Env, Frame, Pos, State, Value};

impl Evaluator<'_> {
    /// The frame of a recursive set or `let`, with thunks that see it.
    pub(super) fn frame_of(&self, code: &Rc<Code>, outer: &Env, set: &AttrSet) -> Rc<Frame> {
        // What may be overridden must be a thunk, so that it can be replaced for those who see it.
        let overridden = set.attrs.iter().any(|attr| attr.name == self.symbols.overrides);
        let frame = Frame::recursive(outer.clone(), |inner| {
            let sources: Vec<Value> = set.inherit_from.iter().map(|id| self.thunk(code, inner, *id)).collect();
            let mut values = Vec::with_capacity(set.attrs.len() + sources.len());
            values.extend(set.attrs.iter().map(|attr| match attr.value {
                AttrValue::Expr(id) if overridden => self.thunk(code, inner, id),
                _ => self.attr_value(code, outer, inner, &sources, attr),
            }));
            values.extend(sources);
            values
        });
        self.cycles.add(&frame);
        frame
    }

    fn attr_value(
        &self,
        code: &Rc<Code>,
        outer: &Env,
        inner: &Env,
        sources: &[Value],
        attr: &bulkhead_syntax::Attr,
    ) -> Value {
        match attr.value {
            AttrValue::Expr(id) => self.delay(code, inner, id),
            AttrValue::Inherit(id) => self.delay(code, outer, id),
            AttrValue::InheritFrom { source } => Value::thunk(State::Select(Box::new((
                sources[source as usize].clone(),
                attr.name,
                code.name_pos(attr.key),
            )))),
        }
    }

    pub(super) fn attr_set(&self, code: &Rc<Code>, env: &Env, set: &AttrSet, pos: Pos) -> Result<Value> {
        self.reserve(pos, set.attrs.len() * size_of::<Attr>())?;
        let mut entries = Vec::with_capacity(set.attrs.len() + set.dynamic.len());
        let inner = if set.recursive {
            let frame = self.frame_of(code, env, set);
            for (slot, attr) in set.attrs.iter().enumerate() {
                let Some(value) = frame.slot(slot as u32) else { continue };
                entries.push(Attr { name: attr.name, key: code.name_pos(attr.key), value });
            }
            let inner = Some(frame);
            if set.attrs.iter().any(|attr| attr.name == self.symbols.overrides) {
                self.override_slots(&inner, set, &mut entries, pos)?;
            }
            inner
        } else {
            let sources: Vec<Value> = set.inherit_from.iter().map(|id| self.delay(code, env, *id)).collect();
            entries.extend(set.attrs.iter().map(|attr| Attr {
                name: attr.name,
                key: code.name_pos(attr.key),
                value: self.attr_value(code, env, env, &sources, attr),
            }));
            env.clone()
        };
        if set.dynamic.is_empty() {
            return Ok(Value::attrs(Attrs::new(entries), pos));
        }
        let mut open = None;
        let mut seen: FxHashMap<Symbol, Pos> = entries.iter().map(|attr| (attr.name, attr.key)).collect();
        for dynamic in &set.dynamic {
            let key = code.pos(dynamic.name);
            let name = self.eval(code, &inner, dynamic.name)?;
            let name = match &name {
                Value::Null(_) => continue,
                Value::Unknown(unknown, _) => {
                    open.get_or_insert_with(|| unknown.clone());
                    continue;
                }
                name => self.expect_symbol(name, key)?,
            };
            if seen.insert(name, key).is_some() {
                return Err(Error::evaluation(format!("dynamic attribute '{name}' is already defined"), key));
            }
            entries.push(Attr { name, key, value: self.delay(code, &inner, dynamic.value) });
        }
        entries.sort_unstable_by_key(|attr| attr.name);
        Ok(Value::attrs(Attrs::from_sorted(entries, open), pos))
    }

    /// `rec { __overrides = { … }; … }`: what it holds replaces the attributes of the set, also as they see each other.
    fn override_slots(&self, inner: &Env, set: &AttrSet, entries: &mut Vec<Attr>, pos: Pos) -> Result<()> {
        let Some(attr) = entries.iter().find(|attr| attr.name == self.symbols.overrides) else { return Ok(()) };
        let overrides = self.force(&attr.value)?;
        let overrides = self.expect_attrs(&overrides, pos)?;
        for over in overrides.entries() {
            match set.attrs.iter().position(|attr| attr.name == over.name) {
                Some(slot) => {
                    entries[slot].value = over.value.clone();
                    entries[slot].key = over.key;
                    // An override that is the attribute itself is already what it is.
                    if let Some(Value::Thunk(thunk)) = inner.as_ref().and_then(|frame| frame.slot(slot as u32))
                        && !matches!(&over.value, Value::Thunk(other) if Rc::ptr_eq(other, &thunk))
                    {
                        thunk.state.set(State::Forward(over.value.clone()));
                    }
                }
                None => entries.push(over.clone()),
            }
        }
        Ok(())
    }
}

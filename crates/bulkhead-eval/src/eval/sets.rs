//! Attribute sets, and the frames of `rec` and `let`.

use std::cell::Cell;

use bulkhead_syntax::{AttrSet, AttrValue, Binding, Expr, ExprId, Symbol};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::Evaluator;
use super::force::is_equal_by_place;
use crate::code::Code;
use crate::error::{Error, Result};
use crate::value::{Attr, Env, Frame, Pos, Slot, State, Value};

type Sources<'a> = SmallVec<[Value<'a>; 4]>;

impl<'a> Evaluator<'a> {
    /// The frame of a `let`.
    pub fn let_frame(&self, code: &'a Code<'a>, outer: Env<'a>, set: &'a AttrSet) -> &'a Frame<'a> {
        let attr = |attr: &bulkhead_syntax::Attr| match attr.value {
            AttrValue::Expr(id) => Slot::Deferred(id),
            AttrValue::Inherit(id) => Slot::Value(self.delay(code, outer, id)),
            AttrValue::InheritFrom { source } => {
                Slot::Inherited { set: set.attrs.len() as u32 + source, name: attr.name, pos: code.name_pos(attr.key) }
            }
        };
        let slots = if set.inherit_from.is_empty() {
            self.arena.slice_of(set.attrs.len(), |index| Cell::new(attr(&set.attrs[index])))
        } else {
            let source = |index: usize| Slot::Deferred(set.inherit_from[index - set.attrs.len()]);
            let slots = set.attrs.len() + set.inherit_from.len();
            self.arena.slice_of(slots, |index| Cell::new(set.attrs.get(index).map_or_else(|| source(index), attr)))
        };
        self.arena.alloc(Frame::many(slots, outer))
    }

    /// The frame of a recursive set, with thunks that see it.
    fn recursive_frame(&self, code: &'a Code<'a>, outer: Env<'a>, set: &'a AttrSet) -> &'a Frame<'a> {
        // What may be overridden must be a thunk, so that it can be replaced for those who see it.
        let overridden = set.attrs.iter().any(|attr| attr.name == self.symbols.overrides);
        let length = set.attrs.len() + set.inherit_from.len();
        let slots = self.arena.slice_of(length, |_| Cell::new(Slot::Running));
        let frame: &Frame<'_> = self.arena.alloc(Frame::many(slots, outer));
        let inner = Some(frame);
        let (attrs, others) = slots.split_at(set.attrs.len());
        let sources = self.sources(set, |id| self.thunk(code, inner, id));
        for (slot, source) in others.iter().zip(&sources) {
            slot.set(Slot::Value(*source));
        }
        // First all thunks, so that what takes no work may be seen through them.
        for (slot, attr) in attrs.iter().zip(&set.attrs) {
            slot.set(Slot::Value(match attr.value {
                AttrValue::Expr(id) if overridden || !is_settled(code, id) => self.thunk(code, inner, id),
                AttrValue::Expr(id) => self.delay_parts(code, inner, id),
                _ => self.attr_value(code, outer, inner, &sources, attr),
            }));
        }
        frame
    }

    /// The sets that are inherited from: most often none.
    #[inline]
    fn sources(&self, set: &'a AttrSet, delay: impl Fn(ExprId) -> Value<'a>) -> Sources<'a> {
        if set.inherit_from.is_empty() {
            return Sources::new();
        }
        set.inherit_from.iter().map(|id| delay(*id)).collect()
    }

    #[inline(always)]
    fn attr_value(
        &self,
        code: &'a Code<'a>,
        outer: Env<'a>,
        inner: Env<'a>,
        sources: &[Value<'a>],
        attr: &bulkhead_syntax::Attr,
    ) -> Value<'a> {
        match attr.value {
            AttrValue::Expr(id) => self.delay(code, inner, id),
            AttrValue::Inherit(id) => self.delay(code, outer, id),
            AttrValue::InheritFrom { source } => {
                self.inherited(sources[source as usize], attr.name, code.name_pos(attr.key))
            }
        }
    }

    /// `set.name`, if it takes no work, else a thunk.
    pub(super) fn inherited(&self, set: Value<'a>, name: Symbol, pos: Pos) -> Value<'a> {
        if let Value::Attrs(attrs, _) = set.settled()
            && let Some(found) = attrs.get(name)
            && !matches!(found.value, Value::Unknown(..))
            && !is_equal_by_place(found.value)
        {
            return found.value;
        }
        self.lazy_select(set, name, pos)
    }

    pub(super) fn attr_set(
        &self,
        code: &'a Code<'a>,
        env: Env<'a>,
        set: &'a AttrSet,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        if !is_plain(set) {
            return self.unusual_set(code, env, set, pos);
        }
        self.reserve(pos, set.attrs.len() * size_of::<Attr<'_>>())?;
        let sources = self.sources(set, |id| self.delay(code, env, id));
        let entry = |attr: &bulkhead_syntax::Attr| Attr {
            name: attr.name,
            key: code.name_pos(attr.key),
            value: self.attr_value(code, env, env, &sources, attr),
        };
        let entries = if set.by_symbol.is_empty() {
            self.arena.slice_of(set.attrs.len(), |index| entry(&set.attrs[index]))
        } else {
            self.arena.slice_of(set.by_symbol.len(), |index| entry(&set.attrs[set.by_symbol[index] as usize]))
        };
        Ok(self.sorted_attrs(entries, None, pos))
    }

    /// A small plain set; see [`is_plain`].
    pub(super) fn plain_set(&self, code: &'a Code<'a>, env: Env<'a>, set: &'a AttrSet, pos: Pos) -> Value<'a> {
        let sources = self.sources(set, |id| self.delay_parts(code, env, id));
        let entry = |attr: &bulkhead_syntax::Attr| Attr {
            name: attr.name,
            key: code.name_pos(attr.key),
            value: match attr.value {
                AttrValue::Expr(id) => self.delay_parts(code, env, id),
                _ => self.attr_value(code, env, env, &sources, attr),
            },
        };
        let entries = if set.by_symbol.is_empty() {
            self.arena.slice_of(set.attrs.len(), |index| entry(&set.attrs[index]))
        } else {
            self.arena.slice_of(set.by_symbol.len(), |index| entry(&set.attrs[set.by_symbol[index] as usize]))
        };
        self.sorted_attrs(entries, None, pos)
    }

    /// A set that is recursive or has computed names.
    fn unusual_set(&self, code: &'a Code<'a>, env: Env<'a>, set: &'a AttrSet, pos: Pos) -> Result<'a, Value<'a>> {
        self.reserve(pos, set.attrs.len() * size_of::<Attr<'_>>())?;
        let mut entries = Vec::with_capacity(set.attrs.len() + set.dynamic.len());
        let inner = if set.recursive {
            let frame = self.recursive_frame(code, env, set);
            for (slot, attr) in set.attrs.iter().enumerate() {
                let Some(Slot::Value(value)) = frame.slot(slot as u32) else { continue };
                entries.push(Attr { name: attr.name, key: code.name_pos(attr.key), value });
            }
            if set.attrs.iter().any(|attr| attr.name == self.symbols.overrides) {
                self.override_slots(frame, set, &mut entries, pos)?;
            }
            Some(frame)
        } else {
            let sources = self.sources(set, |id| self.delay(code, env, id));
            entries.extend(set.attrs.iter().map(|attr| Attr {
                name: attr.name,
                key: code.name_pos(attr.key),
                value: self.attr_value(code, env, env, &sources, attr),
            }));
            env
        };
        if set.dynamic.is_empty() {
            return Ok(self.attrs(entries, pos));
        }
        let mut open = None;
        let mut seen: FxHashMap<Symbol, Pos> = entries.iter().map(|attr| (attr.name, attr.key)).collect();
        for dynamic in &set.dynamic {
            let key = code.pos(dynamic.name);
            let name = match self.eval(code, inner, dynamic.name)? {
                Value::Null(_) => continue,
                name @ Value::Unknown(unknown, _) => {
                    self.pass_over(name);
                    open.get_or_insert(unknown);
                    continue;
                }
                name => self.expect_symbol(name, key)?,
            };
            if seen.insert(name, key).is_some() {
                return Err(Error::evaluation(format!("dynamic attribute '{name}' is already defined"), key));
            }
            entries.push(Attr { name, key, value: self.delay(code, inner, dynamic.value) });
        }
        entries.sort_unstable_by_key(|attr| attr.name);
        Ok(self.sorted_attrs(self.arena.copied(&entries), open, pos))
    }

    /// `rec { __overrides = { … }; … }`: what it holds replaces the attributes of the set, also as they see each other.
    fn override_slots(
        &self,
        inner: &'a Frame<'a>,
        set: &AttrSet,
        entries: &mut Vec<Attr<'a>>,
        pos: Pos,
    ) -> Result<'a, ()> {
        let Some(attr) = entries.iter().find(|attr| attr.name == self.symbols.overrides) else { return Ok(()) };
        let overrides = self.force(attr.value)?;
        let overrides = self.expect_attrs(overrides, pos)?;
        if let Some(unknown) = overrides.open {
            return Err(Error::unknown(unknown, pos));
        }
        for over in overrides.entries() {
            match set.attrs.iter().position(|attr| attr.name == over.name) {
                Some(slot) => {
                    entries[slot].value = over.value;
                    entries[slot].key = over.key;
                    // An override that is the attribute itself is already what it is.
                    if let Some(Slot::Value(Value::Thunk(thunk))) = inner.slot(slot as u32)
                        && !matches!(over.value, Value::Thunk(other) if std::ptr::eq(other, thunk))
                    {
                        thunk.state.set(State::Forward(&over.value));
                    }
                }
                None => entries.push(*over),
            }
        }
        Ok(())
    }
}

/// Whether a set is neither recursive nor has computed names.
pub(super) fn is_plain(set: &AttrSet) -> bool {
    !set.recursive && set.dynamic.is_empty()
}

/// Whether an expression of a frame that is being filled may be looked at: what else is in the frame is not there yet.
pub(super) fn is_settled(code: &Code<'_>, id: ExprId) -> bool {
    match code.expr(id) {
        Expr::Int(_) | Expr::Float(_) | Expr::Text(..) | Expr::Lambda(_) => true,
        Expr::List(items) => items.is_empty(),
        Expr::Variable { binding, .. } => !matches!(binding, Binding::Local { up: 0, .. }),
        Expr::Select { base, .. } => is_settled(code, *base),
        _ => false,
    }
}

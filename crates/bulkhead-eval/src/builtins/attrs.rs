//! Builtins on sets.

use bulkhead_syntax::Symbol;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Builtin, builtin, forcing};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::eval::limits::sorting;
use crate::value::{Attr, Mapped, Parts, Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    forcing(0b1, "attrNames", 1, |ev, args, pos| {
        let attrs = ev.closed_attrs_of(args[0], pos)?;
        // The place of a name is where it is written, so that what is made of names can still be traced.
        Ok(ev.list(ev.by_name(attrs).into_iter().map(|attr| ev.name_of(attr)), pos))
    }),
    forcing(0b1, "attrValues", 1, |ev, args, pos| {
        let attrs = ev.closed_attrs_of(args[0], pos)?;
        Ok(ev.list(ev.by_name(attrs).into_iter().map(|attr| attr.value), pos))
    }),
    forcing(0b1, "catAttrs", 2, |ev, args, pos| {
        let name = ev.expect_symbol(args[0], pos)?;
        let mut found = Vec::new();
        for set in ev.list_of(args[1], pos)?.iter() {
            let set = ev.attrs_of(set, pos)?;
            ev.tick(pos, 2)?;
            match (set.get(name), set.open) {
                (Some(attr), _) => found.push(attr.value),
                (None, Some(unknown)) => return Err(Error::unknown(unknown, pos)),
                (None, None) => {}
            }
        }
        Ok(ev.list_of_vec(&found, pos))
    }),
    forcing(0b1, "getAttr", 2, |ev, args, pos| {
        let name = ev.expect_symbol(args[0], pos)?;
        let set = ev.force(args[1])?;
        ev.select_name(set, name, pos)
    }),
    forcing(0b1, "hasAttr", 2, |ev, args, pos| {
        let name = ev.expect_symbol(args[0], pos)?;
        let set = ev.attrs_of(args[1], pos)?;
        match (set.get(name), set.open) {
            (None, Some(unknown)) => Err(Error::unknown(unknown, pos)),
            (found, _) => Ok(Value::bool(found.is_some(), pos)),
        }
    }),
    forcing(0b1, "intersectAttrs", 2, |ev, args, pos| {
        let (left, right) = (ev.attrs_of(args[0], pos)?, ev.attrs_of(args[1], pos)?);
        // Each of the few is looked for among the many.
        ev.tick(pos, 2 * sorting(left.entries().len().min(right.entries().len())) as u64)?;
        let common: Vec<Attr<'_>> = if left.entries().len() < right.entries().len() {
            left.entries().iter().filter_map(|attr| right.get(attr.name)).copied().collect()
        } else {
            right.entries().iter().filter(|attr| left.get(attr.name).is_some()).copied().collect()
        };
        Ok(ev.sorted_attrs(ev.arena.copied(&common), left.open.or(right.open), pos))
    }),
    forcing(0b1, "listToAttrs", 1, |ev, args, pos| {
        let list = ev.list_of(args[0], pos)?;
        let mut entries = Vec::with_capacity(list.len());
        let mut seen = FxHashSet::default();
        for item in list.iter() {
            ev.tick(pos, 8)?;
            let item = ev.force(item)?;
            let name_value = ev.select_name(item, ev.symbols.name, pos)?;
            let name = ev.expect_symbol(name_value, pos)?;
            if !seen.insert(name) {
                continue;
            }
            let Value::Attrs(attrs, _) = item else { continue };
            let value = match (attrs.get(ev.symbols.value), attrs.open) {
                (Some(attr), _) => attr.value,
                (None, Some(unknown)) => return Err(Error::unknown(unknown, pos)),
                (None, None) => return Err(Error::evaluation("attribute 'value' missing", item.pos())),
            };
            entries.push(Attr { name, key: name_value.pos().carried(), value });
        }
        Ok(ev.attrs(entries, pos))
    }),
    forcing(0b10, "mapAttrs", 2, |ev, args, pos| {
        let attrs = ev.attrs_of(args[1], pos)?;
        ev.reserve(pos, attrs.entries().len() * 48)?;
        ev.tick(pos, attrs.entries().len() as u64)?;
        let mapped = ev.arena.alloc(Mapped { function: args[0], over: Parts::Attrs(attrs.entries()), pos });
        let entries = attrs.entries();
        let entry = |index: usize| Attr {
            name: entries[index].name,
            key: entries[index].key.carried(),
            value: ev.lazy_part(mapped, index),
        };
        Ok(ev.sorted_attrs(ev.arena.slice_of(entries.len(), entry), attrs.open, pos))
    }),
    forcing(0b1, "removeAttrs", 2, |ev, args, pos| {
        let attrs = ev.attrs_of(args[0], pos)?;
        let mut names = FxHashSet::default();
        for name in ev.list_of(args[1], pos)?.iter() {
            names.insert(ev.expect_symbol(name, pos)?);
        }
        ev.tick(pos, attrs.entries().len() as u64)?;
        let kept: Vec<Attr<'_>> = attrs.entries().iter().filter(|attr| !names.contains(&attr.name)).copied().collect();
        if kept.len() == attrs.entries().len() {
            return Ok(Value::Attrs(attrs, pos));
        }
        Ok(ev.sorted_attrs(ev.arena.copied(&kept), attrs.open, pos))
    }),
    builtin("unsafeGetAttrPos", 2, |ev, args, pos| {
        let name = ev.expect_symbol(args[0], pos)?;
        let attrs = ev.attrs_of(args[1], pos)?;
        match (attrs.get(name), attrs.open) {
            // What an unknown right side of `//` may have replaced would be written there.
            (Some(Attr { value: Value::Unknown(..), .. }) | None, Some(unknown)) => Err(Error::unknown(unknown, pos)),
            (Some(attr), _) => Ok(ev.position_value(attr.key.own())),
            (None, None) => Ok(Value::Null(pos)),
        }
    }),
    forcing(0b11, "zipAttrsWith", 2, zip_attrs_with),
];

fn zip_attrs_with<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let function = ev.function_of(args[0], pos)?;
    let list = ev.list_of(args[1], pos)?;
    let mut groups: FxHashMap<Symbol, (Attr<'a>, Vec<Value<'a>>)> = FxHashMap::default();
    for set in list.iter() {
        let set = ev.closed_attrs_of(set, pos)?;
        ev.tick(pos, 2 + 6 * set.entries().len() as u64)?;
        for attr in set.entries() {
            groups.entry(attr.name).or_insert((*attr, Vec::new())).1.push(attr.value);
        }
    }
    let entries = groups.into_values().map(|(attr, values)| {
        let values = ev.list_of_vec(&values, pos);
        Attr { value: ev.lazy_apply2(function, ev.name_of(&attr), values, pos), key: attr.key.carried(), ..attr }
    });
    Ok(ev.attrs(entries.collect(), pos))
}

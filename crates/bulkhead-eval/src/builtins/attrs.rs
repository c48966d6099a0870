//! Builtins on sets.

use bulkhead_syntax::Symbol;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Attr, Attrs, Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("attrNames", 1, |ev, args, pos| {
        let attrs = ev.closed_attrs_of(&args[0], pos)?;
        ev.tick(pos, (attrs.entries().len() / 4) as u64)?;
        // The place of a name is where it is written, so that what is made of names can still be traced.
        let names = attrs.by_name().into_iter().map(|attr| Value::string(attr.name.as_str().as_bytes(), attr.key));
        Ok(Value::list(names.collect(), pos))
    }),
    builtin("attrValues", 1, |ev, args, pos| {
        let attrs = ev.closed_attrs_of(&args[0], pos)?;
        ev.tick(pos, (attrs.entries().len() / 4) as u64)?;
        Ok(Value::list(attrs.by_name().into_iter().map(|attr| attr.value.clone()).collect(), pos))
    }),
    builtin("catAttrs", 2, |ev, args, pos| {
        let name = ev.expect_symbol(&args[0], pos)?;
        let mut found = Vec::new();
        for set in &ev.list_of(&args[1], pos)?.items {
            let set = ev.attrs_of(set, pos)?;
            match (set.get(name), &set.open) {
                (Some(attr), _) => found.push(attr.value.clone()),
                (None, Some(unknown)) => return Err(Error::unknown(unknown, pos)),
                (None, None) => {}
            }
        }
        Ok(Value::list(found, pos))
    }),
    builtin("getAttr", 2, |ev, args, pos| {
        let name = ev.expect_symbol(&args[0], pos)?;
        let set = ev.force(&args[1])?;
        ev.select_name(&set, name, pos)
    }),
    builtin("hasAttr", 2, |ev, args, pos| {
        let name = ev.expect_symbol(&args[0], pos)?;
        let set = ev.attrs_of(&args[1], pos)?;
        match (set.get(name), &set.open) {
            (None, Some(unknown)) => Err(Error::unknown(unknown, pos)),
            (found, _) => Ok(Value::Bool(found.is_some(), pos)),
        }
    }),
    builtin("intersectAttrs", 2, |ev, args, pos| {
        let (left, right) = (ev.attrs_of(&args[0], pos)?, ev.attrs_of(&args[1], pos)?);
        ev.tick(pos, (left.entries().len().min(right.entries().len()) / 4) as u64)?;
        let common = if left.entries().len() < right.entries().len() {
            left.entries().iter().filter_map(|attr| right.get(attr.name)).cloned().collect()
        } else {
            right.entries().iter().filter(|attr| left.get(attr.name).is_some()).cloned().collect()
        };
        let open = left.open.clone().or_else(|| right.open.clone());
        Ok(Value::attrs(Attrs::from_sorted(common, open), pos))
    }),
    builtin("listToAttrs", 1, |ev, args, pos| {
        let list = ev.list_of(&args[0], pos)?;
        let mut entries = Vec::with_capacity(list.items.len());
        let mut seen = FxHashSet::default();
        for item in &list.items {
            let item = ev.force(item)?;
            let name_value = ev.select_name(&item, ev.symbols.name, pos)?;
            let name = ev.expect_symbol(&name_value, pos)?;
            if !seen.insert(name) {
                continue;
            }
            let Value::Attrs(attrs, _) = &item else { continue };
            let value = match (attrs.get(ev.symbols.value), &attrs.open) {
                (Some(attr), _) => attr.value.clone(),
                (None, Some(unknown)) => return Err(Error::unknown(unknown, pos)),
                (None, None) => return Err(Error::evaluation("attribute 'value' missing", item.pos())),
            };
            entries.push(Attr { name, key: name_value.pos(), value });
        }
        Ok(Value::attrs(Attrs::new(entries), pos))
    }),
    builtin("mapAttrs", 2, |ev, args, pos| {
        let attrs = ev.attrs_of(&args[1], pos)?;
        ev.reserve(pos, attrs.entries().len() * 96)?;
        ev.tick(pos, (attrs.entries().len() / 4) as u64)?;
        let entries = attrs.entries().iter().map(|attr| {
            let name = Value::string(attr.name.as_str().as_bytes(), attr.key);
            let with_name = ev.lazy_apply(&args[0], name, pos);
            Attr { value: ev.lazy_apply(&with_name, attr.value.clone(), pos), ..attr.clone() }
        });
        Ok(Value::attrs(Attrs::from_sorted(entries.collect(), attrs.open.clone()), pos))
    }),
    builtin("removeAttrs", 2, |ev, args, pos| {
        let attrs = ev.attrs_of(&args[0], pos)?;
        let mut names = FxHashSet::default();
        for name in &ev.list_of(&args[1], pos)?.items {
            names.insert(ev.expect_symbol(name, pos)?);
        }
        let kept = attrs.entries().iter().filter(|attr| !names.contains(&attr.name)).cloned().collect();
        Ok(Value::attrs(Attrs::from_sorted(kept, attrs.open.clone()), pos))
    }),
    builtin("unsafeGetAttrPos", 2, |ev, args, pos| {
        let name = ev.expect_symbol(&args[0], pos)?;
        let attrs = ev.attrs_of(&args[1], pos)?;
        match (attrs.get(name), &attrs.open) {
            (Some(attr), _) => Ok(ev.position_value(attr.key)),
            (None, Some(unknown)) => Err(Error::unknown(unknown, pos)),
            (None, None) => Ok(Value::Null(pos)),
        }
    }),
    builtin("zipAttrsWith", 2, zip_attrs_with),
];

fn zip_attrs_with(ev: &Evaluator<'_>, args: &[Value], pos: Pos) -> Result<Value> {
    let list = ev.list_of(&args[1], pos)?;
    let mut groups: FxHashMap<Symbol, (Pos, Vec<Value>)> = FxHashMap::default();
    for set in &list.items {
        let set = ev.closed_attrs_of(set, pos)?;
        ev.tick(pos, (set.entries().len() / 4) as u64)?;
        for attr in set.entries() {
            groups.entry(attr.name).or_insert((attr.key, Vec::new())).1.push(attr.value.clone());
        }
    }
    let entries = groups.into_iter().map(|(name, (key, values))| {
        let with_name = ev.lazy_apply(&args[0], Value::string(name.as_str().as_bytes(), key), pos);
        Attr { name, key, value: ev.lazy_apply(&with_name, Value::list(values, pos), pos) }
    });
    Ok(Value::attrs(Attrs::new(entries.collect()), pos))
}

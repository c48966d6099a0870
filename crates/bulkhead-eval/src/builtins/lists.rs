//! Builtins on lists.

use bulkhead_syntax::Symbol;
use rustc_hash::FxHashMap;

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Attr, Attrs, Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("all", 2, |ev, args, pos| {
        for item in &ev.list_of(&args[1], pos)?.items {
            if !test(ev, &args[0], item, pos)? {
                return Ok(Value::Bool(false, pos));
            }
        }
        Ok(Value::Bool(true, pos))
    }),
    builtin("any", 2, |ev, args, pos| {
        for item in &ev.list_of(&args[1], pos)?.items {
            if test(ev, &args[0], item, pos)? {
                return Ok(Value::Bool(true, pos));
            }
        }
        Ok(Value::Bool(false, pos))
    }),
    builtin("concatLists", 1, |ev, args, pos| {
        let lists = ev.list_of(&args[0], pos)?;
        concat(ev, lists.items.iter().map(|list| ev.list_of(list, pos)), pos)
    }),
    builtin("concatMap", 2, |ev, args, pos| {
        let list = ev.list_of(&args[1], pos)?;
        let parts = list.items.iter().map(|item| {
            let part = ev.apply(&args[0], std::slice::from_ref(item), pos)?;
            ev.list_of(&part, pos)
        });
        concat(ev, parts, pos)
    }),
    builtin("elem", 2, |ev, args, pos| {
        let mut unknown = None;
        for item in &ev.list_of(&args[1], pos)?.items {
            ev.tick(pos, 1)?;
            match ev.equality(&args[0], item, pos)? {
                crate::operators::Equality::Equal => return Ok(Value::Bool(true, pos)),
                crate::operators::Equality::Different => {}
                crate::operators::Equality::Unknown(reason) => unknown = Some(reason),
            }
        }
        match unknown {
            Some(unknown) => Err(Error::unknown(&unknown, pos)),
            None => Ok(Value::Bool(false, pos)),
        }
    }),
    builtin("elemAt", 2, |ev, args, pos| {
        let list = ev.list_of(&args[0], pos)?;
        let index = ev.expect_int(&args[1], pos)?;
        let item = usize::try_from(index).ok().and_then(|index| list.items.get(index));
        match item {
            Some(item) => ev.force(item),
            None => Err(Error::evaluation(
                format!("list index {index} is out of bounds (the list has {} items)", list.items.len()),
                pos,
            )),
        }
    }),
    builtin("filter", 2, |ev, args, pos| {
        let list = ev.list_of(&args[1], pos)?;
        let mut kept = Vec::new();
        for item in &list.items {
            if test(ev, &args[0], item, pos)? {
                kept.push(item.clone());
            }
        }
        Ok(Value::list(kept, pos))
    }),
    builtin("foldl'", 3, |ev, args, pos| {
        let list = ev.list_of(&args[2], pos)?;
        if list.items.is_empty() {
            return ev.force(&args[1]);
        }
        let mut accumulator = args[1].clone();
        for item in &list.items {
            ev.tick(pos, 1)?;
            accumulator = ev.apply(&args[0], &[accumulator, item.clone()], pos)?;
        }
        Ok(accumulator)
    }),
    builtin("genList", 2, |ev, args, pos| {
        let length = ev.expect_int(&args[1], pos)?;
        let Ok(length) = usize::try_from(length) else {
            return Err(Error::evaluation(format!("cannot create a list of size {length}"), pos));
        };
        ev.reserve(pos, length.saturating_mul(64))?;
        ev.tick(pos, (length / 8) as u64)?;
        let items = (0..length as i64).map(|index| ev.lazy_apply(&args[0], Value::Int(index, pos), pos));
        Ok(Value::list(items.collect(), pos))
    }),
    builtin("groupBy", 2, |ev, args, pos| {
        let list = ev.list_of(&args[1], pos)?;
        let mut groups: FxHashMap<Symbol, Vec<Value>> = FxHashMap::default();
        for item in &list.items {
            let name = ev.apply(&args[0], std::slice::from_ref(item), pos)?;
            groups.entry(ev.expect_symbol(&name, pos)?).or_default().push(item.clone());
        }
        let entries = groups.into_iter().map(|(name, items)| Attr { name, key: pos, value: Value::list(items, pos) });
        Ok(Value::attrs(Attrs::new(entries.collect()), pos))
    }),
    builtin("head", 1, |ev, args, pos| match ev.list_of(&args[0], pos)?.items.first() {
        Some(item) => ev.force(item),
        None => Err(Error::evaluation("'builtins.head' called on an empty list", pos)),
    }),
    builtin("length", 1, |ev, args, pos| Ok(Value::Int(ev.list_of(&args[0], pos)?.items.len() as i64, pos))),
    builtin("map", 2, |ev, args, pos| {
        let list = ev.list_of(&args[1], pos)?;
        ev.reserve(pos, list.items.len() * 64)?;
        ev.tick(pos, (list.items.len() / 8) as u64)?;
        Ok(Value::list(list.items.iter().map(|item| ev.lazy_apply(&args[0], item.clone(), pos)).collect(), pos))
    }),
    builtin("partition", 2, |ev, args, pos| {
        let list = ev.list_of(&args[1], pos)?;
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for item in &list.items {
            // Nix evaluates the items here, though nowhere else.
            ev.force(item)?;
            if test(ev, &args[0], item, pos)? { &mut right } else { &mut wrong }.push(item.clone());
        }
        let entry = |name: &str, items| Attr { name: Symbol::new(name), key: pos, value: Value::list(items, pos) };
        Ok(Value::attrs(Attrs::new(vec![entry("right", right), entry("wrong", wrong)]), pos))
    }),
    builtin("sort", 2, |ev, args, pos| {
        let list = ev.list_of(&args[1], pos)?;
        if list.items.is_empty() {
            return Ok(Value::List(list, pos));
        }
        let compare = ev.expect_function(&args[0], pos)?;
        let mut items = Vec::with_capacity(list.items.len());
        for item in &list.items {
            items.push(ev.force(item)?);
        }
        let by_less_than = matches!(&compare, Value::Builtin(builtin, _) if builtin.name == "lessThan");
        let sorted = merge_sort(items, &mut |a, b| {
            if by_less_than {
                ev.tick(pos, 1)?;
                return ev.less(a, b, pos);
            }
            let result = ev.apply(&compare, &[a.clone(), b.clone()], pos)?;
            ev.expect_bool(&result, pos)
        })?;
        Ok(Value::list(sorted, pos))
    }),
    builtin("tail", 1, |ev, args, pos| {
        let list = ev.list_of(&args[0], pos)?;
        match list.items.split_first() {
            Some((_, rest)) => {
                ev.tick(pos, (rest.len() / 32) as u64)?;
                Ok(Value::list(rest.to_vec(), pos))
            }
            None => Err(Error::evaluation("'builtins.tail' called on an empty list", pos)),
        }
    }),
    builtin("genericClosure", 1, generic_closure),
];

fn test(ev: &Evaluator<'_>, predicate: &Value, item: &Value, pos: Pos) -> Result<bool> {
    let result = ev.apply(predicate, std::slice::from_ref(item), pos)?;
    ev.expect_bool(&result, pos)
}

fn concat(
    ev: &Evaluator<'_>,
    parts: impl Iterator<Item = Result<std::rc::Rc<crate::value::List>>>,
    pos: Pos,
) -> Result<Value> {
    let mut all = Vec::new();
    for part in parts {
        let part = part?;
        ev.tick(pos, (part.items.len() / 16) as u64)?;
        ev.reserve(pos, (all.len() + part.items.len()) * size_of::<Value>())?;
        all.extend_from_slice(&part.items);
    }
    Ok(Value::list(all, pos))
}

/// A stable sort with a comparison that may fail or contradict itself (which the standard library's sort may answer
/// with a panic).
fn merge_sort(mut items: Vec<Value>, less: &mut impl FnMut(&Value, &Value) -> Result<bool>) -> Result<Vec<Value>> {
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for run in items.chunks(2 * width) {
            let (left, right) = run.split_at(width.min(run.len()));
            let (mut i, mut j) = (0, 0);
            while i < left.len() && j < right.len() {
                if less(&right[j], &left[i])? {
                    merged.push(right[j].clone());
                    j += 1;
                } else {
                    merged.push(left[i].clone());
                    i += 1;
                }
            }
            merged.extend_from_slice(&left[i..]);
            merged.extend_from_slice(&right[j..]);
        }
        items = merged;
        width *= 2;
    }
    Ok(items)
}

/// Breadth first from `startSet`, each key once.
fn generic_closure(ev: &Evaluator<'_>, args: &[Value], pos: Pos) -> Result<Value> {
    let attrs = Value::Attrs(ev.attrs_of(&args[0], pos)?, pos);
    let key_name = Symbol::new("key");
    let start = ev.select_name(&attrs, Symbol::new("startSet"), pos)?;
    let mut queue: std::collections::VecDeque<Value> = ev.list_of(&start, pos)?.items.iter().cloned().collect();
    if queue.is_empty() {
        return Ok(Value::list(Vec::new(), pos));
    }
    let operator = ev.select_name(&attrs, Symbol::new("operator"), pos)?;
    let (mut keys, mut result): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    while let Some(item) = queue.pop_front() {
        ev.tick(pos, 1)?;
        let item = ev.force(&item)?;
        let key = ev.select_name(&item, key_name, pos)?;
        let (mut low, mut high) = (0, keys.len());
        while low < high {
            let middle = (low + high) / 2;
            if ev.less(&keys[middle], &key, pos)? { low = middle + 1 } else { high = middle }
        }
        if low < keys.len() && !ev.less(&key, &keys[low], pos)? {
            continue;
        }
        if keys.is_empty() {
            // A key that can't be compared is an error even when it is alone.
            ev.less(&key, &key, pos)?;
        }
        ev.tick_bulk(pos, keys.len() - low)?;
        keys.insert(low, key);
        result.push(item.clone());
        let next = ev.apply(&operator, &[item], pos)?;
        for item in &ev.list_of(&next, pos)?.items {
            queue.push_back(item.clone());
        }
    }
    Ok(Value::list(result, pos))
}

//! Builtins on lists.

use bulkhead_syntax::Symbol;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use super::{Builtin, builtin, forcing};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::operators::Equality;
use crate::value::{Attr, List, Mapped, Parts, Pos, Value};

/// Items that are collected: mostly few.
type Items<'a> = SmallVec<[Value<'a>; 16]>;

pub const BUILTINS: &[Builtin] = &[
    forcing(0b11, "all", 2, |ev, args, pos| {
        let function = ev.function_of(args[0], pos)?;
        for item in ev.list_of(args[1], pos)?.iter() {
            if !test(ev, function, item, pos)? {
                return Ok(Value::bool(false, pos));
            }
        }
        Ok(Value::bool(true, pos))
    }),
    forcing(0b11, "any", 2, |ev, args, pos| {
        let function = ev.function_of(args[0], pos)?;
        for item in ev.list_of(args[1], pos)?.iter() {
            if test(ev, function, item, pos)? {
                return Ok(Value::bool(true, pos));
            }
        }
        Ok(Value::bool(false, pos))
    }),
    forcing(0b1, "concatLists", 1, |ev, args, pos| {
        let lists = ev.list_of(args[0], pos)?;
        concat(ev, lists.iter().map(|list| ev.list_of(list, pos)), pos)
    }),
    forcing(0b11, "concatMap", 2, |ev, args, pos| {
        let function = ev.function_of(args[0], pos)?;
        let list = ev.list_of(args[1], pos)?;
        let parts = list.iter().map(|item| {
            let part = ev.apply(function, &[item], pos)?;
            ev.list_of(part, pos)
        });
        concat(ev, parts, pos)
    }),
    forcing(0b10, "elem", 2, |ev, args, pos| {
        let mut unknown = None;
        for item in ev.list_of(args[1], pos)?.iter() {
            ev.tick(pos, 1)?;
            let equality = match ev.equality_of_parts(args[0], item, pos) {
                // What is unknown may be the item, and then nothing behind it is looked at.
                Err(error) if !error.is_limit() => unknown.map(Equality::Unknown).ok_or(error)?,
                equality => equality?,
            };
            match equality {
                Equality::Equal => return Ok(Value::bool(true, pos)),
                Equality::Different => {}
                Equality::Unknown(reason) => {
                    ev.pass_over_unknown(reason);
                    unknown = Some(reason);
                }
            }
        }
        match unknown {
            Some(unknown) => Err(Error::unknown(unknown, pos)),
            None => Ok(Value::bool(false, pos)),
        }
    }),
    forcing(0b1, "elemAt", 2, |ev, args, pos| {
        let list = ev.list_of(args[0], pos)?;
        let index = ev.expect_int(args[1], pos)?;
        let item = usize::try_from(index).ok().and_then(|index| list.get(index));
        match item {
            Some(item) => ev.force(item),
            None => Err(Error::evaluation(
                format!("list index {index} is out of bounds (the list has {} items)", list.len()),
                pos,
            )),
        }
    }),
    forcing(0b10, "filter", 2, |ev, args, pos| {
        let list = ev.list_of(args[1], pos)?;
        if list.is_empty() {
            return Ok(Value::List(list, pos));
        }
        let function = ev.function_of(args[0], pos)?;
        let mut kept: Items<'_> = SmallVec::new();
        for item in list.iter() {
            if test(ev, function, item, pos)? {
                kept.push(item);
            }
        }
        // What is kept whole needs no copy.
        Ok(if kept.len() == list.len() { Value::List(list, pos) } else { ev.list_of_vec(&kept, pos) })
    }),
    forcing(0b101, "foldl'", 3, |ev, args, pos| {
        let function = ev.function_of(args[0], pos)?;
        let list = ev.list_of(args[2], pos)?;
        if list.is_empty() {
            return ev.force(args[1]);
        }
        let mut accumulator = args[1];
        for item in list.iter() {
            ev.tick(pos, 1)?;
            accumulator = ev.apply(function, &[accumulator, item], pos)?;
            ev.pass_over(accumulator);
        }
        Ok(accumulator)
    }),
    forcing(0b10, "genList", 2, |ev, args, pos| {
        let length = ev.expect_int(args[1], pos)?;
        let Ok(length) = usize::try_from(length) else {
            return Err(Error::evaluation(format!("cannot create a list of size {length}"), pos));
        };
        let function = ev.function_of(args[0], pos)?;
        ev.reserve(pos, length.saturating_mul(40))?;
        ev.tick(pos, length as u64)?;
        let mapped = ev.arena.alloc(Mapped { function, over: Parts::Numbers, pos });
        Ok(ev.row(length, |index| ev.lazy_part(mapped, index), pos))
    }),
    forcing(0b11, "groupBy", 2, |ev, args, pos| {
        let function = ev.function_of(args[0], pos)?;
        let list = ev.list_of(args[1], pos)?;
        let mut groups: FxHashMap<Symbol, Vec<Value<'_>>> = FxHashMap::default();
        for item in list.iter() {
            let name = ev.apply(function, &[item], pos)?;
            ev.charge(8);
            groups.entry(ev.expect_symbol(name, pos)?).or_default().push(item);
        }
        let entries = groups.into_iter().map(|(name, items)| Attr {
            name,
            key: pos.carried(),
            value: ev.list_of_vec(&items, pos),
        });
        Ok(ev.attrs(entries.collect(), pos))
    }),
    forcing(0b1, "head", 1, |ev, args, pos| match ev.list_of(args[0], pos)?.get(0) {
        Some(item) => ev.force(item),
        None => Err(Error::evaluation("'builtins.head' called on an empty list", pos)),
    }),
    forcing(0b1, "length", 1, |ev, args, pos| Ok(Value::Int(ev.list_of(args[0], pos)?.len() as i64, pos))),
    forcing(0b10, "map", 2, |ev, args, pos| {
        let list = ev.list_of(args[1], pos)?;
        if list.is_empty() {
            return Ok(Value::List(list, pos));
        }
        let function = ev.function_of(args[0], pos)?;
        ev.reserve(pos, list.len() * 40)?;
        ev.tick(pos, list.len() as u64)?;
        let mapped = ev.arena.alloc(Mapped { function, over: Parts::Items(list), pos });
        Ok(ev.row(list.len(), |index| ev.lazy_part(mapped, index), pos))
    }),
    forcing(0b11, "partition", 2, |ev, args, pos| {
        let function = ev.function_of(args[0], pos)?;
        let list = ev.list_of(args[1], pos)?;
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for item in list.iter() {
            // Nix evaluates the items here, though nowhere else.
            ev.pass_over(ev.force(item)?);
            if test(ev, function, item, pos)? { &mut right } else { &mut wrong }.push(item);
        }
        let (right, wrong) = (ev.list_of_vec(&right, pos), ev.list_of_vec(&wrong, pos));
        Ok(ev.attrs(vec![ev.attr("right", right, pos), ev.attr("wrong", wrong, pos)], pos))
    }),
    forcing(0b10, "sort", 2, |ev, args, pos| {
        let list = ev.list_of(args[1], pos)?;
        if list.is_empty() {
            return Ok(Value::List(list, pos));
        }
        let compare = ev.expect_function(args[0], pos)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list.iter() {
            let item = ev.force(item)?;
            ev.pass_over(item);
            items.push(item);
        }
        let by_less_than = matches!(&compare, Value::Builtin(builtin, _) if builtin.name == "lessThan");
        let sorted = merge_sort(items, &mut |a, b| {
            if by_less_than {
                ev.tick(pos, 1)?;
                return ev.less(a, b, pos);
            }
            let result = ev.apply(compare, &[a, b], pos)?;
            ev.expect_bool(result, pos)
        })?;
        Ok(ev.list_of_vec(&sorted, pos))
    }),
    forcing(0b1, "tail", 1, |ev, args, pos| match ev.list_of(args[0], pos)?.tail() {
        Some(rest) => Ok(Value::List(ev.arena.alloc(rest), pos)),
        None => Err(Error::evaluation("'builtins.tail' called on an empty list", pos)),
    }),
    builtin("genericClosure", 1, generic_closure),
];

fn test<'a>(ev: &Evaluator<'a>, predicate: Value<'a>, item: Value<'a>, pos: Pos) -> Result<'a, bool> {
    let result = ev.apply(predicate, &[item], pos)?;
    ev.expect_bool(result, pos)
}

fn concat<'a>(
    ev: &Evaluator<'a>,
    parts: impl Iterator<Item = Result<'a, &'a List<'a>>>,
    pos: Pos,
) -> Result<'a, Value<'a>> {
    let mut all: Items<'a> = SmallVec::new();
    // What comes alone needs no copy.
    let mut first: Option<&'a List<'a>> = None;
    for part in parts {
        let part = part?;
        ev.tick(pos, 1 + (part.len() / 2) as u64)?;
        if part.is_empty() {
            continue;
        }
        match first {
            None => first = Some(part),
            Some(first) => {
                if all.is_empty() {
                    all.extend(first.iter());
                }
                ev.reserve(pos, (all.len() + part.len()) * size_of::<Value<'_>>())?;
                all.extend(part.iter());
            }
        }
    }
    Ok(match first {
        Some(first) if all.is_empty() => Value::List(first, pos),
        _ => ev.list_of_vec(&all, pos),
    })
}

/// A stable sort with a comparison that may fail or contradict itself (which the standard library's sort may answer
/// with a panic).
fn merge_sort<'a>(
    mut items: Vec<Value<'a>>,
    less: &mut impl FnMut(Value<'a>, Value<'a>) -> Result<'a, bool>,
) -> Result<'a, Vec<Value<'a>>> {
    let mut merged = Vec::with_capacity(items.len());
    let mut width = 1;
    while width < items.len() {
        for run in items.chunks(2 * width) {
            let (left, right) = run.split_at(width.min(run.len()));
            let (mut i, mut j) = (0, 0);
            while i < left.len() && j < right.len() {
                if less(right[j], left[i])? {
                    merged.push(right[j]);
                    j += 1;
                } else {
                    merged.push(left[i]);
                    i += 1;
                }
            }
            merged.extend_from_slice(&left[i..]);
            merged.extend_from_slice(&right[j..]);
        }
        std::mem::swap(&mut items, &mut merged);
        merged.clear();
        width *= 2;
    }
    Ok(items)
}

/// Breadth first from `startSet`, each key once.
fn generic_closure<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let attrs = Value::Attrs(ev.attrs_of(args[0], pos)?, pos);
    let key_name = Symbol::new("key");
    let start = ev.select_name(attrs, Symbol::new("startSet"), pos)?;
    let mut queue: std::collections::VecDeque<Value<'a>> = ev.list_of(start, pos)?.iter().collect();
    if queue.is_empty() {
        return Ok(ev.list(std::iter::empty(), pos));
    }
    let operator = ev.select_name(attrs, Symbol::new("operator"), pos)?;
    let (mut keys, mut result): (Vec<Value<'a>>, Vec<Value<'a>>) = (Vec::new(), Vec::new());
    while let Some(item) = queue.pop_front() {
        ev.tick(pos, 1)?;
        let item = ev.force(item)?;
        let key = ev.select_name(item, key_name, pos)?;
        let (mut low, mut high) = (0, keys.len());
        while low < high {
            let middle = (low + high) / 2;
            if ev.less(keys[middle], key, pos)? { low = middle + 1 } else { high = middle }
        }
        if low < keys.len() && !ev.less(key, keys[low], pos)? {
            continue;
        }
        if keys.is_empty() {
            // A key that can't be compared is an error even when it is alone.
            ev.less(key, key, pos)?;
        }
        ev.tick(pos, 2 + ((keys.len() - low) / 32) as u64)?;
        keys.insert(low, key);
        result.push(item);
        let next = ev.apply(operator, &[item], pos)?;
        queue.extend(ev.list_of(next, pos)?.iter());
    }
    Ok(ev.list_of_vec(&result, pos))
}

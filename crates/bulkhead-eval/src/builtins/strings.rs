//! Builtins on strings.

use std::rc::Rc;

use bulkhead_syntax::Symbol;

use super::{Builtin, builtin};
use crate::data::FailureKind;
use crate::error::{Error, Result};
use crate::eval::{Evaluator, join_context};
use crate::operators::CoerceMode;
use crate::pure::hash::{self, Algorithm, Format};
use crate::pure::regex::{Captures, Regex};
use crate::pure::strings::{self, Piece, Replace};
use crate::pure::version;
use crate::value::{Attr, Attrs, Context, Pos, Str, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("toString", 1, |ev, args, pos| {
        let value = ev.force(&args[0])?;
        Ok(Value::String(ev.coerce_to_string(&value, CoerceMode::Everything, pos)?, pos))
    }),
    builtin("stringLength", 1, |ev, args, pos| {
        let text = ev.coerce_to_string(&args[0], CoerceMode::Interpolate, pos)?;
        Ok(Value::Int(text.bytes.len() as i64, pos))
    }),
    builtin("substring", 3, |ev, args, pos| {
        let start = ev.expect_int(&args[0], pos)?;
        let length = ev.expect_int(&args[1], pos)?;
        let text = ev.coerce_to_string(&args[2], CoerceMode::Interpolate, pos)?;
        let part = strings::substring(start, length, &text.bytes).map_err(|error| Error::evaluation(error, pos))?;
        if part.len() == text.bytes.len() {
            return Ok(Value::String(text, pos));
        }
        ev.tick_bulk(pos, part.len())?;
        Ok(Value::String(Str::new(part.into(), text.context.clone()), pos))
    }),
    builtin("concatStringsSep", 2, |ev, args, pos| {
        let separator = ev.expect_string(&args[0], pos)?;
        let mut context: Option<Rc<Context>> = separator.context.clone();
        let list = ev.list_of(&args[1], pos)?;
        let mut bytes = Vec::new();
        for (index, item) in list.items.iter().enumerate() {
            if index > 0 {
                bytes.extend_from_slice(&separator.bytes);
            }
            let part = ev.coerce_to_string(item, CoerceMode::Interpolate, pos)?;
            ev.tick(pos, 1 + (part.bytes.len() / 64) as u64)?;
            bytes.extend_from_slice(&part.bytes);
            join_context(&mut context, &part.context);
            ev.reserve(pos, bytes.len())?;
        }
        Ok(Value::String(Str::new(bytes.into(), context), pos))
    }),
    builtin("replaceStrings", 3, replace_strings),
    builtin("match", 2, |ev, args, pos| {
        let regex = regex_of(ev, &args[0], pos)?;
        let text = ev.expect_string(&args[1], pos)?;
        let mut budget = ev.steps_left();
        let found = regex.match_whole(&text.bytes, &mut budget);
        ev.tick(pos, ev.steps_left() - budget)?;
        match found.map_err(|_| regex_too_long(ev, pos))? {
            None => Ok(Value::Null(pos)),
            Some(found) => Ok(Value::list(groups(&found, &text.bytes, pos), pos)),
        }
    }),
    builtin("split", 2, split),
    builtin("compareVersions", 2, |ev, args, pos| {
        let (a, b) = (ev.plain_string_of(&args[0], pos)?, ev.plain_string_of(&args[1], pos)?);
        Ok(Value::Int(version::compare(&a.bytes, &b.bytes) as i64, pos))
    }),
    builtin("splitVersion", 1, |ev, args, pos| {
        let text = ev.plain_string_of(&args[0], pos)?;
        let parts = version::components(&text.bytes);
        Ok(Value::list(parts.map(|part| Value::string(part, pos)).collect(), pos))
    }),
    builtin("parseDrvName", 1, |ev, args, pos| {
        let text = ev.plain_string_of(&args[0], pos)?;
        let (name, version) = version::parse_drv_name(&text.bytes);
        let attr =
            |key: &str, value: &[u8]| Attr { name: Symbol::new(key), key: pos, value: Value::string(value, pos) };
        Ok(Value::attrs(Attrs::new(vec![attr("name", name), attr("version", version)]), pos))
    }),
    builtin("hashString", 2, |ev, args, pos| {
        let algorithm = algorithm_of(&ev.text_of(&args[0], pos)?, pos)?;
        let text = ev.expect_string(&args[1], pos)?;
        ev.tick_bulk(pos, text.bytes.len())?;
        Ok(Value::string(hash::hash_string(algorithm, &text.bytes).into_bytes(), pos))
    }),
    builtin("convertHash", 1, |ev, args, pos| {
        let attrs = Value::Attrs(ev.attrs_of(&args[0], pos)?, pos);
        let text = |name: &str| -> Result<Option<String>> {
            let Value::Attrs(attrs, _) = &attrs else { return Ok(None) };
            attrs.get(Symbol::new(name)).map(|attr| ev.text_of(&attr.value, pos)).transpose()
        };
        let missing = |name: &str| Error::evaluation(format!("attribute '{name}' missing"), pos);
        let hash = text("hash")?.ok_or_else(|| missing("hash"))?;
        let format = text("toHashFormat")?.ok_or_else(|| missing("toHashFormat"))?;
        let algorithm = text("hashAlgo")?.map(|name| algorithm_of(&name, pos)).transpose()?;
        let converted = Format::parse(&format)
            .and_then(|format| hash::convert(&hash, algorithm, format))
            .map_err(|message| Error::evaluation(message, pos))?;
        Ok(Value::string(converted.into_bytes(), pos))
    }),
    builtin("placeholder", 1, |ev, args, pos| {
        let output = ev.plain_string_of(&args[0], pos)?;
        Ok(Value::string(hash::placeholder(&output.bytes).into_bytes(), pos))
    }),
];

pub fn algorithm_of(name: &str, pos: Pos) -> Result<Algorithm> {
    Algorithm::parse(name).map_err(|message| Error::evaluation(message, pos))
}

fn regex_of(ev: &Evaluator<'_>, value: &Value, pos: Pos) -> Result<Rc<Regex>> {
    let pattern = ev.plain_string_of(value, pos)?;
    if let Some(regex) = ev.regexes.borrow().get(&pattern.bytes) {
        return Ok(regex.clone());
    }
    let regex = Rc::new(Regex::new(&pattern.bytes).map_err(|message| Error::evaluation(message, pos))?);
    ev.regexes.borrow_mut().insert(pattern.bytes.clone(), regex.clone());
    Ok(regex)
}

fn regex_too_long(ev: &Evaluator<'_>, pos: Pos) -> Box<Error> {
    let limit = ev.world.limits().steps;
    let message = format!("a regular expression on a long text takes the evaluation over its limit of {limit} steps");
    Error::new(FailureKind::Limit, message, pos)
}

/// What the groups of a match caught, without the match as a whole.
fn groups(found: &Captures, text: &[u8], pos: Pos) -> Vec<Value> {
    found
        .iter()
        .skip(1)
        .map(|group| match group {
            Some(range) => Value::string(&text[range.clone()], pos),
            None => Value::Null(pos),
        })
        .collect()
}

/// Alternating: the text between matches, and the list of the groups of each match.
fn split(ev: &Evaluator<'_>, args: &[Value], pos: Pos) -> Result<Value> {
    let regex = regex_of(ev, &args[0], pos)?;
    let text = ev.expect_string(&args[1], pos)?;
    let part = |bytes: &[u8]| Value::String(Str::new(bytes.into(), text.context.clone()), pos);
    let mut items = Vec::new();
    let mut after = 0;
    let mut matches = regex.matches(&text.bytes);
    loop {
        let mut budget = ev.steps_left();
        let found = matches.next(&mut budget);
        ev.tick(pos, ev.steps_left() - budget + 1)?;
        let Some(found) = found.map_err(|_| regex_too_long(ev, pos))? else { break };
        let Some(Some(whole)) = found.first() else { break };
        ev.reserve(pos, 0)?;
        items.push(part(&text.bytes[after..whole.start]));
        items.push(Value::list(groups(&found, &text.bytes, pos), pos));
        after = whole.end;
    }
    if items.is_empty() {
        return Ok(Value::list(vec![Value::String(text.clone(), pos)], pos));
    }
    items.push(part(&text.bytes[after..]));
    Ok(Value::list(items, pos))
}

fn replace_strings(ev: &Evaluator<'_>, args: &[Value], pos: Pos) -> Result<Value> {
    let from_values = ev.list_of(&args[0], pos)?;
    let to_values = ev.list_of(&args[1], pos)?;
    if from_values.items.len() != to_values.items.len() {
        return Err(Error::evaluation(
            "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths",
            pos,
        ));
    }
    let mut from = Vec::with_capacity(from_values.items.len());
    for value in &from_values.items {
        from.push(ev.expect_string(value, pos)?);
    }
    let text = ev.expect_string(&args[2], pos)?;
    let mut context = text.context.clone();
    let mut to: Vec<Option<Rc<Str>>> = vec![None; from.len()];
    let patterns: Vec<&[u8]> = from.iter().map(|from| &*from.bytes).collect();
    // Every place of the text may have to be compared with every pattern, in full.
    let compared: usize = patterns.iter().map(|pattern| pattern.len() + 1).sum();
    ev.tick_bulk(pos, compared.saturating_mul(text.bytes.len()) / 16)?;
    let mut out = Vec::with_capacity(text.bytes.len());
    for piece in Replace::new(&patterns, &text.bytes) {
        match piece {
            Piece::Text(bytes) => out.extend_from_slice(bytes),
            Piece::Replacement(index) => {
                let replacement = match &to[index] {
                    Some(known) => known.clone(),
                    None => {
                        let value = ev.expect_string(&to_values.items[index], pos)?;
                        join_context(&mut context, &value.context);
                        to[index].insert(value).clone()
                    }
                };
                out.extend_from_slice(&replacement.bytes);
                ev.tick(pos, 1 + (replacement.bytes.len() / 64) as u64)?;
                ev.reserve(pos, out.len())?;
            }
        }
    }
    Ok(Value::String(Str::new(out.into(), context), pos))
}

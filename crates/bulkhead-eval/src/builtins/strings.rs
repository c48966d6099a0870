//! Builtins on strings.

use std::rc::Rc;

use bulkhead_syntax::Symbol;

use super::{Builtin, builtin, forcing};
use crate::data::FailureKind;
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::explain::Recording;
use crate::operators::CoerceMode;
use crate::pure::hash::{self, Algorithm, Format};
use crate::pure::regex::{Captures, Exhausted, Regex};
use crate::pure::strings::{self, Piece, Replace};
use crate::pure::version;
use crate::value::{Pos, Str, Value};

/// Steps that a hash of nothing takes.
const HASH: u64 = 50;

pub const BUILTINS: &[Builtin] = &[
    forcing(0b1, "toString", 1, |ev, args, pos| {
        Ok(Value::String(ev.coerce_to_string(args[0], CoerceMode::Everything, pos)?, pos))
    }),
    forcing(0b1, "stringLength", 1, |ev, args, pos| {
        let text = ev.coerce_to_string(args[0], CoerceMode::Interpolate, pos)?;
        Ok(Value::Int(text.len() as i64, pos))
    }),
    forcing(0b1, "substring", 3, |ev, args, pos| {
        let start = ev.expect_int(args[0], pos)?;
        let length = ev.expect_int(args[1], pos)?;
        let text = ev.coerce_to_string(args[2], CoerceMode::Interpolate, pos)?;
        let part = strings::substring(start, length, text.bytes()).map_err(|error| Error::evaluation(error, pos))?;
        if part.len() == text.len() {
            return Ok(Value::String(text, pos));
        }
        // A part of the text where it lies.
        let piece = ev.str(part, text.context);
        ev.record(piece, || vec![Recording::Value(text, args[2].resolved().pos())]);
        Ok(Value::String(piece, pos))
    }),
    forcing(0b1, "concatStringsSep", 2, concat_strings_sep),
    builtin("replaceStrings", 3, replace_strings),
    builtin("match", 2, |ev, args, pos| {
        let regex = regex_of(ev, args[0], pos)?;
        let text = ev.expect_string(args[1], pos)?;
        let mut budget = ev.steps_left();
        let found = regex.match_whole(text.bytes(), &mut budget);
        ev.tick(pos, ev.steps_left() - budget)?;
        match found.map_err(|exhausted| regex_too_long(ev, exhausted, text, pos))? {
            None => Ok(Value::Null(pos)),
            Some(found) => Ok(groups(ev, &found, text.bytes(), pos)),
        }
    }),
    builtin("split", 2, split),
    builtin("compareVersions", 2, |ev, args, pos| {
        let (a, b) = (ev.plain_string_of(args[0], pos)?, ev.plain_string_of(args[1], pos)?);
        ev.charge(a.len() + b.len());
        Ok(Value::Int(version::compare(a.bytes(), b.bytes()) as i64, pos))
    }),
    builtin("splitVersion", 1, |ev, args, pos| {
        let text = ev.plain_string_of(args[0], pos)?;
        ev.charge(text.len());
        let parts = version::components(text.bytes());
        let parts: Vec<Value<'_>> = parts.map(|part| ev.borrowed_string(part, pos)).collect();
        Ok(ev.list_of_vec(&parts, pos))
    }),
    builtin("parseDrvName", 1, |ev, args, pos| {
        let text = ev.plain_string_of(args[0], pos)?;
        ev.charge(text.len() / 4);
        let (name, version) = version::parse_drv_name(text.bytes());
        let attr = |key, value| ev.attr(key, ev.borrowed_string(value, pos), pos);
        Ok(ev.attrs(vec![attr("name", name), attr("version", version)], pos))
    }),
    builtin("hashString", 2, |ev, args, pos| {
        let algorithm = algorithm_of(ev.text_of(args[0], pos)?, pos)?;
        let text = ev.expect_string(args[1], pos)?;
        ev.tick(pos, HASH + (text.len() / 4) as u64)?;
        Ok(ev.string(hash::hash_string(algorithm, text.bytes()).into_bytes(), pos))
    }),
    builtin("convertHash", 1, |ev, args, pos| {
        let attrs = ev.attrs_of(args[0], pos)?;
        let text = |name: &str| attrs.get(Symbol::new(name)).map(|attr| ev.text_of(attr.value, pos)).transpose();
        let wrong = |message: String| match attrs.open {
            // What may be there, too, may be what is missing.
            Some(unknown) => Error::unknown(unknown, pos),
            None => Error::evaluation(message, pos),
        };
        let missing = |name: &str| wrong(format!("attribute '{name}' missing"));
        let hash = text("hash")?.ok_or_else(|| missing("hash"))?;
        let format = text("toHashFormat")?.ok_or_else(|| missing("toHashFormat"))?;
        let algorithm = text("hashAlgo")?.map(|name| algorithm_of(name, pos)).transpose()?;
        ev.charge(HASH as usize);
        let converted =
            Format::parse(format).and_then(|format| hash::convert(hash, algorithm, format)).map_err(wrong)?;
        Ok(ev.string(converted.into_bytes(), pos))
    }),
    builtin("placeholder", 1, |ev, args, pos| {
        let output = ev.plain_string_of(args[0], pos)?;
        ev.charge(HASH as usize + output.len() / 4);
        Ok(ev.string(hash::placeholder(output.bytes()).into_bytes(), pos))
    }),
];

pub fn algorithm_of<'a>(name: &str, pos: Pos) -> Result<'a, Algorithm> {
    Algorithm::parse(name).map_err(|message| Error::evaluation(message, pos))
}

fn regex_of<'a>(ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<'a, Rc<Regex>> {
    let pattern = ev.plain_string_of(value, pos)?;
    if let Some(regex) = ev.regexes.borrow().get(pattern.bytes()) {
        return Ok(regex.clone());
    }
    let regex = Rc::new(Regex::new(pattern.bytes()).map_err(|message| Error::evaluation(message, pos))?);
    ev.tick(pos, 8 * regex.size() as u64)?;
    ev.keep_outside(64 * regex.size() as u64);
    ev.regexes.borrow_mut().insert(pattern.bytes(), regex.clone());
    Ok(regex)
}

fn regex_too_long<'a>(ev: &Evaluator<'a>, exhausted: Exhausted, text: &Str<'a>, pos: Pos) -> Box<Error<'a>> {
    let what = format!("matching a regular expression with a text of {} bytes", text.len());
    match exhausted {
        Exhausted::Budget => ev.limit(pos, format!("{what} takes more than {} steps", ev.world.limits().steps)),
        // The same in every evaluation, whatever its limits.
        Exhausted::Memory => Error::new(FailureKind::Limit, format!("{what} takes too much memory"), pos)
            .with_help("split the text, or write the regular expression with fewer `*`, `+` and `|`"),
    }
}

/// What the groups of a match caught, without the match as a whole: a list.
fn groups<'a>(ev: &Evaluator<'a>, found: &Captures, text: &'a [u8], pos: Pos) -> Value<'a> {
    let groups = found.get(1..).unwrap_or_default().iter();
    let group = |group: &Option<std::ops::Range<usize>>| match group {
        Some(range) => ev.borrowed_string(&text[range.clone()], pos),
        None => Value::Null(pos),
    };
    ev.list(groups.map(group), pos)
}

/// Alternating: the text between matches, and the list of the groups of each match.
fn split<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let regex = regex_of(ev, args[0], pos)?;
    let text = ev.expect_string(args[1], pos)?;
    let bytes = text.bytes();
    // As in Nix the parts refer to nothing.
    let part = |bytes| ev.borrowed_string(bytes, pos);
    let mut items = Vec::new();
    let mut after = 0;
    let mut matches = regex.matches(bytes);
    loop {
        let mut budget = ev.steps_left();
        let found = matches.next(&mut budget);
        ev.tick(pos, ev.steps_left() - budget + 1)?;
        let Some(found) = found.map_err(|exhausted| regex_too_long(ev, exhausted, text, pos))? else { break };
        let Some(Some(whole)) = found.first() else { break };
        ev.reserve(pos, items.len() * size_of::<Value<'_>>())?;
        items.push(part(&bytes[after..whole.start]));
        items.push(groups(ev, &found, bytes, pos));
        after = whole.end;
    }
    if items.is_empty() {
        return Ok(ev.list([Value::String(text, pos)].into_iter(), pos));
    }
    items.push(part(&bytes[after..]));
    Ok(ev.list_of_vec(&items, pos))
}

fn concat_strings_sep<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let separator = ev.expect_string(args[0], pos)?;
    let mut context = separator.context;
    let list = ev.list_of(args[1], pos)?;
    let mut parts: Vec<&[u8]> = Vec::with_capacity(list.len() * if separator.len() > 0 { 2 } else { 1 });
    let mut length = 0;
    let mut recorded = Vec::new();
    for (index, item) in list.iter().enumerate() {
        if index > 0 && separator.len() > 0 {
            ev.charge_bytes(separator.len() / 8);
            parts.push(separator.bytes());
            length += separator.len();
        }
        let part = ev.coerce_to_string(item, CoerceMode::Interpolate, pos)?;
        if ev.recorded.is_some() {
            if index > 0 && separator.len() > 0 {
                recorded.push(Recording::Value(separator, args[0].resolved().pos()));
            }
            recorded.push(Recording::Value(part, item.resolved().pos()));
        }
        ev.tick(pos, 1 + (part.len() / 64) as u64)?;
        parts.push(part.bytes());
        length += part.len();
        context = ev.join_context(context, part.context);
        ev.reserve(pos, length)?;
    }
    let whole = ev.str(ev.arena.bytes(length, parts.into_iter()), context);
    ev.record(whole, || recorded);
    Ok(Value::String(whole, pos))
}

fn replace_strings<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let from_values = ev.list_of(args[0], pos)?;
    let to_values = ev.list_of(args[1], pos)?;
    if from_values.len() != to_values.len() {
        return Err(Error::evaluation(
            "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths",
            pos,
        ));
    }
    let mut patterns: Vec<&[u8]> = Vec::with_capacity(from_values.len());
    for value in from_values.iter() {
        ev.tick(pos, 2)?;
        patterns.push(ev.expect_string(value, pos)?.bytes());
    }
    let text = ev.expect_string(args[2], pos)?;
    let mut context = text.context;
    let mut to: Vec<Option<&'a Str<'a>>> = vec![None; patterns.len()];
    ev.charge(2 * patterns.len());
    let mut out = Vec::with_capacity(text.len());
    let mut replaced = false;
    let mut recorded = vec![Recording::Value(text, args[2].resolved().pos())];
    let mut pieces = Replace::new(&patterns, text.bytes());
    loop {
        let mut budget = ev.steps_left();
        let piece = pieces.next(&mut budget);
        ev.tick(pos, ev.steps_left() - budget + 1)?;
        let Some(piece) = piece else { break };
        match piece {
            Piece::Text(bytes) => out.extend_from_slice(bytes),
            Piece::Replacement(index) => {
                replaced = true;
                let replacement = match (to[index], to_values.get(index)) {
                    (Some(known), _) => known,
                    (None, Some(value)) => {
                        let value = ev.force(value)?;
                        let made = value.pos();
                        let value = ev.expect_string(value, pos)?;
                        context = ev.join_context(context, value.context);
                        recorded.push(Recording::Value(value, made));
                        *to[index].insert(value)
                    }
                    (None, None) => continue,
                };
                out.extend_from_slice(replacement.bytes());
                ev.tick(pos, 1 + (replacement.len() / 64) as u64)?;
                ev.reserve(pos, out.len())?;
            }
        }
    }
    if !replaced {
        return Ok(Value::String(text, pos));
    }
    let whole = ev.new_str(&out, context);
    ev.record(whole, || recorded);
    Ok(Value::String(whole, pos))
}

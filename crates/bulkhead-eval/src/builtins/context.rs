//! Builtins on the context of strings: what they refer to in the store.

use std::collections::BTreeMap;

use bulkhead_syntax::Symbol;

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::operators::CoerceMode;
use crate::value::{Attrs, ContextElement, Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("hasContext", 1, |ev, args, pos| Ok(Value::bool(ev.expect_string(args[0], pos)?.context.is_some(), pos))),
    builtin("unsafeDiscardStringContext", 1, |ev, args, pos| {
        let string = ev.coerce_to_string(args[0], CoerceMode::Interpolate, pos)?;
        Ok(ev.borrowed_string(string.bytes(), pos))
    }),
    builtin("unsafeDiscardOutputDependency", 1, |ev, args, pos| {
        map_context(ev, args[0], pos, |element| match element {
            ContextElement::DrvDeep(path) => ContextElement::Opaque(path),
            other => other,
        })
    }),
    builtin("addDrvOutputDependencies", 1, |ev, args, pos| {
        let string = ev.expect_string(args[0], pos)?;
        let elements = string.context.map_or(0, |context| context.elements.len());
        if elements != 1 {
            let message =
                format!("context of string '{}' must have exactly one element, but has {elements}", string.lossy());
            return Err(Error::evaluation(message, pos));
        }
        match string.context.and_then(|context| context.elements.first()) {
            Some(ContextElement::Output { output, .. }) => Err(Error::evaluation(
                format!(
                    "`addDrvOutputDependencies` can only act on derivations, not on a derivation output such as '{output}'"
                ),
                pos,
            )),
            Some(ContextElement::Opaque(path)) if !path.ends_with(".drv") => {
                Err(Error::evaluation(format!("path '{path}' is not a derivation"), pos))
            }
            _ => map_context(ev, args[0], pos, |element| match element {
                ContextElement::Opaque(path) => ContextElement::DrvDeep(path),
                other => other,
            }),
        }
    }),
    builtin("getContext", 1, get_context),
    builtin("appendContext", 2, append_context),
];

fn map_context<'a>(
    ev: &Evaluator<'a>,
    value: Value<'a>,
    pos: Pos,
    change: fn(ContextElement<'a>) -> ContextElement<'a>,
) -> Result<'a, Value<'a>> {
    let string = ev.coerce_to_string(value, CoerceMode::Interpolate, pos)?;
    let elements = string.context.iter().flat_map(|context| context.elements).copied().map(change);
    Ok(Value::String(ev.str(string.bytes(), ev.context(elements.collect())), pos))
}

#[derive(Default)]
struct Uses<'a> {
    path: bool,
    all_outputs: bool,
    outputs: Vec<&'a str>,
}

fn get_context<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let string = ev.expect_string(args[0], pos)?;
    ev.charge(string.context.map_or(0, |context| 50 * context.elements.len()));
    let mut uses: BTreeMap<&'a str, Uses<'a>> = BTreeMap::new();
    for element in string.context.iter().flat_map(|context| context.elements) {
        match element {
            ContextElement::Opaque(path) => uses.entry(path).or_default().path = true,
            ContextElement::DrvDeep(path) => uses.entry(path).or_default().all_outputs = true,
            ContextElement::Output { drv, output } => uses.entry(drv).or_default().outputs.push(output),
        }
    }
    let entries = uses.into_iter().map(|(path, uses)| {
        let mut members = Vec::new();
        if uses.path {
            members.push(ev.attr("path", Value::bool(true, pos), pos));
        }
        if uses.all_outputs {
            members.push(ev.attr("allOutputs", Value::bool(true, pos), pos));
        }
        if !uses.outputs.is_empty() {
            let outputs = uses.outputs.iter().map(|output| ev.borrowed_string(output.as_bytes(), pos));
            members.push(ev.attr("outputs", ev.list(outputs, pos), pos));
        }
        ev.attr(path, ev.attrs(members, pos), pos)
    });
    Ok(ev.attrs(entries.collect(), pos))
}

fn append_context<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let string = ev.expect_string(args[0], pos)?;
    let mut context: Vec<ContextElement<'a>> = string.context.map_or_else(Vec::new, |context| context.elements.into());
    let is_true = |attrs: &Attrs<'a>, name: &str| -> Result<'a, bool> {
        match attrs.get(Symbol::new(name)) {
            Some(attr) => ev.bool_of_value(attr.value, pos),
            None => Ok(false),
        }
    };
    for attr in ev.by_name(ev.closed_attrs_of(args[1], pos)?) {
        ev.tick(pos, 20)?;
        let path = attr.name.as_str();
        if !path.starts_with("/nix/store/") {
            return Err(Error::evaluation(format!("context key '{path}' is not a store path"), attr.key));
        }
        let uses = ev.closed_attrs_of(attr.value, pos)?;
        if is_true(uses, "path")? {
            context.push(ContextElement::Opaque(path));
        }
        let derivation = path.ends_with(".drv");
        if is_true(uses, "allOutputs")? {
            if !derivation {
                let message = format!("tried to add all-outputs context of {path}, which is not a derivation");
                return Err(Error::evaluation(message, attr.key));
            }
            context.push(ContextElement::DrvDeep(path));
        }
        if let Some(outputs) = uses.get(Symbol::new("outputs")) {
            let outputs = ev.list_of(outputs.value, pos)?;
            if !outputs.is_empty() && !derivation {
                let message = format!("tried to add derivation output context of {path}, which is not a derivation");
                return Err(Error::evaluation(message, attr.key));
            }
            for output in outputs.iter() {
                context.push(ContextElement::Output { drv: path, output: ev.text_of(output, pos)? });
            }
        }
    }
    Ok(Value::String(ev.str(string.bytes(), ev.context(context)), pos))
}

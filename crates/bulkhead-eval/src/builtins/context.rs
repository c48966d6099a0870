//! Builtins on the context of strings: what they refer to in the store.

use std::rc::Rc;
use std::sync::Arc;

use bulkhead_syntax::Symbol;
use std::collections::BTreeMap;

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::operators::CoerceMode;
use crate::value::{Attr, Attrs, Context, ContextElement, Pos, Str, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("hasContext", 1, |ev, args, pos| Ok(Value::Bool(ev.expect_string(&args[0], pos)?.context.is_some(), pos))),
    builtin("unsafeDiscardStringContext", 1, |ev, args, pos| {
        let string = ev.coerce_to_string(&args[0], CoerceMode::Interpolate, pos)?;
        Ok(Value::string(string.bytes.clone(), pos))
    }),
    builtin("unsafeDiscardOutputDependency", 1, |ev, args, pos| {
        map_context(ev, &args[0], pos, |element| match element {
            ContextElement::DrvDeep(path) => ContextElement::Opaque(path.clone()),
            other => other.clone(),
        })
    }),
    builtin("addDrvOutputDependencies", 1, |ev, args, pos| {
        let string = ev.expect_string(&args[0], pos)?;
        let elements = string.context.as_ref().map_or(0, |context| context.len());
        if elements != 1 {
            let message =
                format!("context of string '{}' must have exactly one element, but has {elements}", string.lossy());
            return Err(Error::evaluation(message, pos));
        }
        map_context(ev, &args[0], pos, |element| match element {
            ContextElement::Opaque(path) => ContextElement::DrvDeep(path.clone()),
            other => other.clone(),
        })
    }),
    builtin("getContext", 1, get_context),
    builtin("appendContext", 2, append_context),
];

fn map_context(
    ev: &Evaluator<'_>,
    value: &Value,
    pos: Pos,
    change: fn(&ContextElement) -> ContextElement,
) -> Result<Value> {
    let string = ev.coerce_to_string(value, CoerceMode::Interpolate, pos)?;
    let context = string.context.as_ref().map(|context| Rc::new(context.iter().map(change).collect::<Context>()));
    Ok(Value::String(Str::new(string.bytes.clone(), context), pos))
}

#[derive(Default)]
struct Uses {
    path: bool,
    all_outputs: bool,
    outputs: Vec<Arc<str>>,
}

fn get_context(ev: &Evaluator<'_>, args: &[Value], pos: Pos) -> Result<Value> {
    let string = ev.expect_string(&args[0], pos)?;
    let mut uses: BTreeMap<Arc<str>, Uses> = BTreeMap::new();
    for element in string.context.iter().flat_map(|context| context.iter()) {
        match element {
            ContextElement::Opaque(path) => uses.entry(path.clone()).or_default().path = true,
            ContextElement::DrvDeep(path) => uses.entry(path.clone()).or_default().all_outputs = true,
            ContextElement::Output { drv, output } => {
                uses.entry(drv.clone()).or_default().outputs.push(output.clone());
            }
        }
    }
    let attr = |name: &str, value| Attr { name: Symbol::new(name), key: pos, value };
    let entries = uses.into_iter().map(|(path, uses)| {
        let mut members = Vec::new();
        if uses.path {
            members.push(attr("path", Value::Bool(true, pos)));
        }
        if uses.all_outputs {
            members.push(attr("allOutputs", Value::Bool(true, pos)));
        }
        if !uses.outputs.is_empty() {
            let outputs = uses.outputs.iter().map(|output| Value::string(output.as_bytes(), pos)).collect();
            members.push(attr("outputs", Value::list(outputs, pos)));
        }
        attr(&path, Value::attrs(Attrs::new(members), pos))
    });
    Ok(Value::attrs(Attrs::new(entries.collect()), pos))
}

fn append_context(ev: &Evaluator<'_>, args: &[Value], pos: Pos) -> Result<Value> {
    let string = ev.expect_string(&args[0], pos)?;
    let mut context: Context = string.context.as_deref().cloned().unwrap_or_default();
    let is_true = |attrs: &Attrs, name: &str| -> Result<bool> {
        match attrs.get(Symbol::new(name)) {
            Some(attr) => ev.bool_of_value(&attr.value, pos),
            None => Ok(false),
        }
    };
    for attr in ev.closed_attrs_of(&args[1], pos)?.by_name() {
        let path: Arc<str> = Arc::from(attr.name.as_str());
        if !path.starts_with("/nix/store/") {
            return Err(Error::evaluation(format!("context key '{path}' is not a store path"), attr.key));
        }
        let uses = ev.closed_attrs_of(&attr.value, pos)?;
        if is_true(&uses, "path")? {
            context.insert(ContextElement::Opaque(path.clone()));
        }
        let derivation = path.ends_with(".drv");
        if is_true(&uses, "allOutputs")? {
            if !derivation {
                let message = format!("tried to add all-outputs context of {path}, which is not a derivation");
                return Err(Error::evaluation(message, attr.key));
            }
            context.insert(ContextElement::DrvDeep(path.clone()));
        }
        if let Some(outputs) = uses.get(Symbol::new("outputs")) {
            let outputs = ev.list_of(&outputs.value, pos)?;
            if !outputs.items.is_empty() && !derivation {
                let message = format!("tried to add derivation output context of {path}, which is not a derivation");
                return Err(Error::evaluation(message, attr.key));
            }
            for output in &outputs.items {
                let output = Arc::from(ev.text_of(output, pos)?);
                context.insert(ContextElement::Output { drv: path.clone(), output });
            }
        }
    }
    Ok(Value::String(Str::new(string.bytes.clone(), Some(Rc::new(context))), pos))
}

//! `derivation`: where it and its outputs lie in the store is computed, nothing is built or written.

use std::collections::BTreeSet;
use std::rc::Rc;

use bulkhead_syntax::Symbol;

use super::formats::json_of;
use super::strings::algorithm_of;
use super::{Builtin, Stored, builtin, forcing};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::operators::CoerceMode;
use crate::pure::derivation::{Derivation, Fixed, Instantiated};
use crate::pure::{hash, json, store};
use crate::value::{Attr, Attrs, Context, ContextElement, Partial, Pos, Unknown, Value};

pub const BUILTINS: &[Builtin] = &[
    forcing(0b1, "derivation", 1, derivation),
    STRICT,
    builtin("outputOf", 2, |ev, _, pos| {
        Err(Error::unknown(ev.unknown("derivations are not built by an analysis", None, pos), pos))
    }),
];

const STRICT: Builtin = forcing(0b1, "derivationStrict", 1, derivation_strict);

/// One output of a derivation, from its arguments, the names of all outputs, what `derivationStrict` gives, and its own
/// name.
const OUTPUT: Builtin = builtin("derivation", 4, output);

/// `derivation` with the shape of Nix's own: all its attributes, and for each output a set like it. The store paths are
/// computed when they are asked for.
fn derivation<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let attrs = ev.closed_attrs_of(args[0], pos)?;
    let outputs = match attrs.get(Symbol::new("outputs")) {
        Some(outputs) => Value::List(ev.list_of(outputs.value, pos)?, pos),
        None => ev.list([ev.string("out", pos)].into_iter(), pos),
    };
    let strict = ev.lazy_apply(Value::Builtin(&STRICT, pos), args[0], pos);
    match ev.expect_list(outputs, pos)?.get(0) {
        Some(first) => output(ev, &[args[0], outputs, strict, first], pos),
        None => Err(Error::evaluation("'builtins.head' called on an empty list", pos)),
    }
}

fn output<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let attrs = ev.attrs_of(args[0], pos)?;
    let names = ev.list_of(args[1], pos)?;
    let own_name = ev.expect_symbol(args[3], pos)?;
    let mut outputs = Vec::with_capacity(names.len());
    for name in names.iter() {
        let partial = ev.arena.alloc(Partial { builtin: &OUTPUT, arguments: ev.arena.copied(&args[..3]) });
        let value = ev.lazy_apply(Value::Partial(partial, pos), name, pos);
        outputs.push(Attr { name: ev.expect_symbol(name, pos)?, key: pos, value });
    }
    let all = ev.list(outputs.iter().map(|attr| attr.value), pos);
    let path = |name| ev.lazy_select(args[2], name, pos);
    let common = [ev.attr("all", all, pos), ev.attr("drvAttrs", Value::Attrs(attrs, args[0].pos()), pos)];
    let own = [
        ev.attr("outPath", path(own_name), pos),
        ev.attr("drvPath", path(Symbol::new("drvPath")), pos),
        ev.attr("type", ev.string("derivation", pos), pos),
        ev.attr("outputName", args[3], pos),
    ];
    // Of a name that comes twice the first counts: the reverse of `//`.
    let entries = own.into_iter().chain(common).chain(outputs).chain(attrs.entries().iter().copied());
    Ok(ev.attrs(entries.collect(), pos))
}

/// What has been read of a derivation's attributes.
#[derive(Default)]
struct Reading<'a> {
    derivation: Derivation,
    context: Option<&'a Context<'a>>,
    output_hash: Option<String>,
    algorithm: Option<hash::Algorithm>,
    recursive: bool,
    /// The attributes as one JSON text, with `__structuredAttrs`.
    json: Option<Vec<u8>>,
}

/// `{ drvPath, out, … }`.
fn derivation_strict<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let attrs = ev.closed_attrs_of(args[0], pos)?;
    let fail = |message: String| Error::evaluation(message, pos);
    let Some(name) = attrs.get(ev.symbols.name) else { return Err(fail("attribute 'name' missing".to_owned())) };
    let name_string = ev.plain_string_of(name.value, name.key)?;
    store::check_name(name_string.bytes())
        .map_err(|error| fail(format!("invalid derivation name: {error}. Please pass a different 'name'.")))?;
    let flag = |name: &str| match attrs.get(Symbol::new(name)) {
        Some(attr) => ev.bool_of_value(attr.value, attr.key),
        None => Ok(false),
    };
    ev.charge(1000);
    let mut reading = Reading::default();
    reading.derivation.name = name_string.lossy().into_owned();
    reading.derivation.outputs.insert("out".to_owned());
    if flag("__structuredAttrs")? {
        reading.json = Some(Vec::new());
    }
    let ignore_nulls = flag("__ignoreNulls")?;
    for attr in ev.by_name(attrs) {
        if attr.name.as_str() == "__ignoreNulls" || ignore_nulls && matches!(ev.force(attr.value)?, Value::Null(_)) {
            continue;
        }
        ev.nested(attr.key, || reading.attribute(ev, attr)).map_err(|error| {
            let name = &reading.derivation.name;
            error.through(attr.key, || format!("while evaluating attribute '{}' of derivation '{name}'", attr.name))
        })?;
    }
    reading.finish(ev, pos)
}

impl<'a> Reading<'a> {
    fn attribute(&mut self, ev: &Evaluator<'a>, attr: &Attr<'a>) -> Result<'a, ()> {
        let (name, pos) = (attr.name.as_str(), attr.key);
        match name {
            "__contentAddressed" | "__impure" => {
                if ev.bool_of_value(attr.value, pos)? {
                    let reason = format!("paths of derivations with `{name}` depend on what is built");
                    return Err(Error::unknown(ev.unknown(&reason, None, pos), pos));
                }
            }
            "args" => {
                for item in ev.list_of(attr.value, pos)?.iter() {
                    let text = ev.coerce_to_string(item, CoerceMode::Environment, pos)?;
                    self.context = ev.join_context(self.context, text.context);
                    self.derivation.args.push(text.bytes().to_vec());
                }
            }
            "__structuredAttrs" if self.json.is_some() => {}
            _ if self.json.is_some() => self.structured(ev, attr)?,
            _ => {
                let text = ev.coerce_to_string(attr.value, CoerceMode::Environment, pos)?;
                self.context = ev.join_context(self.context, text.context);
                let bytes = text.bytes().to_vec();
                ev.tick(pos, 20 + bytes.len() as u64)?;
                self.special(name, &bytes, pos)?;
                if name == "outputs" {
                    let names = text.lossy();
                    self.outputs(names.split_ascii_whitespace(), pos)?;
                }
                self.derivation.env.insert(name.as_bytes().to_vec(), bytes);
            }
        }
        Ok(())
    }

    /// An attribute that is passed on as JSON.
    fn structured(&mut self, ev: &Evaluator<'a>, attr: &Attr<'a>) -> Result<'a, ()> {
        let (name, pos) = (attr.name.as_str(), attr.key);
        let (value, context) = json_of(ev, attr.value, pos)?;
        self.context = ev.join_context(self.context, context);
        if let Some(out) = &mut self.json {
            out.push(if out.is_empty() { b'{' } else { b',' });
            json::write_string(name.as_bytes(), out).map_err(|error| Error::evaluation(error, pos))?;
            out.push(b':');
            out.extend_from_slice(&value);
        }
        match name {
            "builder" | "system" | "outputHash" | "outputHashAlgo" | "outputHashMode" => {
                let text = ev.expect_string(attr.value, pos)?;
                self.context = ev.join_context(self.context, text.context);
                self.special(name, text.bytes(), pos)
            }
            "outputs" => {
                let mut names = Vec::new();
                for name in ev.list_of(attr.value, pos)?.iter() {
                    names.push(ev.text_of(name, pos)?);
                }
                self.outputs(names.into_iter(), pos)
            }
            _ => Ok(()),
        }
    }

    fn special(&mut self, name: &str, value: &[u8], pos: Pos) -> Result<'a, ()> {
        let text = String::from_utf8_lossy(value);
        match name {
            "builder" => self.derivation.builder = value.to_vec(),
            "system" => self.derivation.system = value.to_vec(),
            "outputHash" => self.output_hash = Some(text.into_owned()),
            "outputHashAlgo" => {
                self.algorithm = if text.is_empty() { None } else { Some(algorithm_of(&text, pos)?) };
            }
            "outputHashMode" => {
                self.recursive = match &*text {
                    "flat" => false,
                    "recursive" | "nar" => true,
                    other => {
                        let message = format!("invalid value '{other}' for 'outputHashMode' attribute");
                        return Err(Error::evaluation(message, pos));
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn outputs<'n>(&mut self, names: impl Iterator<Item = &'n str>, pos: Pos) -> Result<'a, ()> {
        self.derivation.outputs.clear();
        for name in names {
            if name == "drvPath" {
                return Err(Error::evaluation("invalid derivation output name 'drvPath'", pos));
            }
            if !self.derivation.outputs.insert(name.to_owned()) {
                return Err(Error::evaluation(format!("duplicate derivation output '{name}'"), pos));
            }
        }
        match self.derivation.outputs.is_empty() {
            true => Err(Error::evaluation("derivation cannot have an empty set of outputs", pos)),
            false => Ok(()),
        }
    }

    fn finish(mut self, ev: &Evaluator<'a>, pos: Pos) -> Result<'a, Value<'a>> {
        let fail = |message: &str| Error::evaluation(message, pos);
        if let Some(mut json) = self.json.take() {
            json.extend_from_slice(if json.is_empty() { b"{}" } else { b"}" });
            self.derivation.env.insert(b"__json".to_vec(), json);
        }
        for element in self.context.iter().flat_map(|context| context.elements) {
            match element {
                ContextElement::Opaque(path) => {
                    self.derivation.sources.insert((*path).to_owned());
                }
                ContextElement::Output { drv, output } => {
                    self.derivation.inputs.entry((*drv).to_owned()).or_default().insert((*output).to_owned());
                }
                ContextElement::DrvDeep(path) => add_closure(ev, path, &mut self.derivation, pos)?,
            }
        }
        if self.derivation.builder.is_empty() {
            return Err(fail("required attribute 'builder' missing"));
        }
        if self.derivation.system.is_empty() {
            return Err(fail("required attribute 'system' missing"));
        }
        if self.derivation.name.ends_with(".drv") {
            return Err(fail("derivation names are not allowed to end in '.drv'"));
        }
        if let Some(text) = &self.output_hash {
            if self.derivation.outputs.len() != 1 || !self.derivation.outputs.contains("out") {
                return Err(fail("multiple outputs are not supported in fixed-output derivations"));
            }
            let (algorithm, hash) = match self.algorithm {
                Some(algorithm) if text.is_empty() => (algorithm, vec![0; algorithm.size()]),
                None if text.is_empty() => return Err(fail("empty hash requires explicit hash algorithm")),
                algorithm => hash::parse(text, algorithm).map_err(|error| fail(&error))?,
            };
            self.derivation.fixed = Some(Fixed { recursive: self.recursive, algorithm, hash });
        }
        let known = ev.derivations.borrow();
        if let Some(path) = self.derivation.inputs.keys().find(|path| !known.contains_key(path.as_str())) {
            return Err(Error::unknown(not_made_here(ev, path, pos), pos));
        }
        let made = self.derivation.instantiate(|path| known.get(path).map(|input| input.modulo.clone()));
        drop(known);
        let made = made.map_err(|error| fail(&error))?;
        let drv = ev.arena.text(&made.path);
        let string = |text: &str, element: ContextElement<'a>| {
            Value::String(ev.new_str(text.as_bytes(), ev.context(vec![element])), pos)
        };
        let mut entries = vec![ev.attr("drvPath", string(drv, ContextElement::DrvDeep(drv)), pos)];
        for (output, path) in &made.outputs {
            let name = ev.arena.text(output);
            entries.push(ev.attr(output, string(path, ContextElement::Output { drv, output: name }), pos));
        }
        let paths = made.outputs.len() + made.inputs.len() + made.sources.len();
        ev.keep_outside(500 + 150 * paths as u64);
        ev.derivations.borrow_mut().insert(made.path.clone(), Rc::new(made));
        Ok(ev.attrs(entries, pos))
    }
}

/// Everything that a derivation refers to, itself included, with all outputs.
fn add_closure<'a>(ev: &Evaluator<'a>, path: &str, into: &mut Derivation, pos: Pos) -> Result<'a, ()> {
    let mut rest = vec![path.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = rest.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        ev.tick(pos, 50)?;
        let known: Option<Rc<Instantiated>> = ev.derivations.borrow().get(&path).cloned();
        match known {
            Some(known) => {
                into.inputs.entry(path.clone()).or_default().extend(known.outputs.keys().cloned());
                rest.extend(known.sources.iter().chain(&known.inputs).cloned());
            }
            None if path.ends_with(".drv") => return Err(Error::unknown(not_made_here(ev, &path, pos), pos)),
            None => {
                if let Some(Stored::Text(text)) = ev.store.borrow().get(&*path) {
                    let elements = text.context.iter().flat_map(|context| context.elements);
                    rest.extend(elements.filter_map(|element| match element {
                        ContextElement::Opaque(path) => Some((*path).to_owned()),
                        _ => None,
                    }));
                }
            }
        }
        into.sources.insert(path);
    }
    Ok(())
}

fn not_made_here<'a>(ev: &Evaluator<'a>, path: &str, pos: Pos) -> &'a Unknown<'a> {
    ev.unknown(&format!("the derivation {path} is in the store, which is not read"), None, pos)
}

impl<'a> Evaluator<'a> {
    /// Why the place of a derivation in the store is unknown, if a set is one and it is.
    pub fn uninstantiated(&self, attrs: &Attrs<'a>) -> Result<'a, Option<&'a Unknown<'a>>> {
        match self.output_path(attrs)? {
            Some(Value::Unknown(unknown, _)) => Ok(Some(unknown)),
            _ => Ok(None),
        }
    }

    /// Where a derivation lies in the store, if a set is one.
    pub fn output_path(&self, attrs: &Attrs<'a>) -> Result<'a, Option<Value<'a>>> {
        match (attrs.get(self.symbols.type_), attrs.get(self.symbols.out_path)) {
            (Some(Attr { value, .. }), Some(path)) if is_derivation(*value) => self.force(path.value).map(Some),
            _ => Ok(None),
        }
    }
}

/// The same as [`Evaluator::uninstantiated`], of what has been evaluated.
pub fn uninstantiated<'a>(attrs: &Attrs<'a>, type_: Symbol, out_path: Symbol) -> Option<&'a Unknown<'a>> {
    match (attrs.get(type_)?.value, attrs.get(out_path)?.value.resolved()) {
        (type_, Value::Unknown(unknown, _)) if is_derivation(type_) => Some(unknown),
        _ => None,
    }
}

fn is_derivation(type_: Value<'_>) -> bool {
    matches!(type_.resolved(), Value::String(text, _) if text.bytes() == b"derivation")
}

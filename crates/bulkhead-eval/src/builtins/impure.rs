//! What needs a store, a network, a clock or an environment: here all of it is unknown, with a reason.

use std::rc::Rc;
use std::sync::Arc;

use bulkhead_syntax::Symbol;

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Attr, Attrs, Partial, Pos, Unknown, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("derivation", 1, derivation),
    builtin("derivationStrict", 1, |ev, _, pos| Err(Error::unknown(&not_instantiated(ev, pos), pos))),
    builtin("fetchClosure", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchGit", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchMercurial", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchTarball", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchTree", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchurl", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("getEnv", 1, |ev, args, pos| {
        let name = ev.expect_string(&args[0], pos)?;
        let reason = format!("the environment (here the variable `{}`) is not read", name.lossy());
        Err(Error::unknown(&ev.unknown(&reason, None, pos), pos))
    }),
    builtin("getFlake", 1, |ev, _, pos| {
        Err(Error::unknown(&ev.unknown("flakes are not fetched or locked by an analysis", None, pos), pos))
    }),
    builtin("outputOf", 2, |ev, _, pos| Err(Error::unknown(&not_instantiated(ev, pos), pos))),
];

fn not_instantiated(ev: &Evaluator<'_>, pos: Pos) -> Rc<Unknown> {
    ev.unknown("derivations are not instantiated by an analysis", None, pos)
}

/// What `derivation` gives, with the shape of Nix's own `derivation.nix`: everything is known but where it will lie in
/// the store. Where the whole is shown, it is unknown (see [`Evaluator::uninstantiated`]).
fn derivation(ev: &Evaluator<'_>, args: &[Value], pos: Pos) -> Result<Value> {
    let attrs = ev.closed_attrs_of(&args[0], pos)?;
    let outputs = match attrs.get(Symbol::new("outputs")) {
        Some(outputs) => ev.list_of(&outputs.value, pos)?.items.clone(),
        None => vec![Value::string(*b"out", pos)],
    };
    match outputs.first() {
        Some(first) => output(ev, &[args[0].clone(), Value::list(outputs.clone(), pos), first.clone()], pos),
        None => Err(Error::evaluation("'builtins.head' called on an empty list", pos)),
    }
}

/// One output of a derivation, from its arguments, the names of all outputs, and its own name.
const OUTPUT: &Builtin = &builtin("derivation", 3, output);

fn output(ev: &Evaluator<'_>, args: &[Value], pos: Pos) -> Result<Value> {
    let attrs = ev.attrs_of(&args[0], pos)?;
    let names = ev.list_of(&args[1], pos)?;
    let entry = |name: &str, value: Value| Attr { name: Symbol::new(name), key: pos, value };
    let mut outputs = Vec::with_capacity(names.items.len());
    for name in &names.items {
        let partial = Partial { builtin: OUTPUT, arguments: vec![args[0].clone(), args[1].clone()] };
        let value = ev.lazy_apply(&Value::Partial(Rc::new(partial), pos), name.clone(), pos);
        outputs.push(Attr { name: ev.expect_symbol(name, pos)?, key: pos, value });
    }
    let all = Value::list(outputs.iter().map(|attr| attr.value.clone()).collect(), pos);
    let unknown = Value::Unknown(not_instantiated(ev, pos), pos);
    let common = [entry("all", all), entry("drvAttrs", Value::Attrs(attrs.clone(), args[0].pos()))];
    let own = [
        entry("outPath", unknown.clone()),
        entry("drvPath", unknown),
        entry("type", Value::string(*b"derivation", pos)),
        entry("outputName", args[2].clone()),
    ];
    // Of a name that comes twice the first counts: the reverse of `//`.
    let entries = own.into_iter().chain(common).chain(outputs).chain(attrs.entries().iter().cloned());
    Ok(Value::attrs(Attrs::new(entries.collect()), pos))
}

impl Evaluator<'_> {
    /// Why a set is not known as a whole: it is a derivation whose place in the store is unknown. Its parts may be
    /// known, but they go round in circles.
    pub fn uninstantiated(&self, attrs: &Attrs) -> Option<Rc<Unknown>> {
        uninstantiated(attrs, self.symbols.type_, self.symbols.out_path)
    }
}

/// [`Evaluator::uninstantiated`], of what has been evaluated.
pub fn uninstantiated(attrs: &Attrs, type_: Symbol, out_path: Symbol) -> Option<Rc<Unknown>> {
    let Value::String(text, _) = &attrs.get(type_)?.value else { return None };
    match &attrs.get(out_path)?.value {
        Value::Unknown(unknown, _) if &*text.bytes == b"derivation" => Some(unknown.clone()),
        _ => None,
    }
}

fn fetched(ev: &Evaluator<'_>, pos: Pos) -> Result<Value> {
    Err(Error::unknown(&ev.unknown("nothing is fetched from the network", None, pos), pos))
}

/// Values that differ from one evaluation to the next.
pub fn constants() -> Vec<(&'static str, Value)> {
    let unknown = |reason: &str| {
        let unknown = Unknown { reason: Arc::from(reason), help: None, origin: Pos::NONE };
        Value::Unknown(Rc::new(unknown), Pos::NONE)
    };
    // As Nix answers on this machine.
    let system = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    vec![
        ("currentTime", unknown("the clock is not read")),
        ("currentSystem", Value::string(system.into_bytes(), Pos::NONE)),
    ]
}

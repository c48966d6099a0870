//! What needs a store, a network, a clock or an environment: here all of it is unknown, with a reason.

use bulkhead_syntax::Symbol;

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Attr, Attrs, Partial, Pos, Unknown, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("derivation", 1, derivation),
    builtin("derivationStrict", 1, |ev, _, pos| Err(Error::unknown(not_instantiated(ev, pos), pos))),
    builtin("fetchClosure", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchGit", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchMercurial", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchTarball", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchTree", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchurl", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("getEnv", 1, |ev, args, pos| {
        let name = ev.expect_string(args[0], pos)?;
        let reason = format!("the environment (here the variable `{}`) is not read", name.lossy());
        Err(Error::unknown(ev.unknown(&reason, None, pos), pos))
    }),
    builtin("getFlake", 1, |ev, _, pos| {
        Err(Error::unknown(ev.unknown("flakes are not fetched or locked by an analysis", None, pos), pos))
    }),
    builtin("outputOf", 2, |ev, _, pos| Err(Error::unknown(not_instantiated(ev, pos), pos))),
];

fn not_instantiated<'a>(ev: &Evaluator<'a>, pos: Pos) -> &'a Unknown<'a> {
    ev.unknown("derivations are not instantiated by an analysis", None, pos)
}

/// What `derivation` gives, with the shape of Nix's own `derivation.nix`: everything is known but where it will lie in
/// the store. Where the whole is shown, it is unknown (see [`Evaluator::uninstantiated`]).
fn derivation<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let attrs = ev.closed_attrs_of(args[0], pos)?;
    let outputs = match attrs.get(Symbol::new("outputs")) {
        Some(outputs) => Value::List(ev.list_of(outputs.value, pos)?, pos),
        None => ev.list([ev.string("out", pos)].into_iter(), pos),
    };
    match ev.expect_list(outputs, pos)?.get(0) {
        Some(first) => output(ev, &[args[0], outputs, first], pos),
        None => Err(Error::evaluation("'builtins.head' called on an empty list", pos)),
    }
}

/// One output of a derivation, from its arguments, the names of all outputs, and its own name.
const OUTPUT: &Builtin = &builtin("derivation", 3, output);

fn output<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let attrs = ev.attrs_of(args[0], pos)?;
    let names = ev.list_of(args[1], pos)?;
    let mut outputs = Vec::with_capacity(names.len());
    for name in names.iter() {
        let partial = ev.arena.alloc(Partial { builtin: OUTPUT, arguments: ev.arena.copied(&args[..2]) });
        let value = ev.lazy_apply(Value::Partial(partial, pos), name, pos);
        outputs.push(Attr { name: ev.expect_symbol(name, pos)?, key: pos, value });
    }
    let all = ev.list(outputs.iter().map(|attr| attr.value), pos);
    let unknown = Value::Unknown(not_instantiated(ev, pos), pos);
    let common = [ev.attr("all", all, pos), ev.attr("drvAttrs", Value::Attrs(attrs, args[0].pos()), pos)];
    let own = [
        ev.attr("outPath", unknown, pos),
        ev.attr("drvPath", unknown, pos),
        ev.attr("type", ev.string("derivation", pos), pos),
        ev.attr("outputName", args[2], pos),
    ];
    // Of a name that comes twice the first counts: the reverse of `//`.
    let entries = own.into_iter().chain(common).chain(outputs).chain(attrs.entries().iter().copied());
    Ok(ev.attrs(entries.collect(), pos))
}

impl<'a> Evaluator<'a> {
    /// Why a set is not known as a whole: it is a derivation whose place in the store is unknown. Its parts may be
    /// known, but they go round in circles.
    pub fn uninstantiated(&self, attrs: &Attrs<'a>) -> Option<&'a Unknown<'a>> {
        uninstantiated(attrs, self.symbols.type_, self.symbols.out_path)
    }
}

/// [`Evaluator::uninstantiated`], of what has been evaluated.
pub fn uninstantiated<'a>(attrs: &Attrs<'a>, type_: Symbol, out_path: Symbol) -> Option<&'a Unknown<'a>> {
    let Value::String(text, _) = attrs.get(type_)?.value else { return None };
    match attrs.get(out_path)?.value {
        Value::Unknown(unknown, _) if text.bytes() == b"derivation" => Some(unknown),
        _ => None,
    }
}

fn fetched<'a>(ev: &Evaluator<'a>, pos: Pos) -> Result<'a, Value<'a>> {
    Err(Error::unknown(ev.unknown("nothing is fetched from the network", None, pos), pos))
}

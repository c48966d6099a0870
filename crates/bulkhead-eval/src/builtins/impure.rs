//! What needs a store, a network, a clock or an environment: here all of it is unknown, with a reason.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Pos, Unknown, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("derivation", 1, |ev, _, pos| derivation(ev, pos)),
    builtin("derivationStrict", 1, |ev, _, pos| derivation(ev, pos)),
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
    builtin("outputOf", 2, |ev, _, pos| derivation(ev, pos)),
];

fn derivation(ev: &Evaluator<'_>, pos: Pos) -> Result<Value> {
    Err(Error::unknown(&ev.unknown("derivations are not instantiated by an analysis", None, pos), pos))
}

fn fetched(ev: &Evaluator<'_>, pos: Pos) -> Result<Value> {
    Err(Error::unknown(&ev.unknown("nothing is fetched from the network", None, pos), pos))
}

/// Values that differ from one evaluation to the next.
pub fn constants() -> Vec<(&'static str, Value)> {
    let unknown = |reason: &str| {
        let unknown = Unknown { reason: Arc::from(reason), help: None, origin: Cell::new(Pos::NONE) };
        Value::Unknown(Rc::new(unknown), Pos::NONE)
    };
    // As Nix answers on this machine.
    let system = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    vec![
        ("currentTime", unknown("the clock is not read")),
        ("currentSystem", Value::string(system.into_bytes(), Pos::NONE)),
    ]
}

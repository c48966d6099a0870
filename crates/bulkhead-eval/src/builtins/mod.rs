//! The builtins, and the names that are in scope everywhere.
//!
//! Each file holds the builtins of one subject and lists them in its `BUILTINS`. A builtin gets its arguments unforced
//! and the place of the call; it asks for what it needs with the `…_of` methods below, which force and check.

mod attrs;
mod context;
mod control;
mod files;
mod formats;
mod impure;
mod lists;
mod math;
mod strings;
mod types;
mod xml;

use std::cell::RefCell;
use std::rc::Rc;

use bulkhead_syntax::Symbol;
use rustc_hash::FxHashMap;

use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::value::{Attr, Attrs, List, Pos, Str, Value};
use crate::world::World;

pub use files::Stored;
pub use formats::value_to_json_text;
pub use impure::uninstantiated;

/// A function that is part of the language.
pub struct Builtin {
    /// Its name in `builtins`.
    pub name: &'static str,
    /// How many arguments it takes before it runs.
    pub arity: u8,
    /// What it does with them.
    pub run: fn(&Evaluator<'_>, &[Value], Pos) -> Result<Value>,
}

const fn builtin(name: &'static str, arity: u8, run: fn(&Evaluator<'_>, &[Value], Pos) -> Result<Value>) -> Builtin {
    Builtin { name, arity, run }
}

/// The builtins that are in scope under their own names; the others are so as `__name`.
const PLAIN_GLOBALS: &[&str] = &[
    "abort",
    "baseNameOf",
    "break",
    "derivation",
    "derivationStrict",
    "dirOf",
    "fetchGit",
    "fetchMercurial",
    "fetchTarball",
    "fetchTree",
    "fromTOML",
    "import",
    "isNull",
    "map",
    "placeholder",
    "removeAttrs",
    "scopedImport",
    "throw",
    "toString",
];

const TABLES: &[&[Builtin]] = &[
    attrs::BUILTINS,
    context::BUILTINS,
    control::BUILTINS,
    files::BUILTINS,
    formats::BUILTINS,
    impure::BUILTINS,
    lists::BUILTINS,
    math::BUILTINS,
    strings::BUILTINS,
    types::BUILTINS,
    xml::BUILTINS,
];

/// The names in scope everywhere.
pub struct Globals {
    values: FxHashMap<Symbol, Value>,
}

thread_local! {
    /// The globals of the world that this thread used last; making them takes longer than evaluating a small file.
    static LAST: RefCell<Option<(u64, Rc<Globals>)>> = const { RefCell::new(None) };
}

impl Globals {
    pub fn of(world: &World) -> Rc<Globals> {
        LAST.with_borrow_mut(|last| match last {
            Some((id, globals)) if *id == world.id() => globals.clone(),
            _ => {
                let globals = Rc::new(Globals::new(world));
                *last = Some((world.id(), globals.clone()));
                globals
            }
        })
    }

    fn new(world: &World) -> Globals {
        let pos = Pos::NONE;
        let mut globals = FxHashMap::default();
        let mut members = Vec::new();
        let mut define = |name: &str, value: Value, plain: bool| {
            let global = if plain { Symbol::new(name) } else { Symbol::new(&format!("__{name}")) };
            globals.insert(global, value.clone());
            members.push(Attr { name: Symbol::new(name), key: pos, value });
        };
        for builtin in TABLES.iter().flat_map(|table| table.iter()) {
            define(builtin.name, Value::Builtin(builtin, pos), PLAIN_GLOBALS.contains(&builtin.name));
        }
        define("true", Value::Bool(true, pos), true);
        define("false", Value::Bool(false, pos), true);
        define("null", Value::Null(pos), true);
        define("langVersion", Value::Int(6, pos), false);
        define("nixVersion", Value::string(*b"2.18.0", pos), false);
        define("storeDir", Value::string(*b"/nix/store", pos), false);
        define("nixPath", nix_path(world), false);
        for (name, value) in impure::constants() {
            define(name, value, false);
        }
        let builtins_name = Symbol::new("builtins");
        // Nix has `builtins.builtins`; ours has no way to refer to itself without leaking, and one level is what is used.
        let inner = Value::attrs(Attrs::new(members.clone()), pos);
        members.push(Attr { name: builtins_name, key: pos, value: inner });
        globals.insert(builtins_name, Value::attrs(Attrs::new(members), pos));
        Globals { values: globals }
    }

    pub fn get(&self, name: Symbol) -> Option<Value> {
        self.values.get(&name).cloned()
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.values.keys().map(|name| name.as_str()).filter(|name| !name.starts_with("__"))
    }
}

fn nix_path(world: &World) -> Value {
    let pos = Pos::NONE;
    let entries = world.search_path().iter().map(|(prefix, path)| {
        let attr = |name: &str, value: &str| Attr {
            name: Symbol::new(name),
            key: pos,
            value: Value::string(value.as_bytes(), pos),
        };
        Value::attrs(Attrs::new(vec![attr("path", path), attr("prefix", prefix)]), pos)
    });
    Value::list(entries.collect(), pos)
}

impl Evaluator<'_> {
    /// The argument as a list.
    fn list_of(&self, value: &Value, pos: Pos) -> Result<Rc<List>> {
        match self.force(value)? {
            Value::List(list, _) => Ok(list),
            other => Err(self.wrong_type("a list", &other, pos)),
        }
    }

    /// The argument as a set, which may be open.
    fn attrs_of(&self, value: &Value, pos: Pos) -> Result<Rc<Attrs>> {
        match self.force(value)? {
            Value::Attrs(attrs, _) => Ok(attrs),
            other => Err(self.wrong_type("a set", &other, pos)),
        }
    }

    /// The argument as a set whose names are all known.
    fn closed_attrs_of(&self, value: &Value, pos: Pos) -> Result<Rc<Attrs>> {
        let attrs = self.attrs_of(value, pos)?;
        match &attrs.open {
            Some(unknown) => Err(Error::unknown(unknown, pos)),
            None => Ok(attrs),
        }
    }

    /// The argument as a string without context.
    fn plain_string_of(&self, value: &Value, pos: Pos) -> Result<Rc<Str>> {
        let string = self.expect_string(value, pos)?;
        if string.context.is_some() {
            return Err(Error::evaluation(
                format!("the string '{}' is not allowed to refer to a store path", string.lossy()),
                pos,
            ));
        }
        Ok(string)
    }

    /// The argument as UTF-8 text, for builtins that work on nothing else.
    fn text_of(&self, value: &Value, pos: Pos) -> Result<String> {
        let string = self.expect_string(value, pos)?;
        String::from_utf8(string.bytes.to_vec()).map_err(|_| Error::evaluation("a string that is not UTF-8", pos))
    }

    /// The argument as something that can be called.
    fn expect_function(&self, value: &Value, pos: Pos) -> Result<Value> {
        let value = self.force(value)?;
        match &value {
            Value::Closure(..) | Value::Builtin(..) | Value::Partial(..) => Ok(value),
            Value::Attrs(attrs, _) if attrs.open.is_some() || attrs.get(self.symbols.functor).is_some() => Ok(value),
            other => Err(self.wrong_type("a function", other, pos)),
        }
    }

    fn bool_of_value(&self, value: &Value, pos: Pos) -> Result<bool> {
        let value = self.force(value)?;
        self.expect_bool(&value, pos)
    }

    /// A thunk that applies a function to one argument.
    fn lazy_apply(&self, function: &Value, argument: Value, pos: Pos) -> Value {
        use crate::value::State;
        Value::thunk(State::Apply(Box::new((function.clone(), argument, pos))))
    }
}

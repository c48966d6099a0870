//! The names that are in scope everywhere.

use std::cell::OnceCell;
use std::num::NonZeroU16;
use std::sync::LazyLock;

use bulkhead_syntax::Symbol;

use super::{Builtin, TABLES};
use crate::arena::Arena;
use crate::value::{Attr, Attrs, List, Pos, State, Str, Thunk, Unknown, Value};
use crate::world::World;

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

/// What a name stands for.
#[derive(Clone, Copy)]
enum Meaning {
    Builtin(&'static Builtin),
    Bool(bool),
    Null,
    LangVersion,
    Text(&'static str),
    CurrentSystem,
    CurrentTime,
    NixPath,
    Builtins,
}

struct Names {
    globals: Vec<(Symbol, Meaning)>,
    /// By the number of a symbol, the index into `globals`; names of the language are among the first of a process.
    index: Vec<Option<NonZeroU16>>,
    /// What is in `builtins`, by symbol.
    members: Vec<(Symbol, Meaning)>,
}

impl Names {
    #[inline]
    fn meaning(&self, name: Symbol) -> Option<Meaning> {
        let at = self.index.get(name.number() as usize).copied()??;
        Some(self.globals[usize::from(at.get()) - 1].1)
    }
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let mut names = Names { globals: Vec::new(), index: Vec::new(), members: Vec::new() };
    let mut define = |name: &str, meaning: Meaning, plain: bool| {
        let global = if plain { Symbol::new(name) } else { Symbol::new(&format!("__{name}")) };
        names.globals.push((global, meaning));
        names.members.push((Symbol::new(name), meaning));
    };
    for builtin in TABLES.iter().flat_map(|table| table.iter()) {
        define(builtin.name, Meaning::Builtin(builtin), PLAIN_GLOBALS.contains(&builtin.name));
    }
    define("true", Meaning::Bool(true), true);
    define("false", Meaning::Bool(false), true);
    define("null", Meaning::Null, true);
    define("langVersion", Meaning::LangVersion, false);
    define("nixVersion", Meaning::Text("2.18.0"), false);
    define("storeDir", Meaning::Text("/nix/store"), false);
    define("nixPath", Meaning::NixPath, false);
    define("currentSystem", Meaning::CurrentSystem, false);
    define("currentTime", Meaning::CurrentTime, false);
    define("builtins", Meaning::Builtins, true);
    names.members.sort_unstable_by_key(|(name, _)| *name);
    for (at, (name, _)) in names.globals.iter().enumerate() {
        let number = name.number() as usize;
        names.index.resize(names.index.len().max(number + 1), None);
        names.index[number] = u16::try_from(at + 1).ok().and_then(NonZeroU16::new);
    }
    names
});

/// The clock differs from one evaluation to the next.
static CURRENT_TIME: Unknown<'static> =
    Unknown { reason: "the clock is not read", help: None, origin: Pos::NONE, trail: "" };

/// The names in scope everywhere, with their values in one evaluation.
pub struct Globals<'a> {
    names: &'static Names,
    world: &'a World,
    arena: &'a Arena<'a>,
    nix_path: OnceCell<Value<'a>>,
    builtins: OnceCell<Value<'a>>,
}

impl<'a> Globals<'a> {
    pub fn of(world: &'a World, arena: &'a Arena<'a>) -> Globals<'a> {
        Globals { names: &NAMES, world, arena, nix_path: OnceCell::new(), builtins: OnceCell::new() }
    }

    /// The value of a name.
    #[inline]
    pub fn get(&self, name: Symbol) -> Option<Value<'a>> {
        match self.names.meaning(name)? {
            Meaning::Builtin(builtin) => Some(Value::Builtin(builtin, Pos::NONE)),
            meaning => Some(self.value(meaning)),
        }
    }

    /// Whether there is such a name.
    pub fn contains(&self, name: Symbol) -> bool {
        self.names.meaning(name).is_some()
    }

    /// The names that people write.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.names.globals.iter().map(|(name, _)| name.as_str()).filter(|name| !name.starts_with("__"))
    }

    /// `__nixPath`, one list however often it is asked for.
    pub fn nix_path(&self) -> Value<'a> {
        *self.nix_path.get_or_init(|| self.make_nix_path())
    }

    fn value(&self, meaning: Meaning) -> Value<'a> {
        let pos = Pos::NONE;
        match meaning {
            Meaning::Builtin(builtin) => Value::Builtin(builtin, pos),
            Meaning::Bool(value) => Value::bool(value, pos),
            Meaning::Null => Value::Null(pos),
            Meaning::LangVersion => Value::Int(6, pos),
            Meaning::Text(text) => self.text(text),
            // As Nix answers on this machine.
            Meaning::CurrentSystem => {
                self.text(self.arena.text(&format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)))
            }
            Meaning::CurrentTime => Value::Unknown(&CURRENT_TIME, pos),
            Meaning::NixPath => self.nix_path(),
            Meaning::Builtins => *self.builtins.get_or_init(|| self.make_builtins()),
        }
    }

    fn text(&self, text: &'a str) -> Value<'a> {
        Value::String(self.arena.alloc(Str::flat(text.as_bytes(), None)), Pos::NONE)
    }

    fn set(&self, entries: &'a [Attr<'a>]) -> Value<'a> {
        Value::Attrs(self.arena.alloc(Attrs::from_sorted(entries, None)), Pos::NONE)
    }

    fn make_builtins(&self) -> Value<'a> {
        // `builtins.builtins` is the set itself.
        let itself: &Thunk<'_> = self.arena.alloc(Thunk { state: State::Running.into() });
        let entries = self.arena.slice(self.names.members.iter().map(|(name, meaning)| Attr {
            name: *name,
            key: Pos::NONE,
            value: match meaning {
                Meaning::Builtins => Value::Thunk(itself),
                meaning => self.value(*meaning),
            },
        }));
        let set = self.set(entries);
        itself.state.set(State::Done(set));
        set
    }

    fn make_nix_path(&self) -> Value<'a> {
        let entry = |(prefix, path): &'a (String, String)| {
            let attr = |name, value| Attr { name: Symbol::new(name), key: Pos::NONE, value: self.text(value) };
            let mut entry = [attr("path", path), attr("prefix", prefix)];
            entry.sort_unstable_by_key(|attr| attr.name);
            self.set(self.arena.copied(&entry)).into()
        };
        let items = self.arena.slice(self.world.search_path().iter().map(entry));
        Value::List(self.arena.alloc(List::new(items)), Pos::NONE)
    }
}

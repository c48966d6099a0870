//! The NixOS module system over values that may be unknown.
//!
//! [`load`] reads the tree of modules that starts at a file (a machine's `default.nix`) and gives its
//! [`Configuration`]: which modules there are, which options they declare, and every definition with its place, its
//! condition, its priority and its order; and what these come to by the options' types ([`Configuration::config`]).
//! NixOS' own modules are not read, so options that nobody declares are allowed.
//!
//! What can't be decided is never left out. A definition under an unknown condition is *possible*. Where there may be
//! definitions that are not seen (an import that is unknown, a set with unknown names), there is an [`Undecided`] that
//! says why, and [`Configuration::effective`] takes it into account.
//!
//! The functions of `lib` are those of the nixpkgs in the [`World`]'s search path if there is one, else of a built-in
//! one that has what fleets use; what it lacks is unknown.

mod condition;
mod definitions;
mod effective;
mod flake;
mod libraries;
mod library;
mod merge;
mod nixos;
mod options;
mod parts;
mod passes;
mod path;
mod schema;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::World;
use bulkhead_eval::data::{Data, DataKind, Failure, Unknown};
use bulkhead_source::TreePath;

pub use condition::{Condition, Guard};
pub use definitions::{depth_inside, is_placeholder, is_submodule as takes_module, renamed};
pub use effective::Effective;
pub use flake::{
    Platform, System, Systems, Wanted, given_besides, is_apart, is_bulkhead, is_given, load_beginning, load_several,
    load_system, name_outside_hive, systems, systems_file,
};
pub use library::{BUILT_IN, PACKAGES as PACKAGES_UNKNOWN, built_in as built_in_lib, is_of_people};
pub use merge::own::DEFAULTS as OWN_DEFAULTS;
pub use nixos::{NEEDED as NIXOS_FILES, Nixos, UNDECIDED_ASSERTION, UNDECIDED_WARNING};
pub use options::{Declared, OptionType};
pub use passes::{is_foreign, is_of_nixos};
pub use path::{OptionPath, OptionPathError};
pub use schema::schema_of_options;

/// The priority of a definition that has none of its own; `mkForce` is 50, `mkDefault` 1000. Lower ones win. As
/// `defaultOverridePriority` in the NixOS manual.
pub const DEFAULT_PRIORITY: i64 = 100;

/// The order of a definition that has none of its own; `mkBefore` is 500, `mkAfter` 1500.
pub const DEFAULT_ORDER: i64 = 1000;

/// What [`Undecided::what`] says of a definition whose value is unknown as a whole.
pub const UNKNOWN_DEFINITION: &str = "a definition is unknown";

/// What [`Undecided::what`] says of a machine that was read from where its own modules begin, and has others besides.
pub const UNKNOWN_BESIDES: &str = "further modules are unknown";

/// What [`Undecided::what`] says where not all names of a set are known.
pub const UNKNOWN_DEFINITIONS: &str = "there may be further definitions here";

/// What [`Undecided::what`] says where there may be further options.
pub const UNKNOWN_OPTIONS: &str = "there may be further options here";

/// What [`Undecided::what`] says of a definition of something that no module declares, where those of NixOS were read.
pub const UNDECLARED: &str = "nothing declares this option";

/// What a tree of modules says.
#[derive(Clone, Debug, Default)]
pub struct Configuration {
    /// The modules, in the order in which they are reached.
    pub modules: Vec<Module>,
    /// The definitions in the order in which NixOS merges lists, which is before [`Definition::order`] is looked at.
    pub definitions: Vec<Definition>,
    /// The options that the modules declare.
    pub options: BTreeMap<OptionPath, Declared>,
    /// Where there may be more than is seen, and why.
    pub undecided: Vec<Undecided>,
    /// What all definitions come to: the merged `config`, a set. Of what is not certain it says so, with the reason; sets
    /// that NixOS' own modules may add to have an open end.
    pub config: Option<Data>,
    /// What NixOS would refuse in what was read: definitions of the wrong type, that conflict …
    pub faults: Vec<Fault>,
    /// What modules warn of; only where those of NixOS were read, else [`Configuration::config`] has it.
    pub warnings: Vec<String>,
    /// Whether the modules of NixOS were read, too.
    pub is_nixos: bool,
    /// How often the modules were read until nothing new was known.
    pub passes: usize,
    /// What is wrong with the modules: a file that can't be parsed, an import that is no module …
    pub problems: Vec<Failure>,
    /// What the machine may be started as besides; not where the modules of NixOS were read.
    pub specialisations: Vec<Specialisation>,
}

/// What a machine may be started as besides: an entry of the option `specialisation`.
#[derive(Clone, Debug)]
pub struct Specialisation {
    /// Its name.
    pub name: Arc<str>,
    /// What its modules say: those of the machine, if it inherits them, and its own.
    pub configuration: Configuration,
}

/// A module that was read.
#[derive(Clone, Debug)]
pub struct Module {
    /// The file that it is in, as messages name files.
    pub file: Arc<str>,
    /// Whether it is part of the configuration.
    pub condition: Condition,
}

/// One definition of an option.
#[derive(Clone, Debug)]
pub struct Definition {
    /// What it defines.
    pub path: OptionPath,
    /// The file of the module.
    pub file: Arc<str>,
    /// Where its name is written.
    pub key: Option<Place>,
    /// The value; parts of it may be unknown, or have failed.
    pub value: Data,
    /// Whether it holds.
    pub condition: Condition,
    /// Lower ones win.
    pub priority: i64,
    /// Lower ones come first where definitions are put together.
    pub order: i64,
}

impl Definition {
    /// Whether all of its value is known.
    pub fn is_known(&self) -> bool {
        is_known(&self.value)
    }

    /// Where it is: its name, or else the expression of its value.
    pub fn place(&self) -> Option<&Place> {
        self.key.as_ref().or(self.value.place.as_ref())
    }
}

/// Something that NixOS would refuse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What kind.
    pub kind: FaultKind,
    /// The option.
    pub path: OptionPath,
    /// A sentence.
    pub message: String,
    /// Where: all definitions that are part of it.
    pub places: Vec<Place>,
}

/// What kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// A definition is not of the option's type.
    WrongType,
    /// The default is not of the option's type. It is refused where the option is read, and has no definition.
    WrongDefault,
    /// Definitions that all hold, and can't.
    Conflict,
    /// No module declares the option, and none that is not seen could.
    Undeclared,
    /// A read-only option is set more than once.
    ReadOnly,
    /// A definition reads itself.
    Recursion,
    /// An assertion of a module does not hold.
    Assertion,
}

impl FaultKind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            FaultKind::WrongType | FaultKind::WrongDefault => "wrong-type",
            FaultKind::Conflict => "conflict",
            FaultKind::Undeclared => "undeclared",
            FaultKind::ReadOnly => "read-only",
            FaultKind::Recursion => "recursion",
            FaultKind::Assertion => "assertion",
        }
    }
}

/// Something that could define more than is seen.
#[derive(Clone, Debug)]
pub struct Undecided {
    /// It could define, or declare, this or anything below it.
    pub path: OptionPath,
    /// What it is, as a clause: "an import is unknown".
    pub what: &'static str,
    /// Why it is not known.
    pub reason: Unknown,
    /// Where it is.
    pub place: Option<Place>,
}

/// Whether all of a value is known.
pub fn is_known(data: &Data) -> bool {
    first_unknown(data).is_none() && !has_failed(data)
}

/// The first unknown part of a value.
pub fn first_unknown(data: &Data) -> Option<&Unknown> {
    match &data.kind {
        DataKind::Unknown(unknown) => Some(unknown),
        DataKind::List(items) => items.iter().find_map(first_unknown),
        DataKind::Attrs(attrs) => {
            attrs.open.as_ref().or_else(|| attrs.attrs.values().find_map(|field| first_unknown(&field.value)))
        }
        _ => None,
    }
}

fn has_failed(data: &Data) -> bool {
    match &data.kind {
        DataKind::Failed(_) => true,
        DataKind::List(items) => items.iter().any(has_failed),
        DataKind::Attrs(attrs) => attrs.attrs.values().any(|field| has_failed(&field.value)),
        _ => false,
    }
}

/// Read the modules that start at `path`, a file or a folder with a `default.nix` in the first tree of `world`.
///
/// Nothing fails as a whole: what is wrong is in [`Configuration::problems`]. All modules together share the limits of
/// `world`.
pub fn load(world: &World, path: &TreePath) -> Configuration {
    load_all(world, std::slice::from_ref(path))
}

/// Read the modules that start at several files as one configuration.
pub fn load_all(world: &World, paths: &[TreePath]) -> Configuration {
    passes::load(world, paths, None)
}

/// Read the modules that start at several files as a machine of NixOS: with the modules of the nixpkgs in the search path of
/// `world`, which is one that has [`NIXOS_FILES`]. Packages are unknown. Definitions, options and modules of NixOS itself
/// are not listed; what they come to is in [`Configuration::config`].
pub fn load_nixos(world: &World, paths: &[TreePath], nixos: &Nixos) -> Configuration {
    passes::load(world, paths, Some(nixos))
}

impl Configuration {
    /// Whether these are the modules of a machine without those that its flake gives it besides, which are not known.
    pub fn is_part(&self) -> bool {
        self.undecided.iter().any(|undecided| undecided.what == UNKNOWN_BESIDES)
    }

    /// What an option, or a set of options, is after all: a part of [`Configuration::config`]. `None` if nothing that was
    /// read defines or declares it; what NixOS' own modules make of it is not known then.
    pub fn value(&self, path: &OptionPath) -> Option<&Data> {
        path.names().iter().try_fold(self.config.as_ref()?, |data, name| match &data.kind {
            DataKind::Attrs(attrs) => attrs.attrs.get(name).map(|field| &field.value),
            _ => None,
        })
    }

    /// The definitions of exactly this option.
    pub fn definitions(&self, path: &OptionPath) -> Vec<&Definition> {
        self.definitions.iter().filter(|definition| definition.path == *path).collect()
    }

    /// The definitions of this option and of all below it.
    pub fn below(&self, path: &OptionPath) -> Vec<&Definition> {
        self.definitions.iter().filter(|definition| definition.path.starts_with(path)).collect()
    }

    /// The names right below a path that something defines.
    pub fn children(&self, path: &OptionPath) -> BTreeSet<Arc<str>> {
        let depth = path.names().len();
        let below = self.definitions.iter().filter(|definition| definition.path.starts_with(path));
        below.filter_map(|definition| definition.path.names().get(depth).cloned()).collect()
    }

    /// Why there may be definitions of this path, or below it, that are not seen: definitions of a path above it whose
    /// value is unknown are among the reasons.
    pub fn undecided_at(&self, path: &OptionPath) -> Vec<&Undecided> {
        let touches = |other: &OptionPath| path.starts_with(other) || other.starts_with(path);
        self.undecided.iter().filter(|undecided| touches(&undecided.path)).collect()
    }

    /// The declaration of an option. Names of attributes are matched by `<name>` in it.
    pub fn declared(&self, path: &OptionPath) -> Option<&Declared> {
        self.options.get(path).or_else(|| {
            let fits = |pattern: &OptionPath| {
                pattern.names().len() == path.names().len()
                    && pattern.names().iter().zip(path.names()).all(|(a, b)| a == b || &**a == "<name>" || &**a == "*")
            };
            self.options.iter().find(|(pattern, _)| fits(pattern)).map(|(_, declared)| declared)
        })
    }
}

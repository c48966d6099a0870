//! What the definitions of all modules come to: the merged `config`.
//!
//! One pass merges what is certain by the declared types; the rest is unknown, with its reason. The result is handed to
//! the modules of the next pass (see [`crate::passes`]).

mod options;
pub mod own;
mod push;
mod types;
mod untyped;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::Node;
use bulkhead_eval::data::Unknown;

use crate::condition::{Condition, Guard};
use crate::library::{NIXOS_CONFIG, NIXOS_OPTIONS};
use crate::tree::{Contents, Loader, OF_NIXOS, Scope};
use crate::{Fault, FaultKind, OptionPath};

use push::Children;
use types::{Kind, Type};
use values::Presence;

/// Options, attributes and submodules nested deeper are unknown.
const MAX_DEPTH: usize = 60;

/// So many values are merged in a pass at most: submodules may have submodules without end.
const MAX_VALUES: usize = 1_000_000;

/// Modules of other projects may add options to sets of options at this depth, and above it: to `config`, and to `services`.
const MAX_FOREIGN: usize = 1;

/// Why it is not known what an option is that nothing declares.
const NOT_DECLARED: &str = "none of the modules that were read declares it";

/// So many faults are told.
const MAX_FAULTS: usize = 1_000;

/// A definition, of an option or of what is around it.
#[derive(Clone)]
pub struct Def<'a> {
    pub node: Node<'a>,
    pub file: Arc<str>,
    /// The attribute whose name it is under.
    pub key: Option<Node<'a>>,
    pub condition: Condition,
    /// Of the outermost `mkOverride`.
    pub priority: Option<i64>,
    pub order: Option<i64>,
    /// Whether it is the default of the option.
    pub is_default: bool,
    /// Of one that may define anything, why.
    pub opaque: Option<Opaque>,
}

/// Why a definition is not gone into.
#[derive(Clone, Copy, PartialEq)]
pub enum Opaque {
    /// It waits for `config`.
    NotYet,
    /// For another reason.
    Unknown,
}

impl<'a> Def<'a> {
    fn of(node: Node<'a>, file: Arc<str>, condition: Condition) -> Def<'a> {
        Def { node, file, key: None, condition, priority: None, order: None, is_default: false, opaque: None }
    }

    /// The same for a value in it, which has priority and order of its own.
    fn inner(&self, node: Node<'a>, key: Option<Node<'a>>) -> Def<'a> {
        Def { node, key, priority: None, order: None, ..self.clone() }
    }
}

/// A set of options, or an option.
#[derive(Clone)]
struct Decl<'a> {
    node: Node<'a>,
    file: Arc<str>,
    condition: Condition,
}

/// What surrounds the options of a level.
#[derive(Clone)]
struct Level<'a> {
    path: OptionPath,
    depth: usize,
    /// Whether it is not below another level of the same modules.
    is_top: bool,
    freeform: Freeform<'a>,
    region: Region,
    /// Why definitions and declarations of this fleet may be missing here.
    unseen: Option<Unknown>,
}

/// What names are that nothing declares.
#[derive(Clone)]
enum Freeform<'a> {
    /// There is no freeform type.
    None,
    /// Values of this type.
    Type(Node<'a>),
    /// Not known.
    Unknown(Node<'a>),
}

/// Who else may declare and define something.
#[derive(Clone, Copy, PartialEq)]
enum Region {
    /// NixOS' own modules, and those of other projects.
    Nixos,
    /// Those of NixOS are read too; modules of other projects may declare more, but no more of what is there.
    Whole,
    /// Nobody but the modules of this fleet.
    Fleet,
    /// The modules of a submodule alone.
    Submodule,
}

/// Merges the modules of a pass.
pub struct Merger<'m, 's, 'a> {
    loader: &'m mut Loader<'s, 'a>,
    /// What is found, by the path of the modules.
    pub found: HashMap<OptionPath, Scope<'a>>,
    pub faults: Vec<Fault>,
    types: HashMap<usize, Type<'a>>,
    values: usize,
    /// Why modules of other projects may declare more.
    others: Option<Unknown>,
    /// Whose options are there that nothing declares.
    owners: own::Owners,
    /// Whether the type is a part of an `either`: NixOS does not look into that for modules.
    in_either: bool,
}

impl<'m, 's, 'a> Merger<'m, 's, 'a> {
    pub fn new(loader: &'m mut Loader<'s, 'a>) -> Merger<'m, 's, 'a> {
        Merger {
            loader,
            found: HashMap::new(),
            faults: Vec::new(),
            types: HashMap::new(),
            values: 0,
            others: None,
            owners: own::Owners::default(),
            in_either: false,
        }
    }

    /// Merge the modules of the whole configuration.
    pub fn root(&mut self, modules: &[(usize, Condition)]) -> Scope<'a> {
        let unseen = self.unseen_since(0);
        self.others = self.loader.undecided.first().map(|undecided| undecided.reason.clone());
        let level = Level {
            path: OptionPath::root(),
            depth: 0,
            is_top: true,
            freeform: Freeform::None,
            region: if self.loader.arguments.nixos.is_some() { Region::Whole } else { Region::Nixos },
            unseen,
        };
        self.modules(modules, level)
    }

    /// Why modules of this fleet may be missing, as far as it was noted after there were `count` notes. Those of other
    /// projects don't define what this fleet declares.
    fn unseen_since(&self, count: usize) -> Option<Unknown> {
        let noted = self.loader.undecided.get(count..).unwrap_or_default();
        let own = noted.iter().find(|undecided| !crate::passes::is_foreign(&undecided.reason));
        if let Some(undecided) = own {
            return Some(undecided.reason.clone());
        }
        let failed = self.loader.problems.first()?;
        Some(Unknown {
            reason: Arc::from(format!("a module can't be read: {}", failure_line(&failed.message))),
            help: None,
            place: failed.place.clone(),
        })
    }

    fn modules(&mut self, modules: &[(usize, Condition)], mut level: Level<'a>) -> Scope<'a> {
        let mut decls = Vec::new();
        let mut defs = Vec::new();
        for (index, condition) in modules {
            let module = self.loader.module(*index);
            if let Some(node) = module.options {
                decls.push(Decl { node, file: module.file.clone(), condition: condition.clone() });
            }
            if let Some(node) = module.freeform {
                level.freeform = Freeform::Type(node);
            }
        }
        for (index, condition) in modules.iter().rev() {
            let module = self.loader.module(*index);
            let (file, node) = match &module.config {
                None => continue,
                Some(Contents::Config(node)) => (module.file.clone(), *node),
                Some(Contents::Shorthand(members)) => {
                    (module.file.clone(), self.loader.session.attrs(members.attrs.clone(), None))
                }
            };
            defs.push(Def::of(node, file, condition.clone()));
        }
        let path = level.path.clone();
        let scope = self.level(decls, defs, level);
        self.found.insert(path, scope);
        scope
    }

    fn level(&mut self, decls: Vec<Decl<'a>>, defs: Vec<Def<'a>>, level: Level<'a>) -> Scope<'a> {
        self.values += 1;
        if level.depth > MAX_DEPTH || self.values > MAX_VALUES {
            let what = self.loader.session.unknown("it is nested too deeply, or there is too much", None);
            return Scope { config: what, options: what };
        }
        let mut children = self.children(defs, &level.path);
        let mut declared: BTreeMap<&'static str, Vec<Decl<'a>>> = BTreeMap::new();
        let more_options = self.declared(decls, &mut declared);
        let freeform = self.freeform(&mut children, &level);
        let mut names: Vec<&'static str> = declared.keys().copied().collect();
        names.extend(children.named.keys().copied().filter(|name| !declared.contains_key(name)));

        let mut config = Vec::with_capacity(names.len());
        let mut options = Vec::new();
        let mut open = children.rest();
        self.note_owners(&level, &names, &declared, open.is_some());
        if level.region == Region::Nixos && level.path.names().is_empty() {
            config.extend(self.defaults_below(&level.path, &names));
        }
        for name in names {
            let defs = children.take(name);
            let path = level.path.join(name);
            if let Some(decls) = declared.remove(name) {
                let below = Level {
                    region: region_below(&level, name),
                    freeform: self.freeform_below(&freeform),
                    depth: level.depth + 1,
                    is_top: false,
                    unseen: level.unseen.clone(),
                    path,
                };
                let scope = self.declaration(decls, defs, below);
                config.push((name, scope.config));
                options.push((name, scope.options));
                continue;
            }
            if level.is_top && name == "_module" {
                continue;
            }
            match self.undeclared(path, defs, &level, &freeform, more_options.is_some()) {
                Presence::Yes(value) => config.push((name, value)),
                Presence::No => {}
                Presence::Maybe(doubt) => open = open.or(Some(doubt)),
            }
        }
        let session = self.loader.session;
        let because = |reason: &Unknown| session.unknown(&reason.reason, reason.help.as_deref());
        // What is defined declares nothing.
        let mut more = more_options.or_else(|| level.unseen.as_ref().map(because));
        match level.region {
            Region::Nixos => {
                open = Some(session.unknown(NIXOS_CONFIG, None));
                more = Some(session.unknown(NIXOS_OPTIONS, None));
            }
            Region::Whole => {
                if level.path.names().is_empty() {
                    let unknown = session.unknown("what modules are called with is not told", None);
                    config.push(("_module", unknown));
                    options.push(("_module", unknown));
                }
                let others = self.others.as_ref().filter(|_| level.path.names().len() <= MAX_FOREIGN);
                open = open.or_else(|| others.map(because));
            }
            Region::Fleet | Region::Submodule => {}
        }
        open = open.or(more);
        if let Freeform::Unknown(node) = &freeform {
            open = open.or(Some(*node));
        }
        // What a flake gives out need not be declared.
        if self.loader.arguments.is_flake && matches!(level.path.names(), [name] if &**name == "flake") {
            open = open.or(self.others.as_ref().map(because));
        }
        Scope { config: session.attrs(config, open), options: session.attrs(options, more) }
    }

    /// What undeclared names are: as the modules say, or `_module.freeformType` in what they define.
    fn freeform(&mut self, children: &mut Children<'a>, level: &Level<'a>) -> Freeform<'a> {
        let Some(defs) = children.named.get("_module").filter(|_| level.is_top).cloned() else {
            return level.freeform.clone();
        };
        if matches!(level.freeform, Freeform::Type(_)) {
            return level.freeform.clone();
        }
        let mut inner = self.children(defs, &level.path);
        match inner.named.remove("freeformType").unwrap_or_default().as_slice() {
            [] => level.freeform.clone(),
            [only] if only.condition.is_always() => Freeform::Type(only.node),
            [first, ..] => Freeform::Unknown(first.node),
        }
    }

    /// What undeclared names are in a set between declared options.
    fn freeform_below(&mut self, freeform: &Freeform<'a>) -> Freeform<'a> {
        let Freeform::Type(node) = freeform else { return freeform.clone() };
        let kind = self.type_of(*node);
        match self.element_of(&kind) {
            Some(element) => Freeform::Type(element.node),
            None => Freeform::None,
        }
    }

    fn undeclared(
        &mut self,
        path: OptionPath,
        defs: Vec<Def<'a>>,
        level: &Level<'a>,
        freeform: &Freeform<'a>,
        may_be_declared: bool,
    ) -> Presence<'a> {
        if let Freeform::Type(node) = freeform {
            let kind = self.type_of(*node);
            // In a plain set there may be anything.
            if matches!(kind.kind, Kind::AnySet) {
                return self.untyped(path, defs, level.depth + 1);
            }
            let element = self.element_of(&kind).unwrap_or(Type { node: *node, kind: Kind::Unknown });
            return self.value(&path, element, defs, level.depth + 1).presence;
        }
        if let Freeform::Unknown(node) = freeform {
            return Presence::Yes(*node);
        }
        if level.region == Region::Nixos {
            return self.untyped(path, defs, level.depth + 1);
        }
        if level.region == Region::Whole {
            let place = defs.iter().find_map(|def| self.key(def));
            let reason = Unknown { reason: NOT_DECLARED.into(), help: None, place: place.clone() };
            if defs.iter().any(|def| def.opaque.is_none()) {
                self.loader.unknown_at(&path, crate::UNDECLARED, reason, place);
            }
            return self.untyped(path, defs, level.depth + 1);
        }
        if level.unseen.is_none() && !may_be_declared {
            for def in defs.iter().filter(|def| def.condition.is_always()) {
                let place = self.key(def).or_else(|| self.loader.session.place(def.node));
                let message = format!("the option `{path}` does not exist");
                self.fault(FaultKind::Undeclared, &path, message, place.into_iter().collect());
            }
        }
        let unknown = self.loader.session.unknown("no module declares this option", None);
        match defs.iter().any(|def| def.condition.is_always()) {
            true => Presence::Yes(unknown),
            false => Presence::Maybe(unknown),
        }
    }

    fn fault(&mut self, kind: FaultKind, path: &OptionPath, message: String, mut places: Vec<Place>) {
        places.dedup();
        // Of what NixOS' modules do among themselves nothing is refused that is not used.
        let is_own = |place: &Place| !place.file.starts_with(OF_NIXOS);
        if self.loader.arguments.nixos.is_some() && !places.iter().any(is_own) {
            return;
        }
        let fault = Fault { kind, path: path.clone(), message, places };
        if self.faults.len() < MAX_FAULTS && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Where the name of a definition is written.
    fn key(&self, def: &Def<'a>) -> Option<Place> {
        def.key.and_then(|key| self.loader.session.key(key))
    }

    /// Something unknown for the reason of what is in the way of certainty.
    fn doubt(&self, guard: &Guard) -> Node<'a> {
        self.loader.doubt(guard)
    }
}

/// Whose the names below a name are.
fn region_below(level: &Level<'_>, name: &str) -> Region {
    match level.region {
        Region::Nixos if level.is_top && !crate::passes::is_of_nixos(name) => Region::Fleet,
        region => region,
    }
}

fn failure_line(message: &str) -> &str {
    message.lines().next().unwrap_or_default()
}

//! The merged `config`, pass by pass.
//!
//! In the first pass `config` is unknown to the modules. What they define all the same is merged, and what is certain of
//! that is the `config` that the modules of the next pass see. Since the evaluator is right about what it calls known, so
//! is each pass; what was known stays so, and the passes end when nothing new is.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind, Failure, FailureKind, Unknown};
use bulkhead_eval::{Node, Session, World};
use bulkhead_source::TreePath;

use crate::condition::Condition;
use crate::library::{self, Arguments, FOREIGN_PROJECTS, NOT_READ, NOT_YET, OUTSIDE};
use crate::merge::Merger;
use crate::nixos::{self, Nixos};
use crate::tree::{Inner, Loader, OF_NIXOS, Scope, problem};
use crate::{Configuration, Fault, FaultKind, Module, OptionPath, Specialisation, Undecided, definitions, options};

/// So many passes are made at most: each may tell the next one value of a chain.
const MAX_PASSES: usize = 100;

/// So many values are looked at in all passes of a configuration at most, and of one with the modules of NixOS: one that grows
/// with each pass would take all memory.
const MAX_VALUES: (usize, usize) = (2_000_000, 30_000_000);

/// So many specialisations of a machine are read at most.
const MAX_SPECIALISATIONS: usize = 32;

/// The names at the root of NixOS' options, and of those of projects that most fleets use.
const NIXOS: &[&str] = &[
    "_module",
    "age",
    "amazonImage",
    "appstream",
    "assertions",
    "boot",
    "console",
    "containers",
    "disko",
    "docker-containers",
    "documentation",
    "dysnomia",
    "ec2",
    "environment",
    "fileSystems",
    "fonts",
    "gtk",
    "hardware",
    "home",
    "home-manager",
    "i18n",
    "ids",
    "image",
    "isSpecialisation",
    "isoImage",
    "jobs",
    "lib",
    "location",
    "meta",
    "microvm",
    "nesting",
    "networking",
    "nix",
    "nixops",
    "nixpkgs",
    "nixos",
    "oci",
    "openstack",
    "passthru",
    "power",
    "powerManagement",
    "programs",
    "proxmox",
    "qt",
    "qt5",
    "sdImage",
    "security",
    "services",
    "snapraid",
    "sops",
    "sound",
    "specialisation",
    "stubby",
    "stylix",
    "swapDevices",
    "system",
    "systemd",
    "test",
    "testing",
    "time",
    "users",
    "virtualbox",
    "virtualisation",
    "vmware",
    "warnings",
    "xdg",
    "zramSwap",
];

/// Whether NixOS' own modules have options below this name.
pub fn is_of_nixos(name: &str) -> bool {
    NIXOS.contains(&name)
}

/// Whether what is unknown for this reason comes from another project, whose modules don't define what a fleet declares.
pub fn is_foreign(reason: &Unknown) -> bool {
    let text = &*reason.reason;
    const FETCHED: [&str; 3] = ["is not fetched", "are not fetched", "nothing is fetched"];
    if text == NOT_READ || FETCHED.iter().any(|part| text.contains(part)) || text.contains("not at hand") {
        return true;
    }
    let argument = text.strip_prefix(OUTSIDE.0).and_then(|rest| rest.strip_suffix(OUTSIDE.1));
    argument.is_some_and(|name| FOREIGN_PROJECTS.contains(&name))
}

/// Where modules start.
#[derive(Clone)]
pub enum Root<'a> {
    /// At a file.
    File(TreePath),
    /// At a value that is written in this file.
    Value(Node<'a>, Arc<str>),
    /// At what one of the modules says of another set of modules.
    Inner(Inner<'a>),
}

/// Read the modules that start at `paths`.
///
/// With `nixos`, and a nixpkgs in the search path of `world`, its modules are part of the configuration.
pub fn load(world: &World, paths: &[TreePath], nixos: Option<&Nixos>) -> Configuration {
    let nixpkgs = nixos.and_then(|_| nixos::nixpkgs(world));
    read(world, nixpkgs, |session, arguments, configuration| {
        let roots: Vec<Root<'_>> = paths.iter().cloned().map(Root::File).collect();
        run(session, arguments, &roots, nixos, configuration);
    })
}

/// Read modules with `work`, which has what they are called with: as NixOS calls them, if its `nixpkgs` is given.
pub fn read(
    world: &World,
    nixpkgs: Option<&str>,
    work: impl for<'a> FnOnce(&Session<'a>, Arguments<'a>, &mut Configuration) + Send,
) -> Configuration {
    let loaded = world.session(|session| {
        let mut configuration = Configuration::default();
        configuration.problems.extend(library::unusable(session, world));
        let arguments = match nixpkgs {
            Some(nixpkgs) => Arguments::in_nixos(session, world, nixpkgs),
            None => Arguments::new(session, world),
        };
        match arguments {
            Ok(arguments) => work(session, arguments, &mut configuration),
            Err(failure) => configuration.problems.push(failure),
        }
        configuration
    });
    loaded.unwrap_or_else(|error| Configuration { problems: vec![no_thread(&error)], ..Configuration::default() })
}

/// What is wrong where nothing can be evaluated at all.
pub fn no_thread(error: &std::io::Error) -> Failure {
    problem(format!("no thread to evaluate on: {error}"), None)
}

/// What the modules say is added to `configuration`; the merged `config` is given back.
pub fn run<'a>(
    session: &Session<'a>,
    arguments: Arguments<'a>,
    roots: &[Root<'a>],
    nixos: Option<&Nixos>,
    configuration: &mut Configuration,
) -> Node<'a> {
    let is_nixos = arguments.nixos.is_some();
    let (config, _, specialised) = run_one(session, arguments.clone(), roots, nixos, configuration);
    if is_nixos {
        return config;
    }
    let mut all: BTreeMap<Arc<str>, Vec<Inner<'a>>> = BTreeMap::new();
    specialised.into_iter().for_each(|(name, module)| all.entry(name).or_default().push(module));
    if all.len() > MAX_SPECIALISATIONS {
        let message = format!("there are more than {MAX_SPECIALISATIONS} specialisations");
        configuration.problems.push(Failure { kind: FailureKind::Limit, ..problem(message, None) });
    }
    for (name, modules) in all.into_iter().take(MAX_SPECIALISATIONS) {
        let mut special = Configuration::default();
        let inherits = OptionPath::of(["specialisation", &name, "inheritParentConfig"]);
        let value = configuration.value(&inherits).map(|data| &data.kind);
        let mut roots = if let Some(DataKind::Bool(false)) = value { Vec::new() } else { roots.to_vec() };
        if !matches!(value, Some(DataKind::Bool(_))) {
            let given = configuration.definitions(&inherits).into_iter();
            let mut reasons = given.filter_map(|definition| match (&definition.value.kind, value) {
                (DataKind::Unknown(reason), _) | (_, Some(DataKind::Unknown(reason))) => Some(reason.clone()),
                _ => definition.condition.guards().first().map(|guard| guard.reason.clone()),
            });
            special.undecided.extend(reasons.next().map(|reason| Undecided {
                path: OptionPath::root(),
                what: "whether it inherits is unknown",
                place: reason.place.clone(),
                reason,
            }));
        }
        roots.extend(modules.into_iter().map(Root::Inner));
        run_one(session, arguments.clone(), &roots, None, &mut special);
        configuration.specialisations.push(Specialisation { name, configuration: special });
    }
    config
}

/// The same of modules that are no machine's, and also what is found at each path of modules: [`Arguments::known`] of the next
/// time.
pub fn run_again<'a>(
    session: &Session<'a>,
    arguments: Arguments<'a>,
    roots: &[Root<'a>],
    configuration: &mut Configuration,
) -> (Node<'a>, HashMap<OptionPath, Scope<'a>>) {
    let (config, found, _) = run_one(session, arguments, roots, None, configuration);
    (config, found)
}

/// The modules of specialisations, with their names.
type Specialised<'a> = Vec<(Arc<str>, Inner<'a>)>;

fn run_one<'a>(
    session: &Session<'a>,
    arguments: Arguments<'a>,
    roots: &[Root<'a>],
    nixos: Option<&Nixos>,
    configuration: &mut Configuration,
) -> (Node<'a>, HashMap<OptionPath, Scope<'a>>, Specialised<'a>) {
    let is_nixos = arguments.nixos.is_some();
    configuration.is_nixos = is_nixos;
    let mut config_after = arguments.not_yet.config;
    let known = arguments.known.clone();
    let mut loader = Loader::new(session, arguments);
    loader.known = known;
    let mut last = HashMap::new();
    let mut before = None;
    let mut all = Vec::new();
    let mut seen = 0;
    let mut states: HashMap<OptionPath, usize> = HashMap::new();
    for pass in 1..=MAX_PASSES {
        configuration.passes = pass;
        let modules = modules(&mut loader, roots, nixos, pass == 1);
        let mut merger = Merger::new(&mut loader);
        let scope = merger.root(&modules);
        let (found, faults) = (std::mem::take(&mut merger.found), std::mem::take(&mut merger.faults));
        config_after = scope.config;
        // A value that holds `config` or `options` holds what the passes before have made of itself.
        for (path, scope) in &found {
            for node in [scope.config, scope.options] {
                if let Some(identity) = session.stands_for(node, states.get(path).copied()) {
                    states.insert(path.clone(), identity);
                }
            }
        }
        loader.whole = states.get(&OptionPath::root()).copied();
        let merged = session.summary(scope.config, NOT_YET);
        let is_settled = before.is_some_and(|(config, _)| config == merged.hash);
        let most = if is_nixos { MAX_VALUES.1 } else { MAX_VALUES.0 };
        seen += merged.values;
        let own: Vec<(usize, Condition)> =
            modules.iter().filter(|(index, _)| !loader.module(*index).file.starts_with(OF_NIXOS)).cloned().collect();
        // As long as `config` itself is on the way, it does not matter what else waits for it.
        let mut told = None;
        if !merged.waits || is_settled || pass == MAX_PASSES || seen > most {
            configuration.definitions.clear();
            definitions::collect(&mut loader, &own, configuration);
            let digest = digest(configuration, &loader);
            seen += digest.values;
            told = Some(digest);
        }
        configuration.faults = faults;
        let is_open = merged.waits || told.as_ref().is_none_or(|digest| digest.is_open);
        let digest = told.map(|digest| digest.hasher.finish());
        let is_same = is_settled && digest.is_some() && before == Some((merged.hash, digest));
        let is_too_much = pass == MAX_PASSES || seen > most;
        // Where memory has run out, what was looked at last has failed for that, and waits for nothing.
        if let DataKind::Failed(failure) = session.data(session.null()).kind {
            loader.failed((*failure).clone());
        }
        let is_last = !is_open || is_same || is_too_much;
        if is_last {
            configuration.config = Some(session.data(scope.config));
            if is_too_much && is_open && !is_same {
                let message = format!("`config` is not known after {pass} passes over {seen} values in all");
                loader.failed(Failure { kind: FailureKind::Limit, ..problem(message, None) });
            } else if is_open && !is_nixos {
                depends_on_itself(configuration);
            }
            for (module, condition) in &own {
                let module = loader.module(*module);
                configuration.modules.push(Module { file: module.file.clone(), condition: condition.clone() });
            }
            options::collect(&mut loader, &own, &OptionPath::root(), &OptionPath::root(), &mut configuration.options);
            if let Some(nixos) = nixos.filter(|nixos| !nixos.listed.names().is_empty()) {
                let noted = loader.undecided.len();
                options::collect(&mut loader, &modules, &OptionPath::root(), &nixos.listed, &mut configuration.options);
                loader.undecided.truncate(noted);
            }
            if is_nixos {
                let mut whole = Configuration::default();
                let noted = loader.undecided.len();
                definitions::collect(&mut loader, &modules, &mut whole);
                loader.undecided.truncate(noted);
                all = whole.definitions;
            }
            last = found;
            break;
        }
        before = Some((merged.hash, digest));
        loader.known = found;
        if let Err(failure) = loader.arguments.set_scope(session, scope) {
            configuration.config = Some(session.data(scope.config));
            loader.failed(failure);
            break;
        }
    }
    configuration.undecided.extend(loader.undecided);
    configuration.undecided = once(std::mem::take(&mut configuration.undecided));
    configuration.problems.extend(loader.problems);
    nixos::judge(configuration, &all);
    (config_after, last, loader.specialised)
}

fn modules<'a>(
    loader: &mut Loader<'_, 'a>,
    roots: &[Root<'a>],
    nixos: Option<&Nixos>,
    is_first: bool,
) -> Vec<(usize, Condition)> {
    loader.restart();
    let mut modules = loader.read(roots, nixos);
    let given = loader.module_args(&modules);
    let is_new = is_first && !given.is_empty();
    loader.arguments.given = given;
    if is_new {
        // What `_module.args` defines is only known now.
        loader.restart();
        modules = loader.read(roots, nixos);
    }
    loader.of_homes = loader.home_args(&modules);
    modules
}

/// What a pass has found besides `config`, to tell whether the next one finds more, and whether anything waits for that.
fn digest(configuration: &Configuration, loader: &Loader<'_, '_>) -> Digest {
    let mut digest = Digest { hasher: DefaultHasher::new(), is_open: false, values: 0 };
    for definition in &configuration.definitions {
        definition.path.hash(&mut digest.hasher);
        definition.priority.hash(&mut digest.hasher);
        digest.condition(&definition.condition);
        digest.data(&definition.value);
    }
    for undecided in &loader.undecided {
        digest.reason(&undecided.reason);
    }
    digest
}

struct Digest {
    hasher: DefaultHasher,
    is_open: bool,
    /// How many values there are.
    values: usize,
}

impl Digest {
    fn reason(&mut self, reason: &Unknown) {
        let waits = *reason.reason == *NOT_YET;
        waits.hash(&mut self.hasher);
        self.is_open |= waits;
    }

    fn condition(&mut self, condition: &Condition) {
        condition.guards().len().hash(&mut self.hasher);
        condition.guards().iter().for_each(|guard| self.reason(&guard.reason));
    }

    fn data(&mut self, data: &Data) {
        self.values += 1;
        std::mem::discriminant(&data.kind).hash(&mut self.hasher);
        match &data.kind {
            DataKind::Bool(value) => value.hash(&mut self.hasher),
            DataKind::Int(value) => value.hash(&mut self.hasher),
            DataKind::Float(value) => value.to_bits().hash(&mut self.hasher),
            DataKind::String(text) | DataKind::Path(text) => text.hash(&mut self.hasher),
            DataKind::List(items) => {
                items.len().hash(&mut self.hasher);
                items.iter().for_each(|item| self.data(item));
            }
            DataKind::Attrs(attrs) => {
                attrs.attrs.len().hash(&mut self.hasher);
                attrs.open.is_some().hash(&mut self.hasher);
                attrs.open.iter().for_each(|reason| self.reason(reason));
                for (name, field) in &attrs.attrs {
                    name.hash(&mut self.hasher);
                    self.data(&field.value);
                }
            }
            DataKind::Unknown(reason) => self.reason(reason),
            DataKind::Null | DataKind::Function | DataKind::Failed(_) => {}
        }
    }
}

/// Note the definitions that are still waiting for `config` when nothing new is found: they wait for themselves.
fn depends_on_itself(configuration: &mut Configuration) {
    let waits = |reason: &Unknown| *reason.reason == *NOT_YET;
    for definition in &configuration.definitions {
        let unknown = crate::first_unknown(&definition.value);
        let guard = definition.condition.guards().iter().map(|guard| &guard.reason);
        let Some(reason) = unknown.into_iter().chain(guard).find(|reason| waits(reason)) else { continue };
        let place = reason.place.clone().or_else(|| definition.place().cloned());
        let fault = Fault {
            kind: FaultKind::Recursion,
            path: definition.path.clone(),
            message: format!("`{}` depends on itself, through `config`", definition.path),
            places: place.into_iter().collect(),
        };
        if !configuration.faults.contains(&fault) {
            configuration.faults.push(fault);
        }
    }
}

/// Each thing once: the same modules are walked through for definitions and for values.
fn once(undecided: Vec<Undecided>) -> Vec<Undecided> {
    let mut seen: HashSet<(OptionPath, &'static str, Arc<str>, Option<bulkhead_diagnostics::Place>)> = HashSet::new();
    let is_new = |undecided: &Undecided| {
        let reason = undecided.reason.reason.clone();
        seen.insert((undecided.path.clone(), undecided.what, reason, undecided.place.clone()))
    };
    let mut is_new = is_new;
    undecided.into_iter().filter(|undecided| is_new(undecided)).collect()
}

//! Which module trees there are: those of the machines' folders, and of the systems that `flake.nix` or `hive.nix` makes.

use std::borrow::Cow;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::World;
use bulkhead_fleet::{Fleet, Machine};
use bulkhead_modules::{Configuration, Systems, load, load_system, name_outside_hive, systems, systems_file};
use bulkhead_source::{FileTree, TreePath, read_text};
use foldhash::HashSet;
use rayon::prelude::*;

use super::mapping::Mapping;
use super::{Named, Tree};

/// The files that a machine's configuration may begin with, in its folder.
const ROOT_FILES: [&str; 2] = ["default.nix", "configuration.nix"];

/// Longer texts that options name are not read.
const FILE_LIMIT: u64 = 1 << 20;

/// All trees, and what is known not to be among them.
#[derive(Default)]
pub(crate) struct Trees<'a> {
    /// The trees, in the order of the machines; then those of systems that are no machines, by name.
    pub(crate) all: Vec<Tree<'a>>,
    /// Systems that were not read.
    pub(crate) unread: Vec<Unread>,
}

/// A system, or all of them, whose modules can't be known.
pub(crate) struct Unread {
    /// Its name; `None` if it is not known which systems there are.
    pub(crate) name: Option<Arc<str>>,
    /// Where it is made.
    pub(crate) place: Place,
    /// Why.
    pub(crate) reason: Arc<str>,
    /// What helps.
    pub(crate) help: Option<Arc<str>>,
}

impl Trees<'_> {
    /// The files that some tree was read from.
    pub(crate) fn files(&self) -> HashSet<&str> {
        let mut files: HashSet<&str> = HashSet::default();
        for tree in &self.all {
            files.extend(tree.configuration.modules.iter().map(|module| &*module.file));
            let definitions = tree.definitions().iter().map(|named| &named.definition);
            files.extend(definitions.filter_map(|definition| definition.place()).map(|place| &*place.file));
        }
        files
    }
}

/// The trees of all machines that have one, and of the systems of a flake.
pub(crate) fn read<'a>(fleet: &'a Fleet, files: &dyn FileTree, world: &World) -> Trees<'a> {
    if fleet.module_files.is_empty() {
        return Trees::default();
    }
    let flake = systems_file(files);
    let made = flake.as_ref().map_or_else(Systems::default, |flake| systems(world, flake));
    let is_known = |name: &str| made.systems.iter().any(|system| *system.name == *name && system.unknown.is_none());
    let mut jobs: Vec<Job<'a>> = Vec::new();
    for machine in &fleet.machines {
        let candidates = ROOT_FILES.iter().filter_map(|name| machine.dir.join(name).ok());
        let root = candidates.into_iter().find(|file| files.exists(file));
        let in_flake = made.has_fleet || is_known(&machine.name);
        if in_flake || root.is_some() {
            let name = machine.name.clone();
            jobs.push(Job { machine: Cow::Borrowed(machine), name, roots: root.into_iter().collect(), in_flake });
        }
    }
    let mut unread = Vec::new();
    if let Some(flake) = &flake {
        let machine = |name: &str| fleet.machines.iter().find(|machine| *machine.name == *name);
        for system in &made.systems {
            let place = || system.place.clone().unwrap_or_else(|| Place::file(flake.to_arc()));
            match &system.unknown {
                Some(unknown) => unread.push(Unread {
                    name: Some(system.name.clone()),
                    place: place(),
                    reason: unknown.reason.clone(),
                    help: unknown.help.clone(),
                }),
                None if machine(&system.name).is_some() => {}
                None => {
                    let name: Arc<str> = name_outside_hive(&system.name).map_or_else(|| system.name.clone(), Arc::from);
                    let without = || Machine::without_properties(name.clone(), flake.clone(), system.place.clone());
                    jobs.push(Job {
                        machine: machine(&name).map_or_else(|| Cow::Owned(without()), Cow::Borrowed),
                        name: system.name.clone(),
                        roots: Vec::new(),
                        in_flake: true,
                    });
                }
            }
        }
        if let Some((reason, place)) = &made.unknown {
            unread.push(Unread {
                name: None,
                place: place.clone().unwrap_or_else(|| Place::file(flake.to_arc())),
                reason: reason.reason.clone(),
                help: reason.help.clone(),
            });
        }
        if let Some(problem) = &made.problem {
            unread.push(Unread {
                name: None,
                place: problem.place.clone().unwrap_or_else(|| Place::file(flake.to_arc())),
                reason: Arc::from(&*problem.message),
                help: problem.help.as_deref().map(Arc::from),
            });
        }
    }
    let mapping = Arc::new(Mapping::new(&fleet.config.toml.mappings));
    let trees = |Job { machine, name, roots, in_flake }: Job<'a>| {
        let mut configuration = match (&flake, roots.first()) {
            (Some(flake), _) if in_flake => load_system(world, flake, &name, &roots, None),
            (_, Some(root)) => load(world, root),
            _ => return Vec::new(),
        };
        let specialised = std::mem::take(&mut configuration.specialisations).into_iter().map(|special| {
            let name = Arc::from(format!("{name} (specialisation {})", special.name));
            (name, special.configuration)
        });
        let all: Vec<(Arc<str>, Configuration)> = specialised.collect();
        let all = std::iter::once((name, configuration)).chain(all);
        let text_of = |path: &str| text_of(world, files, path);
        let tree = |(name, configuration)| {
            Tree::new(machine.clone(), name, configuration, in_flake, mapping.clone(), &text_of)
        };
        all.map(tree).collect()
    };
    let mut all: Vec<Tree<'a>> = jobs.into_par_iter().map(trees).collect::<Vec<_>>().into_iter().flatten().collect();
    let again: Vec<bool> = all.iter().map(|tree| says_nothing_new(tree, &all)).collect();
    let mut again = again.into_iter();
    all.retain(|_| !again.next().unwrap_or_default());
    Trees { all, unread }
}

/// What is in the file of the fleet that a path value names, if it is a text.
pub(crate) fn text_of(world: &World, files: &dyn FileTree, path: &str) -> Option<Arc<str>> {
    read_text(files, &world.in_first_tree(path)?, FILE_LIMIT).ok()
}

/// A tree that is to be read.
struct Job<'a> {
    machine: Cow<'a, Machine>,
    name: Arc<str>,
    roots: Vec<TreePath>,
    in_flake: bool,
}

/// Whether a tree is that of a specialisation of a machine, or of what a hive says of it, by the names of both.
pub(crate) fn is_variant_of(name: &str, machine: &str) -> bool {
    name.strip_prefix(machine).is_some_and(|rest| rest.starts_with(" (specialisation "))
        || name_outside_hive(name) == Some(machine)
}

/// Whether a tree is that of a hive, and says what the one of `nixosConfigurations` says. Most flakes make both of the same
/// modules.
fn says_nothing_new(tree: &Tree<'_>, all: &[Tree<'_>]) -> bool {
    let Some(name) = name_outside_hive(&tree.name) else { return false };
    let Some(other) = all.iter().find(|other| *other.name == *name) else { return false };
    // What colmena itself reads, and what it sets.
    let is_own = |named: &&Named| match named.path.names() {
        [first, ..] if &**first == "deployment" => true,
        [first, second] => &**first == "networking" && &**second == "hostName",
        _ => false,
    };
    let own = |tree: &Tree<'_>| {
        let mut all: Vec<String> = tree
            .definitions()
            .iter()
            .filter(|named| !is_own(named))
            .map(|named| format!("{:?}", named.definition))
            .collect();
        all.sort_unstable();
        all
    };
    let gaps = |tree: &Tree<'_>| -> HashSet<String> {
        let undecided = tree.configuration.undecided.iter().map(|undecided| format!("{undecided:?}"));
        undecided.chain(tree.configuration.problems.iter().map(|problem| format!("{problem:?}"))).collect()
    };
    gaps(tree).is_subset(&gaps(other)) && own(tree) == own(other)
}

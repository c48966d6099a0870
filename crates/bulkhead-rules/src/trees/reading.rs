//! Which module trees there are: those of the machines' folders, and of the systems that `flake.nix` or `hive.nix` makes.

use std::borrow::Cow;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::World;
use bulkhead_fleet::{Fleet, Machine};
use bulkhead_modules::{Systems, load, load_system, name_outside_hive, systems, systems_file};
use bulkhead_source::{FileTree, TreePath};
use foldhash::HashSet;
use rayon::prelude::*;

use super::mapping::Mapping;
use super::{Named, Tree};

/// The files that a machine's configuration may begin with, in its folder.
const ROOT_FILES: [&str; 2] = ["default.nix", "configuration.nix"];

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
    let mut jobs: Vec<(Cow<'a, Machine>, Vec<TreePath>, bool)> = Vec::new();
    for machine in &fleet.machines {
        let candidates = ROOT_FILES.iter().filter_map(|name| machine.dir.join(name).ok());
        let root = candidates.into_iter().find(|file| files.exists(file));
        let in_flake = made.has_fleet || is_known(&machine.name);
        if in_flake || root.is_some() {
            jobs.push((Cow::Borrowed(machine), root.into_iter().collect(), in_flake));
        }
    }
    let mut unread = Vec::new();
    if let Some(flake) = &flake {
        let is_machine = |name: &str| fleet.machines.iter().any(|machine| *machine.name == *name);
        for system in &made.systems {
            let place = || system.place.clone().unwrap_or_else(|| Place::file(flake.to_arc()));
            match &system.unknown {
                Some(unknown) => unread.push(Unread {
                    name: Some(system.name.clone()),
                    place: place(),
                    reason: unknown.reason.clone(),
                    help: unknown.help.clone(),
                }),
                None if is_machine(&system.name) => {}
                None => {
                    let machine = Machine::without_properties(system.name.clone(), flake.clone(), system.place.clone());
                    jobs.push((Cow::Owned(machine), Vec::new(), true));
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
    let tree = |(machine, roots, in_flake): (Cow<'a, Machine>, Vec<TreePath>, bool)| {
        let configuration = match (&flake, roots.first()) {
            (Some(flake), _) if in_flake => load_system(world, flake, &machine.name, &roots, None),
            (_, Some(root)) => load(world, root),
            _ => return None,
        };
        Some(Tree::new(machine, configuration, in_flake, mapping.clone()))
    };
    let mut all: Vec<Tree<'a>> = jobs.into_par_iter().filter_map(tree).collect();
    let again: Vec<bool> = all.iter().map(|tree| says_nothing_new(tree, &all)).collect();
    let mut again = again.into_iter();
    all.retain(|_| !again.next().unwrap_or_default());
    Trees { all, unread }
}

/// Whether a tree is that of a hive, and says what the one of `nixosConfigurations` says. Most flakes make both of the same
/// modules.
fn says_nothing_new(tree: &Tree<'_>, all: &[Tree<'_>]) -> bool {
    let Some(name) = name_outside_hive(&tree.machine.name) else { return false };
    let Some(other) = all.iter().find(|other| *other.machine.name == *name) else { return false };
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
    let gaps = |tree: &Tree<'_>| tree.configuration.undecided.len() + tree.configuration.problems.len();
    gaps(tree) <= gaps(other) && own(tree) == own(other)
}

//! Which module trees there are: those of the machines' folders, and of the systems that flakes and networks of nodes make.

use std::borrow::Cow;
use std::collections::hash_map::{DefaultHasher, RandomState};
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bulkhead_diagnostics::Place;
use bulkhead_eval::World;
use bulkhead_fleet::{Fleet, Machine};
use bulkhead_modules::{
    Configuration, Definition, OptionPath, Platform, Systems, Wanted, is_of_people, load, load_several,
    name_outside_hive, systems, systems_file,
};
use bulkhead_source::{FileTree, TreePath, read_text};
use foldhash::{HashMap, HashSet};
use rayon::prelude::*;

use super::mapping::Mapping;
use super::{Named, Tree, beginnings};

/// The files that a machine's configuration may begin with, in its folder.
const ROOT_FILES: [&str; 2] = ["default.nix", "configuration.nix"];

/// Longer texts that options name are not read.
const FILE_LIMIT: u64 = 1 << 20;

/// All trees, and what is known not to be among them.
#[derive(Default)]
pub(crate) struct Trees<'a> {
    /// The trees, in the order of the machines; then those of systems that are no machines, by name.
    pub(crate) all: Vec<Tree<'a>>,
    /// Those of nix-darwin, and of home-manager by itself, by name: rules about NixOS know nothing of them.
    pub(crate) others: Vec<Tree<'a>>,
    /// Systems that were not read.
    pub(crate) unread: Vec<Unread>,
    /// Those that were read from where their own modules begin, because nobody is seen to make them: their names, and the files.
    pub(crate) beginnings: Vec<(Arc<str>, Vec<TreePath>)>,
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
    /// Whether it is unknown in a file outside of flakes that makes other systems.
    pub(crate) is_beside: bool,
}

impl<'a> Trees<'a> {
    /// All that may declare secrets: those of other platforms as well.
    pub(crate) fn with_others(&self) -> impl Iterator<Item = &Tree<'a>> {
        self.all.iter().chain(&self.others)
    }

    /// The files that some tree was read from.
    pub(crate) fn files(&self) -> HashSet<&str> {
        let mut files: HashSet<&str> = HashSet::default();
        for tree in self.with_others() {
            files.extend(tree.configuration.modules.iter().map(|module| &*module.file));
            let definitions = tree.definitions().iter().map(|named| &named.definition);
            files.extend(definitions.filter_map(|definition| definition.place()).map(|place| &*place.file));
        }
        files
    }
}

/// A file that makes systems.
struct Source {
    file: TreePath,
    made: Systems,
    /// Whether it is the one at the root, if there is one.
    is_first: bool,
}

impl Source {
    fn makes(&self, name: &str) -> bool {
        self.made.has_fleet && self.is_first
            || self.made.systems.iter().any(|system| *system.name == *name && system.unknown.is_none())
    }
}

/// The trees of all machines that have one, and of the systems of flakes and networks of nodes.
pub(crate) fn read<'a>(fleet: &'a Fleet, files: &dyn FileTree, world: &World) -> Trees<'a> {
    if fleet.module_files.is_empty() {
        return Trees::default();
    }
    Known::of(fleet, files, world).read(fleet, files, world)
}

/// What is known of all machines without reading their modules.
struct Known<'a> {
    /// The file at the root that makes systems, if there is one.
    first: Option<TreePath>,
    /// Those with NixOS.
    jobs: Vec<Job<'a>>,
    /// Those of nix-darwin, and of home-manager by itself.
    of_others: Vec<Job<'a>>,
    unread: Vec<Unread>,
}

impl<'a> Known<'a> {
    fn of(fleet: &'a Fleet, files: &dyn FileTree, world: &World) -> Known<'a> {
        let first = systems_file(files);
        let others = fleet.system_files.iter().filter(|file| first.as_ref() != Some(*file));
        let all_files: Vec<TreePath> = first.iter().cloned().chain(others.cloned()).collect();
        let of_file = |file: TreePath| Source {
            made: systems(world, &file),
            is_first: first.as_ref().is_none_or(|first| *first == file),
            file,
        };
        let sources: Vec<Source> = all_files.into_par_iter().map(of_file).collect();
        let mut jobs: Vec<Job<'a>> = Vec::new();
        let mut taken: HashSet<(usize, Arc<str>)> = HashSet::default();
        for machine in &fleet.machines {
            let candidates = ROOT_FILES.iter().filter_map(|name| machine.dir.join(name).ok());
            let root = candidates.into_iter().find(|file| files.exists(file));
            let source = sources.iter().position(|source| source.makes(&machine.name));
            if source.is_some() || root.is_some() {
                let name = machine.name.clone();
                taken.extend(source.map(|source| (source, name.clone())));
                let made_by = source.and_then(|source| sources.get(source)).map(|source| source.file.clone());
                jobs.push(Job {
                    machine: Cow::Borrowed(machine),
                    given: name.clone(),
                    name,
                    roots: root.into_iter().collect(),
                    made_by,
                    may_repeat: false,
                    platform: Platform::NixOs,
                });
            }
        }
        let (mut unread, mut of_others) = (Vec::new(), Vec::new());
        let machine = |name: &str| fleet.machines.iter().find(|machine| *machine.name == *name);
        for (index, Source { file, made, is_first }) in sources.iter().enumerate() {
            let file_place = || Place::file(file.to_arc());
            let written = |place: &Option<Place>| place.clone().filter(is_of_people).unwrap_or_else(file_place);
            for system in &made.systems {
                let place = || system.place.clone().unwrap_or_else(file_place);
                match &system.unknown {
                    Some(unknown) => unread.push(Unread {
                        name: Some(system.name.clone()),
                        place: place(),
                        reason: unknown.reason.clone(),
                        help: unknown.help.clone(),
                        is_beside: false,
                    }),
                    None if system.platform != Platform::NixOs => of_others.push(Job {
                        machine: Cow::Owned(Machine::without_properties(
                            system.name.clone(),
                            file.clone(),
                            system.place.clone(),
                        )),
                        name: if *is_first {
                            system.name.clone()
                        } else {
                            Arc::from(format!("{} ({file})", system.name))
                        },
                        given: system.name.clone(),
                        roots: Vec::new(),
                        made_by: Some(file.clone()),
                        may_repeat: !is_first || !is_named(&system.name),
                        platform: system.platform,
                    }),
                    None if taken.contains(&(index, system.name.clone())) => {}
                    None => {
                        let name: Arc<str> =
                            name_outside_hive(&system.name).map_or_else(|| system.name.clone(), Arc::from);
                        let without = || Machine::without_properties(name.clone(), file.clone(), system.place.clone());
                        let is_known = jobs.iter().any(|job| job.name == system.name);
                        jobs.push(Job {
                            machine: machine(&name).map_or_else(|| Cow::Owned(without()), Cow::Borrowed),
                            name: if is_known {
                                Arc::from(format!("{} ({file})", system.name))
                            } else {
                                system.name.clone()
                            },
                            given: system.name.clone(),
                            roots: Vec::new(),
                            made_by: Some(file.clone()),
                            may_repeat: !is_first || system.is_product || name_outside_hive(&system.name).is_some(),
                            platform: Platform::NixOs,
                        });
                    }
                }
            }
            // What is no flake may give anything; it matters where it gives systems, or has words of what rules read.
            let is_told = !made.is_plain || !made.systems.is_empty() || fleet.module_files.contains(file);
            if let Some((reason, place)) = made.unknown.as_ref().filter(|_| is_told) {
                unread.push(Unread {
                    name: None,
                    place: written(place),
                    reason: reason.reason.clone(),
                    help: reason.help.clone(),
                    is_beside: made.is_plain && !made.systems.is_empty(),
                });
            }
            if let Some(problem) = &made.problem {
                unread.push(Unread {
                    name: None,
                    place: written(&problem.place),
                    reason: Arc::from(&*problem.message),
                    help: problem.help.as_deref().map(Arc::from),
                    is_beside: false,
                });
            }
        }
        Known { first, jobs, of_others, unread }
    }

    fn read(self, fleet: &'a Fleet, files: &dyn FileTree, world: &World) -> Trees<'a> {
        let Known { first, jobs, of_others, unread } = self;
        let mapping = Arc::new(Mapping::new(&fleet.config.toml.mappings));
        let trees = |job: &Job<'a>, mut configuration: Configuration| {
            let Job { machine, name, made_by, may_repeat, .. } = job;
            let specialised = std::mem::take(&mut configuration.specialisations).into_iter().map(|special| {
                let name = Arc::from(format!("{name} (specialisation {})", special.name));
                (name, special.configuration)
            });
            let all: Vec<(Arc<str>, Configuration)> = specialised.collect();
            let all = std::iter::once((name.clone(), configuration)).chain(all).enumerate();
            let is_whole = made_by.is_some();
            let text_of = |path: &str| text_of(world, files, path);
            let tree = |(index, (name, configuration)): (usize, (Arc<str>, Configuration))| {
                let tree = Tree::new(machine.clone(), name, configuration, is_whole, mapping.clone(), &text_of);
                Tree { is_special: index > 0, ..tree }
            };
            all.map(|named| (tree(named), *may_repeat)).collect::<Vec<_>>()
        };
        let read = |jobs: Vec<Job<'a>>| {
            // Those of one file together.
            let mut files: Vec<Option<&TreePath>> = Vec::new();
            for job in &jobs {
                if !files.contains(&job.made_by.as_ref()) {
                    files.push(job.made_by.as_ref());
                }
            }
            let of_file = |file: Option<&TreePath>| {
                let of_file = jobs.iter().enumerate().filter(|(_, job)| job.made_by.as_ref() == file);
                let own: Vec<(usize, &Job<'a>)> = of_file.collect();
                let read: Vec<Vec<(Tree<'a>, bool)>> = match file {
                    Some(file) => {
                        let wanted: Vec<Wanted<'_>> =
                            own.iter().map(|(_, job)| Wanted::System(&job.given, &job.roots)).collect();
                        let made = |index: usize, configuration| {
                            own.get(index).map(|(_, job)| trees(job, configuration)).unwrap_or_default()
                        };
                        load_on_all_threads(world, Some(file), &wanted, &made)
                    }
                    None => {
                        let read = |(_, job): &(usize, &Job<'a>)| {
                            job.roots.first().map(|root| trees(job, load(world, root))).unwrap_or_default()
                        };
                        own.par_iter().map(read).collect()
                    }
                };
                own.iter().map(|(index, _)| *index).zip(read).collect::<Vec<_>>()
            };
            let mut all: Vec<(usize, Vec<(Tree<'a>, bool)>)> = files.into_par_iter().flat_map_iter(of_file).collect();
            all.sort_by_key(|(index, _)| *index);
            without_repetitions(all.into_iter().flat_map(|(_, trees)| trees).collect())
        };
        let mut trees = Trees { all: read(jobs), others: read(of_others), unread, beginnings: Vec::new() };
        if !trees.unread.is_empty() {
            let named: HashSet<&str> = trees.unread.iter().filter_map(|unread| unread.name.as_deref()).collect();
            let found = beginnings::find(world, first.as_ref(), &fleet.nix_files, &trees.files(), &named);
            for beginning in found {
                let name: Arc<str> = Arc::from(&*beginning.name);
                let is_known = trees.all.iter().any(|tree| tree.name == name);
                let file = beginning.file().clone();
                let shown = if is_known { Arc::from(format!("{name} ({file})")) } else { name.clone() };
                let machine = match fleet.machines.iter().find(|machine| machine.name == name) {
                    Some(machine) => Cow::Borrowed(machine),
                    None => Cow::Owned(Machine::without_properties(name, file, None)),
                };
                trees.beginnings.push((shown.clone(), beginning.roots));
                let text_of = |path: &str| text_of(world, files, path);
                trees.all.push(Tree::new(machine, shown, beginning.configuration, false, mapping.clone(), &text_of));
            }
        }
        trees
    }
}

/// A system that [`crate::run`] reads and that no `properties.nix` makes a machine of the fleet.
#[derive(Clone, Debug)]
pub struct OtherSystem {
    /// What findings call it.
    pub name: Arc<str>,
    /// The file that makes it, or in which its own modules begin.
    pub file: TreePath,
    /// Where it is named.
    pub place: Place,
    /// What it is a system of.
    pub platform: Platform,
    /// How its modules are found.
    pub origin: Origin,
}

/// Whether a system has its name where others look for it, and not just in something that a flake gives out.
fn is_named(name: &str) -> bool {
    let outputs = ["darwinConfigurations.", "homeConfigurations."];
    outputs.iter().any(|output| name.starts_with(output))
        && OptionPath::parse(name).is_ok_and(|path| path.names().len() == 2)
}

/// How the modules of a system are found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The file makes the system, under this name: [`bulkhead_modules::load_system`].
    Made(Arc<str>),
    /// Nobody is seen to make it, and its own modules begin in these files: [`bulkhead_modules::Wanted::Beginning`].
    Begins(Vec<TreePath>),
}

/// All systems without a `properties.nix`, by name as they are judged, and why there may be more. Modules are read only where
/// it takes that to tell.
pub fn other_systems(fleet: &Fleet, files: &dyn FileTree, world: &World) -> (Vec<OtherSystem>, Vec<Arc<str>>) {
    let known = Known::of(fleet, files, world);
    let other = |job: &Job<'_>, platform| OtherSystem {
        name: job.name.clone(),
        file: job.machine.file.clone(),
        place: job.machine.place.clone(),
        platform,
        origin: Origin::Made(job.given.clone()),
    };
    let of_nixos = known.jobs.iter().filter(|job| matches!(job.machine, Cow::Owned(_)));
    let mut systems: Vec<OtherSystem> = of_nixos.map(|job| other(job, Platform::NixOs)).collect();
    systems.extend(known.of_others.iter().map(|job| other(job, job.platform)));
    let unread = known.unread.iter().map(|unread| unread.reason.clone()).collect();
    if !known.unread.is_empty() || known.jobs.iter().chain(&known.of_others).any(|job| job.may_repeat) {
        let trees = known.read(fleet, files, world);
        let read: HashSet<&str> = trees.with_others().map(|tree| &*tree.name).collect();
        systems.retain(|system| read.contains(&*system.name));
        systems.extend(trees.beginnings.iter().filter_map(|(name, roots)| {
            let file = roots.first()?.clone();
            if fleet.machines.iter().any(|machine| machine.name == *name) {
                return None;
            }
            let place = Place::file(file.to_arc());
            Some(OtherSystem {
                name: name.clone(),
                file,
                place,
                platform: Platform::NixOs,
                origin: Origin::Begins(roots.clone()),
            })
        }));
    }
    systems.sort_by(|a, b| a.name.cmp(&b.name));
    (systems, unread)
}

/// Read machines that a file makes, or might make, on all threads.
pub(super) fn load_on_all_threads<R: Send>(
    world: &World,
    file: Option<&TreePath>,
    wanted: &[Wanted<'_>],
    made: &(dyn Fn(usize, Configuration) -> R + Sync),
) -> Vec<R> {
    let taken = AtomicUsize::new(0);
    let threads = rayon::current_num_threads().min(wanted.len());
    let read = |_| load_several(world, file, wanted, &taken, made);
    let mut all: Vec<(usize, R)> = (0..threads).into_par_iter().flat_map_iter(read).collect();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, read)| read).collect()
}

/// What is in the file of the fleet that a path value names, if it is a text.
pub(crate) fn text_of(world: &World, files: &dyn FileTree, path: &str) -> Option<Arc<str>> {
    read_text(files, &world.in_first_tree(path)?, FILE_LIMIT).ok()
}

/// A tree that is to be read.
struct Job<'a> {
    machine: Cow<'a, Machine>,
    name: Arc<str>,
    /// What it is called where it is made.
    given: Arc<str>,
    roots: Vec<TreePath>,
    /// The file that makes a system of it.
    made_by: Option<TreePath>,
    /// Whether it is left out where it says what another one says.
    may_repeat: bool,
    platform: Platform,
}

/// Whether a tree is that of a specialisation of a machine, or of what a hive says of it, by the names of both.
pub(crate) fn is_variant_of(name: &str, machine: &str) -> bool {
    name.strip_prefix(machine).is_some_and(|rest| rest.starts_with(" (specialisation "))
        || name_outside_hive(name) == Some(machine)
}

/// Hashes a text that is never put together.
struct Hashed(DefaultHasher);

impl std::fmt::Write for Hashed {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

/// The trees without those that may repeat others, and do: most flakes make hives, images and what deploy-rs takes of the same
/// modules as their systems.
fn without_repetitions(all: Vec<(Tree<'_>, bool)>) -> Vec<Tree<'_>> {
    if all.iter().all(|(_, may_repeat)| !may_repeat) {
        return all.into_iter().map(|(tree, _)| tree).collect();
    }
    // What colmena itself reads, and what it sets.
    let is_own = |named: &&Named| match named.path.names() {
        [first, ..] if &**first == "deployment" => true,
        [first, second] => &**first == "networking" && &**second == "hostName",
        _ => false,
    };
    // What is equal is told by a hash that nobody can foresee.
    let state = RandomState::new();
    let hashed = |told: std::fmt::Arguments<'_>| {
        let mut hashed = Hashed(state.build_hasher());
        // It takes whatever it is given.
        let _ = hashed.write_fmt(told);
        hashed.0.finish()
    };
    // The file alone tells where a module was given to the system.
    let written = |named: &Named| {
        let Definition { path, key, value, condition, priority, order, .. } = &named.definition;
        hashed(format_args!("{path:?} {key:?} {value:?} {condition:?} {priority} {order}"))
    };
    let said = |tree: &Tree<'_>| {
        let mut all: Vec<u64> = tree.definitions().iter().filter(|named| !is_own(named)).map(written).collect();
        all.sort_unstable();
        all
    };
    let gaps = |tree: &Tree<'_>| -> HashSet<u64> {
        let undecided = tree.configuration.undecided.iter().map(|undecided| hashed(format_args!("{undecided:?}")));
        undecided.chain(tree.configuration.problems.iter().map(|problem| hashed(format_args!("{problem:?}")))).collect()
    };
    type Said = (Vec<u64>, HashSet<u64>);
    let all: Vec<(Tree<'_>, bool, Said)> = all
        .into_par_iter()
        .map(|(tree, may_repeat)| {
            let said = (said(&tree), gaps(&tree));
            (tree, may_repeat, said)
        })
        .collect();
    let mut kept: Vec<Tree<'_>> = Vec::new();
    let mut known: HashMap<Vec<u64>, Vec<HashSet<u64>>> = HashMap::default();
    // Those that stay come first, whatever they are called.
    for (.., (said, gaps)) in all.iter().filter(|(_, may_repeat, _)| !may_repeat) {
        known.entry(said.clone()).or_default().push(gaps.clone());
    }
    for (tree, may_repeat, (said, gaps)) in all {
        if may_repeat {
            let others = known.entry(said).or_default();
            if others.iter().any(|other| gaps.is_subset(other)) {
                continue;
            }
            others.push(gaps);
        }
        kept.push(tree);
    }
    kept
}

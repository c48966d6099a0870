//! Where the modules of machines begin that nobody is seen to make: what a library of another project makes of a folder of
//! hosts can't be told without it, but the hosts can be read.

use bulkhead_eval::World;
use bulkhead_eval::data::DataKind;
use bulkhead_modules::{Configuration, Wanted};
use bulkhead_source::TreePath;
use foldhash::{HashMap, HashSet};

use super::reading::load_on_all_threads;

/// What fleets call the folders of their machines.
const FOLDERS: [&str; 14] = [
    "computers",
    "configurations",
    "devices",
    "host",
    "hosts",
    "machine",
    "machines",
    "nixosConfigurations",
    "nixos-configurations",
    "node",
    "nodes",
    "servers",
    "system",
    "systems",
];

/// What is in these is no machine of the fleet, nor of NixOS.
const APART: [&str; 10] =
    ["darwin", "doc", "docs", "example", "examples", "home", "template", "templates", "test", "tests"];

/// What is in these below a folder of machines is for many of them.
const FOR_MANY: [&str; 10] =
    ["base", "common", "default", "defaults", "generic", "global", "lib", "modules", "profiles", "shared"];

/// Where a machine begins in its folder, besides a file of the folder's name.
const BEGINNINGS: [&str; 8] = [
    "config.nix",
    "configuration.nix",
    "default.nix",
    "host.nix",
    "main.nix",
    "nixos.nix",
    "physical.nix",
    "system.nix",
];

/// What lies beside a machine's configuration and belongs to it, whoever imports it.
const BESIDE: [&str; 5] = ["disk-config.nix", "disko.nix", "disks.nix", "hardware-configuration.nix", "hardware.nix"];

/// Options that tell a machine from a module for many.
const OF_MACHINES: [&[&str]; 9] = [
    &["boot", "initrd", "availableKernelModules"],
    &["boot", "loader"],
    &["disko", "devices"],
    &["fileSystems"],
    &["microvm", "interfaces"],
    &["networking", "hostId"],
    &["networking", "hostName"],
    &["nixpkgs", "hostPlatform"],
    &["system", "stateVersion"],
];

/// Options of another system than NixOS, or of no system at all.
const OF_OTHERS: [&str; 5] = ["flake", "home", "homebrew", "launchd", "perSystem"];

/// A machine, and what its own modules say.
pub(super) struct Beginning {
    pub(super) name: String,
    /// Where they begin, and what belongs to it, whoever imports that.
    pub(super) roots: Vec<TreePath>,
    pub(super) configuration: Configuration,
}

impl Beginning {
    /// The file that they begin in.
    pub(super) fn file(&self) -> &TreePath {
        &self.roots[0]
    }
}

/// The machines among `files`, of which those in `read` belong to others. `flake` is what they may be made by; what is called
/// like one that is `named` somewhere is one.
pub(super) fn find(
    world: &World,
    flake: Option<&TreePath>,
    files: &[TreePath],
    read: &HashSet<&str>,
    named: &HashSet<&str>,
) -> Vec<Beginning> {
    let all: HashSet<&str> = files.iter().map(TreePath::as_str).collect();
    let mut by_depth: HashMap<usize, Vec<(Candidate, &TreePath)>> = HashMap::default();
    for file in files.iter().filter(|file| !read.contains(file.as_str())) {
        if let Some(candidate) = candidate(file) {
            by_depth.entry(candidate.depth).or_default().push((candidate, file));
        }
    }
    let mut depths: Vec<usize> = by_depth.keys().copied().collect();
    depths.sort_unstable();
    let mut found: Vec<Beginning> = Vec::new();
    // Below a machine's folder are its parts.
    let mut taken: Vec<String> = Vec::new();
    for depth in depths {
        let same = by_depth.remove(&depth).unwrap_or_default();
        let is_open = |(candidate, _): &(Candidate, &TreePath)| {
            !taken.iter().any(|folder| candidate.folder.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
        };
        let open: Vec<(Candidate, &TreePath)> = same.into_iter().filter(is_open).collect();
        let roots = |(candidate, file): &(Candidate, &TreePath)| -> Vec<TreePath> {
            let beside = BESIDE.iter().filter_map(|name| file.parent()?.join(name).ok());
            let beside = beside.filter(|path| candidate.has_folder && all.contains(path.as_str()));
            std::iter::once((*file).clone()).chain(beside).collect()
        };
        let roots: Vec<Vec<TreePath>> = open.iter().map(roots).collect();
        let wanted: Vec<Wanted<'_>> = roots.iter().map(|roots| Wanted::Beginning(roots)).collect();
        let configurations = load_on_all_threads(world, flake, &wanted, &|index, configuration| {
            let is_named = open.get(index).is_some_and(|(candidate, _)| named.contains(candidate.name.as_str()));
            is_machine(&configuration, is_named).then_some(configuration)
        });
        let mut loaded: Vec<(Candidate, Vec<TreePath>, Configuration)> = open
            .into_iter()
            .zip(roots)
            .zip(configurations)
            .filter_map(|(((candidate, _), roots), configuration)| Some((candidate, roots, configuration?)))
            .collect();
        // Of several in a folder the one counts that has most of it.
        loaded.sort_by(|(_, a, of_a), (_, b, of_b)| of_b.modules.len().cmp(&of_a.modules.len()).then_with(|| a.cmp(b)));
        for (candidate, roots, configuration) in loaded {
            if taken.contains(&candidate.folder) {
                continue;
            }
            taken.push(candidate.folder);
            found.push(Beginning { name: candidate.name, roots, configuration });
        }
    }
    // One that another one imports is a part of it.
    let parts: HashSet<String> = found
        .iter()
        .flat_map(|beginning| {
            let modules = beginning.configuration.modules.iter().map(|module| &*module.file);
            modules.filter(|file| *file != beginning.file().as_str()).map(str::to_owned)
        })
        .collect();
    found.retain(|beginning| !parts.contains(beginning.file().as_str()));
    found.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.roots.cmp(&b.roots)));
    found
}

/// A file that may be where a machine begins.
struct Candidate {
    name: String,
    /// What belongs to the machine alone: its folder, or the file without its ending.
    folder: String,
    /// Whether that is a folder.
    has_folder: bool,
    depth: usize,
}

/// What a file in a folder of machines is by its name, if it may be one.
fn candidate(file: &TreePath) -> Option<Candidate> {
    let names: Vec<&str> = file.as_str().split('/').collect();
    let (last, folders) = names.split_last()?;
    let around = folders.iter().position(|name| FOLDERS.contains(name))?;
    // What begins with `_` is a template, or left out by who loads folders.
    if folders.iter().any(|name| APART.contains(name) || name.ends_with("-darwin") || name.starts_with('_'))
        || last.starts_with('_')
    {
        return None;
    }
    let below = folders.get(around + 1..)?;
    let stem = last.strip_suffix(".nix")?;
    if below.iter().any(|name| FOR_MANY.contains(name)) || FOR_MANY.contains(&stem) && below.is_empty() {
        return None;
    }
    match below.last() {
        Some(name) if BEGINNINGS.contains(last) || stem == *name => Some(Candidate {
            name: (*name).to_owned(),
            folder: folders.join("/"),
            has_folder: true,
            depth: folders.len(),
        }),
        None => Some(Candidate {
            name: stem.to_owned(),
            folder: format!("{}/{stem}", folders.join("/")),
            has_folder: false,
            depth: names.len(),
        }),
        _ => None,
    }
}

/// Whether modules are those of a machine with NixOS, by what they say; one that is `named` need not say more than others.
fn is_machine(configuration: &Configuration, is_named: bool) -> bool {
    let mut is_machine = is_named;
    for definition in &configuration.definitions {
        let names: Vec<&str> = definition.path.names().iter().map(|name| &**name).collect();
        let value = &definition.value.kind;
        let is_of_others = names.first().is_some_and(|first| OF_OTHERS.contains(first)) && names.len() > 1
            // nix-darwin counts its versions.
            || (names == ["system", "stateVersion"] && matches!(value, DataKind::Int(_)))
            || matches!(value, DataKind::String(text) if names == ["nixpkgs", "hostPlatform"] && text.ends_with("-darwin"));
        if is_of_others {
            return false;
        }
        is_machine |= OF_MACHINES.iter().any(|known| names.starts_with(known));
    }
    is_machine
}

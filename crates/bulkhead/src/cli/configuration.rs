//! The configuration of a machine, as the commands about it load it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use bulkhead_diagnostics::{Place, nearest};
use bulkhead_eval::data::{Failure, Unknown};
use bulkhead_fleet::LoadOptions;
use bulkhead_modules::{
    Configuration, NIXOS_FILES, Nixos, OptionPath, Platform, System, Undecided, given_besides, load_all,
    load_beginning, load_nixos, load_system, systems, systems_file,
};
use bulkhead_rules::{Origin, OtherSystem, other_systems};
use bulkhead_source::TreePath;

use super::args::{Global, ModulesArgs};
use super::output;
use super::root_module::root_module;
use crate::Project;

/// The file with the `lib` of a nixpkgs.
const LIB: &str = "lib/default.nix";

/// What the modules of NixOS take: about six times what a machine without services does.
const STEPS: u64 = 20_000_000_000;
const MEMORY: u64 = 10 << 30;

/// The platform that is taken where neither modules nor `properties.nix` say one.
const PLATFORM: &str = "x86_64-linux";

/// Read the modules of a machine: its own, those that `flake.nix` gives a machine of that name, those that `args` add, and
/// with `--nixpkgs` those of NixOS. Of these the options below `listed` are told. Gives the file that they start at, too.
pub fn load(
    project: &mut Project,
    global: &Global,
    args: &ModulesArgs,
    machine: &str,
    listed: &OptionPath,
) -> Result<(TreePath, Configuration)> {
    let mut given = Given::of(project, machine)?;
    let mut platform = Platform::NixOs;
    let (root, mut roots) = match (root_module(project, machine), &given) {
        (Ok(root), _) => (root.clone(), vec![root]),
        (Err(_), Given::System(file, of)) => {
            platform = *of;
            (file.clone(), Vec::new())
        }
        (Err(error), _) => {
            let error = match &given {
                Given::Unknown(undecided) => error.context(format!("{}: {}", undecided.what, undecided.reason.reason)),
                _ => error,
            };
            let system = elsewhere(project, machine, error)?;
            given = Given::Elsewhere(system.origin);
            platform = system.platform;
            (system.file, Vec::new())
        }
    };
    for module in &args.modules {
        match TreePath::new(module) {
            Ok(path) if project.tree().exists(&path) => roots.push(path),
            _ => bail!("--module {module}: there is no such file in {}", project.tree().describe()),
        }
    }
    let nixos = match platform {
        Platform::NixOs => nixos(project, global, &root, listed)?,
        of if global.nixpkgs.is_some() => {
            output::tell(&format!("`{machine}` is a system of {}: the modules of NixOS are not read", of.as_str()));
            None
        }
        _ => None,
    };
    let world = project.world();
    let mut configuration = match (&given, &nixos) {
        (Given::Elsewhere(Origin::Made(name)), _) => load_system(world, &root, name, &roots, nixos.as_ref()),
        (Given::Elsewhere(Origin::Begins(files)), Some(nixos)) => {
            let mut configuration = load_nixos(world, &[files.as_slice(), &roots].concat(), nixos);
            configuration.undecided.push(given_besides(systems_file(project.tree()).as_ref()));
            configuration
        }
        (Given::Elsewhere(Origin::Begins(files)), None) => {
            let files = [files.as_slice(), &roots].concat();
            load_beginning(world, systems_file(project.tree()).as_ref(), &files)
        }
        (Given::System(flake, _) | Given::Fleet(flake), _) => {
            load_system(world, flake, machine, &roots, nixos.as_ref())
        }
        (_, Some(nixos)) => load_nixos(world, &roots, nixos),
        (_, None) => load_all(world, &roots),
    };
    if let Given::Unknown(undecided) = given {
        configuration.undecided.push(undecided);
    }
    Ok((root, configuration))
}

/// A system that another file makes, or whose own modules begin somewhere; `error` says that nothing else is called so.
fn elsewhere(project: &Project, name: &str, error: anyhow::Error) -> Result<OtherSystem> {
    let fleet = project.fleet(&LoadOptions::default())?;
    let (systems, _) = other_systems(&fleet, project.tree(), project.world());
    if let Some(system) = systems.iter().find(|system| &*system.name == name) {
        return Ok(system.clone());
    }
    let called: Vec<&OtherSystem> = systems.iter().filter(|system| is_called(system, name)).collect();
    match called.as_slice() {
        [system] => return Ok((*system).clone()),
        [] => {}
        several => {
            let names: Vec<String> = several.iter().map(|system| format!("`{}`", system.name)).collect();
            bail!("several systems are called `{name}`: {}", names.join(", "));
        }
    }
    let machines = fleet.machines.iter().map(|machine| &*machine.name);
    let short: Vec<Arc<str>> = systems.iter().filter_map(short_name).collect();
    let near =
        nearest(name, machines.chain(systems.iter().map(|system| &*system.name)).chain(short.iter().map(|s| &**s)));
    match near {
        Some(near) => bail!("no machine is called `{name}`; did you mean `{near}`?"),
        None => Err(error),
    }
}

/// What people call a system, as do the programs that switch to one: of `homeConfigurations."me@host"`, `me@host`.
pub fn short_name(system: &OtherSystem) -> Option<Arc<str>> {
    let Origin::Made(given) = &system.origin else { return None };
    let path = OptionPath::parse(given).ok()?;
    path.names().get(1..)?.last().cloned()
}

/// Whether a system is called so: by its last name, or by all of them without quotation marks.
fn is_called(system: &OtherSystem, name: &str) -> bool {
    let Origin::Made(given) = &system.origin else { return false };
    let whole = || OptionPath::parse(given).is_ok_and(|path| path.names().join(".") == name);
    short_name(system).is_some_and(|short| *short == *name) || whole()
}

/// The modules that `flake.nix` (or `hive.nix`) gives a machine.
enum Given {
    /// None: there is no flake, it does not name the machine, or a file was asked for and no machine.
    Nothing,
    /// Those of a system that this flake makes, and what it is one of.
    System(TreePath, Platform),
    /// Those that this flake gives all machines of a fleet.
    Fleet(TreePath),
    /// None: another file makes the system, or its own modules are all that is seen of it.
    Elsewhere(Origin),
    /// They can't be known.
    Unknown(Undecided),
}

impl Given {
    fn of(project: &Project, machine: &str) -> Result<Given> {
        let is_file = TreePath::new(machine).is_ok_and(|path| project.tree().exists(&path));
        let Some(flake) = systems_file(project.tree()).filter(|_| !is_file) else {
            return Ok(Given::Nothing);
        };
        let made = systems(project.world(), &flake);
        let system = made.systems.iter().find(|system| &*system.name == machine);
        let place = || Some(Place::file(flake.to_arc()));
        let unknown = match (system, made.unknown, made.problem) {
            (Some(System { unknown: None, platform, .. }), ..) => return Ok(Given::System(flake, *platform)),
            (Some(System { unknown: Some(reason), place, .. }), ..) => Some((reason.clone(), place.clone())),
            (None, ..) if made.has_fleet => return Ok(Given::Fleet(flake)),
            (None, Some((reason, at)), _) => Some((reason, at.or_else(place))),
            (None, None, Some(Failure { message, help, place: at, .. })) => {
                let reason = Unknown { reason: message.into(), help: help.map(Into::into), place: None };
                Some((reason, at.or_else(place)))
            }
            (None, None, None) => None,
        };
        let what = match flake.name() {
            "flake.nix" => "the modules that flake.nix gives it are unknown",
            _ => "the modules that hive.nix gives it are unknown",
        };
        Ok(unknown.map_or(Given::Nothing, |(reason, place)| {
            Given::Unknown(Undecided { path: OptionPath::root(), what, reason, place })
        }))
    }
}

/// The nixpkgs that `--nixpkgs` names.
///
/// # Errors
/// Its `lib` is not where that of a nixpkgs is: the built-in one would be used in its place.
pub fn with_lib(global: &Global) -> Result<Option<&PathBuf>> {
    if let Some(nixpkgs) = &global.nixpkgs
        && !nixpkgs.join(LIB).is_file()
    {
        bail!("--nixpkgs {0}: this is no nixpkgs: there is no {0}/{LIB}", nixpkgs.display());
    }
    Ok(global.nixpkgs.as_ref())
}

/// With what NixOS' own modules are read, if `--nixpkgs` names a nixpkgs that has them.
fn nixos(project: &mut Project, global: &Global, root: &TreePath, listed: &OptionPath) -> Result<Option<Nixos>> {
    let Some(nixpkgs) = with_lib(global)? else { return Ok(None) };
    if let Some(missing) = NIXOS_FILES.iter().find(|file| !nixpkgs.join(file).exists()) {
        let nixpkgs = nixpkgs.display();
        output::tell(&format!("{nixpkgs} has no {missing}: its `lib` is used, and NixOS' own modules are not read"));
        return Ok(None);
    }
    project.allow(STEPS, MEMORY);
    let platform = platform(project, root)?.unwrap_or_else(|| {
        output::tell(&format!("unless a module sets nixpkgs.hostPlatform, it is taken to be {PLATFORM}"));
        PLATFORM.to_owned()
    });
    Ok(Some(Nixos { platform: Some(platform), listed: listed.clone() }))
}

/// What `properties.nix` says of the machine's platform.
fn platform(project: &Project, root: &TreePath) -> Result<Option<String>> {
    let fleet = project.fleet(&LoadOptions::default())?;
    let machine = fleet.machines.iter().find(|machine| root.parent().as_ref() == Some(&machine.dir));
    let arch = machine.and_then(|machine| machine.arch.known());
    Ok(arch.map(|arch| arch.value.as_str().to_owned()))
}

//! The configuration of a machine, as the commands about it load it.

use anyhow::{Result, bail};
use bulkhead_fleet::LoadOptions;
use bulkhead_modules::{Configuration, NIXOS_FILES, Nixos, OptionPath, load_all, load_nixos};
use bulkhead_source::TreePath;

use super::args::{Global, ModulesArgs};
use super::output;
use super::root_module::root_module;
use crate::Project;

/// What the modules of NixOS take: about six times what a machine without services does.
const STEPS: u64 = 20_000_000_000;
const MEMORY: u64 = 10 << 30;

/// The platform that is taken where neither modules nor `properties.nix` say one.
const PLATFORM: &str = "x86_64-linux";

/// Read the modules of a machine: its own, those that `args` add, and with `--nixpkgs` those of NixOS. Of these the options
/// below `listed` are told. Gives the file that the machine's own start at, too.
pub fn load(
    project: &mut Project,
    global: &Global,
    args: &ModulesArgs,
    machine: &str,
    listed: &OptionPath,
) -> Result<(TreePath, Configuration)> {
    let root = root_module(project, machine)?;
    let mut roots = vec![root.clone()];
    for module in &args.modules {
        match TreePath::new(module) {
            Ok(path) if project.tree().exists(&path) => roots.push(path),
            _ => bail!("--module {module}: there is no such file in {}", project.tree().describe()),
        }
    }
    let Some(nixpkgs) = global.nixpkgs.as_ref() else { return Ok((root, load_all(project.world(), &roots))) };
    if let Some(missing) = NIXOS_FILES.iter().find(|file| !nixpkgs.join(file).exists()) {
        let nixpkgs = nixpkgs.display();
        output::tell(&format!("{nixpkgs} has no {missing}: its `lib` is used, and NixOS' own modules are not read"));
        return Ok((root, load_all(project.world(), &roots)));
    }
    project.allow(STEPS, MEMORY);
    let nixos = Nixos { platform: Some(platform(project, &root)?), listed: listed.clone() };
    let configuration = load_nixos(project.world(), &roots, &nixos);
    Ok((root, configuration))
}

/// What `properties.nix` says of the machine's platform.
fn platform(project: &Project, root: &TreePath) -> Result<String> {
    let fleet = project.fleet(&LoadOptions::default())?;
    let machine = fleet.machines.iter().find(|machine| root.parent().as_ref() == Some(&machine.dir));
    let arch = machine.and_then(|machine| machine.arch.known());
    Ok(arch.map_or(PLATFORM, |arch| arch.value.as_str()).to_owned())
}

//! Where the modules of a machine start.

use anyhow::{Result, bail};
use bulkhead_fleet::LoadOptions;
use bulkhead_source::TreePath;

use crate::Project;

/// Files that a machine's folder may begin with.
const ROOT_FILES: &[&str] = &["default.nix", "configuration.nix"];

/// The file that a machine's configuration starts at: of a machine by its name, or a file or folder.
pub fn root_module(project: &Project, name: &str) -> Result<TreePath> {
    if let Ok(path) = TreePath::new(name) {
        let inside = ROOT_FILES.iter().filter_map(|file| path.join(file).ok()).find(|file| project.tree().exists(file));
        if let Some(file) = inside {
            return Ok(file);
        }
        if name.ends_with(".nix") && project.tree().exists(&path) {
            return Ok(path);
        }
    }
    let fleet = project.fleet(&LoadOptions::default())?;
    let Some(machine) = fleet.machines.iter().find(|machine| &*machine.name == name) else {
        bail!("no machine is called `{name}`, and there is no such file; `bulkhead machines` lists the machines");
    };
    let files = ROOT_FILES.iter().filter_map(|file| machine.dir.join(file).ok());
    match files.into_iter().find(|file| project.tree().exists(file)) {
        Some(file) => Ok(file),
        None => bail!("`{name}` has no configuration: there is no {}/default.nix", machine.dir.as_str()),
    }
}

//! `install-hooks`.

use anyhow::Result;
use bulkhead_source::{FileTree, GitTree, TreePath};

use super::args::{Global, HooksArgs};
use super::{OK, Program, output};
use crate::hooks::{Installed, install as install_hook};

pub fn install(program: Program, global: &Global, args: &HooksArgs) -> Result<u8> {
    let root = output::root(program, global, None)?;
    let command = match &args.command {
        Some(command) => command.clone(),
        None => program.name.to_owned(),
    };
    let said = match install_hook(&root, &command)? {
        Installed::New(path) => format!("installed {}", path.display()),
        Installed::Replaced(path) => format!("replaced {}", path.display()),
        Installed::Unchanged(path) => format!("{} is there already", path.display()),
    };
    let is_empty = |staged: GitTree| staged.list(&TreePath::root()).is_ok_and(|entries| entries.is_empty());
    if GitTree::index(&root).is_ok_and(is_empty) {
        output::tell(
            "nothing is committed or staged here yet: the hook refuses commits until there is a fleet in them",
        );
    }
    output::print(&format!("{said}\nit runs `{command} check --staged` before each commit\n"))?;
    Ok(OK)
}

//! `install-hooks`.

use anyhow::Result;

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
    output::print(&format!("{said}\nit runs `{command} check --staged` before each commit\n"))?;
    Ok(OK)
}

//! What functions of nix/lib give, evaluated by Nix.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// The folder `nix/lib` of this repository.
pub fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nix/lib")
}

/// Apply a function to an argument, and give the result. The function is an expression in which the functions of `nix/lib`
/// have their names.
///
/// # Errors
/// Nix is not installed, or evaluation fails.
pub fn evaluate(function: &str, argument: &Value) -> Result<Value> {
    let library = library().canonicalize()?;
    let expression = format!("{{ json }}: with import {}; ({function}) (builtins.fromJSON json)", library.display());
    let Output { status, stdout, stderr } = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr", &expression, "--argstr", "json", &argument.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("can't run nix-instantiate")?;
    ensure!(status.success(), "evaluating {function}: {}", String::from_utf8_lossy(&stderr));
    Ok(serde_json::from_slice(&stdout)?)
}

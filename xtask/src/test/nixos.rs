//! What needs a nixpkgs: the suite in nix/tests, modules in the real module system of NixOS; and what Bulkhead reads of
//! machines, compared with what Nix computes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::output::Skips;
use crate::repository;

const SUITE: &str = "nix/tests";

/// Names a nixpkgs.
const NIXPKGS: &str = "NIXPKGS";

/// By area, by file.
type ByFile<T> = BTreeMap<String, BTreeMap<String, T>>;

/// A case that failed.
#[derive(Debug, Deserialize)]
struct Failure {
    name: String,
    expected: serde_json::Value,
    got: Option<serde_json::Value>,
    #[serde(default)]
    threw: bool,
}

/// Run the suite. Gives whether all of it passed; what could not be checked goes to `skips`.
///
/// # Errors
/// `NIXPKGS` names no nixpkgs, or the suite itself can't be read.
pub fn run(skips: &mut Skips) -> Result<bool> {
    let skip = |why: &str| format!("SKIPPED {SUITE}, the modules in the module system of NixOS: {why}");
    if nix(&["--version"]).is_err() {
        skips.read(&skip("nix-instantiate is not installed"), None);
        return Ok(true);
    }
    let Some(nixpkgs) = nixpkgs()? else {
        skips.read(&skip("no nixpkgs is given; type NIXPKGS=/path/to/nixpkgs cargo xtask test"), None);
        return Ok(true);
    };
    println!("\n{SUITE}, with the nixpkgs in {}", nixpkgs.display());
    if std::env::var_os("MICROVM").is_none_or(|value| value.is_empty()) {
        let why =
            "no microvm.nix is given, and a few options stand in its place; type MICROVM=/path/to/microvm.nix too";
        skips.read(&format!("SKIPPED {SUITE}, virtual machines in the host module of microvm.nix: {why}"), None);
    }
    let names: ByFile<Vec<String>> = serde_json::from_str(&evaluate(&nixpkgs, "names")?)?;
    let (mut cases, mut failed) = (0, 0);
    for (area, files) in &names {
        for (file, names) in files {
            cases += names.len();
            // A process for each: what Nix can't catch takes only the cases of one file along.
            let attribute = format!("failures.\"{area}\".\"{file}\"");
            let wrong = match evaluate(&nixpkgs, &attribute) {
                Ok(json) => serde_json::from_str::<Vec<Failure>>(&json)?,
                Err(error) => {
                    println!("{area}/{file}: evaluating the cases fails\n{error}");
                    failed += names.len();
                    continue;
                }
            };
            failed += wrong.len();
            println!("{area}/{file}: {} of {} cases hold", names.len() - wrong.len(), names.len());
            for failure in &wrong {
                tell(&nixpkgs, area, file, failure)?;
            }
        }
    }
    ensure!(cases > 0, "{SUITE} has no cases");
    println!("{SUITE}: {} cases hold, {failed} fail", cases - failed);
    Ok(failed == 0)
}

/// Compare what Bulkhead reads of machines with what Nix computes of them: every option of the modules in nix/, and others.
/// Gives whether it is the same.
///
/// # Errors
/// `NIXPKGS` names no nixpkgs, or cargo can't be run.
pub fn compare() -> Result<bool> {
    // Those that are missing have been told of by the suite.
    let Some(nixpkgs) = nixpkgs()?.filter(|_| nix(&["--version"]).is_ok()) else { return Ok(true) };
    println!("\nmachines as Bulkhead reads them, and as Nix computes them");
    let status = Command::new(repository::cargo())
        .args(["test", "--release", "--quiet", "-p", "bulkhead-modules", "--test", "nixos"])
        .args(["-p", "bulkhead", "--test", "with_nixpkgs", "--", "--nocapture"])
        .env(NIXPKGS, nixpkgs)
        .current_dir(repository::root())
        .stdin(Stdio::null())
        .status()
        .context("can't run cargo")?;
    Ok(status.success())
}

/// The environment variable [`NIXPKGS`] for the tests, which run in other folders.
pub fn absolute() -> Result<Option<(&'static str, PathBuf)>> {
    let given = std::env::var_os(NIXPKGS).filter(|value| !value.is_empty());
    given.map(|given| Ok((NIXPKGS, std::env::current_dir()?.join(given)))).transpose()
}

fn tell(nixpkgs: &std::path::Path, area: &str, file: &str, failure: &Failure) -> Result<()> {
    println!("\n  {area}/{file}: {}", failure.name);
    if failure.threw {
        let quoted = serde_json::to_string(&failure.name)?.replace("${", "\\${");
        let error = evaluate(nixpkgs, &format!("cases.\"{area}\".\"{file}\".{quoted}.expr")).err();
        println!("  {}", error.map_or_else(|| "it throws".to_owned(), |error| error.to_string()));
    } else {
        println!("  expected {:#}", failure.expected);
        println!("  got      {:#}", failure.got.as_ref().unwrap_or(&serde_json::Value::Null));
    }
    Ok(())
}

/// The nixpkgs that `NIXPKGS` names, else that of Nix's search path.
fn nixpkgs() -> Result<Option<PathBuf>> {
    let found = match absolute()? {
        Some((_, given)) => given,
        None => match nix(&["--eval", "--json", "-E", "toString <nixpkgs>"]) {
            Ok(path) => PathBuf::from(serde_json::from_str::<String>(&path)?),
            Err(_) => return Ok(None),
        },
    };
    for part in ["lib/default.nix", "nixos/lib/eval-config.nix"] {
        if !found.join(part).exists() {
            bail!("{} is no nixpkgs: it has no {part}. Set NIXPKGS to a folder with lib/ and nixos/", found.display());
        }
    }
    Ok(Some(found))
}

fn evaluate(nixpkgs: &std::path::Path, attribute: &str) -> Result<String> {
    let path = nixpkgs.to_str().with_context(|| format!("{} is not UTF-8", nixpkgs.display()))?;
    // A path as an argument would be copied to the store on the way.
    nix(&["--eval", "--strict", "--json", SUITE, "-A", attribute, "--argstr", "nixpkgs", path])
}

fn nix(arguments: &[&str]) -> Result<String> {
    let command = Command::new("nix-instantiate")
        .args(arguments)
        .current_dir(repository::root())
        .stdin(Stdio::null())
        .output()
        .context("can't run nix-instantiate")?;
    let Output { status, stdout, stderr } = command;
    if !status.success() {
        let errors = String::from_utf8_lossy(&stderr);
        let errors: Vec<&str> = errors.lines().skip_while(|line| !line.starts_with("error")).take(20).collect();
        bail!("nix-instantiate: {}", errors.join("\n"));
    }
    Ok(String::from_utf8(stdout)?)
}

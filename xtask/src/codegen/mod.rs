//! `codegen`: the files of this repository that are generated from its code.

mod command_line;
mod rules;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use bulkhead::cli::{FINDINGS, OK};
use bulkhead::generate::diff::diff;
use bulkhead::modules::{OptionPath, load, schema_of_options};
use bulkhead::source::{TreePath, write_atomic};

use crate::repository::{cargo, root};

/// Lines of a difference that are shown of each file.
const SHOWN_LINES: usize = 20;

/// The schemas that the programs for the machines print: `bulkhead-<first> schema <second>`.
const ON_MACHINES: [(&str, &str); 6] = [
    ("incus", "spec"),
    ("incus", "status"),
    ("vpn", "config"),
    ("vpn", "host"),
    ("vpn", "leak-test"),
    ("vpn", "status"),
];

/// The schemas of options: their name, the folder in nix/modules, and below which option.
const OPTIONS: &[(&str, &str, &[&str])] = &[
    ("fleet", "fleet", &[]),
    ("incus", "workspaces", &["workspaceDefaults", "incus"]),
    ("sandbox", "sandbox", &[]),
    ("secrets", "secrets", &[]),
    ("vpn", "vpn", &[]),
    ("workspaces", "workspaces", &[]),
];

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Compare with the files there, and write nothing; exit with 1 if they differ
    #[arg(long)]
    check: bool,
}

/// A file that is generated: where, relative to the root, and its text; none if it should not be there.
struct Generated {
    path: String,
    text: Option<String>,
}

pub fn run(args: &Args) -> Result<u8> {
    let mut stale = false;
    for Generated { path, text } in files()? {
        let target = root().join(&path);
        let current = match fs::read_to_string(&target) {
            Ok(current) => Some(current),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("can't read {}", target.display())),
        };
        if current == text {
            continue;
        }
        if args.check {
            stale = true;
            println!("{path} is out of date");
            show_difference(&path, current.as_deref(), text.as_deref().unwrap_or_default());
            continue;
        }
        match text {
            Some(text) => {
                write_atomic(&target, text.as_bytes())?;
                println!("wrote {path}");
            }
            None => {
                fs::remove_file(&target).with_context(|| format!("can't remove {}", target.display()))?;
                println!("removed {path}");
            }
        }
    }
    if stale {
        println!("\nWrite them anew and commit them: cargo xtask codegen");
        return Ok(FINDINGS);
    }
    Ok(OK)
}

fn show_difference(path: &str, current: Option<&str>, wanted: &str) {
    let Some(difference) = diff(path, current, wanted) else { return };
    let lines: Vec<&str> = difference.text.lines().collect();
    for line in lines.iter().take(SHOWN_LINES) {
        println!("  {line}");
    }
    if lines.len() > SHOWN_LINES {
        println!("  … {} more lines", lines.len() - SHOWN_LINES);
    }
}

fn files() -> Result<Vec<Generated>> {
    let mut files = schemas()?;
    files.push(Generated { path: "crates/bulkhead-rules/RULES.md".to_owned(), text: Some(rules::reference()) });
    files.push(Generated { path: "crates/bulkhead/CLI.md".to_owned(), text: Some(command_line::reference()) });
    Ok(files)
}

/// The JSON Schemas, and the files of schemas that there are no more.
fn schemas() -> Result<Vec<Generated>> {
    let mut files = Vec::new();
    for (name, schema) in bulkhead::check::all_schemas() {
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        files.push(Generated { path: format!("schemas/{name}"), text: Some(text) });
    }
    for (name, schema) in option_schemas()? {
        let text = serde_json::to_string_pretty(&schema)? + "\n";
        files.push(Generated { path: format!("schemas/{name}-options.schema.json"), text: Some(text) });
    }
    for (name, of) in ON_MACHINES {
        files.push(Generated {
            path: format!("schemas/{name}-{of}.schema.json"),
            text: Some(printed_schema(name, of)?),
        });
    }
    let folder = root().join("schemas");
    let mut names: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("can't list {}", folder.display()))? {
        names.push(entry?.file_name().into());
    }
    names.sort();
    for name in names {
        let path = format!("schemas/{}", name.display());
        if path.ends_with(".schema.json") && !files.iter().any(|file| file.path == path) {
            files.push(Generated { path, text: None });
        }
    }
    Ok(files)
}

/// The schemas of the options that the modules of this repository declare, by area. Those of Incus are a part of those of
/// workspaces.
fn option_schemas() -> Result<Vec<(&'static str, serde_json::Value)>> {
    let options = bulkhead::OpenOptions { root: root().to_owned(), ..Default::default() };
    let project = bulkhead::Project::open(&options)?;
    let mut schemas = Vec::new();
    for (name, area, below) in OPTIONS {
        let file = TreePath::new(&format!("nix/modules/{area}/default.nix"))?;
        let mut found = load(project.world(), &file);
        if let Some(problem) = found.problems.first() {
            anyhow::bail!("nix/modules/{area}: {}", problem.message);
        }
        let below = OptionPath::of(*below);
        found.options.retain(|path, _| path.starts_with(&below));
        ensure!(!found.options.is_empty(), "nix/modules/{area} declares no options of {name}");
        let title = match below.names() {
            [] => format!("The options of nix/modules/{area}"),
            _ => format!("The options `{below}` of nix/modules/{area}"),
        };
        schemas.push((*name, schema_of_options(&found.options, &title)));
    }
    Ok(schemas)
}

/// What the program `bulkhead-<name>` prints: the analyzer and these commands don't depend on the programs for the machines.
fn printed_schema(name: &str, of: &str) -> Result<String> {
    let package = format!("bulkhead-{name}");
    let output = Command::new(cargo())
        .args(["run", "--quiet", "--package", &package, "--bin", &package, "--", "schema", of])
        .current_dir(root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("can't run cargo")?;
    ensure!(output.status.success(), "`{package} schema {of}` fails");
    Ok(String::from_utf8(output.stdout)?)
}

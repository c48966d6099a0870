//! Completions in shells: what the shell asks for, and the names in the fleet around the current folder.
//!
//! The shell calls the program with [`VARIABLE`] set for each completion; loading a fleet is quick enough for that.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;

use bulkhead_fleet::{Fleet, LoadOptions};
use bulkhead_rules::other_systems;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use super::args::Cli;
use super::configuration;
use crate::{OpenOptions, Project, find_root};

/// Set by the script that `bulkhead completions` prints.
const VARIABLE: &str = "BULKHEAD_COMPLETE";

/// Answer the shell, if it is a shell that called; `arguments` are all of the program's, the first being its name.
pub fn answer(arguments: impl IntoIterator<Item = OsString>) -> bool {
    let here = std::env::current_dir().ok();
    match CompleteEnv::with_factory(Cli::command).var(VARIABLE).try_complete(arguments, here.as_deref()) {
        Ok(answered) => answered,
        Err(error) => {
            let _ = error.print();
            true
        }
    }
}

/// What a shell has to run so that it asks the program.
pub fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    if let Some(completer) = Shells::builtins().completer(&shell.to_string()) {
        completer.write_registration(VARIABLE, "bulkhead", "bulkhead", "bulkhead", &mut script)?;
    }
    Ok(script)
}

/// The names of all secrets.
pub fn secrets() -> Vec<CompletionCandidate> {
    fleet().map_or_else(Vec::new, |fleet| candidates(fleet.all_secrets().iter().map(|secret| secret.name().to_owned())))
}

/// The names of all machines.
pub fn machines() -> Vec<CompletionCandidate> {
    fleet().map_or_else(Vec::new, |fleet| candidates(fleet.machines.iter().map(|machine| machine.name.to_string())))
}

/// The names of all machines, and of all systems that the fleet is seen to make: the short ones where they are enough.
pub fn configurations() -> Vec<CompletionCandidate> {
    let Some((project, fleet)) = project_and_fleet() else { return Vec::new() };
    let (systems, _) = other_systems(&fleet, project.tree(), project.world());
    let machines: Vec<String> = fleet.machines.iter().map(|machine| machine.name.to_string()).collect();
    let short: Vec<Option<String>> =
        systems.iter().map(|system| configuration::short_name(system).map(|name| name.to_string())).collect();
    let is_only = |name: &String| {
        short.iter().flatten().filter(|other| *other == name).count() == 1
            && !machines.contains(name)
            && !systems.iter().any(|system| *system.name == **name)
    };
    let of_systems = systems.iter().zip(&short).map(|(system, short)| match short {
        Some(short) if is_only(short) => short.clone(),
        _ => system.name.to_string(),
    });
    candidates(machines.iter().cloned().chain(of_systems.collect::<Vec<_>>()))
}

/// The names of all roles.
pub fn roles() -> Vec<CompletionCandidate> {
    fleet().map_or_else(Vec::new, |fleet| candidates(fleet.roles.keys().map(|role| role.to_string())))
}

/// The names of all rules, with what they find.
pub fn rules() -> Vec<CompletionCandidate> {
    let rule = |rule: &bulkhead_rules::Rule| CompletionCandidate::new(rule.name).help(Some(rule.summary.into()));
    bulkhead_rules::registry().iter().map(rule).collect()
}

/// The names of all schemas.
pub fn schemas() -> Vec<CompletionCandidate> {
    let name = |(file, _): (String, _)| file.trim_end_matches(".schema.json").to_owned();
    candidates(crate::check::all_schemas().into_iter().map(name).chain(["from-options".to_owned()]))
}

/// A shell takes what it is offered as if it had been typed: names of files that would be more than a word are not.
fn candidates(names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./@+:,".contains(c);
    let names: BTreeSet<String> = names.filter(|name| name.chars().all(is_plain) && !name.starts_with('-')).collect();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// The fleet around the current folder; what is wrong with it is nothing to a shell.
fn fleet() -> Option<Fleet> {
    project_and_fleet().map(|(_, fleet)| fleet)
}

fn project_and_fleet() -> Option<(Project, Fleet)> {
    let root = find_root(&std::env::current_dir().ok()?);
    let project = Project::open(&OpenOptions { root, ..OpenOptions::default() }).ok()?;
    let fleet = project.fleet(&LoadOptions::default()).ok()?;
    Some((project, fleet))
}

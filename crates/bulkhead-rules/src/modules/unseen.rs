//! Files that say something about isolation, and that no machine's tree has.

use bulkhead_diagnostics::{Diagnostic, Place};
use bulkhead_eval::data::DataKind;
use bulkhead_modules::{OptionPath, load};
use bulkhead_source::{TreePath, read_text};
use foldhash::HashSet;
use rayon::prelude::*;
use serde_json::Value;

use super::configuration_not_known::RULE;
use crate::context::Context;
use crate::trees::{Known, Mapping, OWN, Unread, known, option};
use crate::words::quoted;

/// Files longer than this are not looked at, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// Words without which a file defines nothing of workspaces, their network or a VPN under our names or known ones.
const WORDS: [&str; 3] = ["workspaces", "sandbox", "vpn"];

/// Find what was not read: systems of a flake, and files.
pub(crate) fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let Some(world) = context.world else { return };
    // Why no machine is known has been said.
    if context.fleet.unread_machines().is_some() {
        return;
    }
    let trees = context.all_trees();
    let read = trees.files();
    let fleet = context.fleet;
    let left: Vec<&TreePath> = fleet.module_files.iter().filter(|path| !read.contains(path.as_str())).collect();
    if left.is_empty() {
        return;
    }
    // Many systems are unknown for one reason.
    let mut unread: Vec<Vec<&Unread>> = Vec::new();
    for system in &trees.unread {
        let is_same = |known: &&Unread| known.name.is_some() == system.name.is_some() && known.reason == system.reason;
        match unread.iter_mut().find(|known| known.first().is_some_and(is_same)) {
            Some(known) => known.push(system),
            None => unread.push(vec![system]),
        }
    }
    found.extend(unread.iter().filter_map(|same| systems(same, &left)));

    let mapping = Mapping::new(&fleet.config.toml.mappings);
    let words: Vec<&str> =
        WORDS.iter().copied().chain(fleet.config.toml.mappings.values().map(String::as_str)).collect();
    let words: HashSet<&str> = words.iter().map(|word| word.rsplit('.').next().unwrap_or(word)).collect();
    let files = left.into_par_iter().filter_map(|path| {
        let text = read_text(context.tree, path, FILE_LIMIT).ok()?;
        if !words.iter().any(|word| text.contains(word)) {
            return None;
        }
        let configuration = load(world, path);
        let mut options: Vec<String> = Vec::new();
        let mut place: Option<&Place> = None;
        for definition in &configuration.definitions {
            let at = definition.place().filter(|at| *at.file == *path.as_str());
            let ours = mapping.ours(&definition.path).unwrap_or_else(|| definition.path.clone());
            let (Some(at), true) = (at, is_about_isolation(&ours, &definition.value.kind)) else { continue };
            place = Some(place.map_or(at, |known| known.min(at)));
            let shown = definition.path.to_string();
            if !options.contains(&shown) {
                options.push(shown);
            }
        }
        Some(file(path, place?.clone(), options))
    });
    found.extend(files.collect::<Vec<_>>());
}

/// Whether it is an option of workspaces, their network or a VPN. Data of the same name is not.
fn is_about_isolation(path: &OptionPath, value: &DataKind) -> bool {
    let path = &match path.names() {
        [first, _, configuration, rest @ ..]
            if **first == *"specialisation" && **configuration == *"configuration" && !rest.is_empty() =>
        {
            OptionPath::of(rest)
        }
        _ => path.clone(),
    };
    let depth = path.names().len();
    let Some(root) = OWN[..4].iter().map(|root| option(root)).find(|root| path.starts_with(root)) else { return false };
    // A workspace has a name of its own.
    let least = root.names().len() + if root.names().len() == 1 && OWN[0] == &*root.names()[0] { 2 } else { 1 };
    match value {
        DataKind::Unknown(_) | DataKind::Failed(_) => true,
        DataKind::Attrs(set) if set.open.is_some() => true,
        _ => depth >= least && matches!(known(path), Known::Schema(_)),
    }
}

fn file(path: &TreePath, place: Place, options: Vec<String>) -> Diagnostic {
    let what = quoted(options.iter().map(String::as_str));
    RULE.finding(place, format!("no machine whose modules were read has `{path}`: what it says is not judged"))
        .with_label(format!("this defines {what}"))
        .with_help(
            "import it where a machine's modules begin: machines/NAME/default.nix, or the `modules` of a system in flake.nix",
        )
        .with_help("if no machine has it, remove it, or put it in `ignore` in bulkhead.toml")
        .with_data("machines", Value::Array(Vec::new()))
        .with_data("options", options)
}

/// What is told of systems that are unknown for one reason.
fn systems(same: &[&Unread], left: &[&TreePath]) -> Option<Diagnostic> {
    let first = same.first()?;
    let names: Vec<&str> = same.iter().filter_map(|system| system.name.as_deref()).collect();
    let message = match names.as_slice() {
        [] => format!("can't tell which NixOS systems this file makes: {}", first.reason),
        names => format!("can't tell which modules {} have: {}", quoted(names.iter().copied()), first.reason),
    };
    let files = quoted(left.iter().map(|path| path.as_str()));
    let mut finding = RULE
        .finding(first.place.clone(), message)
        .with_label("these modules are not judged")
        .with_note(format!("nothing that was read has {files}"));
    let mut told = HashSet::from_iter([&first.place]);
    for system in same.iter().filter(|system| told.insert(&system.place)) {
        finding = finding.with_same(system.place.clone(), "for the same reason");
    }
    if let Some(help) = &first.help {
        finding = finding.with_help(&**help);
    }
    let machines = names.iter().map(|name| Value::from(*name)).collect();
    Some(finding.with_data("machines", Value::Array(machines)).with_data("options", Value::Array(Vec::new())))
}

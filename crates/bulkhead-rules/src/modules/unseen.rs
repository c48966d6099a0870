//! Files that say something about isolation, secrets or unlocking, and that no machine's tree has.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place};
use bulkhead_eval::data::DataKind;
use bulkhead_modules::{OptionPath, load};
use bulkhead_source::{TreePath, read_text};
use foldhash::HashSet;
use rayon::prelude::*;
use serde_json::Value;

use super::configuration_not_known::RULE;
use crate::context::Context;
use crate::trees::{Known, Mapping, OWN, Unread, is_placeholder, known, option};
use crate::words::quoted;

/// Files longer than this are not looked at, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// Words without which a file defines nothing of workspaces, their network or a VPN under our names or known ones, and
/// nothing of secrets and of unlocking.
const WORDS: [&str; 5] = ["workspaces", "sandbox", "vpn", "secrets", "initrd"];

/// What rules read of secrets and of unlocking, by how they begin. Disks as such are no matter of any rule, but for their
/// key files.
const OF_SECRETS: [&str; 6] = [
    "age.secrets.<name>",
    "boot.initrd.luks.devices.<name>.keyFile",
    "boot.initrd.network.ssh.authorizedKeys",
    "boot.initrd.network.ssh.hostKeys",
    "boot.initrd.secrets.<name>",
    "fileSystems.<name>.encrypted.keyFile",
];

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
    // What lies beside other systems may have its modules in files that these have, too.
    let is_beside = trees.unread.iter().any(|unread| unread.is_beside);
    if left.is_empty() && trees.beginnings.is_empty() && !is_beside {
        return;
    }
    // Many systems are unknown for one reason.
    let mut unread: Vec<Vec<&Unread>> = Vec::new();
    let is_told = |unread: &&Unread| unread.is_beside || !left.is_empty() || !trees.beginnings.is_empty();
    for system in trees.unread.iter().filter(is_told) {
        let is_same = |known: &&Unread| known.name.is_some() == system.name.is_some() && known.reason == system.reason;
        match unread.iter_mut().find(|known| known.first().is_some_and(is_same)) {
            Some(known) => known.push(system),
            None => unread.push(vec![system]),
        }
    }
    found.extend(unread.iter().filter_map(|same| systems(same, &left, &trees.beginnings)));

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
        let mut unseen = Unseen { path, is_isolation: false, place: None, options: Vec::new() };
        for definition in &configuration.definitions {
            let at = definition.place().filter(|at| *at.file == *path.as_str());
            let ours = mapping.ours(&definition.path).unwrap_or_else(|| definition.path.clone());
            let is_isolation = is_about_isolation(&ours, &definition.value.kind);
            let is_about = is_isolation || is_about_secrets(&ours, &definition.value.kind);
            let (Some(at), true) = (at, is_about) else { continue };
            unseen.is_isolation |= is_isolation;
            unseen.place = Some(unseen.place.map_or_else(|| at.clone(), |known| known.min(at.clone())));
            let shown = definition.path.to_string();
            if !unseen.options.contains(&shown) {
                unseen.options.push(shown);
            }
        }
        unseen.place.is_some().then_some(unseen)
    });
    let (isolation, secrets): (Vec<Unseen<'_>>, Vec<Unseen<'_>>) =
        files.collect::<Vec<_>>().into_iter().partition(|unseen| unseen.is_isolation);
    found.extend(isolation.into_iter().filter_map(|unseen| finding(vec![unseen], "")));
    // Where a system is not known, that is why; and what was not read has been said with it.
    if trees.unread.is_empty() {
        found.extend(finding(secrets, " of secrets and unlocking"));
    }
}

/// A file that nothing has read.
struct Unseen<'t> {
    path: &'t TreePath,
    /// Whether it says something about isolation.
    is_isolation: bool,
    /// The first definition.
    place: Option<Place>,
    options: Vec<String>,
}

/// The path of an option in what a machine may be started as besides, or else as it is.
fn unspecialised(path: &OptionPath) -> OptionPath {
    match path.names() {
        [first, _, configuration, rest @ ..]
            if **first == *"specialisation" && **configuration == *"configuration" && !rest.is_empty() =>
        {
            OptionPath::of(rest)
        }
        _ => path.clone(),
    }
}

/// Whether it is an option of secrets or of unlocking, below one, or the set of them if what it has is not known.
fn is_about_secrets(path: &OptionPath, value: &DataKind) -> bool {
    let path = unspecialised(path);
    let is_open = match value {
        DataKind::Unknown(_) | DataKind::Failed(_) => true,
        DataKind::Attrs(set) => set.open.is_some(),
        _ => false,
    };
    let begins = |pattern: OptionPath| {
        let same = |(pattern, name): (&Arc<str>, &Arc<str>)| is_placeholder(pattern) || pattern == name;
        path.names().len() + usize::from(is_open) >= pattern.names().len()
            && pattern.names().iter().zip(path.names()).all(same)
    };
    OF_SECRETS.iter().any(|pattern| begins(option(pattern)))
}

/// Whether it is an option of workspaces, their network or a VPN. Data of the same name is not.
fn is_about_isolation(path: &OptionPath, value: &DataKind) -> bool {
    let path = &unspecialised(path);
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

fn finding(files: Vec<Unseen<'_>>, what: &str) -> Option<Diagnostic> {
    // Some of several may be allowed, and what is told then is about the others.
    let (names, says) = match files.as_slice() {
        [file] => (format!("`{}`", file.path), "it says"),
        _ => ("these files".to_owned(), "they say"),
    };
    let label = |unseen: &Unseen<'_>| format!("this defines {}", quoted(unseen.options.iter().map(String::as_str)));
    let (first, others) = files.split_first()?;
    let message = format!("no machine whose modules were read has {names}: what {says}{what} is not judged");
    let mut finding = RULE.finding(first.place.clone()?, message).with_label(label(first));
    for unseen in others {
        finding = finding.with_same(unseen.place.clone()?, label(unseen));
    }
    let options: Vec<String> = files.into_iter().flat_map(|unseen| unseen.options).collect();
    let finding = finding
        .with_help(
            "import it where a machine's modules begin: machines/NAME/default.nix, or the `modules` of a system in flake.nix",
        )
        .with_help("if no machine has it, remove it, or put it in `ignore` in bulkhead.toml")
        .with_data("machines", Value::Array(Vec::new()))
        .with_data("options", options);
    Some(finding)
}

/// What is told of systems that are unknown for one reason.
fn systems(same: &[&Unread], left: &[&TreePath], beginnings: &[(Arc<str>, Vec<TreePath>)]) -> Option<Diagnostic> {
    let first = same.first()?;
    let names: Vec<&str> = same.iter().filter_map(|system| system.name.as_deref()).collect();
    let message = match names.as_slice() {
        [] => format!("can't tell which NixOS systems this file makes: {}", first.reason),
        names => format!("can't tell which modules {} have: {}", quoted(names.iter().copied()), first.reason),
    };
    let files = quoted(left.iter().map(|path| path.as_str()));
    let mut finding = RULE.finding(first.place.clone(), message).with_label("these modules are not judged");
    if !beginnings.is_empty() {
        let read = quoted(beginnings.iter().map(|(name, _)| &**name));
        let how = match beginnings {
            [_] => "was read from its own folder, without what it is given besides",
            _ => "were read from their own folders, without what they are given besides",
        };
        finding = finding.with_note(format!("{read} {how}"));
    }
    if !left.is_empty() {
        finding = finding.with_note(format!("nothing that was read has {files}"));
    }
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

//! Keys that are called like a system: of one without `properties.nix` nothing else says which keys it has.

use bulkhead_fleet::{KeyOwner, PublicKey};
use foldhash::{HashSet, HashSetExt};

use super::{Tree, option};
use crate::context::Context;

/// A shorter name is a part of too many others.
const SHORTEST_PART: usize = 3;

/// The keys whose names are that of a system.
pub(crate) struct Namesakes<'f> {
    /// Those with just its name, or with the comment that OpenSSH gives to its host key.
    pub(crate) exact: HashSet<&'f str>,
    /// Those in whose name the system's is a part: `leela-host`, but also `amy@leela`.
    pub(crate) similar: HashSet<&'f str>,
}

/// The keys of rules files that are called like the system.
pub(crate) fn namesakes<'f>(context: &Context<'f>, tree: &Tree<'_>) -> Namesakes<'f> {
    let names = names(tree);
    let mut found = Namesakes { exact: HashSet::new(), similar: HashSet::new() };
    for (key, owners) in context.fleet.keys.iter() {
        if is_called(key, owners, &names) {
            found.exact.insert(key.identity());
        } else if is_called_with(key, owners, &names) {
            found.similar.insert(key.identity());
        }
    }
    found
}

/// Whether a key has just the name of a system.
pub(crate) fn is_key_of(tree: &Tree<'_>, key: &PublicKey, owners: &[KeyOwner]) -> bool {
    is_called(key, owners, &names(tree))
}

/// Whether a key's name has `name` in it, however it is written.
pub(crate) fn is_named_with(key: &PublicKey, owners: &[KeyOwner], name: &str) -> bool {
    let names = [plain(name)];
    let is_word = |called: &str| called.split(|c: char| !c.is_alphanumeric()).any(|word| plain(word) == names[0]);
    is_called(key, owners, &names)
        || is_called_with(key, owners, &names)
        || bound(owners).chain(key.comment()).any(is_word)
}

/// What a system is called, plainly.
fn names(tree: &Tree<'_>) -> Vec<String> {
    let host_names = tree.texts(&option("networking.hostName"), None);
    let all = std::iter::once(&*tree.machine.name).chain(host_names.iter().map(|stated| &*stated.value));
    all.map(plain).filter(|name| !name.is_empty()).collect()
}

fn is_called(key: &PublicKey, owners: &[KeyOwner], names: &[String]) -> bool {
    let of_root = key.comment().and_then(|comment| comment.strip_prefix("root@"));
    let host = of_root.map(|host| plain(host.split('.').next().unwrap_or(host)));
    bound(owners).map(plain).chain(host).any(|name| names.contains(&name))
}

fn is_called_with(key: &PublicKey, owners: &[KeyOwner], names: &[String]) -> bool {
    let parts = |name: &String| name.len() >= SHORTEST_PART;
    bound(owners)
        .chain(key.comment())
        .map(plain)
        .any(|called| names.iter().filter(|name| parts(name)).any(|name| called.contains(name.as_str())))
}

fn bound(owners: &[KeyOwner]) -> impl Iterator<Item = &str> {
    owners.iter().filter_map(|owner| match owner {
        KeyOwner::Binding { name, .. } => Some(&**name),
        _ => None,
    })
}

/// A name without what differs between a host's and a variable's.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

//! Whose the tags in headers are.
//!
//! In this order: the fleet's own keys and those of the rules files, keys that Nix files still hold though no rule names
//! them, keys that the last commit still has, and keys that commits have taken away. Only the first is looked at unless a tag stays without a name.

use std::sync::{Arc, OnceLock};

use bulkhead_age::Recipient;
use bulkhead_fleet::{Fleet, Key, KeyOwner, RulesFile, names_of_keys};
use bulkhead_source::{FileTree, TreePath, read_text};
use foldhash::{HashMap, HashMapExt, HashSet, HashSetExt};
use serde_json::{Value, json};

use crate::context::{History, RemovedLine};

/// How many files are searched for keys that no rule names.
const MOST_FILES: usize = 200;
/// A file larger than this is not searched, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// Somebody with a key.
#[derive(Clone, Debug)]
pub(crate) struct Somebody {
    /// What the key's tag in a header is, where it is always the same.
    pub(crate) tag: Option<String>,
    /// What the key is called, if anybody knows.
    pub(crate) name: Option<String>,
    /// What is known of it beyond that, as a clause: `the host key of the machine `s0``.
    pub(crate) about: Option<String>,
    /// The type of the key, as headers name it.
    pub(crate) kind: String,
}

impl Somebody {
    /// `` `ponyo` ``, or, if nobody knows, `ssh-ed25519 tag V3XmEA`.
    pub(crate) fn short(&self) -> String {
        match (&self.name, &self.tag) {
            (Some(name), _) => format!("`{name}`"),
            (None, Some(tag)) => format!("an unknown key ({} tag {tag})", self.kind),
            (None, None) => format!("an unknown {} key", self.kind),
        }
    }

    /// `` `ponyo` (ssh-ed25519 tag V3XmEA), which … ``
    pub(crate) fn long(&self) -> String {
        let mut text = match (&self.name, &self.tag) {
            (Some(name), Some(tag)) => format!("`{name}` ({} tag {tag})", self.kind),
            (Some(name), None) => format!("`{name}` ({})", self.kind),
            (None, Some(tag)) => format!("{} tag {tag}, whose name nothing here tells", self.kind),
            (None, None) => format!("a {} key", self.kind),
        };
        if let Some(about) = &self.about {
            text.push_str(", ");
            text.push_str(about);
        }
        text
    }

    /// For `data`.
    pub(crate) fn json(&self) -> Value {
        json!({ "tag": self.tag, "name": self.name })
    }
}

/// `data` for several.
pub(crate) fn json(everybody: &[Somebody]) -> Value {
    Value::Array(everybody.iter().map(Somebody::json).collect())
}

/// What is known of a key.
struct Named {
    name: String,
    about: Option<String>,
}

/// Names by tag.
pub(crate) struct Names {
    owned: HashMap<String, Named>,
    left: OnceLock<HashMap<String, Named>>,
}

/// Collect the names of the fleet's own keys.
pub(crate) fn names(fleet: &Fleet) -> Names {
    let mut owned = HashMap::new();
    for (key, owners) in fleet.keys.iter() {
        let Some(tag) = key.recipient().ok().and_then(Recipient::tag) else { continue };
        let name = owners.first().map(|owner| fleet.owner_name(owner)).or_else(|| key.comment().map(str::to_owned));
        if let Some(name) = name {
            owned.insert(tag, Named { name, about: owners.first().and_then(|owner| about(fleet, owner)) });
        }
    }
    Names { owned, left: OnceLock::new() }
}

impl Names {
    /// Whoever has the key with `tag` in a stanza of type `kind`.
    pub(crate) fn of_tag(
        &self,
        fleet: &Fleet,
        tree: &dyn FileTree,
        history: Option<&dyn History>,
        kind: &str,
        tag: &str,
    ) -> Somebody {
        let named = self.owned.get(tag).or_else(|| {
            let left = self.left.get_or_init(|| {
                let mut left = leftovers(fleet, tree);
                for committed in history.map(History::committed_keys).unwrap_or_default() {
                    let about = format!("which {} of the last commit still names", committed.path);
                    for (tag, named) in keys_in_line(fleet, &committed.path, &committed.line, &about) {
                        left.entry(tag).or_insert(named);
                    }
                }
                for removed in history.map(History::removed_keys).unwrap_or_default() {
                    let RemovedLine { line, path, commit, subject, date } = &removed;
                    let about = format!("which left {path} in {commit} \"{subject}\" ({date})");
                    for (tag, named) in keys_in_line(fleet, path, line, &about) {
                        left.entry(tag).or_insert(named);
                    }
                }
                left
            });
            left.get(tag)
        });
        Somebody {
            tag: Some(tag.to_owned()),
            name: named.map(|named| named.name.clone()),
            about: named.and_then(|named| named.about.clone()),
            kind: kind.to_owned(),
        }
    }
}

/// Whoever has a key that is written somewhere.
pub(crate) fn of_key(fleet: &Fleet, key: &Key) -> Somebody {
    let owner = fleet.keys.owners(key.identity()).first();
    let recipient = key.recipient().ok();
    let name = owner.map(|owner| fleet.owner_name(owner)).or_else(|| key.public.comment().map(str::to_owned));
    Somebody {
        tag: recipient.and_then(Recipient::tag),
        name,
        about: owner.and_then(|owner| about(fleet, owner)),
        kind: recipient.map_or_else(|| "malformed".to_owned(), kind),
    }
}

/// The type of a key in a word.
fn kind(recipient: &Recipient) -> String {
    match recipient.ssh() {
        Some(key) => key.algorithm().to_owned(),
        None => recipient.canonical().rsplit_once('1').map_or("age", |(prefix, _)| prefix).to_owned(),
    }
}

fn about(fleet: &Fleet, owner: &KeyOwner) -> Option<String> {
    let machine = |index: &usize| fleet.machines.get(*index).map(|machine| &machine.file);
    Some(match owner {
        KeyOwner::Host { machine: index } => format!("the host key in {}", machine(index)?),
        KeyOwner::User { machine: index, .. } => format!("a user key in {}", machine(index)?),
        KeyOwner::Deploy { machine: index, .. } => format!("a deploy key in {}", machine(index)?),
        KeyOwner::Unlock { machine: index } => format!("the unlock key in {}", machine(index)?),
        KeyOwner::Admin { .. } => format!("an admin key in {}", bulkhead_fleet::CONFIG_FILE),
        KeyOwner::Binding { .. } => return None,
    })
}

/// Keys that are still written in the files in which the rules' keys are.
fn leftovers(fleet: &Fleet, tree: &dyn FileTree) -> HashMap<String, Named> {
    let mut files: Vec<Arc<str>> = Vec::new();
    let mut seen = HashSet::new();
    let of_rules = |rules: &'_ RulesFile| {
        let keys = rules.entries.iter().flat_map(|entry| &entry.public_keys).map(|key| key.place.file.clone());
        std::iter::once(rules.path.to_arc()).chain(keys).collect::<HashSet<Arc<str>>>()
    };
    for file in fleet.rules_files.iter().flat_map(of_rules) {
        if files.len() < MOST_FILES && seen.insert(file.clone()) {
            files.push(file);
        }
    }
    files.sort();
    let mut left = HashMap::new();
    for file in files {
        let Some(text) = TreePath::new(&file).ok().and_then(|path| read_text(tree, &path, FILE_LIMIT).ok()) else {
            continue;
        };
        let Ok(ast) = bulkhead_syntax::parse(&text) else { continue };
        for (span, binding) in names_of_keys(&ast) {
            let Some(written) = text.get(span.start as usize..span.end as usize) else { continue };
            if let Some((_, recipient)) = keys_in(written).next()
                && let Some(tag) = recipient.tag()
            {
                let about = Some(format!("a key that `{file}` still holds"));
                // A comment says more than a place in a list.
                let comment = recipient.comment().filter(|_| binding.in_list);
                let name = comment.map_or_else(|| binding.name.to_string(), str::to_owned);
                left.insert(tag, Named { name, about });
            }
        }
        for (line, recipient) in text.lines().flat_map(keys_in) {
            if let Some(tag) = recipient.tag()
                && let Some(name) = name_in_line(line, &recipient)
            {
                left.entry(tag)
                    .or_insert_with(|| Named { name, about: Some(format!("a key that `{file}` still holds")) });
            }
        }
    }
    left
}

/// The keys in a line that stands or stood in the file `path`, as far as they have a tag and a name.
fn keys_in_line(fleet: &Fleet, path: &str, line: &str, about: &str) -> Vec<(String, Named)> {
    let machine = path
        .strip_suffix("/properties.nix")
        .filter(|folder| TreePath::new(folder).is_ok_and(|folder| folder.starts_with(&fleet.config.machines)))
        .and_then(|folder| folder.rsplit('/').next());
    let named = |(line, recipient): (&str, Recipient)| {
        let name = machine.map(str::to_owned).or_else(|| name_in_line(line, &recipient)).or_else(|| {
            let stem = path.rsplit('/').next()?.strip_suffix(".pub")?;
            Some(stem.to_owned())
        });
        Some((recipient.tag()?, Named { name: name?, about: Some(about.to_owned()) }))
    };
    keys_in(line).filter_map(named).collect()
}

/// The public keys in a line of any text.
fn keys_in(line: &str) -> impl Iterator<Item = (&str, Recipient)> {
    let starts = ["ssh-ed25519 AAAA", "ssh-rsa AAAA", "age1"];
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = line.get(from..)?;
            let at = starts.iter().filter_map(|start| rest.find(start)).min()?;
            let found = rest.get(at..)?;
            let end = found.find(['"', '\'', '\n', ';']).unwrap_or(found.len());
            from += at + end.max(4);
            if let Some(recipient) = found.get(..end).and_then(|key| Recipient::parse(key).ok()) {
                return Some((line, recipient));
            }
        }
    })
}

/// What a line calls the key in it: `ponyo = "…"`, the key's comment, `"…" # ponyo`.
fn name_in_line(line: &str, key: &Recipient) -> Option<String> {
    let generic = ["hostKey", "publicKey", "publicKeys", "key", "keys", "userKeys", "deployKeys", "pubkey", "ssh"];
    let bound = line.split_once('=').map(|(name, _)| name.trim().trim_matches('"')).filter(|name| {
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'\''))
        };
        name.split('.').all(is_name)
    });
    let bound = bound.and_then(|path| path.split('.').rfind(|part| !generic.contains(part)));
    let noted = line.rsplit_once('#').map(|(_, comment)| comment.trim()).filter(|comment| !comment.is_empty());
    bound.or(key.comment()).or(noted).map(|name| name.chars().take(60).collect())
}

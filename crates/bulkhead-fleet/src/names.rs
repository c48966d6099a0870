//! Names for keys: whose they are in the fleet, else what the Nix source calls them.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_source::{FileTree, Span, TreePath};
use bulkhead_syntax::{Ast, AttrSet, AttrValue, BinaryOperator, Expr, ExprId};
use foldhash::{HashMap, HashMapExt};
use rayon::prelude::*;

use crate::evaluate::Evaluate;
use crate::key::{Key, KeySource, PublicKey};
use crate::machine::Machine;
use crate::read::{KEY_FILE_LIMIT, key_lines};
use crate::rules_file::RulesFile;
use crate::secret::is_age_name;

/// Whose a key is. Indices are those of [`crate::Fleet::machines`] and of the lists of keys there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyOwner {
    /// The host key of a machine.
    Host {
        /// The machine.
        machine: usize,
    },
    /// A user key on a machine.
    User {
        /// The machine.
        machine: usize,
        /// Which of its user keys.
        index: usize,
    },
    /// A key of `admins` in `bulkhead.toml`.
    Admin {
        /// Which of `admins`.
        index: usize,
    },
    /// A deploy key of a machine.
    Deploy {
        /// The machine.
        machine: usize,
        /// Which of its deploy keys.
        index: usize,
    },
    /// The key of a machine's boot environment.
    Unlock {
        /// The machine.
        machine: usize,
    },
    /// A key that only rules files know, under the name of its binding there.
    Binding {
        /// The name.
        name: Arc<str>,
        /// Where the key is written.
        place: Place,
    },
}

/// A key that is found by its identity.
struct ByIdentity(Arc<PublicKey>);

impl Borrow<str> for ByIdentity {
    fn borrow(&self) -> &str {
        self.0.identity()
    }
}

impl Hash for ByIdentity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.identity().hash(state);
    }
}

impl PartialEq for ByIdentity {
    fn eq(&self, other: &ByIdentity) -> bool {
        self.0.identity() == other.0.identity()
    }
}

impl Eq for ByIdentity {}

/// All keys of a fleet and whose they are.
#[derive(Default)]
pub struct KeyDirectory {
    owners: HashMap<ByIdentity, Vec<KeyOwner>>,
}

impl KeyDirectory {
    /// Whose a key is: all owners, the weightiest first (host, user, admin, deploy, unlock, binding). Takes
    /// [`PublicKey::identity`].
    pub fn owners(&self, identity: &str) -> &[KeyOwner] {
        self.owners.get(identity).map_or(&[], Vec::as_slice)
    }

    /// All keys, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<PublicKey>, &[KeyOwner])> {
        self.owners.iter().map(|(key, owners)| (&key.0, owners.as_slice()))
    }

    /// How many different keys there are.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    fn add(&mut self, key: &Key, owner: KeyOwner) {
        match self.owners.get_mut(key.identity()) {
            Some(owners) => owners.push(owner),
            None => {
                self.owners.insert(ByIdentity(key.public.clone()), vec![owner]);
            }
        }
    }
}

impl std::fmt::Debug for KeyDirectory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyDirectory of {} keys", self.len())
    }
}

/// Collect the keys of a fleet.
pub(crate) fn directory(
    machines: &[Machine],
    admins: &[Key],
    rules_files: &[RulesFile],
    sources: &KeySources<'_>,
) -> KeyDirectory {
    let mut keys = KeyDirectory::default();
    for (machine, found) in machines.iter().enumerate() {
        if let Some(key) = found.host_key.known() {
            keys.add(key, KeyOwner::Host { machine });
        }
    }
    for (machine, found) in machines.iter().enumerate() {
        for (index, key) in found.user_keys.iter().enumerate() {
            keys.add(key, KeyOwner::User { machine, index });
        }
    }
    for (index, key) in admins.iter().enumerate() {
        keys.add(key, KeyOwner::Admin { index });
    }
    for (machine, found) in machines.iter().enumerate() {
        for (index, key) in found.deploy_keys.iter().enumerate() {
            keys.add(key, KeyOwner::Deploy { machine, index });
        }
        if let Some(key) = found.remote_unlock.known().and_then(|unlock| unlock.host_key.known()) {
            keys.add(key, KeyOwner::Unlock { machine });
        }
    }
    let mut bindings = Bindings { evaluator: sources.evaluator, files: HashMap::new() };
    let mut key_files = None;
    for rules in rules_files {
        for key in rules.entries.iter().flat_map(|entry| &entry.public_keys) {
            // Two empty keys have nothing in common but that they are none.
            if key.identity().is_empty() || !keys.owners(key.identity()).is_empty() {
                continue;
            }
            let name = bindings.name_of(key).or_else(|| {
                let names = key_files.get_or_insert_with(|| names_of_key_files(sources));
                names.get(key.identity()).cloned()
            });
            match name {
                Some(name) => keys.add(key, KeyOwner::Binding { name, place: key.place.clone() }),
                None => {
                    keys.owners.entry(ByIdentity(key.public.clone())).or_default();
                }
            }
        }
    }
    keys
}

/// Where names of keys that no machine has are looked for.
pub(crate) struct KeySources<'a> {
    /// The tree.
    pub(crate) tree: &'a dyn FileTree,
    /// Knows the syntax of Nix files.
    pub(crate) evaluator: &'a dyn Evaluate,
    /// Files named `*.pub`.
    pub(crate) public_keys: &'a [TreePath],
}

/// At most this many `.pub` files are read for their names.
const MOST_KEY_FILES: usize = 1000;

/// The names of the `.pub` files of the tree by the identity of the one key in each.
fn names_of_key_files(sources: &KeySources<'_>) -> HashMap<String, Arc<str>> {
    let named: Vec<(String, Arc<str>)> = sources
        .public_keys
        .par_iter()
        .take(MOST_KEY_FILES)
        .filter_map(|path| {
            let content = String::from_utf8(sources.tree.read(path, KEY_FILE_LIMIT).ok()?).ok()?;
            let mut lines = key_lines(&content);
            let line = lines.next()?;
            // A file of several keys names a group.
            if lines.next().is_some() {
                return None;
            }
            Some((PublicKey::new(line).identity().to_owned(), name_of_key_file(path)?))
        })
        .collect();
    let mut names = HashMap::new();
    for (identity, name) in named {
        names.entry(identity).or_insert(name);
    }
    names
}

/// What a `.pub` file's path says of whose key it has: its name, or its folder's where the name is the one that OpenSSH
/// gives it.
fn name_of_key_file(path: &TreePath) -> Option<Arc<str>> {
    let stem = path.name().strip_suffix(".pub")?;
    if stem.starts_with("ssh_host_") || stem.starts_with("id_") || is_generic(stem) {
        let folder = path.parent().filter(|folder| !folder.is_root())?;
        return Some(Arc::from(folder.name()));
    }
    Some(Arc::from(stem))
}

/// What the Nix sources call their expressions, by file, read when first asked for.
struct Bindings<'a> {
    evaluator: &'a dyn Evaluate,
    files: HashMap<Arc<str>, HashMap<Span, BindingName>>,
}

impl Bindings<'_> {
    fn name_of(&mut self, key: &Key) -> Option<Arc<str>> {
        if let KeySource::File(path) = &key.source {
            return name_of_key_file(path);
        }
        let span = key.place.span?;
        let names = self.files.entry(key.place.file.clone()).or_insert_with(|| {
            let ast = TreePath::new(&key.place.file).ok().and_then(|path| self.evaluator.parse(&path).ok());
            ast.map(|ast| names_of_keys(&ast)).unwrap_or_default()
        });
        let found = names.get(&span)?;
        // In a list the name is that of a group, and the key's own comment says more.
        match key.public.comment().filter(|_| found.in_list) {
            Some(comment) => Some(Arc::from(comment)),
            None => Some(found.name.clone()),
        }
    }
}

/// Attribute names that say what a value is, not whose, in lower case and without separators.
const GENERIC: [&str; 24] = [
    "publickey",
    "pubkey",
    "key",
    "sshkey",
    "sshpubkey",
    "sshpublickey",
    "hostkey",
    "hostpubkey",
    "hostpublickey",
    "userkey",
    "deploykey",
    "authorizedkey",
    "agekey",
    "agepublickey",
    "ssh",
    "host",
    "age",
    "public",
    "pub",
    "value",
    "user",
    "system",
    "ed25519",
    "rsa",
];

/// Whether a name says what a value is, not whose: `publicKeys`, `ssh_key`, `host-key`.
fn is_generic(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase()).collect();
    GENERIC.contains(&plain.as_str())
        || plain.strip_suffix('s').is_some_and(|one| one.ends_with("key") && GENERIC.contains(&one))
}

/// What a file calls an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingName {
    /// The name.
    pub name: Arc<str>,
    /// Whether the expression is an item of the list that has the name.
    pub in_list: bool,
}

/// What a file calls the texts in it that are bound to a name: `howl` for the key in `let howl = "ssh-ed25519 …";` or in
/// `hosts.howl.publicKey = "…";`, and `howl-2` for the second in `howl = [ "…" "…" ];` unless a comment behind it names it. By the span of the expression.
pub fn names_of_keys(ast: &Ast) -> HashMap<Span, BindingName> {
    let mut names = HashMap::new();
    let mut pending: Vec<(ExprId, Option<BindingName>)> = vec![(ast.root, None)];
    while let Some((id, name)) = pending.pop() {
        match ast.expr(id) {
            Expr::Text(..) | Expr::Path(_) | Expr::Interpolated(_) => {
                if let Some(name) = name {
                    names.insert(ast.span(id), name);
                }
            }
            Expr::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = name.as_ref().map(|list| {
                        let name = match (name_behind(ast, ast.span(*item)), index) {
                            (Some(behind), _) => behind,
                            (None, 0) => list.name.clone(),
                            (None, index) => Arc::from(format!("{}-{}", list.name, index + 1)),
                        };
                        BindingName { name, in_list: true }
                    });
                    pending.push((*item, name));
                }
            }
            Expr::Attrs(set) => enter(set, name.as_ref(), &mut pending),
            Expr::Let { bindings, body } => {
                enter(bindings, name.as_ref(), &mut pending);
                pending.push((*body, name));
            }
            Expr::With { body, .. } | Expr::Assert { body, .. } => pending.push((*body, name)),
            // The name is the function's; what it makes is somebody else's.
            Expr::Lambda(lambda) => pending.push((lambda.body, None)),
            Expr::If { consequence, alternative, .. } => {
                pending.push((*consequence, name.clone()));
                pending.push((*alternative, name));
            }
            Expr::Apply { function, arguments } => {
                // `readFile ./howl.pub`, `trim (readFile …)`: the result is what has the name.
                if let Some(name) = &name {
                    names.insert(ast.span(id), name.clone());
                }
                pending.push((*function, None));
                pending.extend(arguments.iter().map(|argument| (*argument, None)));
            }
            Expr::Binary { operator, left, right } => {
                let name = name.filter(|_| matches!(operator, BinaryOperator::Update | BinaryOperator::Concat));
                pending.push((*left, name.clone()));
                pending.push((*right, name));
            }
            Expr::Select { base, .. } => pending.push((*base, None)),
            _ => {}
        }
    }
    names
}

/// The name in a comment behind an item on its line, if it is a name and not a sentence: `"ssh-ed25519 …" # howl`. Generated
/// rules have all names of a key there, and a key without a comment of its own.
fn name_behind(ast: &Ast, item: Span) -> Option<Arc<str>> {
    let at = ast.comments.partition_point(|comment| comment.span.start < item.end);
    let comment = ast.comments.get(at)?;
    let between = ast.text.get(item.end as usize..comment.span.start as usize)?;
    let name = comment.text.trim().split(", ").next()?;
    let is_name = |letter: char| letter.is_alphanumeric() || "-_.@".contains(letter);
    (between.bytes().all(|byte| byte == b' ' || byte == b'\t') && !name.is_empty() && name.chars().all(is_name))
        .then(|| Arc::from(name))
}

fn enter(set: &AttrSet, around: Option<&BindingName>, pending: &mut Vec<(ExprId, Option<BindingName>)>) {
    for attr in &set.attrs {
        let AttrValue::Expr(id) = attr.value else { continue };
        let own = attr.name.as_str();
        let name = match is_generic(own) {
            // The keys of a rule are not named after the secret.
            true => around.filter(|around| !is_age_name(&around.name)).cloned(),
            false => Some(BindingName { name: Arc::from(own), in_list: false }),
        };
        pending.push((id, name));
    }
}

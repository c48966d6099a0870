//! What rules look at, and what they share.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bulkhead_age::Weakness;
use bulkhead_diagnostics::Place;
use bulkhead_eval::World;
use bulkhead_fleet::{Fleet, PublicKey};
use bulkhead_source::{FileTree, TreePath};
use foldhash::HashMap;
use rayon::prelude::*;

use crate::comparison::{Comparisons, compare};
use crate::names::{Names, Somebody, names};
use crate::trees::given::{self, Given};
use crate::trees::secret_mention::Names as Variables;
use crate::trees::{self, Tree, Trees};
use bulkhead_modules::systems_file;

/// A line that a commit took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedLine {
    /// The line, without the space around.
    pub line: String,
    /// The file in which it stood, relative to the fleet's root.
    pub path: String,
    /// The commit's id, shortened.
    pub commit: String,
    /// The first line of its message.
    pub subject: String,
    /// The day it was committed, as `2024-03-31`.
    pub date: String,
}

/// A line of the last commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedLine {
    /// The line.
    pub line: String,
    /// The file in which it stands, relative to the fleet's root.
    pub path: String,
}

/// The history of a repository, to name keys that have left.
pub trait History: Sync {
    /// The lines with public keys (`ssh-ed25519 …`, `ssh-rsa …`, `age1…`) that commits have taken away, the newest
    /// first. Asked at most once for a run, and only if there is a key that nothing else names; the implementation
    /// bounds time and number.
    fn removed_keys(&self) -> Vec<RemovedLine>;

    /// The same for the lines of the last commit, so that a key has a name also while its removal is not committed yet.
    fn committed_keys(&self) -> Vec<CommittedLine> {
        Vec::new()
    }
}

/// What rules look at.
pub struct Context<'a> {
    /// The fleet.
    pub fleet: &'a Fleet,
    /// The files of the fleet.
    pub tree: &'a dyn FileTree,
    /// The history of the repository, if there is one.
    pub history: Option<&'a dyn History>,
    /// What `bulkhead gen-secrets` would write now; `None` if that is not known or not wanted.
    pub expected_rules: Option<&'a str>,
    /// What evaluates the files; without it, rules about module trees find nothing.
    pub world: Option<&'a World>,
    comparisons: OnceLock<Comparisons<'a>>,
    names: OnceLock<Names>,
    weak: OnceLock<HashMap<&'a str, &'a [Weakness]>>,
    trees: OnceLock<Trees<'a>>,
    variables: Mutex<HashMap<Arc<str>, Option<Arc<Variables>>>>,
    given: OnceLock<Given>,
}

impl<'a> Context<'a> {
    /// A context without history and without expectations about generated files.
    pub fn new(fleet: &'a Fleet, tree: &'a dyn FileTree) -> Context<'a> {
        Context {
            fleet,
            tree,
            history: None,
            expected_rules: None,
            world: None,
            comparisons: OnceLock::new(),
            names: OnceLock::new(),
            weak: OnceLock::new(),
            trees: OnceLock::new(),
            variables: Mutex::default(),
            given: OnceLock::new(),
        }
    }

    /// Ask `history` for the names of keys that have left.
    #[must_use]
    pub fn with_history(mut self, history: &'a dyn History) -> Context<'a> {
        self.history = Some(history);
        self
    }

    /// Compare the generated rules file with `text`.
    #[must_use]
    pub fn with_expected_rules(mut self, text: &'a str) -> Context<'a> {
        self.expected_rules = Some(text);
        self
    }

    /// Read the machines' module trees with `world`, whose first tree are the files of the fleet.
    #[must_use]
    pub fn with_world(mut self, world: &'a World) -> Context<'a> {
        self.world = Some(world);
        self
    }

    /// Compute what rules share, on all threads: that takes most of the time, and needs nothing of
    /// [`Context::expected_rules`]. [`crate::run`] calls it; calling it before, beside other work, saves time.
    pub fn prepare(&self) {
        rayon::join(|| self.trees(), || rayon::join(|| self.comparisons(), || self.weak()));
    }

    /// The module trees of the machines that have one.
    pub(crate) fn trees(&self) -> &[Tree<'a>] {
        &self.all_trees().all
    }

    /// How many systems there are that are no machines of the fleet: those that [`crate::other_systems`] lists. What one may be
    /// started as besides is none.
    pub fn other_systems(&self) -> usize {
        match self.world {
            // No modules were read, as nothing in them matters to any rule.
            Some(world) if self.fleet.module_files.is_empty() => {
                let may_be = !self.fleet.system_files.is_empty() || systems_file(self.tree).is_some();
                if may_be { trees::other_systems(self.fleet, self.tree, world).0.len() } else { 0 }
            }
            _ => self.all_trees().with_others().filter(|tree| !tree.has_properties() && !tree.is_special).count(),
        }
    }

    /// The module trees, and which are not among them.
    pub(crate) fn all_trees(&self) -> &Trees<'a> {
        self.trees.get_or_init(|| match self.world {
            Some(world) => trees::read(self.fleet, self.tree, world),
            None => Trees::default(),
        })
    }

    /// The file of the fleet that a path value names.
    pub(crate) fn file_of(&self, path: &str) -> Option<TreePath> {
        self.world?.in_first_tree(path)
    }

    /// The file of the fleet that a path in the store is a copy of.
    pub(crate) fn copied_from(&self, path: &str) -> Option<TreePath> {
        self.world?.copied_from(path)
    }

    /// What is in the file of the fleet that a path value names, if it is a text.
    pub(crate) fn text_of(&self, path: &str) -> Option<Arc<str>> {
        trees::text_of(self.world?, self.tree, path)
    }

    /// The variables of a Nix file, looked up once: definitions may be very many, and each asks.
    pub(crate) fn names_in(&self, file: &Arc<str>) -> Option<Arc<Variables>> {
        let mut all = self.variables.lock().unwrap_or_else(PoisonError::into_inner);
        let look = || {
            let ast = self.world?.parse(&TreePath::new(file).ok()?).ok()?;
            let names = Variables::of(ast);
            Some(Arc::new(match self.given().arguments.get(file) {
                Some(given) => names.with_given(given),
                None => names,
            }))
        };
        all.entry(file.clone()).or_insert_with(look).clone()
    }

    /// The secrets that files are called with.
    pub(crate) fn given(&self) -> &Given {
        self.given.get_or_init(|| {
            let mut found = Given::default();
            let Some(world) = self.world else { return found };
            for path in &self.fleet.module_files {
                let Ok(ast) = world.parse(path) else { continue };
                let has = |word: &str| ast.text.contains(word);
                if (has("callPackage") || has("import")) && (has("age.secrets") || has("/run/agenix")) {
                    given::add(self.tree, &Variables::of(ast), &path.to_arc(), &mut found);
                }
            }
            found
        })
    }

    /// Whether what is written at a place of a Nix file begins so.
    pub(crate) fn begins_with(&self, place: &Place, start: &str) -> bool {
        let written = || {
            let names = self.names_in(&place.file)?;
            let span = place.span?;
            let text = names.ast.text.get(span.start as usize..span.end as usize)?;
            Some(text.trim_start().starts_with(start))
        };
        written().unwrap_or_default()
    }

    /// Every secret that some rule is about, compared with its file.
    pub(crate) fn comparisons(&self) -> &Comparisons<'a> {
        self.comparisons.get_or_init(|| compare(self.fleet, self.tree))
    }

    /// Reasons not to use the key with this identity. Each different key of the fleet costs a computation on its curve,
    /// once.
    pub(crate) fn weaknesses(&self, identity: &str) -> &[Weakness] {
        self.weak().get(identity).copied().unwrap_or_default()
    }

    fn weak(&self) -> &HashMap<&'a str, &'a [Weakness]> {
        self.weak.get_or_init(|| {
            let keys: Vec<&PublicKey> = self.fleet.keys.iter().map(|(key, _)| &**key).collect();
            let weaknesses = keys.into_par_iter().filter_map(|key| {
                let weaknesses = key.weaknesses();
                (!weaknesses.is_empty()).then(|| (key.identity(), weaknesses))
            });
            weaknesses.collect()
        })
    }

    /// Whoever has the key with `tag` in a stanza of type `kind`.
    pub(crate) fn who_has(&self, kind: &str, tag: &str) -> Somebody {
        let names = self.names.get_or_init(|| names(self.fleet));
        names.of_tag(self.fleet, self.tree, self.history, kind, tag)
    }
}

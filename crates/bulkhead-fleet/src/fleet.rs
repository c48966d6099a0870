//! The fleet: everything that is known about a repository, loaded in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, OnceLock};

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::Data;
use bulkhead_source::{FileKind, FileTree, ReadError, TreePath};
use foldhash::{HashMap, HashSet};
use rayon::prelude::*;

use crate::config::{CONFIG_FILE, Config};
use crate::discover::{Inventory, UnreadFolder, UnreadMachine, discover, misnamed_config};
use crate::evaluate::{Evaluate, diagnostics_of_failure, sorted};
use crate::fact::{Gap, GapKind};
use crate::key::{Key, KeySource, PublicKey};
use crate::machine::{Machine, PROPERTIES_FILE};
use crate::names::{KeyDirectory, KeyOwner, KeySources, directory};
use crate::rules_file::{Candidates, RulesFile, RulesState};
use crate::scan::{AgeFile, KeyLike, Scanned, TextHints, key_in, scan_key, scan_nix, scan_text};
use crate::schema::{SchemaKind, report_gaps, validate};
use crate::secret::{Secret, properties_path, secrets};

/// How far loading has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being read.
    pub stage: Stage,
    /// How many of them are read.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The folders of the tree.
    Folders,
    /// Machines.
    Machines,
    /// `.age` files.
    AgeFiles,
    /// Rules files.
    Rules,
}

/// How to load a fleet; the default suits a fleet without wishes.
#[derive(Clone, Default)]
pub struct LoadOptions<'a> {
    /// The configuration, if it has been read already (its findings are the reader's); else `bulkhead.toml` is read.
    pub config: Option<Config>,
    /// The rules files to judge. If there are none, they are looked for.
    pub rules: Vec<TreePath>,
    /// Is told now and then how far loading has come, from several threads.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
}

/// Why a fleet can't be loaded at all. Everything less is a finding.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The root can't be listed.
    #[error("can't read the fleet: {0}")]
    Root(ReadError),
    /// A rules file that was named is not there.
    #[error("can't read the rules file: {0}")]
    Rules(ReadError),
}

/// A role and the machines that have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// The machines, as indices into [`Fleet::machines`], each once, ascending.
    pub machines: Vec<usize>,
}

/// How much was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Machines.
    pub machines: usize,
    /// Roles.
    pub roles: usize,
    /// Secrets: `.age` files, and those that are declared, by whatever name, or without being there.
    pub secrets: usize,
    /// Files in the tree.
    pub files: usize,
}

/// A fleet.
#[derive(Debug)]
pub struct Fleet {
    /// What was read, for messages: `the working tree`, `the git index`, `revision 1f3a9c2`.
    pub origin: String,
    /// The configuration.
    pub config: Config,
    /// The machines, sorted by folder.
    pub machines: Vec<Machine>,
    /// Why there may be further machines, of any name: a folder of machines can't be read.
    pub machines_gap: Option<Gap>,
    /// The roles that machines have, by name.
    pub roles: BTreeMap<Arc<str>, Role>,
    /// Why further machines may have any role: those whose roles are not known.
    pub role_gaps: Vec<Gap>,
    /// Whether secrets are granted by Bulkhead's convention: there is a `secrets/properties.nix` or a generated rules
    /// file, or there are machines and no handwritten rules file that says otherwise. If not, `secrets` is empty.
    pub by_convention: bool,
    /// The secrets of the convention, sorted by file.
    pub secrets: Vec<Secret>,
    /// Why there may be further entries in `secrets/properties.nix`, if there may.
    pub secrets_gap: Option<Gap>,
    /// Folders of which it is not known what they hold, sorted by path. What lies in one is neither there nor missing.
    pub unread: Vec<UnreadFolder>,
    /// The keys of `admins` in `bulkhead.toml`.
    pub admins: Vec<Key>,
    /// Whether `rules_files` are those that the caller named, rather than all that there are.
    pub rules_are_chosen: bool,
    /// The agenix rules files, sorted by path.
    pub rules_files: Vec<RulesFile>,
    /// The `.nix` files whose texts have words of options that rules about module trees read, sorted by path; without
    /// rules files and `properties.nix`.
    pub module_files: Vec<TreePath>,
    /// All `.nix` files, sorted by path.
    pub nix_files: Vec<TreePath>,
    /// Scripts and what tells programs what to do (`deploy.sh`, `justfile`, `ci.yaml`), by their names, sorted by path.
    pub scripts: Vec<TreePath>,
    /// The `.nix` files that may make systems: flakes, what looks like a network of nodes (of colmena, morph, NixOps), and what
    /// has words of functions of a nixpkgs for that; sorted by path.
    pub system_files: Vec<TreePath>,
    /// The `.age` files, sorted by path.
    pub age_files: Vec<AgeFile>,
    /// Files that seem to hold a secret in clear, sorted by path.
    pub key_likes: Vec<KeyLike>,
    /// Every public key of the fleet, and whose it is.
    pub keys: KeyDirectory,
    /// What was found wrong while loading, sorted by place.
    pub findings: Vec<Diagnostic>,
    /// Those of `findings` that somebody decided to live with. Whoever loads the fleet may fill this in; generating goes by
    /// what the files say in spite of them.
    pub accepted: Vec<Diagnostic>,
    /// How much was looked at.
    pub counts: Counts,
    /// What would be searched for in all machines again and again.
    pub(crate) index: Index,
}

/// Machines by what is asked about them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By name.
    pub(crate) by_name: HashMap<Arc<str>, Vec<usize>>,
    /// User keys.
    pub(crate) user_keys: Vec<KeyOwner>,
    /// Machines of which not all user keys are known.
    pub(crate) user_key_gaps: Vec<usize>,
}

impl Index {
    fn new(machines: &[Machine]) -> Index {
        let mut index = Index::default();
        for (machine, found) in machines.iter().enumerate() {
            index.by_name.entry(found.name.clone()).or_default().push(machine);
            index.user_keys.extend((0..found.user_keys.items.len()).map(|index| KeyOwner::User { machine, index }));
            if !found.user_keys.is_complete() {
                index.user_key_gaps.push(machine);
            }
        }
        index
    }
}

impl Fleet {
    /// Load the fleet of `tree`, with the values of its files from `evaluator` (a [`bulkhead_eval::World`] of the same
    /// tree, or a [`crate::NixEvaluator`]). A tree without machines is a fleet too: a plain agenix repository.
    ///
    /// The work is done on threads of its own, with stacks as large as evaluations need.
    pub fn load(tree: &dyn FileTree, evaluator: &dyn Evaluate, options: &LoadOptions<'_>) -> Result<Fleet, LoadError> {
        match pool() {
            Some(pool) => pool.install(|| Fleet::load_here(tree, evaluator, options)),
            None => Fleet::load_here(tree, evaluator, options),
        }
    }

    fn load_here(tree: &dyn FileTree, evaluator: &dyn Evaluate, options: &LoadOptions<'_>) -> Result<Fleet, LoadError> {
        tree.list(&TreePath::root()).map_err(LoadError::Root)?;
        let mut findings = Vec::new();
        let config = match &options.config {
            Some(config) => config.clone(),
            None => Config::load(tree, &mut findings),
        };
        let told = |stage, done, total| {
            if let Some(progress) = options.progress {
                progress(Progress { stage, done, total });
            }
        };
        told(Stage::Folders, 0, 1);
        let mut inventory = discover(tree, &config);
        findings.append(&mut inventory.findings);
        findings.extend(misnamed_config(tree));
        if let Some((finding, unread)) = no_machines_folder(tree, &config, &inventory) {
            inventory.unread_folders.push(UnreadFolder { path: config.machines.clone(), gap: unread });
            inventory.unread_folders.sort_by(|a, b| a.path.cmp(&b.path));
            findings.push(finding);
        }
        if inventory.machines.is_empty() {
            findings.extend(fleets_below(&config, &inventory.other_properties));
        }

        let loader = Loader { tree, evaluator, told: &told };
        let words = config.mapped_words();
        // Large single files (rules, properties of secrets) are evaluated on one thread each, so they begin at once.
        let (rules, (entries, (machines, files))) = rayon::join(
            || loader.rules_files(&inventory, options, &words),
            || {
                rayon::join(
                    || loader.secret_entries(&config),
                    || {
                        let machines = loader.machines(&inventory.machines);
                        (machines, (loader.age_files(&inventory.age_files), loader.key_likes(&inventory)))
                    },
                )
            },
        );
        let (rules_files, module_files, system_files, mut key_likes, mut found) = rules?;
        findings.append(&mut found);
        let (entries, mut found) = entries;
        findings.append(&mut found);
        let (mut machines, mut keys, mut found) = machines;
        let gap_of = |unread: &UnreadMachine| Gap {
            kind: unread.kind,
            reason: Arc::from(&*unread.reason),
            help: None,
            place: unread.place.clone(),
        };
        let is_around_machines = |unread: &&UnreadFolder| unread.path.meets(&config.machines);
        let machines_gap = inventory.unread_folders.iter().find(is_around_machines).map(|unread| unread.gap.clone());
        machines.extend(inventory.unread_machines.drain(..).map(|unread| {
            let gap = gap_of(&unread);
            Machine::unread(unread.dir, gap)
        }));
        machines.sort_by(|a, b| a.dir.cmp(&b.dir));
        findings.append(&mut found);
        key_likes.append(&mut keys);
        let (age_files, (mut keys, mut found)) = files;
        key_likes.append(&mut keys);
        findings.append(&mut found);
        let (roles, mut role_gaps) = roles_of(&machines);
        if machines.is_empty() {
            role_gaps.extend(machines_gap.clone());
        }

        let by_convention = entries.is_some()
            || (rules_files.iter().all(|rules| rules.generated) && !(rules_files.is_empty() && machines.is_empty()));
        let (secrets, secrets_gap) = if by_convention {
            secrets(tree, &config, &machines, &inventory.age_files, entries.as_ref(), &mut findings)
        } else {
            (Vec::new(), None)
        };
        let admins = admins(&config);
        let sources = KeySources { tree, evaluator, public_keys: &inventory.public_keys };
        let keys = directory(&machines, &admins, &rules_files, &sources);
        key_likes.sort_by(|a, b| a.path.cmp(&b.path));
        let scripts = inventory.key_candidates.iter().filter(|path| is_script(path.name())).cloned().collect();
        let counts = Counts {
            machines: machines.len(),
            roles: roles.len(),
            secrets: count_secrets(&age_files, &secrets, &rules_files),
            files: inventory.files,
        };
        Ok(Fleet {
            index: Index::new(&machines),
            origin: tree.describe(),
            config,
            machines,
            machines_gap,
            roles,
            role_gaps,
            by_convention,
            secrets,
            secrets_gap,
            unread: inventory.unread_folders,
            admins,
            rules_are_chosen: !options.rules.is_empty(),
            rules_files,
            module_files,
            nix_files: inventory.nix_files,
            scripts,
            system_files,
            age_files,
            key_likes,
            keys,
            findings: sorted(findings),
            accepted: Vec::new(),
            counts,
        })
    }

    /// Why nothing is known about machines at all, if the folder that holds them is not read: one cause for whatever seems
    /// to be missing.
    pub fn unread_machines(&self) -> Option<&Gap> {
        let unread = self.unread.iter().find(|unread| self.config.machines.starts_with(&unread.path))?;
        Some(&unread.gap)
    }

    /// Whether it is not known what lies at `path`, because a folder around it is not read.
    pub fn is_unread(&self, path: &TreePath) -> bool {
        self.unread.iter().any(|unread| path.starts_with(&unread.path))
    }

    /// The rules file that Bulkhead generates, if it is there.
    pub fn generated_rules(&self) -> Option<&RulesFile> {
        self.rules_files.iter().find(|rules| rules.path == self.config.rules)
    }

    /// The `.age` file at `path`.
    pub fn age_file(&self, path: &TreePath) -> Option<&AgeFile> {
        let index = self.age_files.binary_search_by(|file| file.path.cmp(path)).ok()?;
        self.age_files.get(index)
    }

    /// The machines called `name`: normally one, none or, wrongly, several.
    pub fn machines_named<'a>(&'a self, name: &str) -> impl Iterator<Item = (usize, &'a Machine)> + use<'a> {
        let indices = self.index.by_name.get(name).map_or(&[][..], Vec::as_slice);
        indices.iter().filter_map(|index| Some((*index, self.machines.get(*index)?)))
    }
}

/// Threads whose stacks are large enough to evaluate on, so that no evaluation has to start one. `None` where the system
/// gives none; evaluations then ask for a thread each, and fail one by one.
fn pool() -> Option<&'static rayon::ThreadPool> {
    static POOL: LazyLock<Option<rayon::ThreadPool>> = LazyLock::new(|| {
        rayon::ThreadPoolBuilder::new()
            .stack_size(bulkhead_eval::STACK_SIZE)
            .start_handler(|_| bulkhead_eval::mark_large_stack())
            .thread_name(|index| format!("load-{index}"))
            .build()
            .ok()
    });
    POOL.as_ref()
}

/// Rules files, and what else their search came across.
type FoundRules = (Vec<RulesFile>, Vec<TreePath>, Vec<TreePath>, Vec<KeyLike>, Vec<Diagnostic>);

struct Loader<'a> {
    tree: &'a dyn FileTree,
    evaluator: &'a dyn Evaluate,
    told: &'a (dyn Fn(Stage, usize, usize) + Sync),
}

impl Loader<'_> {
    fn machines(&self, folders: &[TreePath]) -> (Vec<Machine>, Vec<KeyLike>, Vec<Diagnostic>) {
        let files: Vec<TreePath> =
            folders.iter().map(|dir| dir.join(PROPERTIES_FILE).unwrap_or_else(|_| dir.clone())).collect();
        type Slot = OnceLock<(Machine, Vec<Diagnostic>, Option<KeyLike>)>;
        let slots: Vec<Slot> = folders.iter().map(|_| OnceLock::new()).collect();
        let done = AtomicUsize::new(0);
        self.evaluator.evaluate_all(&files, &|index, data| {
            let (Some(slot), Some(dir), Some(file)) = (slots.get(index), folders.get(index), files.get(index)) else {
                return;
            };
            let mut found = Vec::new();
            self.explain(&data, &Place::file(file.to_arc()), &mut found);
            let machine = Machine::read(self.tree, dir.clone(), &data, &mut found);
            let key = self.evaluator.parse(file).ok().and_then(|ast| {
                let bytes = ast.text.as_bytes();
                key_in(file, bytes, bytes.len() as u64)
            });
            // Each slot is filled once; a second value for one file has nothing to add.
            let _ = slot.set((machine, found, key));
            (self.told)(Stage::Machines, done.fetch_add(1, Ordering::Relaxed) + 1, folders.len());
        });
        let mut machines = Vec::with_capacity(slots.len());
        let (mut keys, mut findings) = (Vec::new(), Vec::new());
        for slot in slots {
            let Some((machine, mut found, key)) = slot.into_inner() else { continue };
            machines.push(machine);
            findings.append(&mut found);
            keys.extend(key);
        }
        (machines, keys, findings)
    }

    /// Findings for what is unknown in a value and for what failed.
    fn explain(&self, data: &Data, around: &Place, findings: &mut Vec<Diagnostic>) {
        let mut failed = Vec::new();
        report_gaps(data, around, findings, &mut failed);
        for (failure, place) in failed {
            findings.extend(diagnostics_of_failure(&failure, &place, Some(self.evaluator)));
        }
    }

    fn age_files(&self, paths: &[TreePath]) -> Vec<AgeFile> {
        let done = AtomicUsize::new(0);
        paths
            .par_iter()
            .map(|path| {
                let file = AgeFile::read(self.tree, path.clone());
                (self.told)(Stage::AgeFiles, done.fetch_add(1, Ordering::Relaxed) + 1, paths.len());
                file
            })
            .collect()
    }

    fn key_likes(&self, inventory: &Inventory) -> (Vec<KeyLike>, Vec<Diagnostic>) {
        let keys = inventory.key_candidates.par_iter().map(|path| (path, scan_key(self.tree, path)));
        let texts = inventory.texts.par_iter().map(|path| (path, scan_text(self.tree, path)));
        let looked: Vec<Result<KeyLike, Diagnostic>> = keys
            .chain(texts)
            .filter_map(|(path, scanned)| match scanned {
                Ok(found) => found.map(Ok),
                // What a link to nowhere in the tree holds is not in the repository.
                Err(_) if !matches!(self.tree.kind(path), Ok(Some(FileKind::Regular))) => None,
                Err(error) => {
                    let message = format!("can't tell whether there is a private key in clear: {error}");
                    Some(Err(undecided_file(path, message)))
                }
            })
            .collect();
        let (mut keys, mut findings) = (Vec::new(), Vec::new());
        for result in looked {
            match result {
                Ok(key) => keys.push(key),
                Err(finding) => findings.push(finding),
            }
        }
        (keys, findings)
    }

    fn secret_entries(&self, config: &Config) -> (Option<Data>, Vec<Diagnostic>) {
        let mut findings = Vec::new();
        let Some(path) = properties_path(config) else { return (None, findings) };
        if config.is_ignored(&path) || !self.tree.exists(&path) {
            return (None, findings);
        }
        let data = self.evaluator.evaluate(&path);
        let around = Place::file(path.to_arc());
        self.explain(&data, &around, &mut findings);
        findings.extend(validate(SchemaKind::Secrets, &data, &around));
        (Some(data), findings)
    }

    fn rules_files(
        &self,
        inventory: &Inventory,
        options: &LoadOptions<'_>,
        words: &[String],
    ) -> Result<FoundRules, LoadError> {
        let (mut key_likes, mut findings) = (Vec::new(), Vec::new());
        let age_files: BTreeSet<&TreePath> = inventory.age_files.iter().collect();
        let age_folders: BTreeSet<TreePath> = inventory.age_files.iter().filter_map(TreePath::parent).collect();
        let candidates =
            Candidates { tree: self.tree, evaluator: self.evaluator, age_files: &age_files, age_folders: &age_folders };
        let scanned: Vec<(&TreePath, Result<Scanned, ReadError>)> =
            inventory.nix_files.par_iter().map(|path| (path, scan_nix(self.tree, path, words))).collect();
        let (mut module_files, mut system_files) = (Vec::new(), Vec::new());
        let mut chosen: Vec<(TreePath, TextHints, bool)> = Vec::new();
        for (path, scanned) in scanned {
            match scanned {
                Ok(scanned) => {
                    key_likes.extend(scanned.key_like);
                    if scanned.hints.options {
                        module_files.push(path.clone());
                    }
                    let may_make_systems = match path.name() {
                        "flake.nix" => scanned.hints.flake,
                        "hive.nix" => true,
                        _ => scanned.hints.network,
                    };
                    if may_make_systems {
                        system_files.push(path.clone());
                    }
                    if options.rules.is_empty() && candidates.is_candidate(path, scanned.hints) {
                        chosen.push((path.clone(), scanned.hints, false));
                    }
                }
                Err(error) if options.rules.is_empty() => {
                    let is_there = !matches!(error, ReadError::InSubmodule { .. });
                    findings.push(if candidates.is_expected(path) && is_there {
                        Diagnostic::new(
                            "unreadable-file",
                            Severity::Error,
                            Place::file(path.to_arc()),
                            error.to_string(),
                        )
                        .with_note("by its name or place it holds rules of agenix, which are not judged")
                        .with_help("make it a file that can be read, or take it out of the repository")
                    } else {
                        undecided_file(path, format!("can't tell whether this file holds rules of agenix: {error}"))
                    });
                }
                Err(_) => {}
            }
        }
        for path in &options.rules {
            let hints = self.tree.read_prefix(path, 64 << 10).map_err(LoadError::Rules)?;
            chosen.push((path.clone(), TextHints::of(&hints.bytes, words), true));
        }
        let done = AtomicUsize::new(0);
        let loaded: Vec<(Option<RulesFile>, Vec<Diagnostic>)> = chosen
            .par_iter()
            .map(|(path, hints, named)| {
                let mut found = Vec::new();
                let rules = candidates.load(path, *hints, *named, &mut found);
                (self.told)(Stage::Rules, done.fetch_add(1, Ordering::Relaxed) + 1, chosen.len());
                (rules, found)
            })
            .collect();
        // A function that other rules files call is judged through what they make of it. They may have put a folder before
        // its names; the sets with the keys are still its own.
        let entries = loaded.iter().filter_map(|(rules, _)| rules.as_ref()).flat_map(|rules| &rules.entries);
        let written_in: HashSet<Arc<str>> =
            entries.flat_map(|entry| [entry.key.file.clone(), entry.place.file.clone()]).collect();
        let is_called = |rules: &RulesFile| {
            let is_none = matches!(&rules.state, RulesState::Failed(gap) if gap.kind == GapKind::Invalid);
            options.rules.is_empty() && is_none && written_in.contains(rules.path.as_str())
        };
        let mut rules_files = Vec::new();
        for (rules, mut found) in loaded {
            if rules.as_ref().is_some_and(is_called) {
                continue;
            }
            rules_files.extend(rules);
            findings.append(&mut found);
        }
        // Rules and properties are data: words in them say nothing of modules, and nearly every fleet has some.
        let is_rules = |path: &TreePath| {
            rules_files.iter().any(|rules| rules.path == *path && rules.state == RulesState::Evaluated)
        };
        module_files.retain(|path| path.name() != PROPERTIES_FILE && !is_rules(path));
        module_files.sort();
        system_files.retain(|path| path.name() != PROPERTIES_FILE && !is_rules(path));
        system_files.sort();
        Ok((rules_files, module_files, system_files, key_likes, findings))
    }
}

/// Whether a file's name is that of a script, or of what tells a program what to do.
fn is_script(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["justfile", "makefile", ".envrc", ".justfile"].contains(&name.as_str())
        || ["bash", "fish", "just", "json", "mk", "nu", "sh", "tf", "toml", "yaml", "yml", "zsh"].contains(&extension)
}

/// A file that might matter and can't be read.
fn undecided_file(path: &TreePath, message: String) -> Diagnostic {
    Diagnostic::new("unreadable-file", Severity::Undecided, Place::file(path.to_arc()), message)
        .with_help("make it a file that can be read; if it does not matter, put it in `ignore` in bulkhead.toml")
}

/// Findings for fleets that lie deeper in a tree that has no machines itself: only their own root tells what they say.
fn fleets_below(config: &Config, properties: &[TreePath]) -> Vec<Diagnostic> {
    let machines = config.machines.name();
    let root_of = |path: &TreePath| {
        let mut folder = path.parent()?;
        while folder.name() != machines {
            folder = folder.parent()?;
        }
        folder.parent().filter(|root| *root != TreePath::root())
    };
    let roots: BTreeSet<TreePath> = properties.iter().filter_map(root_of).collect();
    let finding = |root: TreePath| {
        let message = format!("`{root}` looks like a fleet of its own, and its machines are not judged from here");
        Diagnostic::new("config", Severity::Undecided, Place::file(root.to_arc()), message)
            .with_note(format!("it has machines in `{root}/{machines}`; this folder has none"))
            .with_help(format!("check it: bulkhead check {root}"))
            .with_help("if it is none, pass over it in bulkhead.toml: ignore = [\"…\"]")
    };
    let more = roots.len().saturating_sub(MOST_FLEETS_BELOW);
    let mut findings: Vec<Diagnostic> = roots.into_iter().take(MOST_FLEETS_BELOW).map(finding).collect();
    if let (Some(last), true) = (findings.last_mut(), more > 0) {
        *last = last.clone().with_note(format!("so do {more} more folders"));
    }
    findings
}

/// How many fleets in folders below are named.
const MOST_FLEETS_BELOW: usize = 20;

/// Machines lie in a folder that is called almost as it should be, where there is none: `Machines`.
fn misnamed_machines_folder(meant: &TreePath, inventory: &Inventory) -> Option<(Diagnostic, Gap)> {
    let length = meant.as_str().len();
    let found = inventory.other_properties.iter().find_map(|path| {
        let (start, rest) = path.as_str().split_at_checked(length)?;
        (rest.starts_with('/') && start.eq_ignore_ascii_case(meant.as_str())).then_some(start)
    })?;
    let reason: Arc<str> = Arc::from(format!("`{found}` is not called `{meant}`"));
    let place = Place::file(Arc::from(found));
    let message = format!("`{found}` is not read: the folder of machines is called `{meant}`, in small letters");
    let finding = Diagnostic::new("config", Severity::Error, place.clone(), message)
        .with_help(format!("rename it: git mv {found} {meant}"))
        .with_help(format!("or name it in {CONFIG_FILE}: [layout] machines = \"{found}\""));
    Some((finding, Gap { kind: GapKind::Failed, reason, help: None, place }))
}

/// The folder of machines that `bulkhead.toml` names is not there. Everything that is granted would seem to be granted to
/// nobody; the one thing that is wrong is the name.
fn no_machines_folder(tree: &dyn FileTree, config: &Config, inventory: &Inventory) -> Option<(Diagnostic, Gap)> {
    let place = config.place_of(&["layout", "machines"]);
    let folder = &config.machines;
    if tree.exists(folder) {
        return None;
    }
    if place.span.is_none() {
        return misnamed_machines_folder(folder, inventory);
    }
    let reason: Arc<str> = Arc::from(format!("`{folder}`, the folder of machines, does not exist"));
    let gap = Gap { kind: GapKind::Failed, reason, help: None, place: place.clone() };
    let message = format!("there is no folder `{folder}`, in which the machines are looked for");
    let mut finding = Diagnostic::new("config", Severity::Error, place, message);
    let candidates = inventory.other_properties.iter().filter(|path| Some(*path) != properties_path(config).as_ref());
    let top = |path: &TreePath| path.as_str().split_once('/').map(|(top, _)| top.to_owned());
    let tops: BTreeSet<String> = candidates.filter_map(top).collect();
    if let Some(top) = tops.first() {
        finding = finding.with_help(format!("there are files {PROPERTIES_FILE} in `{top}`: machines = \"{top}\""));
    }
    let finding =
        finding.with_help("name the folder that holds the machines, or make it; without the line it is `machines`");
    Some((finding, gap))
}

fn count_secrets(age_files: &[AgeFile], secrets: &[Secret], rules_files: &[RulesFile]) -> usize {
    let declared = secrets.iter().map(|secret| &secret.file);
    let targets = rules_files.iter().flat_map(|rules| &rules.entries).filter_map(|entry| entry.file.as_ref());
    let files: HashSet<&TreePath> =
        age_files.iter().map(|file| &file.path).chain(declared).chain(targets.map(|target| &target.path)).collect();
    files.len()
}

fn roles_of(machines: &[Machine]) -> (BTreeMap<Arc<str>, Role>, Vec<Gap>) {
    let mut roles: BTreeMap<Arc<str>, Role> = BTreeMap::new();
    let mut gaps = Vec::new();
    for (index, machine) in machines.iter().enumerate() {
        for role in &machine.system_roles {
            let members = &mut roles.entry(role.value.clone()).or_default().machines;
            if members.last() != Some(&index) {
                members.push(index);
            }
        }
        gaps.extend(machine.system_roles.gaps.iter().cloned());
    }
    (roles, gaps)
}

fn admins(config: &Config) -> Vec<Key> {
    let keys = config.toml.admins.iter().enumerate();
    keys.map(|(index, line)| Key {
        public: Arc::new(PublicKey::new(line)),
        place: config.admin_place(index),
        source: KeySource::Literal,
    })
    .collect()
}

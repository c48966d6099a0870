//! One walk over the tree that finds everything worth reading.
//!
//! Folders are listed in parallel. Symbolic links to folders are not followed, so that nothing is found twice and no
//! walk goes in circles; links to files are looked at like files. (A fleet that goes by `builtins.readDir` does the same:
//! there a link is a "symlink", not a "directory".) What lies behind such a link, in a submodule, or is no regular file
//! is not there for any rule, and is reported. What tools, caches and builds leave behind is passed over, but never what
//! git tracks: see [`Leftovers`].

use std::sync::OnceLock;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_source::{Entry, FileKind, FileTree, GitTree, ReadError, TreePath, find_git_root};
use rayon::prelude::*;

use crate::config::{CONFIG_FILE, Config};
use crate::evaluate::in_submodule;
use crate::fact::{Gap, GapKind};
use crate::machine::PROPERTIES_FILE;
use crate::secret::is_age_name;

/// What folders of tools are called. A link to one leads nowhere that is looked at.
const TOOL_FOLDERS: [&str; 7] = [".git", ".jj", ".hg", ".svn", ".direnv", "node_modules", "__pycache__"];

/// What was found, each list sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Folders that are machines.
    pub(crate) machines: Vec<TreePath>,
    /// Files named `properties.nix` elsewhere.
    pub(crate) other_properties: Vec<TreePath>,
    /// Machines whose properties can't be read; a finding says so.
    pub(crate) unread_machines: Vec<UnreadMachine>,
    /// Folders of which it is not known what they hold.
    pub(crate) unread_folders: Vec<UnreadFolder>,
    /// Files named `*.age`, and what has such a name and is no file.
    pub(crate) age_files: Vec<TreePath>,
    /// Files named `*.nix` that may be rules files.
    pub(crate) nix_files: Vec<TreePath>,
    /// Files named `*.pub`.
    pub(crate) public_keys: Vec<TreePath>,
    /// Files that may hold a private key, going by their names.
    pub(crate) key_candidates: Vec<TreePath>,
    /// Texts about anything, and programs, in which only a whole private key is taken for one.
    pub(crate) texts: Vec<TreePath>,
    /// How many files there are.
    pub(crate) files: usize,
    /// What could not be listed, and links that look like machines.
    pub(crate) findings: Vec<Diagnostic>,
}

/// A folder of which it is not known what it holds: it is not checked out, can't be listed, or lies behind a link that is
/// not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadFolder {
    /// The folder; behind a link, the link.
    pub path: TreePath,
    /// Why.
    pub gap: Gap,
}

/// A folder that is meant to be a machine.
#[derive(Debug)]
pub(crate) struct UnreadMachine {
    /// The folder; behind a link, by its path through the link.
    pub(crate) dir: TreePath,
    /// What stands in the way.
    pub(crate) place: Place,
    /// A clause that completes "not known, because …".
    pub(crate) reason: String,
    /// Whether the finding about it is an error, or undecided.
    pub(crate) kind: GapKind,
}

impl Inventory {
    fn append(mut self, mut other: Inventory) -> Inventory {
        self.machines.append(&mut other.machines);
        self.unread_machines.append(&mut other.unread_machines);
        self.unread_folders.append(&mut other.unread_folders);
        self.age_files.append(&mut other.age_files);
        self.nix_files.append(&mut other.nix_files);
        self.other_properties.append(&mut other.other_properties);
        self.public_keys.append(&mut other.public_keys);
        self.key_candidates.append(&mut other.key_candidates);
        self.texts.append(&mut other.texts);
        self.findings.append(&mut other.findings);
        self.files += other.files;
        self
    }
}

/// Walk over `tree`.
pub(crate) fn discover(tree: &dyn FileTree, config: &Config) -> Inventory {
    let leftovers = Leftovers::new(tree);
    let mut found = Inventory::default();
    let mut folders = vec![TreePath::root()];
    while !folders.is_empty() {
        let (level, next) = folders
            .par_iter()
            .fold(
                || (Inventory::default(), Vec::new()),
                |(mut inventory, mut next), folder| {
                    list(&leftovers, config, folder, &mut inventory, &mut next);
                    (inventory, next)
                },
            )
            .reduce(
                || (Inventory::default(), Vec::new()),
                |(left, mut next), (right, mut more)| {
                    next.append(&mut more);
                    (left.append(right), next)
                },
            );
        found = found.append(level);
        folders = next;
    }
    found.machines.par_sort();
    found.unread_machines.par_sort_by(|a, b| a.dir.cmp(&b.dir));
    found.unread_folders.sort_by(|a, b| a.path.cmp(&b.path));
    found.age_files.par_sort();
    found.nix_files.par_sort();
    found.public_keys.par_sort();
    found.key_candidates.par_sort();
    found.texts.par_sort();
    found
}

const CACHE_TAG: &str = "CACHEDIR.TAG";

/// How the tag of a cache folder begins, by the Cache Directory Tagging Specification (<https://bford.info/cachedir/>).
/// Any other file of that name marks nothing: it must not take a machine out of what is looked at.
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

/// Folders that are passed over: git's own, and in a working tree those that tools leave behind, going by their names or
/// by the tag of a cache. Never one that holds files tracked by git: what is committed is no leftover, and must not hide
/// a secret. So nothing but `.git` is passed over in the index or a revision.
struct Leftovers<'a> {
    tree: &'a dyn FileTree,
    /// Opened for the first folder that is asked about: most fleets have none.
    tracked: OnceLock<Tracked>,
}

enum Tracked {
    /// There is no repository.
    NoRepository,
    /// There is one, and git can't tell what it tracks.
    NotKnown,
    Index(Box<GitTree>),
}

impl<'a> Leftovers<'a> {
    fn new(tree: &'a dyn FileTree) -> Leftovers<'a> {
        Leftovers { tree, tracked: OnceLock::new() }
    }

    fn tracked(&self) -> &Tracked {
        self.tracked.get_or_init(|| match self.tree.root() {
            Some(root) if find_git_root(root).is_some() => {
                GitTree::index(root).map_or(Tracked::NotKnown, |index| Tracked::Index(Box::new(index)))
            }
            _ => Tracked::NoRepository,
        })
    }

    /// Whether the index has no file in `folder`. What a submodule tracks is in another index.
    fn is_untracked(&self, index: &GitTree, folder: &TreePath) -> bool {
        let mut around = Some(folder.clone());
        while let Some(path) = around {
            if index.is_submodule(&path) {
                return false;
            }
            around = path.parent();
        }
        matches!(index.kind(folder), Ok(None))
    }

    /// Whether a folder is passed over because of its name.
    fn is_tools(&self, folder: &TreePath, name: &str) -> bool {
        if name == ".git" {
            return true;
        }
        if !TOOL_FOLDERS.contains(&name) || !self.tree.is_working_tree() {
            return false;
        }
        match self.tracked() {
            Tracked::NoRepository => true,
            Tracked::NotKnown => false,
            Tracked::Index(index) => folder.join(name).is_ok_and(|path| self.is_untracked(index, &path)),
        }
    }

    /// Whether a folder with a file called like the tag of a cache is one. Without a repository that can't be relied on: an
    /// archive of a repository holds what was tracked.
    fn is_cache(&self, folder: &TreePath) -> bool {
        if !self.tree.is_working_tree() || folder.is_root() {
            return false;
        }
        let Ok(tag) = folder.join(CACHE_TAG) else { return false };
        let is_signed = self
            .tree
            .read_prefix(&tag, CACHE_SIGNATURE.len() as u64)
            .is_ok_and(|prefix| prefix.bytes == CACHE_SIGNATURE);
        is_signed && matches!(self.tracked(), Tracked::Index(index) if self.is_untracked(index, folder))
    }
}

fn list(
    leftovers: &Leftovers<'_>,
    config: &Config,
    folder: &TreePath,
    found: &mut Inventory,
    next: &mut Vec<TreePath>,
) {
    let tree = leftovers.tree;
    let entries = match tree.list(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let place = Place::file(folder.to_arc());
            found.findings.push(Diagnostic::new("unreadable-file", Severity::Error, place, error.to_string()));
            note_unread_folder(config, folder, error.to_string(), GapKind::Failed, found);
            return;
        }
    };
    if entries.is_empty() && tree.is_submodule(folder) {
        found
            .findings
            .push(submodule(folder, "it is not checked out").with_help("check it out: git submodule update --init"));
        let reason = format!("the git submodule `{folder}` is not checked out");
        note_unread_folder(config, folder, reason, GapKind::Unread, found);
        return;
    }
    if entries.iter().any(|entry| &*entry.name == CACHE_TAG) && leftovers.is_cache(folder) {
        return;
    }
    let among_machines = folder.starts_with(&config.machines) && *folder != config.machines;
    for entry in &entries {
        let name = &*entry.name;
        if entry.kind == FileKind::Directory && leftovers.is_tools(folder, name) {
            continue;
        }
        // Most files are neither; building their paths would cost more than all else here.
        let interest = match entry.kind {
            FileKind::Directory => Interest::Folder,
            FileKind::Other => {
                note_unopenable(tree, config, folder, name, found);
                continue;
            }
            FileKind::Regular => interest(name),
            FileKind::Symlink if is_result_link(name) => continue,
            FileKind::Symlink => interest(name),
        };
        let is_folder = matches!(interest, Interest::Folder);
        found.files += usize::from(!is_folder);
        let is_link = entry.kind == FileKind::Symlink;
        let in_layout = is_in_layout(config, folder);
        if matches!(interest, Interest::None) && !(is_link && in_layout) {
            continue;
        }
        let Ok(path) = folder.join(name) else { continue };
        if config.is_ignored(&path) {
            continue;
        }
        if interest_is_unreadable(tree, config, &path, entry.kind, &interest, found) {
            continue;
        }
        if is_link && points_to_folder(tree, &path) {
            if in_layout {
                note_linked_folder(tree, config, &path, found);
            }
            continue;
        }
        if matches!(interest, Interest::Nix) {
            note_capitals(config, &entries, folder, &path, found);
        }
        match interest {
            Interest::Folder => next.push(path),
            Interest::Properties if among_machines => found.machines.push(folder.clone()),
            Interest::Age => found.age_files.push(path),
            Interest::Nix => found.nix_files.push(path),
            Interest::PublicKey => {
                // `id_ed25519` is renamed to `id_ed25519.pub` by mistake, too.
                found.key_candidates.push(path.clone());
                found.public_keys.push(path);
            }
            Interest::MaybeKey => found.key_candidates.push(path),
            Interest::Text => found.texts.push(path),
            Interest::Properties => found.other_properties.push(path),
            Interest::None => {}
        }
    }
}

/// What would be read if it were what it should be: a folder behind a link, a link to nowhere, a folder in place of a
/// file. It must not look as if it were not there.
fn interest_is_unreadable(
    tree: &dyn FileTree,
    config: &Config,
    path: &TreePath,
    kind: FileKind,
    interest: &Interest,
    found: &mut Inventory,
) -> bool {
    let in_layout = is_in_layout(config, path);
    if kind == FileKind::Regular && (*path == config.machines || *path == config.secrets) {
        found.findings.push(no_layout_folder(path));
        return false;
    }
    if kind == FileKind::Directory && in_layout {
        if path.name() == PROPERTIES_FILE {
            found.findings.push(unreadable(path, format!("`{path}` is a directory; a file belongs here")));
            note_unread_machine(config, path, "is a directory", found);
            return true;
        }
        if matches!(self::interest(path.name()), Interest::Age) {
            // The secret is there and can't be read. What lies in the folder is looked at all the same.
            found.age_files.push(path.clone());
            return false;
        }
    }
    if kind != FileKind::Symlink || !in_layout {
        return false;
    }
    match tree.resolve(path) {
        // A file that is read by its name reports this itself.
        Err(error) if matches!(interest, Interest::None | Interest::MaybeKey | Interest::Text) => {
            let finding = unreadable(path, error.to_string());
            found.findings.push(match &error {
                ReadError::LeavesRoot { .. } => finding
                    .with_help("put what it points to here instead of the link: what lies outside is in no repository")
                    .with_help(
                        "if it has nothing to do with machines and secrets, put it in `ignore` in bulkhead.toml",
                    ),
                ReadError::InSubmodule { .. } => in_submodule(finding),
                _ => finding.with_help("remove the link, or let it point to something in this tree"),
            });
            // What a machine links to in its own folder says nothing about machines.
            if matches!(error, ReadError::LeavesRoot { .. } | ReadError::InSubmodule { .. })
                && !is_in_machine(tree, path)
            {
                note_unread_folder(config, path, error.to_string(), GapKind::Unread, found);
            }
            true
        }
        Ok(_) if (*path == config.machines || *path == config.secrets) && points_to_folder(tree, path) => {
            let message = format!("`{path}` is a symbolic link; folders behind links are not read");
            let help = "put the folder here, or name the one it points to in bulkhead.toml: [layout]";
            found.findings.push(unreadable(path, message).with_help(help));
            let reason = format!("`{path}` is a symbolic link, and folders behind links are not read");
            note_unread_folder(config, path, reason, GapKind::Failed, found);
            true
        }
        _ => false,
    }
}

/// Something that has a name and no content that can be read: a FIFO, a socket, a device, a submodule, a name that is
/// not UTF-8.
fn note_unopenable(tree: &dyn FileTree, config: &Config, folder: &TreePath, name: &str, found: &mut Inventory) {
    // A name that is not UTF-8 is shown, and matched by `ignore`, with U+FFFD for what is wrong.
    let Ok(path) = folder.join(name) else { return };
    if config.is_ignored(&path) {
        return;
    }
    if name.contains(char::REPLACEMENT_CHARACTER) {
        let message = format!("`{name}` in `{folder}` has a name that is not UTF-8");
        let help = format!("rename it; if it does not matter, put \"{path}\" in `ignore` in bulkhead.toml");
        found.findings.push(unreadable(&path, message).with_help(help));
        return;
    }
    if tree.is_submodule(&path) {
        let reason = format!("{} does not have them", tree.describe());
        let help = "check the working tree, where it is checked out, or the submodule itself";
        found.findings.push(submodule(&path, &reason).with_help(help));
        let reason = format!("`{path}` is a git submodule, whose files are not in {}", tree.describe());
        note_unread_folder(config, &path, reason, GapKind::Unread, found);
        return;
    }
    if path == config.machines || path == config.secrets {
        found.findings.push(no_layout_folder(&path));
        return;
    }
    let is_wanted = match interest(name) {
        // Whoever reads them by their names says why they can't.
        Interest::Age => {
            found.age_files.push(path);
            return;
        }
        Interest::Properties if *folder == config.secrets => false,
        Interest::Nix | Interest::PublicKey | Interest::Properties => true,
        // Sockets of agents and the like hold no keys.
        Interest::Folder | Interest::MaybeKey | Interest::Text | Interest::None => false,
    };
    if is_wanted {
        if matches!(interest(name), Interest::Properties) {
            note_unread_machine(config, &path, "is not a regular file", found);
        }
        let message = format!("`{path}` is not a regular file: a FIFO, a socket or a device, which is not read");
        let help = "put a regular file here, or remove it; if it does not matter, put it in `ignore` in bulkhead.toml";
        found.findings.push(unreadable(&path, message).with_help(help));
    }
}

/// A file that is called almost like one that is read by its name: `Properties.nix`, where there is no `properties.nix`.
fn note_capitals(config: &Config, entries: &[Entry], folder: &TreePath, path: &TreePath, found: &mut Inventory) {
    if !path.name().eq_ignore_ascii_case(PROPERTIES_FILE) || entries.iter().any(|entry| &*entry.name == PROPERTIES_FILE)
    {
        return;
    }
    let among_machines = folder.starts_with(&config.machines) && *folder != config.machines;
    if !among_machines && *folder != config.secrets {
        return;
    }
    let Ok(meant) = folder.join(PROPERTIES_FILE) else { return };
    let message = format!("`{path}` is not read: the file is called `{PROPERTIES_FILE}`, in small letters");
    let finding = Diagnostic::new("schema", Severity::Error, Place::file(path.to_arc()), message)
        .with_help(format!("rename it: git mv {path} {meant}"));
    found.findings.push(finding);
    note_unread_machine(config, path, &format!("is not called `{PROPERTIES_FILE}`"), found);
}

/// A configuration that is called almost as it should be, where there is none.
pub(crate) fn misnamed_config(tree: &dyn FileTree) -> Option<Diagnostic> {
    let entries = tree.list(&TreePath::root()).ok()?;
    if entries.iter().any(|entry| &*entry.name == CONFIG_FILE) {
        return None;
    }
    let found = entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(CONFIG_FILE))?;
    let message = format!("`{}` is not read: the file is called `{CONFIG_FILE}`, in small letters", found.name);
    let finding = Diagnostic::new("config", Severity::Error, Place::file(found.name.clone()), message)
        .with_note("the default configuration is used instead")
        .with_help(format!("rename it: git mv {} {CONFIG_FILE}", found.name));
    Some(finding)
}

/// A properties file that is none: its folder is a machine all the same, of which nothing is known.
fn note_unread_machine(config: &Config, file: &TreePath, what: &str, found: &mut Inventory) {
    let Some(dir) = file.parent().filter(|dir| dir.starts_with(&config.machines) && *dir != config.machines) else {
        return;
    };
    let reason = format!("`{file}` {what}");
    found.unread_machines.push(UnreadMachine { dir, place: Place::file(file.to_arc()), reason, kind: GapKind::Failed });
}

/// A folder of which it is not known what it holds. Where machines are looked for, it counts as a machine of which
/// nothing is known, so that nothing is concluded from what its machines would say.
fn note_unread_folder(config: &Config, folder: &TreePath, reason: String, kind: GapKind, found: &mut Inventory) {
    let gap = Gap { kind, reason: reason.as_str().into(), help: None, place: Place::file(folder.to_arc()) };
    found.unread_folders.push(UnreadFolder { path: folder.clone(), gap });
    if folder.starts_with(&config.machines) || config.machines.starts_with(folder) {
        let place = Place::file(folder.to_arc());
        found.unread_machines.push(UnreadMachine { dir: folder.clone(), place, reason, kind });
    }
}

/// Whether a path lies in the folder of a machine.
fn is_in_machine(tree: &dyn FileTree, path: &TreePath) -> bool {
    path.parent().and_then(|dir| dir.join(PROPERTIES_FILE).ok()).is_some_and(|file| tree.exists(&file))
}

/// The files of a submodule are not judged: whatever they say about machines and secrets is not known.
fn submodule(path: &TreePath, reason: &str) -> Diagnostic {
    let message = format!("can't tell what the files in the git submodule `{path}` say: {reason}");
    Diagnostic::new("unreadable-file", Severity::Undecided, Place::file(path.to_arc()), message)
        .with_help("if it has nothing to do with machines and secrets, put it in `ignore` in bulkhead.toml")
}

fn no_layout_folder(path: &TreePath) -> Diagnostic {
    let message = format!("`{path}` is not a directory; a folder of that name is looked for here");
    Diagnostic::new("unreadable-file", Severity::Undecided, Place::file(path.to_arc()), message)
        .with_help("name the folders of the fleet in bulkhead.toml: [layout] machines = \"…\", secrets = \"…\"")
}

fn is_in_layout(config: &Config, path: &TreePath) -> bool {
    path.starts_with(&config.machines) || path.starts_with(&config.secrets)
}

fn unreadable(path: &TreePath, message: String) -> Diagnostic {
    Diagnostic::new("unreadable-file", Severity::Error, Place::file(path.to_arc()), message)
}

enum Interest {
    Folder,
    Properties,
    Age,
    Nix,
    PublicKey,
    MaybeKey,
    Text,
    None,
}

fn interest(name: &str) -> Interest {
    if name == PROPERTIES_FILE {
        return Interest::Properties;
    }
    if is_age_name(name) {
        return Interest::Age;
    }
    let Some((stem, extension)) = name.rsplit_once('.') else { return Interest::MaybeKey };
    match extension {
        "nix" => Interest::Nix,
        "pub" if !stem.is_empty() => Interest::PublicKey,
        // Pictures and fonts. An SVG is a text.
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "ico" | "ttf" | "otf" | "woff" | "woff2" => Interest::None,
        // What people write about keys, and programs that handle them: a key that is shown in part is an example.
        "md" | "rst" | "adoc" | "lock" | "rs" | "go" | "py" | "c" | "h" | "cpp" | "hs" | "js" | "ts" | "jsx"
        | "tsx" | "css" | "scss" | "html" | "svg" | "patch" | "diff" | "el" | "vim" | "lua" | "snap" | "sum"
        | "mod" | "xml" => Interest::Text,
        _ => Interest::MaybeKey,
    }
}

/// `nix build` leaves links named `result`, `result-2`, `result-lib`.
fn is_result_link(name: &str) -> bool {
    name == "result" || name.starts_with("result-")
}

fn points_to_folder(tree: &dyn FileTree, link: &TreePath) -> bool {
    tree.resolve(link).is_ok_and(|target| matches!(tree.kind(&target), Ok(Some(FileKind::Directory))))
}

/// How many folders behind links are looked at. More than any fleet links to; a hostile one must not make the walk slow.
const LINKED_LIMIT: usize = 1000;

/// A link to a folder, below the machines or the secrets: say what is behind it and not read.
fn note_linked_folder(tree: &dyn FileTree, config: &Config, link: &TreePath, found: &mut Inventory) {
    let Ok(target) = tree.resolve(link) else { return };
    let mut machines = Vec::new();
    // What lies in the folders of the fleet is read there; only what lies elsewhere is missing.
    let (mut has_known_machines, mut has_secrets, mut has_known_secrets) = (false, false, false);
    // By the path through the link, and where it lies. Links behind the link are not followed: each step leads down.
    let mut folders = vec![(link.clone(), target.clone())];
    let mut looked_at = 0;
    let mut is_complete = true;
    while let Some((folder, real)) = folders.pop() {
        looked_at += 1;
        if looked_at > LINKED_LIMIT {
            is_complete = false;
            break;
        }
        let Ok(entries) = tree.list(&real) else {
            is_complete = false;
            continue;
        };
        for entry in &entries {
            let (Ok(path), Ok(real)) = (folder.join(&entry.name), real.join(&entry.name)) else { continue };
            if config.is_ignored(&path) || TOOL_FOLDERS.contains(&&*entry.name) {
                continue;
            }
            match (entry.kind, interest(&entry.name)) {
                (FileKind::Directory, _) => folders.push((path, real)),
                // What says who reads the shared secrets describes no machine.
                (_, Interest::Properties) if real.parent().as_ref() == Some(&config.secrets) => {}
                (FileKind::Regular | FileKind::Symlink, Interest::Properties) => {
                    if real.starts_with(&config.machines) {
                        has_known_machines = true;
                    } else {
                        machines.push(folder.clone());
                    }
                }
                (FileKind::Regular | FileKind::Symlink, Interest::Age) => {
                    if is_in_layout(config, &real) {
                        has_known_secrets = true;
                    } else {
                        has_secrets = true;
                    }
                }
                _ => {}
            }
        }
    }
    if !is_complete {
        let reason = format!("not all folders behind the symbolic link `{link}` were looked at");
        let message = format!("can't tell whether there are machines or secrets behind `{link}`, a link to `{target}`");
        let finding = Diagnostic::new("unreadable-file", Severity::Undecided, Place::file(link.to_arc()), message)
            .with_help("if it has nothing to do with machines and secrets, put it in `ignore` in bulkhead.toml");
        found.findings.push(finding.with_note(reason.clone()));
        note_unread_folder(config, link, reason, GapKind::Unread, found);
    }
    machines.sort();
    let among_machines = link.starts_with(&config.machines);
    if among_machines && !machines.is_empty() {
        found.findings.push(linked_machines(link, &target, &machines));
        let reason = format!("`{link}` is a symbolic link, and folders behind links are not read");
        let place = Place::file(link.to_arc());
        let unread = |dir| UnreadMachine { dir, place: place.clone(), reason: reason.clone(), kind: GapKind::Failed };
        found.unread_machines.extend(machines.into_iter().map(unread));
    } else if among_machines && has_known_machines {
        let message = if target.starts_with(&config.machines) {
            format!("`{link}` is a symbolic link to `{target}`, which is among the machines already")
        } else {
            format!("`{link}` is a symbolic link to `{target}`, which holds the machines that are there already")
        };
        let finding = Diagnostic::new("linked-machine", Severity::Warning, Place::file(link.to_arc()), message)
            .with_note("folders behind links are not read, so nothing is there twice")
            .with_help(format!("remove the link: rm {link}"));
        found.findings.push(finding);
    } else if has_secrets {
        let message = format!("`{link}` is a symbolic link to `{target}`; the secrets behind it are not read");
        let help = format!("move the folder here: rm {link} && git mv {target} {link}");
        found.findings.push(unreadable(link, message).with_help(help));
    } else if has_known_secrets {
        let message = format!("`{link}` is a symbolic link to `{target}`; nobody is granted the secrets there by it");
        let finding = unreadable(link, message)
            .with_note("folders behind links are not read; what lies there is read where it is")
            .with_help(format!("remove the link: rm {link}"))
            .with_help(format!("say in {}/{PROPERTIES_FILE} who reads the shared secrets", config.secrets));
        found.findings.push(finding);
    }
}

/// A link to machines that lie elsewhere, and so are missing.
fn linked_machines(link: &TreePath, target: &TreePath, machines: &[TreePath]) -> Diagnostic {
    let place = Place::file(link.to_arc());
    let names: Vec<String> = machines.iter().take(5).map(|dir| format!("`{}`", dir.name())).collect();
    let more = match machines.len().saturating_sub(names.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let (subject, verb) =
        if machines.len() == 1 { ("the machine", "is not read") } else { ("the machines", "are not read") };
    let message = format!("{subject} {}{more} {verb}: `{link}` is a symbolic link, to `{target}`", names.join(", "));
    Diagnostic::new("linked-machine", Severity::Error, place, message)
        .with_note("machines are folders: to `builtins.readDir` a link is no directory, so Nix code passes over it too")
        .with_help(format!("move the folder here: rm {link} && git mv {target} {link}"))
        .with_help("or name the folder that it points into in bulkhead.toml: [layout] machines = \"…\"")
}

//! One walk over the tree that finds everything worth reading.
//!
//! Folders are listed in parallel. Symbolic links to folders are not followed, so that nothing is found twice and no
//! walk goes in circles; links to files are looked at like files. What version control, caches and builds leave behind
//! is passed over: `.git` and its like, `result` links, and folders with a `CACHEDIR.TAG`
//! (<https://bford.info/cachedir/>).

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_source::{FileKind, FileTree, TreePath};
use rayon::prelude::*;

use crate::config::Config;
use crate::machine::PROPERTIES_FILE;

/// Folders that belong to tools, never to a fleet.
const TOOL_FOLDERS: [&str; 7] = [".git", ".jj", ".hg", ".svn", ".direnv", "node_modules", "__pycache__"];

/// What was found, each list sorted by path.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Folders that are machines.
    pub(crate) machines: Vec<TreePath>,
    /// Files named `*.age`.
    pub(crate) age_files: Vec<TreePath>,
    /// Files named `*.nix` that may be rules files.
    pub(crate) nix_files: Vec<TreePath>,
    /// Files named `*.pub`.
    pub(crate) public_keys: Vec<TreePath>,
    /// Files that may hold a private key, going by their names.
    pub(crate) key_candidates: Vec<TreePath>,
    /// How many files there are.
    pub(crate) files: usize,
    /// What could not be listed, and links that look like machines.
    pub(crate) findings: Vec<Diagnostic>,
}

impl Inventory {
    fn append(mut self, mut other: Inventory) -> Inventory {
        self.machines.append(&mut other.machines);
        self.age_files.append(&mut other.age_files);
        self.nix_files.append(&mut other.nix_files);
        self.public_keys.append(&mut other.public_keys);
        self.key_candidates.append(&mut other.key_candidates);
        self.findings.append(&mut other.findings);
        self.files += other.files;
        self
    }
}

/// Walk over `tree`.
pub(crate) fn discover(tree: &dyn FileTree, config: &Config) -> Inventory {
    let mut found = Inventory::default();
    let mut folders = vec![TreePath::root()];
    while !folders.is_empty() {
        let (level, next) = folders
            .par_iter()
            .fold(
                || (Inventory::default(), Vec::new()),
                |(mut inventory, mut next), folder| {
                    list(tree, config, folder, &mut inventory, &mut next);
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
    found.age_files.par_sort();
    found.nix_files.par_sort();
    found.public_keys.par_sort();
    found.key_candidates.par_sort();
    found
}

const CACHE_TAG: &str = "CACHEDIR.TAG";

/// How the tag of a cache folder begins, by the Cache Directory Tagging Specification. Any other file of that name marks
/// nothing: it must not take a machine out of what is looked at.
const CACHE_SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";

fn is_cache(tree: &dyn FileTree, folder: &TreePath) -> bool {
    let tag = folder.join(CACHE_TAG).ok().and_then(|tag| tree.read_prefix(&tag, CACHE_SIGNATURE.len() as u64).ok());
    tag.is_some_and(|tag| tag.bytes == CACHE_SIGNATURE)
}

fn list(tree: &dyn FileTree, config: &Config, folder: &TreePath, found: &mut Inventory, next: &mut Vec<TreePath>) {
    let entries = match tree.list(folder) {
        Ok(entries) => entries,
        Err(error) => {
            let place = Place::file(folder.to_arc());
            found.findings.push(Diagnostic::new("unreadable-file", Severity::Error, place, error.to_string()));
            return;
        }
    };
    if entries.iter().any(|entry| &*entry.name == CACHE_TAG) && is_cache(tree, folder) {
        return;
    }
    let among_machines = folder.starts_with(&config.machines) && *folder != config.machines;
    for entry in &entries {
        let name = &*entry.name;
        if entry.kind == FileKind::Directory && TOOL_FOLDERS.contains(&name) {
            continue;
        }
        // Most files are neither; building their paths would cost more than all else here.
        let interest = match entry.kind {
            FileKind::Directory => Interest::Folder,
            FileKind::Other => {
                if name.contains(char::REPLACEMENT_CHARACTER) {
                    found
                        .findings
                        .push(unreadable(folder, format!("`{name}` in `{folder}` has a name that is not UTF-8")));
                }
                continue;
            }
            FileKind::Regular => interest(name),
            FileKind::Symlink if is_result_link(name) => continue,
            FileKind::Symlink => interest(name),
        };
        let is_folder = matches!(interest, Interest::Folder);
        found.files += usize::from(!is_folder);
        let is_link = entry.kind == FileKind::Symlink;
        if matches!(interest, Interest::None) && !(is_link && folder.starts_with(&config.machines)) {
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
            note_linked_machine(tree, config, folder, &path, found);
            continue;
        }
        match interest {
            Interest::Folder => next.push(path),
            Interest::Properties if among_machines => found.machines.push(folder.clone()),
            Interest::Age => found.age_files.push(path),
            Interest::Nix => found.nix_files.push(path),
            Interest::PublicKey => found.public_keys.push(path),
            Interest::MaybeKey => found.key_candidates.push(path),
            Interest::Properties | Interest::None => {}
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
    let in_layout = path.starts_with(&config.machines) || path.starts_with(&config.secrets);
    if kind == FileKind::Directory && in_layout && path.name() == PROPERTIES_FILE {
        found.findings.push(unreadable(path, format!("`{path}` is a directory; a file belongs here")));
        return true;
    }
    if kind != FileKind::Symlink || !in_layout {
        return false;
    }
    match tree.resolve(path) {
        // A file that is read by its name reports this itself.
        Err(error) if matches!(interest, Interest::None | Interest::MaybeKey) => {
            found.findings.push(unreadable(path, error.to_string()));
            true
        }
        Ok(_) if (*path == config.machines || *path == config.secrets) && points_to_folder(tree, path) => {
            let message = format!("`{path}` is a symbolic link; folders behind links are not read");
            let help = "put the folder here, or name the one it points to in bulkhead.toml: [layout]";
            found.findings.push(unreadable(path, message).with_help(help));
            true
        }
        _ => false,
    }
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
    None,
}

fn interest(name: &str) -> Interest {
    if name == PROPERTIES_FILE {
        return Interest::Properties;
    }
    let Some((stem, extension)) = name.rsplit_once('.') else { return Interest::MaybeKey };
    match extension {
        extension if extension.eq_ignore_ascii_case("age") && !stem.is_empty() => Interest::Age,
        "nix" => Interest::Nix,
        "pub" if !stem.is_empty() => Interest::PublicKey,
        // Text that people write or tools generate, and pictures: where a key in it is an example or a test, and where
        // reading each of thousands of files would dominate.
        "md" | "rst" | "adoc" | "lock" | "rs" | "go" | "py" | "c" | "h" | "cpp" | "hs" | "js" | "ts" | "jsx"
        | "tsx" | "css" | "scss" | "html" | "svg" | "png" | "jpg" | "jpeg" | "gif" | "webp" | "ico" | "ttf" | "otf"
        | "woff" | "woff2" | "patch" | "diff" | "el" | "vim" | "lua" | "snap" | "sum" | "mod" | "xml" => Interest::None,
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

/// A link to a folder with a properties file would be a machine if links were followed: say that it is none.
fn note_linked_machine(
    tree: &dyn FileTree,
    config: &Config,
    folder: &TreePath,
    link: &TreePath,
    found: &mut Inventory,
) {
    if !folder.starts_with(&config.machines) {
        return;
    }
    let has_properties = link.join(PROPERTIES_FILE).is_ok_and(|file| tree.resolve(&file).is_ok());
    if has_properties {
        let message = format!("`{link}` is a symbolic link to a folder; it is no machine");
        let finding = Diagnostic::new("linked-machine", Severity::Warning, Place::file(link.to_arc()), message)
            .with_note("machines are folders: through a link the same machine could be there twice")
            .with_help("move the folder to where the link is");
        found.findings.push(finding);
    }
}

//! A tree of what git has: the index, or a revision.

use std::path::Path;

use foldhash::{HashSet, HashSetExt};

use super::GitError;
use super::blobs::Blobs;
use super::listing::{Builder, Child, Listing, Node, Walk};
use super::repository::{Repository, printable};
use crate::links::{self, Found, Lookup, PATH_LIMIT, Resolved, failure};
use crate::{Entry, FileKind, FileTree, Prefix, ReadError, TreePath};

/// How many digits of a commit's id are shown, as git does in small repositories.
const SHORT_ID: usize = 7;

/// The ids that git gives to the empty blob and the empty tree, with SHA-1 and with SHA-256.
const EMPTY: [(&str, &str); 2] = [
    ("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391", "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
    (
        "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
        "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
    ),
];

/// The files in git's index or in one of its commits, below one folder.
///
/// The list of files is read once, when the tree is made; contents are read when they are asked for, exactly as they
/// are stored: no line ends are converted, no filters run. Submodules are [`FileKind::Other`], and so are names that are
/// not UTF-8.
#[derive(Debug)]
pub struct GitTree {
    name: String,
    repository: Repository,
    listing: Listing,
    blobs: Blobs,
}

impl GitTree {
    /// The index of the repository that holds the folder `root`: what `git commit` would commit now. Files that were
    /// announced with `git add --intent-to-add`, but not added, are not there.
    ///
    /// `root` may lie deep in the repository; it is the root of the tree. In a git hook it is the index of the commit
    /// being made (`GIT_INDEX_FILE`), which in `git commit -a` is not the usual one.
    pub fn index(root: &Path) -> Result<GitTree, GitError> {
        let repository = Repository::find(root)?;
        if repository.top.is_none() {
            return Err(GitError::Bare { path: repository.folder });
        }
        let mut files: Vec<(Vec<u8>, Node)> = Vec::new();
        let mut conflicts: Vec<Vec<u8>> = Vec::new();
        let mut empty_tree = None;
        repository.records(["ls-files", "--stage", "-z"], |record| {
            let (mode, id, stage, path) = fields(record).ok_or_else(|| unknown_record(&repository, record))?;
            if stage != "0" {
                conflicts.push(path.to_vec());
                return Ok(());
            }
            if let Some((_, tree)) = EMPTY.iter().find(|(blob, _)| *blob == id) {
                empty_tree = Some(*tree);
            }
            files.push((path.to_vec(), Node::new(mode, id)));
            Ok(())
        })?;
        // A conflict has up to three stages.
        conflicts.dedup();
        if let Some(first) = conflicts.first() {
            let first = printable(&String::from_utf8_lossy(first));
            return Err(GitError::Conflicted { first, count: conflicts.len() });
        }
        if let Some(empty_tree) = empty_tree {
            let real = added(&repository, empty_tree)?;
            files.retain(|(path, _)| real.contains(path));
        }
        let mut builder = Builder::new();
        for (path, node) in files {
            builder.add(&path, node).map_err(|reason| repository.failed(reason))?;
        }
        Ok(GitTree::new("the git index".to_owned(), repository, builder.finish()))
    }

    /// The commit that `revision` names (gitrevisions(7)) in the repository that holds the folder `root`.
    ///
    /// `root` may lie deep in the repository; it is the root of the tree. In a bare repository, where it is not needed,
    /// there is no folder on disk: [`FileTree::root`] is `None`.
    pub fn revision(root: &Path, revision: &str) -> Result<GitTree, GitError> {
        let repository = Repository::find(root)?;
        let commit = find_commit(&repository, revision)?;
        let mut builder = Builder::new();
        repository.records(["ls-tree", "-r", "-z", &commit], |record| {
            let (mode, _, id, path) = fields(record).ok_or_else(|| unknown_record(&repository, record))?;
            builder.add(path, Node::new(mode, id)).map_err(|reason| repository.failed(reason))
        })?;
        let listing = builder.finish();
        let is_subfolder = repository.top.as_ref().is_some_and(|top| *top != repository.folder);
        if is_subfolder && listing.is_empty() {
            return Err(GitError::NoFolder { revision: printable(revision), path: repository.folder });
        }
        let name = format!("revision {}", commit.get(..SHORT_ID).unwrap_or(&commit));
        Ok(GitTree::new(name, repository, listing))
    }

    fn new(name: String, repository: Repository, listing: Listing) -> GitTree {
        let blobs = Blobs::new(repository.clone());
        GitTree { name, repository, listing, blobs }
    }

    /// The error about `asked`, which leads to `path` in a submodule.
    fn in_submodule(&self, path: &TreePath, asked: &TreePath) -> ReadError {
        let mut submodule = path.clone();
        while !matches!(self.listing.walk(&submodule), Walk::Leaf(Node::Submodule)) {
            let Some(above) = submodule.parent() else { break };
            submodule = above;
        }
        ReadError::InSubmodule { path: asked.clone(), submodule }
    }

    /// Follow the links in `path`: the folder or leaf that it leads to.
    fn find(&self, path: &TreePath) -> Result<(TreePath, Node), ReadError> {
        links::check_length(path)?;
        match self.listing.walk(path) {
            Walk::Folder(folder) => return Ok((path.clone(), Node::Folder(folder))),
            Walk::Nothing => return Err(ReadError::NotFound { path: path.clone() }),
            Walk::InSubmodule => return Err(self.in_submodule(path, path)),
            Walk::Leaf(node) if !matches!(node, Node::Link(_)) => return Ok((path.clone(), node.clone())),
            Walk::Leaf(_) | Walk::ThroughLink => {}
        }
        match links::resolve(self, path, true)? {
            Resolved::Directory(target, folder) => Ok((target, Node::Folder(folder))),
            Resolved::Leaf(target, _) => match self.listing.walk(&target) {
                Walk::Leaf(node) => Ok((target, node.clone())),
                _ => Err(ReadError::NotFound { path: path.clone() }),
            },
            Resolved::Nothing(error) => Err(error),
        }
    }
}

impl Lookup for GitTree {
    type Directory = u32;

    fn hidden(&self, here: &TreePath, asked: &TreePath) -> Option<ReadError> {
        matches!(self.listing.walk(here), Walk::Leaf(Node::Submodule)).then(|| self.in_submodule(here, asked))
    }

    fn top(&self) -> u32 {
        0
    }

    fn look_up(&self, folder: &u32, name: &str, path: &str) -> Result<Found<u32>, ReadError> {
        let id = match self.listing.child(*folder, name) {
            None => return Ok(Found::Nothing),
            Some(Node::Folder(folder)) => return Ok(Found::Directory(*folder)),
            Some(Node::Link(id)) => id,
            Some(node) => return Ok(Found::Leaf(node.kind())),
        };
        let fail =
            |reason: String| ReadError::Io { path: TreePath::new(path).unwrap_or_else(|_| TreePath::root()), reason };
        let target = self.blobs.read(id, PATH_LIMIT as u64).map_err(fail)?;
        if target.length > PATH_LIMIT as u64 {
            return Err(fail(format!("it is a symbolic link of more than {PATH_LIMIT} bytes")));
        }
        match String::from_utf8(target.bytes) {
            Ok(target) => Ok(Found::Link(target)),
            Err(_) => Err(fail("it is a symbolic link whose target is not UTF-8".to_owned())),
        }
    }

    fn inside<'t>(&self, absolute: &'t str) -> Option<&'t str> {
        Path::new(absolute).strip_prefix(self.root()?).ok()?.to_str()
    }
}

impl FileTree for GitTree {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn root(&self) -> Option<&Path> {
        self.repository.top.as_ref().map(|_| self.repository.folder.as_path())
    }

    fn kind(&self, path: &TreePath) -> Result<Option<FileKind>, ReadError> {
        match self.listing.walk(path) {
            Walk::Folder(_) => Ok(Some(FileKind::Directory)),
            Walk::Leaf(node) => Ok(Some(node.kind())),
            Walk::Nothing => Ok(None),
            Walk::InSubmodule => Err(self.in_submodule(path, path)),
            Walk::ThroughLink => links::resolve_kind(self, path),
        }
    }

    fn resolve(&self, path: &TreePath) -> Result<TreePath, ReadError> {
        Ok(self.find(path)?.0)
    }

    fn read_prefix(&self, path: &TreePath, limit: u64) -> Result<Prefix, ReadError> {
        let (target, node) = self.find(path)?;
        match node {
            Node::File(id) => self.blobs.read(&id, limit).map_err(|reason| failure(path, reason)),
            Node::Folder(_) => Err(ReadError::IsDirectory { path: path.clone() }),
            Node::Submodule => Err(ReadError::InSubmodule { path: path.clone(), submodule: target }),
            Node::Link(_) | Node::Other => Err(failure(path, "it is not a regular file")),
        }
    }

    fn is_submodule(&self, path: &TreePath) -> bool {
        matches!(self.find(path), Ok((_, Node::Submodule)))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, ReadError> {
        let folder = match self.find(path)? {
            (_, Node::Folder(folder)) => folder,
            (target, Node::Submodule) => return Err(ReadError::InSubmodule { path: path.clone(), submodule: target }),
            _ => return Err(ReadError::NotDirectory { path: path.clone() }),
        };
        let entry = |child: &Child| Entry { name: child.name.clone(), kind: child.node.kind() };
        Ok(self.listing.children(folder).iter().map(entry).collect())
    }
}

/// The three words and the path of a line of `git ls-files --stage` or `git ls-tree`.
fn fields(record: &[u8]) -> Option<(&str, &str, &str, &[u8])> {
    let tab = record.iter().position(|byte| *byte == b'\t')?;
    let mut words = std::str::from_utf8(&record[..tab]).ok()?.split(' ');
    let fields = (words.next()?, words.next()?, words.next()?, &record[tab + 1..]);
    words.next().is_none().then_some(fields)
}

fn unknown_record(repository: &Repository, record: &[u8]) -> GitError {
    repository.failed(format!("it lists {:?}", String::from_utf8_lossy(record)))
}

/// The submodules that the index of the repository around `root` has below it. Nothing where there is no repository, or
/// git can't tell: a working tree is read without git too.
pub(crate) fn submodules(root: &Path) -> Result<HashSet<TreePath>, GitError> {
    let repository = Repository::find(root)?;
    let mut found = HashSet::new();
    repository.records(["ls-files", "--stage", "-z"], |record| {
        let (mode, _, _, path) = fields(record).ok_or_else(|| unknown_record(&repository, record))?;
        if mode == "160000" {
            found.extend(TreePath::new(&String::from_utf8_lossy(path)));
        }
        Ok(())
    })?;
    Ok(found)
}

/// The paths in the index without the ones that are only intended to be added. Those look like empty files, so this
/// has to be asked only where there are such.
fn added(repository: &Repository, empty_tree: &str) -> Result<HashSet<Vec<u8>>, GitError> {
    let mut paths = HashSet::new();
    let arguments = ["diff-index", "--cached", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--relative"];
    repository.records(arguments.iter().chain(&["--ita-invisible-in-index", empty_tree]), |path| {
        paths.insert(path.to_vec());
        Ok(())
    })?;
    Ok(paths)
}

/// The id of the commit that `revision` names.
fn find_commit(repository: &Repository, revision: &str) -> Result<String, GitError> {
    let unknown = |hint: &str| GitError::UnknownRevision {
        revision: printable(revision),
        path: repository.folder.clone(),
        hint: hint.to_owned(),
    };
    if revision.is_empty() || revision.starts_with('-') || revision.contains('\0') {
        return Err(unknown(": that is no name of a revision"));
    }
    // What follows `:/` is a pattern to its end, and finds nothing but commits.
    let name = if revision.starts_with(":/") { revision.to_owned() } else { format!("{revision}^{{commit}}") };
    let answer = repository.ask(["rev-parse", "--verify", "--quiet", "--end-of-options", &name]);
    if let Err(error @ GitError::NoGit { .. }) = answer {
        return Err(error);
    }
    // A range gives more than one line, and an exclusion one with a `^`.
    let answer = answer.ok().and_then(|answer| String::from_utf8(answer).ok()).unwrap_or_default();
    let commit = answer.trim_end();
    if commit.len() >= SHORT_ID && commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(commit.to_owned());
    }
    let has_commits = repository.ask(["rev-list", "--max-count=1", "--all"]).is_ok_and(|commits| !commits.is_empty());
    if !has_commits {
        return Err(unknown(": it has no commits yet"));
    }
    let is_shallow = repository.ask(["rev-parse", "--is-shallow-repository"]).is_ok_and(|answer| answer == b"true\n");
    Err(unknown(if is_shallow { ": it is a shallow clone (`git fetch --unshallow` gets the rest)" } else { "" }))
}

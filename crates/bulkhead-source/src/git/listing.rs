//! The folders that a flat list of git's paths stands for.

use std::borrow::Cow;
use std::sync::Arc;

use crate::links::PATH_LIMIT;
use crate::{FileKind, TreePath};

/// How many files a listing may have. A small, hostile repository can stand for billions of files, by naming the same
/// folder again and again.
const FILE_LIMIT: usize = 1_000_000;

/// What a name in a folder stands for.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// An index into the listing's folders.
    Folder(u32),
    /// The id of its content.
    File(Box<str>),
    /// The id of its target.
    Link(Box<str>),
    /// A submodule.
    Submodule,
    /// A name that can't be opened.
    Other,
}

#[derive(Clone, Debug)]
pub(super) struct Child {
    pub name: Arc<str>,
    pub node: Node,
}

/// All folders, the root first; the children of each are sorted by name.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    folders: Vec<Vec<Child>>,
}

/// Where a path leads, without following links.
pub(super) enum Walk<'l> {
    Nothing,
    Folder(u32),
    Leaf(&'l Node),
    /// A link stands where a folder is wanted.
    ThroughLink,
    /// A submodule stands where a folder is wanted.
    InSubmodule,
}

impl Node {
    /// What an entry of the given mode, in octal, and object id is (gitformat-index(5)).
    pub fn new(mode: &str, id: &str) -> Node {
        match mode {
            "120000" => Node::Link(id.into()),
            // 100644 or 100755; old repositories have other permissions.
            mode if mode.starts_with("100") => Node::File(id.into()),
            "160000" => Node::Submodule,
            _ => Node::Other,
        }
    }

    pub fn kind(&self) -> FileKind {
        match self {
            Node::Folder(_) => FileKind::Directory,
            Node::File(_) => FileKind::Regular,
            Node::Link(_) => FileKind::Symlink,
            Node::Submodule | Node::Other => FileKind::Other,
        }
    }
}

impl Listing {
    pub fn is_empty(&self) -> bool {
        self.children(0).is_empty()
    }

    pub fn children(&self, folder: u32) -> &[Child] {
        self.folders.get(folder as usize).map_or(&[], Vec::as_slice)
    }

    pub fn child(&self, folder: u32, name: &str) -> Option<&Node> {
        let children = self.children(folder);
        let found = children.binary_search_by(|child| (*child.name).cmp(name)).ok()?;
        Some(&children[found].node)
    }

    pub fn walk(&self, path: &TreePath) -> Walk<'_> {
        let mut folder = 0;
        let mut parts = path.parts();
        while let Some(part) = parts.next() {
            match self.child(folder, part) {
                Some(Node::Folder(next)) => folder = *next,
                Some(node) if parts.next().is_none() => return Walk::Leaf(node),
                Some(Node::Link(_)) => return Walk::ThroughLink,
                Some(Node::Submodule) => return Walk::InSubmodule,
                Some(_) | None => return Walk::Nothing,
            }
        }
        Walk::Folder(folder)
    }
}

/// Makes a [`Listing`] from paths in git's order.
pub(super) struct Builder {
    folders: Vec<Vec<Child>>,
    /// The folders that lead to the path added last, from below the root.
    open: Vec<(Arc<str>, u32)>,
    files: usize,
}

impl Builder {
    pub fn new() -> Builder {
        Builder { folders: vec![Vec::new()], open: Vec::new(), files: 0 }
    }

    /// Add a file. Paths with a `..`, which git itself would refuse to check out, are left out. Fails when the listing grows out of all proportion.
    pub fn add(&mut self, path: &[u8], node: Node) -> Result<(), String> {
        self.files += 1;
        if self.files > FILE_LIMIT {
            return Err(format!("it has more than {FILE_LIMIT} files"));
        }
        if path.len() > PATH_LIMIT {
            return Err(format!("it has a path of {} bytes; at most {PATH_LIMIT} are possible", path.len()));
        }
        // What is not UTF-8 can't be opened, but it is there: up to the first part that is wrong.
        let (path, node) = match String::from_utf8_lossy(path) {
            Cow::Borrowed(path) => (Cow::Borrowed(path), node),
            Cow::Owned(path) => {
                let wrong = path.find(char::REPLACEMENT_CHARACTER).unwrap_or(path.len());
                let end = path[wrong..].find('/').map_or(path.len(), |length| wrong + length);
                (Cow::Owned(path[..end].to_owned()), Node::Other)
            }
        };
        let path = &*path;
        if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Ok(());
        }
        let (folders, name) = path.rsplit_once('/').map_or((None, path), |(folders, name)| (Some(folders), name));
        let mut depth = 0;
        let mut folder = 0;
        for part in folders.into_iter().flat_map(|folders| folders.split('/')) {
            match self.open.get(depth) {
                Some((open, index)) if **open == *part => folder = *index,
                _ => {
                    self.open.truncate(depth);
                    let index = u32::try_from(self.folders.len()).map_err(|_| "it has too many folders".to_owned())?;
                    let name: Arc<str> = Arc::from(part);
                    self.folders.push(Vec::new());
                    self.insert(folder, Child { name: name.clone(), node: Node::Folder(index) });
                    self.open.push((name, index));
                    folder = index;
                }
            }
            depth += 1;
        }
        self.open.truncate(depth);
        self.insert(folder, Child { name: Arc::from(name), node });
        Ok(())
    }

    fn insert(&mut self, folder: u32, child: Child) {
        if let Some(children) = self.folders.get_mut(folder as usize)
            && children.last().is_none_or(|last| last.name != child.name)
        {
            children.push(child);
        }
    }

    pub fn finish(mut self) -> Listing {
        for children in &mut self.folders {
            // Git sorts a folder as if its name ended in a slash.
            children.sort_by(|a, b| a.name.cmp(&b.name));
            // A damaged tree may have a name twice; git takes the first.
            children.dedup_by(|later, earlier| later.name == earlier.name);
        }
        Listing { folders: self.folders }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn listing(paths: &[&[u8]]) -> Listing {
        let mut builder = Builder::new();
        for (number, path) in paths.iter().enumerate() {
            builder.add(path, Node::new("100644", &number.to_string())).unwrap();
        }
        builder.finish()
    }

    fn id(listing: &Listing, path: &str) -> Option<String> {
        match listing.walk(&TreePath::new(path).unwrap()) {
            Walk::Leaf(Node::File(id)) => Some(id.to_string()),
            _ => None,
        }
    }

    fn names(listing: &Listing, folder: u32) -> Vec<&str> {
        listing.children(folder).iter().map(|child| &*child.name).collect()
    }

    #[test]
    fn gits_order_is_not_the_order_of_names() {
        let listing = listing(&[b"a-b/c", b"a.nix", b"a/b/c", b"a/b/d", b"a/e", b"a0"]);
        assert_eq!(names(&listing, 0), ["a", "a-b", "a.nix", "a0"]);
        assert_eq!(id(&listing, "a-b/c").unwrap(), "0");
        assert_eq!(id(&listing, "a/b/d").unwrap(), "3");
        assert_eq!(id(&listing, "a/e").unwrap(), "4");
        assert_eq!(id(&listing, "a/b"), None);
    }

    #[test]
    fn paths_that_git_would_not_check_out_are_left_out() {
        let listing = listing(&[b"../x", b"/etc", b"a/../../x", b"a//b", b"./c", b"", b"b\xff/c", b"d"]);
        assert_eq!(names(&listing, 0), ["b\u{fffd}", "d"]);
    }

    #[test]
    fn the_first_of_two_equal_names_stays() {
        let listing = listing(&[b"a", b"a", b"b/c", b"d", b"b/e", b"d/f"]);
        assert_eq!(names(&listing, 0), ["a", "b", "d"]);
        assert_eq!(id(&listing, "a").unwrap(), "0");
        assert_eq!(id(&listing, "b/c").unwrap(), "2");
        assert_eq!(id(&listing, "b/e"), None);
        assert_eq!(id(&listing, "d").unwrap(), "3");
    }

    #[test]
    fn paths_without_end_are_refused() {
        let error = Builder::new().add(&b"a/".repeat(PATH_LIMIT), Node::Other).unwrap_err();
        assert_eq!(error, "it has a path of 8192 bytes; at most 4096 are possible");
    }
}

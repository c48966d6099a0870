//! Folders and git repositories for tests, independent of the configuration of whoever runs them.
#![allow(clippy::unwrap_used, clippy::expect_used, dead_code, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bulkhead_source::{FileTree, TreePath};
use tempfile::TempDir;

/// A folder that goes away with the test.
pub struct Folder {
    _keep: TempDir,
    pub path: PathBuf,
}

impl Folder {
    pub fn new() -> Folder {
        let keep = TempDir::new().unwrap();
        let path = keep.path().canonicalize().unwrap();
        Folder { _keep: keep, path }
    }

    /// A folder with a git repository in it that has no commits.
    pub fn with_git() -> Folder {
        let folder = Folder::new();
        folder.git(&["init", "--quiet", "--initial-branch=main"]);
        folder
    }

    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Folder {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn link(&self, path: &str, target: impl AsRef<Path>) -> &Folder {
        let path = self.path.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// What a git command prints; it must succeed.
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub fn try_git(&self, arguments: &[&str]) -> Output {
        git(&self.path).args(arguments).output().unwrap()
    }

    /// Commit everything.
    pub fn commit(&self, subject: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", subject]);
        self.git(&["rev-parse", "HEAD"])
    }
}

pub fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .args(["-c", "user.name=Fry", "-c", "user.email=fry@example.org", "-c", "protocol.file.allow=always"])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

pub fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

/// The file at `file`, or the error's message.
pub fn content(tree: &dyn FileTree, file: &str) -> String {
    match tree.read(&path(file), 1 << 20) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("error: {error}"),
    }
}

/// The names in a folder, with `/` after folders, `@` after links and `?` after what can't be read.
pub fn names(tree: &dyn FileTree, folder: &str) -> Vec<String> {
    use bulkhead_source::FileKind::*;
    let sign = |kind| match kind {
        Regular => "",
        Directory => "/",
        Symlink => "@",
        Other => "?",
    };
    tree.list(&path(folder)).unwrap().iter().map(|entry| format!("{}{}", entry.name, sign(entry.kind))).collect()
}

/// Put links of every sort into `folder`, the root of a tree.
pub fn add_links(folder: &Folder) {
    folder
        .write("machines/kif/host.pub", "ssh-ed25519 kif\n")
        .link("near.pub", "machines/kif/host.pub")
        .link("machines/up.pub", "../near.pub")
        .link("machines/amy", "kif")
        .link("inside.pub", folder.path.join("machines/kif/host.pub"))
        .link("round", "machines/../near.pub")
        .link("into-file", "near.pub/")
        .link("broken", "machines/nobody")
        .link("loop-a", "loop-b")
        .link("loop-b", "loop-a")
        .link("self", "self/x")
        .link("out", "../../etc/passwd")
        .link("out-absolute", "/etc/passwd")
        .link("out-folder", "..")
        .link("machines/sneaky", "kif/../../../x")
        .link("here", ".");
}

/// What every tree must say about [`add_links`].
pub fn check_links(tree: &dyn FileTree) {
    use bulkhead_source::{FileKind, ReadError};
    for file in [
        "near.pub",
        "machines/up.pub",
        "machines/amy/host.pub",
        "inside.pub",
        "round",
        "here/machines/amy/host.pub",
        "here/here/here/near.pub",
    ] {
        assert_eq!(content(tree, file), "ssh-ed25519 kif\n", "{file}");
        assert_eq!(tree.resolve(&path(file)).unwrap(), path("machines/kif/host.pub"), "{file}");
        assert!(tree.exists(&path(file)), "{file}");
    }
    assert_eq!(tree.resolve(&path("here")).unwrap(), TreePath::root());
    assert_eq!(names(tree, "machines/amy"), ["host.pub"]);
    assert_eq!(names(tree, "machines"), ["amy@", "kif/", "sneaky@", "up.pub@"]);

    let kind = |at: &str| tree.kind(&path(at)).unwrap();
    assert_eq!(kind("near.pub"), Some(FileKind::Symlink));
    assert_eq!(kind("broken"), Some(FileKind::Symlink));
    assert_eq!(kind("out"), Some(FileKind::Symlink));
    assert_eq!(kind("here/machines/up.pub"), Some(FileKind::Symlink));
    assert_eq!(kind("machines/amy/host.pub"), Some(FileKind::Regular));
    assert_eq!(kind("here/machines"), Some(FileKind::Directory));
    assert_eq!(kind("machines/amy/nothing"), None);
    assert_eq!(kind("machines/kif/host.pub/x"), None);
    assert_eq!(kind("near.pub/x"), None);
    assert_eq!(kind("broken/x"), None);
    assert_eq!(kind("nothing/at/all"), None);
    assert_eq!(kind(""), Some(FileKind::Directory));

    let leaves = |at: &str, link: &str, target: &str| {
        let error = tree.read_prefix(&path(at), 10).unwrap_err();
        assert_eq!(error, ReadError::LeavesRoot { path: path(link), target: target.to_owned() });
    };
    leaves("out", "out", "../../etc/passwd");
    leaves("out-absolute", "out-absolute", "/etc/passwd");
    leaves("out-folder/x", "out-folder", "..");
    leaves("here/out", "out", "../../etc/passwd");
    leaves("machines/sneaky", "machines/sneaky", "kif/../../../x");
    assert!(matches!(tree.list(&path("out-folder")), Err(ReadError::LeavesRoot { .. })));
    assert!(matches!(tree.kind(&path("out-folder/x")), Err(ReadError::LeavesRoot { .. })));
    assert!(!tree.exists(&path("out-folder/x")));

    for chain in ["loop-a", "loop-b", "self", "loop-a/x"] {
        assert_eq!(tree.read(&path(chain), 10).unwrap_err(), ReadError::LinkLoop { path: path(chain) });
    }
    assert_eq!(
        content(tree, "broken"),
        "error: can't read `broken`: it is a symbolic link to `machines/nobody`, which does not exist"
    );
    assert_eq!(
        content(tree, "broken/x"),
        "error: can't read `broken/x`: it leads through the symbolic link `broken` to `machines/nobody`, which does not \
         exist"
    );
    assert_eq!(content(tree, "machines/amy/nothing"), "error: `machines/amy/nothing` does not exist");
    assert!(content(tree, "into-file").starts_with("error: can't read `into-file`"));
    assert_eq!(content(tree, "machines/kif"), "error: `machines/kif` is a directory, not a file");
    assert_eq!(content(tree, "here"), "error: `here` is a directory, not a file");
    assert_eq!(content(tree, "nothing"), "error: `nothing` does not exist");
    assert_eq!(content(tree, "machines/kif/host.pub/x"), "error: `machines/kif/host.pub/x` does not exist");
    let no_folder = tree.list(&path("near.pub")).unwrap_err();
    assert_eq!(no_folder, ReadError::NotDirectory { path: path("near.pub") });

    let long = path(&"a/".repeat(100_000));
    assert!(tree.kind(&long).is_err() || tree.kind(&long).unwrap().is_none());
    assert!(tree.read(&long, 10).unwrap_err().to_string().len() < 200);
}

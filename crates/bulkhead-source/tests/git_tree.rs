//! The git index and revisions as trees.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use bulkhead_source::{FileKind, FileTree, GitError, GitTree, ReadError, WorkTree, find_git_root, find_hooks};
use common::{Folder, add_links, check_links, content, git, names, path};
use pretty_assertions::assert_eq;

fn index(folder: &Folder) -> GitTree {
    GitTree::index(&folder.path).unwrap()
}

fn revision(folder: &Folder, name: &str) -> GitTree {
    GitTree::revision(&folder.path, name).unwrap()
}

#[test]
fn working_tree_index_and_revision_differ() {
    let folder = Folder::with_git();
    folder.write("machines/kif/properties.nix", "committed").write("machines.nix", "").write("old", "old");
    let commit = folder.commit("one");
    folder.write("machines/kif/properties.nix", "staged").write("new", "new");
    folder.git(&["add", "--all"]);
    folder.git(&["rm", "--quiet", "old"]);
    folder.write("machines/kif/properties.nix", "on disk").write("untracked", "");

    let staged = index(&folder);
    assert_eq!(staged.describe(), "the git index");
    assert_eq!(staged.root(), Some(folder.path.as_path()));
    assert_eq!(names(&staged, ""), ["machines/", "machines.nix", "new"]);
    assert_eq!(content(&staged, "machines/kif/properties.nix"), "staged");
    assert_eq!(content(&staged, "old"), "error: `old` does not exist");
    assert_eq!(content(&staged, "untracked"), "error: `untracked` does not exist");

    for name in ["HEAD", "main", "@", &commit, &commit[..8], ":/one"] {
        let head = revision(&folder, name);
        assert_eq!(head.describe(), format!("revision {}", &commit[..7]));
        assert_eq!(head.root(), Some(folder.path.as_path()));
        assert_eq!(names(&head, ""), ["machines/", "machines.nix", "old"]);
        assert_eq!(content(&head, "machines/kif/properties.nix"), "committed");
    }
}

#[test]
fn a_tree_stays_as_it_was_made() {
    let folder = Folder::with_git();
    folder.write("a", "1").commit("one");
    let tree = index(&folder);
    folder.write("a", "2").write("b", "").commit("two");
    assert_eq!(content(&tree, "a"), "1");
    assert_eq!(names(&tree, ""), ["a"]);
}

#[test]
fn the_tree_may_be_a_part_of_the_repository() {
    let folder = Folder::with_git();
    folder.write("nix/fleet/machines/kif/properties.nix", "kif").write("nix/flake.nix", "").write("README.md", "");
    folder.link("nix/fleet/out", "../flake.nix").link("nix/fleet/in", "machines/kif");
    folder.commit("one");
    let fleet = folder.path.join("nix/fleet");
    for tree in [GitTree::index(&fleet).unwrap(), GitTree::revision(&fleet, "HEAD").unwrap()] {
        assert_eq!(tree.root(), Some(fleet.as_path()));
        assert_eq!(names(&tree, ""), ["in@", "machines/", "out@"]);
        assert_eq!(content(&tree, "in/properties.nix"), "kif");
        let left = ReadError::LeavesRoot { path: path("out"), target: "../flake.nix".to_owned() };
        assert_eq!(tree.read(&path("out"), 9).unwrap_err(), left);
    }
    fs::create_dir(folder.path.join("later")).unwrap();
    let later = GitTree::revision(&folder.path.join("later"), "HEAD").unwrap_err();
    assert_eq!(later.to_string(), format!("the commit `HEAD` has no files in `{}/later`", folder.path.display()));
    assert_eq!(names(&GitTree::index(&folder.path.join("later")).unwrap(), ""), [""; 0]);
}

#[test]
fn links() {
    let folder = Folder::with_git();
    add_links(&folder);
    folder.commit("links");
    check_links(&index(&folder));
    check_links(&revision(&folder, "HEAD"));
}

#[test]
fn linked_worktrees_have_an_index_of_their_own() {
    let folder = Folder::with_git();
    folder.write("a", "main").commit("one");
    folder.git(&["worktree", "add", "--quiet", "-b", "side", "tree"]);
    folder.write("tree/a", "side");
    let tree = folder.path.join("tree");
    assert!(git(&tree).args(["add", "a"]).status().unwrap().success());
    assert_eq!(content(&GitTree::index(&tree).unwrap(), "a"), "side");
    assert_eq!(content(&index(&folder), "a"), "main");
    assert_eq!(find_git_root(&tree), Some(tree));
}

#[test]
fn submodules_are_not_looked_into() {
    let other = Folder::with_git();
    other.write("a", "").commit("other");
    let folder = Folder::with_git();
    folder.git(&["submodule", "--quiet", "add", other.path.to_str().unwrap(), "module"]);
    folder.commit("with a module");
    for tree in [index(&folder), revision(&folder, "HEAD")] {
        assert_eq!(names(&tree, ""), [".gitmodules", "module?"]);
        assert_eq!(tree.kind(&path("module")).unwrap(), Some(FileKind::Other));
        let hidden = |name: &str| ReadError::InSubmodule { path: path(name), submodule: path("module") };
        assert_eq!(tree.kind(&path("module/a")).unwrap_err(), hidden("module/a"));
        assert_eq!(tree.list(&path("module")).unwrap_err(), hidden("module"));
        assert_eq!(
            content(&tree, "module/a"),
            "error: `module/a` belongs to the git submodule `module`, whose files are not there to be read"
        );
        assert!(content(&tree, "module").contains("the git submodule `module`"));
    }
    let module = GitTree::index(&folder.path.join("module")).unwrap();
    assert_eq!(names(&module, ""), ["a"]);
}

#[test]
fn unfinished_merges() {
    let folder = Folder::with_git();
    folder.write("nix/a", "1").write("nix/b", "1").commit("one");
    folder.git(&["switch", "--quiet", "-c", "side"]);
    folder.write("nix/a", "2").write("nix/b", "2").commit("two");
    folder.git(&["switch", "--quiet", "main"]);
    folder.write("nix/a", "3").write("nix/b", "3").commit("three");
    assert!(!folder.try_git(&["merge", "side"]).status.success());
    let error = GitTree::index(&folder.path.join("nix")).unwrap_err();
    assert_eq!(error, GitError::Conflicted { first: "a".to_owned(), count: 2 });
    assert_eq!(
        error.to_string(),
        "the git index has merge conflicts: `a` and 1 more; resolve them, then `git add` the files"
    );
    assert_eq!(content(&revision(&folder, "HEAD"), "nix/a"), "3");
}

#[test]
fn files_that_are_only_announced_are_not_committed() {
    let folder = Folder::with_git();
    folder.write("nix/announced", "x").write("nix/empty", "").write("nix/full", "x");
    folder.git(&["add", "nix/empty", "nix/full"]);
    folder.git(&["add", "--intent-to-add", "nix/announced"]);
    assert_eq!(names(&index(&folder), "nix"), ["empty", "full"]);
    assert_eq!(names(&GitTree::index(&folder.path.join("nix")).unwrap(), ""), ["empty", "full"]);
    assert_eq!(content(&index(&folder), "nix/empty"), "");
}

#[test]
fn names_that_are_not_utf8_are_there_but_closed() {
    let folder = Folder::with_git();
    folder.write("a b\n\"", "odd").write("sub/c", "");
    fs::write(folder.path.join(OsStr::from_bytes(b"b\xff")), "").unwrap();
    fs::create_dir(folder.path.join(OsStr::from_bytes(b"d\xff"))).unwrap();
    fs::write(folder.path.join(OsStr::from_bytes(b"d\xff/e")), "").unwrap();
    folder.commit("odd names");
    for tree in [index(&folder), revision(&folder, "HEAD")] {
        assert_eq!(names(&tree, ""), ["a b\n\"", "b\u{fffd}?", "d\u{fffd}?", "sub/"]);
        assert_eq!(content(&tree, "a b\n\""), "odd");
    }
}

#[test]
fn large_files_are_read_from_the_front() {
    let folder = Folder::with_git();
    let mut large = b"age-encryption.org/v1\n".to_vec();
    large.resize(3 << 20, 7);
    folder.write("large.age", &large).write("small", "small").write("middle", vec![b'x'; 100_000]).commit("one");
    for tree in [index(&folder), revision(&folder, "HEAD")] {
        for _ in 0..3 {
            let prefix = tree.read_prefix(&path("large.age"), 22).unwrap();
            assert_eq!((prefix.bytes.as_slice(), prefix.length), (&large[..22], 3 << 20));
            assert_eq!(content(&tree, "small"), "small");
            assert_eq!(tree.read_prefix(&path("middle"), 1).unwrap().length, 100_000);
            assert_eq!(tree.read_prefix(&path("middle"), 0).unwrap().bytes, b"");
        }
        assert_eq!(tree.read(&path("large.age"), 3 << 20).unwrap(), large);
        assert_eq!(content(&tree, "large.age"), "error: `large.age` is 3145728 bytes long; at most 1048576 are read");
        assert_eq!(content(&tree, "small"), "small");
    }
}

#[test]
fn many_threads_get_their_own_answers() {
    let folder = Folder::with_git();
    for n in 0..40 {
        folder.write(&format!("d{n}/f"), format!("content {n}").repeat(n + 1));
    }
    folder.commit("one");
    let tree = revision(&folder, "HEAD");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 0..40 {
                    assert_eq!(content(&tree, &format!("d{n}/f")), format!("content {n}").repeat(n + 1));
                }
            });
        }
    });
}

#[test]
fn damaged_repositories() {
    let folder = Folder::with_git();
    folder.write("a", "first").write("b", "second").commit("one");
    let tree = revision(&folder, "HEAD");
    let object = |name: &str| {
        let id = folder.git(&["rev-parse", &format!("HEAD:{name}")]);
        (folder.path.join(".git/objects").join(&id[..2]).join(&id[2..]), id)
    };
    let (a, id) = object("a");
    fs::remove_file(&a).unwrap();
    assert_eq!(
        content(&tree, "a"),
        format!("error: can't read `a`: the object {id} is not in the repository (a partial clone, or a damaged one)")
    );
    assert_eq!(content(&tree, "b"), "second");
    fs::write(&a, "rubbish").unwrap();
    assert!(content(&tree, "a").starts_with("error: can't read `a`: "));
    assert_eq!(content(&tree, "b"), "second");
    fs::remove_dir_all(folder.path.join(".git")).unwrap();
    assert!(content(&tree, "a").starts_with("error: can't read `a`: "));
}

#[test]
fn revisions_that_are_none() {
    let folder = Folder::with_git();
    folder.write("a", "").commit("one");
    folder.commit("two");
    let here = folder.path.display();
    for name in ["nothing", "HEAD:a", "HEAD~7", "^HEAD", "HEAD~1..HEAD", "HEAD --all", "HEAD\nmain"] {
        let shown = name.replace('\n', " ");
        assert_eq!(
            GitTree::revision(&folder.path, name).unwrap_err().to_string(),
            format!("`{shown}` names no commit in the git repository of `{here}`"),
        );
    }
    for name in ["", "--all", "-h", "--output=x", "a\0b"] {
        let error = GitTree::revision(&folder.path, name).unwrap_err();
        assert!(error.to_string().ends_with(": that is no name of a revision"), "{error}");
    }
    folder.git(&["tag", "-a", "-m", "tag", "v1"]);
    assert_eq!(names(&revision(&folder, "v1"), ""), ["a"]);
}

#[test]
fn shallow_clones_say_so() {
    let folder = Folder::with_git();
    folder.write("a", "").commit("one");
    folder.write("a", "2").commit("two");
    let clone = Folder::new();
    clone.git(&["clone", "--quiet", "--depth=1", &format!("file://{}", folder.path.display()), "."]);
    let error = GitTree::revision(&clone.path, "HEAD~1").unwrap_err().to_string();
    assert!(error.ends_with(": it is a shallow clone (`git fetch --unshallow` gets the rest)"), "{error}");
}

#[test]
fn repositories_without_commits() {
    let folder = Folder::with_git();
    assert_eq!(names(&index(&folder), ""), [""; 0]);
    folder.write("a", "x");
    folder.git(&["add", "a"]);
    assert_eq!(content(&index(&folder), "a"), "x");
    assert_eq!(
        GitTree::revision(&folder.path, "HEAD").unwrap_err().to_string(),
        format!("`HEAD` names no commit in the git repository of `{}`: it has no commits yet", folder.path.display())
    );
}

#[test]
fn bare_repositories_have_revisions_only() {
    let folder = Folder::with_git();
    folder.write("machines/a", "x").commit("one");
    let bare = Folder::new();
    bare.git(&["clone", "--quiet", "--bare", folder.path.to_str().unwrap(), "."]);
    let tree = revision(&bare, "main");
    assert_eq!(tree.root(), None);
    assert_eq!(content(&tree, "machines/a"), "x");
    assert_eq!(
        GitTree::index(&bare.path).unwrap_err().to_string(),
        format!(
            "`{}` is a bare git repository, which has no index; name a revision, such as `HEAD`",
            bare.path.display()
        )
    );
}

#[test]
fn folders_without_a_repository() {
    let folder = Folder::new();
    folder.write("sub/file", "");
    let sub = folder.path.join("sub");
    assert_eq!(GitTree::index(&sub).unwrap_err(), GitError::NotRepository { path: sub.clone() });
    assert_eq!(GitTree::revision(&sub, "HEAD").unwrap_err(), GitError::NotRepository { path: sub.clone() });
    let file = GitTree::index(&sub.join("file")).unwrap_err().to_string();
    assert!(file.ends_with("sub/file`: it is not a directory"), "{file}");
    let none = GitTree::index(&sub.join("none")).unwrap_err().to_string();
    assert!(none.ends_with("sub/none`: No such file or directory"), "{none}");
    assert_eq!(find_git_root(&sub), None);
    folder.git(&["init", "--quiet"]);
    assert_eq!(find_git_root(&sub), Some(folder.path.clone()));
    assert_eq!(find_git_root(&sub.join("file")), Some(folder.path.clone()));
    let inside = GitTree::index(&folder.path.join(".git")).unwrap_err().to_string();
    assert!(inside.ends_with("the folder is a part of git's own files"), "{inside}");
}

#[test]
fn sha256_repositories() {
    let folder = Folder::new();
    folder.git(&["init", "--quiet", "--object-format=sha256"]);
    folder.write("a", "x").write("empty", "").write("announced", "");
    folder.git(&["add", "a", "empty"]);
    folder.git(&["add", "--intent-to-add", "announced"]);
    assert_eq!(names(&index(&folder), ""), ["a", "empty"]);
    folder.commit("one");
    assert_eq!(content(&revision(&folder, "HEAD"), "a"), "x");
}

/// What a repository's own configuration names must never be run.
#[test]
fn nothing_of_the_repository_is_run() {
    let folder = Folder::with_git();
    folder.write("a.key", "ssh-ed25519 AAAA\n").write(".gitattributes", "*.key diff=evil filter=evil\n");
    folder.commit("one");
    folder.write("a.key", "gone\n").commit("two");
    let mark = folder.path.join("was-run");
    let script = folder.path.join("evil.sh");
    fs::write(&script, format!("#!/bin/sh\ntouch {}\ncat\n", mark.display())).unwrap();
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let script = script.to_str().unwrap();
    for key in [
        "core.fsmonitor",
        "core.pager",
        "pager.log",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "filter.evil.clean",
        "filter.evil.smudge",
        "gpg.program",
        "core.sshCommand",
        "alias.ls-files",
    ] {
        folder.git(&["config", key, script]);
    }
    folder.git(&["config", "log.showSignature", "true"]);
    let mut tree = index(&folder);
    assert_eq!(content(&tree, "a.key"), "gone\n");
    tree = revision(&folder, "HEAD~1");
    assert_eq!(content(&tree, "a.key"), "ssh-ed25519 AAAA\n");
    let history = bulkhead_source::GitHistory::open(&folder.path).unwrap();
    assert_eq!(history.removed_lines("ssh-ed25519 AAAA", &[], |_| true)[0].subject, "two");
    assert!(!mark.exists());
}

/// A partial clone lacks objects and would fetch them when asked.
#[test]
fn nothing_is_fetched() {
    let folder = Folder::with_git();
    folder.write("a", "x").commit("one");
    folder.git(&["config", "uploadpack.allowFilter", "true"]);
    let clone = Folder::new();
    let url = format!("file://{}", folder.path.display());
    clone.git(&["clone", "--quiet", "--no-checkout", "--filter=blob:none", &url, "."]);
    let tree = revision(&clone, "HEAD");
    assert_eq!(names(&tree, ""), ["a"]);
    assert!(content(&tree, "a").starts_with("error: can't read `a`: "), "{}", content(&tree, "a"));
}

#[test]
fn submodules_are_told_from_other_things_that_cannot_be_read() {
    let module = Folder::with_git();
    module.write("a", "1");
    module.commit("module");
    let folder = Folder::with_git();
    folder.git(&["submodule", "--quiet", "add", module.path.to_str().unwrap(), "deep/module"]);
    folder.write("a", "1").link("link", "a").link("into", "deep/module/a");
    folder.commit("all");
    for tree in [GitTree::index(&folder.path).unwrap(), GitTree::revision(&folder.path, "HEAD").unwrap()] {
        assert!(tree.is_submodule(&path("deep/module")));
        for other in ["a", "link", "deep", "nothing", "deep/module/a"] {
            assert!(!tree.is_submodule(&path(other)), "{other}");
        }
        for hidden in ["deep/module", "deep/module/a", "into"] {
            assert!(content(&tree, hidden).contains("the git submodule `deep/module`"), "{hidden}");
        }
        assert!(content(&tree, "deep/nothing").contains("does not exist"));
    }
    // In the working tree it is a folder as long as it is checked out; below the root of the tree, too.
    for (root, name) in [("", "deep/module"), ("deep", "module")] {
        let tree = WorkTree::open(&folder.path.join(root)).unwrap();
        assert!(!tree.is_submodule(&path(name)));
    }
    folder.git(&["submodule", "--quiet", "deinit", "--force", "--all"]);
    std::fs::create_dir(folder.path.join("deep/empty")).unwrap();
    for (root, name, empty) in [("", "deep/module", "deep/empty"), ("deep", "module", "empty")] {
        let tree = WorkTree::open(&folder.path.join(root)).unwrap();
        assert!(tree.is_submodule(&path(name)), "{name}");
        assert!(!tree.is_submodule(&path(empty)) && !tree.is_submodule(&path("")));
        let inside = |folder: &str| path(&format!("{folder}/deeper/a"));
        let hidden = ReadError::InSubmodule { path: inside(name), submodule: path(name) };
        assert_eq!(tree.kind(&inside(name)).unwrap_err(), hidden);
        assert_eq!(tree.read(&inside(name), 1).unwrap_err(), hidden);
        assert_eq!(tree.kind(&inside(empty)), Ok(None));
        assert_eq!(tree.read(&inside(empty), 1).unwrap_err(), ReadError::NotFound { path: inside(empty) });
    }
}

#[test]
fn the_folder_of_hooks_is_where_git_looks_for_it() {
    let folder = Folder::with_git();
    folder.write("deep/fleet/a", "1");
    let found = find_hooks(&folder.path.join("deep/fleet")).unwrap();
    assert_eq!(found.folder, folder.path.join(".git/hooks"));
    assert_eq!((found.top, found.below), (folder.path.clone(), "deep/fleet".into()));
    folder.git(&["config", "core.hooksPath", "my hooks"]);
    assert_eq!(find_hooks(&folder.path.join("deep")).unwrap().folder, folder.path.join("my hooks"));
    assert!(matches!(find_hooks(&Folder::new().path), Err(GitError::NotRepository { .. })));
    let bare = Folder::new();
    bare.git(&["init", "--quiet", "--bare"]);
    assert!(matches!(find_hooks(&bare.path), Err(GitError::Bare { .. })));
}

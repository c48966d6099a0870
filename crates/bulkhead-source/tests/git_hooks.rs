//! What is judged inside git's hooks, where variables name the repository and the index.
//!
//! The hooks are real: they run this test program again, with the one test that prints what it sees.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::env;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bulkhead_source::GitTree;
use common::{Folder, content, git};
use pretty_assertions::assert_eq;

/// The part of a hook: write the file `a` of the folder `$SEEN_ROOT`, in the index or at `$SEEN_REVISION`, to
/// `$SEEN_OUTPUT`.
#[test]
#[ignore = "the other tests run it from hooks"]
fn see() {
    let root = PathBuf::from(env::var_os("SEEN_ROOT").unwrap());
    let tree = match env::var("SEEN_REVISION") {
        Ok(revision) => GitTree::revision(&root, &revision),
        Err(_) => GitTree::index(&root),
    };
    let seen = tree.map_or_else(|error| error.to_string(), |tree| content(&tree, "a"));
    fs::write(env::var_os("SEEN_OUTPUT").unwrap(), seen).unwrap();
}

/// A shell line that sees `root` and writes to `output`.
fn see_line(root: &Path, output: &Path, revision: &str) -> String {
    let program = env::current_exe().unwrap();
    format!(
        "SEEN_ROOT='{}' SEEN_OUTPUT='{}' {revision} '{}' --quiet --ignored --exact see >/dev/null\n",
        root.display(),
        output.display(),
        program.display()
    )
}

fn install(git_dir: &Path, name: &str, body: &str) {
    let hook = git_dir.join("hooks").join(name);
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, format!("#!/bin/sh\nset -e\n{body}")).unwrap();
    fs::set_permissions(&hook, Permissions::from_mode(0o755)).unwrap();
}

/// A repository with `a` and `fleet/a` committed, and a `pre-commit` hook that sees both and an unrelated repository.
struct Hooked {
    folder: Folder,
    other: Folder,
    output: Folder,
}

impl Hooked {
    fn new() -> Hooked {
        let (folder, other, output) = (Folder::with_git(), Folder::with_git(), Folder::new());
        folder.write("a", "1").write("fleet/a", "fleet 1").write("b", "").commit("one");
        other.write("a", "other").commit("other");
        let hooked = Hooked { folder, other, output };
        hooked.hook(&hooked.folder.path);
        hooked
    }

    fn hook(&self, top: &Path) {
        let line = |root: &Path, name: &str| see_line(root, &self.output.path.join(name), "");
        let body = line(top, "top")
            + &line(&top.join("fleet"), "fleet")
            + &line(&self.other.path, "other")
            + "cd fleet\n"
            + &line(Path::new("."), "relative");
        install(&self.folder.path.join(".git"), "pre-commit", &body);
    }

    fn commit(&self, top: &Path, arguments: &[&str]) -> [String; 4] {
        let output = git(top).args(["commit", "-m", "x"]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        ["top", "fleet", "other", "relative"].map(|name| {
            let path = self.output.path.join(name);
            let seen = fs::read_to_string(&path).unwrap();
            fs::remove_file(path).unwrap();
            seen
        })
    }
}

#[test]
fn commit_of_what_is_staged() {
    let hooked = Hooked::new();
    hooked.folder.write("a", "2").write("fleet/a", "fleet 2");
    hooked.folder.git(&["add", "a"]);
    assert_eq!(hooked.commit(&hooked.folder.path, &[]), ["2", "fleet 1", "other", "fleet 1"]);
}

#[test]
fn commit_of_everything() {
    let hooked = Hooked::new();
    hooked.folder.write("a", "2").write("fleet/a", "fleet 2");
    assert_eq!(hooked.commit(&hooked.folder.path, &["-a"]), ["2", "fleet 2", "other", "fleet 2"]);
}

#[test]
fn commit_of_one_file() {
    let hooked = Hooked::new();
    hooked.folder.write("a", "2").write("fleet/a", "fleet 2");
    hooked.folder.git(&["add", "a"]);
    // `a` is staged but not in this commit.
    assert_eq!(hooked.commit(&hooked.folder.path, &["fleet/a"]), ["1", "fleet 2", "other", "fleet 2"]);
    hooked.folder.write("fleet/a", "fleet 3");
    assert_eq!(hooked.commit(&hooked.folder.path.join("fleet"), &["a"]), ["1", "fleet 3", "other", "fleet 3"]);
}

#[test]
fn commit_in_a_linked_worktree() {
    let hooked = Hooked::new();
    let side = Folder::new();
    let top = side.path.join("tree");
    hooked.folder.git(&["worktree", "add", "--quiet", "-b", "side", top.to_str().unwrap()]);
    hooked.hook(&top);
    side.write("tree/a", "2").write("tree/fleet/a", "fleet 2");
    assert_eq!(hooked.commit(&top, &["-a"]), ["2", "fleet 2", "other", "fleet 2"]);
    side.write("tree/a", "3").write("tree/fleet/a", "fleet 3");
    assert_eq!(hooked.commit(&top, &["a"]), ["3", "fleet 2", "other", "fleet 2"]);
}

#[test]
fn a_push_is_seen_before_it_is_accepted() {
    let (folder, output) = (Folder::with_git(), Folder::new());
    folder.write("a", "pushed").commit("one");
    let server = Folder::new();
    server.git(&["init", "--quiet", "--bare", "--initial-branch=main"]);
    let seen = output.path.join("seen");
    let line = see_line(&server.path, &seen, "SEEN_REVISION=$new");
    install(&server.path, "pre-receive", &format!("read old new ref\n{line}exit 1\n"));
    assert!(!folder.try_git(&["push", server.path.to_str().unwrap(), "main"]).status.success());
    assert_eq!(fs::read_to_string(seen).unwrap(), "pushed");
}

/// Run [`see`] with variables of our choice.
fn see_with(from: &Path, root: &Path, variables: &[(&str, &Path)]) -> String {
    let output = Folder::new();
    let seen = output.path.join("seen");
    let mut command = Command::new(env::current_exe().unwrap());
    command.current_dir(from).args(["--quiet", "--ignored", "--exact", "see"]);
    command.env("SEEN_ROOT", root).env("SEEN_OUTPUT", &seen).envs(variables.iter().copied());
    assert!(command.output().unwrap().status.success());
    fs::read_to_string(seen).unwrap()
}

#[test]
fn variables_count_only_for_their_own_repository() {
    let (one, two, nowhere) = (Folder::with_git(), Folder::with_git(), Folder::new());
    one.write("a", "one").commit("one");
    two.write("a", "two").commit("two");
    let other_index = one.path.join(".git/other-index");
    fs::copy(one.path.join(".git/index"), &other_index).unwrap();
    one.write("a", "later");
    one.git(&["add", "a"]);

    let git_dir = one.path.join(".git");
    let index: (&str, &Path) = ("GIT_INDEX_FILE", &other_index);
    let located: (&str, &Path) = ("GIT_DIR", &git_dir);
    assert_eq!(see_with(&one.path, &one.path, &[]), "later");
    assert_eq!(see_with(&one.path, &one.path, &[index]), "one");
    assert_eq!(see_with(&nowhere.path, &one.path, &[index]), "one");
    assert_eq!(see_with(&nowhere.path, &one.path, &[index, located]), "one");
    assert_eq!(see_with(&one.path, &one.path, &[("GIT_INDEX_FILE", Path::new(".git/other-index"))]), "one");
    assert_eq!(see_with(&one.path, &two.path, &[index]), "two");
    assert_eq!(see_with(&one.path, &two.path, &[index, located]), "two");
    assert_eq!(see_with(&two.path, &two.path, &[located]), "two");
    // A GIT_DIR that does not exist misleads nobody.
    assert_eq!(see_with(&one.path, &two.path, &[("GIT_DIR", Path::new("/nonexistent"))]), "two");
}

#[test]
fn a_repository_that_only_the_variables_know() {
    let (home, store, elsewhere) = (Folder::new(), Folder::new(), Folder::new());
    store.git(&["init", "--quiet", "--bare"]);
    home.write("fleet/a", "dotfile");
    let location = ["--git-dir", store.path.to_str().unwrap(), "--work-tree", home.path.to_str().unwrap()];
    home.git(&[location.as_slice(), &["add", "fleet/a"]].concat());
    let variables: [(&str, &Path); 2] = [("GIT_DIR", &store.path), ("GIT_WORK_TREE", &home.path)];
    assert_eq!(see_with(&home.path, &home.path.join("fleet"), &variables), "dotfile");
    let outside = see_with(&elsewhere.path, &elsewhere.path, &variables);
    assert!(outside.contains("is not in a git repository"), "{outside}");
}

#[test]
fn without_git() {
    let (folder, output) = (Folder::with_git(), Folder::new());
    let seen = see_with(&folder.path, &folder.path, &[("PATH", &output.path)]);
    assert_eq!(
        seen,
        "can't run `git`: No such file or directory; install git, or look at the working tree, which needs none"
    );
}

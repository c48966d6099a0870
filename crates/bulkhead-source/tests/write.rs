//! Files are replaced whole or not at all.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use bulkhead_source::{WorkTree, write_atomic};
use common::{Folder, content, path};
use pretty_assertions::assert_eq;

fn mode(folder: &Folder, name: &str) -> u32 {
    fs::metadata(folder.path.join(name)).unwrap().mode() & 0o7777
}

fn files(folder: &Folder) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(&folder.path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn new_and_old_files() {
    let folder = Folder::new();
    let target = folder.path.join("secrets.nix");
    write_atomic(&target, b"1").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"1");
    assert_eq!(mode(&folder, "secrets.nix") & !0o644, 0);
    for kept in [0o600, 0o664, 0o755] {
        fs::set_permissions(&target, Permissions::from_mode(kept)).unwrap();
        write_atomic(&target, b"22").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"22");
        assert_eq!(mode(&folder, "secrets.nix"), kept);
    }
    assert_eq!(files(&folder), ["secrets.nix"]);
}

#[test]
fn the_longest_name_there_is() {
    let folder = Folder::new();
    let target = folder.path.join("x".repeat(255));
    write_atomic(&target, b"1").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"1");
}

#[test]
fn who_holds_the_old_file_open_sees_the_old_content() {
    let folder = Folder::new();
    folder.write("a", "old");
    let open = fs::File::open(folder.path.join("a")).unwrap();
    write_atomic(&folder.path.join("a"), b"new").unwrap();
    assert_eq!(std::io::read_to_string(open).unwrap(), "old");
}

#[test]
fn refusals_change_nothing() {
    let folder = Folder::new();
    folder.write("real", "old").write("folder/x", "").link("link", "real");
    let refuse = |name: &str| write_atomic(&folder.path.join(name), b"new").unwrap_err().to_string();
    let here = folder.path.display();
    assert_eq!(
        refuse("link"),
        format!("can't write `{here}/link`: it is a symbolic link to `real`; write to that file, or remove the link")
    );
    assert_eq!(refuse("folder"), format!("can't write `{here}/folder`: a directory lies there"));
    assert_eq!(
        refuse("none/x"),
        format!("can't write `{here}/none/x`: can't make a file in `{here}/none`: No such file or directory")
    );
    assert_eq!(refuse("real/x"), format!("can't write `{here}/real/x`: Not a directory"));
    assert_eq!(fs::read(folder.path.join("real")).unwrap(), b"old");
    assert_eq!(files(&folder), ["folder", "link", "real"]);
}

#[test]
fn a_tree_follows_links_inside_itself_only() {
    let outside = Folder::new();
    outside.write("victim", "old");
    let folder = Folder::new();
    folder
        .write("rules/secrets.nix", "old")
        .link("secrets.nix", "rules/secrets.nix")
        .link("linked", "rules")
        .link("out", outside.path.join("victim"))
        .link("out-folder", &outside.path)
        .link("broken", "nothing");
    let tree = WorkTree::open(&folder.path).unwrap();
    tree.write(&path("secrets.nix"), b"new").unwrap();
    assert_eq!(content(&tree, "rules/secrets.nix"), "new");
    assert!(fs::symlink_metadata(folder.path.join("secrets.nix")).unwrap().is_symlink());
    tree.write(&path("linked/CLAUDE.md"), b"new").unwrap();
    assert_eq!(content(&tree, "rules/CLAUDE.md"), "new");
    tree.write(&path("top.md"), b"new").unwrap();
    assert_eq!(content(&tree, "top.md"), "new");

    let refuse = |name: &str| tree.write(&path(name), b"new").unwrap_err().to_string();
    assert!(refuse("out").contains("leads out of the tree"));
    assert!(refuse("out-folder/victim").contains("leads out of the tree"));
    assert!(refuse("out-folder/fresh").contains("leads out of the tree"));
    assert!(refuse("broken").contains("which does not exist"));
    assert!(refuse("").contains("a directory lies there"));
    assert_eq!(fs::read(outside.path.join("victim")).unwrap(), b"old");
    assert_eq!(files(&outside), ["victim"]);
}

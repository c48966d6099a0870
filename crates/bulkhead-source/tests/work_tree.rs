//! The working tree on disk.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;

use bulkhead_source::{FileKind, FileTree, ReadError, TextError, TreePath, WorkTree, read_text};
use common::{Folder, add_links, check_links, content, names, path};
use pretty_assertions::assert_eq;

fn open(folder: &Folder) -> WorkTree {
    WorkTree::open(&folder.path).unwrap()
}

#[test]
fn files_and_folders() {
    let folder = Folder::new();
    folder.write("machines/kif/properties.nix", "{ }").write("machines/b.nix", "1").write("machines/B.nix", "2");
    let tree = open(&folder);
    assert_eq!(tree.describe(), "the working tree");
    assert_eq!(tree.root(), Some(folder.path.as_path()));
    assert_eq!(names(&tree, ""), ["machines/"]);
    assert_eq!(names(&tree, "machines"), ["B.nix", "b.nix", "kif/"]);
    assert_eq!(content(&tree, "machines/kif/properties.nix"), "{ }");
    assert_eq!(tree.list(&path("nothing")).unwrap_err(), ReadError::NotFound { path: path("nothing") });
    assert_eq!(
        tree.list(&path("machines/b.nix/x")).unwrap_err(),
        ReadError::NotFound { path: path("machines/b.nix/x") }
    );
}

#[test]
fn files_that_come_and_go() {
    let folder = Folder::new();
    folder.write("machines/kif/a", "1");
    let tree = open(&folder);
    assert_eq!(names(&tree, "machines/kif"), ["a"]);
    assert_eq!(tree.kind(&path("machines/amy/a")).unwrap(), None);
    fs::remove_dir_all(folder.path.join("machines/kif")).unwrap();
    folder.write("machines/amy/a", "2");
    assert_eq!(content(&tree, "machines/kif/a"), "error: `machines/kif/a` does not exist");
    assert_eq!(tree.list(&path("machines/kif")).unwrap_err(), ReadError::NotFound { path: path("machines/kif") });
    assert_eq!(content(&tree, "machines/amy/a"), "2");
}

#[test]
fn links() {
    let folder = Folder::new();
    add_links(&folder);
    check_links(&open(&folder));
}

#[test]
fn links_after_their_folders_are_known() {
    let folder = Folder::new();
    add_links(&folder);
    let tree = open(&folder);
    names(&tree, "");
    names(&tree, "machines");
    names(&tree, "machines/kif");
    check_links(&tree);
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let folder = Folder::new();
    folder.write("0", "end");
    for n in 1..=41 {
        folder.link(&n.to_string(), (n - 1).to_string());
    }
    let tree = open(&folder);
    assert_eq!(content(&tree, "40"), "end");
    assert_eq!(content(&tree, "41"), "error: `41` is a chain of symbolic links without end");
}

#[test]
fn absolute_links_may_name_the_root_as_the_caller_did() {
    let folder = Folder::new();
    folder.write("real/a", "x").link("named", "real").link("real/b", folder.path.join("named/a"));
    let tree = WorkTree::open(&folder.path.join("named")).unwrap();
    assert_eq!(tree.root(), Some(folder.path.join("real").as_path()));
    assert_eq!(content(&tree, "b"), "x");
    let elsewhere = WorkTree::open(&folder.path.join("real")).unwrap();
    assert!(matches!(elsewhere.read(&path("b"), 9), Err(ReadError::LeavesRoot { .. })));
}

#[test]
fn a_link_whose_target_is_not_utf8() {
    let folder = Folder::new();
    folder.link("a", OsStr::from_bytes(b"x\xff"));
    assert_eq!(content(&open(&folder), "a"), "error: can't read `a`: it is a symbolic link whose target is not UTF-8");
}

#[test]
fn names_that_are_not_utf8_are_there_but_closed() {
    let folder = Folder::new();
    folder.write("a", "");
    fs::write(folder.path.join(OsStr::from_bytes(b"b\xff")), "").unwrap();
    assert_eq!(names(&open(&folder), ""), ["a", "b\u{fffd}?"]);
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let folder = Folder::new();
    assert!(Command::new("mkfifo").arg(folder.path.join("fifo")).status().unwrap().success());
    let _socket = UnixListener::bind(folder.path.join("socket")).unwrap();
    folder.link("link", "fifo");
    let tree = open(&folder);
    for file in ["fifo", "socket", "link"] {
        assert_eq!(content(&tree, file), format!("error: can't read `{file}`: it is not a regular file"));
    }
    assert_eq!(tree.kind(&path("fifo")).unwrap(), Some(FileKind::Other));
    assert_eq!(names(&tree, ""), ["fifo?", "link@", "socket?"]);
}

#[test]
fn files_that_may_not_be_read() {
    let folder = Folder::new();
    folder.write("closed.age", "x").write("shut/a", "x");
    fs::set_permissions(folder.path.join("closed.age"), Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(folder.path.join("shut"), Permissions::from_mode(0o000)).unwrap();
    if File::open(folder.path.join("closed.age")).is_ok() {
        // Straight to the terminal: what a passing test prints with `eprintln!` is not shown.
        let words = "SKIPPED files_that_may_not_be_read: permissions mean nothing to root; run it as another user";
        writeln!(std::io::stderr(), "{words}").unwrap();
        return;
    }
    let tree = open(&folder);
    assert_eq!(content(&tree, "closed.age"), "error: can't read `closed.age`: Permission denied");
    assert_eq!(content(&tree, "shut/a"), "error: can't read `shut/a`: Permission denied");
    assert!(tree.list(&path("shut")).unwrap_err().to_string().contains("Permission denied"));
    fs::set_permissions(folder.path.join("shut"), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn only_the_beginning_of_a_large_file_is_read() {
    let folder = Folder::new();
    folder.write("big.age", "age-encryption.org/v1\n");
    File::options().write(true).open(folder.path.join("big.age")).unwrap().set_len(1 << 40).unwrap();
    let tree = open(&folder);
    let prefix = tree.read_prefix(&path("big.age"), 22).unwrap();
    assert_eq!((prefix.bytes.as_slice(), prefix.length), (b"age-encryption.org/v1\n".as_slice(), 1 << 40));
    assert_eq!(tree.read_prefix(&path("big.age"), 0).unwrap().bytes, b"");
    assert_eq!(content(&tree, "big.age"), "error: `big.age` is 1099511627776 bytes long; at most 1048576 are read");
}

#[test]
fn limits_are_exact() {
    let folder = Folder::new();
    folder.write("five", "12345").write("empty", "");
    let tree = open(&folder);
    assert_eq!(tree.read(&path("five"), 5).unwrap(), b"12345");
    assert_eq!(tree.read(&path("empty"), 0).unwrap(), b"");
    assert_eq!(
        tree.read(&path("five"), 4).unwrap_err(),
        ReadError::TooLarge { path: path("five"), length: 5, limit: 4 }
    );
}

#[test]
fn roots_that_are_none() {
    let folder = Folder::new();
    folder.write("file", "");
    let message = |name: &str| WorkTree::open(&folder.path.join(name)).unwrap_err().to_string();
    assert_eq!(message("file"), format!("can't open `{}/file`: it is not a directory", folder.path.display()));
    assert_eq!(message("none"), format!("can't open `{}/none`: No such file or directory", folder.path.display()));
}

#[test]
fn text_is_utf8_to_the_byte() {
    let folder = Folder::new();
    folder
        .write("good.nix", "\u{feff}{ a = \"ü\";\r\n}")
        .write("bad.nix", b"{ a = \"\xff\"; }")
        .write("cut.nix", b"{ } # \xc3");
    let tree = open(&folder);
    let text = |name: &str| read_text(&tree, &path(name), 100);
    assert_eq!(&*text("good.nix").unwrap(), "\u{feff}{ a = \"ü\";\r\n}");
    assert_eq!(text("bad.nix").unwrap_err(), TextError::NotUtf8 { path: path("bad.nix"), byte: 0xff, offset: 7 });
    assert_eq!(text("bad.nix").unwrap_err().to_string(), "can't read `bad.nix`: it is not UTF-8 (byte 0xff at 7)");
    assert_eq!(text("cut.nix").unwrap_err().to_string(), "can't read `cut.nix`: it is not UTF-8 (byte 0xc3 at 6)");
    assert_eq!(text("none.nix").unwrap_err().to_string(), "`none.nix` does not exist");
}

#[test]
fn many_threads_see_the_same() {
    let folder = Folder::new();
    for machine in 0..50 {
        folder.write(&format!("machines/m{machine}/a/b"), machine.to_string());
        folder.link(&format!("links/l{machine}"), format!("../machines/m{machine}/a"));
    }
    let tree = open(&folder);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for machine in 0..50 {
                    assert_eq!(content(&tree, &format!("machines/m{machine}/a/b")), machine.to_string());
                    assert_eq!(content(&tree, &format!("links/l{machine}/b")), machine.to_string());
                }
                assert_eq!(tree.list(&TreePath::root()).unwrap().len(), 2);
            });
        }
    });
}

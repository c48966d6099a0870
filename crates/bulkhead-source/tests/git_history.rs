//! Who took a key away.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use bulkhead_source::{Committed, GitHistory, Removal};
use common::Folder;
use pretty_assertions::assert_eq;

const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIPonyo";

fn removed(history: &GitHistory) -> Vec<Removal> {
    history.removed_lines("AAAA[A-Za-z0-9]+", &[], |line| line.contains(KEY))
}

fn history(folder: &Folder) -> GitHistory {
    GitHistory::open(&folder.path).unwrap()
}

#[test]
fn the_newest_removal_is_named() {
    let folder = Folder::with_git();
    let line = format!("  hostKey = \"ssh-ed25519 {KEY}\";");
    let machine = format!("{{\n{line}\n}}\n");
    folder.write("machines/ponyo/properties.nix", &machine).write("b", "").commit("add ponyo");
    folder.write("machines/ponyo/properties.nix", "{ }").commit("lose the key");
    folder.write("machines/ponyo/properties.nix", &machine).commit("find the key");
    folder.git(&["rm", "--quiet", "-r", "machines/ponyo"]);
    let commit = folder.commit("decommission \u{1b}[31mponyo");
    folder.write("b", KEY).commit("mention it elsewhere");

    let removals = removed(&history(&folder));
    let removal = &removals[0];
    assert_eq!(removal.commit, folder.git(&["rev-parse", "--short", &commit]));
    assert_eq!(removal.subject, "decommission  [31mponyo");
    assert_eq!(removal.path, "machines/ponyo/properties.nix");
    assert_eq!(removal.line, line.trim());
    assert_eq!(removal.date, folder.git(&["show", "--no-patch", "--format=%cs", &commit]));
    // That it was added later is no removal; that it was lost before is one.
    let subjects: Vec<&str> = removals.iter().map(|removal| removal.subject.as_str()).collect();
    assert_eq!(subjects, ["decommission  [31mponyo", "lose the key"]);
    assert_eq!(history(&folder).removed_lines("AAAA", &["*.md"], |_| true), []);
}

#[test]
fn a_changed_file_removes_too_and_paths_begin_at_the_root() {
    let folder = Folder::with_git();
    folder.write("fleet/secrets.nix", format!("ponyo = \"{KEY}\";\nkif = 1;\n")).write("other", KEY).commit("one");
    folder.write("fleet/secrets.nix", "kif = 1;\n").commit("two");
    folder.write("other", "").commit("three");
    let fleet = GitHistory::open(&folder.path.join("fleet")).unwrap();
    let removals = removed(&fleet);
    assert_eq!(removals.len(), 1);
    assert_eq!((removals[0].subject.as_str(), removals[0].path.as_str()), ("two", "secrets.nix"));
    assert_eq!(removals[0].line, format!("ponyo = \"{KEY}\";"));
}

#[test]
fn what_only_the_last_commit_still_has_is_found() {
    let folder = Folder::with_git();
    folder.git(&["config", "grep.fullName", "true"]);
    folder.git(&["config", "grep.lineNumber", "true"]);
    let line = format!("hostKey = \"ssh-ed25519 {KEY}\";");
    folder.write("fleet/machines/ponyo/properties.nix", format!("{{\n  {line}\n}}\n"));
    folder.write("other.nix", KEY).write("fleet/notes.md", KEY).commit("one");
    folder.git(&["rm", "--quiet", "-r", "fleet/machines"]);
    let history = GitHistory::open(&folder.path.join("fleet")).unwrap();
    let committed = history.committed_lines("AAAA[A-Za-z0-9]+", &["*.nix"], |line| line.contains(KEY));
    assert_eq!(committed, [Committed { path: "machines/ponyo/properties.nix".into(), line }]);
    assert_eq!(history.committed_lines("AAAA", &["*.nix"], |_| false), []);
    for pattern in ["", "a\0", "a\nb", "never there", "--output=x", "(", "["] {
        assert_eq!(history.committed_lines(pattern, &[], |_| true), []);
    }
}

#[test]
fn trouble_is_no_answer() {
    let folder = Folder::with_git();
    assert!(GitHistory::open(&folder.path).is_none());
    folder.write("a", KEY).commit("one");
    let history = history(&folder);
    assert_eq!(removed(&history), []);
    for pattern in ["", "a\0", "a\nb", "never there", "--output=x", "(", "["] {
        assert_eq!(history.removed_lines(pattern, &[], |_| true), []);
    }
}

//! A change that is not made yet is judged with the same nixpkgs as what is there.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::sync::Arc;

use bulkhead::{OpenOptions, Project};
use bulkhead_fleet::LoadOptions;
use bulkhead_source::MemoryTree;
use common::Folder;

const MACHINE: &str =
    "{ hostNames = import <nixpkgs/names.nix>; arch = \"x86_64-linux\"; systemRoles = [ \"server\" ]; }";

#[test]
fn another_tree_has_the_same_search_path() {
    let folder = Folder::empty();
    folder.write("nixpkgs/names.nix", "[ \"s0.example.org\" ]").write("fleet/bulkhead.toml", "");
    let options = OpenOptions {
        root: folder.path().join("fleet"),
        search_path: vec![("nixpkgs".to_owned(), folder.path().join("nixpkgs"))],
        ..OpenOptions::default()
    };
    let project = Project::open(&options).unwrap();
    let tree = Arc::new(MemoryTree::new([("machines/s0/properties.nix", MACHINE)]).unwrap());
    let names = |project: &Project| {
        let fleet = project.fleet(&LoadOptions::default()).unwrap();
        fleet.machines[0].host_names.iter().map(|name| name.value.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(&project.with_tree(tree.clone()).unwrap()), ["s0.example.org"]);
    // Once more removed, as for the second step of a proof.
    let after = project.with_tree(tree.clone()).unwrap();
    assert_eq!(names(&after.with_tree(tree.clone()).unwrap()), ["s0.example.org"]);
    assert_eq!(names(&Project::of_tree(tree)), [""; 0]);
}

#[test]
fn rules_are_adopted_with_the_nixpkgs_that_was_named() {
    let folder = Folder::empty();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH";
    let machine = MACHINE.replace("; }", "; hostKey = import <nixpkgs/lib/key.nix>; }");
    folder.write("nixpkgs/names.nix", "[ \"s0.example.org\" ]").write("nixpkgs/lib/key.nix", format!("\"{key}\""));
    folder.write("fleet/machines/s0/properties.nix", machine);
    let rules = format!("{{ \"wifi.age\".publicKeys = [ \"{key}\" ]; }}");
    folder.write("fleet/secrets/secrets.nix", rules);
    let adopt = |more: &[&str]| {
        let arguments = [&["--root", "fleet", "gen-secrets", "--adopt"], more].concat();
        folder.bulkhead(&arguments)
    };
    let run = adopt(&["--nixpkgs", "nixpkgs"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(folder.read("fleet/secrets/secrets.nix").starts_with("# Generated"), "{}", run.stdout);
    assert!(folder.read("fleet/secrets/properties.nix").contains("wifi"), "{}", run.stdout);
}

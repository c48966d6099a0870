//! What definitions come to. Each file of `tests/trees` is a tree of modules whose merged `config` is written beside it,
//! and is what nixpkgs' `lib.evalModules` gives, run by Nix. Set `NIXPKGS_LIB` to the `lib` folder of a nixpkgs to
//! compare; `UPDATE=1` writes the files anew.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use bulkhead_modules::{Configuration, FaultKind};
use common::{Lib, compare, load_tree, real, trees, value_json};
use pretty_assertions::assert_eq;
use serde_json::Value;

/// Each tree, with what was read of it.
fn all(lib: Lib) -> Vec<(String, Configuration)> {
    let names = trees();
    assert!(names.len() > 10, "{names:?}");
    names.into_iter().map(|name| (name.clone(), load_tree(&name, lib))).collect()
}

fn merged(configuration: &Configuration) -> Value {
    value_json(configuration.config.as_ref().unwrap())
}

#[test]
fn each_tree_comes_to_what_is_written_beside_it() {
    for (name, configuration) in all(Lib::BuiltIn) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/trees/{name}.json"));
        let text = serde_json::to_string_pretty(&merged(&configuration)).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, fs::read_to_string(&path).unwrap(), "{name}");
        assert_eq!(configuration.problems, [], "{name}");
    }
}

#[test]
fn each_tree_comes_to_what_nix_computes() {
    let Some(nixpkgs) = common::nixpkgs_lib() else { return };
    let mut known = 0;
    for lib in [Lib::BuiltIn, Lib::Nixpkgs] {
        for (name, configuration) in all(lib) {
            let theirs = real(&nixpkgs, &Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/trees/{name}.nix")));
            let comparison = compare(&merged(&configuration), &theirs);
            assert_eq!(comparison.different, Vec::<String>::new(), "{name} with {lib:?}");
            assert_eq!(comparison.unknown, Vec::<String>::new(), "{name} with {lib:?}");
            known += comparison.known;
        }
    }
    println!("{known} values compared");
}

#[test]
fn what_nixos_refuses_is_told_with_its_places() {
    let found = load_tree("wrong", Lib::BuiltIn);
    let mut faults: Vec<String> = found
        .faults
        .iter()
        .map(|fault| format!("{:?} {} at {} places", fault.kind, fault.path, fault.places.len()))
        .collect();
    faults.sort();
    assert_eq!(
        faults,
        [
            "Conflict conflict at 2 places",
            "Conflict nullAndMore at 2 places",
            "ReadOnly readOnly at 2 places",
            "Recursion selfish at 1 places",
            "WrongType forceInSet.a at 1 places",
            "WrongType ifInForce at 1 places",
            "WrongType inSet.bad at 1 places",
            "WrongType inSubmodule.a at 1 places",
            "WrongType notInEnum at 1 places",
            "WrongType outOfRange at 1 places",
            "WrongType wrongType at 1 places",
        ]
    );
    let range = found.faults.iter().find(|fault| fault.path.to_string() == "outOfRange").unwrap();
    assert!(range.message.ends_with("which is: 16 bit unsigned integer; between 0 and 65535 (both inclusive)"));
    assert_eq!(range.kind, FaultKind::WrongType);
}

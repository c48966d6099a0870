//! The evaluator beside the installed Nix, value for value. Without Nix these tests say that they are skipped.
//!
//! `BULKHEAD_FUZZ_EXPRESSIONS=100000 cargo test -p bulkhead-eval --release --test differential` compares that many random
//! expressions; `BULKHEAD_FUZZ_SEED` chooses which.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use bulkhead_eval::{Limits, World};
use bulkhead_source::WorkTree;

#[path = "../common/mod.rs"]
mod common;
mod generate;
mod nix;
#[path = "../tables/mod.rs"]
mod tables;

use generate::Generator;

/// Where Nix 2.8, the version that Debian has, is known to differ from the versions that are followed here (2.18 and
/// later): a part of our message or a whole expression, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("integer overflow", "before 2.25 integers wrap around"),
    ("not in the range of integers", "before 2.25 the result is what C++ makes of it: undefined"),
    ("outside of Nix integer range", "before 2.25 integers wrap around"),
    ("builtins.length (map 1 [ 2 ])", "before 2.19 `map` does not look at the function"),
    ("builtins.length (builtins.genList 1 2)", "before 2.19 `genList` does not look at the function"),
];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn installed() -> bool {
    if nix::version().is_some() {
        return true;
    }
    println!("SKIPPED: nix-instantiate is not installed");
    false
}

/// What `tryEval` gives where something was thrown.
const THROWN: &str = "{ success = false; value = false; }";

/// Compare expressions: the differences, as text.
///
/// Of two attributes that fail, `deepSeq` meets one first; in Nix that depends on which name was used first. So what is
/// caught here may fail there, and the other way round.
fn compare(expressions: &[String]) -> Vec<String> {
    let ours: Vec<Result<String, String>> = expressions.iter().map(|text| common::print(text)).collect();
    let good: Vec<&str> =
        expressions.iter().zip(&ours).filter(|(_, ours)| ours.is_ok()).map(|(e, _)| e.as_str()).collect();
    let mut theirs = if good.is_empty() { Vec::new() } else { nix::print_all(&good) }.into_iter();
    let mut differences = Vec::new();
    for (expression, ours) in expressions.iter().zip(&ours) {
        match ours {
            Ok(ours) => match theirs.next().flatten() {
                Some(theirs) if theirs == *ours => {}
                // In names Nix 2.8 escapes every `$`, newer versions only that of `${`, as in strings.
                Some(theirs) if theirs.replace("\\$", "$") == ours.replace("\\$", "$") => {}
                // Of what comes twice, Nix shows some as «repeated», depending on how it is stored.
                Some(theirs) if theirs.contains("«repeated»") || ours.contains("«repeated»") => {
                    let whole = format!("builtins.toXML ({expression})");
                    let (ours, theirs) = (common::print(&whole).ok(), nix::evaluate(&whole).ok());
                    if ours != theirs {
                        differences.push(format!("{expression}\n  ours: {ours:?}\n  Nix:  {theirs:?}"));
                    }
                }
                Some(theirs) => differences.push(format!("{expression}\n  ours: {ours}\n  Nix:  {theirs}")),
                None if ours == THROWN => {}
                None => {
                    let message = nix::evaluate(expression).err().unwrap_or_default();
                    differences.push(format!("{expression}\n  ours: {ours}\n  Nix fails: {message}"));
                }
            },
            Err(message) if DIFFERENCES.iter().any(|(part, _)| message.contains(part)) => {}
            Err(message) => {
                if let Ok(theirs) = nix::evaluate(expression)
                    && theirs != THROWN
                {
                    differences.push(format!("{expression}\n  ours fails: {message}\n  Nix:  {theirs}"));
                }
            }
        }
    }
    differences
}

/// Parts of expressions of the tables that Nix 2.8 does not have.
const NOT_IN_2_8: &[&str] = &["builtins.break"];

#[test]
fn the_expressions_of_the_tables() {
    if !installed() {
        return;
    }
    let cases = tables::language::CASES.iter().chain(tables::builtins::CASES);
    let expressions: Vec<String> = cases
        .map(|(text, _)| (*text).to_owned())
        .filter(|text| !NOT_IN_2_8.iter().any(|part| text.contains(part)))
        .collect();
    let differences = compare(&expressions);
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    for (text, message) in tables::builtins::ERRORS {
        let is_known = |part: &str| message.contains(part) || part.contains(message) || *text == part;
        if !DIFFERENCES.iter().any(|(part, _)| is_known(part)) {
            assert!(nix::evaluate(text).is_err(), "{text}: Nix gives a value");
        }
    }
}

/// Every Nix file of this repository that has a value of its own.
#[test]
fn the_files_of_this_repository() {
    if !installed() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nix").canonicalize().unwrap();
    let world = World::new(Arc::new(WorkTree::open(&root).unwrap()), Limits::default());
    let (mut folders, mut compared) = (vec![root.clone()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "nix") {
                continue;
            }
            let text = format!("import {}", path.display());
            let Ok(ours) = common::ask(&world, &text) else { continue };
            // What needs a nixpkgs is unknown here.
            if ours.contains("«") || ours.contains("<LAMBDA>") {
                continue;
            }
            assert_eq!(nix::evaluate(&text).as_ref(), Ok(&ours), "{}", path.display());
            compared += 1;
        }
    }
    assert!(compared > 0, "no file of {} has a value", root.display());
}

/// Store paths of derivations: of one that depends on others, with fixed outputs, several outputs, structured attributes.
#[test]
fn derivations() {
    if !installed() {
        return;
    }
    let text = r#"
let
  make = attrs: derivation ({ system = "x86_64-linux"; builder = "/bin/sh"; } // attrs);
  dep = make { name = "dep"; args = [ "-c" "echo \"hi\n\"" ]; outputs = [ "out" "dev" ]; flag = true; n = 3; };
  nar = make {
    name = "nar";
    outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    outputHashMode = "recursive";
  };
  flat = make { name = "flat"; outputHash = "d41d8cd98f00b204e9800998ecf8427e"; outputHashAlgo = "md5"; };
  top = make {
    name = "top";
    builder = "${dep.dev}/bin/sh";
    inherit nar flat;
    text = builtins.toFile "x" "y";
    lists = [ dep nar [ 1 null ] ];
    __ignoreNulls = true;
    gone = null;
  };
  structured = make {
    name = "structured";
    builder = "${dep}/bin/sh";
    __structuredAttrs = true;
    a.b = [ 1 2.5 dep "x" ];
    outputs = [ "out" "lib" ];
  };
in
map (drv: [ drv.outPath (builtins.unsafeDiscardStringContext drv.drvPath) (builtins.getContext "${drv}") ]) [
  dep dep.dev nar flat top structured structured.lib
]"#;
    assert_eq!(common::print(text), nix::evaluate(text));
    // What a derivation refers to by its own path is only known to a Nix that has made it.
    assert!(common::print(&text.replace("gone = null;", "deep = dep.drvPath;")).is_ok());
}

#[test]
fn random_expressions() {
    if !installed() {
        return;
    }
    let count = number("BULKHEAD_FUZZ_EXPRESSIONS").unwrap_or(400) as usize;
    let mut generator = Generator::new(number("BULKHEAD_FUZZ_SEED").unwrap_or(1));
    let mut differences = Vec::new();
    let mut done = 0;
    while done < count && differences.len() < 20 {
        let batch: Vec<String> = (0..500.min(count - done)).map(|_| generator.expression()).collect();
        done += batch.len();
        // What a part throws ends that part alone.
        let caught: Vec<String> =
            batch.iter().map(|e| format!("builtins.tryEval (let it = {e}; in builtins.deepSeq it it)")).collect();
        differences.extend(compare(&caught));
    }
    assert!(differences.is_empty(), "{} of {done} differ:\n{}", differences.len(), differences.join("\n\n"));
}

//! Code that is out to hang, crash or escape: it ends with a finding, within its limits.
//!
//! Nothing here looks at the clock; limits are steps, depth and bytes, and small enough for a build without
//! optimisation.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind, FailureKind};
use bulkhead_eval::{Limits, World};
use bulkhead_source::{MemoryTree, TreePath, WorkTree};

fn limited() -> World {
    common::world_with(&[], Limits { steps: 1_000_000, memory: 32 << 20, ..Limits::default() })
}

#[track_caller]
fn fails(world: &World, text: &str, kind: FailureKind, message: &str) {
    let failure = common::ask(world, text).map_err(|failure| (failure.kind, failure.message));
    match failure {
        Err((found, text)) if found == kind && text.contains(message) => {}
        other => panic!("{text}: expected {kind:?} {message}, found {other:?}"),
    }
}

#[test]
fn recursion_without_end() {
    common::large(|| {
        let world = limited();
        for text in ["let x = x; in x", "rec { a = b; b = a; }", "let s = s // { }; in s", "let { body = body; }"] {
            fails(&world, text, FailureKind::Evaluation, "infinite recursion encountered");
        }
    });
}

/// Every way in which evaluation recurses, as far as it may: each ends at the limit of depth, with the stack intact.
#[test]
fn every_recursion_ends_before_the_stack_does() {
    common::large(|| {
        let world = common::world_with(&[], Limits { steps: 30_000_000, ..Limits::default() });
        // A list of lists, and a chain of sets, of a depth beyond the limit; made without recursion.
        let lists = "let deep = builtins.foldl' (a: _: [ a ]) [ ] (builtins.genList (x: x) 150000); other = builtins.foldl' (a: _: [ a ]) [ ] (builtins.genList (x: x) 150000); in ";
        let sets = "let deep = builtins.foldl' (a: _: { n = a; }) { } (builtins.genList (x: x) 150000); in ";
        for text in [
            "let f = x: f x; in f 1",
            "(x: x x) (x: x x)",
            "let f = x: 1 + f x; in f 1",
            "let f = x: [ (f x) ]; in f 1",
            "let f = x: { a = f x; }; in f 1",
            "let f = x: if f x then 1 else 2; in f 1",
            "let f = x: assert f x; 1; in f 1",
            "let f = x: \"${f x}\"; in f 1",
            "let f = x: /a/${f x}; in f 1",
            "let f = x: (f x).a; in f 1",
            "let f = x: (f x) ? a; in f 1",
            "let f = x: { ${f x} = 1; }; in f 1",
            "let f = x: with f x; y; in f 1",
            "let f = { x ? f { } }: x; in f { }",
            "let f = x: -(f x); in f 1",
            "let f = x: !(f x); in f 1",
            "let f = x: f x // { }; in f 1",
            "let f = x: rec { __overrides = f x; }; in f 1",
            "let f = x: builtins.head (map f [ x ]); in f 1",
            "let f = x: builtins.foldl' (a: b: f b) 0 [ 1 ]; in f 1",
            "let f = x: builtins.concatMap f [ 1 ]; in f 1",
            "let f = x: builtins.filter f [ 1 ]; in f 1",
            "let f = a: b: builtins.sort f [ 1 2 ]; in f 1 2",
            "let f = x: builtins.tryEval (f x); in f 1",
            "let f = x: builtins.addErrorContext \"c\" (f x); in f 1",
            "let f = x: builtins.trace \"\" (f x); in f 1",
            "let f = x: builtins.toJSON (f x); in f 1",
            "let f = x: builtins.groupBy f [ 1 ]; in f 1",
            "let f = x: (builtins.mapAttrs (n: f) { a = 1; }).a; in f 1",
            "let f = x: (builtins.genericClosure { startSet = [ { key = 1; } ]; operator = f; }); in f 1",
            "let f = x: (builtins.zipAttrsWith (n: f) [ { a = 1; } ]).a; in f 1",
            "let f = { __functor = self: x: self x; }; in f 1",
            "let f = x: { __functor = f x; }; in f 1 1",
            "let s = { __toString = s: s; }; in toString s",
            "let s = n: { outPath = s n; }; in toString (s 1)",
            "let s = n: { outPath = s n; }; in builtins.toJSON (s 1)",
            "let l = n: [ (l n) ]; in toString (l 1)",
            "let l = n: [ (l n) ]; in builtins.toJSON (l 1)",
            "let l = n: [ (l n) ]; in builtins.deepSeq (l 1) 1",
            "let l = n: [ (l n) ]; in l 1 == l 2",
            "let l = n: [ (l n) ]; in l 1 < l 2",
            "let s = n: { a = s n; }; in s 1 == s 2",
            "let s = n: { inherit (s n) a; }; in (s 1).a",
            "builtins.foldl' (f: _: x: f x) (x: x) (builtins.genList (x: x) 150000) 1",
            &format!("{lists} builtins.deepSeq deep 1"),
            &format!("{lists} deep"),
            &format!("{lists} deep == other"),
            &format!("{lists} deep < other"),
            &format!("{lists} toString deep"),
            &format!("{lists} builtins.toJSON deep"),
            &format!("{sets} builtins.deepSeq deep 1"),
        ] {
            fails(&world, text, FailureKind::Limit, "levels deep");
        }
    });
}

#[test]
fn the_stack_suffices_whatever_depth_is_allowed() {
    common::large(|| {
        let world = common::world_with(&[], Limits { depth: u32::MAX, steps: 100_000_000, ..Limits::default() });
        fails(&world, "let f = x: 1 + builtins.head (map f [ x ]); in f 1", FailureKind::Limit, "levels deep");
        let tree = Arc::new(MemoryTree::new([("a.nix", "n: 1 + import ./a.nix (n + 1)")]).unwrap());
        let world = World::new(tree, Limits { depth: u32::MAX, steps: 100_000_000, ..Limits::default() });
        fails(&world, "import ./a.nix 1", FailureKind::Limit, "levels deep");
    });
}

#[test]
fn deep_structures_are_made_and_dropped() {
    common::large(|| {
        let world = common::world(&[]);
        for (text, expected) in [
            ("builtins.length (builtins.foldl' (a: _: [ a ]) [ ] (builtins.genList (x: x) 1000000))", "1"),
            (
                "builtins.length (builtins.attrNames (builtins.foldl' (a: _: { n = a; }) { } (builtins.genList (x: x) 300000)))",
                "1",
            ),
            ("builtins.isFunction (builtins.foldl' (f: _: x: f x) (x: x) (builtins.genList (x: x) 300000))", "true"),
            (
                "builtins.isFunction (builtins.foldl' (f: _: builtins.map f) (x: x) (builtins.genList (x: x) 300000))",
                "true",
            ),
            (
                "builtins.isFunction (builtins.foldl' (f: _: builtins.seq (with { a = f; }; a)) (x: x) (builtins.genList (x: x) 300000))",
                "true",
            ),
            ("builtins.length (builtins.foldl' (a: _: let b = a; in [ b ]) [ ] (builtins.genList (x: x) 300000))", "1"),
        ] {
            assert_eq!(common::ask(&world, text).as_deref(), Ok(expected), "{text}");
        }
    });
}

/// Data is walked recursively by who gets it: it is never deeper than small stacks bear.
#[test]
fn deep_data_is_cut_off() {
    let data = common::evaluate(
        &[
            ("a.nix", "builtins.foldl' (a: _: [ a ]) [ ] (builtins.genList (x: x) 100000)"),
            ("b.nix", "let s = { n = s; }; in s"),
        ],
        "a.nix",
    );
    fn last(data: &Data, depth: usize) -> (usize, &Data) {
        match &data.kind {
            DataKind::List(items) if !items.is_empty() => last(&items[0], depth + 1),
            _ => (depth, data),
        }
    }
    let (depth, end) = last(&data, 0);
    let DataKind::Failed(failure) = &end.kind else { panic!("{end:?}") };
    assert!((400..=600).contains(&depth), "{depth}");
    assert_eq!(failure.message, "a value is nested more than 500 levels deep");
}

#[test]
fn values_that_contain_themselves_have_an_end() {
    let data = common::evaluate(&[("a.nix", "let s = { n = s; l = [ s ]; one = 1; }; in s")], "a.nix");
    let DataKind::Attrs(set) = &data.kind else { panic!() };
    assert_eq!(set.attrs["one"].value.kind, DataKind::Int(1));
    let DataKind::Failed(failure) = &set.attrs["n"].value.kind else { panic!() };
    assert_eq!(failure.message, "this value contains itself and has no end");
}

#[test]
fn blow_ups_end_at_the_limits() {
    common::large(|| {
        let world = limited();
        for text in [
            // Strings and lists that double.
            "builtins.stringLength (builtins.foldl' (s: _: s + s) \"x\" (builtins.genList (x: x) 60))",
            "builtins.stringLength (builtins.foldl' (s: _: \"${s}${s}\") \"x\" (builtins.genList (x: x) 60))",
            "builtins.length (builtins.foldl' (l: _: l ++ l) [ 1 ] (builtins.genList (x: x) 60))",
            "builtins.stringLength (builtins.foldl' (s: _: builtins.replaceStrings [ \"x\" ] [ \"xx\" ] s) \"x\" (builtins.genList (x: x) 60))",
            "builtins.stringLength (builtins.foldl' (s: _: builtins.concatStringsSep s [ s s ]) \"x\" (builtins.genList (x: x) 60))",
            "builtins.stringLength (builtins.foldl' (s: _: builtins.toJSON [ s s ]) \"x\" (builtins.genList (x: x) 60))",
            "builtins.stringLength (builtins.foldl' (s: _: toString [ s s ]) \"x\" (builtins.genList (x: x) 60))",
            // Large lists at once.
            "builtins.length (builtins.genList (x: x) 9223372036854775807)",
            "builtins.length (builtins.genList (x: x) 100000000)",
            "builtins.length (builtins.concatLists (builtins.genList (x: builtins.genList (y: y) 1000) 100000))",
            // The same part, again and again: small in memory, endless when it is walked.
            "builtins.toJSON (builtins.foldl' (a: _: [ a a ]) [ ] (builtins.genList (x: x) 60))",
            "builtins.toXML (builtins.foldl' (a: _: { x = a; y = a; }) { } (builtins.genList (x: x) 60))",
            "toString (builtins.foldl' (a: _: [ a a ]) [ \"x\" ] (builtins.genList (x: x) 60))",
            "builtins.foldl' (a: _: [ a a ]) [ ] (builtins.genList (x: x) 60) == builtins.foldl' (a: _: [ a a ]) [ ] (builtins.genList (x: x) 60)",
            // Indentation, which grows with the square of the depth.
            "let l = n: [ (l n) ]; in builtins.toXML (l 1)",
            // Work.
            "let fib = n: if n < 2 then n else fib (n - 1) + fib (n - 2); in fib 60",
            "builtins.length (builtins.genericClosure { startSet = [ { key = 0; } ]; operator = i: [ { key = i.key + 1; } ]; })",
            "builtins.match \"(a*)*(a*)*(a*)*b\" (builtins.concatStringsSep \"\" (builtins.genList (x: \"aaaaaaaaaa\") 5000))",
            "builtins.length (builtins.split \"(.*)(.*)(.*)x|a\" (builtins.concatStringsSep \"\" (builtins.genList (x: \"aaaaaaaaaa\") 5000)))",
            "let s = builtins.concatStringsSep \"\" (builtins.genList (x: \"aaaaaaaaaa\") 20000); in builtins.replaceStrings (builtins.genList (n: builtins.substring 0 (1000 + n) s + \"b\") 1000) (builtins.genList (n: \"\") 1000) s",
            // Names, which are never forgotten.
            "let big = builtins.concatStringsSep \"\" (builtins.genList (x: \"0123456789\") 10000); in builtins.foldl' (a: n: builtins.hasAttr (big + toString n) { }) 1 (builtins.genList (x: x) 10000)",
        ] {
            fails(&world, text, FailureKind::Limit, "");
        }
    });
}

/// The limit of steps is one of time: what builtins do in one call counts, and what they say does.
#[test]
fn the_work_of_builtins_is_counted() {
    common::large(|| {
        let world = common::world_with(&[], Limits { steps: 3_000_000, memory: 256 << 20, ..Limits::default() });
        let with = "let
            inherit (builtins) genList concatStringsSep foldl' seq tryEval;
            text = concatStringsSep \"\" (genList (n: \"aaaaaaaaaa\") 10000);
            control = concatStringsSep \"\" (genList (n: builtins.fromJSON \"\\\"\\\\u0001\\\"\") 10000);
            floats = genList (n: n * 1.0e300) 10000;
            strings = genList toString 10000;
            times = count: what: foldl' (all: n: seq (what n) all) 1 (genList (n: n) count);
            in ";
        for text in [
            "times 100 (n: builtins.replaceStrings (genList (n: \"a${toString n}\") 1000) (genList (n: \"\") 1000) text)",
            "times 1000 (n: builtins.replaceStrings strings strings \"\")",
            "times 10000 (n: builtins.split \"b\" text)",
            "times 1000 (n: builtins.match \"((a*)*)*b\" text)",
            "times 10000 (n: concatStringsSep text [ \"\" \"\" \"\" ])",
            "times 10000 (n: builtins.toJSON control)",
            "times 100 (n: builtins.toJSON floats)",
            "times 100 (n: toString floats)",
            "times 10000 (n: tryEval (throw text))",
            "times 10000 (n: tryEval (builtins.addErrorContext text (throw \"\")))",
            "times 10000 (n: builtins.warn text n)",
            "times 10000 (n: builtins.trace text n)",
            "times 10000 (n: import (builtins.toFile \"x\" \"[ ${toString n} ${toString floats} ]\"))",
            "builtins.length (builtins.fromJSON \"[${foldl' (all: n: all + all) \"1,\" (genList (n: n) 22)}1]\")",
            "times 10000 (n: builtins.pathExists (./. + \"/${toString n}\"))",
            "times 1000 (n: builtins.fromTOML \"a = [ ${concatStringsSep \",\" (genList (n: \"{ b.c = 1 }\") 1000)} ]\")",
        ] {
            fails(&world, &format!("{with} {text}"), FailureKind::Limit, "");
        }
    });
}

#[test]
fn limits_say_which_they_are_and_how_they_are_raised() {
    common::large(|| {
        let small = Limits { steps: 100_000, depth: 100, memory: 4 << 20, file_size: 10 };
        let world = common::world_with(&[("long.nix", "[ 1 2 3 4 5 6 ]")], small);
        for (text, message) in [
            ("let f = n: 1 + f n; in f 1", "evaluation is nested more than 100 levels deep"),
            ("builtins.foldl' (a: n: a) 1 (builtins.genList (n: n) 90000)", "evaluation takes more than 100000 steps"),
            ("builtins.genList (n: n) 1000000", "evaluation needs more than 4 MiB of memory"),
            (
                "builtins.match \"((a*)*)*b\" (builtins.concatStringsSep \"\" (builtins.genList (n: \"a\") 10000))",
                "matching a regular expression with a text of 10000 bytes takes more than 100000 steps",
            ),
            ("import ./long.nix", "long.nix"),
        ] {
            let Err(failure) = common::ask(&world, text) else { panic!("{text} has a value") };
            assert!(failure.message.contains(message), "{text}: {}", failure.message);
            assert!(failure.place.is_some(), "{text}");
            let help = failure.help.unwrap_or_default();
            assert!(help.contains("bulkhead eval --help") && help.contains("[limits]"), "{text}: {help}");
        }
    });
}

#[test]
fn data_that_grows_without_end_is_cut_off() {
    let files = [("a.nix", "builtins.foldl' (a: _: { x = a; y = a; }) { } (builtins.genList (x: x) 60)")];
    let world = common::world_with(&files, Limits { memory: 16 << 20, ..Limits::default() });
    let data = world.evaluate(&TreePath::new("a.nix").unwrap());
    fn failed(data: &Data) -> bool {
        match &data.kind {
            DataKind::Attrs(set) => set.attrs.values().any(|field| failed(&field.value)),
            DataKind::Failed(failure) => failure.kind == FailureKind::Limit,
            _ => false,
        }
    }
    assert!(failed(&data));
}

#[test]
fn imports_in_a_circle() {
    let files = [
        ("a.nix", "import ./b.nix"),
        ("b.nix", "import ./a.nix"),
        ("lazy.nix", "{ one = 1; me = import ./lazy.nix; }"),
    ];
    let world = common::world(&files);
    fails(&world, "import ./a.nix", FailureKind::Evaluation, "infinite recursion encountered");
    assert_eq!(common::ask(&world, "(import ./lazy.nix).me.me.one").as_deref(), Ok("1"));
}

#[test]
fn paths_do_not_leave_the_tree() {
    let outer = std::env::temp_dir().join(format!("bulkhead-eval-{}", std::process::id()));
    let root = outer.join("fleet");
    std::fs::create_dir_all(root.join("folder")).unwrap();
    std::fs::write(outer.join("secret.nix"), "\"secret\"").unwrap();
    std::fs::write(root.join("folder/default.nix"), "\"inside\"").unwrap();
    std::os::unix::fs::symlink("../secret.nix", root.join("relative.nix")).unwrap();
    std::os::unix::fs::symlink(outer.join("secret.nix"), root.join("absolute.nix")).unwrap();
    std::os::unix::fs::symlink("..", root.join("up")).unwrap();
    std::os::unix::fs::symlink("folder", root.join("link")).unwrap();
    std::os::unix::fs::symlink("loop.nix", root.join("loop.nix")).unwrap();
    let world = World::new(Arc::new(WorkTree::open(&root).unwrap()), Limits::default());
    let at = root.canonicalize().unwrap();
    let ask = |text: &str| {
        let request = bulkhead_eval::Request {
            input: bulkhead_eval::Input::Text {
                text: text.to_owned(),
                name: "«test»".to_owned(),
                folder: at.to_str().unwrap().to_owned(),
            },
            ..common::strict("")
        };
        world.request(&request).map(|answer| String::from_utf8(answer.text).unwrap()).map_err(|failure| failure.message)
    };
    for path in [
        "./relative.nix",
        "./absolute.nix",
        "../secret.nix",
        "./up/secret.nix",
        "/etc/passwd",
        "./folder/../../secret.nix",
    ] {
        for builtin in ["import", "builtins.readFile", "builtins.hashFile \"md5\""] {
            let found = ask(&format!("{builtin} {path}")).unwrap();
            assert!(
                found.starts_with("«unknown: `") && found.contains("lies outside the tree that is read»"),
                "{builtin} {path}: {found}"
            );
        }
        let found = ask(&format!("\"${{{path}}}\"")).unwrap_or_default();
        assert!(
            !found.contains("/nix/store") || path == "./relative.nix" || path == "./absolute.nix",
            "{path}: {found}"
        );
    }
    assert_eq!(ask("import ./link").as_deref(), Ok("\"inside\""));
    assert_eq!(ask("import ./folder").as_deref(), Ok("\"inside\""));
    assert!(ask("import ./loop.nix").unwrap_err().contains("without end"));
    std::fs::remove_dir_all(&outer).unwrap();
}

#[test]
fn files_that_are_no_text() {
    let tree = MemoryTree::new([
        ("latin.nix", &b"{ a = \"caf\xe9\"; }"[..]),
        ("bom.nix", b"\xef\xbb\xbf{ a = 1; }"),
        ("nul", b"a\0b"),
        ("empty.nix", b""),
        ("folder/x", b""),
    ]);
    let world = World::new(Arc::new(tree.unwrap()), Limits { file_size: 100, ..Limits::default() });
    for (text, kind, message) in [
        ("import ./latin.nix", FailureKind::Read, "can't read latin.nix: it is not UTF-8 (byte 0xe9 at 10)"),
        ("builtins.readFile ./nul", FailureKind::Evaluation, "cannot be represented as a Nix string"),
        ("import ./empty.nix", FailureKind::Syntax, ""),
        ("import ./folder", FailureKind::Read, "`folder/default.nix` does not exist"),
        ("builtins.readFile ./folder", FailureKind::Read, "is a directory"),
        ("builtins.readDir ./nul", FailureKind::Read, "is not a directory"),
    ] {
        fails(&world, text, kind, message);
    }
    assert_eq!(common::ask(&world, "builtins.stringLength (builtins.readFile ./latin.nix)").as_deref(), Ok("15"));
}

/// Nesting that a person could still write, or a program generate, is no attack.
#[test]
fn deep_but_legal_code() {
    let world = common::world(&[]);
    let lists = format!("builtins.length {}{}", "[ ".repeat(400), "] ".repeat(400));
    assert_eq!(common::ask(&world, &lists).as_deref(), Ok("1"));
    let sum = vec!["1"; 5000].join(" + ");
    assert_eq!(common::ask(&world, &sum).as_deref(), Ok("5000"));
    let path = vec!["a"; 400].join(".");
    assert_eq!(common::ask(&world, &format!("{{ {path} = 1; }}.{path}")).as_deref(), Ok("1"));
}

//! What each builtin gives, and what it says about wrong arguments.

#![allow(clippy::unwrap_used)]

mod common;
mod tables;

#[test]
fn every_builtin_has_its_value() {
    common::large(|| {
        let mut wrong = Vec::new();
        for (text, expected) in tables::builtins::CASES.iter().chain(tables::builtins::NEWER) {
            let found = common::print(text).unwrap_or_else(|message| format!("error: {message}"));
            if found != *expected {
                wrong.push(format!("{text}\n  expected {expected}\n  found    {found}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn wrong_arguments_are_named() {
    common::large(|| {
        let mut wrong = Vec::new();
        for (text, expected) in tables::builtins::ERRORS {
            match common::print(text) {
                Err(message) if message.contains(expected) => {}
                other => wrong.push(format!("{text}\n  expected {expected}\n  found    {other:?}")),
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn files_are_read() {
    let world = common::world(&[
        ("a.nix", "1 + 1"),
        ("folder/default.nix", "{ x }: x + y"),
        ("folder/text", "hello"),
        ("scoped.nix", "given + 1"),
        ("value.json", "{\"a\": 1}"),
    ]);
    for (text, expected) in [
        ("import ./a.nix", "2"),
        ("builtins.scopedImport { given = 1; } ./scoped.nix", "2"),
        ("builtins.readFile ./folder/text", "\"hello\""),
        ("builtins.readDir ./folder", "{ \"default.nix\" = \"regular\"; text = \"regular\"; }"),
        ("map builtins.readFileType [ ./folder ./a.nix ]", "[ \"directory\" \"regular\" ]"),
        ("map builtins.pathExists [ ./a.nix ./b.nix \"/folder/\" \"/a.nix/\" ]", "[ true false true false ]"),
        ("builtins.fromJSON (builtins.readFile ./value.json)", "{ a = 1; }"),
        ("builtins.hashFile \"md5\" ./folder/text", "\"5d41402abc4b2a76b9719d911017c592\""),
        // Whether a file is executable is not known of files in memory, so where it would lie is known by a hash alone.
        (
            "builtins.path { path = ./folder/text; recursive = false; sha256 = \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"; }",
            "\"/nix/store/sr0zyca3yn7hmvi4v9cqqf6bbj1vyzm3-text\"",
        ),
        (
            "builtins.filterSource (p: t: false) ./folder + \"/x\"",
            "\"/nix/store/7hv586jnk8x2c01v20dmpry3icmcr4yp-folder/x\"",
        ),
        ("import (builtins.toFile \"x\" \"1 + 2\")", "3"),
        ("import (import (builtins.toFile \"x\" \"builtins.toFile ''y'' ''1 + 2''\"))", "3"),
        ("builtins.scopedImport { y = 3; } (builtins.toFile \"x\" \"y\")", "3"),
        ("builtins.readFile (builtins.toFile \"x\" \"text\")", "\"text\""),
        ("builtins.findFile [ { prefix = \"f\"; path = /folder; } ] \"f/text\"", "/folder/text"),
        ("(builtins.unsafeGetAttrPos \"a\" { a = 1; }).line", "1"),
    ] {
        assert_eq!(common::ask(&world, text).map_err(|failure| failure.message), Ok(expected.to_owned()), "{text}");
    }
    for text in [
        "builtins.readDir (builtins.filterSource (p: t: false) ./folder)",
        "builtins.pathExists (builtins.path { path = ./folder; filter = p: t: false; } + \"/text\")",
        "import (builtins.filterSource (p: t: false) ./folder)",
    ] {
        let unknown = "«unknown: what a filter leaves of `/folder` is not read»";
        assert_eq!(common::ask(&world, text).map_err(|failure| failure.message), Ok(unknown.to_owned()), "{text}");
    }
    let failure = common::ask(&world, "import ./folder { x = 1; }").unwrap_err();
    assert_eq!(failure.message, "undefined variable 'y'");
}

#[test]
fn messages_come_in_order() {
    let world = common::world(&[]);
    let request = common::strict("builtins.trace \"one\" (builtins.trace { a = 1; } (builtins.warn \"two\" 3))");
    let answer = world.request(&request).unwrap();
    assert_eq!(answer.text, b"3");
    assert_eq!(answer.messages, ["trace: one", "trace: { a = 1; }", "evaluation warning: two"]);
}

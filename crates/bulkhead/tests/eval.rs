//! `eval` as a person runs it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::io::Write;
use std::process::Stdio;

use common::{Folder, finish};
use pretty_assertions::assert_eq;

#[test]
fn values_are_printed_as_nix_does() {
    let folder = Folder::empty();
    let print = |arguments: &[&str]| {
        let all: Vec<&str> = ["eval"].iter().chain(arguments).copied().collect();
        let run = folder.bulkhead(&all);
        (run.code, run.stdout)
    };
    assert_eq!(print(&["-E", "1 + 2"]), (0, "3\n".to_owned()));
    assert_eq!(print(&["-E", "{ a = 1 + 1; b = \"x\"; }"]), (0, "{ a = <CODE>; b = \"x\"; }\n".to_owned()));
    assert_eq!(print(&["--strict", "-E", "{ a = 1 + 1; }"]), (0, "{ a = 2; }\n".to_owned()));
    assert_eq!(print(&["--json", "-E", "{ a = [ 1.5 null ]; }"]), (0, "{\"a\":[1.5,null]}\n".to_owned()));
    assert_eq!(print(&["--raw", "-E", "\"a\\nb\""]), (0, "a\nb".to_owned()));
    assert_eq!(print(&["-A", "a.1", "-E", "{ a = [ 1 2 ]; }"]), (0, "2\n".to_owned()));
    assert_eq!(print(&["--arg", "x", "20 + 1", "-E", "{ x, y ? 2 }: x * y"]), (0, "42\n".to_owned()));
    assert_eq!(print(&["--argstr", "x", "20", "-E", "{ x }: x + x"]), (0, "\"2020\"\n".to_owned()));
}

#[test]
fn pipe_operators_are_a_feature() {
    let folder = Folder::empty();
    folder.write("a.nix", "[ 1 2 ] |> map (x: x + 1) |> builtins.length");
    let run = folder.bulkhead(&["eval", "a.nix"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("is a pipe operator"), "{}", run.stderr);
    let with = ["eval", "--extra-experimental-features", "pipe-operators"];
    assert_eq!(folder.bulkhead(&[&with[..], &["a.nix"]].concat()).stdout, "2\n");
    assert_eq!(folder.bulkhead(&[&with[..], &["-E", "toString <| 1 + 2"]].concat()).stdout, "\"3\"\n");
    assert_eq!(folder.bulkhead(&["eval", "--extra-experimental-features", "flakes", "a.nix"]).code, 2);
}

#[test]
fn files_folders_and_standard_input() {
    let folder = Folder::empty();
    folder.write("default.nix", "{ a = import ./sub; }").write("sub/default.nix", "7");
    assert_eq!(folder.bulkhead(&["eval", "--json"]).stdout, "{\"a\":7}\n");
    assert_eq!(folder.bulkhead(&["eval", "--json", "sub"]).stdout, "7\n");
    assert_eq!(folder.bulkhead(&["eval", "--json", "-A", "a", "default.nix"]).stdout, "7\n");
    let mut child = folder
        .command(env!("CARGO_BIN_EXE_bulkhead"))
        .args(["eval", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"import ./sub + 1").unwrap();
    assert_eq!(finish(child.wait_with_output().unwrap()).stdout, "8\n");
}

#[test]
fn search_paths_are_readable_and_nothing_else_is() {
    let (folder, other) = (Folder::empty(), Folder::empty());
    other.write("lib/default.nix", "{ x = 5; }");
    let include = format!("nixpkgs={}", other.path().display());
    assert_eq!(folder.bulkhead(&["eval", "-I", &include, "-E", "(import <nixpkgs/lib>).x"]).stdout, "5\n");
    let run = folder.bulkhead(&["eval", "-E", &format!("import {}/lib", other.path().display())]);
    assert!(run.stdout.contains("lies outside the tree"), "{}{}", run.stdout, run.stderr);
    let run = folder.bulkhead(&["eval", "--json", "-E", "builtins.getEnv \"HOME\""]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    assert!(run.stderr.contains("unknown"), "{}", run.stderr);
}

#[test]
fn failures_point_at_the_code() {
    let folder = Folder::empty();
    folder.write("a.nix", "let\n  f = x: x.y;\nin\nf { z = 1; }\n");
    let run = folder.bulkhead(&["eval", "a.nix"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    for part in ["attribute 'y' missing", "a.nix:2:12", "while calling `f`"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

#[test]
fn a_syntax_error_on_the_command_line_is_shown() {
    let run = Folder::empty().bulkhead(&["eval", "-E", "{ a = ; }"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("[nix-syntax]") && run.stderr.contains("{ a = ; }"), "{}", run.stderr);
}

#[test]
fn a_revision_is_evaluated_without_a_checkout() {
    let folder = Folder::empty();
    folder.write("default.nix", "import ./b.nix").write("b.nix", "1");
    let folder = folder.with_git();
    folder.write("b.nix", "2");
    assert_eq!(folder.bulkhead(&["eval"]).stdout, "2\n");
    assert_eq!(folder.bulkhead(&["eval", "--rev", "HEAD"]).stdout, "1\n");
    assert_eq!(folder.bulkhead(&["eval", "--staged"]).stdout, "1\n");
}

//! Evaluations as the command line asks for them: attribute paths, arguments, and ways to show a value.

#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_eval::{Argument, Output, Request};

const FUNCTION: &str =
    "{ name ? \"nobody\", greet }: { result.text = greet name; list = [ 1 { a = \"x\"; } ]; \"a.b\" = 2; }";

fn request(attr_path: &str, output: Output) -> Request {
    let greet = Argument::Expression("n: \"hello \" + n".to_owned());
    let arguments = vec![("greet".to_owned(), greet), ("name".to_owned(), Argument::String("world".to_owned()))];
    Request { attr_path: attr_path.to_owned(), arguments, output, ..common::strict(FUNCTION) }
}

#[test]
fn functions_on_the_way_get_their_arguments() {
    let world = common::world(&[]);
    let nix = Output::Nix { strict: false };
    for (path, output, expected) in [
        ("result.text", nix, "\"hello world\""),
        ("result.text", Output::Raw, "hello world"),
        ("result", Output::Json, "{\"text\":\"hello world\"}"),
        ("result", nix, "{ text = <CODE>; }"),
        ("result", Output::Nix { strict: true }, "{ text = \"hello world\"; }"),
        ("list.1.a", Output::Raw, "x"),
        ("\"a.b\"", nix, "2"),
    ] {
        let answer = world.request(&request(path, output)).unwrap();
        assert_eq!(String::from_utf8(answer.text).unwrap(), expected, "{path}");
    }
}

#[test]
fn wrong_paths_and_missing_arguments_are_told() {
    let world = common::world(&[]);
    let nix = Output::Nix { strict: false };
    for (path, expected) in [
        ("reslt", "attribute 'reslt' in selection path 'reslt' not found"),
        (
            "result.text.x",
            "the expression selected by the selection path 'result.text.x' should be a set but is a string",
        ),
        ("result.0", "the expression selected by the selection path 'result.0' should be a list but is a set"),
        ("list.7", "list index 7 in selection path 'list.7' is out of range"),
        ("a..b", "empty attribute name in selection path 'a..b'"),
        ("\"a", "missing closing quote in selection path '\"a'"),
    ] {
        assert_eq!(world.request(&request(path, nix)).unwrap_err().message, expected, "{path}");
    }
    let failure = world.request(&Request { arguments: Vec::new(), ..request("result", nix) }).unwrap_err();
    assert_eq!(failure.message, "cannot evaluate a function that has an argument without a value ('greet')");
    assert_eq!(failure.help.unwrap(), "give it with `--arg greet EXPR` or `--argstr greet TEXT`");
}

//! What each construct of the language is lowered to.
#![allow(clippy::unwrap_used)]

mod support;
mod tables;

use bulkhead_syntax::{Expr, parse};
use support::{show, show_bindings};

#[track_caller]
fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(&show(text), expected, "{text}");
    }
}

#[track_caller]
fn check_bindings(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(&show_bindings(text), expected, "{text}");
    }
}

#[test]
fn literals() {
    check(tables::LITERALS);
}

#[test]
fn paths() {
    check(tables::PATHS);
}

#[test]
fn operators_bind_as_in_nix() {
    check(tables::OPERATORS_BIND_AS_IN_NIX);
}

#[test]
fn pipe_operators_bind_weakest() {
    check(tables::PIPE_OPERATORS);
    for (text, _) in tables::PIPE_OPERATORS {
        let refused = parse(text).unwrap().without_pipe_operators().unwrap_err();
        let operator = &text[refused[0].span.start as usize..refused[0].span.end as usize];
        assert!(matches!(operator, "|>" | "<|"), "{text}: {operator}");
        assert!(refused[0].message.contains("is a pipe operator"), "{}", refused[0].message);
    }
    assert!(parse("a || b").unwrap().without_pipe_operators().is_ok());
}

#[test]
fn application_and_selection() {
    check(tables::APPLICATION_AND_SELECTION);
}

#[test]
fn or_is_a_name_where_nothing_is_selected() {
    check(tables::OR_IS_A_NAME_WHERE_NOTHING_IS_SELECTED);
}

#[test]
fn control() {
    check(tables::CONTROL);
}

#[test]
fn functions() {
    check(tables::FUNCTIONS);
}

#[test]
fn strings() {
    check(tables::STRINGS);
}

#[test]
fn indented_strings() {
    check(tables::INDENTED_STRINGS);
}

#[test]
fn nested_definitions_are_merged() {
    check(tables::NESTED_DEFINITIONS_ARE_MERGED);
}

#[test]
fn the_first_definition_decides_about_recursion() {
    check_bindings(tables::THE_FIRST_DEFINITION_DECIDES_ABOUT_RECURSION);
}

#[test]
fn variables_know_their_frame() {
    check_bindings(tables::VARIABLES_KNOW_THEIR_FRAME);
}

#[test]
fn inherit_looks_outside() {
    check_bindings(tables::INHERIT_LOOKS_OUTSIDE);
}

#[test]
fn with_is_asked_last() {
    check_bindings(tables::WITH_IS_ASKED_LAST);
}

#[test]
fn globals_are_listed() {
    let ast = parse("x: with y; [ x y z ]").unwrap();
    let names: Vec<&str> = ast.globals.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["y"]);
    assert!(matches!(ast.expr(ast.globals[0].1), Expr::Variable { name, .. } if name.as_str() == "y"));
}

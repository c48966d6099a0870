//! What is said about texts that are no Nix expressions, and where.
#![allow(clippy::unwrap_used)]

use bulkhead_syntax::{SyntaxError, parse};

fn errors(text: &str) -> Vec<SyntaxError> {
    match parse(text) {
        Ok(_) => panic!("no error in {text:?}"),
        Err(errors) => errors,
    }
}

/// For each text: the place of its first error (the text there) and the message.
#[track_caller]
fn check(table: &[(&str, &str, &str)]) {
    for (text, place, message) in table {
        let error = &errors(text)[0];
        let found = &text[error.span.start as usize..error.span.end as usize];
        assert_eq!((found, error.message.as_str()), (*place, *message), "{text:?}");
    }
}

/// As [`check`], for the other place that the error names.
#[track_caller]
fn check_related(table: &[(&str, &str, &str)]) {
    for (text, place, message) in table {
        let (span, related) = errors(text)[0].related.clone().unwrap();
        let found = &text[span.start as usize..span.end as usize];
        assert_eq!((found, related.as_str()), (*place, *message), "{text:?}");
    }
}

#[track_caller]
fn check_help(table: &[(&str, &str)]) {
    for (text, help) in table {
        assert_eq!(errors(text)[0].help.as_deref(), Some(*help), "{text:?}");
    }
}

#[test]
fn duplicates() {
    check(&[
        ("{ a = 1; a = 2; }", "a", "attribute `a` is already defined"),
        ("{ a.b = 1; a.b = 2; }", "b", "attribute `a.b` is already defined"),
        ("{ a = 1; a.b = 2; }", "a", "attribute `a` is already defined"),
        ("{ a.b = 1; a = 2; }", "a", "attribute `a` is already defined"),
        ("{ a = { b = 1; }; a = { b = 2; }; }", "b", "attribute `a.b` is already defined"),
        ("{ inherit a; a = 1; }", "a", "attribute `a` is already defined"),
        ("{ a = 1; inherit (x) a; }", "a", "attribute `a` is already defined"),
        ("{ inherit a a; }", "a", "attribute `a` is already defined"),
        ("{ inherit a; a.b = 1; }", "a", "attribute `a` is already defined"),
        ("{ a = 1; \"a\" = 2; }", "\"a\"", "attribute `a` is already defined"),
        ("{ a = let { }; a.b = 1; }", "a", "attribute `a` is already defined"),
        ("let a = 1; a = 2; in a", "a", "attribute `a` is already defined"),
        ("{ a, b, a }: 1", "a", "duplicate formal function argument `a`"),
        ("{ a }@a: 1", "a", "duplicate formal function argument `a`"),
        ("a@{ a }: 1", "a", "duplicate formal function argument `a`"),
    ]);
    check_related(&[
        ("{ a = 1; a = 2; }", "a", "first defined here"),
        ("{ \"x\" = 1; x = 2; }", "\"x\"", "first defined here"),
        ("{ a, b, a }: 1", "a", "first named here"),
    ]);
    assert_eq!(errors("{ a = 1; b = 2; a = 3; b = 4; }").len(), 2, "all duplicates are reported");
}

#[test]
fn computed_names_where_none_are_allowed() {
    check(&[
        ("let ${x} = 1; in 1", "${x}", "`let` can't bind a computed name"),
        ("let \"${x}\" = 1; in 1", "\"${x}\"", "`let` can't bind a computed name"),
        ("{ inherit ${x}; }", "${x}", "`inherit` can't take a computed name"),
        ("{ inherit (a) \"b${x}\"; }", "\"b${x}\"", "`inherit` can't take a computed name"),
    ]);
}

#[test]
fn literals() {
    check(&[
        ("9223372036854775808", "9223372036854775808", "the integer `9223372036854775808` is too large"),
        ("1.0e999", "1.0e999", "the float `1.0e999` is too large"),
        ("1.5e", "1.5e", "`1.5e` is no number"),
        ("./a/", "./a/", "path has a trailing slash"),
        ("./${a}/", "/", "path has a trailing slash"),
        ("./a//b", "./a//b", "the path `./a//b` has a doubled slash"),
        ("~/", "~/", "`~/` is no path"),
        ("<a//b>", "<a//b>", "`<a//b>` is no search path"),
        ("'a'", "'", "strings have double quotes in Nix"),
        ("\"\0\"", "\0", "a NUL character in a string"),
        ("1\u{a0}+ 2", "\u{a0}", "the character U+00A0 (a non-breaking space) is no white space in Nix"),
        ("\u{feff}1", "\u{feff}", "the file begins with a byte order mark, which Nix does not accept"),
        ("“a”", "“", "the character `“` (U+201C) is no quote in Nix"),
        ("a % b", "%", "unexpected `%`"),
    ]);
}

#[test]
fn what_is_never_closed() {
    check(&[
        ("{ a = 1;", "{", "this `{` is never closed"),
        ("{ a = [ 1 2 ", "[", "this `[` is never closed"),
        ("f (a", "(", "this `(` is never closed"),
        ("let a = 1;", "let", "this `let` has no `in`"),
        ("\"a ${b", "${", "this `${` is never closed"),
        ("{ a = \"b; }", "\"", "the string that begins here is never closed: a \" is missing"),
        ("''a", "''", "the string that begins here is never closed: a '' is missing"),
        ("\"", "\"", "the string that begins here is never closed: a \" is missing"),
        ("1 /* a", "/* a", "this comment is never closed"),
    ]);
    check_related(&[
        ("{ a = [ 1 2; b = 3; }", "[", "this `[` is not closed yet"),
        ("{ a = (1; }", "(", "this `(` is not closed yet"),
        ("[ 1 )", "[", "this `[` is not closed yet"),
        ("{ a = 1;", ";", "the file ends here, where a definition or `}` is expected"),
    ]);
}

#[test]
fn closing_too_much() {
    check(&[
        ("{ a = 1; } }", "}", "unexpected `}`: nothing is open that it could close"),
        ("(a ]", "]", "unexpected `]`: it does not close what is open here"),
        ("{ a = 1); }", ")", "unexpected `)`: it does not close what is open here"),
    ]);
}

#[test]
fn definitions() {
    check(&[
        ("{ a = 1 }", "1", "missing `;` after the value of `a`"),
        ("{\n  a.b = 1\n  c = 2;\n}", "1", "missing `;` after the value of `a.b`"),
        ("{\n  a = f x\n  b.c = 2;\n}", "x", "missing `;` after the value of `a`"),
        ("let a = 1 in a", "1", "missing `;` after the value of `a`"),
        ("{ inherit a }", "a", "missing `;` after `inherit`"),
        ("{ a = ; }", ";", "`a` has no value"),
        ("{ a; }", ";", "`a` has no value"),
        ("{\n  a =\n  b = 2;\n}", "=", "`a` has no value"),
        ("{ a == 1; }", "==", "unexpected `==` in a definition"),
        ("{ \"a\": 1 }", ":", "unexpected `:` in a definition"),
        ("{ a = 1, b = 2 }", ",", "unexpected `,`"),
        ("{ a = 1;; }", ";", "unexpected `;`"),
        ("{ in = 1; }", "in", "`in` is a keyword"),
        ("{ a.if = 1; }", "if", "`if` is a keyword"),
        ("{ ''a'' = 1; }", "''", "an attribute name can't be an indented string"),
        ("a = 1;", "=", "unexpected `=`"),
        ("{ a }", "}", "expected `:`, found the end of the file"),
    ]);
    check_help(&[
        ("{ a = 1 }", "write `;` here"),
        ("{ a == 1; }", "to define it, write `a = …;`"),
        ("{ a = 1, b = 2 }", "definitions end with `;`"),
        ("{ in = 1; }", "as a name it must be quoted: `\"in\"`"),
        ("a = 1;", "a Nix file is one expression: put `{ }` around the definitions"),
    ]);
}

#[test]
fn expressions() {
    check(&[
        ("", "", "the file has no expression"),
        ("# nothing", "", "the file has no expression"),
        ("1 +", "+", "the file ends after this, where an expression is expected"),
        ("1 + ; 2", ";", "expected an expression after `+`, found `;`"),
        ("if a = b then c else d", "=", "unexpected `=`"),
        ("if a then b", "b", "the file ends after this, where `else` is expected"),
        ("(if a then b)", ")", "expected `else`, found `)`"),
        ("with a b", "b", "the file ends after this, where `;` is expected"),
        ("a < b < c", "<", "`<` can't follow another comparison"),
        ("a == b != c", "!=", "`!=` can't follow another comparison"),
        ("[ 1, 2 ]", ",", "unexpected `,` in a list"),
        ("[ a + b ]", "+", "`+` must be in parentheses in a list"),
        ("[ x: x ]", "x", "a function must be in parentheses here"),
        ("f { a }: a", "{", "a function must be in parentheses here"),
        ("1 + if a then b else c", "if", "`if` must be in parentheses here"),
        ("a |> f <| b", "<|", "`<|` can't follow the other pipe operator"),
        ("f <| a -> b |> g", "|>", "`|>` can't follow the other pipe operator"),
        ("[ a |> f ]", "|>", "`|>` must be in parentheses in a list"),
        ("|> f", "|>", "expected an expression, found `|>`"),
        ("a |> x: x", "x", "a function must be in parentheses here"),
        ("${a}", "${", "unexpected `${`"),
        ("./a ${b}", "${", "unexpected `${` after the end of the expression"),
        ("(1; 2)", ";", "expected `)`, found `;`"),
        ("f(a, b)", ",", "unexpected `,`"),
        ("or", "or", "expected an expression, found `or`"),
        ("a ? b or c", "or", "unexpected `or` after the end of the expression"),
        ("{ a b }: a", "b", "unexpected `b`, expected `=` or `.`"),
        ("{ ..., a }: a", "...", "unexpected `...`, expected a definition or `}`"),
        ("{ a, ..., b }: a", ",", "`...` must be the last in a pattern"),
        ("a@{ b }@c: 1", "@", "the pattern is named twice"),
    ]);
}

#[test]
fn several_definitions_are_reported_at_once() {
    let text = "{\n  a = ;\n  b = 1;\n  c = [ 1, 2 ];\n  d = {\n    e = 1\n    f = 2;\n  };\n  g == 1;\n}\n";
    let found: Vec<String> = errors(text).into_iter().map(|error| error.message).collect();
    assert_eq!(
        found,
        [
            "`a` has no value",
            "unexpected `,` in a list",
            "missing `;` after the value of `e`",
            "unexpected `==` in a definition"
        ]
    );
}

#[test]
fn no_more_than_twenty_errors() {
    let text = format!("{{ {} }}", "a = ; ".repeat(100));
    assert_eq!(errors(&text).len(), 20);
}

#[test]
fn merge_conflicts_are_named() {
    let conflict = "<<<<<<< HEAD\n  a = 1;\n=======\n  a = 2;\n>>>>>>> other\n";
    for text in [format!("{{\n{conflict}}}\n"), format!("{{ b =\n{conflict}"), conflict.replace('\n', "\r\n")] {
        let errors = errors(&text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!(errors[0].message, "a merge conflict is not resolved");
        let (begin, end) = (errors[0].span, errors[0].related.as_ref().unwrap().0);
        assert_eq!(&text[begin.start as usize..begin.end as usize], "<<<<<<< HEAD");
        assert_eq!(&text[end.start as usize..end.end as usize], ">>>>>>> other");
    }
    // Each conflict, and what is wrong besides.
    let messages: Vec<String> =
        errors(&format!("{{\n{conflict}{conflict}}}\n}}")).into_iter().map(|error| error.message).collect();
    assert_eq!(messages[..2], ["a merge conflict is not resolved", "a merge conflict is not resolved"]);
    // Text that speaks of conflicts is text.
    assert!(parse(&format!("''\n{conflict}''")).is_ok());
    assert_eq!(errors(&format!("''\n{conflict}'' )")).len(), 1);
    assert!(!errors(&format!("''\n{conflict}'' )"))[0].message.contains("conflict"));
}

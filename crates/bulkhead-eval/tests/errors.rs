//! What a failure says: what went wrong, where, and through which calls.

#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Failure, FailureKind};

/// A failure as lines: the message with its kind and place, help, then the trace.
fn told(files: &[(&str, &str)], text: &str) -> String {
    let world = common::world(files);
    let failure: Failure = common::ask(&world, text).unwrap_err();
    let shown = |place: &Option<Place>| match place {
        Some(Place { file, span: Some(span) }) => {
            let source = files.iter().find(|(path, _)| *path == &**file).map_or(text, |(_, content)| content);
            format!("{file}: {}", &source[span.start as usize..span.end as usize])
        }
        Some(place) => place.file.to_string(),
        None => "nowhere".to_owned(),
    };
    let mut lines = vec![format!("{:?}: {}", failure.kind, failure.message), format!("  at {}", shown(&failure.place))];
    lines.extend(failure.help.iter().map(|help| format!("  help: {help}")));
    lines.extend(failure.trace.iter().map(|(place, what)| format!("  {what}, {}", shown(place))));
    lines.join("\n")
}

#[track_caller]
fn check(text: &str, expected: &str) {
    pretty(&told(&[], text), expected);
}

#[track_caller]
fn pretty(found: &str, expected: &str) {
    assert_eq!(found, expected, "\nfound:\n{found}\nexpected:\n{expected}\n");
}

#[test]
fn operators_name_both_types() {
    check("1 + null", "Evaluation: cannot add null to an integer\n  at «test»: 1 + null");
    check(
        "\"a\" + 1",
        "Evaluation: cannot coerce an integer to a string\n  at «test»: 1\n  help: `toString` turns it into one",
    );
    check(
        "{ } < { }",
        "Evaluation: cannot compare a set with a set\n  at «test»: { } < { }\n  this is a set, «test»: { }\n  this is a set, «test»: { }",
    );
    check("if 1 then 2 else 3", "Evaluation: expected a Boolean but found an integer\n  at «test»: 1");
    check("[ 1 ] ++ 2", "Evaluation: expected a list but found an integer\n  at «test»: 2");
    check(
        "1 2",
        "Evaluation: attempt to call something which is not a function but an integer\n  at «test»: 1 2\n  this is an integer, «test»: 1",
    );
}

/// What does not fit was made somewhere else, most often.
#[test]
fn a_value_of_the_wrong_type_is_shown_where_it_was_made() {
    check(
        "let ports = 22; in builtins.length ports",
        "Evaluation: expected a list but found an integer\n  at «test»: builtins.length ports\n  this is an integer, «test»: 22\n  while calling the builtin `length`, «test»: builtins.length ports",
    );
    check(
        "let s.host = { }; in \"${s.host}\"",
        "Evaluation: cannot coerce a set to a string\n  at «test»: s.host\n  help: only sets with `outPath` or `__toString` become strings\n  this is a set, «test»: { }",
    );
}

#[test]
fn what_is_defined_twice_is_shown_twice() {
    check(
        "{ a = 1; a = 2; }",
        "Syntax: attribute `a` is already defined\n  at «test»: a\n  help: keep one of the two definitions\n  first defined here, «test»: a",
    );
}

#[test]
fn names_that_are_missing_come_with_the_nearest_one() {
    check(
        "{ hostName = 1; }.hostname",
        "Evaluation: attribute 'hostname' missing\n  at «test»: hostname\n  help: did you mean `hostName`?",
    );
    check(
        "let x = 1; in trow",
        "Evaluation: undefined variable 'trow'\n  at «test»: trow\n  help: did you mean `throw`?",
    );
    check(
        "({ role }: role) { rol = 1; role = 2; }",
        "Evaluation: anonymous function called with unexpected argument 'rol'\n  at «test»: ({ role }: role) { rol = 1; role = 2; }\n  help: did you mean `role`?\n  `rol` is given here, «test»: rol",
    );
    check(
        "{ a = 1; }.a.b",
        "Evaluation: expected a set but found an integer\n  at «test»: b\n  help: `.b` selects from a set\n  this is an integer, «test»: 1",
    );
}

#[test]
fn arguments_that_are_missing_point_at_the_pattern() {
    check(
        "let f = { name, port }: name; in f { name = 1; }",
        "Evaluation: function 'f' called without required argument 'port'\n  at «test»: f { name = 1; }\n  `port` is declared here, «test»: port",
    );
    check(
        "({ a }: a) 1",
        "Evaluation: anonymous function called with an integer where it takes a set\n  at «test»: ({ a }: a) 1\n  this is an integer, «test»: 1",
    );
}

#[test]
fn thrown_and_failed_assertions_are_told_apart_from_mistakes() {
    check("throw \"no key\"", "Thrown: no key\n  at «test»: throw \"no key\"");
    check("assert 1 ==\n  2; 3", "Thrown: assertion '1 == 2' failed\n  at «test»: 1 ==\n  2");
    check(
        "abort \"stop\"",
        "Aborted: evaluation aborted with the following error message: 'stop'\n  at «test»: abort \"stop\"",
    );
}

#[test]
fn the_trace_leads_from_the_failure_to_where_it_began() {
    let files = [
        ("lib.nix", "{ port = n: if n > 65535 then throw \"no port\" else n; }"),
        ("machine.nix", "let lib = import ./lib.nix; in { ports = map lib.port [ 22 99999 ]; }"),
    ];
    pretty(
        &told(&files, "(import ./machine.nix).ports"),
        "Thrown: no port
  at lib.nix: throw \"no port\"
  while calling `port`, machine.nix: map lib.port [ 22 99999 ]",
    );
}

#[test]
fn infinite_recursion_points_at_the_value_that_needs_itself() {
    check(
        "let a = b + 1; b = a; in a",
        "Evaluation: infinite recursion encountered
  at «test»: a
  help: a value is needed to compute itself; follow the places below to see how
  while evaluating the variable `b`, «test»: b
  while evaluating the variable `a`, «test»: a",
    );
}

#[test]
fn what_cannot_be_read_or_parsed_is_told_at_its_place() {
    let files = [("bad.nix", "{ a = 1; a = 2; }"), ("main.nix", "import ./bad.nix")];
    pretty(
        &told(&files, "import ./main.nix"),
        "Syntax: attribute `a` is already defined
  at bad.nix: a
  help: keep one of the two definitions
  first defined here, bad.nix: a
  needed here, main.nix: import ./bad.nix
  while calling the builtin `import`, «test»: import ./main.nix",
    );
    pretty(&told(&[], "import ./gone.nix"), "Read: `gone.nix` does not exist\n  at «test»: import ./gone.nix");
}

#[test]
fn long_traces_leave_out_the_middle_of_nothing_new() {
    let world = common::world(&[]);
    let failure =
        common::ask(&world, "let f = n: if n == 0 then throw \"end\" else 1 + g (n - 1); g = n: 2 * f n; in f 500")
            .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Thrown);
    assert!(failure.trace.len() <= 41, "{}", failure.trace.len());
    assert!(failure.trace.last().unwrap().1.ends_with(" more"), "{:?}", failure.trace.last());
}

#[test]
fn limits_name_themselves_and_the_place() {
    let limits = bulkhead_eval::Limits { steps: 10_000, depth: 200, memory: 1 << 20, ..Default::default() };
    let world = common::world_with(&[], limits);
    for (text, expected) in [
        ("builtins.foldl' (a: b: a + b) 0 (builtins.genList (x: x) 10000)", "evaluation takes more than 10000 steps"),
        ("let f = x: 1 + f x; in f 1", "evaluation is nested more than 200 levels deep"),
        ("builtins.length (builtins.genList (x: x) 100000)", "evaluation needs more than 1 MiB of memory"),
    ] {
        let failure = common::ask(&world, text).unwrap_err();
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Limit, expected), "{text}");
        assert!(failure.place.is_some() && failure.help.is_some(), "{text}");
    }
}

#[test]
fn what_is_thrown_without_words_is_told_in_some() {
    for text in ["throw \"\"", "throw \" \\n\"", "throw \"\u{1b}[31m\""] {
        assert_eq!(common::print(text).unwrap_err(), "thrown without a message", "{text:?}");
    }
}

/// Not asked of Nix, which would go and fetch.
#[test]
fn what_is_wrong_with_a_fetcher_is_told_although_nothing_is_fetched() {
    for (text, message) in [
        ("fetchTree { type = \"file\"; owner = -1; }", "negative value given for 'fetchTree' argument 'owner': -1"),
        ("builtins.fetchurl \"https://example.org/~x~\"", "invalid store path name when fetching a URL"),
        ("builtins.fetchurl { url = \"https://example.org/x\"; name = \"~y~\"; }", "invalid store path name"),
    ] {
        let found = common::print(text).unwrap_err();
        assert!(found.contains(message), "{text}: {found}");
    }
}

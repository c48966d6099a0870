//! Texts that are made to be deep, long, slow or broken: an answer, and no panic.
#![allow(clippy::unwrap_used)]

use bulkhead_source::Span;
use bulkhead_syntax::{Ast, SyntaxError, parse};

/// Parse on a stack as small as those of a thread pool.
fn parse_on_small_stack(text: String) -> Result<Ast, Vec<SyntaxError>> {
    std::thread::Builder::new().stack_size(2 << 20).spawn(move || parse(&text)).unwrap().join().unwrap()
}

fn nested(open: &str, inner: &str, close: &str, times: usize) -> String {
    format!("{}{inner}{}", open.repeat(times), close.repeat(times))
}

const NESTING: &[(&str, &str, &str)] = &[
    ("(", "1", ")"),
    ("[", "", "]"),
    ("{ a = ", "1", "; }"),
    ("rec { a = ", "1", "; }"),
    ("{ a ? ", "1", " }: a"),
    ("{ ${", "a", "} = 1; }"),
    ("let a = ", "1", "; in a"),
    ("let a = 1; in ", "1", ""),
    ("with a; ", "1", ""),
    ("assert a; ", "1", ""),
    ("if a then b else ", "1", ""),
    ("if ", "a", " then b else c"),
    ("a: ", "1", ""),
    ("{ a }: ", "1", ""),
    ("- ", "1", ""),
    ("!", "a", ""),
    ("\"${", "a", "}\""),
    ("''${", "a", "}''"),
    ("./a${", "a", "}"),
    ("a.b or ", "1", ""),
    ("(a ", "b", " or)"),
    ("a ? ", "a", ""),
    ("let { body = ", "1", "; }"),
    ("(1 + [ \"${f ", "1", "}\" ])"),
    ("{ inherit (", "a", ") b; }.b"),
];

#[test]
fn deep_nesting_is_read_or_refused_with_a_place() {
    for (open, inner, close) in NESTING {
        let result = parse_on_small_stack(nested(open, inner, close, 120));
        assert!(result.is_ok(), "{open}: {result:?}");
        for times in [490, 3_000] {
            match parse_on_small_stack(nested(open, inner, close, times)) {
                Ok(ast) => assert!(times == 490 && ast.exprs.len() > 1 || *open == "(", "{open}"),
                Err(errors) => {
                    assert!(errors[0].message.contains("levels deep"), "{open}: {errors:?}");
                    assert!(errors[0].span.start > 0, "{open}");
                }
            }
        }
    }
}

#[test]
fn an_attribute_path_nests_too() {
    assert!(parse(&format!("{{ a{} = 1; }}", ".a".repeat(300))).is_ok());
    assert!(parse(&format!("{{ a{} = 1; }}", " .a".repeat(3000))).is_err());
}

#[test]
fn unclosed_nesting_is_an_error() {
    for (open, ..) in NESTING {
        for times in [10, 3_000] {
            assert!(parse_on_small_stack(open.repeat(times)).is_err(), "{open}");
        }
    }
}

#[test]
fn long_chains_are_read() {
    for (first, next) in [
        ("a", " a"),
        ("a", " { }"),
        ("1", " + 1"),
        ("1", "\n+1"),
        ("[ ]", " ++ [ ]"),
        ("{ }", " // { }"),
        ("a", " -> a"),
        ("a", " && a"),
        ("a", " |> a"),
        ("a", " <| a"),
    ] {
        let result = parse_on_small_stack(format!("{first}{}", next.repeat(2_500)));
        assert!(result.is_ok(), "{next}: {:?}", result.err());
    }
    assert!(parse(&format!("1{}", "+1".repeat(1_000))).is_ok());
    assert!(parse_on_small_stack(format!("1{}", " + 1".repeat(260_000))).is_err());
}

#[test]
fn broken_chains_do_not_fool_the_limits() {
    for piece in ["1 + ; ", "1 ++ ; ++ ", "( ] ", "{ a = 1 ++ ; } ++ ", "with ; ", "[ ; ( ", "${ ; "] {
        assert!(parse_on_small_stack(piece.repeat(5_000)).is_err(), "{piece}");
    }
}

#[test]
fn runs_that_make_the_lexer_look_far_ahead_are_refused() {
    for run in ["-", ".", "+", "1.", "<", "a."] {
        assert!(parse(&run.repeat(20_000)).is_err(), "{run}");
    }
}

#[test]
fn wide_files_are_read() {
    let set = |count: usize| (0..count).map(|i| format!("a.b.c{i} = {i}; ")).collect::<String>();
    assert_eq!(parse(&format!("{{ {} }}", set(5_000))).unwrap().exprs.len(), 5_003);
    let formals = (0..5_000).map(|i| format!("a{i}, ")).collect::<String>();
    assert!(parse(&format!("{{ {formals} }}: 1")).is_ok());
    assert!(parse(&format!("[ {} ]", "1 ".repeat(20_000))).is_ok());
}

#[test]
fn lines_that_end_in_carriage_returns_alone() {
    assert_eq!(parse("# a\r1").unwrap().exprs.len(), 1);
    assert!(parse(&"# a\r".repeat(100)).is_err());
}

/// Pseudo-random numbers (xorshift64): the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

const SEEDS: &[&str] = &[
    "{ lib, pkgs ? import <nixpkgs> { }, ... }@args:\nlet\n  inherit (lib) mkIf;\n  x.y = 1; x.z = rec { a = 2; };\nin\n{\n  \
     # doc\n  services.nginx = mkIf (x.y == 1 && args ? a.b) { enable = true; root = ./www/${x.z.a}; };\n}\n",
    "''\n  text ''${a} ${b.c or \"d\"} ''\\n '''\n    more $$ $\n''",
    "let f = { a, b ? a }: with b; [ (a + 1) -2.5 ./. ~/x https://a.b/c ]; in assert f ? x; f.x.${\"y\"} or (if !f then 1 else f/(2))",
    "rec { \"a b\".c = 1; ${x} = \"${\"y\"}\"; inherit or; let' = let { body = 1; }; p = a: b: c@{ ... }: a // b ++ c -> d; }",
    "1 /* c */ # d\n + __curPos",
];

const PIECES: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "\"",
    "''",
    "${",
    ";",
    "=",
    "==",
    ".",
    "or",
    "let",
    "in",
    "rec",
    "with",
    "assert",
    "if",
    "then",
    "else",
    "inherit",
    "?",
    "@",
    ":",
    ",",
    "...",
    "!",
    "-",
    "++",
    "//",
    "/",
    "->",
    "<",
    "<a>",
    "./a",
    "~/",
    "a/",
    "0.",
    "1e",
    "99999999999999999999",
    "#",
    "/*",
    "*/",
    "\r",
    "\n",
    "\u{a0}",
    "\0",
    "é",
    "\\",
    "$",
    "'",
    "|>",
    "a",
    "x:",
    "let {",
    "&&",
    "\u{feff}",
    "''\\",
    "''$",
];

#[test]
fn mutated_files_give_a_tree_or_errors_with_places() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let boundary = |text: &str, mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (mut read, mut refused) = (0, 0);
    for _ in 0..2_000 {
        let mut text = SEEDS[random.below(SEEDS.len())].to_owned();
        for _ in 0..=random.below(4) {
            let start = boundary(&text, random.below(text.len() + 1));
            let end = boundary(&text, (start + random.below(8)).min(text.len())).max(start);
            let piece = PIECES[random.below(PIECES.len())];
            let times = if random.below(4) == 0 { random.below(6) } else { 1 };
            text.replace_range(start..end, &piece.repeat(times));
        }
        let inside = |span: Span| text.get(span.start as usize..span.end as usize).is_some();
        match parse(&text) {
            Ok(ast) => {
                read += 1;
                assert!(ast.expr_spans.iter().chain(&ast.name_spans).all(|span| inside(*span)), "{text:?}");
            }
            Err(errors) => {
                refused += 1;
                assert!(!errors.is_empty() && errors.len() <= 20, "{text:?}");
                for error in &errors {
                    assert!(inside(error.span) && !error.message.is_empty(), "{text:?}: {error:?}");
                    assert!(error.related.as_ref().is_none_or(|(span, _)| inside(*span)), "{text:?}: {error:?}");
                }
            }
        }
    }
    assert!(read > 50 && refused > 500, "{read} read, {refused} refused");
}

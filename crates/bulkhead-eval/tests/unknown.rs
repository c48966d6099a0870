//! What the language and its builtins make of something unknown: it spreads to what needs it, and no further.
//!
//! `u` is unknown in every expression, `o` is a set that surely has `k = 1` and perhaps more. In what is printed, `?`
//! stands for unknown and `…` for further attributes that there may be.

#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_eval::data::{DataKind, FailureKind};

const CASES: &[(&str, &str)] = &[
    // Literals keep their structure.
    ("{ a = u; b = [ 1 u ]; }", "{ a = ?; b = [ 1 ? ]; }"),
    ("let x = u; in { inherit x; y = 1; }", "{ x = ?; y = 1; }"),
    ("rec { a = u; b = a; c = 1; }", "{ a = ?; b = ?; c = 1; }"),
    // Attributes with unknown names: there may be more.
    ("{ a = 1; ${u} = 2; }", "{ a = 1; … }"),
    ("{ a = 1; ${u} = 2; }.a", "1"),
    ("{ a = 1; ${u} = 2; }.b", "?"),
    ("{ a = 1; ${u} = 2; } ? b", "?"),
    // `//`
    ("{ a = 1; } // u", "{ a = ?; … }"),
    ("u // { a = 1; }", "{ a = 1; … }"),
    ("u // u", "?"),
    ("{ a = 1; b = 2; } // o", "{ a = ?; b = ?; k = 1; … }"),
    ("o // { a = 1; }", "{ a = 1; k = 1; … }"),
    ("o // { k = 2; }", "{ k = 2; … }"),
    ("{ k = 2; } // o", "{ k = 1; … }"),
    ("{ } // u", "{ … }"),
    // Selecting.
    ("u.a", "?"),
    ("u.a or 1", "?"),
    ("{ a = u; }.a.b or 1", "?"),
    ("o.k", "1"),
    ("o.other or 1", "?"),
    ("u ? a", "?"),
    ("o ? k", "true"),
    ("o ? other", "?"),
    ("{ a = u; } ? a", "true"),
    ("{ a = u; } ? a.b", "?"),
    ("{ a = 1; }.${u}", "?"),
    // What decides.
    ("if u then 1 else 1", "?"),
    ("[ (if true then 1 else u) ]", "[ 1 ]"),
    ("assert u; 1", "?"),
    ("u && true", "?"),
    ("false && u", "false"),
    ("true && u", "?"),
    ("true || u", "true"),
    ("false || u", "?"),
    ("u -> true", "?"),
    ("false -> u", "true"),
    ("!u", "?"),
    // Comparing: a difference that is known is enough.
    ("u == 1", "?"),
    ("u == u", "?"),
    ("[ u 1 ] == [ 1 2 ]", "false"),
    ("[ u ] == [ 1 2 ]", "false"),
    ("[ u 1 ] == [ 1 1 ]", "?"),
    ("{ a = u; b = 1; } == { a = 1; b = 2; }", "false"),
    ("{ a = u; } == { b = 1; }", "false"),
    ("o == { k = 1; }", "?"),
    ("{ type = u; a = 1; } == { type = u; a = 2; }", "?"),
    ("u < 1", "?"),
    ("[ 1 u ] < [ 2 0 ]", "true"),
    // Arithmetic and strings.
    ("1 + u", "?"),
    ("u * 2", "?"),
    ("-u", "?"),
    ("\"a${u}b\"", "?"),
    ("\"a\" + u", "?"),
    ("/a + u", "?"),
    ("[ 1 ] ++ u", "?"),
    ("toString [ 1 u ]", "?"),
    ("\"${o // { outPath = \"x\"; }}\"", "?"),
    ("builtins.toJSON (o // { outPath = \"x\"; })", "?"),
    // With.
    ("with u; x", "?"),
    ("with u; 1", "1"),
    ("with u; map (x: x) [ 1 ]", "[ 1 ]"),
    ("with o; k", "1"),
    ("with { a = 1; }; with u; a", "?"),
    ("let a = 1; in with u; a", "1"),
    // Functions.
    ("(x: { a = x; b = 1; }) u", "{ a = ?; b = 1; }"),
    ("u 1", "?"),
    ("({ a, b ? 1 }: { inherit a b; c = 2; }) u", "{ a = ?; b = ?; c = 2; }"),
    ("({ k, b ? 1, ... }: [ k b ]) o", "[ 1 ? ]"),
    ("({ a, ... }@args: { names = args; x = 1; }) (o // { a = 1; })", "{ names = { a = 1; k = 1; … }; x = 1; }"),
    ("({ config, pkgs, lib, ... }: { imports = [ ./a.nix ]; x = config.y; }) u", "{ imports = [ /a.nix ]; x = ?; }"),
    // Builtins that look at structure alone.
    ("builtins.length [ u u ]", "2"),
    ("builtins.attrNames { a = u; }", "[ \"a\" ]"),
    ("builtins.attrNames o", "?"),
    ("builtins.attrValues { a = u; b = 1; }", "[ ? 1 ]"),
    ("map (x: [ x ]) [ u 1 ]", "[ [ ? ] [ 1 ] ]"),
    ("map (x: x) u", "?"),
    ("map u [ 1 2 ]", "[ ? ? ]"),
    ("builtins.mapAttrs (n: v: n) { a = u; }", "{ a = \"a\"; }"),
    ("builtins.mapAttrs (n: v: n) o", "{ k = \"k\"; … }"),
    ("builtins.genList (n: u) 2", "[ ? ? ]"),
    ("builtins.genList (n: n) u", "?"),
    ("builtins.concatLists [ [ u ] [ 1 ] ]", "[ ? 1 ]"),
    ("builtins.head [ u 1 ]", "?"),
    ("builtins.tail [ u 1 ]", "[ 1 ]"),
    ("builtins.elemAt [ u 1 ] 1", "1"),
    ("builtins.elemAt [ 1 2 ] u", "?"),
    ("builtins.listToAttrs [ { name = \"a\"; value = u; } ]", "{ a = ?; }"),
    ("builtins.listToAttrs [ { name = u; value = 1; } ]", "?"),
    ("removeAttrs { a = u; b = 1; } [ \"b\" ]", "{ a = ?; }"),
    ("removeAttrs { a = 1; } u", "?"),
    ("removeAttrs o [ \"k\" ]", "{ … }"),
    ("builtins.intersectAttrs { a = 1; } { a = u; }", "{ a = ?; }"),
    ("builtins.intersectAttrs o { k = 2; b = 1; }", "{ k = 2; … }"),
    ("builtins.catAttrs \"a\" [ { a = u; } { } ]", "[ ? ]"),
    ("builtins.catAttrs \"a\" [ o ]", "?"),
    ("builtins.getAttr \"k\" o", "1"),
    ("builtins.hasAttr \"a\" u", "?"),
    ("builtins.zipAttrsWith (n: vs: vs) [ { a = u; } { a = 1; } ]", "{ a = [ ? 1 ]; }"),
    ("builtins.zipAttrsWith (n: vs: vs) [ o ]", "?"),
    ("builtins.groupBy (x: \"g\") [ u ]", "{ g = [ ? ]; }"),
    ("builtins.functionArgs u", "?"),
    ("builtins.seq u 1", "1"),
    ("builtins.deepSeq [ u ] 1", "1"),
    ("builtins.trace u 1", "1"),
    ("builtins.tryEval u", "{ success = ?; value = ?; }"),
    // Builtins that need the value.
    ("builtins.filter (x: x > 1) [ u 2 ]", "?"),
    ("builtins.all (x: x) [ false u ]", "false"),
    ("builtins.any (x: x) [ u true ]", "?"),
    ("builtins.elem 1 [ u 1 ]", "true"),
    ("builtins.elem 1 [ u 2 ]", "?"),
    ("builtins.foldl' (a: b: a + b) 0 [ 1 u ]", "?"),
    ("builtins.sort builtins.lessThan [ 1 u ]", "?"),
    ("builtins.partition (x: x) [ u ]", "?"),
    ("builtins.concatStringsSep \",\" [ \"a\" u ]", "?"),
    ("builtins.replaceStrings [ \"a\" ] [ u ] \"b\"", "\"b\""),
    ("builtins.replaceStrings [ \"a\" ] [ u ] \"a\"", "?"),
    ("builtins.substring 0 1 u", "?"),
    ("builtins.match u \"a\"", "?"),
    ("builtins.split \"a\" u", "?"),
    ("builtins.toJSON { a = u; }", "?"),
    ("builtins.toXML u", "?"),
    ("builtins.hashString \"md5\" u", "?"),
    ("builtins.typeOf u", "?"),
    ("builtins.isAttrs u", "?"),
    ("builtins.isAttrs o", "true"),
    ("import u", "?"),
    ("builtins.readFile u", "?"),
    ("builtins.pathExists u", "?"),
    ("throw u", "?"),
    // What is unknown from the start.
    ("builtins.getEnv \"HOME\"", "?"),
    ("builtins.currentTime", "?"),
    ("builtins.fetchTarball \"https://example.org\"", "?"),
    ("builtins.getFlake \"nixpkgs\"", "?"),
    ("import <nixpkgs> { }", "?"),
    ("import /outside/of/../../etc/passwd", "error: `etc/passwd` does not exist"),
    ("~/x", "?"),
    // Derivations: all but their place in the store is known.
    ("derivation { name = \"n\"; system = \"s\"; builder = \"b\"; }", "?"),
    ("(derivation { name = \"n\"; system = \"s\"; builder = \"b\"; }).name", "\"n\""),
    ("(derivation { name = \"n\"; outputs = [ \"out\" \"dev\" ]; }).dev.outputName", "\"dev\""),
    ("\"${derivation { name = \"n\"; }}/bin\"", "?"),
    ("builtins.deepSeq (derivation { name = \"n\"; }) 1", "1"),
    ("[ (derivation { name = \"n\"; }) ]", "[ ? ]"),
];

#[test]
fn unknown_spreads_to_what_needs_it() {
    common::large(|| {
        let mut wrong = Vec::new();
        for (text, expected) in CASES {
            let whole = format!("let u = builtins.getEnv \"U\"; o = u // {{ k = 1; }}; in {text}");
            let found = common::print(&whole).unwrap_or_else(|message| format!("error: {message}"));
            let mut short = String::new();
            let mut rest = found.as_str();
            while let Some((before, after)) = rest.split_once("«unknown: ") {
                short.push_str(before);
                short.push('?');
                rest = after.split_once('»').unwrap().1;
            }
            short.push_str(rest);
            let short = short.replace("«perhaps more»", "…");
            if short != *expected {
                wrong.push(format!("{text}\n  expected {expected}\n  found    {short}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn unknown_says_why_and_where_it_came_in() {
    let text =
        "{ a = { b = builtins.getEnv \"HOME\" + \"/x\"; }; now = builtins.currentTime; pkgs = import <nixpkgs> { }; }";
    let data = common::evaluate(&[("a.nix", text)], "a.nix");
    let DataKind::Attrs(set) = &data.kind else { panic!("{data:?}") };
    let at = |data: &bulkhead_eval::data::Data| {
        let DataKind::Unknown(unknown) = &data.kind else { panic!("{data:?}") };
        let span = unknown.place.as_ref().unwrap().span.unwrap();
        (
            unknown.reason.to_string(),
            &text[span.start as usize..span.end as usize],
            unknown.help.as_deref().map(str::to_owned),
        )
    };
    let DataKind::Attrs(a) = &set.attrs["a"].value.kind else { panic!() };
    let (reason, place, _) = at(&a.attrs["b"].value);
    assert_eq!(reason, "the environment (here the variable `HOME`) is not read");
    assert_eq!(place, "builtins.getEnv \"HOME\"");
    let (reason, place, _) = at(&set.attrs["now"].value);
    assert_eq!((reason.as_str(), place), ("the clock is not read", "builtins.currentTime"));
    let (reason, place, help) = at(&set.attrs["pkgs"].value);
    assert_eq!((reason.as_str(), place), ("no `nixpkgs` is known here", "<nixpkgs>"));
    assert_eq!(help.unwrap(), "name one with --nixpkgs PATH or NIX_PATH, or run with --evaluator nix");
}

#[test]
fn sets_tell_that_there_may_be_more() {
    let data = common::evaluate(&[("a.nix", "builtins.getEnv \"X\" // { a = 1; }")], "a.nix");
    let DataKind::Attrs(set) = data.kind else { panic!() };
    assert!(set.open.unwrap().reason.contains("environment"));
    assert_eq!(set.attrs["a"].value.kind, DataKind::Int(1));
}

#[test]
fn where_a_value_is_needed_unknown_is_a_failure_of_its_own_kind() {
    let world = common::world(&[]);
    let request =
        bulkhead_eval::Request { output: bulkhead_eval::Output::Json, ..common::strict("[ builtins.currentTime ]") };
    let failure = world.request(&request).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unknown);
    assert_eq!(failure.message, "this is unknown: the clock is not read");
}

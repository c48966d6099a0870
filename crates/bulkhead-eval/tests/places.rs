//! Every value knows the expression that made it, and every attribute where its name is written.

#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Data, DataKind, Field};

/// The text at a place, after the name of its file.
fn shown(files: &[(&str, &str)], place: &Option<Place>) -> String {
    let Some(place) = place else { return "nowhere".to_owned() };
    let Some(span) = place.span else { return format!("{}: all", place.file) };
    let (_, text) = files.iter().find(|(path, _)| *path == &*place.file).unwrap();
    format!("{}: {}", place.file, &text[span.start as usize..span.end as usize])
}

fn field<'a>(data: &'a Data, path: &str) -> &'a Field {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let DataKind::Attrs(set) = &data.kind else { panic!("{path}: {data:?}") };
    let field = &set.attrs[first];
    rest.map_or(field, |rest| self::field(&field.value, rest))
}

/// Check where names and values of `main.nix` are written.
#[track_caller]
fn check(files: &[(&str, &str)], expected: &[(&str, &str, &str)]) {
    let data = common::evaluate(files, "main.nix");
    for (path, key, value) in expected {
        let field = field(&data, path);
        assert_eq!(shown(files, &field.key), *key, "the name of {path}");
        assert_eq!(shown(files, &field.value.place), *value, "the value of {path}");
    }
}

#[test]
fn literals() {
    check(
        &[("main.nix", "{ a = 1; b.c = \"two\"; \"d e\" = [ 3 ]; }")],
        &[
            ("a", "main.nix: a", "main.nix: 1"),
            ("b.c", "main.nix: c", "main.nix: \"two\""),
            ("d e", "main.nix: \"d e\"", "main.nix: [ 3 ]"),
        ],
    );
}

#[test]
fn items_of_lists() {
    let files = [("main.nix", "let k = \"key\"; in { l = [ k \"b\" ] ++ [ 1 ]; }")];
    let data = common::evaluate(&files, "main.nix");
    let DataKind::List(items) = &field(&data, "l").value.kind else { panic!() };
    let places: Vec<String> = items.iter().map(|item| shown(&files, &item.place)).collect();
    assert_eq!(places, ["main.nix: \"key\"", "main.nix: \"b\"", "main.nix: 1"]);
}

#[test]
fn through_let_inherit_and_with() {
    check(
        &[("main.nix", "let x = 1; s = { y = 2; }; in { inherit x; inherit (s) y; z = x; w = with s; y; }")],
        &[
            ("x", "main.nix: x", "main.nix: 1"),
            ("y", "main.nix: y", "main.nix: 2"),
            ("z", "main.nix: z", "main.nix: 1"),
            ("w", "main.nix: w", "main.nix: 2"),
        ],
    );
}

#[test]
fn through_updates_selections_and_choices() {
    check(
        &[(
            "main.nix",
            "({ a = 1; b = 2; } // { b = 3; }) // { c = { d = 4; }.d; e = if true then 5 else 6; f = { }.x or 7; }",
        )],
        &[
            ("a", "main.nix: a", "main.nix: 1"),
            ("b", "main.nix: b", "main.nix: 3"),
            ("c", "main.nix: c", "main.nix: 4"),
            ("e", "main.nix: e", "main.nix: 5"),
            ("f", "main.nix: f", "main.nix: 7"),
        ],
    );
}

#[test]
fn through_functions_and_builtins() {
    let text = "let machine = name: { inherit name; kind = \"m\"; }; in
        { one = machine \"s0\"; all = builtins.mapAttrs (n: v: v) { a = 1; }; names = builtins.listToAttrs [ { name = \"n\"; value = 2; } ]; }";
    check(
        &[("main.nix", text)],
        &[
            ("one.name", "main.nix: name", "main.nix: \"s0\""),
            ("one.kind", "main.nix: kind", "main.nix: \"m\""),
            ("all.a", "main.nix: a", "main.nix: 1"),
            ("names.n", "main.nix: \"n\"", "main.nix: 2"),
        ],
    );
}

#[test]
fn computed_values_are_where_they_are_computed() {
    check(
        &[("main.nix", "{ sum = 1 + 2; text = \"a${\"b\"}\"; call = toString 1; ${\"dyn\" + \"amic\"} = 3; }")],
        &[
            ("sum", "main.nix: sum", "main.nix: 1 + 2"),
            ("text", "main.nix: text", "main.nix: \"a${\"b\"}\""),
            ("call", "main.nix: call", "main.nix: toString 1"),
            ("dynamic", "main.nix: \"dyn\" + \"amic\"", "main.nix: 3"),
        ],
    );
}

#[test]
fn through_imports() {
    check(
        &[
            ("main.nix", "import ./lib/f.nix { host = import ./host.nix; }"),
            ("lib/f.nix", "{ host }: { hosts = host; }"),
            ("host.nix", "{ ip = \"10.0.0.1\"; }"),
        ],
        &[
            ("hosts", "lib/f.nix: hosts", "host.nix: { ip = \"10.0.0.1\"; }"),
            ("hosts.ip", "host.nix: ip", "host.nix: \"10.0.0.1\""),
        ],
    );
}

#[test]
fn failures_and_unknowns_stay_where_they_are() {
    let files = [("main.nix", "{ good = 1; bad = 1 + null; env = builtins.getEnv \"X\"; }")];
    let data = common::evaluate(&files, "main.nix");
    assert_eq!(field(&data, "good").value.kind, DataKind::Int(1));
    let DataKind::Failed(failure) = &field(&data, "bad").value.kind else { panic!() };
    assert_eq!(failure.message, "cannot add null to an integer");
    assert_eq!(shown(&files, &failure.place), "main.nix: 1 + null");
    let DataKind::Unknown(_) = &field(&data, "env").value.kind else { panic!() };
}

#[test]
fn positions_as_nix_tells_them() {
    let world = common::world(&[("a.nix", "{\n  a = 1;\n  b = __curPos;\n}")]);
    let found =
        common::ask(&world, "[ (builtins.unsafeGetAttrPos \"b\" (import ./a.nix)) (import ./a.nix).b ]").unwrap();
    assert_eq!(found, "[ { column = 3; file = \"/a.nix\"; line = 3; } { column = 7; file = \"/a.nix\"; line = 3; } ]");
}

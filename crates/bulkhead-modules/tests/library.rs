//! The built-in `lib`: on arguments of all kinds it gives what nixpkgs' own `lib` gives. Set `NIXPKGS_LIB` to the `lib`
//! folder of a nixpkgs.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bulkhead_eval::data::DataKind;
use bulkhead_eval::{Limits, Mount, Shape, World};
use bulkhead_modules::built_in_lib;
use bulkhead_source::{MemoryTree, TreePath, WorkTree};

/// Functions, and the lists that each of their arguments is taken from.
const CASES: &[(&str, &[&str])] = &[
    ("id", &["any"]),
    ("const", &["any", "any"]),
    ("flip", &["binary", "int", "int"]),
    ("pipe", &["int", "unaryList"]),
    ("max", &["int", "int"]),
    ("min", &["int", "int"]),
    ("mod", &["int", "positive"]),
    ("mergeAttrs", &["set", "set"]),
    ("boolToString", &["bool"]),
    ("isFunction", &["any"]),
    ("toFunction", &["any", "int"]),
    ("mapNullable", &["unary", "nullOrInt"]),
    ("defaultTo", &["any", "any"]),
    ("assertMsg", &["bool", "string"]),
    ("throwIf", &["bool", "string", "any"]),
    ("throwIfNot", &["bool", "string", "any"]),
    ("all", &["predicate", "ints"]),
    ("any", &["predicate", "ints"]),
    ("concatLists", &["listOfLists"]),
    ("concatMap", &["listMaker", "ints"]),
    ("elem", &["any", "list"]),
    ("filter", &["predicate", "ints"]),
    ("foldl'", &["binary", "int", "ints"]),
    ("foldl", &["binary", "int", "ints"]),
    ("foldr", &["binary", "int", "ints"]),
    ("forEach", &["ints", "unary"]),
    ("imap0", &["binary", "ints"]),
    ("imap1", &["binary", "ints"]),
    ("singleton", &["any"]),
    ("optional", &["bool", "any"]),
    ("optionals", &["bool", "list"]),
    ("toList", &["any"]),
    ("flatten", &["any"]),
    ("remove", &["any", "list"]),
    ("unique", &["list"]),
    ("allUnique", &["list"]),
    ("range", &["int", "int"]),
    ("replicate", &["small", "any"]),
    ("count", &["predicate", "ints"]),
    ("take", &["int", "list"]),
    ("drop", &["small", "list"]),
    ("sublist", &["small", "small", "list"]),
    ("last", &["list"]),
    ("init", &["list"]),
    ("head", &["list"]),
    ("reverseList", &["list"]),
    ("findFirst", &["predicate", "any", "ints"]),
    ("lists.findFirstIndex", &["predicate", "any", "ints"]),
    ("findSingle", &["predicate", "int", "int", "ints"]),
    ("zipListsWith", &["binary", "ints", "ints"]),
    ("zipLists", &["list", "list"]),
    ("intersectLists", &["list", "list"]),
    ("subtractLists", &["list", "list"]),
    ("mutuallyExclusive", &["list", "list"]),
    ("composeManyExtensions", &["overlays", "set", "set"]),
    ("replaceString", &["string", "string", "string"]),
    ("versions.majorMinor", &["string"]),
    ("concatStrings", &["strings"]),
    ("concatStringsSep", &["string", "strings"]),
    ("concatMapStrings", &["stringUnary", "strings"]),
    ("concatMapStringsSep", &["string", "stringUnary", "strings"]),
    ("concatImapStringsSep", &["string", "stringBinary", "strings"]),
    ("concatLines", &["strings"]),
    ("optionalString", &["bool", "string"]),
    ("strings.intersperse", &["any", "list"]),
    ("hasPrefix", &["string", "string"]),
    ("hasSuffix", &["string", "string"]),
    ("hasInfix", &["string", "string"]),
    ("removePrefix", &["string", "string"]),
    ("removeSuffix", &["string", "string"]),
    ("stringToCharacters", &["string"]),
    ("toLower", &["string"]),
    ("toUpper", &["string"]),
    ("strings.toSentenceCase", &["string"]),
    ("strings.trim", &["string"]),
    ("splitString", &["separator", "string"]),
    ("escape", &["chars", "string"]),
    ("escapeShellArg", &["stringable"]),
    ("escapeShellArgs", &["strings"]),
    ("escapeRegex", &["string"]),
    ("escapeXML", &["string"]),
    ("strings.escapeNixString", &["string"]),
    ("makeBinPath", &["strings"]),
    ("makeSearchPath", &["string", "strings"]),
    ("fixedWidthString", &["width", "char", "string"]),
    ("fixedWidthNumber", &["width", "positive"]),
    ("toInt", &["string"]),
    ("toIntBase10", &["string"]),
    ("replaceStrings", &["chars", "chars", "string"]),
    ("versionOlder", &["string", "string"]),
    ("versionAtLeast", &["string", "string"]),
    ("strings.isStringLike", &["any"]),
    ("strings.isConvertibleWithToString", &["any"]),
    ("attrByPath", &["names", "any", "set"]),
    ("hasAttrByPath", &["names", "set"]),
    ("getAttrFromPath", &["names", "set"]),
    ("setAttrByPath", &["names", "any"]),
    ("attrVals", &["names", "set"]),
    ("getAttrs", &["names", "set"]),
    ("optionalAttrs", &["bool", "set"]),
    ("filterAttrs", &["attrPredicate", "set"]),
    ("filterAttrsRecursive", &["attrPredicate", "set"]),
    ("mapAttrs", &["attrFunction", "set"]),
    ("mapAttrs'", &["pairMaker", "set"]),
    ("mapAttrsToList", &["attrFunction", "set"]),
    ("attrsToList", &["set"]),
    ("concatMapAttrs", &["setMaker", "set"]),
    ("mergeAttrsList", &["sets"]),
    ("genAttrs", &["names", "stringUnary"]),
    ("mapAttrsRecursive", &["pathFunction", "set"]),
    ("collect", &["predicateOfAny", "set"]),
    ("foldlAttrs", &["attrFold", "string", "set"]),
    ("recursiveUpdate", &["set", "set"]),
    ("matchAttrs", &["set", "set"]),
    ("zipAttrs", &["sets"]),
    ("cartesianProduct", &["setOfLists"]),
    ("nameValuePair", &["string", "any"]),
    ("isDerivation", &["any"]),
    ("mkIf", &["bool", "any"]),
    ("mkMerge", &["list"]),
    ("mkOverride", &["int", "any"]),
    ("mkDefault", &["any"]),
    ("mkForce", &["any"]),
    ("mkOptionDefault", &["any"]),
    ("mkVMOverride", &["any"]),
    ("mkOrder", &["int", "any"]),
    ("mkBefore", &["any"]),
    ("mkAfter", &["any"]),
    ("literalExpression", &["string"]),
    ("isOption", &["any"]),
    ("importJSON", &["jsonFile"]),
    ("getExe'", &["string", "string"]),
];

/// The values of arguments.
const VALUES: &[(&str, &str)] = &[
    (
        "any",
        r#"[ null true 0 (-3) 1.5 "" "a" [ ] [ 1 [ 2 ] ] { } { a = 1; } { type = "derivation"; } { __toString = _: "s"; } ]"#,
    ),
    ("bool", "[ true false ]"),
    ("int", "[ 0 1 2 7 (-5) ]"),
    ("positive", "[ 1 2 12 ]"),
    ("small", "[ 0 1 3 9 ]"),
    ("width", "[ 0 3 8 ]"),
    ("nullOrInt", "[ null 4 ]"),
    ("ints", "[ [ ] [ 1 ] [ 3 1 2 ] [ 5 5 (-1) 0 8 ] ]"),
    ("list", r#"[ [ ] [ 1 ] [ 1 2 1 "a" ] [ "a" null [ 1 ] { a = 1; } ] [ 3 "b" 1 ] ]"#),
    ("listOfLists", "[ [ ] [ [ 1 ] [ ] [ 2 3 ] ] ]"),
    (
        "string",
        r#"[ "" "a" "ab" "b" "a.b" "  x y\n" "it's" "007" "42" " -7 " "1.2.3" "Ab\"$<&>" "x=y z" "/nix/store" ]"#,
    ),
    ("char", r#"[ "0" " " ]"#),
    ("strings", r#"[ [ ] [ "a" ] [ "a" "b c" "" "d'e" ] ]"#),
    ("stringable", r#"[ "plain" "with space" "it's" "" "a/b:c" 12 ./x true ]"#),
    (
        "overlays",
        "[ [ ] [ (final: before: { a = 5; }) ] [ (_: before: { a = before.a or 0; }) (final: before: { b = [ before.a final.x or 1 ]; }) ] ]",
    ),
    ("separator", r#"[ "." "," " " "b" "ab" "\n" ]"#),
    ("chars", r#"[ [ ] [ "a" ] [ "." "x" ] ]"#),
    ("names", r#"[ [ ] [ "a" ] [ "a" "b" ] [ "x" ] [ "c" "d" ] ]"#),
    (
        "set",
        r#"[ { } { a = 1; } { a = { b = 2; c = null; }; x = [ ]; } { a.b.c = "s"; c.d = true; } { x = 1; "y z" = "q"; } ]"#,
    ),
    ("sets", "[ [ ] [ { a = 1; } ] [ { a = 1; b = 2; } { a = 3; c = { }; } ] ]"),
    ("setOfLists", "[ { } { a = [ 1 2 ]; b = [ 3 4 ]; } { a = [ ]; b = [ 1 ]; } ]"),
    ("unary", "[ (x: x + 1) (x: [ x ]) ]"),
    ("unaryList", "[ [ ] [ (x: x + 1) (x: x * 2) ] ]"),
    ("binary", "[ (a: b: a - b) (a: b: a) ]"),
    ("predicate", "[ (x: x > 1) (x: true) (x: false) ]"),
    ("predicateOfAny", "[ builtins.isInt builtins.isString builtins.isList ]"),
    ("listMaker", "[ (x: [ x x ]) (x: [ ]) ]"),
    ("stringUnary", r#"[ (s: "<${s}>") ]"#),
    ("stringBinary", r#"[ (i: s: "${toString i}${s}") ]"#),
    ("attrPredicate", r#"[ (n: v: n == "a") (n: v: v != null) ]"#),
    ("attrFunction", "[ (n: v: [ n v ]) ]"),
    ("pairMaker", r#"[ (n: v: { name = "x${n}"; value = v; }) (n: v: { name = "same"; value = n; }) ]"#),
    ("setMaker", r#"[ (n: v: { ${n + "1"} = v; }) ]"#),
    ("pathFunction", r#"[ (p: v: builtins.concatStringsSep "." p) ]"#),
    ("attrFold", "[ (acc: n: v: acc + n) ]"),
    ("jsonFile", "[ ./data.json ]"),
];

/// For each combination of arguments, what comes out: as JSON, or that it fails.
fn results(world: &World, lib: &str) -> BTreeMap<String, Vec<String>> {
    let values: String = VALUES.iter().map(|(name, values)| format!("{name} = {values}; ")).collect();
    let found = world.session(|session| {
        let lib = match lib {
            "" => built_in_lib(session),
            path => session.import_absolute(path),
        };
        let lib = lib.map_err(|failure| failure.message)?;
        let mut found = BTreeMap::new();
        for (function, kinds) in CASES {
            let names: Vec<String> = (0..kinds.len()).map(|index| format!("a{index}")).collect();
            let call = format!("lib.{function} {}", names.join(" "));
            let body = kinds.iter().zip(&names).rev().fold(
                // What can't be written as JSON (a function) is told by its type.
                format!(
                    "[ (let r = {call}; t = builtins.typeOf r; in if t == \"lambda\" then t else builtins.toJSON r) ]"
                ),
                |body, (kind, name)| format!("builtins.concatMap ({name}: {body}) values.{kind}"),
            );
            let text = format!("lib: let values = {{ {values} }}; in {body}");
            let function_of = session.text(&text, function).map_err(|failure| failure.message)?;
            let called = session.call(function_of, lib).map_err(|failure| failure.message)?;
            let Shape::List(items) = session.look(called) else { return Err(format!("{function} gives no list")) };
            let shown = items.into_iter().map(|item| match session.data(item).kind {
                DataKind::String(text) => text.to_string(),
                DataKind::Failed(_) => "fails".to_owned(),
                other => format!("{other:?}"),
            });
            found.insert((*function).to_owned(), shown.collect());
        }
        Ok::<_, String>(found)
    });
    found.unwrap().unwrap()
}

#[test]
fn its_functions_give_what_those_of_nixpkgs_give() {
    let Some(lib) = std::env::var_os("NIXPKGS_LIB") else {
        println!("SKIPPED the built-in lib is not compared: NIXPKGS_LIB does not name nixpkgs' lib");
        return;
    };
    let data = MemoryTree::new([("data.json", r#"{ "a": [1, null, "x"] }"#)]).unwrap();
    let mut world = World::new(Arc::new(data), Limits::default());
    let tree = WorkTree::open(Path::new(&lib)).unwrap();
    world.mount(Mount { at: Arc::from("/nixpkgs/lib"), name: Arc::from("<nixpkgs/lib>"), tree: Arc::new(tree) });
    let (ours, theirs) = (results(&world, ""), results(&world, "/nixpkgs/lib"));
    let mut compared = 0;
    let mut different = Vec::new();
    for (function, theirs) in &theirs {
        for (index, (ours, theirs)) in ours[function].iter().zip(theirs).enumerate() {
            compared += 1;
            if ours != theirs {
                different.push(format!("{function}, case {index}: {ours} instead of {theirs}"));
            }
        }
    }
    println!("{compared} calls of {} functions compared", theirs.len());
    assert!(different.is_empty(), "{} differ:\n{}", different.len(), different.join("\n"));
}

#[test]
fn files_are_listed_by_name_with_those_of_folders_where_the_folder_is() {
    let files = [("m/b/c.nix", "1"), ("m/b/a/d.nix", "1"), ("m/a.txt", "x\n"), ("m/z.nix", "1"), ("other.nix", "1")];
    let tree = MemoryTree::new(files).unwrap();
    let world = World::new(Arc::new(tree), Limits::default());
    let shown = world.session(|session| {
        let lib = built_in_lib(session).unwrap();
        let text = "lib: root: let m = root + \"/m\"; in builtins.toJSON [
            (map (path: lib.removePrefix (toString m) (toString path)) (lib.filesystem.listFilesRecursive m))
            (lib.fileContents (m + \"/a.txt\"))
            (lib.pathIsDirectory m) (lib.pathIsRegularFile (m + \"/z.nix\")) (lib.pathIsDirectory (m + \"/no\"))
            (lib.fileContents (lib.path.append (/. + m) \"./a.txt\"))
            (map (below: toString (lib.path.append /a below)) [ \"b/c\" \"..d\" ])
            (((lib.makeExtensible (self: { a = 1; b = self.a; })).extend (final: before: { a = before.a + 1; })).b)
        ]";
        let function = session.text(text, "test").unwrap();
        let with_lib = session.call(function, lib).unwrap();
        let root = session.string(&session.absolute(&TreePath::root()));
        match session.look(session.call(with_lib, root).unwrap()) {
            Shape::String(shown) => shown,
            _ => String::new(),
        }
    });
    assert_eq!(
        shown.unwrap(),
        r#"[["/a.txt","/b/a/d.nix","/b/c.nix","/z.nix"],"x",true,true,false,"x",["/a/b/c","/a/..d"],2]"#
    );
}

#[test]
fn what_it_lacks_is_unknown_and_says_so() {
    let world = World::new(Arc::new(MemoryTree::default()), Limits::default());
    let reason = world.session(|session| {
        let lib = built_in_lib(session).unwrap();
        let function = session.text("lib: lib.strings.noSuchFunction 1", "test").unwrap();
        match session.look(session.call(function, lib).unwrap()) {
            Shape::Unknown(unknown, _) => unknown.reason.to_string(),
            _ => String::new(),
        }
    });
    assert_eq!(reason.unwrap(), "the built-in `lib` lacks `noSuchFunction`");
}

#[test]
fn it_has_every_function_that_is_compared() {
    let world = World::new(Arc::new(MemoryTree::new([("data.json", "1")]).unwrap()), Limits::default());
    for (function, results) in results(&world, "") {
        assert!(!results.is_empty(), "{function}");
        let unknown = results.iter().find(|result| result.starts_with("Unknown"));
        assert!(unknown.is_none(), "{function}: {unknown:?}");
    }
}

/// A folder is listed once, and not for each of its files: that would take memory without end.
#[test]
fn many_files_are_listed_in_little_memory() {
    let mut files: Vec<(String, String)> = (0..2_000).map(|n| (format!("all/{n}.nix"), "{ }".to_owned())).collect();
    let root = "{ lib, ... }: { count = builtins.length (lib.filesystem.listFilesRecursive ./all); }";
    files.push(("root.nix".to_owned(), root.to_owned()));
    let tree = MemoryTree::new(files).unwrap();
    let world = World::new(Arc::new(tree), Limits { memory: 32 << 20, ..Limits::default() });
    let configuration = bulkhead_modules::load(&world, &TreePath::new("root.nix").unwrap());
    assert!(configuration.problems.is_empty(), "{:?}", configuration.problems);
    assert!(matches!(configuration.definitions[0].value.kind, DataKind::Int(2_000)), "{:?}", configuration.definitions);
}

#[test]
fn what_it_has_of_nix_itself() {
    let tree = MemoryTree::new([("hosts/kif.nix", "{ }"), ("hosts/zoe.nix", "{ }")]).unwrap();
    let world = World::new(Arc::new(tree), Limits::default());
    let text = world.session(|session| {
        let lib = built_in_lib(session).unwrap();
        let hosts = session.string(&session.absolute(&TreePath::new("hosts").unwrap()));
        let function = "lib: folder: lib.toJSON { hosts = lib.readDir folder; one = lib.fromJSON \"1\"; \
                        two = lib.callPackageWith { a = 1; c = 3; } ({ a, b }: a + b) { b = 1; }; }";
        let function = session.call(session.text(function, "test").unwrap(), lib).unwrap();
        match session.look(session.call(function, hosts).unwrap()) {
            Shape::String(text) => text,
            _ => String::new(),
        }
    });
    assert_eq!(text.unwrap(), r#"{"hosts":{"kif.nix":"regular","zoe.nix":"regular"},"one":1,"two":2}"#);
}

//! What the language and its builtins make of something unknown: the tables of UNKNOWN.md hold, and so do two
//! properties on generated programs.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "differential/generate/mod.rs"]
mod generate;
mod tables;

use std::collections::BTreeSet;
use std::fmt::Write;

use bulkhead_eval::Limits;
use bulkhead_eval::data::{Data, DataKind, FailureKind};
use bulkhead_source::TreePath;
use bulkhead_syntax::{Ast, AttrValue, Expr, ExprId};

use generate::Generator;
use tables::unknown::{PLACES, VALUES};

/// What is specified.
const TABLES: &str = include_str!("../UNKNOWN.md");

/// The lines of all tables: an expression and what it is.
fn cases() -> impl Iterator<Item = (String, String)> {
    let code = |cell: &str| cell.trim().strip_prefix('`')?.strip_suffix('`').map(|code| code.replace('\u{1}', "|"));
    TABLES.lines().filter_map(move |line| {
        let line = line.strip_prefix('|')?.strip_suffix('|')?.replace("\\|", "\u{1}");
        let (expression, value) = line.split_once('|')?;
        Some((code(expression)?, code(value)?))
    })
}

#[test]
fn the_tables_hold() {
    common::large(|| {
        let mut wrong = Vec::new();
        for (text, expected) in cases() {
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
            if short != expected {
                wrong.push(format!("{text}\n  expected {expected}\n  found    {short}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

#[test]
fn the_tables_name_every_builtin() {
    let functions =
        "builtins.filter (n: n != \"currentTime\" && builtins.isFunction builtins.${n}) (builtins.attrNames builtins)";
    let names = common::print(&format!("builtins.concatStringsSep \" \" ({functions})")).unwrap();
    let words: BTreeSet<String> = cases()
        .flat_map(|(text, _)| {
            let word = |c: char| !(c.is_ascii_alphanumeric() || c == '\'' || c == '_');
            text.split(word).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let missing: Vec<&str> = names.trim_matches('"').split(' ').filter(|name| !words.contains(*name)).collect();
    assert!(missing.is_empty(), "UNKNOWN.md does not say what these do: {missing:?}");
}

/// What is known where `u` is unknown holds for everything that `u` may be.
#[test]
fn the_unknown_may_be_anything() {
    let value_of = |u: &str, text: &str| {
        // On lines of their own, so that places don't depend on them.
        let whole = format!("let u =\n{u}\n; o = u // {{ k = 1; }}; in\n{text}");
        let files = [
            ("main.nix", &*whole),
            ("a.nix", "{ a = 1; }"),
            ("sub/a.nix", "2"),
            ("scoped.nix", "[ (a or null) ]"),
            ("past.nix", "u: builtins.seq u 1"),
            ("u.nix", u),
            ("cached.nix", "builtins.seq (import ./u.nix) 1"),
        ];
        // Some of them never come to an end.
        let limits = Limits { steps: 1_000_000, ..Limits::default() };
        common::world_with(&files, limits).evaluate(&TreePath::new("main.nix").unwrap())
    };
    common::large(|| {
        let mut wrong = Vec::new();
        let specified: Vec<String> = cases().map(|(text, _)| text).collect();
        for text in PLACES.iter().copied().chain(specified.iter().map(String::as_str)) {
            let partial = value_of("__getEnv \"U\"", text);
            for u in VALUES {
                if let Some(why) = contradiction(&partial, &value_of(u, text), "it") {
                    wrong.push(format!("{text}\n  with u = {u}: {why}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}

/// How a value that is partly unknown contradicts the value that it stands for.
fn contradiction(partial: &Data, full: &Data, path: &str) -> Option<String> {
    match (&partial.kind, &full.kind) {
        // What fails has no value that anything could differ from.
        (DataKind::Unknown(_), _) | (_, DataKind::Failed(_)) => None,
        (DataKind::List(some), DataKind::List(all)) if some.len() == all.len() => {
            let mut items = some.iter().zip(all).enumerate();
            items.find_map(|(index, (some, all))| contradiction(some, all, &format!("{path}.{index}")))
        }
        (DataKind::Attrs(some), DataKind::Attrs(all)) => {
            if some.open.is_none() && all.attrs.keys().any(|name| !some.attrs.contains_key(name)) {
                return Some(format!("{path}: attributes are missing, but the set is not open"));
            }
            some.attrs.iter().find_map(|(name, field)| match all.attrs.get(name) {
                None => Some(format!("{path}.{name}: there is no such attribute")),
                Some(other) => contradiction(&field.value, &other.value, &format!("{path}.{name}")),
            })
        }
        // A derivation is data as its path, and an open set may be one.
        (DataKind::Attrs(some), DataKind::String(_)) if some.open.is_some() => None,
        (some, all) if some == all => None,
        (some, all) => Some(format!("{path}: {some:?} is not {all:?}")),
    }
}

/// Expressions that may be replaced by another one in parentheses without changing what the rest means.
fn replaceable(ast: &Ast) -> Vec<ExprId> {
    let mut inherited = BTreeSet::new();
    for expr in &ast.exprs {
        if let Expr::Attrs(set) | Expr::Let { bindings: set, .. } = expr {
            inherited.extend(set.attrs.iter().filter_map(|attr| match attr.value {
                AttrValue::Inherit(id) => Some(id),
                _ => None,
            }));
        }
    }
    (0..ast.exprs.len() as u32).map(ExprId).filter(|id| !inherited.contains(id)).collect()
}

/// Whatever sub-expression of a program is unknown, what is still known is right.
#[test]
fn what_is_known_is_right() {
    let programs = std::env::var("BULKHEAD_FUZZ_EXPRESSIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(300);
    let seed = std::env::var("BULKHEAD_FUZZ_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    common::large(|| {
        let mut generator = Generator::new(seed);
        let (mut tried, mut known) = (0, 0);
        for _ in 0..programs {
            let text = generator.expression();
            let full = common::evaluate(&[("a.nix", &text)], "a.nix");
            // The generator spoils a few on purpose.
            let Ok(ast) = bulkhead_syntax::parse(&text) else { continue };
            let places = replaceable(&ast);
            for id in places.iter().step_by(1 + places.len() / 12) {
                let span = ast.span(*id);
                let (start, end) = (span.start as usize, span.end as usize);
                let changed = format!("{}(__getEnv \"U\"){}", &text[..start], &text[end..]);
                if bulkhead_syntax::parse(&changed).is_err() {
                    continue;
                }
                let partial = common::evaluate(&[("a.nix", &changed)], "a.nix");
                if let Some(why) = contradiction(&partial, &full, "") {
                    panic!("{why}\n{text}\nwith unknown at {start}..{end}:\n{changed}");
                }
                tried += 1;
                known += usize::from(!matches!(partial.kind, DataKind::Unknown(_)));
            }
        }
        assert!(tried > programs && known > tried / 10, "{known} of {tried} were known");
    });
}

/// A value as a module writes it down.
enum Written {
    /// A literal, which stays known.
    Literal(String, DataKind),
    /// What needs something unknown.
    Needs(&'static str),
    List(Vec<Written>),
    Set(Vec<(String, Written)>),
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn written(random: &mut Random, depth: u32) -> Written {
    const UNKNOWN: [&str; 6] = [
        "config.networking.hostName",
        "pkgs.hello",
        "\"${pkgs.git}/bin/git\"",
        "(if config.a.b then 1 else 2)",
        "inputs.nixpkgs.lib.version",
        "(map (x: x.name) config.users)",
    ];
    match random.below(if depth == 0 { 4 } else { 7 }) {
        0 => {
            let number = random.below(1000) as i64;
            Written::Literal(number.to_string(), DataKind::Int(number))
        }
        1 => {
            let text = format!("text-{}", random.below(1000));
            Written::Literal(format!("\"{text}\""), DataKind::String(text.into()))
        }
        2 => Written::Literal("true".to_owned(), DataKind::Bool(true)),
        3 => Written::Needs(UNKNOWN[random.below(6) as usize]),
        4 => Written::List((0..random.below(4)).map(|_| written(random, depth - 1)).collect()),
        _ => Written::Set((0..random.below(5)).map(|i| (format!("name{i}"), written(random, depth - 1))).collect()),
    }
}

impl Written {
    fn write(&self, out: &mut String) {
        match self {
            Written::Literal(text, _) => out.push_str(text),
            Written::Needs(text) => out.push_str(text),
            Written::List(items) => {
                out.push_str("[ ");
                for item in items {
                    item.write(out);
                    out.push(' ');
                }
                out.push(']');
            }
            Written::Set(attrs) => {
                out.push_str("{ ");
                for (name, value) in attrs {
                    let _ = write!(out, "{name} = ");
                    value.write(out);
                    out.push_str("; ");
                }
                out.push('}');
            }
        }
    }

    fn check(&self, found: &Data, text: &str) {
        match (self, &found.kind) {
            (Written::Literal(_, expected), found) => assert_eq!(expected, found, "{text}"),
            (Written::Needs(_), DataKind::Unknown(_)) => {}
            (Written::List(items), DataKind::List(found)) => {
                assert_eq!(items.len(), found.len(), "{text}");
                items.iter().zip(found).for_each(|(item, found)| item.check(found, text));
            }
            (Written::Set(attrs), DataKind::Attrs(found)) => {
                assert!(found.open.is_none() && found.attrs.len() == attrs.len(), "{text}");
                attrs.iter().for_each(|(name, value)| value.check(&found.attrs[name.as_str()].value, text));
            }
            (_, found) => panic!("{found:?}\n{text}"),
        }
    }
}

/// A module of which nobody knows the arguments keeps everything that it writes down.
#[test]
fn what_is_written_stays_known() {
    common::large(|| {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for _ in 0..300 {
            let module = Written::Set((0..4).map(|i| (format!("part{i}"), written(&mut random, 4))).collect());
            let mut text = "{ config, pkgs, inputs, lib, ... }@args:\nlet own = config.own; in\n".to_owned();
            module.write(&mut text);
            let call =
                "let u = builtins.getEnv \"U\"; in import ./module.nix { config = u; pkgs = u; inputs = u; lib = u; }";
            for call in [call, "import ./module.nix (builtins.getEnv \"U\")"] {
                let found = common::evaluate(&[("module.nix", &text), ("main.nix", call)], "main.nix");
                module.check(&found, &text);
            }
        }
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

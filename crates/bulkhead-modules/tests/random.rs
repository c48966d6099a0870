//! Made-up trees of modules, some of whose conditions and values are not known: whatever is called known is what Nix
//! computes, whatever the rest may be. Set `NIXPKGS_LIB` to compare, and `TREES` for another number of trees than 60, and `SEED` for the first of
//! their numbers.

#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Lib, compare, load_in, value_json};
use serde_json::Value;

/// Small and good enough to pick: xorshift of George Marsaglia, with the shifts 13, 7 and 17.
struct Random(u64);

impl Random {
    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % count as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// What the values of an option are.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Int,
    Bool,
    Text,
    NullOr,
    List,
    Lines,
    Set,
    Users,
    Enum,
    Either,
    Anything,
    Coerced,
    Lazy,
    Nested,
    OneOf,
    Free,
    Jobs,
    Maybe,
    Colon,
    Small,
    Deep,
    Unique,
    Raw,
    Texts,
    EitherUser,
}

const KINDS: &[Kind] = &[
    Kind::Int,
    Kind::Bool,
    Kind::Text,
    Kind::NullOr,
    Kind::List,
    Kind::Lines,
    Kind::Set,
    Kind::Users,
    Kind::Enum,
    Kind::Either,
    Kind::Anything,
    Kind::Coerced,
    Kind::Lazy,
    Kind::Nested,
    Kind::OneOf,
    Kind::Free,
    Kind::Jobs,
    Kind::Maybe,
    Kind::Colon,
    Kind::Small,
    Kind::Deep,
    Kind::Unique,
    Kind::Raw,
    Kind::Texts,
    Kind::EitherUser,
];

impl Kind {
    fn declared(self) -> &'static str {
        match self {
            Kind::Int => "types.int",
            Kind::Bool => "types.bool",
            Kind::Text => "types.str",
            Kind::NullOr => "types.nullOr types.int",
            Kind::List => "types.listOf types.int",
            Kind::Lines => "types.lines",
            Kind::Set => "types.attrsOf types.int",
            Kind::Users => "types.attrsOf (types.submodule user)",
            Kind::Enum => "types.enum [ \"low\" \"high\" ]",
            Kind::Either => "types.either types.int (types.listOf types.int)",
            Kind::Anything => "types.anything",
            Kind::Coerced => "types.coercedTo types.int (n: [ n ]) (types.listOf types.int)",
            Kind::Lazy => "types.lazyAttrsOf types.int",
            Kind::Nested => "types.attrsOf (types.attrsOf types.int)",
            Kind::OneOf => "types.oneOf [ types.bool types.int (types.listOf types.int) ]",
            Kind::Free => "types.submodule free",
            Kind::Jobs => "types.listOf (types.submodule user)",
            Kind::Maybe => "types.nullOr (types.submodule user)",
            Kind::Colon => "types.separatedString \":\"",
            Kind::Small => "types.ints.between 0 2",
            Kind::Deep => "types.attrsOf (types.submodule deep)",
            Kind::Unique => "types.uniq types.int",
            Kind::Raw => "types.raw",
            Kind::Texts => "types.listOf (types.coercedTo types.int toString types.str)",
            Kind::EitherUser => "types.either types.int (types.submodule user)",
        }
    }
}

/// What is hidden from Bulkhead, and what it is for Nix.
const HIDDEN: &str =
    "{ yes = true; no = false; n = 7; s = \"hidden\"; l = [ 8 9 ]; set = { x = 1; k = 2; }; nothing = null; }";

const USER: &str = "user = { name, config, ... }: { options = { \
    uid = mkOption { type = types.int; default = 1; }; \
    tags = mkOption { type = types.listOf types.int; default = [ config.uid ]; }; \
    home = mkOption { type = types.str; default = \"/home/${name}\"; }; }; \
    config.tags = lib.mkIf (config.uid > 5) [ 100 ]; };
  free = { config, ... }: { freeformType = types.attrsOf types.int; \
    options.a = mkOption { type = types.int; default = 0; }; \
    options.sum = mkOption { type = types.int; default = config.a + (config.k or 0); }; };
  deep = { options.inner = mkOption { type = types.attrsOf (types.submodule user); default = { }; }; \
    options.on = mkOption { type = types.bool; default = false; }; };";

/// The path of an option.
fn path(index: usize) -> String {
    if index % 3 == 2 { format!("set.inner.o{index}") } else { format!("o{index}") }
}

struct Tree {
    random: Random,
    kinds: Vec<Kind>,
}

impl Tree {
    fn text(seed: u64) -> String {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..4 {
            random.below(2);
        }
        let count = 4 + random.below(6);
        let kinds = (0..count).map(|_| KINDS[random.below(KINDS.len())]).collect();
        let mut tree = Tree { random, kinds };
        let modules = tree.random.below(4);
        let mut imports = String::new();
        for index in 0..modules {
            let config = tree.config();
            let module = match tree.random.below(4) {
                0 => format!("({{ config, lib, hidden, ... }}: {{ config = {config}; }})"),
                _ => format!("{{ config = {config}; }}"),
            };
            let _ = match tree.random.below(8) {
                5 => {
                    let _ = write!(imports, " ++ [ {{ key = \"d{index}\"; config = {config}; }} ]");
                    let at = tree.random.below(3);
                    let list = [
                        format!("[ {{ key = \"d{index}\"; }} ]"),
                        format!("(lib.optional hidden.yes {{ key = \"d{index}\"; }})"),
                        format!("(lib.optional hidden.no {{ key = \"d{index}\"; }})"),
                    ];
                    write!(imports, " ++ [ {{ disabledModules = {}; }} ]", list[at])
                }
                6 => write!(imports, " ++ [ {{ key = \"same\"; config = {config}; }} ]"),
                0 => write!(imports, " ++ lib.optional hidden.{} {module}", tree.random.pick(&["yes", "no"])),
                1 => write!(imports, " ++ (if hidden.yes then [ {module} ] else [ {{ key = \"m{index}\"; }} ])"),
                _ => write!(imports, " ++ [ {module} ]"),
            };
        }
        let mut options = String::new();
        for (index, kind) in tree.kinds.clone().into_iter().enumerate() {
            let default = match tree.random.below(3) {
                0 => String::new(),
                _ => format!("default = {};", tree.expression(kind, index, 0)),
            };
            let apply = match (kind, tree.random.below(6)) {
                (Kind::Int, 0) => "apply = n: n + 1;",
                (Kind::List, 0) => "apply = lib.unique;",
                _ => "",
            };
            let path = path(index);
            if matches!(kind, Kind::Users | Kind::Int | Kind::Set) && tree.random.below(5) == 0 {
                let more = match kind {
                    Kind::Users => {
                        "types.attrsOf (types.submodule { options.more = mkOption { type = types.int; default = 4; }; })"
                    }
                    kind => kind.declared(),
                };
                let _ = write!(imports, " ++ [ {{ options.{path} = mkOption {{ type = {more}; }}; }} ]");
            }
            let _ = writeln!(options, "    {path} = mkOption {{ type = {}; {default} {apply} }};", kind.declared());
        }
        let config = tree.config();
        format!(
            "{{ config, lib, hidden, ... }}:\nlet\n  inherit (lib) mkOption types;\n  {USER}\nin\n{{\n  imports = [ ]{imports};\n  options = {{\n{options}  }};\n  config = {config};\n}}\n"
        )
    }

    fn config(&mut self) -> String {
        let mut parts = String::new();
        for _ in 0..1 + self.random.below(4) {
            let index = self.random.below(self.kinds.len());
            let value = self.definition(self.kinds[index], index);
            let body = format!("{{ {} = {value}; }}", path(index));
            let body = match self.random.below(6) {
                0 => format!("(lib.mkIf {} {body})", self.condition(index, 0)),
                1 => format!("(lib.optionalAttrs hidden.{} {body})", self.random.pick(&["yes", "no"])),
                2 => format!("(if hidden.no then {{ }} else {body})"),
                _ => body,
            };
            let _ = write!(parts, " {body}");
        }
        format!("lib.mkMerge [{parts} ]")
    }

    fn definition(&mut self, kind: Kind, index: usize) -> String {
        // Now and then one of another type.
        let written = if self.random.below(40) == 0 { KINDS[self.random.below(KINDS.len())] } else { kind };
        let value = self.expression(written, index, 0);
        let ordered = matches!(kind, Kind::List | Kind::Lines | Kind::Colon | Kind::Jobs | Kind::Texts);
        match self.random.below(14) {
            9 => format!("lib.mkOverride {} {value}", self.random.pick(&["10", "50", "100", "900", "1500"])),
            10 if ordered => format!("lib.mkOrder {} {value}", self.random.pick(&["1", "500", "1000", "1499", "2000"])),
            11 => format!(
                "lib.mkIf {} (lib.mkMerge [ (lib.mkDefault {value}) (lib.mkIf {} (lib.mkForce {})) ])",
                self.condition(index, 0),
                self.condition(index, 1),
                self.expression(kind, index, 1)
            ),
            12 if ordered => format!("lib.mkForce (lib.mkAfter {value})"),
            0 => format!("lib.mkIf {} {value}", self.condition(index, 0)),
            1 => format!("lib.mkForce {value}"),
            2 => format!("lib.mkDefault {value}"),
            3 if ordered => format!("lib.mkBefore {value}"),
            4 if ordered => format!("lib.mkAfter {value}"),
            5 => format!(
                "lib.mkMerge [ {value} (lib.mkIf {} {}) ]",
                self.condition(index, 0),
                self.expression(kind, index, 1)
            ),
            6 => format!("lib.mkIf hidden.{} (lib.mkForce {value})", self.random.pick(&["yes", "no"])),
            _ => value,
        }
    }

    /// An earlier option of a kind, as an expression.
    fn earlier(&mut self, kind: Kind, index: usize) -> Option<String> {
        let all: Vec<usize> = (0..index).filter(|index| self.kinds[*index] == kind).collect();
        if all.is_empty() {
            return None;
        }
        let picked = all[self.random.below(all.len())];
        Some(format!("config.{}", path(picked)))
    }

    fn condition(&mut self, index: usize, depth: usize) -> String {
        match self.random.below(if depth > 2 { 3 } else { 8 }) {
            0 => self.random.pick(&["true", "false"]).to_owned(),
            1 => format!("hidden.{}", self.random.pick(&["yes", "no"])),
            2 | 3 => self.earlier(Kind::Bool, index).unwrap_or_else(|| "true".to_owned()),
            4 => format!("(!{})", self.condition(index, depth + 1)),
            5 => format!("({} && {})", self.condition(index, depth + 1), self.condition(index, depth + 1)),
            6 => format!("({} || {})", self.condition(index, depth + 1), self.condition(index, depth + 1)),
            _ => match self.earlier(Kind::Int, index) {
                Some(number) => format!("({number} > 2)"),
                None => "true".to_owned(),
            },
        }
    }

    fn expression(&mut self, kind: Kind, index: usize, depth: usize) -> String {
        if depth < 3 {
            match self.random.below(7) {
                0 => {
                    if let Some(earlier) = self.earlier(kind, index) {
                        return earlier;
                    }
                }
                1 => {
                    return format!(
                        "(if {} then {} else {})",
                        self.condition(index, 0),
                        self.expression(kind, index, depth + 1),
                        self.expression(kind, index, depth + 1)
                    );
                }
                _ => {}
            }
        }
        let number = self.random.below(4).to_string();
        let is_hidden = self.random.below(8) == 0;
        match kind {
            Kind::Int if is_hidden => "hidden.n".to_owned(),
            Kind::Int | Kind::Either | Kind::Coerced | Kind::OneOf | Kind::EitherUser if self.random.below(3) > 0 => {
                number
            }
            Kind::Int | Kind::Small | Kind::Unique | Kind::Raw => number,
            Kind::OneOf if self.random.below(2) > 0 => self.random.pick(&["true", "false"]).to_owned(),
            Kind::Bool if is_hidden => "hidden.yes".to_owned(),
            Kind::Bool => self.random.pick(&["true", "false"]).to_owned(),
            Kind::Text | Kind::Lines | Kind::Colon if is_hidden => "hidden.s".to_owned(),
            Kind::Text | Kind::Lines | Kind::Colon => format!("\"{}\"", self.random.pick(&["a", "b", "c d"])),
            Kind::NullOr if is_hidden => "hidden.nothing".to_owned(),
            Kind::NullOr => {
                if self.random.below(3) == 0 {
                    "null".to_owned()
                } else {
                    number
                }
            }
            Kind::List | Kind::Either | Kind::Coerced | Kind::OneOf if is_hidden => "hidden.l".to_owned(),
            Kind::List | Kind::Either | Kind::Coerced | Kind::OneOf => match self.random.below(3) {
                0 => "[ ]".to_owned(),
                1 => format!("([ {number} ] ++ lib.optional {} 5)", self.condition(index, 1)),
                _ => format!("[ {number} 6 ]"),
            },
            Kind::Enum => self.random.pick(&["\"low\"", "\"high\""]).to_owned(),
            Kind::Set | Kind::Anything | Kind::Lazy | Kind::Free if is_hidden => "hidden.set".to_owned(),
            Kind::Set | Kind::Anything | Kind::Lazy | Kind::Free => match self.random.below(5) {
                0 => "{ }".to_owned(),
                1 => format!("{{ k = lib.mkForce {number}; }}"),
                2 => format!("({{ a = {number}; }} // lib.optionalAttrs {} {{ b = 2; }})", self.condition(index, 1)),
                3 => format!("{{ k = lib.mkIf {} {number}; j = 1; }}", self.condition(index, 1)),
                _ => format!("{{ a = {number}; k = 3; }}"),
            },
            Kind::Nested => format!("{{ s = {}; }}", self.definition(Kind::Set, index)),
            Kind::Texts => format!("[ {number} \"{}\" ]", self.random.pick(&["a", "b"])),
            Kind::Deep => match self.random.below(3) {
                0 => format!("{{ g.inner = {}; }}", self.definition(Kind::Users, index)),
                1 => format!("{{ g.on = {}; h = {{ }}; }}", self.expression(Kind::Bool, index, depth + 1)),
                _ => format!("{{ g = {{ config, ... }}: {{ inner.cat.uid = if config.on then {number} else 8; }}; }}"),
            },
            Kind::Jobs => match self.random.below(3) {
                0 => "[ ]".to_owned(),
                1 => format!("[ {{ uid = {}; }} ]", self.expression(Kind::Int, index, depth + 1)),
                _ => format!("[ {{ tags = [ {number} ]; home = \"/\"; }} {{ }} ]"),
            },
            Kind::Maybe | Kind::EitherUser => match self.random.below(4) {
                0 if kind == Kind::Maybe => "null".to_owned(),
                0 | 1 => format!("{{ uid = {}; home = \"/\"; }}", self.expression(Kind::Int, index, depth + 1)),
                2 => format!("{{ tags = lib.mkForce [ {number} ]; }}"),
                _ => format!("(lib.mkIf {} {{ uid = 9; }})", self.condition(index, 1)),
            },
            Kind::Users => match self.random.below(4) {
                0 => "{ ann = { }; }".to_owned(),
                1 => format!("{{ ann.uid = {}; }}", self.expression(Kind::Int, index, depth + 1)),
                2 => format!("{{ bob = {{ name, ... }}: {{ home = \"/srv/${{name}}\"; tags = [ {number} ]; }}; }}"),
                _ => format!("{{ ann = lib.mkIf {} {{ uid = 9; }}; }}", self.condition(index, 1)),
            },
        }
    }
}

#[test]
fn what_is_known_of_made_up_trees_is_what_nix_computes() {
    let Some(nixpkgs) = common::nixpkgs_lib() else { return };
    let count: u64 = std::env::var("TREES").ok().and_then(|count| count.parse().ok()).unwrap_or(60);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("random-trees");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let first: u64 = std::env::var("SEED").ok().and_then(|first| first.parse().ok()).unwrap_or(0);
    let seeds: Vec<u64> = (first..first + count).collect();
    for &seed in &seeds {
        fs::write(folder.join(format!("{seed}.nix")), Tree::text(seed)).unwrap();
    }
    let theirs = evaluated(&nixpkgs, &folder, &seeds);
    let (mut known, mut unknown) = (0, 0);
    let mut wrong = Vec::new();
    for (seed, theirs) in seeds.iter().zip(&theirs) {
        for lib in [Lib::BuiltIn, Lib::Nixpkgs] {
            let found = load_in(&folder, &format!("{seed}.nix"), lib);
            let comparison = compare(&value_json(found.config.as_ref().unwrap()), theirs);
            // Two definitions must be the same if both hold: whether that which is hidden holds, Nix alone knows.
            let text = fs::read_to_string(folder.join(format!("{seed}.nix"))).unwrap();
            let different = comparison.different.into_iter();
            let is_told_by_nix_alone = text.contains("hidden.") || reads_what_fails(&text, theirs);
            let different = different.filter(|what| !(is_told_by_nix_alone && what.ends_with(", where Nix fails")));
            wrong.extend(different.map(|what| format!("{seed}.nix with {lib:?}: {what}")));
            known += comparison.known;
            unknown += comparison.unknown.len();
        }
    }
    println!("{count} trees: {known} parts known and the same, {unknown} not known");
    assert!(wrong.is_empty(), "{} differ in {}:\n{}", wrong.len(), folder.display(), wrong.join("\n"));
    assert!(known > unknown, "{known} {unknown}");
    fs::remove_dir_all(&folder).unwrap();
}

/// Whether an option that fails is read by others, which then fail with it.
fn reads_what_fails(text: &str, theirs: &Value) -> bool {
    (0..10).any(|index| {
        let (name, path) = (format!("o{index}"), path(index));
        let value = if path == name { &theirs[&name] } else { &theirs["set"]["inner"][&name] };
        value == common::FAILS && text.contains(&format!("config.{path}"))
    })
}

/// The merged `config` of each tree; null where Nix can't go on.
fn evaluated(nixpkgs: &Path, folder: &Path, seeds: &[u64]) -> Vec<Value> {
    let files: Vec<PathBuf> = seeds.iter().map(|seed| folder.join(format!("{seed}.nix"))).collect();
    let list: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let text = format!(
        "let lib = import {}; show = {}; in map (file: show (builtins.removeAttrs (lib.evalModules {{ \
         modules = [ file ]; specialArgs.hidden = {HIDDEN}; }}).config [ \"_module\" ])) [ {} ]",
        nixpkgs.display(),
        common::SHOW,
        list.join(" ")
    );
    let output = Command::new("nix-instantiate").args(["--eval", "--strict", "--json", "-E", &text]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

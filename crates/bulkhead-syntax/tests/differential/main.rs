//! Our trees beside those of the installed Nix (`nix-instantiate --parse`). Without Nix these tests say that they are
//! skipped.
//!
//! Nix writes the tree of an expression as Nix, desugared and with all its parentheses. Reading that must give the tree
//! that the expression itself gives, in the normal form of [`dump`].
//!
//! `BULKHEAD_PARSE_EXPRESSIONS=100000 cargo test -p bulkhead-syntax --test differential` compares that many random
//! expressions, and a tenth as many spoiled ones; `BULKHEAD_PARSE_SEED` chooses which; `BULKHEAD_PARSE_FOLDER` names
//! another folder than this repository for the test of files.
#![allow(clippy::unwrap_used)]

mod dump;
mod generate;
mod nix;
#[path = "../tables/mod.rs"]
mod tables;

use std::path::{Path, PathBuf};

use bulkhead_syntax::{Ast, SyntaxError, parse};
use dump::Names;
use generate::Generator;

/// Expressions of the tables that Nix 2.8, the version that Debian has, refuses although its successors accept them.
const NOT_IN_2_8: &[&str] = &[
    // Sets were merged, but not the sets in them.
    "{ a = { b.c = 1; }; a = { b.d = 2; }; }",
];

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn installed() -> bool {
    if nix::version().is_some() {
        return true;
    }
    println!("SKIPPED: nix-instantiate is not installed");
    false
}

/// What paths are read against.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).canonicalize().unwrap()
}

/// What differs, and how many texts both sides accept.
#[derive(Default)]
struct Comparison {
    differences: Vec<String>,
    accepted: usize,
    /// How many of these Nix writes so that they can't be compared.
    ambiguous: usize,
    /// How many of these are the same but for computed names that Nix 2.8 takes for others or forgets.
    overlooked: usize,
}

impl Comparison {
    /// Compare expressions, with few runs of Nix for those that are accepted.
    fn add(&mut self, texts: &[String], folder: &Path) {
        let (mut good, mut ambiguous) = (Vec::new(), Vec::new());
        for text in texts {
            // Nix refuses pipe operators unless a feature is on.
            match parse(text).and_then(Ast::without_pipe_operators) {
                Ok(ast) if dump::is_ambiguous(&ast) => ambiguous.push((text.as_str(), ast)),
                Ok(ast) => good.push((text.as_str(), ast)),
                Err(errors) => self.refused(text, &errors, folder),
            }
        }
        self.ambiguous += ambiguous.len();
        self.accepted(&good, folder, true);
        self.accepted(&ambiguous, folder, false);
    }

    /// A text that we refuse: Nix must refuse it too. `with` keeps it from asking for variables.
    fn refused(&mut self, text: &str, errors: &[SyntaxError], folder: &Path) {
        let message = &errors[0].message;
        if let Ok(theirs) = nix::parse(&format!("with {{ }}; {text}"), folder) {
            self.differences.push(format!("{text}\n  ours refuses: {message}\n  Nix:  {theirs}"));
        }
    }

    /// Texts that we accept: Nix must accept them too, and see the same trees if these are to be compared.
    fn accepted(&mut self, texts: &[(&str, Ast)], folder: &Path, compare: bool) {
        if texts.is_empty() {
            return;
        }
        let mut list = "with { }; [\n".to_owned();
        for (text, _) in texts {
            list.push_str(&format!("({text}\n)\n"));
        }
        list.push(']');
        let printed = match nix::parse(&list, folder) {
            Ok(printed) => printed,
            Err(message) => {
                if let [(text, _)] = texts {
                    self.differences.push(format!("{text}\n  ours accepts\n  Nix refuses: {message}"));
                } else {
                    let (left, right) = texts.split_at(texts.len() / 2);
                    self.accepted(left, folder, compare);
                    self.accepted(right, folder, compare);
                }
                return;
            }
        };
        self.accepted += texts.len();
        if !compare {
            return;
        }
        let tree = match parse(&printed) {
            Ok(tree) => tree,
            Err(errors) => {
                let error = &errors[0];
                let from = printed[..error.span.start as usize].char_indices().rev().nth(200).map_or(0, |(at, _)| at);
                let near: String = printed[from..].chars().take(400).collect();
                self.differences.push(format!("what Nix writes is refused: {}\n  near {near}", error.message));
                return;
            }
        };
        let theirs = dump::elements(&tree, folder, Names::Strict);
        assert_eq!(theirs.len(), texts.len(), "Nix sees another number of expressions in\n{list}");
        for (index, ((text, ast), theirs)) in texts.iter().zip(theirs).enumerate() {
            let ours = dump::whole(ast, folder);
            if ours == theirs {
                continue;
            }
            let is_same = |names| dump::lenient(ast, folder, names) == dump::elements(&tree, folder, names)[index];
            if is_same(Names::Known) || is_same(Names::Forgotten) {
                self.overlooked += 1;
            } else {
                self.differences.push(format!("{text}\n  ours: {ours}\n  Nix:  {theirs}"));
            }
        }
    }

    #[track_caller]
    fn check(&self) {
        let shown = &self.differences[..self.differences.len().min(20)];
        assert!(shown.is_empty(), "{} differ:\n{}", self.differences.len(), shown.join("\n\n"));
        let Comparison { accepted, overlooked, .. } = self;
        assert!(overlooked * 100 <= *accepted, "{overlooked} of {accepted} differ in computed names");
    }
}

#[test]
fn the_expressions_of_the_tables() {
    if !installed() {
        return;
    }
    let texts = tables::ALL.iter().flat_map(|table| table.iter()).map(|(text, _)| *text);
    let texts: Vec<String> = texts.filter(|text| !NOT_IN_2_8.contains(text)).map(str::to_owned).collect();
    let mut comparison = Comparison::default();
    comparison.add(&texts, &folder());
    comparison.check();
    assert_eq!(comparison.accepted, texts.len());
    // Both refuse these.
    let texts: Vec<String> = tables::PIPE_OPERATORS.iter().map(|(text, _)| (*text).to_owned()).collect();
    let mut comparison = Comparison::default();
    comparison.add(&texts, &folder());
    comparison.check();
    assert_eq!(comparison.accepted, 0);
}

#[test]
fn random_expressions() {
    if !installed() {
        return;
    }
    let count = number("BULKHEAD_PARSE_EXPRESSIONS").unwrap_or(5_000) as usize;
    let mut generator = Generator::new(number("BULKHEAD_PARSE_SEED").unwrap_or(1));
    let mut comparison = Comparison::default();
    let mut done = 0;
    while done < count && comparison.differences.len() < 20 {
        let expression = |generator: &mut Generator| {
            let pieces = generator.expression();
            generator.print(&pieces)
        };
        let batch: Vec<String> = (0..500.min(count - done)).map(|_| expression(&mut generator)).collect();
        done += batch.len();
        comparison.add(&batch, &folder());
    }
    comparison.check();
    let accepted = comparison.accepted - comparison.ambiguous;
    assert!(accepted * 100 >= done * 97, "only {accepted} of {done} expressions are well-formed");
}

#[test]
fn spoiled_expressions() {
    if !installed() {
        return;
    }
    let count = number("BULKHEAD_PARSE_EXPRESSIONS").unwrap_or(5_000) as usize / 10;
    let mut generator = Generator::new(number("BULKHEAD_PARSE_SEED").unwrap_or(1) ^ 0x5eed);
    let mut comparison = Comparison::default();
    let mut done = 0;
    while done < count && comparison.differences.len() < 20 {
        let spoiled = |generator: &mut Generator| {
            let mut pieces = generator.expression();
            generator.mutate(&mut pieces);
            generator.print(&pieces)
        };
        let batch: Vec<String> = (0..100.min(count - done)).map(|_| spoiled(&mut generator)).collect();
        done += batch.len();
        comparison.add(&batch, &folder());
    }
    comparison.check();
    let refused = done - comparison.accepted;
    assert!(refused * 10 >= done && comparison.accepted * 20 >= done, "{refused} of {done} are refused");
}

/// Every Nix file of this repository, or of another folder.
#[test]
fn files() {
    if !installed() {
        return;
    }
    let root = std::env::var("BULKHEAD_PARSE_FOLDER")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), PathBuf::from);
    let (mut folders, mut files) = (vec![root.canonicalize().unwrap()], 0);
    let mut comparison = Comparison::default();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() && !path.ends_with(".git") && !path.join("CACHEDIR.TAG").exists() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "nix")
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                files += 1;
                let before = comparison.differences.len();
                comparison.add(&[text], &folder);
                for difference in &mut comparison.differences[before..] {
                    difference.insert_str(0, &format!("{}\n", path.display()));
                }
            }
        }
    }
    let Comparison { accepted, ambiguous, differences, .. } = &comparison;
    println!("{accepted} of {files} files accepted, {ambiguous} not compared, {} differ", differences.len());
    comparison.check();
    assert!(comparison.accepted > 0, "no file of {} is accepted", root.display());
}

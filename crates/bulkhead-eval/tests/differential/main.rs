//! The evaluator beside the installed Nix, value for value. Without Nix these tests say that they are skipped.
//!
//! `BULKHEAD_FUZZ_EXPRESSIONS=100000 cargo test -p bulkhead-eval --release --test differential` compares that many random
//! expressions; `BULKHEAD_FUZZ_SEED` chooses which.

#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
mod generate;
mod nix;

use generate::Generator;

/// Where Nix 2.8, the version that Debian has, is known to differ from the versions that are followed here (2.18 and
/// later): a part of our message or of the expression, and why.
const DIFFERENCES: &[(&str, &str)] = &[
    ("integer overflow", "before 2.25 integers wrap around"),
    ("not in the range of integers", "before 2.25 the result is what C++ makes of it: undefined"),
    ("outside of Nix integer range", "before 2.25 integers wrap around"),
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

/// Compare expressions: the differences, as text.
fn compare(expressions: &[String]) -> Vec<String> {
    let ours: Vec<Result<String, String>> = expressions.iter().map(|text| common::print(text)).collect();
    let good: Vec<&str> =
        expressions.iter().zip(&ours).filter(|(_, ours)| ours.is_ok()).map(|(e, _)| e.as_str()).collect();
    let mut theirs = if good.is_empty() { Vec::new() } else { nix::print_all(&good) }.into_iter();
    let mut differences = Vec::new();
    for (expression, ours) in expressions.iter().zip(&ours) {
        match ours {
            Ok(ours) => match theirs.next().flatten() {
                Some(theirs) if theirs == *ours => {}
                Some(theirs) => differences.push(format!("{expression}\n  ours: {ours}\n  Nix:  {theirs}")),
                None => {
                    let message = nix::evaluate(expression).err().unwrap_or_default();
                    differences.push(format!("{expression}\n  ours: {ours}\n  Nix fails: {message}"));
                }
            },
            Err(message) if DIFFERENCES.iter().any(|(part, _)| message.contains(part)) => {}
            Err(message) => {
                if let Ok(theirs) = nix::evaluate(expression) {
                    differences.push(format!("{expression}\n  ours fails: {message}\n  Nix:  {theirs}"));
                }
            }
        }
    }
    differences
}

#[test]
fn random_expressions() {
    if !installed() {
        return;
    }
    let count = number("BULKHEAD_FUZZ_EXPRESSIONS").unwrap_or(400) as usize;
    let mut generator = Generator::new(number("BULKHEAD_FUZZ_SEED").unwrap_or(1));
    let mut differences = Vec::new();
    let mut done = 0;
    while done < count && differences.len() < 20 {
        let batch: Vec<String> = (0..500.min(count - done)).map(|_| generator.expression()).collect();
        done += batch.len();
        // What a part throws ends that part alone.
        let caught: Vec<String> =
            batch.iter().map(|e| format!("builtins.tryEval (let it = {e}; in builtins.deepSeq it it)")).collect();
        differences.extend(compare(&caught));
    }
    assert!(differences.is_empty(), "{} of {done} differ:\n{}", differences.len(), differences.join("\n\n"));
}

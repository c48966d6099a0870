//! The documentation of `nix/lib`: all that it exports has some, and the examples are true.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use bulkhead_lab::{Need, evaluate, library, skip_without};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// The doc comments of all definitions (`/** … */ name = …`), by name.
fn comments() -> Result<BTreeMap<String, String>> {
    let mut comments = BTreeMap::new();
    for entry in fs::read_dir(library())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "nix") {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        for part in text.split("/**\n").skip(1) {
            let (comment, rest) = part.split_once("*/").with_context(|| format!("{}: no end", path.display()))?;
            let name = rest.split('=').next().unwrap_or_default().trim().to_owned();
            comments.insert(name, comment.to_owned());
        }
    }
    Ok(comments)
}

/// The expressions of an example, with what they are said to give.
fn examples(comment: &str) -> Vec<(String, String)> {
    let Some((_, rest)) = comment.split_once("# Example") else { return Vec::new() };
    let code = rest.split("```nix").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    let (mut found, mut expression, mut value): (Vec<(String, String)>, String, Option<String>) = Default::default();
    for line in code.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (&mut value, line.strip_prefix("=> ")) {
            (None, Some(given)) => value = Some(given.to_owned()),
            (None, None) => expression += &format!("{line}\n"),
            (Some(given), _) => given.push_str(&format!("\n{line}")),
        }
        let is_whole = |text: &String| {
            let count = |of: &[char]| text.matches(of).count();
            count(&['[', '{', '(']) == count(&[']', '}', ')'])
        };
        if value.as_ref().is_some_and(is_whole) {
            found.push((std::mem::take(&mut expression), value.take().unwrap_or_default()));
        }
    }
    found
}

#[test]
fn everything_is_documented_and_the_examples_are_true() -> Result<()> {
    if skip_without(&[Need::Program("nix-instantiate")], "the documentation of nix/lib") {
        return Ok(());
    }
    let whole = format!("_: builtins.attrNames (import {})", library().canonicalize()?.display());
    let exported = evaluate(&whole, &json!(null))?;
    let comments = comments()?;
    let (mut missing, mut wrong, mut tried) = (Vec::new(), Vec::new(), 0);
    for name in exported.as_array().into_iter().flatten().filter_map(Value::as_str) {
        let comment = comments.get(name).map(String::as_str).unwrap_or_default();
        for part in ["# Type", "# Example"] {
            if !comment.contains(part) {
                missing.push(format!("{name}: {part}"));
            }
        }
        let of_function = comment.split("# Type").nth(1).is_some_and(|rest| {
            rest.contains(&format!("{name} ::")) && {
                let signature = rest.split("```").nth(1).unwrap_or_default();
                signature.split(&format!("{name} ::")).nth(1).is_some_and(|rest| rest.contains("->"))
            }
        });
        if of_function && !comment.contains("# Inputs") {
            missing.push(format!("{name}: # Inputs"));
        }
        if examples(comment).is_empty() {
            missing.push(format!("{name}: what the example gives"));
        }
        for (expression, value) in examples(comment) {
            // What is left out, and files of the reader's.
            if format!("{expression}{value}").contains('…') || expression.contains("./") {
                continue;
            }
            tried += 1;
            match evaluate(&format!("_: builtins.toJSON (\n{expression}) == builtins.toJSON ({value})"), &json!(null)) {
                Ok(Value::Bool(true)) => {}
                outcome => wrong.push(format!("{name}: {expression} => {value}: {outcome:?}")),
            }
        }
    }
    assert_eq!((missing, wrong), (Vec::<String>::new(), Vec::<String>::new()));
    assert!(tried > 30, "only {tried} examples can be tried");
    Ok(())
}

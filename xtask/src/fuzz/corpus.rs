//! What inputs are made from: files of this repository.

use anyhow::{Context, Result};

use super::input::Input;
use crate::repository::root;

/// Larger files make slow inputs, and no better ones.
const LARGEST: usize = 20_000;

/// How much evaluating an input may use. It ends early rather than late: other inputs wait.
const LIMITS: &str = "\n[limits]\nsteps = 50000\ndepth = 500\nmemory = 32\nfile-size = 1\n";

/// Texts to damage, by kind.
pub struct Corpus {
    /// Nix files of all kinds.
    pub nix: Vec<Vec<u8>>,
    /// Short expressions that evaluate.
    pub expressions: Vec<Vec<u8>>,
    /// Machine properties.
    pub properties: Vec<Vec<u8>>,
    /// agenix rules.
    pub rules: Vec<Vec<u8>>,
    /// Files that age wrote.
    pub age: Vec<Vec<u8>>,
    /// Keys, and what looks like them, a line each.
    pub keys: Vec<Vec<u8>>,
    /// `bulkhead.toml`.
    pub configs: Vec<Vec<u8>>,
    /// A whole fleet without faults, with limits in its `bulkhead.toml`.
    pub fleet: Input,
}

impl Corpus {
    /// Read it from the repository.
    pub fn load() -> Result<Corpus> {
        let mut fleet = Input::read(&root().join("nix/fleet"))?;
        let config = fleet.0.entry("bulkhead.toml".to_owned()).or_default();
        let plain_config = config.clone();
        config.extend(LIMITS.as_bytes());
        let library = Input::read(&root().join("nix/lib"))?;
        let own = Input::read(&root().join("tests/fuzz")).context("tests/fuzz")?;

        let ending = |input: &Input, end: &str| -> Vec<Vec<u8>> {
            let files = input.0.iter().filter(|(path, bytes)| path.ends_with(end) && bytes.len() <= LARGEST);
            files.map(|(_, bytes)| bytes.clone()).collect()
        };
        let within = |folder: &str| -> Vec<Vec<u8>> {
            own.0.iter().filter(|(path, _)| path.starts_with(folder)).map(|(_, bytes)| bytes.clone()).collect()
        };
        let paragraphs = |path: &str| own.0.get(path).map(|bytes| split(bytes, "\n\n")).unwrap_or_default();
        let properties = ending(&fleet, "/properties.nix");
        let corpus = Corpus {
            nix: [
                ending(&fleet, ".nix"),
                ending(&library, ".nix"),
                ending(&own, ".nix"),
                paragraphs("expressions.txt"),
            ]
            .concat(),
            expressions: paragraphs("expressions.txt"),
            properties,
            rules: within("rules/"),
            age: [ending(&fleet, ".age"), within("headers/")].concat(),
            keys: own.0.get("keys.txt").map(|bytes| split(bytes, "\n")).unwrap_or_default(),
            configs: [vec![plain_config], within("configs/")].concat(),
            fleet,
        };
        Ok(corpus)
    }
}

fn split(bytes: &[u8], separator: &str) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bytes);
    text.split(separator).map(str::trim).filter(|part| !part.is_empty()).map(|part| part.as_bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn there_is_something_of_every_kind() {
        let corpus = Corpus::load().unwrap();
        let Corpus { nix, expressions, properties, rules, age, keys, configs, fleet } = &corpus;
        for texts in [nix, expressions, properties, rules, age, keys, configs] {
            assert!(texts.len() >= 2);
        }
        assert!(fleet.0.contains_key("secrets/properties.nix"));
        for expression in expressions {
            let text = String::from_utf8_lossy(expression);
            assert!(bulkhead::syntax::parse(&text).is_ok(), "{text}");
        }
    }
}

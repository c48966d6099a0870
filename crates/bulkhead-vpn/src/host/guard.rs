//! Whether the guard in the kernel is the configured one.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Guard, namespace};
use crate::network::nft::Nft;

/// What is different: nothing, if all tables are as they should be. They are compared as `nft` lists them, with those that
/// the rules give in an empty namespace.
pub fn differences(guard: &Guard, nft: &Path) -> Result<Vec<String>> {
    let nft = Nft::new(nft);
    let rules = std::fs::read_to_string(&guard.rules)
        .with_context(|| format!("can't read the guard's rules, {}", guard.rules.display()))?;
    let list = |nft: &Nft| -> Vec<Result<String, String>> {
        let list = |table: &super::Table| nft.list(&table.family, &table.name).map_err(|fault| fault.to_string());
        guard.tables.iter().map(list).collect()
    };
    let expected = namespace::in_an_empty_one(|| {
        nft.load(&rules).context("the guard's rules can't be loaded into an empty namespace")?;
        Ok(list(&nft))
    })?;
    let mut differences = Vec::new();
    for ((table, expected), found) in guard.tables.iter().zip(expected).zip(list(&nft)) {
        let name = format!("{} {}", table.family, table.name);
        let expected = expected.map_err(anyhow::Error::msg).with_context(|| format!("the rules have no {name}"))?;
        match found {
            Err(_) => differences.push(format!("{name} is not there")),
            Ok(found) if found != expected => differences.push(first_difference(&name, &expected, &found)),
            Ok(_) => {}
        }
    }
    Ok(differences)
}

fn first_difference(name: &str, expected: &str, found: &str) -> String {
    let mut lines =
        expected.lines().map(Some).chain(std::iter::repeat(None)).zip(found.lines().map(Some).chain([None]));
    match lines.find(|(expected, found)| expected != found) {
        Some((Some(expected), Some(found))) => {
            format!("{name} has `{}` where `{}` should be", found.trim(), expected.trim())
        }
        Some((None, Some(found))) => format!("{name} has `{}` besides", found.trim()),
        _ => format!("{name} ends too early"),
    }
}

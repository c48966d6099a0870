//! Rule sets of nf_tables: loaded, listed, and with parts taken out.

use std::fmt;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Namespace;

/// The tables of a rule set in a namespace.
#[derive(Debug)]
pub struct Tables<'a> {
    namespace: &'a Namespace,
    rules: String,
}

/// A part of a loaded rule set that can be taken out of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// A rule, by what `nft -a` says of it.
    Rule {
        /// The table, as `inet sandbox`.
        table: String,
        /// The chain.
        chain: String,
        /// What it is known by in the kernel.
        handle: u64,
        /// Its text.
        text: String,
    },
    /// An element of a named set.
    Element {
        /// The table, as `inet sandbox`.
        table: String,
        /// The set.
        set: String,
        /// The element, as nft writes it in JSON.
        element: Value,
    },
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Rule { table, chain, text, .. } => write!(f, "{table}, {chain}: {text}"),
            Part::Element { table, set, element } => write!(f, "{table}, set {set}: {element}"),
        }
    }
}

impl<'a> Tables<'a> {
    /// Check and load a rule set that nft reads from a file.
    ///
    /// # Errors
    /// nft refuses it.
    pub fn load(namespace: &'a Namespace, rules: &str) -> Result<Self> {
        namespace.feed("nft", &["-c", "-f", "-"], rules).context("nft -c refuses the rules")?;
        let tables = Self { namespace, rules: rules.to_owned() };
        tables.reload()?;
        Ok(tables)
    }

    /// Load it again.
    ///
    /// # Errors
    /// nft refuses it.
    pub fn reload(&self) -> Result<()> {
        self.namespace.feed("nft", &["-f", "-"], &self.rules).map(drop).context("nft refuses the rules")
    }

    /// The loaded rules and the elements of named sets of the tables with this name, in the order of the listing.
    ///
    /// # Errors
    /// nft fails.
    pub fn parts(&self, name: &str) -> Result<Vec<Part>> {
        let listing: Value = serde_json::from_str(&self.namespace.run("nft", &["-j", "list", "ruleset"])?)?;
        let texts = self.texts(name)?;
        let mut parts = Vec::new();
        for item in listing["nftables"].as_array().into_iter().flatten() {
            let of = |key: &str, field: &str| item[key][field].as_str().unwrap_or_default().to_owned();
            if of("rule", "table") == name {
                let handle = item["rule"]["handle"].as_u64().unwrap_or_default();
                let table = format!("{} {name}", of("rule", "family"));
                let text = texts.iter().find(|(at, known, _)| *at == table && *known == handle);
                parts.push(Part::Rule {
                    table,
                    chain: of("rule", "chain"),
                    handle,
                    text: text.map(|(_, _, text)| text.clone()).unwrap_or_default(),
                });
            } else if of("set", "table") == name {
                let table = format!("{} {name}", of("set", "family"));
                parts.extend(item["set"]["elem"].as_array().into_iter().flatten().map(|element| Part::Element {
                    table: table.clone(),
                    set: of("set", "name"),
                    element: element.clone(),
                }));
            }
        }
        Ok(parts)
    }

    /// The texts of rules, by table and handle.
    fn texts(&self, name: &str) -> Result<Vec<(String, u64, String)>> {
        let mut texts = Vec::new();
        for family in ["arp", "bridge", "inet", "ip", "ip6", "netdev"] {
            let Ok(listing) = self.namespace.run("nft", &["-a", "list", "table", family, name]) else { continue };
            for line in listing.lines() {
                let Some((text, handle)) = line.trim().rsplit_once(" # handle ") else { continue };
                // Tables, chains and sets have handles too, of other kinds.
                if text.ends_with('{') {
                    continue;
                }
                if let Ok(handle) = handle.parse() {
                    texts.push((format!("{family} {name}"), handle, text.to_owned()));
                }
            }
        }
        Ok(texts)
    }

    /// Take a part out of the loaded rules, until they are loaded again.
    ///
    /// # Errors
    /// It is not there any more.
    pub fn remove(&self, part: &Part) -> Result<()> {
        let (family, rest) = match part {
            Part::Rule { table, .. } | Part::Element { table, .. } => table.split_once(' ').context("no table")?,
        };
        let deletion = match part {
            Part::Rule { chain, handle, .. } => {
                json!({ "rule": { "family": family, "table": rest, "chain": chain, "handle": handle } })
            }
            Part::Element { set, element, .. } => {
                json!({ "element": { "family": family, "table": rest, "name": set, "elem": [element] } })
            }
        };
        let command = json!({ "nftables": [{ "delete": deletion }] });
        self.namespace.feed("nft", &["-j", "-f", "-"], &command.to_string()).map(drop)
    }
}

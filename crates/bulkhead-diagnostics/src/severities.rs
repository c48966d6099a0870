//! Severities that a fleet sets for itself, in the table `rules` of `bulkhead.toml`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Diagnostic, Severity, nearest};

/// What a fleet makes of a rule's findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Override {
    /// They are errors.
    Error,
    /// They are warnings.
    Warning,
    /// They are not reported.
    Off,
}

/// Overrides by the name of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Severities {
    /// The overrides.
    pub rules: BTreeMap<String, Override>,
}

impl Severities {
    /// `findings` with the severities of this table. A finding that is undecided stays so, unless its rule is off:
    /// what could not be decided is neither wrong nor fine.
    #[must_use]
    pub fn apply(&self, findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
        let apply = |mut finding: Diagnostic| {
            let severity = match self.rules.get(&*finding.rule) {
                None => return Some(finding),
                Some(Override::Off) => return None,
                Some(Override::Error) => Severity::Error,
                Some(Override::Warning) => Severity::Warning,
            };
            if finding.severity != Severity::Undecided {
                finding.severity = severity;
            }
            Some(finding)
        };
        findings.into_iter().filter_map(apply).collect()
    }

    /// Whether the findings of `rule` are not reported.
    pub fn is_off(&self, rule: &str) -> bool {
        self.rules.get(rule) == Some(&Override::Off)
    }

    /// The names in this table that are none of `known`, each with the known name that was probably meant.
    pub fn unknown<'a>(&'a self, known: &[&'a str]) -> Vec<(&'a str, Option<&'a str>)> {
        self.rules
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
            .map(|name| (name.as_str(), nearest(name, known.iter().copied())))
            .collect()
    }
}

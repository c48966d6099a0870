//! From handwritten agenix rules to `secrets/properties.nix`, without changing any recipient.
//!
//! For each entry of the rules, the shortest description is looked for in terms of the fleet: everyone, roles, single
//! machines, with or without the admin keys. The recipients of what was found are then computed by the same code that
//! generates `secrets.nix`, and must be the old ones, key for key; a single entry for which that fails refuses the
//! whole adoption, with a finding that says which key is in the way.
//!
//! Several descriptions may fit. A role is preferred that the secret is named after (`pia-login` and `pia`), then one
//! that covers more of the machines; a role of a single machine only where the secret is named after it, because a
//! secret that one machine reads is more often meant for that machine than for all that get the role later.

mod describe;
mod obstacles;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Fact, Fleet, Many, RuleEntry, RulesFile, RulesState, Scope, Secret, Spanned};

use describe::{Describer, Description};

/// The name under which findings of adopting rules are reported.
pub const RULE: &str = "adopt-rules";

/// What `gen-secrets --adopt` writes, and what it means.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// The text of `secrets/properties.nix`.
    pub properties_nix: String,
    /// The entries of the rules, in the order of their names.
    pub entries: Vec<AdoptedEntry>,
    /// What does not change who can read what, but is worth knowing, as warnings.
    pub warnings: Vec<Diagnostic>,
}

/// An entry of the rules and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptedEntry {
    /// Its name in the rules.
    pub rule_name: Arc<str>,
    /// The secret's name.
    pub secret: Arc<str>,
    /// Who reads it, in words: `role pia`, `machines fry and s0, without admins`.
    pub readers: String,
    /// How many keys read it: before and after.
    pub recipients: usize,
    /// Whether it has an entry in `secrets/properties.nix`; those whose folder says it all have none.
    pub is_written: bool,
}

/// Infer `secrets/properties.nix` from the handwritten `rules`.
///
/// # Errors
/// Findings for each entry that can't be expressed, with what to do about it.
pub fn adopt(fleet: &Fleet, rules: &RulesFile) -> Result<Adoption, Vec<Diagnostic>> {
    let mut findings = Vec::new();
    check_rules(fleet, rules, &mut findings);
    if !findings.is_empty() {
        return Err(findings);
    }
    let describer = Describer::new(fleet);
    let mut obstacles = obstacles::Obstacles::new(fleet);
    let mut secrets: BTreeMap<Arc<str>, (Secret, Description)> = BTreeMap::new();
    let (mut entries, mut warnings) = (Vec::new(), Vec::new());
    let mut files: BTreeMap<&str, &RuleEntry> = BTreeMap::new();
    for entry in &rules.entries {
        let Some((secret, file)) = obstacles.locate(entry) else { continue };
        if let Some(first) = files.insert(file, entry) {
            obstacles.twice(entry, first);
            continue;
        }
        let Some(wanted) = obstacles.keys(entry) else { continue };
        let Some(description) = describer.describe(&secret, &wanted) else {
            obstacles.explain(&secret, entry, &wanted);
            continue;
        };
        let armor = entry.armor.known().is_some_and(|armor| armor.value);
        let secret = with_grants(secret, &description, armor, &entry.place);
        let after: BTreeSet<&str> = fleet.recipients(&secret).into_iter().map(|key| key.identity()).collect();
        if after != wanted {
            obstacles.explain(&secret, entry, &wanted);
            continue;
        }
        let in_machine_folder = matches!(secret.scope, Scope::Machine(_));
        if in_machine_folder && armor {
            warnings.push(armor_is_lost(entry));
        }
        if in_machine_folder && !secret.exists {
            warnings.push(file_is_missing(entry));
        }
        let is_written = match &secret.scope {
            Scope::Shared => true,
            // Without an entry, a secret of a folder exists through its file alone.
            Scope::Role(role) => {
                !description.is_default() || armor || !secret.exists || !fleet.roles.contains_key(role)
            }
            Scope::Machine(_) => false,
        };
        entries.push(AdoptedEntry {
            rule_name: entry.name.clone(),
            secret: secret.name.clone(),
            readers: description.in_words(&secret.scope, fleet),
            recipients: wanted.len(),
            is_written,
        });
        if is_written {
            secrets.insert(secret.name.clone(), (secret, description));
        }
    }
    let findings = obstacles.into_findings();
    if !findings.is_empty() {
        return Err(findings);
    }
    Ok(Adoption { properties_nix: write::text(rules, &secrets), entries, warnings })
}

fn check_rules(fleet: &Fleet, rules: &RulesFile, findings: &mut Vec<Diagnostic>) {
    let place = Place::file(rules.path.to_arc());
    let error = |message: String| Diagnostic::new(RULE, Severity::Error, place.clone(), message);
    match &rules.state {
        RulesState::Evaluated => {}
        RulesState::Undecided(gap) => {
            findings.push(gap.undecided(RULE, &format!("which entries `{}` has", rules.path)))
        }
        RulesState::Failed(gap) => findings.push(error(format!("can't read `{}`: {}", rules.path, gap.reason))),
    }
    if rules.generated {
        let message = format!("`{}` is generated by Bulkhead already: there is nothing to adopt", rules.path);
        findings.push(error(message).with_help("bulkhead gen-secrets"));
    }
    if let Some(declared) = fleet.secrets.iter().find_map(|secret| secret.declared.as_ref()) {
        let message = format!("`{}` says already who may read which secret", declared.file);
        let help = format!("to infer it anew, move {} away first", declared.file);
        findings.push(Diagnostic::new(RULE, Severity::Error, declared.clone(), message).with_help(help));
    }
    if rules.path != fleet.config.rules {
        let message = format!("the rules are `{}`, but `{}` would be generated", rules.path, fleet.config.rules);
        findings.push(
            error(message)
                .with_note("two rules files would contradict each other sooner or later")
                .with_help(format!("say in bulkhead.toml where it lies: [layout] rules = \"{}\"", rules.path)),
        );
    }
}

fn armor_is_lost(entry: &RuleEntry) -> Diagnostic {
    let message = format!("`{}` will no longer be ASCII-armored once it is rekeyed", entry.name);
    Diagnostic::new(RULE, Severity::Warning, entry.place.clone(), message)
        .with_note("secrets in a machine's folder have no entry that could ask for it; who can read it stays the same")
}

fn file_is_missing(entry: &RuleEntry) -> Diagnostic {
    let message = format!("`{}` is not there, so the generated rules will have no entry for it", entry.name);
    Diagnostic::new(RULE, Severity::Warning, entry.key.clone(), message)
        .with_note("a secret in a machine's folder needs no entry, and exists through its file")
        .with_help("if it is still wanted, make the file before you adopt the rules: agenix -e")
}

/// The secret as `secrets/properties.nix` will describe it.
fn with_grants(mut secret: Secret, description: &Description, armor: bool, place: &Place) -> Secret {
    let list = |names: &[Arc<str>]| Many {
        items: names
            .iter()
            .map(|name| Spanned { value: name.clone(), place: place.clone(), key: place.clone() })
            .collect(),
        ..Many::default()
    };
    let flag = |value| Fact::Known(Spanned { value, place: place.clone(), key: place.clone() });
    secret.roles = list(&description.roles);
    secret.machines = list(&description.machines);
    if description.everyone {
        secret.everyone = flag(true);
    }
    if !description.admins {
        secret.admins = flag(false);
    }
    if armor {
        secret.armor = flag(true);
    }
    secret
}

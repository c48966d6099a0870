//! Why entries of handwritten rules can't be adopted, and what to do about it.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Fleet, Key, KeyOwner, RuleEntry, Scope, Secret};
use bulkhead_source::TreePath;

use super::RULE;

/// The most places that a finding about one key names.
const SHOWN: usize = 3;

/// A key that nothing in the fleet explains, and the entries that have it.
struct Stranger<'f> {
    key: &'f Key,
    entries: Vec<&'f RuleEntry>,
}

pub(super) struct Obstacles<'f> {
    fleet: &'f Fleet,
    admins: BTreeMap<&'f str, String>,
    hosts: BTreeSet<&'f str>,
    strangers: BTreeMap<&'f str, Stranger<'f>>,
    findings: Vec<Diagnostic>,
}

impl<'f> Obstacles<'f> {
    pub fn new(fleet: &'f Fleet) -> Obstacles<'f> {
        let mut admins = BTreeMap::new();
        for (owner, key) in fleet.admin_keys() {
            admins.entry(key.identity()).or_insert_with(|| fleet.owner_name(&owner));
        }
        let hosts = fleet.machines.iter().filter_map(|machine| Some(machine.host_key.known()?.identity())).collect();
        Obstacles { fleet, admins, hosts, strangers: BTreeMap::new(), findings: Vec::new() }
    }

    fn push(&mut self, place: &Place, message: String, help: impl Into<String>) {
        self.findings.push(Diagnostic::new(RULE, Severity::Error, place.clone(), message).with_help(help));
    }

    /// The secret that an entry is about, without grants, and its file.
    pub fn locate(&mut self, entry: &'f RuleEntry) -> Option<(Secret, &'f str)> {
        let Some(target) = &entry.file else {
            let message = format!("`{}` is no path inside the fleet", entry.name);
            self.push(&entry.key, message, "name the file relative to the folder of the rules file");
            return None;
        };
        let rules_folder = self.fleet.config.rules.parent().unwrap_or_else(TreePath::root);
        if target.base != rules_folder {
            let message = format!("`{}` is named relative to `{}`, not to the rules file", entry.name, target.base);
            let named = target.path.relative_to(&rules_folder);
            self.push(&entry.key, message, format!("name it {}, which agenix takes from that folder", quoted(&named)));
            return None;
        }
        let Some(secret) = self.fleet.secret_at(&target.path, target.exists) else {
            let folder = &self.fleet.config.secrets;
            let message = format!("`{}` lies where no secret is looked for", target.path);
            let help = format!(
                "move it to {folder}/<name>.age, {folder}/<role>/<name>.age or the folder `secrets` of a machine, or \
                 say in bulkhead.toml where the secrets lie: [layout] secrets = \"…\""
            );
            self.push(&entry.key, message, help);
            return None;
        };
        // What lies in a machine's folder has no entry; the others will have one.
        let declared = (!matches!(secret.scope, Scope::Machine(_))).then(|| entry.key.clone());
        Some((Secret { declared, ..secret }, target.path.as_str()))
    }

    /// Two entries are about one file.
    pub fn twice(&mut self, entry: &RuleEntry, first: &RuleEntry) {
        let message = format!("`{}` and `{}` are the same file", first.name, entry.name);
        self.findings.push(
            Diagnostic::new(RULE, Severity::Error, entry.key.clone(), message)
                .with_related(first.key.clone(), "the other entry")
                .with_help("take one of the two out"),
        );
    }

    /// The keys of an entry, if all of them are known.
    pub fn keys(&mut self, entry: &'f RuleEntry) -> Option<BTreeSet<&'f str>> {
        let gap = entry.gap.as_ref().or_else(|| entry.public_keys.gaps.first()).or_else(|| entry.armor.gap());
        if let Some(gap) = gap {
            self.findings.push(gap.undecided(RULE, &format!("who may read `{}`", entry.name)));
            return None;
        }
        if entry.public_keys.items.is_empty() {
            let message = format!("`{}` has no keys", entry.name);
            self.push(&entry.place, message, "take the entry out, or say who may read it");
            return None;
        }
        let mut is_sound = true;
        for key in &entry.public_keys {
            if let Err(error) = key.recipient() {
                let message = format!("a key of `{}` is not a public key: {}", entry.name, error.message);
                self.push(&key.place, message, "correct it, or take it out");
                is_sound = false;
            }
        }
        is_sound.then(|| entry.public_keys.iter().map(Key::identity).collect())
    }

    /// Say why no description gives just the keys of an entry.
    pub fn explain(&mut self, secret: &Secret, entry: &'f RuleEntry, wanted: &BTreeSet<&str>) {
        let before = self.findings.len() + self.strangers.len();
        let mut has_stranger = false;
        for key in &entry.public_keys {
            if self.hosts.contains(key.identity()) || self.admins.contains_key(key.identity()) {
                continue;
            }
            has_stranger = true;
            let stranger =
                self.strangers.entry(key.identity()).or_insert_with(|| Stranger { key, entries: Vec::new() });
            stranger.entries.push(entry);
        }
        self.explain_admins(entry, wanted);
        self.explain_folder(secret, entry, wanted);
        if !has_stranger && before == self.findings.len() + self.strangers.len() {
            let message = format!("no roles, machines and admins read just what `{}` names", entry.name);
            self.push(&entry.place, message, "give the machines that read it a role of their own");
        }
    }

    fn explain_admins(&mut self, entry: &RuleEntry, wanted: &BTreeSet<&str>) {
        let (present, missing): (Vec<_>, Vec<_>) =
            self.admins.iter().partition(|(key, _)| wanted.contains(*key) && !self.hosts.contains(*key));
        if present.is_empty() || missing.is_empty() {
            return;
        }
        let names =
            |list: &[(&&str, &String)]| list.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(", ");
        let message = format!("some admin keys read `{}` and some don't: not {}", entry.name, names(&missing));
        let finding = Diagnostic::new(RULE, Severity::Error, entry.place.clone(), message)
            .with_note(format!("{} read it; a secret is for all admin keys or for none", names(&present)))
            .with_help("add the missing keys to the entry and rekey, or take the others out");
        self.findings.push(finding);
    }

    /// The folder of a secret grants to machines that the entry leaves out, or that is all it can grant to.
    fn explain_folder(&mut self, secret: &Secret, entry: &RuleEntry, wanted: &BTreeSet<&str>) {
        let granted: Vec<usize> = match &secret.scope {
            Scope::Shared => return,
            Scope::Role(role) => self.fleet.roles.get(role).map(|role| role.machines.clone()).unwrap_or_default(),
            Scope::Machine(index) => vec![*index],
        };
        let folder = secret.file.parent().unwrap_or_else(TreePath::root);
        let machines = granted.iter().filter_map(|index| self.fleet.machines.get(*index));
        let keys: Vec<(&str, &str)> =
            machines.filter_map(|machine| Some((machine.host_key.known()?.identity(), &*machine.name))).collect();
        let left_out: Vec<&str> = keys.iter().filter(|(key, _)| !wanted.contains(key)).map(|(_, name)| *name).collect();
        let help =
            format!("move it to {}/<name>.age, where an entry alone says who reads it", self.fleet.config.secrets);
        if !left_out.is_empty() {
            let message = format!(
                "the folder of `{}` grants it to {} too, which can't read it now",
                secret.file,
                left_out.join(", ")
            );
            self.push(&entry.place, message, help);
        } else if matches!(secret.scope, Scope::Machine(_)) {
            let others: Vec<String> = self
                .hosts
                .iter()
                .filter(|key| wanted.contains(*key) && !keys.iter().any(|(own, _)| own == *key))
                .map(|key| self.name_of(key))
                .collect();
            if !others.is_empty() {
                let message =
                    format!("`{folder}` is for one machine, but {} read `{}` too", others.join(", "), entry.name);
                self.push(&entry.place, message, help);
            } else if self.admins.keys().all(|key| !wanted.contains(key)) && !self.admins.is_empty() {
                let message = format!("`{}` is not for the admin keys, but what lies in `{folder}` is", entry.name);
                self.push(&entry.place, message, help);
            }
        }
    }

    fn name_of(&self, identity: &str) -> String {
        self.fleet.keys.owners(identity).first().map_or_else(|| "?".to_owned(), |owner| self.fleet.owner_name(owner))
    }

    /// Everything that stands in the way, sorted by place.
    pub fn into_findings(mut self) -> Vec<Diagnostic> {
        for stranger in std::mem::take(&mut self.strangers).into_values() {
            let finding = self.stranger(&stranger);
            self.findings.push(finding);
        }
        self.findings.sort_by(|a, b| (&a.place, &a.message).cmp(&(&b.place, &b.message)));
        self.findings
    }

    fn stranger(&self, stranger: &Stranger<'_>) -> Diagnostic {
        let key = stranger.key;
        let name = self.fleet.key_name(key);
        let short = key.public.short_name();
        let shown = if name == short { format!("the key {short}") } else { format!("`{name}` (key {short})") };
        let reads = match stranger.entries.as_slice() {
            [one] => format!("reads `{}`", one.name),
            many => format!("reads {} secrets", many.len()),
        };
        let owner = self.fleet.keys.owners(key.identity()).first();
        let why = match owner {
            Some(KeyOwner::Deploy { .. }) => "is a deploy key, which never reads secrets",
            Some(KeyOwner::Unlock { .. }) => "is the key of a boot environment, which never reads secrets",
            _ => "belongs to no machine and no admin",
        };
        let mut finding =
            Diagnostic::new(RULE, Severity::Error, key.place.clone(), format!("{shown} {reads}, but {why}"))
                .with_label("whose is it?");
        for entry in stranger.entries.iter().take(SHOWN) {
            finding = finding.with_related(entry.place.clone(), format!("`{}`", entry.name));
        }
        finding
            .with_help("if it is a person's: add it to `admins` in bulkhead.toml, or to `userKeys` of a machine")
            .with_help(format!(
                "if it is a machine's: make the folder {}/<name> with a properties.nix that has it as `hostKey`",
                self.fleet.config.machines
            ))
            .with_help("if its owner is gone: take it out of the rules, rekey, and change the secrets")
    }
}

fn quoted(name: &str) -> String {
    crate::nix_text::string(name)
}

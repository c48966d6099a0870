//! Answers to people's questions, as data with one JSON shape each.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_diagnostics::{Place, Sources};
use bulkhead_source::LineIndex;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::fact::{Fact, Many};
use crate::fleet::Fleet;
use crate::grant::Grant;
use crate::key::Key;
use crate::machine::{Machine, RemoteUnlock};
use crate::names::KeyOwner;
use crate::rules_file::{RuleEntry, RulesFile, RulesState};
use crate::secret::Secret;

/// `bulkhead roles --json`: the machines of each role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RolesAnswer {
    /// The names of the machines that have a role, sorted, by role.
    pub roles: BTreeMap<Arc<str>, Vec<Arc<str>>>,
}

/// `bulkhead machines --json`: what the machines' properties say.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MachinesAnswer {
    /// The properties by the name of the machine. Of two machines of one name, which `check` reports, the first.
    pub machines: BTreeMap<Arc<str>, MachineView>,
}

/// What a machine's properties say: names as in the Nix file, keys as their lines, nothing where nothing is known.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineView {
    /// The folder of the machine, relative to the fleet's root.
    pub path: Arc<str>,
    /// `hostNames`
    pub host_names: Vec<Arc<str>>,
    /// `arch`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<&'static str>,
    /// `systemRoles`
    pub system_roles: Vec<Arc<str>>,
    /// `hostKey`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// `userKeys`
    pub user_keys: Vec<String>,
    /// `deployKeys`
    pub deploy_keys: Vec<String>,
    /// `remoteUnlock`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_unlock: Option<RemoteUnlockView>,
    /// `publicIP`
    #[serde(rename = "publicIP", skip_serializing_if = "Option::is_none")]
    pub public_ip: Option<String>,
    /// `meta`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meta: Option<Value>,
    /// The names of properties of which something is unknown or wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<&'static str>,
}

/// `remoteUnlock` of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteUnlockView {
    /// `hostKey`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_key: Option<String>,
    /// `clearnetHost`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clearnet_host: Option<Arc<str>>,
    /// `onionHost`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub onion_host: Option<Arc<str>>,
}

/// `bulkhead who-can-read SECRET --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReadersAnswer {
    /// The secret's name.
    pub secret: String,
    /// Its file, relative to the fleet's root.
    pub file: String,
    /// Who may read it.
    pub readers: Vec<ReaderView>,
    /// What is not known about it: there may be further readers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
}

/// Someone who may read a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReaderView {
    /// Who: a machine, or the holder of a key.
    pub name: String,
    /// Why, in a few words for each reason.
    pub why: Vec<String>,
    /// The text that grants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceView>,
    /// Whether there is a key to encrypt to.
    pub has_key: bool,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PlaceView {
    /// The file, relative to the fleet's root.
    pub file: Arc<str>,
    /// The line, from 1; nothing for the file as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// `bulkhead secrets --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SecretsAnswer {
    /// The secrets, sorted by file.
    pub secrets: Vec<SecretView>,
}

/// A secret, and why a machine may read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SecretView {
    /// Its name.
    pub name: String,
    /// Its file, relative to the fleet's root.
    pub file: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Arc<str>>,
    /// Why the machine asked about may read it, in a few words for each reason; nothing where none was asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// The text that grants it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceView>,
}

/// A secret, however the fleet knows it.
#[derive(Clone, Copy, Debug)]
pub enum SecretRef<'a> {
    /// By Bulkhead's convention.
    Convention(&'a Secret),
    /// By an entry of a handwritten rules file.
    Rule(&'a RulesFile, &'a RuleEntry),
}

impl SecretRef<'_> {
    /// What people call it.
    pub fn name(&self) -> &str {
        match self {
            SecretRef::Convention(secret) => &secret.name,
            SecretRef::Rule(_, entry) => entry.name.strip_suffix(".age").unwrap_or(&entry.name),
        }
    }

    /// Its file, relative to the root; the name as written where that is no path in the tree.
    pub fn file(&self) -> &str {
        match self {
            SecretRef::Convention(secret) => secret.file.as_str(),
            SecretRef::Rule(_, entry) => entry.file.as_ref().map_or(&*entry.name, |target| target.path.as_str()),
        }
    }
}

impl Fleet {
    /// The machines of each role.
    pub fn roles_answer(&self) -> RolesAnswer {
        let names = |machines: &[usize]| {
            let mut names: Vec<Arc<str>> =
                machines.iter().filter_map(|index| Some(self.machines.get(*index)?.name.clone())).collect();
            names.sort();
            names
        };
        RolesAnswer { roles: self.roles.iter().map(|(role, found)| (role.clone(), names(&found.machines))).collect() }
    }

    /// The properties of the machines, or of those that have `role`.
    pub fn machines_answer(&self, role: Option<&str>) -> MachinesAnswer {
        let mut machines = BTreeMap::new();
        for machine in &self.machines {
            if role.is_none_or(|role| machine.has_role(role) == Some(true)) {
                machines.entry(machine.name.clone()).or_insert_with(|| machine_view(machine));
            }
        }
        MachinesAnswer { machines }
    }

    /// All secrets: those of the convention, or the entries of the rules files where there is no convention.
    pub fn all_secrets(&self) -> Vec<SecretRef<'_>> {
        if self.by_convention {
            return self.secrets.iter().map(SecretRef::Convention).collect();
        }
        let entries = self.rules_files.iter().flat_map(|rules| rules.entries.iter().map(move |entry| (rules, entry)));
        entries.map(|(rules, entry)| SecretRef::Rule(rules, entry)).collect()
    }

    /// The secrets that `name` may mean: by name, by file name, by path, with or without `.age`. The exact ones if there
    /// are any, else those whose last part fits.
    pub fn find_secrets(&self, name: &str) -> Vec<SecretRef<'_>> {
        let wanted = name.trim_start_matches("./");
        let wanted = wanted.strip_suffix(".age").unwrap_or(wanted);
        let all = self.all_secrets();
        let stem = |text: &str| text.strip_suffix(".age").unwrap_or(text).to_owned();
        let exact: Vec<SecretRef<'_>> =
            all.iter().filter(|secret| secret.name() == wanted || stem(secret.file()) == wanted).copied().collect();
        if !exact.is_empty() {
            return exact;
        }
        let last = |text: &str| text.rsplit('/').next() == Some(wanted);
        all.into_iter().filter(|secret| last(secret.name()) || last(&stem(secret.file()))).collect()
    }

    /// Who may read a secret, and why. `sources` is asked for the lines of places.
    pub fn readers(&self, secret: SecretRef<'_>, sources: &dyn Sources) -> ReadersAnswer {
        let mut lines = Lines { sources, indices: BTreeMap::new() };
        let (readers, undecided) = match secret {
            SecretRef::Convention(secret) => {
                let readers = self.grants(secret).iter().map(|grant| self.reader(grant, &mut lines)).collect();
                (readers, self.grant_gaps(secret).iter().map(|gap| gap.reason.to_string()).collect())
            }
            SecretRef::Rule(rules, entry) => {
                let reader = |key: &Key| ReaderView {
                    name: self.key_name(key),
                    why: vec![format!("rule in {}", rules.path)],
                    place: Some(lines.view(&key.place)),
                    has_key: key.recipient().is_ok(),
                };
                let readers = entry.public_keys.iter().map(reader).collect();
                (readers, entry.public_keys.gaps.iter().map(|gap| gap.reason.to_string()).collect())
            }
        };
        ReadersAnswer { secret: secret.name().to_owned(), file: secret.file().to_owned(), readers, undecided }
    }

    fn reader(&self, grant: &Grant<'_>, lines: &mut Lines<'_>) -> ReaderView {
        ReaderView {
            name: self.owner_name(&grant.reader),
            why: self.why(grant),
            place: grant.reasons.iter().find_map(|reason| reason.place()).map(|place| lines.view(place)),
            has_key: grant.key.is_some(),
        }
    }

    fn why(&self, grant: &Grant<'_>) -> Vec<String> {
        if let KeyOwner::User { machine, .. } = &grant.reader {
            let personal = self.config.toml.policy.personal_role.as_str();
            let is_personal = self.machines.get(*machine).and_then(|found| found.has_role(personal)) == Some(true);
            return vec![if is_personal { format!("user key ({personal})") } else { "user key".to_owned() }];
        }
        grant.reasons.iter().map(|reason| reason.summary()).collect()
    }

    /// The secrets that the machine at `index` may read, and why; all secrets if `machine` is nothing. `sources` is
    /// asked for the lines of places.
    pub fn secrets_answer(&self, machine: Option<usize>, sources: &dyn Sources) -> SecretsAnswer {
        let mut lines = Lines { sources, indices: BTreeMap::new() };
        let secrets = self.all_secrets().into_iter().filter_map(|secret| {
            let mut view = SecretView {
                name: secret.name().to_owned(),
                file: secret.file().to_owned(),
                description: match secret {
                    SecretRef::Convention(secret) => secret.description.known().map(|text| text.value.clone()),
                    SecretRef::Rule(..) => None,
                },
                why: Vec::new(),
                place: None,
            };
            let Some(machine) = machine else { return Some(view) };
            match secret {
                SecretRef::Convention(secret) => {
                    let reader = KeyOwner::Host { machine };
                    let grant = self.grants(secret).into_iter().find(|grant| grant.reader == reader)?;
                    view.why = self.why(&grant);
                    view.place = grant.reasons.iter().find_map(|reason| reason.place()).map(|place| lines.view(place));
                }
                SecretRef::Rule(rules, entry) => {
                    let own = self.machines.get(machine)?.host_key.known()?;
                    let key = entry.public_keys.iter().find(|key| key.identity() == own.identity())?;
                    view.why = vec![format!("rule in {}", rules.path)];
                    view.place = Some(lines.view(&key.place));
                }
            }
            Some(view)
        });
        SecretsAnswer { secrets: secrets.collect() }
    }

    /// Why the answers about secrets may lack something: rules files and `secrets/properties.nix` that are not known.
    pub fn secrets_undecided(&self) -> Vec<String> {
        let mut reasons: Vec<String> = self
            .rules_files
            .iter()
            .filter_map(|rules| match &rules.state {
                RulesState::Evaluated => None,
                RulesState::Undecided(gap) | RulesState::Failed(gap) => Some(format!("{}: {}", rules.path, gap.reason)),
            })
            .collect();
        reasons.extend(self.secrets_gap.iter().map(|gap| format!("{}: {}", gap.place.file, gap.reason)));
        reasons
    }
}

/// Lines of places; each file is indexed once.
struct Lines<'a> {
    sources: &'a dyn Sources,
    indices: BTreeMap<Arc<str>, Option<(Arc<str>, LineIndex)>>,
}

impl Lines<'_> {
    fn view(&mut self, place: &Place) -> PlaceView {
        let index = self.indices.entry(place.file.clone()).or_insert_with(|| {
            let text = self.sources.text(&place.file)?;
            let lines = LineIndex::new(&text);
            Some((text, lines))
        });
        let line = match (place.span, index) {
            (Some(span), Some((text, lines))) => Some(lines.position(text, span.start).line),
            _ => None,
        };
        PlaceView { file: place.file.clone(), line }
    }
}

fn line(key: &Fact<Key>) -> Option<String> {
    key.known().map(|key| key.line().to_owned())
}

fn lines(keys: &Many<Key>) -> Vec<String> {
    keys.iter().map(|key| key.line().to_owned()).collect()
}

fn machine_view(machine: &Machine) -> MachineView {
    let incomplete = [
        ("hostNames", !machine.host_names.is_complete()),
        ("arch", machine.arch.gap().is_some()),
        ("systemRoles", !machine.system_roles.is_complete()),
        ("hostKey", machine.host_key.gap().is_some()),
        ("userKeys", !machine.user_keys.is_complete()),
        ("deployKeys", !machine.deploy_keys.is_complete()),
        ("remoteUnlock", unlock_incomplete(&machine.remote_unlock)),
        ("publicIP", machine.public_ip.gap().is_some()),
        ("meta", machine.meta.gap().is_some()),
    ];
    MachineView {
        path: machine.dir.to_arc(),
        host_names: machine.host_names.iter().map(|name| name.value.clone()).collect(),
        arch: machine.arch.known().map(|arch| arch.value.as_str()),
        system_roles: machine.system_roles.iter().map(|role| role.value.clone()).collect(),
        host_key: line(&machine.host_key),
        user_keys: lines(&machine.user_keys),
        deploy_keys: lines(&machine.deploy_keys),
        remote_unlock: machine.remote_unlock.known().map(|unlock| RemoteUnlockView {
            host_key: line(&unlock.host_key),
            clearnet_host: unlock.clearnet_host.known().map(|host| host.value.clone()),
            onion_host: unlock.onion_host.known().map(|host| host.value.clone()),
        }),
        public_ip: machine.public_ip.known().map(|address| address.value.to_string()),
        meta: machine.meta.known().map(|meta| meta.value.clone()),
        incomplete: incomplete.into_iter().filter(|(_, is_incomplete)| *is_incomplete).map(|(name, _)| name).collect(),
    }
}

fn unlock_incomplete(unlock: &Fact<RemoteUnlock>) -> bool {
    match unlock {
        Fact::Known(unlock) => {
            unlock.host_key.gap().is_some() || unlock.clearnet_host.gap().is_some() || unlock.onion_host.gap().is_some()
        }
        Fact::Absent => false,
        Fact::Gap(_) => true,
    }
}

//! Answers to people's questions, as data with one JSON shape each.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_diagnostics::{Place, Sources};
use bulkhead_source::LineIndex;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::fact::{Fact, Gap, Many};
use crate::fleet::Fleet;
use crate::grant::Grant;
use crate::key::Key;
use crate::machine::Machine;
use crate::names::KeyOwner;
use crate::rules_file::{RuleEntry, RulesFile, RulesState};
use crate::secret::{Scope, Secret, secret_stem};

/// `bulkhead roles --json`: the machines of each role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RolesAnswer {
    /// The names of the machines that have a role, sorted, by role.
    pub roles: BTreeMap<Arc<str>, Vec<Arc<str>>>,
    /// The names of the machines of which not all roles are known, sorted: they may have further ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<Arc<str>>,
    /// What is not known, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
}

/// `bulkhead machines --json`: what the machines' properties say.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct MachinesAnswer {
    /// The properties by the name of the machine. Of two machines of one name, which `check` reports, the first.
    pub machines: BTreeMap<Arc<str>, MachineView>,
    /// The systems without a `properties.nix` by name, if no role was asked about.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub systems: BTreeMap<Arc<str>, SystemView>,
    /// What may be missing: machines that may have the role asked about, and systems that can't be known. In words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
}

/// A system that a file makes, and of which no `properties.nix` says anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct SystemView {
    /// Where it is named.
    pub place: PlaceView,
    /// `nixos`, `nix-darwin` or `home-manager`.
    pub platform: &'static str,
    /// Whether nobody is seen to make it, and it was found by the folder that its own modules begin in.
    pub by_folder: bool,
}

/// What a machine's properties say: names as in the Nix file, keys as their lines. What is neither there nor in `unknown`
/// is absent.
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
    /// The same with the reasons, by the name of the property (`hostKey`, `remoteUnlock.hostKey`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<&'static str, Vec<Arc<str>>>,
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
    /// Whether there is a key to encrypt to. If not, `key` tells whether that is known.
    pub has_key: bool,
    /// What is known about the key.
    pub key: KeyState,
    /// Why the key is not known or can't be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_problem: Option<String>,
}

/// What is known about a reader's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// It is known, and age can encrypt to it.
    Known,
    /// There is none.
    Absent,
    /// There may be one; what it is can't be known.
    Unknown,
    /// There is one, to which age can't encrypt.
    Unfit,
}

impl ReaderView {
    fn new(name: String, why: Vec<String>, place: Option<PlaceView>, key: Result<&Key, Option<&Gap>>) -> ReaderView {
        let (state, key_problem) = match key {
            Ok(key) => match key.recipient() {
                Ok(_) => (KeyState::Known, None),
                Err(error) => (KeyState::Unfit, Some(error.message.to_string())),
            },
            Err(Some(gap)) => (KeyState::Unknown, Some(gap.reason.to_string())),
            Err(None) => (KeyState::Absent, None),
        };
        ReaderView { name, why, place, has_key: state == KeyState::Known, key: state, key_problem }
    }
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
    /// What is not known: there may be further secrets, or the machine asked about may read further ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub undecided: Vec<String>,
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
    /// `description`, if what it is for is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<&'static str>,
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
            SecretRef::Rule(_, entry) => secret_stem(&entry.name).unwrap_or(&entry.name),
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

impl RolesAnswer {
    /// Whether it is all there is to know.
    pub fn is_complete(&self) -> bool {
        self.undecided.is_empty()
    }
}

impl MachinesAnswer {
    /// Whether it is all there is to know.
    pub fn is_complete(&self) -> bool {
        self.undecided.is_empty() && self.machines.values().all(|machine| machine.unknown.is_empty())
    }
}

impl SecretsAnswer {
    /// Whether it is all there is to know.
    pub fn is_complete(&self) -> bool {
        self.undecided.is_empty() && self.secrets.iter().all(|secret| secret.incomplete.is_empty())
    }
}

impl ReadersAnswer {
    /// Whether it is all there is to know.
    pub fn is_complete(&self) -> bool {
        self.undecided.is_empty() && self.readers.iter().all(|reader| reader.key != KeyState::Unknown)
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
        let machines = self.machines.iter().enumerate();
        let incomplete: Vec<usize> =
            machines.filter(|(_, machine)| !machine.system_roles.is_complete()).map(|(index, _)| index).collect();
        let words = incomplete.iter().filter_map(|index| Some(roles_unknown(self.machines.get(*index)?)));
        RolesAnswer {
            roles: self.roles.iter().map(|(role, found)| (role.clone(), names(&found.machines))).collect(),
            undecided: words.collect(),
            incomplete: names(&incomplete),
        }
    }

    /// The properties of the machines, or of those that have `role`.
    pub fn machines_answer(&self, role: Option<&str>) -> MachinesAnswer {
        let mut machines = BTreeMap::new();
        let mut undecided = Vec::new();
        for machine in &self.machines {
            match role.map_or(Some(true), |role| machine.has_role(role)) {
                Some(true) => {
                    machines.entry(machine.name.clone()).or_insert_with(|| machine_view(machine));
                }
                Some(false) => {}
                None => undecided.push(roles_unknown(machine)),
            }
        }
        MachinesAnswer { machines, systems: BTreeMap::new(), undecided }
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
        let wanted = secret_stem(wanted).unwrap_or(wanted);
        let all = self.all_secrets();
        let stem = |text: &str| secret_stem(text).unwrap_or(text).to_owned();
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
                (readers, reasons(self.grant_gaps(secret)))
            }
            SecretRef::Rule(rules, entry) => {
                let reader = |key: &Key| {
                    let why = vec![format!("rule in {}", rules.path)];
                    ReaderView::new(self.key_name(key), why, Some(lines.view(&key.place)), Ok(key))
                };
                let readers = entry.public_keys.iter().map(reader).collect();
                (readers, reasons(&entry.public_keys.gaps))
            }
        };
        ReadersAnswer { secret: secret.name().to_owned(), file: secret.file().to_owned(), readers, undecided }
    }

    fn reader(&self, grant: &Grant<'_>, lines: &mut Lines<'_>) -> ReaderView {
        let place = grant.reasons.iter().find_map(|reason| reason.place()).map(|place| lines.view(place));
        ReaderView::new(self.owner_name(&grant.reader), self.why(grant), place, grant.key.ok_or(grant.gap))
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
        let mut undecided = self.secrets_undecided();
        let mut secrets = Vec::new();
        for secret in self.all_secrets() {
            let description = match secret {
                SecretRef::Convention(secret) => Some(&secret.description),
                SecretRef::Rule(..) => None,
            };
            let is_unknown = match secret {
                SecretRef::Convention(secret) => secret.gap.is_some() || secret.description.gap().is_some(),
                SecretRef::Rule(..) => false,
            };
            let mut view = SecretView {
                name: secret.name().to_owned(),
                file: secret.file().to_owned(),
                description: description.and_then(Fact::known).map(|text| text.value.clone()),
                incomplete: if is_unknown { vec!["description"] } else { Vec::new() },
                why: Vec::new(),
                place: None,
            };
            match machine.map(|machine| self.reading(machine, secret, &mut lines)) {
                None => secrets.push(view),
                Some(Ok(Some((why, place)))) => {
                    (view.why, view.place) = (why, place);
                    secrets.push(view);
                }
                Some(Ok(None)) => {}
                Some(Err(gap)) => undecided.push(format!("{}: {}", view.name, gap.reason)),
            }
        }
        SecretsAnswer { secrets, undecided }
    }

    /// Why the machine may read a secret, and where that is granted; nothing if it may not. The error says why that is
    /// not known.
    fn reading<'a>(
        &'a self,
        machine: usize,
        secret: SecretRef<'a>,
        lines: &mut Lines<'_>,
    ) -> Result<Option<WhyAndWhere>, &'a Gap> {
        let Some(found) = self.machines.get(machine) else { return Ok(None) };
        match secret {
            SecretRef::Convention(secret) => {
                let reader = KeyOwner::Host { machine };
                if let Some(grant) = self.grants(secret).into_iter().find(|grant| grant.reader == reader) {
                    let place = grant.reasons.iter().find_map(|reason| reason.place()).map(|place| lines.view(place));
                    return Ok(Some((self.why(&grant), place)));
                }
                let by_role = !secret.roles.items.is_empty() || matches!(secret.scope, Scope::Role(_));
                let own = if by_role { found.system_roles.gaps.first() } else { None };
                // Whether the admins read it is nothing to the machine.
                secret.machine_gap().or(own).map_or(Ok(None), Err)
            }
            SecretRef::Rule(rules, entry) => {
                let own = match &found.host_key {
                    Fact::Known(key) => key,
                    Fact::Absent => return Ok(None),
                    Fact::Gap(gap) => return Err(gap),
                };
                match entry.public_keys.iter().find(|key| key.identity() == own.identity()) {
                    Some(key) => Ok(Some((vec![format!("rule in {}", rules.path)], Some(lines.view(&key.place))))),
                    None => entry.public_keys.gaps.first().map_or(Ok(None), Err),
                }
            }
        }
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

/// Why something may be read, and the text that grants it.
type WhyAndWhere = (Vec<String>, Option<PlaceView>);

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

/// The reasons of gaps, each once.
fn reasons<'g>(gaps: impl IntoIterator<Item = &'g Gap>) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    for gap in gaps {
        if !reasons.iter().any(|reason| **reason == *gap.reason) {
            reasons.push(gap.reason.to_string());
        }
    }
    reasons
}

/// Why a machine may have further roles.
fn roles_unknown(machine: &Machine) -> String {
    format!("the roles of {}: {}", machine.name, reasons(&machine.system_roles.gaps).join("; "))
}

fn line(key: &Fact<Key>) -> Option<String> {
    key.known().map(|key| key.line().to_owned())
}

fn lines(keys: &Many<Key>) -> Vec<String> {
    keys.iter().map(|key| key.line().to_owned()).collect()
}

fn machine_view(machine: &Machine) -> MachineView {
    let mut unknown: BTreeMap<&'static str, Vec<Arc<str>>> = BTreeMap::new();
    let mut note = |name: &'static str, gaps: &[Gap]| {
        if !gaps.is_empty() {
            unknown.insert(name, reasons(gaps).into_iter().map(Arc::from).collect());
        }
    };
    note("hostNames", &machine.host_names.gaps);
    note("arch", gap_of(&machine.arch));
    note("systemRoles", &machine.system_roles.gaps);
    note("hostKey", gap_of(&machine.host_key));
    note("userKeys", &machine.user_keys.gaps);
    note("deployKeys", &machine.deploy_keys.gaps);
    note("remoteUnlock", gap_of(&machine.remote_unlock));
    if let Some(unlock) = machine.remote_unlock.known() {
        note("remoteUnlock.hostKey", gap_of(&unlock.host_key));
        note("remoteUnlock.clearnetHost", gap_of(&unlock.clearnet_host));
        note("remoteUnlock.onionHost", gap_of(&unlock.onion_host));
    }
    note("publicIP", gap_of(&machine.public_ip));
    let within_meta: Vec<Gap> = machine.meta_gaps.iter().map(|(_, gap)| gap.clone()).collect();
    note("meta", if within_meta.is_empty() { gap_of(&machine.meta) } else { &within_meta });
    let properties =
        ["hostNames", "arch", "systemRoles", "hostKey", "userKeys", "deployKeys", "remoteUnlock", "publicIP", "meta"];
    let is_incomplete = |property: &&'static str| unknown.keys().any(|name| name.split('.').next() == Some(*property));
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
        incomplete: properties.into_iter().filter(is_incomplete).collect(),
        unknown,
    }
}

fn gap_of<T>(fact: &Fact<T>) -> &[Gap] {
    fact.gap().map_or(&[], std::slice::from_ref)
}

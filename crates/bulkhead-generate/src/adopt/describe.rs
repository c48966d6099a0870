//! Which everyone, roles and machines a set of keys is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulkhead_fleet::{Fact, Fleet, Scope, Secret};

/// Who reads a secret besides whom its folder names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    pub everyone: bool,
    /// Sorted.
    pub roles: Vec<Arc<str>>,
    /// Sorted.
    pub machines: Vec<Arc<str>>,
    pub admins: bool,
}

impl Description {
    /// Whether an entry without attributes says the same.
    pub fn is_default(&self) -> bool {
        !self.everyone && self.roles.is_empty() && self.machines.is_empty() && self.admins
    }

    /// Who reads it, for people.
    pub fn in_words(&self, scope: &Scope, fleet: &Fleet) -> String {
        let mut parts = Vec::new();
        match scope {
            Scope::Shared => {}
            Scope::Role(role) if fleet.roles.contains_key(role) => parts.push(format!("role {role} (its folder)")),
            Scope::Role(_) => {}
            Scope::Machine(index) => {
                let name = fleet.machines.get(*index).map_or("?", |machine| &*machine.name);
                parts.push(format!("machine {name} (its folder)"));
            }
        }
        let named = |one: &str, many: &str, names: &[Arc<str>]| match names {
            [] => None,
            [name] => Some(format!("{one} {name}")),
            names => Some(format!("{many} {}", names.join(", "))),
        };
        parts.extend(self.everyone.then(|| "everyone".to_owned()));
        parts.extend(named("role", "roles", &self.roles));
        parts.extend(named("machine", "machines", &self.machines));
        let has_admin_keys = fleet.admin_keys().next().is_some();
        match (parts.is_empty(), self.admins && has_admin_keys) {
            (true, true) => "admins alone".to_owned(),
            (true, false) => "nobody".to_owned(),
            (false, true) => parts.join(", "),
            (false, false) if has_admin_keys => format!("{}, without admins", parts.join(", ")),
            (false, false) => parts.join(", "),
        }
    }
}

pub(super) struct Describer<'f> {
    fleet: &'f Fleet,
    admins: BTreeSet<&'f str>,
    /// The machines of each key.
    by_key: BTreeMap<&'f str, Vec<usize>>,
    /// Whether the roles of all machines are known.
    roles_are_known: bool,
}

impl<'f> Describer<'f> {
    pub fn new(fleet: &'f Fleet) -> Describer<'f> {
        let mut by_key: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, machine) in fleet.machines.iter().enumerate() {
            if let Some(key) = machine.host_key.known() {
                by_key.entry(key.identity()).or_default().push(index);
            }
        }
        Describer {
            fleet,
            admins: fleet.admin_keys().map(|(_, key)| key.identity()).collect(),
            by_key,
            roles_are_known: fleet.role_gaps.is_empty(),
        }
    }

    /// A description whose recipients should be `wanted`; the caller proves it. None if there is none.
    pub fn describe(&self, secret: &Secret, wanted: &BTreeSet<&str>) -> Option<Description> {
        let admins = self.admins.is_subset(wanted);
        let mut rest: BTreeSet<&str> = wanted.clone();
        if admins {
            rest.retain(|key| !self.admins.contains(key));
        }
        match &secret.scope {
            Scope::Shared => {}
            Scope::Role(role) => {
                let members = self.fleet.roles.get(role).map(|role| role.machines.as_slice()).unwrap_or_default();
                members.iter().for_each(|index| self.take(*index, &mut rest));
            }
            Scope::Machine(index) => {
                // No entry can add to what the folder says.
                self.take(*index, &mut rest);
                return (rest.is_empty() && (admins || self.admins.is_empty()))
                    .then(|| Description { admins: true, ..Description::default() });
            }
        }
        let mut description = Description { admins, ..Description::default() };
        if rest.is_empty() {
            return Some(description);
        }
        if self.fleet.machines.len() > 1 && self.all_in(0..self.fleet.machines.len(), wanted) {
            description.everyone = true;
            return Some(description);
        }
        description.roles = self.roles(secret, wanted, &mut rest);
        for key in rest {
            // Several machines of one key: granting to one of them is enough, and the first by folder is as good as any.
            let index = self.by_key.get(key)?.first()?;
            description.machines.push(self.fleet.machines.get(*index)?.name.clone());
        }
        description.roles.sort();
        description.machines.sort();
        Some(description)
    }

    fn take(&self, index: usize, rest: &mut BTreeSet<&str>) {
        if let Some(key) = self.fleet.machines.get(index).and_then(|machine| machine.host_key.known()) {
            rest.remove(key.identity());
        }
    }

    /// Whether granting to these machines grants to nobody else than wanted.
    fn all_in(&self, machines: impl IntoIterator<Item = usize>, wanted: &BTreeSet<&str>) -> bool {
        machines.into_iter().all(|index| match self.fleet.machines.get(index).map(|machine| &machine.host_key) {
            Some(Fact::Known(key)) => wanted.contains(key.identity()),
            Some(Fact::Absent) => true,
            Some(Fact::Gap(_)) | None => false,
        })
    }

    /// Roles that cover as much of `rest` as roles can, the best first; what they cover is taken out of it.
    fn roles(&self, secret: &Secret, wanted: &BTreeSet<&str>, rest: &mut BTreeSet<&str>) -> Vec<Arc<str>> {
        if !self.roles_are_known {
            return Vec::new();
        }
        let words: BTreeSet<&str> = secret.name.split(|c: char| !c.is_alphanumeric()).collect();
        let mut candidates: Vec<(Arc<str>, BTreeSet<&str>, bool)> = Vec::new();
        for (role, found) in &self.fleet.roles {
            if !self.all_in(found.machines.iter().copied(), wanted) {
                continue;
            }
            let keys = found.machines.iter().filter_map(|index| self.fleet.machines.get(*index)?.host_key.known());
            let keys: BTreeSet<&str> = keys.map(|key| key.identity()).filter(|key| rest.contains(key)).collect();
            let is_namesake = *secret.name == **role
                || words.contains(&**role)
                || secret.name.strip_prefix(&**role).is_some_and(|end| end.starts_with(|c: char| !c.is_alphanumeric()));
            if !keys.is_empty() && (is_namesake || keys.len() > 1) {
                candidates.push((role.clone(), keys, is_namesake));
            }
        }
        let mut chosen = Vec::new();
        loop {
            let gain = |keys: &BTreeSet<&str>| keys.intersection(rest).count();
            let best = candidates
                .iter()
                .filter(|(_, keys, is_namesake)| gain(keys) > usize::from(!is_namesake))
                // The first by name of several that are equally good.
                .min_by_key(|(_, keys, is_namesake)| (!is_namesake, std::cmp::Reverse(gain(keys))));
            let Some((role, keys, _)) = best else { break };
            chosen.push(role.clone());
            let keys = keys.clone();
            rest.retain(|key| !keys.contains(key));
        }
        chosen
    }
}

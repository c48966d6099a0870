//! Who is granted which secret, and why.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use foldhash::{HashSet, HashSetExt};

use crate::fact::Gap;
use crate::fleet::Fleet;
use crate::key::Key;
use crate::names::KeyOwner;
use crate::secret::{Scope, Secret};

/// Someone who may read a secret.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    /// Whose key: [`KeyOwner::Host`], [`KeyOwner::User`] or [`KeyOwner::Admin`].
    pub reader: KeyOwner,
    /// The key; `None` for a machine without a host key, or with one that is not known.
    pub key: Option<&'a Key>,
    /// Why the key is not known, if it is neither there nor known to be absent.
    pub gap: Option<&'a Gap>,
    /// Why they may read it, at least one reason.
    pub reasons: Vec<Reason<'a>>,
}

/// Why someone may read a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason<'a> {
    /// The machine has a role that the secret is granted to.
    Role {
        /// The role.
        role: &'a Arc<str>,
        /// Where the secret is granted to the role; `None` where it lies in the role's folder.
        granted: Option<&'a Place>,
        /// Where the machine is given the role.
        given: &'a Place,
    },
    /// The secret names the machine.
    Named {
        /// Where.
        place: &'a Place,
    },
    /// The secret is for everyone.
    Everyone {
        /// Where it says so.
        place: &'a Place,
    },
    /// It lies in the machine's folder.
    Folder,
    /// Admin keys read everything that does not say otherwise.
    Admin {
        /// Where the key is written.
        place: &'a Place,
    },
}

impl Reason<'_> {
    /// In a few words, for tables: `role pia`, `user key`.
    pub fn summary(&self) -> String {
        match self {
            Reason::Role { role, .. } => format!("role {role}"),
            Reason::Named { .. } => "named".to_owned(),
            Reason::Everyone { .. } => "everyone".to_owned(),
            Reason::Folder => "its own folder".to_owned(),
            Reason::Admin { .. } => "admin key".to_owned(),
        }
    }

    /// The text that a person changes to undo it, where there is one.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Reason::Role { given, .. } => Some(given),
            Reason::Named { place } | Reason::Everyone { place } | Reason::Admin { place } => Some(place),
            Reason::Folder => None,
        }
    }
}

impl Fleet {
    /// Who is granted `secret`: machines by index, then the users' and the other admins' keys. Grants to roles and
    /// machines that don't exist are not among them.
    pub fn grants<'a>(&'a self, secret: &'a Secret) -> Vec<Grant<'a>> {
        let mut machines: BTreeMap<usize, Vec<Reason<'a>>> = BTreeMap::new();
        match &secret.scope {
            Scope::Machine(index) => machines.entry(*index).or_default().push(Reason::Folder),
            Scope::Role(role) => self.grant_role(role, None, &mut machines),
            Scope::Shared => {}
        }
        for role in &secret.roles {
            self.grant_role(&role.value, Some(&role.place), &mut machines);
        }
        for named in &secret.machines {
            for (index, _) in self.machines_named(&named.value) {
                machines.entry(index).or_default().push(Reason::Named { place: &named.place });
            }
        }
        if let Some(everyone) = secret.everyone.known().filter(|everyone| everyone.value) {
            for index in 0..self.machines.len() {
                machines.entry(index).or_default().push(Reason::Everyone { place: &everyone.place });
            }
        }
        let mut grants: Vec<Grant<'a>> = machines
            .into_iter()
            .filter_map(|(index, reasons)| {
                let host_key = &self.machines.get(index)?.host_key;
                let reader = KeyOwner::Host { machine: index };
                Some(Grant { reader, key: host_key.known(), gap: host_key.gap(), reasons })
            })
            .collect();
        if secret.for_admins() == Some(true) {
            grants.extend(self.admin_keys().map(|(reader, key)| {
                let reasons = vec![Reason::Admin { place: &key.place }];
                Grant { reader, key: Some(key), gap: None, reasons }
            }));
        }
        grants
    }

    fn grant_role<'a>(
        &'a self,
        role: &Arc<str>,
        granted: Option<&'a Place>,
        machines: &mut BTreeMap<usize, Vec<Reason<'a>>>,
    ) {
        let Some((role, members)) = self.roles.get_key_value(role) else { return };
        for index in &members.machines {
            let Some(given) = self.machines.get(*index).and_then(|machine| machine.role_place(role)) else { continue };
            machines.entry(*index).or_default().push(Reason::Role { role, granted, given });
        }
    }

    /// The keys that read everything that does not say otherwise: all user keys, then `admins` of `bulkhead.toml`.
    pub fn admin_keys(&self) -> impl Iterator<Item = (KeyOwner, &Key)> {
        let users = self.index.user_keys.iter().filter_map(|owner| match owner {
            KeyOwner::User { machine, index } => {
                Some((owner.clone(), self.machines.get(*machine)?.user_keys.items.get(*index)?))
            }
            _ => None,
        });
        let admins = self.admins.iter().enumerate().map(|(index, key)| (KeyOwner::Admin { index }, key));
        users.chain(admins)
    }

    /// The different keys that `secret` is to be encrypted to, in the order of [`Fleet::grants`].
    pub fn recipients<'a>(&'a self, secret: &'a Secret) -> Vec<&'a Key> {
        let mut seen = HashSet::new();
        let keys = self.grants(secret).into_iter().filter_map(|grant| grant.key);
        keys.filter(|key| seen.insert(key.identity())).collect()
    }

    /// Everything that is not known about who may read `secret`: its own gaps, machines whose roles are not known where
    /// it is granted to roles, user keys that are not known.
    pub fn grant_gaps<'a>(&'a self, secret: &'a Secret) -> Vec<&'a Gap> {
        let mut gaps: Vec<&Gap> = secret.grant_gap().into_iter().collect();
        gaps.extend(&self.secrets_gap);
        if !secret.roles.items.is_empty() || matches!(secret.scope, Scope::Role(_)) {
            gaps.extend(&self.role_gaps);
        }
        if secret.for_admins() != Some(false) {
            let machines = self.index.user_key_gaps.iter().filter_map(|index| self.machines.get(*index));
            gaps.extend(machines.flat_map(|machine| &machine.user_keys.gaps));
        }
        gaps
    }

    /// The name of whoever has a key: `s0`, `howl-user`, `kif (unlock)`.
    pub fn owner_name(&self, owner: &KeyOwner) -> String {
        let machine_name = |index: &usize| self.machines.get(*index).map_or("?", |machine| &*machine.name);
        match owner {
            KeyOwner::Host { machine } => machine_name(machine).to_owned(),
            KeyOwner::User { machine, index } => match self.machines.get(*machine) {
                Some(machine) => machine.user_key_name(*index),
                None => "?".to_owned(),
            },
            KeyOwner::Admin { index } => {
                let comment = self.admins.get(*index).and_then(|key| key.public.comment());
                comment.map_or_else(|| format!("admin-{}", index + 1), str::to_owned)
            }
            KeyOwner::Deploy { machine, .. } => format!("{} (deploy)", machine_name(machine)),
            KeyOwner::Unlock { machine } => format!("{} (unlock)", machine_name(machine)),
            KeyOwner::Binding { name, .. } => name.to_string(),
        }
    }

    /// What to call a key: whose it is in the fleet, else what the rules files call it, else its comment, else its own
    /// short name.
    pub fn key_name(&self, key: &Key) -> String {
        match self.keys.owners(key.identity()).first() {
            Some(owner) => self.owner_name(owner),
            None => key.public.comment().map_or_else(|| key.public.short_name(), str::to_owned),
        }
    }
}

//! Every key that a machine's properties or `bulkhead.toml` say, for rules about the keys themselves.

use bulkhead_fleet::{Fleet, Key};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    Host,
    User,
    Deploy,
    Unlock,
    Admin,
}

impl Use {
    /// What it is called.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Use::Host => "host key",
            Use::User => "user key",
            Use::Deploy => "deploy key",
            Use::Unlock => "unlock key",
            Use::Admin => "admin key",
        }
    }

    /// Whether it must be an SSH key: others are also read by age, which has keys of its own.
    pub(crate) fn is_for_ssh(self) -> bool {
        matches!(self, Use::Deploy | Use::Unlock)
    }
}

/// A key and what it is for.
pub(crate) struct WrittenKey<'a> {
    pub(crate) key: &'a Key,
    pub(crate) used: Use,
    /// The machine; none for admin keys.
    pub(crate) machine: Option<&'a str>,
}

impl WrittenKey<'_> {
    /// `the host key of `s0``, `an admin key`.
    pub(crate) fn describe(&self) -> String {
        match self.machine {
            Some(machine) => {
                let article = if matches!(self.used, Use::Host | Use::Unlock) { "the" } else { "a" };
                format!("{article} {} of `{machine}`", self.used.noun())
            }
            None => "an admin key".to_owned(),
        }
    }
}

/// All of them, by machine and then the admins'.
pub(crate) fn written_keys(fleet: &Fleet) -> impl Iterator<Item = WrittenKey<'_>> {
    let of_machines = fleet.machines.iter().flat_map(|machine| {
        let unlock = machine.remote_unlock.known().and_then(|unlock| unlock.host_key.known());
        let host = machine.host_key.known().map(|key| (key, Use::Host));
        let users = machine.user_keys.iter().map(|key| (key, Use::User));
        let deploys = machine.deploy_keys.iter().map(|key| (key, Use::Deploy));
        let keys = host.into_iter().chain(users).chain(deploys).chain(unlock.map(|key| (key, Use::Unlock)));
        keys.map(|(key, used)| WrittenKey { key, used, machine: Some(&machine.name) })
    });
    of_machines.chain(fleet.admins.iter().map(|key| WrittenKey { key, used: Use::Admin, machine: None }))
}

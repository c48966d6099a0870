//! What age can do with the keys of a fleet.

use bulkhead_fleet::{Fact, Key, Machine};

/// The host key of a machine, or why there is none to encrypt to.
pub(super) fn usable_host_key(machine: &Machine) -> Result<&Key, String> {
    match &machine.host_key {
        Fact::Absent => Err("has no hostKey yet".to_owned()),
        Fact::Gap(_) => Err("its hostKey is not known".to_owned()),
        Fact::Known(key) => match judge_key(key) {
            KeyState::Usable => Ok(key),
            KeyState::WrongType(kind) => Err(wrong_type(&kind)),
            KeyState::Broken(_) => Err("its hostKey is broken".to_owned()),
        },
    }
}

/// What age can do with a key.
pub(super) enum KeyState {
    Usable,
    /// It is a sound key of a type that age can't encrypt to.
    WrongType(String),
    /// It is no key, and was probably meant to be one.
    Broken(String),
}

pub(super) fn judge_key(key: &Key) -> KeyState {
    let recipient = match key.recipient() {
        Ok(recipient) => recipient,
        Err(error) => return KeyState::Broken(error.message.clone()),
    };
    if key.public.age_can_encrypt() {
        return KeyState::Usable;
    }
    match recipient.ssh() {
        Some(ssh) if !ssh.kind().age_can_encrypt() => {
            KeyState::WrongType(key.identity().split(' ').next().unwrap_or_default().to_owned())
        }
        _ => {
            let weaknesses: Vec<String> = key.public.weaknesses().iter().map(ToString::to_string).collect();
            KeyState::Broken(weaknesses.join(", "))
        }
    }
}

pub(super) fn wrong_type(kind: &str) -> String {
    format!("age can't encrypt to its key of the type {kind}")
}

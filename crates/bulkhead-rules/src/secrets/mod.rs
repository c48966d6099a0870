//! Rules about secrets and who can read them.

pub(crate) mod damaged_secret;
pub(crate) mod declared;
pub(crate) mod declared_secret_missing;
pub(crate) mod declared_secret_unreadable;
pub(crate) mod declared_secret_without_rule;
pub(crate) mod duplicate_recipient;
mod formats;
pub(crate) mod missing_recipient;
pub(crate) mod no_recipients;
pub(crate) mod not_age;
mod opened;
pub(crate) mod role_without_machine;
pub(crate) mod rule_not_evaluated;
pub(crate) mod rule_refused_by_agenix;
pub(crate) mod rule_without_secret;
pub(crate) mod secret_in_store;
pub(crate) mod secret_read_at_evaluation;
pub(crate) mod secret_unreadable_by_machine;
pub(crate) mod secret_without_rule;
pub(crate) mod secrets_nix_outdated;
pub(crate) mod stale_recipient;
mod together;
pub(crate) mod unidentifiable_recipient;
pub(crate) mod unknown_machine;
pub(crate) mod unknown_role;
pub(crate) mod unused_secret;
pub(crate) mod world_readable_secret;

//! Rules about machines: their names, keys and roles.

pub(crate) mod deploy_key_without_role;
pub(crate) mod duplicate_host_key;
pub(crate) mod duplicate_host_name;
pub(crate) mod duplicate_machine_name;
pub(crate) mod host_key_reused;
pub(crate) mod host_key_unfit_for_age;
mod keys_without_role;
pub(crate) mod malformed_ssh_key;
pub(crate) mod personal_without_user_key;
pub(crate) mod user_key_unfit_for_age;
pub(crate) mod user_key_without_role;
pub(crate) mod weak_ssh_key;
mod written_keys;

//! Rules about boot environments that are unlocked from afar, and about keys that lie in clear.

pub(crate) mod initrd_key_in_use;
pub(crate) mod initrd_trusts_unknown_key;
pub(crate) mod malformed_onion_address;
pub(crate) mod private_key_in_clear;
pub(crate) mod unlock_host_name_shared;
pub(crate) mod unlock_key_in_store;
pub(crate) mod unlock_key_is_recipient;
pub(crate) mod unlock_key_reused;
pub(crate) mod unlock_unreachable;

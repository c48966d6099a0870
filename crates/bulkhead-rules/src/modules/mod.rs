//! Rules about module trees as such.

pub(crate) mod configuration_not_known;
pub(crate) mod invalid_option;
mod readings;
mod unseen;

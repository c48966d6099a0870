//! Algorithms of the builtins that need no evaluator.
//!
//! Everything here works on bytes, never panics, and behaves as Nix 2.18 to 2.28 do; where those differ, the functions
//! say which one is followed.

pub(crate) mod data;
pub(crate) mod derivation;
pub(crate) mod flake_ref;
pub(crate) mod hash;
pub(crate) mod json;
pub(crate) mod number;
pub(crate) mod path;
pub(crate) mod regex;
pub(crate) mod store;
pub(crate) mod strings;
pub(crate) mod toml;
pub(crate) mod version;

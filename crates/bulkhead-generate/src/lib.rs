//! Texts that Bulkhead writes, as pure functions from the fleet: `secrets.nix`, `secrets/properties.nix`, `CLAUDE.md`.
//!
//! Nothing here writes a file or runs a program; the same fleet always gives the same text.
//!
//! - [`secrets::secrets_nix`] writes the agenix rules of a fleet, and tells which files must be rekeyed for them.
//! - [`adopt::adopt`] goes the other way: from handwritten agenix rules to `secrets/properties.nix`, with the proof that
//!   no recipient changes.
//! - [`docs::update`] keeps the marked regions of `CLAUDE.md`.
//! - [`diff::diff`] compares such a text with the file that is there.

pub mod adopt;
pub mod diff;
pub mod docs;
mod nix_text;
pub mod secrets;

//! A lazy, pure, budgeted evaluator of the Nix language.
//!
//! A [`World`] says what evaluated code may see: one tree of files (the fleet's), further trees under other absolute
//! paths (a nixpkgs), a search path, and limits. It is shared by threads; [`World::evaluate`] makes an evaluator of its
//! own for each call.

pub mod data;
mod pure;
mod world;

pub use world::{Limits, Mount, ParseFailure, World};

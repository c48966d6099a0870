//! A lazy, pure, budgeted evaluator of the Nix language.

pub mod data;
mod pure;

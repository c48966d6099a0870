//! Expressions and what they print: read by the tests of the evaluator, and by those that ask Nix the same.

#![allow(dead_code)]

pub mod builtins;
pub mod language;
pub mod unknown;

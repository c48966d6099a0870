//! Bulkhead reads a NixOS fleet with agenix secrets, without Nix: it checks machines, roles, keys and secrets, and
//! generates `secrets.nix` and the fleet's part of `CLAUDE.md`.
//!
//! A [`Project`] is a repository at hand: its working tree, its git index, or a revision. It loads the [`Fleet`], which
//! answers questions; [`check`] judges it; [`generate`] makes text of it.
//!
//! ```
//! use bulkhead::{CheckOptions, Project};
//! use bulkhead::source::MemoryTree;
//!
//! let tree = MemoryTree::new([(
//!     "machines/s0/properties.nix",
//!     r#"{ hostNames = [ "s0" ]; arch = "x86_64-linux"; systemRoles = [ "pia" ]; }"#,
//! )])?;
//! let project = Project::of_tree(std::sync::Arc::new(tree));
//! let fleet = project.fleet(&Default::default())?;
//! assert_eq!(serde_json::to_value(fleet.roles_answer())?, serde_json::json!({ "roles": { "pia": ["s0"] } }));
//!
//! let report = bulkhead::check(&project, &CheckOptions::default())?;
//! for finding in &report.findings {
//!     println!("{}: {}", finding.rule, finding.message);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crates below this one are re-exported: [`source`] (files), [`syntax`], [`eval`], [`age`], [`fleet`], [`rules`],
//! [`diagnostics`].

/// Makes many small values in little time, and asks the kernel for huge pages: see "Speed" in `ARCHITECTURE.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod check;
pub mod cli;
pub mod hooks;
mod links;
mod overlay;
mod project;
mod sources;

pub use bulkhead_age as age;
pub use bulkhead_diagnostics as diagnostics;
pub use bulkhead_eval as eval;
pub use bulkhead_fleet as fleet;
pub use bulkhead_generate as generate;
pub use bulkhead_modules as modules;
pub use bulkhead_rules as rules;
pub use bulkhead_source as source;
pub use bulkhead_syntax as syntax;

pub use bulkhead_fleet::Fleet;
pub use check::{CheckOptions, Scope, check};
pub use project::{Evaluator, FleetError, OpenError, OpenOptions, Project, Source, find_root};
pub use sources::TreeSources;

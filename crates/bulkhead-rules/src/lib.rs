//! The safety rules that Bulkhead checks a fleet against: a file each, below the folder of its area.
//!
//! [`run`] gives findings as data; suppression comments, severities and rendering are the caller's. A rule that meets
//! something unknown reports that it is undecided. [`registry`] describes every rule whose findings a person may see,
//! those too that come from loading the fleet.

mod comparison;
mod context;
mod machines;
mod modules;
mod names;
mod network;
mod registry;
mod reported;
mod rule;
mod secrets;
mod trees;
mod unlock;
mod vpn;
mod words;
mod workspaces;

pub use context::{CommittedLine, Context, History, RemovedLine};
pub use registry::{Selection, find, registry, run};
pub use rule::{Area, Check, Rule};
pub use trees::{Origin, OtherSystem, mapping_fault, other_systems};

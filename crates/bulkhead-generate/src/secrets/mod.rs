//! `secrets.nix`: the agenix rules of a fleet.
//!
//! The file is plain data that agenix and ragenix take as it is: a set of entries whose `publicKeys` are lists without
//! repetitions and never empty, under names relative to the file's own folder. It is written for people who review
//! changes: machines, admin keys and roles are named once, entries are grouped by who reads them, everything is sorted,
//! and a change in the fleet is one line in the difference.
//!
//! # What is refused, and what is left out
//! Whoever lacks in `secrets.nix` can't read the secret after the next rekeying, and whoever is in it by mistake can. So
//! nothing is written at all (an `Err` with findings) while
//! - it is not known who may read some secret, or a granted machine's `hostKey`, or a `userKeys`;
//! - there is an error in the files that the fleet is read from which may change who is granted what, such as a misspelt
//!   name of a property, or a folder of machines that can't be listed;
//! - an entry grants to a role or machine that does not exist, most often a typing error;
//! - a granted machine's host key, or an admin key, is malformed; or two machines share a name;
//! - a secret would have no recipient, or a name that agenix can't take.
//!
//! These recipients are left out, with a warning and a comment in the file: machines without a `hostKey` (a machine has
//! none before its first boot, and must not block the others), keys of a type that age can't encrypt to, and roles of a
//! folder `secrets/<role>/` that no machine has. A file that is granted to nobody gets no entry, with a warning.

mod keys;
mod plan;
mod refusals;
mod rekey;
mod write;

use bulkhead_diagnostics::Diagnostic;
use bulkhead_fleet::{Fleet, GENERATED_MARKER};

pub use rekey::{Rekey, RekeyReason};

use crate::diff::{Diff, diff};
use plan::Plan;

/// The name under which findings of generating `secrets.nix` are reported.
pub const RULE: &str = "gen-secrets";

/// A generated `secrets.nix`.
#[derive(Clone, Debug)]
pub struct SecretsNix {
    /// The text of the file.
    pub text: String,
    /// Who is left out, and why, as warnings.
    pub warnings: Vec<Diagnostic>,
    /// The files that don't fit these rules, sorted by file: those to be rekeyed, and those that are not there yet.
    pub rekey: Vec<Rekey>,
    /// Files of which it can't be told whether they fit, and why, as undecided findings.
    pub undecided: Vec<Diagnostic>,
}

/// Generate `secrets.nix`.
///
/// # Errors
/// Findings that say what must be put right first; see the module for which. One of them at least is an error or
/// undecided.
///
/// ```
/// use std::sync::Arc;
/// use bulkhead_eval::{Limits, World};
/// use bulkhead_fleet::{Fleet, LoadOptions};
/// use bulkhead_source::MemoryTree;
///
/// let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH";
/// let s0 = format!("{{ hostNames = [ \"s0\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"pia\" ]; hostKey = \"{key}\"; }}");
/// let tree = MemoryTree::new([
///     ("machines/s0/properties.nix", s0.as_str()),
///     ("secrets/properties.nix", "{ pia-login.roles = [ \"pia\" ]; }"),
/// ])?;
/// let world = World::new(Arc::new(tree.clone()), Limits::default());
/// let fleet = Fleet::load(&tree, &world, &LoadOptions::default()).unwrap();
///
/// let generated = bulkhead_generate::secrets::secrets_nix(&fleet).unwrap();
/// assert!(generated.text.contains("\"pia-login.age\".publicKeys = roles.pia;"));
/// assert_eq!(generated.rekey[0].to_string(), "secrets/pia-login.age: is not there yet");
/// # Ok::<(), bulkhead_source::TreePathError>(())
/// ```
pub fn secrets_nix(fleet: &Fleet) -> Result<SecretsNix, Vec<Diagnostic>> {
    let plan = Plan::new(fleet)?;
    let (rekey, undecided) = rekey::rekey(fleet, &plan);
    Ok(SecretsNix { text: write::text(fleet, &plan), warnings: plan.warnings, rekey, undecided })
}

/// The text of [`secrets_nix`] alone, without looking at the `.age` files.
///
/// # Errors
/// Those of [`secrets_nix`].
pub fn text(fleet: &Fleet) -> Result<String, Vec<Diagnostic>> {
    Ok(write::text(fleet, &Plan::new(fleet)?))
}

/// The generated `secrets.nix` of a fleet against the one that is there (`None` where there is none); nothing if they
/// are the same.
///
/// # Errors
/// Those of [`secrets_nix`].
pub fn check(fleet: &Fleet, current: Option<&str>) -> Result<Option<Diff>, Vec<Diagnostic>> {
    let plan = Plan::new(fleet)?;
    Ok(diff(fleet.config.rules.as_str(), current, &write::text(fleet, &plan)))
}

/// Whether a rules file says in its first line that Bulkhead generated it; any other file is a person's, and is not to
/// be overwritten.
pub fn is_generated(text: &str) -> bool {
    text.starts_with(GENERATED_MARKER)
}

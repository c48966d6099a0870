//! The fleet model: machines, roles, keys, secrets and agenix rules of a repository, each field with its place.
//!
//! [`Fleet::load`] reads everything in one go from a [`bulkhead_source::FileTree`] and an evaluator. What is wrong with
//! the files ends up in [`Fleet::findings`]; one wrong field, file or machine leaves the rest as it is. What can't be
//! known is a [`Gap`], never silently left out.

mod clear;
mod config;
mod discover;
mod evaluate;
mod fact;
mod fleet;
mod grant;
mod key;
mod machine;
mod names;
mod nix;
mod properties;
mod query;
mod read;
mod rules_file;
mod scan;
mod schema;
mod secret;

pub use clear::OtherKey;
pub use config::{BulkheadToml, CONFIG_FILE, Config, EvaluationLimits, Layout, Network, Policy, UserKeyPolicy};
pub use discover::UnreadFolder;
pub use evaluate::{Evaluate, diagnostics_of_failure, diagnostics_of_parse_failure};
pub use fact::{Fact, Gap, GapKind, Many, Spanned};
pub use fleet::{Counts, Fleet, LoadError, LoadOptions, Progress, Role, Stage};
pub use grant::{Grant, Reason};
pub use key::{Key, KeySource, PublicKey};
pub use machine::{Machine, PROPERTIES_FILE, RemoteUnlock};
pub use names::{BindingName, KeyDirectory, KeyOwner, names_of_keys};
pub use nix::{NixError, NixEvaluator, NixOptions};
pub use properties::{
    AgenixRule, AgenixRules, Arch, MachineProperties, RemoteUnlockProperties, SecretEntry, SecretProperties,
};
pub use query::{
    KeyState, MachineView, MachinesAnswer, PlaceView, ReaderView, ReadersAnswer, RemoteUnlockView, RolesAnswer,
    SecretRef, SecretView, SecretsAnswer, SystemView,
};
pub use rules_file::{GENERATED_MARKER, RuleEntry, RuleTarget, RulesFile, RulesState};
pub use scan::{AgeFile, AgeFileError, Evidence, KeyLike};
pub use schema::{SchemaKind, ValueSchema, schemas, validate};
pub use secret::{Scope, Secret, is_age_name, secret_stem};

//! Makes, starts and removes one declarative Incus workspace from its `SPEC.json`.
//!
//! What it promises:
//! - An instance is ours if its own configuration says so (`user.bulkhead.workspace` is its name), which it does from
//!   the moment that it exists. Nothing else is ever changed.
//! - A start that fails, or that a signal ends, leaves nothing half-made. What one leaves that was killed with SIGKILL,
//!   the next start or stop of the workspace removes, or `gc`.
//! - An image is named by its content, so it is imported once, whoever needs it.
//! - All waiting has an end: a deadline, or a signal.

mod api;
mod cli;
mod error;
mod gc;
mod http;
mod image;
mod instance;
mod interface;
mod lock;
mod output;
mod progress;
mod ready;
mod schema;
pub mod spec;
mod start;
mod status;
mod stop;
mod watch;

pub use cli::run;

//! A lazy, pure, budgeted evaluator of the Nix language.
//!
//! A [`World`] says what evaluated code may see: one tree of files (the fleet's), further trees under other absolute
//! paths (a nixpkgs), a search path, and limits. It is shared by threads; each call evaluates on its own.
//!
//! - [`World::evaluate`] gives the value of a file as owned [`data`], every part with its place.
//! - [`World::request`] evaluates as `nix-instantiate --eval` does and gives text.
//! - [`World::explain`] tells where a value comes from.
//! - [`World::session`] looks at values piece by piece, and into what unknown ones are put together of.
//!
//! What can't be known here (the network, the environment, a nixpkgs that is not at hand) is *unknown* with a reason;
//! it is a value, not an error, and spreads only to what needs it.

mod arena;
mod builtins;
mod code;
pub mod data;
mod error;
mod eval;
mod explain;
mod operators;
mod outcome;
mod print;
mod pure;
mod request;
mod session;
mod value;
mod world;

pub use builtins::impure::url_of;
pub use eval::normal_path;
pub use explain::{Explanation, Member, Part};
pub use outcome::Summary;
pub use outcome::parse_failure;
pub use print::quote;
pub use request::{Answer, Argument, Input, Output, Request};
pub use session::{Form, FormalName, Identity, Mark, Members, Node, ParsedText, Session, Shape, Split};
pub use world::{Limits, Located, Mount, ParseFailure, STACK_SIZE, World, mark_large_stack, on_large_stack};

//! Networks in namespaces, to attack what guards a host.
//!
//! A [`Namespace`] is a network of its own that no other process of the machine sees, and that is gone when the last
//! [`Namespace`] for it is dropped and its processes have ended, also after a panic: it has no name and no file.
//! [`Socket`] sends and captures whole frames on an interface in it, [`frame`] makes them, and [`Tables`] loads rule sets
//! of nf_tables and takes single rules out of them.
//!
//! Nothing leaves the namespaces: they have no interface of the machine.

mod clock;
pub mod container;
mod evaluate;
pub mod frame;
mod namespace;
mod needs;
mod process;
mod socket;
mod tables;

pub use clock::Clock;
pub use container::Container;
pub use evaluate::{evaluate, library};
pub use namespace::Namespace;
pub use needs::{Need, skip_without};
pub use process::Background;
pub use socket::{Packets, Socket};
pub use tables::{Part, Tables};

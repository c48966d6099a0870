//! Makes, starts and removes one declarative Incus workspace from its `SPEC.json`.
//!
//! What it promises:
//! - An instance is ours if its own configuration says so (`user.bulkhead.workspace` is its name), which it does from
//!   the moment that it exists. Nothing else is ever changed.
//! - A start that fails, or that a signal ends, leaves nothing half-made. What one leaves that was killed with SIGKILL,
//!   the next start or stop of the workspace removes, or `gc`.
//! - An image is named by its content, so it is imported once, whoever needs it.
//! - All waiting has an end: a deadline, or a signal.
//!
//! What it expects of an image: an executable `/sbin/init`; a network of its own making that gives the interface of the
//! spec (`eth0`) the addresses of the spec; and that it heeds LXC's request to shut down (systemd does). NixOS has that with
//! `virtualisation/lxc-container.nix`: the metadata file is in `system.build.metadata`, the rootfs in
//! `system.build.tarball` or `system.build.squashfs`. Its drop-ins for units make them work without nesting; what does not
//! work then is building with Nix in a sandbox inside. The host name is the instance's, which is the workspace's. The
//! fingerprint for the spec is that of `cat METADATA ROOTFS | sha256sum`.

mod answer;
mod api;
mod cli;
mod error;
mod gc;
mod http;
mod image;
mod instance;
mod interface;
mod lock;
mod log;
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

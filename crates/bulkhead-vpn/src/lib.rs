//! `bulkhead-vpn`: the one program in a VPN container that talks to the provider.
//!
//! It logs in, registers a key, configures the WireGuard interface that the host has moved into the container, loads its
//! rules, proves a handshake, has a port forwarded, and watches and renews all of that. What it does in which order, and
//! what after which fault, is written down in [`machine`]; where it can't leak, and why, in [`network::rules`].
//!
//! **Threads, not async.** One connection is one sequence of requests, each after the other; a request blocks for as long
//! as its deadline. Three threads are enough (machine, signals, control socket), all decisions are in one of them, and
//! their time comes from one [`clock::Clock`] that tests replace. tokio would add a runtime, and a second notion of time.
//!
//! **Secrets** ([`secret`]) are wiped when dropped, shown by no `Debug`, and never in arguments, environments or logs:
//! WireGuard gets keys over netlink or its socket, `nft` gets rules (which have no secrets) by standard input.

pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod context;
pub mod control;
pub mod fault;
pub mod http;
mod log;
pub mod machine;
pub mod network;
pub mod notify;
pub mod pia;
pub mod provider;
pub mod run;
pub mod secret;
pub mod state;
pub mod status;
pub mod wireguard_file;

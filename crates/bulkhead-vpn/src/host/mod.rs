//! The host's side: the program `vpn`. It runs as root on the host, beside the containers, and changes nothing there.
//!
//! `vpn status` asks the daemon in the VPN container. `vpn leak-test` ([`leak_test`]) enters the network namespaces of the
//! service containers, sends frames that only a broken guard would let out, and watches every interface of the host.

mod address;
mod attack;
pub mod cli;
mod config;
mod frame;
mod guard;
pub mod leak_test;
mod namespace;
mod observer;
mod report;

pub use namespace::Entrance;

pub use config::{
    DEFAULT, Guard, HostBridge, HostConfig, HostService, Namespace, PublicAddress, Table, VpnContainer, schema,
};

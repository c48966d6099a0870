//! The host's side: what the program `vpn` knows and does. It runs as root on the host, beside the containers.

mod config;

pub use config::{
    DEFAULT, Guard, HostBridge, HostConfig, HostService, Namespace, PublicAddress, Table, VpnContainer, schema,
};

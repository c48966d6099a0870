//! What `status` shows: one value, as JSON, as text for people, and as metrics.

mod metrics;
mod text;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::context::Step;
use crate::fault::Fault;
use crate::network::{SharedNetwork, rules};

pub use metrics::metrics;
pub use text::text;

/// The state of the daemon. Moments are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// What the daemon does.
    pub step: Step,
    /// The provider: `pia` or `wireguard`.
    pub provider: String,
    /// The connection, if there is one.
    pub connection: Option<ConnectionStatus>,
    /// The forwarded port, if one is wanted.
    pub port: Option<PortStatus>,
    /// The services.
    pub services: Vec<ServiceStatus>,
    /// Connections since the daemon started, renewals not counted.
    pub connects: u64,
    /// Renewals since the daemon started.
    pub renewals: u64,
    /// Faults since the daemon started.
    pub faults: u64,
    /// How often rules, keys, address, route or forwarding had been changed by somebody, and were set right.
    pub repairs: u64,
    /// Failures of the program for forwarded ports.
    pub hook_failures: u64,
    /// The last fault.
    pub last_fault: Option<String>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionStatus {
    /// The provider's name for where the server is.
    pub region: String,
    /// The server's name.
    pub server: String,
    /// Its address.
    pub server_address: Ipv4Addr,
    /// The address that the internet sees, as the provider says.
    pub public_address: Option<Ipv4Addr>,
    /// Our address in the tunnel.
    pub tunnel_address: Ipv4Addr,
    /// The provider's DNS servers.
    pub dns: Vec<Ipv4Addr>,
    /// Since the last handshake was seen.
    pub handshake_age_seconds: u64,
    /// Bytes received by WireGuard.
    pub received_bytes: u64,
    /// Bytes sent by WireGuard.
    pub sent_bytes: u64,
    /// When the connection was made.
    pub connected: u64,
    /// When it will be renewed.
    pub renewal_due: u64,
}

impl Default for ConnectionStatus {
    fn default() -> Self {
        Self {
            region: String::new(),
            server: String::new(),
            server_address: Ipv4Addr::UNSPECIFIED,
            public_address: None,
            tunnel_address: Ipv4Addr::UNSPECIFIED,
            dns: Vec::new(),
            handshake_age_seconds: 0,
            received_bytes: 0,
            sent_bytes: 0,
            connected: 0,
            renewal_due: 0,
        }
    }
}

/// The forwarded port.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PortStatus {
    /// The port.
    pub port: Option<u16>,
    /// Whether the provider forwards it now.
    pub bound: bool,
    /// Until when the provider has promised it.
    pub expires: Option<u64>,
    /// When it was last bound.
    pub bound_at: Option<u64>,
    /// The service that it leads to.
    pub target: Option<Ipv4Addr>,
    /// Why it is not bound.
    pub last_fault: Option<String>,
}

/// A service and its traffic through the tunnel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Packets that it sent.
    pub sent_packets: u64,
    /// Bytes that it sent.
    pub sent_bytes: u64,
    /// Packets that it received.
    pub received_packets: u64,
    /// Bytes that it received.
    pub received_bytes: u64,
}

impl Status {
    /// There is no connection any more.
    pub fn disconnect(&mut self) {
        self.connection = None;
        if let Some(port) = &mut self.port {
            port.bound = false;
        }
    }

    /// Whether all that was asked for works.
    pub fn is_well(&self) -> bool {
        self.connection.is_some() && self.port.as_ref().is_none_or(|port| port.bound)
    }
}

/// The status, shared between those who write it and those who show it.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Status>>);

impl Board {
    /// A board with the configured services.
    pub fn new(config: &Config) -> Self {
        let provider = match &config.provider {
            crate::config::ProviderConfig::Pia(_) => "pia",
            crate::config::ProviderConfig::Wireguard(_) => "wireguard",
        };
        let services = config.services.iter().map(|(name, service)| ServiceStatus {
            name: name.to_string(),
            address: service.address,
            sent_packets: 0,
            sent_bytes: 0,
            received_packets: 0,
            received_bytes: 0,
        });
        let port = config.port_forwarding.as_ref().map(|_| PortStatus::default());
        let status = Status { provider: provider.to_owned(), services: services.collect(), port, ..Status::default() };
        Self(Arc::new(Mutex::new(status)))
    }

    /// Change the status.
    pub fn change(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.lock());
    }

    /// The status as it was last written.
    pub fn read(&self) -> Status {
        self.lock().clone()
    }

    /// The status with the counters of this moment.
    pub fn read_with_counters(&self, network: &SharedNetwork) -> Status {
        // Without counters the rest is still worth showing.
        let counters = network.with(|network| network.counters()).unwrap_or_default();
        let mut status = self.lock();
        for service in &mut status.services {
            let find = |name: String| counters.iter().find(|counter| counter.name == name);
            if let Some(sent) = find(rules::sent_counter(&service.name)) {
                (service.sent_packets, service.sent_bytes) = (sent.packets, sent.bytes);
            }
            if let Some(received) = find(rules::received_counter(&service.name)) {
                (service.received_packets, service.received_bytes) = (received.packets, received.bytes);
            }
        }
        status.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The JSON Schema of the status.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Status);
    schema.insert("title".to_owned(), "Status of bulkhead-vpn".into());
    schema.into()
}

/// Seconds since 1970.
pub fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

/// A fault as `status` shows it.
pub fn describe(fault: &Fault) -> String {
    fault.to_string()
}

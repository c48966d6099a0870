//! The one configuration file: JSON, typed, with unknown fields refused and every path written out.

mod check;
mod load;
mod values;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

pub use check::{check, check_files};
pub use load::{ConfigError, Problem, load, parse, read};
pub use values::{InterfaceName, Ipv4Net, LONGEST_NAME, ServiceName, Url};

/// The configuration of `bulkhead-vpn`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The WireGuard interface. The host's unit makes it in the host's network namespace and moves it into that of the
    /// container; this program configures it and never makes one.
    pub interface: InterfaceName,
    /// The MTU of the WireGuard interface: that of the host's uplink, less 80. 1420 without it.
    #[serde(default)]
    #[schemars(range(min = 576, max = 9000))]
    pub mtu: Option<u16>,
    /// The network that the host, the VPN container and the service containers share.
    pub bridge: Bridge,
    /// The service containers, by name.
    #[serde(default)]
    pub services: BTreeMap<ServiceName, Service>,
    /// The service that gets the forwarded port. Without it, no port is asked for.
    #[serde(default)]
    pub port_forwarding: Option<PortForwarding>,
    /// Who provides the connection.
    pub provider: ProviderConfig,
    /// The folder for what must survive a restart: token, list of servers, forwarded port. Mode 0700.
    pub state_directory: PathBuf,
    /// The Unix socket that `status` and `renew` talk to.
    pub control_socket: PathBuf,
    /// The program `nft`.
    pub nft: PathBuf,
    /// A file that is kept up to date with metrics in Prometheus' text format, for a collector of text files.
    #[serde(default)]
    pub metrics_file: Option<PathBuf>,
    /// After how many days the connection is made anew. PIA lets one last for about two months.
    #[serde(default = "defaults::renew_after_days")]
    #[schemars(range(min = 1, max = 60))]
    pub renew_after_days: u16,
    /// How long one request may take as a whole, in seconds.
    #[serde(default = "defaults::request_timeout")]
    #[schemars(range(min = 1, max = 120))]
    pub request_timeout_seconds: u16,
    /// How long a server may take for the first handshake, in seconds.
    #[serde(default = "defaults::handshake_timeout")]
    #[schemars(range(min = 1, max = 60))]
    pub handshake_timeout_seconds: u16,
}

/// The network of host and containers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bridge {
    /// The interface to the bridge, as it is called inside of the VPN container.
    pub interface: InterfaceName,
    /// The network, as `10.73.0.0/24`.
    pub subnet: Ipv4Net,
    /// The host's address.
    pub host_address: Ipv4Addr,
    /// The VPN container's address: gateway and DNS server of the services.
    pub vpn_address: Ipv4Addr,
}

/// A service container.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Its address on the bridge.
    pub address: Ipv4Addr,
}

/// Where the forwarded port leads to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortForwarding {
    /// The service that receives connections.
    pub service: ServiceName,
    /// The port that it listens on. Without it, the forwarded port itself, which the service learns from the hook.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Which protocols are forwarded.
    #[serde(default)]
    pub protocol: Protocol,
    /// A program that is run when a port was forwarded.
    #[serde(default)]
    pub on_forwarded: Option<Hook>,
}

/// Protocols that a port is forwarded for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// TCP alone.
    Tcp,
    /// UDP alone.
    Udp,
    /// TCP and UDP.
    #[default]
    Both,
}

impl Protocol {
    /// Their names in nftables.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Tcp => &["tcp"],
            Self::Udp => &["udp"],
            Self::Both => &["tcp", "udp"],
        }
    }
}

/// A program to run.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// The program and its arguments; no shell reads them. It gets `PORT` and `TARGET_IP` in its environment, and nothing
    /// else but a `PATH`. It runs after readiness, and again until it ends with 0.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
    /// After how many seconds it is killed.
    #[serde(default = "defaults::hook_timeout")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u16,
}

/// Who provides the connection.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProviderConfig {
    /// Private Internet Access.
    Pia(Box<PiaConfig>),
    /// A WireGuard configuration file, as providers give it for wg-quick.
    Wireguard(WireguardConfig),
}

/// A connection that a file describes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireguardConfig {
    /// The file, in the format of wg-quick. Commands in it (`PostUp` and the like) are refused.
    pub file: PathBuf,
}

/// How to connect to Private Internet Access.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PiaConfig {
    /// Where to connect to.
    pub location: Location,
    /// The file with user name and password: two lines, or lines with `PIA_USER=` and `PIA_PASS=`.
    pub credentials_file: PathBuf,
    /// The file with the token of a dedicated IP. With it, `location` is where the dedicated IP is.
    #[serde(default)]
    pub dedicated_ip_file: Option<PathBuf>,
    /// PIA's certificate authority, PEM.
    pub ca_file: PathBuf,
    /// The public key that the list of servers is signed with, PEM (RSA).
    pub list_key_file: PathBuf,
    /// The authorities for the hosts with public certificates, PEM. Without it, Mozilla's, built in.
    #[serde(default)]
    pub public_ca_file: Option<PathBuf>,
    /// The HTTP proxy that leads to PIA before the tunnel is there: address and port. Without it, PIA is connected to
    /// directly, which works only where there is a route.
    #[serde(default)]
    pub proxy: Option<SocketAddrV4>,
    /// Hosts, paths and ports of PIA's API.
    #[serde(default)]
    pub api: PiaApi,
}

/// Where to connect to.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Location {
    /// Regions by their id, in order of preference.
    Regions(#[schemars(length(min = 1))] Vec<String>),
    /// The server that answers fastest.
    LowestLatency(LowestLatency),
}

/// How the fastest server is found.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LowestLatency {
    /// Only regions in these countries (`DE`, `CH`), if any are named.
    #[serde(default)]
    pub countries: Vec<String>,
}

/// Hosts, paths and ports of PIA's API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PiaApi {
    /// Where tokens come from.
    pub token_url: Url,
    /// Where the list of servers comes from.
    pub list_url: Url,
    /// Where a dedicated IP is looked up.
    pub dedicated_ip_url: Url,
    /// The path for tokens on meta servers (Basic authentication).
    pub meta_token_path: String,
    /// The path of the list on meta servers.
    pub meta_list_path: String,
    /// The ports of meta servers.
    pub meta_ports: Vec<u16>,
    /// The port for keys, unless the list names others.
    pub key_port: u16,
    /// The port for forwarding, inside of the tunnel.
    pub forwarding_port: u16,
    /// Meta servers to ask when the hosts with names can't be reached and no list was ever loaded.
    pub meta_servers: Vec<NamedAddress>,
}

/// A server: where it is, and the name in its certificate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedAddress {
    /// The address.
    pub ip: Ipv4Addr,
    /// The name in the certificate.
    pub cn: String,
}

impl Default for PiaApi {
    fn default() -> Self {
        let url = |host: &str, path: &str| Url { host: host.to_owned(), port: 443, path: path.to_owned() };
        Self {
            token_url: url("www.privateinternetaccess.com", "/api/client/v2/token"),
            list_url: url("serverlist.piaservers.net", "/vpninfo/servers/v6"),
            dedicated_ip_url: url("www.privateinternetaccess.com", "/api/client/v2/dedicated_ip"),
            meta_token_path: "/authv3/generateToken".to_owned(),
            meta_list_path: "/vpninfo/servers/v6".to_owned(),
            meta_ports: vec![443, 8080],
            key_port: 1337,
            forwarding_port: 19999,
            meta_servers: Vec::new(),
        }
    }
}

impl Config {
    /// The MTU of the interface, unless a WireGuard file says another.
    pub fn mtu(&self) -> u16 {
        self.mtu.unwrap_or(1420)
    }

    /// Address of the service that gets the forwarded port.
    pub fn forwarding_target(&self) -> Option<(&PortForwarding, Ipv4Addr)> {
        let forwarding = self.port_forwarding.as_ref()?;
        Some((forwarding, self.services.get(&forwarding.service)?.address))
    }

    /// The proxy, if the provider has one.
    pub fn proxy(&self) -> Option<SocketAddrV4> {
        match &self.provider {
            ProviderConfig::Pia(pia) => pia.proxy,
            ProviderConfig::Wireguard(_) => None,
        }
    }
}

/// The JSON Schema of the file.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Config);
    schema.insert("title".to_owned(), "Configuration of bulkhead-vpn".into());
    schema.into()
}

mod defaults {
    pub fn renew_after_days() -> u16 {
        30
    }
    pub fn request_timeout() -> u16 {
        15
    }
    pub fn handshake_timeout() -> u16 {
        10
    }
    pub fn hook_timeout() -> u16 {
        60
    }
}

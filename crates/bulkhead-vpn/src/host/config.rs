//! The configuration of the program `vpn`: JSON, written by the module that makes the containers.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{ConfigError, InterfaceName, Ipv4Net, Problem, ServiceName, Url};
use crate::control::{self, Answer, Question};

/// Where the configuration is, unless another file is named.
pub const DEFAULT: &str = "/etc/bulkhead/vpn.json";

/// The configuration of `vpn`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostConfig {
    /// The VPN container.
    pub vpn: VpnContainer,
    /// The bridge, as the host sees it.
    pub bridge: HostBridge,
    /// The proxy that only the VPN container may use.
    #[serde(default)]
    pub proxy: Option<SocketAddrV4>,
    /// The service containers.
    #[serde(default)]
    pub services: BTreeMap<ServiceName, HostService>,
    /// The rules that guard the bridge.
    #[serde(default)]
    pub guard: Option<Guard>,
    /// How a container's public address is found out; without it, that is not tested.
    #[serde(default)]
    pub public_address: Option<PublicAddress>,
    /// The program `nft`.
    pub nft: PathBuf,
    /// The program `machinectl`, if namespaces are named by their machine.
    #[serde(default)]
    pub machinectl: Option<PathBuf>,
}

/// The VPN container.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VpnContainer {
    /// Its network namespace.
    pub namespace: Namespace,
    /// Its interface to the bridge, as it is called inside.
    pub interface: InterfaceName,
    /// The control socket of `bulkhead-vpn`, as a path of the host.
    pub control_socket: PathBuf,
    /// The folder that holds the container's files, as a path of the host: below it, no link on the way to the control
    /// socket is followed.
    #[serde(default)]
    pub root: Option<PathBuf>,
}

/// The bridge.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostBridge {
    /// Its interface on the host.
    pub interface: InterfaceName,
    /// The network, as `10.73.0.0/24`.
    pub subnet: Ipv4Net,
    /// The host's address.
    pub host_address: Ipv4Addr,
    /// The VPN container's address.
    pub vpn_address: Ipv4Addr,
}

/// A service container.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostService {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its network namespace.
    pub namespace: Namespace,
    /// Its interface to the bridge, as it is called inside.
    pub interface: InterfaceName,
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Namespace {
    /// That of a machine that systemd-machined knows, by its name.
    Machine(String),
    /// A file, such as `/run/netns/NAME`.
    Path(PathBuf),
}

/// The rules that guard the bridge.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Guard {
    /// The file with the rules, as `nft -f` takes them.
    pub rules: PathBuf,
    /// Its tables.
    #[schemars(length(min = 1))]
    pub tables: Vec<Table>,
}

/// A table of nftables.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Table {
    /// Its family, such as `inet` or `bridge`.
    pub family: String,
    /// Its name.
    pub name: String,
}

/// Who tells a client its public address.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicAddress {
    /// It answers with JSON whose field `ip` is the address, or with the address alone.
    pub url: Url,
    /// The authorities for its certificate, PEM. Without it, Mozilla's, built in.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

impl VpnContainer {
    /// Ask the daemon.
    pub fn ask(&self, question: Question) -> io::Result<Answer> {
        control::ask(self.root.as_deref(), &self.control_socket, question)
    }
}

impl HostConfig {
    /// Read and check a file.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let (text, mut config) = crate::config::read::<Self>(file)?;
        let problems = config.problems();
        if problems.is_empty() {
            // Rules are compared as they are listed, in this order.
            config
                .guard
                .iter_mut()
                .for_each(|guard| guard.tables.dedup_by(|a, b| a.family == b.family && a.name == b.name));
            return Ok(config);
        }
        Err(ConfigError::locate(file, &text, problems))
    }

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let bridge = &self.bridge;
        let own = [("bridge.hostAddress", bridge.host_address), ("bridge.vpnAddress", bridge.vpn_address)];
        let own = own.into_iter().map(|(path, address)| (path.to_owned(), address));
        let services = self.services.iter().map(|(name, it)| (format!("services.{name}.address"), it.address));
        for (path, address) in own.chain(services).filter(|(_, address)| !bridge.subnet.contains(*address)) {
            problems.push(Problem::new(path, format!("{address} is not in {}", bridge.subnet)));
        }
        if let Some(root) = &self.vpn.root
            && !self.vpn.control_socket.starts_with(root)
        {
            let what = format!("{} is not in {}", self.vpn.control_socket.display(), root.display());
            problems.push(Problem::new("vpn.controlSocket", what));
        }
        let services = self.services.iter().map(|(name, it)| (format!("services.{name}.namespace"), &it.namespace));
        let namespaces = services.chain([("vpn.namespace".to_owned(), &self.vpn.namespace)]);
        for (path, namespace) in namespaces {
            match namespace {
                Namespace::Path(file) if !file.is_absolute() => {
                    problems.push(Problem::new(path, format!("{} is no absolute path", file.display())));
                }
                Namespace::Machine(name) if !is_machine(name) => {
                    problems.push(Problem::new(path, format!("{name:?} is no name of a machine")));
                }
                Namespace::Machine(_) if self.machinectl.is_none() => {
                    problems.push(Problem::new(path, "a machine is looked up with machinectl: set `machinectl`"));
                }
                _ => {}
            }
        }
        for (path, text) in self
            .guard
            .iter()
            .flat_map(|guard| &guard.tables)
            .flat_map(|table| [("guard.tables", table.family.as_str()), ("guard.tables", table.name.as_str())])
        {
            if text.is_empty() || !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
                problems.push(Problem::new(path, format!("{text:?} is no family or name of a table")));
            }
        }
        problems
    }
}

/// machined takes host names (systemd.machine-id(5)); none of these begins as an option does.
fn is_machine(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !name.is_empty() && name.len() <= 64 && !name.starts_with(['-', '.']) && name.chars().all(fits)
}

/// The JSON Schema of the file.
pub fn schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(HostConfig);
    schema.insert("title".to_owned(), "Configuration of vpn, the host's tool".into());
    schema.into()
}

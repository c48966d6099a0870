//! Private Internet Access: token, signed list of servers, key, forwarded port.
//!
//! Hosts with public certificates give the token and the list; a server's own services (keys, forwarding, and the meta
//! servers that give token and list where names can't be reached) have certificates of PIA's own authority for the name
//! of the server, which is none that DNS knows. Before the tunnel all of this goes through the host's proxy.

mod answer;
mod credentials;
mod forwarding;
mod key;
mod latency;
mod list;
mod login;
mod select;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, Ipv4Net, PiaConfig};
use crate::context::Context;
use crate::fault::Fault;
use crate::http::{Client, Target, Trust};
use crate::provider::{Forwarding, Provider, Server, SignedPort, Tunnel};

pub(crate) use credentials::read_text;
pub use credentials::{Credentials, read_authorities, read_secret_line};
pub use list::{ListKey, Region, ServerList};

/// PIA, for one configuration.
pub struct Pia {
    config: PiaConfig,
    client: Client,
    list_key: ListKey,
    wants_port: bool,
    bridge: Ipv4Net,
    dedicated: Option<key::Dedicated>,
}

impl Pia {
    /// Read the files that never change while the daemon runs. The credentials are read when they are needed.
    pub fn new(config: &Config, pia: &PiaConfig) -> Result<Self, String> {
        let private = read_authorities(&pia.ca_file)?;
        let public = pia.public_ca_file.as_ref().map(|file| read_authorities(file)).transpose()?;
        let timeout = Duration::from_secs(config.request_timeout_seconds.into());
        Ok(Self {
            client: Client::new(pia.proxy.map(SocketAddr::V4), timeout, private, public)?,
            list_key: ListKey::read(&pia.list_key_file)?,
            wants_port: config.port_forwarding.is_some(),
            bridge: config.bridge.subnet,
            config: pia.clone(),
            dedicated: None,
        })
    }

    /// A host with a public certificate.
    fn public(&self, url: &crate::config::Url) -> Target {
        let address = url.host.parse().ok().map(|ip| SocketAddr::new(ip, url.port));
        Target { address, name: url.host.clone(), port: url.port, trust: Trust::Public, direct: false }
    }

    /// A server with a certificate of PIA's own authority.
    fn private(&self, name: &str, address: SocketAddr, direct: bool) -> Target {
        Target { address: Some(address), name: name.to_owned(), port: address.port(), trust: Trust::Private, direct }
    }

    /// Meta servers to try, best first, each with its port.
    fn meta_servers(&self, context: &Context) -> Vec<Target> {
        /// More would only delay the next round.
        const AT_MOST: usize = 4;
        let mut servers = self.config.api.meta_servers.clone();
        if let Some((list, _)) = self.stored_list(context) {
            servers.extend(select::meta_servers(&list, &self.config.location));
        }
        let ports = &self.config.api.meta_ports;
        let with_ports = servers.iter().flat_map(|server| ports.iter().map(move |port| (server, *port)));
        with_ports
            .take(AT_MOST)
            .map(|(server, port)| self.private(&server.cn, (server.ip, port).into(), false))
            .collect()
    }

    fn credentials_file(&self) -> PathBuf {
        self.config.credentials_file.clone()
    }
}

impl Provider for Pia {
    fn servers(&mut self, context: &mut Context) -> Result<Vec<Server>, Fault> {
        self.log_in(context)?;
        let list = self.load_list(context)?;
        self.select(context, &list)
    }

    fn tunnel(&mut self, context: &mut Context, server: &Server) -> Result<Tunnel, Fault> {
        self.with_new_token(context, |pia, context| pia.add_key(context, server))
    }

    fn forwarding(&mut self) -> Option<&mut dyn Forwarding> {
        Some(self)
    }
}

impl Forwarding for Pia {
    fn sign(&mut self, context: &mut Context, tunnel: &Tunnel) -> Result<SignedPort, Fault> {
        self.with_new_token(context, |pia, context| pia.get_signature(context, tunnel))
    }

    fn bind(&mut self, _: &mut Context, tunnel: &Tunnel, port: &SignedPort) -> Result<(), Fault> {
        self.bind_port(tunnel, port)
    }
}

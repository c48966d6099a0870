//! What a provider of connections does. [`crate::pia`] is one, [`crate::wireguard_file`] another; the
//! [machine](crate::machine) knows none of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::config::Ipv4Net;
use crate::context::Context;
use crate::fault::Fault;
use crate::secret::{PublicKey, Secret, SecretKey};

/// A server that can be connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The provider's name for where it is.
    pub region: String,
    /// The server's name; at PIA the one in its certificate.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// The port that keys are registered at; 0 if the provider has none.
    pub key_port: u16,
}

/// All that the interface must be told.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// The server at its other end.
    pub server: Server,
    /// Our key.
    pub private_key: SecretKey,
    /// Our address in it.
    pub address: Ipv4Addr,
    /// The other end.
    pub peer: Peer,
    /// The provider's DNS servers; they are inside of the tunnel.
    pub dns: Vec<Ipv4Addr>,
    /// The MTU, if the provider says one.
    pub mtu: Option<u16>,
    /// The server's own address inside of the tunnel, if it is known.
    pub gateway: Option<Ipv4Addr>,
    /// The address that the internet sees, if the provider tells.
    pub public_address: Option<Ipv4Addr>,
}

/// The WireGuard peer of a tunnel.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its public key.
    pub public_key: PublicKey,
    /// A shared secret besides, if there is one.
    pub preshared_key: Option<SecretKey>,
    /// Where its UDP goes to.
    pub endpoint: SocketAddr,
    /// Which addresses are behind it.
    pub allowed_ips: Vec<Ipv4Net>,
    /// Seconds between packets that keep the session alive.
    pub keepalive: u16,
}

impl Tunnel {
    /// Why the tunnel can't be used beside a bridge with these addresses, if it can't. What is inside of it must be neither
    /// this machine's nor the bridge's, and its other end must not be on the bridge, where the proxy is.
    pub fn unfit(&self, bridge: Ipv4Net) -> Option<String> {
        let server = self.server.address;
        let inside = self.dns.iter().chain([&self.address]).chain(self.gateway.as_ref());
        for address in inside {
            if bridge.contains(*address) {
                return Some(format!("{address} is also in the bridge's network {bridge}: choose another `subnet`"));
            }
            // A server that is itself on this machine may be reached on this machine.
            if is_special(*address) || address.is_loopback() && !server.is_loopback() {
                return Some(format!("{address} is no address of a tunnel"));
            }
        }
        if self.dns.contains(&self.address) || self.gateway == Some(self.address) {
            return Some(format!("{} would be our own address and that of somebody in the tunnel", self.address));
        }
        match self.peer.endpoint.ip() {
            IpAddr::V4(address) => unfit_server(address, bridge),
            IpAddr::V6(_) => None,
        }
    }
}

/// Why a server can't be at this address, if it can't.
pub fn unfit_server(address: Ipv4Addr, bridge: Ipv4Net) -> Option<String> {
    if bridge.contains(address) {
        return Some(format!("{address} is in the bridge's network {bridge}"));
    }
    is_special(address).then(|| format!("{address} is no address of a server"))
}

/// What no machine has (0.0.0.0/8, 224.0.0.0/4 and 240.0.0.0/4; RFC 6890), or several have (169.254.0.0/16).
fn is_special(address: Ipv4Addr) -> bool {
    matches!(address.octets()[0], 0 | 224..=255) || address.is_link_local()
}

/// A port that the provider has promised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPort {
    /// The port.
    pub port: u16,
    /// Until when the promise holds.
    pub expires: SystemTime,
    /// What was signed, byte for byte as it came: written anew, its signature would not fit.
    pub payload: Secret,
    /// The signature.
    pub signature: Secret,
}

/// Someone who provides tunnels.
pub trait Provider: Send {
    /// The servers that fit, best first; at least one. Whatever is needed to find them (login, list) is done here.
    fn servers(&mut self, context: &mut Context) -> Result<Vec<Server>, Fault>;

    /// Make a tunnel to a server: with a new key, if the provider has keys registered.
    fn tunnel(&mut self, context: &mut Context, server: &Server) -> Result<Tunnel, Fault>;

    /// Port forwarding, if the provider has it.
    fn forwarding(&mut self) -> Option<&mut dyn Forwarding>;
}

/// Someone who forwards ports.
pub trait Forwarding {
    /// Get a port. Goes through the tunnel.
    fn sign(&mut self, context: &mut Context, tunnel: &Tunnel) -> Result<SignedPort, Fault>;

    /// Have the port forwarded for the next minutes. Goes through the tunnel.
    fn bind(&mut self, context: &mut Context, tunnel: &Tunnel, port: &SignedPort) -> Result<(), Fault>;
}

//! What a provider of connections does. [`crate::pia`] is one, [`crate::wireguard_file`] another; the
//! [machine](crate::machine) knows none of them.

use std::net::{Ipv4Addr, SocketAddr};
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

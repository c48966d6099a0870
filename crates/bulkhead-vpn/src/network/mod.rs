//! What the daemon changes in its network namespace: one interface, one table of nftables, two switches for forwarding.

mod device;
mod forwarding;
mod genetlink;
mod kernel;
pub(crate) mod link;
mod netlink;
pub(crate) mod nft;
pub mod rules;
mod uapi;

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use kernel::KernelNetwork;
pub use rules::Rules;

use crate::fault::Fault;
use crate::provider::Tunnel;
use crate::secret::PublicKey;

/// What WireGuard says about its peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerState {
    /// Its public key; none if there is no peer.
    pub key: Option<PublicKey>,
    /// The last handshake, since 1970; none if there was none.
    pub handshake: Option<Duration>,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
}

/// What somebody had changed, and is as it was again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// The table of nftables.
    Rules,
    /// Key and peer of WireGuard: somebody has set others, or this is another interface of the same name. A handshake has
    /// to follow.
    Keys,
    /// The interface's address.
    Address,
    /// The default route.
    Route,
    /// The switch of an interface that lets packets be forwarded.
    Forwarding,
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rules => "the rules",
            Self::Keys => "the keys",
            Self::Address => "the address",
            Self::Route => "the default route",
            Self::Forwarding => "forwarding",
        })
    }
}

/// Packets and bytes of one service, in one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// The name of the counter; see [`rules`].
    pub name: String,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// The network of the VPN container. Nothing here waits for longer than a few seconds.
pub trait Network: Send {
    /// Look whether everything is as it must be, and close the way out: after this, nothing is forwarded.
    fn prepare(&mut self) -> Result<(), Fault>;

    /// Configure the interface: keys, peer, address, MTU, route. What was there before is replaced in one go.
    fn configure(&mut self, tunnel: &Tunnel) -> Result<(), Fault>;

    /// Load rules, in one transaction.
    fn load(&mut self, rules: &Rules) -> Result<(), Fault>;

    /// Look whether interface, keys, route, rules and forwarding are as they were made, and make again what is not; what
    /// that was. Another way out is a fault.
    fn keep(&mut self, tunnel: &Tunnel, rules: &Rules) -> Result<Vec<Repair>, Fault>;

    /// What WireGuard says about the peer.
    fn peer(&mut self) -> Result<PeerState, Fault>;

    /// Send a packet through the tunnel that is answered if the tunnel works.
    fn probe(&mut self, tunnel: &Tunnel) -> Result<(), Fault>;

    /// The counters of the services.
    fn counters(&mut self) -> Result<Vec<Counter>, Fault>;

    /// Undo exactly what was done. Goes on after a failure, and tells it.
    fn clean_up(&mut self) -> Vec<Fault>;
}

/// A network that several threads use, and that does nothing more once it was cleaned up.
#[derive(Clone)]
pub struct SharedNetwork(Arc<Mutex<Option<Box<dyn Network>>>>);

impl SharedNetwork {
    /// Share a network.
    pub fn new(network: impl Network + 'static) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(network)))))
    }

    /// Do something with it; `Stopped` if it was cleaned up.
    pub fn with<T>(&self, action: impl FnOnce(&mut dyn Network) -> Result<T, Fault>) -> Result<T, Fault> {
        match self.lock().as_mut() {
            Some(network) => action(network.as_mut()),
            None => Err(Fault::Stopped),
        }
    }

    /// Clean up, once; what failed.
    pub fn clean_up(&self) -> Vec<Fault> {
        self.lock().take().map(|mut network| network.clean_up()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Network>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a forwarded port leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardedPort {
    /// The port at the provider.
    pub port: u16,
    /// The service.
    pub target: Ipv4Addr,
    /// The port of the service.
    pub target_port: u16,
    /// The protocols, as nftables names them.
    pub protocols: &'static [&'static str],
}

//! A WireGuard interface, of the kernel or of wireguard-go, whichever it is.

use std::io;
use std::path::PathBuf;

use super::{PeerState, genetlink, uapi};
use crate::provider::Tunnel;

/// Who implements an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// The kernel; configured by generic netlink.
    Kernel(String),
    /// A program; configured by its socket.
    Userspace(PathBuf),
}

impl Device {
    /// Find out who implements an interface, as wg(8) does: a program listens on a socket in /var/run/wireguard. One that
    /// was killed has left its socket.
    pub fn find(interface: &str) -> Self {
        let socket = uapi::socket_of(interface);
        if uapi::is_served(&socket) { Self::Userspace(socket) } else { Self::Kernel(interface.to_owned()) }
    }

    /// Replace key and peer.
    pub fn set(&self, tunnel: &Tunnel) -> io::Result<()> {
        match self {
            Self::Kernel(interface) => genetlink::set(interface, tunnel),
            Self::Userspace(socket) => uapi::set(socket, tunnel),
        }
    }

    /// Forget key and peer.
    pub fn clear(&self) -> io::Result<()> {
        match self {
            Self::Kernel(interface) => genetlink::clear(interface),
            Self::Userspace(socket) => uapi::clear(socket),
        }
    }

    /// What it says about its peer.
    pub fn peer(&self) -> io::Result<PeerState> {
        match self {
            Self::Kernel(interface) => genetlink::peer(interface),
            Self::Userspace(socket) => uapi::peer(socket),
        }
    }
}

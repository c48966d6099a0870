//! Whole frames, sent and captured (packet(7)).

use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::sockopt::RcvBufForce;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt, socket,
};

use crate::Namespace;

/// Enough for all frames of many attacks; the kernel counts their buffers, not their bytes.
const CAPTURED: usize = 64 << 20;

/// A socket on one interface of a namespace, for whole Ethernet frames in both directions. It captures what the interface
/// receives and what others send by it, from when it is opened on, and not what it sends itself.
#[derive(Debug)]
pub struct Socket {
    socket: OwnedFd,
}

impl Socket {
    /// Open a socket on an interface, which has to be there.
    ///
    /// # Errors
    /// There is no such interface, or the process may not (that takes CAP_NET_RAW).
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        namespace.enter(|| Self::open_here(interface))
    }

    /// As [`Socket::open`], in the namespace that the process is in.
    ///
    /// # Errors
    /// As [`Socket::open`].
    pub fn open_here(interface: &str) -> Result<Self> {
        let address = link_address(interface)?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
            .context("can't open a packet socket")?;
        // Inside of a user namespace the limit stays, which is enough there.
        let _ = setsockopt(&socket, RcvBufForce, &CAPTURED);
        bind(socket.as_raw_fd(), &address).with_context(|| format!("can't capture on {interface}"))?;
        let opened = Self { socket };
        opened.drain()?; // what came before it was bound to the interface
        Ok(opened)
    }

    /// Send a frame.
    ///
    /// # Errors
    /// The interface is down, or the frame is longer than it takes.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        loop {
            match send(self.socket.as_raw_fd(), frame, MsgFlags::empty()) {
                Ok(_) => return Ok(()),
                Err(Errno::EAGAIN | Errno::ENOBUFS) => std::thread::yield_now(),
                Err(error) => return Err(error).context("can't send a frame"),
            }
        }
    }

    /// All frames that were captured since the last call, without waiting.
    ///
    /// # Errors
    /// The interface is gone.
    pub fn drain(&self) -> Result<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => frames.push(buffer[..length.min(buffer.len())].to_vec()),
                Err(Errno::EAGAIN) => return Ok(frames),
                Err(Errno::EINTR | Errno::ENETDOWN) => {}
                Err(error) => return Err(error).context("can't capture"),
            }
        }
    }
}

fn link_address(interface: &str) -> Result<LinkAddr> {
    getifaddrs()
        .context("can't list interfaces")?
        .find_map(|found| {
            let address = *found.address?.as_link_addr()?;
            (found.interface_name == interface).then_some(address)
        })
        .with_context(|| format!("there is no interface {interface}"))
}

//! Whole frames, sent and captured (packet(7)).

use std::net::SocketAddrV4;
use std::os::fd::{AsRawFd, OwnedFd};

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::{Priority, RcvBufForce};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, recvfrom, send, sendto,
    setsockopt, socket,
};

use crate::Namespace;

/// Enough for all frames of many attacks; the kernel counts their buffers, not their bytes.
const CAPTURED: usize = 64 << 20;

/// `portSeal` of nix/lib, by which the rules for a bridge know the frames that they have let pass.
const fn seal(number: u16) -> i32 {
    (0xb01d_0000_u32 | number as u32) as i32
}

/// A socket on one interface of a namespace, for whole Ethernet frames in both directions. It captures what the interface
/// receives and what others send by it, from when it is opened on, and not what it sends itself.
#[derive(Debug)]
pub struct Socket {
    socket: OwnedFd,
    /// For an interface without an address of its own, such as that of a tunnel: the socket captures on all of the
    /// namespace, and what is not of this one is passed over. Packets are sent by [`Packets`].
    only: Option<usize>,
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
        let index = if_nametoindex(interface).with_context(|| format!("there is no interface {interface}"))?;
        let address = link_address(interface)?;
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
            .context("can't open a packet socket")?;
        // Inside of a user namespace the limit stays, which is enough there.
        let _ = setsockopt(&socket, RcvBufForce, &CAPTURED);
        // Whoever may send whole frames may say that, too; it must not help them.
        let _ = setsockopt(&socket, Priority, &seal(1));
        if let Some(address) = address {
            bind(socket.as_raw_fd(), &address).with_context(|| format!("can't capture on {interface}"))?;
        }
        let only = if address.is_none() { Some(index as usize) } else { None };
        let opened = Self { socket, only };
        opened.drain()?; // what came before it was bound to the interface
        Ok(opened)
    }

    /// The same, with the seal of another bridge than a sandbox's on what it sends: the one with this number.
    #[must_use]
    pub fn sealed(self, number: u16) -> Self {
        let _ = setsockopt(&self.socket, Priority, &seal(number));
        self
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
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer) {
                Ok((_, from)) if self.only.is_some() && from.map(|from| from.ifindex()) != self.only => {}
                Ok((length, _)) => frames.push(buffer[..length.min(buffer.len())].to_vec()),
                Err(Errno::EAGAIN) => return Ok(frames),
                Err(Errno::EINTR | Errno::ENETDOWN) => {}
                Err(error) => return Err(error).context("can't capture"),
            }
        }
    }
}

/// Its address, if it has one.
fn link_address(interface: &str) -> Result<Option<LinkAddr>> {
    Ok(getifaddrs().context("can't list interfaces")?.find_map(|found| {
        let address = *found.address?.as_link_addr()?;
        (found.interface_name == interface).then_some(address)
    }))
}

/// Sends whole IPv4 packets, with whatever source, by the routes of a namespace (raw(7)).
#[derive(Debug)]
pub struct Packets(OwnedFd);

impl Packets {
    /// Open a socket.
    ///
    /// # Errors
    /// The process may not (that takes CAP_NET_RAW).
    pub fn open(namespace: &Namespace) -> Result<Self> {
        namespace.enter(|| {
            let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
            let socket = socket(AddressFamily::Inet, SockType::Raw, flags, SockProtocol::Raw);
            Ok(Self(socket.context("can't open a raw socket")?))
        })
    }

    /// Send a packet.
    ///
    /// # Errors
    /// It has no destination, or there is no way to it.
    pub fn send(&self, packet: &[u8]) -> Result<()> {
        let to: [u8; 4] = *packet.get(16..).and_then(|rest| rest.first_chunk()).context("no IPv4 packet")?;
        let to = SockaddrIn::from(SocketAddrV4::new(to.into(), 0));
        sendto(self.0.as_raw_fd(), packet, &to, MsgFlags::empty()).map(drop).context("can't send a packet")
    }
}

//! Attacks by the host's own programs: the proxy, which names may lead anywhere, and others.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::Result;
use bulkhead_lab::frame::{canaries, canary};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
use nix::unistd::{Uid, setfsuid};

use crate::battery::{Battery, Taps};
use crate::oracle::opens;
use crate::world::*;

/// An address of each network that is no part of the internet. Of those that lead to the host itself, nothing is seen
/// outside.
const RESERVED: [&str; 20] = [
    "0.1.2.3",
    "10.99.0.1",
    "100.99.0.1",
    "169.254.169.254",
    "172.20.0.9",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.10",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "240.0.0.1",
    "64:ff9b::c0a8:10a",
    "2001::c0a8:10a",
    "2001:db8::1",
    "2002:c0a8:10a::1",
    "3fff::1",
    "4000::1",
    "fd77::10",
];

impl Battery<'_> {
    /// What the proxy's user and other programs of the host reach that they must not, and what they don't.
    pub fn attack_from_the_host(&self, run: u32, taps: &Taps) -> Result<(Vec<String>, Vec<String>)> {
        let mut targets: Vec<(String, SocketAddr)> = Vec::new();
        for text in RESERVED {
            let address: IpAddr = text.parse()?;
            targets.push((format!("the proxy to {text}"), (address, 443).into()));
        }
        targets.push(("the proxy to another port".to_owned(), (INTERNET, HTTP).into()));
        targets.push(("the proxy to torrent".to_owned(), (self.world.container("torrent").address, 443).into()));
        self.prepare()?;
        self.world.host.enter(|| {
            // Only this thread: it is the owner of the sockets that it makes.
            setfsuid(Uid::from_raw(PROXY_USER));
            targets.iter().for_each(|(_, target)| begin(*target));
            Ok(())
        })?;
        // Loopback is seen nowhere.
        let reaches_itself = self.world.host.enter(|| {
            setfsuid(Uid::from_raw(PROXY_USER));
            let own = (Ipv4Addr::LOCALHOST, 443).into();
            Ok(TcpStream::connect_timeout(&own, Duration::from_millis(200)).is_ok())
        })?;
        let at = |name: &str| self.world.container(name).address;
        let others = [("x", at("x"), None), ("torrent", at("torrent"), Some(HOST_LAN)), ("docker0", ASTRAY, None)];
        self.world.host.enter(|| {
            for (index, (_, target, source)) in others.iter().enumerate() {
                let socket = UdpSocket::bind((source.unwrap_or(Ipv4Addr::UNSPECIFIED), 0))?;
                let number = run << 12 | 0xf00 | index as u32;
                // The guard's refusal is an error.
                let _ = socket.send_to(&canary(number), (*target, SINK));
            }
            Ok(())
        })?;
        let captured = self.wait(taps)?;
        let (mut won, mut lost) = (Vec::new(), Vec::new());
        for (name, target) in targets {
            // Elsewhere the traffic of services is seen.
            let places = ["lan0", "tailscale0", "docker0", "torrent"];
            let mut captured = captured.iter().filter(|(place, _)| places.contains(place));
            let is_seen = captured.any(|(_, frame)| opens(frame) == Some(target));
            if is_seen { won.push(name) } else { lost.push(name) }
        }
        for (index, (name, _, source)) in others.iter().enumerate() {
            let number = run << 12 | 0xf00 | index as u32;
            let of = source.map_or_else(String::new, |source| format!(", from {source}"));
            let is_seen = captured.iter().any(|(place, frame)| place == name && canaries(frame).contains(&number));
            let what = format!("the host to {name}{of}");
            if is_seen { won.push(what) } else { lost.push(what) }
        }
        let what = "the proxy to the host itself".to_owned();
        if reaches_itself {
            won.push(what)
        } else {
            lost.push(what)
        }
        Ok((won, lost))
    }
}

/// Begin to connect, and wait for nothing.
fn begin(to: SocketAddr) {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let Ok(socket) = socket(family, SockType::Stream, SockFlag::SOCK_NONBLOCK, None) else { return };
    let _ = connect(socket.as_raw_fd(), &SockaddrStorage::from(to));
    // The first segment is on its way; the rest goes with the socket.
}

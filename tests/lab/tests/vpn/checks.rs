//! What has to work with a tunnel.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bulkhead_lab::frame::{ARP, Arp, BROADCAST, IPV4, Mac, canaries, canary, echo, ethernet, ip};
use bulkhead_lab::{Namespace, Socket};
use nix::unistd::{Uid, setfsuid};

use crate::battery::Battery;
use crate::world::*;

/// Something that works, or fails if it does not within some time.
type Check<'a> = (String, Box<dyn Fn(Duration) -> Result<()> + Send + Sync + 'a>);

impl Battery<'_> {
    /// What does not work. What fails in haste is given more time.
    pub fn check(&self) -> Vec<String> {
        let mut failing = self.check_within(Duration::from_millis(500));
        for seconds in [3, 5] {
            if !failing.is_empty() {
                failing = self.check_within(Duration::from_secs(seconds));
            }
        }
        failing
    }

    pub fn check_within(&self, patience: Duration) -> Vec<String> {
        let checks = self.checks();
        std::thread::scope(|scope| {
            let running: Vec<_> = checks.iter().map(|(_, check)| scope.spawn(move || check(patience))).collect();
            let outcomes = running.into_iter().zip(&checks);
            outcomes
                .filter_map(|(running, (name, _))| match running.join() {
                    Ok(Ok(())) => None,
                    Ok(Err(error)) => Some(format!("{name}: {error:#}")),
                    Err(_) => Some(format!("{name}: panic")),
                })
                .collect()
        })
    }

    fn checks(&self) -> Vec<Check<'_>> {
        let world = self.world;
        let mut checks: Vec<Check<'_>> = Vec::new();
        for name in ["torrent", "search"] {
            let container = world.container(name);
            let namespace = &container.namespace;
            let to = (container.address, SSH).into();
            checks
                .push((format!("{name} reaches the internet"), Box::new(move |patience| through(namespace, patience))));
            checks.push((
                format!("{name} is told addresses"),
                Box::new(move |patience| resolve(namespace, patience).map(drop)),
            ));
            checks.push((
                format!("the host reaches {name}"),
                Box::new(move |patience| world.host.enter(|| is_seen(tcp(to, patience)?, HOST))),
            ));
        }
        let torrent = (world.container("torrent").address, SSH).into();
        checks.push((
            "the hook reaches torrent".to_owned(),
            Box::new(move |patience| world.vpn().enter(|| tcp(torrent, patience).map(drop))),
        ));
        for (from, to) in [
            ("vpn", "host"),
            ("torrent", "host"),
            ("search", "host"),
            ("torrent", "vpn"),
            ("search", "vpn"),
            ("vpn", "torrent"),
            ("vpn", "search"),
        ] {
            let who = if to == "host" { (BRIDGE_MAC, HOST) } else { (numbered(to).0, numbered(to).1) };
            checks.push((
                format!("{from} asks who {to} is (ARP)"),
                Box::new(move |patience| is_answered(world.container(from), who, patience)),
            ));
        }
        checks.push(("search pings vpn".to_owned(), Box::new(|patience| self.pings(patience))));
        checks.push((
            "vpn reaches the provider in the tunnel".to_owned(),
            Box::new(|patience| {
                let connected = || TcpStream::connect_timeout(&(TUNNEL_END, FORWARDING).into(), patience);
                world.vpn().enter(|| Ok(connected()?)).map(drop)
            }),
        ));
        checks.push((
            "the internet reaches torrent by the forwarded port".to_owned(),
            Box::new(|patience| {
                let bound = world.provider(|fake| Ok(fake.bound()))?;
                let port = *bound.keys().next().context("no port is forwarded")?;
                world.net.enter(|| tcp((EXIT, port).into(), patience).map(drop))
            }),
        ));
        checks.push((
            "vpn reaches itself".to_owned(),
            Box::new(|patience| world.vpn().enter(|| tcp((Ipv4Addr::LOCALHOST, SSH).into(), patience).map(drop))),
        ));
        checks.push(("the proxy asks for names".to_owned(), Box::new(|patience| self.asks_for_names(patience))));
        checks.push((
            "the proxy reaches the provider".to_owned(),
            Box::new(|patience| world.vpn().enter(|| connects(patience))),
        ));
        checks
    }

    fn pings(&self, patience: Duration) -> Result<()> {
        // Attacks don't come this far. Each is a conversation of its own, or an earlier one would let it in.
        static PINGS: AtomicU32 = AtomicU32::new(u32::MAX);
        let number = PINGS.fetch_sub(1, Ordering::Relaxed);
        let (search, vpn) = (self.world.container("search"), numbered("vpn"));
        let (own, to): (IpAddr, IpAddr) = (search.address.into(), vpn.1.into());
        let (protocol, message) = echo(own, to, &canary(number));
        let socket = Socket::open(&search.namespace, "host0")?;
        socket.send(&ethernet(vpn.0, search.mac, IPV4, &ip(own, to, protocol, &message)))?;
        is_captured(&socket, patience, |frame| canaries(frame).contains(&number))
    }

    /// The proxy's user asks the LAN's resolver, which is seen to be asked.
    fn asks_for_names(&self, patience: Duration) -> Result<()> {
        let seen = Socket::open(&self.world.host, "lan0")?;
        self.world.host.enter(|| {
            setfsuid(Uid::from_raw(PROXY_USER));
            UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.send_to(b"where", (ROUTER, 53))?;
            Ok(())
        })?;
        is_captured(&seen, patience, |frame| frame.get(36..38) == Some(&[0, 53]))
    }
}

/// Somebody answers that they have an address.
fn is_answered(from: &Container, who: (Mac, Ipv4Addr), patience: Duration) -> Result<()> {
    let own = (from.mac, from.address);
    let question = Arp { operation: 1, sender: own, target: ([0; 6], who.1) }.bytes();
    let answer = Arp { operation: 2, sender: who, target: own }.bytes();
    let socket = Socket::open(&from.namespace, "host0")?;
    socket.send(&ethernet(BROADCAST, from.mac, ARP, &question))?;
    is_captured(&socket, patience, |frame| frame[14..].starts_with(&answer))
}

/// A frame is captured in some time.
fn is_captured(socket: &Socket, patience: Duration, is_it: impl Fn(&[u8]) -> bool) -> Result<()> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if socket.drain()?.iter().any(|frame| is_it(frame)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    anyhow::bail!("it is not seen")
}

/// The proxy connects to the provider.
fn connects(patience: Duration) -> Result<()> {
    let mut stream = TcpStream::connect_timeout(&(HOST, PROXY).into(), patience)?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "CONNECT {}:{KEYS} HTTP/1.1\r\n\r\n", SERVERS[0])?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    ensure!(answer.ends_with(b" 200"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// A service sees the internet, and the internet sees the provider.
pub fn through(namespace: &Namespace, patience: Duration) -> Result<()> {
    namespace.enter(|| is_seen(tcp((INTERNET, HTTP).into(), patience)?, EXIT))
}

fn is_seen(seen: IpAddr, expected: Ipv4Addr) -> Result<()> {
    ensure!(seen == IpAddr::from(expected), "{seen} is seen instead of {expected}");
    Ok(())
}

/// The address that a server sees.
pub fn tcp(to: std::net::SocketAddr, patience: Duration) -> Result<IpAddr> {
    let mut connection = TcpStream::connect_timeout(&to, patience).context("connecting")?;
    connection.set_read_timeout(Some(patience))?;
    let mut seen = String::new();
    connection.read_to_string(&mut seen).context("reading")?;
    Ok(seen.parse()?)
}

/// The address of a name, asked for at the VPN container.
pub fn resolve(namespace: &Namespace, patience: Duration) -> Result<Ipv4Addr> {
    namespace.enter(|| {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.set_read_timeout(Some(patience))?;
        let question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01";
        socket.send_to(question, (numbered("vpn").1, 53))?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).context("no answer")?;
        let address: [u8; 4] = answer[length.saturating_sub(4)..length].try_into()?;
        Ok(address.into())
    })
}

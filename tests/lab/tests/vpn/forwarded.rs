//! The forwarded port leads to one service, by TCP and UDP, and nowhere else; it is the same after a renewal and a restart.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bulkhead_lab::skip_without;
use serde_json::Value;

use crate::NEEDS;
use crate::battery::Battery;
use crate::daemon::Daemon;
use crate::world::*;

/// Who could get what comes by the port.
const WHO: [&str; 4] = ["torrent", "search", "vpn", "host"];

/// Listeners at a port that say who they are.
struct Listeners {
    tcp: Vec<(&'static str, TcpListener)>,
    udp: Vec<(&'static str, UdpSocket)>,
}

impl Listeners {
    fn open(world: &World, port: u16) -> Result<Self> {
        let (mut tcp, mut udp) = (Vec::new(), Vec::new());
        for name in WHO {
            let namespace = if name == "host" { &world.host } else { &world.container(name).namespace };
            let (listener, socket) = namespace.enter(|| {
                let bound = (Ipv6Addr::UNSPECIFIED, port);
                Ok((TcpListener::bind(bound)?, UdpSocket::bind(bound)?))
            })?;
            listener.set_nonblocking(true)?;
            socket.set_nonblocking(true)?;
            tcp.push((name, listener));
            udp.push((name, socket));
        }
        Ok(Self { tcp, udp })
    }

    fn serve(&self) {
        for (name, listener) in &self.tcp {
            while let Ok((mut connection, _)) = listener.accept() {
                let _ = connection.write_all(name.as_bytes());
            }
        }
        let mut buffer = [0; 64];
        for (name, socket) in &self.udp {
            while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(name.as_bytes(), peer);
            }
        }
    }
}

/// Who answers at a port of the provider's address, by TCP and by UDP.
fn answers(world: &World, port: u16, patience: Duration) -> Result<[Option<String>; 2]> {
    world.net.enter(|| {
        let by_tcp = || -> Result<String> {
            let mut text = String::new();
            let mut stream = TcpStream::connect_timeout(&(EXIT, port).into(), patience)?;
            stream.set_read_timeout(Some(patience))?;
            stream.read_to_string(&mut text)?;
            Ok(text)
        };
        let by_udp = || -> Result<String> {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.set_read_timeout(Some(patience))?;
            socket.send_to(b"who", (EXIT, port))?;
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer)?;
            Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
        };
        Ok([by_tcp().ok(), by_udp().ok()])
    })
}

fn forwarded_port(daemon: &Daemon) -> Result<u16> {
    let status: Value = daemon.status()?;
    Ok(u16::try_from(status["port"]["port"].as_u64().context("no port")?)?)
}

#[test]
fn the_forwarded_port_leads_to_one_service() -> Result<()> {
    if skip_without(&NEEDS, "the forwarded port of a VPN container") {
        return Ok(());
    }
    let world = World::new()?;
    world.guard()?;
    world.start_wireguard()?;
    // The service listens at the port itself.
    let mut settings = world.configuration()?;
    settings["portForwarding"].as_object_mut().context("no port")?.remove("port");
    let daemon = Daemon::start_with(&world, &settings)?;
    daemon.ready()?;
    let port = forwarded_port(&daemon)?;
    let battery = Battery::new(&world)?;
    let here = Listeners::open(&world, port)?;
    let beside = Listeners::open(&world, port + 1)?;
    let stop = AtomicBool::new(false);
    let to_torrent = [Some("torrent".to_owned()), Some("torrent".to_owned())];
    let arrives = |daemon: &Daemon, when: &str| -> Result<()> {
        ensure!(forwarded_port(daemon)? == port, "{when} it is another port");
        let mut seen = answers(&world, port, Duration::from_millis(700))?;
        if seen != to_torrent {
            seen = answers(&world, port, Duration::from_secs(3))?;
        }
        ensure!(seen == to_torrent, "{when} it leads to {seen:?}\n{}", daemon.log());
        let beside = answers(&world, port + 1, Duration::from_millis(300))?;
        ensure!(beside == [None, None], "{when} the next port leads to {beside:?}");
        Ok(())
    };
    let whole_life = || -> Result<()> {
        arrives(&daemon, "at first")?;
        let ((), leaks) = battery.attack_during(|| daemon.renew())?;
        ensure!(leaks.is_empty(), "during a renewal: {leaks:#?}");
        arrives(&daemon, "after a renewal")?;
        daemon.kill()?;
        let daemon = Daemon::start_with(&world, &settings)?;
        daemon.ready()?;
        arrives(&daemon, "after a restart")
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                here.serve();
                beside.serve();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        let outcome = whole_life();
        stop.store(true, Ordering::Relaxed);
        outcome
    })
}

/// The longest time without an answer while something happens.
pub fn longest_silence(world: &World, event: impl FnOnce() -> Result<()> + Send) -> Result<Duration> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pings = scope.spawn(|| {
            world.container("search").namespace.enter(|| {
                let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
                socket.set_read_timeout(Some(Duration::from_millis(20)))?;
                let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
                while !over.load(Ordering::Relaxed) {
                    // A way that is closed for now refuses.
                    let _ = socket.send_to(b"ping", (INTERNET, ECHO));
                    if socket.recv(&mut [0; 16]).is_ok() {
                        longest = longest.max(last.elapsed());
                        last = Instant::now();
                    }
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(longest.max(last.elapsed()))
            })
        });
        let outcome = event();
        std::thread::sleep(Duration::from_millis(300));
        over.store(true, Ordering::Relaxed);
        let longest = pings.join().map_err(|_| anyhow::anyhow!("the pings panicked"))?;
        outcome.and(longest)
    })
}

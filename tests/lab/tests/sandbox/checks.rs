//! What must work with the guard: as the programs of workspaces would do it.

use std::io::{ErrorKind, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use bulkhead_lab::frame::{ARP, Arp, BROADCAST, Mac, canaries, canary, echo, ethernet, ethertype, ip};
use bulkhead_lab::{Namespace, Socket};
use serde_json::Value;

use crate::services::{DNS, HTTP};
use crate::topology::*;

/// Something that works.
pub struct Check<'a> {
    pub name: String,
    pub run: Run<'a>,
}

/// It fails if it does not work within some time.
type Run<'a> = Box<dyn Fn(Duration) -> Result<()> + Send + Sync + 'a>;

/// The workspaces that the guard knows.
const GUARDED: [&str; 4] = ["a", "b", "c", "d"];

/// All of them, for the families that the sandbox has.
pub fn checks(topology: &Topology) -> Vec<Check<'_>> {
    let mut checks = of_family(topology, 4);
    for name in GUARDED {
        checks.push(Check {
            name: format!("{name} asks who the gateway is (ARP)"),
            run: Box::new(move |patience| is_answered(topology, name, (BRIDGE_MAC, GATEWAY), patience)),
        });
    }
    for (from, to) in [("a", "b"), ("b", "a")] {
        let peer = topology.workspace(to);
        checks.push(Check {
            name: format!("{from} asks who {to} is, its pair (ARP)"),
            run: Box::new(move |patience| is_answered(topology, from, (peer.mac, peer.address), patience)),
        });
    }
    if topology.setting.ipv6 {
        checks.extend(of_family(topology, 6));
        for name in GUARDED {
            let workspace = topology.workspace(name);
            checks.push(Check {
                name: format!("the host asks {name} whether it is still there (ND)"),
                run: Box::new(|patience| {
                    is_confirmed(&topology.host, BRIDGE, workspace.address6, workspace.mac, patience)
                }),
            });
            checks.push(Check {
                name: format!("{name} asks the gateway whether it is still there, from its link-local address (ND)"),
                run: Box::new(|patience| is_confirmed(&workspace.namespace, "eth0", GATEWAY6, BRIDGE_MAC, patience)),
            });
        }
    }
    checks
}

/// The checks that fail, and why.
pub fn failing(checks: &[Check<'_>], patience: Duration) -> Vec<String> {
    std::thread::scope(|scope| {
        let running: Vec<_> = checks.iter().map(|check| scope.spawn(move || (check.run)(patience))).collect();
        let outcomes = running.into_iter().zip(checks);
        outcomes
            .filter_map(|(running, check)| match running.join() {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{}: {error:#}", check.name)),
                Err(_) => Some(format!("{}: panic", check.name)),
            })
            .collect()
    })
}

fn of_family<'a>(topology: &'a Topology, family: u8) -> Vec<Check<'a>> {
    let pick = |four: IpAddr, six: IpAddr| if family == 4 { four } else { six };
    let internet = pick(INTERNET.into(), INTERNET6.into());
    let gateway = pick(GATEWAY.into(), GATEWAY6.into());
    let nas = pick(NAS.into(), NAS6.into());
    let host_lan = pick(HOST_LAN.into(), HOST_LAN6.into());
    let tailnet = pick(TAILNET.into(), TAILNET6.into());
    let host_tailnet = pick(HOST_TAILNET.into(), HOST_TAILNET6.into());
    let address = |name: &str| pick(topology.workspace(name).address.into(), topology.workspace(name).address6.into());

    let mut checks: Vec<Check<'a>> = Vec::new();
    let mut add = |name: &str, run: Run<'a>| {
        checks.push(Check { name: format!("{name}, IPv{family}"), run });
    };
    for name in GUARDED {
        let own = address(name);
        add(
            &format!("{name} reaches the internet by TCP, with an address of the host"),
            Box::new(move |patience| {
                let seen = ask_by_tcp(topology, name, internet, HTTP, patience)?;
                ensure!(seen != own, "the internet sees {seen}");
                Ok(())
            }),
        );
    }
    let own = address("c");
    add(
        "c reaches the internet by UDP",
        Box::new(move |patience| ask_by_udp(topology, "c", internet, DNS, patience).map(drop)),
    );
    add(
        "c reaches the internet by UDP, in fragments",
        Box::new(move |patience| ask_at_length(topology, "c", internet, 4000, patience)),
    );
    add(
        "c asks the gateway's resolver at length, in fragments",
        Box::new(move |patience| ask_at_length(topology, "c", gateway, 4000, patience)),
    );
    add(
        "c is told that nobody listens at a port of the internet",
        Box::new(move |patience| is_refused(topology, "c", internet, patience)),
    );
    add("c pings the gateway", Box::new(move |patience| ping(topology, "c", gateway, patience)));
    add(
        "c asks the gateway's resolver by UDP",
        Box::new(move |patience| is_seen_as(own, ask_by_udp(topology, "c", gateway, DNS, patience)?)),
    );
    add(
        "c asks the gateway's resolver by TCP",
        Box::new(move |patience| is_seen_as(own, ask_by_tcp(topology, "c", gateway, DNS, patience)?)),
    );
    add(
        "a goes through its hole into the LAN",
        Box::new(move |patience| is_seen_as(host_lan, ask_by_tcp(topology, "a", nas, NAS_HOLE, patience)?)),
    );
    let own = address("b");
    add(
        "b goes through its hole into the host",
        Box::new(move |patience| is_seen_as(own, ask_by_tcp(topology, "b", host_lan, HOST_HOLE, patience)?)),
    );
    add(
        "c goes through its hole into the tailnet",
        Box::new(move |patience| is_seen_as(host_tailnet, ask_by_tcp(topology, "c", tailnet, TAILNET_HOLE, patience)?)),
    );
    let (a, b) = (address("a"), address("b"));
    add(
        "a and b reach each other",
        Box::new(move |patience| {
            for (from, own, to, peer) in [("a", a, "b", b), ("b", b, "a", a)] {
                // Each has to ask for the other.
                for (name, of) in [(from, peer), (to, own)] {
                    let forget = format!("neighbour flush to {of} dev eth0");
                    topology.workspace(name).namespace.ip(&[&forget])?;
                }
                is_seen_as(own, ask_by_tcp(topology, from, peer, SSH, patience)?)?;
            }
            Ok(())
        }),
    );
    for name in GUARDED {
        let address = address(name);
        add(
            &format!("the host reaches {name}"),
            Box::new(move |patience| {
                let seen = topology.host.enter(|| tcp((address, SSH).into(), patience))?;
                is_seen_as(gateway, seen)
            }),
        );
    }
    checks
}

fn is_seen_as(expected: IpAddr, seen: IpAddr) -> Result<()> {
    ensure!(seen == expected, "{seen} is seen instead of {expected}");
    Ok(())
}

fn ask_by_tcp(topology: &Topology, from: &str, to: IpAddr, port: u16, patience: Duration) -> Result<IpAddr> {
    topology.workspace(from).namespace.enter(|| tcp((to, port).into(), patience))
}

/// The address that a server sees.
fn tcp(to: SocketAddr, patience: Duration) -> Result<IpAddr> {
    let mut connection = TcpStream::connect_timeout(&to, patience).context("connecting")?;
    connection.set_read_timeout(Some(patience))?;
    let mut seen = String::new();
    connection.read_to_string(&mut seen).context("reading")?;
    Ok(seen.parse()?)
}

fn ask_by_udp(topology: &Topology, from: &str, to: IpAddr, port: u16, patience: Duration) -> Result<IpAddr> {
    topology.workspace(from).namespace.enter(|| {
        let socket = connected(to, port, patience)?;
        socket.send(b"who am I")?;
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).context("no answer")?;
        Ok(std::str::from_utf8(&buffer[..length])?.parse()?)
    })
}

fn ask_at_length(topology: &Topology, from: &str, to: IpAddr, length: usize, patience: Duration) -> Result<()> {
    topology.workspace(from).namespace.enter(|| {
        let socket = connected(to, DNS, patience)?;
        socket.send(&vec![0; length])?;
        socket.recv(&mut [0; 64]).context("no answer").map(drop)
    })
}

fn connected(to: IpAddr, port: u16, patience: Duration) -> Result<UdpSocket> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((to, port))?;
    socket.set_read_timeout(Some(patience))?;
    Ok(socket)
}

fn is_refused(topology: &Topology, from: &str, to: IpAddr, patience: Duration) -> Result<()> {
    topology.workspace(from).namespace.enter(|| {
        let socket = connected(to, 9, patience)?;
        socket.send(b"is anybody there")?;
        let error = socket.recv(&mut [0; 64]).err().map(|error| error.kind());
        ensure!(error == Some(ErrorKind::ConnectionRefused), "{error:?} instead of an ICMP error");
        Ok(())
    })
}

fn ping(topology: &Topology, from: &str, to: IpAddr, patience: Duration) -> Result<()> {
    // Attacks don't come this far.
    let number = if to.is_ipv4() { u32::MAX } else { u32::MAX - 1 };
    let workspace = topology.workspace(from);
    let own: IpAddr = if to.is_ipv4() { workspace.address.into() } else { workspace.address6.into() };
    let (protocol, message) = echo(own, to, &canary(number));
    let question = ethernet(BRIDGE_MAC, workspace.mac, ethertype(own), &ip(own, to, protocol, &message));
    exchange(workspace, &question, |frame| canaries(frame).contains(&number), patience)
}

fn is_answered(topology: &Topology, from: &str, who: (Mac, Ipv4Addr), patience: Duration) -> Result<()> {
    let workspace = topology.workspace(from);
    let own = (workspace.mac, workspace.address);
    let question = Arp { operation: 1, sender: own, target: ([0; 6], who.1) }.bytes();
    let answer = Arp { operation: 2, sender: who, target: own }.bytes();
    let question = ethernet(BROADCAST, workspace.mac, ARP, &question);
    exchange(workspace, &question, |frame| frame[14..].starts_with(&answer), patience)
}

/// Send a frame and wait for one that answers it.
fn exchange(by: &Workspace, question: &[u8], is_answer: impl Fn(&[u8]) -> bool, patience: Duration) -> Result<()> {
    let socket = Socket::open(&by.namespace, "eth0")?;
    socket.send(question)?;
    let end = Instant::now() + patience;
    while Instant::now() < end {
        if socket.drain()?.iter().any(|frame| is_answer(frame)) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    anyhow::bail!("no answer")
}

/// A neighbour that is probed answers without naming its MAC address (RFC 4861, 7.2.4). Linux probes from its link-local
/// address.
fn is_confirmed(by: &Namespace, interface: &str, who: Ipv6Addr, mac: Mac, patience: Duration) -> Result<()> {
    by.ip(&[&format!("neighbour replace {who} lladdr {} dev {interface} nud probe", mac_text(mac))])?;
    let end = Instant::now() + patience;
    loop {
        let shown = by.run("ip", &["-json", "-6", "neighbour", "show", "to", &who.to_string(), "dev", interface])?;
        let shown: Value = serde_json::from_str(&shown)?;
        let states = &shown[0]["state"];
        if states.as_array().is_some_and(|states| states.iter().any(|state| state == "REACHABLE")) {
            return Ok(());
        }
        ensure!(Instant::now() < end, "its state is {states}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

//! Attacks that are safe on a live machine, from inside of the service containers.
//!
//! **What is seen.** Every frame carries a text that no other frame has. All interfaces of the host are watched while it is
//! sent: it must appear where it begins (which shows that it was sent, and that the observer sees it), and may appear at
//! the VPN container; anywhere else it is a leak, translated addresses or not. So is an answer of the host.
//!
//! **Controls.** The observer must see a frame that the host itself sends to its router; the proxy must answer the VPN
//! container; an ordinary packet must arrive there; its DNS must answer the service. What could not be tested is
//! *undecided*, never held.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::net::if_::if_nameindex;

use super::address::{Asker, ask_dns};
use super::attack::{Attack, Ground};
use super::namespace::{self, Entrance, Port};
use super::observer::{Observer, has, send_frames};
use super::{HostConfig, HostService, frame, guard};
use crate::config::ServiceName;
use crate::control::{Answer, Question};
use crate::network::link;

pub use super::report::{Outcome, Report, Test, schema};

/// How long after the last frame something may still come of it.
const SETTLE: Duration = Duration::from_millis(1500);
/// So many addresses of the host are tried.
const MOST_ADDRESSES: usize = 32;
/// Each attack is sent this often.
const TIMES: usize = 3;

/// What is known of the host.
struct Host<'a> {
    config: &'a HostConfig,
    bridge: (u32, frame::Mac, Ipv4Addr),
    vpn: Entrance,
    vpn_port: Port,
    addresses: Vec<Ipv4Addr>,
    listening: Vec<(Ipv4Addr, u16)>,
    routers: Vec<(u32, Ipv4Addr)>,
    resolvers: Vec<Ipv4Addr>,
    mark: String,
    sequence: u32,
}

/// Run all tests, on the services that are named; on all if none is. `tell` hears of progress.
///
/// # Errors
/// Nothing could be tested: not root, no bridge, no VPN container.
pub fn run(config: &HostConfig, only: &[ServiceName], tell: impl Fn(&str)) -> Result<Report> {
    let host = Host::find(config)?;
    let mut tests = vec![host.test_observer()?, host.test_guard(), host.test_tunnel()];
    let proxy = host.test_proxy();
    let proxy_answers = proxy.as_ref().is_none_or(|test| test.outcome == Outcome::Held);
    tests.extend(proxy);
    let asker = config.public_address.as_ref().map(Asker::new).transpose()?;
    let outside = asker.as_ref().map(Asker::outside);
    let wanted = |name: &ServiceName| only.is_empty() || only.contains(name);
    for (number, (name, service)) in config.services.iter().enumerate().filter(|(_, (name, _))| wanted(name)) {
        tell(&format!("attacking from {name}"));
        let entrance = match Entrance::find(&service.namespace, config.machinectl.as_deref()) {
            Ok(entrance) => entrance,
            Err(error) => {
                let detail = Some(format!("{error:#}"));
                tests.push(test(name.as_str(), "enter", "the container is entered", Outcome::Undecided, detail));
                continue;
            }
        };
        match host.attack(name, service, &entrance, number) {
            Ok(mut attacks) => {
                let untested = |test: &&mut Test| test.outcome == Outcome::Held && test.name.ends_with("proxy");
                for test in attacks.iter_mut().filter(untested).filter(|_| !proxy_answers) {
                    test.outcome = Outcome::Undecided;
                    test.detail = Some("the proxy does not answer the VPN container either".to_owned());
                }
                tests.extend(attacks);
            }
            Err(error) => {
                let detail = Some(format!("{error:#}"));
                tests.push(test(name.as_str(), "attack", "the container is attacked from", Outcome::Undecided, detail));
            }
        }
        tests.push(host.test_dns(name, &entrance));
        if let (Some(asker), Some(outside)) = (&asker, &outside) {
            tests.push(host.test_address(name, &entrance, asker, outside));
        }
    }
    Ok(Report::new(tests))
}

impl<'a> Host<'a> {
    fn find(config: &'a HostConfig) -> Result<Self> {
        let bridge = config.bridge.interface.as_str();
        let index = link::index(bridge)?.with_context(|| format!("there is no interface {bridge}"))?;
        let vpn = Entrance::find(&config.vpn.namespace, config.machinectl.as_deref())
            .context("can't enter the VPN container")?;
        let vpn_port = vpn.port(config.vpn.interface.as_str()).context("in the VPN container")?;
        let own = namespace::addresses()?;
        let addresses =
            own.into_iter().filter(|(name, address)| name != bridge && *address != config.bridge.host_address);
        let mut random = [0; 12];
        rustls::crypto::ring::default_provider()
            .secure_random
            .fill(&mut random)
            .map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
        Ok(Self {
            config,
            bridge: (index, namespace::mac_of(bridge)?, config.bridge.host_address),
            vpn,
            vpn_port,
            addresses: addresses.map(|(_, address)| address).take(MOST_ADDRESSES).collect(),
            listening: listening()?,
            routers: link::gateways()?,
            resolvers: resolvers()?,
            sequence: u32::from_le_bytes([random[8], random[9], random[10], random[11]]),
            mark: random[..8].iter().fold("bulkhead".to_owned(), |text, byte| format!("{text}{byte:02x}")),
        })
    }

    /// The observer sees what leaves the host.
    fn test_observer(&self) -> Result<Test> {
        let result = |outcome, detail| test("host", "observer", "what the host sends is seen", outcome, detail);
        let Some((index, router)) = self.routers.first().copied() else {
            let detail = Some("the host has no default route".to_owned());
            return Ok(result(Outcome::Undecided, detail));
        };
        let observer = Observer::start(&self.mark, |_| false)?;
        let text = format!("{}control", self.mark);
        for _ in 0..TIMES {
            let sent = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?.send_to(text.as_bytes(), (router, 9));
            sent.with_context(|| format!("can't send to {router}"))?;
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(SETTLE / 3);
        let seen = observer.finish()?;
        let is_there =
            seen.iter().any(|seen| seen.interface == index && seen.sent && has(&seen.frame, text.as_bytes()));
        Ok(match is_there {
            true => result(Outcome::Held, None),
            false => result(Outcome::Undecided, Some(format!("a packet to the router {router} was not seen"))),
        })
    }

    fn test_guard(&self) -> Test {
        let what = "the guard's tables are what they should be";
        let result = |outcome, detail| test("host", "guard", what, outcome, detail);
        let Some(guard) = &self.config.guard else {
            return result(Outcome::Undecided, Some("no guard is configured".to_owned()));
        };
        match guard::differences(guard, &self.config.nft) {
            Ok(differences) if differences.is_empty() => result(Outcome::Held, None),
            Ok(differences) => result(Outcome::Leaked, Some(differences.join("; "))),
            Err(error) => result(Outcome::Undecided, Some(format!("{error:#}"))),
        }
    }

    fn test_tunnel(&self) -> Test {
        let result = |outcome, detail| test("host", "tunnel", "the tunnel works", outcome, detail);
        match self.config.vpn.ask(Question::Status) {
            Ok(Answer::Status(status)) if status.connection.is_some() => result(Outcome::Held, None),
            Ok(Answer::Status(status)) => result(Outcome::Undecided, Some(format!("it is {}", status.step))),
            Ok(_) => result(Outcome::Undecided, Some("the service is of another version".to_owned())),
            Err(error) => result(Outcome::Undecided, Some(format!("the service can't be asked: {error}"))),
        }
    }

    /// The proxy answers the one container that may use it.
    fn test_proxy(&self) -> Option<Test> {
        let proxy = self.config.proxy?;
        let connected = self.vpn.enter(|| {
            let timeout = Duration::from_secs(3);
            Ok(TcpStream::connect_timeout(&SocketAddr::V4(proxy), timeout).map(drop)?)
        });
        let outcome = if connected.is_ok() { Outcome::Held } else { Outcome::Undecided };
        let detail = connected.err().map(|error| format!("{error:#}"));
        Some(test("host", "proxy-answers", "the proxy answers the VPN container", outcome, detail))
    }

    fn test_dns(&self, name: &ServiceName, entrance: &Entrance) -> Test {
        let vpn = self.config.bridge.vpn_address;
        // Whatever it says, it was asked and answered.
        let answered = entrance.enter(|| ask_dns(vpn, "dns.bulkhead.invalid").map(drop));
        let outcome = if answered.is_ok() { Outcome::Held } else { Outcome::Undecided };
        let detail = answered.err().map(|error| format!("{error:#}"));
        test(name.as_str(), "dns", "the VPN container answers DNS", outcome, detail)
    }

    fn test_address(&self, name: &ServiceName, entrance: &Entrance, asker: &Asker, outside: &Result<Ipv4Addr>) -> Test {
        let what = "its public address is not the host's";
        let result = |outcome, detail| test(name.as_str(), "public-address", what, outcome, Some(detail));
        let told = match self.config.vpn.ask(Question::Status) {
            Ok(Answer::Status(status)) => status.connection.and_then(|connection| connection.public_address),
            _ => None,
        };
        match (asker.inside(entrance, self.config.bridge.vpn_address), outside) {
            (Err(error), _) => result(Outcome::Undecided, format!("{error:#}")),
            (Ok(inside), Ok(outside)) if inside == *outside => result(Outcome::Leaked, format!("both are {inside}")),
            (Ok(inside), Ok(outside)) => result(Outcome::Held, format!("{inside}, and the host has {outside}")),
            (Ok(inside), Err(_)) if told == Some(inside) => {
                result(Outcome::Held, format!("{inside}, as the provider says"))
            }
            (Ok(inside), Err(error)) => {
                result(Outcome::Undecided, format!("it is {inside}; the host's can't be had: {error:#}"))
            }
        }
    }

    fn attack(
        &self,
        name: &ServiceName,
        service: &HostService,
        entrance: &Entrance,
        number: usize,
    ) -> Result<Vec<Test>> {
        let mut ground = self.ground(name, service, entrance)?;
        // What is late must not be taken for the next container's. It has to fit into a label of DNS.
        ground.mark = format!("{}s{number}", self.mark);
        let attacks = ground.attacks();
        let sequence = ground.sequence;
        let observer = Observer::start(&self.mark, move |frame| frame::accepts(frame, sequence).is_some())?;
        let frames: Vec<Vec<u8>> = attacks.iter().map(|attack| attack.frame.clone()).collect();
        entrance.enter(|| {
            for _ in 0..TIMES {
                send_frames(service.interface.as_str(), &frames)?;
            }
            Ok(())
        })?;
        std::thread::sleep(SETTLE);
        let seen = observer.finish()?;
        let names = if_nameindex().context("can't list interfaces")?;
        let names: BTreeMap<u32, String> =
            names.iter().map(|it| (it.index(), it.name().to_string_lossy().into_owned())).collect();
        let judged = attacks.iter().map(|attack: &Attack| {
            let (outcome, detail) = ground.judge(attack, &seen, &names);
            test(name.as_str(), &attack.name, &attack.what, outcome, detail)
        });
        Ok(judged.collect())
    }

    fn ground(&self, name: &ServiceName, service: &HostService, entrance: &Entrance) -> Result<Ground> {
        let siblings = self.config.services.iter().filter(|(other, _)| *other != name).map(|(other, it)| {
            let entrance = Entrance::find(&it.namespace, self.config.machinectl.as_deref()).ok();
            let port = entrance.and_then(|entrance| entrance.port(it.interface.as_str()).ok());
            (other.to_string(), it.address, port.map(|port| port.mac))
        });
        Ok(Ground {
            own: service.address,
            port: entrance.port(service.interface.as_str())?,
            vpn_port: self.vpn_port,
            vpn: self.config.bridge.vpn_address,
            subnet: self.config.bridge.subnet,
            bridge: self.bridge,
            siblings: siblings.collect(),
            host_addresses: self.addresses.clone(),
            listening: self.listening.clone(),
            routers: self.routers.iter().map(|(_, router)| *router).collect(),
            resolvers: self.resolvers.clone(),
            proxy: self.config.proxy,
            mark: self.mark.clone(),
            sequence: self.sequence,
        })
    }
}

fn test(at: &str, name: &str, what: &str, outcome: Outcome, detail: Option<String>) -> Test {
    Test { at: at.to_owned(), name: name.to_owned(), what: what.to_owned(), outcome, detail }
}

/// Where this namespace listens on TCP over IPv4, or on all addresses of both (proc(5)).
fn listening() -> Result<Vec<(Ipv4Addr, u16)>> {
    let mut found = Vec::new();
    for (file, digits) in [("tcp", 8), ("tcp6", 32)] {
        let path = format!("/proc/thread-self/net/{file}");
        let text = match std::fs::read_to_string(&path) {
            // A kernel without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound && file == "tcp6" => continue,
            // What is not known to listen is not attacked, and not attacked is no success.
            other => other.with_context(|| format!("can't read {path}"))?,
        };
        for line in text.lines().skip(1) {
            let mut fields = line.split_whitespace().skip(1);
            let (Some(local), Some(_), Some("0A")) = (fields.next(), fields.next(), fields.next()) else { continue };
            let Some((address, port)) = local.split_once(':') else { continue };
            let Ok(port) = u16::from_str_radix(port, 16) else { continue };
            if digits == 32 {
                if address.bytes().all(|digit| digit == b'0') {
                    found.push((Ipv4Addr::UNSPECIFIED, port));
                }
            } else if let Ok(bits) = u32::from_str_radix(address, 16) {
                found.push((Ipv4Addr::from(bits.to_ne_bytes()), port));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The DNS servers of the host (resolv.conf(5)), but for those on the host itself.
fn resolvers() -> Result<Vec<Ipv4Addr>> {
    let text = match std::fs::read_to_string("/etc/resolv.conf") {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        other => other.context("can't read /etc/resolv.conf")?,
    };
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok());
    Ok(servers.filter(|address: &Ipv4Addr| !address.is_loopback()).collect())
}

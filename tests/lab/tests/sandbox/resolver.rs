//! The resolver of workspaces: a real unbound with the configuration of `nix/lib`, asked by a workspace behind the guard,
//! while the internet and the LAN lie.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use bulkhead_lab::frame::{IPV4, UDP};
use bulkhead_lab::{Background, Namespace, Need, Socket, Tables, evaluate, skip_without};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::NEEDS;
use crate::topology::*;

/// Codes of answers (RFC 1035, 4.1.1).
const NO_ERROR: u8 = 0;
const SERVER_FAILURE: u8 = 2;
const NAME_ERROR: u8 = 3;
const REFUSED: u8 = 5;

const A: u16 = 1;
const AAAA: u16 = 28;
const NS: u16 = 2;

#[test]
fn names_lead_to_the_internet_alone() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.push(Need::Program("unbound"));
    if skip_without(&needs, "the resolver of the sandbox") {
        return Ok(());
    }
    let topology = Topology::new(Setting { ipv6: true, br_netfilter: true })?;
    let _tables = Tables::load(&topology.host, &rules(true)?)?;
    let folder = tempfile::tempdir()?;
    let forwarder = NameServer::start(&topology.internet, 53, |name, kind| match (name, kind) {
        ("public.example", A) => Answer::Addresses(vec![INTERNET.into()]),
        ("public.example", AAAA) => Answer::Addresses(vec![INTERNET6.into()]),
        ("rebind.example", A) => Answer::Addresses(vec![NAS.into()]),
        ("both.example", A) => Answer::Addresses(vec![NAS.into(), INTERNET.into(), HOST_TAILNET.into()]),
        ("rebind.example", AAAA) => Answer::Addresses(vec![NAS6.into()]),
        ("mapped.example", AAAA) => Answer::Addresses(vec![NAS.to_ipv6_mapped().into()]),
        ("local.example", A) => Answer::Addresses(vec![Ipv4Addr::LOCALHOST.into()]),
        ("metadata.example", A) => Answer::Addresses(vec![Ipv4Addr::new(169, 254, 169, 254).into()]),
        ("denied.example", A) => Answer::Addresses(vec![DENIED.into()]),
        // The forwarder is one of the LAN's, as it were: it knows the LAN's names.
        ("nas.lan" | "nas.local" | "nas.home.arpa" | "nas.office.example" | "howl", A) => {
            Answer::Addresses(vec![INTERNET.into()])
        }
        _ => Answer::Nothing,
    })?;
    let configuration = configuration(&json!([INTERNET.to_string()]))?;
    let mut resolver = start(&topology.host, folder.path(), &configuration)?;
    let ask = |name: &str, kind: u16| ask(&topology.workspace("c").namespace, GATEWAY.into(), name, kind);

    let public = until_answered(|| ask("public.example", A))?;
    assert_eq!(public, (NO_ERROR, vec![INTERNET.into()]));
    assert_eq!(ask("public.example", AAAA)?, (NO_ERROR, vec![INTERNET6.into()]));
    assert_eq!(ask("both.example", A)?.1, [IpAddr::from(INTERNET)], "private addresses are taken out");
    for (name, kind) in [
        ("rebind.example", A),
        ("rebind.example", AAAA),
        ("mapped.example", AAAA),
        ("local.example", A),
        ("metadata.example", A),
        ("denied.example", A),
    ] {
        assert_eq!(ask(name, kind)?.1, [] as [IpAddr; 0], "{name} leads to what is not public");
        assert!(forwarder.was_asked(name)?, "{name} was not asked for, so nothing is proved");
    }
    for name in ["nas.lan", "nas.local", "nas.home.arpa", "nas.office.example", "1.168.192.in-addr.arpa"] {
        assert_eq!(ask(name, A)?, (NAME_ERROR, vec![]), "{name} is a name of the LAN");
        assert!(!forwarder.was_asked(name)?, "the name {name} went out");
    }
    // Not for others; and with the guard, they don't even get there.
    assert_eq!(ask_from_host(&topology)?, (REFUSED, vec![]));

    // Nobody answers: no other server is asked.
    drop(forwarder);
    let wan = Socket::open(&topology.host, "lan0")?;
    // It may try until nobody waits any more.
    if let Ok(answer) = ask("other.example", A) {
        assert_eq!(answer, (SERVER_FAILURE, vec![]));
    }
    let servers: Vec<Ipv4Addr> = asked_servers(&wan)?;
    assert!(servers.iter().all(|server| *server == INTERNET), "others are asked: {servers:?}");
    assert!(!servers.is_empty(), "the forwarder was not asked, so nothing is proved");
    assert_eq!(resolver.child().try_wait()?, None, "the resolver has ended");
    Ok(())
}

#[test]
fn nobody_has_the_host_ask_its_own_network() -> Result<()> {
    let mut needs = NEEDS.to_vec();
    needs.push(Need::Program("unbound"));
    if skip_without(&needs, "the resolver of the sandbox, without forwarders") {
        return Ok(());
    }
    let topology = Topology::new(Setting { ipv6: false, br_netfilter: false })?;
    let _tables = Tables::load(&topology.host, &rules(false)?)?;
    // The internet is all root servers, and they say that the servers of `evil.` are in the LAN.
    topology.lan.ip(&["route add default via 45.33.0.2"])?;
    topology.internet.feed(
        "nft",
        &["-f", "-"],
        "table ip roots {
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    udp dport 53 redirect to :5300
  }
}",
    )?;
    let _root = NameServer::start(&topology.internet, 5300, |name, kind| match (name, kind) {
        ("", NS) => Answer::Servers("", Ipv4Addr::new(198, 41, 0, 4), true),
        ("good.example", A) => Answer::Addresses(vec![INTERNET.into()]),
        (name, _) if name.ends_with("evil") => Answer::Servers("evil", ROUTER, false),
        _ => Answer::Nothing,
    })?;
    let guarded = configuration(&json!([]))?;
    let careless: String =
        guarded.lines().filter(|line| !line.contains("private-address")).flat_map(|line| [line, "\n"]).collect();
    for (configuration, is_careless) in [(careless, true), (guarded, false)] {
        let folder = tempfile::tempdir()?;
        let _resolver = start(&topology.host, folder.path(), &configuration)?;
        let ask = |name: &str| ask(&topology.workspace("c").namespace, GATEWAY.into(), name, A);
        assert_eq!(until_answered(|| ask("good.example"))?.1, [IpAddr::from(INTERNET)], "it finds its way");
        let lan = Socket::open(&topology.host, "lan0")?;
        let _ = ask("secret.evil");
        let asked = asked_servers(&lan)?.contains(&ROUTER);
        assert_eq!(asked, is_careless, "the LAN is asked: {asked}; without private-address: {is_careless}");
    }
    Ok(())
}

fn configuration(forwarders: &Value) -> Result<String> {
    let given = json!({
        "listen": [GATEWAY, GATEWAY6],
        "subnets": ["10.20.0.0/24", "fd20::/64"],
        "forwarders": forwarders,
        "tls": false,
        "certificates": "",
        "trustAnchor": null,
        "ipv6": false,
        "refuse": ["office.example"],
        "deny": ["45.66.0.0/24"],
    });
    Ok(evaluate("resolverConfig", &given)?.as_str().unwrap_or_default().to_owned())
}

fn start(host: &Namespace, folder: &std::path::Path, configuration: &str) -> Result<Background> {
    let file = folder.join("unbound.conf");
    std::fs::write(&file, configuration)?;
    let log = std::fs::File::create(folder.join("log"))?;
    let mut command = Command::new("unbound");
    command.arg("-d").arg("-p").arg("-c").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Background::start(host, &mut command)
}

/// What comes of a question as soon as the resolver has started.
fn until_answered(ask: impl Fn() -> Result<(u8, Vec<IpAddr>)>) -> Result<(u8, Vec<IpAddr>)> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match ask() {
            Ok((code, addresses)) if code != SERVER_FAILURE => return Ok((code, addresses)),
            other if Instant::now() > end => return other,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

/// From an address of the host that is no workspace's.
fn ask_from_host(topology: &Topology) -> Result<(u8, Vec<IpAddr>)> {
    topology.host.enter(|| {
        let socket = UdpSocket::bind((HOST_LAN, 0))?;
        exchange(&socket, GATEWAY.into(), "public.example", A)
    })
}

fn ask(from: &Namespace, server: IpAddr, name: &str, kind: u16) -> Result<(u8, Vec<IpAddr>)> {
    from.enter(|| exchange(&UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?, server, name, kind))
}

/// The code of the answer and its addresses.
fn exchange(socket: &UdpSocket, server: IpAddr, name: &str, kind: u16) -> Result<(u8, Vec<IpAddr>)> {
    socket.set_read_timeout(Some(Duration::from_secs(3)))?;
    let mut question = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    question.extend(encoded(name));
    question.extend(kind.to_be_bytes());
    question.extend([0, 1]);
    socket.send_to(&question, (server, 53))?;
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).with_context(|| format!("no answer about {name}"))?;
    addresses(&buffer[..length])
}

fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').filter(|label| !label.is_empty());
    let mut bytes: Vec<u8> = labels.flat_map(|label| [&[label.len() as u8][..], label.as_bytes()].concat()).collect();
    bytes.push(0);
    bytes
}

/// The end of a name (RFC 1035, 4.1.4) that begins somewhere in a message.
fn skip_name(message: &[u8], mut at: usize) -> Result<usize> {
    loop {
        match *message.get(at).context("the message is cut off")? {
            0 => return Ok(at + 1),
            length if length >= 0xc0 => return Ok(at + 2),
            length => at += 1 + usize::from(length),
        }
    }
}

fn addresses(message: &[u8]) -> Result<(u8, Vec<IpAddr>)> {
    let number = |at: usize| {
        Ok::<_, anyhow::Error>(u16::from_be_bytes(
            *message.get(at..at + 2).context("cut off")?.first_chunk().context("cut off")?,
        ))
    };
    let mut at = 12;
    for _ in 0..number(4)? {
        at = skip_name(message, at)? + 4;
    }
    let mut found = Vec::new();
    for _ in 0..number(6)? {
        at = skip_name(message, at)?;
        let (kind, length) = (number(at)?, usize::from(number(at + 8)?));
        let data = message.get(at + 10..at + 10 + length).context("cut off")?;
        match (kind, data.len()) {
            (A, 4) => found.push(IpAddr::from(<[u8; 4]>::try_from(data)?)),
            (AAAA, 16) => found.push(IpAddr::from(<[u8; 16]>::try_from(data)?)),
            _ => {}
        }
        at += 10 + length;
    }
    Ok((message[3] & 15, found))
}

/// The servers to which questions went out.
fn asked_servers(capture: &Socket) -> Result<Vec<Ipv4Addr>> {
    let to_port_53 = |frame: &Vec<u8>| {
        frame.get(12..14) == Some(&IPV4.to_be_bytes())
            && frame.get(23) == Some(&UDP)
            && frame.get(36..38) == Some(&[0, 53])
    };
    let frames = capture.drain()?.into_iter().filter(to_port_53);
    Ok(frames
        .filter_map(|frame| frame.get(30..34)?.first_chunk().map(|octets: &[u8; 4]| Ipv4Addr::from(*octets)))
        .collect())
}

/// What a server says about a name.
enum Answer {
    Addresses(Vec<IpAddr>),
    /// The name server of a zone, with its address; whether that is the answer or a referral.
    Servers(&'static str, Ipv4Addr, bool),
    Nothing,
}

/// A server that says what it is told to.
struct NameServer {
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl NameServer {
    fn start(namespace: &Namespace, port: u16, answer: impl Fn(&str, u16) -> Answer + Send + 'static) -> Result<Self> {
        let socket = namespace.enter(|| Ok(UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (names, stopped) = (asked.clone(), stop.clone());
        let server = std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
                let Ok((name, kind)) = question(&buffer[..length]) else { continue };
                if let Ok(mut names) = names.lock() {
                    names.push(name.clone());
                }
                let _ = socket.send_to(&reply(&buffer[..length], &name, &answer(&name, kind)), peer);
            }
        });
        Ok(Self { asked, stop, server: Some(server) })
    }

    fn was_asked(&self, name: &str) -> Result<bool> {
        let Ok(asked) = self.asked.lock() else { bail!("the server panicked") };
        Ok(asked.iter().any(|known| known == name))
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn question(message: &[u8]) -> Result<(String, u16)> {
    let end = skip_name(message, 12)?;
    let mut labels = Vec::new();
    let mut at = 12;
    while at + 1 < end {
        let length = usize::from(message[at]);
        labels.push(String::from_utf8_lossy(message.get(at + 1..at + 1 + length).context("cut off")?).to_lowercase());
        at += 1 + length;
    }
    ensure!(message.len() >= end + 2, "cut off");
    Ok((labels.join("."), u16::from_be_bytes([message[end], message[end + 1]])))
}

fn reply(question: &[u8], name: &str, answer: &Answer) -> Vec<u8> {
    let record = |owner: &str, kind: u16, data: &[u8]| {
        [&encoded(owner)[..], &kind.to_be_bytes(), &[0, 1, 0, 0, 0, 60], &(data.len() as u16).to_be_bytes(), data]
            .concat()
    };
    let address = |owner: &str, address: &IpAddr| match address {
        IpAddr::V4(address) => record(owner, A, &address.octets()),
        IpAddr::V6(address) => record(owner, AAAA, &address.octets()),
    };
    let (mut answers, mut authority, mut more) = (Vec::new(), Vec::new(), Vec::new());
    match answer {
        Answer::Addresses(addresses) => answers.extend(addresses.iter().map(|found| address(name, found))),
        Answer::Servers(zone, at, is_answer) => {
            let server = format!("ns.{zone}");
            let section = if *is_answer { &mut answers } else { &mut authority };
            section.push(record(zone, NS, &encoded(&server)));
            more.push(address(&server, &(*at).into()));
        }
        Answer::Nothing => {}
    }
    let is_authoritative = authority.is_empty();
    let end = skip_name(question, 12).unwrap_or(12) + 4;
    let mut message = question[..2].to_vec();
    message.extend([if is_authoritative { 0x84 } else { 0x80 }, 0, 0, 1]);
    for section in [&answers, &authority, &more] {
        message.extend((section.len() as u16).to_be_bytes());
    }
    message.extend(question.get(12..end).unwrap_or_default());
    message.extend([answers, authority, more].concat().concat());
    message
}

//! All attacks and all checks, and the oracle: what leaves the host is WireGuard's, or the proxy's to the provider.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use bulkhead_lab::frame::{ARP, ICMP, IPV4, IPV6, TCP, UDP, answered_syn, canaries, ethernet};
use bulkhead_lab::{Container, Namespace, Packets, Socket};
use serde_json::Value;

use crate::attacks::{Attack, Attacks, Evidence, beliefs};
use crate::world::*;

/// A frame, and where it was captured.
pub type Captured = (&'static str, Vec<u8>);

/// The number of the next run. Servers go on answering attacks of earlier ones, which must not be taken for others.
static NEXT: AtomicU32 = AtomicU32::new(1);
/// So many frames were sent by attackers, and so many were looked at on the ways out of the host.
pub static SENT: AtomicU64 = AtomicU64::new(0);
pub static SEEN: AtomicU64 = AtomicU64::new(0);

const TICK: Duration = Duration::from_millis(12);
const QUIET: Duration = Duration::from_millis(25);
const MOST: Duration = Duration::from_secs(2);

/// What listens, for attacks and for checks.
pub struct Battery<'a> {
    pub world: &'a World,
    /// Take datagrams, and answer none.
    sinks: Vec<(&'static str, UdpSocket)>,
    _servers: Servers,
}

struct Servers {
    stop: std::sync::Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Default)]
struct Observed {
    captured: Vec<Captured>,
    moved: BTreeSet<(&'static str, IpAddr)>,
    learned: BTreeSet<(String, String)>,
}

impl<'a> Battery<'a> {
    pub fn new(world: &'a World) -> Result<Self> {
        let mut sinks = Vec::new();
        for (name, namespace, port) in
            [("host", &world.host, SINK), ("host", &world.host, 53), ("vpn's sink", world.vpn(), SINK)]
        {
            sinks.push((name, bind(namespace, port)?));
        }
        let mut tcp = Vec::new();
        let torrent = &world.container("torrent").namespace;
        for (namespace, port) in [
            (&world.host, SSH),
            (world.vpn(), SSH),
            (torrent, SSH),
            (&world.container("search").namespace, SSH),
            (&world.lan, SSH),
            (&world.tailnet, SSH),
            (&world.net, HTTP),
        ] {
            tcp.push(listen(namespace, port)?);
        }
        let udp = bind(&world.net, ECHO)?;
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                serve(&tcp, &udp);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Ok(Self { world, sinks, _servers: Servers { stop, thread: Some(thread) } })
    }

    /// The attacks that succeed and those that do not, by name.
    pub fn attack(&self) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let run = NEXT.fetch_add(2, Ordering::Relaxed);
        let attacks = Attacks::all(self.world, run);
        let taps = Taps::open(self.world);
        self.prepare()?;
        let mut observed = Observed::default();
        let (plain, mut lies): (Vec<&Attack>, Vec<&Attack>) =
            attacks.iter().partition(|attack| attack.evidence == Evidence::Anywhere);
        // What is sent to one whose MAC address was taken does not arrive.
        lies.sort_by_key(|attack| matches!(attack.evidence, Evidence::Learned(..)));
        self.send(&plain, &taps);
        observed.captured = self.wait(&taps)?;
        // Who speaks in between undoes them, so there is more than one try.
        for _ in 0..2 {
            self.prepare()?;
            // Linux takes no answer about a neighbour in the same tick of its clock in which it has learnt of it.
            std::thread::sleep(TICK);
            for lie in &lies {
                self.send(&[lie], &taps);
                if matches!(lie.evidence, Evidence::Learned(..)) {
                    observed.learned.extend(self.learned()?);
                }
            }
            observed.captured.extend(self.wait(&taps)?);
            observed.moved.extend(self.moved()?);
        }
        let (won, lost): (Vec<&Attack>, Vec<&Attack>) = attacks.iter().partition(|attack| succeeded(attack, &observed));
        let names = |attacks: Vec<&Attack>| attacks.into_iter().map(|attack| attack.name.clone()).collect();
        Ok((names(won), names(lost)))
    }

    /// Have a container attack, as somebody: what succeeds and what does not, and what its own programs could do.
    pub fn attack_from(&self, container: &mut Container, who: &str) -> Result<(Vec<String>, Vec<String>, Vec<String>)> {
        let mut attacks = Attacks::all(self.world, NEXT.fetch_add(2, Ordering::Relaxed));
        attacks.retain(|attack| attack.from == who && attack.evidence == Evidence::Anywhere);
        // What is sent to one whose MAC address was taken does not arrive.
        attacks.sort_by_key(|attack| attack.frames.iter().any(|frame| frame[6..12] == numbered("vpn").0));
        let taps = Taps::open(self.world);
        self.prepare()?;
        container.attack(attacks.iter().flat_map(|attack| &attack.frames))?;
        let mut observed = Observed { captured: self.wait(&taps)?, ..Observed::default() };
        container.finish()?;
        let name = self.world.containers.iter().map(|known| known.name).find(|known| *known == who).unwrap_or("vpn");
        observed.captured.extend(container.captured()?.into_iter().map(|frame| (name, frame)));
        let (won, lost): (Vec<&Attack>, Vec<&Attack>) = attacks.iter().partition(|attack| succeeded(attack, &observed));
        let names = |attacks: Vec<&Attack>| attacks.into_iter().map(|attack| attack.name.clone()).collect();
        Ok((names(won), names(lost), container.worked()))
    }

    /// Attack while something happens, over and over, with what services send in good faith in between. Gives what gets
    /// through at some time, and frames that nobody may send.
    pub fn attack_during<T: Send>(&self, event: impl FnOnce() -> Result<T> + Send) -> Result<(T, BTreeSet<String>)> {
        let run = NEXT.fetch_add(2, Ordering::Relaxed);
        let mut attacks = Attacks::all(self.world, run);
        // Where MAC and IP addresses are believed to be changes when the bridge does.
        attacks.retain(|attack| attack.evidence == Evidence::Anywhere);
        attacks.extend(Attacks::traffic(self.world, run + 1));
        let over = AtomicBool::new(false);
        let mut leaks = BTreeSet::new();
        self.prepare()?;
        let outcome = std::thread::scope(|scope| -> Result<T> {
            let event = scope.spawn(|| {
                let outcome = event();
                over.store(true, Ordering::Relaxed);
                outcome
            });
            let mut taps = Taps::open(self.world);
            let mut opened = Instant::now();
            let mut is_last = false;
            loop {
                // The tunnel comes and goes.
                if opened.elapsed() > Duration::from_millis(500) {
                    taps = Taps::open(self.world);
                    opened = Instant::now();
                }
                self.send(&attacks.iter().collect::<Vec<_>>(), &taps);
                let captured = if is_last { self.wait(&taps)? } else { self.capture(&taps) };
                leaks.extend(judge(self.world, &attacks, &captured));
                if is_last {
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
                is_last = over.load(Ordering::Relaxed);
            }
            event.join().map_err(|_| anyhow!("the event panicked"))?
        })?;
        Ok((outcome, leaks))
    }

    fn send(&self, attacks: &[&Attack], taps: &Taps) {
        for attack in attacks {
            for frame in &attack.frames {
                // An interface that is down for now takes none.
                let _ = match attack.from {
                    "lan" => self.world.lan_socket.send(frame),
                    "far" => taps.far.as_ref().map_or(Ok(()), |far| far.send(frame)),
                    name => self.world.container(name).socket.send(frame),
                };
                SENT.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Everything that comes until nothing more comes.
    fn wait(&self, taps: &Taps) -> Result<Vec<Captured>> {
        let mut captured = Vec::new();
        let (start, mut last) = (Instant::now(), Instant::now());
        while last.elapsed() < QUIET && start.elapsed() < MOST {
            let new = self.capture(taps);
            if new.iter().any(|(_, frame)| !canaries(frame).is_empty()) {
                last = Instant::now();
            }
            captured.extend(new);
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(captured)
    }

    fn capture(&self, taps: &Taps) -> Vec<Captured> {
        let mut captured: Vec<Captured> = Vec::new();
        let mut take = |name: &'static str, socket: &Socket| {
            // One whose interface is gone has nothing more to tell.
            captured.extend(socket.drain().unwrap_or_default().into_iter().map(|frame| (name, frame)));
        };
        self.world.egress.iter().for_each(|(name, socket)| take(name, socket));
        self.world.containers.iter().for_each(|container| take(container.name, &container.socket));
        take("lan", &self.world.lan_socket);
        if let Some(tunnel) = &taps.tunnel {
            take("tunnel", tunnel);
        }
        // What is in the tunnel has no Ethernet header; with one, it is read as everything else.
        for (_, frame) in captured.iter_mut().filter(|(place, _)| *place == "tunnel") {
            *frame = ethernet(BRIDGE_MAC, BRIDGE_MAC, IPV4, frame);
        }
        let mut buffer = [0; 2048];
        for (name, sink) in &self.sinks {
            while let Ok((length, _)) = sink.recv_from(&mut buffer) {
                captured.push((name, buffer[..length].to_vec()));
            }
        }
        captured
    }

    /// Everybody knows where everybody is, and what was captured before is forgotten.
    fn prepare(&self) -> Result<()> {
        let host = &self.world.host;
        for who in ["host", "vpn", "torrent"] {
            let (namespace, interface) = self.named(who);
            let mut commands = Vec::new();
            for (_, address, mac) in beliefs().into_iter().filter(|(believer, ..)| *believer == who) {
                commands
                    .push(format!("neighbour replace {address} lladdr {} dev {interface} nud stale", mac_text(mac)));
            }
            // Nobody has an interface while it is made anew.
            let _ = namespace.ip(&commands.iter().map(String::as_str).collect::<Vec<_>>());
        }
        let places = ["vpn", "torrent", "search", "x"]
            .map(|name| format!("fdb replace {} dev vb-{name} master dynamic", mac_text(numbered(name).0)));
        host.output("bridge", &["-force", "-batch", "-"], &places.join("\n"))?;
        self.capture(&Taps::default());
        Ok(())
    }

    fn named(&self, who: &str) -> (&Namespace, &'static str) {
        match who {
            "host" => (&self.world.host, BRIDGE),
            name => (&self.world.container(name).namespace, "host0"),
        }
    }

    fn learned(&self) -> Result<BTreeSet<(String, String)>> {
        let shown = self.world.host.output("bridge", &["-json", "fdb", "show", "br", BRIDGE], "")?.stdout;
        let shown: Value = serde_json::from_slice(&shown).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entries = shown.as_array().into_iter().flatten();
        Ok(entries.map(|entry| (text(&entry["mac"]), text(&entry["ifname"]))).collect())
    }

    fn moved(&self) -> Result<BTreeSet<(&'static str, IpAddr)>> {
        let mut moved = BTreeSet::new();
        for (who, address, mac) in beliefs() {
            let (namespace, interface) = self.named(who);
            let shown =
                namespace.run("ip", &["-json", "neighbour", "show", "to", &address.to_string(), "dev", interface])?;
            let shown: Value = serde_json::from_str(&shown).unwrap_or_default();
            if shown[0]["lladdr"].as_str().is_some_and(|now| now != mac_text(mac)) {
                moved.insert((who, address));
            }
        }
        Ok(moved)
    }

    /// What has to work with a tunnel and does not.
    pub fn check(&self) -> Vec<String> {
        let hasty = self.check_within(Duration::from_millis(500));
        if hasty.is_empty() { hasty } else { self.check_within(Duration::from_secs(3)) }
    }

    fn check_within(&self, patience: Duration) -> Vec<String> {
        let world = self.world;
        let mut failing = Vec::new();
        let mut note = |name: String, outcome: Result<()>| {
            if let Err(error) = outcome {
                failing.push(format!("{name}: {error:#}"));
            }
        };
        for name in ["torrent", "search"] {
            let namespace = &world.container(name).namespace;
            note(format!("{name} reaches the internet"), through(namespace, patience));
            note(format!("{name} is told addresses"), resolve(namespace, patience).map(drop));
            let to = (world.container(name).address, SSH).into();
            note(format!("the host reaches {name}"), world.host.enter(|| is_seen(tcp(to, patience)?, HOST)));
        }
        let proxy = world.vpn().enter(|| Ok(TcpStream::connect_timeout(&(HOST, PROXY).into(), patience)?));
        note("vpn reaches the proxy".to_owned(), proxy.map(drop));
        failing
    }
}

/// Captures that come and go with the tunnel: its near end, and the far end from which attacks come.
#[derive(Default)]
struct Taps {
    tunnel: Option<Socket>,
    far: Option<Packets>,
}

impl Taps {
    fn open(world: &World) -> Self {
        Self { tunnel: Socket::open(world.vpn(), &world.interface).ok(), far: Packets::open(&world.pia).ok() }
    }
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
    use std::io::Read as _;
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

fn listen(namespace: &Namespace, port: u16) -> Result<TcpListener> {
    namespace.enter(|| {
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    })
}

fn bind(namespace: &Namespace, port: u16) -> Result<UdpSocket> {
    namespace.enter(|| {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })
}

fn serve(tcp: &[TcpListener], udp: &UdpSocket) {
    use std::io::Write as _;
    for listener in tcp {
        while let Ok((mut connection, peer)) = listener.accept() {
            let _ = write!(connection, "{}", peer.ip().to_canonical());
        }
    }
    let mut buffer = [0; 2048];
    while let Ok((length, peer)) = udp.recv_from(&mut buffer) {
        let _ = udp.send_to(&buffer[..length], peer);
    }
}

fn succeeded(attack: &Attack, observed: &Observed) -> bool {
    match attack.evidence {
        Evidence::Anywhere => observed.captured.iter().any(|(place, frame)| is_evidence(attack, place, frame)),
        Evidence::Moved(who, address) => observed.moved.contains(&(who, address)),
        Evidence::Learned(mac, port) => observed.learned.contains(&(mac_text(mac), port.to_owned())),
    }
}

fn is_evidence(attack: &Attack, place: &str, frame: &[u8]) -> bool {
    if answered_syn(frame) == Some(attack.number) {
        return true;
    }
    let is_own_way = match attack.from {
        // On its way in, the frame of somebody outside is where it has to be.
        "lan" => ["lan", "lan0"].contains(&place),
        name => place == name && !is_answer(frame),
    };
    !is_own_way && !attack.allowed.contains(&place) && canaries(frame).contains(&attack.number)
}

/// An answer that carries what was asked: of a ping, or an ICMP error other than advice to the sender.
fn is_answer(frame: &[u8]) -> bool {
    let is_redirect = frame.len() > 54 && frame[12..14] == [8, 0] && frame[23] == 1 && frame[34] == 5;
    !is_redirect
}

/// What gets through of attacks, and what leaves the host that is neither WireGuard's nor the proxy's.
fn judge(world: &World, attacks: &[Attack], captured: &[Captured]) -> BTreeSet<String> {
    let mut leaks = BTreeSet::new();
    let ways_out: Vec<&str> = world.egress.iter().map(|(name, _)| *name).collect();
    for (place, frame) in captured {
        let numbers = canaries(frame);
        if !numbers.is_empty() || answered_syn(frame).is_some() {
            let of = attacks.iter().filter(|attack| is_evidence(attack, place, frame));
            leaks.extend(of.map(|attack| format!("{} (seen at {place})", attack.name)));
        }
        if ways_out.contains(place) {
            SEEN.fetch_add(1, Ordering::Relaxed);
            // The host may send back what somebody on the LAN has sent to where it has no way.
            let is_lans = |number: &u32| attacks.iter().any(|attack| attack.from == "lan" && attack.number == *number);
            if !may_pass(world, place, frame) && (numbers.is_empty() || !numbers.iter().all(is_lans)) {
                leaks.insert(format!("a frame at {place}: {frame:02x?}"));
            }
        }
    }
    leaks
}

/// Whether a frame may be seen on a way out of the host: it is not the host's, WireGuard's, the proxy's to the provider, or
/// the host's own look for its router.
fn may_pass(world: &World, place: &str, frame: &[u8]) -> bool {
    if place != "lan0" {
        // The host itself says there nothing but who it is.
        return is_of_neighbours(frame) && canaries(frame).is_empty();
    }
    if frame.get(6..12) != Some(&world.host_mac) {
        return true;
    }
    if is_of_neighbours(frame) {
        return canaries(frame).is_empty();
    }
    let (Some(packet), Some(IPV4)) = (frame.get(14..), kind(frame)) else { return false };
    let header = usize::from(packet[0] & 15) * 4;
    let (Some(to), Some(payload)) = (packet.get(16..20), packet.get(header..)) else { return false };
    let to = Ipv4Addr::new(to[0], to[1], to[2], to[3]);
    let port = payload.get(2..4).map(|port| u16::from_be_bytes([port[0], port[1]]));
    match (packet[9], port) {
        // WireGuard's messages have a type of 1 to 4 and three zeros (its paper, 5.4).
        (UDP, Some(KEYS)) => {
            let kind = payload.get(8..12).unwrap_or_default();
            SERVERS.contains(&to) && matches!(kind, [1..=4, 0, 0, 0])
        }
        // The host tells the server that WireGuard does not listen any more (RFC 792), with what it has sent.
        (ICMP, _) => {
            let quoted = payload.get(8..).unwrap_or_default();
            SERVERS.contains(&to)
                && payload.starts_with(&[3, 3])
                && quoted.get(9) == Some(&UDP)
                && quoted.get(20..22) == Some(&KEYS.to_be_bytes())
        }
        (TCP, Some(443)) => to == PIA,
        (TCP, Some(KEYS)) => SERVERS.contains(&to),
        _ => false,
    }
}

fn kind(frame: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*frame.get(12)?, *frame.get(13)?]))
}

/// ARP, neighbour discovery and reports about multicast groups: ICMPv6 alone, or after a header with options.
fn is_of_neighbours(frame: &[u8]) -> bool {
    match kind(frame) {
        Some(ARP) => true,
        Some(IPV6) => match frame.get(20) {
            Some(58) => matches!(frame.get(54), Some(130..=137 | 143)),
            Some(0) => matches!(frame.get(62), Some(130..=132 | 143)),
            _ => false,
        },
        _ => false,
    }
}

//! All attacks and all checks, and the oracle: what leaves the host is WireGuard's, or the proxy's to the provider.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bulkhead_lab::frame::{IPV4, canaries, canary, ethernet};
use bulkhead_lab::{Container, Namespace, Packets, Socket};
use serde_json::Value;

use crate::attacks::{Attack, Attacks, Evidence, beliefs};
use crate::oracle::{is_evidence, judge};
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
/// How long an answer through the tunnel is waited for; there may be no tunnel.
const PATIENCE: Duration = Duration::from_millis(400);

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
            (&world.host, 443),
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
        let (plain, lies): (Vec<&Attack>, Vec<&Attack>) = attacks.iter().partition(|attack| attack.is_plain());
        let taps = Taps::open(self.world);
        let mut observed = self.attack_plainly(&plain, &taps)?;
        let lied = self.lie(lies, &taps)?;
        observed.captured.extend(lied.captured);
        observed = Observed { moved: lied.moved, learned: lied.learned, ..observed };
        let (won, lost): (Vec<&Attack>, Vec<&Attack>) = attacks.iter().partition(|attack| succeeded(attack, &observed));
        let names = |attacks: Vec<&Attack>| attacks.into_iter().map(|attack| attack.name.clone()).collect();
        let (mut won, mut lost): (BTreeSet<String>, BTreeSet<String>) = (names(won), names(lost));
        let (more, less) = self.attack_from_the_host(run, &taps)?;
        won.extend(more);
        lost.extend(less);
        let (more, less) = self.attack_by_the_proxy(&taps)?;
        won.extend(more);
        lost.extend(less);
        Ok((won, lost))
    }

    /// The attacks that never succeed, in several tries: a busy machine may lose a frame.
    pub fn attacks_that_always_fail(&self) -> Result<BTreeSet<String>> {
        let mut failed = self.attack()?.1;
        for _ in 0..3 {
            if failed.is_empty() {
                break;
            }
            failed = &failed & &self.attack()?.1;
        }
        Ok(failed)
    }

    /// Some attack that succeeds, or something that has to work and does not.
    pub fn notices(&self) -> Result<Option<String>> {
        let run = NEXT.fetch_add(2, Ordering::Relaxed);
        let attacks = Attacks::all(self.world, run);
        let (plain, lies): (Vec<&Attack>, Vec<&Attack>) = attacks.iter().partition(|attack| attack.is_plain());
        let taps = Taps::open(self.world);
        let observed = self.attack_plainly(&plain, &taps)?;
        if let Some(won) = plain.iter().find(|attack| succeeded(attack, &observed)) {
            return Ok(Some(won.name.clone()));
        }
        if let Some(failing) = self.check_within(Duration::from_millis(900)).into_iter().next() {
            return Ok(Some(failing));
        }
        if let Some(won) = self.attack_from_the_host(run, &taps)?.0.into_iter().next() {
            return Ok(Some(won));
        }
        let observed = self.lie(lies.clone(), &taps)?;
        Ok(lies.iter().find(|attack| succeeded(attack, &observed)).map(|won| won.name.clone()))
    }

    fn attack_plainly(&self, attacks: &[&Attack], taps: &Taps) -> Result<Observed> {
        self.prepare()?;
        self.send(attacks, taps);
        Ok(Observed { captured: self.wait(taps)?, ..Observed::default() })
    }

    /// Attacks on what others believe.
    fn lie(&self, mut lies: Vec<&Attack>, taps: &Taps) -> Result<Observed> {
        let mut observed = Observed::default();
        // What is sent to one whose MAC address was taken does not arrive.
        lies.sort_by_key(|attack| matches!(attack.evidence, Evidence::Learned(..)));
        // Who speaks in between undoes them, so there is more than one try.
        for _ in 0..2 {
            self.listen(&lies, &mut observed, taps)?;
            self.prepare()?;
            // Linux takes no answer about a neighbour in the same tick of its clock in which it has learnt of it.
            std::thread::sleep(TICK);
            for lie in &lies {
                self.send(&[lie], taps);
                if matches!(lie.evidence, Evidence::Learned(..)) {
                    observed.learned.extend(self.learned()?);
                }
            }
            observed.captured.extend(self.wait(taps)?);
            observed.moved.extend(self.moved()?);
        }
        Ok(observed)
    }

    /// The host sends to those whose frames others want to hear.
    fn listen(&self, attacks: &[&Attack], observed: &mut Observed, taps: &Taps) -> Result<()> {
        // A bridge that was removed or cut off says nothing.
        let Ok(bridge) = Socket::open(&self.world.host, BRIDGE) else { return Ok(()) };
        let mut forget = String::new();
        for name in ["vpn", "torrent", "search"] {
            for port in ["vb-vpn", "vb-torrent", "vb-search", "vb-x"] {
                // It is at one of them.
                writeln!(forget, "fdb del {} dev {port} master", mac_text(numbered(name).0))?;
            }
        }
        self.world.host.output("bridge", &["-force", "-batch", "-"], &forget)?;
        for attack in attacks {
            if let Evidence::Overheard(mac) = attack.evidence {
                let _ = bridge.send(&ethernet(mac, BRIDGE_MAC, 0x88b5, &canary(attack.number)));
            }
        }
        observed.captured.extend(self.wait(taps)?);
        Ok(())
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

    /// Everything that comes until nothing more comes. On a busy machine that is no matter of time alone: what was sent
    /// before has gone through the tunnel when a datagram comes back that is sent after it.
    pub fn wait(&self, taps: &Taps) -> Result<Vec<Captured>> {
        let mut captured = Vec::new();
        let (start, mut last) = (Instant::now(), Instant::now());
        let (marker, number) = Attacks::marker(self.world);
        self.send(&[&marker], taps);
        let mut is_back = false;
        while (last.elapsed() < QUIET || !is_back && start.elapsed() < PATIENCE) && start.elapsed() < MOST {
            let new = self.capture(taps);
            if new.iter().any(|(_, frame)| !canaries(frame).is_empty()) {
                last = Instant::now();
            }
            // The socket does not capture what it has sent itself.
            is_back |= new.iter().any(|(place, frame)| *place == marker.from && canaries(frame).contains(&number));
            captured.extend(new);
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(captured)
    }

    pub fn capture(&self, taps: &Taps) -> Vec<Captured> {
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
    pub fn prepare(&self) -> Result<()> {
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
            let address_text = address.to_string();
            let shown =
                namespace.output("ip", &["-json", "neighbour", "show", "to", &address_text, "dev", interface], "")?;
            let shown: Value = serde_json::from_slice(&shown.stdout).unwrap_or_default();
            if shown[0]["lladdr"].as_str().is_some_and(|now| now != mac_text(mac)) {
                moved.insert((who, address));
            }
        }
        Ok(moved)
    }
}

/// Captures that come and go with the tunnel: its near end, and the far end from which attacks come.
#[derive(Default)]
pub struct Taps {
    tunnel: Option<Socket>,
    far: Option<Packets>,
}

impl Taps {
    fn open(world: &World) -> Self {
        Self { tunnel: Socket::open(world.vpn(), &world.interface).ok(), far: Packets::open(&world.pia).ok() }
    }
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
        Evidence::Overheard(mac) => observed.captured.iter().any(|(place, frame)| {
            *place == attack.from && frame.starts_with(&mac) && canaries(frame).contains(&attack.number)
        }),
        Evidence::Moved(who, address) => observed.moved.contains(&(who, address)),
        Evidence::Learned(mac, port) => observed.learned.contains(&(mac_text(mac), port.to_owned())),
    }
}

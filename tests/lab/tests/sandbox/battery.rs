//! All attacks and all checks, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bulkhead_lab::Socket;
use bulkhead_lab::frame::{Mac, answered_syn, canaries, canary, ethernet};
use serde_json::Value;

use crate::attacks::{Attack, Attacks, Evidence, neighbours};
use crate::checks::{checks, failing};
use crate::services::Services;
use crate::topology::*;

pub struct Battery<'a> {
    pub topology: &'a Topology,
    services: &'a Services,
}

/// A frame, and where it was captured.
pub type Captured = (&'static str, Vec<u8>);

/// What has come of attacks.
#[derive(Default)]
pub struct Observed {
    pub captured: Vec<Captured>,
    moved: BTreeSet<IpAddr>,
    has_route: bool,
    /// Where the bridge believes MAC addresses to be.
    learned: BTreeSet<(String, String)>,
    /// The numbers of attacks of which the host was told.
    reported: BTreeSet<u32>,
}

impl Observed {
    /// Keep of many frames one of each kind: where it was captured, and whose canary it has.
    fn add_once(&mut self, captured: Vec<Captured>) {
        for (place, frame) in captured {
            let kind = |(place, frame): &Captured| {
                (*place, canaries(frame), answered_syn(frame), frame.get(..14).map(<[u8]>::to_vec))
            };
            let new = kind(&(place, frame.clone()));
            if !self.captured.iter().any(|known| kind(known) == new) {
                self.captured.push((place, frame));
            }
        }
    }
}

/// The number of the next run. Servers go on answering attacks of earlier ones, which must not be taken for others.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// So long nothing must come before all has come.
const QUIET: Duration = Duration::from_millis(20);
const TICK: Duration = Duration::from_millis(12);
const MOST: Duration = Duration::from_secs(2);

impl<'a> Battery<'a> {
    pub fn new(topology: &'a Topology, services: &'a Services) -> Self {
        Self { topology, services }
    }

    /// The attacks that succeed and those that do not, by name.
    pub fn attack(&self) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let attacks = self.attacks();
        // Those that take away what others go by come last.
        let (last, first): (Vec<&Attack>, Vec<&Attack>) = attacks.iter().partition(|attack| attack.needs_the_host());
        let mut observed = self.attack_at_once(&first)?;
        let more = self.attack_in_turn(&last)?;
        observed.captured.extend(more.captured);
        observed = Observed { learned: more.learned, reported: more.reported, ..observed };
        let (won, lost): (Vec<&Attack>, Vec<&Attack>) =
            attacks.iter().partition(|attack| self.has_succeeded(attack, &observed));
        let names = |attacks: Vec<&Attack>| attacks.into_iter().map(|attack| attack.name.clone()).collect();
        let (mut won, mut lost): (BTreeSet<String>, BTreeSet<String>) = (names(won), names(lost));
        for (more, less) in [self.attack_by_another_name()?, self.attack_without_the_bridge()?] {
            won.extend(more);
            lost.extend(less);
        }
        Ok((won, lost))
    }

    /// What succeeds, and what does not, while the bridge has another name than the one that the rules know.
    fn attack_by_another_name(&self) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let mut attacks = self.attacks();
        attacks.retain(|attack| {
            attack.name.starts_with("H7: UDP to the host's address on the LAN") || self.goes_to_a(attack)
        });
        let host = &self.topology.host;
        self.prepare()?;
        host.ip(&[&format!("link set {BRIDGE} name other0")])?;
        let outcome = self.send(&attacks.iter().collect::<Vec<_>>()).and_then(|()| self.wait());
        host.ip(&[&format!("link set other0 name {BRIDGE}")])?;
        Ok(self.outcomes(&attacks, outcome?, "by another name of the bridge"))
    }

    /// What succeeds, and what does not, while the bridge is down and the host's routes lead to where its addresses are
    /// those of others.
    fn attack_without_the_bridge(&self) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let mut attacks = self.attacks();
        attacks.retain(|attack| self.goes_to_a(attack));
        let host = &self.topology.host;
        let a = self.topology.workspace("a");
        let mut number = attacks.last().map_or(0, |attack| attack.number | 0xf00);
        let mut datagrams: Vec<(SocketAddr, u32)> = Vec::new();
        for address in [IpAddr::from(a.address), a.address6.into()] {
            if address.is_ipv4() || self.topology.setting.ipv6 {
                number += 1;
                datagrams.push(((address, SINK).into(), number));
                let name = format!("H13: the host's own datagram to a, {address}");
                attacks.push(Attack { name, number, from: "host", frames: Vec::new(), evidence: Evidence::Anywhere });
            }
        }
        self.prepare()?;
        let was_up = self.is_up()?;
        host.ip(&[&format!("link set {BRIDGE} down")])?;
        let outcome = self.send(&attacks.iter().collect::<Vec<_>>()).and_then(|()| {
            host.enter(|| {
                for (to, number) in &datagrams {
                    let any: IpAddr =
                        if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                    // What the guard drops may be refused at once.
                    let _ = UdpSocket::bind((any, 0))?.send_to(&canary(*number), to);
                }
                Ok(())
            })?;
            self.wait()
        });
        if was_up {
            host.ip(&[&format!("link set {BRIDGE} up")])?;
        }
        Ok(self.outcomes(&attacks, outcome?, "while the bridge is down"))
    }

    /// From outside to a workspace. Without IPv6 in the sandbox, its addresses of that are those of anybody.
    fn goes_to_a(&self, attack: &Attack) -> bool {
        attack.name.starts_with("outside: UDP from the LAN to a, IPv4")
            || self.topology.setting.ipv6 && attack.name.starts_with("outside: UDP from the LAN to a, IPv6")
    }

    fn is_up(&self) -> Result<bool> {
        let shown: Value = serde_json::from_str(&self.topology.host.run("ip", &["-json", "link", "show", BRIDGE])?)?;
        Ok(shown[0]["flags"].as_array().is_some_and(|flags| flags.iter().any(|flag| flag == "UP")))
    }

    /// The names of the attacks that succeed and of those that do not.
    fn outcomes(
        &self,
        attacks: &[Attack],
        captured: Vec<Captured>,
        when: &str,
    ) -> (BTreeSet<String>, BTreeSet<String>) {
        let observed = Observed { captured, ..Observed::default() };
        let (won, lost): (Vec<&Attack>, Vec<&Attack>) =
            attacks.iter().partition(|attack| self.has_succeeded(attack, &observed));
        let named =
            |attacks: Vec<&Attack>| attacks.into_iter().map(|attack| format!("{}, {when}", attack.name)).collect();
        (named(won), named(lost))
    }

    /// Whether some attack succeeds, or something that has to work does not.
    pub fn notices(&self) -> Result<bool> {
        let attacks = self.attacks();
        let (last, first): (Vec<&Attack>, Vec<&Attack>) = attacks.iter().partition(|attack| attack.needs_the_host());
        let is_seen = |attacks: &[&Attack], observed: &Observed| {
            attacks.iter().any(|attack| self.has_succeeded(attack, observed))
        };
        Ok(is_seen(&first, &self.attack_at_once(&first)?)
            || !self.check_with(Duration::from_millis(700))?.is_empty()
            || is_seen(&last, &self.attack_in_turn(&last)?)
            || !self.attack_by_another_name()?.0.is_empty()
            || !self.attack_without_the_bridge()?.0.is_empty())
    }

    fn attack_at_once(&self, attacks: &[&Attack]) -> Result<Observed> {
        self.prepare()?;
        // Linux takes no answer about a neighbour in the same tick of its clock in which it has learnt of it.
        std::thread::sleep(TICK);
        self.send(attacks)?;
        self.observe()
    }

    fn attack_in_turn(&self, attacks: &[&Attack]) -> Result<Observed> {
        let mut observed = Observed::default();
        // Who speaks in between undoes them, so there is more than one try.
        for _ in 0..3 {
            self.switch(attacks, &mut observed)?;
        }
        observed.reported = self.reported(attacks)?;
        Ok(observed)
    }

    /// Attack while something happens, over and over. Gives the attacks that succeed at some time, of those that a capture
    /// tells of.
    pub fn attack_during(&self, event: impl FnOnce() -> Result<()> + Send) -> Result<BTreeSet<String>> {
        self.prepare()?;
        self.attack_unprepared(event)
    }

    /// The same where there is perhaps no bridge yet, of which nothing is to be known before.
    pub fn attack_unprepared(&self, event: impl FnOnce() -> Result<()> + Send) -> Result<BTreeSet<String>> {
        let mut attacks = self.attacks();
        attacks.retain(|attack| attack.evidence == Evidence::Anywhere);
        self.capture()?;
        let over = AtomicBool::new(false);
        let mut observed = Observed::default();
        std::thread::scope(|scope| -> Result<()> {
            let event = scope.spawn(|| {
                let outcome = event();
                over.store(true, Ordering::Relaxed);
                outcome
            });
            while !over.load(Ordering::Relaxed) {
                for attack in &attacks {
                    for frame in &attack.frames {
                        // An interface that is down for now takes none.
                        let _ = self.socket_of(attack).send(frame);
                    }
                }
                observed.add_once(self.capture()?);
            }
            event.join().map_err(|_| anyhow!("the event panicked"))?
        })?;
        observed.add_once(self.wait()?);
        let won = attacks.iter().filter(|attack| self.has_succeeded(attack, &observed));
        Ok(won.map(|attack| attack.name.clone()).collect())
    }

    /// The attacks of a new run.
    pub fn attacks(&self) -> Vec<Attack> {
        Attacks::all(self.topology, NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The first number of a new run, for attacks of other kinds.
    pub fn first_number() -> u32 {
        NEXT.fetch_add(1, Ordering::Relaxed) << 12
    }

    /// The places where an attack is seen that is known by its canary.
    pub fn places_of(&self, attack: &Attack, observed: &Observed) -> BTreeSet<&'static str> {
        let seen = observed.captured.iter().filter(|(place, frame)| is_evidence(attack, place, frame));
        seen.map(|(place, _)| *place).collect()
    }

    /// What has come of attacks.
    pub fn observe(&self) -> Result<Observed> {
        let captured = self.wait()?;
        let moved = self.moved()?;
        let routes = self.topology.host.run("ip", &["-6", "route", "show", "proto", "ra"])?;
        Ok(Observed { captured, moved, has_route: !routes.is_empty(), ..Observed::default() })
    }

    pub fn has_succeeded(&self, attack: &Attack, observed: &Observed) -> bool {
        let mut captured = observed.captured.iter();
        match &attack.evidence {
            Evidence::Anywhere => captured.any(|(place, frame)| is_evidence(attack, place, frame)),
            Evidence::Intercepted => captured.any(|(place, frame)| {
                *place == attack.from
                    && frame.starts_with(&self.topology.workspace("c").mac)
                    && canaries(frame).contains(&attack.number)
            }),
            // Ethertype, operation and sender of a reply (RFC 826).
            Evidence::ArpReply(address) => captured.any(|(place, frame)| {
                *place == attack.from
                    && frame[12..14] == [8, 6]
                    && frame[20..22] == [0, 2]
                    && frame[28..32] == address.octets()
            }),
            Evidence::Moved(address) => observed.moved.contains(address),
            Evidence::Route => observed.has_route,
            Evidence::Learned(mac, port) => observed.learned.contains(&(mac_text(*mac), (*port).to_owned())),
            Evidence::Overheard(mac) => captured.any(|(place, frame)| {
                *place == attack.from && frame.starts_with(mac) && canaries(frame).contains(&attack.number)
            }),
            Evidence::Reported(..) => observed.reported.contains(&attack.number),
        }
    }

    /// The checks that fail, and why. Those that fail in haste are given more time.
    pub fn check(&self) -> Result<Vec<String>> {
        self.check_with(Duration::from_millis(1500))
    }

    fn check_with(&self, patience: Duration) -> Result<Vec<String>> {
        // For attacks d is not in the bridge; for what must work it is.
        self.topology.host.ip(&[&format!("link set vb-d master {BRIDGE}")])?;
        let failing = self.check_all(patience);
        self.topology.host.ip(&["link set vb-d nomaster"])?;
        failing
    }

    fn check_all(&self, patience: Duration) -> Result<Vec<String>> {
        self.forget()?;
        let checks = checks(self.topology);
        let hasty = failing(&checks, Duration::from_millis(250));
        if hasty.is_empty() {
            return Ok(hasty);
        }
        self.forget()?;
        let again: Vec<_> =
            checks.into_iter().filter(|check| hasty.iter().any(|name| name.starts_with(&check.name))).collect();
        Ok(failing(&again, patience))
    }

    /// Attacks on what the bridge knows: they claim MAC addresses, or wait for what the host sends to one that they have
    /// claimed, or that the bridge has forgotten.
    fn switch(&self, attacks: &[&Attack], observed: &mut Observed) -> Result<()> {
        let host = &self.topology.host;
        let bridge = Socket::open(host, BRIDGE)?;
        // A bridge that was cut off says nothing.
        let say = |to: Mac, number: u32| drop(bridge.send(&ethernet(to, BRIDGE_MAC, 0x88b5, &canary(number))));
        let of = |wanted: fn(&Evidence) -> bool| attacks.iter().copied().filter(move |it| wanted(&it.evidence));

        self.send(&of(|evidence| matches!(evidence, Evidence::Learned(..))).collect::<Vec<_>>())?;
        observed.learned.extend(self.learned()?);
        self.restore()?;
        for attack in of(|evidence| *evidence == Evidence::Intercepted) {
            self.send(&[attack])?;
            say(self.topology.workspace("c").mac, attack.number);
        }
        let heard: Vec<(&Attack, Mac)> = attacks
            .iter()
            .filter_map(|attack| match attack.evidence {
                Evidence::Overheard(mac) => Some((*attack, mac)),
                _ => None,
            })
            .collect();
        let mut forget = String::new();
        for mac in heard.iter().map(|(_, mac)| mac_text(*mac)).collect::<BTreeSet<_>>() {
            // It is at one of them, or at none.
            for port in ["vb-a", "vb-b", "vb-c", "vb-x"] {
                writeln!(forget, "fdb del {mac} dev {port} master")?;
            }
        }
        host.output("bridge", &["-force", "-batch", "-"], &forget)?;
        for (attack, mac) in heard {
            say(mac, attack.number);
        }
        observed.captured.extend(self.wait()?);
        Ok(())
    }

    /// The numbers of the attacks after which the host believes that a datagram of its own has found nobody.
    fn reported(&self, attacks: &[&Attack]) -> Result<BTreeSet<u32>> {
        self.restore()?;
        self.topology.host.enter(|| {
            let mut sockets = Vec::new();
            for attack in attacks {
                let Evidence::Reported(port, peer) = attack.evidence else { continue };
                let any: IpAddr =
                    if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let socket = UdpSocket::bind((any, port))?;
                socket.connect((peer, SINK))?;
                // Without a way to the other one there is nothing to be told of.
                let _ = socket.send(b"is anybody there");
                self.send(&[attack])?;
                sockets.push((attack.number, socket));
            }
            std::thread::sleep(QUIET);
            let is_told = |socket: &UdpSocket| -> Result<bool> {
                socket.set_nonblocking(true)?;
                let error = socket.recv(&mut [0; 16]).err().map(|error| error.kind());
                Ok(error == Some(ErrorKind::ConnectionRefused))
            };
            let mut told = BTreeSet::new();
            for (number, socket) in sockets {
                if is_told(&socket)? {
                    told.insert(number);
                }
            }
            Ok(told)
        })
    }

    /// Where the bridge believes MAC addresses to be.
    fn learned(&self) -> Result<BTreeSet<(String, String)>> {
        let shown = self.topology.host.output("bridge", &["-json", "fdb", "show", "br", BRIDGE], "")?.stdout;
        let shown: Value = serde_json::from_slice(&shown).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entries = shown.as_array().into_iter().flatten();
        Ok(entries.map(|entry| (text(&entry["mac"]), text(&entry["ifname"]))).collect())
    }

    pub fn send(&self, attacks: &[&Attack]) -> Result<()> {
        for attack in attacks {
            for frame in &attack.frames {
                self.socket_of(attack).send(frame)?;
            }
        }
        Ok(())
    }

    fn socket_of(&self, attack: &Attack) -> &Socket {
        let workspace = self.topology.workspaces.iter().find(|workspace| workspace.name == attack.from);
        workspace.map_or(&self.topology.lan_socket, |workspace| &workspace.socket)
    }

    /// Everything that comes until nothing more comes.
    fn wait(&self) -> Result<Vec<Captured>> {
        let mut captured = Vec::new();
        let (start, mut last) = (Instant::now(), Instant::now());
        while last.elapsed() < QUIET && start.elapsed() < MOST {
            let new = self.capture()?;
            if new.iter().any(|(_, frame)| !canaries(frame).is_empty()) {
                last = Instant::now();
            }
            captured.extend(new);
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(captured)
    }

    fn capture(&self) -> Result<Vec<Captured>> {
        let mut captured: Vec<Captured> = Vec::new();
        for (name, socket) in &self.topology.egress {
            captured.extend(socket.drain()?.into_iter().map(|frame| (*name, frame)));
        }
        for workspace in &self.topology.workspaces {
            captured.extend(workspace.socket.drain()?.into_iter().map(|frame| (workspace.name, frame)));
        }
        captured.extend(self.topology.lan_socket.drain()?.into_iter().map(|frame| ("lan", frame)));
        let mut buffer = [0; 2048];
        while let Ok((length, _)) = self.services.sink.recv_from(&mut buffer) {
            captured.push(("host", buffer[..length].to_vec()));
        }
        captured.retain(|(_, frame)| {
            !canaries(frame).is_empty() || answered_syn(frame).is_some() || frame.get(12..14) == Some(&[8, 6])
        });
        Ok(captured)
    }

    /// Neighbours forget each other, so that they have to ask again.
    fn forget(&self) -> Result<()> {
        for workspace in &self.topology.workspaces {
            // That of a container has another name.
            workspace.namespace.output("ip", &["neighbour", "flush", "dev", "eth0"], "")?;
        }
        self.topology.host.ip(&[&format!("neighbour flush dev {BRIDGE}")])
    }

    /// The bridge knows where everybody is, the host has entries that attacks may change, and what was captured before is
    /// forgotten.
    pub fn prepare(&self) -> Result<()> {
        self.forget()?;
        self.topology.host.run("ip", &["-6", "route", "flush", "proto", "ra"])?;
        self.restore()?;
        self.capture().map(drop)
    }

    fn restore(&self) -> Result<()> {
        let mut commands = vec![format!("neighbour flush dev {BRIDGE}"), "neighbour flush dev vb-a".to_owned()];
        for (address, mac) in neighbours(self.topology) {
            commands.push(format!("neighbour replace {address} lladdr {} dev {BRIDGE} nud stale", mac_text(mac)));
        }
        let mut places = String::new();
        for workspace in &self.topology.workspaces[..4] {
            let (port, mac) = (format!("vb-{}", workspace.name), mac_text(workspace.mac));
            writeln!(places, "fdb replace {mac} dev {port} master dynamic")?;
        }
        // A bridge that is down learns nothing.
        self.topology.host.output("bridge", &["-force", "-batch", "-"], &places)?;
        self.topology.host.ip(&commands.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The neighbours that are not, to the host, what they were.
    fn moved(&self) -> Result<BTreeSet<IpAddr>> {
        let before: BTreeMap<IpAddr, Mac> = neighbours(self.topology).into_iter().collect();
        let shown: Value =
            serde_json::from_str(&self.topology.host.run("ip", &["-json", "neighbour", "show", "dev", BRIDGE])?)?;
        let mut moved = BTreeSet::new();
        for entry in shown.as_array().into_iter().flatten() {
            let (Some(address), Some(mac)) = (entry["dst"].as_str(), entry["lladdr"].as_str()) else { continue };
            let address: IpAddr = address.parse()?;
            if before.get(&address).is_none_or(|before| mac_text(*before) != mac) {
                moved.insert(address);
            }
        }
        Ok(moved)
    }
}

fn is_evidence(attack: &Attack, place: &str, frame: &[u8]) -> bool {
    if answered_syn(frame) == Some(attack.number) {
        return true;
    }
    // On its way in, the frame of somebody outside is where it has to be, and the host may send back what it has no route
    // for.
    if attack.from == "lan" && ["lan", "lan0"].contains(&place) {
        return false;
    }
    // A redirect (RFC 792; RFC 4861, 4.5) is the host's advice to the sender, and carries back what he has sent.
    let is_redirect = matches!(frame, [.., _] if frame.len() > 54)
        && (frame[12..14] == [8, 0] && frame[23] == 1 && frame[34] == 5
            || frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 137);
    if is_redirect && place == attack.from {
        return false;
    }
    canaries(frame).contains(&attack.number)
}

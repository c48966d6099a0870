//! All attacks and all checks, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use bulkhead_lab::Socket;
use bulkhead_lab::frame::{Mac, answered_syn, canaries, canary};
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
const MOST: Duration = Duration::from_secs(2);

impl<'a> Battery<'a> {
    pub fn new(topology: &'a Topology, services: &'a Services) -> Self {
        Self { topology, services }
    }

    /// The attacks that succeed and those that do not, by name.
    pub fn attack(&self) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let attacks = self.attacks();
        self.prepare()?;
        // Those that take away what others go by come last, one after the other.
        let (last, first): (Vec<&Attack>, Vec<&Attack>) =
            attacks.iter().partition(|attack| attack.evidence == Evidence::Intercepted);
        self.send(&first)?;
        let mut observed = self.observe()?;
        for attack in last {
            observed.captured.extend(self.intercept(attack)?);
        }
        let (won, lost): (Vec<&Attack>, Vec<&Attack>) =
            attacks.iter().partition(|attack| self.has_succeeded(attack, &observed));
        let names = |attacks: Vec<&Attack>| attacks.into_iter().map(|attack| attack.name.clone()).collect();
        Ok((names(won), names(lost)))
    }

    /// Attack while something happens, over and over. Gives the attacks that succeed at some time, of those that a capture
    /// tells of.
    pub fn attack_during(&self, event: impl FnOnce() -> Result<()> + Send) -> Result<BTreeSet<String>> {
        let mut attacks = self.attacks();
        attacks.retain(|attack| attack.evidence == Evidence::Anywhere);
        self.prepare()?;
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
        Ok(Observed { captured, moved, has_route: !routes.is_empty() })
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
        }
    }

    /// The checks that fail, and why. Those that fail in haste are given more time.
    pub fn check(&self) -> Result<Vec<String>> {
        // For attacks d is not in the bridge; for what must work it is.
        self.topology.host.ip(&[&format!("link set vb-d master {BRIDGE}")])?;
        let failing = self.check_all();
        self.topology.host.ip(&["link set vb-d nomaster"])?;
        failing
    }

    fn check_all(&self) -> Result<Vec<String>> {
        self.forget()?;
        let checks = checks(self.topology);
        let hasty = failing(&checks, Duration::from_millis(250));
        if hasty.is_empty() {
            return Ok(hasty);
        }
        self.forget()?;
        let again: Vec<_> =
            checks.into_iter().filter(|check| hasty.iter().any(|name| name.starts_with(&check.name))).collect();
        Ok(failing(&again, Duration::from_millis(1500)))
    }

    /// Send, and have the host send something to c. What c says of its own accord at that moment undoes the attack, so
    /// there is more than one try.
    fn intercept(&self, attack: &Attack) -> Result<Vec<Captured>> {
        let c = self.topology.workspace("c").address;
        let mut captured = Vec::new();
        for _ in 0..3 {
            self.prepare()?;
            self.topology.host.enter(|| {
                let socket = UdpSocket::bind("0.0.0.0:0")?;
                for frame in &attack.frames {
                    self.topology.workspace(attack.from).socket.send(frame)?;
                }
                Ok(socket.send_to(&canary(attack.number), (c, SINK))?)
            })?;
            captured.extend(self.wait()?);
        }
        Ok(captured)
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
        let mut commands = vec![format!("neighbour flush dev {BRIDGE}"), "neighbour flush dev vb-a".to_owned()];
        for (address, mac) in neighbours(self.topology) {
            commands.push(format!("neighbour replace {address} lladdr {} dev {BRIDGE} nud stale", mac_text(mac)));
        }
        for workspace in &self.topology.workspaces[..4] {
            let (port, mac) = (format!("vb-{}", workspace.name), mac_text(workspace.mac));
            // A bridge that is down learns nothing.
            self.topology.host.output("bridge", &["fdb", "replace", &mac, "dev", &port, "master", "dynamic"], "")?;
        }
        self.topology.host.ip(&commands.iter().map(String::as_str).collect::<Vec<_>>())?;
        self.capture().map(drop)
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

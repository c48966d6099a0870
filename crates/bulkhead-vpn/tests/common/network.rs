//! A network that remembers what it was told. Its peer behaves as WireGuard's does, if the key was registered.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bulkhead_vpn::clock::Clock;
use bulkhead_vpn::fault::Fault;
use bulkhead_vpn::network::{Counter, ForwardedPort, Network, PeerState, Repair, Rules};
use bulkhead_vpn::provider::Tunnel;
use fake_pia::Recorded;

use super::ManualClock;

#[derive(Clone)]
pub struct FakeNetwork {
    inner: Arc<Mutex<Inner>>,
    clock: ManualClock,
    backend: Recorded,
}

#[derive(Default)]
pub struct Inner {
    /// Servers that do not answer.
    pub dead: HashSet<String>,
    /// Whether the peer only answers.
    pub idle: bool,
    /// What fails, and with what.
    pub broken: Option<String>,
    /// Names of what was called, with when.
    pub calls: Vec<(u64, &'static str)>,
    pub tunnel: Option<Tunnel>,
    pub rules: Option<Rules>,
    pub cleaned: usize,
    key: String,
    since: Duration,
    state: PeerState,
}

impl FakeNetwork {
    pub fn new(clock: ManualClock, backend: Recorded) -> Self {
        Self { inner: Arc::default(), clock, backend }
    }

    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub fn count(&self, call: &str) -> usize {
        self.inner().calls.iter().filter(|(_, name)| *name == call).count()
    }

    pub fn forwarded(&self) -> Option<ForwardedPort> {
        self.inner().rules.clone()?.open?.forwarded
    }

    fn called(&self, name: &'static str) -> Result<MutexGuard<'_, Inner>, Fault> {
        let now = self.clock.seconds();
        let mut inner = self.inner();
        inner.calls.push((now, name));
        match &inner.broken {
            Some(message) => Err(Fault::Local(message.clone())),
            None => Ok(inner),
        }
    }

    fn is_alive(&self, inner: &Inner) -> bool {
        let Some(tunnel) = &inner.tunnel else { return false };
        let registered = self.backend.peers().contains(&inner.key);
        registered && !inner.dead.contains(&tunnel.server.name)
    }
}

impl Network for FakeNetwork {
    fn prepare(&mut self) -> Result<(), Fault> {
        self.called("prepare")?.rules = Some(Rules::default());
        Ok(())
    }

    fn configure(&mut self, tunnel: &Tunnel) -> Result<(), Fault> {
        let now = self.clock.monotonic();
        let mut inner = self.called("configure")?;
        inner.tunnel = Some(tunnel.clone());
        inner.key = tunnel.private_key.public().to_string();
        inner.since = now;
        inner.state = PeerState::default();
        Ok(())
    }

    fn load(&mut self, rules: &Rules) -> Result<(), Fault> {
        self.called("load")?.rules = Some(rules.clone());
        Ok(())
    }

    fn keep(&mut self, _: &Tunnel, _: &Rules) -> Result<Vec<Repair>, Fault> {
        Ok(Vec::new())
    }

    fn peer(&mut self) -> Result<PeerState, Fault> {
        let (now, wall) = (self.clock.monotonic(), self.clock.wall());
        let mut inner = self.called("peer")?;
        if self.is_alive(&inner) {
            let first = inner.state.handshake.is_none();
            // A handshake every two minutes, as keepalives have it.
            if first || (!inner.idle && now - inner.since >= Duration::from_secs(120)) {
                inner.since = now;
                inner.state.handshake = Some(wall.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap());
                inner.state.received += 92;
                inner.state.sent += 148;
            }
        }
        Ok(inner.state)
    }

    fn probe(&mut self, _: &Tunnel) -> Result<(), Fault> {
        let mut inner = self.called("probe")?;
        if self.is_alive(&inner) {
            inner.state.received += 60;
        }
        Ok(())
    }

    fn counters(&mut self) -> Result<Vec<Counter>, Fault> {
        let counter = Counter { name: "sent_torrent".to_owned(), packets: 3, bytes: 300 };
        self.called("counters").map(|_| vec![counter])
    }

    fn clean_up(&mut self) -> Vec<Fault> {
        let mut inner = self.inner();
        inner.cleaned += 1;
        inner.tunnel = None;
        inner.rules = None;
        Vec::new()
    }
}

//! A lab on loopback: the machine with a clock that tests turn, a network that only remembers, and the fake provider behind
//! a CONNECT proxy.

#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, missing_docs)]

pub mod clock;
pub mod network;
pub mod proxy;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bulkhead_vpn::clock::{Clock, Inbox};
use bulkhead_vpn::config::{self, Config, ProviderConfig};
use bulkhead_vpn::context::{Context, Step};
use bulkhead_vpn::machine::Machine;
use bulkhead_vpn::network::SharedNetwork;
use bulkhead_vpn::notify::Notify;
use bulkhead_vpn::pia::Pia;
use bulkhead_vpn::state::{State, Store};
use bulkhead_vpn::status::{Board, Status};
use fake_pia::{FakePia, Options, Recorded, Server};

pub use clock::ManualClock;
pub use network::FakeNetwork;
pub use proxy::Proxy;

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;

/// What was told to the service manager, and when.
#[derive(Clone, Debug, Default)]
pub struct Told(Arc<Mutex<Vec<(Duration, String)>>>);

impl Told {
    pub fn when(&self, what: &str) -> Option<Duration> {
        self.0.lock().unwrap().iter().find(|(_, told)| told == what).map(|(at, _)| *at)
    }

    pub fn count(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|(_, told)| told == what).count()
    }

    pub fn last(&self, what: &str) -> Option<Duration> {
        self.0.lock().unwrap().iter().rev().find(|(_, told)| told == what).map(|(at, _)| *at)
    }

    pub fn has(&self, part: &str) -> bool {
        self.0.lock().unwrap().iter().any(|(_, told)| told.contains(part))
    }
}

struct Teller {
    told: Told,
    clock: ManualClock,
}

impl Teller {
    fn tell(&self, what: &str) {
        self.told.0.lock().unwrap().push((self.clock.monotonic(), what.to_owned()));
    }
}

impl Notify for Teller {
    fn ready(&mut self) {
        self.tell("ready");
    }
    fn stopping(&mut self) {
        self.tell("stopping");
    }
    fn alive(&mut self) {
        self.tell("alive");
    }
    fn status(&mut self, text: &str) {
        self.tell(text);
    }
    fn extend_start(&mut self, _: Duration) {
        self.tell("extend");
    }
    fn watchdog(&self) -> Option<Duration> {
        Some(Duration::from_secs(120))
    }
}

/// Everything that a run needs. Runs may follow each other, as restarts do.
pub struct Lab {
    pub fake: Arc<FakePia>,
    pub backend: Recorded,
    pub clock: ManualClock,
    pub network: FakeNetwork,
    pub proxy: Proxy,
    pub inbox: Inbox,
    pub told: Told,
    pub board: Board,
    pub folder: tempfile::TempDir,
    pub config: Config,
    pub base: [u8; 3],
}

/// Regions `alpha` (two servers), `beta` (one), and `gamma`, which forwards no ports; a meta server in `beta`.
pub fn servers(base: [u8; 3]) -> Vec<Server> {
    let [a, b, c] = base;
    let server = |region: &str, cn: &str, last: u8| Server {
        region: region.to_owned(),
        cn: cn.to_owned(),
        ip: format!("{a}.{b}.{c}.{last}"),
        country: "XX".to_owned(),
        ..Server::default()
    };
    vec![
        server("alpha", "alpha401", 11),
        server("alpha", "alpha402", 12),
        server("beta", "beta401", 13),
        Server { no_forwarding: true, ..server("gamma", "gamma401", 14) },
        Server { meta: true, ..server("beta", "meta401", 21) },
    ]
}

/// Addresses on loopback that no other test uses: by process and by lab.
fn base() -> [u8; 3] {
    static LABS: AtomicU8 = AtomicU8::new(0);
    let process = std::process::id().to_le_bytes();
    [127, 64 + (process[0] ^ process[1]) % 128, LABS.fetch_add(1, Ordering::Relaxed)]
}

impl Lab {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Options)) -> Self {
        let base = base();
        let [a, b, c] = base;
        let at = |last: u8| Ipv4Addr::new(a, b, c, last);
        let clock = ManualClock::new();
        let backend = Recorded::default();
        let mut options = Options {
            public: (at(1), 20443).into(),
            servers: servers(base),
            gateway: at(100),
            key_port: 21337,
            forwarding_port: 29999,
            meta_ports: vec![24443],
            ..Options::default()
        };
        change(&mut options);
        let proxy =
            Proxy::start(at(2), options.public_names.iter().map(|name| (name.clone(), options.public)).collect());
        let now = clock.clone();
        let fake = FakePia::start(options, backend.clone(), Arc::new(move || now.wall())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        fake.write_files(folder.path()).unwrap();
        std::fs::write(folder.path().join("login"), "p0000001\ncorrect horse\n").unwrap();
        let text = configuration(folder.path(), proxy.address);
        let config = config::parse(&text).unwrap();
        Self {
            fake: Arc::new(fake),
            network: FakeNetwork::new(clock.clone(), backend.clone()),
            backend,
            clock,
            proxy,
            inbox: Inbox::default(),
            told: Told::default(),
            board: Board::new(&config),
            folder,
            config,
            base,
        }
    }

    /// With another configuration.
    pub fn configured(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self.board = Board::new(&self.config);
        self
    }

    /// With other settings for PIA.
    pub fn with_pia(self, change: impl FnOnce(&mut config::PiaConfig)) -> Self {
        self.configured(|config| match &mut config.provider {
            ProviderConfig::Pia(pia) => change(pia),
            ProviderConfig::Wireguard(_) => unreachable!("the lab is one of PIA"),
        })
    }

    /// Have something happen `seconds` after the beginning of the clock.
    pub fn at(&self, seconds: u64, action: impl FnOnce() + Send + 'static) {
        self.clock.at(Duration::from_secs(seconds), action);
    }

    /// Run until `seconds` after the beginning of the clock, then stop.
    pub fn run_until(&self, seconds: u64) -> Status {
        let inbox = self.inbox.clone();
        let (board, seen) = (self.board.clone(), Arc::new(Mutex::new(Status::default())));
        let last = seen.clone();
        self.at(seconds, move || {
            *last.lock().unwrap() = board.read();
            inbox.stop();
        });
        let faults = self.machine().run();
        assert_eq!(faults, []);
        seen.lock().unwrap().clone()
    }

    /// Run again, as after a restart: what is not stored is forgotten.
    pub fn restart(&mut self) {
        self.inbox = Inbox::default();
        self.told = Told::default();
        self.board = Board::new(&self.config);
        self.network = FakeNetwork::new(self.clock.clone(), self.backend.clone());
    }

    pub fn machine(&self) -> Machine {
        let store = Store::open(&self.config.state_directory).unwrap();
        let teller = Teller { told: self.told.clone(), clock: self.clock.clone() };
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let context = Context::new(clock, self.inbox.clone(), store, self.board.clone(), Box::new(teller));
        let ProviderConfig::Pia(pia) = &self.config.provider else { unreachable!("the lab is one of PIA") };
        let provider = Box::new(Pia::new(&self.config, pia).unwrap());
        Machine::new(Arc::new(self.config.clone()), context, provider, SharedNetwork::new(self.network.clone()))
    }

    pub fn state_file(&self) -> PathBuf {
        self.config.state_directory.join("state.json")
    }

    pub fn state(&self) -> State {
        serde_json::from_slice(&std::fs::read(self.state_file()).unwrap()).unwrap()
    }

    /// When it was ready, in seconds.
    pub fn ready(&self) -> Option<u64> {
        self.told.when("ready").map(|at| at.as_secs())
    }

    /// The server that it is connected to at the end of a run.
    pub fn server(status: &Status) -> &str {
        status.connection.as_ref().map_or("none", |connection| &connection.server)
    }
}

pub fn configuration(folder: &std::path::Path, proxy: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        r#"{{
  "interface": "wg-vpn",
  "bridge": {{
    "interface": "host0",
    "subnet": "10.73.0.0/24",
    "hostAddress": "10.73.0.1",
    "vpnAddress": "10.73.0.2"
  }},
  "services": {{
    "torrent": {{ "address": "10.73.0.10" }},
    "search": {{ "address": "10.73.0.11" }}
  }},
  "portForwarding": {{ "service": "torrent" }},
  "provider": {{
    "pia": {{
      "location": {{ "regions": ["alpha", "beta"] }},
      "credentialsFile": "{folder}/login",
      "caFile": "{folder}/ca.pem",
      "publicCaFile": "{folder}/public-ca.pem",
      "listKeyFile": "{folder}/list-key.pem",
      "proxy": "{proxy}",
      "api": {{ "forwardingPort": 29999, "metaPorts": [24443] }}
    }}
  }},
  "stateDirectory": "{folder}/state",
  "controlSocket": "{folder}/control.sock",
  "nft": "/usr/sbin/nft",
  "requestTimeoutSeconds": 2
}}"#
    )
}

pub fn step_of(status: &Status) -> Step {
    status.step
}

//! A fake of Private Internet Access: token, signed list of servers, keys, forwarded ports, dedicated IPs, over HTTPS
//! with an authority of its own, and with every fault that a test may want, per request.
//!
//! It knows nothing of `bulkhead-vpn` and shares no code with it. In a test it runs in the same process ([`FakePia`]),
//! on loopback, with WireGuard left out ([`Recorded`]); in a lab it is the program `fake-pia`, in the network namespace of
//! the provider, with a real WireGuard server ([`wireguard::Server`]), NAT, port forwarding and DNS.
//!
//! **In a lab.** Enter a network namespace that has the addresses of [`Options::public`] and of all [`Options::servers`], and
//! an interface to the internet. Start a [`wireguard::Server`] there, [`dns::serve`] on the addresses of [`Options::dns`]
//! (the server has given them to its interface), then [`FakePia::start`] with the server as its backend, and
//! [`FakePia::write_files`] for the client. Threads and sockets stay in the namespace that they were started in. `fake-pia`
//! does just that, and is told of faults by a line of JSON on its control socket, as
//! `{"inject": {"endpoint": "addKey", "server": "alpha401", "times": 1, "fault": {"delay": 3000}}}`.
//!
//! **Faults** ([`Injection`]) wait for the requests that they match; the oldest that fits comes first. What was asked for is
//! in [`FakePia::requests`], in order.

mod api;
mod control;
pub mod dns;
mod fault;
mod pki;
mod serve;
pub mod wireguard;
mod world;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use std::{fs, thread};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

pub use control::serve_control;
pub use fault::{Endpoint, Fault, Injection};
pub use pki::Authority;
pub use world::{Key, Request};

use world::World;

/// A clock for what has a date.
pub type Now = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What the fake is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    /// The user name that is accepted.
    pub user: String,
    /// The password that is accepted.
    pub password: String,
    /// The address of the hosts with public certificates.
    pub public: SocketAddr,
    /// The names in their certificate: first that of tokens and dedicated IPs, then that of the list.
    pub public_names: [String; 2],
    /// The servers.
    pub servers: Vec<Server>,
    /// The address inside of the tunnel, the same for all servers.
    pub gateway: Ipv4Addr,
    /// DNS servers inside of the tunnel.
    pub dns: Vec<Ipv4Addr>,
    /// The port for keys.
    pub key_port: u16,
    /// The port for forwarding.
    pub forwarding_port: u16,
    /// The ports of meta servers.
    pub meta_ports: Vec<u16>,
    /// The port for WireGuard's UDP.
    pub wireguard_port: u16,
    /// Dedicated IPs, by their token.
    pub dedicated: BTreeMap<String, Dedicated>,
    /// The bits of the authority's RSA key; PIA's has 4096. An elliptic curve is used with 0, which is much faster.
    pub authority_bits: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user: "p0000001".to_owned(),
            password: "correct horse".to_owned(),
            public: (Ipv4Addr::LOCALHOST, 443).into(),
            public_names: ["www.privateinternetaccess.com".to_owned(), "serverlist.piaservers.net".to_owned()],
            servers: Vec::new(),
            gateway: Ipv4Addr::new(10, 5, 128, 1),
            dns: vec![Ipv4Addr::new(10, 0, 0, 242), Ipv4Addr::new(10, 0, 0, 244)],
            key_port: 1337,
            forwarding_port: 19999,
            meta_ports: vec![443, 8080],
            wireguard_port: 1337,
            dedicated: BTreeMap::new(),
            authority_bits: 0,
        }
    }
}

/// A server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Server {
    /// The region that it is in.
    pub region: String,
    /// Its name in the list.
    pub cn: String,
    /// Its address.
    pub ip: String,
    /// Whether it is a meta server rather than one for WireGuard.
    #[serde(default)]
    pub meta: bool,
    /// Whether its region is offline.
    #[serde(default)]
    pub offline: bool,
    /// Whether its region forwards no ports.
    #[serde(default)]
    pub no_forwarding: bool,
    /// The name in its certificate, if it was renamed and the list does not know.
    #[serde(default)]
    pub renamed: Option<String>,
    /// The country of its region.
    #[serde(default)]
    pub country: String,
}

/// A dedicated IP.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dedicated {
    /// `active`, `expired`, …
    pub status: String,
    /// The address; one of the servers.
    pub ip: Ipv4Addr,
    /// The server's name.
    pub cn: String,
    /// The region's id.
    pub id: String,
}

/// What happens to keys and ports.
pub trait Backend: Send {
    /// The server's public key, base64.
    fn server_key(&self) -> String;
    /// A key was registered, and has this address.
    fn add_peer(&mut self, key: &str, address: Ipv4Addr) -> Result<()>;
    /// All keys are forgotten.
    fn drop_peers(&mut self) -> Result<()>;
    /// These ports lead to these addresses; no others do.
    fn forward(&mut self, ports: &BTreeMap<u16, Ipv4Addr>) -> Result<()>;
}

/// Remembers, and does nothing.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    peers: Arc<Mutex<Vec<String>>>,
}

impl Recorded {
    /// The keys that were registered.
    pub fn peers(&self) -> Vec<String> {
        lock(&self.peers).clone()
    }
}

impl Backend for Recorded {
    fn server_key(&self) -> String {
        // RFC 7748, section 6.1: Bob's public key.
        "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08=".to_owned()
    }

    fn add_peer(&mut self, key: &str, _: Ipv4Addr) -> Result<()> {
        lock(&self.peers).push(key.to_owned());
        Ok(())
    }

    fn drop_peers(&mut self) -> Result<()> {
        lock(&self.peers).clear();
        Ok(())
    }

    fn forward(&mut self, _: &BTreeMap<u16, Ipv4Addr>) -> Result<()> {
        Ok(())
    }
}

/// A running fake. It ends when it is dropped.
pub struct FakePia {
    world: Arc<World>,
    stop: Arc<AtomicBool>,
    listeners: Vec<SocketAddr>,
}

impl FakePia {
    /// Start it: all addresses of the options must be there.
    pub fn start(options: Options, backend: impl Backend + 'static, now: Now) -> Result<Self> {
        let world = Arc::new(World::new(options, Box::new(backend), now)?);
        let mut fake = Self { world, stop: Arc::default(), listeners: Vec::new() };
        let options = fake.world.options.clone();
        fake.listen(options.public, serve::Role::Public)?;
        for server in &options.servers {
            let ip: IpAddr = server.ip.parse().with_context(|| format!("{} is no address", server.ip))?;
            if server.meta {
                for port in &options.meta_ports {
                    fake.listen((ip, *port).into(), serve::Role::Meta(server.cn.clone()))?;
                }
            } else {
                fake.listen((ip, options.key_port).into(), serve::Role::Keys(server.cn.clone()))?;
                fake.listen((ip, options.forwarding_port).into(), serve::Role::OutsideForwarding(server.cn.clone()))?;
            }
        }
        fake.listen((options.gateway, options.forwarding_port).into(), serve::Role::Forwarding)?;
        Ok(fake)
    }

    /// Write what clients need: `ca.pem`, `list-key.pem` and `public-ca.pem`.
    pub fn write_files(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join("ca.pem"), self.world.private.pem())?;
        fs::write(folder.join("public-ca.pem"), self.world.public.pem())?;
        fs::write(folder.join("list-key.pem"), self.world.list_key.public_pem()?)?;
        Ok(())
    }

    /// Have a fault happen.
    pub fn inject(&self, injection: Injection) {
        self.world.inject(injection);
    }

    /// Have no more faults happen.
    pub fn clear(&self) {
        self.world.clear();
    }

    /// All requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.world.requests()
    }

    /// How many requests an endpoint had.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.requests().iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// The keys that were registered.
    pub fn keys(&self) -> Vec<Key> {
        self.world.keys()
    }

    /// The ports that are bound now, and the server of each.
    pub fn bound(&self) -> BTreeMap<u16, String> {
        self.world.bound()
    }

    /// Accept none of the tokens that were given so far.
    pub fn expire_tokens(&self) {
        self.world.expire_tokens();
    }

    /// Register a key as a web page would: the server's key, and the address for the client.
    pub fn register(&self, server: &str, key: &str) -> Result<(String, Ipv4Addr)> {
        let address = self.world.add_key(server, key, true)?;
        Ok((lock(&self.world.backend).server_key(), address))
    }

    /// Forget all keys: the tunnels are dead.
    pub fn drop_peers(&self) -> Result<()> {
        lock(&self.world.backend).drop_peers()
    }

    /// Change the servers in the list. Listeners stay as they were.
    pub fn change_servers(&self, change: impl FnOnce(&mut Vec<Server>)) {
        self.world.change_servers(change);
    }

    /// What the control socket and the fake share.
    pub(crate) fn world(&self) -> &Arc<World> {
        &self.world
    }

    fn listen(&mut self, address: SocketAddr, role: serve::Role) -> Result<()> {
        let listener = TcpListener::bind(address).with_context(|| format!("can't listen on {address}"))?;
        self.listeners.push(address);
        let (world, stop) = (self.world.clone(), self.stop.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (world, role) = (world.clone(), role.clone());
                thread::spawn(move || serve::connection(&world, &role, stream));
            }
        });
        Ok(())
    }
}

impl Drop for FakePia {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Connections that still hang must not keep a WireGuard server alive.
        *lock(&self.world.backend) = Box::new(Recorded::default());
        for address in &self.listeners {
            // Wakes the thread that accepts.
            let _ = std::net::TcpStream::connect(address);
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

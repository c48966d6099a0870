//! What the fake knows: tokens, keys, ports, and the faults that are to happen.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use rustls::ServerConfig;
use serde::Serialize;

use crate::pki::{Authority, ListKey};
use crate::{Backend, Endpoint, Fault, Injection, Now, Options, Server, lock};

/// A request that came.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// What it was for.
    pub endpoint: Endpoint,
    /// The server that it came to, if it has a name.
    pub server: Option<String>,
    /// When, by the fake's clock.
    pub at: SystemTime,
}

/// A key that was registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The server.
    pub server: String,
    /// The key, base64.
    pub key: String,
    /// The address that it got.
    pub address: Ipv4Addr,
}

pub struct World {
    pub options: Options,
    pub private: Authority,
    pub public: Authority,
    pub stranger: Authority,
    pub list_key: ListKey,
    pub now: Now,
    pub backend: Mutex<Box<dyn Backend>>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    servers: Vec<Server>,
    injections: Vec<Injection>,
    requests: Vec<Request>,
    tokens: HashMap<String, SystemTime>,
    given: u64,
    keys: Vec<Key>,
    signed: HashMap<String, Promise>,
    bound: BTreeMap<u16, Binding>,
    tls: HashMap<(Vec<String>, Kind), Arc<ServerConfig>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Public,
    Private,
    Stranger,
    Expired,
}

/// A signed port.
#[derive(Clone)]
pub struct Promise {
    pub payload: String,
    pub port: u16,
    pub expires: SystemTime,
}

struct Binding {
    server: String,
    until: SystemTime,
}

/// PIA's tokens live about a day, bindings about 20 minutes, promises about 62 days.
const TOKEN: Duration = Duration::from_secs(24 * 60 * 60);
const BINDING: Duration = Duration::from_secs(20 * 60);
pub const PROMISE: Duration = Duration::from_secs(62 * 24 * 60 * 60);

impl World {
    pub fn new(options: Options, backend: Box<dyn Backend>, now: Now) -> Result<Self> {
        Ok(Self {
            private: Authority::new("Fake Private Internet Access", options.authority_bits)?,
            public: Authority::new("Fake Public Authority", 0)?,
            stranger: Authority::new("Fake Stranger", 0)?,
            list_key: ListKey::new()?,
            inner: Mutex::new(Inner { servers: options.servers.clone(), ..Inner::default() }),
            backend: Mutex::new(backend),
            options,
            now,
        })
    }

    pub fn tls(&self, names: &[String], kind: Kind) -> Result<Arc<ServerConfig>> {
        let key = (names.to_vec(), kind);
        if let Some(found) = lock(&self.inner).tls.get(&key) {
            return Ok(found.clone());
        }
        let made = match kind {
            Kind::Public => self.public.server(names, false),
            Kind::Private => self.private.server(names, false),
            Kind::Stranger => self.stranger.server(names, false),
            Kind::Expired => self.private.server(names, true),
        }?;
        lock(&self.inner).tls.insert(key, made.clone());
        Ok(made)
    }

    pub fn inject(&self, injection: Injection) {
        lock(&self.inner).injections.push(injection);
    }

    pub fn clear(&self) {
        lock(&self.inner).injections.clear();
    }

    /// The fault for a request, if one is due. Those of a certificate are used up when the connection begins.
    pub fn fault(&self, endpoint: Endpoint, server: Option<&str>, wanted: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let mut inner = lock(&self.inner);
        let index = inner.injections.iter().position(|injection| {
            injection.endpoint == endpoint
                && (injection.server.is_none() || injection.server.as_deref() == server)
                && wanted(&injection.fault)
        })?;
        let injection = inner.injections.get_mut(index)?;
        let fault = injection.fault.clone();
        if let Some(times) = &mut injection.times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                inner.injections.remove(index);
            }
        }
        Some(fault)
    }

    pub fn log(&self, endpoint: Endpoint, server: Option<&str>) {
        let at = (self.now)();
        lock(&self.inner).requests.push(Request { endpoint, server: server.map(str::to_owned), at });
    }

    pub fn requests(&self) -> Vec<Request> {
        lock(&self.inner).requests.clone()
    }

    pub fn keys(&self) -> Vec<Key> {
        lock(&self.inner).keys.clone()
    }

    pub fn servers(&self) -> Vec<Server> {
        lock(&self.inner).servers.clone()
    }

    pub fn change_servers(&self, change: impl FnOnce(&mut Vec<Server>)) {
        change(&mut lock(&self.inner).servers);
    }

    /// A number that was not given before.
    pub fn number(&self) -> u64 {
        let mut inner = lock(&self.inner);
        inner.given += 1;
        inner.given
    }

    pub fn give_token(&self) -> String {
        let number = self.number();
        // As long as a real one, with letters that must be encoded in a URL.
        let token = format!("{number:08}+/=&{}", "5bd0a0f7".repeat(14));
        lock(&self.inner).tokens.insert(token.clone(), (self.now)());
        token
    }

    pub fn accepts(&self, token: &str) -> bool {
        let now = (self.now)();
        let inner = lock(&self.inner);
        // A clock that was set back must not lock anybody out.
        inner.tokens.get(token).is_some_and(|given| now.duration_since(*given).unwrap_or_default() < TOKEN)
    }

    pub fn expire_tokens(&self) {
        lock(&self.inner).tokens.clear();
    }

    pub fn add_key(&self, server: &str, key: &str, register: bool) -> Result<Ipv4Addr> {
        let number = u8::try_from(self.keys().len() % 200)? + 10;
        let gateway = self.options.gateway.octets();
        let address = Ipv4Addr::new(gateway[0], gateway[1], gateway[2].wrapping_add(29), number);
        if register {
            lock(&self.backend).add_peer(key, address)?;
        }
        lock(&self.inner).keys.push(Key { server: server.to_owned(), key: key.to_owned(), address });
        Ok(address)
    }

    pub fn promise(&self, signature: &str, promise: Promise) {
        lock(&self.inner).signed.insert(signature.to_owned(), promise);
    }

    pub fn promised(&self, signature: &str) -> Option<Promise> {
        lock(&self.inner).signed.get(signature).cloned()
    }

    /// Bind a port; whether it was bound already.
    pub fn bind(&self, port: u16, server: &str) -> Result<bool> {
        let until = (self.now)() + BINDING;
        let was_bound = self.bound().get(&port).is_some_and(|before| before == server);
        lock(&self.inner).bound.insert(port, Binding { server: server.to_owned(), until });
        self.forward()?;
        Ok(was_bound)
    }

    /// Give the bound ports to the backend. A server has one client here, the one that came last.
    pub fn forward(&self) -> Result<()> {
        let keys = self.keys();
        let target = |server: &String| keys.iter().rev().find(|key| key.server == *server).map(|key| key.address);
        let ports = self.bound().iter().filter_map(|(port, server)| Some((*port, target(server)?))).collect();
        lock(&self.backend).forward(&ports)
    }

    pub fn bound(&self) -> BTreeMap<u16, String> {
        let now = (self.now)();
        let inner = lock(&self.inner);
        let bound = inner.bound.iter().filter(|(_, binding)| binding.until > now);
        bound.map(|(port, binding)| (*port, binding.server.clone())).collect()
    }
}

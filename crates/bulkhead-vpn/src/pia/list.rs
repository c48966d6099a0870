//! The list of servers: signed, verified, stored.
//!
//! An older list cannot be told from a newer one: nothing in it is a date or a number that grows, and the time of the
//! stored file is that of this machine. Who could answer for the provider, or has broken into a meta server, may give out
//! an old one. That brings back servers that are gone, and no others: each has to show a certificate of the provider for
//! its name.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;
use webpki::RawPublicKeyEntity;

use super::credentials::read_text;
use super::login::is_worth_another_way;
use super::{Pia, answer};
use crate::config::NamedAddress;
use crate::context::{Context, Step};
use crate::fault::Fault;
use crate::http::{LONGEST_LIST, Request, Target};
use crate::log;

/// A stored list that is younger is not asked for again.
const FRESH: Duration = Duration::from_secs(6 * 60 * 60);

/// The public key that lists are signed with.
#[derive(Debug)]
pub struct ListKey(SubjectPublicKeyInfoDer<'static>);

impl ListKey {
    /// Read an RSA key, PEM (`-----BEGIN PUBLIC KEY-----`).
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = read_text(file)?;
        let key = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes());
        let key = key.map_err(|error| format!("{} has no public key (PEM): {error:?}", file.display()))?;
        // An empty message with an empty signature: the key's own faults come before the signature's.
        let usable = RawPublicKeyEntity::try_from(&key).map(|entity| {
            let tried = entity.verify_signature(webpki::ring::RSA_PKCS1_2048_8192_SHA256, b"", b"");
            matches!(tried, Err(webpki::Error::InvalidSignatureForPublicKey))
        });
        match usable {
            Ok(true) => Ok(Self(key)),
            _ => Err(format!("{} has no RSA public key that can be used", file.display())),
        }
    }

    /// Verify a list (RSA PKCS#1 v1.5 with SHA-256 over its first line) and read it.
    pub fn open(&self, text: &[u8]) -> Result<ServerList, NotTheList> {
        let line_end = text.iter().position(|byte| *byte == b'\n').ok_or(NotTheList::Shape)?;
        let (line, rest) = text.split_at(line_end);
        let encoded: Vec<u8> = rest.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let signature = STANDARD.decode(encoded).map_err(|_| NotTheList::Signature)?;
        let entity = RawPublicKeyEntity::try_from(&self.0).map_err(|_| NotTheList::Signature)?;
        entity
            .verify_signature(webpki::ring::RSA_PKCS1_2048_8192_SHA256, line, &signature)
            .map_err(|_| NotTheList::Signature)?;
        ServerList::parse(line).ok_or(NotTheList::Shape)
    }
}

/// Why a text is not the provider's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTheList {
    /// It is not signed with the key.
    Signature,
    /// It does not have the shape of a list.
    Shape,
}

/// The list.
#[derive(Clone, Debug)]
pub struct ServerList {
    /// The ports for WireGuard.
    pub wireguard_ports: Vec<u16>,
    /// The regions.
    pub regions: Vec<Region>,
}

/// A region of the list.
#[derive(Clone, Debug, Deserialize)]
pub struct Region {
    /// Its id, such as `swiss`.
    pub id: String,
    /// Its name for people.
    #[serde(default)]
    pub name: String,
    /// The code of its country.
    #[serde(default)]
    pub country: String,
    /// Whether ports are forwarded there.
    #[serde(default)]
    pub port_forward: bool,
    /// Whether it is out of service.
    #[serde(default)]
    pub offline: bool,
    #[serde(default)]
    servers: BTreeMap<String, Value>,
}

impl Region {
    /// Its WireGuard servers.
    pub fn wireguard(&self) -> Vec<NamedAddress> {
        self.servers_of("wg")
    }

    /// Its meta servers.
    pub fn meta(&self) -> Vec<NamedAddress> {
        self.servers_of("meta")
    }

    fn servers_of(&self, kind: &str) -> Vec<NamedAddress> {
        let servers = self.servers.get(kind).and_then(Value::as_array);
        let read = |server: &Value| {
            let ip = server.get("ip")?.as_str()?.parse().ok()?;
            Some(NamedAddress { ip, cn: server.get("cn")?.as_str()?.to_owned() })
        };
        servers.into_iter().flatten().filter_map(read).collect()
    }
}

impl ServerList {
    /// Read the JSON. A region that can't be read is left out; it must not take the others with it.
    fn parse(json: &[u8]) -> Option<Self> {
        let list: Value = serde_json::from_slice(json).ok()?;
        let ports = list.pointer("/groups/wg/0/ports").and_then(Value::as_array);
        let ports = ports.into_iter().flatten().filter_map(|port| u16::try_from(port.as_u64()?).ok());
        let ports = ports.filter(|port| *port > 0).collect();
        let regions = list.get("regions")?.as_array()?;
        let regions = regions.iter().filter_map(|region| Region::deserialize(region).ok()).collect();
        Some(Self { wireguard_ports: ports, regions })
    }
}

impl Pia {
    /// The list: the stored one if it is fresh, else a new one, else one from a meta server, else the stored one however
    /// old it is. Every one of them must be signed.
    pub(super) fn load_list(&mut self, context: &mut Context) -> Result<ServerList, Fault> {
        context.enter(Step::List)?;
        let now = context.clock.wall();
        let stored = self.stored_list(context);
        if let Some((list, written)) = &stored
            && now.duration_since(*written).is_ok_and(|age| age < FRESH)
        {
            return Ok(list.clone());
        }
        let url = &self.config.api.list_url;
        let mut fault = match self.fetch_list(context, &self.public(url), &url.path, now) {
            Ok(list) => return Ok(list),
            Err(fault) => fault,
        };
        if is_worth_another_way(&fault) {
            for target in self.meta_servers(context) {
                // Feeds the watchdog, too.
                context.enter(Step::List)?;
                log::warning!("{fault}; asking {} for the list of servers", target.describe());
                match self.fetch_list(context, &target, &self.config.api.meta_list_path, now) {
                    Ok(list) => return Ok(list),
                    Err(other) => fault = other,
                }
            }
        }
        match stored {
            Some((list, _)) => {
                log::warning!("{fault}; the stored list of servers is used");
                Ok(list)
            }
            None => Err(fault),
        }
    }

    /// The stored list, if it is there and signed.
    pub(super) fn stored_list(&self, context: &Context) -> Option<(ServerList, SystemTime)> {
        let (text, written) = context.store.list()?;
        match self.list_key.open(&text) {
            Ok(list) => Some((list, written)),
            Err(reason) => {
                context.store.spoil_list(&format!("{reason:?}"));
                None
            }
        }
    }

    fn fetch_list(&self, context: &Context, target: &Target, path: &str, now: SystemTime) -> Result<ServerList, Fault> {
        let what = target.describe();
        let response = self.client.send(target, &Request::get(path, &[]).at_most(LONGEST_LIST))?;
        let said = answer::Said::default();
        if let Some(fault) = answer::common_fault(&what, &response, &said) {
            return Err(fault);
        }
        if response.status != 200 {
            return Err(answer::refused(&what, &response, &said));
        }
        let list = self.list_key.open(&response.body).map_err(|reason| match reason {
            NotTheList::Signature => Fault::ListSignature { what: what.clone() },
            NotTheList::Shape => Fault::Damaged { what: what.clone(), reason: "it is no list of servers".to_owned() },
        })?;
        context.store.keep_list(&response.body, now);
        Ok(list)
    }
}

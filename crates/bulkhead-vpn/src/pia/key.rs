//! Registering a key with a server, and dedicated IPs.

use std::net::Ipv4Addr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::answer::{self, Said};
use super::list::ServerList;
use super::{Pia, read_secret_line};
use crate::config::Ipv4Net;
use crate::context::{Context, Step};
use crate::fault::Fault;
use crate::http::Request;
use crate::log;
use crate::provider::{Peer, Server, Tunnel};
use crate::secret::{PublicKey, Secret, SecretKey};

/// Seconds between keepalives (wg(8) advises 25 behind NAT).
const KEEPALIVE: u16 = 25;

/// A dedicated IP and what proves that it is ours.
pub struct Dedicated {
    token: Secret,
    address: Ipv4Addr,
}

/// The answer to `addKey`.
#[derive(Deserialize)]
struct Added {
    server_key: String,
    server_port: u16,
    #[serde(default)]
    server_ip: Option<Ipv4Addr>,
    #[serde(default)]
    server_vip: Option<Ipv4Addr>,
    peer_ip: Ipv4Addr,
    #[serde(default)]
    peer_pubkey: Option<String>,
    dns_servers: Vec<Ipv4Addr>,
}

#[derive(Deserialize)]
struct DedicatedAnswer {
    status: String,
    #[serde(default)]
    ip: Option<Ipv4Addr>,
    #[serde(default)]
    cn: String,
    #[serde(default)]
    id: String,
}

impl Pia {
    /// Register a new key with a server.
    pub(super) fn add_key(&mut self, context: &mut Context, server: &Server) -> Result<Tunnel, Fault> {
        let token = self.log_in(context)?;
        context.enter(Step::Key)?;
        let private_key = SecretKey::generate().map_err(|error| Fault::Local(error.to_string()))?;
        let public_key = private_key.public().to_string();
        let target = self.private(&server.name, (server.address, server.key_port).into(), false);
        let what = target.describe();
        let request = match &self.dedicated {
            None => Request::get("/addKey", &[("pt", token.reveal()), ("pubkey", &public_key)]),
            Some(dedicated) => {
                let pair = Secret::new(format!("dedicated_ip_{}:{}", dedicated.token.reveal(), dedicated.address));
                let basic = Secret::new(format!("Basic {}", STANDARD.encode(pair.reveal())));
                Request::get("/addKey", &[("pubkey", &public_key)]).authorized(basic)
            }
        };
        let response = self.client.send(&target, &request)?;
        let said = Said::of(&response);
        if let Some(fault) = answer::common_fault(&what, &response, &said) {
            return Err(fault);
        }
        let is_ok = response.status == 200 && said.status.eq_ignore_ascii_case("ok");
        if !is_ok && said.refuses_login(response.status) {
            return Err(match &self.dedicated {
                None => Fault::TokenRefused { what },
                Some(_) => Fault::DedicatedIp(format!("{what} does not accept it")),
            });
        }
        if response.status != 200 || (!said.status.is_empty() && !is_ok) {
            return Err(answer::refused(&what, &response, &said));
        }
        let added: Added = answer::parse(&what, &response)?;
        let damaged = |reason: &str| Fault::Damaged { what: what.clone(), reason: reason.to_owned() };
        if added.peer_pubkey.is_some_and(|key| key != public_key) {
            return Err(damaged("it registered another key than ours"));
        }
        let server_key = PublicKey::from_base64(&added.server_key).ok_or_else(|| damaged("its key is none"))?;
        if added.server_port == 0 || added.dns_servers.is_empty() {
            return Err(damaged("it names no port or no DNS server"));
        }
        let inside = added.dns_servers.iter().chain([&added.peer_ip]).chain(added.server_vip.as_ref());
        for address in inside {
            self.usable_inside(*address, server.address).map_err(|reason| damaged(&reason))?;
        }
        Ok(Tunnel {
            server: server.clone(),
            private_key,
            address: added.peer_ip,
            peer: Peer {
                public_key: server_key,
                preshared_key: None,
                // The address whose certificate was verified, not one that the answer names.
                endpoint: (server.address, added.server_port).into(),
                allowed_ips: vec![Ipv4Net { address: Ipv4Addr::UNSPECIFIED, prefix: 0 }],
                keepalive: KEEPALIVE,
            },
            dns: added.dns_servers,
            mtu: None,
            gateway: added.server_vip,
            public_address: Some(
                self.dedicated.as_ref().map_or(added.server_ip.unwrap_or(server.address), |d| d.address),
            ),
        })
    }

    /// Look up the server of the dedicated IP.
    pub(super) fn find_dedicated(&mut self, context: &mut Context, list: &ServerList) -> Result<Server, Fault> {
        let Some(file) = self.config.dedicated_ip_file.clone() else {
            return Err(Fault::Local("no dedicated IP is configured".to_owned()));
        };
        let dedicated = read_secret_line(&file).map_err(Fault::Local)?;
        let found = self.with_new_token(context, |pia, context| pia.ask_for_dedicated(context, &dedicated))?;
        if !found.status.eq_ignore_ascii_case("active") {
            let status: String = found.status.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
            return Err(Fault::DedicatedIp(format!("its status is `{status}`")));
        }
        let (Some(address), false) = (found.ip, found.cn.is_empty()) else {
            return Err(Fault::DedicatedIp("the provider does not say where it is".to_owned()));
        };
        let region = list.regions.iter().find(|region| region.id == found.id);
        if let Some(region) = region.filter(|region| self.wants_port && !region.port_forward) {
            return Err(Fault::NoServer(format!("{} of the dedicated IP forwards no ports", region.id)));
        }
        if region.is_none() {
            log::warning!("the region of the dedicated IP is not in the list of servers");
        }
        self.dedicated = Some(Dedicated { token: dedicated, address });
        let key_port = list.wireguard_ports.first().copied().unwrap_or(self.config.api.key_port);
        Ok(Server { region: found.id, name: found.cn, address, key_port })
    }

    fn ask_for_dedicated(&mut self, context: &mut Context, dedicated: &Secret) -> Result<DedicatedAnswer, Fault> {
        let token = self.log_in(context)?;
        context.enter(Step::Server)?;
        let url = &self.config.api.dedicated_ip_url;
        let body = Secret::new(serde_json::json!({ "tokens": [dedicated.reveal()] }).to_string());
        let authorization = Secret::new(format!("Token {}", token.reveal()));
        let request = Request::post(&url.path, "application/json", body).authorized(authorization);
        let target = self.public(url);
        let what = target.describe();
        let response = self.client.send(&target, &request)?;
        let said = Said::of(&response);
        if let Some(fault) = answer::common_fault(&what, &response, &said) {
            return Err(fault);
        }
        if said.refuses_login(response.status) {
            return Err(Fault::TokenRefused { what });
        }
        if response.status != 200 {
            return Err(answer::refused(&what, &response, &said));
        }
        let answers: Vec<DedicatedAnswer> = answer::parse(&what, &response)?;
        answers.into_iter().next().ok_or_else(|| Fault::DedicatedIp("the provider does not know it".to_owned()))
    }

    /// Addresses inside of the tunnel must not be those of the machine or of the bridge.
    fn usable_inside(&self, address: Ipv4Addr, server: Ipv4Addr) -> Result<(), String> {
        if self.bridge.contains(address) {
            return Err(format!("{address} is also in the bridge's network {}: choose another `subnet`", self.bridge));
        }
        // A server that is itself on this machine may be reached on this machine.
        let special = address.is_loopback() && !server.is_loopback()
            || address.is_unspecified()
            || address.is_multicast()
            || address.is_broadcast()
            || address.is_link_local();
        if special { Err(format!("{address} is no address of a tunnel")) } else { Ok(()) }
    }
}

//! The address that the internet sees, from inside of a container and from the host.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{Entrance, PublicAddress};
use crate::http::{Client, Request, Target, Trust};
use crate::pia::read_authorities;

/// How long DNS may take, and how often it is asked.
const DNS: (Duration, usize) = (Duration::from_secs(3), 3);
/// How long the request may take.
const REQUEST: Duration = Duration::from_secs(15);

/// Asks one server for the address that it sees.
pub struct Asker {
    client: Client,
    asked: PublicAddress,
}

impl Asker {
    /// Read the authorities.
    pub fn new(asked: &PublicAddress) -> Result<Self> {
        let authorities = asked.ca_file.as_ref().map(|file| read_authorities(file)).transpose();
        let authorities = authorities.map_err(anyhow::Error::msg)?;
        let client = Client::new(None, REQUEST, Vec::new(), authorities).map_err(anyhow::Error::msg)?;
        Ok(Self { client, asked: asked.clone() })
    }

    /// As a container sees it: DNS at `resolver`, HTTPS by its default route.
    pub fn inside(&self, namespace: &Entrance, resolver: Ipv4Addr) -> Result<Ipv4Addr> {
        namespace.enter(|| {
            let host = &self.asked.url.host;
            let address = match host.parse() {
                Ok(address) => address,
                Err(_) => look_up(resolver, host)?,
            };
            self.ask((address, self.asked.url.port).into())
        })
    }

    /// As the host sees it, without the VPN.
    pub fn outside(&self) -> Result<Ipv4Addr> {
        let (host, port) = (self.asked.url.host.as_str(), self.asked.url.port);
        let addresses = (host, port).to_socket_addrs().with_context(|| format!("the host can't look up {host}"))?;
        let address = addresses.into_iter().find(SocketAddr::is_ipv4);
        self.ask(address.with_context(|| format!("{host} has no IPv4 address"))?)
    }

    fn ask(&self, address: SocketAddr) -> Result<Ipv4Addr> {
        let url = &self.asked.url;
        let target = Target {
            address: Some(address),
            name: url.host.clone(),
            port: url.port,
            trust: Trust::Public,
            direct: true,
        };
        let response = self.client.send(&target, &Request::get(&url.path, &[])).map_err(|fault| anyhow!("{fault}"))?;
        if response.status != 200 {
            bail!("{} answers with HTTP {}", target.describe(), response.status);
        }
        let text = response.text().unwrap_or_default().trim();
        let field = serde_json::from_str::<serde_json::Value>(text).ok();
        let field = field.as_ref().and_then(|value| value.get("ip")?.as_str()).unwrap_or(text);
        field.parse().map_err(|_| anyhow!("{} tells no IPv4 address", target.describe()))
    }
}

/// Ask a DNS server for an address.
fn look_up(server: Ipv4Addr, name: &str) -> Result<Ipv4Addr> {
    let (answer, at) = ask_dns(server, name)?;
    address_in(&answer, at).with_context(|| format!("{server} knows no address of {name}"))
}

/// Ask a DNS server for an address (RFC 1035): its answer, whatever that is, and where the question in it ends.
pub fn ask_dns(server: Ipv4Addr, name: &str) -> Result<(Vec<u8>, usize)> {
    let mut packet = vec![0x62, 0x68, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let length = u8::try_from(label.len()).ok().filter(|length| *length < 64);
        packet.push(length.with_context(|| format!("{name} is no name"))?);
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((server, 53)).with_context(|| format!("can't ask {server} for {name}"))?;
    socket.set_read_timeout(Some(DNS.0))?;
    let mut answer = [0; 1500];
    for _ in 0..DNS.1 {
        socket.send(&packet).with_context(|| format!("can't ask {server} for {name}"))?;
        if let Ok(length) = socket.recv(&mut answer) {
            return Ok((answer[..length].to_vec(), packet.len()));
        }
    }
    bail!("{server} does not answer when asked for {name}")
}

/// The first address of an answer whose question ends at `at`.
fn address_in(answer: &[u8], mut at: usize) -> Option<Ipv4Addr> {
    let number = |at: usize| Some(usize::from(*answer.get(at)?) << 8 | usize::from(*answer.get(at + 1)?));
    if number(0)? != 0x6268 || number(2)? & 0x800f != 0x8000 {
        return None;
    }
    for _ in 0..number(6)?.min(64) {
        // A name: labels, which end with an empty one or with a reference.
        loop {
            match *answer.get(at)? {
                0 => break at += 1,
                reference if reference >= 0xc0 => break at += 2,
                length => at += 1 + usize::from(length),
            }
        }
        let (kind, length) = (number(at)?, number(at + 8)?);
        let data = answer.get(at + 10..at + 10 + length)?;
        if kind == 1 {
            return <[u8; 4]>::try_from(data).ok().map(Ipv4Addr::from);
        }
        at += 10 + length;
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let head = [0x62, 0x68, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
        let question = [1, b'a', 0, 0, 1, 0, 1];
        let alias = [0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 3, 1, b'b', 0];
        let address = [1, b'b', 0, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7];
        let answer = [&head[..], &question, &alias, &address].concat();
        assert_eq!(address_in(&answer, 19), Some(Ipv4Addr::new(192, 0, 2, 7)));
        // However it is cut off, it is no address, and no panic.
        assert!((0..answer.len()).all(|length| address_in(&answer[..length], 19).is_none()));
        let mut refused = answer.clone();
        refused[3] |= 3;
        assert_eq!(address_in(&refused, 19), None);
    }
}

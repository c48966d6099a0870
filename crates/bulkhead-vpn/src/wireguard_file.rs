//! A WireGuard configuration file, in the format of wg-quick(8), as a provider.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::Ipv4Net;
use crate::context::{Context, Step};
use crate::fault::Fault;
use crate::provider::{Forwarding, Peer, Provider, Server, Tunnel};
use crate::secret::{PublicKey, SecretKey};

/// A connection that a file describes. The file is read for every connection, so a new one is taken up by `renew`.
#[derive(Debug)]
pub struct WireguardFile {
    file: PathBuf,
    bridge: Ipv4Net,
}

impl WireguardFile {
    /// The connection of a file, for a container on a bridge with these addresses.
    pub fn new(file: &Path, bridge: Ipv4Net) -> Self {
        Self { file: file.to_owned(), bridge }
    }

    fn read(&self) -> Result<Tunnel, Fault> {
        let tunnel = read(&self.file).map_err(Fault::Local)?;
        match tunnel.unfit(self.bridge) {
            Some(reason) => Err(Fault::Local(format!("{}: {reason}", self.file.display()))),
            None => Ok(tunnel),
        }
    }
}

impl Provider for WireguardFile {
    fn servers(&mut self, context: &mut Context) -> Result<Vec<Server>, Fault> {
        context.enter(Step::Server)?;
        Ok(vec![self.read()?.server])
    }

    fn tunnel(&mut self, context: &mut Context, _: &Server) -> Result<Tunnel, Fault> {
        context.enter(Step::Key)?;
        self.read()
    }

    fn forwarding(&mut self) -> Option<&mut dyn Forwarding> {
        None
    }
}

/// Read a file. IPv6 addresses in it are left out, as the containers have none.
pub fn read(file: &Path) -> Result<Tunnel, String> {
    let text = crate::pia::read_text(file)?;
    parse(&text).map_err(|(line, message)| match line {
        0 => format!("{}: {message}", file.display()),
        line => format!("{}:{line}: {message}", file.display()),
    })
}

type At<T> = Result<T, (usize, String)>;

#[derive(Default)]
struct Section {
    line: usize,
    values: BTreeMap<String, (usize, String)>,
}

fn parse(text: &str) -> At<Tunnel> {
    let (interface, peer) = sections(text)?;
    let key = |section: &Section, name: &str| -> At<Option<SecretKey>> {
        let Some((line, value)) = section.values.get(name) else { return Ok(None) };
        // The value is a secret, so it is not shown.
        let wrong = || (*line, format!("{name} is no WireGuard key (base64 of 32 bytes)"));
        Ok(Some(SecretKey::from_base64(value).ok_or_else(wrong)?))
    };
    let missing = |section: &Section, name: &str| (section.line, format!("{name} is missing in this section"));
    let private_key = key(&interface, "privatekey")?.ok_or_else(|| missing(&interface, "PrivateKey"))?;
    let preshared_key = key(&peer, "presharedkey")?;
    let (line, text) = peer.values.get("publickey").ok_or_else(|| missing(&peer, "PublicKey"))?;
    let public_key = PublicKey::from_base64(text)
        .ok_or_else(|| (*line, "publickey is no WireGuard key (base64 of 32 bytes)".to_owned()))?;
    let (line, text) = peer.values.get("endpoint").ok_or_else(|| missing(&peer, "Endpoint"))?;
    let endpoint: SocketAddr = text.parse().map_err(|_| {
        let why = "before the tunnel is there, names can't be looked up without going around it";
        (*line, format!("{text:?} is no address with a port; {why}"))
    })?;
    if endpoint.port() == 0 {
        return Err((*line, format!("{text:?}: 0 is no port")));
    }
    let address = match networks(&interface, "address")?.as_slice() {
        [] => return Err((interface.line, "Address names no IPv4 address".to_owned())),
        [one] => one.address,
        [..] => return Err((interface.line, "Address names several IPv4 addresses; one can be used".to_owned())),
    };
    let allowed_ips = networks(&peer, "allowedips")?;
    if !allowed_ips.iter().any(|net| net.prefix == 0) {
        let message = "AllowedIPs does not contain 0.0.0.0/0, so the services could not reach the internet";
        return Err((peer.line, message.to_owned()));
    }
    let mut dns = Vec::new();
    if let Some((line, value)) = interface.values.get("dns") {
        for one in value.split(',').map(str::trim) {
            match one.parse() {
                Ok(IpAddr::V4(address)) => dns.push(address),
                Ok(IpAddr::V6(_)) => {}
                Err(_) => return Err((*line, format!("{one:?} is no address of a DNS server"))),
            }
        }
    }
    if dns.is_empty() {
        return Err((interface.line, "DNS names no IPv4 address; the services would have no DNS".to_owned()));
    }
    let number = |section: &Section, name: &str, most: u16| -> At<Option<u16>> {
        let Some((line, value)) = section.values.get(name) else { return Ok(None) };
        let value = if value.eq_ignore_ascii_case("off") { "0" } else { value };
        let number = value.parse().ok().filter(|number| *number <= most);
        Ok(Some(number.ok_or_else(|| (*line, format!("{value:?} is no number from 0 to {most}")))?))
    };
    // 0 is what wg-quick takes for "find out".
    let mtu = number(&interface, "mtu", 9000)?.filter(|mtu| *mtu > 0);
    if let (Some(1..576), Some((line, value))) = (mtu, interface.values.get("mtu")) {
        return Err((*line, format!("{value:?} is no MTU from 576 to 9000")));
    }
    let keepalive = number(&peer, "persistentkeepalive", u16::MAX)?.filter(|seconds| *seconds > 0);
    let server = Server { region: String::new(), name: endpoint.to_string(), address: v4(endpoint.ip()), key_port: 0 };
    Ok(Tunnel {
        server,
        private_key,
        address,
        // Without keepalives nobody would notice that an idle tunnel is dead.
        peer: Peer { public_key, preshared_key, endpoint, allowed_ips, keepalive: keepalive.unwrap_or(25) },
        dns,
        mtu,
        gateway: None,
        public_address: None,
    })
}

/// The one `[Interface]` and the one `[Peer]`.
fn sections(text: &str) -> At<(Section, Section)> {
    let (mut interface, mut peer): (Option<Section>, Option<Section>) = (None, None);
    let mut current: Option<&mut Section> = None;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if line.starts_with('[') {
            let slot = match line.to_lowercase().as_str() {
                "[interface]" => &mut interface,
                "[peer]" => &mut peer,
                _ => return Err((number, format!("{} is no section: [Interface] and [Peer] are", shown(line)))),
            };
            if slot.is_some() {
                return Err((number, format!("there is a second {line}; one can be used")));
            }
            current = Some(slot.insert(Section { line: number, ..Section::default() }));
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            return Err((number, "a line is `Name = value`, or a section".to_owned()));
        };
        let Some(section) = current.as_deref_mut() else {
            return Err((number, "this line is in no section".to_owned()));
        };
        let (name, value) = (name.trim().to_lowercase(), value.trim().to_owned());
        let known = [
            "privatekey",
            "address",
            "dns",
            "mtu",
            "listenport",
            "table",
            "fwmark",
            "saveconfig",
            "publickey",
            "presharedkey",
            "endpoint",
            "allowedips",
            "persistentkeepalive",
        ];
        if ["preup", "postup", "predown", "postdown"].contains(&name.as_str()) {
            return Err((number, "commands in this file are never run; take them out".to_owned()));
        }
        if !known.contains(&name.as_str()) {
            return Err((number, format!("{} is no setting of wg-quick", shown(&name))));
        }
        match section.values.get_mut(&name) {
            // wg-quick takes lists on several lines.
            Some((_, before)) if ["address", "dns", "allowedips"].contains(&name.as_str()) => {
                before.push(',');
                before.push_str(&value);
            }
            Some((first, _)) => return Err((number, format!("{name:?} is also in line {first}"))),
            None => drop(section.values.insert(name, (number, value))),
        }
    }
    match (interface, peer) {
        (Some(interface), Some(peer)) => Ok((interface, peer)),
        (None, _) => Err((0, "there is no [Interface]".to_owned())),
        (_, None) => Err((0, "there is no [Peer]".to_owned())),
    }
}

/// A text for a message. A long one may be a key in the wrong place.
fn shown(text: &str) -> String {
    if text.len() <= 24 { format!("{text:?}") } else { "what this line has".to_owned() }
}

/// The IPv4 networks of a list; an address without a prefix is one of 32 bits.
fn networks(section: &Section, name: &str) -> At<Vec<Ipv4Net>> {
    let Some((line, value)) = section.values.get(name) else { return Ok(Vec::new()) };
    let mut networks = Vec::new();
    for one in value.split(',').map(str::trim).filter(|one| !one.is_empty()) {
        let address = one.split('/').next().unwrap_or_default();
        match address.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => continue,
            Ok(IpAddr::V4(_)) => {}
            Err(_) => return Err((*line, format!("{one:?} is no address"))),
        }
        let full = if one.contains('/') { one.to_owned() } else { format!("{one}/32") };
        networks.push(full.parse().map_err(|message| (*line, message))?);
    }
    Ok(networks)
}

fn v4(address: IpAddr) -> Ipv4Addr {
    match address {
        IpAddr::V4(address) => address,
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const FILE: &str = "\
# A file as providers give it.
[Interface]
PrivateKey = dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=
Address = 10.2.0.2/32, fd00::2/128
DNS = 10.2.0.1

[Peer]
PublicKey = hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=
AllowedIPs = 0.0.0.0/0, ::/0
Endpoint = 192.0.2.7:51820
";

    #[test]
    fn a_file_is_a_tunnel() {
        let tunnel = parse(FILE).expect("a tunnel");
        assert_eq!((tunnel.address, tunnel.dns), (Ipv4Addr::new(10, 2, 0, 2), vec![Ipv4Addr::new(10, 2, 0, 1)]));
        assert_eq!((tunnel.peer.endpoint, tunnel.peer.keepalive), (([192, 0, 2, 7], 51820).into(), 25));
        assert_eq!((tunnel.peer.allowed_ips.len(), tunnel.mtu), (1, None));
        let mtu =
            |value: &str| parse(&FILE.replace("[Peer]", &format!("MTU = {value}\n[Peer]"))).expect("a tunnel").mtu;
        assert_eq!((mtu("576"), mtu("1280"), mtu("0")), (Some(576), Some(1280), None));
    }

    #[test]
    fn no_file_is_a_panic_and_no_message_has_a_key() {
        for seed in 0..2000 {
            let text = crate::mutate::mutate(FILE.as_bytes(), seed);
            if let Err((_, message)) = parse(&String::from_utf8_lossy(&text)) {
                assert!(!message.contains("dwdtCnMYpX08FsFy"), "{message}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let cases = [
            ("DNS = 10.2.0.1", "PostUp = rm -rf /", (5, "commands in this file are never run")),
            ("DNS = 10.2.0.1", "", (2, "DNS names no IPv4 address")),
            ("192.0.2.7:51820", "vpn.example.org:51820", (10, "names can't be looked up")),
            ("0.0.0.0/0, ", "", (7, "AllowedIPs does not contain")),
            ("dwdtCnMYp", "", (3, "privatekey is no WireGuard key")),
            ("[Peer]", "[Peers]", (7, "is no section")),
            ("10.2.0.2/32", "10.2.0.2/33", (4, "is no IPv4 network")),
            ("DNS = 10.2.0.1", "DNS = 10.2.0.1\nMTU = 100", (6, "\"100\" is no MTU from 576 to 9000")),
            ("192.0.2.7:51820", "192.0.2.7:0", (10, "0 is no port")),
            ("Endpoint =", "Endpont =", (10, "is no setting of wg-quick")),
        ];
        for (from, to, (line, message)) in cases {
            let error = parse(&FILE.replace(from, to)).expect_err(to);
            assert!(error.0 == line && error.1.contains(message), "{to}: {error:?}");
            assert!(!error.1.contains("CnMYpX08"), "a key is shown: {error:?}");
        }
        assert!(parse(&format!("{FILE}[Peer]\n")).is_err_and(|(line, _)| line == 11));
    }
}

//! What the VPN container, which may use the proxy, asks it for and must not get.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::Result;
use bulkhead_lab::frame::{answered_syn, canaries};

use crate::battery::{Battery, Taps};
use crate::oracle::opens;
use crate::world::*;

/// A request, and where the proxy would connect to.
fn requests() -> Vec<(&'static str, String, SocketAddr)> {
    let connect = |to: &str| format!("CONNECT {to} HTTP/1.1\r\n\r\n");
    let get = |url: &str, host: &str| format!("GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let at = |address: IpAddr, port: u16| SocketAddr::from((address, port));
    let (internet, nas, torrent): (IpAddr, IpAddr, IpAddr) =
        (INTERNET.into(), NAS.into(), numbered("torrent").1.into());
    vec![
        ("another port", connect(&format!("{INTERNET}:81")), at(internet, 81)),
        ("a resolver", connect(&format!("{INTERNET}:53")), at(internet, 53)),
        ("mail", connect(&format!("{INTERNET}:25")), at(internet, 25)),
        ("the NAS", connect(&format!("{NAS}:443")), at(nas, 443)),
        ("the NAS, as a number", connect("3232235786:1337"), at(nas, 1337)),
        ("the NAS, in hexadecimal digits", connect("0xc0a8010a:8080"), at(nas, 8080)),
        ("the NAS, by IPv6", connect(&format!("[{NAS6}]:443")), at(NAS6.into(), 443)),
        ("the metadata service", connect("169.254.169.254:443"), "169.254.169.254:443".parse().unwrap()),
        ("torrent", connect(&format!("{}:1337", numbered("torrent").1)), at(torrent, 1337)),
        ("another name", connect("internet.example:443"), at(OTHER, 443)),
        ("a name that ends like the provider's", connect("evilpiaservers.net:1337"), at(OTHER, 1337)),
        ("a name in which the provider's is", connect("www.piaservers.net.internet.example:8080"), at(OTHER, 8080)),
        ("a page", get(&format!("http://{INTERNET}:8080/"), "x"), at(internet, 8080)),
        ("a page at port 443", get(&format!("http://{INTERNET}:443/"), "x"), at(internet, 443)),
        ("a page of the provider", get("http://www.privateinternetaccess.com:1337/", "x"), at(PIA.into(), 1337)),
        (
            "a page, as somebody",
            get(&format!("http://www.piaservers.net:443@{INTERNET}:1337/"), "x"),
            at(internet, 1337),
        ),
        (
            "a page that looks like a name",
            get(&format!("http://{INTERNET}:82/www.piaservers.net:443"), "x"),
            at(internet, 82),
        ),
    ]
}

/// What other names lead to.
pub const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(45, 33, 0, 81));

impl Battery<'_> {
    /// The requests that the proxy grants, and those that it does not.
    pub fn attack_by_the_proxy(&self, taps: &Taps) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        self.prepare()?;
        let requests = requests();
        let open: Vec<TcpStream> = self.world.vpn().enter(|| {
            let ask = |request: &str| -> Result<TcpStream> {
                let mut stream = TcpStream::connect_timeout(&(HOST, PROXY).into(), Duration::from_secs(1))?;
                stream.write_all(request.as_bytes())?;
                Ok(stream)
            };
            Ok(requests.iter().filter_map(|(_, request, _)| ask(request).ok()).collect())
        })?;
        let mut captured = self.wait(taps)?;
        // The proxy is a program that has to have its turn.
        let mut buffer = [0; 64];
        for stream in &open {
            stream.set_read_timeout(Some(Duration::from_millis(50)))?;
            let _ = stream.peek(&mut buffer);
        }
        captured.extend(self.capture(taps));
        let (mut won, mut lost) = (BTreeSet::new(), BTreeSet::new());
        for (name, _, target) in requests {
            let is_seen = captured.iter().any(|(place, frame)| {
                ["lan0", "torrent"].contains(place)
                    && opens(frame) == Some(target)
                    && canaries(frame).is_empty()
                    && answered_syn(frame).is_none()
            });
            let name = format!("by the proxy: {name}");
            if is_seen {
                won.insert(name)
            } else {
                lost.insert(name)
            };
        }
        Ok((won, lost))
    }
}

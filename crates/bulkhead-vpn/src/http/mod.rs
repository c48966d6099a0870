//! HTTPS for a few small requests, through a CONNECT proxy, to an address whose certificate has another name.
//!
//! This is HTTP/1.1 with one request per connection (RFC 9112), over rustls, on blocking sockets. One deadline holds for
//! a whole request: connecting, proxy, TLS, sending, and the last byte of the answer. What is read is bounded. Redirects
//! are not followed. A library for it (ureq 3.5 was tried) sends `CONNECT ip:port:port` when it is given the address.

mod answer;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use zeroize::Zeroizing;

use crate::fault::Fault;
use crate::secret::Secret;
use crate::timed::Timed;

pub use answer::Response;

/// The longest list of servers that is read. PIA's has about 300 kB.
pub const LONGEST_LIST: usize = 8 << 20;
/// The longest of all other answers that is read. They have less than 2 kB.
pub const LONGEST_ANSWER: usize = 64 << 10;

/// Which authorities are trusted for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those for public certificates.
    Public,
    /// The provider's own.
    Private,
}

/// Where a request goes to.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address to connect to; without it the proxy looks `name` up.
    pub address: Option<SocketAddr>,
    /// The name that the certificate must have; it is sent as SNI and as `Host`.
    pub name: String,
    /// The port, if there is no address.
    pub port: u16,
    /// Who may have signed the certificate.
    pub trust: Trust,
    /// Whether the proxy is passed by: inside of the tunnel there is none.
    pub direct: bool,
}

impl Target {
    /// Name and address, for messages.
    pub fn describe(&self) -> String {
        match self.address {
            Some(address) => format!("{} ({address})", self.name),
            None => self.name.clone(),
        }
    }
}

/// A request. Everything in it may be secret; nothing of it is ever shown.
pub struct Request {
    method: &'static str,
    path: Zeroizing<String>,
    headers: Vec<(&'static str, Secret)>,
    body: Option<(&'static str, Secret)>,
    longest: usize,
}

impl Request {
    /// GET, with parameters that get encoded.
    pub fn get(path: &str, parameters: &[(&str, &str)]) -> Self {
        let mut full = Zeroizing::new(path.to_owned());
        for (index, (name, value)) in parameters.iter().enumerate() {
            full.push(if index == 0 { '?' } else { '&' });
            full.push_str(name);
            full.push('=');
            full.push_str(&encode(value));
        }
        Self { method: "GET", path: full, headers: Vec::new(), body: None, longest: LONGEST_ANSWER }
    }

    /// POST of a form.
    pub fn post_form(path: &str, fields: &[(&str, &str)]) -> Self {
        let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", *encode(value))).collect();
        let body = Secret::new(fields.join("&"));
        Self::post(path, "application/x-www-form-urlencoded", body)
    }

    /// POST of a text.
    pub fn post(path: &str, content_type: &'static str, body: Secret) -> Self {
        let path = Zeroizing::new(path.to_owned());
        Self { method: "POST", path, headers: Vec::new(), body: Some((content_type, body)), longest: LONGEST_ANSWER }
    }

    /// With another limit for the answer, in bytes.
    pub fn at_most(mut self, longest: usize) -> Self {
        self.longest = longest;
        self
    }

    /// With an `Authorization`.
    pub fn authorized(mut self, value: Secret) -> Self {
        self.headers.push(("Authorization", value));
        self
    }

    fn head(&self, host: &str) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(4096));
        // Nobody but the server sees what comes after `method`.
        for part in [self.method, " ", &self.path, " HTTP/1.1\r\nHost: ", host, "\r\nConnection: close\r\n"] {
            text.push_str(part);
        }
        text.push_str(concat!("User-Agent: bulkhead-vpn/", env!("CARGO_PKG_VERSION"), "\r\nAccept: */*\r\n"));
        for (name, value) in &self.headers {
            for part in [name, ": ", value.reveal(), "\r\n"] {
                text.push_str(part);
            }
        }
        if let Some((content_type, body)) = &self.body {
            let length = body.reveal().len().to_string();
            for part in ["Content-Type: ", content_type, "\r\nContent-Length: ", &length, "\r\n"] {
                text.push_str(part);
            }
        }
        text.push_str("\r\n");
        text
    }
}

/// Percent-encode everything but unreserved characters (RFC 3986, section 2.3).
fn encode(text: &str) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(String::with_capacity(text.len() * 3));
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                encoded.push('%');
                for digit in [byte >> 4, byte & 15] {
                    encoded.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    encoded
}

/// Makes requests.
pub struct Client {
    proxy: Option<SocketAddr>,
    timeout: Duration,
    public: Arc<ClientConfig>,
    private: Arc<ClientConfig>,
}

impl Client {
    /// A client that trusts these authorities. Without `public` ones, Mozilla's are taken.
    pub fn new(
        proxy: Option<SocketAddr>,
        timeout: Duration,
        private: Vec<CertificateDer<'static>>,
        public: Option<Vec<CertificateDer<'static>>>,
    ) -> Result<Self, String> {
        let public = match public {
            Some(certificates) => store(certificates)?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        Ok(Self { proxy, timeout, public: tls(public)?, private: tls(store(private)?)? })
    }

    /// Make a request and read the whole answer, whatever its status.
    pub fn send(&self, target: &Target, request: &Request) -> Result<Response, Fault> {
        let deadline = Instant::now() + self.timeout;
        let what = target.describe();
        let failed = |error| self.fault(&what, error);
        let stream = self.connect(target, deadline)?;
        let name = ServerName::try_from(target.name.clone()).map_err(|_| Fault::Untrusted {
            what: what.clone(),
            reason: "its name can be in no certificate".to_owned(),
        })?;
        let config = match target.trust {
            Trust::Public => &self.public,
            Trust::Private => &self.private,
        };
        let connection = ClientConnection::new(config.clone(), name)
            .map_err(|error| Fault::Untrusted { what: what.clone(), reason: error.to_string() })?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(request.head(&target.name).as_bytes()).map_err(failed)?;
        if let Some((_, body)) = &request.body {
            stream.write_all(body.reveal().as_bytes()).map_err(failed)?;
        }
        stream.flush().map_err(failed)?;
        answer::read(&mut stream, request.longest).map_err(|error| match error {
            answer::Failure::Io(error) => self.fault(&what, error),
            answer::Failure::Damaged(reason) => Fault::Damaged { what: what.clone(), reason },
        })
    }

    /// How long it takes until a connection to the target stands, up to the proxy's answer.
    pub fn connect_time(&self, target: &Target, at_most: Duration) -> Result<Duration, Fault> {
        let start = Instant::now();
        self.connect(target, start + at_most)?;
        Ok(start.elapsed())
    }

    fn connect(&self, target: &Target, deadline: Instant) -> Result<Timed<TcpStream>, Fault> {
        let what = target.describe();
        let proxy = self.proxy.filter(|_| !target.direct);
        let Some(first) = proxy.or(target.address) else {
            return Err(Fault::Unreachable { what, reason: "it has no address, and there is no proxy".to_owned() });
        };
        let remaining = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let stream = TcpStream::connect_timeout(&first, remaining).map_err(|error| {
            let reason = if proxy.is_some() { format!("proxy {first}: {error}") } else { error.to_string() };
            match error.kind() {
                std::io::ErrorKind::TimedOut => self.timed_out(&what),
                std::io::ErrorKind::ConnectionRefused if proxy.is_none() => {
                    Fault::ConnectionRefused { what: what.clone() }
                }
                _ => Fault::Unreachable { what: what.clone(), reason },
            }
        })?;
        // Head and body are written apart; the second must not wait for the first's acknowledgement.
        stream.set_nodelay(true).map_err(|error| self.fault(&what, error))?;
        let mut stream = Timed::new(stream, deadline);
        if proxy.is_some() {
            let to = match target.address {
                Some(address) => address.to_string(),
                None => format!("{}:{}", target.name, target.port),
            };
            self.ask_proxy(&mut stream, &to, &what)?;
        }
        Ok(stream)
    }

    fn ask_proxy(&self, stream: &mut Timed<TcpStream>, to: &str, what: &str) -> Result<(), Fault> {
        let failed = |error| self.fault(what, error);
        stream.write_all(format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").as_bytes()).map_err(failed)?;
        // One byte at a time, so that nothing of what comes after the head is taken.
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() >= 8192 || stream.read(&mut byte).map_err(failed)? == 0 {
                let reason = "the proxy gave no answer to CONNECT that makes sense".to_owned();
                return Err(Fault::Unreachable { what: what.to_owned(), reason });
            }
            head.push(byte[0]);
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let status = response.parse(&head).ok().and(response.code);
        match status {
            Some(200..=299) => Ok(()),
            Some(status) => {
                let reason = format!("the proxy refuses to connect: HTTP {status}");
                Err(Fault::Unreachable { what: what.to_owned(), reason })
            }
            None => {
                let reason = "the proxy does not speak HTTP".to_owned();
                Err(Fault::Unreachable { what: what.to_owned(), reason })
            }
        }
    }

    fn timed_out(&self, what: &str) -> Fault {
        Fault::Timeout { what: what.to_owned(), seconds: self.timeout.as_secs() }
    }

    fn fault(&self, what: &str, error: std::io::Error) -> Fault {
        use std::io::ErrorKind;
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return match tls {
                rustls::Error::InvalidCertificate(reason) => {
                    // At boot, before the time was set, nothing has a valid certificate.
                    let hint = if is_about_time(reason) { "; is this machine's clock right?" } else { "" };
                    Fault::Untrusted { what: what.to_owned(), reason: format!("{reason}{hint}") }
                }
                other => Fault::Damaged { what: what.to_owned(), reason: format!("TLS: {other}") },
            };
        }
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => self.timed_out(what),
            ErrorKind::UnexpectedEof => {
                Fault::Damaged { what: what.to_owned(), reason: "the connection was closed too early".to_owned() }
            }
            _ => Fault::Unreachable { what: what.to_owned(), reason: error.to_string() },
        }
    }
}

fn is_about_time(reason: &CertificateError) -> bool {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    matches!(reason, Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. })
}

fn store(certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate).map_err(|error| format!("a certificate can't be used as authority: {error}"))?;
    }
    Ok(store)
}

fn tls(roots: RootCertStore) -> Result<Arc<ClientConfig>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // A ticket would let servers tell that two connections are of one client.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded() {
        let request = Request::get("/addKey", &[("pt", "a+b/c="), ("pubkey", "ä&x")]);
        assert_eq!(*request.path, "/addKey?pt=a%2Bb%2Fc%3D&pubkey=%C3%A4%26x");
    }
}

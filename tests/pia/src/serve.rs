//! Connections: TLS with the certificate that is due, one request, one answer, and what may go wrong with each.

use std::io::{Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rustls::server::Acceptor;
use rustls::{ServerConnection, StreamOwned};

use crate::api::{self, Answer, Asked};
use crate::world::{Kind, World};
use crate::{Endpoint, Fault};

/// What a listener is.
#[derive(Clone, Debug)]
pub enum Role {
    /// Hosts with public certificates.
    Public,
    /// A meta server.
    Meta(String),
    /// A server's port for keys.
    Keys(String),
    /// A server's port for forwarding, reached from outside of the tunnel.
    OutsideForwarding(String),
    /// The port for forwarding, inside of the tunnel.
    Forwarding,
}

/// Long enough for any client that is not stuck.
const PATIENCE: Duration = Duration::from_secs(60);

type Stream = StreamOwned<ServerConnection, TcpStream>;

pub fn connection(world: &World, role: &Role, stream: TcpStream) {
    // A client that goes away is no concern of ours.
    let _ = serve(world, role, stream);
}

fn serve(world: &World, role: &Role, mut stream: TcpStream) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut acceptor = Acceptor::default();
    let accepted = loop {
        if acceptor.read_tls(&mut stream)? == 0 {
            return Err(std::io::Error::other("the connection has ended before its first message"));
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => break accepted,
            Ok(None) => {}
            Err((error, _)) => return Err(std::io::Error::other(error)),
        }
    };
    let asked_name = accepted.client_hello().server_name().unwrap_or_default().to_owned();
    let (server, likely) = who(world, role, &asked_name);
    let before = |fault: &Fault| {
        matches!(
            fault,
            Fault::WrongName(_) | Fault::UntrustedAuthority | Fault::ExpiredCertificate | Fault::Silence | Fault::Close
        )
    };
    let fault =
        likely.iter().find_map(|endpoint| Some((*endpoint, world.fault(*endpoint, server.as_deref(), before)?)));
    let (endpoint, fault) = fault.unzip();
    // A connection that ends before its request counts as one for the first of what it may have been for.
    let assumed = endpoint.or(likely.first().copied()).unwrap_or(Endpoint::Other);
    let (names, kind) = certificate(world, role, server.as_deref(), fault.as_ref());
    match fault {
        Some(Fault::Close) => {
            world.log(assumed, server.as_deref());
            return stream.shutdown(Shutdown::Both);
        }
        Some(Fault::Silence) => {
            world.log(assumed, server.as_deref());
            return wait_for_end(&mut stream);
        }
        _ => {}
    }
    let config = world.tls(&names, kind).map_err(std::io::Error::other)?;
    let connection = accepted.into_connection(config).map_err(|(error, _)| std::io::Error::other(error))?;
    let mut stream = StreamOwned::new(connection, stream);
    let asked = match request(&mut stream) {
        Ok(asked) => asked,
        Err(error) => {
            world.log(assumed, server.as_deref());
            return Err(error);
        }
    };
    let endpoint = api::endpoint(&asked.path, matches!(role, Role::Meta(_)));
    world.log(endpoint, server.as_deref());
    let fault = world.fault(endpoint, server.as_deref(), |fault| !before(fault));
    if let Some(Fault::Answer { status, headers, body }) = &fault {
        let answer = Answer { status: *status, headers: headers.clone(), body: body.clone() };
        return write(&mut stream, &answer, None);
    }
    let is_outside = matches!(role, Role::OutsideForwarding(_));
    let mut answer = if is_outside {
        Answer { status: 401, headers: Vec::new(), body: "Unauthorized client".to_owned() }
    } else if role_of(endpoint) != role_kind(role) {
        Answer { status: 404, headers: Vec::new(), body: "not found".to_owned() }
    } else {
        api::answer(world, endpoint, server.as_deref(), &asked, fault.as_ref())
    };
    if let Some(Fault::Replace { from, to }) = &fault {
        answer.body = answer.body.replace(from, to);
    }
    write(&mut stream, &answer, fault.as_ref())
}

/// The server that is meant, and the endpoints that a connection to it may be for.
fn who(world: &World, role: &Role, asked_name: &str) -> (Option<String>, Vec<Endpoint>) {
    match role {
        Role::Public if asked_name == world.options.public_names[1] => (None, vec![Endpoint::List]),
        Role::Public => (None, vec![Endpoint::Token, Endpoint::DedicatedIp, Endpoint::ExpireToken]),
        Role::Meta(cn) => (Some(cn.clone()), vec![Endpoint::MetaToken, Endpoint::MetaList]),
        Role::Keys(cn) => (Some(cn.clone()), vec![Endpoint::AddKey]),
        Role::OutsideForwarding(cn) => (Some(cn.clone()), vec![Endpoint::GetSignature, Endpoint::BindPort]),
        Role::Forwarding => (Some(asked_name.to_owned()), vec![Endpoint::GetSignature, Endpoint::BindPort]),
    }
}

fn certificate(world: &World, role: &Role, server: Option<&str>, fault: Option<&Fault>) -> (Vec<String>, Kind) {
    let (mut names, mut kind) = match role {
        Role::Public => {
            let address = world.options.public.ip().to_string();
            (world.options.public_names.iter().cloned().chain([address]).collect(), Kind::Public)
        }
        _ => {
            let server = server.unwrap_or_default();
            let known = world.servers().into_iter().find(|known| known.cn == server);
            (vec![known.and_then(|known| known.renamed).unwrap_or_else(|| server.to_owned())], Kind::Private)
        }
    };
    match fault {
        Some(Fault::WrongName(name)) => names = vec![name.clone()],
        Some(Fault::UntrustedAuthority) => kind = Kind::Stranger,
        Some(Fault::ExpiredCertificate) => kind = Kind::Expired,
        _ => {}
    }
    (names, kind)
}

fn role_of(endpoint: Endpoint) -> u8 {
    match endpoint {
        Endpoint::Token | Endpoint::List | Endpoint::DedicatedIp | Endpoint::ExpireToken | Endpoint::Address => 0,
        Endpoint::MetaToken | Endpoint::MetaList => 1,
        Endpoint::AddKey => 2,
        Endpoint::GetSignature | Endpoint::BindPort => 3,
        Endpoint::Other => 4,
    }
}

fn role_kind(role: &Role) -> u8 {
    match role {
        Role::Public => 0,
        Role::Meta(_) => 1,
        Role::Keys(_) => 2,
        Role::OutsideForwarding(_) | Role::Forwarding => 3,
    }
}

fn request(stream: &mut Stream) -> Result<Asked> {
    let mut input = Vec::new();
    let mut some = [0; 4096];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut parsed = httparse::Request::new(&mut headers);
        if let Ok(httparse::Status::Complete(length)) = parsed.parse(&input) {
            let header = |name: &str| {
                let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                found.map(|header| String::from_utf8_lossy(header.value).into_owned()).unwrap_or_default()
            };
            let body_length: usize = header("content-length").parse().unwrap_or_default();
            if input.len() >= length + body_length {
                let target = parsed.path.unwrap_or_default();
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                return Ok(Asked {
                    method: parsed.method.unwrap_or_default().to_owned(),
                    path: path.to_owned(),
                    parameters: api::parameters(query),
                    authorization: header("authorization"),
                    body: String::from_utf8_lossy(&input[length..length + body_length]).into_owned(),
                    peer: stream.sock.peer_addr().ok().map(|peer| peer.ip()),
                });
            }
        }
        let count = stream.read(&mut some)?;
        if count == 0 || input.len() > 1 << 20 {
            return Err(std::io::Error::other("no request"));
        }
        input.extend_from_slice(&some[..count]);
    }
}

fn write(stream: &mut Stream, answer: &Answer, fault: Option<&Fault>) -> Result<()> {
    let mut text = format!("HTTP/1.1 {} Fake\r\nContent-Type: application/json\r\n", answer.status);
    for (name, value) in &answer.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if let Some(Fault::Endless) = fault {
        stream.write_all(text.as_bytes())?;
        stream.write_all(b"\r\n")?;
        let block = [b'x'; 16 << 10];
        loop {
            stream.write_all(&block)?;
        }
    }
    text.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n{}", answer.body.len(), answer.body));
    match fault {
        Some(Fault::Delay(milliseconds)) => std::thread::sleep(Duration::from_millis(*milliseconds)),
        Some(Fault::Truncate(missing)) => text.truncate(text.len().saturating_sub(*missing)),
        Some(Fault::SlowLoris(pause)) => {
            for byte in text.bytes() {
                stream.write_all(&[byte])?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(*pause));
            }
            return Ok(());
        }
        _ => {}
    }
    stream.write_all(text.as_bytes())?;
    stream.conn.send_close_notify();
    stream.flush()?;
    stream.sock.shutdown(Shutdown::Write)
}

fn wait_for_end(stream: &mut TcpStream) -> Result<()> {
    let mut some = [0; 1024];
    while stream.read(&mut some)? > 0 {}
    Ok(())
}

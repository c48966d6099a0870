//! The configuration protocol of WireGuard programs (wireguard.com/xplatform, "Configuration Protocol").

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::PeerState;
use crate::provider::Tunnel;
use crate::secret::PublicKey;
use crate::timed::Timed;

/// How long it may take until it listens and has answered.
const AT_MOST: Duration = Duration::from_secs(5);

/// Where a program listens for the configuration of its interface.
pub fn socket_of(interface: &str) -> PathBuf {
    Path::new("/var/run/wireguard").join(format!("{interface}.sock"))
}

/// Whether somebody listens there: also who takes nobody's connection.
pub fn is_served(socket: &Path) -> bool {
    let refused = Timed::connect(socket, Instant::now() + AT_MOST).err().map(|error| error.kind());
    !matches!(refused, Some(io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused))
}

pub fn set(socket: &Path, tunnel: &Tunnel) -> io::Result<()> {
    ask(socket, &configuration(tunnel)).map(drop)
}

pub fn clear(socket: &Path) -> io::Result<()> {
    let nothing = format!("set=1\nprivate_key={}\nreplace_peers=true\n\n", "0".repeat(64));
    ask(socket, &nothing).map(drop)
}

pub fn peer(socket: &Path) -> io::Result<PeerState> {
    let answer = ask(socket, "get=1\n\n")?;
    let mut state = PeerState::default();
    let mut handshake = Duration::ZERO;
    for (name, value) in answer.lines().filter_map(|line| line.split_once('=')) {
        let number = || value.parse::<u64>().unwrap_or_default();
        match name {
            "public_key" => state.key = key(value),
            "last_handshake_time_sec" => handshake = handshake.saturating_add(Duration::from_secs(number())),
            "last_handshake_time_nsec" => handshake = handshake.saturating_add(Duration::from_nanos(number())),
            "rx_bytes" => state.received = state.received.saturating_add(number()),
            "tx_bytes" => state.sent = state.sent.saturating_add(number()),
            _ => {}
        }
    }
    state.handshake = Some(handshake).filter(|at| !at.is_zero());
    Ok(state)
}

fn configuration(tunnel: &Tunnel) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    let peer = &tunnel.peer;
    text.push_str("set=1\nprivate_key=");
    hex(&mut text, tunnel.private_key.reveal());
    text.push_str("\nreplace_peers=true\npublic_key=");
    hex(&mut text, peer.public_key.bytes());
    if let Some(key) = &peer.preshared_key {
        text.push_str("\npreshared_key=");
        hex(&mut text, key.reveal());
    }
    let _ = write!(text, "\nendpoint={}\npersistent_keepalive_interval={}", peer.endpoint, peer.keepalive);
    text.push_str("\nreplace_allowed_ips=true");
    for net in &peer.allowed_ips {
        let _ = write!(text, "\nallowed_ip={}/{}", net.network(), net.prefix);
    }
    text.push_str("\n\n");
    text
}

fn key(hex: &str) -> Option<PublicKey> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(hex.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(PublicKey::from_bytes(bytes))
}

fn hex(text: &mut String, bytes: &[u8]) {
    for digit in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
    }
}

fn ask(socket: &Path, question: &str) -> io::Result<Zeroizing<String>> {
    let mut stream = Timed::connect(socket, Instant::now() + AT_MOST)?;
    stream.write_all(question.as_bytes())?;
    // The connection stays open, so an empty line tells the end.
    let mut answer = Zeroizing::new(String::with_capacity(4096));
    let mut some = Zeroizing::new([0; 4096]);
    while !answer.ends_with("\n\n") {
        let count = stream.read(&mut *some)?;
        if count == 0 || answer.len() > 1 << 20 {
            return Err(io::Error::other("its answer is cut off"));
        }
        answer.push_str(&String::from_utf8_lossy(&some[..count]));
    }
    let number = answer.lines().find_map(|line| line.strip_prefix("errno="));
    match number.and_then(|number| number.parse::<i32>().ok()) {
        Some(0) => Ok(answer),
        Some(number) => Err(io::Error::from_raw_os_error(number.abs())),
        None => Err(io::Error::other("its answer makes no sense")),
    }
}

//! A DNS server that gives one address for every name (RFC 1035), over UDP.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use anyhow::{Context as _, Result};

/// Answer on an address until the process ends.
pub fn serve(at: SocketAddr, answer: Ipv4Addr) -> Result<()> {
    let socket = UdpSocket::bind(at).with_context(|| format!("can't serve DNS on {at}"))?;
    thread::spawn(move || {
        let mut question = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            if let Some(reply) = reply(&question[..length], answer) {
                // Who asked may have gone.
                let _ = socket.send_to(&reply, from);
            }
        }
    });
    Ok(())
}

fn reply(question: &[u8], answer: Ipv4Addr) -> Option<Vec<u8>> {
    let header = question.get(..12)?;
    let mut end = 12;
    while *question.get(end)? != 0 {
        end += 1 + usize::from(question[end]);
    }
    let kind = question.get(end + 1..end + 3)?;
    let asked = question.get(12..end + 5)?;
    let is_address = kind == [0, 1];
    let mut reply = header[..2].to_vec();
    reply.extend([0x81, 0x80, 0, 1, 0, u8::from(is_address), 0, 0, 0, 0]);
    reply.extend(asked);
    if is_address {
        reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
        reply.extend(answer.octets());
    }
    Some(reply)
}

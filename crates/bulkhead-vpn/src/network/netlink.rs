//! One request to the kernel by netlink, and all of its answers (netlink(7)).

use std::fmt::Debug;
use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};

/// Ask `protocol`, with `flags` besides the request's own. With `NLM_F_DUMP` all parts are read, else up to the
/// acknowledgement.
pub fn request<T>(protocol: isize, message: T, flags: u16) -> io::Result<Vec<T>>
where
    T: NetlinkSerializable + NetlinkDeserializable + Debug,
    NetlinkPayload<T>: From<T>,
{
    let mut socket = Socket::new(protocol)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    // The kernel has answered by the time that sending returns, so there is nothing to wait for.
    socket.set_non_blocking(true)?;

    let mut message = NetlinkMessage::from(message);
    let is_dump = flags & NLM_F_DUMP == NLM_F_DUMP;
    message.header.flags = NLM_F_REQUEST | flags | if is_dump { 0 } else { NLM_F_ACK };
    message.finalize();
    let mut buffer = vec![0; message.buffer_len()];
    message.serialize(&mut buffer);
    socket.send(&buffer, 0)?;
    zeroize::Zeroize::zeroize(&mut buffer);

    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let answer = NetlinkMessage::<T>::deserialize(rest).map_err(|error| io::Error::other(error.to_string()))?;
            let length = (answer.header.length as usize).next_multiple_of(4);
            match answer.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Error(_) => return Ok(answers),
                NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                NetlinkPayload::Overrun(_) => return Err(io::Error::other("the kernel's answer was cut off")),
                _ => {}
            }
            rest = rest.get(length.max(16)..).unwrap_or_default();
        }
    }
}

//! Watching all interfaces of the host, and sending frames by one of a container (packet(7)).

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::sockopt::{RcvBufForce, RxqOvfl};
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg, send,
    setsockopt, socket,
};

/// Room for what comes while the observer does not run. The kernel counts buffers, not bytes.
const ROOM: usize = 64 << 20;
/// Of each frame so much is kept: head, canary and a little more.
const KEPT: usize = 512;
/// `PACKET_OUTGOING` (packet(7)).
const OUTGOING: u8 = 4;

/// A frame on an interface of the host.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The number of the interface.
    pub interface: u32,
    /// Whether the host sent it there.
    pub sent: bool,
    /// Its beginning.
    pub frame: Vec<u8>,
}

/// Watches until it is asked what it saw.
pub struct Observer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Seen>>>,
}

impl Observer {
    /// Watch all interfaces of this namespace for frames with a text in them, or that `wanted` says so of.
    pub fn start(mark: &str, wanted: impl Fn(&[u8]) -> bool + Send + 'static) -> Result<Self> {
        let socket = packet_socket()?;
        let _ = setsockopt(&socket, RcvBufForce, &ROOM);
        setsockopt(&socket, RxqOvfl, &1).context("can't have lost frames counted")?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, mark) = (stop.clone(), mark.as_bytes().to_vec());
        let watch = move || watch(&socket, &stopped, &mark, wanted);
        let thread = std::thread::Builder::new().name("observer".to_owned()).spawn(watch)?;
        Ok(Self { stop, thread })
    }

    /// What it saw.
    pub fn finish(self) -> Result<Vec<Seen>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| Err(anyhow!("the observer panicked")))
    }
}

fn watch(socket: &OwnedFd, stop: &AtomicBool, mark: &[u8], wanted: impl Fn(&[u8]) -> bool) -> Result<Vec<Seen>> {
    let mut seen = Vec::new();
    let mut buffer = [0; 2048];
    let mut control = nix::cmsg_space!(u32);
    loop {
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let received = recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty());
        let (length, from) = match received {
            Ok(message) => {
                let lost = |part| matches!(part, ControlMessageOwned::RxqOvfl(lost) if lost > 0);
                // What it did not see may have been a leak.
                ensure!(!message.cmsgs()?.any(lost), "there was too much traffic to see all of it: try again later");
                (message.bytes, message.address)
            }
            Err(Errno::EAGAIN) if stop.load(Ordering::Relaxed) => return Ok(seen),
            Err(Errno::EAGAIN) => {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            Err(Errno::EINTR | Errno::ENETDOWN) => continue,
            Err(error) => return Err(error).context("can't watch the interfaces"),
        };
        let frame = &buffer[..length.min(buffer.len())];
        if (has(frame, mark) || wanted(frame))
            && let Some(from) = from
        {
            let interface = u32::try_from(from.ifindex())?;
            let frame = frame[..frame.len().min(KEPT)].to_vec();
            seen.push(Seen { interface, sent: from.pkttype() == OUTGOING, frame });
        }
    }
}

/// Whether a text is in a frame.
pub fn has(frame: &[u8], text: &[u8]) -> bool {
    !text.is_empty() && frame.windows(text.len()).any(|window| window == text)
}

/// Send frames by an interface of this namespace, a little apart.
pub fn send_frames(interface: &str, frames: &[Vec<u8>]) -> Result<()> {
    let socket = packet_socket()?;
    let mut found = getifaddrs().context("can't list interfaces")?;
    let address = found.find_map(|it| (it.interface_name == interface).then(|| it.address?.as_link_addr().copied())?);
    let address = address.with_context(|| format!("there is no interface {interface}"))?;
    bind(socket.as_raw_fd(), &address).with_context(|| format!("can't send by {interface}"))?;
    for frame in frames {
        let give_up = Instant::now() + Duration::from_secs(2);
        loop {
            match send(socket.as_raw_fd(), frame, MsgFlags::empty()) {
                Ok(_) => break,
                Err(Errno::EAGAIN | Errno::ENOBUFS) if Instant::now() < give_up => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(error) => return Err(error).context("can't send a frame"),
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn packet_socket() -> Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)
        .context("can't open a packet socket, which takes root's rights")
}

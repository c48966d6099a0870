//! What listens in the network: what attacks go for, and what must stay reachable.

use std::io::Write as _;
use std::net::{Ipv6Addr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use bulkhead_lab::Namespace;

use crate::topology::*;

/// The port of the servers on the internet.
pub const HTTP: u16 = 80;
pub const DNS: u16 = 53;

/// Servers that tell everybody from which address they come, and a sink for attacks on the host.
pub struct Services {
    /// Gets datagrams to any address of the host, and answers none.
    pub sink: UdpSocket,
    stop: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Services {
    pub fn start(topology: &Topology) -> Result<Self> {
        let mut tcp = Vec::new();
        let mut udp = Vec::new();
        for (namespace, port) in [
            (&topology.host, SSH),
            (&topology.host, HOST_HOLE),
            (&topology.host, DNS),
            (&topology.lan, NAS_HOLE),
            (&topology.lan, NAS_HOLE + 1),
            (&topology.lan, SSH),
            (&topology.tailnet, TAILNET_HOLE),
            (&topology.internet, HTTP),
        ] {
            tcp.push(listen(namespace, port)?);
        }
        for workspace in &topology.workspaces {
            tcp.push(listen(&workspace.namespace, SSH)?);
        }
        for (namespace, port) in [(&topology.host, DNS), (&topology.internet, DNS)] {
            udp.push(bind(namespace, port)?);
        }
        // Others take datagrams without a word, so that no error message is mistaken for an answer.
        let others = [&topology.lan, &topology.tailnet, &topology.internet, &topology.workspace("c").namespace];
        let silent: Vec<UdpSocket> =
            others.into_iter().map(|namespace| bind(namespace, SINK)).collect::<Result<_>>()?;
        let sink = bind(&topology.host, SINK)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let server = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                serve(&tcp, &udp);
                silent.iter().for_each(discard);
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Ok(Self { sink, stop, server: Some(server) })
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

fn listen(namespace: &Namespace, port: u16) -> Result<TcpListener> {
    namespace.enter(|| {
        let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    })
}

fn bind(namespace: &Namespace, port: u16) -> Result<UdpSocket> {
    namespace.enter(|| {
        let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })
}

fn serve(tcp: &[TcpListener], udp: &[UdpSocket]) {
    for listener in tcp {
        while let Ok((mut connection, peer)) = listener.accept() {
            let _ = write!(connection, "{}", peer.ip().to_canonical());
        }
    }
    let mut buffer = [0; 8192];
    for socket in udp {
        while let Ok((_, peer)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(peer.ip().to_canonical().to_string().as_bytes(), peer);
        }
    }
}

fn discard(socket: &UdpSocket) {
    let mut buffer = [0; 64];
    while socket.recv_from(&mut buffer).is_ok() {}
}

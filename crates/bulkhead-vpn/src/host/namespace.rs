//! Entering network namespaces of containers, on threads of their own.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use nix::ifaddrs::getifaddrs;
use nix::sched::{CloneFlags, setns, unshare};

use super::Namespace;
use crate::command;
use crate::network::link;

/// A network namespace that was found.
#[derive(Debug)]
pub struct Entrance {
    file: File,
}

/// An interface to the bridge, inside of a container.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// Its hardware address.
    pub mac: [u8; 6],
    /// The number of its other end, on the host.
    pub host_index: u32,
}

impl Entrance {
    /// Find a namespace. One that has no processes, or no file, is an error.
    pub fn find(namespace: &Namespace, machinectl: Option<&Path>) -> Result<Self> {
        let path = match namespace {
            Namespace::Path(path) => path.clone(),
            Namespace::Machine(name) => {
                let machinectl = machinectl.context("there is no `machinectl` in the configuration")?;
                PathBuf::from(format!("/proc/{}/ns/net", leader(machinectl, name)?))
            }
        };
        let file = File::open(&path).with_context(|| format!("can't open {}", path.display()))?;
        Ok(Self { file })
    }

    /// Call a function on a thread in the namespace. Its sockets stay there.
    pub fn enter<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        on_a_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET).context("can't enter the network namespace")?;
            action()
        })
    }

    /// Its interface to the bridge.
    pub fn port(&self, interface: &str) -> Result<Port> {
        self.enter(|| {
            let mac = mac_of(interface)?;
            let host_index = link::peer_of(interface).with_context(|| format!("can't ask for {interface}"))?;
            let host_index = host_index.with_context(|| format!("{interface} is no end of a pair of interfaces"))?;
            Ok(Port { mac, host_index })
        })
    }
}

/// Call a function in a namespace that has nothing in it and ends with it. Programs that it starts are in it too.
pub fn in_an_empty_one<T: Send>(action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    on_a_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET).context("can't make a network namespace")?;
        action()
    })
}

fn on_a_thread<T: Send>(action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().spawn_scoped(scope, action).context("can't start a thread")?;
        thread.join().unwrap_or_else(|_| Err(anyhow!("a thread panicked")))
    })
}

/// The hardware address of an interface of this namespace.
pub fn mac_of(interface: &str) -> Result<[u8; 6]> {
    let mut found = getifaddrs().context("can't list interfaces")?;
    let mac = found.find_map(|it| (it.interface_name == interface).then(|| it.address?.as_link_addr()?.addr())?);
    mac.with_context(|| format!("there is no interface {interface}"))
}

/// The IPv4 addresses of this namespace, with the names of their interfaces.
pub fn addresses() -> Result<Vec<(String, Ipv4Addr)>> {
    let found = getifaddrs().context("can't list addresses")?;
    Ok(found.filter_map(|it| Some((it.interface_name, it.address?.as_sockaddr_in()?.ip()))).collect())
}

/// The first process of a machine. An answer that is none, or none in time, is an error.
fn leader(machinectl: &Path, name: &str) -> Result<u32> {
    let arguments = ["show", "--property=Leader", "--value", "--", name];
    let ended = command::run(machinectl, &arguments, "", Duration::from_secs(10))
        .with_context(|| format!("can't ask {} for {name}", machinectl.display()))?;
    match ended.output.trim().parse() {
        Ok(leader) if ended.status.success() && leader > 1 => Ok(leader),
        _ => bail!("{name} is not running"),
    }
}

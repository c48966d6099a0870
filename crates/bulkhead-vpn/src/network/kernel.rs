//! The real network.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use super::device::Device;
use super::forwarding::Forwarding;
use super::nft::Nft;
use super::{Counter, Network, PeerState, Repair, Rules, link, rules};
use crate::config::Config;
use crate::fault::Fault;
use crate::provider::Tunnel;

/// The network namespace that this process runs in.
pub struct KernelNetwork {
    config: Arc<Config>,
    nft: Nft,
    forwarding: Forwarding,
    /// Whether the table is ours: it was made by this run, or an earlier one of ours was replaced.
    has_table: bool,
    configured: bool,
    /// The table as it is listed after it was loaded.
    listed: Option<String>,
}

impl KernelNetwork {
    /// Nothing is changed yet.
    pub fn new(config: Arc<Config>) -> Self {
        let nft = Nft::new(&config.nft);
        Self { config, nft, forwarding: Forwarding::default(), has_table: false, configured: false, listed: None }
    }

    fn interface(&self) -> Result<u32, Fault> {
        let name = self.config.interface.as_str();
        let found = link::index(name).map_err(local("can't ask the kernel for interfaces"))?;
        found.ok_or_else(|| {
            Fault::Local(format!(
                "there is no interface {name} in this network namespace: the host's unit makes it and moves it here"
            ))
        })
    }

    fn device(&self) -> Device {
        Device::find(self.config.interface.as_str())
    }

    fn list(&self) -> Result<String, Fault> {
        let (family, name) = rules::TABLE.split_once(' ').unwrap_or_default();
        self.nft.list(family, name)
    }

    /// Have packets forwarded between the tunnel and the bridge, if the rules are open; whether one of the two did not.
    fn forward(&mut self, rules: &Rules) -> Result<bool, Fault> {
        let mut is_changed = false;
        if rules.open.is_some() {
            for interface in [&self.config.interface, &self.config.bridge.interface] {
                is_changed |= self.forwarding.enable(interface.as_str()).map_err(Fault::Local)?;
            }
        }
        Ok(is_changed)
    }

    fn no_other_way_out(&self, index: u32) -> Result<(), Fault> {
        let routes = link::default_routes().map_err(local("can't ask the kernel for routes"))?;
        if routes.iter().all(|route| *route == Some(index)) {
            return Ok(());
        }
        let name = self.config.interface.as_str();
        Err(Fault::Local(format!(
            "there is a default route past {name}: the container must have none but the one that is made here"
        )))
    }
}

impl Network for KernelNetwork {
    fn prepare(&mut self) -> Result<(), Fault> {
        // First of all: whatever a killed run has left open is closed.
        if !self.has_table {
            self.nft.load(&rules::create(&self.config))?;
            self.has_table = true;
        } else {
            self.nft.load(&rules::replace(&self.config, &Rules::default()))?;
        }
        let index = self.interface()?;
        let bridge = self.config.bridge.interface.as_str();
        if link::index(bridge).map_err(local("can't ask the kernel for interfaces"))?.is_none() {
            return Err(Fault::Local(format!("there is no interface {bridge} (the bridge) in this network namespace")));
        }
        self.no_other_way_out(index)
    }

    fn configure(&mut self, tunnel: &Tunnel) -> Result<(), Fault> {
        let index = self.interface()?;
        self.no_other_way_out(index)?;
        self.configured = true;
        let name = self.config.interface.as_str();
        link::set_mtu(index, tunnel.mtu.unwrap_or(self.config.mtu())).map_err(local("can't set the MTU"))?;
        link::set_up(index, true).map_err(local("can't switch the interface on"))?;
        self.device().set(tunnel).map_err(local(&format!("can't configure WireGuard on {name}")))?;
        link::add_address(index, tunnel.address).map_err(local("can't set the address"))?;
        for (address, prefix) in link::addresses(index).map_err(local("can't ask the kernel for addresses"))? {
            if (address, prefix) != (tunnel.address, 32) {
                link::remove_address(index, address, prefix).map_err(local("can't remove an old address"))?;
            }
        }
        // Removing an address may have removed routes that prefer it.
        link::add_default_route(index).map_err(local("can't set the default route"))
    }

    fn load(&mut self, rules: &Rules) -> Result<(), Fault> {
        self.nft.load(&rules::replace(&self.config, rules))?;
        self.has_table = true;
        self.listed = Some(self.list()?);
        self.forward(rules).map(drop)
    }

    fn keep(&mut self, tunnel: &Tunnel, rules: &Rules) -> Result<Vec<Repair>, Fault> {
        let mut repaired = Vec::new();
        let index = self.interface()?;
        self.no_other_way_out(index)?;
        // A table that is gone can't be listed.
        if self.listed.is_some() && self.list().ok() != self.listed {
            self.load(rules)?;
            repaired.push(Repair::Rules);
        }
        if self.peer()?.key != Some(tunnel.peer.public_key) {
            self.configure(tunnel)?;
            repaired.push(Repair::Keys);
        }
        if self.forward(rules)? {
            repaired.push(Repair::Forwarding);
        }
        let addresses = link::addresses(index).map_err(local("can't ask the kernel for addresses"))?;
        if !addresses.contains(&(tunnel.address, 32)) {
            link::add_address(index, tunnel.address).map_err(local("can't set the address"))?;
            repaired.push(Repair::Address);
        }
        let routes = link::default_routes().map_err(local("can't ask the kernel for routes"))?;
        if routes.is_empty() {
            link::set_up(index, true).map_err(local("can't switch the interface on"))?;
            link::add_default_route(index).map_err(local("can't set the default route"))?;
            repaired.push(Repair::Route);
        }
        Ok(repaired)
    }

    fn peer(&mut self) -> Result<PeerState, Fault> {
        // A program without its interface may still have its socket.
        self.interface()?;
        self.device().peer().map_err(local("can't ask WireGuard about its peer"))
    }

    fn probe(&mut self, tunnel: &Tunnel) -> Result<(), Fault> {
        let Some(server) = tunnel.dns.first() else { return Ok(()) };
        let sent = UdpSocket::bind(SocketAddr::new(tunnel.address.into(), 0)).and_then(|socket| {
            socket.set_nonblocking(true)?;
            socket.send_to(&ROOT_SERVERS, (*server, 53))
        });
        sent.map(drop).map_err(local("can't send a packet through the tunnel"))
    }

    fn counters(&mut self) -> Result<Vec<Counter>, Fault> {
        self.nft.counters()
    }

    fn clean_up(&mut self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut keep = |result: Result<(), Fault>| faults.extend(result.err());
        // The way out goes first, the rules that guard it last.
        if self.configured
            && let Ok(Some(index)) = link::index(self.config.interface.as_str())
        {
            keep(link::remove_default_route(index).map_err(local("can't remove the default route")));
            keep(self.device().clear().map_err(local("can't clear the WireGuard interface")));
            match link::addresses(index) {
                Ok(addresses) => {
                    for (address, prefix) in addresses {
                        keep(link::remove_address(index, address, prefix).map_err(local("can't remove the address")));
                    }
                }
                Err(error) => keep(Err(local("can't ask the kernel for addresses")(error))),
            }
            keep(link::set_up(index, false).map_err(local("can't switch the interface off")));
        }
        keep(self.forwarding.restore().map_err(Fault::Local));
        if self.has_table {
            keep(self.nft.load(&rules::remove()));
        }
        faults
    }
}

/// A DNS question for the name servers of the root (RFC 1035): every resolver knows them.
const ROOT_SERVERS: [u8; 17] = [0xb1, 0x4d, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];

fn local(what: &str) -> impl Fn(io::Error) -> Fault + '_ {
    move |error| Fault::Local(format!("{what}: {error}"))
}

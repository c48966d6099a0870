//! From a list of servers to a tunnel that works.

use std::time::Duration;

use super::liveness::Liveness;
use super::{Connection, Machine};
use crate::context::Step;
use crate::fault::{Fault, Reaction};
use crate::log;
use crate::network::PeerState;
use crate::network::rules::Open;
use crate::provider::{Server, Tunnel};
use crate::secret::PublicKey;
use crate::status::unix_seconds;

/// A round of servers ends after this long.
const ROUND: Duration = Duration::from_secs(4 * 60);
/// How often WireGuard is asked for a first handshake.
const HANDSHAKE_POLL: Duration = Duration::from_millis(100);

impl Machine {
    /// Try servers until a tunnel works. The way out was closed before, or belongs to an older tunnel.
    pub(super) fn connect(&mut self) -> Result<Connection, Fault> {
        let servers = self.servers()?;
        let give_up = self.now() + ROUND;
        let mut last = None;
        for (index, server) in servers.iter().enumerate() {
            let is_last = index + 1 == servers.len();
            match self.try_server(server, is_last) {
                Ok(connection) => {
                    self.avoided.clear();
                    return Ok(connection);
                }
                // While a tunnel is renewed, each silent server would be an outage.
                Err(fault @ Fault::NoHandshake { .. }) if self.renewing => {
                    self.avoided.push(server.name.clone());
                    return Err(fault);
                }
                Err(fault) if fault.reaction() == Reaction::NextServer => {
                    self.record(&fault);
                    if !is_last {
                        log::warning!("{fault}; taking the next server");
                    }
                    last = Some(fault);
                }
                Err(fault) => return Err(fault),
            }
            if self.now() >= give_up {
                break;
            }
        }
        Err(last.unwrap_or_else(|| Fault::NoServer("the provider names none".to_owned())))
    }

    /// The provider's servers; those that could not do what was wanted come last.
    fn servers(&mut self) -> Result<Vec<Server>, Fault> {
        let mut servers = self.provider.servers(&mut self.context)?;
        servers.sort_by_key(|server| self.avoided.contains(&server.name));
        Ok(servers)
    }

    fn try_server(&mut self, server: &Server, is_last: bool) -> Result<Connection, Fault> {
        log::info!("trying {}{} ({})", region_text(server), server.name, server.address);
        let tunnel = self.provider.tunnel(&mut self.context, server)?;
        let liveness = self.establish(&tunnel)?;
        match self.first_port(&tunnel) {
            Err(fault) if fault.reaction() == Reaction::NextServer && !is_last => {
                self.avoided.push(server.name.clone());
                return Err(fault);
            }
            // A tunnel without a port is worth more than none.
            Err(fault) if fault.reaction() == Reaction::NextServer => self.port_failed(&fault),
            other => other?,
        }
        Ok(self.connected(tunnel, liveness))
    }

    /// Configure the interface, load the rules, and see a handshake.
    pub(super) fn establish(&mut self, tunnel: &Tunnel) -> Result<Liveness, Fault> {
        self.context.enter(Step::Interface)?;
        self.configured = Some(keys(tunnel));
        self.network.with(|network| network.configure(tunnel))?;
        self.context.enter(Step::Nat)?;
        let forwarded = self.rules.open.take().and_then(|open| open.forwarded);
        let mtu = tunnel.mtu.unwrap_or(self.config.mtu());
        self.rules.open = Some(Open { dns: tunnel.dns.clone(), mtu, forwarded });
        self.network.with(|network| network.load(&self.rules))?;
        self.context.enter(Step::Handshake)?;
        self.await_handshake(tunnel)
    }

    /// See a handshake with a peer that was just set.
    pub(super) fn await_handshake(&mut self, tunnel: &Tunnel) -> Result<Liveness, Fault> {
        let timeout = Duration::from_secs(self.config.handshake_timeout_seconds.into());
        let give_up = self.now() + timeout;
        // The peer is a new one, so any handshake is a handshake with it.
        loop {
            let state: PeerState = self.network.with(|network| network.peer())?;
            let now = self.now();
            if state.handshake.is_some() {
                return Ok(Liveness::new(state, now));
            }
            if now >= give_up {
                return Err(Fault::NoHandshake { server: tunnel.server.name.clone(), seconds: timeout.as_secs() });
            }
            self.context.wait_until(give_up.min(now + HANDSHAKE_POLL))?;
        }
    }

    fn connected(&mut self, tunnel: Tunnel, liveness: Liveness) -> Connection {
        let renewal = Duration::from_secs(u64::from(self.config.renew_after_days) * 24 * 60 * 60);
        let wall = self.wall();
        self.context.store.change(|state| state.connected = Some(wall));
        let renewal_due = self.now() + renewal;
        let server = &tunnel.server;
        log::info!("connected to {}{} ({})", region_text(server), server.name, server.address);
        self.context.tell(&format!("connected to {}{}", region_text(server), server.name));
        self.context.board.change(|status| {
            status.connection = Some(crate::status::ConnectionStatus {
                region: server.region.clone(),
                server: server.name.clone(),
                server_address: server.address,
                public_address: tunnel.public_address,
                tunnel_address: tunnel.address,
                dns: tunnel.dns.clone(),
                connected: unix_seconds(wall),
                renewal_due: unix_seconds(wall + renewal),
                ..Default::default()
            });
        });
        Connection { tunnel, liveness, renewal_due }
    }
}

/// What tells tunnels apart.
pub(super) fn keys(tunnel: &Tunnel) -> (PublicKey, PublicKey) {
    (tunnel.private_key.public(), tunnel.peer.public_key)
}

fn region_text(server: &Server) -> String {
    if server.region.is_empty() { String::new() } else { format!("{} ", server.region) }
}

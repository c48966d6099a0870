//! The forwarded port.

use std::time::Duration;

use super::Machine;
use crate::context::Step;
use crate::fault::{Fault, Reaction};
use crate::log;
use crate::network::ForwardedPort;
use crate::provider::{SignedPort, Tunnel};
use crate::status::{PortStatus, describe, unix_seconds};

/// A binding lasts for about 20 minutes.
const REFRESH: Duration = Duration::from_secs(15 * 60);
/// What is left of a binding's life after a refresh was due.
const BINDING: Duration = Duration::from_secs(20 * 60);
/// A signature that ends sooner is replaced.
const RENEW_BELOW: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Tries before the service becomes ready without a port.
const FIRST_TRIES: usize = 3;
/// Servers that say that a port is busy before another one is taken.
const BUSY_SERVERS: usize = 3;

impl Machine {
    /// Get and bind a port for a new tunnel. Faults that another server would help with are given back; after others the
    /// tunnel is used without a port, and it is tried again.
    pub(super) fn first_port(&mut self, tunnel: &Tunnel) -> Result<(), Fault> {
        if self.config.port_forwarding.is_none() {
            return Ok(());
        }
        self.context.enter(Step::Port)?;
        self.port.bound = None;
        for attempt in 1.. {
            match self.have_port(tunnel) {
                Ok(()) => break,
                Err(fault @ (Fault::PortBusy { .. } | Fault::NotForwarding { .. })) => return Err(fault),
                Err(Fault::Stopped) => return Err(Fault::Stopped),
                Err(fault @ Fault::Local(_)) => return Err(fault),
                Err(fault) if attempt < FIRST_TRIES && !matches!(fault.reaction(), Reaction::Pause(_)) => {
                    log::warning!("{fault}; trying again");
                    let until = self.now() + self.port.backoff.next(Duration::ZERO);
                    self.context.wait_until(until)?;
                }
                Err(fault) => {
                    self.port_failed(&fault);
                    break;
                }
            }
        }
        Ok(())
    }

    /// The port could not be had; when it is tried again.
    pub(super) fn port_failed(&mut self, fault: &Fault) {
        let least = match fault.reaction() {
            Reaction::Pause(least) => least,
            _ => Duration::ZERO,
        };
        let pause = self.port.backoff.next(least);
        log::error!("no forwarded port: {fault}; trying again in {} s", pause.as_secs());
        self.record(fault);
        let now = self.now();
        self.port.next = Some(now + pause);
        let lost = self.port.bound.is_none_or(|at| now.saturating_sub(at) > BINDING);
        self.context.board.change(|status| {
            let port = status.port.get_or_insert_default();
            port.bound = !lost;
            port.last_fault = Some(describe(fault));
        });
    }

    /// Sign a port if there is none that lasts, bind it, and let it through.
    pub(super) fn have_port(&mut self, tunnel: &Tunnel) -> Result<(), Fault> {
        let Some(forwarding) = self.provider.forwarding() else { return Ok(()) };
        let wall = self.context.clock.wall();
        let stored = self.context.store.state().port.clone();
        let left = |port: &SignedPort| port.expires.duration_since(wall).unwrap_or_default();
        let mut port = match stored.filter(|port| !left(port).is_zero()) {
            Some(port) if left(&port) >= RENEW_BELOW => port,
            usable => match (forwarding.sign(&mut self.context, tunnel), usable) {
                (Ok(port), _) => port,
                (Err(fault), Some(port)) if fault != Fault::Stopped => {
                    log::warning!("{fault}; the old port is used, which is promised for less than 7 days");
                    port
                }
                (Err(fault), _) => return Err(fault),
            },
        };
        match forwarding.bind(&mut self.context, tunnel, &port) {
            Ok(()) => {}
            Err(fault @ Fault::PortRefused(_)) => {
                log::warning!("{fault}; another port is asked for");
                self.context.store.change(|state| state.port = None);
                port = forwarding.sign(&mut self.context, tunnel)?;
                forwarding.bind(&mut self.context, tunnel, &port)?;
            }
            Err(fault @ Fault::PortBusy { .. }) => {
                self.busy += 1;
                if self.busy < BUSY_SERVERS {
                    // What was signed is good on other servers too.
                    self.context.store.change(|state| state.port = Some(port));
                    return Err(fault);
                }
                log::warning!("{fault}, as on other servers; another port is asked for");
                self.context.store.change(|state| state.port = None);
                self.busy = 0;
                port = forwarding.sign(&mut self.context, tunnel)?;
                forwarding.bind(&mut self.context, tunnel, &port)?;
            }
            Err(fault) => {
                self.context.store.change(|state| state.port = Some(port));
                return Err(fault);
            }
        }
        self.busy = 0;
        self.bound(port)
    }

    fn bound(&mut self, port: SignedPort) -> Result<(), Fault> {
        let now = self.now();
        self.port.bound = Some(now);
        self.port.next = Some(now + REFRESH);
        self.port.backoff.reset();
        let Some((forwarding, target)) = self.config.forwarding_target() else { return Ok(()) };
        let forwarded = ForwardedPort {
            port: port.port,
            target,
            target_port: forwarding.port.unwrap_or(port.port),
            protocols: forwarding.protocol.names(),
        };
        let status = PortStatus {
            port: Some(port.port),
            bound: true,
            expires: Some(unix_seconds(port.expires)),
            bound_at: Some(unix_seconds(self.wall())),
            target: Some(target),
            last_fault: None,
        };
        let number = port.port;
        let is_new = self.rules.open.as_ref().and_then(|open| open.forwarded.as_ref()) != Some(&forwarded);
        self.context.store.change(|state| state.port = Some(port));
        if is_new && let Some(open) = &mut self.rules.open {
            open.forwarded = Some(forwarded);
            self.network.with(|network| network.load(&self.rules))?;
            log::info!("port {number} leads to {target}");
        }
        self.context.board.change(|board| board.port = Some(status));
        if let Some(hook) = &mut self.hook {
            hook.want(number);
        }
        Ok(())
    }
}

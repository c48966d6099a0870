//! Keeping a tunnel that works.

use std::convert::Infallible;
use std::time::Duration;

use super::connect::keys;
use super::liveness::{SILENCE, Verdict};
use super::{Connection, Machine};
use crate::backoff::Backoff;
use crate::context::Step;
use crate::fault::Fault;
use crate::log;
use crate::network::Repair;

/// How often WireGuard is asked for its peer.
const LOOK: Duration = Duration::from_secs(10);

impl Machine {
    /// Watch until the tunnel is dead or it is asked to stop.
    pub(super) fn watch(&mut self, connection: &mut Connection) -> Result<Infallible, Fault> {
        self.context.enter(Step::Watch)?;
        let mut renewal = Backoff::default();
        let mut next_look = self.now();
        loop {
            let now = self.now();
            if now >= next_look {
                self.look(connection, now)?;
                next_look = connection.liveness.next_look(now, LOOK);
            }
            if let Some(failure) = self.hook.as_mut().and_then(|hook| hook.tick(now)) {
                log::error!("the program for forwarded ports {failure}");
                self.context.board.change(|status| status.hook_failures += 1);
            }
            if self.port.next.is_some_and(|due| now >= due) && self.config.port_forwarding.is_some() {
                self.refresh_port(connection)?;
            }
            if self.context.inbox.take_renewal() || now >= connection.renewal_due {
                self.renew(connection, &mut renewal)?;
                next_look = self.now();
                continue;
            }
            let now = self.now();
            let hook = self.hook.as_ref().and_then(|hook| hook.due(now));
            let due = [Some(next_look), Some(connection.renewal_due), hook, self.port.next];
            let until = due.into_iter().flatten().min().unwrap_or(next_look);
            self.context.wait_until(until)?;
        }
    }

    fn look(&mut self, connection: &mut Connection, now: Duration) -> Result<(), Fault> {
        let repaired = self.network.with(|network| network.keep(&connection.tunnel, &self.rules))?;
        if !repaired.is_empty() {
            let what: Vec<String> = repaired.iter().map(Repair::to_string).collect();
            log::warning!("somebody has changed {}; it is as it was again", what.join(" and "));
            self.context.board.change(|status| status.repairs += 1);
        }
        if repaired.contains(&Repair::Keys) {
            self.context.enter(Step::Handshake)?;
            connection.liveness = self.await_handshake(&connection.tunnel)?;
            self.context.enter(Step::Watch)?;
        }
        let state = self.network.with(|network| network.peer())?;
        let verdict = connection.liveness.look(state, now);
        let age = now.saturating_sub(connection.liveness.shaken()).as_secs();
        self.context.board.change(|status| {
            if let Some(shown) = &mut status.connection {
                (shown.handshake_age_seconds, shown.received_bytes, shown.sent_bytes) =
                    (age, state.received, state.sent);
            }
        });
        match verdict {
            Verdict::Alive | Verdict::Wait => Ok(()),
            Verdict::Probe => {
                log::info!("nothing was heard from the server for {} s; asking it", SILENCE.as_secs());
                // That it can't be sent is no proof: the answer is.
                if let Err(fault) = self.network.with(|network| network.probe(&connection.tunnel)) {
                    log::warning!("{fault}");
                }
                Ok(())
            }
            Verdict::Dead => {
                let server = connection.tunnel.server.name.clone();
                self.avoided = vec![server.clone()];
                Err(Fault::TunnelDead { server, seconds: SILENCE.as_secs() })
            }
        }
    }

    fn refresh_port(&mut self, connection: &mut Connection) -> Result<(), Fault> {
        let was_bound = self.port.bound.is_some();
        match self.have_port(&connection.tunnel) {
            Ok(()) => Ok(()),
            Err(fault @ (Fault::Stopped | Fault::Local(_))) => Err(fault),
            // This server had it and has it no more, or never will: the next one, with the same port.
            Err(fault @ (Fault::PortBusy { .. } | Fault::NotForwarding { .. })) if was_bound => {
                log::warning!("{fault}; taking another server");
                self.port_failed(&fault);
                self.avoided = vec![connection.tunnel.server.name.clone()];
                self.context.inbox.renew();
                Ok(())
            }
            Err(fault) => {
                self.port_failed(&fault);
                Ok(())
            }
        }
    }

    /// Replace the connection by a new one. If that can't be done, the old one stays and a later time is set.
    fn renew(&mut self, connection: &mut Connection, backoff: &mut Backoff) -> Result<(), Fault> {
        log::info!("renewing the connection");
        let old = connection.tunnel.clone();
        self.renewing = true;
        let result = self.connect();
        self.renewing = false;
        match result {
            Ok(new) => {
                *connection = new;
                backoff.reset();
                self.context.board.change(|status| status.renewals += 1);
                self.context.enter(Step::Watch)
            }
            Err(Fault::Stopped) => Err(Fault::Stopped),
            Err(fault) => {
                self.record(&fault);
                let pause = backoff.next(fault.least_pause().max(Duration::from_secs(60)));
                log::error!("the connection could not be renewed: {fault}; trying again in {} s", pause.as_secs());
                connection.renewal_due = self.now() + pause;
                // Only trying a server touches the interface. To put back what is still there would cost a handshake.
                if self.configured == Some(keys(&old)) {
                    return self.context.enter(Step::Watch);
                }
                connection.liveness = self.establish(&old)?;
                self.context.enter(Step::Watch)
            }
        }
    }
}

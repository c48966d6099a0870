//! The state machine: from nothing to a watched tunnel, and back there after every fault.
//!
//! ```text
//!            ┌──────────────────────── Pause ◄──────────────────────┐ no server left, or a fault that
//!            ▼                                                       │ another server would not help with
//!  Start ─► Token ─► List ─► Server ─► Key ─► Interface ─► Nat ─► Handshake ─► Port ─► Ready ─► Watch
//!                              ▲        └─────────┴──────────┴────────┴──────────┘               │
//!                              └────────────────── next server ◄─────────────────────────────────┤ renewal
//!            Start ◄──────────────────────────────────────────────────────────── tunnel is dead ─┘
//! ```
//!
//! | step | does | ends well when |
//! |---|---|---|
//! | Start | closes the way out; looks for interface, bridge, foreign default routes | all is as it must be |
//! | Token | takes the stored token, if it is younger than 20 hours; else asks by name, else a meta server | there is a token |
//! | List | takes the stored list, if it is younger than 6 hours; else asks by name, else a meta server, else takes the stored one | its signature is right |
//! | Server | leaves out regions that are offline or do not forward ports though one is wanted | there is a server |
//! | Key | registers a new key, at the server's address with the server's name in its certificate | the answer makes sense |
//! | Interface | replaces key, peer and address; sets MTU and default route | the kernel takes it |
//! | Nat | replaces the table's rules in one transaction | `nft` takes them |
//! | Handshake | looks at WireGuard's peer | there was one, within 10 s (`handshakeTimeoutSeconds`) |
//! | Port | signs a port if none is stored or it ends within 7 days; binds it; loads its rules | it is bound |
//! | Ready | tells the service manager, then starts the hook | at once |
//! | Watch | see below | never |
//!
//! **Faults.** [`Fault::reaction`] says what is done about each. A server that can't be reached, has another name in its
//! certificate, damages its answer, refuses, or does not shake hands: the next one. A refused token: a new one, once. Too
//! many requests, refused login, subscription over: a pause of at least as long as the server, or sense, asks for. After
//! four minutes without a tunnel, or with no server left: a pause that grows with every round ([`crate::backoff`]).
//!
//! **Port.** A tunnel without a port is worth more than none: if the port can't be had because of time-outs or the like,
//! the service becomes ready without it and the port is tried again, with growing pauses. A busy port, or a server that
//! does not forward: the next server, with the same port; only when three servers say that it is busy is another port
//! signed. A refused signature, a payload that is over, or a port below 10000: another port is signed.
//!
//! **Watch.** Every 10 s rules, keys, address, route and forwarding are compared with what was made, and made again if
//! somebody changed them; another default route is a fault, which closes the way out. Keys that are not ours any more
//! (somebody has set others, or the interface is another one of the same name) are set again, and a handshake has to
//! follow as at first: else all begins anew. Then WireGuard is asked for its peer. Nothing heard for 180 s (its
//! reject-after-time): a packet is sent that must be answered; nothing for 15 s more, and the tunnel is dead. What counts
//! is whether WireGuard's numbers *change*, on the monotonic clock; their dates are of a clock that may jump. Every 15
//! minutes the port is bound again.
//! After `renewAfterDays` days, or when asked, the connection is renewed: all that needs time (token, list, key) is done
//! while the old tunnel works, then key, peer and address are replaced at once; if no handshake follows, the old tunnel
//! is put back at once, and another server is tried a minute later. What services notice is one reconnect.
//!
//! **End.** It can be asked to stop in every step; no step waits for longer than one request. The rules, addresses, route
//! and switches that were changed are set back, and nothing else.

mod connect;
mod hook;
mod liveness;
mod port;
mod watch;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::backoff::Backoff;
use crate::config::Config;
use crate::context::{Context, Step};
use crate::fault::{Fault, Reaction};
use crate::log;
use crate::network::{Rules, SharedNetwork};
use crate::provider::{Provider, Tunnel};
use crate::secret::PublicKey;
use crate::status::describe;
use hook::HookRunner;
use liveness::Liveness;

/// Runs a connection.
pub struct Machine {
    config: Arc<Config>,
    context: Context,
    provider: Box<dyn Provider>,
    network: SharedNetwork,
    hook: Option<HookRunner>,
    port: PortState,
    /// Servers that are tried last, because they could not do what was wanted.
    avoided: Vec<String>,
    busy: usize,
    rules: Rules,
    /// Our key and the server's, as the interface has them.
    configured: Option<(PublicKey, PublicKey)>,
    renewing: bool,
}

/// A tunnel that works.
struct Connection {
    tunnel: Tunnel,
    liveness: Liveness,
    /// When it is renewed, on the monotonic clock.
    renewal_due: Duration,
}

/// What is known about the forwarded port.
#[derive(Debug, Default)]
struct PortState {
    /// When it was last bound, on the monotonic clock.
    bound: Option<Duration>,
    /// When it is tried or refreshed next.
    next: Option<Duration>,
    backoff: Backoff,
}

impl Machine {
    /// A machine that has not begun.
    pub fn new(config: Arc<Config>, context: Context, provider: Box<dyn Provider>, network: SharedNetwork) -> Self {
        let hook = config
            .forwarding_target()
            .and_then(|(forwarding, target)| Some(HookRunner::new(forwarding.on_forwarded.clone()?, target)));
        Self {
            config,
            context,
            provider,
            network,
            hook,
            port: PortState::default(),
            avoided: Vec::new(),
            busy: 0,
            rules: Rules::default(),
            configured: None,
            renewing: false,
        }
    }

    /// Run until it is asked to stop; then clean up, and give what could not be undone.
    pub fn run(&mut self) -> Vec<Fault> {
        let mut backoff = Backoff::default();
        loop {
            let fault = match self.connect_and_watch(&mut backoff) {
                Err(fault) => fault,
                Ok(never) => match never {},
            };
            if fault == Fault::Stopped || self.pause(&fault, &mut backoff).is_err() {
                break;
            }
        }
        self.stop()
    }

    fn connect_and_watch(&mut self, backoff: &mut Backoff) -> Result<std::convert::Infallible, Fault> {
        self.context.enter(Step::Start)?;
        self.rules = Rules::default();
        self.port.bound = None;
        self.network.with(|network| network.prepare())?;
        let mut connection = self.connect()?;
        self.context.enter(Step::Ready)?;
        self.context.tell_ready();
        self.context.board.change(|status| status.connects += 1);
        backoff.reset();
        self.watch(&mut connection)
    }

    fn pause(&mut self, fault: &Fault, backoff: &mut Backoff) -> Result<(), Fault> {
        if fault.reaction() == Reaction::End {
            return Err(Fault::Stopped);
        }
        match fault {
            Fault::Local(_) | Fault::NoHandshake { .. } | Fault::TunnelDead { .. } => self.context.tell_hopeless(),
            _ => self.context.tell_hope(),
        }
        let pause = backoff.next(fault.least_pause());
        self.context.enter(Step::Pause)?;
        self.record(fault);
        log::error!("{fault}; trying again in {} s", pause.as_secs());
        self.context.tell(&format!("{fault}; trying again in {} s", pause.as_secs()));
        self.context.board.change(|status| status.disconnect());
        let until = self.context.clock.monotonic() + pause;
        self.context.pause_until(until)?;
        // Being asked to renew ends the pause; there is nothing else to renew.
        self.context.inbox.take_renewal();
        Ok(())
    }

    fn record(&self, fault: &Fault) {
        self.context.board.change(|status| {
            status.faults += 1;
            status.last_fault = Some(describe(fault));
        });
    }

    fn stop(&mut self) -> Vec<Fault> {
        // Entering this step can't fail.
        let _ = self.context.enter(Step::Stop);
        self.context.tell_stopping();
        if let Some(hook) = &mut self.hook {
            hook.kill();
        }
        self.network.clean_up()
    }

    fn now(&self) -> Duration {
        self.context.clock.monotonic()
    }

    fn wall(&self) -> SystemTime {
        self.context.clock.wall()
    }
}

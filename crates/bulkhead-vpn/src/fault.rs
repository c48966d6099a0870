//! What can go wrong while the daemon runs, and what is done about each. Nothing here ends the daemon: what is wrong
//! with the configuration ends it before it starts ([`crate::config`]); everything else may pass.

use std::time::Duration;

/// Something that went wrong. The text never has a secret or a whole answer of a server in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No answer in time: slow, silent or endless servers.
    #[error("{what} did not answer within {seconds} s")]
    Timeout {
        /// Who was asked.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// No connection: refused, reset, no route, refused by the proxy.
    #[error("can't reach {what}: {reason}")]
    Unreachable {
        /// Who was asked.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Nothing listens there.
    #[error("{what} refuses connections")]
    ConnectionRefused {
        /// Who was asked.
        what: String,
    },
    /// The certificate is not the one that was expected: another name (servers get renamed), another authority, expired.
    #[error("{what} is not to be trusted: {reason}")]
    Untrusted {
        /// Who was asked.
        what: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The answer is cut off, too long, no HTTP, no JSON, or lacks what it must have.
    #[error("{what} gave a damaged answer: {reason}")]
    Damaged {
        /// Who was asked.
        what: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The server says no, in a way that has no meaning of its own.
    #[error("{what} refused: HTTP {status}{message}")]
    Refused {
        /// Who was asked.
        what: String,
        /// The HTTP status.
        status: u16,
        /// `: …`, the beginning of what the server said, or nothing.
        message: String,
        /// Retry-After, if it was sent.
        wait: Option<Duration>,
    },
    /// Too many requests (429 or `too_many_attempts`).
    #[error("{what} wants fewer requests{}", retry_text(.wait))]
    TooMany {
        /// Who was asked.
        what: String,
        /// Retry-After, if it was sent.
        wait: Option<Duration>,
    },
    /// User name and password are not accepted.
    #[error("the provider does not accept user name and password of {file}")]
    LoginRefused {
        /// The file that they come from.
        file: String,
    },
    /// The subscription is over (402).
    #[error("the provider says that the subscription is over")]
    SubscriptionOver,
    /// The token is not accepted (any more).
    #[error("{what} does not accept the token")]
    TokenRefused {
        /// Who was asked.
        what: String,
    },
    /// The dedicated IP is unknown, expired or not active.
    #[error("the dedicated IP can't be used: {0}")]
    DedicatedIp(String),
    /// The list of servers is not signed with the key of the configuration.
    #[error("the list of servers from {what} is not signed by the provider")]
    ListSignature {
        /// Where it came from.
        what: String,
    },
    /// No server fits.
    #[error("no server to connect to: {0}")]
    NoServer(String),
    /// No handshake, first or later.
    #[error("no handshake with {server} within {seconds} s")]
    NoHandshake {
        /// The server.
        server: String,
        /// How long.
        seconds: u64,
    },
    /// The tunnel worked and does so no more.
    #[error("nothing came from {server} for {seconds} s, and it did not answer a packet")]
    TunnelDead {
        /// The server.
        server: String,
        /// How long.
        seconds: u64,
    },
    /// 409: another has this port on this server.
    #[error("port {port} is busy on {server}")]
    PortBusy {
        /// The port.
        port: u16,
        /// The server.
        server: String,
    },
    /// 401 "bad signature", or a payload that can't be read or is over.
    #[error("the signed port can't be used any more: {0}")]
    PortRefused(String),
    /// The server does not forward ports, or says that we are outside of its tunnel.
    #[error("{server} forwards no port: {reason}")]
    NotForwarding {
        /// The server.
        server: String,
        /// What it said.
        reason: String,
    },
    /// A port below 10000: the provider gives none of those, so something is wrong.
    #[error("port {0} is lower than any that the provider forwards (10000 and more)")]
    LowPort(u16),
    /// This machine: the interface is missing, nft or netlink refuse.
    #[error("{0}")]
    Local(String),
    /// It was asked to stop.
    #[error("stopped")]
    Stopped,
}

/// What is done about a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Begin anew after a pause that grows from try to try, and is at least this long.
    Pause(Duration),
    /// Take the next server; when none is left, as [`Reaction::Pause`].
    NextServer,
    /// Get a new token and ask once more; then as [`Reaction::Pause`].
    NewToken,
    /// Get a new port, which is another one; the tunnel stays.
    NewPort,
    /// Clean up and end.
    End,
}

/// Asking again sooner keeps the lock of a flooded account alive.
const FLOOD_PAUSE: Duration = Duration::from_secs(5 * 60);
/// A person must act; meanwhile we ask rarely, and read the file with the credentials anew each time.
const LOGIN_PAUSE: Duration = Duration::from_secs(10 * 60);
/// As [`LOGIN_PAUSE`].
const SUBSCRIPTION_PAUSE: Duration = Duration::from_secs(60 * 60);
/// Nobody can make us wait longer than this with Retry-After.
const LONGEST_PAUSE: Duration = Duration::from_secs(2 * 60 * 60);

impl Fault {
    /// How long a pause after this fault is at least.
    pub fn least_pause(&self) -> Duration {
        match (self.reaction(), self) {
            (Reaction::Pause(least), _) => least,
            (_, Self::Refused { wait: Some(wait), .. }) => (*wait).min(LONGEST_PAUSE),
            _ => Duration::ZERO,
        }
    }

    /// What to do.
    pub fn reaction(&self) -> Reaction {
        match self {
            Self::Timeout { .. }
            | Self::Unreachable { .. }
            | Self::ConnectionRefused { .. }
            | Self::Untrusted { .. }
            | Self::Damaged { .. }
            | Self::Refused { .. }
            | Self::NoHandshake { .. }
            | Self::PortBusy { .. }
            | Self::NotForwarding { .. } => Reaction::NextServer,
            Self::TokenRefused { .. } => Reaction::NewToken,
            Self::PortRefused(_) | Self::LowPort(_) => Reaction::NewPort,
            Self::TooMany { wait, .. } => Reaction::Pause(wait.unwrap_or(FLOOD_PAUSE).min(LONGEST_PAUSE)),
            Self::LoginRefused { .. } => Reaction::Pause(LOGIN_PAUSE),
            Self::SubscriptionOver | Self::DedicatedIp(_) => Reaction::Pause(SUBSCRIPTION_PAUSE),
            Self::ListSignature { .. } | Self::NoServer(_) | Self::TunnelDead { .. } | Self::Local(_) => {
                Reaction::Pause(Duration::ZERO)
            }
            Self::Stopped => Reaction::End,
        }
    }
}

fn retry_text(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!(" and a pause of {} s", wait.as_secs())).unwrap_or_default()
}

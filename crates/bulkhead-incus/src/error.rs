//! What can go wrong, how it is told, and with which exit code.

use std::path::PathBuf;

use crate::spec::SpecError;

/// All is as it was asked for.
pub const OK: u8 = 0;
/// Incus or the system refused something, or the workspace stopped by itself.
pub const FAILED: u8 = 1;
/// The command line or a spec is wrong: trying again can't help. (The same code as clap's.)
pub const USAGE: u8 = 2;
/// The daemon can't be reached, or went away and did not come back.
pub const UNREACHABLE: u8 = 3;
/// The deadline passed.
pub const DEADLINE: u8 = 4;
/// An instance of that name exists which is not Bulkhead's. It was not touched.
pub const FOREIGN: u8 = 5;
/// A signal ended it; its number is added.
pub const SIGNAL: u8 = 128;

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The spec.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// There is no daemon at the socket.
    #[error("can't reach Incus at {}: {reason}", .socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// The daemon was there and went away, or forgot what it was doing.
    #[error("can't {attempt}: Incus went away ({reason})")]
    Lost {
        /// What was attempted, after "can't".
        attempt: String,
        /// How that showed.
        reason: String,
    },
    /// The daemon said no.
    #[error("can't {attempt}: Incus answered: {answer}{}", .details.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Refused {
        /// What was attempted, after "can't".
        attempt: String,
        /// The code, mostly that of HTTP.
        code: i64,
        /// What the daemon answered.
        answer: String,
        /// Lines of its logs that tell more.
        details: Vec<String>,
    },
    /// It took too long.
    #[error("gave up after {seconds} s: {state}{}", .details.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Deadline {
        /// The time that was given.
        seconds: u64,
        /// What was waited for, and what was last seen.
        state: String,
        /// Last lines of the console.
        details: Vec<String>,
    },
    /// The workspace stopped while it was starting.
    #[error("`{name}` stopped by itself while it was starting{}", .details.iter().map(|line| format!("\n  {line}")).collect::<String>())]
    Stopped {
        /// The workspace.
        name: String,
        /// Last lines of its logs.
        details: Vec<String>,
    },
    /// Somebody else's instance has the name.
    #[error("an instance `{name}` exists in the project `{project}` and is not Bulkhead's; it is left as it is")]
    Foreign {
        /// The name.
        name: String,
        /// The project.
        project: String,
    },
    /// A signal.
    #[error("ended by {}", signal_name(*.0))]
    Signal(i32),
    /// The system said no.
    #[error("can't {attempt}: {reason}")]
    Host {
        /// What was attempted, after "can't".
        attempt: String,
        /// What the system says.
        reason: String,
        /// What to do, if that is known.
        help: Option<String>,
    },
}

impl Error {
    /// The system's refusal of `attempt`.
    pub fn host(attempt: impl Into<String>, reason: impl ToString) -> Error {
        Error::Host { attempt: attempt.into(), reason: reason.to_string(), help: None }
    }

    /// What the program ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Spec(_) => USAGE,
            Error::Unreachable { .. } | Error::Lost { .. } => UNREACHABLE,
            Error::Refused { .. } | Error::Stopped { .. } | Error::Host { .. } => FAILED,
            Error::Deadline { .. } => DEADLINE,
            Error::Foreign { .. } => FOREIGN,
            Error::Signal(signal) => SIGNAL.saturating_add(u8::try_from(*signal).unwrap_or(0)),
        }
    }

    /// Whether the daemon went away in the middle, so that the same may succeed once it is back.
    pub fn is_lost(&self) -> bool {
        matches!(self, Error::Lost { .. })
    }

    /// Whether the answer has this code.
    pub fn has_code(&self, wanted: i64) -> bool {
        matches!(self, Error::Refused { code, .. } if *code == wanted)
    }

    /// The daemon's answer, or nothing.
    pub fn answer(&self) -> &str {
        match self {
            Error::Refused { answer, .. } => answer,
            _ => "",
        }
    }

    /// What to do, if that is known.
    pub fn help(&self) -> Option<String> {
        match self {
            Error::Spec(_) => Some("`bulkhead-incus schema spec` prints what a spec may say".to_owned()),
            Error::Unreachable { help, .. } => Some((*help).to_owned()),
            Error::Lost { .. } => Some("see why with `journalctl -u incus`, then start the workspace again".to_owned()),
            Error::Refused { answer, details, .. } => {
                std::iter::once(answer).chain(details).find_map(|text| advice(text)).map(str::to_owned)
            }
            Error::Foreign { name, .. } => {
                Some(format!("rename the workspace, or move the other one away: incus rename {name} NEW-NAME"))
            }
            Error::Deadline { .. } => Some(
                "look inside with `incus exec NAME -- journalctl -b` while it starts, or \
                 give it more time: ready.deadlineSeconds in the spec"
                    .to_owned(),
            ),
            Error::Host { help, .. } => help.clone(),
            Error::Stopped { .. } | Error::Signal(_) => None,
        }
    }
}

/// Words of Incus' answers, in lower case, and what to do about them.
const ADVICE: [(&str, &str); 9] = [
    ("no space left", "free some space on the storage pool; `bulkhead-incus gc` removes images that nobody needs"),
    ("storage pool not found", "make the pool (incus storage create NAME dir), or name another in incus.storagePool"),
    ("project not found", "make the project (incus project create NAME), or name another in incus.project"),
    ("unpack failed", "an image file is damaged: build it anew; image.fingerprint in the spec finds that out earlier"),
    ("failed to exec \"/sbin/init\"", "the image has no /sbin/init that can run: on NixOS it is the system's `init`"),
    ("parent device", "the bridge is missing: is the unit that makes it started before this one?"),
    ("idmap", "root needs a large range in /etc/subuid and /etc/subgid: root:1000000:1000000000"),
    ("missing source path", "a mount's folder is missing on the host: make it before the workspace starts"),
    ("certificate", "run as root, or as a member of the group `incus-admin`"),
];

fn advice(answer: &str) -> Option<&'static str> {
    let answer = answer.to_lowercase();
    ADVICE.iter().find(|(words, _)| answer.contains(words)).map(|(_, advice)| *advice)
}

fn signal_name(signal: i32) -> String {
    match signal {
        signal_hook::consts::SIGINT => "SIGINT".to_owned(),
        signal_hook::consts::SIGTERM => "SIGTERM".to_owned(),
        signal_hook::consts::SIGHUP => "SIGHUP".to_owned(),
        other => format!("signal {other}"),
    }
}

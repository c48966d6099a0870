//! Faults that can be made to happen.

use serde::{Deserialize, Serialize};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Endpoint {
    /// A token.
    Token,
    /// The list of servers.
    List,
    /// A dedicated IP.
    DedicatedIp,
    /// A token from a meta server.
    MetaToken,
    /// The list from a meta server.
    MetaList,
    /// A key.
    AddKey,
    /// A signed port.
    GetSignature,
    /// Binding a port.
    BindPort,
    /// The end of a token.
    ExpireToken,
    /// The address that a client is seen with.
    Address,
    /// Something else.
    Other,
}

/// A fault, for requests that match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Injection {
    /// Which requests.
    pub endpoint: Endpoint,
    /// Only of the server with this name.
    #[serde(default)]
    pub server: Option<String>,
    /// How often; always without it.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub fault: Fault,
}

impl Injection {
    /// A fault of all requests of a kind.
    pub fn always(endpoint: Endpoint, fault: Fault) -> Self {
        Self { endpoint, server: None, times: None, fault }
    }

    /// A fault of the next request of a kind.
    pub fn once(endpoint: Endpoint, fault: Fault) -> Self {
        Self { times: Some(1), ..Self::always(endpoint, fault) }
    }

    /// Only of one server.
    pub fn of(self, server: &str) -> Self {
        Self { server: Some(server.to_owned()), ..self }
    }
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// Another answer: status, headers, body.
    Answer {
        /// The HTTP status.
        status: u16,
        /// Headers besides the usual ones.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// The right answer with some of its text replaced: a lie.
    Replace {
        /// What is replaced.
        from: String,
        /// By what.
        to: String,
    },
    /// The right answer, later. Milliseconds.
    Delay(u64),
    /// The right answer, whose last bytes are missing.
    Truncate(usize),
    /// An answer that never ends.
    Endless,
    /// The right answer, a byte at a time, this many milliseconds apart.
    SlowLoris(u64),
    /// The connection is taken and nothing is said.
    Silence,
    /// The connection is closed at once.
    Close,
    /// A certificate for another name.
    WrongName(String),
    /// A certificate of another authority.
    UntrustedAuthority,
    /// A certificate whose time is over.
    ExpiredCertificate,
    /// The list with a signature that does not belong to it.
    BadSignature,
    /// The key is not registered, though the answer says so.
    NoPeer,
}

impl Fault {
    /// An answer without headers of its own.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_owned() }
    }

    /// Too many requests.
    pub fn too_many(retry_after: u64) -> Self {
        let headers = vec![("Retry-After".to_owned(), retry_after.to_string())];
        Self::Answer { status: 429, headers, body: String::new() }
    }
}

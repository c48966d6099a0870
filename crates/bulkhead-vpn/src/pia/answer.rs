//! What answers mean that are no success, whatever was asked for.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::fault::Fault;
use crate::http::Response;

/// What a server says about itself in JSON, as far as it is one.
#[derive(Debug, Default)]
pub struct Said {
    /// `status`.
    pub status: String,
    /// `message`, else the text if it is no JSON.
    pub message: String,
    code: String,
}

impl Said {
    /// Read an answer.
    pub fn of(response: &Response) -> Self {
        let text = response.text().unwrap_or_default();
        let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(text) else {
            return Self { message: text.to_owned(), ..Self::default() };
        };
        let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Self { status: field("status"), message: field("message"), code: field("code") }
    }

    /// Whether the message has these words, in any case.
    pub fn mentions(&self, words: &str) -> bool {
        self.message.to_lowercase().contains(words)
    }

    fn is_flood(&self) -> bool {
        self.code.eq_ignore_ascii_case("too_many_attempts")
    }

    /// Whether the login behind a request is not accepted: HTTP 401, or what PIA's services say for it.
    pub fn refuses_login(&self, status: u16) -> bool {
        status == 401
            || ["login failed", "authentication failed", "access denied"].iter().any(|words| self.mentions(words))
    }
}

/// Faults that mean the same wherever they come up: floods, and the end of the subscription.
pub fn common_fault(what: &str, response: &Response, said: &Said) -> Option<Fault> {
    if response.status == 429 || said.is_flood() {
        return Some(Fault::TooMany { what: what.to_owned(), wait: response.retry_after });
    }
    (response.status == 402).then_some(Fault::SubscriptionOver)
}

/// The fault for an answer that has no meaning of its own.
pub fn refused(what: &str, response: &Response, said: &Said) -> Fault {
    // A server that echoes what it was sent must not bring it into the journal; its own words are short.
    let harmless = |c: char| c.is_ascii_alphanumeric() || " .,:!'()-".contains(c);
    let message: String = said.message.chars().filter(|c| harmless(*c)).take(80).collect();
    let long_word = message.split(' ').any(|word| word.len() > 20);
    let message = if message.trim().is_empty() || long_word { String::new() } else { format!(": {}", message.trim()) };
    Fault::Refused { what: what.to_owned(), status: response.status, message }
}

/// Read the JSON of an answer that was a success.
pub fn parse<T: DeserializeOwned>(what: &str, response: &Response) -> Result<T, Fault> {
    serde_json::from_slice(&response.body).map_err(|error| {
        // serde_json's own text may show what is in the answer.
        let reason = match error.classify() {
            serde_json::error::Category::Eof => "its JSON is cut off",
            serde_json::error::Category::Data => "its JSON lacks something or has another shape",
            _ => "it is no JSON",
        };
        Fault::Damaged { what: what.to_owned(), reason: reason.to_owned() }
    })
}

//! What Incus answers, and the work that it does after an answer.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// What every answer of Incus looks like.
#[derive(Debug, Default, Deserialize)]
pub struct Answer {
    /// What went wrong, or nothing.
    #[serde(default)]
    pub error: String,
    /// Mostly a code of HTTP; 0 if nothing went wrong.
    #[serde(default)]
    pub error_code: i64,
    #[serde(default)]
    operation: String,
    /// What was asked for.
    #[serde(default)]
    pub metadata: Value,
}

/// What a request has begun: the path of its operation, if it was not done at once.
#[derive(Debug)]
pub struct Begun(pub Option<String>);

/// Work of the daemon that outlives the request that began it.
#[derive(Debug, Deserialize)]
pub struct Operation {
    id: String,
    class: String,
    /// 200, 400 or 401 once it has succeeded, failed or been cancelled.
    pub status_code: i64,
    #[serde(default)]
    err: String,
    #[serde(default)]
    resources: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default)]
    metadata: Option<serde_json::Map<String, Value>>,
}

/// The status code of an operation that has succeeded.
pub const SUCCESS: i64 = 200;
const FAILURE: i64 = 400;
const CANCELLED: i64 = 401;

impl Answer {
    /// What the request has begun.
    pub fn begun(&self) -> Begun {
        let operation = self.operation.strip_prefix("/1.0").unwrap_or(&self.operation);
        // Operations are found by their id alone; a project in the address is not needed.
        let operation = operation.split('?').next().unwrap_or_default();
        Begun((!operation.is_empty()).then(|| operation.to_owned()))
    }

    /// Whether a daemon gave it that is shutting down, or not up yet.
    pub fn is_that_of_ending(&self) -> bool {
        let words = ["database is closed", "shutting down", "starting up", "context canceled"];
        self.error_code == 503 || words.iter().any(|words| self.error.contains(words))
    }
}

impl Operation {
    /// The same as something that was begun.
    pub fn begun(&self) -> Begun {
        Begun(Some(format!("/operations/{}", self.id)))
    }

    /// Whether it changes the instance `name`. A shell in it is an operation too, and goes on as long as it likes.
    pub fn changes(&self, name: &str) -> bool {
        if self.class != "task" {
            return false;
        }
        let instances = self.resources.as_ref().and_then(|resources| resources.get("instances"));
        instances.is_some_and(|instances| {
            instances.iter().any(|path| path.split('?').next().and_then(|path| path.rsplit('/').next()) == Some(name))
        })
    }

    /// What it failed with, as an answer.
    pub fn failure(self) -> Answer {
        Answer { error: self.err, error_code: self.status_code, ..Answer::default() }
    }

    /// Whether it has ended, well or not.
    pub fn is_over(&self) -> bool {
        matches!(self.status_code, SUCCESS | FAILURE | CANCELLED)
    }

    /// How far it is, such as "40 %".
    pub fn percent(&self) -> Option<String> {
        let progress = self.metadata.as_ref()?.get("progress")?;
        let percent = progress.get("percent")?.as_str()?;
        Some(format!("{} %", percent.trim()))
    }
}

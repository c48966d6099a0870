//! The part of Incus' REST interface that is used here (its `doc/rest-api.md`): requests and what comes of them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use ureq::http::Request;
use ureq::{Agent, SendBody};

use crate::answer::{Answer, Begun, Operation, SUCCESS};
use crate::error::Error;
use crate::http::{NotConnected, agent};
use crate::progress::Progress;
use crate::watch::Watch;

/// Answers are lists of instances at most; a console's log is cut off far below this by Incus itself.
const MAX_ANSWER: u64 = 64 << 20;
/// Seconds that one request waits for an operation, so that progress is told in between.
const WAIT_SECONDS: u32 = 1;

/// The daemon, as seen from one project or all of them.
#[derive(Debug)]
pub struct Api {
    agent: Agent,
    socket: PathBuf,
    project: Option<String>,
    watch: Watch,
    /// It has answered before: when it does not any more, it went away.
    reached: Cell<bool>,
}

impl Api {
    /// The daemon at `socket`; requests are about `project`, or about all projects. They end when `watch` does.
    pub fn new(socket: &Path, project: Option<&str>, watch: &Watch) -> Api {
        Api {
            agent: agent(socket.to_owned(), watch.clone()),
            socket: socket.to_owned(),
            project: project.map(str::to_owned),
            watch: watch.clone(),
            reached: Cell::new(false),
        }
    }

    /// The same with another project and another watch.
    pub fn with(&self, project: Option<&str>, watch: &Watch) -> Api {
        let other = Api::new(&self.socket, project, watch);
        other.reached.set(self.reached.get());
        other
    }

    /// The project that requests are about; none for all.
    pub fn project(&self) -> Option<&str> {
        self.project.as_deref()
    }

    /// What ends the requests.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Ask for `path`, below `/1.0`. Gives the answer's content.
    ///
    /// # Errors
    /// `attempt`, after "can't", failed: the daemon refused, can't be reached, or the watch is over.
    pub fn get(&self, path: &str, attempt: &str) -> Result<Value, Error> {
        Ok(self.request("GET", path, None, attempt)?.metadata)
    }

    /// The same, and nothing where the daemon knows no such thing.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn find(&self, path: &str, attempt: &str) -> Result<Option<Value>, Error> {
        match self.get(path, attempt) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.has_code(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file of the daemon's, such as a log, as text.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn text(&self, path: &str, attempt: &str) -> Result<String, Error> {
        let bytes = self.raw("GET", path, &[], SendBody::none(), attempt)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Send `body` by `method` and wait for what the daemon then does.
    ///
    /// # Errors
    /// As for [`Api::get`]; also what the operation ended with.
    pub fn change(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        attempt: &str,
        progress: &Progress,
    ) -> Result<(), Error> {
        let begun = self.begin(method, path, body, attempt)?;
        self.wait(&begun, attempt, progress)
    }

    /// Send `body` by `method`, and give what the daemon then does.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn begin(&self, method: &str, path: &str, body: Option<&Value>, attempt: &str) -> Result<Begun, Error> {
        Ok(self.request(method, path, body, attempt)?.begun())
    }

    /// Whether what was begun goes on.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn goes_on(&self, begun: &Begun, attempt: &str) -> Result<bool, Error> {
        let Begun(Some(path)) = begun else { return Ok(false) };
        let Some(found) = self.find(path, attempt)? else { return Ok(false) };
        let operation: Operation = self.typed(found, attempt)?;
        Ok(!operation.is_over())
    }

    /// Upload what `body` reads, `length` bytes, and wait for what the daemon then does.
    ///
    /// # Errors
    /// As for [`Api::change`].
    pub fn upload(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        body: &mut dyn Read,
        length: u64,
        attempt: &str,
        progress: &Progress,
    ) -> Result<(), Error> {
        let length = length.to_string();
        let headers = [headers, &[("Content-Length", length.as_str())]].concat();
        let bytes = self.raw("POST", path, &headers, SendBody::from_reader(body), attempt)?;
        self.wait(&self.read(&bytes, attempt)?.begun(), attempt, progress)
    }

    /// The operations that go on now.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn operations(&self) -> Result<Vec<Operation>, Error> {
        let attempt = "list what Incus is doing";
        let by_status = self.get("/operations?recursion=1", attempt)?;
        let by_status: BTreeMap<String, Vec<Operation>> = self.typed(by_status, attempt)?;
        let all = by_status.into_values().flatten();
        Ok(all.filter(|operation| !operation.is_over()).collect())
    }

    /// Wait until `operation` is over, however it ends.
    ///
    /// # Errors
    /// As for [`Api::get`].
    pub fn wait_for(&self, operation: &Operation, attempt: &str, progress: &Progress) -> Result<(), Error> {
        match self.wait(&operation.begun(), attempt, progress) {
            Err(Error::Refused { .. }) => Ok(()),
            // It was over before we asked.
            Err(Error::Lost { .. }) if self.get("", attempt).is_ok() => Ok(()),
            other => other,
        }
    }

    /// `value` as what the interface promises.
    ///
    /// # Errors
    /// It is something else.
    pub fn typed<T: serde::de::DeserializeOwned>(&self, value: Value, attempt: &str) -> Result<T, Error> {
        serde_json::from_value(value).map_err(|error| garbled(attempt, &error.to_string()))
    }

    /// Wait until a daemon that went away answers again.
    ///
    /// # Errors
    /// It does not within `allowed`, or the watch is over.
    pub fn wait_until_back(&self, allowed: Duration, progress: &Progress) -> Result<(), Error> {
        let watch = self.watch.within(allowed);
        let patient = self.with(self.project.as_deref(), &watch);
        loop {
            let error = match patient.get("", "reach Incus again") {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            self.watch.check(|| "Incus went away and did not come back".to_owned())?;
            if watch.is_over() {
                return Err(error);
            }
            progress.step("waiting for Incus to come back");
            watch.sleep(Duration::from_millis(200));
        }
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>, attempt: &str) -> Result<Answer, Error> {
        let bytes = match body {
            None => self.raw(method, path, &[], SendBody::none(), attempt)?,
            Some(body) => {
                let body = body.to_string();
                let length = body.len().to_string();
                let headers = [("Content-Type", "application/json"), ("Content-Length", length.as_str())];
                self.raw(method, path, &headers, SendBody::from_reader(&mut body.as_bytes()), attempt)?
            }
        };
        self.read(&bytes, attempt)
    }

    fn read(&self, bytes: &[u8], attempt: &str) -> Result<Answer, Error> {
        let answer: Answer = serde_json::from_slice(bytes).map_err(|error| {
            // A daemon that is killed in the middle of its answer leaves half of it.
            if bytes.is_empty() || error.is_eof() {
                lost(attempt, "its answer broke off")
            } else {
                garbled(attempt, &error.to_string())
            }
        })?;
        if answer.error.is_empty() && answer.error_code == 0 {
            return Ok(answer);
        }
        if answer.is_that_of_ending() {
            return Err(lost(attempt, &answer.error));
        }
        let details = Vec::new();
        Err(Error::Refused { attempt: attempt.to_owned(), code: answer.error_code, answer: answer.error, details })
    }

    fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: SendBody<'_>,
        attempt: &str,
    ) -> Result<Vec<u8>, Error> {
        let mut request = Request::builder().method(method).uri(self.uri(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| Error::host(attempt, error))?;
        let received = self
            .agent
            .run(request)
            .and_then(|mut response| response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec());
        if received.is_ok() {
            self.reached.set(true);
        }
        received.map_err(|error| self.failed(error, attempt))
    }

    fn uri(&self, path: &str) -> String {
        let scope = match &self.project {
            Some(project) => format!("project={project}"),
            None => "all-projects=true".to_owned(),
        };
        let and = if path.contains('?') { '&' } else { '?' };
        format!("http://incus/1.0{path}{and}{scope}")
    }

    fn failed(&self, error: ureq::Error, attempt: &str) -> Error {
        if let Err(over) = self.watch.check(|| format!("can't {attempt}: Incus has not answered")) {
            return over;
        }
        let ureq::Error::Io(error) = error else { return lost(attempt, &error.to_string()) };
        let refusal = error.get_ref().and_then(|inner| inner.downcast_ref::<NotConnected>());
        match refusal {
            None if error.kind() == std::io::ErrorKind::Other => Error::host(attempt, error),
            None => lost(attempt, &error.to_string()),
            Some(refusal) if self.reached.get() => lost(attempt, &refusal.reason),
            Some(refusal) => self.unreachable(refusal),
        }
    }

    fn unreachable(&self, refusal: &NotConnected) -> Error {
        let help = match refusal.kind {
            std::io::ErrorKind::NotFound => {
                "is Incus installed and started (systemctl start incus)? On NixOS: virtualisation.incus.enable = true"
            }
            std::io::ErrorKind::PermissionDenied => "run as root, or as a member of the group `incus-admin`",
            _ => "nobody answers there; see `systemctl status incus`",
        };
        Error::Unreachable { socket: self.socket.clone(), reason: refusal.reason.clone(), help }
    }

    /// Wait until what was begun is done.
    ///
    /// # Errors
    /// As for [`Api::get`]; also what it ended with.
    pub fn wait(&self, begun: &Begun, attempt: &str, progress: &Progress) -> Result<(), Error> {
        let Begun(Some(operation)) = begun else { return Ok(()) };
        loop {
            match self.get(&format!("{operation}/wait?timeout={WAIT_SECONDS}"), attempt) {
                // How it ended is read from the operation itself: this answer mixes its errors with those of waiting.
                Ok(_) | Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
            self.watch.check(|| format!("can't {attempt}: Incus is still at it"))?;
            let found = self.find(operation, attempt)?;
            // Operations live in the daemon's memory.
            let found = found.ok_or_else(|| lost(attempt, "it was restarted"))?;
            let found: Operation = self.typed(found, attempt)?;
            if found.status_code == SUCCESS {
                return Ok(());
            }
            if found.is_over() {
                let answer = found.failure();
                if answer.is_that_of_ending() {
                    return Err(lost(attempt, &answer.error));
                }
                let Answer { error: answer, error_code: code, .. } = answer;
                return Err(Error::Refused { attempt: attempt.to_owned(), code, answer, details: Vec::new() });
            }
            match found.percent() {
                Some(percent) => progress.detail(&percent),
                None => progress.alive(),
            }
        }
    }
}

fn lost(attempt: &str, reason: &str) -> Error {
    Error::Lost { attempt: attempt.to_owned(), reason: reason.to_owned() }
}

fn garbled(attempt: &str, reason: &str) -> Error {
    let answer = format!("something that this program does not understand ({reason})");
    Error::Refused { attempt: attempt.to_owned(), code: 0, answer, details: Vec::new() }
}

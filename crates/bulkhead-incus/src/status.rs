//! `status`: which workspaces there are, and how they are.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::Api;
use crate::error::{Error, FAILED, OK};
use crate::gc::{absolute, specs_in};
use crate::instance::{self, Found};
use crate::output;
use crate::ready;
use crate::spec::{Spec, read};
use crate::watch::Watch;

/// How long the daemon may take to answer.
const TIME: Duration = Duration::from_secs(30);

/// What is asked for.
#[derive(Debug)]
pub struct Request {
    /// These workspaces alone, if there are any; else all of `specs`, and all other instances of Bulkhead.
    pub only: Vec<PathBuf>,
    /// The folder of the specs.
    pub specs: PathBuf,
    /// The daemon's socket, for instances that have no spec.
    pub socket: PathBuf,
    /// As JSON.
    pub json: bool,
}

/// The answer of `status --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The version of this format: 1.
    version: u32,
    /// The workspaces, by project and name.
    workspaces: Vec<Workspace>,
}

/// One workspace.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Workspace {
    /// Its name.
    name: String,
    /// Its project in Incus.
    project: String,
    /// How it is.
    state: State,
    /// The addresses that it has now, each with the length of its prefix.
    addresses: Vec<String>,
    /// The fingerprint of the image that it was made from.
    image: Option<String>,
    /// The spec that it was made from; if there is no instance, the one that it would be made from.
    spec: Option<String>,
    /// When its instance was made (RFC 3339).
    created_at: Option<String>,
}

/// How a workspace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    /// It runs, and its start came to its end.
    Ready,
    /// It is being started, or a start that was killed has left it.
    Unfinished,
    /// It was ready and does not run now: stopped, frozen or failing.
    Down,
    /// There is no instance.
    Absent,
    /// There is an instance of that name which is not Bulkhead's.
    Foreign,
}

/// Print the status. Gives the exit code: 1 if a workspace that was asked for by name is not ready.
///
/// # Errors
/// The daemon can't be reached, or a spec can't be read.
pub fn status(request: &Request) -> Result<u8, Error> {
    let watch = Watch::new(TIME)?;
    let workspaces = if request.only.is_empty() { all(request, &watch)? } else { only(&request.only, &watch)? };
    let is_bad = |workspace: &Workspace| workspace.state != State::Ready;
    let code = if !request.only.is_empty() && workspaces.iter().any(is_bad) { FAILED } else { OK };
    if request.json {
        let status = Status { version: 1, workspaces };
        let text = serde_json::to_string_pretty(&status).map_err(|error| Error::host("write JSON", error))?;
        output::result(&text)?;
    } else {
        output::result(&table(&workspaces))?;
    }
    Ok(code)
}

fn only(paths: &[PathBuf], watch: &Watch) -> Result<Vec<Workspace>, Error> {
    let mut workspaces = Vec::new();
    for path in paths {
        let spec = read(path)?;
        workspaces.push(of_spec(&spec, absolute(path)?, watch)?);
    }
    Ok(workspaces)
}

fn all(request: &Request, watch: &Watch) -> Result<Vec<Workspace>, Error> {
    let folder = absolute(&request.specs)?;
    // Without specs there may be instances all the same.
    let specs = if folder.exists() { specs_in(&folder)? } else { Vec::new() };
    let mut workspaces = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, spec) in specs {
        seen.insert((spec.incus.project.to_string(), spec.name.to_string()));
        workspaces.push(of_spec(&spec, path, watch)?);
    }
    let api = Api::new(&request.socket, None, watch);
    for found in instance::list(&api)? {
        if found.is_ours() && !seen.contains(&(found.project.clone(), found.name.clone())) {
            let api = api.with(Some(&found.project), watch);
            workspaces.push(of_instance(&api, found)?);
        }
    }
    workspaces.sort_by(|a, b| (&a.project, &a.name).cmp(&(&b.project, &b.name)));
    Ok(workspaces)
}

fn of_spec(spec: &Spec, path: PathBuf, watch: &Watch) -> Result<Workspace, Error> {
    let project = spec.incus.project.as_str();
    let api = Api::new(spec.incus.socket.as_path(), Some(project), watch);
    match instance::find(&api, spec.name.as_str())? {
        Some(found) => of_instance(&api, found),
        None => Ok(Workspace {
            name: spec.name.to_string(),
            project: project.to_owned(),
            state: State::Absent,
            addresses: Vec::new(),
            image: None,
            spec: Some(path.to_string_lossy().into_owned()),
            created_at: None,
        }),
    }
}

fn of_instance(api: &Api, found: Found) -> Result<Workspace, Error> {
    let runs = found.status == "Running";
    let state = match (found.is_ours(), found.was_ready(), runs) {
        (false, _, _) => State::Foreign,
        (true, false, _) => State::Unfinished,
        (true, true, true) => State::Ready,
        (true, true, false) => State::Down,
    };
    let addresses = match (runs && found.is_ours()).then(|| ready::addresses(api, &found.name)) {
        // While it stops, the daemon can't always tell.
        None | Some(Err(Error::Refused { .. })) => Vec::new(),
        Some(addresses) => addresses?,
    };
    Ok(Workspace {
        addresses,
        image: found.image().map(str::to_owned),
        spec: found.spec().map(str::to_owned),
        created_at: Some(found.created_at.clone()),
        name: found.name,
        project: found.project,
        state,
    })
}

fn table(workspaces: &[Workspace]) -> String {
    if workspaces.is_empty() {
        return "no workspaces".to_owned();
    }
    let head = ["WORKSPACE", "STATE", "ADDRESSES", "IMAGE", "SPEC"].map(str::to_owned);
    let rows = workspaces.iter().map(|workspace| {
        let image = workspace.image.as_deref().unwrap_or("-");
        let addresses = if workspace.addresses.is_empty() { "-".to_owned() } else { workspace.addresses.join(" ") };
        let project = if workspace.project == "default" { String::new() } else { format!("{}/", workspace.project) };
        [
            format!("{project}{}", workspace.name),
            workspace.state.to_string(),
            addresses,
            image.get(..12).unwrap_or(image).to_owned(),
            workspace.spec.clone().unwrap_or_else(|| "-".to_owned()),
        ]
    });
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 5]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            State::Ready => "ready",
            State::Unfinished => "unfinished",
            State::Down => "down",
            State::Absent => "absent",
            State::Foreign => "foreign",
        })
    }
}

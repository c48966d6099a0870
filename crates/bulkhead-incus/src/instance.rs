//! The instance of a workspace: what it is made of, whose it is, and how it is removed.

use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::api::Api;
use crate::error::Error;
use crate::lock::Locks;
use crate::log;
use crate::progress::Progress;
use crate::spec::{Fingerprint, Spec};
use crate::watch::Watch;

/// The key that makes an instance ours; its value is the workspace's name. It is there from the first moment.
pub const WORKSPACE: &str = "user.bulkhead.workspace";
/// The folder of the specs, which says which `gc` may remove it.
pub const SPECS: &str = "user.bulkhead.specs";
/// The file that it was made from.
const SPEC: &str = "user.bulkhead.spec";
/// Set once it has been ready. Without it, and with nobody starting it, it was left by a start that was killed.
const READY: &str = "user.bulkhead.ready";

/// Sockets of families beyond AF_PACKET are not supported (EAFNOSUPPORT), as a policy of LXC has it. Some of them know no
/// network namespaces: with vsock(7) an instance would reach the host, its hypervisor and virtual machines, with QRTR others.
const OTHER_SOCKETS: &str = "socket errno 97 [0,17,SCMP_CMP_GT]";

/// How long the daemon's own work on an instance is waited for before it is tried to interfere.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the daemon may take to answer that it makes an instance.
const ANSWER: Duration = Duration::from_secs(45);
/// How long a daemon that went away may stay away.
pub const ABSENCE: Duration = Duration::from_secs(30);

/// An instance that is there.
#[derive(Clone, Debug, Deserialize)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// Its project.
    #[serde(default)]
    pub project: String,
    /// What it does: `Running`, `Stopped`, `Error` …
    pub status: String,
    /// When it was made (RFC 3339).
    #[serde(default)]
    pub created_at: String,
    #[serde(default)]
    config: Map<String, Value>,
    /// The same with what the profiles add.
    #[serde(default)]
    expanded_config: Map<String, Value>,
}

type IdRange = Range<u64>;

/// An entry of `volatile.idmap.next`.
#[derive(Debug, Deserialize)]
struct Mapped {
    #[serde(rename = "Hostid")]
    host_id: u64,
    #[serde(rename = "Maprange")]
    length: u64,
}

impl Found {
    /// Whether it is ours.
    pub fn is_ours(&self) -> bool {
        self.value(WORKSPACE) == Some(&self.name)
    }

    /// Whether its start came to its end.
    pub fn was_ready(&self) -> bool {
        self.value(READY) == Some("true")
    }

    /// The folder of the specs that it belongs to.
    pub fn specs(&self) -> Option<&str> {
        self.value(SPECS)
    }

    /// The spec that it was made from.
    pub fn spec(&self) -> Option<&str> {
        self.value(SPEC)
    }

    /// The fingerprint of its image.
    pub fn image(&self) -> Option<&str> {
        self.value("volatile.base_image")
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.config.get(key)?.as_str()
    }

    fn is_isolated(&self) -> bool {
        self.expanded_config.get("security.idmap.isolated").and_then(Value::as_str) == Some("true")
    }

    /// The host's ids that stand for those inside, of users and of groups. None are chosen yet if it is only being made.
    ///
    /// # Errors
    /// Incus tells them in a way that is not known, so that nobody knows whether another has them too.
    fn ids(&self) -> Result<Vec<IdRange>, Error> {
        let text = self.value("volatile.idmap.next").filter(|text| !text.is_empty()).unwrap_or("[]");
        let ranges: Vec<Mapped> = serde_json::from_str(text).map_err(|error| {
            Error::host(format!("tell which ids the instance `{}` has from {text:?}", self.name), error)
        })?;
        Ok(ranges.iter().map(|range| range.host_id..range.host_id.saturating_add(range.length)).collect())
    }
}

/// The instance `name`, if there is one.
///
/// # Errors
/// As for [`Api::get`].
pub fn find(api: &Api, name: &str) -> Result<Option<Found>, Error> {
    let attempt = format!("look at the instance `{name}`");
    api.find(&format!("/instances/{name}"), &attempt)?.map(|found| api.typed(found, &attempt)).transpose()
}

/// The instance `name`, if there is one and it is ours.
///
/// # Errors
/// [`Error::Foreign`] if it is not ours; otherwise as for [`Api::get`].
pub fn find_ours(api: &Api, name: &str) -> Result<Option<Found>, Error> {
    match find(api, name)? {
        Some(found) if !found.is_ours() => Err(Error::Foreign { name: found.name, project: found.project }),
        found => Ok(found),
    }
}

/// The instances in the project, or in all of them.
///
/// # Errors
/// As for [`Api::get`].
pub fn list(api: &Api) -> Result<Vec<Found>, Error> {
    let attempt = "list the instances";
    let found = api.get("/instances?recursion=1", attempt)?;
    api.typed(found, attempt)
}

/// Make the instance, stopped. It is not ephemeral yet: should it stop by itself before it is ready, its logs tell why.
///
/// # Errors
/// As for [`Api::change`].
pub fn create(
    api: &Api,
    spec: &Spec,
    image: &Fingerprint,
    origin: Origin<'_>,
    locks: &Locks,
    progress: &Progress,
) -> Result<(), Error> {
    let name = spec.name.as_str();
    let attempt = format!("make the instance `{name}`");
    // Incus gives instances that are made at the same time the same ids. It chooses them first, so that the long part
    // of the work, unpacking, can go on beside that of others.
    let held = locks.ids(api.watch(), progress)?;
    progress.step("making the instance");
    api.watch().check(|| format!("can't {attempt}: there is no time left"))?;
    // A request that is not answered may be heeded later, when it has been looked for something to clean up in vain. So
    // neither a signal nor the deadline ends this one.
    let patient = api.with(api.project(), &Watch::undisturbed(ANSWER));
    let begun = patient.begin("POST", "/instances", Some(&definition(spec, image, origin)), &attempt)?;
    while chosen_ids(api, name)?.is_empty() && api.goes_on(&begun, &attempt)? {
        api.watch().check(|| format!("can't {attempt}: Incus is still at it"))?;
        api.watch().sleep(Duration::from_millis(10));
    }
    drop(held);
    api.wait(&begun, &attempt, progress)
}

/// Whether the host's ids of the instance `name` are its own. If they are another's too, files and processes of the two
/// are the same user's.
///
/// # Errors
/// As for [`Api::get`]; or Incus does not tell its ids.
pub fn has_own_ids(api: &Api, name: &str) -> Result<bool, Error> {
    let all = list(&api.with(None, api.watch()))?;
    let is_it = |found: &&Found| found.name == name && Some(found.project.as_str()) == api.project();
    let ids = all.iter().find(is_it).map_or(Ok(Vec::new()), Found::ids)?;
    if ids.is_empty() {
        return Err(Error::host(format!("isolate the instance `{name}`"), "Incus does not tell which ids it has"));
    }
    let overlaps = |other: &IdRange| ids.iter().any(|own| own.start < other.end && other.start < own.end);
    // Those that are not isolated have ids in common by design, in the range that isolated ones are cut from.
    for other in all.iter().filter(|found| !is_it(found) && found.is_isolated()) {
        if other.ids()?.iter().any(overlaps) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The host's ids of the instance `name`; none as long as it is not there, or has none.
fn chosen_ids(api: &Api, name: &str) -> Result<Vec<IdRange>, Error> {
    find(api, name)?.map_or(Ok(Vec::new()), |found| found.ids())
}

/// Start the instance.
///
/// # Errors
/// As for [`Api::change`], with what LXC wrote to its log.
pub fn start(api: &Api, name: &str, progress: &Progress) -> Result<(), Error> {
    progress.step("starting the instance");
    let body = json!({ "action": "start", "timeout": -1 });
    let attempt = format!("start the instance `{name}`");
    let started = api.change("PUT", &format!("/instances/{name}/state"), Some(&body), &attempt, progress);
    started.map_err(|error| match error {
        Error::Refused { attempt, code, answer, .. } => {
            Error::Refused { attempt, code, answer, details: log::log(api, name) }
        }
        other => other,
    })
}

/// Note that the instance is ready, and let it go when it stops.
///
/// # Errors
/// As for [`Api::change`].
pub fn mark_ready(api: &Api, name: &str, progress: &Progress) -> Result<(), Error> {
    let body = json!({ "ephemeral": true, "config": { READY: "true" } });
    let attempt = format!("mark the instance `{name}` as ready");
    api.change("PATCH", &format!("/instances/{name}"), Some(&body), &attempt, progress)
}

/// Stop and remove the instance `name`, whatever state it is in, if it is ours. It gets `shutdown` to stop by itself,
/// if any. Waits for what the daemon is doing with it, and for a daemon that is being restarted. Gives whether there
/// was one.
///
/// # Errors
/// [`Error::Foreign`] if it is not ours; it is still there when the watch is over.
pub fn remove(api: &Api, name: &str, mut shutdown: Option<Duration>, progress: &Progress) -> Result<bool, Error> {
    let mut last = String::new();
    let mut any = false;
    loop {
        let refused = match remove_once(api, name, &mut shutdown, &mut any, progress) {
            Ok(true) => return Ok(any),
            Ok(false) => continue,
            Err(error) => error,
        };
        match refused {
            Error::Refused { .. } => last = format!(": {}", refused.answer()),
            Error::Lost { .. } => api.wait_until_back(ABSENCE, progress)?,
            other => return Err(other),
        }
        api.watch().check(|| format!("can't remove the instance `{name}`{last}"))?;
        progress.alive();
        api.watch().sleep(Duration::from_millis(200));
    }
}

/// One step on the way to removing it. Gives whether that was the last.
fn remove_once(
    api: &Api,
    name: &str,
    shutdown: &mut Option<Duration>,
    any: &mut bool,
    progress: &Progress,
) -> Result<bool, Error> {
    // A start that was killed may have left the daemon making the instance.
    if let Some(operation) = api.operations()?.into_iter().find(|operation| operation.changes(name)) {
        progress.step("waiting for what Incus is doing with the instance");
        let patient = api.with(api.project(), &api.watch().within(PATIENCE));
        match patient.wait_for(&operation, "wait for Incus", progress) {
            Err(Error::Deadline { .. }) if !api.watch().is_over() => {}
            other => other?,
        }
    }
    let Some(found) = find_ours(api, name)? else { return Ok(true) };
    *any = true;
    let path = format!("/instances/{name}");
    if found.status == "Stopped" {
        progress.step("removing the instance");
        return match api.change("DELETE", &path, None, &format!("remove the instance `{name}`"), progress) {
            Err(error) if error.has_code(404) => Ok(true),
            other => other.map(|()| false),
        };
    }
    let body = match shutdown.take() {
        Some(time) => {
            progress.step("shutting the workspace down");
            json!({ "action": "stop", "timeout": time.as_secs(), "force": false })
        }
        None => {
            progress.step("stopping the instance");
            json!({ "action": "stop", "timeout": -1, "force": true })
        }
    };
    let attempt = format!("stop the instance `{name}`");
    api.change("PUT", &format!("{path}/state"), Some(&body), &attempt, progress)?;
    Ok(false)
}

/// Where an instance comes from, as it is written down in it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// The file of the spec.
    pub spec: &'a Path,
    /// The folder of the specs.
    pub specs: &'a Path,
}

fn definition(spec: &Spec, image: &Fingerprint, origin: Origin<'_>) -> Value {
    json!({
        "name": spec.name,
        "type": "container",
        "description": format!("Bulkhead workspace {}", spec.name),
        "ephemeral": false,
        // Nothing that somebody once put into the default profile.
        "profiles": [],
        "source": { "type": "image", "fingerprint": image },
        "config": config(spec, origin),
        "devices": devices(spec),
    })
}

fn config(spec: &Spec, origin: Origin<'_>) -> Map<String, Value> {
    let mut config = Map::new();
    let mut set = |key: &str, value: String| config.insert(key.to_owned(), Value::String(value));
    set(WORKSPACE, spec.name.to_string());
    set(SPECS, origin.specs.to_string_lossy().into_owned());
    set(SPEC, origin.spec.to_string_lossy().into_owned());
    // Its unit starts it, never the daemon.
    set("boot.autostart", "false".to_owned());
    set("security.privileged", "false".to_owned());
    set("security.idmap.isolated", "true".to_owned());
    set("security.nesting", "false".to_owned());
    // The guest interface shows a workspace its own configuration; it has no need to know it.
    set("security.guestapi", "false".to_owned());
    set("security.syscalls.deny", OTHER_SOCKETS.to_owned());
    // Programs for x86 with 32 bits also make sockets by socketcall(2), whose arguments no filter sees.
    set("security.syscalls.deny_compat", "true".to_owned());
    let resources = &spec.resources;
    if let Some(cpu) = resources.cpu {
        set("limits.cpu", cpu.to_string());
    }
    if let Some(memory) = &resources.memory {
        set("limits.memory", memory.to_string());
    }
    if let Some(processes) = resources.processes {
        set("limits.processes", processes.to_string());
    }
    config
}

fn devices(spec: &Spec) -> Map<String, Value> {
    let mut devices = Map::new();
    let mut root = json!({ "type": "disk", "path": "/", "pool": spec.incus.storage_pool });
    if let Some(size) = &spec.resources.disk {
        root["size"] = json!(size);
    }
    devices.insert("root".to_owned(), root);
    let network = &spec.network;
    let card = json!({
        "type": "nic",
        "nictype": "bridged",
        "parent": network.bridge,
        "host_name": network.host_interface,
        "name": network.interface,
        "hwaddr": network.mac,
        "security.port_isolation": network.isolated.to_string(),
    });
    devices.insert("network".to_owned(), card);
    for (index, mount) in spec.mounts.as_slice().iter().enumerate() {
        let disk = json!({
            "type": "disk",
            "source": mount.source,
            "path": mount.path,
            "readonly": mount.read_only.to_string(),
            // Owners are the same numbers on both sides, whichever range of ids the container got this time.
            "shift": "true",
        });
        devices.insert(format!("mount-{index}"), disk);
    }
    if let Some(gpu) = &spec.gpu {
        let mut device = json!({ "type": "gpu", "gputype": "physical" });
        if let Some(pci) = &gpu.pci {
            device["pci"] = json!(pci);
        }
        if let Some(gid) = gpu.gid {
            device["gid"] = json!(gid.to_string());
        }
        devices.insert("gpu".to_owned(), device);
    }
    devices
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn with_ids(text: &str) -> Found {
        let config = json!({ "volatile.idmap.next": text });
        serde_json::from_value(json!({ "name": "dev", "status": "Stopped", "config": config })).unwrap()
    }

    #[test]
    fn ids_that_are_not_understood_are_no_empty_ones() {
        let known = r#"[{"Isuid":true,"Isgid":true,"Hostid":1065536,"Nsid":0,"Maprange":65536}]"#;
        assert_eq!(with_ids(known).ids().unwrap().first(), Some(&(1_065_536..1_131_072)));
        for none in ["", "[]"] {
            assert_eq!(with_ids(none).ids().unwrap(), []);
        }
        for odd in ["{", "[1]", r#"[{"Hostid":"1065536","Maprange":65536}]"#, r#"[{"Hostid":-1,"Maprange":1}]"#] {
            let error = with_ids(odd).ids().unwrap_err().to_string();
            assert!(error.contains("`dev`"), "{odd}: {error}");
        }
    }
}

//! The host's end of a workspace's network card, where a daemon that was killed has left it behind.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;

use crate::error::Error;
use crate::progress::Progress;
use crate::spec::InterfaceName;
use crate::watch::Watch;

/// How long the kernel may take to remove the interface of a container that has just stopped.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `ip -json -details link show` prints, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Link {
    /// The name of the other end, if that is in the same network namespace.
    #[serde(default)]
    link: Option<String>,
    #[serde(default)]
    linkinfo: Option<LinkInfo>,
}

#[derive(Debug, Deserialize)]
struct LinkInfo {
    #[serde(default)]
    info_kind: Option<String>,
}

/// Make sure that no interface has the name. One that was left behind is removed: a veth pair with both ends on the
/// host, so that no container has any part of it.
///
/// # Errors
/// Another interface has the name, or the leftover can't be removed.
pub fn clear(name: &InterfaceName, watch: &Watch, progress: &Progress) -> Result<(), Error> {
    let patience = watch.within(PATIENCE);
    let path = Path::new("/sys/class/net").join(name.as_str());
    while path.symlink_metadata().is_ok() {
        clear_leftover(name, progress)?;
        watch.check(|| format!("the interface {name} is still there"))?;
        if patience.is_over() {
            return Err(Error::Host {
                attempt: "plug the workspace in".to_owned(),
                reason: format!("the host has an interface {name} already"),
                help: Some(format!(
                    "see whose it is with `ip -d link show {name}`; names must differ between workspaces"
                )),
            });
        }
        progress.step(&format!("waiting for the old interface {name} to go"));
        watch.sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Remove the interface if it was left behind.
///
/// # Errors
/// `ip` can't be run.
pub fn clear_leftover(name: &InterfaceName, progress: &Progress) -> Result<(), Error> {
    let path = Path::new("/sys/class/net").join(name.as_str());
    if path.symlink_metadata().is_err() || !is_leftover(name)? {
        return Ok(());
    }
    progress.note(&format!("removing the interface {name}, which a killed daemon has left behind"));
    // It may have gone by itself in between.
    ip(&["link", "delete", "dev", name.as_str()]).map(drop)
}

fn is_leftover(name: &InterfaceName) -> Result<bool, Error> {
    let Some(output) = ip(&["-json", "-details", "link", "show", "dev", name.as_str()])? else { return Ok(false) };
    let links: Vec<Link> = serde_json::from_slice(&output).unwrap_or_default();
    let is_veth = |link: &Link| link.linkinfo.as_ref().is_some_and(|info| info.info_kind.as_deref() == Some("veth"));
    Ok(links.iter().any(|link| link.link.is_some() && is_veth(link)))
}

/// What `ip` prints, if it succeeds.
fn ip(arguments: &[&str]) -> Result<Option<Vec<u8>>, Error> {
    let output = Command::new("ip").args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.map_err(|error| Error::Host {
        attempt: "look at the host's interfaces with `ip`".to_owned(),
        reason: error.to_string(),
        help: Some("install iproute2; in a NixOS unit: path = [ pkgs.iproute2 ]".to_owned()),
    })?;
    Ok(output.status.success().then_some(output.stdout))
}

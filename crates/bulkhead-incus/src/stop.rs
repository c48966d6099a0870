//! `stop`: shut a workspace down and remove its instance.

use std::path::Path;
use std::time::Duration;

use crate::api::Api;
use crate::error::Error;
use crate::instance;
use crate::interface;
use crate::lock::Locks;
use crate::progress::Progress;
use crate::spec::read;
use crate::watch::Watch;

/// What stopping may take beyond the shutdown itself: waiting for other commands, killing, removing.
const BEYOND: Duration = Duration::from_secs(120);

/// Stop the workspace of the spec in the file `path`. Nothing is wrong if it does not run.
///
/// # Errors
/// It is still there.
pub fn stop(path: &Path, quiet: bool) -> Result<(), Error> {
    let spec = read(path)?;
    let name = spec.name.as_str();
    let progress = Progress::new(name, quiet);
    let shutdown = spec.stop_seconds.duration();
    let watch = Watch::new(shutdown + BEYOND)?;
    let locks = Locks::open(spec.state_folder.as_path())?;
    let _held = locks.workspace(spec.incus.project.as_str(), name, &watch, &progress)?;
    let api = Api::new(spec.incus.socket.as_path(), Some(spec.incus.project.as_str()), &watch);
    progress.step("asking Incus");
    match instance::remove(&api, name, Some(shutdown), &progress) {
        Ok(true) => progress.step("stopped"),
        Ok(false) => progress.step("it was not running"),
        Err(error @ Error::Foreign { .. }) => {
            progress.note(&error.to_string());
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    interface::clear_leftover(&spec.network.host_interface, &progress)
}

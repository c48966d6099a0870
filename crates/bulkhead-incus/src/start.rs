//! `start`: make a workspace's instance anew, start it, and wait until it is ready. What fails leaves nothing behind.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::Api;
use crate::error::Error;
use crate::image;
use crate::instance::{self, Origin};
use crate::interface;
use crate::lock::Locks;
use crate::progress::Progress;
use crate::ready;
use crate::spec::{Fingerprint, Spec, read};
use crate::watch::Watch;

/// How long cleaning up may take. systemd is asked for that time.
const CLEANING: Duration = Duration::from_secs(90);
/// How long it is looked for something to clean up.
const GLANCE: Duration = Duration::from_secs(5);
/// How often all is begun anew because the daemon went away in the middle.
const RESTARTS: u32 = 3;
/// How often the instance is made anew, because the daemon was making it already for a start that was killed, or gave
/// it another's ids.
const CONFLICTS: u32 = 3;

/// Start the workspace of the spec in the file `path`.
///
/// # Errors
/// What happened; then nothing of this start is left, or a note says what is.
pub fn start(path: &Path, quiet: bool) -> Result<(), Error> {
    let spec = read(path)?;
    let path = std::path::absolute(path).map_err(|error| Error::host("find the current folder", error))?;
    let progress = Progress::new(spec.name.as_str(), quiet);
    let watch = Watch::new(spec.ready.deadline_seconds.duration())?;
    check_mounts(&spec)?;
    let locks = Locks::open(spec.state_folder.as_path())?;
    let _held = locks.workspace(spec.incus.project.as_str(), spec.name.as_str(), &watch, &progress)?;
    let api = Api::new(spec.incus.socket.as_path(), Some(spec.incus.project.as_str()), &watch);
    let start = Start { specs: spec_folder(&spec, &path), spec: &spec, path: &path, api, locks, progress: &progress };
    start.run()
}

/// The folder that `spec`, which lies at `path`, belongs to.
pub fn spec_folder(spec: &Spec, path: &Path) -> PathBuf {
    match &spec.spec_folder {
        Some(folder) => folder.as_path().components().collect(),
        None => path.parent().unwrap_or(Path::new("/")).to_owned(),
    }
}

struct Start<'a> {
    spec: &'a Spec,
    path: &'a Path,
    specs: PathBuf,
    api: Api,
    locks: Locks,
    progress: &'a Progress,
}

/// What a start has changed so far.
#[derive(Default)]
struct Made {
    /// The old instance is gone, or a new one is being made.
    instance: bool,
    /// An image that was imported, and that no instance could be made from.
    useless: Option<Fingerprint>,
}

impl Start<'_> {
    fn run(&self) -> Result<(), Error> {
        self.progress.step("asking Incus");
        let mut restarts = 0;
        loop {
            let mut made = Made::default();
            let Err(error) = self.attempt(&mut made) else { return Ok(()) };
            self.clean_up(&made, &error);
            if !error.is_lost() || restarts == RESTARTS || self.api.watch().is_over() {
                return Err(error);
            }
            restarts += 1;
            self.api.wait_until_back(instance::ABSENCE, self.progress)?;
            self.progress.note("Incus was restarted in the middle of the start, which begins anew");
        }
    }

    fn attempt(&self, made: &mut Made) -> Result<(), Error> {
        let name = self.spec.name.as_str();
        let server = self.api.get("", "reach Incus")?;
        if server.get("auth").and_then(|auth| auth.as_str()) != Some("trusted") {
            return Err(Error::host("use Incus", "it does not trust this user"));
        }
        // Better said before an image is sent.
        let incus = &self.spec.incus;
        self.api.get(&format!("/projects/{}", incus.project), &format!("use the project {}", incus.project))?;
        let pool = &incus.storage_pool;
        self.api.get(&format!("/storage-pools/{pool}"), &format!("use the storage pool {pool}"))?;
        instance::find_ours(&self.api, name)?;
        self.make(made)?;
        instance::start(&self.api, name, self.progress)?;
        ready::wait(&self.api, self.spec, self.progress)?;
        instance::mark_ready(&self.api, name, self.progress)?;
        self.progress.ready("ready");
        Ok(())
    }

    /// Make the instance anew, and the image if need be.
    fn make(&self, made: &mut Made) -> Result<(), Error> {
        let Start { spec, api, locks, progress, .. } = self;
        let name = spec.name.as_str();
        let _kept = locks.images_kept(api.watch(), progress)?;
        let (fingerprint, imported) = image::ensure(api, &spec.image, &self.specs, locks, progress)?;
        let origin = Origin { spec: self.path, specs: &self.specs };
        let mut conflicts = 0;
        loop {
            // From here on the old instance is lost in any case.
            made.instance = true;
            instance::remove(api, name, Some(spec.stop_seconds.duration()), progress)?;
            interface::clear(&spec.network.host_interface, api.watch(), progress)?;
            match instance::create(api, spec, &fingerprint, origin, locks, progress) {
                Ok(()) if instance::has_own_ids(api, name)? => return Ok(()),
                Ok(()) if conflicts == CONFLICTS => {
                    let reason = "Incus gives it ids that another isolated instance has";
                    return Err(Error::host(format!("isolate the instance `{name}`"), reason));
                }
                Ok(()) => conflicts += 1,
                Err(error) if error.answer().contains("already exists") && conflicts < CONFLICTS => conflicts += 1,
                Err(error @ Error::Refused { .. }) => {
                    made.useless = imported.then_some(fingerprint);
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn clean_up(&self, made: &Made, error: &Error) {
        // What is not ours was not touched, and there is nothing to clean up where nobody answers.
        let is_away = matches!(error, Error::Unreachable { .. } | Error::Lost { .. });
        if matches!(error, Error::Foreign { .. }) || is_away && !made.instance {
            return;
        }
        let api = self.api.with(self.api.project(), &Watch::undisturbed(CLEANING));
        if let Err(left) = self.clean_up_with(&api, made) {
            self.progress.note(&format!("something is left behind, which the next start, stop or gc removes: {left}"));
        }
    }

    fn clean_up_with(&self, api: &Api, made: &Made) -> Result<(), Error> {
        let name = self.spec.name.as_str();
        if made.instance {
            instance::remove(api, name, None, self.progress)?;
        } else {
            // A complete one was there before, and goes on; one that a killed start has left does not. The daemon may
            // be what this failed at, so it is not waited for.
            let brief = api.with(api.project(), &Watch::undisturbed(GLANCE));
            if instance::find_ours(&brief, name)?.is_some_and(|found| !found.was_ready()) {
                instance::remove(api, name, None, self.progress)?;
            }
        }
        match &made.useless {
            Some(fingerprint) => image::discard(api, fingerprint, &self.locks, self.progress),
            None => Ok(()),
        }
    }
}

/// Incus tells of a missing folder only after it has made the instance.
fn check_mounts(spec: &Spec) -> Result<(), Error> {
    for mount in spec.mounts.as_slice() {
        std::fs::metadata(mount.source.as_path()).map_err(|error| Error::Host {
            attempt: format!("mount {} on {} of `{}`", mount.source, mount.path, spec.name),
            reason: error.to_string(),
            help: Some("make it before the workspace starts; on NixOS: systemd.tmpfiles.rules".to_owned()),
        })?;
    }
    Ok(())
}

//! `gc`: remove the instances of workspaces that are no more, what killed starts have left, and images that nobody
//! needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::api::Api;
use crate::error::Error;
use crate::image;
use crate::instance::{self, Found};
use crate::lock::Locks;
use crate::output;
use crate::progress::Progress;
use crate::spec::{Spec, read};
use crate::watch::Watch;

/// Far more than it takes, unless something hangs.
const TIME: Duration = Duration::from_secs(600);
/// How long other starts are waited for before images can be removed.
const FOR_STARTS: Duration = Duration::from_secs(60);
/// The shutdown of a workspace whose spec, which would say, is gone.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// What is collected, and where.
#[derive(Debug)]
pub struct Request {
    /// The folder of the specs. Only what was started from specs of this folder is looked at.
    pub specs: PathBuf,
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The folder of the lock files.
    pub state_folder: PathBuf,
    /// Tell only.
    pub dry_run: bool,
    /// Print nothing of what is done.
    pub quiet: bool,
}

/// Collect.
///
/// # Errors
/// The folder or a spec in it can't be read: then nothing is removed. Or something could not be removed.
pub fn gc(request: &Request) -> Result<(), Error> {
    let folder = absolute(&request.specs)?;
    let specs = specs_in(&folder)?;
    let progress = Progress::new("", request.quiet);
    let watch = Watch::new(TIME)?;
    let locks = Locks::open(&request.state_folder)?;
    let all = Api::new(&request.socket, None, &watch);
    let collector = Collector { folder, specs, all, locks, progress: &progress, dry_run: request.dry_run };
    collector.instances()?;
    collector.images()
}

/// The specs in `folder`: its files that end with `.json`, with their paths.
///
/// # Errors
/// One can't be read, so that nobody knows which workspace it is about.
pub fn specs_in(folder: &Path) -> Result<Vec<(PathBuf, Spec)>, Error> {
    let fail = |error: std::io::Error| Error::Host {
        attempt: format!("read the folder of specs {}", folder.display()),
        reason: error.to_string(),
        help: Some("name another with --specs; if there are to be no workspaces, make it an empty folder".to_owned()),
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| Ok((path.clone(), read(&path)?))).collect()
}

/// `path` as it is written down in instances: absolute, links as they are.
///
/// # Errors
/// There is no current folder.
pub fn absolute(path: &Path) -> Result<PathBuf, Error> {
    let absolute = std::path::absolute(path).map_err(|error| Error::host("find the current folder", error))?;
    Ok(absolute.components().collect())
}

struct Collector<'a> {
    folder: PathBuf,
    specs: Vec<(PathBuf, Spec)>,
    all: Api,
    locks: Locks,
    progress: &'a Progress,
    dry_run: bool,
}

/// Why an instance goes.
enum Reason {
    NoSpec,
    Unfinished,
}

impl Collector<'_> {
    fn instances(&self) -> Result<(), Error> {
        for found in instance::list(&self.all)? {
            if !self.is_here(found.specs()) || !found.is_ours() || self.reason(&found).is_none() {
                continue;
            }
            let (project, name) = (found.project.as_str(), found.name.as_str());
            let Some(_held) = self.locks.workspace_now(project, name)? else {
                self.progress.note(&format!("another command works on `{name}`; it is left to that"));
                continue;
            };
            // It may have become ready, or another, until the lock was ours.
            let api = self.all.with(Some(project), self.all.watch());
            let Some(found) = instance::find_ours(&api, name)? else { continue };
            let Some(reason) = self.reason(&found) else { continue };
            let why = match reason {
                Reason::NoSpec => format!("it has no spec in {} any more", self.folder.display()),
                Reason::Unfinished => "the start that made it was killed".to_owned(),
            };
            if self.dry_run {
                output::line(&format!("would remove the instance `{name}`: {why}"));
                continue;
            }
            instance::remove(&api, name, Some(SHUTDOWN), self.progress)?;
            output::line(&format!("removed the instance `{name}`: {why}"));
        }
        Ok(())
    }

    fn reason(&self, found: &Found) -> Option<Reason> {
        let is_its = |spec: &Spec| spec.name.as_str() == found.name && spec.incus.project.as_str() == found.project;
        if !self.specs.iter().any(|(_, spec)| is_its(spec)) {
            return Some(Reason::NoSpec);
        }
        (!found.was_ready()).then_some(Reason::Unfinished)
    }

    fn images(&self) -> Result<(), Error> {
        let ours = |found: &image::Found| self.is_here(found.specs());
        if !image::list(&self.all)?.iter().any(ours) {
            return Ok(());
        }
        let mut needed = BTreeSet::new();
        for (path, spec) in &self.specs {
            let fingerprint = match &spec.image.fingerprint {
                Some(fingerprint) => Ok(fingerprint.clone()),
                None => image::fingerprint(&spec.image, self.all.watch(), self.progress),
            };
            match fingerprint {
                Ok(fingerprint) => needed.insert(fingerprint.as_str().to_owned()),
                Err(error @ Error::Host { .. }) => {
                    let path = path.display();
                    self.progress
                        .note(&format!("no image is removed, as which one {path} needs is not known: {error}"));
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
        }
        let watch = self.all.watch().within(FOR_STARTS);
        let _held = self.locks.images_removed(&watch, self.progress)?;
        // Anybody's instances: Incus could do without the image, but its owner may not.
        let used = instance::list(&self.all)?;
        needed.extend(used.iter().filter_map(|found| found.image()).map(str::to_owned));
        for found in image::list(&self.all)? {
            if !ours(&found) || needed.contains(&found.fingerprint) {
                continue;
            }
            let short = found.fingerprint.get(..12).unwrap_or(&found.fingerprint);
            if self.dry_run {
                output::line(&format!("would remove the image {short}: nothing needs it"));
                continue;
            }
            let api = self.all.with(Some(found.project.as_deref().unwrap_or("default")), self.all.watch());
            image::remove(&api, &found.fingerprint, self.progress)?;
            output::line(&format!("removed the image {short}: nothing needs it"));
        }
        Ok(())
    }

    fn is_here(&self, specs: Option<&str>) -> bool {
        specs.is_some_and(|specs| Path::new(specs) == self.folder)
    }
}

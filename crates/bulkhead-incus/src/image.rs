//! Images, which are named by what is in them: their fingerprint is the SHA-256 of the metadata file followed by the
//! rootfs file (Incus, `doc/reference/image_format.md`).

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::api::Api;
use crate::error::Error;
use crate::instance;
use crate::lock::Locks;
use crate::progress::Progress;
use crate::spec::{Fingerprint, Image};
use crate::watch::Watch;

/// The property of an image that we imported: the folder of the specs that it was imported for.
pub const SPECS: &str = "user.bulkhead.specs";

/// What lies between the parts of an upload (RFC 2046, section 5.1.1). Both parts are compressed archives, in which
/// it does not occur by chance.
const BOUNDARY: &str = "bulkhead-8f14e45fceea167a5a36dedd4bea2543";

/// An image that is there.
#[derive(Debug, Deserialize)]
pub struct Found {
    /// Its fingerprint.
    pub fingerprint: String,
    /// Its project.
    #[serde(default)]
    pub project: Option<String>,
    #[serde(default)]
    properties: serde_json::Map<String, Value>,
}

impl Found {
    /// The folder of the specs that it was imported for, if we imported it.
    pub fn specs(&self) -> Option<&str> {
        self.properties.get(SPECS)?.as_str()
    }
}

/// Make sure that Incus has the image. Gives its fingerprint, and whether it had to be imported.
///
/// # Errors
/// The files can't be read or are not what the spec says, or Incus refuses them.
pub fn ensure(
    api: &Api,
    image: &Image,
    specs: &Path,
    locks: &Locks,
    progress: &Progress,
) -> Result<(Fingerprint, bool), Error> {
    let watch = api.watch();
    progress.step("looking for the image");
    let wanted = match &image.fingerprint {
        Some(fingerprint) => fingerprint.clone(),
        None => fingerprint(image, watch, progress)?,
    };
    if is_there(api, &wanted)? {
        return Ok((wanted, false));
    }
    let _held = locks.import(watch, progress)?;
    if is_there(api, &wanted)? {
        return Ok((wanted, false));
    }
    if image.fingerprint.is_some() {
        verify(image, &wanted, watch, progress)?;
    }
    progress.step(&format!("importing the image {}", wanted.short()));
    match import(api, image, &wanted, specs, progress) {
        Ok(()) => Ok((wanted, true)),
        // A start that was killed may have left the daemon importing it.
        Err(Error::Refused { .. }) if is_there(api, &wanted)? => Ok((wanted, false)),
        Err(error) => Err(error),
    }
}

/// The images in the project, or in all of them.
///
/// # Errors
/// As for [`Api::get`].
pub fn list(api: &Api) -> Result<Vec<Found>, Error> {
    let attempt = "list the images";
    let found = api.get("/images?recursion=1", attempt)?;
    api.typed(found, attempt)
}

/// Remove an image, if it is still there.
///
/// # Errors
/// As for [`Api::change`].
pub fn remove(api: &Api, fingerprint: &str, progress: &Progress) -> Result<(), Error> {
    let short = fingerprint.get(..12).unwrap_or(fingerprint);
    let attempt = format!("remove the image {short}");
    match api.change("DELETE", &format!("/images/{fingerprint}"), None, &attempt, progress) {
        Err(error) if error.has_code(404) => Ok(()),
        other => other,
    }
}

/// Remove an image that we have just imported and that no instance can be made from. If others are using it now, it
/// stays.
///
/// # Errors
/// As for [`Api::change`].
pub fn discard(api: &Api, fingerprint: &Fingerprint, locks: &Locks, progress: &Progress) -> Result<(), Error> {
    let watch = api.watch().within(std::time::Duration::from_secs(5));
    let Ok(_held) = locks.images_removed(&watch, progress) else { return Ok(()) };
    let all = api.with(None, api.watch());
    let is_used = instance::list(&all)?.iter().any(|instance| instance.image() == Some(fingerprint.as_str()));
    if is_used { Ok(()) } else { remove(api, fingerprint.as_str(), progress) }
}

/// The fingerprint of the files.
///
/// # Errors
/// They can't be read, or the watch is over.
pub fn fingerprint(image: &Image, watch: &Watch, progress: &Progress) -> Result<Fingerprint, Error> {
    progress.step("reading the image files");
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    for path in files(image) {
        let mut file = open(path)?;
        loop {
            watch.check(|| format!("still reading {}", path.display()))?;
            let read = file.read(&mut buffer).map_err(|error| unreadable(path, &error))?;
            if read == 0 {
                break;
            }
            hash.update(buffer.get(..read).unwrap_or_default());
            progress.alive();
        }
    }
    Ok(Fingerprint::computed(&hash.finalize()))
}

fn verify(image: &Image, wanted: &Fingerprint, watch: &Watch, progress: &Progress) -> Result<(), Error> {
    let found = fingerprint(image, watch, progress)?;
    if found == *wanted {
        return Ok(());
    }
    let names: Vec<String> = files(image).map(|path| path.display().to_string()).collect();
    Err(Error::Host {
        attempt: format!("use the image in {}", names.join(" and ")),
        reason: format!("its fingerprint is {found}, and the spec says {wanted}: the files are damaged or not those"),
        help: Some("build the image and the spec anew".to_owned()),
    })
}

fn is_there(api: &Api, fingerprint: &Fingerprint) -> Result<bool, Error> {
    Ok(api.find(&format!("/images/{fingerprint}"), "look for the image")?.is_some())
}

fn import(api: &Api, image: &Image, fingerprint: &Fingerprint, specs: &Path, progress: &Progress) -> Result<(), Error> {
    let attempt = format!("import the image {}", fingerprint.short());
    let properties = format!("{SPECS}={}", encoded(&specs.to_string_lossy()));
    let owner = [("X-Incus-properties", properties.as_str()), ("X-Incus-fingerprint", fingerprint.as_str())];
    let metadata = open(image.metadata.as_path())?;
    let metadata_length = length(&metadata, image.metadata.as_path())?;
    let Some(rootfs_path) = &image.rootfs else {
        let headers = [&owner[..], &[("Content-Type", "application/octet-stream")]].concat();
        let mut body = Counted::new(metadata, metadata_length, progress);
        return api.upload("/images", &headers, &mut body, metadata_length, &attempt, progress);
    };
    let rootfs = open(rootfs_path.as_path())?;
    let rootfs_length = length(&rootfs, rootfs_path.as_path())?;
    let (first, second) = (part("metadata"), format!("\r\n{}", part("rootfs")));
    let end = format!("\r\n--{BOUNDARY}--\r\n");
    let frame = first.len() + second.len() + end.len();
    let total = metadata_length + rootfs_length + frame as u64;
    // What a file has gained since its length was taken must not be taken for what follows it.
    let body = Cursor::new(first)
        .chain(metadata.take(metadata_length))
        .chain(Cursor::new(second))
        .chain(rootfs.take(rootfs_length))
        .chain(Cursor::new(end));
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [&owner[..], &[("Content-Type", kind.as_str())]].concat();
    api.upload("/images", &headers, &mut Counted::new(body, total, progress), total, &attempt, progress)
}

fn part(name: &str) -> String {
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
}

/// A reader that tells how far it is.
struct Counted<'a, R> {
    inner: R,
    read: u64,
    total: u64,
    progress: &'a Progress,
}

impl<'a, R> Counted<'a, R> {
    fn new(inner: R, total: u64, progress: &'a Progress) -> Self {
        Counted { inner, read: 0, total, progress }
    }
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        if self.read < self.total {
            self.progress.detail(&format!("{} %", self.read * 100 / self.total.max(1)));
        }
        Ok(read)
    }
}

fn files(image: &Image) -> impl Iterator<Item = &Path> {
    [Some(&image.metadata), image.rootfs.as_ref()].into_iter().flatten().map(|path| path.as_path())
}

fn open(path: &Path) -> Result<File, Error> {
    File::open(path).map_err(|error| unreadable(path, &error))
}

fn length(file: &File, path: &Path) -> Result<u64, Error> {
    Ok(file.metadata().map_err(|error| unreadable(path, &error))?.len())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let missing = error.kind() == std::io::ErrorKind::NotFound;
    Error::Host {
        attempt: format!("read the image file {}", path.display()),
        reason: error.to_string(),
        help: missing.then(|| "build the image again; on NixOS, switching to the configuration does".to_owned()),
    }
}

/// `text` for a query string (RFC 3986, section 2.3).
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

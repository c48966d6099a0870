//! `SPEC.json`: everything about one workspace that `start` and `stop` need to know.

mod fields;
mod read;

use std::num::{NonZeroU16, NonZeroU32};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use fields::{
    AbsolutePath, Address, Fingerprint, IncusName, InterfaceName, Mac, Name, PciAddress, Seconds, Size, Version,
};
pub use read::{SpecError, read};

/// Where the lock files lie, unless a spec says otherwise: root's alone, and gone after a boot.
pub const STATE_FOLDER: &str = "/run/bulkhead-incus";
/// Where the specs of this machine lie, unless a spec or an argument says otherwise.
pub const SPEC_FOLDER: &str = "/etc/bulkhead/incus";
/// The socket of the Incus daemon, as NixOS and Debian have it.
pub const SOCKET: &str = "/var/lib/incus/unix.socket";

/// One workspace: an Incus container that is made anew at each start and removed at stop.
///
/// The container is unprivileged with an id map of its own, without nesting, without Incus' guest interface, and
/// without any profile: what is not here is not in it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Spec {
    /// Where this schema is, for editors; not read.
    #[serde(default, rename = "$schema", skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The version of this format: 1.
    pub version: Version,
    /// The name of the workspace, which is also its instance's.
    pub name: Name,
    /// What it is made from.
    pub image: Image,
    /// Its network card.
    pub network: Network,
    /// What it may use of the machine.
    #[serde(default)]
    pub resources: Resources,
    /// What of the host's files it sees. Numeric owners are the same on both sides.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub mounts: Mounts,
    /// The graphics card that it may use, if any.
    #[serde(default)]
    pub gpu: Option<Gpu>,
    /// When it counts as started.
    #[serde(default)]
    pub ready: Ready,
    /// The daemon that runs it, and where in it.
    #[serde(default)]
    pub incus: Incus,
    /// The folder of the lock files. All specs of one daemon, and `gc`, must name the same.
    #[serde(default = "default_state_folder")]
    pub state_folder: AbsolutePath,
    /// The folder that keeps this machine's specs: once no spec there has this workspace's name, `gc` removes its
    /// instance. By default the folder of the spec itself; name it if that is elsewhere, such as in the Nix store.
    #[serde(default)]
    pub spec_folder: Option<AbsolutePath>,
    /// How long a shutdown may take before the container is killed, in seconds.
    #[serde(default = "default_stop_seconds")]
    pub stop_seconds: Seconds,
}

/// An image, in the two files that Incus calls a split image.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Image {
    /// A tar archive with `metadata.yaml`, compressed or not.
    pub metadata: AbsolutePath,
    /// The root file system: a tar archive, compressed or not, or a squashfs. Without it, `metadata` holds both.
    #[serde(default)]
    pub rootfs: Option<AbsolutePath>,
    /// What the image's fingerprint must be. With it the files are read only if Incus has not got the image yet, and
    /// damaged ones are refused; without it they are read at each start.
    #[serde(default)]
    pub fingerprint: Option<Fingerprint>,
}

/// The network card of a workspace. The system in the image configures it; here is what must come of that.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Network {
    /// The bridge on the host that it is plugged into.
    pub bridge: InterfaceName,
    /// The name of its end on the host.
    pub host_interface: InterfaceName,
    /// The name of its end in the container.
    #[serde(default = "default_interface")]
    pub interface: InterfaceName,
    /// The card's MAC address.
    pub mac: Mac,
    /// The addresses that it must get. `start` waits until it has all of them.
    #[schemars(length(min = 1))]
    pub addresses: Addresses,
    /// Whether the bridge keeps it from all other isolated ports.
    #[serde(default = "default_true")]
    pub isolated: bool,
}

/// At least one address, each once.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Vec<Address>", into = "Vec<Address>")]
pub struct Addresses(Vec<Address>);

/// What a workspace may use of the machine; what is absent is not limited.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Resources {
    /// The number of processors.
    #[serde(default)]
    pub cpu: Option<NonZeroU16>,
    /// Memory.
    #[serde(default)]
    pub memory: Option<Size>,
    /// The size of the root file system. Storage pools of the kind `dir` heed it only with project quotas.
    #[serde(default)]
    pub disk: Option<Size>,
    /// The number of processes and threads.
    #[serde(default)]
    pub processes: Option<NonZeroU32>,
}

/// A folder or file of the host that a workspace sees.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Mount {
    /// The folder or file on the host. It must exist.
    pub source: AbsolutePath,
    /// Where it is in the container; not `/`.
    pub path: AbsolutePath,
    /// Whether the workspace can't write there.
    #[serde(default)]
    pub read_only: bool,
}

/// Mounts with different paths in the container.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "Vec<Mount>", into = "Vec<Mount>")]
pub struct Mounts(Vec<Mount>);

/// A graphics card.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Gpu {
    /// Which card; all of them if absent.
    #[serde(default)]
    pub pci: Option<PciAddress>,
    /// The group in the container that owns the device files: 303 is `render` on NixOS. Root's if absent.
    #[serde(default)]
    pub gid: Option<u32>,
}

/// When a workspace counts as started: it runs, has its addresses, and what is said here.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Ready {
    /// A TCP port that must take a connection on the first address, such as 22.
    #[serde(default)]
    pub port: Option<NonZeroU16>,
    /// How long a start may take in all, in seconds, waiting for other starts and the import of the image included.
    #[serde(default = "default_deadline")]
    pub deadline_seconds: Seconds,
}

impl Default for Ready {
    fn default() -> Ready {
        Ready { port: None, deadline_seconds: default_deadline() }
    }
}

/// The daemon, and where in it.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Incus {
    /// The daemon's socket.
    #[serde(default = "default_socket")]
    pub socket: AbsolutePath,
    /// The project; it must exist.
    #[serde(default = "default_name")]
    pub project: IncusName,
    /// The storage pool of the root file system; it must exist.
    #[serde(default = "default_name")]
    pub storage_pool: IncusName,
}

impl Default for Incus {
    fn default() -> Incus {
        Incus { socket: default_socket(), project: default_name(), storage_pool: default_name() }
    }
}

impl Addresses {
    /// The addresses, at least one.
    pub fn as_slice(&self) -> &[Address] {
        &self.0
    }
}

impl TryFrom<Vec<Address>> for Addresses {
    type Error = String;

    fn try_from(addresses: Vec<Address>) -> Result<Self, String> {
        if addresses.is_empty() {
            return Err("there must be an address".to_owned());
        }
        for (index, address) in addresses.iter().enumerate() {
            if addresses.iter().take(index).any(|other| other.ip == address.ip) {
                return Err(format!("{} is there twice", address.ip));
            }
        }
        Ok(Addresses(addresses))
    }
}

impl From<Addresses> for Vec<Address> {
    fn from(addresses: Addresses) -> Vec<Address> {
        addresses.0
    }
}

impl Mounts {
    /// The mounts, in the order of the spec.
    pub fn as_slice(&self) -> &[Mount] {
        &self.0
    }
}

impl TryFrom<Vec<Mount>> for Mounts {
    type Error = String;

    fn try_from(mounts: Vec<Mount>) -> Result<Self, String> {
        for (index, mount) in mounts.iter().enumerate() {
            let path = mount.path.as_path();
            if path.parent().is_none() {
                return Err(
                    "nothing can be mounted on / of the container; its root file system is the image".to_owned()
                );
            }
            if let Some(other) = mounts.iter().take(index).find(|other| other.path.as_path() == path) {
                let (path, one, two) = (path.display(), &other.source, &mount.source);
                return Err(format!("both `{one}` and `{two}` are mounted on `{path}`"));
            }
        }
        Ok(Mounts(mounts))
    }
}

impl From<Mounts> for Vec<Mount> {
    fn from(mounts: Mounts) -> Vec<Mount> {
        mounts.0
    }
}

// The defaults below pass their own checks; a test reads them back.

fn default_state_folder() -> AbsolutePath {
    AbsolutePath::preset(STATE_FOLDER)
}

fn default_socket() -> AbsolutePath {
    AbsolutePath::preset(SOCKET)
}

fn default_name() -> IncusName {
    IncusName::preset("default")
}

fn default_interface() -> InterfaceName {
    InterfaceName::preset("eth0")
}

fn default_true() -> bool {
    true
}

fn default_deadline() -> Seconds {
    Seconds::preset(300)
}

fn default_stop_seconds() -> Seconds {
    Seconds::preset(30)
}

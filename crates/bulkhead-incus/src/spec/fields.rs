//! The values in a `SPEC.json` that are more than numbers: each refuses, while it is read, what can't be meant.

use std::fmt;
use std::net::IpAddr;
use std::path::{Component, Path};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A checked string: `$name` with its documentation, the pattern of its schema, and the check.
macro_rules! checked {
    ($(#[$docs:meta])* $name:ident, $pattern:literal, $check:path) => {
        $(#[$docs])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = $pattern))]
        pub struct $name(String);

        impl $name {
            /// The text, as it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                $check(&text).map(|()| $name(text))
            }
        }

        impl From<$name> for String {
            fn from(checked: $name) -> String {
                checked.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

checked! {
    /// The name of the workspace, and of its instance: a host name without dots (RFC 1123, section 2.1), which starts
    /// with a letter.
    Name, "^[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$", check_name
}
checked! {
    /// The name of a project or storage pool of Incus.
    IncusName, "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", check_incus_name
}
checked! {
    /// The name of a network interface: at most 15 bytes, which is what Linux takes.
    InterfaceName, "^[A-Za-z0-9_][A-Za-z0-9_.-]{1,14}$", check_interface
}
checked! {
    /// A MAC address of one network card, such as `02:00:0a:09:00:0a`.
    Mac, "^[0-9A-Fa-f][02468ACEace](:[0-9A-Fa-f]{2}){5}$", check_mac
}
checked! {
    /// An amount with its unit, such as `4GiB`.
    Size, "^[1-9][0-9]{0,8}(MiB|GiB|TiB|MB|GB|TB)$", check_size
}
checked! {
    /// The SHA-256 of the metadata file followed by the rootfs file, in 64 lower-case hexadecimal digits. It is what
    /// Incus calls the fingerprint of the image.
    Fingerprint, "^[0-9a-f]{64}$", check_fingerprint
}
checked! {
    /// The address of a PCI device, such as `0000:01:00.0`.
    PciAddress, "^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$", check_pci
}
checked! {
    /// An absolute path, without `.` and `..`.
    AbsolutePath, "^(/|(/(?!\\.{1,2}(/|$))[^/\\u0000-\\u001f\\u007f]+)+/?)$", check_path
}

/// A value that is written in this program, as a default.
macro_rules! preset {
    ($($name:ident),*) => {
        $(impl $name {
            pub(super) fn preset(text: &'static str) -> $name {
                $name(text.to_owned())
            }
        })*
    };
}
preset!(AbsolutePath, IncusName, InterfaceName);

impl Fingerprint {
    /// A fingerprint that we have computed.
    pub(crate) fn computed(digest: &[u8]) -> Fingerprint {
        Fingerprint(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The first twelve digits, as Incus shows it.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl AbsolutePath {
    /// The path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

/// An address with the length of its network's prefix, such as `10.9.0.10/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^[0-9A-Fa-f.:]+/[0-9]{1,3}$"))]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// Bits of the prefix: up to 32 for IPv4, up to 128 for IPv6.
    pub prefix: u8,
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = |why: &str| format!("{text:?} {why}; write an address and the length of its prefix: 10.9.0.10/24");
        let (ip, prefix) = text.split_once('/').ok_or_else(|| wrong("has no length of a prefix"))?;
        let ip: IpAddr = ip.parse().map_err(|_| wrong("does not start with an IP address"))?;
        let bits = if ip.is_ipv4() { 32 } else { 128 };
        let digits = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = prefix.parse().ok().filter(|prefix| digits && (1..=bits).contains(prefix));
        let prefix = prefix.ok_or_else(|| wrong(&format!("has no prefix length from 1 to {bits}")))?;
        if ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() {
            return Err(wrong("is not the address of one machine"));
        }
        Ok(Address { ip, prefix })
    }
}

impl From<Address> for String {
    fn from(address: Address) -> String {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// A time from one second to a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "u64", into = "u64")]
#[schemars(with = "u64", extend("minimum" = 1, "maximum" = 86400))]
pub struct Seconds(u32);

impl Seconds {
    pub(super) const fn preset(seconds: u32) -> Seconds {
        Seconds(seconds)
    }

    /// As a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }

    /// The number.
    pub fn count(self) -> u32 {
        self.0
    }
}

impl TryFrom<u64> for Seconds {
    type Error = String;

    fn try_from(seconds: u64) -> Result<Self, String> {
        match u32::try_from(seconds) {
            Ok(seconds @ 1..=86_400) => Ok(Seconds(seconds)),
            _ => Err(format!("{seconds} is not between 1 and 86400 seconds")),
        }
    }
}

impl From<Seconds> for u64 {
    fn from(seconds: Seconds) -> u64 {
        seconds.0.into()
    }
}

/// The version of the format; there is one, 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "u64", into = "u64")]
#[schemars(with = "u64", extend("const" = 1))]
pub struct Version;

impl TryFrom<u64> for Version {
    type Error = String;

    fn try_from(version: u64) -> Result<Self, String> {
        match version {
            1 => Ok(Version),
            _ => Err(format!("version {version} is not known to this program, which reads version 1")),
        }
    }
}

impl From<Version> for u64 {
    fn from(_: Version) -> u64 {
        1
    }
}

fn check_name(text: &str) -> Result<(), String> {
    let starts = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let all = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if starts && all && text.len() <= 63 && !text.ends_with('-') {
        return Ok(());
    }
    Err(format!("{text:?} is no name of a workspace: a letter, then letters, digits and -, at most 63 in all"))
}

fn check_incus_name(text: &str) -> Result<(), String> {
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if starts && text.len() <= 63 && text.bytes().all(is_plain) {
        return Ok(());
    }
    Err(format!("{text:?} is no name that Incus takes: a letter or digit, then letters, digits, _, . and -"))
}

fn check_interface(text: &str) -> Result<(), String> {
    let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '_');
    if starts && (2..=15).contains(&text.len()) && text.bytes().all(is_plain) {
        return Ok(());
    }
    Err(format!("{text:?} is no name of an interface: 2 to 15 letters, digits, _, . and -"))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

fn check_mac(text: &str) -> Result<(), String> {
    let wrong = |why: &str| Err(format!("{text:?} {why}; write six bytes, the first of them even: 02:00:0a:09:00:0a"));
    let mut bytes = [0_u8; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let Some(value) = part.and_then(|part| u8::from_str_radix(part, 16).ok()) else {
            return wrong("is no MAC address");
        };
        *byte = value;
    }
    if parts.next().is_some() {
        return wrong("is no MAC address");
    }
    if bytes[0] & 1 == 1 {
        return wrong("is the MAC address of a group");
    }
    if bytes == [0; 6] {
        return wrong("is no card's MAC address");
    }
    Ok(())
}

fn check_size(text: &str) -> Result<(), String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let known = ["MiB", "GiB", "TiB", "MB", "GB", "TB"].contains(&unit);
    if known && (1..=9).contains(&digits) && !number.starts_with('0') {
        return Ok(());
    }
    Err(format!("{text:?} is no size: write a whole number and MiB, GiB, TiB, MB, GB or TB, such as 4GiB"))
}

fn check_fingerprint(text: &str) -> Result<(), String> {
    if text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')) {
        return Ok(());
    }
    Err(format!(
        "{text:?} is no fingerprint: 64 lower-case hexadecimal digits, as `cat METADATA ROOTFS | sha256sum` prints"
    ))
}

fn check_pci(text: &str) -> Result<(), String> {
    let fits = |(index, byte): (usize, &u8)| match index {
        4 | 7 => *byte == b':',
        10 => *byte == b'.',
        11 => matches!(byte, b'0'..=b'7'),
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    if text.len() == 12 && text.as_bytes().iter().enumerate().all(fits) {
        return Ok(());
    }
    Err(format!("{text:?} is no PCI address; write it as `lspci -D` does: 0000:01:00.0"))
}

fn check_path(text: &str) -> Result<(), String> {
    let path = Path::new(text);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    // `components` passes over `.` and doubled slashes.
    let normal = !text.contains("//") && !text.split('/').any(|part| part == ".");
    if path.is_absolute() && plain && normal && !text.contains(|character: char| character.is_ascii_control()) {
        return Ok(());
    }
    Err(format!("{text:?} is no absolute path without . and .."))
}

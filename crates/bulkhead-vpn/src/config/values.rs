//! Values of the configuration that are checked while they are read.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// An IPv4 network or an address with the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Net {
    /// The address as it was written.
    pub address: Ipv4Addr,
    /// The length of the prefix, 0 to 32.
    pub prefix: u8,
}

impl Ipv4Net {
    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// The first address.
    pub fn network(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() & self.mask())
    }

    /// The last address.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !self.mask())
    }

    /// Whether an address is in the network.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask() == self.network().to_bits()
    }
}

impl FromStr for Ipv4Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(address, prefix)| {
            let prefix = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Self { address: address.parse().ok()?, prefix })
        });
        parsed.ok_or_else(|| format!("{text:?} is no IPv4 network such as 10.73.0.0/24"))
    }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The name of a network interface: 1 to 15 bytes, and nothing that has a meaning in rules or paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() > 15 {
            return Err(format!(
                "{text:?} is no name of an interface: Linux takes 15 characters, these are {}",
                text.len()
            ));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.starts_with('.') || !text.chars().all(fits) {
            return Err(format!("{text:?} is no name of an interface: letters, digits, `-`, `_` and `.` are"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The most characters that the name of a service has.
pub const LONGEST_NAME: usize = 63;

/// The name of a service: letters, digits, `-` and `_`, as container names are; it becomes part of the names of counters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(String);

impl ServiceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts || text.len() > LONGEST_NAME || !text.chars().all(fits) {
            return Err(format!("{text:?} is no name of a service: a letter, then letters, digits, `-` and `_`"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An `https` URL without query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// The host: a name, or an address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, which begins with `/`.
    pub path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{text:?} is no URL that can be used: {why}"));
        let Some(rest) = text.strip_prefix("https://") else { return refuse("it does not begin with https://") };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.split_once(':') {
            None => (authority, Some(443)),
            Some((host, port)) => (host, port.parse().ok()),
        };
        let Some(port) = port else { return refuse("its port is no number from 1 to 65535") };
        if host.is_empty() || !host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')) {
            return refuse("it names no host");
        }
        if path.chars().any(|c| !c.is_ascii_graphic() || matches!(c, '?' | '#')) {
            return refuse("its path has a query, a blank or a letter that must be encoded");
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self { host: host.to_owned(), port, path: path.to_owned() })
    }
}

macro_rules! text_value {
    ($type:ty, $name:literal, $description:literal, $pattern:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $description, "pattern": $pattern })
            }
        }
    };
}

text_value!(Ipv4Net, "Ipv4Net", "An IPv4 network, as `10.73.0.0/24`", r"^[0-9.]+/[0-9]{1,2}$");
text_value!(InterfaceName, "InterfaceName", "The name of a network interface", r"^[A-Za-z0-9_-][A-Za-z0-9._-]{0,14}$");
text_value!(ServiceName, "ServiceName", "The name of a service", r"^[A-Za-z][A-Za-z0-9_-]{0,62}$");
text_value!(Url, "Url", "An https URL without query", r"^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[^?# ]*)?$");

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses() {
        let net: Ipv4Net = "10.73.0.9/24".parse().expect("a network");
        assert_eq!((net.network(), net.broadcast()), (Ipv4Addr::new(10, 73, 0, 0), Ipv4Addr::new(10, 73, 0, 255)));
        assert!(net.contains(Ipv4Addr::new(10, 73, 0, 200)) && !net.contains(Ipv4Addr::new(10, 73, 1, 0)));
        let all: Ipv4Net = "0.0.0.0/0".parse().expect("everything");
        assert!(all.contains(Ipv4Addr::BROADCAST));
        assert!(
            ["10.0.0.0", "10.0.0.0/33", "10.0.0/8", "x/8", "::/0"].iter().all(|text| text.parse::<Ipv4Net>().is_err())
        );
    }

    #[test]
    fn urls_are_split() {
        let url: Url = "https://example.org:8443/a/b".parse().expect("a URL");
        assert_eq!(url, Url { host: "example.org".into(), port: 8443, path: "/a/b".into() });
        assert_eq!("https://example.org".parse::<Url>().map(|url| (url.port, url.path)), Ok((443, "/".into())));
        for wrong in
            ["http://example.org", "https://", "https://a b/", "https://a/?q", "https://a:x/", "https://a/\r\n"]
        {
            assert!(wrong.parse::<Url>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_can_not_carry_rules() {
        for wrong in ["", "a b", "wg0\"; drop", "interface-too-long", "../x", "é"] {
            assert!(wrong.parse::<InterfaceName>().is_err(), "{wrong}");
        }
        assert!("x y".parse::<ServiceName>().is_err() && "1x".parse::<ServiceName>().is_err());
        assert!("wg-vpn.1".parse::<InterfaceName>().is_ok() && "qbittorrent".parse::<ServiceName>().is_ok());
    }
}

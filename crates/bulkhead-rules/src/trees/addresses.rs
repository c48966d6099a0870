//! IP networks, and what is made from names. The same as `nix/lib` computes (`addresses.nix`, `mac.nix`,
//! `workspaces.nix`); a test compares them.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// A network: an address and the number of leading bits that all of its addresses share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    first: u128,
    length: u32,
    is_v4: bool,
}

fn bits(address: IpAddr) -> u128 {
    match address {
        // In the upper bits, so that lengths of prefixes mean the same for both families.
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    }
}

impl Prefix {
    /// Read `10.20.0.0/24`; also with bits after the prefix, as interfaces are written.
    pub(crate) fn parse(text: &str) -> Option<Prefix> {
        let (address, length) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let is_plain = length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
        Prefix::of(address, length.parse().ok().filter(|_| is_plain)?)
    }

    /// The network of so many bits that an address lies in.
    pub(crate) fn of(address: IpAddr, length: u32) -> Option<Prefix> {
        let is_v4 = address.is_ipv4();
        let most = if is_v4 { 32 } else { 128 };
        (length <= most).then(|| Prefix { first: bits(address) & mask(length), length, is_v4 })
    }

    /// Whether the text has no bits after the prefix.
    pub(crate) fn is_exact(text: &str) -> bool {
        let Some((address, _)) = text.split_once('/') else { return false };
        match (address.parse::<IpAddr>(), Prefix::parse(text)) {
            (Ok(address), Some(prefix)) => bits(address) == prefix.first,
            _ => false,
        }
    }

    /// Whether it is one of IPv6.
    pub(crate) fn is_v6(&self) -> bool {
        !self.is_v4
    }

    pub(crate) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_v4 && bits(address) & mask(self.length) == self.first
    }

    pub(crate) fn overlaps(&self, other: &Prefix) -> bool {
        let common = mask(self.length.min(other.length));
        self.is_v4 == other.is_v4 && self.first & common == other.first & common
    }

    /// Whether `self` has all addresses of `other`.
    pub(crate) fn covers(&self, other: &Prefix) -> bool {
        self.length <= other.length && self.overlaps(other)
    }

    /// Whether an address in it is the network's own, or that of its broadcast (RFC 1122, 3.2.1.3; networks of one or two
    /// addresses have neither, RFC 3021; IPv6 has no broadcast).
    pub(crate) fn reserves(&self, address: IpAddr) -> Option<&'static str> {
        let width = if self.is_v4 { 32 } else { 128 };
        if !self.contains(address) || self.length + 1 >= width {
            return None;
        }
        let used = mask(width);
        let rest = bits(address) & used & !mask(self.length);
        if rest == 0 {
            return Some("the address of the network itself");
        }
        (self.is_v4 && rest == used & !mask(self.length)).then_some("the broadcast address")
    }
}

/// A MAC address (IEEE 802, 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mac([u8; 6]);

impl Mac {
    /// Read six bytes in hexadecimal digits with `:` or `-` between, as Linux prints them; a leading zero may be missing,
    /// as iproute2 takes it.
    pub(crate) fn parse(text: &str) -> Option<Mac> {
        let separator = if text.contains(':') { ':' } else { '-' };
        let mut bytes = [0; 6];
        let mut parts = text.split(separator);
        for byte in &mut bytes {
            let part = parts.next()?;
            let is_plain = matches!(part.len(), 1 | 2) && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(part, 16).ok().filter(|_| is_plain)?;
        }
        parts.next().is_none().then_some(Mac(bytes))
    }

    /// Whether one interface may have it: it is no group's, and not zero.
    pub(crate) fn is_unicast(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }

    /// Whether our modules take it: locally administered and unicast, in lower case with colons (`isPrivateMac` of `nix/lib`).
    pub(crate) fn is_private(text: &str) -> bool {
        let written = |mac: Mac| mac.0.map(|byte| format!("{byte:02x}")).join(":");
        Mac::parse(text).is_some_and(|mac| mac.0[0] & 0b11 == 0b10 && written(mac) == text)
    }
}

fn mask(length: u32) -> u128 {
    if length == 0 { 0 } else { u128::MAX << (128 - length.min(128)) }
}

/// The MAC address that `mkMac` of `nix/lib` makes from a name.
pub(crate) fn mac_of(name: &str) -> String {
    let hash = Sha256::digest(name.as_bytes());
    let mut bytes = [0; 6];
    bytes.copy_from_slice(&hash[..6]);
    // Locally administered and unicast (IEEE 802, 8.2).
    bytes[0] = bytes[0] & !0b11 | 0b10;
    bytes.map(|byte| format!("{byte:02x}")).join(":")
}

/// The vsock context identifier that `mkCid` of `nix/lib` makes from a name.
pub(crate) fn cid_of(name: &str) -> i64 {
    let hash = Sha256::digest(name.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    3 + i64::from(number) % (i64::from(u32::MAX) - 3)
}

#[cfg(test)]
mod tests {
    use super::{Mac, Prefix, cid_of, mac_of};

    #[test]
    fn names_become_what_nix_lib_makes_of_them() {
        // The examples of `mkMac` and `mkCid`.
        assert_eq!(mac_of("dev"), "ee:26:0e:9a:a3:c6");
        assert_eq!(cid_of("dev"), 4_012_248_733);
    }

    #[test]
    fn mac_addresses_are_compared_as_bytes() {
        let mac = |text: &str| Mac::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(mac("02-00-00-00-00-AB"), mac("2:0:0:0:0:ab"));
        for none in [
            "",
            "hello",
            "02:00:00:00:00",
            "02:00:00:00:00:00:01",
            "02:00:00:00:00:0g",
            "02:00-00:00:00:01",
            " 2:0:0:0:0:1",
        ] {
            assert_eq!(Mac::parse(none), None, "{none}");
        }
        assert!(mac("02:00:00:00:00:01").is_unicast() && !mac("01:00:5e:00:00:fb").is_unicast());
        assert!(!mac("00:00:00:00:00:00").is_unicast());
        // The examples of `isPrivateMac`, and what it does not take.
        assert!(Mac::is_private("02:00:00:00:00:01"));
        for none in ["01:00:5e:00:00:fb", "00:16:3e:00:00:01", "02:00:00:00:00:0A", "02-00-00-00-00-01", "2:0:0:0:0:1"]
        {
            assert!(!Mac::is_private(none), "{none}");
        }
    }

    #[test]
    fn networks_are_compared_as_numbers() {
        let net = |text: &str| Prefix::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert!(net("10.0.0.0/8").overlaps(&net("10.20.0.0/24")) && !net("10.0.0.0/8").overlaps(&net("::/0")));
        assert!(net("0.0.0.0/0").covers(&net("10.20.0.0/24")) && !net("10.20.0.0/24").covers(&net("10.0.0.0/8")));
        let reserved = |net_: &str, address: &str| net(net_).reserves(address.parse().unwrap_or_else(|_| panic!()));
        assert_eq!(reserved("10.0.0.0/24", "10.0.0.255"), Some("the broadcast address"));
        assert_eq!(reserved("10.0.0.0/24", "10.0.0.0"), Some("the address of the network itself"));
        assert_eq!(reserved("10.0.0.0/31", "10.0.0.0"), None);
        assert_eq!(reserved("fd00::/64", "fd00::ffff:ffff:ffff:ffff"), None);
        assert_eq!(Prefix::parse("10.0.0.0/33").or(Prefix::parse("10.0.0/8")).or(Prefix::parse("10.0.0.0/08")), None);
        assert!(!Prefix::is_exact("10.0.0.1/24") && Prefix::is_exact("10.0.0.0/24"));
    }
}

//! Onion addresses of version 3, checked to the checksum.
//!
//! Source: Tor's `rend-spec-v3` ("Encoding onion addresses"): base32 of `key ‖ checksum ‖ version`, where the checksum is
//! the first 2 bytes of SHA3-256 over `".onion checksum" ‖ key ‖ version`.

use std::fmt;

use sha3::{Digest as _, Sha3_256};

use crate::curve;

const V3_LEN: usize = 56;
const V2_LEN: usize = 16;
const VERSION: u8 = 3;
/// The longest host name of DNS, in characters.
const MAX_HOST_LEN: usize = 253;

/// A valid onion address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OnionV3 {
    /// The 56 characters and `.onion`, in lower case, without subdomain.
    pub address: String,
    /// What stands before the address, without the last dot.
    pub subdomain: Option<String>,
    /// The service's Ed25519 key.
    pub public_key: [u8; 32],
}

/// Why a host name is no onion address that works.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OnionError {
    /// It does not end in `.onion`.
    #[error("an onion address ends in `.onion`")]
    NotOnion,
    /// An address of version 2.
    #[error("version 2 addresses (16 characters) have been dead since 2021; make a version 3 service")]
    Version2,
    /// The wrong number of characters before `.onion`.
    #[error("an onion address has 56 characters before `.onion`; this one has {0}")]
    Length(usize),
    /// Base32 has no such character; counted from 1 within the 56.
    #[error("character {0} does not belong there; an onion address has only a to z and 2 to 7")]
    Character(usize),
    /// A version that doesn't exist.
    #[error("it says to be of version {0}; only version 3 exists. Is its last character right?")]
    Version(u8),
    /// The checksum does not fit.
    #[error("its checksum does not fit: at least one character is wrong")]
    Checksum,
    /// The key is no usable point of the curve.
    #[error("its key is not a usable point of the Ed25519 curve")]
    Key,
    /// It has a port, a path or a scheme.
    #[error("only the host name belongs here, without scheme, port or path")]
    NotAHostName,
    /// A label before the address is empty or not that of a host name.
    #[error("what stands before the address is not a host name")]
    Subdomain,
}

/// Checks `host`: `<56 characters>.onion`, perhaps with subdomains before it and one dot after it, in any letter case.
///
/// # Errors
/// The address can't work, with the reason.
pub fn parse_onion(host: &str) -> Result<OnionV3, OnionError> {
    if host.contains([':', '/', '@', ' ', '\t', '\n', '\r']) {
        return Err(OnionError::NotAHostName);
    }
    let lower = host.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    let Some(name) = name.strip_suffix(".onion") else {
        return Err(OnionError::NotOnion);
    };
    let (subdomain, label) = match name.rsplit_once('.') {
        Some((subdomain, label)) => (Some(subdomain), label),
        None => (None, name),
    };
    let public_key = decode_label(label)?;
    if subdomain.is_some_and(|subdomain| !is_host_name(subdomain)) {
        return Err(OnionError::Subdomain);
    }
    Ok(OnionV3 { address: format!("{label}.onion"), subdomain: subdomain.map(str::to_string), public_key })
}

impl fmt::Display for OnionV3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subdomain {
            Some(subdomain) => write!(f, "{subdomain}.{}", self.address),
            None => f.write_str(&self.address),
        }
    }
}

fn decode_label(label: &str) -> Result<[u8; 32], OnionError> {
    let length = label.chars().count();
    if length == V2_LEN {
        return Err(OnionError::Version2);
    }
    if length != V3_LEN {
        return Err(OnionError::Length(length));
    }
    let mut decoded = [0u8; 35];
    let (mut buffer, mut bits, mut filled) = (0u32, 0, 0);
    for (i, letter) in label.chars().enumerate() {
        let value = match letter {
            'a'..='z' => letter as u32 - 'a' as u32,
            '2'..='7' => letter as u32 - '2' as u32 + 26,
            _ => return Err(OnionError::Character(i + 1)),
        };
        buffer = (buffer << 5 | value) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            decoded[filled] = (buffer >> bits) as u8;
            filled += 1;
        }
    }
    let [key @ .., first, second, version] = decoded;
    if version != VERSION {
        return Err(OnionError::Version(version));
    }
    let digest = Sha3_256::new().chain_update(b".onion checksum").chain_update(key).chain_update([version]).finalize();
    if digest[..2] != [first, second] {
        return Err(OnionError::Checksum);
    }
    if curve::is_ed25519_small_order(&key) || !curve::is_ed25519_point(&key) {
        return Err(OnionError::Key);
    }
    Ok(key)
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= MAX_HOST_LEN && name.split('.').all(is_label)
}

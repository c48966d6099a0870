//! Recognises private keys and other key material that must not lie in a repository in clear.
//!
//! Only what can be told for certain is reported: a PEM block must have a body, an age identity a valid checksum. A
//! WireGuard key (44 base64 characters) or a LUKS key file (random bytes) looks like anything else and is not reported.

use std::fmt;

use crate::bech32;
use crate::encoding::decode_padded;

/// What kind of private key a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrivateKeyKind {
    /// `-----BEGIN OPENSSH PRIVATE KEY-----`
    OpenSsh,
    /// `-----BEGIN RSA PRIVATE KEY-----` (PKCS#1)
    Rsa,
    /// `-----BEGIN DSA PRIVATE KEY-----`
    Dsa,
    /// `-----BEGIN EC PRIVATE KEY-----`
    Ec,
    /// `-----BEGIN PRIVATE KEY-----` and `-----BEGIN ENCRYPTED PRIVATE KEY-----` (PKCS#8)
    Pkcs8,
    /// `-----BEGIN PGP PRIVATE KEY BLOCK-----`
    Pgp,
    /// `PuTTY-User-Key-File-…`
    Putty,
    /// `AGE-SECRET-KEY-1…` and `AGE-SECRET-KEY-PQ-1…`
    AgeIdentity,
    /// Tor's `hs_ed25519_secret_key`: whoever has it is the onion address.
    TorOnion,
    /// The header of a LUKS volume (`LUKS\xba\xbe`): its key slots, open to guessing.
    LuksHeader,
}

impl fmt::Display for PrivateKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSsh => "OpenSSH private key",
            Self::Rsa => "RSA private key",
            Self::Dsa => "DSA private key",
            Self::Ec => "EC private key",
            Self::Pkcs8 => "PKCS#8 private key",
            Self::Pgp => "PGP private key",
            Self::Putty => "PuTTY private key",
            Self::AgeIdentity => "age identity (private key)",
            Self::TorOnion => "Tor onion service private key",
            Self::LuksHeader => "LUKS volume header",
        })
    }
}

/// A private key in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrivateKeyFound {
    /// What it is.
    pub kind: PrivateKeyKind,
    /// Is it protected by a passphrase? Nothing if that can't be seen.
    pub encrypted: Option<bool>,
    /// The byte at which it starts.
    pub offset: usize,
}

/// Tor writes 32 bytes: this and three zeros (tor `src/lib/crypt_ops/crypto_ed25519.c`, tag "type0").
const TOR_SECRET: &[u8] = b"== ed25519v1-secret: type0 ==\0\0\0";
/// LUKS1 and LUKS2 header magic, and the one of LUKS2's second header (LUKS2 On-Disk Format, 2.1).
const LUKS_MAGIC: [&[u8]; 2] = [b"LUKS\xba\xbe", b"SKUL\xba\xbe"];
const PUTTY: &[u8] = b"PuTTY-User-Key-File-";
const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const AGE_IDENTITY: &[u8] = b"AGE-SECRET-KEY-";
/// Longer labels than any private key has.
const MAX_PEM_LABEL: usize = 64;
/// Enough of a PEM body to see its format: OpenSSH names the cipher within the first line.
const MAX_PEM_BODY: usize = 4096;
/// age's longest secret key is 81 characters.
const MAX_IDENTITY_LEN: usize = 256;

/// Finds the first private key in `bytes`, the beginning of a file or all of it. Time is linear in its length.
///
/// A key may stand anywhere, indented too, as in a Nix string. The mere words `BEGIN … PRIVATE KEY` without a body, as in
/// documentation, are not a key.
pub fn looks_like_private_key(bytes: &[u8]) -> Option<PrivateKeyFound> {
    at_start(bytes).or_else(|| {
        let pem = positions(bytes, PEM_BEGIN).find_map(|offset| pem_key(bytes, offset));
        let age = positions(bytes, AGE_IDENTITY).find_map(|offset| age_identity(bytes, offset));
        match (pem, age) {
            (Some(pem), Some(age)) => Some(if pem.offset < age.offset { pem } else { age }),
            (pem, age) => pem.or(age),
        }
    })
}

/// Does this text, given as a public key, begin like a private one? Looser than [`looks_like_private_key`]: a truncated
/// or mistyped secret is still a secret.
pub(crate) fn pasted_private_key(text: &str) -> Option<PrivateKeyKind> {
    let upper = text.get(..AGE_IDENTITY.len()).map(str::to_ascii_uppercase);
    if upper.as_deref().map(str::as_bytes) == Some(AGE_IDENTITY) {
        return Some(PrivateKeyKind::AgeIdentity);
    }
    if text.as_bytes().starts_with(PUTTY) {
        return Some(PrivateKeyKind::Putty);
    }
    let label = text.as_bytes().strip_prefix(PEM_BEGIN)?;
    let first_line = label.split(|byte| *byte == b'\n').next()?;
    pem_kind(&label[..pem_label_len(first_line)?])
}

fn at_start(bytes: &[u8]) -> Option<PrivateKeyFound> {
    let found = |kind, encrypted| Some(PrivateKeyFound { kind, encrypted, offset: 0 });
    if bytes.starts_with(TOR_SECRET) {
        return found(PrivateKeyKind::TorOnion, Some(false));
    }
    if LUKS_MAGIC.iter().any(|magic| bytes.starts_with(magic)) {
        return found(PrivateKeyKind::LuksHeader, Some(true));
    }
    if bytes.starts_with(PUTTY) {
        let head = &bytes[..bytes.len().min(MAX_PEM_BODY)];
        let mut lines = head.split(|byte| *byte == b'\n').map(|line| line.trim_ascii());
        let cipher = lines.find_map(|line| line.strip_prefix(b"Encryption: "));
        return found(PrivateKeyKind::Putty, cipher.map(|cipher| cipher != b"none"));
    }
    None
}

fn pem_key(bytes: &[u8], offset: usize) -> Option<PrivateKeyFound> {
    let label_start = offset + PEM_BEGIN.len();
    let label_len = pem_label_len(&bytes[label_start..])?;
    let label = &bytes[label_start..label_start + label_len];
    let kind = pem_kind(label)?;

    let body_start = label_start + label_len + b"-----".len();
    let body = &bytes[body_start..bytes.len().min(body_start + MAX_PEM_BODY)];
    let mut lines = body.split(|byte| *byte == b'\n').map(|line| line.trim_ascii()).skip_while(|line| line.is_empty());
    let first = lines.next()?;
    let has_headers = first.starts_with(b"Proc-Type:") || first.starts_with(b"DEK-Info:");
    let is_base64 = |line: &[u8]| {
        line.len() >= 16 && line.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
    };
    let is_pgp = kind == PrivateKeyKind::Pgp;
    let has_body = has_headers || is_base64(first) || is_pgp && lines.take(8).any(is_base64);
    if !has_body {
        return None;
    }
    let encrypted = match kind {
        PrivateKeyKind::OpenSsh => openssh_is_encrypted(first),
        PrivateKeyKind::Pkcs8 => Some(label.starts_with(b"ENCRYPTED ")),
        PrivateKeyKind::Pgp => None,
        _ => Some(has_headers && body[..body.len().min(200)].windows(9).any(|window| window == b"ENCRYPTED")),
    };
    Some(PrivateKeyFound { kind, encrypted, offset })
}

/// The length of a PEM label: up to the five hyphens that must close it.
fn pem_label_len(text: &[u8]) -> Option<usize> {
    let head = &text[..text.len().min(MAX_PEM_LABEL)];
    head.windows(5).position(|window| window == b"-----")
}

fn pem_kind(label: &[u8]) -> Option<PrivateKeyKind> {
    Some(match label {
        b"OPENSSH PRIVATE KEY" => PrivateKeyKind::OpenSsh,
        b"RSA PRIVATE KEY" => PrivateKeyKind::Rsa,
        b"DSA PRIVATE KEY" => PrivateKeyKind::Dsa,
        b"EC PRIVATE KEY" => PrivateKeyKind::Ec,
        b"PRIVATE KEY" | b"ENCRYPTED PRIVATE KEY" => PrivateKeyKind::Pkcs8,
        b"PGP PRIVATE KEY BLOCK" => PrivateKeyKind::Pgp,
        _ => return None,
    })
}

/// An OpenSSH key begins with `openssh-key-v1\0` and the cipher's name, `none` without passphrase (OpenSSH `PROTOCOL.key`).
fn openssh_is_encrypted(first_line: &[u8]) -> Option<bool> {
    let whole = first_line.len() / 4 * 4;
    let decoded = decode_padded(&first_line[..whole])?;
    let rest = decoded.strip_prefix(b"openssh-key-v1\0")?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let cipher = rest.get(..u32::from_be_bytes(*length) as usize)?;
    Some(cipher != b"none")
}

fn age_identity(bytes: &[u8], offset: usize) -> Option<PrivateKeyFound> {
    let rest = &bytes[offset..bytes.len().min(offset + MAX_IDENTITY_LEN)];
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let (prefix, key) = bech32::decode(std::str::from_utf8(&rest[..length]).ok()?).ok()?;
    let is_identity = matches!(prefix.as_str(), "age-secret-key-" | "age-secret-key-pq-") && key.len() == 32;
    is_identity.then_some(PrivateKeyFound { kind: PrivateKeyKind::AgeIdentity, encrypted: Some(false), offset })
}

/// Where `needle`, which must not be empty, occurs in `bytes`.
fn positions<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    bytes.windows(needle.len()).enumerate().filter(move |(_, window)| *window == needle).map(|(at, _)| at)
}

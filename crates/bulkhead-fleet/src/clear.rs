//! Private keys in clear that are no text of their own: of dropbear, in JSON, put together in Nix; and those that sign for a
//! binary cache.
//!
//! As with [`bulkhead_age::private_key`], only what can be told for certain is reported.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bulkhead_age::{PrivateKeyFound, PrivateKeyKind, looks_like_private_key};

/// A private key of a kind that is known by its form alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherKey {
    /// As `dropbearkey` writes it.
    Dropbear,
    /// A JSON Web Key with its private part.
    Jwk,
    /// As `nix key generate-secret` writes it.
    NixSigning,
}

impl fmt::Display for OtherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OtherKey::Dropbear => "dropbear private key",
            OtherKey::Jwk => "JSON Web Key (private)",
            OtherKey::NixSigning => "key that signs for a Nix binary cache",
        })
    }
}

/// Longer names of signing keys are none.
const MOST_NAME: usize = 128;

/// 64 and 32 bytes in base64.
const SIGNING_LENGTH: usize = 88;
const WIREGUARD_LENGTH: usize = 44;

/// The first such key in a file, which is `length` bytes long, and where it begins.
pub(crate) fn other_key(bytes: &[u8], length: u64) -> Option<(OtherKey, usize)> {
    if bytes.len() as u64 == length && is_dropbear(bytes) {
        return Some((OtherKey::Dropbear, 0));
    }
    let jwk = jwk(bytes).map(|at| (OtherKey::Jwk, at));
    let signing = memchr::memchr_iter(b':', bytes).find_map(|at| Some((OtherKey::NixSigning, signing(bytes, at)?)));
    [jwk, signing].into_iter().flatten().min_by_key(|(_, offset)| *offset)
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn find<'b>(bytes: &'b [u8], needle: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    memchr::memmem::find_iter(bytes, needle)
}

/// Whether a file is a private key of dropbear: the name of an algorithm, and more numbers than a public key has, to the
/// last byte (dropbear `rsa.c`, `dss.c`, `ecdsa.c`, `ed25519.c`).
fn is_dropbear(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut fields: Vec<&[u8]> = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some((field, after)) =
            usize::try_from(u32::from_be_bytes(*length)).ok().and_then(|at| after.split_at_checked(at))
        else {
            return false;
        };
        fields.push(field);
        rest = after;
        if fields.len() > 8 {
            return false;
        }
    }
    rest.is_empty()
        && match fields.as_slice() {
            [b"ssh-rsa", _, modulus, exponent, ..] => modulus.len() >= 64 && exponent.len() >= 64,
            [b"ssh-dss", numbers @ ..] => numbers.len() == 5,
            [b"ssh-ed25519", pair] => pair.len() == 64,
            [name, curve, point, number] => {
                name.strip_prefix(b"ecdsa-sha2-") == Some(*curve) && point.first() == Some(&4) && number.len() >= 24
            }
            _ => false,
        }
}

/// The text in JSON that has the name at this place; in a string of Nix or JSON there are backslashes before the quotes.
fn value_of<'b>(bytes: &'b [u8], at: usize, name: &[u8]) -> Option<&'b [u8]> {
    let quoted = |rest: &'b [u8]| rest.strip_prefix(b"\\").unwrap_or(rest).strip_prefix(b"\"");
    if !bytes.get(..at)?.ends_with(b"\"") {
        return None;
    }
    let rest = quoted(bytes.get(at + name.len()..)?)?.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    let rest = quoted(rest)?;
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(&rest[..end])
}

/// Where the first object of JSON begins that is a key with its private part.
fn jwk(bytes: &[u8]) -> Option<usize> {
    let mut start = None;
    // Keys have no objects in them, so each byte is looked at for one object.
    memchr::memchr2_iter(b'{', b'}', bytes).find_map(|at| match bytes[at] {
        b'{' => {
            start = Some(at);
            None
        }
        _ => start.take().filter(|start| is_jwk(&bytes[*start..at])),
    })
}

/// Whether an object of JSON is a key with its private part.
fn is_jwk(object: &[u8]) -> bool {
    let Some(kind) = find(object, b"kty").find_map(|at| value_of(object, at, b"kty")) else { return false };
    let private: &[u8] = if kind == b"oct" { b"k" } else { b"d" };
    let long_enough = |value: &[u8]| URL_SAFE_NO_PAD.decode(value).is_ok_and(|key| key.len() >= 16);
    let mut places = memchr::memchr_iter(private[0], object);
    places.any(|at| value_of(object, at, private).is_some_and(long_enough))
}

/// Where a key that signs for a binary cache begins, whose colon is at this place: `name:` and 64 bytes in base64. A public
/// one has 32.
fn signing(bytes: &[u8], at: usize) -> Option<usize> {
    let (encoded, rest) = bytes.get(at + 1..)?.split_at_checked(SIGNING_LENGTH)?;
    if !encoded.ends_with(b"==") || rest.first().is_some_and(|byte| is_base64(*byte)) {
        return None;
    }
    // `pamu2fcfg` writes what belongs to a card in this way: its handle, its public key, and the algorithm.
    let of_card = rest.strip_prefix(b",").map(|rest| &rest[rest.iter().take_while(|byte| is_base64(**byte)).count()..]);
    if of_card.is_some_and(|rest| [&b",es256"[..], b",eddsa", b",rs256"].iter().any(|kind| rest.starts_with(kind))) {
        return None;
    }
    let key = STANDARD.decode(encoded).ok()?;
    let before = &bytes[at.saturating_sub(MOST_NAME)..at];
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let length = before.iter().rev().take_while(|byte| is_of_name(byte)).count();
    let name = &before[before.len() - length..];
    // So hashes are written, too.
    let is_hash = matches!(name, b"sha512" | b"blake3" | b"blake2b");
    // Names are on a line of their own, or in a string.
    let around = before.get(..before.len() - length)?.last();
    let is_first = around.is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'='));
    (length > 0 && !is_hash && is_first && key.len() == 64).then(|| at - length)
}

/// `"PrivateKey": "yAnz…="` and the like: keys of WireGuard in JSON, YAML and under other spellings of the name.
pub(crate) fn wireguard_in_data(bytes: &[u8]) -> Option<PrivateKeyFound> {
    let mut names = memchr::memchr2_iter(b'k', b'K', bytes).filter(|at| {
        let before = &bytes[..*at];
        let before = before.strip_suffix(b"_").or_else(|| before.strip_suffix(b"-")).unwrap_or(before);
        let word = before.len().checked_sub(7).and_then(|start| before.get(start..));
        let name = bytes.get(*at..at + 3);
        word.is_some_and(|word| word.eq_ignore_ascii_case(b"private"))
            && name.is_some_and(|name| name.eq_ignore_ascii_case(b"key"))
    });
    let value = |at: usize| {
        let rest = unquoted(bytes.get(at + 3..)?).trim_ascii_start();
        let rest = rest.strip_prefix(b":").or_else(|| rest.strip_prefix(b"="))?;
        let rest = unquoted(rest.trim_ascii_start());
        let (encoded, after) = rest.split_at_checked(WIREGUARD_LENGTH)?;
        if after.first().is_some_and(|byte| is_base64(*byte)) {
            return None;
        }
        let key: [u8; 32] = STANDARD.decode(encoded).ok()?.try_into().ok()?;
        // The bits that X25519 wants (RFC 7748, 5); `wg genkey` writes them so.
        let is_clamped = key[0] & 7 == 0 && key[31] & 0xc0 == 0x40;
        let offset = bytes.len() - rest.len();
        is_clamped.then_some(PrivateKeyFound { kind: PrivateKeyKind::WireGuard, encrypted: Some(false), offset })
    };
    names.find_map(value)
}

/// A text without the quote that it begins with, before which there is a backslash in a string.
fn unquoted(text: &[u8]) -> &[u8] {
    let text = text.strip_prefix(b"\\").unwrap_or(text);
    text.strip_prefix(b"\"").or_else(|| text.strip_prefix(b"'")).unwrap_or(text)
}

/// A private key in strings of Nix that are put together: `"-----BEGIN " + "OPENSSH …"`, or items of a list.
pub(crate) fn joined_key(bytes: &[u8]) -> Option<PrivateKeyFound> {
    // A key is there in parts, or not at all.
    let has = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
    if !(has(b"PRIVATE") || has(b"-----BEGIN") || has(b"AGE-SECRET") || has(b"SECRET-KEY")) {
        return None;
    }
    let (mut text, mut from) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(bytes.len()));
    let (mut at, mut is_joined) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        if let Some(length) = joint(rest) {
            (at, is_joined) = (at + length, true);
            continue;
        }
        let (byte, length) = match rest {
            [b'\\', b'n', ..] => (b'\n', 2),
            // Where a string ends, a line does.
            [b'"', ..] => (b'\n', 1),
            [b'\'', b'\'', ..] => (b'\n', 2),
            _ => (*byte, 1),
        };
        text.push(byte);
        from.push(at);
        at += length;
    }
    if !is_joined {
        return None;
    }
    let found = looks_like_private_key(&text)?;
    Some(PrivateKeyFound { offset: *from.get(found.offset)?, ..found })
}

/// The length of the end of a string, and of the beginning of the next one, with nothing but `+` between.
fn joint(bytes: &[u8]) -> Option<usize> {
    let quote = |bytes: &[u8]| match bytes {
        [b'"', ..] => Some(1),
        [b'\'', b'\'', ..] => Some(2),
        _ => None,
    };
    let after = &bytes[quote(bytes)?..];
    let next = after.trim_ascii_start();
    let next = next.strip_prefix(b"+").unwrap_or(next).trim_ascii_start();
    // An empty string is no joint: its two quotes belong together.
    let opening = quote(next).filter(|_| next.len() < after.len())?;
    Some(bytes.len() - next.len() + opening)
}

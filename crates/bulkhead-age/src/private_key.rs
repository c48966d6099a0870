//! Recognises private keys and other key material that must not lie in a repository in clear.
//!
//! Only what can be told for certain is reported: a PEM block must have a body, an age identity a valid checksum, a
//! WireGuard key the name `PrivateKey` before it and the bits that `wg genkey` sets. A WireGuard key without that name (44
//! base64 characters) or a LUKS key file (random bytes) looks like anything else and is not reported.
//!
//! Texts about keys, and programs, show pieces of keys that open nothing. For those there is [`whole_private_key`],
//! which wants every key to be there from its first to its last byte.

use std::fmt;

use crate::bech32;
use crate::encoding::decode_padded;
use crate::pgp;

/// What kind of private key a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrivateKeyKind {
    /// `-----BEGIN OPENSSH PRIVATE KEY-----`
    OpenSsh,
    /// The same of a key in a hardware token (`sk-ssh-ed25519@openssh.com`): a handle, of use only with the token.
    SecurityKey,
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
    /// `PrivateKey = …`
    WireGuard,
    /// Tor's `hs_ed25519_secret_key`: whoever has it is the onion address.
    TorOnion,
    /// The header of a LUKS volume (`LUKS\xba\xbe`): its key slots, open to guessing.
    LuksHeader,
}

impl fmt::Display for PrivateKeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSsh => "OpenSSH private key",
            Self::SecurityKey => "handle of an OpenSSH key in a hardware token",
            Self::Rsa => "RSA private key",
            Self::Dsa => "DSA private key",
            Self::Ec => "EC private key",
            Self::Pkcs8 => "PKCS#8 private key",
            Self::Pgp => "PGP private key",
            Self::Putty => "PuTTY private key",
            Self::AgeIdentity => "age identity (private key)",
            Self::WireGuard => "WireGuard private key",
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
const OPENSSH_MAGIC: &[u8] = b"openssh-key-v1\0";
const PUTTY: &[u8] = b"PuTTY-User-Key-File-";
const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const AGE_IDENTITY: &[u8] = b"AGE-SECRET-KEY-";
const WIREGUARD: &[u8] = b"privatekey";
/// 32 bytes in base64.
const WIREGUARD_LEN: usize = 44;
/// Longer labels than any private key has.
const MAX_PEM_LABEL: usize = 64;
/// Enough of a PEM body to see its format: OpenSSH names the cipher within the first line.
const MAX_PEM_BODY: usize = 4096;
/// Longer than the PEM body of any key: one of RSA with 16,384 bits has some 13 KiB.
const MAX_WHOLE_BODY: usize = 32 << 10;
/// age's longest secret key is 81 characters.
const MAX_IDENTITY_LEN: usize = 256;

/// Finds the first private key in `bytes`, the beginning of a file or all of it. Time is linear in its length.
///
/// A key may stand anywhere, indented too, as in a Nix string, or on one line with `\n` in it. A key that is cut off is
/// reported, because most of it may be enough. The mere words `BEGIN … PRIVATE KEY` without a body, as in documentation,
/// are not a key.
pub fn looks_like_private_key(bytes: &[u8]) -> Option<PrivateKeyFound> {
    at_start(bytes).or_else(|| {
        let pem = positions(bytes, PEM_BEGIN).find_map(|offset| pem_key(bytes, offset));
        let wireguard = wireguard_names(bytes).find_map(|offset| wireguard_key(bytes, offset));
        first([pem, first_age_identity(bytes), wireguard])
    })
}

/// Finds the first private key in a text that may be about keys: documentation, a program, a test. It has to be whole:
/// armour with its last line and a body that decodes to just one key of its kind, or an age identity with a valid
/// checksum. What is abridged, made up or left out (`MIIE…`, `<your key>`) is not reported; nor is a WireGuard key, which
/// looks the same in an example.
pub fn whole_private_key(bytes: &[u8]) -> Option<PrivateKeyFound> {
    at_start(bytes).or_else(|| {
        let pem = positions(bytes, PEM_BEGIN).find_map(|offset| whole_pem_key(bytes, offset));
        first([pem, first_age_identity(bytes)])
    })
}

fn first<const N: usize>(found: [Option<PrivateKeyFound>; N]) -> Option<PrivateKeyFound> {
    found.into_iter().flatten().min_by_key(|found| found.offset)
}

fn first_age_identity(bytes: &[u8]) -> Option<PrivateKeyFound> {
    positions(bytes, AGE_IDENTITY).find_map(|offset| age_identity(bytes, offset))
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

/// The kind of the armoured key that begins at `offset`, its label, and all that follows the first line.
fn pem_start(bytes: &[u8], offset: usize) -> Option<(PrivateKeyKind, &[u8], &[u8])> {
    let label_start = offset + PEM_BEGIN.len();
    let label_len = pem_label_len(&bytes[label_start..])?;
    let label = &bytes[label_start..label_start + label_len];
    Some((pem_kind(label)?, label, &bytes[label_start + label_len + b"-----".len()..]))
}

fn pem_key(bytes: &[u8], offset: usize) -> Option<PrivateKeyFound> {
    let (kind, label, rest) = pem_start(bytes, offset)?;
    let body = &rest[..rest.len().min(MAX_PEM_BODY)];
    let mut lines = body.split(|byte| *byte == b'\n').map(|line| line.trim_ascii()).skip_while(|line| line.is_empty());
    let beginning = lines.clone().take(2);
    let first = lines.next()?;
    let has_headers = first.starts_with(b"Proc-Type:") || first.starts_with(b"DEK-Info:");
    let is_base64 = |line: &[u8]| {
        line.len() >= 16 && line.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
    };
    let is_pgp = kind == PrivateKeyKind::Pgp;
    let has_body = has_headers || is_base64(first) || is_pgp && lines.take(8).any(is_base64);
    if !has_body {
        return whole_pem_key(bytes, offset);
    }
    if kind != PrivateKeyKind::OpenSsh {
        // Each part of a PGP key is protected by itself.
        let body = if is_pgp { &rest[..rest.len().min(MAX_WHOLE_BODY)] } else { body };
        return Some(PrivateKeyFound { kind, encrypted: pem_is_encrypted(kind, label, body), offset });
    }
    let beginning: Vec<u8> = beginning.take_while(|line| is_base64(line)).flatten().copied().collect();
    let decoded = decode_padded(&beginning[..beginning.len() / 4 * 4]).unwrap_or_default();
    Some(PrivateKeyFound { kind: openssh_kind(&decoded), encrypted: openssh_is_encrypted(&decoded), offset })
}

/// Is a key that is not OpenSSH's protected by a passphrase? `body` is what follows the first line.
fn pem_is_encrypted(kind: PrivateKeyKind, label: &[u8], body: &[u8]) -> Option<bool> {
    match kind {
        PrivateKeyKind::Pkcs8 => Some(label.starts_with(b"ENCRYPTED ")),
        PrivateKeyKind::Pgp => pgp::is_protected(&pgp_packets(body)),
        _ => {
            let head = &body[..body.len().min(200)];
            Some(positions(head, b"Proc-Type:").next().is_some() && positions(head, b"ENCRYPTED").next().is_some())
        }
    }
}

/// What the body of a PGP armour decodes to, as far as it is there.
fn pgp_packets(body: &[u8]) -> Vec<u8> {
    let end = positions(body, b"-----END ").next().unwrap_or(body.len());
    let (encoded, _) = pem_text(&body[..end]).unwrap_or_default();
    let whole = encoded.as_bytes();
    decode_padded(&whole[..whole.len() / 4 * 4]).unwrap_or_default()
}

/// The armoured key that begins at `offset`, if all of it is there.
fn whole_pem_key(bytes: &[u8], offset: usize) -> Option<PrivateKeyFound> {
    let (kind, label, rest) = pem_start(bytes, offset)?;
    let rest = &rest[..rest.len().min(MAX_WHOLE_BODY)];
    let last = [b"-----END ", label, b"-----"].concat();
    let body = &rest[..positions(rest, &last).next()?];
    let (decoded, has_headers) = pem_body(body)?;
    if kind == PrivateKeyKind::OpenSsh {
        let encrypted = Some(whole_openssh_key(&decoded)?);
        return Some(PrivateKeyFound { kind: openssh_kind(&decoded), encrypted, offset });
    }
    let encrypted = pem_is_encrypted(kind, label, body);
    let is_whole = match kind {
        // A packet of a secret key, in the old or the new form (RFC 9580, 4.2).
        PrivateKeyKind::Pgp => decoded.first().is_some_and(|tag| *tag & 0xfc == 0x94 || *tag == 0xc5),
        // Ciphertext in blocks of 8 or 16 bytes.
        _ if has_headers && encrypted == Some(true) => decoded.len() >= 64 && decoded.len() % 8 == 0,
        _ => is_whole_der(&decoded),
    };
    is_whole.then_some(PrivateKeyFound { kind, encrypted, offset })
}

/// What the lines between the first and the last of an armour decode to, and whether there are headers before them.
fn pem_body(body: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (encoded, has_headers) = pem_text(body)?;
    let decoded = decode_padded(encoded.as_bytes()).filter(|decoded| !decoded.is_empty())?;
    Some((decoded, has_headers))
}

/// The lines of an armour, joined, without headers, and whether there are any. Lines may be quoted, commented out, or joined
/// by `\n`.
fn pem_text(body: &[u8]) -> Option<(String, bool)> {
    let body = std::str::from_utf8(body).ok()?;
    let text = body.replace("\\r", "").replace("\\n", "\n");
    let (mut encoded, mut has_headers) = (String::with_capacity(text.len()), false);
    // Two slashes may also be the first digits of a line, one of 4,096. Behind the marker, what ends a string may follow.
    let mut lines = body.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()).peekable();
    let is_commented = lines.peek().is_some() && lines.all(|line| line.starts_with("//"));
    let comment = if is_commented { "//" } else { "" };
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix(comment).unwrap_or(line);
        let line = line.strip_suffix(" +").unwrap_or(line);
        let line = line.trim_matches(|c: char| c.is_whitespace() || "\"'#>*|,;`\\".contains(c));
        if line.contains(": ") && encoded.is_empty() {
            has_headers = true;
        } else if !(line.starts_with('=') && line.len() == 5) {
            // The line that is left out is the checksum of PGP.
            encoded.push_str(line);
        }
    }
    Some((encoded, has_headers))
}

/// Whether bytes are one SEQUENCE of DER and nothing else.
fn is_whole_der(bytes: &[u8]) -> bool {
    let [0x30, length, rest @ ..] = bytes else { return false };
    let count = usize::from(length & 0x7f);
    if length & 0x80 == 0 {
        return count == rest.len() && count >= 16;
    }
    match rest.split_at_checked(count) {
        Some((digits, content)) if count <= 4 => {
            digits.iter().fold(0usize, |sum, byte| sum << 8 | usize::from(*byte)) == content.len()
        }
        _ => false,
    }
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
fn openssh_is_encrypted(beginning: &[u8]) -> Option<bool> {
    let mut rest = beginning.strip_prefix(OPENSSH_MAGIC)?;
    Some(take_field(&mut rest)? != b"none")
}

/// Whether an OpenSSH key is in a token tells the type of its public key, which follows (OpenSSH `PROTOCOL.u2f`). With a
/// passphrase that may be further on.
fn openssh_kind(beginning: &[u8]) -> PrivateKeyKind {
    let key_type = || {
        let mut rest = beginning.strip_prefix(OPENSSH_MAGIC)?;
        for _cipher_kdf_options in 0..3 {
            take_field(&mut rest)?;
        }
        // How many keys there are, and the lengths of the first one and of its type.
        rest.get(12..)
    };
    if key_type().is_some_and(|name| name.starts_with(b"sk-")) {
        return PrivateKeyKind::SecurityKey;
    }
    PrivateKeyKind::OpenSsh
}

/// Whether the OpenSSH key in `bytes` has a passphrase; nothing if it is not whole (OpenSSH `PROTOCOL.key`).
fn whole_openssh_key(bytes: &[u8]) -> Option<bool> {
    let mut rest = bytes.strip_prefix(OPENSSH_MAGIC)?;
    let cipher = take_field(&mut rest)?;
    let _kdf = take_field(&mut rest)?;
    let _kdf_options = take_field(&mut rest)?;
    let (count, after) = rest.split_first_chunk::<4>()?;
    rest = after;
    let count = u32::from_be_bytes(*count);
    // More than one key is allowed, and never written.
    if !(1..=16).contains(&count) {
        return None;
    }
    for _ in 0..count {
        take_field(&mut rest)?;
    }
    let private = take_field(&mut rest)?;
    if cipher != b"none" {
        return (private.len() >= 16).then_some(true);
    }
    // The same random number twice shows that the decryption was right.
    let (numbers, key) = private.split_at_checked(8)?;
    (numbers[..4] == numbers[4..] && !key.is_empty()).then_some(false)
}

/// The next string with its length in front.
fn take_field<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let (field, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *rest = after;
    Some(field)
}

/// Where `PrivateKey` stands, in upper or lower case, as a word of its own.
fn wireguard_names(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    // Of its letters, `v` is the rarest in most texts.
    let v = WIREGUARD.iter().position(|byte| *byte == b'v').unwrap_or_default();
    memchr::memchr2_iter(b'v', b'V', bytes)
        .filter_map(move |at| at.checked_sub(v))
        .filter(|at| bytes.get(*at..).is_some_and(|name| name.len() >= WIREGUARD.len()))
        .filter(|at| bytes[*at..*at + WIREGUARD.len()].eq_ignore_ascii_case(WIREGUARD))
        .filter(move |at| !at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(is_word))
}

/// `PrivateKey = yAnz…=`, as `wg` and NixOS have it; `at` is where the name stands.
fn wireguard_key(bytes: &[u8], at: usize) -> Option<PrivateKeyFound> {
    let value = bytes.get(at + WIREGUARD.len()..)?.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let (encoded, rest) = value.split_at_checked(WIREGUARD_LEN)?;
    if rest.first().is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')) {
        return None;
    }
    let key: [u8; 32] = decode_padded(encoded)?.try_into().ok()?;
    // The bits that X25519 wants (RFC 7748, 5); `wg genkey` writes them so.
    let is_clamped = key[0] & 7 == 0 && key[31] & 0xc0 == 0x40;
    let offset = bytes.len() - value.len();
    is_clamped.then_some(PrivateKeyFound { kind: PrivateKeyKind::WireGuard, encrypted: Some(false), offset })
}

fn age_identity(bytes: &[u8], offset: usize) -> Option<PrivateKeyFound> {
    let rest = &bytes[offset..bytes.len().min(offset + MAX_IDENTITY_LEN)];
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    let (prefix, key) = bech32::decode(std::str::from_utf8(&rest[..length]).ok()?).ok()?;
    let is_identity = matches!(prefix.as_str(), "age-secret-key-" | "age-secret-key-pq-") && key.len() == 32;
    is_identity.then_some(PrivateKeyFound { kind: PrivateKeyKind::AgeIdentity, encrypted: Some(false), offset })
}

/// Where `needle` occurs in `bytes`, without overlaps.
fn positions<'a>(bytes: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    memchr::memmem::find_iter(bytes, needle)
}

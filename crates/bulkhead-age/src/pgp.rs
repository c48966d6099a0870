//! Whether a passphrase protects the secret keys of OpenPGP (RFC 9580).

/// Packets of a secret key and of a secret subkey (RFC 9580, 5).
const SECRET_KEYS: [u8; 2] = [5, 7];

/// Whether all secret keys in `packets`, those of a transferable secret key, are protected: `Some(false)` if one surely is not,
/// `None` if that can't be seen of all.
pub(crate) fn is_protected(packets: &[u8]) -> Option<bool> {
    let (mut rest, mut protected, mut unknown) = (packets, false, false);
    while let Some((tag, body, after)) = packet(rest) {
        if SECRET_KEYS.contains(&tag) {
            match secret_key(body) {
                Some(false) => return Some(false),
                Some(true) => protected = true,
                None => unknown = true,
            }
        }
        rest = after;
    }
    (protected && !unknown && rest.is_empty()).then_some(true)
}

/// The tag and the body of the first packet, and what follows (RFC 9580, 4.2); nothing of one that is cut off.
fn packet(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (tag, (length, rest)) = match first {
        0xc0.. => {
            let (octet, rest) = rest.split_first()?;
            let length = match octet {
                0..192 => (usize::from(*octet), rest),
                192..224 => {
                    let (second, rest) = rest.split_first()?;
                    (((usize::from(*octet) - 192) << 8) + usize::from(*second) + 192, rest)
                }
                // Keys are not written in parts.
                224..255 => return None,
                255 => number(rest, 4)?,
            };
            (first & 0x3f, length)
        }
        0x80.. => {
            let tag = (first >> 2) & 0x0f;
            match first & 3 {
                0 => (tag, number(rest, 1)?),
                1 => (tag, number(rest, 2)?),
                2 => (tag, number(rest, 4)?),
                _ => (tag, (rest.len(), rest)),
            }
        }
        _ => return None,
    };
    let (body, after) = rest.split_at_checked(length)?;
    Some((tag, body, after))
}

/// A number in so many octets, and what follows.
fn number(bytes: &[u8], octets: usize) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_at_checked(octets)?;
    Some((number.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet)), rest))
}

/// Whether a secret key is protected, by its octet of S2K usage, which follows the public key (RFC 9580, 5.5.3).
fn secret_key(body: &[u8]) -> Option<bool> {
    let (version, rest) = body.split_first()?;
    let after_time = rest.get(4..)?;
    let (algorithm, rest) = match version {
        4 => after_time.split_first()?,
        6 => {
            let (algorithm, rest) = after_time.split_first()?;
            (algorithm, rest.get(4..)?)
        }
        _ => return None,
    };
    let rest = match algorithm {
        // RSA, Elgamal, DSA.
        1..=3 => integers(rest, 2)?,
        16 => integers(rest, 3)?,
        17 => integers(rest, 4)?,
        // ECDH; ECDSA and EdDSA of before RFC 9580.
        18 => counted(integers(counted(rest)?, 1)?)?,
        19 | 22 => integers(counted(rest)?, 1)?,
        // X25519, X448, Ed25519, Ed448.
        25 | 27 => rest.get(32..)?,
        26 => rest.get(56..)?,
        28 => rest.get(57..)?,
        _ => return None,
    };
    Some(*rest.first()? != 0)
}

/// What follows so many integers, each with its length in bits (RFC 9580, 3.2).
fn integers(mut bytes: &[u8], count: usize) -> Option<&[u8]> {
    for _ in 0..count {
        let (bits, rest) = number(bytes, 2)?;
        bytes = rest.get(bits.div_ceil(8)..)?;
    }
    Some(bytes)
}

/// What follows octets with their number before them.
fn counted(bytes: &[u8]) -> Option<&[u8]> {
    let (count, rest) = bytes.split_first()?;
    rest.get(usize::from(*count)..)
}

//! Made-up SSH keys and age files, as valid as can be told without a private key.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bulkhead::age::Recipient;

use crate::random::Random;

/// A public key that nobody has the private key of.
#[derive(Clone, Debug)]
pub struct Key {
    /// `ssh-ed25519 AAAA…`
    pub line: String,
    /// What names it in age headers.
    pub tag: String,
}

impl Key {
    /// A random Ed25519 key: half of all 32-byte strings encode a point of the curve, and of these nearly none is weak.
    pub fn random(random: &mut Random) -> Key {
        loop {
            let blob = [&[0, 0, 0, 11], &b"ssh-ed25519"[..], &[0, 0, 0, 32], &random.bytes::<32>()].concat();
            let line = format!("ssh-ed25519 {}", STANDARD.encode(blob));
            let Ok(key) = Recipient::parse(&line) else { continue };
            if let (true, Some(tag)) = (key.weaknesses().is_empty(), key.tag()) {
                return Key { line, tag };
            }
        }
    }
}

/// An age file whose header names the keys, with a payload that looks like a short secret.
pub fn age_file<'a>(random: &mut Random, keys: impl IntoIterator<Item = &'a Key>) -> Vec<u8> {
    let mut file = String::from("age-encryption.org/v1\n");
    for key in keys {
        let (share, body) =
            (STANDARD_NO_PAD.encode(random.bytes::<32>()), STANDARD_NO_PAD.encode(random.bytes::<32>()));
        file.push_str(&format!("-> ssh-ed25519 {} {share}\n{body}\n", key.tag));
    }
    file.push_str(&format!("--- {}\n", STANDARD_NO_PAD.encode(random.bytes::<32>())));
    let mut file = file.into_bytes();
    // A nonce, 32 bytes of text, an authentication tag.
    file.extend(random.bytes::<{ 16 + 32 + 16 }>());
    file
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use bulkhead::age::{match_recipients, parse_header};

    #[test]
    fn an_age_file_fits_its_keys() {
        let mut random = Random::new(1);
        let keys: Vec<Key> = (0..3).map(|_| Key::random(&mut random)).collect();
        let file = age_file(&mut random, &keys);
        let header = parse_header(&file, true).unwrap();
        assert_eq!(header.payload_problem(&file, file.len() as u64), None);
        let recipients: Vec<Recipient> = keys.iter().map(|key| Recipient::parse(&key.line).unwrap()).collect();
        let found = match_recipients(&header, &recipients);
        assert_eq!((found.matched.len(), found.missing.len(), found.stale.len()), (3, 0, 0));
    }
}

//! The two base64 alphabets of age: without padding in headers, with padding in armor and SSH keys; both canonical.
//! Canonical means that one sequence of bytes has one spelling (RFC 4648, 3.5), as the age specification demands.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// Decodes a header's base64: no `=`, nothing but the alphabet, canonical.
pub(crate) fn decode_unpadded(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok()
}

/// Decodes base64 whose length is a multiple of four, filled with `=`.
pub(crate) fn decode_padded(text: &[u8]) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

pub(crate) fn encode_unpadded(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

pub(crate) fn encode_padded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The first 4 bytes of SHA-256, which age and its plugins use to recognise a key.
pub(crate) fn short_hash(bytes: &[u8]) -> [u8; 4] {
    let digest = Sha256::digest(bytes);
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Cuts spaces, tabs and line ends at both ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

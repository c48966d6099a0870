//! Hashes: `builtins.hashString`, `convertHash` and `placeholder`, and Nix's ways to write a hash.
//!
//! BLAKE3, which newer Nix versions know behind an experimental feature, is treated as unknown.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

/// Nix's base 32 has no `e`, `o`, `t` and `u`.
const NIX32_DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl Algorithm {
    /// The algorithm of this name; the error is Nix's message.
    pub(crate) fn parse(name: &str) -> Result<Algorithm, String> {
        match name {
            "md5" => Ok(Algorithm::Md5),
            "sha1" => Ok(Algorithm::Sha1),
            "sha256" => Ok(Algorithm::Sha256),
            "sha512" => Ok(Algorithm::Sha512),
            _ => Err(format!("unknown hash algorithm '{name}', expect 'md5', 'sha1', 'sha256', or 'sha512'")),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "md5",
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        }
    }

    /// The length of its hashes in bytes.
    pub(crate) fn size(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
            Algorithm::Sha512 => 64,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Base16,
    Nix32,
    Base64,
    Sri,
}

impl Format {
    /// The format of this name; the error is Nix's message.
    pub(crate) fn parse(name: &str) -> Result<Format, String> {
        match name {
            "base16" => Ok(Format::Base16),
            "nix32" | "base32" => Ok(Format::Nix32),
            "base64" => Ok(Format::Base64),
            "sri" => Ok(Format::Sri),
            _ => Err(format!("unknown hash format '{name}', expect 'base16', 'nix32', 'base64', or 'sri'")),
        }
    }
}

/// The hash of `bytes`, as long as the algorithm's hashes are.
pub(crate) fn hash(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::Md5 => Md5::digest(bytes).to_vec(),
        Algorithm::Sha1 => Sha1::digest(bytes).to_vec(),
        Algorithm::Sha256 => Sha256::digest(bytes).to_vec(),
        Algorithm::Sha512 => Sha512::digest(bytes).to_vec(),
    }
}

/// `builtins.hashString` and `hashFile`: the hash in base 16.
pub(crate) fn hash_string(algorithm: Algorithm, bytes: &[u8]) -> String {
    base16(&hash(algorithm, bytes))
}

/// `builtins.convertHash`. `hash` is written in base 16, Nix's base 32 or base 64, optionally with `algorithm:` before
/// it, or as SRI (`algorithm-base64`); the algorithm must be there or given, and the two must agree.
pub(crate) fn convert(hash: &str, algorithm: Option<Algorithm>, format: Format) -> Result<String, String> {
    let (algorithm, bytes) = parse(hash, algorithm)?;
    Ok(match format {
        Format::Base16 => base16(&bytes),
        Format::Nix32 => nix32(&bytes),
        Format::Base64 => BASE64.encode(&bytes),
        Format::Sri => format!("{}-{}", algorithm.name(), BASE64.encode(&bytes)),
    })
}

/// A hash in any of the forms that [`convert`] reads: its algorithm and its bytes.
pub(crate) fn parse(hash: &str, algorithm: Option<Algorithm>) -> Result<(Algorithm, Vec<u8>), String> {
    let (prefix, digits, is_sri) = match (hash.split_once(':'), hash.split_once('-')) {
        (Some((prefix, digits)), _) => (Some(prefix), digits, false),
        (None, Some((prefix, digits))) => (Some(prefix), digits, true),
        (None, None) => (None, hash, false),
    };
    let own = prefix.map(Algorithm::parse).transpose()?;
    let algorithm = match (own, algorithm) {
        (Some(own), Some(given)) if own != given => {
            return Err(format!("hash '{hash}' should have type '{}'", given.name()));
        }
        (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
        (None, None) => {
            return Err(format!(
                "hash '{digits}' does not include a type, nor is the type otherwise known from context"
            ));
        }
    };
    Ok((algorithm, decode(digits, algorithm, is_sri)?))
}

fn decode(digits: &str, algorithm: Algorithm, is_sri: bool) -> Result<Vec<u8>, String> {
    let size = algorithm.size();
    let length = digits.len();
    if !is_sri && length == size * 2 {
        return base16_decode(digits).ok_or_else(|| format!("invalid base-16 hash '{digits}'"));
    }
    if !is_sri && length == nix32_length(size) {
        return nix32_decode(digits, size).ok_or_else(|| format!("invalid base-32 hash '{digits}'"));
    }
    if is_sri || length == (4 * size / 3 + 3) & !3 {
        let bytes = base64_decode(digits)?;
        if bytes.len() != size {
            let kind = if is_sri { "SRI" } else { "base-64" };
            return Err(format!("invalid {kind} hash '{digits}'"));
        }
        return Ok(bytes);
    }
    Err(format!("hash '{digits}' has wrong length for hash algorithm '{}'", algorithm.name()))
}

/// `builtins.placeholder`: stands for the path of an output in the builder's environment.
pub(crate) fn placeholder(output: &[u8]) -> String {
    let digest = Sha256::new().chain_update("nix-output:").chain_update(output).finalize();
    format!("/{}", nix32(&digest))
}

pub(crate) fn base16(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|&byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)])).collect()
}

fn base16_decode(digits: &str) -> Option<Vec<u8>> {
    let values: Option<Vec<u8>> =
        digits.bytes().map(|digit| u8::try_from(char::from(digit).to_digit(16)?).ok()).collect();
    Some(values?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn nix32_length(size: usize) -> usize {
    (size * 8).div_ceil(5)
}

/// Nix's base 32: groups of five bits from the end of the hash to its start, the bits of a byte from low to high.
pub(crate) fn nix32(bytes: &[u8]) -> String {
    let digit = |index: usize| {
        let (byte, shift) = (index * 5 / 8, index * 5 % 8);
        let low = u16::from(bytes[byte]);
        let high = bytes.get(byte + 1).copied().map_or(0, u16::from);
        let value = (high << 8 | low) >> shift & 31;
        char::from(NIX32_DIGITS[usize::from(value)])
    };
    (0..nix32_length(bytes.len())).rev().map(digit).collect()
}

fn nix32_decode(digits: &str, size: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0_u8; size];
    for (index, digit) in digits.bytes().rev().enumerate() {
        let value = u16::try_from(NIX32_DIGITS.iter().position(|&known| known == digit)?).ok()?;
        let (byte, shift) = (index * 5 / 8, index * 5 % 8);
        let [low, high] = (value << shift).to_le_bytes();
        bytes[byte] |= low;
        match bytes.get_mut(byte + 1) {
            Some(next) => *next |= high,
            None if high != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

/// As lenient as Nix: ends at the first `=`, skips newlines, ignores bits that don't fill a byte.
fn base64_decode(digits: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let (mut value, mut bits) = (0_u32, 0);
    for digit in digits.chars() {
        let digit_value = match digit {
            '=' => break,
            '\n' => continue,
            'A'..='Z' => u32::from(digit) - u32::from('A'),
            'a'..='z' => u32::from(digit) - u32::from('a') + 26,
            '0'..='9' => u32::from(digit) - u32::from('0') + 52,
            '+' => 62,
            '/' => 63,
            _ => return Err(format!("invalid character in Base64 string: '{digit}'")),
        };
        value = (value << 6 | digit_value) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.extend((value >> bits & 0xff).to_le_bytes().first());
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ALGORITHMS: [Algorithm; 4] = [Algorithm::Md5, Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha512];

    #[test]
    fn hashes_of_abc() {
        // RFC 1321 A.5, FIPS 180-2 appendices A, B and C.
        for (algorithm, expected) in [
            ("md5", "900150983cd24fb0d6963f7d28e17f72"),
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "sha512",
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a\
                 2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            ),
        ] {
            assert_eq!(hash_string(Algorithm::parse(algorithm).unwrap(), b"abc"), expected);
        }
        assert!(Algorithm::parse("sha384").unwrap_err().contains("'sha384'"));
        assert!(Format::parse("hex").unwrap_err().contains("'hex'"));
    }

    #[test]
    fn every_format_converts_to_every_other() {
        let formats = [Format::Base16, Format::Nix32, Format::Base64, Format::Sri];
        for algorithm in ALGORITHMS {
            let base16 = hash_string(algorithm, b"some text");
            let written = formats.map(|format| convert(&base16, Some(algorithm), format).unwrap());
            for text in &written {
                for (format, expected) in formats.iter().zip(&written) {
                    assert_eq!(&convert(text, Some(algorithm), *format).unwrap(), expected);
                    if !text.contains('-') {
                        let prefixed = format!("{}:{text}", algorithm.name());
                        assert_eq!(&convert(&prefixed, None, *format).unwrap(), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn examples_of_the_manual() {
        // The manual's description of builtins.convertHash.
        let base16 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let nix32 = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73";
        let sri = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        assert_eq!(convert(base16, Some(Algorithm::Sha256), Format::Sri).unwrap(), sri);
        assert_eq!(convert(nix32, Some(Algorithm::Sha256), Format::Base16).unwrap(), base16);
        assert_eq!(convert(sri, None, Format::Nix32).unwrap(), nix32);
        assert_eq!(convert(sri.trim_end_matches('='), None, Format::Nix32).unwrap(), nix32);
    }

    #[test]
    fn faults_of_hashes() {
        for (hash, algorithm, message) in [
            ("abc", None, "does not include a type"),
            ("abc", Some(Algorithm::Md5), "wrong length"),
            ("md5:abc", Some(Algorithm::Sha1), "should have type 'sha1'"),
            ("md9:abc", None, "unknown hash algorithm 'md9'"),
            ("sha1-AAAA", None, "invalid SRI hash 'AAAA'"),
            ("sha1-?", None, "invalid character in Base64 string: '?'"),
            ("md5:zz0150983cd24fb0d6963f7d28e17f72", None, "invalid base-16 hash"),
            ("md5:zzzzzzzzzzzzzzzzzzzzzzzzzz", None, "invalid base-32 hash"),
            ("md5:eeeeeeeeeeeeeeeeeeeeeeeeee", None, "invalid base-32 hash"),
            ("md5:é", None, "wrong length"),
            ("", None, "does not include a type"),
        ] {
            let error = convert(hash, algorithm, Format::Base16).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn placeholders() {
        assert_eq!(placeholder(b"out"), "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9");
    }
}

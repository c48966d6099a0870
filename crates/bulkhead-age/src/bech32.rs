//! Bech32 as age uses it: BIP 173 without its limit of 90 characters (age specification, "Conventions").

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const CHECKSUM_LEN: usize = 6;

/// Why a text is not Bech32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bech32Error {
    MixedCase,
    NoSeparator,
    TooShort,
    /// A character outside the alphabet, at this byte.
    Character(usize),
    Checksum,
    Padding,
}

/// Splits `text` into its human-readable part (lower case) and its bytes.
pub(crate) fn decode(text: &str) -> Result<(String, Vec<u8>), Bech32Error> {
    if let Some(at) = text.bytes().position(|byte| !byte.is_ascii_graphic()) {
        return Err(Bech32Error::Character(at));
    }
    let lower = text.to_ascii_lowercase();
    if lower != text && text.to_ascii_uppercase() != text {
        return Err(Bech32Error::MixedCase);
    }
    let separator = lower.rfind('1').filter(|at| *at > 0).ok_or(Bech32Error::NoSeparator)?;
    let (prefix, data) = (&lower[..separator], &lower[separator + 1..]);
    let mut values = Vec::with_capacity(data.len());
    for (i, byte) in data.bytes().enumerate() {
        let value = ALPHABET.iter().position(|letter| *letter == byte);
        values.push(value.ok_or(Bech32Error::Character(separator + 1 + i))? as u8);
    }
    if values.len() < CHECKSUM_LEN {
        return Err(Bech32Error::TooShort);
    }
    if checksum(prefix, &values) != 1 {
        return Err(Bech32Error::Checksum);
    }
    values.truncate(values.len() - CHECKSUM_LEN);
    Ok((prefix.to_string(), to_bytes(&values)?))
}

/// BIP 173's `bech32_polymod` over the expanded prefix and the values.
fn checksum(prefix: &str, values: &[u8]) -> u32 {
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let mut state = 1u32;
    for value in high.chain([0]).chain(low).chain(values.iter().copied()) {
        let top = state >> 25;
        state = (state & 0x01ff_ffff) << 5 ^ u32::from(value);
        for (bit, generator) in GENERATOR.iter().enumerate() {
            if top >> bit & 1 == 1 {
                state ^= generator;
            }
        }
    }
    state
}

/// Regroups 5-bit values into bytes; what is left over must be less than 5 zero bits.
fn to_bytes(values: &[u8]) -> Result<Vec<u8>, Bech32Error> {
    let mut bytes = Vec::with_capacity(values.len() * 5 / 8);
    let (mut buffer, mut bits) = (0u32, 0u32);
    for value in values {
        buffer = (buffer << 5 | u32::from(*value)) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
        }
    }
    if bits >= 5 || buffer & ((1 << bits) - 1) != 0 {
        return Err(Bech32Error::Padding);
    }
    Ok(bytes)
}

//! Onion addresses: well-known ones, and each way to get one wrong.
#![allow(clippy::unwrap_used)]

use bulkhead_age::{OnionError, parse_onion};

const TOR_PROJECT: &str = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";
const DUCKDUCKGO: &str = "duckduckgogg42xjoc72x3sjasowoarfbgcmvfimaftt6twagswzczad.onion";

#[test]
fn valid_addresses() {
    for address in [TOR_PROJECT, DUCKDUCKGO] {
        let onion = parse_onion(address).unwrap();
        assert_eq!((onion.address.as_str(), onion.subdomain), (address, None));
    }
    let onion = parse_onion(&format!("WWW.Git.{}.", TOR_PROJECT.to_uppercase())).unwrap();
    assert_eq!(onion.subdomain.as_deref(), Some("www.git"));
    assert_eq!(onion.address, TOR_PROJECT);
    assert_eq!(onion.to_string(), format!("www.git.{TOR_PROJECT}"));
    assert_eq!(onion.public_key, parse_onion(TOR_PROJECT).unwrap().public_key);
}

#[test]
fn each_wrong_character_is_noticed() {
    for at in 0..56 {
        let mut bytes = TOR_PROJECT.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
        assert!(parse_onion(std::str::from_utf8(&bytes).unwrap()).is_err(), "character {at}");
    }
}

#[test]
fn invalid_addresses() {
    for (host, error) in [
        ("example.org".to_string(), OnionError::NotOnion),
        (String::new(), OnionError::NotOnion),
        ("expyuzz4wqqyqhjn.onion".to_string(), OnionError::Version2),
        ("short.onion".to_string(), OnionError::Length(5)),
        (".onion".to_string(), OnionError::Length(0)),
        (TOR_PROJECT.replace("2gzy", "1gzy"), OnionError::Character(1)),
        (TOR_PROJECT.replace("wid.", "wie."), OnionError::Version(4)),
        (TOR_PROJECT.replace("2gzy", "3gzy"), OnionError::Checksum),
        (format!("http://{TOR_PROJECT}/"), OnionError::NotAHostName),
        (format!("{TOR_PROJECT}:22"), OnionError::NotAHostName),
        (format!(".{TOR_PROJECT}"), OnionError::Subdomain),
        (format!("-a.{TOR_PROJECT}"), OnionError::Subdomain),
    ] {
        assert_eq!(parse_onion(&host), Err(error), "{host}");
    }
}

/// A right checksum over 32 zeros: no service can have that key.
#[test]
fn a_key_of_small_order() {
    use sha3::{Digest as _, Sha3_256};
    let mut bytes = vec![0u8; 32];
    let digest = Sha3_256::digest([b".onion checksum".as_slice(), &bytes, &[3]].concat());
    bytes.extend_from_slice(&[digest[0], digest[1], 3]);
    let bits: String = bytes.iter().map(|byte| format!("{byte:08b}")).collect();
    let letter = |bits: &str| b"abcdefghijklmnopqrstuvwxyz234567"[usize::from_str_radix(bits, 2).unwrap()] as char;
    let label: String = (0..56).map(|i| letter(&bits[5 * i..5 * i + 5])).collect();
    assert_eq!(parse_onion(&format!("{label}.onion")), Err(OnionError::Key));
}

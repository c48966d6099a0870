//! The recipient strings that agenix rules contain: what they mean, and what is said about those that mean nothing.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulkhead_age::{
    KeyErrorKind, P256Family, PrivateKeyKind, Recipient, RecipientKind, SpellingProblem, SshKeyKind, SshPublicKey,
    Weakness,
};

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH";
const X25519: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
const TAG: &str = "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e";
const YUBIKEY: &str = "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt";
const TPM: &str = "age1tpm1qtzcedwcyuemjkynrvucs5wyhue4h528vv7s2z9k8xvr78ky6c72wff0tz2";
const SECURE_ENCLAVE: &str = "age1se1qgg72x2qfk9wg3wh0qg9u0v7l5dkq4jx69fv80p6wdus3ftg6flwg5dz2dp";

fn wire(fields: &[&[u8]]) -> Vec<u8> {
    fields.iter().flat_map(|field| [&(field.len() as u32).to_be_bytes(), *field].concat()).collect()
}

fn line(algorithm: &str, fields: &[&[u8]]) -> String {
    format!("{algorithm} {}", STANDARD.encode(wire(&[&[algorithm.as_bytes()], fields].concat())))
}

fn rsa(bits: usize, exponent: &[u8]) -> String {
    let mut modulus = vec![0xff; bits / 8];
    modulus.insert(0, 0);
    line("ssh-rsa", &[exponent, &modulus])
}

#[track_caller]
fn assert_refused(text: &str, kind: KeyErrorKind) {
    let error = Recipient::parse(text).unwrap_err();
    assert_eq!(error.kind, kind, "{text}: {error}");
}

#[test]
fn the_key_of_the_example() {
    let recipient = Recipient::parse(&format!("{ED25519} root@ponyo \r\n")).unwrap();
    assert_eq!(recipient.tag().as_deref(), Some("V3XmEA"));
    assert_eq!(recipient.public_key_id(), "V3XmEA");
    assert!(recipient.fingerprint().unwrap().starts_with("SHA256:V3XmE"));
    assert_eq!(recipient.canonical(), ED25519);
    assert_eq!(recipient.comment(), Some("root@ponyo"));
    assert_eq!(recipient.spelling_problem(), None);
    assert!(recipient.age_can_encrypt());
    let key = recipient.ssh().unwrap();
    assert_eq!((key.kind(), key.bits(), key.blob().len()), (SshKeyKind::Ed25519, 256, 51));
}

#[test]
fn comments_make_no_difference() {
    let keys = [ED25519.to_string(), format!("{ED25519} a"), format!("{ED25519}\tb c"), format!("  {ED25519}")];
    let distinct: HashSet<_> = keys.iter().map(|text| Recipient::parse(text).unwrap()).collect();
    assert_eq!(distinct.len(), 1);
    assert_ne!(Recipient::parse(ED25519).unwrap(), Recipient::parse(X25519).unwrap());
}

#[test]
fn each_kind_of_age_recipient() {
    let family = |text| match Recipient::parse(text).unwrap().kind() {
        RecipientKind::P256 { family, .. } => Some(*family),
        _ => None,
    };
    assert!(matches!(Recipient::parse(X25519).unwrap().kind(), RecipientKind::X25519(_)));
    assert_eq!(family(TAG), Some(P256Family::Tag));
    assert_eq!(family(YUBIKEY), Some(P256Family::YubiKey));
    assert_eq!(family(TPM), Some(P256Family::Tpm));
    assert_eq!(family(SECURE_ENCLAVE), Some(P256Family::SecureEnclave));
    assert_eq!(Recipient::parse(X25519).unwrap().public_key_id(), "age1zvkyg2lqzraa…ujwj");
    assert_eq!(Recipient::parse(X25519).unwrap().tag(), None);
    assert_eq!(Recipient::parse(TAG).unwrap().tag(), None, "depends on the file");
}

/// The coordinates are those of age-plugin-tpm's own test.
#[test]
fn a_tpm_key_is_named_by_its_uncompressed_point() {
    let recipient = Recipient::parse(TPM).unwrap();
    let RecipientKind::P256 { compressed, uncompressed, .. } = recipient.kind() else { panic!("{recipient:?}") };
    assert_eq!(compressed[1..], uncompressed[1..33]);
    let hex: String = uncompressed[33..].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "62454e8dbf8828ac916b5ad250f101e53c1d633330d82d07a8ccfb6a1d763f7a");
}

#[test]
fn how_age_wants_it_written() {
    for (text, problem) in [
        (X25519.to_string(), None),
        (format!("{X25519}\n"), None),
        (format!(" {X25519}"), Some(SpellingProblem::LeadingBlank)),
        (format!("{X25519}\r\n"), Some(SpellingProblem::TrailingBlank)),
        (format!("{X25519} fry"), Some(SpellingProblem::Comment)),
        (format!("\n{ED25519}"), Some(SpellingProblem::LeadingBlank)),
    ] {
        let recipient = Recipient::parse(&text).unwrap();
        assert_eq!(recipient.spelling_problem(), problem, "{text:?}");
        assert!(!recipient.canonical().contains(['\n', '\r']));
    }
    let lines = Recipient::parse_lines(&format!("{ED25519} a\n\n{X25519}\nx\n"));
    assert_eq!(lines.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
}

#[test]
fn keys_that_age_cannot_encrypt_to() {
    let point = [[4u8].as_slice(), &[7; 64]].concat();
    let point384 = [[4u8].as_slice(), &[7; 96]].concat();
    let p521 = [[4u8].as_slice(), &[7; 132]].concat();
    let number = [0x7f; 128];
    for (text, kind, bits) in [
        (line("ecdsa-sha2-nistp256", &[b"nistp256", &point]), SshKeyKind::EcdsaP256, 256),
        (line("ecdsa-sha2-nistp384", &[b"nistp384", &point384]), SshKeyKind::EcdsaP384, 384),
        (line("ecdsa-sha2-nistp521", &[b"nistp521", &p521]), SshKeyKind::EcdsaP521, 521),
        (line("sk-ssh-ed25519@openssh.com", &[&[9; 32], b"ssh:"]), SshKeyKind::SkEd25519, 256),
        (line("sk-ecdsa-sha2-nistp256@openssh.com", &[b"nistp256", &point, b"ssh:"]), SshKeyKind::SkEcdsa, 256),
        (line("ssh-dss", &[&number, &number, &number, &number]), SshKeyKind::Dss, 1023),
        (line("ssh-ed25519-cert-v01@openssh.com", &[b"anything"]), SshKeyKind::Certificate, 0),
    ] {
        let recipient = Recipient::parse(&text).unwrap();
        let key = recipient.ssh().unwrap();
        assert_eq!((key.kind(), key.bits()), (kind, bits));
        assert!(!key.kind().age_can_encrypt() && !recipient.age_can_encrypt() && recipient.tag().is_none());
    }
}

#[test]
fn weak_keys() {
    let weaknesses = |text: &str| SshPublicKey::parse(text).unwrap().weaknesses();
    assert_eq!(weaknesses(ED25519), []);
    assert_eq!(weaknesses(&rsa(2048, &[1, 0, 1])), []);
    assert_eq!(weaknesses(&rsa(2040, &[1, 0, 1])), [Weakness::RsaTooShort { bits: 2040 }]);
    assert_eq!(weaknesses(&rsa(1024, &[3])), [Weakness::RsaTooShort { bits: 1024 }]);
    assert_eq!(weaknesses(&rsa(8192, &[3])), [Weakness::RsaTooLongForRage { bits: 8192 }]);
    assert_eq!(weaknesses(&rsa(2048, &[1, 0, 0, 1])), [Weakness::RsaExponentTooLong]);
    let ed25519 = |point: [u8; 32]| line("ssh-ed25519", &[&point]);
    assert_eq!(weaknesses(&ed25519([0; 32])), [Weakness::SmallOrder]);
    let mut two = [0; 32];
    two[0] = 2;
    assert_eq!(weaknesses(&ed25519(two)), [Weakness::OffCurve]);
    assert!(!SshPublicKey::parse(&ed25519(two)).unwrap().age_can_encrypt());
    // The rage limit is no reason for age.
    assert!(SshPublicKey::parse(&rsa(8192, &[3])).unwrap().age_can_encrypt());
}

#[test]
fn damaged_ssh_keys() {
    use KeyErrorKind::{AlgorithmMismatch, Encoding, Malformed, MissingKey};
    let blob = |bytes: Vec<u8>| format!("ssh-ed25519 {}", STANDARD.encode(bytes));
    for (text, kind) in [
        ("ssh-ed25519".to_string(), MissingKey),
        (ED25519[..ED25519.len() - 1].to_string(), Encoding),
        (format!("{ED25519}="), Encoding),
        (ED25519.replace("AAAAC3", "AAAA-3"), Encoding),
        (ED25519[..ED25519.len() - 4].to_string(), Malformed),
        (ED25519.replace("ssh-ed25519 ", "ssh-rsa "), AlgorithmMismatch),
        (blob(wire(&[b"ssh-ed25519", &[1; 31]])), Malformed),
        (blob(wire(&[b"ssh-ed25519", &[1; 33]])), Malformed),
        (blob([wire(&[b"ssh-ed25519", &[1; 32]]), vec![0]].concat()), Malformed),
        (blob(vec![0xff; 8]), Malformed),
        (blob(vec![1]), Malformed),
        (rsa(2048, &[4]), Malformed),
        (rsa(2048, &[1]), Malformed),
        (rsa(2048, &[0, 3]), Malformed),
        (rsa(2048, &[0x80]), Malformed),
        (rsa(2048, &[]), Malformed),
        (rsa(16392, &[3]), Malformed),
        (line("ssh-rsa", &[&[3], &[0x40, 0x00]]), Malformed),
        (line("ecdsa-sha2-nistp256", &[b"nistp384", &[4; 65]]), Malformed),
        (line("ecdsa-sha2-nistp256", &[b"nistp256", &[2; 33]]), Malformed),
        (line("sk-ssh-ed25519@openssh.com", &[&[9; 32]]), Malformed),
    ] {
        assert_refused(&text, kind);
    }
    // The last base64 character carries unused bits: only zero is canonical.
    let key = line("ssh-ed25519-cert-v01@openssh.com", &[b"x"]);
    assert!(key.ends_with("Xg="), "{key}");
    assert_refused(&key.replace("Xg=", "Xh="), Encoding);
}

#[test]
fn damaged_age_recipients() {
    use KeyErrorKind::{Checksum, Encoding, Malformed};
    for (text, kind) in [
        (X25519.replace("zvk", "zvq"), Checksum),
        (X25519[..X25519.len() - 1].to_string(), Checksum),
        (X25519.to_uppercase(), Encoding),
        (X25519.replace("zvk", "zVk"), Encoding),
        (X25519.replace("zvk", "zbk"), Encoding),
        ("age1".to_string(), Encoding),
        ("age1é".to_string(), Encoding),
    ] {
        assert_refused(&text, kind);
    }
    // Right checksums, wrong contents: 31 bytes, and an x that has no point.
    assert_refused(&bech32("age", &[1; 31]), Malformed);
    assert_refused(&bech32("age1yubikey", &[2; 32]), Malformed);
    let off_curve: Vec<_> =
        (0..64u8).map(|x| bech32("age1tag", &[[2u8].as_slice(), &[0; 31], &[x]].concat())).collect();
    assert!(off_curve.iter().any(|text| Recipient::parse(text).is_err_and(|error| error.kind == Malformed)));
    assert!(off_curve.iter().any(|text| Recipient::parse(text).is_ok()));
    assert_refused(&bech32("age1pq", &[1; 32]), Malformed);
    assert_refused(&bech32("age1tagpq", &[1; 1249]), Malformed);
    assert_refused(&bech32("bc", &[1; 32]), KeyErrorKind::NotAKey);
    let weak = Recipient::parse(&bech32("age", &[0; 32])).unwrap();
    assert_eq!(weak.weaknesses(), [Weakness::SmallOrder]);
    let pq = Recipient::parse(&bech32("age1pq", &[1; 1216])).unwrap();
    assert!(matches!(pq.kind(), RecipientKind::MlKem768X25519(_)));
    let plugin = Recipient::parse(&bech32("age1fido2-hmac", &[1; 7])).unwrap();
    assert!(matches!(plugin.kind(), RecipientKind::Plugin { name } if name == "fido2-hmac"));
}

#[test]
fn what_people_write_instead_of_a_key() {
    use KeyErrorKind as Kind;
    for (text, kind) in [
        (" \n".to_string(), Kind::Empty),
        ("github:fry".to_string(), Kind::GitHub),
        ("/etc/ssh/ssh_host_ed25519_key.pub".to_string(), Kind::Path),
        ("./fry.pub".to_string(), Kind::Path),
        ("keys/fry.pub".to_string(), Kind::Path),
        (format!("from=\"10.0.0.*\",no-pty {ED25519} x"), Kind::Options),
        (format!("restrict {ED25519}"), Kind::Options),
        (format!("command=\"a b c\" {ED25519}"), Kind::Options),
        (format!("fry.example.org {ED25519}"), Kind::HostName),
        (ED25519[12..].to_string(), Kind::MissingAlgorithm),
        ("ssh-ed448 AAAA".to_string(), Kind::UnknownAlgorithm("ssh-ed448".to_string())),
        (format!("{ED25519}\n{X25519}"), Kind::SeveralLines),
        ("-----BEGIN PUBLIC KEY-----\nMII\n".to_string(), Kind::OtherFormat),
        ("---- BEGIN SSH2 PUBLIC KEY ----\n".to_string(), Kind::OtherFormat),
        ("fry".to_string(), Kind::NotAKey),
        ("x".repeat(20_000), Kind::TooLong),
    ] {
        assert_refused(&text, kind);
    }
}

#[test]
fn a_pasted_secret_is_recognised_and_not_repeated() {
    for (text, kind) in [
        ("AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX", PrivateKeyKind::AgeIdentity),
        ("age-secret-key-1gfpyy", PrivateKeyKind::AgeIdentity),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n", PrivateKeyKind::OpenSsh),
        ("-----BEGIN RSA PRIVATE KEY-----", PrivateKeyKind::Rsa),
    ] {
        let error = Recipient::parse(text).unwrap_err();
        assert_eq!(error.kind, KeyErrorKind::PrivateKey(kind));
        let told = format!("{error} {:?}", error);
        assert!(!told.contains("GFPYY") && !told.contains("gfpyy") && !told.contains("b3Blb"), "{told}");
    }
}

/// BIP 173's encoder, the inverse of what is tested.
fn bech32(prefix: &str, bytes: &[u8]) -> String {
    let mut values = Vec::new();
    let (mut buffer, mut bits) = (0u32, 0);
    for byte in bytes {
        buffer = buffer << 8 | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            values.push((buffer >> bits & 31) as u8);
        }
        buffer &= 0xff;
    }
    if bits > 0 {
        values.push((buffer << (5 - bits) & 31) as u8);
    }
    let expanded: Vec<u8> =
        prefix.bytes().map(|byte| byte >> 5).chain([0]).chain(prefix.bytes().map(|byte| byte & 31)).collect();
    let checksum = expanded.into_iter().chain(values.iter().copied()).chain([0; 6]).fold(1u32, |state, value| {
        let generator = [0x3b6a_57b2u32, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let next = (state & 0x01ff_ffff) << 5 ^ u32::from(value);
        (0..5).filter(|bit| state >> 25 >> bit & 1 == 1).fold(next, |next, bit| next ^ generator[bit])
    }) ^ 1;
    values.extend((0..6).map(|i| (checksum >> (5 * (5 - i)) & 31) as u8));
    let letters = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    format!("{prefix}1{}", values.iter().map(|value| letters[usize::from(*value)] as char).collect::<String>())
}

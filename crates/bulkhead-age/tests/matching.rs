//! Headers against recipients: what is certain, what is counted, what stays undecided.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use bulkhead_age::matching::{CountVerdict, Fit, MAX_TAG_COMPUTATIONS, content_tag, expected_stanzas};
use bulkhead_age::{Header, Match, Recipient, StanzaExpectation, match_recipients, parse_header};

const MAC: &str = "--- HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75s\n";
const AGE: &str = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
const TAG: &str = "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e";
const YUBIKEY: &str = "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt";
const TPM: &str = "age1tpm1qtzcedwcyuemjkynrvucs5wyhue4h528vv7s2z9k8xvr78ky6c72wff0tz2";
const SECURE_ENCLAVE: &str = "age1se1qgg72x2qfk9wg3wh0qg9u0v7l5dkq4jx69fv80p6wdus3ftg6flwg5dz2dp";
/// The recipient of an unknown plugin, with a right checksum.
const PLUGIN: &str = "age1tpm1syqqqpqrtxsnkkqlmu505zzrq439hetls4qwwmyhsv8dgjhksvtewvx29lxs7s68qy";
/// The stanza of the age specification, for a key that isn't [`TAG`].
const SPECIFICATION_TAG_STANZA: &str = "-> p256tag CXBuUw BOqTylUtZFwkMTxd6UENg8kopiMhRJBOUXMv5w2xVOmJu7eezoALGXiNtq5Vka+UQvaYbQvAdwjIJEDaoBaq7So\n\
    bZQpLsV8uGqGPs70J6dVodiHejsZ5BODjaRsB0RcBqI\n";

fn header(stanzas: &[String]) -> Header {
    parse_header(format!("age-encryption.org/v1\n{}{MAC}", stanzas.concat()).as_bytes(), false).unwrap()
}

fn stanza(line: &str) -> String {
    format!("-> {line}\n{}\n", STANDARD_NO_PAD.encode([7; 32]))
}

fn unpadded(byte: u8, length: usize) -> String {
    STANDARD_NO_PAD.encode(vec![byte; length])
}

fn x25519() -> String {
    stanza(&format!("X25519 {}", unpadded(1, 32)))
}

fn ssh_key(number: u32) -> Recipient {
    let mut blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20".to_vec();
    blob.extend_from_slice(&number.to_be_bytes());
    blob.resize(51, 0);
    Recipient::parse(&format!("ssh-ed25519 {}", STANDARD.encode(blob))).unwrap()
}

fn ssh_stanza(recipient: &Recipient) -> String {
    stanza(&format!("ssh-ed25519 {} {}", recipient.tag().unwrap(), unpadded(2, 32)))
}

/// A stanza that age's `tag` package would write for the recipient, but for its contents.
fn content_tagged(recipient: &Recipient, byte: u8) -> String {
    let hashes = expected_stanzas(recipient);
    let hash = hashes.iter().find_map(|expectation| match expectation {
        StanzaExpectation::HmacTagged { key_hash, .. } => Some(*key_hash),
        _ => None,
    });
    let tag = content_tag("p256tag", &[byte; 65], hash.unwrap()).unwrap();
    stanza(&format!("p256tag {} {}", STANDARD_NO_PAD.encode(tag), unpadded(byte, 65)))
}

fn parse(text: &str) -> Recipient {
    Recipient::parse(text).unwrap()
}

fn compare(stanzas: &[String], recipients: &[Recipient]) -> Match {
    match_recipients(&header(stanzas), recipients)
}

#[test]
fn tags_tell_missing_from_stale() {
    let keys: Vec<_> = (0..4).map(ssh_key).collect();
    let result = compare(&[ssh_stanza(&keys[1]), ssh_stanza(&keys[3])], &keys[..3]);
    assert_eq!(result.matched, [(1, 0)]);
    assert_eq!(result.missing, [0, 2]);
    assert_eq!(result.stale, [1]);
    assert_eq!(result.fit(), Fit::Differs);
    let result = compare(&[ssh_stanza(&keys[1]), ssh_stanza(&keys[0])], &keys[..2]);
    assert_eq!(result.matched, [(0, 1), (1, 0)]);
    assert_eq!(result.fit(), Fit::Fits);
}

#[test]
fn the_same_tag_under_another_type_is_another_key() {
    let key = ssh_key(1);
    let rsa = format!("-> ssh-rsa {}\n{}\n\n", key.tag().unwrap(), vec!["q".repeat(64); 6].join("\n"));
    let result = compare(&[rsa], std::slice::from_ref(&key));
    assert_eq!((result.missing, result.stale), (vec![0], vec![0]));
}

#[test]
fn grease_is_ignored() {
    let key = ssh_key(1);
    let grease = "-> X25519-grease ssh-ed25519 V3XmEA\n\n".to_string();
    let result = compare(&[grease, ssh_stanza(&key)], &[key]);
    assert_eq!(result.matched, [(0, 1)]);
    assert_eq!(result.fit(), Fit::Fits);
}

#[test]
fn repetitions() {
    let key = ssh_key(1);
    let twice = [ssh_stanza(&key), ssh_stanza(&key)];
    let result = compare(&twice, std::slice::from_ref(&key));
    assert_eq!((result.matched.as_slice(), result.duplicate_stanzas.as_slice()), ([(0, 0)].as_slice(), [1].as_slice()));
    // age writes a stanza for each time a key is listed.
    let result = compare(&twice, &[key.clone(), key.clone()]);
    assert_eq!(result.matched, [(0, 0), (1, 1)]);
    assert_eq!(result.duplicate_recipients, [(0, 1)]);
    assert!(result.duplicate_stanzas.is_empty());
    assert_eq!(result.fit(), Fit::Fits);
    let result = compare(&twice[..1], &[key.clone(), key]);
    assert_eq!(result.matched, [(0, 0), (1, 0)]);
}

/// Two SSH keys with one tag, found by trying some hundred thousand.
#[test]
fn a_tag_that_two_keys_share() {
    let keys = [ssh_key(104_932), ssh_key(109_952)];
    assert_eq!(keys[0].tag(), keys[1].tag());
    let both = compare(&[ssh_stanza(&keys[0]), ssh_stanza(&keys[1])], &keys);
    assert_eq!(both.matched, [(0, 0), (1, 1)]);
    let one = compare(&[ssh_stanza(&keys[0])], &keys);
    assert_eq!((one.ambiguous.len(), one.ambiguous[0].recipients.as_slice()), (1, [0, 1].as_slice()));
    assert!(one.matched.is_empty() && one.missing.is_empty());
    assert_eq!(one.fit(), Fit::Undecided);
    let none = compare(&[x25519()], &keys);
    assert_eq!(none.missing, [0, 1]);
}

#[test]
fn anonymous_stanzas_are_counted() {
    let age = parse(AGE);
    let verdict = |stanzas: &[String], recipients: &[Recipient]| compare(stanzas, recipients).counted[0].verdict;
    assert_eq!(verdict(&[x25519()], std::slice::from_ref(&age)), CountVerdict::Fits);
    assert_eq!(verdict(&[x25519(), x25519()], std::slice::from_ref(&age)), CountVerdict::More);
    assert_eq!(verdict(&[ssh_stanza(&ssh_key(1))], std::slice::from_ref(&age)), CountVerdict::Fewer);
    assert_eq!(verdict(&[x25519()], &[]), CountVerdict::More);
    // Listed twice, one stanza or two.
    assert_eq!(verdict(&[x25519()], &[age.clone(), age.clone()]), CountVerdict::Fits);
    assert_eq!(verdict(&[x25519(), x25519()], &[age.clone(), age.clone()]), CountVerdict::Fits);
    // A plugin may write X25519 stanzas too.
    assert_eq!(verdict(&[x25519(), x25519()], &[age, parse(PLUGIN)]), CountVerdict::Undecided);
}

#[test]
fn hardware_keys() {
    let (tag, yubikey, tpm) = (parse(TAG), parse(YUBIKEY), parse(TPM));
    let fixed = |kind: &str, key: &Recipient| stanza(&format!("{kind} {} {}", key.tag().unwrap(), unpadded(3, 33)));
    let keys = [tag.clone(), yubikey.clone(), tpm.clone()];
    let result = compare(&[fixed("tpm-ecc", &tpm), content_tagged(&tag, 5), fixed("piv-p256", &yubikey)], &keys);
    assert_eq!(result.matched, [(0, 1), (1, 2), (2, 0)]);
    assert_eq!(result.fit(), Fit::Fits);
    // Newer plugins write the standard stanza for the same hardware.
    let result = compare(&[content_tagged(&tpm, 6), content_tagged(&yubikey, 7), content_tagged(&tag, 8)], &keys);
    assert_eq!(result.matched, [(0, 2), (1, 1), (2, 0)]);
    let result = compare(&[SPECIFICATION_TAG_STANZA.to_string()], &[tag]);
    assert_eq!((result.missing.as_slice(), result.stale.as_slice()), ([0].as_slice(), [0].as_slice()));
}

#[test]
fn unknown_plugins_leave_it_undecided() {
    let (key, plugin) = (ssh_key(1), parse(PLUGIN));
    let unknown = stanza("example.com/enigma 1");
    let result = compare(&[ssh_stanza(&key), unknown.clone()], &[key.clone(), plugin.clone()]);
    assert_eq!(
        (result.unidentified_recipients.as_slice(), result.unidentified_stanzas.as_slice()),
        ([1].as_slice(), [1].as_slice())
    );
    assert_eq!(result.fit(), Fit::Undecided);
    // A foreign tag of a hardware key may be the plugin's; one of an SSH key is not.
    let foreign = content_tagged(&parse(TAG), 1);
    let result = compare(&[foreign.clone(), ssh_stanza(&ssh_key(2))], &[key.clone(), plugin]);
    assert_eq!((result.unidentified_stanzas.as_slice(), result.stale.as_slice()), ([0].as_slice(), [1].as_slice()));
    let result = compare(&[foreign, unknown], &[key]);
    assert_eq!((result.stale.as_slice(), result.unidentified_stanzas.as_slice()), ([0].as_slice(), [1].as_slice()));
}

#[test]
fn keys_and_stanzas_that_cannot_work() {
    let key = ssh_key(1);
    let short = stanza(&format!("ssh-ed25519 {} {}", key.tag().unwrap(), unpadded(2, 31)));
    let security_key = {
        let point = [&b"\0\0\0\x20"[..], &[9; 32]].concat();
        let blob = [&b"\0\0\0\x1ask-ssh-ed25519@openssh.com"[..], &point, b"\0\0\0\x04ssh:"].concat();
        parse(&format!("sk-ssh-ed25519@openssh.com {}", STANDARD.encode(blob)))
    };
    let result = compare(&[short], &[key.clone(), security_key]);
    assert_eq!((result.malformed.as_slice(), result.missing.as_slice()), ([0].as_slice(), [0].as_slice()));
    assert_eq!(result.impossible, [1]);
    let passphrase = format!("-> scrypt {} 18\n{}\n", unpadded(4, 16), unpadded(7, 32));
    let result = compare(&[passphrase], &[key]);
    assert_eq!((result.passphrase.as_slice(), result.missing.as_slice()), ([0].as_slice(), [0].as_slice()));
}

#[test]
fn large_headers_take_linear_time() {
    let keys: Vec<_> = (0..20_000).map(ssh_key).collect();
    let stanzas: Vec<_> = keys.iter().rev().map(ssh_stanza).collect();
    let result = compare(&stanzas, &keys);
    assert_eq!(result.matched.len(), keys.len());
    assert_eq!(result.fit(), Fit::Fits);
}

#[test]
fn a_key_listed_often_is_compared_once() {
    let yubikey = parse(YUBIKEY);
    let stanzas: Vec<_> = (0..3_000).map(|i| content_tagged(&yubikey, (i % 251) as u8)).collect();
    let result = compare(&stanzas, &vec![yubikey; MAX_TAG_COMPUTATIONS / 1_000]);
    assert_eq!(result.matched.len(), MAX_TAG_COMPUTATIONS / 1_000);
    assert_eq!(result.duplicate_stanzas.len(), 3_000 - MAX_TAG_COMPUTATIONS / 1_000);
    assert_eq!(result.fit(), Fit::Fits);
}

#[test]
fn what_is_beyond_the_limit_of_computed_tags_is_undecided() {
    let keys = [TAG, YUBIKEY, TPM, SECURE_ENCLAVE].map(parse);
    let one = content_tagged(&keys[0], 1);
    let count = MAX_TAG_COMPUTATIONS / keys.len() + 500;
    let result = compare(&vec![one; count], &keys);
    assert_eq!(result.matched, [(0, 0)]);
    assert_eq!(result.unidentified_stanzas.len(), 500);
    assert_eq!(result.unidentified_recipients, [1, 2, 3]);
    assert!(result.missing.is_empty());
    assert_eq!(result.fit(), Fit::Undecided);
}

/// Values computed apart from this crate, with Python's `hmac`.
#[test]
fn tags_over_the_contents() {
    let expectations = expected_stanzas(&parse(TAG));
    let key_hash = [155, 227, 110, 202];
    assert_eq!(expectations, [StanzaExpectation::HmacTagged { stanza_type: "p256tag", key_hash }]);
    assert_eq!(content_tag("p256tag", &[5; 65], key_hash), Some([151, 160, 192, 75]));
    assert_eq!(content_tag("mlkem768p256tag", &[5; 1153], [1, 2, 3, 4]), Some([30, 139, 117, 20]));
    assert_eq!(content_tag("X25519", &[5; 32], key_hash), None);
}

//! Private keys in clear of kinds that are told by their form, and what only looks like them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bulkhead_eval::{Limits, World};
use bulkhead_fleet::{Evidence, Fleet, KeyLike, LoadOptions};
use bulkhead_source::WorkTree;

/// What is found in a file of this name and content.
fn found(name: &str, content: &[u8]) -> Vec<KeyLike> {
    let folder = tempfile::TempDir::new().unwrap();
    fs::write(folder.path().join(name), content).unwrap();
    fs::write(folder.path().join("bulkhead.toml"), "").unwrap();
    let tree = std::sync::Arc::new(WorkTree::open(folder.path()).unwrap());
    let world = World::new(tree.clone(), Limits::default());
    Fleet::load(&*tree, &world, &LoadOptions::default()).unwrap().key_likes
}

/// What the one key in such a file is, and where it begins.
fn kind(name: &str, content: impl AsRef<[u8]>) -> (String, usize) {
    let found = found(name, content.as_ref());
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    match &found[0].evidence {
        Evidence::Content(key) => (key.kind.to_string(), key.offset),
        Evidence::Other { kind, offset } => (kind.to_string(), *offset),
        Evidence::Name => ("name".to_owned(), 0),
    }
}

fn nothing(name: &str, content: impl AsRef<[u8]>) {
    assert!(found(name, content.as_ref()).is_empty(), "{name}: {:?}", found(name, content.as_ref()));
}

/// Fields with their lengths in front.
fn fields(all: &[&[u8]]) -> Vec<u8> {
    all.iter().flat_map(|field| [&u32::try_from(field.len()).unwrap().to_be_bytes(), *field].concat()).collect()
}

#[test]
fn keys_of_dropbear() {
    let dropbear = ("dropbear private key".to_owned(), 0);
    let number: &[u8] = &[7; 256];
    let e: &[u8] = &[1, 0, 1];
    let point: &[u8] = &[&[4u8][..], &[9; 64]].concat();
    assert_eq!(kind("dropbear_rsa_host_key", fields(&[b"ssh-rsa", e, number, number, number, number])), dropbear);
    assert_eq!(kind("key", fields(&[b"ssh-rsa", e, number, number])), dropbear);
    assert_eq!(kind("key", fields(&[b"ssh-ed25519", &[7; 64]])), dropbear);
    assert_eq!(kind("key", fields(&[b"ecdsa-sha2-nistp256", b"nistp256", point, &[3; 32]])), dropbear);
    nothing("blob", fields(&[b"ssh-rsa", e, number]));
    nothing("blob", fields(&[b"ssh-ed25519", &[7; 32]]));
    nothing("blob", fields(&[b"ecdsa-sha2-nistp256", b"nistp256", point]));
    nothing("blob", [fields(&[b"ssh-ed25519", &[7; 64]]), vec![0, 0, 0]].concat());
}

#[test]
fn keys_in_json() {
    let d = URL_SAFE_NO_PAD.encode([200; 32]);
    let private = format!(r#"{{"kty": "EC", "crv": "P-256", "x": "{d}", "y": "{d}", "d": "{d}"}}"#);
    let jwk = "JSON Web Key (private)";
    assert_eq!(kind("jwk.json", format!(r#"{{"keys": [{private}]}}"#)), (jwk.to_owned(), 10));
    assert_eq!(kind("a.json", format!(r#"{{"k": "{d}", "kty":"oct"}}"#)), (jwk.to_owned(), 0));
    assert_eq!(kind("a.nix", format!("\"{}\"", private.replace('"', "\\\""))), (jwk.to_owned(), 1));
    nothing("jwk.json", format!(r#"{{"kty": "EC", "crv": "P-256", "x": "{d}", "y": "{d}"}}"#));
    nothing("jwk.json", r#"{"kty": "EC", "d": "short", "x": "y"}"#);
    nothing("jwk.json", format!(r#"[{{"kty": "EC"}}, {{"d": "{d}"}}]"#));

    let mut bytes = [0x55u8; 32];
    bytes[0] = 0x50;
    let wireguard = STANDARD.encode(bytes);
    assert_eq!(kind("wg.json", format!(r#"{{"PrivateKey": "{wireguard}"}}"#)).0, "WireGuard private key");
    assert_eq!(kind("wg.json", format!("{{\n\"private_key\" : \"{wireguard}\"}}")).0, "WireGuard private key");
    assert_eq!(kind("wg.yaml", format!("privateKey: {wireguard}\n")), ("WireGuard private key".to_owned(), 12));
    nothing("wg.json", format!(r#"{{"PublicKey": "{wireguard}"}}"#));
    nothing("wg.json", format!(r#"{{"PrivateKey": "{}"}}"#, STANDARD.encode([0xff; 32])));
}

#[test]
fn keys_that_sign_for_a_cache() {
    let (secret, public) = (STANDARD.encode([77; 64]), STANDARD.encode([77; 32]));
    let signs = "key that signs for a Nix binary cache";
    assert_eq!(kind("cache-key", format!("cache.example.org-1:{secret}\n")), (signs.to_owned(), 0));
    assert_eq!(kind("a.nix", format!("{{ key = \"cache-1:{secret}\"; }}")), (signs.to_owned(), 9));
    nothing("a.nix", format!("{{ key = \"cache.example.org-1:{public}\"; }}"));
    nothing("u2f_keys", format!("bn:{secret},{secret},es256,+presence\n"));
    assert_eq!(kind("keys", format!("a-1:{secret},b-1:{secret}")), (signs.to_owned(), 0));
    nothing("a.nix", format!("{{ hash = \"sha512:{secret}\"; other = \"sha512-{secret}\"; }}"));
}

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\n\
    b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQ\n\
    -----END OPENSSH PRIVATE KEY-----\n";

#[test]
fn texts_in_utf_16_without_a_mark() {
    let ssh = "OpenSSH private key".to_owned();
    let text = format!("key: {KEY}");
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(kind("key.txt", little), (ssh.clone(), 10));
    assert_eq!(kind("key.txt", big), (ssh, 10));
}

#[test]
fn strings_of_nix_that_are_put_together() {
    let ssh = "OpenSSH private key";
    let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZWQyNTUxOQ";
    let joined = format!("{{ a = \"-----BEGIN \" + \"OPENSSH PRIVATE KEY-----\\n\" +\n  ''{body}''; }}");
    assert_eq!(kind("a.nix", joined), (ssh.to_owned(), 7));
    let listed = format!("builtins.concatStringsSep \"\" [ \"-----BEGIN OPENSSH\" \" PRIVATE KEY-----\\n{body}\" ]");
    assert_eq!(kind("a.nix", listed).0, ssh);
    nothing("a.nix", "{ a = \"-----BEGIN \" + \"OPENSSH PRIVATE KEY-----\"; b = x; }");
    nothing("a.nix", "[ \"-----BEGIN OPENSSH PRIVATE KEY-----\" \"\" ]");
}

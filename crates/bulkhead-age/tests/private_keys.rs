//! Key material that must not lie in a repository, and what only looks like it.
#![allow(clippy::unwrap_used)]

use bulkhead_age::{PrivateKeyKind, looks_like_private_key};

const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

#[test]
fn what_is_found() {
    let pgp = "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\nlQOYBGNs0hEBCACr0123456789\n";
    let pem = "-----BEGIN DSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n";
    let putty = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: aes256-cbc\n";
    let file = format!("# created\n# public key: age1\n{IDENTITY}\n");
    for (bytes, kind, encrypted, offset) in [
        (file.as_bytes(), PrivateKeyKind::AgeIdentity, Some(false), 29),
        (pgp.as_bytes(), PrivateKeyKind::Pgp, None, 0),
        (pem.as_bytes(), PrivateKeyKind::Dsa, Some(true), 0),
        (putty.as_bytes(), PrivateKeyKind::Putty, Some(true), 0),
        (b"== ed25519v1-secret: type0 ==\0\0\0\x01\x02", PrivateKeyKind::TorOnion, Some(false), 0),
        (b"LUKS\xba\xbe\x00\x02", PrivateKeyKind::LuksHeader, Some(true), 0),
    ] {
        let found = looks_like_private_key(bytes).unwrap();
        assert_eq!((found.kind, found.encrypted, found.offset), (kind, encrypted, offset));
    }
}

#[test]
fn what_is_not() {
    let mistyped = IDENTITY.replace("GFPY", "GFPZ");
    for text in [
        "",
        "LUKS",
        "grep -r '-----BEGIN OPENSSH PRIVATE KEY-----' .",
        "Files with `-----BEGIN RSA PRIVATE KEY-----`\nmust not be committed.\n",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A\n",
        "-----BEGIN AGE ENCRYPTED FILE-----\nYWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+\n",
        "AGE-SECRET-KEY-1…",
        &mistyped,
        "4Ef4NmoTUDTHV2sWWu2EvJ3mqZEzXPmFN2l/b9dR0W0=", // might be a WireGuard key, might be anything
    ] {
        assert_eq!(looks_like_private_key(text.as_bytes()), None, "{text}");
    }
}

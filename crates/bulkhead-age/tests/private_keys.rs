//! Key material that must not lie in a repository, and what only looks like it.
#![allow(clippy::unwrap_used)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bulkhead_age::{PrivateKeyKind, looks_like_private_key, whole_private_key};

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

/// An armour around `content`, in lines of 64 characters.
fn pem(label: &str, content: &[u8]) -> String {
    let encoded = STANDARD.encode(content);
    let lines: Vec<&str> = encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// The form of an OpenSSH key whose numbers are made up; `check` stands twice in a key without passphrase.
fn openssh(cipher: &str, check: [u32; 2]) -> Vec<u8> {
    openssh_of(b"ssh-ed25519", cipher, check)
}

fn openssh_of(key_type: &[u8], cipher: &str, check: [u32; 2]) -> Vec<u8> {
    let mut bytes = b"openssh-key-v1\0".to_vec();
    let private = [&check[0].to_be_bytes()[..], &check[1].to_be_bytes(), &[7; 120]].concat();
    let fields: [&[u8]; 3] = [cipher.as_bytes(), b"none", b""];
    let field = |bytes: &mut Vec<u8>, field: &[u8]| {
        bytes.extend((field.len() as u32).to_be_bytes());
        bytes.extend(field);
    };
    fields.iter().for_each(|content| field(&mut bytes, content));
    bytes.extend(1u32.to_be_bytes());
    let mut public = Vec::new();
    field(&mut public, key_type);
    field(&mut public, &[3; 32]);
    field(&mut bytes, &public);
    field(&mut bytes, &private);
    bytes
}

/// The form of a key in DER.
fn der() -> Vec<u8> {
    [&[0x30, 0x81, 0x90][..], &[2; 0x90]].concat()
}

#[test]
fn whole_keys_are_found_however_they_are_pasted() {
    let key = pem("OPENSSH PRIVATE KEY", &openssh("none", [5, 5]));
    let quoted: String = key.lines().map(|line| format!("> {line}\n")).collect();
    let commented: String = key.lines().map(|line| format!("  // {line}\n")).collect();
    let joined: String = key.lines().map(|line| format!("    \"{line}\\n\" +\n")).collect();
    let one_line = format!("KEY = \"{}\"", key.replace('\n', "\\n"));
    let windows = key.replace('\n', "\r\n");
    for text in [&key, &quoted, &commented, &joined, &one_line, &windows] {
        let text = format!("How the key came here.\n\n{text}");
        for find in [whole_private_key, looks_like_private_key] {
            let found = find(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((found.kind, found.encrypted), (PrivateKeyKind::OpenSsh, Some(false)), "{text}");
            assert!(text[found.offset..].starts_with("-----BEGIN"), "{text}");
        }
    }
}

/// Ciphertext may have lines that look like comments: `//` is 12 bits that are set.
#[test]
fn a_line_of_a_key_may_begin_with_slashes() {
    let headers = "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n";
    let key = pem("RSA PRIVATE KEY", &[0xff; 640]).replacen("-----\n", headers, 1);
    assert!(key.contains("\n//"));
    let commented: String = key.lines().map(|line| format!("//{line}\n")).collect();
    for text in [&key, &commented, &key.replace('\n', "\\n")] {
        let found = whole_private_key(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((found.kind, found.encrypted), (PrivateKeyKind::Rsa, Some(true)), "{text}");
    }
}

#[test]
fn a_key_may_be_commented_out_in_a_program() {
    let key = pem("RSA PRIVATE KEY", &der());
    let quoted: Vec<String> = key.lines().map(|line| format!("\"{line}\\n\"")).collect();
    let joined = format!("const key = {};\n", quoted.join(" +\n  "));
    let commented: String = joined.lines().map(|line| format!("// {line}\n")).collect();
    for text in [&joined, &commented, &commented.replace("// ", "//")] {
        let found = whole_private_key(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((found.kind, found.encrypted), (PrivateKeyKind::Rsa, Some(false)), "{text}");
    }
}

#[test]
fn whole_keys_of_every_kind() {
    let secret_packet = [&[0x95, 0x01, 0x00][..], &[9; 80]].concat();
    let with_header = |label: &str, header: &str, content: &[u8]| {
        pem(label, content).replacen("-----\n", &format!("-----\n{header}\n\n"), 1)
    };
    let pgp =
        with_header("PGP PRIVATE KEY BLOCK", "Comment: me", &secret_packet).replace("\n-----END", "\n=aB3d\n-----END");
    let legacy = with_header("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00", &[8; 640]);
    let identity = format!("run `age -i` with\n{IDENTITY}\n");
    for (text, kind, encrypted) in [
        (pem("RSA PRIVATE KEY", &der()), PrivateKeyKind::Rsa, Some(false)),
        (pem("EC PRIVATE KEY", &der()), PrivateKeyKind::Ec, Some(false)),
        (pem("PRIVATE KEY", &der()), PrivateKeyKind::Pkcs8, Some(false)),
        (pem("ENCRYPTED PRIVATE KEY", &der()), PrivateKeyKind::Pkcs8, Some(true)),
        (pem("OPENSSH PRIVATE KEY", &openssh("aes256-ctr", [5, 6])), PrivateKeyKind::OpenSsh, Some(true)),
        (
            pem("OPENSSH PRIVATE KEY", &openssh_of(b"sk-ssh-ed25519@openssh.com", "none", [5, 5])),
            PrivateKeyKind::SecurityKey,
            Some(false),
        ),
        (legacy, PrivateKeyKind::Rsa, Some(true)),
        (pgp, PrivateKeyKind::Pgp, None),
        (identity, PrivateKeyKind::AgeIdentity, Some(false)),
    ] {
        let found = whole_private_key(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((found.kind, found.encrypted), (kind, encrypted), "{text}");
        assert_eq!(looks_like_private_key(text.as_bytes()).unwrap().kind, kind, "{text}");
    }
}

/// A packet of OpenPGP with a secret key of version 4 (RFC 9580, 5.5.3), whose octet of S2K usage is `usage`.
fn secret_key(tag: u8, algorithm: u8, public: &[u8], usage: u8) -> Vec<u8> {
    let body = [&[4, 1, 2, 3, 4, algorithm], public, &[usage], &[9; 60]].concat();
    [&[0x80 | tag << 2, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
}

#[test]
fn whether_a_passphrase_protects_a_pgp_key() {
    let oid = |rest: &[u8]| [&[3, 1, 2, 3], rest].concat();
    let integer = [0, 9, 1, 255];
    let rsa = [integer, integer].concat();
    let eddsa = oid(&integer);
    let ecdh = oid(&[&integer[..], &[3, 1, 8, 7]].concat());
    let user = [0xcd, 2, b'm', b'e'];
    for (protected, packets) in [
        (Some(false), secret_key(5, 1, &rsa, 0)),
        (Some(true), secret_key(5, 1, &rsa, 254)),
        (Some(true), [secret_key(5, 22, &eddsa, 254), user.to_vec(), secret_key(7, 18, &ecdh, 255)].concat()),
        // The key is protected, the subkey is not.
        (Some(false), [secret_key(5, 22, &eddsa, 254), user.to_vec(), secret_key(7, 18, &ecdh, 0)].concat()),
        (Some(true), secret_key(5, 27, &[7; 32], 253)),
        // An algorithm of tomorrow, and a packet that is cut off.
        (None, secret_key(5, 90, &[7; 32], 254)),
        (None, [secret_key(5, 1, &rsa, 254), vec![0x95, 0x01]].concat()),
    ] {
        let text = pem("PGP PRIVATE KEY BLOCK", &packets).replacen("-----\n", "-----\n\n", 1);
        for text in [text.replace("\n-----END", "\n=aB3d\n-----END"), text.replace('\n', "\n      ")] {
            assert_eq!(looks_like_private_key(text.as_bytes()).unwrap().encrypted, protected, "{text}");
            assert_eq!(whole_private_key(text.as_bytes()).unwrap().encrypted, protected, "{text}");
        }
    }
}

#[test]
fn what_is_shown_in_part_is_no_whole_key() {
    let key = pem("OPENSSH PRIVATE KEY", &openssh("none", [5, 5]));
    let mut lines: Vec<&str> = key.lines().collect();
    let cut_off = lines[..3].join("\n");
    lines[2] = "[…]";
    let abridged = lines.join("\n");
    lines.remove(2);
    let shortened = lines.join("\n");
    for text in [
        cut_off,
        abridged,
        shortened,
        pem("OPENSSH PRIVATE KEY", &openssh("none", [5, 6])),
        pem("OPENSSH PRIVATE KEY", b"paste your private key here, all of it"),
        pem("RSA PRIVATE KEY", &[0x30, 0x82, 1, 0, 2, 2, 2, 2]),
        pem("PGP PRIVATE KEY BLOCK", &[0x99; 80]),
        "-----BEGIN PRIVATE KEY-----\n<your key>\n-----END PRIVATE KEY-----".to_owned(),
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----".to_owned(),
        "if text.startswith('-----BEGIN RSA PRIVATE KEY-----'):\n    return '-----END RSA PRIVATE KEY-----'".to_owned(),
        IDENTITY.replace("GFPY", "GFPZ"),
        "PrivateKey = 4Ef4NmoTUDTHV2sWWu2EvJ3mqZEzXPmFN2l/b9dR0W0=".to_owned(),
    ] {
        assert_eq!(whole_private_key(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn wireguard_keys_have_a_name_and_certain_bits() {
    let mut key = [0x55; 32];
    key[0] = 0x50;
    let clamped = STANDARD.encode(key);
    key[0] = 0x51;
    let unclamped = STANDARD.encode(key);
    for text in [
        format!("[Interface]\nPrivateKey = {clamped}\nListenPort = 51820\n"),
        format!("PrivateKey={clamped}"),
        format!("networking.wireguard.interfaces.wg0.privateKey = \"{clamped}\";"),
    ] {
        let found = looks_like_private_key(text.as_bytes()).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((found.kind, found.encrypted), (PrivateKeyKind::WireGuard, Some(false)), "{text}");
        assert!(text[found.offset..].starts_with(&clamped), "{text}");
    }
    for text in [
        format!("PublicKey = {clamped}"),
        format!("PrivateKey = {unclamped}"),
        format!("PrivateKey = {clamped}AAAA"),
        format!("NotAPrivateKey = {clamped}"),
        format!("PrivateKeyFile = {clamped}"),
        "PrivateKey = ".to_owned(),
        "privateKey".to_owned(),
    ] {
        assert_eq!(looks_like_private_key(text.as_bytes()), None, "{text}");
    }
}

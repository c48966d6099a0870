//! What a file is when it is no age file.

use crate::armor;
use crate::header_error::{Foreign, HeaderError, HeaderErrorKind};
use crate::private_key::looks_like_private_key;
use crate::recipient::Recipient;

/// How much of a file is looked at, in bytes.
const LOOK: usize = 16 * 1024;

/// Explains `bytes`, the beginning of a file that is not an age file.
pub(crate) fn explain(bytes: &[u8]) -> HeaderError {
    let bytes = &bytes[..bytes.len().min(LOOK)];
    let trimmed = bytes.trim_ascii_start();
    let foreign = |what, message: &str| HeaderError::new(HeaderErrorKind::Foreign(what), 0, message);
    if bytes.is_empty() {
        return foreign(Foreign::Empty, "the file is empty; an age file was expected");
    }
    if trimmed.is_empty() {
        return foreign(Foreign::Empty, "the file has nothing but blanks; an age file was expected");
    }
    if let Some(found) = looks_like_private_key(bytes) {
        let message = format!("not an age file: it holds a private key in clear ({})", found.kind);
        return HeaderError::new(HeaderErrorKind::Foreign(Foreign::PrivateKey(found.kind)), found.offset, message)
            .help("consider the key leaked: make a new one, and encrypt that");
    }
    if bytes.starts_with(b"<<<<<<< ") {
        return foreign(Foreign::MergeConflict, "not an age file: it begins with the marker of a merge conflict")
            .help("take one side whole: `git checkout --ours FILE` or `--theirs`, then rekey");
    }
    if let Some(at) = find(bytes, armor::BEGIN) {
        let message = "something stands before `-----BEGIN AGE ENCRYPTED FILE-----`, which age refuses";
        return HeaderError::new(HeaderErrorKind::Armor, 0, message)
            .help(format!("delete the {at} bytes in front of it"));
    }
    if bytes.starts_with(b"\0GITCRYPT\0") {
        return foreign(Foreign::GitCrypt, "not an age file: it is encrypted by git-crypt")
            .help("run `git-crypt unlock`, or exclude *.age in .gitattributes");
    }
    if bytes.starts_with(b"version https://git-lfs.github.com/spec/") {
        return foreign(Foreign::LfsPointer, "not an age file but a pointer of git LFS: the file was not fetched")
            .help("run `git lfs pull`");
    }
    if trimmed.starts_with(b"-----BEGIN PGP ") {
        return foreign(Foreign::Pgp, "not an age file: it begins with `-----BEGIN PGP …`, so it was made by PGP");
    }
    if trimmed.starts_with(b"-----BEGIN ") {
        let message = "not an age file: it is another PEM block than `-----BEGIN AGE ENCRYPTED FILE-----`";
        return foreign(Foreign::Pem, message);
    }
    if bytes.starts_with(b"$ANSIBLE_VAULT;") {
        return foreign(Foreign::AnsibleVault, "not an age file: it is encrypted by Ansible Vault");
    }
    if find(bytes, b"ENC[AES256_GCM,").is_some() {
        return foreign(Foreign::Sops, "not an age file: it is encrypted by sops")
            .help("sops-nix reads such files; agenix does not");
    }
    if bytes.starts_with(b"\xef\xbb\xbf") || bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return foreign(Foreign::ByteOrderMark, "not an age file: an editor has put a byte order mark in front");
    }
    if are_public_keys(bytes) {
        let message = "not an age file but a list of public keys, which are no secret";
        return foreign(Foreign::PublicKeys, message).help("encrypt the secret that belongs here: `agenix -e FILE`");
    }
    if is_text(bytes) {
        let message = "not an age file but text; if it is the secret in clear, consider it leaked";
        return foreign(Foreign::Text, message).help("change the secret, and encrypt the new one: `agenix -e FILE`");
    }
    let message = "not an age file: it begins neither with `age-encryption.org/v1` nor with its armored form";
    HeaderError::new(HeaderErrorKind::NotAge, 0, message)
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}

/// Whether there is a public key on each line that is no comment.
fn are_public_keys(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).peekable();
    bytes.len() < LOOK && lines.peek().is_some() && lines.all(|line| Recipient::parse(line).is_ok())
}

/// UTF-8 without control characters, except for what `LOOK` may have cut at the end.
fn is_text(bytes: &[u8]) -> bool {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_some() => return false,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
    };
    !valid.chars().any(|letter| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'))
}

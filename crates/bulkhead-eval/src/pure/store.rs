//! Store paths that can be known without a store: those of `builtins.toFile`, and of files and folders that are copied
//! to the store (`builtins.path`, `filterSource`, paths in strings).
//!
//! The rules are those of the chapters "Store Path Specification" and "Nix Archive (NAR) Format" of the Nix manual.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::hash::{base16, nix32};

const STORE: &str = "/nix/store";

/// The longest name of a store path, in bytes.
const MAX_NAME: usize = 211;

/// A file, symlink or folder that is put into the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NarNode<'a> {
    File {
        executable: bool,
        contents: Cow<'a, [u8]>,
    },
    Symlink {
        target: Cow<'a, [u8]>,
    },
    /// In any order, names without duplicates.
    Directory(Vec<(Vec<u8>, NarNode<'a>)>),
}

/// Whether Nix accepts `name` as the name of a store path; the error is Nix's message.
pub(crate) fn check_name(name: &[u8]) -> Result<(), String> {
    let shown = String::from_utf8_lossy(name);
    if name.is_empty() {
        return Err("name must not be empty".to_owned());
    }
    if name.len() > MAX_NAME {
        return Err(format!("name '{shown}' must be no longer than {MAX_NAME} characters"));
    }
    if matches!(name, b"." | b"..") {
        return Err(format!("name '{shown}' is not valid"));
    }
    if name.starts_with(b".-") || name.starts_with(b"..-") {
        return Err(format!("name '{shown}' is not valid: first dash-separated component must not be '.' or '..'"));
    }
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte);
    match shown.chars().find(|&character| !u8::try_from(character).is_ok_and(|byte| legal(&byte))) {
        Some(illegal) => Err(format!("name '{shown}' contains illegal character '{illegal}'")),
        None => Ok(()),
    }
}

/// The path of a file made by `builtins.toFile`. `references` are the store paths its contents refer to.
pub(crate) fn text_store_path(name: &[u8], contents: &[u8], references: &[&[u8]]) -> Result<Vec<u8>, String> {
    let mut sorted = references.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut kind = b"text".to_vec();
    for reference in sorted {
        kind.push(b':');
        kind.extend_from_slice(reference);
    }
    store_path(&kind, &Sha256::digest(contents).into(), name)
}

/// The path of a file or folder copied to the store as it is, from the hash of its archive ([`nar_sha256`]).
#[cfg(test)]
fn source_store_path(name: &[u8], nar_sha256: &[u8; 32]) -> Result<Vec<u8>, String> {
    store_path(b"source", nar_sha256, name)
}

/// The path of something whose content has this hash; `kind` says what it is, with the paths that it refers to.
pub(crate) fn store_path(kind: &[u8], sha256: &[u8; 32], name: &[u8]) -> Result<Vec<u8>, String> {
    check_name(name)?;
    let fingerprint = Sha256::new()
        .chain_update(kind)
        .chain_update(format!(":sha256:{}:{STORE}:", base16(sha256)))
        .chain_update(name)
        .finalize();
    // Folded to 160 bits.
    let mut digest = [0_u8; 20];
    for (index, byte) in fingerprint.iter().enumerate() {
        digest[index % 20] ^= byte;
    }
    let mut path = format!("{STORE}/{}-", nix32(&digest)).into_bytes();
    path.extend_from_slice(name);
    Ok(path)
}

/// The SHA-256 of a node's Nix archive. Folders may be nested as deep as they like.
pub(crate) fn nar_sha256(root: &NarNode) -> [u8; 32] {
    let mut archive = Archive(Sha256::new());
    archive.string(b"nix-archive-1");
    archive.string(b"(");
    // The entries that are still to come, for every folder that was begun.
    let mut folders: Vec<std::vec::IntoIter<&(Vec<u8>, NarNode)>> = Vec::new();
    let mut node = Some(root);
    loop {
        match node.take() {
            Some(NarNode::File { executable, contents }) => {
                archive.strings(&[b"type", b"regular"]);
                if *executable {
                    archive.strings(&[b"executable", b""]);
                }
                archive.strings(&[b"contents", contents, b")"]);
            }
            Some(NarNode::Symlink { target }) => {
                archive.strings(&[b"type", b"symlink", b"target", target, b")"]);
            }
            Some(NarNode::Directory(entries)) => {
                archive.strings(&[b"type", b"directory"]);
                let mut sorted: Vec<_> = entries.iter().collect();
                sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
                folders.push(sorted.into_iter());
                node = archive.next_entry(&mut folders);
                continue;
            }
            None => return archive.0.finalize().into(),
        }
        if !folders.is_empty() {
            archive.string(b")");
        }
        node = archive.next_entry(&mut folders);
    }
}

struct Archive(Sha256);

impl Archive {
    /// Begins the next entry of the innermost folder, after ending those that have no more.
    fn next_entry<'n, 'a>(
        &mut self,
        folders: &mut Vec<std::vec::IntoIter<&'n (Vec<u8>, NarNode<'a>)>>,
    ) -> Option<&'n NarNode<'a>> {
        loop {
            if let Some((name, node)) = folders.last_mut()?.next() {
                self.strings(&[b"entry", b"(", b"name", name, b"node", b"("]);
                return Some(node);
            }
            folders.pop();
            self.string(b")");
            if !folders.is_empty() {
                // The entry that held the folder.
                self.string(b")");
            }
        }
    }

    fn strings(&mut self, strings: &[&[u8]]) {
        for string in strings {
            self.string(string);
        }
    }

    /// The length in 8 bytes, the bytes, and zeros up to a multiple of 8.
    fn string(&mut self, string: &[u8]) {
        self.0.update((string.len() as u64).to_le_bytes());
        self.0.update(string);
        self.0.update(&[0; 8][..string.len().next_multiple_of(8) - string.len()]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(contents: &[u8], executable: bool) -> NarNode<'_> {
        NarNode::File { executable, contents: contents.into() }
    }

    fn folder(with_link: bool) -> NarNode<'static> {
        let sub = vec![(b"empty".to_vec(), NarNode::Directory(vec![])), (b"b".to_vec(), file(b"x\n", false))];
        let mut entries = vec![
            (b"sub".to_vec(), NarNode::Directory(sub)),
            (b"run".to_vec(), file(b"#!/bin/sh\n", true)),
            (b"a.txt".to_vec(), file(b"hello\n", false)),
        ];
        if with_link {
            entries.push((b"link".to_vec(), NarNode::Symlink { target: b"a.txt"[..].into() }));
        }
        NarNode::Directory(entries)
    }

    fn text(path: Result<Vec<u8>, String>) -> String {
        String::from_utf8(path.unwrap()).unwrap()
    }

    /// What Nix computes for the same files.
    #[test]
    fn store_paths_are_those_of_nix() {
        let foo = text(text_store_path(b"foo.txt", b"hello", &[]));
        assert_eq!(foo, "/nix/store/m0iyz1rzcgxw68h6skk8b9sg0p0napwc-foo.txt");
        let empty = text(text_store_path(b"a", b"", &[]));
        let contents = format!("see {foo} {empty}");
        let references = [foo.as_bytes(), empty.as_bytes(), foo.as_bytes()];
        assert_eq!(
            text(text_store_path(b"b", contents.as_bytes(), &references)),
            "/nix/store/hk48zsj4jahbk6csfg48dy36y7p45i6x-b"
        );
        for (name, node, expected) in [
            ("d", folder(true), "/nix/store/xram6qd3h41q3d9pr9n8714vb2msag9j-d"),
            ("d", folder(false), "/nix/store/8728pycsn6qidcnxyp26hvrlv0xc7nq0-d"),
            ("a.txt", file(b"hello\n", false), "/nix/store/z3n6ml62lc6l9glpaz6fq7fvi2rks9vq-a.txt"),
        ] {
            assert_eq!(text(source_store_path(name.as_bytes(), &nar_sha256(&node))), expected);
        }
    }

    #[test]
    fn names() {
        for name in ["a", "a-1.0_x+y?z=", ".gitignore", "...", ".x-", &"x".repeat(211)] {
            assert_eq!(check_name(name.as_bytes()), Ok(()), "{name}");
        }
        for name in ["", ".", "..", ".-a", "..-a", "a b", "é", "a/b", &"x".repeat(212)] {
            assert!(check_name(name.as_bytes()).is_err(), "{name}");
        }
        assert!(check_name(b"\xff").is_err());
    }
}

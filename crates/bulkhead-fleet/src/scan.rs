//! What can be told from the first bytes of files: headers of `.age` files, private keys in clear, hints of rules.

use bulkhead_age::header::{FIRST_READ, HEADER_LIMIT};
use bulkhead_age::{
    Header, HeaderError, HeaderErrorKind, PrivateKeyFound, looks_like_private_key, parse_header, whole_private_key,
};
use bulkhead_source::{FileTree, ReadError, TreePath};

use crate::rules_file::GENERATED_MARKER;

/// How much of a text file is looked at for private keys and for hints.
const SCAN_LIMIT: u64 = 64 << 10;

/// A file named `*.age`.
#[derive(Clone, Debug)]
pub struct AgeFile {
    /// The file.
    pub path: TreePath,
    /// Its length in bytes.
    pub length: u64,
    /// What its header says.
    pub header: Result<Header, AgeFileError>,
    /// Why its encrypted contents can't be whole, going by their length.
    pub payload_problem: Option<HeaderError>,
}

/// Why the header of a file is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AgeFileError {
    /// It can't be read.
    #[error(transparent)]
    Read(ReadError),
    /// It is no age file.
    #[error(transparent)]
    Header(HeaderError),
}

impl AgeFile {
    /// Read the header of the file at `path`: a first piece, and only where the header is longer up to the limit of
    /// [`bulkhead_age::header`].
    pub fn read(tree: &dyn FileTree, path: TreePath) -> AgeFile {
        let mut file = AgeFile::read_piece(tree, &path, FIRST_READ);
        if let Err(AgeFileError::Header(error)) = &file.header
            && error.kind == HeaderErrorKind::Incomplete
        {
            file = AgeFile::read_piece(tree, &path, HEADER_LIMIT);
        }
        file
    }

    fn read_piece(tree: &dyn FileTree, path: &TreePath, limit: usize) -> AgeFile {
        let path = path.clone();
        let prefix = match tree.read_prefix(&path, limit as u64) {
            Ok(prefix) => prefix,
            Err(error) => {
                return AgeFile { path, length: 0, header: Err(AgeFileError::Read(error)), payload_problem: None };
            }
        };
        let is_whole = prefix.bytes.len() as u64 >= prefix.length;
        let header = parse_header(&prefix.bytes, is_whole).map_err(AgeFileError::Header);
        let payload_problem =
            header.as_ref().ok().and_then(|header| header.payload_problem(&prefix.bytes, prefix.length));
        AgeFile { path, length: prefix.length, header, payload_problem }
    }
}

/// A file that seems to hold a secret in clear.
#[derive(Clone, Debug)]
pub struct KeyLike {
    /// The file.
    pub path: TreePath,
    /// Its length in bytes.
    pub length: u64,
    /// Why it seems so.
    pub evidence: Evidence,
}

/// Why a file seems to hold a secret in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It contains a private key.
    Content(PrivateKeyFound),
    /// It is called like a key file of a disk, and its content is not encrypted.
    Name,
}

/// What a text says at first sight.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TextHints {
    /// It contains `publicKeys`.
    pub(crate) public_keys: bool,
    /// It contains `.age`.
    pub(crate) age_name: bool,
    /// It reads other files.
    pub(crate) import: bool,
    /// It begins with [`GENERATED_MARKER`].
    pub(crate) generated: bool,
}

impl TextHints {
    pub(crate) fn of(bytes: &[u8]) -> TextHints {
        TextHints {
            public_keys: contains(bytes, b"publicKeys"),
            age_name: contains(bytes, b".age"),
            import: contains(bytes, b"import") || contains(bytes, b"readDir"),
            generated: bytes.starts_with(GENERATED_MARKER.as_bytes()),
        }
    }
}

/// What the beginning of a file tells.
pub(crate) struct Scanned {
    pub(crate) hints: TextHints,
    pub(crate) key_like: Option<KeyLike>,
}

/// Look at the beginning of a `.nix` file.
pub(crate) fn scan_nix(tree: &dyn FileTree, path: &TreePath) -> Result<Scanned, ReadError> {
    let prefix = tree.read_prefix(path, SCAN_LIMIT)?;
    Ok(Scanned { hints: TextHints::of(&prefix.bytes), key_like: key_in(path, &prefix.bytes, prefix.length) })
}

/// The private key in the content of a file, if there is one.
pub(crate) fn key_in(path: &TreePath, bytes: &[u8], length: u64) -> Option<KeyLike> {
    let found = looks_like_private_key(bytes)?;
    Some(KeyLike { path: path.clone(), length, evidence: Evidence::Content(found) })
}

/// Look at a file that may hold a private key.
pub(crate) fn scan_key(tree: &dyn FileTree, path: &TreePath) -> Result<Option<KeyLike>, ReadError> {
    let prefix = tree.read_prefix(path, SCAN_LIMIT)?;
    if let Some(found) = key_in(path, &prefix.bytes, prefix.length) {
        return Ok(Some(found));
    }
    let suspicious = prefix.length <= SCAN_LIMIT
        && !prefix.bytes.is_empty()
        && is_disk_key_name(path.name())
        && !is_encrypted(&prefix.bytes)
        && !is_public(&prefix.bytes);
    Ok(suspicious.then(|| KeyLike { path: path.clone(), length: prefix.length, evidence: Evidence::Name }))
}

/// Look for a whole private key in documentation or a program.
pub(crate) fn scan_text(tree: &dyn FileTree, path: &TreePath) -> Result<Option<KeyLike>, ReadError> {
    let prefix = tree.read_prefix(path, SCAN_LIMIT)?;
    let found = whole_private_key(&prefix.bytes);
    Ok(found.map(|found| KeyLike { path: path.clone(), length: prefix.length, evidence: Evidence::Content(found) }))
}

/// Names that people give to key files of encrypted disks.
fn is_disk_key_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let disk = ["luks", "cryptroot", "crypto_keyfile", "cryptkey", "crypt-key", "zfs-key", "zfskey"];
    extension == "keyfile"
        || stem == "keyfile"
        || (disk.iter().any(|word| stem.contains(word)) && matches!(extension, "" | "key" | "bin" | "keyfile" | "raw"))
}

/// Whether a content is encrypted: by age, git-crypt, GnuPG or sops.
fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/")
        || bytes.starts_with(b"-----BEGIN AGE ENCRYPTED FILE-----")
        || bytes.starts_with(b"\0GITCRYPT\0")
        || bytes.starts_with(b"-----BEGIN PGP MESSAGE-----")
        || contains(bytes, b"ENC[AES256_GCM")
}

/// Whether a content is a public key.
fn is_public(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ssh-") || bytes.starts_with(b"age1") || bytes.starts_with(b"ecdsa-sha2-")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    let Some((first, rest)) = needle.split_first() else { return true };
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|byte| byte == first) {
        let after = from + at + 1;
        if haystack[after..].starts_with(rest) {
            return true;
        }
        from = after;
    }
    false
}

//! What can be told from files at a glance: headers of `.age` files, private keys in clear, hints of rules.

use bulkhead_age::header::{FIRST_READ, HEADER_LIMIT};
use bulkhead_age::{
    Header, HeaderError, HeaderErrorKind, PrivateKeyFound, looks_like_private_key, parse_header, whole_private_key,
};
use bulkhead_source::{FileTree, Prefix, ReadError, TreePath};

use crate::clear::{OtherKey, joined_key, other_key, wireguard_in_data};
use crate::rules_file::GENERATED_MARKER;

/// How much of every file is looked at for private keys and for hints.
const FIRST_LOOK: u64 = 64 << 10;

/// How much of a text is looked at. Whoever makes it larger changes what `private-key-in-clear` promises.
const SCAN_LIMIT: u64 = 64 << 20;

/// By how many bytes at its beginning a text in UTF-16 without a byte order mark is known.
const UTF16_SAMPLE: usize = 64;

/// A file for private keys and hints: all of a text (up to [`SCAN_LIMIT`]), in UTF-8 if it says that it is UTF-16, and the
/// first piece of what is no text.
fn read_text(tree: &dyn FileTree, path: &TreePath) -> Result<Text, ReadError> {
    let mut prefix = tree.read_prefix(path, FIRST_LOOK)?;
    if prefix.length > prefix.bytes.len() as u64 && may_be_text(&prefix.bytes) {
        prefix = tree.read_prefix(path, SCAN_LIMIT)?;
    }
    let Prefix { bytes, length } = prefix;
    Ok(match utf16(&bytes) {
        Some((text, mark)) => Text { bytes: text.into_bytes(), length, utf16_mark: Some(mark) },
        None => Text { bytes, length, utf16_mark: None },
    })
}

/// What was read of a file.
struct Text {
    bytes: Vec<u8>,
    /// How long the file is.
    length: u64,
    /// How long the byte order mark was, if the file is in UTF-16.
    utf16_mark: Option<usize>,
}

impl Text {
    /// A key in it as evidence, with the place that it has in the file.
    fn key(&self, path: &TreePath, found: Option<Evidence>) -> Option<KeyLike> {
        let mut evidence = found?;
        if let (Some(mark), Some(offset)) = (self.utf16_mark, evidence.offset()) {
            let before = String::from_utf8_lossy(self.bytes.get(..*offset)?);
            *offset = mark + 2 * before.encode_utf16().count();
        }
        Some(KeyLike { path: path.clone(), length: self.length, evidence })
    }
}

/// Whether the rest of a file is worth reading: no binary content, unless a key seems to begin in its first piece.
fn may_be_text(first: &[u8]) -> bool {
    !first.contains(&0)
        || utf16_unit(first).is_some()
        || contains(first, b"-----BEGIN ")
        || contains(first, b"AGE-SECRET-KEY-")
}

/// What two bytes are as a unit of UTF-16.
type Unit = fn([u8; 2]) -> u16;

/// How a text in UTF-16 has its bytes, and the length of its byte order mark. PowerShell writes one; without it, a text that
/// begins as one in ASCII does has every second byte empty.
fn utf16_unit(bytes: &[u8]) -> Option<(Unit, usize)> {
    match bytes {
        [0xff, 0xfe, ..] => return Some((u16::from_le_bytes, 2)),
        [0xfe, 0xff, ..] => return Some((u16::from_be_bytes, 2)),
        _ => {}
    }
    let (pairs, _) = bytes.get(..bytes.len().min(UTF16_SAMPLE))?.as_chunks::<2>();
    let is_text = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    if pairs.len() < 8 || !bytes.len().is_multiple_of(2) {
        return None;
    }
    let is = |high: usize| pairs.iter().all(|pair| pair[high] == 0 && is_text(pair[1 - high]));
    if is(1) {
        return Some((u16::from_le_bytes, 0));
    }
    is(0).then_some((u16::from_be_bytes, 0))
}

/// The text of a file in UTF-16, and the length of its byte order mark.
fn utf16(bytes: &[u8]) -> Option<(String, usize)> {
    let (unit, mark) = utf16_unit(bytes)?;
    let units = bytes.as_chunks::<2>().0.iter().skip(mark / 2).map(|pair| unit(*pair));
    Some((char::decode_utf16(units).map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER)).collect(), mark))
}

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
    /// It contains a private key of another kind.
    Other {
        /// What it is.
        kind: OtherKey,
        /// The byte at which it starts.
        offset: usize,
    },
    /// It is called like a key file of a disk, and its content is not encrypted.
    Name,
}

impl Evidence {
    fn offset(&mut self) -> Option<&mut usize> {
        match self {
            Evidence::Content(found) => Some(&mut found.offset),
            Evidence::Other { offset, .. } => Some(offset),
            Evidence::Name => None,
        }
    }
}

/// The first private key in the content of a file that is `length` bytes long.
fn clear_key(bytes: &[u8], length: u64) -> Option<Evidence> {
    let found = looks_like_private_key(bytes).or_else(|| wireguard_in_data(bytes)).map(Evidence::Content);
    found.or_else(|| other_key(bytes, length).map(|(kind, offset)| Evidence::Other { kind, offset }))
}

/// The same in Nix, where strings are put together.
fn clear_key_in_nix(bytes: &[u8], length: u64) -> Option<Evidence> {
    clear_key(bytes, length).or_else(|| joined_key(bytes).map(Evidence::Content))
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
    /// It has a word of options that rules about module trees read.
    pub(crate) options: bool,
    /// If it is a flake, it may make systems.
    pub(crate) flake: bool,
    /// It may be a network of nodes, or a hive, or make systems otherwise.
    pub(crate) network: bool,
}

/// Words without which a flake makes no systems.
const FLAKE_WORDS: [&str; 8] = [
    "nixosSystem",
    "nixosConfigurations",
    "nixosGenerate",
    "mkFleet",
    "colmena",
    "deploy.nodes",
    "darwinSystem",
    "homeManagerConfiguration",
];

/// Words of which a file of a network of nodes has one: of morph and NixOps.
const NETWORK_WORDS: [&str; 9] = [
    "network = ",
    "network.description",
    "network.enableRollback",
    "network.evalConfig",
    "network.nixConfig",
    "network.nixpkgs",
    "network.ordering",
    "network.pkgs",
    "network.storage",
];

/// Words by which a file makes systems with the functions of a nixpkgs, of home-manager and of nix-darwin.
const SYSTEM_WORDS: [&str; 13] = [
    "nixpkgs/nixos>",
    "eval-config.nix",
    "/nixos\"",
    ".nixos {",
    ".nixos [",
    ".nixos (",
    ".nixos ./",
    "home-manager/modules>",
    "home-manager}/modules\"",
    "hm}/modules\"",
    "import <home-manager> {",
    "import <darwin> {",
    "import <nix-darwin> {",
];

/// Words without which, and without those of [`SECRET_WORDS`], a file defines none of the options that rules about module
/// trees read: their names, or what takes names from files that are not in Nix. Options that a fleet's `mappings` name come
/// on top.
const OPTION_WORDS: [&str; 27] = [
    "fromJSON",
    "fromTOML",
    "importJSON",
    "importTOML",
    "workspaces",
    "sandbox",
    "vpn",
    "containers",
    "nspawn",
    "Forward",
    "trustedInterfaces",
    "hostKeys",
    "authorizedKeys",
    "internalInterfaces",
    "internalIPs",
    ".age",
    "age = {",
    " age =",
    "nftables",
    "FORWARD",
    "MASQUERADE",
    "crypttab",
    "identityPaths",
    "/etc/ssh",
    "chmod",
    "setfacl",
    "tmpfiles",
];

/// The same for what is called like a secret, however a service or a program writes it: in small letters, without `_` and
/// `-`.
const SECRET_WORDS: [&str; 34] = [
    "accesskey",
    "agenix",
    "apikey",
    "authkey",
    "authorization",
    "bcachefs",
    "bindpw",
    "credentialsfile",
    "cryptkey",
    "cryptsetup",
    "environmentfile",
    "fetchmailrc",
    "gitcredentials",
    "initrd",
    "keyfile",
    "keylocation",
    "ldap.conf",
    "loadkey",
    "luks",
    "msmtprc",
    "pass=",
    "passfile",
    "passphrase",
    "passw",
    "pgpass",
    "ppp/peers",
    "pppd",
    "privatekey",
    "psk",
    "secret",
    "sshhost",
    "supplicant",
    "token",
    "wireless",
];

/// Whether a text has one of [`SECRET_WORDS`].
fn speaks_of_secrets(bytes: &[u8]) -> bool {
    let plain: Vec<u8> = bytes.iter().filter(|byte| !matches!(byte, b'_' | b'-')).map(u8::to_ascii_lowercase).collect();
    SECRET_WORDS.iter().any(|word| contains(&plain, word.as_bytes()))
}

impl TextHints {
    /// `words` are further words for [`TextHints::options`].
    pub(crate) fn of(bytes: &[u8], words: &[String]) -> TextHints {
        let mut all = OPTION_WORDS.iter().copied().chain(words.iter().map(String::as_str));
        let has = |words: &[&str]| words.iter().any(|word| contains(bytes, word.as_bytes()));
        TextHints {
            public_keys: contains(bytes, b"publicKeys"),
            age_name: contains(bytes, b".age"),
            import: ["import", "readDir", "readFile"].iter().any(|word| contains(bytes, word.as_bytes())),
            generated: bytes.starts_with(GENERATED_MARKER.as_bytes()),
            options: all.any(|word| contains(bytes, word.as_bytes())) || speaks_of_secrets(bytes),
            flake: has(&FLAKE_WORDS),
            // A hive of colmena has `meta`, and its nodes say where they are deployed.
            network: has(&NETWORK_WORDS) || has(&SYSTEM_WORDS) || (has(&["meta"]) && has(&["deployment"])),
        }
    }
}

/// What a look at a file tells.
pub(crate) struct Scanned {
    pub(crate) hints: TextHints,
    pub(crate) key_like: Option<KeyLike>,
}

/// Look at a `.nix` file.
pub(crate) fn scan_nix(tree: &dyn FileTree, path: &TreePath, words: &[String]) -> Result<Scanned, ReadError> {
    let text = read_text(tree, path)?;
    Ok(Scanned {
        hints: TextHints::of(&text.bytes, words),
        key_like: text.key(path, clear_key_in_nix(&text.bytes, text.length)),
    })
}

/// The private key in the content of a file, if there is one.
pub(crate) fn key_in(path: &TreePath, bytes: &[u8], length: u64) -> Option<KeyLike> {
    Some(KeyLike { path: path.clone(), length, evidence: clear_key_in_nix(bytes, length)? })
}

/// Look at a file that may hold a private key.
pub(crate) fn scan_key(tree: &dyn FileTree, path: &TreePath) -> Result<Option<KeyLike>, ReadError> {
    let text = read_text(tree, path)?;
    if let Some(found) = text.key(path, clear_key(&text.bytes, text.length)) {
        return Ok(Some(found));
    }
    let suspicious = text.length <= FIRST_LOOK
        && !text.bytes.is_empty()
        && is_disk_key_name(path.name())
        && !is_encrypted(&text.bytes)
        && !is_public(&text.bytes);
    Ok(suspicious.then(|| KeyLike { path: path.clone(), length: text.length, evidence: Evidence::Name }))
}

/// Look for a whole private key in documentation or a program.
pub(crate) fn scan_text(tree: &dyn FileTree, path: &TreePath) -> Result<Option<KeyLike>, ReadError> {
    let text = read_text(tree, path)?;
    Ok(text.key(path, whole_private_key(&text.bytes).map(Evidence::Content)))
}

/// Names that people give to key files of encrypted disks.
fn is_disk_key_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let disk = ["luks", "cryptroot", "cryptswap", "crypto_keyfile", "cryptkey", "crypt-key", "zfs-key", "zfskey"];
    let of_disk = ["disk", "root", "swap", "zfs", "zpool", "volume", "encryption"];
    let is_of_disk = |name: &str| {
        let word = name.strip_suffix("-key").or_else(|| name.strip_suffix("_key"));
        word.is_some_and(|word| of_disk.contains(&word))
    };
    extension == "keyfile"
        || stem == "keyfile"
        || (extension == "key" && of_disk.contains(&stem))
        || (matches!(extension, "" | "bin") && is_of_disk(stem))
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
    memchr::memmem::find(haystack, needle).is_some()
}

//! Why bytes are no age file, with the place and with what they are instead.

use std::fmt;

use crate::private_key::PrivateKeyKind;

/// A file that isn't an age file, or a damaged one.
///
/// The message never repeats the file's contents: what lies there in place of an encrypted secret may be the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderError {
    /// What is wrong, for programs.
    pub kind: HeaderErrorKind,
    /// The byte of the file at which it was noticed.
    pub offset: usize,
    /// What is wrong and what was expected, in words.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

/// The kinds of [`HeaderError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeaderErrorKind {
    /// The given prefix ends within the header, and the file goes on: read more of it. Never returned for a whole file,
    /// nor for a prefix of [`HEADER_LIMIT`](crate::header::HEADER_LIMIT) bytes.
    Incomplete,
    /// The file ends within the header.
    Truncated,
    /// The header exceeds a limit of this crate: its size, its number of stanzas, the length of a line.
    TooLarge,
    /// Another version of the age format than v1.
    UnsupportedVersion,
    /// An age file that breaks the grammar of the header.
    Syntax,
    /// ASCII armor that breaks its own grammar.
    Armor,
    /// The encrypted contents after the header are cut off.
    Payload,
    /// Not an age file but something that is recognised.
    Foreign(Foreign),
    /// Not an age file, and nothing that is recognised.
    NotAge,
}

/// What lies there in place of an age file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Foreign {
    /// No bytes at all, or only blanks.
    Empty,
    /// A private key in clear.
    PrivateKey(PrivateKeyKind),
    /// Encrypted by git-crypt.
    GitCrypt,
    /// A pointer of git LFS; the file itself was not fetched.
    LfsPointer,
    /// Encrypted with PGP.
    Pgp,
    /// Another PEM block.
    Pem,
    /// Encrypted by sops.
    Sops,
    /// Encrypted by Ansible Vault.
    AnsibleVault,
    /// Begins with a conflict marker of git.
    MergeConflict,
    /// An age file whose line ends were changed, which destroys it.
    ChangedLineEnds,
    /// Begins with a byte order mark.
    ByteOrderMark,
    /// Public keys, a line each, as `age -R` takes them.
    PublicKeys,
    /// Other text: possibly the secret in clear.
    Text,
}

impl HeaderError {
    pub(crate) fn new(kind: HeaderErrorKind, offset: usize, message: impl Into<String>) -> Self {
        Self { kind, offset, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.message, self.offset)
    }
}

impl std::error::Error for HeaderError {}

//! Why a text is no recipient: a kind for programs, and a sentence that tells a person what to write instead.

use crate::private_key::PrivateKeyKind;

/// A text that is not one public key.
///
/// The message never repeats the text: what was pasted in place of a public key may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct KeyError {
    /// What is wrong, for programs.
    pub kind: KeyErrorKind,
    /// What is wrong and what was expected, in words.
    pub message: String,
    /// What to do about it, where that is known.
    pub help: Option<String>,
}

/// The kinds of [`KeyError`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// Nothing but blanks.
    Empty,
    /// Longer than [`MAX_KEY_LEN`](crate::ssh::MAX_KEY_LEN).
    TooLong,
    /// A private key where a public one belongs: it must be considered leaked.
    PrivateKey(PrivateKeyKind),
    /// More than one line that is not blank.
    SeveralLines,
    /// Options of `authorized_keys` stand before the key.
    Options,
    /// A host name stands before the key, as in `known_hosts` and the output of `ssh-keyscan`.
    HostName,
    /// Looks like an SSH key of an algorithm that isn't known here.
    UnknownAlgorithm(String),
    /// Only the base64 part of an SSH key.
    MissingAlgorithm,
    /// Only the name of an SSH algorithm.
    MissingKey,
    /// Base64 or Bech32 with a wrong character, length, padding or letter case.
    Encoding,
    /// A Bech32 checksum that does not fit: at least one character is wrong.
    Checksum,
    /// The algorithm written and the one inside the key differ.
    AlgorithmMismatch,
    /// Decodes, but to nothing that is a key: cut off, too long, wrong sizes, a point off its curve.
    Malformed,
    /// `github:user`, which age no longer accepts.
    GitHub,
    /// A file path.
    Path,
    /// A public key in another format (PEM, PGP, RFC 4716).
    OtherFormat,
    /// Nothing that resembles a key.
    NotAKey,
}

impl KeyError {
    pub(crate) fn new(kind: KeyErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

//! What age can encrypt to: the strings in `publicKeys` of agenix rules.
//!
//! | text | kind | stanza in a header |
//! |---|---|---|
//! | `ssh-ed25519 AAAA…`, `ssh-rsa AAAA…` | [`RecipientKind::Ssh`] | named by a tag |
//! | `age1…` | [`RecipientKind::X25519`] | anonymous |
//! | `age1pq1…` | [`RecipientKind::MlKem768X25519`] | anonymous |
//! | `age1tag1…`, `age1tagpq1…` | [`RecipientKind::P256`], [`RecipientKind::TagPq`] | named by a tag over its contents |
//! | `age1yubikey1…`, `age1se1…`, `age1tpm1…` | [`RecipientKind::P256`] | named by a tag |
//! | other `age1NAME1…` | [`RecipientKind::Plugin`] | whatever the plugin does |
//!
//! Sources: the age specification (C2SP `age.md`), `parseRecipient` of age's `cmd/age/parse.go`, and the plugins
//! age-plugin-yubikey (`src/p256.rs`), age-plugin-tpm (`plugin/recipient.go`) and age-plugin-se (`Sources/Plugin.swift`).

use std::fmt;
use std::hash::{Hash, Hasher};

use crate::bech32::{self, Bech32Error};
use crate::curve;
use crate::encoding::{encode_unpadded, short_hash, trim};
use crate::key_error::{KeyError, KeyErrorKind};
use crate::ssh::{SshPublicKey, Weakness, one_line};

/// An ML-KEM-768 encapsulation key (FIPS 203, table 3), in bytes.
const ML_KEM_768_KEY_LEN: usize = 1184;
const X25519_LEN: usize = 32;
const P256_UNCOMPRESSED_LEN: usize = 65;

/// One public key that a file can be encrypted to. Two are equal if their keys are, whatever their comments say.
#[derive(Debug, Clone)]
pub struct Recipient {
    kind: RecipientKind,
    canonical: String,
    comment: Option<String>,
    spelling: Option<SpellingProblem>,
}

/// What kind of key a recipient is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientKind {
    /// Any SSH key, also of a type that age can't encrypt to.
    Ssh(SshPublicKey),
    /// `age1…`
    X25519([u8; 32]),
    /// `age1pq1…`: ML-KEM-768 and X25519, 1216 bytes.
    MlKem768X25519(Box<[u8]>),
    /// A P-256 point, of hardware or of a plugin.
    P256 {
        /// What the text in front of the key says.
        family: P256Family,
        /// The point, compressed.
        compressed: [u8; 33],
        /// The same point, uncompressed.
        uncompressed: [u8; 65],
    },
    /// `age1tagpq1…`: ML-KEM-768 and an uncompressed P-256 point, 1249 bytes.
    TagPq(Box<[u8]>),
    /// `age1NAME1…` of a plugin that isn't known here.
    Plugin {
        /// The plugin's name: `age-plugin-NAME` is run to encrypt.
        name: String,
    },
}

/// Which of the recipient types over P-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum P256Family {
    /// `age1tag1…`
    Tag,
    /// `age1yubikey1…`
    YubiKey,
    /// `age1se1…` (Apple's Secure Enclave)
    SecureEnclave,
    /// `age1tpm1…` (the older format of age-plugin-tpm)
    Tpm,
}

/// A text that means a recipient, written in a way that age itself does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpellingProblem {
    /// Blanks stand before the key: age then sees no known beginning.
    LeadingBlank,
    /// Blanks or a carriage return follow an `age1…` key: age takes them for a part of it.
    TrailingBlank,
    /// A comment follows an `age1…` key; only SSH keys may have one.
    Comment,
}

impl fmt::Display for SpellingProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LeadingBlank => "blanks stand before the key",
            Self::TrailingBlank => "blanks or a carriage return (Windows line end) follow the key",
            Self::Comment => "a comment follows the key, which age allows after SSH keys only",
        })
    }
}

impl PartialEq for Recipient {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for Recipient {}

impl Hash for Recipient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical.hash(state);
    }
}

impl Recipient {
    /// Reads one recipient. Blanks and line ends around it and a comment after it are tolerated; whether age tolerates
    /// them too is told by [`Recipient::spelling_problem`].
    ///
    /// An SSH key that age can't encrypt to is a recipient here: ask [`Recipient::age_can_encrypt`].
    ///
    /// # Errors
    /// The text is not one public key; see [`KeyErrorKind`] for what is told apart.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let line = one_line(text)?;
        let has_leading_blank = text.starts_with([' ', '\t', '\r', '\n']);
        if line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("age1")) {
            return Self::parse_age(text, line, has_leading_blank);
        }
        if let Some(error) = explain_other(line) {
            return Err(error);
        }
        let key = SshPublicKey::parse(line).map_err(|error| match error.kind {
            KeyErrorKind::NotAKey => not_a_recipient(),
            _ => error,
        })?;
        Ok(Self {
            canonical: key.canonical(),
            comment: key.comment().map(str::to_string),
            kind: RecipientKind::Ssh(key),
            spelling: has_leading_blank.then_some(SpellingProblem::LeadingBlank),
        })
    }

    /// Reads every line of `text` that is not blank, as agenix does with a string of several lines.
    pub fn parse_lines(text: &str) -> Vec<Result<Self, KeyError>> {
        text.lines().filter(|line| !trim(line).is_empty()).map(Self::parse).collect()
    }

    /// What kind of key it is.
    pub fn kind(&self) -> &RecipientKind {
        &self.kind
    }

    /// The SSH key, if it is one.
    pub fn ssh(&self) -> Option<&SshPublicKey> {
        match &self.kind {
            RecipientKind::Ssh(key) => Some(key),
            _ => None,
        }
    }

    /// The key as age takes it, without comment.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// What follows the key on its line.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// Why age would not take the text as it was written, although the key is clear.
    pub fn spelling_problem(&self) -> Option<SpellingProblem> {
        self.spelling
    }

    /// `SHA256:…` as `ssh-keygen -l` prints it; age's own keys have no fingerprint.
    pub fn fingerprint(&self) -> Option<String> {
        self.ssh().map(SshPublicKey::fingerprint)
    }

    /// A short name of the key for messages: the tag of an SSH key, the first and last characters of another.
    pub fn public_key_id(&self) -> String {
        match &self.kind {
            RecipientKind::Ssh(key) => key.tag(),
            // The canonical text of all others is ASCII; the fallback serves texts too short to shorten.
            _ => match (self.canonical.get(..16), self.canonical.get(self.canonical.len().saturating_sub(4)..)) {
                (Some(start), Some(end)) if self.canonical.len() > 24 => format!("{start}…{end}"),
                _ => self.canonical.clone(),
            },
        }
    }

    /// The tag that names this key in a header, where it is the same in every file: SSH keys, YubiKeys, the Secure
    /// Enclave and the older TPM format.
    pub fn tag(&self) -> Option<String> {
        match &self.kind {
            RecipientKind::Ssh(key) => key.kind().age_can_encrypt().then(|| key.tag()),
            RecipientKind::P256 { family: P256Family::YubiKey | P256Family::SecureEnclave, compressed, .. } => {
                Some(encode_unpadded(&short_hash(compressed)))
            }
            RecipientKind::P256 { family: P256Family::Tpm, uncompressed, .. } => {
                Some(encode_unpadded(&short_hash(uncompressed)))
            }
            _ => None,
        }
    }

    /// Reasons not to use the key. Costs some microseconds, so ask once a key.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        match &self.kind {
            RecipientKind::Ssh(key) => key.weaknesses(),
            RecipientKind::X25519(key) if curve::is_x25519_small_order(key) => vec![Weakness::SmallOrder],
            _ => Vec::new(),
        }
    }

    /// Will age encrypt to this key? Plugins are trusted to.
    pub fn age_can_encrypt(&self) -> bool {
        match &self.kind {
            RecipientKind::Ssh(key) => key.age_can_encrypt(),
            _ => self.weaknesses().is_empty(),
        }
    }

    fn parse_age(text: &str, line: &str, has_leading_blank: bool) -> Result<Self, KeyError> {
        let end = line.find([' ', '\t']).unwrap_or(line.len());
        let (key, comment) = (&line[..end], trim(&line[end..]));
        let (prefix, bytes) = bech32::decode(key).map_err(|error| explain_bech32(key, error))?;
        if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let message = "an age recipient is written in lower case";
            return Err(KeyError::new(KeyErrorKind::Encoding, message).help("write the same text in lower case"));
        }
        let spelling = if has_leading_blank {
            Some(SpellingProblem::LeadingBlank)
        } else if !comment.is_empty() {
            Some(SpellingProblem::Comment)
        } else if text.trim_end_matches('\n').len() > line.len() {
            // agenix reads its list line by line, which removes line feeds and nothing else.
            Some(SpellingProblem::TrailingBlank)
        } else {
            None
        };
        Ok(Self {
            kind: age_kind(&prefix, bytes)?,
            canonical: key.to_string(),
            comment: (!comment.is_empty()).then(|| comment.to_string()),
            spelling,
        })
    }
}

impl std::str::FromStr for Recipient {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::parse(text)
    }
}

fn age_kind(prefix: &str, bytes: Vec<u8>) -> Result<RecipientKind, KeyError> {
    let wrong_length = |expected: usize| {
        let message = format!("the key after `{prefix}1` has {} bytes instead of {expected}", bytes.len());
        KeyError::new(KeyErrorKind::Malformed, message)
    };
    if prefix == "age" {
        let key = bytes.as_slice().try_into().map_err(|_| wrong_length(X25519_LEN))?;
        return Ok(RecipientKind::X25519(key));
    }
    let Some(plugin) = prefix.strip_prefix("age1") else {
        return Err(not_a_recipient());
    };
    match plugin {
        "pq" if bytes.len() != ML_KEM_768_KEY_LEN + X25519_LEN => Err(wrong_length(ML_KEM_768_KEY_LEN + X25519_LEN)),
        "pq" => Ok(RecipientKind::MlKem768X25519(bytes.into_boxed_slice())),
        "tagpq" => match bytes.get(ML_KEM_768_KEY_LEN..).map(<[u8; P256_UNCOMPRESSED_LEN]>::try_from) {
            Some(Ok(point)) if curve::is_p256_point(&point) => Ok(RecipientKind::TagPq(bytes.into_boxed_slice())),
            Some(Ok(_)) => Err(off_curve(prefix)),
            _ => Err(wrong_length(ML_KEM_768_KEY_LEN + P256_UNCOMPRESSED_LEN)),
        },
        "tag" | "yubikey" | "se" | "tpm" => {
            let family = match plugin {
                "tag" => P256Family::Tag,
                "yubikey" => P256Family::YubiKey,
                "se" => P256Family::SecureEnclave,
                _ => P256Family::Tpm,
            };
            let Ok(compressed) = <[u8; 33]>::try_from(bytes.as_slice()) else {
                // The first releases of age-plugin-tpm put a TPM structure there. Its tag isn't known.
                if family == P256Family::Tpm {
                    return Ok(RecipientKind::Plugin { name: plugin.to_string() });
                }
                return Err(wrong_length(33));
            };
            let uncompressed = curve::decompress_p256(&compressed).ok_or_else(|| off_curve(prefix))?;
            Ok(RecipientKind::P256 { family, compressed, uncompressed })
        }
        name if is_plugin_name(name) => Ok(RecipientKind::Plugin { name: name.to_string() }),
        _ => Err(not_a_recipient()),
    }
}

/// What age accepts as a plugin's name (`plugin/encode.go`, `validPluginName`).
fn is_plugin_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-._".contains(&byte))
}

fn off_curve(prefix: &str) -> KeyError {
    KeyError::new(KeyErrorKind::Malformed, format!("the key after `{prefix}1` is not a point of the P-256 curve"))
}

fn explain_bech32(text: &str, error: Bech32Error) -> KeyError {
    let encoding = |message: String| KeyError::new(KeyErrorKind::Encoding, message).help("copy the recipient again");
    match error {
        Bech32Error::MixedCase => {
            encoding("an age recipient is written in lower case; this one mixes both".to_string())
        }
        Bech32Error::Character(at) => {
            let at = text.get(..at).map_or(at, |before| before.chars().count()) + 1;
            encoding(format!("character {at} does not belong into an age recipient"))
        }
        Bech32Error::NoSeparator | Bech32Error::TooShort => encoding("an age recipient is longer".to_string()),
        Bech32Error::Padding => encoding("its last character before the checksum is wrong".to_string()),
        Bech32Error::Checksum => {
            let message = "its checksum does not fit: at least one character is wrong or missing";
            KeyError::new(KeyErrorKind::Checksum, message).help("copy the recipient again")
        }
    }
}

/// Texts that people put in place of a key, which deserve a message of their own.
fn explain_other(line: &str) -> Option<KeyError> {
    if line.starts_with("github:") {
        let message = "`github:` recipients were removed from age";
        return Some(
            KeyError::new(KeyErrorKind::GitHub, message)
                .help("copy the keys from https://github.com/USER.keys, one list element each"),
        );
    }
    let is_path = line.starts_with(['/', '~']) || line.starts_with("./") || line.starts_with("../");
    let is_pub_file = line.ends_with(".pub") && !line.contains([' ', '\t']);
    if is_path || is_pub_file {
        let message = "it is a file's path, not a key";
        return Some(KeyError::new(KeyErrorKind::Path, message).help("`builtins.readFile ./host.pub` reads the key"));
    }
    None
}

fn not_a_recipient() -> KeyError {
    let message = "it is not a recipient; one begins with `ssh-ed25519`, `ssh-rsa` or `age1`";
    KeyError::new(KeyErrorKind::NotAKey, message)
}

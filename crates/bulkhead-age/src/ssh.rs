//! SSH public keys as they stand in a `.pub` file, and what age can do with them.
//!
//! A key is parsed to the last byte: the algorithm inside must be the one in front of it, every length must fit, nothing
//! may follow. Sources: RFC 4253 (6.6, `ssh-rsa`, `ssh-dss`), RFC 5656 (ECDSA), RFC 8709 (Ed25519), OpenSSH `PROTOCOL.u2f`
//! (`sk-…`) and `PROTOCOL.certkeys` (certificates, whose contents are not looked at).

use std::fmt;
use std::hash::{Hash, Hasher};

use sha2::{Digest as _, Sha256};

use crate::curve;
use crate::encoding::{decode_padded, encode_padded, encode_unpadded, short_hash, trim};
use crate::key_error::{KeyError, KeyErrorKind};
use crate::private_key::pasted_private_key;

/// The longest text that is looked at as a public key, in bytes. The largest RSA key of OpenSSH (16384 bits) needs 2800.
pub const MAX_KEY_LEN: usize = 16 * 1024;
/// The shortest RSA modulus that age (`agessh.NewRSARecipient`) and rage (`age::ssh::Recipient`) encrypt to, in bits.
pub const MIN_RSA_BITS: u32 = 2048;
/// The longest one that rage, and so ragenix, encrypts to (`rsa::RsaPublicKey::MAX_SIZE`), in bits. age has no such limit.
pub const MAX_RAGE_RSA_BITS: u32 = 4096;
/// The longest one that OpenSSH reads (`SSHBUF_MAX_BIGNUM`), in bits.
pub const MAX_RSA_BITS: u32 = 16384;
/// Go's SSH library, and so age, refuses longer RSA exponents (`golang.org/x/crypto/ssh`, `parseRSA`), in bits.
const MAX_RSA_EXPONENT_BITS: u32 = 24;

/// The type of an SSH key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SshKeyKind {
    /// `ssh-ed25519`
    Ed25519,
    /// `ssh-rsa`
    Rsa,
    /// `ssh-dss`
    Dss,
    /// `ecdsa-sha2-nistp256`
    EcdsaP256,
    /// `ecdsa-sha2-nistp384`
    EcdsaP384,
    /// `ecdsa-sha2-nistp521`
    EcdsaP521,
    /// `sk-ssh-ed25519@openssh.com`: lives on a security key
    SkEd25519,
    /// `sk-ecdsa-sha2-nistp256@openssh.com`: lives on a security key
    SkEcdsa,
    /// `…-cert-v01@openssh.com`: a certificate, not a key
    Certificate,
}

impl SshKeyKind {
    /// Can age encrypt to keys of this type at all?
    pub fn age_can_encrypt(self) -> bool {
        matches!(self, Self::Ed25519 | Self::Rsa)
    }

    fn from_algorithm(name: &str) -> Option<Self> {
        Some(match name {
            "ssh-ed25519" => Self::Ed25519,
            "ssh-rsa" => Self::Rsa,
            "ssh-dss" => Self::Dss,
            "ecdsa-sha2-nistp256" => Self::EcdsaP256,
            "ecdsa-sha2-nistp384" => Self::EcdsaP384,
            "ecdsa-sha2-nistp521" => Self::EcdsaP521,
            "sk-ssh-ed25519@openssh.com" => Self::SkEd25519,
            "sk-ecdsa-sha2-nistp256@openssh.com" => Self::SkEcdsa,
            _ if name.ends_with("-cert-v01@openssh.com") => Self::Certificate,
            _ => return None,
        })
    }
}

/// A reason not to use a key although it is well-formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Weakness {
    /// An RSA modulus below [`MIN_RSA_BITS`].
    RsaTooShort {
        /// Its length in bits.
        bits: u32,
    },
    /// An RSA modulus above [`MAX_RAGE_RSA_BITS`].
    RsaTooLongForRage {
        /// Its length in bits.
        bits: u32,
    },
    /// An RSA exponent of more than 24 bits.
    RsaExponentTooLong,
    /// An Ed25519 key that is no point of the curve: a character is wrong.
    OffCurve,
    /// An Ed25519 or X25519 point of small order (all zeros, for example): what is encrypted to it is open to everybody.
    SmallOrder,
    /// DSA: removed from OpenSSH 10.0.
    Dsa,
}

impl Weakness {
    /// Will `age` refuse to encrypt to the key because of this?
    pub fn age_refuses(self) -> bool {
        !matches!(self, Self::RsaTooLongForRage { .. })
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RsaTooShort { bits } => {
                write!(f, "its RSA modulus has {bits} bits; age refuses less than {MIN_RSA_BITS}")
            }
            Self::RsaTooLongForRage { bits } => {
                write!(f, "its RSA modulus has {bits} bits; rage and ragenix refuse more than {MAX_RAGE_RSA_BITS}")
            }
            Self::RsaExponentTooLong => {
                write!(f, "its RSA exponent has more than {MAX_RSA_EXPONENT_BITS} bits, which age refuses")
            }
            Self::OffCurve => f.write_str("it is not a point of the curve, so no private key belongs to it"),
            Self::SmallOrder => f.write_str("it is a point of small order, which protects nothing"),
            Self::Dsa => f.write_str("DSA is obsolete, and OpenSSH has removed it"),
        }
    }
}

/// A well-formed SSH public key. Two are equal if their keys are, whatever their comments say.
#[derive(Debug, Clone)]
pub struct SshPublicKey {
    kind: SshKeyKind,
    algorithm: String,
    blob: Box<[u8]>,
    bits: u32,
    rsa_exponent_bits: u32,
    comment: Option<String>,
}

impl PartialEq for SshPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for SshPublicKey {}

impl Hash for SshPublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blob.hash(state);
    }
}

impl SshPublicKey {
    /// Reads one line of a `.pub` file: `ALGORITHM BASE64 [COMMENT]`. Blanks and line ends around it don't matter.
    ///
    /// # Errors
    /// Anything else, with the reason; what looks like a key after options or a host name is recognised and refused, as
    /// age does.
    pub fn parse(line: &str) -> Result<Self, KeyError> {
        let line = one_line(line)?;
        let (algorithm, rest) = split_blank(line);
        let Some(kind) = SshKeyKind::from_algorithm(algorithm) else {
            return Err(explain_foreign(algorithm, rest));
        };
        let (encoded, comment) = split_blank(rest);
        if encoded.is_empty() {
            let message = format!("the key is missing after `{algorithm}`");
            return Err(KeyError::new(KeyErrorKind::MissingKey, message).help("copy the whole line of the .pub file"));
        }
        let blob = decode_padded(encoded.as_bytes()).ok_or_else(|| {
            let message = format!("the part after `{algorithm}` is not base64: {}", explain_base64(encoded));
            KeyError::new(KeyErrorKind::Encoding, message).help("copy the line of the .pub file again")
        })?;
        let facts = read_blob(kind, algorithm, &blob)?;
        Ok(Self {
            kind,
            algorithm: algorithm.to_string(),
            blob: blob.into_boxed_slice(),
            bits: facts.bits,
            rsa_exponent_bits: facts.rsa_exponent_bits,
            comment: (!comment.is_empty()).then(|| comment.to_string()),
        })
    }

    /// The type of the key.
    pub fn kind(&self) -> SshKeyKind {
        self.kind
    }

    /// The algorithm as written in front of the key, e.g. `ssh-ed25519`.
    pub fn algorithm(&self) -> &str {
        &self.algorithm
    }

    /// The key's size in bits as `ssh-keygen -l` prints it; 0 for a certificate.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// The SSH wire encoding: what the base64 field of the `.pub` line holds.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// What follows the key on its line.
    pub fn comment(&self) -> Option<&str> {
        self.comment.as_deref()
    }

    /// `SHA256:…`, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", encode_unpadded(&Sha256::digest(&self.blob)))
    }

    /// The tag by which age names this key in a header: the first 4 bytes of the fingerprint, in base64.
    pub fn tag(&self) -> String {
        encode_unpadded(&short_hash(&self.blob))
    }

    /// `ALGORITHM BASE64`, without comment.
    pub fn canonical(&self) -> String {
        format!("{} {}", self.algorithm, encode_padded(&self.blob))
    }

    /// Reasons not to use the key. Costs some microseconds for Ed25519 keys (a computation on the curve), so ask once a key.
    pub fn weaknesses(&self) -> Vec<Weakness> {
        let mut found = Vec::new();
        match self.kind {
            SshKeyKind::Ed25519 | SshKeyKind::SkEd25519 => {
                if let Some(point) = self.ed25519_point() {
                    if curve::is_ed25519_small_order(&point) {
                        found.push(Weakness::SmallOrder);
                    } else if !curve::is_ed25519_point(&point) {
                        found.push(Weakness::OffCurve);
                    }
                }
            }
            SshKeyKind::Rsa => {
                if self.bits < MIN_RSA_BITS {
                    found.push(Weakness::RsaTooShort { bits: self.bits });
                }
                if self.bits > MAX_RAGE_RSA_BITS {
                    found.push(Weakness::RsaTooLongForRage { bits: self.bits });
                }
                if self.rsa_exponent_bits > MAX_RSA_EXPONENT_BITS {
                    found.push(Weakness::RsaExponentTooLong);
                }
            }
            SshKeyKind::Dss => found.push(Weakness::Dsa),
            _ => {}
        }
        found
    }

    /// Will age encrypt to this key? Its type must be one of two, and no [`Weakness`] may make age refuse it.
    pub fn age_can_encrypt(&self) -> bool {
        self.kind.age_can_encrypt() && !self.weaknesses().iter().any(|weakness| weakness.age_refuses())
    }

    fn ed25519_point(&self) -> Option<[u8; 32]> {
        let mut wire = Wire { rest: &self.blob };
        wire.string()?;
        wire.string()?.try_into().ok()
    }
}

/// Cuts blanks around `text`, and refuses what can't be one public key whatever its type.
pub(crate) fn one_line(text: &str) -> Result<&str, KeyError> {
    let line = trim(text);
    if line.is_empty() {
        return Err(KeyError::new(KeyErrorKind::Empty, "it is empty; a public key was expected"));
    }
    if let Some(kind) = pasted_private_key(line) {
        let message = format!("this is a private key ({kind}); only public keys belong here");
        let help = "consider it leaked: make a new key, put its public half here, and replace what the old one opened";
        return Err(KeyError::new(KeyErrorKind::PrivateKey(kind), message).help(help));
    }
    if line.starts_with('\u{feff}') {
        let message = "a byte order mark stands in front of it, which neither SSH nor age takes";
        let help = "save the file as UTF-8 without a byte order mark";
        return Err(KeyError::new(KeyErrorKind::NotAKey, message).help(help));
    }
    if line.starts_with("-----BEGIN ") || line.starts_with("---- BEGIN ") {
        let message = "this is a key in PEM, PGP or RFC 4716 format; age takes the one line of an OpenSSH .pub file";
        let error = KeyError::new(KeyErrorKind::OtherFormat, message);
        return Err(
            error.help("for an SSH key: `ssh-keygen -i -f FILE` (RFC 4716) or `ssh-keygen -i -m PKCS8 -f FILE`")
        );
    }
    if line.len() > MAX_KEY_LEN {
        let message = format!("it is longer than any public key ({} bytes; at most {MAX_KEY_LEN})", line.len());
        return Err(KeyError::new(KeyErrorKind::TooLong, message));
    }
    if line.contains(['\n', '\r']) {
        let message = "it has several lines; a public key is one line";
        return Err(KeyError::new(KeyErrorKind::SeveralLines, message).help("write one list element for each key"));
    }
    Ok(line)
}

fn split_blank(text: &str) -> (&str, &str) {
    let text = trim(text);
    let end = text.find([' ', '\t']).unwrap_or(text.len());
    (&text[..end], trim(&text[end..]))
}

/// The first word is no algorithm: says what the line is instead.
fn explain_foreign(first: &str, rest: &str) -> KeyError {
    let mut words = rest.split_ascii_whitespace().peekable();
    while let Some(word) = words.next() {
        let is_key = words.peek().is_some_and(|next| next.starts_with("AAAA"));
        if !is_key || SshKeyKind::from_algorithm(word).is_none() {
            continue;
        }
        let help = format!("delete everything before `{word}`");
        if is_options(first) {
            let message = "options as in authorized_keys stand before the key; age does not take them";
            return KeyError::new(KeyErrorKind::Options, message).help(help);
        }
        let message = "a host name or other text stands before the key, as in known_hosts or the output of ssh-keyscan";
        return KeyError::new(KeyErrorKind::HostName, message).help(help);
    }
    if first.starts_with("AAAA") {
        let message = "the algorithm in front of the key is missing";
        return KeyError::new(KeyErrorKind::MissingAlgorithm, message)
            .help("write it as in the .pub file: `ssh-ed25519 AAAA…`");
    }
    let is_ssh = ["ssh-", "ecdsa-", "sk-", "rsa-sha2-"].iter().any(|start| first.starts_with(start));
    if is_ssh && first.len() <= 64 {
        let message = format!("`{first}` is not a type of SSH key that is known here");
        return KeyError::new(KeyErrorKind::UnknownAlgorithm(first.to_string()), message)
            .help("age encrypts to `ssh-ed25519` and `ssh-rsa` keys");
    }
    KeyError::new(KeyErrorKind::NotAKey, "it is not an SSH public key; one begins with `ssh-ed25519` or `ssh-rsa`")
}

/// Options of `authorized_keys` (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
fn is_options(word: &str) -> bool {
    let first = word.split(',').next().unwrap_or_default();
    let flags =
        ["restrict", "cert-authority", "verify-required", "pty", "user-rc", "agent-forwarding", "port-forwarding"];
    word.contains('=')
        || first.starts_with("no-")
        || flags.contains(&first)
        || first.eq_ignore_ascii_case("x11-forwarding")
}

/// Why strict base64 does not decode, for a person.
fn explain_base64(text: &str) -> String {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let letters = text.trim_end_matches('=');
    match letters.bytes().position(|byte| !is_letter(&byte)) {
        Some(at) => format!("character {} does not belong there", letters[..at].chars().count() + 1),
        None if !text.len().is_multiple_of(4) => format!("it has {} characters, so that some are missing", text.len()),
        None => "its end is wrong".to_string(),
    }
}

struct BlobFacts {
    bits: u32,
    rsa_exponent_bits: u32,
}

fn read_blob(kind: SshKeyKind, algorithm: &str, blob: &[u8]) -> Result<BlobFacts, KeyError> {
    let malformed = |what: &str| {
        KeyError::new(KeyErrorKind::Malformed, format!("the `{algorithm}` key is damaged: {what}"))
            .help("copy the line of the .pub file again")
    };
    let mut wire = Wire { rest: blob };
    let inner = wire.string().ok_or_else(|| malformed("it ends too early"))?;
    if inner != algorithm.as_bytes() {
        let inside = std::str::from_utf8(inner).ok().filter(|name| SshKeyKind::from_algorithm(name).is_some());
        let message = match inside {
            Some(inside) => format!("`{algorithm}` is written in front of a key of type `{inside}`"),
            None => format!("what follows `{algorithm}` is not a key of that type"),
        };
        return Err(
            KeyError::new(KeyErrorKind::AlgorithmMismatch, message).help("copy the line of the .pub file again")
        );
    }
    let facts = wire.facts(kind).map_err(malformed)?;
    if !wire.rest.is_empty() && kind != SshKeyKind::Certificate {
        return Err(malformed(&format!("{} bytes too many follow it", wire.rest.len())));
    }
    Ok(facts)
}

/// A reader of SSH's data types (RFC 4251, 5).
struct Wire<'a> {
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    fn string(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (string, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        Some(string)
    }

    /// A positive number without needless leading zeros.
    fn number(&mut self) -> Result<&'a [u8], &'static str> {
        let bytes = self.string().ok_or("it ends too early")?;
        match bytes {
            [] => Err("a number in it is zero"),
            [0x80..=0xff, ..] => Err("a number in it is negative"),
            [0] | [0, 0..0x80, ..] => Err("a number in it has needless zeros"),
            [0, rest @ ..] => Ok(rest),
            _ => Ok(bytes),
        }
    }

    fn facts(&mut self, kind: SshKeyKind) -> Result<BlobFacts, &'static str> {
        let bits = match kind {
            SshKeyKind::Rsa => return self.rsa(),
            SshKeyKind::Ed25519 => self.ed25519()?,
            SshKeyKind::SkEd25519 => {
                let bits = self.ed25519()?;
                self.string().ok_or("its application name is missing")?;
                bits
            }
            SshKeyKind::EcdsaP256 => self.ecdsa(b"nistp256", 32, 256)?,
            SshKeyKind::EcdsaP384 => self.ecdsa(b"nistp384", 48, 384)?,
            SshKeyKind::EcdsaP521 => self.ecdsa(b"nistp521", 66, 521)?,
            SshKeyKind::SkEcdsa => {
                let bits = self.ecdsa(b"nistp256", 32, 256)?;
                self.string().ok_or("its application name is missing")?;
                bits
            }
            SshKeyKind::Dss => {
                let bits = bit_length(self.number()?);
                for _ in 0..3 {
                    self.number()?;
                }
                bits
            }
            SshKeyKind::Certificate => 0,
        };
        Ok(BlobFacts { bits, rsa_exponent_bits: 0 })
    }

    fn rsa(&mut self) -> Result<BlobFacts, &'static str> {
        let exponent = self.number()?;
        let modulus = self.number()?;
        let is_even = |number: &[u8]| number.last().is_some_and(|byte| byte & 1 == 0);
        if is_even(exponent) || exponent == [1] {
            return Err("its exponent is not an odd number above 1");
        }
        if is_even(modulus) {
            return Err("its modulus is even");
        }
        let bits = bit_length(modulus);
        if bits > MAX_RSA_BITS {
            return Err("its modulus is longer than OpenSSH allows (16384 bits)");
        }
        Ok(BlobFacts { bits, rsa_exponent_bits: bit_length(exponent) })
    }

    fn ed25519(&mut self) -> Result<u32, &'static str> {
        match self.string() {
            Some(point) if point.len() == 32 => Ok(256),
            Some(_) => Err("an Ed25519 key has 32 bytes"),
            None => Err("it ends too early"),
        }
    }

    fn ecdsa(&mut self, curve: &[u8], coordinate: usize, bits: u32) -> Result<u32, &'static str> {
        if self.string() != Some(curve) {
            return Err("it names another curve");
        }
        match self.string() {
            Some([4, coordinates @ ..]) if coordinates.len() == 2 * coordinate => Ok(bits),
            Some(_) => Err("its point has the wrong size"),
            None => Err("it ends too early"),
        }
    }
}

fn bit_length(number: &[u8]) -> u32 {
    let Some(first) = number.first() else {
        return 0;
    };
    let bytes = u32::try_from(number.len()).unwrap_or(u32::MAX / 8);
    bytes * 8 - first.leading_zeros()
}

//! One recipient stanza of a header: who can unwrap the file key, and how.

use crate::encoding::decode_unpadded;

/// A recipient stanza (age specification, "Recipient stanza").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stanza {
    /// The argument line without its `-> `: visible ASCII, split by single spaces. One string instead of one for each
    /// argument, so that a hostile header can't cost many times its size.
    line: Box<str>,
    body: Box<[u8]>,
    offset: usize,
}

/// Stanza types that are known here.
pub mod types {
    /// `ssh-ed25519 TAG SHARE`
    pub const SSH_ED25519: &str = "ssh-ed25519";
    /// `ssh-rsa TAG`
    pub const SSH_RSA: &str = "ssh-rsa";
    /// `X25519 SHARE`
    pub const X25519: &str = "X25519";
    /// `mlkem768x25519 ENC`
    pub const MLKEM768_X25519: &str = "mlkem768x25519";
    /// `p256tag TAG ENC`
    pub const P256_TAG: &str = "p256tag";
    /// `mlkem768p256tag TAG ENC`
    pub const MLKEM768_P256_TAG: &str = "mlkem768p256tag";
    /// `piv-p256 TAG SHARE` (age-plugin-yubikey, age-plugin-se)
    pub const PIV_P256: &str = "piv-p256";
    /// `tpm-ecc TAG SHARE` (age-plugin-tpm)
    pub const TPM_ECC: &str = "tpm-ecc";
    /// `scrypt SALT LOG_N`
    pub const SCRYPT: &str = "scrypt";
}

/// The body of a stanza that wraps the 16-byte file key with ChaCha20-Poly1305.
const WRAPPED_KEY_LEN: usize = 32;
const TAG_LEN: usize = 4;

impl Stanza {
    pub(crate) fn new(line: &str, body: Vec<u8>, offset: usize) -> Self {
        Self { line: line.into(), body: body.into_boxed_slice(), offset }
    }

    /// The first argument: the recipient type.
    pub fn type_name(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }

    /// The arguments after the type.
    pub fn args(&self) -> impl Iterator<Item = &str> {
        self.line.split(' ').skip(1)
    }

    /// The argument at `index`, where 0 is the first one after the type.
    pub fn arg(&self, index: usize) -> Option<&str> {
        self.args().nth(index)
    }

    /// The decoded body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Where the stanza starts: the byte in the file; in an armored file, in the decoded data.
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Is it noise that an implementation added to exercise others (`…-grease`)? It says nothing about recipients.
    pub fn is_grease(&self) -> bool {
        self.type_name().ends_with("-grease")
    }

    /// The tag, if the type has one: the public key's name in this file.
    pub fn tag(&self) -> Option<&str> {
        let is_tagged = matches!(
            self.type_name(),
            types::SSH_ED25519
                | types::SSH_RSA
                | types::P256_TAG
                | types::MLKEM768_P256_TAG
                | types::PIV_P256
                | types::TPM_ECC
        );
        if is_tagged { self.arg(0) } else { None }
    }

    /// Why nobody can open the file through this stanza, though its grammar is right: arguments or a body that its type
    /// does not allow. Types that aren't known here have no problem.
    ///
    /// age refuses the whole file when it meets one of its own key's type, so such a file needs to be made again.
    pub fn problem(&self) -> Option<String> {
        // For each type: the decoded sizes of its arguments, and of its body.
        let (args, body): (&[usize], Option<usize>) = match self.type_name() {
            types::X25519 => (&[32], Some(WRAPPED_KEY_LEN)),
            types::MLKEM768_X25519 => (&[1120], Some(WRAPPED_KEY_LEN)),
            types::SSH_ED25519 => (&[TAG_LEN, 32], Some(WRAPPED_KEY_LEN)),
            types::SSH_RSA => (&[TAG_LEN], None),
            types::P256_TAG => (&[TAG_LEN, 65], Some(WRAPPED_KEY_LEN)),
            types::MLKEM768_P256_TAG => (&[TAG_LEN, 1153], Some(WRAPPED_KEY_LEN)),
            types::PIV_P256 | types::TPM_ECC => (&[TAG_LEN, 33], Some(WRAPPED_KEY_LEN)),
            types::SCRYPT => return self.scrypt_problem(),
            _ => return None,
        };
        let name = self.type_name();
        let found = self.args().count();
        if found != args.len() {
            let expected = args.len();
            return Some(format!("wrong number of arguments in the `{name}` stanza: {found} instead of {expected}"));
        }
        for (i, (arg, expected)) in self.args().zip(args).enumerate() {
            if decode_unpadded(arg.as_bytes()).is_none_or(|bytes| bytes.len() != *expected) {
                return Some(format!("argument {} of the `{name}` stanza is not base64 of {expected} bytes", i + 1));
            }
        }
        match body {
            Some(expected) if self.body.len() != expected => {
                Some(format!("the body of the `{name}` stanza has {} bytes instead of {expected}", self.body.len()))
            }
            // The body of ssh-rsa is as long as the modulus, which age wants to have at least 2048 bits.
            None if self.body.len() < 256 => Some(format!(
                "the body of the `{name}` stanza has {} bytes; at least 256 belong there",
                self.body.len()
            )),
            _ => None,
        }
    }

    fn scrypt_problem(&self) -> Option<String> {
        let mut args = self.args();
        let (Some(salt), Some(work), None) = (args.next(), args.next(), args.next()) else {
            return Some(
                "wrong number of arguments in the `scrypt` stanza: a salt and a work factor were expected".to_string(),
            );
        };
        if decode_unpadded(salt.as_bytes()).is_none_or(|salt| salt.len() != 16) {
            return Some("the salt of the `scrypt` stanza is not base64 of 16 bytes".to_string());
        }
        if work.starts_with('0') || !work.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some("the work factor of the `scrypt` stanza is not a decimal number".to_string());
        }
        if self.body.len() != WRAPPED_KEY_LEN {
            return Some(format!("the body of the `scrypt` stanza has {} bytes instead of 32", self.body.len()));
        }
        None
    }
}

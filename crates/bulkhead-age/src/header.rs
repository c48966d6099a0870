//! The header of an age file: who can open it, read without any key.
//!
//! The grammar is the one of the age specification (C2SP `age.md`), to the letter. The header's MAC can't be checked without
//! the file key, so a header says what its writer wrote, not what is true.
//!
//! # Limits
//! | what | limit | why |
//! |---|---|---|
//! | header | [`HEADER_LIMIT`] bytes of the file | 20,000 machines' SSH keys need 2.2 MB, 3 MB armored |
//! | stanzas | [`MAX_STANZAS`] | as many as fit with SSH keys into 4 MB |
//! | line | [`MAX_LINE_LEN`] bytes | the longest known argument line has 1,600 |
//!
//! Time and memory are linear in the bytes given.

use crate::armor::{self, Decoded};
use crate::encoding::decode_unpadded;
use crate::foreign;
use crate::header_error::{Foreign, HeaderError, HeaderErrorKind};
use crate::stanza::{Stanza, types};

/// A good amount to read of a file at first, in bytes: enough for 500 SSH keys.
pub const FIRST_READ: usize = 64 * 1024;
/// The most that is ever looked at to find the end of the header, in bytes of the file.
pub const HEADER_LIMIT: usize = 8 * 1024 * 1024;
/// The most stanzas in one header.
pub const MAX_STANZAS: usize = 32_768;
/// The longest line in a header, in bytes without its end.
pub const MAX_LINE_LEN: usize = 16 * 1024;

const MAGIC: &[u8] = b"age-encryption.org/";
/// The columns of a stanza's full body line.
const COLUMNS: usize = 64;
const MAC_LEN: usize = 32;
/// A longer beginning than any that is needed to tell what a file is.
const MIN_PREFIX: usize = 1100;
const NONCE_LEN: u64 = 16;
const CHUNK_TAG_LEN: u64 = 16;
const CHUNK_LEN: u64 = 64 * 1024 + CHUNK_TAG_LEN;

/// The header of an age file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Is the file ASCII-armored?
    pub armored: bool,
    /// One for each recipient, in the file's order; at least one.
    pub stanzas: Vec<Stanza>,
    /// The header's authentication code. Only who has the file key can check it.
    pub mac: [u8; 32],
    /// Where the encrypted contents start: the byte in the file; in an armored file, in the decoded data.
    pub payload_offset: usize,
}

impl Header {
    /// Is the file encrypted with a passphrase, rather than to keys?
    pub fn is_passphrase(&self) -> bool {
        self.stanzas.iter().any(|stanza| stanza.type_name() == types::SCRYPT)
    }

    /// Why age refuses to open the file, though each stanza's grammar is right: a passphrase next to other recipients.
    pub fn problem(&self) -> Option<&'static str> {
        (self.is_passphrase() && self.stanzas.len() > 1)
            .then_some("a passphrase (`scrypt`) stands next to other recipients; age refuses such files")
    }

    /// Why the encrypted contents can't be whole, as far as their length tells. What is cut off at a multiple of 64 KiB
    /// can't be told without the key.
    ///
    /// `bytes` is what the header was parsed from, `file_len` the length of the whole file in bytes. An armored file is
    /// judged only if `bytes` is all of it.
    pub fn payload_problem(&self, bytes: &[u8], file_len: u64) -> Option<HeaderError> {
        if !self.armored {
            let start = u64::try_from(self.payload_offset).unwrap_or(u64::MAX);
            return payload_len_problem(file_len.saturating_sub(start), self.payload_offset);
        }
        if u64::try_from(bytes.len()) != Ok(file_len) {
            return None;
        }
        let decoded = armor::decode(bytes, true);
        if let Some(error) = decoded.error {
            return Some(error);
        }
        let payload = decoded.data.len().saturating_sub(self.payload_offset);
        payload_len_problem(payload.try_into().unwrap_or(u64::MAX), decoded.file_offset(self.payload_offset))
    }
}

/// Reads the header at the start of a file.
///
/// `bytes` is the file's beginning, at most [`HEADER_LIMIT`] bytes of it; `whole_file` tells that nothing follows. Bytes
/// beyond the header, and beyond the limit, don't matter.
///
/// ```
/// use bulkhead_age::{HeaderErrorKind, parse_header};
///
/// let file = b"age-encryption.org/v1\n-> ssh-ed25519 V3XmEA ";
/// assert_eq!(parse_header(file, true).unwrap_err().kind, HeaderErrorKind::Truncated);
/// assert_eq!(parse_header(file, false).unwrap_err().kind, HeaderErrorKind::Incomplete); // read more, ask again
/// ```
///
/// # Errors
/// What the bytes are instead, or where they break the grammar. [`HeaderErrorKind::Incomplete`] asks for more bytes.
pub fn parse_header(bytes: &[u8], whole_file: bool) -> Result<Header, HeaderError> {
    let input = &bytes[..bytes.len().min(HEADER_LIMIT)];
    let end = if whole_file && input.len() == bytes.len() {
        End::File
    } else if input.len() == HEADER_LIMIT {
        End::Limit
    } else {
        End::Prefix
    };
    if end == End::Prefix && input.len() < MIN_PREFIX && !input.starts_with(MAGIC) {
        return Err(HeaderError::new(HeaderErrorKind::Incomplete, input.len(), "more of the file is needed"));
    }
    if armor::is_armored(input) {
        let decoded = armor::decode(input, end == End::File);
        let mut reader = Reader { text: &decoded.data, at: 0, end, armor: Some(&decoded) };
        return reader.header();
    }
    let is_cut_magic = input.len() < MAGIC.len() && !input.is_empty() && MAGIC.starts_with(input);
    if !input.starts_with(MAGIC) && !is_cut_magic {
        return Err(foreign::explain(input));
    }
    Reader { text: input, at: 0, end, armor: None }.header()
}

/// What lies behind the last byte that is at hand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    File,
    Prefix,
    Limit,
}

struct Reader<'a> {
    /// The file's bytes, or what its armor holds.
    text: &'a [u8],
    at: usize,
    end: End,
    armor: Option<&'a Decoded>,
}

impl Reader<'_> {
    fn header(&mut self) -> Result<Header, HeaderError> {
        self.version()?;
        let mut stanzas = Vec::new();
        loop {
            let start = self.at;
            let rest = &self.text[start..];
            if rest.starts_with(b"---") {
                break;
            }
            if !rest.starts_with(b"->") && !b"---".starts_with(rest) {
                let message = "a recipient (`-> …`) or the end of the header (`--- …`) was expected";
                return Err(self.syntax(start, message));
            }
            if stanzas.len() == MAX_STANZAS {
                let message = format!("the header has more than {MAX_STANZAS} recipients");
                return Err(self.error(HeaderErrorKind::TooLarge, start, message));
            }
            stanzas.push(self.stanza()?);
        }
        let start = self.at;
        let mac = self.mac()?;
        if stanzas.is_empty() {
            return Err(self.syntax(start, "the header names no recipient, so nobody can open the file"));
        }
        Ok(Header { armored: self.armor.is_some(), stanzas, mac, payload_offset: self.at })
    }

    fn version(&mut self) -> Result<(), HeaderError> {
        let line = self.line()?;
        let version = &self.text[line.clone()].strip_prefix(MAGIC).unwrap_or_default();
        if *version == b"v1" {
            return Ok(());
        }
        if *version == b"v1\r" {
            let message = "the age file is destroyed: its line ends were changed to those of Windows";
            return Err(self
                .error(HeaderErrorKind::Foreign(Foreign::ChangedLineEnds), line.end, message)
                .help("take the file from git again, after `*.age -text` in .gitattributes"));
        }
        if self.armor.is_some() && !self.text.starts_with(MAGIC) {
            let message = "the armored data does not begin with `age-encryption.org/v1`";
            return Err(self.syntax(0, message));
        }
        let named = std::str::from_utf8(version).ok().filter(|text| {
            (1..=32).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'`')
        });
        let message = match named {
            Some(version) => format!("an age file of version `{version}`; only `v1` is known"),
            None => "an age file with a damaged version line; `age-encryption.org/v1` was expected".to_string(),
        };
        Err(self.error(HeaderErrorKind::UnsupportedVersion, MAGIC.len(), message))
    }

    fn stanza(&mut self) -> Result<Stanza, HeaderError> {
        let start = self.at;
        let line = self.line()?;
        let Some(arguments) = self.text[line.clone()].strip_prefix(b"-> ") else {
            return Err(self.syntax(start, "a recipient begins with `-> ` and its type"));
        };
        if let Some(at) = arguments.iter().position(|byte| !byte.is_ascii_graphic() && *byte != b' ') {
            let message = match arguments[at] {
                b'\r' => {
                    "a recipient's line ends in a carriage return: line ends were changed, which destroys the file"
                }
                _ => "a recipient's arguments are visible ASCII characters; here is another one",
            };
            return Err(self.syntax(start + 3 + at, message));
        }
        if arguments.split(|byte| *byte == b' ').any(<[u8]>::is_empty) {
            return Err(self.syntax(start, "a recipient's arguments are separated by single spaces"));
        }
        // Visible ASCII, as checked above.
        let arguments = str::from_utf8(arguments).unwrap_or_default();
        let body = self.body()?;
        Ok(Stanza::new(arguments, body, start))
    }

    fn body(&mut self) -> Result<Vec<u8>, HeaderError> {
        let mut body = Vec::new();
        loop {
            let start = self.at;
            let line = self.line()?;
            let text = &self.text[line];
            if text.len() > COLUMNS {
                return Err(self.syntax(start, "a line of a recipient's body has more than 64 characters"));
            }
            let Some(bytes) = decode_unpadded(text) else {
                let message = if text.starts_with(b"->") || text.starts_with(b"---") {
                    "a recipient's body must end with a line of less than 64 characters, which may be empty"
                } else {
                    "a recipient's body is not canonical base64 without padding"
                };
                return Err(self.syntax(start, message));
            };
            let is_last = text.len() < COLUMNS;
            body.extend_from_slice(&bytes);
            if is_last {
                return Ok(body);
            }
        }
    }

    fn mac(&mut self) -> Result<[u8; MAC_LEN], HeaderError> {
        let start = self.at;
        let line = self.line()?;
        let mac = self.text[line].strip_prefix(b"--- ").and_then(decode_unpadded);
        mac.and_then(|mac| mac.try_into().ok()).ok_or_else(|| {
            self.syntax(start, "the header's last line must be `--- ` and 43 characters of base64, and nothing else")
        })
    }

    /// Steps over the next line and returns where it is, without its line feed.
    fn line(&mut self) -> Result<std::ops::Range<usize>, HeaderError> {
        let start = self.at;
        let rest = &self.text[start..];
        let window = &rest[..rest.len().min(MAX_LINE_LEN + 1)];
        if let Some(length) = window.iter().position(|byte| *byte == b'\n') {
            self.at = start + length + 1;
            return Ok(start..start + length);
        }
        if window.len() > MAX_LINE_LEN {
            let message = format!("a line of the header has more than {MAX_LINE_LEN} characters");
            return Err(self.error(HeaderErrorKind::TooLarge, start, message));
        }
        Err(self.early_end())
    }

    fn early_end(&self) -> HeaderError {
        if let Some(error) = self.armor.and_then(|armor| armor.error.as_ref()) {
            return error.clone();
        }
        let at = self.text.len();
        match self.end {
            End::File => {
                let message = "the file ends within the header: it is cut off";
                self.error(HeaderErrorKind::Truncated, at, message)
                    .help("take the file from git again, or make it anew")
            }
            End::Prefix => self.error(HeaderErrorKind::Incomplete, at, "more of the file is needed"),
            End::Limit => {
                let message = format!("the header does not end within {HEADER_LIMIT} bytes");
                self.error(HeaderErrorKind::TooLarge, at, message)
            }
        }
    }

    fn syntax(&self, at: usize, message: &str) -> HeaderError {
        self.error(HeaderErrorKind::Syntax, at, message)
    }

    fn error(&self, kind: HeaderErrorKind, at: usize, message: impl Into<String>) -> HeaderError {
        HeaderError::new(kind, self.armor.map_or(at, |armor| armor.file_offset(at)), message)
    }
}

/// The contents are a nonce and chunks of 64 KiB, each with a tag of 16 bytes; only the last may be shorter, and it is
/// empty only if it is the first (age specification, "Payload").
fn payload_len_problem(length: u64, offset: usize) -> Option<HeaderError> {
    let chunks = length.saturating_sub(NONCE_LEN);
    let last = chunks % CHUNK_LEN;
    let is_whole = chunks >= CHUNK_TAG_LEN && (last == 0 || last > CHUNK_TAG_LEN || chunks == CHUNK_TAG_LEN);
    if is_whole {
        return None;
    }
    let message = if length == 0 {
        "the header is all there is: the encrypted contents are missing".to_string()
    } else {
        format!("the encrypted contents are cut off: {length} bytes can't be a whole file")
    };
    let error = HeaderError::new(HeaderErrorKind::Payload, offset, message);
    Some(error.help("take the file from git again, or make it anew"))
}

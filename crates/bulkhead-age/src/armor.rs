//! ASCII armor: strict PEM around an age file (age specification, "ASCII armor"; RFC 7468, figure 3).
//!
//! Lines of 64 characters, the last one shorter or as long, canonical base64 with padding, LF or CRLF. Up to 1024 bytes of
//! blank lines may follow it. The library of age allows as many before it, but its program looks for the marker in the first
//! bytes (`cmd/age/age.go`), and is what agenix runs.

use crate::encoding::decode_padded;
use crate::header_error::{HeaderError, HeaderErrorKind};

pub(crate) const BEGIN: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";
const END: &[u8] = b"-----END AGE ENCRYPTED FILE-----";
const COLUMNS: usize = 64;
const BYTES_PER_LINE: usize = 48;
/// What age tolerates behind it (`armor/armor.go`, `maxWhitespace`), in bytes.
const MAX_BLANKS: usize = 1024;

/// As much of an armored file as could be decoded.
pub(crate) struct Decoded {
    pub(crate) data: Vec<u8>,
    /// For each line, where it starts in `data` and in the file.
    lines: Vec<(usize, usize)>,
    /// What stopped the decoding before the end, if it was not just the end of an incomplete input.
    pub(crate) error: Option<HeaderError>,
}

impl Decoded {
    /// The byte of the file that holds the decoded byte `at`.
    pub(crate) fn file_offset(&self, at: usize) -> usize {
        let after = self.lines.partition_point(|(start, _)| *start <= at);
        match self.lines.get(after.saturating_sub(1)) {
            Some((start, offset)) => offset + (at - start).min(BYTES_PER_LINE) * 4 / 3,
            None => 0,
        }
    }
}

/// Does the input, after blanks, begin like an armored file?
pub(crate) fn is_armored(input: &[u8]) -> bool {
    input.trim_ascii_start().starts_with(BEGIN)
}

/// Decodes `input`, the beginning of an armored file or, if `whole`, all of it.
pub(crate) fn decode(input: &[u8], whole: bool) -> Decoded {
    let mut decoded = Decoded { data: Vec::with_capacity(input.len() / 4 * 3), lines: Vec::new(), error: None };
    decoded.error = fill(&mut decoded, input, whole).err();
    decoded
}

fn fill(decoded: &mut Decoded, input: &[u8], whole: bool) -> Result<(), HeaderError> {
    let broken = |offset, message: &str| HeaderError::new(HeaderErrorKind::Armor, offset, message);
    let mut at = input.len() - input.trim_ascii_start().len();
    if at > 0 {
        let message =
            "blanks stand in front of `-----BEGIN AGE ENCRYPTED FILE-----`, which age then does not recognise";
        return Err(broken(0, message).help("delete them"));
    }
    let mut is_first = true;
    let mut must_end = false;
    loop {
        let rest = &input[at..];
        // No valid line is longer than its end marker or 64 columns and a line end; don't search further.
        let window = &rest[..rest.len().min(COLUMNS + 3)];
        let (line, next) = match window.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], at + end + 1),
            None if window.len() == COLUMNS + 3 => {
                return Err(broken(at, "a line of the armored file is longer than 64 characters"));
            }
            None if !whole => return Ok(()),
            None if rest.is_empty() => {
                let message = "the armored file has no `-----END AGE ENCRYPTED FILE-----`: it is cut off";
                return Err(HeaderError::new(HeaderErrorKind::Truncated, at, message));
            }
            None => (rest, input.len()),
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if is_first {
            if line != BEGIN {
                return Err(broken(at, "something follows `-----BEGIN AGE ENCRYPTED FILE-----` on its line"));
            }
            is_first = false;
        } else if line == END {
            return check_trailing(input, next);
        } else if must_end {
            return Err(broken(at, "the line before is shorter than 64 characters, so the end marker must follow it"));
        } else if line.is_empty() {
            return Err(broken(at, "the armored file has an empty line"));
        } else {
            if line.len() > COLUMNS {
                return Err(broken(at, "a line of the armored file is longer than 64 characters"));
            }
            let bytes = decode_padded(line)
                .ok_or_else(|| broken(at, "a line of the armored file is not canonical base64 with padding"))?;
            decoded.lines.push((decoded.data.len(), at));
            must_end = bytes.len() < BYTES_PER_LINE;
            decoded.data.extend_from_slice(&bytes);
        }
        at = next;
    }
}

fn check_trailing(input: &[u8], at: usize) -> Result<(), HeaderError> {
    let rest = &input[at..];
    let looked_at = &rest[..rest.len().min(MAX_BLANKS)];
    let blanks = looked_at.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if blanks < looked_at.len() {
        let message = "something follows the armored file's end marker, which age refuses";
        return Err(HeaderError::new(HeaderErrorKind::Armor, at + blanks, message));
    }
    if rest.len() >= MAX_BLANKS {
        let message = "1024 or more blanks follow the armored file, which age refuses";
        return Err(HeaderError::new(HeaderErrorKind::Armor, at, message));
    }
    Ok(())
}

//! Private keys in text that is shown.
//!
//! Whoever pastes a private key in place of a public one has made one mistake; a log of CI that repeats it would be the
//! second. So nothing that this crate writes shows one: neither lines of files nor sentences that quote them. What looks
//! like a key is taken for one, whole or not, because a few stars too many harm nobody. Whether a file *has* a private
//! key is another question, which `bulkhead-age` answers more strictly.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

use crate::text::floor;
use crate::{Diagnostic, Report};

const ARMOR_BEGIN: &str = "-----BEGIN ";
const ARMOR_END: &str = "-----END ";
const PUTTY: &str = "PuTTY-User-Key-File-";
const AGE_IDENTITY: &str = "AGE-SECRET-KEY-";
/// A run of this many base64 characters after the first line of an armour is a part of the key and no word.
const LEAST_BODY: usize = 16;
/// 32 bytes in base64, with the `=` at their end.
const WIREGUARD_LEN: usize = 44;
/// 64 bytes in base64, with the `==` at their end.
const SIGNING_LEN: usize = 88;
/// The longest label of an armour that is looked at.
const MAX_LABEL: usize = 64;
/// Longer than the body of any key: one of RSA with 16,384 bits has some 13 KiB.
const MAX_BODY: usize = 32 << 10;

/// `text` with every byte of private keys in it as `*`: of the same length, with the same lines. What tells the kind of
/// a key stays (`AGE-SECRET-KEY-1`, the first and last line of an armour).
///
/// ```
/// use bulkhead_diagnostics::mask_private_keys;
///
/// assert_eq!(mask_private_keys("no key"), "no key");
/// assert_eq!(mask_private_keys("hostKey = \"AGE-SECRET-KEY-1QQPZRY\";"), "hostKey = \"AGE-SECRET-KEY-1******\";");
/// ```
pub fn mask_private_keys(text: &str) -> Cow<'_, str> {
    let ranges = private_keys(text);
    if ranges.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut done = 0;
    for range in ranges {
        let start = range.start.max(done);
        if range.end <= start {
            continue;
        }
        masked.push_str(&text[done..start]);
        for c in text[start..range.end].chars() {
            // Keys are ASCII; what else stands between their lines keeps its columns.
            masked.push(if c.is_ascii_graphic() { '*' } else { c });
        }
        done = range.end;
    }
    masked.push_str(&text[done..]);
    Cow::Owned(masked)
}

/// [`mask_private_keys`] on all texts in `value`, the names of attributes too.
pub fn mask_json(value: &mut Value) {
    match value {
        Value::String(text) => mask_in_place(text),
        Value::Array(items) => items.iter_mut().for_each(mask_json),
        Value::Object(fields) => {
            fields.values_mut().for_each(mask_json);
            if fields.keys().any(|name| !private_keys(name).is_empty()) {
                let masked = std::mem::take(fields).into_iter();
                *fields = masked.map(|(name, value)| (mask_private_keys(&name).into_owned(), value)).collect();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a finding's own words hold a private key.
fn says_private_key(finding: &Diagnostic) -> bool {
    let has_key = |text: &str| !private_keys(text).is_empty();
    let texts = [&finding.message].into_iter().chain(&finding.label).chain(&finding.notes).chain(&finding.help);
    texts.map(String::as_str).any(has_key)
        || finding.related.iter().any(|related| has_key(&related.message))
        || finding.data.iter().any(|(name, value)| has_key(name) || json_has_key(value))
}

fn json_has_key(value: &Value) -> bool {
    match value {
        Value::String(text) => !private_keys(text).is_empty(),
        Value::Array(items) => items.iter().any(json_has_key),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| !private_keys(name).is_empty() || json_has_key(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The report as it may be shown; borrowed where nothing has to be left out, which is nearly always.
pub(crate) fn masked_report(report: &Report) -> Cow<'_, Report> {
    if !report.findings.iter().any(says_private_key) {
        return Cow::Borrowed(report);
    }
    let mut report = report.clone();
    report.findings.iter_mut().for_each(mask_finding);
    Cow::Owned(report)
}

/// The finding as it may be shown.
pub(crate) fn masked_finding(finding: &Diagnostic) -> Cow<'_, Diagnostic> {
    if !says_private_key(finding) {
        return Cow::Borrowed(finding);
    }
    let mut finding = finding.clone();
    mask_finding(&mut finding);
    Cow::Owned(finding)
}

fn mask_finding(finding: &mut Diagnostic) {
    mask_in_place(&mut finding.message);
    let paragraphs = finding.label.iter_mut().chain(&mut finding.notes).chain(&mut finding.help);
    paragraphs.for_each(mask_in_place);
    for related in &mut finding.related {
        mask_in_place(&mut related.message);
    }
    let mut data = Value::Object(std::mem::take(&mut finding.data));
    mask_json(&mut data);
    if let Value::Object(data) = data {
        finding.data = data;
    }
}

fn mask_in_place(text: &mut String) {
    if let Cow::Owned(masked) = mask_private_keys(text) {
        *text = masked;
    }
}

/// The bytes of private keys in `text`, sorted by their beginning, on character boundaries. Ranges may overlap.
pub(crate) fn private_keys(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    age_identities(text, &mut found);
    armors(text, &mut found);
    putty_keys(text, &mut found);
    wireguard_keys(text, &mut found);
    signing_keys(text, &mut found);
    json_web_keys(text, &mut found);
    found.sort_by_key(|range| range.start);
    found
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// `AGE-SECRET-KEY-1…`, `AGE-SECRET-KEY-PQ-1…`, also in small letters, mistyped or cut off: all that follows the `1`.
fn age_identities(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let length = AGE_IDENTITY.len();
    let starts = bytes
        .windows(length)
        .enumerate()
        .filter(|(_, window)| matches!(window[0], b'A' | b'a') && window.eq_ignore_ascii_case(AGE_IDENTITY.as_bytes()));
    for (at, _) in starts {
        let mut start = at + length;
        if bytes.get(start..start + 3).is_some_and(|kind| kind.eq_ignore_ascii_case(b"PQ-")) {
            start += 3;
        }
        if bytes.get(start) == Some(&b'1') {
            start += 1;
        }
        let rest = &bytes[start..];
        let end = start + rest.iter().take_while(|byte| is_base64(**byte)).count();
        if end > start {
            found.push(start..end);
        }
    }
}

/// The bodies of armoured private keys: up to the last line, and without one as far as there is base64.
fn armors(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find(ARMOR_BEGIN) {
        let label_start = from + at + ARMOR_BEGIN.len();
        from = label_start;
        let head = &text.as_bytes()[label_start..text.len().min(label_start + MAX_LABEL)];
        let Some(label_len) = head.windows(5).position(|window| window == b"-----") else { continue };
        let label = &text[label_start..label_start + label_len];
        if !label.contains("PRIVATE KEY") {
            continue;
        }
        let start = label_start + label_len + "-----".len();
        let rest = &text[start..];
        // The end of another armour, or far away, is not that of this one.
        let reach = rest[..floor(rest, MAX_BODY)].find(ARMOR_BEGIN).unwrap_or(floor(rest, MAX_BODY));
        let length = match rest[..reach].find(&format!("{ARMOR_END}{label}")) {
            // Documentation leaves the key out.
            Some(end) if !has_run(&rest[..end]) => 0,
            Some(end) => end,
            None => body_len(rest, false),
        };
        if length > 0 {
            found.push(start..start + length);
        }
        from = start + length;
    }
}

/// Whether there is a run of base64 that is too long for a word.
fn has_run(text: &str) -> bool {
    let mut run = 0;
    text.bytes().any(|byte| {
        run = if is_base64(byte) { run + 1 } else { 0 };
        run >= LEAST_BODY
    })
}

/// PuTTY's keys: the base64 lines and the MAC after the first line.
fn putty_keys(text: &str, found: &mut Vec<Range<usize>>) {
    let mut from = 0;
    while let Some(at) = text[from..].find(PUTTY) {
        let start = from + at + PUTTY.len();
        let first_line = start + line_len(&text.as_bytes()[start..]).0;
        let length = body_len(&text[first_line..], true);
        if length > 0 {
            found.push(first_line..first_line + length);
        }
        from = first_line + length;
    }
}

/// How many bytes of `text` belong to a key that begins at the end of a line before it: lines of base64, or joined by a
/// written `\n`, and headers. Nothing if there is no base64 that is too long for a word.
fn body_len(text: &str, is_putty: bool) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut end) = (0, 0);
    let mut has_body = false;
    while at < bytes.len() {
        let (line_len, separator) = line_len(&bytes[at..]);
        let line = &bytes[at..at + line_len];
        let decoration = |byte: &u8| byte.is_ascii_whitespace() || b"\"'#>*|,;`\\+-".contains(byte);
        let front = line.iter().take_while(|byte| decoration(byte)).count();
        let run = line[front..].iter().take_while(|byte| is_base64(**byte)).count();
        let rest = &line[front + run..];
        // Of a key that a message abridges there may be a few characters.
        let is_cut_off = at + line_len == bytes.len() || bytes[at + line_len..].starts_with("…".as_bytes());
        let is_header = rest.starts_with(b":") || (run > 0 && rest.starts_with(b"-"));
        if is_header && (is_putty || !has_body) {
            if is_putty {
                end = at + line_len;
            }
        } else if run >= LEAST_BODY || (run > 0 && rest.iter().all(decoration) && (has_body || is_cut_off)) {
            has_body = true;
            end = at + front + run;
            // What follows the key on its line is no part of it, nor is the next line.
            if !rest.iter().all(decoration) {
                break;
            }
        } else if run > 0 || rest.iter().any(|byte| !decoration(byte)) {
            break;
        }
        at += line_len + separator;
    }
    if has_body { end } else { 0 }
}

/// The length of the first line, and of what ends it: a line feed, a written `\n` or `\r`, or what messages have in place
/// of those (`\u{fffd}`, `…`): no key has characters beyond ASCII.
fn line_len(bytes: &[u8]) -> (usize, usize) {
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' => return (at, 1),
            b'\\' if matches!(bytes.get(at + 1), Some(b'n' | b'r')) => return (at, 2),
            byte if !byte.is_ascii() => return (at, bytes[at..].iter().take_while(|byte| !byte.is_ascii()).count()),
            _ => {}
        }
    }
    (bytes.len(), 0)
}

/// Keys of WireGuard: 32 bytes in base64 with the bits that X25519 wants in a private key (RFC 7748, 5), as `wg genkey`
/// makes them. One of 32 public keys has them by chance, and is masked too. A hash (`sha256-…`) is none.
fn wireguard_keys(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if !is_base64(bytes[at]) || bytes[at] == b'=' {
            at += 1;
            continue;
        }
        let length = bytes[at..].iter().take_while(|byte| is_base64(**byte) && **byte != b'=').count();
        let end = at + length;
        let is_hash = at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'-');
        let closes = bytes.get(end) == Some(&b'=') && bytes.get(end + 1) != Some(&b'=');
        // A path of base64 characters may lead to the key: `name=/…` has no such length.
        if length + 1 == WIREGUARD_LEN && closes && !is_hash && is_clamped(&bytes[at..end]) {
            found.push(at..end + 1);
        }
        at = end;
    }
}

/// Keys that sign for a binary cache of Nix: a name, a colon, and 64 bytes in base64, or what a message leaves of them. Hashes
/// are written so, too, and are none.
fn signing_keys(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    for (colon, _) in text.match_indices(':') {
        let start = colon + 1;
        let length = bytes[start..].iter().take_while(|byte| is_base64(**byte)).count();
        let is_hash = ["sha256", "sha512", "blake2b", "blake3"].iter().any(|kind| text[..colon].ends_with(kind));
        let is_whole = length == SIGNING_LEN && text[..start + length].ends_with("==");
        let is_cut_off = length >= LEAST_BODY && text[start + length..].starts_with('…');
        let is_named = colon.checked_sub(1).is_some_and(|before| bytes[before].is_ascii_alphanumeric());
        if (is_whole || is_cut_off) && is_named && !is_hash {
            found.push(start..start + length);
        }
    }
}

/// The private parts of JSON Web Keys (RFC 7517, RFC 7518): `"d": "…"`, and `"k"` of those that are shared.
fn json_web_keys(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    for (quote, _) in text.match_indices('"') {
        // In a string there are backslashes before the quotes.
        let between = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'\\' | b'"' | b':');
        let rest = &bytes[quote + 1..];
        if !matches!(rest, [b'd' | b'k', b'"' | b'\\', ..]) {
            continue;
        }
        let start = quote + 2 + rest[1..].iter().take_while(|byte| between(byte)).count();
        let is_url_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let length = bytes[start..].iter().take_while(|byte| is_url_base64(byte)).count();
        if length >= LEAST_BODY {
            found.push(start..start + length);
        }
    }
}

/// Whether 43 characters of base64 begin with three zero bits in the low end of the first byte, and end with a byte
/// whose two highest bits are 01.
fn is_clamped(encoded: &[u8]) -> bool {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let [first, second, .., before_last, _] = encoded else { return false };
    // The first byte is six bits of the first character and two of the second; the last one begins with the lower four
    // bits of the last character but one.
    let first_byte = value(*first) << 2 | value(*second) >> 4;
    first_byte & 7 == 0 && value(*before_last) >> 2 & 3 == 1
}

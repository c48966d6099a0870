//! JSON as `builtins.fromJSON` reads it and `builtins.toJSON` writes it.
//!
//! The reader is as strict as nlohmann's, which Nix uses, and treats numbers alike: integers beyond 64 bits become
//! floats, those between 2⁶³ and 2⁶⁴ are an error (as since Nix 2.25; before, they wrapped around), and so are floats
//! beyond the range.

use super::data::{Data, MAX_DEPTH, reject_nul};

/// Reads a JSON text. The error says what is wrong and where, as line and column (in bytes), both from 1.
pub(crate) fn parse(text: &[u8]) -> Result<Data, String> {
    // A byte order mark is skipped.
    let at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut reader = Reader { text, at };
    let value = reader.document().map_err(|message| {
        let before = text.get(..reader.at).unwrap_or(text);
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
        format!("JSON parse error at line {line}, column {column}: {message}")
    })?;
    Ok(value)
}

/// Appends a string in quotes. Like Nix only what JSON demands is escaped. The error is about bytes that are no UTF-8.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    if let Err(error) = std::str::from_utf8(text) {
        let index = error.valid_up_to();
        let byte = text.get(index).copied().unwrap_or_default();
        return Err(format!("JSON serialization error: invalid UTF-8 byte at index {index}: 0x{byte:02X}"));
    }
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    Ok(())
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

/// An array or object that is being read.
enum Open {
    Array(Vec<Data>),
    Object { members: Vec<(String, Data)>, key: String },
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Data, String> {
        self.skip_space();
        let mut open: Vec<Open> = Vec::new();
        'value: loop {
            if open.len() > MAX_DEPTH {
                return Err(format!("arrays and objects are nested more than {MAX_DEPTH} deep"));
            }
            let mut value = match self.peek() {
                Some(b'[') => {
                    self.at += 1;
                    self.skip_space();
                    if self.peek() != Some(b']') {
                        open.push(Open::Array(Vec::new()));
                        continue 'value;
                    }
                    self.at += 1;
                    Data::Array(Vec::new())
                }
                Some(b'{') => {
                    self.at += 1;
                    self.skip_space();
                    if self.peek() != Some(b'}') {
                        let key = self.key()?;
                        open.push(Open::Object { members: Vec::new(), key });
                        continue 'value;
                    }
                    self.at += 1;
                    Data::Object(Vec::new())
                }
                _ => self.scalar()?,
            };
            // The value may end what is around it, and that what is around that.
            loop {
                self.skip_space();
                match open.pop() {
                    None if self.at == self.text.len() => return Ok(value),
                    None => return Err("expected the end of the text".to_owned()),
                    Some(Open::Array(mut items)) => {
                        items.push(value);
                        if self.separator(b']', "',' or ']'")? {
                            open.push(Open::Array(items));
                            continue 'value;
                        }
                        value = Data::Array(items);
                    }
                    Some(Open::Object { mut members, key }) => {
                        members.push((key, value));
                        if self.separator(b'}', "',' or '}'")? {
                            let key = self.key()?;
                            open.push(Open::Object { members, key });
                            continue 'value;
                        }
                        value = Data::object(members);
                    }
                }
            }
        }
    }

    /// Whether there is a comma (and so another item) rather than the end.
    fn separator(&mut self, end: u8, expected: &str) -> Result<bool, String> {
        let found = self.peek();
        if found != Some(b',') && found != Some(end) {
            return Err(self.expected(expected));
        }
        self.at += 1;
        self.skip_space();
        Ok(found == Some(b','))
    }

    fn key(&mut self) -> Result<String, String> {
        if self.peek() != Some(b'"') {
            return Err(self.expected("a string as the name of a member"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("':'"));
        }
        self.at += 1;
        self.skip_space();
        Ok(key)
    }

    fn scalar(&mut self) -> Result<Data, String> {
        match self.peek() {
            Some(b'"') => self.string().map(Data::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                let words = [("null", Data::Null), ("true", Data::Bool(true)), ("false", Data::Bool(false))];
                let rest = self.text.get(self.at..).unwrap_or_default();
                for (word, value) in words {
                    if rest.starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.expected("a value"))
            }
        }
    }

    fn number(&mut self) -> Result<Data, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|error| error.to_string())?;
        if integer {
            if let Ok(value) = text.parse() {
                return Ok(Data::Int(value));
            }
            if text.parse::<u64>().is_ok() {
                return Err(format!("unsigned json number {text} outside of Nix integer range"));
            }
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(Data::Float(value)),
            _ => Err(format!("number overflow parsing '{text}'")),
        }
    }

    fn digits(&mut self) -> Result<(), String> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(self.expected("a digit")) } else { Ok(()) }
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut result = Vec::new();
        loop {
            let start = self.at;
            while self.peek().is_some_and(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
                self.at += 1;
            }
            result.extend_from_slice(self.text.get(start..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape(&mut result)?,
                Some(byte) => {
                    return Err(format!("a control character in a string must be escaped as \\u{byte:04x}"));
                }
                None => return Err("a string has no closing quote".to_owned()),
            }
        }
        self.at += 1;
        let result = String::from_utf8(result).map_err(|_| "a string is not valid UTF-8".to_owned())?;
        reject_nul(&result)?;
        Ok(result)
    }

    fn escape(&mut self, result: &mut Vec<u8>) -> Result<(), String> {
        self.at += 1;
        let escaped = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => self.unicode_escape()?,
            _ => return Err(self.expected("one of \" \\ / b f n r t u after a backslash")),
        };
        self.at += 1;
        result.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    /// From the `u` to the last digit, which is not passed.
    fn unicode_escape(&mut self) -> Result<char, String> {
        let mut units = vec![self.hex4()?];
        if (0xd800..0xdc00).contains(&units[0]) && self.text.get(self.at + 1..self.at + 3) == Some(b"\\u") {
            self.at += 2;
            units.push(self.hex4()?);
        }
        let mut decoded = char::decode_utf16(units);
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err("a \\u escape is half of a surrogate pair".to_owned()),
        }
    }

    fn hex4(&mut self) -> Result<u16, String> {
        let mut value = 0;
        for _ in 0..4 {
            self.at += 1;
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            let digit = digit.and_then(|digit| u16::try_from(digit).ok());
            value = value << 4 | digit.ok_or_else(|| self.expected("four hexadecimal digits after \\u"))?;
        }
        Ok(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expected(&self, what: &str) -> String {
        if self.at >= self.text.len() {
            return format!("the text ends, but {what} is expected");
        }
        format!("expected {what}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values() {
        for (text, expected) in [
            ("null", Data::Null),
            (" true\n", Data::Bool(true)),
            ("-0", Data::Int(0)),
            ("-0.0", Data::Float(-0.0)),
            ("9223372036854775807", Data::Int(i64::MAX)),
            ("-9223372036854775808", Data::Int(i64::MIN)),
            ("-9223372036854775809", Data::Float(-9223372036854775809.0)),
            ("18446744073709551616", Data::Float(18446744073709551616.0)),
            ("1E2", Data::Float(100.0)),
            ("1e-400", Data::Float(0.0)),
            ("[]", Data::Array(vec![])),
            ("[ 1 , [ ] ]", Data::Array(vec![Data::Int(1), Data::Array(vec![])])),
            (r#""a\/\"\\\b\f\n\r\t\u00e9\ud83d\ude00\u005C""#, Data::String("a/\"\\\u{8}\u{c}\n\r\té😀\\".into())),
            (
                r#"{"b":1,"a":{},"b":2}"#,
                Data::Object(vec![("a".into(), Data::Object(vec![])), ("b".into(), Data::Int(2))]),
            ),
            ("\u{feff}1", Data::Int(1)),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn of_members_with_one_name_the_last_wins() {
        let Data::Object(members) = parse(br#"{"a":1,"a":2,"a":3,"b":4}"#).unwrap() else { panic!() };
        assert_eq!(members, [("a".into(), Data::Int(3)), ("b".into(), Data::Int(4))]);
    }

    #[test]
    fn faults_have_a_place() {
        for (text, place) in [
            (&b""[..], "line 1, column 1"),
            (b"[1,]", "line 1, column 4"),
            (b"{\n  \"a\": 01}", "line 2, column 9"),
            (b"{\"a\" 1}", "line 1, column 6"),
            (b"{,}", "line 1, column 2"),
            (b"1 2", "line 1, column 3"),
            (b"[1", "line 1, column 3"),
            (b"nul", "line 1, column 1"),
            (b"+1", "line 1, column 1"),
            (b"1.", "line 1, column 3"),
            (b"-", "line 1, column 2"),
            (b"'a'", "line 1, column 1"),
            (b"\"a", "line 1, column 3"),
            (b"\"a\nb\"", "line 1, column 3"),
            (br#""\x""#, "line 1, column 3"),
            (br#""\u12g4""#, "line 1, column 6"),
            (br#""\ud800""#, "half of a surrogate pair"),
            (br#""\udc00""#, "half of a surrogate pair"),
            (br#""\ud800\u0041""#, "half of a surrogate pair"),
            (b"\"\xff\"", "UTF-8"),
            (br#""a\u0000b""#, "null bytes"),
            (b"1e400", "overflow"),
            (b"9223372036854775808", "outside of Nix integer range"),
            (b"// x\n1", "line 1, column 1"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(place), "{}: {error}", text.escape_ascii());
        }
    }

    #[test]
    fn hostile_nesting_is_refused() {
        for text in ["[".repeat(1_000_000), "{\"a\":".repeat(200_000)] {
            assert!(parse(text.as_bytes()).unwrap_err().contains("nested"));
        }
        let deep = MAX_DEPTH;
        assert!(parse(format!("{}{}", "[".repeat(deep), "]".repeat(deep)).as_bytes()).is_ok());
    }

    #[test]
    fn strings_are_escaped_only_where_they_must() {
        let mut out = Vec::new();
        write_string("a/\"\\\u{1}\u{1f}\u{8}\u{c}\n\r\t\u{7f}é😀".as_bytes(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\"a/\\\"\\\\\\u0001\\u001f\\b\\f\\n\\r\\t\u{7f}é😀\"");
        assert!(write_string(b"a\xff", &mut Vec::new()).unwrap_err().contains("index 1: 0xFF"));
    }
}

//! Bracket expressions (`[a-z[:digit:]_]`) of regular expressions, as sets of bytes.
//!
//! The accepted grammar and its corner cases are those of libstdc++'s `std::regex` with the `extended` flag, which is
//! what Nix uses: bytes are compared as signed characters, a `-` is only allowed first, last or as a range's sign, and
//! a range that starts at a character class is an error.

use super::Invalid;

/// A set of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct ByteSet([u64; 4]);

impl ByteSet {
    pub(super) fn of(byte: u8) -> ByteSet {
        let mut set = ByteSet::default();
        set.insert(byte);
        set
    }

    /// Every byte except NUL, which is what `.` matches.
    pub(super) fn any() -> ByteSet {
        ByteSet([!1, !0, !0, !0])
    }

    pub(super) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub(super) fn union(self, other: ByteSet) -> ByteSet {
        let mut words = self.0;
        for (word, more) in words.iter_mut().zip(other.0) {
            *word |= more;
        }
        ByteSet(words)
    }

    fn complement(self) -> ByteSet {
        ByteSet(self.0.map(|word| !word))
    }

    fn where_true(test: impl Fn(u8) -> bool) -> ByteSet {
        let mut set = ByteSet::default();
        for byte in 0..=u8::MAX {
            if test(byte) {
                set.insert(byte);
            }
        }
        set
    }
}

/// What the last item of the bracket expression was: it decides what a `-` after it means.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    Byte(u8),
    Class,
}

enum Item {
    Close,
    Dash,
    Byte(u8),
    Class(ByteSet),
    Equivalence(ByteSet),
    Collating(u8),
}

/// Reads the bracket expression whose `[` is just before `pattern[*at]` and moves `at` behind its `]`.
pub(super) fn parse(pattern: &[u8], at: &mut usize) -> Result<ByteSet, Invalid> {
    let negated = pattern.get(*at) == Some(&b'^');
    if negated {
        *at += 1;
    }
    let mut items = Items { pattern, at, first: true };
    let mut set = ByteSet::default();
    let mut last = Last::Nothing;
    let mut item = items.next()?;
    // The first item may be a plain dash, which can even start a range.
    if let Item::Dash = item {
        set.insert(b'-');
        last = Last::Byte(b'-');
        item = items.next()?;
    }
    loop {
        match item {
            Item::Close => break,
            Item::Byte(byte) | Item::Collating(byte) => {
                set.insert(byte);
                last = Last::Byte(byte);
            }
            Item::Class(class) | Item::Equivalence(class) => {
                set = set.union(class);
                last = Last::Class;
            }
            Item::Dash => match (items.next()?, last) {
                (Item::Close, _) => {
                    set.insert(b'-');
                    break;
                }
                (Item::Byte(to), Last::Byte(from)) => {
                    insert_range(&mut set, from, to)?;
                    last = Last::Nothing;
                }
                (Item::Dash, Last::Byte(from)) => {
                    insert_range(&mut set, from, b'-')?;
                    last = Last::Nothing;
                }
                _ => return Err(Invalid::Syntax),
            },
        }
        item = items.next()?;
    }
    Ok(if negated { set.complement() } else { set })
}

/// Ranges compare bytes as signed characters, as `char` is on the platforms Nix is used on.
fn insert_range(set: &mut ByteSet, from: u8, to: u8) -> Result<(), Invalid> {
    let range = from.cast_signed()..=to.cast_signed();
    if range.is_empty() {
        return Err(Invalid::Syntax);
    }
    *set = set.union(ByteSet::where_true(|byte| range.contains(&byte.cast_signed())));
    Ok(())
}

struct Items<'a> {
    pattern: &'a [u8],
    at: &'a mut usize,
    first: bool,
}

impl Items<'_> {
    fn next(&mut self) -> Result<Item, Invalid> {
        let first = std::mem::replace(&mut self.first, false);
        let byte = self.byte()?;
        match byte {
            b'-' => Ok(Item::Dash),
            b']' if !first => Ok(Item::Close),
            b'[' => self.after_bracket(),
            _ => Ok(Item::Byte(byte)),
        }
    }

    fn byte(&mut self) -> Result<u8, Invalid> {
        let byte = self.pattern.get(*self.at).copied().ok_or(Invalid::Syntax)?;
        *self.at += 1;
        Ok(byte)
    }

    /// `[` inside a bracket expression: itself, or the start of `[.x.]`, `[:x:]` or `[=x=]`.
    fn after_bracket(&mut self) -> Result<Item, Invalid> {
        let kind = self.pattern.get(*self.at).copied().ok_or(Invalid::Syntax)?;
        if !matches!(kind, b'.' | b':' | b'=') {
            return Ok(Item::Byte(b'['));
        }
        *self.at += 1;
        let rest = self.pattern.get(*self.at..).unwrap_or_default();
        let length = rest.iter().position(|&byte| byte == kind).ok_or(Invalid::Syntax)?;
        let name = &rest[..length];
        if rest.get(length + 1) != Some(&b']') {
            return Err(Invalid::Syntax);
        }
        *self.at += length + 2;
        match kind {
            b':' => Ok(Item::Class(class(name).ok_or(Invalid::Syntax)?)),
            b'=' => {
                let byte = collating_element(name).ok_or(Invalid::Syntax)?;
                Ok(Item::Equivalence(ByteSet::where_true(|other| other.eq_ignore_ascii_case(&byte))))
            }
            _ => Ok(Item::Collating(collating_element(name).ok_or(Invalid::Syntax)?)),
        }
    }
}

/// The character classes of the C locale; libstdc++ ignores the case of their names and adds `d`, `w` and `s`.
fn class(name: &[u8]) -> Option<ByteSet> {
    let test: fn(u8) -> bool = match name.to_ascii_lowercase().as_slice() {
        b"d" | b"digit" => |byte| byte.is_ascii_digit(),
        b"w" => |byte| byte.is_ascii_alphanumeric() || byte == b'_',
        b"s" | b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"alnum" => |byte| byte.is_ascii_alphanumeric(),
        b"alpha" => |byte| byte.is_ascii_alphabetic(),
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => |byte| byte.is_ascii_control(),
        b"graph" => |byte| byte.is_ascii_graphic(),
        b"lower" => |byte| byte.is_ascii_lowercase(),
        b"print" => |byte| byte.is_ascii_graphic() || byte == b' ',
        b"punct" => |byte| byte.is_ascii_punctuation(),
        b"upper" => |byte| byte.is_ascii_uppercase(),
        b"xdigit" => |byte| byte.is_ascii_hexdigit(),
        _ => return None,
    };
    Some(ByteSet::where_true(test))
}

/// The byte a collating element's name stands for: the names of POSIX's portable character set, and letters themselves.
fn collating_element(name: &[u8]) -> Option<u8> {
    if let [letter] = name {
        return letter.is_ascii_alphabetic().then_some(*letter);
    }
    const CONTROL: [&[u8]; 32] = [
        b"NUL",
        b"SOH",
        b"STX",
        b"ETX",
        b"EOT",
        b"ENQ",
        b"ACK",
        b"alert",
        b"backspace",
        b"tab",
        b"newline",
        b"vertical-tab",
        b"form-feed",
        b"carriage-return",
        b"SO",
        b"SI",
        b"DLE",
        b"DC1",
        b"DC2",
        b"DC3",
        b"DC4",
        b"NAK",
        b"SYN",
        b"ETB",
        b"CAN",
        b"EM",
        b"SUB",
        b"ESC",
        b"IS4",
        b"IS3",
        b"IS2",
        b"IS1",
    ];
    const PRINTABLE: [(&[u8], u8); 43] = [
        (b"space", b' '),
        (b"exclamation-mark", b'!'),
        (b"quotation-mark", b'"'),
        (b"number-sign", b'#'),
        (b"dollar-sign", b'$'),
        (b"percent-sign", b'%'),
        (b"ampersand", b'&'),
        (b"apostrophe", b'\''),
        (b"left-parenthesis", b'('),
        (b"right-parenthesis", b')'),
        (b"asterisk", b'*'),
        (b"plus-sign", b'+'),
        (b"comma", b','),
        (b"hyphen", b'-'),
        (b"period", b'.'),
        (b"slash", b'/'),
        (b"zero", b'0'),
        (b"one", b'1'),
        (b"two", b'2'),
        (b"three", b'3'),
        (b"four", b'4'),
        (b"five", b'5'),
        (b"six", b'6'),
        (b"seven", b'7'),
        (b"eight", b'8'),
        (b"nine", b'9'),
        (b"colon", b':'),
        (b"semicolon", b';'),
        (b"less-than-sign", b'<'),
        (b"equals-sign", b'='),
        (b"greater-than-sign", b'>'),
        (b"question-mark", b'?'),
        (b"commercial-at", b'@'),
        (b"left-square-bracket", b'['),
        (b"backslash", b'\\'),
        (b"right-square-bracket", b']'),
        (b"circumflex", b'^'),
        (b"underscore", b'_'),
        (b"grave-accent", b'`'),
        (b"left-curly-bracket", b'{'),
        (b"vertical-line", b'|'),
        (b"right-curly-bracket", b'}'),
        (b"tilde", b'~'),
    ];
    if name == b"DEL" {
        return Some(0x7f);
    }
    if let Some(code) = CONTROL.iter().position(|&control| control == name) {
        return u8::try_from(code).ok();
    }
    PRINTABLE.iter().find(|(printable, _)| *printable == name).map(|&(_, byte)| byte)
}

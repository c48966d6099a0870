//! Damage: small edits of a text, most of which leave some of its structure.

use crate::random::Random;

/// Inputs don't grow beyond this many bytes.
const LONGEST: usize = 64 << 10;

/// Words that mean something in one of the formats, and characters on which readers stumble.
const WORDS: &[&str] = &[
    "let",
    "in",
    "rec",
    "with",
    "inherit",
    "if",
    "then",
    "else",
    "assert",
    "or",
    "import",
    "builtins",
    "null",
    "true",
    "${",
    "}",
    "{",
    "[",
    "]",
    "(",
    ")",
    "''",
    "\"",
    "\\",
    "''$",
    "''\\",
    "$$",
    ";",
    "=",
    ":",
    "@",
    "?",
    "...",
    "->",
    "++",
    "//",
    "==",
    "!",
    "-",
    "<",
    "<nixpkgs>",
    "./.",
    "../",
    "~/",
    "/",
    "https://a",
    "#",
    "/*",
    "*/",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{1b}[2J",
    "é",
    "🦀",
    "9223372036854775807",
    "-9223372036854775808",
    "1e999",
    "0.",
    "00",
    "builtins.readFile",
    "builtins.readDir ./.",
    "builtins.toJSON",
    "builtins.fromTOML",
    "builtins.match",
    "throw \"x\"",
    "abort \"x\"",
    "__functor",
    "__toString",
    "__overrides",
    "outPath",
    "self",
    "(x: x x) (x: x x)",
    "rec { a = a; }.a",
    "publicKeys",
    "hostNames",
    "systemRoles",
    "hostKey",
    "userKeys",
    "remoteUnlock",
    "armor",
    "roles",
    "machines",
    "ssh-ed25519 ",
    "ssh-rsa ",
    "ecdsa-sha2-nistp256 ",
    "sk-ssh-ed25519@openssh.com ",
    "age1",
    "AAAA",
    "root@host",
    "-> ",
    "--- ",
    "scrypt",
    "X25519",
    "-grease",
    "age-encryption.org/v1\n",
    "-----BEGIN AGE ENCRYPTED FILE-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----",
    "# bulkhead: allow(stale-recipient) x",
    "[[networks]]",
    "[rules]",
    "off",
];

/// Damage a text with one to eight edits, most often few. Pieces of `others` may come in.
pub fn mutate(random: &mut Random, text: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = text.to_vec();
    let mut edits = 1;
    while edits < 8 && random.once_in(2) {
        edits += 1;
    }
    for _ in 0..edits {
        edit(random, &mut bytes, others);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn edit(random: &mut Random, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    let piece = piece(random, bytes);
    match random.below(16) {
        0 => replace(bytes, at..at + 1, &[random.number() as u8]),
        1 => flip(random, bytes, at),
        2 => replace(bytes, at..at, &[random.number() as u8]),
        3 => replace(bytes, at..at + 1, b""),
        4 | 5 => replace(bytes, at..at, random.pick(WORDS).map_or(b"", |word| word.as_bytes())),
        6 => {
            let word = random.pick(WORDS).map_or(&b""[..], |word| word.as_bytes());
            replace(bytes, token(bytes, at), word);
        }
        7 => replace(bytes, token(bytes, at), b""),
        8 => replace(bytes, piece, b""),
        9 => {
            let copy = bytes.get(piece).unwrap_or_default().to_vec();
            replace(bytes, at..at, &copy);
        }
        10 => {
            let copy = bytes.get(token(bytes, at)).unwrap_or_default().to_vec();
            let to = random.below(bytes.len() + 1);
            replace(bytes, token(bytes, to), &copy);
        }
        11 => {
            let other = random.pick(others).map_or(&[][..], Vec::as_slice);
            let from = other.get(self::piece(random, other)).unwrap_or_default();
            replace(bytes, at..at, from);
        }
        12 => nest(random, bytes, piece),
        13 => bytes.truncate(at),
        14 => repeat(random, bytes, piece),
        _ => change_line_ends(random, bytes),
    }
}

/// A piece of a text, most often a short one.
fn piece(random: &mut Random, bytes: &[u8]) -> std::ops::Range<usize> {
    let start = random.below(bytes.len() + 1);
    let longest = if random.once_in(4) { bytes.len() - start } else { (bytes.len() - start).min(40) };
    start..start + random.below(longest + 1)
}

/// The word or sign around a place.
fn token(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.'".contains(byte);
    let (before, after) = bytes.split_at(at.min(bytes.len()));
    let start = before.len() - before.iter().rev().take_while(|byte| is_word(byte)).count();
    let end = before.len() + after.iter().take_while(|byte| is_word(byte)).count();
    if start == end { start..end + 1 } else { start..end }
}

fn replace(bytes: &mut Vec<u8>, range: std::ops::Range<usize>, with: &[u8]) {
    let end = range.end.min(bytes.len());
    let start = range.start.min(end);
    bytes.splice(start..end, with.iter().copied());
}

fn flip(random: &mut Random, bytes: &mut [u8], at: usize) {
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

/// Put brackets of many levels around a piece.
fn nest(random: &mut Random, bytes: &mut Vec<u8>, piece: std::ops::Range<usize>) {
    const BRACKETS: &[(&str, &str)] = &[
        ("(", ")"),
        ("[ ", " ]"),
        ("{ a = ", "; }"),
        ("\"${", "}\""),
        ("''${", "}''"),
        ("let a = 1; in ", ""),
        ("x: ", ""),
        ("-", ""),
        ("!", ""),
        ("f ", ""),
        ("", " x"),
        ("if true then ", " else 0"),
        ("with { }; ", ""),
        ("a.", ""),
        ("1 + ", ""),
        ("", " // { }"),
    ];
    let Some((open, close)) = random.pick(BRACKETS) else { return };
    let levels = if random.once_in(20) { 2_000 } else { 1 + random.below(30) };
    replace(bytes, piece.end..piece.end, close.repeat(levels).as_bytes());
    replace(bytes, piece.start..piece.start, open.repeat(levels).as_bytes());
}

fn repeat(random: &mut Random, bytes: &mut Vec<u8>, piece: std::ops::Range<usize>) {
    let copy = bytes.get(piece.clone()).unwrap_or_default();
    let most = LONGEST / copy.len().max(64);
    let times = if random.once_in(10) { most } else { random.below(most.min(20)) };
    let copies = copy.repeat(times);
    replace(bytes, piece.end..piece.end, &copies);
}

fn change_line_ends(random: &mut Random, bytes: &mut Vec<u8>) {
    let end: &[u8] = if random.once_in(2) { b"\r\n" } else { b"\r" };
    let changed: Vec<u8> = bytes.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(end);
    *bytes = changed;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_damage_changes_something_and_nothing_grows_without_end() {
        let mut random = Random::new(1);
        let text = b"{ a = 1; b = [ \"x\" ]; }";
        let others = [b"let x = 1; in x".to_vec()];
        let mut changed = 0;
        for _ in 0..1000 {
            let damaged = mutate(&mut random, text, &others);
            assert!(damaged.len() <= LONGEST);
            changed += usize::from(damaged != text);
        }
        assert!(changed > 800, "{changed}");
    }

    #[test]
    fn nothing_to_damage_is_no_trouble() {
        let mut random = Random::new(1);
        for _ in 0..1000 {
            mutate(&mut random, b"", &[]);
        }
    }
}

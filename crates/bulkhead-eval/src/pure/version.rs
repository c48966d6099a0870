//! Versions and names of packages: `builtins.compareVersions`, `splitVersion` and `parseDrvName`.

use std::cmp::Ordering;

/// The components of a version: runs of digits and runs of anything else, separated by dots and dashes or by the
/// change from one to the other.
pub(crate) fn components(version: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = version;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !is_separator(*byte))?;
        rest = &rest[start..];
        let digits = rest.first()?.is_ascii_digit();
        let more = |byte: &u8| byte.is_ascii_digit() == digits && !is_separator(*byte);
        let length = rest.iter().position(|byte| !more(byte)).unwrap_or(rest.len());
        let (component, behind) = rest.split_at(length);
        rest = behind;
        Some(component)
    })
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'.' | b'-')
}

/// Whether the first version is older than, the same as, or newer than the second.
pub(crate) fn compare(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (components(left), components(right));
    loop {
        let pair = (left.next(), right.next());
        if pair == (None, None) {
            return Ordering::Equal;
        }
        let (one, other) = (pair.0.unwrap_or_default(), pair.1.unwrap_or_default());
        if is_older(one, other) {
            return Ordering::Less;
        }
        if is_older(other, one) {
            return Ordering::Greater;
        }
    }
}

/// Numbers compare as numbers and are newer than words and than nothing; `pre` is older than everything.
fn is_older(left: &[u8], right: &[u8]) -> bool {
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left < right,
        (None, Some(_)) if left.is_empty() => true,
        _ if left == b"pre" && right != b"pre" => true,
        _ if right == b"pre" => false,
        (None, Some(_)) => true,
        (Some(_), None) => false,
        (None, None) => left < right,
    }
}

/// Nix reads components into a C `int`; longer ones are words.
fn number(component: &[u8]) -> Option<i32> {
    std::str::from_utf8(component).ok()?.parse().ok()
}

/// The name and the version in the name of a package: the version starts behind the first dash that is not followed by
/// a letter.
pub(crate) fn parse_drv_name(name: &[u8]) -> (&[u8], &[u8]) {
    let dash = name.windows(2).position(|pair| pair[0] == b'-' && !pair[1].is_ascii_alphabetic());
    match dash {
        Some(dash) => (&name[..dash], &name[dash + 1..]),
        None => (name, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting() {
        for (version, expected) in [
            ("1.2.3", &["1", "2", "3"][..]),
            ("1.2pre-4..x", &["1", "2", "pre", "4", "x"]),
            ("", &[]),
            ("-.-", &[]),
            ("a1+b", &["a", "1", "+b"]),
        ] {
            let parts: Vec<&[u8]> = components(version.as_bytes()).collect();
            assert_eq!(parts, expected.iter().map(|part| part.as_bytes()).collect::<Vec<_>>(), "{version}");
        }
    }

    #[test]
    fn comparing() {
        use Ordering::{Equal, Greater, Less};
        for (left, right, expected) in [
            ("1.0", "2.3", Less),
            ("2.1", "2.3", Less),
            ("2.3", "2.3", Equal),
            ("2.5", "2.3", Greater),
            ("2.3.1", "2.3", Greater),
            ("2.3.1", "2.3a", Greater),
            ("2.3pre1", "2.3", Less),
            ("2.3", "2.3pre1", Greater),
            ("2.3pre3", "2.3pre12", Less),
            ("2.3a", "2.3c", Less),
            ("2.3pre1", "2.3c", Less),
            ("2.3pre1", "2.3q", Less),
            ("1", "01", Equal),
            ("1-2", "1.2", Equal),
            ("2147483648", "1", Less),
            ("2147483648", "99999999999", Less),
            ("", "pre", Greater),
            ("", "a", Less),
            ("", "", Equal),
        ] {
            assert_eq!(compare(left.as_bytes(), right.as_bytes()), expected, "{left} {right}");
        }
    }

    #[test]
    fn names() {
        for (name, expected) in [
            ("nix-0.12pre12876", ("nix", "0.12pre12876")),
            ("a-b-c-1234pre5+", ("a-b-c", "1234pre5+")),
            ("hello", ("hello", "")),
            ("hello-", ("hello-", "")),
            ("a--b", ("a", "-b")),
            ("-1", ("", "1")),
            ("a-_1", ("a", "_1")),
        ] {
            let (base, version) = parse_drv_name(name.as_bytes());
            assert_eq!((base, version), (expected.0.as_bytes(), expected.1.as_bytes()), "{name}");
        }
    }
}

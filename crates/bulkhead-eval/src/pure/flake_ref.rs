//! Flake references as text and as attributes: those that name a repository of a forge or an entry of the registry. What
//! the others mean depends on what lies on the disk, or on the fetcher.

/// A reference that this module understands: its attributes by name, `type` among them.
pub(crate) type Attributes = Vec<(&'static str, String)>;

const FORGES: [&str; 3] = ["github", "gitlab", "sourcehut"];

/// What a text refers to; `Ok(None)` if it is none of the kinds that are understood.
pub(crate) fn parse(text: &str) -> Result<Option<Attributes>, String> {
    if let Some((_, fragment)) = text.split_once('#') {
        return Err(format!("unexpected fragment '{fragment}' in flake reference '{text}'"));
    }
    let (whole, query) = text.split_once('?').unwrap_or((text, ""));
    let (scheme, path) = match whole.split_once(':') {
        Some((scheme, path)) => (scheme, path),
        None if is_id(whole.split('/').next().unwrap_or_default()) => ("flake", whole),
        None => return Ok(None),
    };
    let mut segments = path.split('/');
    let mut attributes: Attributes = Vec::new();
    let invalid = || format!("'{text}' is not a valid URL");
    let mut required = |name, attributes: &mut Attributes| match segments.next() {
        Some(segment) if !segment.is_empty() && !segment.contains('%') => {
            attributes.push((name, segment.to_owned()));
            Ok(())
        }
        _ => Err(invalid()),
    };
    let forge = FORGES.into_iter().find(|forge| *forge == scheme);
    match (forge, scheme) {
        (Some(forge), _) => {
            attributes.push(("type", forge.to_owned()));
            required("owner", &mut attributes)?;
            required("repo", &mut attributes)?;
        }
        (None, "flake") => {
            attributes.push(("type", "indirect".to_owned()));
            required("id", &mut attributes)?;
        }
        _ => return Ok(None),
    }
    let rest: Vec<&str> = segments.collect();
    match (forge, &rest[..]) {
        (_, []) => {}
        (_, [rev]) if is_revision(rev) => attributes.push(("rev", (*rev).to_owned())),
        (Some(_), names) => attributes.push(("ref", names.join("/"))),
        (None, [name]) => attributes.push(("ref", (*name).to_owned())),
        (None, [name, rev]) if is_revision(rev) => {
            attributes.push(("ref", (*name).to_owned()));
            attributes.push(("rev", (*rev).to_owned()));
        }
        _ => return Err(invalid()),
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let known = ["dir", "host", "narHash", "ref", "rev"];
        let Some((name, value)) = pair.split_once('=') else { return Ok(None) };
        match known.into_iter().find(|known| *known == name) {
            Some(name) if !value.contains('%') && !attributes.iter().any(|(other, _)| *other == name) => {
                attributes.push((name, value.to_owned()));
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(attributes))
}

/// The text of a reference; `None` if it is none of the kinds that are understood, or would have to be escaped.
pub(crate) fn show(attributes: &[(String, String)]) -> Option<String> {
    let get = |name: &str| attributes.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    let known = ["type", "owner", "repo", "id", "dir", "host", "narHash", "ref", "rev"];
    let plain =
        |value: &str| !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~/".contains(&b));
    if !attributes.iter().all(|(name, value)| known.contains(&name.as_str()) && plain(value)) {
        return None;
    }
    let mut text = match get("type")? {
        forge if FORGES.contains(&forge) => format!("{forge}:{}/{}", get("owner")?, get("repo")?),
        "indirect" => format!("flake:{}", get("id")?),
        _ => return None,
    };
    match (get("ref"), get("rev"), get("type")) {
        (Some(name), None, _) => text.extend(["/", name]),
        (None, Some(rev), _) => text.extend(["/", rev]),
        (Some(name), Some(rev), Some("indirect")) => text.extend(["/", name, "/", rev]),
        (Some(_), Some(_), _) => return None,
        (None, None, _) => {}
    }
    let mut mark = "?";
    for name in ["dir", "host", "narHash"] {
        if let Some(value) = get(name) {
            text.extend([mark, name, "=", value]);
            mark = "&";
        }
    }
    Some(text)
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

fn is_revision(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_ways() {
        let rev = "0123456789abcdef0123456789abcdef01234567";
        for text in [
            "github:NixOS/nixpkgs".to_owned(),
            "github:NixOS/nixpkgs/23.05?dir=lib".to_owned(),
            format!("gitlab:a/b/{rev}"),
            "flake:nixpkgs".to_owned(),
            format!("flake:nixpkgs/unstable/{rev}"),
        ] {
            let attributes = parse(&text).unwrap().unwrap();
            let owned: Vec<_> = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            assert_eq!(show(&owned).as_deref(), Some(text.as_str()));
        }
    }

    #[test]
    fn what_is_not_understood() {
        assert_eq!(parse("nixpkgs").unwrap().unwrap()[0].1, "indirect");
        for text in ["git+https://example.org", "/home/me", "./x", "path:./x", "https://example.org/x.tar.gz"] {
            assert_eq!(parse(text), Ok(None), "{text}");
        }
        for text in ["github:NixOS", "github:/x", "github:a/b#c"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}

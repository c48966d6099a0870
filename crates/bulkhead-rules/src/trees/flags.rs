//! Options of systemd-nspawn(1) that a container is started with besides: `containers.<name>.extraFlags`.

use std::sync::Arc;

use super::{Stated, Tree, option, text};

/// An option with what it is given.
pub(crate) struct Flag {
    /// `--bind`
    pub(crate) name: String,
    /// What stands after it; empty if nothing does.
    pub(crate) value: String,
}

/// The short forms, and the long ones that they stand for.
const SHORT: [(char, &str); 2] = [('U', "--private-users"), ('p', "--port")];

/// Short ones without a value, which may stand before others.
const BARE: &str = "abhjnqxPU";

/// The long ones that rules are about, and those that begin in the same way: long ones may be cut short.
const LONG: [&str; 24] = [
    "--bind",
    "--bind-ro",
    "--bind-user",
    "--capability",
    "--network-bridge",
    "--network-interface",
    "--network-ipvlan",
    "--network-macvlan",
    "--network-namespace-path",
    "--network-veth",
    "--network-veth-extra",
    "--network-zone",
    "--oci-bundle",
    "--overlay",
    "--overlay-ro",
    "--pivot-root",
    "--port",
    "--private-network",
    "--private-users",
    "--private-users-chown",
    "--private-users-ownership",
    "--settings",
    "--set-credential",
    "--setenv",
];

/// What a flag is called in full.
fn in_full(name: &str) -> &str {
    if LONG.contains(&name) {
        return name;
    }
    let mut fitting = LONG.iter().filter(|long| name.len() > 2 && long.starts_with(name));
    match (fitting.next(), fitting.next()) {
        (Some(long), None) => long,
        _ => name,
    }
}

/// The short flags in a word that stand for long ones, each with what is behind it.
fn short(word: &str) -> Vec<(&str, &str)> {
    let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, letter) in letters.char_indices() {
        let known = SHORT.iter().find(|(short, _)| *short == letter);
        let is_bare = BARE.contains(letter);
        let rest = if is_bare { "" } else { letters.get(at + letter.len_utf8()..).unwrap_or_default() };
        found.extend(known.map(|(_, long)| (*long, rest)));
        if !is_bare {
            break;
        }
    }
    found
}

/// Which flags a container has, each with where it is written: NixOS puts them into one line, which a shell splits. A value may
/// stand behind `=`, or be the next word.
pub(crate) fn flags(tree: &Tree<'_>, container: &str) -> Vec<Stated<Flag>> {
    let items = tree.items(&option("containers").join(container).join("extraFlags"));
    let mut found = Vec::new();
    let words = items.into_iter().flat_map(|item| {
        let words: Vec<Arc<str>> =
            text(item.value).iter().flat_map(|line| line.split_whitespace()).map(Arc::from).collect();
        words.into_iter().map(move |word| (word, item.clone()))
    });
    let mut words = words.peekable();
    while let Some((word, item)) = words.next() {
        let next = words.peek().map(|(next, _)| &**next).filter(|next| !next.starts_with('-')).unwrap_or_default();
        let given = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => vec![(in_full(name), value)],
            None if word.starts_with("--") => vec![(in_full(&word), next)],
            _ => {
                let mut given = short(&word);
                for (_, rest) in given.iter_mut().filter(|(name, rest)| *name == "--port" && rest.is_empty()) {
                    *rest = next;
                }
                given
            }
        };
        for (name, value) in given {
            let flag = Flag { name: name.to_owned(), value: value.to_owned() };
            let Stated { place, option, when, .. } = item.clone();
            found.push(Stated { value: flag, place, option, when });
        }
    }
    found
}

/// The folders and files of the host that flags mount in a container.
pub(crate) fn mounted(tree: &Tree<'_>, container: &str) -> Vec<Stated<Arc<str>>> {
    let mut found = Vec::new();
    for Stated { value: Flag { name, value }, place, option, when } in flags(tree, container) {
        let mut parts: Vec<&str> = value.split(':').collect();
        match &*name {
            "--bind" | "--bind-ro" => parts.truncate(1),
            // The last one is where they are in the container.
            "--overlay" | "--overlay-ro" if parts.len() > 2 => parts.truncate(parts.len() - 1),
            "--overlay" | "--overlay-ro" => {}
            _ => continue,
        }
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            // A `+` in front means below the root of the container's own system.
            let source = Arc::from(part);
            found.push(Stated { value: source, place: place.clone(), option: option.clone(), when: when.clone() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{in_full, short};

    #[test]
    fn flags_are_read_as_getopt_does() {
        for (name, full) in [
            ("--network-mac", "--network-macvlan"),
            ("--network-i", "--network-i"),
            ("--bind", "--bind"),
            ("--po", "--port"),
            ("--private-users", "--private-users"),
            ("--keep-unit", "--keep-unit"),
        ] {
            assert_eq!(in_full(name), full);
        }
        assert_eq!(short("-jU"), [("--private-users", "")]);
        assert_eq!(short("-p80:80"), [("--port", "80:80")]);
        assert_eq!(short("-D/srv/U"), []);
        assert_eq!(short("--port"), []);
    }
}

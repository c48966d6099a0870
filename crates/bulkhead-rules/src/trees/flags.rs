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
const SHORT: [(&str, &str); 2] = [("-U", "--private-users"), ("-p", "--port")];

/// Which flags a container has, each with where it is written. A value may stand behind `=`, or be the next flag.
pub(crate) fn flags(tree: &Tree<'_>, container: &str) -> Vec<Stated<Flag>> {
    let items = tree.items(&option("containers").join(container).join("extraFlags"));
    let mut found = Vec::new();
    let mut items = items.into_iter().filter_map(|item| Some((text(item.value)?, item))).peekable();
    while let Some((word, item)) = items.next() {
        if !word.starts_with('-') {
            continue;
        }
        let (name, mut value) = match word.split_once('=') {
            Some((name, value)) => (name, value.to_owned()),
            None => (&*word, String::new()),
        };
        if let Some((next, _)) = items.peek()
            && !word.contains('=')
            && !next.starts_with('-')
        {
            value = next.to_string();
        }
        // A short one may have its value right behind.
        let is_short = |short: &str| name == short || (short == "-p" && name.starts_with(short));
        let name = SHORT.iter().find(|(short, _)| is_short(short)).map_or(name, |(_, long)| long);
        let flag = Flag { name: name.to_owned(), value };
        found.push(Stated { value: flag, place: item.place, option: item.option, when: item.when });
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

//! Options of systemd-nspawn(1) that a container is started with besides: `containers.<name>.extraFlags`, and what its file of
//! settings says.

use std::sync::Arc;

use bulkhead_modules::OptionPath;

use super::{Shape, Stated, Tree, When, option, text};

/// An option with what it is given.
#[derive(Clone)]
pub(crate) struct Flag {
    /// `--bind`
    pub(crate) name: String,
    /// What stands after it; empty if nothing does.
    pub(crate) value: String,
    /// Whether it is a setting in a file.
    pub(crate) is_setting: bool,
}

/// What stands for a file that puts a container into the network of the host.
pub(crate) const NO_NETWORK: &str = "Private=no";

impl Stated<Flag> {
    /// What messages call it.
    pub(crate) fn called(&self) -> String {
        if self.value.is_setting { self.option.clone() } else { format!("{}: {}", self.option, self.value.name) }
    }
}

/// How the flags of a program are written.
pub(super) struct Syntax {
    /// The short forms, and the long ones that they stand for.
    short: &'static [(char, &'static str)],
    /// Short ones without a value, which may stand before others.
    bare: &'static str,
    /// Long ones without one, unless it stands behind `=`.
    switches: &'static [&'static str],
    /// What a long one is called in full.
    in_full: for<'n> fn(&'n str) -> &'n str,
    /// Whether `=` may stand behind a short one, too.
    has_equals: bool,
}

/// That of systemd-nspawn(1), by getopt.
const OF_NSPAWN: Syntax = Syntax {
    short: &[('U', "--private-users"), ('p', "--port")],
    bare: "abhjnqxPU",
    switches: &[],
    in_full,
    has_equals: false,
};

/// That of `docker run` and `podman run`.
pub(super) const OF_DOCKER: Syntax = Syntax {
    short: &[('v', "--volume")],
    bare: "ditqP",
    switches: &["--privileged"],
    in_full: |name| name,
    has_equals: true,
};

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

/// The short flags in a word that stand for long ones, each with what is behind it: the rest of the word, or the next one.
fn short<'w>(word: &'w str, next: &'w str, syntax: &Syntax) -> Vec<(&'static str, &'w str)> {
    let Some(letters) = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, letter) in letters.char_indices() {
        let known = syntax.short.iter().find(|(short, _)| *short == letter);
        let is_bare = syntax.bare.contains(letter);
        let rest = letters.get(at + letter.len_utf8()..).unwrap_or_default();
        let rest = match rest.strip_prefix('=').filter(|_| syntax.has_equals) {
            _ if is_bare => "",
            Some(value) => value,
            None if rest.is_empty() => next,
            None => rest,
        };
        found.extend(known.map(|(_, long)| (*long, rest)));
        if !is_bare {
            break;
        }
    }
    found
}

/// The flags in a list, each with what it is given and where it is written. What begins like a flag is no value of another.
pub(super) fn split(tree: &Tree<'_>, list: &OptionPath, syntax: &Syntax) -> Vec<Stated<(String, String)>> {
    let items = tree.items(list);
    let words = items.iter().flat_map(|item| {
        let words: Vec<Arc<str>> =
            text(item.value).iter().flat_map(|line| line.split_whitespace()).map(Arc::from).collect();
        words.into_iter().map(move |word| (word, item))
    });
    let mut found = Vec::new();
    let mut words = words.peekable();
    while let Some((word, item)) = words.next() {
        let next = words.peek().map(|(next, _)| &**next).filter(|next| !next.starts_with('-')).unwrap_or_default();
        let given = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => vec![((syntax.in_full)(name), value)],
            None if word.starts_with("--") => {
                let name = (syntax.in_full)(&word);
                vec![(name, if syntax.switches.contains(&name) { "" } else { next })]
            }
            _ => short(&word, next, syntax),
        };
        found.extend(given.into_iter().map(|(name, value)| item.with((name.to_owned(), value.to_owned()))));
    }
    found
}

/// Which flags a container has, and which settings a file adds.
pub(crate) fn flags(tree: &Tree<'_>, container: &str) -> Vec<Stated<Flag>> {
    let mut found = written(tree, container);
    found.extend(settings(tree, container, &found));
    found
}

/// What a file says about a container. NixOS starts its own by a command line, and what that says of networks, of mounts, of
/// users and of capabilities takes the place of all that a file says of the same; unless `--settings=override` is there.
/// Others are started by `systemd-nspawn@.service`, which has that.
fn settings(tree: &Tree<'_>, container: &str, flags: &[Stated<Flag>]) -> Vec<Stated<Flag>> {
    let files: Vec<_> = tree.nspawn.iter().filter(|file| *file.name == *container).collect();
    if files.is_empty() {
        return Vec::new();
    }
    let path = option("containers").join(container);
    let shapes = shapes(tree, container);
    let is_native = shapes.contains(&Shape::Native);
    let is_of_nixos = is_of_nixos(tree, container);
    let overrides: Vec<&When> = flags
        .iter()
        .filter(|flag| flag.value.name == "--settings" && flag.value.value == "override")
        .map(|flag| &flag.when)
        .collect();
    let has = |name: &str| flags.iter().any(|flag| flag.value.name == name && flag.when.is_sure());
    let taken = |flag: &Flag| match &*flag.name {
        "--private-users" => is_native || has("--private-users") || !tree.below(&path.join("privateUsers")).is_empty(),
        "--capability" => has("--capability") || !tree.given(&path.join("additionalCapabilities")).is_empty(),
        _ => true,
    };
    let mut found = Vec::new();
    for flag in files.into_iter().flat_map(|file| &file.flags) {
        if !is_of_nixos || !taken(&flag.value) {
            found.push(flag.clone());
        } else if let Some(when) = overrides.first().and_then(|when| flag.when.and(when)) {
            found.push(Stated { when, ..flag.clone() });
        }
    }
    found
}

/// Whose modules make the compartment of a name.
pub(super) fn shapes(tree: &Tree<'_>, container: &str) -> Vec<Shape> {
    let of_workspaces = tree.workspaces.iter().filter(|workspace| *workspace.name == *container);
    let vpn = tree.networks.vpn().into_iter();
    let of_services = vpn.filter(|vpn| crate::vpn::containers(vpn).iter().any(|name| **name == *container));
    of_workspaces.map(|workspace| workspace.shape).chain(of_services.map(|vpn| vpn.shape)).collect()
}

/// Whether NixOS starts a container: it is one of `containers.<name>`, or modules that are known make it one.
pub(crate) fn is_of_nixos(tree: &Tree<'_>, container: &str) -> bool {
    let is_known = shapes(tree, container).iter().any(|shape| *shape != Shape::Mapped);
    is_known || !tree.below(&option("containers").join(container)).is_empty()
}

/// Which flags a container has, each with where it is written: NixOS puts them into one line, which a shell splits.
fn written(tree: &Tree<'_>, container: &str) -> Vec<Stated<Flag>> {
    let list = option("containers").join(container).join("extraFlags");
    let flag = |stated: Stated<(String, String)>| {
        let (name, value) = &stated.value;
        stated.with(Flag { name: name.clone(), value: value.clone(), is_setting: false })
    };
    split(tree, &list, &OF_NSPAWN).into_iter().map(flag).collect()
}

/// The folders and files of the host that flags mount in a container.
pub(crate) fn mounted(tree: &Tree<'_>, container: &str) -> Vec<Stated<Arc<str>>> {
    let mut found = Vec::new();
    for Stated { value: Flag { name, value, .. }, place, option, when } in flags(tree, container) {
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
    use super::{OF_DOCKER, OF_NSPAWN, in_full, short};

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
        let of_nspawn = |word| short(word, "next", &OF_NSPAWN);
        assert_eq!(of_nspawn("-jU"), [("--private-users", "")]);
        assert_eq!(of_nspawn("-p80:80"), [("--port", "80:80")]);
        assert_eq!(of_nspawn("-p"), [("--port", "next")]);
        assert_eq!(of_nspawn("-D/srv/U"), []);
        assert_eq!(of_nspawn("--port"), []);
        let of_docker = |word| short(word, "next", &OF_DOCKER);
        assert_eq!(of_docker("-itv/a:/b"), [("--volume", "/a:/b")]);
        assert_eq!(of_docker("-v=/a:/b"), [("--volume", "/a:/b")]);
        assert_eq!(of_docker("-dv"), [("--volume", "next")]);
        assert_eq!(of_docker("-uv"), []);
    }
}

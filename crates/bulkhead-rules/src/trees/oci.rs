//! Containers of docker and podman, `virtualisation.oci-containers.containers.<name>`: what `docker run` is told.

use std::sync::Arc;

use bulkhead_modules::OptionPath;

use super::flags::{OF_DOCKER, is_of_nixos, shapes, split};
use super::strangers::ENGINES;
use super::{Assumed, Named, Stated, Tree, option, text};

/// An option of `docker run` with what it is given.
pub(crate) struct Flag {
    /// `--network`
    pub(crate) name: &'static str,
    /// What it is given; empty if nothing is.
    pub(crate) value: Arc<str>,
}

/// The options that rules are about, under all their names.
const FLAGS: [(&str, &str); 9] = [
    (CAPABILITY, CAPABILITY),
    (DEVICE, DEVICE),
    ("--mount", "--mount"),
    ("--net", NETWORK),
    (NETWORK, NETWORK),
    ("--pid", "--pid"),
    (PRIVILEGED, PRIVILEGED),
    ("--userns", "--userns"),
    (VOLUME, VOLUME),
];

pub(crate) const CAPABILITY: &str = "--cap-add";
pub(crate) const DEVICE: &str = "--device";
pub(crate) const NETWORK: &str = "--network";
pub(crate) const PRIVILEGED: &str = "--privileged";
const VOLUME: &str = "--volume";

/// Options of NixOS that are such an option, item by item.
const OPTIONS: [(&str, &str); 3] = [("devices", DEVICE), ("networks", NETWORK), ("volumes", VOLUME)];

/// Networks of docker and podman that lead out by the host, each by how it begins.
const LEADING_OUT: [&str; 6] = ["bridge", "default", "pasta", "podman", "private", "slirp4netns"];

/// Those that all containers of a program have, which may be told on which bridge.
const OF_ENGINES: [&str; 3] = ["bridge", "default", "podman"];

/// Where a container's network leads.
pub(crate) enum Leads {
    /// It is that of the host.
    Host,
    /// The host translates its addresses.
    Out,
    /// Into a namespace or network of which nothing is known.
    Somewhere,
    /// It has none, or that of another container.
    Nowhere,
}

/// The name of a network, without what else is said of it.
fn name(network: &str) -> &str {
    network.split([':', ',']).next().unwrap_or_default()
}

/// Where the network of a name leads.
pub(crate) fn leads(network: &str) -> Leads {
    match name(network) {
        "host" => Leads::Host,
        "ns" if network == "ns:/proc/1/ns/net" => Leads::Host,
        "none" | "container" => Leads::Nowhere,
        name if LEADING_OUT.contains(&name) => Leads::Out,
        _ => Leads::Somewhere,
    }
}

/// A network that leads out by the host; `None` where it is the one that all containers of the program have, on a bridge
/// that is `own`.
pub(crate) fn leading_out(tree: &Tree<'_>, network: &Stated<Arc<str>>, own: &[&str]) -> Option<Stated<()>> {
    let mut stated = network.plain();
    if !OF_ENGINES.contains(&name(&network.value)) {
        return Some(stated);
    }
    let started = started_by(tree);
    let may_start = |engine: &str| started.is_empty() || started.iter().any(|by| *by.value == *engine);
    let engines = ENGINES.into_iter().filter(|(_, engine)| may_start(engine));
    let mut bridges = engines
        .flat_map(|(path, engine)| tree.texts(&option(path), None).into_iter().map(move |bridge| (bridge, engine)));
    let Some((bridge, engine)) = bridges.find(|(bridge, _)| own.contains(&&*bridge.value)) else { return Some(stated) };
    let is_started_by_it = !started.is_empty() && started.iter().all(|by| by.when.is_sure());
    if is_started_by_it && bridge.when.is_sure() {
        return None;
    }
    let what = format!("whether it is on `{}`, as containers of {engine} are, is not known", bridge.value);
    stated.when.assumed.push(Assumed { what, place: bridge.place });
    Some(stated)
}

/// The program that starts the containers, as far as that is known: by default, it depends on the version of NixOS with which
/// the machine began.
fn started_by(tree: &Tree<'_>) -> Vec<Stated<Arc<str>>> {
    let path = option("virtualisation.oci-containers.backend");
    let is_undecided = tree.undecided_at(&path).is_some();
    let mut found = tree.texts(&path, None);
    let is_sure = found.iter().any(|stated| stated.when.is_sure());
    let versions = tree.texts(&option("system.stateVersion"), None).into_iter();
    for version in versions.filter(|_| !is_sure && !is_undecided && tree.unknown(&path).is_empty()) {
        let Some((year, month)) = version.value.split_once('.') else { continue };
        let (Ok(year), Ok(month)) = (year.parse::<u8>(), month.parse::<u8>()) else { continue };
        let engine = if (year, month) >= (22, 5) { "podman" } else { "docker" };
        found.push(version.with(Arc::from(engine)));
    }
    found
}

/// The option of all containers.
pub(crate) fn root() -> OptionPath {
    option("virtualisation.oci-containers.containers")
}

/// The containers, each with its first definition.
pub(crate) fn containers<'t>(tree: &'t Tree<'_>) -> Vec<(Arc<str>, &'t Named)> {
    tree.children(&root())
}

/// Whether a compartment is such a container: one that a mapping of the fleet names, and that is none of systemd-nspawn.
pub(crate) fn is_compartment(tree: &Tree<'_>, name: &str) -> bool {
    !tree.below(&root().join(name)).is_empty()
        && !shapes(tree, name).is_empty()
        && !is_of_nixos(tree, name)
        && tree.nspawn.iter().all(|file| *file.name != *name)
}

/// What a container is told.
pub(crate) fn flags(tree: &Tree<'_>, container: &str) -> Vec<Stated<Flag>> {
    let path = root().join(container);
    let mut found = Vec::new();
    for (attribute, name) in OPTIONS {
        for item in tree.items(&path.join(attribute)) {
            found.extend(text(item.value).map(|value| item.with(Flag { name, value })));
        }
    }
    let nothing = || Arc::from("");
    found.extend(
        tree.on(&path.join("privileged")).into_iter().map(|on| on.with(Flag { name: PRIVILEGED, value: nothing() })),
    );
    let capabilities = path.join("capabilities");
    for (capability, _) in tree.children(&capabilities) {
        let on = tree.on(&capabilities.join(&capability)).into_iter();
        found.extend(on.map(|on| on.with(Flag { name: CAPABILITY, value: capability.clone() })));
    }
    for stated in split(tree, &path.join("extraOptions"), &OF_DOCKER) {
        let (written, value) = &stated.value;
        let Some((_, name)) = FLAGS.iter().find(|(known, _)| known == written) else { continue };
        // podman takes several capabilities at once.
        let parts: Vec<&str> = if *name == CAPABILITY { value.split(',').collect() } else { vec![value] };
        found.extend(parts.into_iter().map(|value| stated.with(Flag { name, value: Arc::from(value) })));
    }
    let is_off = |flag: &Flag| matches!(&*flag.value, "0" | "F" | "FALSE" | "False" | "f" | "false");
    found.retain(|flag| flag.value.name != PRIVILEGED || !is_off(&flag.value));
    found
}

/// The folders and files of the host that a container has.
pub(crate) fn mounted(tree: &Tree<'_>, container: &str) -> Vec<Stated<Arc<str>>> {
    let mut found = Vec::new();
    for flag in flags(tree, container) {
        let value = &*flag.value.value;
        let source = match flag.value.name {
            VOLUME => value.split(':').next().filter(|_| value.contains(':')),
            "--mount" => value.split(',').find_map(|part| {
                let (key, value) = part.split_once('=')?;
                matches!(key, "source" | "src").then_some(value)
            }),
            _ => None,
        };
        // What is no path is a volume of its own.
        found.extend(source.filter(|source| source.starts_with('/')).map(|source| flag.with(Arc::from(source))));
    }
    found
}

/// The networks of a container, each with where it is said; where it says none, it is given one that leads out.
pub(crate) fn networks(tree: &Tree<'_>, container: &str) -> Vec<Stated<Arc<str>>> {
    let all = flags(tree, container).into_iter().filter(|flag| flag.value.name == NETWORK);
    let mut found: Vec<Stated<Arc<str>>> = all.map(|flag| flag.with(flag.value.value.clone())).collect();
    let path = root().join(container);
    let is_unknown = ["networks", "extraOptions"].iter().any(|list| !tree.unknown(&path.join(list)).is_empty());
    if let (true, false, Some(first)) = (found.is_empty(), is_unknown, tree.below(&path).first()) {
        let stated = first.stated();
        found.push(Stated {
            value: Arc::from("default"),
            option: tree.called(&path).to_string(),
            ..stated.with(Arc::from(""))
        });
    }
    found
}

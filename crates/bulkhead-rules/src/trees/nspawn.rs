//! Files of systemd.nspawn(5), by options (`systemd.nspawn.<name>`) or as texts, as the flags of systemd-nspawn(1) that they
//! stand for.

use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};

use super::flags::{Flag, NO_NETWORK};
use super::networkd::{is_yes, read, shown};
use super::{Named, Stated, Tree, option, text};

/// Where the files lie below `/etc`.
const FOLDER: &str = "systemd/nspawn/";

/// Sets of options for the keys of a section.
const SECTIONS: [(&str, &str); 3] = [("execConfig", "Exec"), ("filesConfig", "Files"), ("networkConfig", "Network")];

/// The flags that keys stand for.
const KEYS: [(&str, &str, &str); 14] = [
    ("Exec", "Capability", "--capability"),
    ("Exec", "PrivateUsers", "--private-users"),
    ("Files", "Bind", "--bind"),
    ("Files", "BindReadOnly", "--bind-ro"),
    ("Files", "Overlay", "--overlay"),
    ("Files", "OverlayReadOnly", "--overlay-ro"),
    ("Network", "Bridge", "--network-bridge"),
    ("Network", "IPVLAN", "--network-ipvlan"),
    ("Network", "Interface", "--network-interface"),
    ("Network", "MACVLAN", "--network-macvlan"),
    ("Network", "NamespacePath", "--network-namespace-path"),
    ("Network", "Port", "--port"),
    ("Network", "VirtualEthernetExtra", "--network-veth-extra"),
    ("Network", "Zone", "--network-zone"),
];

/// Keys whose values are lists.
const LISTS: [&str; 5] = ["Capability", "IPVLAN", "Interface", "MACVLAN", "VirtualEthernetExtra"];

/// Switches of a network of its own.
const OWN_NETWORK: [&str; 2] = ["Private", "VirtualEthernet"];

/// A file `<name>.nspawn`.
pub(crate) struct File {
    /// The container that it is about.
    pub(crate) name: Arc<str>,
    /// What it says.
    pub(crate) flags: Vec<Stated<Flag>>,
    /// Where more of it is said in a way that was not read.
    pub(crate) unread: Option<Stated<()>>,
}

/// All files of a tree. `text_of` is what is in the file of the fleet that a path value names.
pub(crate) fn all_files(tree: &Tree<'_>, text_of: &dyn Fn(&str) -> Option<Arc<str>>) -> Vec<File> {
    let mut found = Vec::new();
    let root = option("systemd.nspawn");
    for (name, _) in tree.children(&root) {
        let path = root.join(&name);
        if tree.off(&path.join("enable")).iter().any(|stated| stated.when.is_sure()) {
            continue;
        }
        let mut lines = Vec::new();
        for (set, section) in SECTIONS {
            let set = path.join(set);
            for (key, _) in tree.children(&set) {
                for item in tree.items(&set.join(&key)) {
                    lines
                        .extend(shown(item.value).map(|value| (section.to_owned(), key.to_string(), item.with(value))));
                }
            }
        }
        found.push(File { name, flags: flags(lines), unread: None });
    }
    let etc = option("environment.etc");
    for (file, _) in tree.children(&etc) {
        let name = file.trim_start_matches('/').strip_prefix(FOLDER).and_then(|file| file.strip_suffix(".nspawn"));
        let Some(name) = name else { continue };
        let path = etc.join(&file);
        if tree.off(&path.join("enable")).iter().any(|stated| stated.when.is_sure()) {
            continue;
        }
        let of_file = |data: &Data| match &data.kind {
            DataKind::Path(path) => text_of(path),
            _ => None,
        };
        let mut texts = tree.texts(&path.join("text"), None);
        texts.extend(tree.stated(&path.join("source"), of_file, None));
        let mut lines = Vec::new();
        texts.iter().for_each(|stated| read(stated, &mut lines));
        let lines = lines.iter().map(|line| (line.section.to_string(), line.key.to_string(), line.value.clone()));
        let is_unread = |named: &&Named| match named.path.names().last().map(|name| &**name) {
            Some("source") => of_file(&named.definition.value).is_none(),
            Some("text") => text(&named.definition.value).is_none(),
            _ => named.path == path,
        };
        let unread = tree.below(&path).iter().filter(is_unread).find(|named| tree.counts(named)).map(Named::stated);
        found.push(File { name: Arc::from(name), flags: flags(lines.collect()), unread });
    }
    found
}

/// The flags that settings stand for: each a section, a key and its value.
fn flags(lines: Vec<(String, String, Stated<Arc<str>>)>) -> Vec<Stated<Flag>> {
    let mut found = Vec::new();
    let mut add = |name: &str, value: &str, stated: &Stated<Arc<str>>| {
        found.push(stated.with(Flag { name: name.to_owned(), value: value.to_owned(), is_setting: true }));
    };
    let (mut off, mut has_own) = (Vec::new(), false);
    for (section, key, stated) in &lines {
        if section == "Network" && OWN_NETWORK.contains(&key.as_str()) {
            if is_yes(&stated.value) {
                has_own |= stated.when.is_sure();
            } else {
                off.push(stated);
            }
        }
        let known = KEYS.iter().find(|(of, name, _)| of == section && name == key);
        let Some((_, _, name)) = known else { continue };
        // A network of any kind is one of its own.
        has_own |= section == "Network" && *name != "--port" && stated.when.is_sure();
        match LISTS.contains(&key.as_str()) {
            true => stated.value.split_whitespace().for_each(|value| add(name, value, stated)),
            false => add(name, &stated.value, stated),
        }
    }
    // With neither, it is in the network of the host.
    for stated in off.into_iter().take(1).filter(|_| !has_own) {
        add(NO_NETWORK, "", stated);
    }
    found
}

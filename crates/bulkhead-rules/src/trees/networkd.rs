//! A tree's files of systemd-networkd, by options or as texts, and which of them are about an interface, as
//! systemd.network(5) matches them.

use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;
use foldhash::HashMap;

use super::addresses::{Mac, mac_of};
use super::{Named, Network, Purpose, Shape, Stated, Tree, When, option, text};

/// Keys of `[Match]` by which hardware is named. What has one is about no bridge, nor about a port of one, unless it says
/// which hardware is not meant, or the address of the bridge.
const HARDWARE: [&str; 7] = ["BSSID", ADDRESS, "Path", "PermanentMACAddress", "Property", "SSID", "WLANInterfaceType"];

const ADDRESS: &str = "MACAddress";

/// The files that Bulkhead's modules write for the bridge of the workspaces (and, with a name after it, for its ports), and
/// for the VPN's links. As in `nix/modules/sandbox/bridge.nix` and `nix/modules/vpn/bridge.nix`.
const OURS: (&str, &str) = ("00-sandbox", "05-vpn");

/// Sets of options for the keys of a section.
const SECTIONS: [(&str, &str); 4] =
    [("bridgeConfig", "Bridge"), ("linkConfig", "Link"), ("matchConfig", "Match"), ("networkConfig", "Network")];

/// Options for one key, without the section: as in `nixos/modules/system/boot/networkd.nix`.
const SHORT: [(&str, &str, &str); 9] = [
    ("DHCP", "Network", "DHCP"),
    ("address", "Network", "Address"),
    ("bridge", "Network", "Bridge"),
    ("gateway", "Network", "Gateway"),
    ("ipvlan", "Network", "IPVLAN"),
    ("macvlan", "Network", "MACVLAN"),
    ("macvtap", "Network", "MACVTAP"),
    ("name", "Match", "Name"),
    ("vlan", "Network", "VLAN"),
];

/// How files are called that NixOS writes itself, where it has networkd for `networking.interfaces` and `networking.useDHCP`; as
/// in `nixos/modules/tasks/network-interfaces-systemd.nix`.
const OF_NIXOS: [&str; 3] = ["40-", "99-ethernet-default-dhcp", "99-wireless-client-dhcp"];

/// Where files of networkd lie below `/etc`.
const FOLDER: &str = "systemd/network/";

/// A file `<name>.network`.
#[derive(Clone)]
pub(crate) struct File {
    /// Its name, without the ending.
    pub(crate) name: Arc<str>,
    /// Whether it is a text as a whole, and takes the place of what options say under this name.
    pub(crate) is_text: bool,
    /// What is in it.
    lines: Vec<Line>,
    /// Where more of it is said in a way that was not read.
    pub(crate) unread: Option<Stated<()>>,
}

/// A line of a file: a setting.
#[derive(Clone)]
pub(crate) struct Line {
    pub(super) section: Arc<str>,
    /// Tells apart the sections of one name in a text.
    part: usize,
    pub(crate) key: Arc<str>,
    pub(crate) value: Stated<Arc<str>>,
}

impl File {
    /// What a key of a section may be.
    pub(crate) fn all(&self, section: &str, key: &str) -> Vec<&Stated<Arc<str>>> {
        let found = self.lines.iter().filter(|line| *line.section == *section && *line.key == *key);
        found.map(|line| &line.value).collect()
    }

    /// What is in each of the sections of a name that are written in texts.
    pub(crate) fn each(&self, section: &str) -> Vec<Vec<&Line>> {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| *line.section == *section).collect();
        lines.chunk_by(|a, b| a.part == b.part).map(<[&Line]>::to_vec).collect()
    }

    /// Where a key of a section is on.
    pub(crate) fn on(&self, section: &str, key: &str) -> Vec<Stated<()>> {
        self.all(section, key).into_iter().filter(|stated| is_yes(&stated.value)).map(Stated::plain).collect()
    }

    /// Where a key of a section is off.
    pub(crate) fn off(&self, section: &str, key: &str) -> Vec<Stated<()>> {
        let is_no = |value: &str| matches!(value, "no" | "false" | "0" | "off" | "n" | "f");
        self.all(section, key).into_iter().filter(|stated| is_no(&stated.value)).map(Stated::plain).collect()
    }

    /// Say what a file of NixOS' own matches where the tree only adds to it; of others nothing is known, and they are about
    /// none of our links.
    fn match_elsewhere(&mut self) {
        if self.lines.iter().any(|line| *line.section == *"Match") {
            return;
        }
        let (key, value) = self.name.strip_prefix("40-").map_or((ADDRESS, "?"), |interface| ("Name", interface));
        let value = Stated { value: Arc::from(value), place: None, option: String::new(), when: When::default() };
        self.lines.push(Line { section: Arc::from("Match"), part: 0, key: Arc::from(key), value });
    }

    /// The addresses that the link has.
    pub(crate) fn addresses(&self) -> Vec<&Stated<Arc<str>>> {
        let mut found = self.all("Network", "Address");
        found.extend(self.all("Address", "Address"));
        found
    }
}

/// Whether a Boolean of systemd is true.
pub(crate) fn is_yes(value: &str) -> bool {
    matches!(value, "yes" | "true" | "1" | "on" | "y" | "t")
}

/// All files, by name, of the configuration below a path: that of the host, or of a container.
/// `text_of` is what is in the file of the fleet that a path value names.
pub(crate) fn all_files(
    tree: &Tree<'_>,
    configuration: &OptionPath,
    text_of: &dyn Fn(&str) -> Option<Arc<str>>,
) -> Vec<File> {
    let below = |path: &str| OptionPath::of(configuration.names().iter().map(|name| &**name).chain(path.split('.')));
    let mut files: Vec<File> = Vec::new();
    let root = below("systemd.network.networks");
    let depth = root.names().len() + 1;
    for (name, _) in tree.children(&root) {
        let unit = root.join(&name);
        let mut paths: Vec<&OptionPath> = tree.below(&unit).iter().map(|named| &named.path).collect();
        paths.dedup();
        let mut lines = Vec::new();
        for path in paths {
            let rest: Vec<&str> = path.names().iter().skip(depth).map(|name| &**name).collect();
            let mut add = |section: &str, key: &str| {
                lines.extend(tree.items(path).into_iter().filter_map(|item| {
                    // What names hardware and is not known names some hardware all the same.
                    let is_hardware = section == "Match" && HARDWARE.contains(&key);
                    let value = shown(item.value).or_else(|| is_hardware.then(|| Arc::from("?")))?;
                    let value = Stated { value, place: item.place, option: item.option, when: item.when };
                    Some(Line { section: Arc::from(section), part: 0, key: Arc::from(key), value })
                }));
            };
            match rest.as_slice() {
                ["extraConfig"] => {
                    for stated in tree.texts(path, None) {
                        read(&stated, &mut lines);
                    }
                }
                ["addresses"] => add("Address", "Address"),
                [short] => {
                    let known = SHORT.iter().find(|(name, ..)| name == short);
                    if let Some((_, section, key)) = known {
                        add(section, key);
                    }
                }
                [set, key] => {
                    if let Some((_, section)) = SECTIONS.iter().find(|(name, _)| name == set) {
                        add(section, key);
                    }
                }
                _ => {}
            }
        }
        let mut file = File { name, is_text: false, lines, unread: None };
        if OF_NIXOS.iter().any(|start| file.name.starts_with(start)) {
            file.match_elsewhere();
        }
        files.push(file);
    }
    texts(tree, &below("systemd.network.units"), &below("environment.etc"), text_of, &mut files);
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

/// Files that are given as texts, and what is added to files.
fn texts(
    tree: &Tree<'_>,
    units: &OptionPath,
    etc: &OptionPath,
    text_of: &dyn Fn(&str) -> Option<Arc<str>>,
    files: &mut Vec<File>,
) {
    let mut all: Vec<(Arc<str>, OptionPath)> =
        tree.children(units).into_iter().map(|(name, _)| (name.clone(), units.join(&name))).collect();
    all.extend(tree.children(etc).into_iter().filter_map(|(name, _)| {
        let file = name.trim_start_matches('/').strip_prefix(FOLDER)?;
        Some((Arc::from(file), etc.join(&name)))
    }));
    let mut by_name: HashMap<Arc<str>, usize> =
        files.iter().enumerate().map(|(index, file)| (file.name.clone(), index)).collect();
    // What is added comes after what it is added to.
    all.sort_by_key(|(file, _)| !file.ends_with(".network"));
    for (file, path) in all {
        let (name, is_text) = match file.strip_suffix(".network") {
            Some(name) => (name, true),
            // `<name>.network.d/<any>.conf` adds to a file.
            None => match file.split_once(".network.d/") {
                Some((name, _)) => (name, false),
                None => continue,
            },
        };
        let is_off = tree.bools(&path.join("enable"), None).iter().any(|stated| !stated.value && stated.when.is_sure());
        let mut lines = Vec::new();
        for stated in tree.texts(&path.join("text"), None) {
            read(&stated, &mut lines);
        }
        let of_file = |data: &Data| match &data.kind {
            DataKind::Path(path) => text_of(path),
            _ => None,
        };
        for stated in tree.stated(&path.join("source"), of_file, None) {
            read(&stated, &mut lines);
        }
        let is_unread = |named: &&Named| match named.path.names().last().map(|name| &**name) {
            Some("source") => of_file(&named.definition.value).is_none(),
            Some("text") => text(&named.definition.value).is_none(),
            _ => named.path == path,
        };
        let unread = tree.below(&path).iter().filter(is_unread).find(|named| tree.counts(named)).map(Named::stated);
        if is_off || (lines.is_empty() && unread.is_none()) {
            continue;
        }
        match by_name.get(name).and_then(|index| files.get_mut(*index)) {
            Some(known) if !is_text => {
                known.lines.extend(lines);
                known.unread = known.unread.take().or(unread);
            }
            _ => {
                by_name.insert(Arc::from(name), files.len());
                files.push(File { name: Arc::from(name), is_text, lines, unread });
                if !is_text && let Some(added) = files.last_mut() {
                    added.match_elsewhere();
                }
            }
        }
    }
}

/// Read the settings in a text, as in systemd.syntax(7).
pub(super) fn read(stated: &Stated<Arc<str>>, lines: &mut Vec<Line>) {
    let joined = stated.value.replace("\\\n", " ");
    let mut section: Arc<str> = Arc::from("");
    let mut part = 0;
    for line in joined.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = Arc::from(name);
            part = lines.len() + 1;
        } else if let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
            // An empty one takes back what is above.
            && !value.is_empty()
        {
            let value = Stated {
                value: Arc::from(value),
                place: stated.place.clone(),
                option: format!("{}: {key}", stated.option),
                when: stated.when.clone(),
            };
            lines.push(Line { section: section.clone(), part, key: Arc::from(key), value });
        }
    }
}

/// A value as it stands in a file. What networkd calls `[Address]` is a set, whose keys were in `addressConfig` before NixOS
/// 24.11.
pub(crate) fn shown(data: &Data) -> Option<Arc<str>> {
    match &data.kind {
        DataKind::Bool(true) => Some(Arc::from("yes")),
        DataKind::Bool(false) => Some(Arc::from("no")),
        DataKind::Int(number) => Some(Arc::from(number.to_string())),
        DataKind::Attrs(set) => ["Address", "addressConfig"].iter().find_map(|key| shown(&set.attrs.get(*key)?.value)),
        _ => text(data),
    }
}

/// An interface.
pub(crate) struct Link {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// What it may be, as `Kind=` and `Type=` call it.
    kinds: &'static [(&'static str, &'static str)],
    /// The addresses that it may have, as far as they are known.
    macs: Vec<Mac>,
}

impl Link {
    /// The bridge of a network.
    pub(crate) fn bridges(tree: &Tree<'_>, network: &Network) -> Vec<Link> {
        let (root, what) = match network.purpose {
            Purpose::Sandbox => ("networking.sandbox", "sandbox"),
            Purpose::Vpn => ("vpn", VPN_BRIDGE),
        };
        let hosts = tree.texts(&option("networking.hostName"), Some(&tree.machine.name));
        let of = |bridge: &Stated<Arc<str>>| {
            let of_host = |host: &Stated<Arc<str>>| mac_of(&format!("{what} {} of {}", bridge.value, host.value));
            let own = network.shape == Shape::Native;
            let made = hosts.iter().filter(|_| own).map(of_host);
            let given = tree.texts(&option(root).join("mac"), None).into_iter().map(|mac| mac.value.to_string());
            Link {
                name: bridge.value.clone(),
                kinds: &[("bridge", "bridge")],
                macs: given.chain(made).filter_map(|mac| Mac::parse(&mac)).collect(),
            }
        };
        network.bridges.iter().map(of).collect()
    }

    /// The ends on the host of what compartments are plugged in with.
    pub(crate) fn ports(network: &Network) -> Vec<Link> {
        let names = network.everybody().flat_map(|peer| &peer.interfaces);
        let port = |name: &Stated<Arc<str>>| Link {
            name: name.value.clone(),
            kinds: &[("veth", "ether"), ("tun", "ether")],
            macs: Vec::new(),
        };
        names.map(port).collect()
    }
}

/// What the address of the VPN's bridge is made from, besides the names of bridge and host.
const VPN_BRIDGE: &str = "vpn";

/// The files that apply to one of the links: of those that match, networkd takes the first by name. One that names the link
/// is given also where another comes before.
pub(crate) fn files<'t>(tree: &'t Tree<'_>, network: &Network, links: &[Link]) -> Vec<&'t File> {
    let own = own_file(network);
    let mut found: Vec<&File> = Vec::new();
    // What our modules match by theirs is not seen where the modules are not.
    let others: Vec<&Network> =
        tree.networks.all.iter().filter(|other| own_file(other).is_some() && own_file(other) != own).collect();
    for link in links {
        let mut is_taken = false;
        for file in tree.networkd.iter().filter(|file| !others.iter().any(|other| extends_own(other, file))) {
            let is_shadowed = is_taken || own.is_some_and(|own| *file.name > *own);
            let is_named = match fit(file, link) {
                _ if extends_own(network, file) => true,
                Fit::No => continue,
                Fit::Named => true,
                Fit::ByKind => false,
            };
            if (is_named || !is_shadowed) && !found.iter().any(|known| std::ptr::eq(*known, file)) {
                found.push(file);
            }
            is_taken = true;
        }
    }
    found
}

/// Whether a file is one that Bulkhead's modules write for a network's links.
pub(crate) fn extends_own(network: &Network, file: &File) -> bool {
    let rest = own_file(network).and_then(|own| file.name.strip_prefix(own));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The file that Bulkhead's modules write for a network's links.
pub(crate) fn own_file(network: &Network) -> Option<&'static str> {
    match (network.shape, network.purpose) {
        (Shape::Native, Purpose::Sandbox) => Some(OURS.0),
        (Shape::Native, Purpose::Vpn) => Some(OURS.1),
        _ => None,
    }
}

enum Fit {
    No,
    /// The file names the link.
    Named,
    /// It is about all links, or those of some kind.
    ByKind,
}

fn fit(file: &File, link: &Link) -> Fit {
    let of = |key: &str| -> Vec<Arc<str>> {
        file.all("Match", key).into_iter().map(|stated| stated.value.clone()).collect()
    };
    let named: Vec<Arc<str>> = ["Name", "OriginalName"].iter().flat_map(|key| of(key)).collect();
    let mut is_named = false;
    for key in HARDWARE {
        let lines = of(key);
        let mut wanted = lines.iter().filter(|line| !line.trim_start().starts_with('!')).peekable();
        if wanted.peek().is_none() {
            continue;
        }
        let has = |word: &str| Mac::parse(word).is_some_and(|mac| link.macs.contains(&mac));
        if key != ADDRESS || !wanted.flat_map(|line| line.split_whitespace()).any(has) {
            return Fit::No;
        }
        is_named = true;
    }
    // The drivers of these links are called like their kinds.
    let (kinds, types, drivers) = (of("Kind"), of("Type"), of("Driver"));
    let is_kind = link
        .kinds
        .iter()
        .any(|(kind, device)| matches(&kinds, kind) && matches(&types, device) && matches(&drivers, kind));
    if !is_kind || !matches(&named, &link.name) {
        return Fit::No;
    }
    if is_named || named.iter().flat_map(|line| line.split_whitespace()).any(|word| word == &*link.name) {
        return Fit::Named;
    }
    Fit::ByKind
}

/// Whether lines of patterns match a word; if there are none, anything does. A line that begins with `!` has what must not
/// match.
fn matches(lines: &[Arc<str>], word: &str) -> bool {
    let (mut wants, mut has) = (false, false);
    for line in lines {
        let (is_inverted, patterns) = match line.trim_start().strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, &**line),
        };
        for pattern in patterns.split_whitespace() {
            let fits = glob(pattern.as_bytes(), word.as_bytes());
            if is_inverted && fits {
                return false;
            }
            if !is_inverted {
                wants = true;
                has |= fits;
            }
        }
    }
    has || !wants
}

/// Whether a pattern with `*`, `?` and `[…]` matches all of a word. What is in brackets is taken for any character.
fn glob(pattern: &[u8], word: &[u8]) -> bool {
    let (mut p, mut w) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while w < word.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                again = Some((p + 1, w));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => pattern.get(p..).and_then(|rest| rest.iter().position(|c| *c == b']')).map(|end| p + end + 1),
            Some(c) if Some(c) == word.get(w) => Some(p + 1),
            _ => None,
        };
        match (step, again) {
            (Some(next), _) => (p, w) = (next, w + 1),
            (None, Some((after, from))) => {
                (p, w) = (after, from + 1);
                again = Some((after, from + 1));
            }
            (None, None) => return false,
        }
    }
    pattern.iter().skip(p).all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{OURS, VPN_BRIDGE, matches};

    #[test]
    fn our_files_are_called_as_the_modules_call_them() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nix/modules/");
        let has = |file: &str, text: &str| {
            let read = std::fs::read_to_string(format!("{root}{file}")).unwrap_or_else(|_| panic!("{file}"));
            assert!(read.contains(text), "{file} has no {text}");
        };
        has("sandbox/bridge.nix", &format!("file = \"{}\"", OURS.0));
        has("vpn/bridge.nix", &format!("networks.\"{}\"", OURS.1));
        has("sandbox/options.nix", "mkMac \"sandbox ${cfg.bridge} of ${config.networking.hostName}\"");
        has(
            "vpn/options.nix",
            &format!("mkMac \"{VPN_BRIDGE} ${{cfg.bridgeName}} of ${{config.networking.hostName}}\""),
        );
    }

    #[test]
    fn patterns_match_as_in_systemd_network() {
        let is =
            |lines: &[&str], word: &str| matches(&lines.iter().map(|line| Arc::from(*line)).collect::<Vec<_>>(), word);
        for (lines, word, expected) in [
            (&["vpn0"][..], "vpn0", true),
            (&["eth0 vpn0"], "vpn0", true),
            (&["v*"], "vpn0", true),
            (&["*n0"], "vpn0", true),
            (&["*n?"], "vpn0", true),
            (&["vpn[0-9]"], "vpn0", true),
            (&["vpn?0"], "vpn0", false),
            (&["e*"], "vpn0", false),
            (&["!eth0"], "vpn0", true),
            (&["!eth0 vpn0"], "vpn0", false),
            (&["!*"], "vpn0", false),
            (&["v*", "!vpn0"], "vpn0", false),
            (&["e*", "!eth1"], "vpn0", false),
            (&[], "vpn0", true),
        ] {
            assert_eq!(is(lines, word), expected, "{lines:?} {word}");
        }
    }
}

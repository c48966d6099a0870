//! Which of a tree's files of systemd-networkd are about an interface, as systemd.network(5) matches them.

use std::sync::Arc;

use bulkhead_modules::OptionPath;

use super::{Network, Purpose, Shape, Tree, option, text};

/// Keys of `[Match]` by which hardware is named. What has one is about no bridge, nor about a port of one, unless it says
/// which hardware is not meant.
const HARDWARE: [&str; 7] =
    ["BSSID", "MACAddress", "Path", "PermanentMACAddress", "Property", "SSID", "WLANInterfaceType"];

/// The files that Bulkhead's modules write for the bridge of the workspaces (and, with a name after it, for its ports), and
/// for the VPN's links. As in `nix/modules/sandbox/bridge.nix` and `nix/modules/vpn/bridge.nix`.
const OURS: (&str, &str) = ("00-sandbox", "05-vpn");

/// An interface.
pub(crate) struct Link {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// What it may be, as `Kind=` and `Type=` call it.
    kinds: &'static [(&'static str, &'static str)],
}

impl Link {
    pub(crate) fn bridge(name: Arc<str>) -> Link {
        Link { name, kinds: &[("bridge", "bridge")] }
    }

    /// The end on the host of what a compartment is plugged in with.
    pub(crate) fn port(name: Arc<str>) -> Link {
        Link { name, kinds: &[("veth", "ether"), ("tun", "ether")] }
    }
}

/// `systemd.network.networks.<name>` of the files that apply to one of the links: of those that match, networkd takes the
/// first by name. One that names the link is given also where another comes before.
pub(crate) fn files(tree: &Tree<'_>, network: &Network, links: &[Link]) -> Vec<OptionPath> {
    let own = own_file(network);
    let root = option("systemd.network.networks");
    let mut found: Vec<OptionPath> = Vec::new();
    for link in links {
        let mut is_taken = false;
        for (unit, _) in tree.children(&root) {
            let path = root.join(&unit);
            let is_shadowed = is_taken || own.is_some_and(|own| *unit > *own);
            let extends_ours = own.and_then(|own| unit.strip_prefix(own));
            let is_named = match fit(tree, &path, link) {
                _ if extends_ours.is_some_and(|rest| rest.is_empty() || rest.starts_with('-')) => true,
                Fit::No => continue,
                Fit::Named => true,
                Fit::ByKind => false,
            };
            if (is_named || !is_shadowed) && !found.contains(&path) {
                found.push(path);
            }
            is_taken = true;
        }
    }
    found
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

fn fit(tree: &Tree<'_>, unit: &OptionPath, link: &Link) -> Fit {
    let section = unit.join("matchConfig");
    // `name` of a file is `matchConfig.Name`.
    let named: Vec<Arc<str>> = [section.join("Name"), section.join("OriginalName"), unit.join("name")]
        .iter()
        .flat_map(|path| tree.items(path))
        .filter_map(|item| text(item.value))
        .collect();
    let of = |key: &str| -> Vec<Arc<str>> {
        tree.items(&section.join(key)).into_iter().filter_map(|item| text(item.value)).collect()
    };
    if HARDWARE.iter().any(|key| of(key).iter().any(|line| !line.trim_start().starts_with('!'))) {
        return Fit::No;
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
    if named.iter().flat_map(|line| line.split_whitespace()).any(|word| word == &*link.name) {
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

    use super::{OURS, matches};

    #[test]
    fn our_files_are_called_as_the_modules_call_them() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nix/modules/");
        let has = |file: &str, text: &str| {
            let read = std::fs::read_to_string(format!("{root}{file}")).unwrap_or_else(|_| panic!("{file}"));
            assert!(read.contains(text), "{file} has no {text}");
        };
        has("sandbox/bridge.nix", &format!("file = \"{}\"", OURS.0));
        has("vpn/bridge.nix", &format!("networks.\"{}\"", OURS.1));
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

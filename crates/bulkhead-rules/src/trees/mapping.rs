//! Options under other names: what a fleet's own modules call workspaces and VPN.

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_modules::{OptionPath, renamed};

pub(crate) use bulkhead_modules::is_placeholder;

use super::{Known, OWN, known, option};

/// The shapes that are known without being named: the fleet's option and ours.
const BUILT_IN: [(&str, &str); 5] = [
    ("sandboxed-workspace.workspaces", "workspaces"),
    ("networking.sandbox.bridgeName", "networking.sandbox.bridge"),
    ("networking.sandbox.hostAddress", "networking.sandbox.gateway"),
    ("networking.sandbox.upstreamInterface", "networking.sandbox.upstreams"),
    ("pia-vpn", "vpn"),
];

/// Why an entry of `mappings` in `bulkhead.toml` means nothing: `ours` is an option of Bulkhead's modules or a path above
/// some, `theirs` the fleet's. `None` if it means something.
pub fn mapping_fault(ours: &str, theirs: &str) -> Option<String> {
    let parsed =
        |text: &str| OptionPath::parse(text).map_err(|error| format!("`{text}` is no path of an option: {error}"));
    let (ours, theirs) = match (parsed(ours), parsed(theirs)) {
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(fault), _) | (_, Err(fault)) => return Some(fault),
    };
    if ours.names().is_empty() || theirs.names().is_empty() {
        return Some("both sides must name an option".to_owned());
    }
    let is_above = OWN.iter().any(|root| option(root).starts_with(&ours));
    if !is_above && !matches!(known(&ours), Known::Schema(_)) {
        return Some(format!("there is no option `{ours}` in Bulkhead's modules, nor one below it"));
    }
    let placeholders = |path: &OptionPath| {
        let mut names: Vec<Arc<str>> = path.names().iter().filter(|name| is_placeholder(name)).cloned().collect();
        names.sort();
        names
    };
    (placeholders(&ours) != placeholders(&theirs)).then(|| "both sides must have the same `<name>`".to_owned())
}

/// From the names of a fleet to ours and back.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// The fleet's and ours; the longest first.
    pairs: Vec<(OptionPath, OptionPath)>,
}

impl Mapping {
    /// `own` has our options on the left.
    pub(crate) fn new(own: &BTreeMap<String, String>) -> Mapping {
        let own = own.iter().map(|(ours, theirs)| (theirs.as_str(), ours.as_str()));
        let parsed = own
            .chain(BUILT_IN)
            .filter_map(|(theirs, ours)| Some((OptionPath::parse(theirs).ok()?, OptionPath::parse(ours).ok()?)));
        let mut pairs: Vec<_> = parsed.filter(|(theirs, ours)| theirs != ours && !theirs.names().is_empty()).collect();
        // The sort is stable: what a fleet says comes before what is built in.
        pairs.sort_by_key(|(theirs, _)| std::cmp::Reverse(theirs.names().len()));
        Mapping { pairs }
    }

    /// What we call an option of the fleet; `None` if it has that name already.
    pub(crate) fn ours(&self, path: &OptionPath) -> Option<OptionPath> {
        self.pairs.iter().find_map(|(theirs, ours)| renamed(path, theirs, ours))
    }

    /// What a fleet may call our options where not even the first name is the same, with `<name>` for any name.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = &OptionPath> {
        let is_elsewhere = |(theirs, ours): &&(OptionPath, OptionPath)| theirs.names().first() != ours.names().first();
        self.pairs.iter().filter(is_elsewhere).map(|(theirs, _)| theirs)
    }

    /// Everything that the fleet may call one of our options.
    pub(crate) fn theirs(&self, path: &OptionPath) -> Vec<OptionPath> {
        let others = self.pairs.iter().filter_map(|(theirs, ours)| renamed(path, ours, theirs));
        std::iter::once(path.clone()).chain(others).collect()
    }
}

//! Options of Bulkhead's own modules, and of agenix, in fleets whose modules don't declare them: what they are where
//! nothing defines them, so that `config.networking.sandbox.bridge` is known.

use std::collections::BTreeMap;

use bulkhead_eval::{Node, Shape};

use super::{Decl, Def, Level, Merger, Region};
use crate::OptionPath;
use crate::library::NIXOS_CONFIG;

/// Options and their defaults. A test of `bulkhead-rules` compares those of Bulkhead with `nix/modules`.
pub const DEFAULTS: &[(&[&str], &str)] = &[
    (&["age", "secretsDir"], "/run/agenix"),
    (&["networking", "sandbox", "bridge"], "sandbox0"),
    (&["networking", "sandbox", "gateway"], "10.20.0.1"),
    (&["networking", "sandbox", "subnet"], "10.20.0.0/24"),
    (&["vpn", "bridgeName"], "vpn0"),
    (&["vpn", "hostAddress"], "10.73.0.1"),
    (&["vpn", "interfaceName"], "wg-vpn"),
    (&["vpn", "subnet"], "10.73.0.0/24"),
    (&["vpn", "vpnAddress"], "10.73.0.2"),
];

/// Further options that take one text; `*` is any name.
pub const STRINGS: &[&[&str]] = &[
    &["networking", "sandbox", "gateway6"],
    &["networking", "sandbox", "subnet6"],
    &["vpn", "containers", "*", "ip"],
    &["workspaces", "*", "hostKey"],
    &["workspaces", "*", "ip"],
    &["workspaces", "*", "ip6"],
    &["workspaces", "*", "mac"],
    &["workspaces", "*", "type"],
];

/// Sets in which nobody but the fleet names anything.
const CLOSED: &[&[&str]] = &[&["vpn", "containers"], &["workspaces"]];

/// How the interface of a workspace begins, by what runs it; as `nix/modules/workspaces/options.nix` has it.
const INTERFACES: &[(&str, &str)] = &[("container", "vb-"), ("incus", "vi-"), ("vm", "vm-")];

/// Whose options are there, going by what a machine's modules define.
#[derive(Clone, Copy, Default)]
pub struct Owners {
    sandbox: bool,
    vpn: bool,
    age: bool,
    /// Whether agenix may put secrets into another folder.
    has_folder: bool,
}

impl<'a> Merger<'_, '_, 'a> {
    /// Note whose options there are: of names at the root. What a module that can't be read defines is not known, and it may
    /// declare options of these names with other defaults. What modules at hand declare themselves has the defaults that they
    /// say: those of Bulkhead, if they are these.
    pub(super) fn note_owners(
        &mut self,
        level: &Level<'a>,
        names: &[&'static str],
        declared: &BTreeMap<&'static str, Vec<Decl<'a>>>,
        is_open: bool,
    ) {
        if !level.path.names().is_empty() || level.region != Region::Nixos || is_open || self.others.is_some() {
            return;
        }
        // Modules of these names have other defaults.
        let has = |name: &str| names.contains(&name) && !declared.contains_key(name);
        self.owners = Owners {
            sandbox: has("workspaces") && !names.contains(&"sandboxed-workspace"),
            vpn: has("vpn"),
            // home-manager by itself has another folder.
            age: names.contains(&"age") && !names.contains(&"home"),
            has_folder: false,
        };
    }

    /// Note whether the folder of secrets is another one: of the names in `age`.
    pub(super) fn note_folder(&mut self, path: &OptionPath, names: &[&'static str], is_told: bool) {
        if matches!(path.names(), [age] if **age == *"age") {
            self.owners.has_folder = !is_told || names.contains(&"secretsDir");
        }
    }

    /// Where agenix puts a secret, if the fleet says nothing else: a set of `age.secrets` that defines these names.
    pub(super) fn secret_path(&self, path: &OptionPath, defined: &[&'static str]) -> Option<Node<'a>> {
        let [age, secrets, name] = path.names() else { return None };
        let is_secret = **age == *"age" && **secrets == *"secrets" && self.is_ours(&["age"]) && !self.owners.has_folder;
        let is_other = ["name", "path"].iter().any(|name| defined.contains(name));
        (is_secret && !is_other).then(|| self.loader.session.string(&format!("/run/agenix/{name}")))
    }

    fn is_ours(&self, path: &[&str]) -> bool {
        match path.first() {
            Some(&"age") => self.owners.age,
            Some(&"networking" | &"workspaces") => self.owners.sandbox,
            Some(&"vpn") => self.owners.vpn,
            _ => false,
        }
    }

    /// The defaults right below a path, and the sets that lead to some, for names that nothing defines.
    pub(super) fn defaults_below(&self, path: &OptionPath, defined: &[&'static str]) -> Vec<(&'static str, Node<'a>)> {
        let session = self.loader.session;
        let names: Vec<&str> = path.names().iter().map(|name| &**name).collect();
        let mut found: Vec<(&'static str, Node<'a>)> = Vec::new();
        for (option, _) in DEFAULTS.iter().filter(|(option, _)| option.starts_with(&names) && self.is_ours(option)) {
            let name = option[names.len()];
            if defined.contains(&name) || found.iter().any(|(known, _)| *known == name) {
                continue;
            }
            let below = path.join(name);
            let value = match DEFAULTS.iter().find(|(other, _)| *other == *option && option.len() == names.len() + 1) {
                Some((_, value)) => session.string(value),
                None => session.attrs(self.defaults_below(&below, &[]), Some(session.unknown(NIXOS_CONFIG, None))),
            };
            found.push((name, value));
        }
        found
    }

    /// Whether nobody else gives names to what is in a set.
    pub(super) fn is_closed(&self, path: &OptionPath) -> bool {
        let names: Vec<&str> = path.names().iter().map(|name| &**name).collect();
        CLOSED.contains(&names.as_slice()) && self.is_ours(&names)
    }

    /// What the interface of a workspace is called.
    pub(super) fn interface(&self, path: &OptionPath, entries: &[(&'static str, Node<'a>)]) -> Option<Node<'a>> {
        let [root, name] = path.names() else { return None };
        if **root != *"workspaces" || !self.is_ours(&["workspaces"]) {
            return None;
        }
        let (_, kind) = entries.iter().find(|(name, _)| *name == "type")?;
        let Shape::String(kind) = self.loader.session.look(*kind) else { return None };
        let (_, begin) = INTERFACES.iter().find(|(known, _)| *known == &*kind)?;
        Some(self.loader.session.string(&format!("{begin}{name}")))
    }

    /// Whether all definitions of a set are there for sure, so that there are no more names in it.
    pub(super) fn are_all_sure(defs: &[Def<'a>]) -> bool {
        defs.iter().all(|def| def.condition.is_always())
    }
}

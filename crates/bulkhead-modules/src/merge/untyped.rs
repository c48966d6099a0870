//! What these modules define of options that others declare.
//!
//! NixOS' own modules may define the same option, so that only this is certain: a set has the attributes that are
//! defined, and more; of what takes one value (Booleans, numbers, null, and the strings that are known to be such) two
//! definitions of the usual priority must be the same. That nothing unseen forces another one is assumed.

use bulkhead_eval::{Form, Node};

use super::own;
use super::values::{Presence, is_package};
use super::{Def, Level, MAX_DEPTH, Merger, Region};
use crate::definitions::{is_missing_inside, is_submodule, leads_to_module};
use crate::library::NIXOS_CONFIG;
use crate::tree::{Inner, Role};
use crate::{DEFAULT_PRIORITY, OptionPath};

/// Options of NixOS that take one string; `*` is any name. As in the NixOS options reference.
const STRINGS: &[&[&str]] = &[
    &["boot", "loader", "efi", "efiSysMountPoint"],
    &["console", "keyMap"],
    &["home", "homeDirectory"],
    &["home", "stateVersion"],
    &["home", "username"],
    &["i18n", "defaultLocale"],
    &["networking", "domain"],
    &["networking", "hostId"],
    &["networking", "hostName"],
    &["security", "acme", "defaults", "email"],
    &["system", "name"],
    &["system", "nixos", "label"],
    &["system", "stateVersion"],
    &["time", "timeZone"],
    &["users", "users", "*", "description"],
    &["users", "users", "*", "group"],
    &["users", "users", "*", "home"],
];

/// Options below which numbers and Booleans are put together in other ways.
const OTHERWISE: &[&[&str]] = &[&["boot", "kernel", "sysctl"], &["users", "users", "*", "createHome"]];

/// Whether a definition of this priority is only overridden by what is forced.
pub fn is_certain(priority: i64) -> bool {
    priority <= DEFAULT_PRIORITY
}

impl<'a> Merger<'_, '_, 'a> {
    /// What the definitions of `path` come to, as far as it is certain.
    pub(super) fn untyped(&mut self, path: OptionPath, defs: Vec<Def<'a>>, depth: usize) -> Presence<'a> {
        self.values += 1;
        if defs.is_empty() {
            return Presence::No;
        }
        if depth > MAX_DEPTH {
            return Presence::Maybe(self.loader.session.unknown("it is nested too deeply", None));
        }
        if is_submodule(&path) {
            return Presence::Yes(self.modules_of_nixos(&path, defs, depth));
        }
        let mut all = Vec::with_capacity(defs.len());
        for def in defs {
            self.discharge(def, &mut all, false, 0);
        }
        if all.is_empty() {
            // Nobody seen defines it; others may.
            return Presence::Maybe(self.loader.session.unknown(NIXOS_CONFIG, None));
        }
        if let [only] = all.as_slice()
            && only.condition.is_always()
            && self.loader.is_whole(only.node)
        {
            return Presence::Yes(only.node);
        }
        let session = self.loader.session;
        let is_set = |def: &Def<'a>| match session.form(def.node) {
            Form::Attrs(_) => Some(!is_package(session, def.node)),
            Form::Unknown => None,
            _ => Some(false),
        };
        let sets: Vec<Option<bool>> = all.iter().map(is_set).collect();
        if sets.contains(&Some(true)) && !sets.contains(&Some(false)) {
            return Presence::Yes(self.untyped_set(&path, all, depth));
        }
        Presence::Yes(self.untyped_value(&path, &all, Region::Nixos))
    }

    fn untyped_set(&mut self, path: &OptionPath, all: Vec<Def<'a>>, depth: usize) -> Node<'a> {
        let session = self.loader.session;
        // Whether a stronger set takes the place of the others depends on the type.
        let strongest = all.iter().map(|def| def.priority.unwrap_or(DEFAULT_PRIORITY)).min();
        let is_mixed = all.iter().any(|def| def.priority.unwrap_or(DEFAULT_PRIORITY) != strongest.unwrap_or_default());
        let mut children = self.children(all, path);
        let names: Vec<&'static str> = children.named.keys().copied().collect();
        let is_told = children.rest().is_none();
        let mut entries = Vec::new();
        let mut are_all = true;
        self.note_folder(path, &names, is_told);
        if is_told {
            entries.extend(self.defaults_below(path, &names));
            entries.extend(self.secret_path(path, &names).map(|value| ("path", value)));
        }
        for name in names {
            let defs = children.take(name);
            are_all &= Self::are_all_sure(&defs);
            let key = defs.first().map(|def| def.node);
            let is_sure = defs.iter().any(|def| def.condition.is_always());
            let value = match self.untyped(path.join(name), defs, depth + 1) {
                Presence::Yes(_) if !is_sure || is_mixed => continue,
                Presence::Yes(node) => node,
                Presence::No | Presence::Maybe(_) => continue,
            };
            entries.push((name, key.map_or(value, |key| session.named_as(value, key))));
        }
        if is_told && let Some(interface) = self.interface(path, &entries) {
            entries.push(("interface", interface));
        }
        let is_closed = is_told && are_all && !is_mixed && self.is_closed(path);
        session.attrs(entries, (!is_closed).then(|| session.unknown(NIXOS_CONFIG, None)))
    }

    /// What definitions come to that are no sets, or of which that is not known.
    pub(super) fn untyped_value(&mut self, path: &OptionPath, defs: &[Def<'a>], region: Region) -> Node<'a> {
        let session = self.loader.session;
        let priority_of = |def: &&Def<'a>| def.priority.unwrap_or(DEFAULT_PRIORITY);
        let sure = defs.iter().filter(|def| def.condition.is_always());
        let unknown = session.unknown(NIXOS_CONFIG, None);
        let Some(best) = sure.clone().map(|def| priority_of(&def)).min() else { return unknown };
        let strongest: Vec<Def<'a>> = sure.filter(|def| priority_of(def) == best).cloned().collect();
        if let Some(stronger) = defs.iter().find(|def| priority_of(def) < best)
            && let Some(guard) = stronger.condition.guards().first()
        {
            return self.doubt(guard);
        }
        let takes_one = |def: &Def<'a>| match session.form(def.node) {
            Form::Bool(_) | Form::Int | Form::Null | Form::Other => !matches(OTHERWISE, path, true),
            Form::String => {
                let own = own::DEFAULTS.iter().map(|(option, _)| option).chain(own::STRINGS);
                matches(STRINGS, path, false) || own.into_iter().any(|option| matches(&[option], path, false))
            }
            Form::Unknown => strongest.len() == 1,
            _ => false,
        };
        if (region != Region::Fleet && !is_certain(best)) || !strongest.iter().all(takes_one) {
            // An unknown value of its own tells more.
            let own = strongest.iter().find(|def| session.form(def.node) == Form::Unknown);
            return own.map_or(unknown, |def| def.node);
        }
        let all: Vec<Def<'a>> = strongest;
        let first = all[0].node;
        if all.iter().any(|def| self.same(first, def.node) == Some(false)) {
            return self.conflict(path, &all, "its definitions must be the same");
        }
        first
    }

    /// A container's configuration and the like: modules of their own.
    fn modules_of_nixos(&mut self, path: &OptionPath, defs: Vec<Def<'a>>, depth: usize) -> Node<'a> {
        let mut all = Vec::new();
        for def in defs {
            self.discharge(def, &mut all, false, 0);
        }
        all.retain(|def| !is_missing_inside(self.loader, path, def.node));
        let seen = self.loader.undecided.len();
        let failed = self.loader.problems.len();
        let inner: Vec<Inner<'a>> = all
            .iter()
            .map(|def| Inner {
                node: def.node,
                file: def.file.clone(),
                condition: def.condition.clone(),
                role: Role::Module,
            })
            .collect();
        let count = self.loader.count();
        let modules = self.loader.nested(path, &inner, &[]);
        let is_unseen = self.loader.problems.len() > failed || self.loader.undecided.len() > seen;
        let unseen = if is_unseen { self.unseen_since(seen) } else { None };
        let level = Level {
            path: path.clone(),
            depth: depth + 1,
            is_top: true,
            freeform: super::Freeform::None,
            region: Region::Nixos,
            unseen,
        };
        let scope = self.modules(&modules, level);
        self.loader.forget_after(count);
        scope.config
    }
}

fn matches(patterns: &[&[&str]], path: &OptionPath, below: bool) -> bool {
    let names = path.names();
    // Containers and the like have options of their own: the end of the path counts.
    patterns.iter().any(|pattern| {
        (0..names.len()).any(|start| {
            let rest = &names[start..];
            (rest.len() == pattern.len() || (below && rest.len() > pattern.len()))
                && pattern.iter().zip(rest).all(|(wanted, name)| *wanted == "*" || **wanted == **name)
                && (start == 0 || leads_to_module(&names[..start]))
        })
    })
}

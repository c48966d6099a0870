//! Definitions: down through sets, `mkIf`, `mkMerge`, the `mkOverride` family and the `mkOrder` family.

use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Data, DataKind, Failure, FailureKind, Unknown};
use bulkhead_eval::{Members, Node, Shape, Split};

use crate::condition::{Condition, Guard};
use crate::library::BUILT_IN;
use crate::parts::Part;
use crate::tree::{Contents, Inner, Loader, Role, Scope, problem};
use crate::{
    Configuration, DEFAULT_ORDER, DEFAULT_PRIORITY, Definition, OptionPath, UNKNOWN_DEFINITION, UNKNOWN_DEFINITIONS,
    Undecided,
};

/// So many definitions are read at most.
const MAX_DEFINITIONS: usize = 500_000;

/// Sets nested deeper are values, not options.
const MAX_DEPTH: usize = 100;

/// The option that has what a machine may be started as besides.
const SPECIALISATION: &str = "specialisation";

/// Options whose values are modules, in the modules of NixOS, in ours, and in those of projects that most fleets use: `*` is
/// any name.
const SUBMODULES: &[&[&str]] = &[
    &["containers", "*", "config"],
    &["home-manager", "sharedModules", "*"],
    &["home-manager", "users", "*"],
    &["microvm", "vms", "*", "config"],
    &[SPECIALISATION, "*", "configuration"],
    &["virtualisation", "vmVariant"],
    &["virtualisation", "vmVariantWithBootLoader"],
];

/// The same: the configurations of workspaces and of services of a VPN.
const OF_COMPARTMENTS: &[&[&str]] = &[
    &["pia-vpn", "containers", "*", "config"],
    &["sandboxed-workspace", "workspaces", "*", "config"],
    &["vpn", "containers", "*", "config"],
    &["workspaces", "*", "config"],
];

/// Options whose values are sets of options, or modules that give one: `types.submodule`. A set is none of these modules: it
/// has no `imports`, and its `config` is an option.
const SHORTHAND: &[&[&str]] = &[
    &["age", "secrets", "*"],
    &["boot", "initrd", "luks", "devices", "*"],
    &["containers", "*"],
    &["containers", "*", "bindMounts", "*"],
    &["containers", "*", "extraVeths", "*"],
    &["fileSystems", "*"],
    &["microvm", "vms", "*"],
    &["networking", "bridges", "*"],
    &["networking", "interfaces", "*"],
    &["networking", "sandbox", "ports", "*"],
    &["networking", "wg-quick", "interfaces", "*"],
    &["networking", "wireguard", "interfaces", "*"],
    &["pia-vpn", "containers", "*"],
    &["sandboxed-workspace", "workspaces", "*"],
    &["services", "openvpn", "servers", "*"],
    &[SPECIALISATION, "*"],
    &["systemd", "network", "netdevs", "*"],
    &["systemd", "network", "networks", "*"],
    &["systemd", "nspawn", "*"],
    &["systemd", "services", "*"],
    &["systemd", "units", "*"],
    &["users", "users", "*"],
    &["vpn", "containers", "*"],
    &["vpn", "containers", "*", "mounts", "*"],
    &["vpn", "containers", "*", "receiveForwardedPort"],
    &["virtualisation", "oci-containers", "containers", "*"],
    &["workspaces", "*"],
    &["workspaces", "*", "extraMounts", "*"],
];

/// Options whose values are lists of such sets: `types.listOf types.submodule`. Each item may be a module.
const LISTS: &[&[&str]] = &[
    &["containers", "*", "forwardPorts"],
    &["networking", "interfaces", "*", "ipv4", "addresses"],
    &["networking", "interfaces", "*", "ipv4", "routes"],
    &["networking", "interfaces", "*", "ipv6", "addresses"],
    &["networking", "interfaces", "*", "ipv6", "routes"],
    &["networking", "sandbox", "allow"],
    &["networking", "wg-quick", "interfaces", "*", "peers"],
    &["networking", "wireguard", "interfaces", "*", "peers"],
    &["services", "openssh", "hostKeys"],
    &["swapDevices"],
    &["systemd", "network", "netdevs", "*", "wireguardPeers"],
    &["systemd", "network", "networks", "*", "addresses"],
    &["systemd", "network", "networks", "*", "routes"],
    &["users", "users", "*", "subGidRanges"],
    &["users", "users", "*", "subUidRanges"],
];

/// Options whose values are lists of modules, which are imported together.
const LISTS_OF_MODULES: &[&[&str]] = &[&["home-manager", "sharedModules"]];

/// How the message ends where a file that is imported is missing.
const MISSING: &str = "does not exist";

/// What holds for a value because of what is around it.
#[derive(Clone)]
struct Around {
    path: OptionPath,
    file: Arc<str>,
    /// Where the last name of the path is written; not that of `content` in an `mkIf`.
    key: Option<Place>,
    condition: Condition,
    /// Of the outermost `mkOverride`.
    priority: Option<i64>,
    order: Option<i64>,
    /// The sets that it lies in.
    inside: Vec<usize>,
    /// How many `mkIf`, `if` and the like it lies in, besides.
    wrapped: usize,
}

pub fn collect(loader: &mut Loader<'_, '_>, modules: &[(usize, Condition)], configuration: &mut Configuration) {
    let all = loader.session.renamed_options().iter();
    let parsed = all.filter_map(|(name, usual)| Some((OptionPath::parse(name).ok()?, OptionPath::parse(usual).ok()?)));
    let mut renamed: Vec<(OptionPath, OptionPath)> = parsed.collect();
    renamed.sort_by_key(|(name, _)| std::cmp::Reverse(name.names().len()));
    let mut walk = Walk { loader, found: &mut configuration.definitions, renamed, is_full: false };
    walk.modules(modules, &OptionPath::root(), &Condition::Always, 0);
}

struct Walk<'w, 's, 'a> {
    loader: &'w mut Loader<'s, 'a>,
    found: &'w mut Vec<Definition>,
    /// What options are called otherwise, and usually; the longest first.
    renamed: Vec<(OptionPath, OptionPath)>,
    is_full: bool,
}

impl<'a> Walk<'_, '_, 'a> {
    /// NixOS puts what was imported last first.
    fn modules(&mut self, modules: &[(usize, Condition)], path: &OptionPath, condition: &Condition, depth: usize) {
        for (index, holds) in modules.iter().rev() {
            let module = self.loader.module(*index);
            let around = Around {
                path: path.clone(),
                file: module.file.clone(),
                key: None,
                condition: condition.and_all(holds),
                priority: None,
                order: None,
                inside: Vec::new(),
                wrapped: depth,
            };
            match &module.config {
                None => {}
                Some(Contents::Config(node)) => self.value(*node, around),
                Some(Contents::Shorthand(members)) => {
                    let attrs = members.attrs.clone();
                    for (name, node) in attrs {
                        let key = self.loader.session.key(node);
                        self.value(node, Around { path: path.join(name), key, ..around.clone() });
                    }
                }
            }
        }
    }

    /// Whether an option is one of some, under its own name or under the usual one.
    fn is_called(&self, path: &OptionPath, is_one: fn(&OptionPath) -> bool) -> bool {
        let usual = || self.renamed.iter().find_map(|(name, usual)| renamed(path, name, usual));
        is_one(path) || usual().is_some_and(|usual| is_one(&usual))
    }

    /// Whether a value that is a function or a file is a module that gives the options right below this path: also where what
    /// is renamed lies in a set of any name.
    fn is_shorthand(&self, path: &OptionPath) -> bool {
        let begins = |name: &OptionPath| {
            let mut pairs = path.names().iter().zip(name.names());
            let is_above = name.names().len() > path.names().len();
            let is_any = || name.names().get(path.names().len() - 1).is_some_and(|last| is_placeholder(last));
            is_above
                && !path.names().is_empty()
                && is_any()
                && pairs.all(|(own, name)| own == name || is_placeholder(name))
        };
        self.is_called(path, is_shorthand) || self.renamed.iter().any(|(name, _)| begins(name))
    }

    fn value(&mut self, node: Node<'a>, around: Around) {
        if around.path.names().len() + around.wrapped > MAX_DEPTH {
            return self.leaf(node, around);
        }
        match self.loader.look(node) {
            Shape::Attrs(members) => self.attrs(node, members, around),
            Shape::Unknown(_, Some(Split::If { condition, consequence, alternative })) => {
                self.guarded(consequence, condition, true, around.clone());
                // What an `if` gives otherwise is often a set without anything in it, which defines nothing.
                let set = |node| match self.loader.session.look(node) {
                    Shape::Attrs(members) => Some(members.attrs.is_empty() && members.open.is_none()),
                    _ => None,
                };
                if set(alternative) != Some(true) || set(consequence).is_none() {
                    self.guarded(alternative, condition, false, around);
                }
            }
            // Lists are put together from all definitions, so that each part may count as one.
            Shape::Unknown(_, Some(Split::Concat(left, right))) => {
                let wrapped = around.wrapped + 1;
                self.value(left, Around { wrapped, ..around.clone() });
                self.value(right, Around { wrapped, ..around });
            }
            Shape::Path(_) | Shape::String(_) | Shape::Function if self.is_called(&around.path, is_submodule) => {
                self.submodule(node, around);
            }
            Shape::Path(_) | Shape::Function if self.is_shorthand(&around.path) => self.submodule(node, around),
            Shape::String(path) if path.starts_with('/') && self.is_shorthand(&around.path) => {
                self.submodule(node, around);
            }
            Shape::List(_) if fits_in_module(&around.path, LISTS_OF_MODULES) => {
                let all = self.loader.session.attrs(vec![("imports", node)], None);
                self.submodule(all, Around { path: around.path.join("*"), ..around });
            }
            Shape::List(items) if self.is_called(&around.path, is_list) => {
                let inner = around.path.join("*");
                let items: Vec<Node<'a>> = items.into_iter().map(|item| self.item(item, &inner, &around, 0)).collect();
                self.leaf(self.loader.session.list(&items), around);
            }
            _ => self.leaf(node, around),
        }
    }

    /// An item of a list of sets as a set, if it is a module that gives one.
    fn item(&mut self, node: Node<'a>, path: &OptionPath, around: &Around, depth: usize) -> Node<'a> {
        let session = self.loader.session;
        let is_module = match self.loader.look(node) {
            Shape::Path(_) | Shape::Function => true,
            Shape::String(path) => path.starts_with('/'),
            Shape::Attrs(members) if depth < MAX_DEPTH => {
                match (self.loader.tag(&members).as_deref(), members.get("content")) {
                    (Some("if" | "override" | "order"), Some(content)) => {
                        let content = ("content", self.item(content, path, around, depth + 1));
                        let others = members.attrs.into_iter().filter(|(name, _)| *name != "content");
                        return session.attrs(others.chain([content]).collect(), None);
                    }
                    _ => false,
                }
            }
            _ => false,
        };
        if !is_module {
            return node;
        }
        // What it reads of itself is not followed.
        let own = session.unknown("it is what a set in a list makes of itself", None);
        self.loader.known.entry(path.clone()).or_insert(Scope { config: own, options: own });
        let inner = Inner { node, file: around.file.clone(), condition: Condition::Always, role: Role::Module };
        let modules = self.loader.nested(path, &[inner], &[]);
        let mut parts: Vec<Node<'a>> = Vec::new();
        for (index, condition) in &modules {
            let part = match &self.loader.module(*index).config {
                Some(Contents::Config(node)) => *node,
                Some(Contents::Shorthand(members)) => session.attrs(members.attrs.clone(), members.rest),
                None => continue,
            };
            let tagged = |tag, fields: [(&'static str, Node<'a>); 2]| {
                session.attrs([("_type", session.string(tag))].into_iter().chain(fields).collect(), None)
            };
            parts.push(
                condition.guards().iter().fold(part, |part, guard| {
                    tagged("if", [("condition", self.loader.doubt(guard)), ("content", part)])
                }),
            );
        }
        match parts.as_slice() {
            [] => node,
            [part] => *part,
            _ => session.attrs(vec![("_type", session.string("merge")), ("contents", session.list(&parts))], None),
        }
    }

    fn attrs(&mut self, node: Node<'a>, members: Members<'a>, mut around: Around) {
        if let Some(tag) = self.loader.tag(&members) {
            around.wrapped += 1;
            return match (tag.as_str(), members.get("content")) {
                ("if", Some(content)) => match members.get("condition") {
                    Some(condition) => self.guarded(content, condition, true, around),
                    None => self.leaf(node, around),
                },
                ("merge", _) => {
                    let Some(contents) = members.get("contents") else { return self.leaf(node, around) };
                    self.merge(contents, around);
                }
                ("override", Some(content)) => {
                    match self.loader.number(&members) {
                        Ok(priority) => around.priority = around.priority.or(Some(priority)),
                        Err(reason) => self.unknown_number(reason, &mut around),
                    }
                    self.value(content, around);
                }
                ("order", Some(content)) => {
                    match self.loader.number(&members) {
                        Ok(order) => around.order = around.order.or(Some(order)),
                        Err(reason) => self.unknown_number(reason, &mut around),
                    }
                    self.value(content, around);
                }
                ("definition", _) => match members.get("value") {
                    Some(value) => self.value(value, around),
                    None => self.leaf(node, around),
                },
                _ => self.leaf(node, around),
            };
        }
        if let Some(unknown) = self.loader.unknown_tag(&members) {
            return self.leaf(unknown, around);
        }
        if self.loader.whole == Some(members.identity) {
            let all = self.loader.session.unknown("it is all of `config`, or of `options`, and holds itself", None);
            return self.leaf(self.loader.session.named_as(all, node), around);
        }
        if is_submodule(&around.path) {
            return self.submodule(node, around);
        }
        let is_package = members.get("outPath").is_some() || members.get("drvPath").is_some();
        if is_package || around.inside.contains(&members.identity) {
            return self.leaf(node, around);
        }
        if members.attrs.is_empty() && members.open.is_none() {
            if !around.path.names().is_empty() {
                self.leaf(node, around);
            }
            return;
        }
        if let Some((left, right)) = members.update
            && let Some(parts) = self.loader.update(left, right, &around.condition, 0)
        {
            around.inside.push(members.identity);
            for Part { name, node, condition } in parts {
                let key = self.loader.session.key(node);
                self.value(node, Around { path: around.path.join(name), key, condition, ..around.clone() });
            }
            return;
        }
        if let Some(unknown) = &members.open {
            // A set that a function of `lib` makes is told where it is given to an option.
            let is_written = |place: &Place| &*place.file != BUILT_IN;
            let place = self.loader.session.place(node).filter(is_written);
            let place = place.or_else(|| around.key.clone().filter(is_written));
            let place = place.unwrap_or_else(|| Place::file(around.file.clone()));
            self.loader.unknown_at(&around.path, UNKNOWN_DEFINITIONS, unknown.clone(), Some(place));
        }
        around.inside.push(members.identity);
        for (name, value) in members.attrs {
            let key = self.loader.session.key(value);
            self.value(value, Around { path: around.path.join(name), key, ..around.clone() });
        }
    }

    fn merge(&mut self, contents: Node<'a>, around: Around) {
        let known = self.loader.undecided.len();
        let items = self.loader.items(contents, &around.condition, 0, true);
        // What is unknown in this list is a part of this path alone.
        for undecided in &mut self.loader.undecided[known..] {
            undecided.path = around.path.clone();
            undecided.what = UNKNOWN_DEFINITIONS;
        }
        for (item, condition) in items {
            self.value(item, Around { condition, ..around.clone() });
        }
    }

    fn guarded(&mut self, content: Node<'a>, test: Node<'a>, expected: bool, mut around: Around) {
        let Some(condition) = self.loader.guarded(&around.condition, test, expected) else { return };
        around.condition = condition;
        around.wrapped += 1;
        self.value(content, around);
    }

    fn submodule(&mut self, node: Node<'a>, around: Around) {
        if is_missing_inside(self.loader, &around.path, node) {
            return self.leaf(node, around);
        }
        // So is what it imports.
        if is_of_compartment(&around.path)
            && let Shape::Attrs(members) = self.loader.look(node)
            && let Some(imports) = members.get("imports")
            && matches!(self.loader.look(imports), Shape::List(_))
        {
            let key = self.loader.session.key(imports);
            self.leaf(imports, Around { path: around.path.join("imports"), key, ..around.clone() });
        }
        if let [first, name, _] = around.path.names()
            && **first == *SPECIALISATION
        {
            let (file, condition) = (around.file.clone(), around.condition.clone());
            self.loader.specialised.push((name.clone(), Inner { node, file, condition, role: Role::Module }));
        }
        let inner = Inner { node, file: around.file.clone(), condition: Condition::Always, role: Role::Module };
        let modules = self.loader.nested(&around.path, &[inner], &[]);
        // Each level counts, so that modules that are inside of themselves have an end.
        self.modules(&modules, &around.path, &around.condition, around.wrapped + 10);
    }

    /// What has a priority that is not known may count or not.
    fn unknown_number(&self, reason: Unknown, around: &mut Around) {
        let place = reason.place.clone();
        around.condition = around.condition.and(Guard { place, expected: true, reason });
    }

    fn leaf(&mut self, node: Node<'a>, around: Around) {
        if self.found.len() >= MAX_DEFINITIONS {
            if !self.is_full {
                self.is_full = true;
                let message = format!("there are more than {MAX_DEFINITIONS} definitions");
                self.loader.failed(Failure { kind: FailureKind::Limit, ..problem(message, None) });
            }
            return;
        }
        let value = self.loader.session.data(node);
        // What lies below such a value is not seen.
        let hidden = match &value.kind {
            DataKind::Unknown(unknown) => Some(unknown.clone()),
            DataKind::Failed(failure) => Some(Unknown {
                reason: Arc::from(format!("its evaluation failed: {}", failure.message)),
                help: failure.help.as_deref().map(Arc::from),
                place: failure.place.clone(),
            }),
            DataKind::Function => {
                Some(Unknown { reason: Arc::from("it is a function"), help: None, place: value.place.clone() })
            }
            _ => None,
        };
        if let Some(reason) = hidden {
            let place = around.key.clone().or_else(|| value.place.clone());
            let path = around.path.clone();
            self.loader.undecided.push(Undecided { path, what: UNKNOWN_DEFINITION, reason, place });
        }
        if around.path.names().is_empty() {
            return self.no_set(value, around);
        }
        // What an alias moves is not written in `lib`.
        let key = around.key.filter(|key| &*key.file != BUILT_IN);
        self.found.push(Definition {
            path: around.path,
            file: around.file,
            key,
            value,
            condition: around.condition,
            priority: around.priority.unwrap_or(DEFAULT_PRIORITY),
            order: around.order.unwrap_or(DEFAULT_ORDER),
        });
    }

    /// `config` itself is no set.
    fn no_set(&mut self, value: Data, around: Around) {
        match value.kind {
            DataKind::Unknown(_) => {}
            DataKind::Failed(failure) => self.loader.failed((*failure).clone()),
            _ => {
                let message = format!("what {} defines must be a set", around.file);
                self.loader.failed(problem(message, value.place));
            }
        }
    }
}

/// Whether it is the configuration of a workspace or of a service of a VPN that is in a file that is not there, or whose
/// evaluation fails: that is told of the option.
pub fn is_missing_inside<'a>(loader: &mut Loader<'_, 'a>, path: &OptionPath, node: Node<'a>) -> bool {
    is_of_compartment(path)
        && match loader.look(node) {
            Shape::Path(path) => is_missing(loader, &path),
            Shape::String(path) => path.starts_with('/') && is_missing(loader, &path),
            Shape::Failed(_) => true,
            _ => false,
        }
}

fn is_missing(loader: &Loader<'_, '_>, path: &str) -> bool {
    loader.session.import_absolute(path).is_err_and(|failure| failure.message.ends_with(MISSING))
}

/// Whether it is the option for the configuration of a workspace or of a service of a VPN.
fn is_of_compartment(path: &OptionPath) -> bool {
    let names = path.names();
    OF_COMPARTMENTS.iter().any(|pattern| pattern.len() == names.len() && begins(names, pattern))
}

/// Whether a value that is a function or a file is a module that gives the options right below this path.
fn is_shorthand(path: &OptionPath) -> bool {
    fits_in_module(path, SHORTHAND)
}

/// Whether the items of a list may be modules.
fn is_list(path: &OptionPath) -> bool {
    fits_in_module(path, LISTS)
}

/// Whether a path is one of `patterns`, in the modules of the machine or in those of something inside of it.
fn fits_in_module(path: &OptionPath, patterns: &[&[&str]]) -> bool {
    let names = path.names();
    let fits = |pattern: &&[&str]| {
        names
            .len()
            .checked_sub(pattern.len())
            .is_some_and(|start| begins(&names[start..], pattern) && (start == 0 || leads_to_module(&names[..start])))
    };
    patterns.iter().any(fits)
}

/// Whether the value of an option is a module.
pub fn is_submodule(path: &OptionPath) -> bool {
    leads_to_module(path.names())
}

/// The same of the names of a path.
pub fn leads_to_module(names: &[Arc<str>]) -> bool {
    !names.is_empty() && depth_of(names) == names.len()
}

/// How many names of a path lead into what is inside of a machine and has modules of its own, and to what is inside of that: a
/// container, a workspace, a user. 0 if it is an option of the machine, or of what that may be started as.
pub fn depth_inside(path: &OptionPath) -> usize {
    let names = path.names();
    if names.first().is_some_and(|first| **first == *SPECIALISATION) { 0 } else { depth_of(names) }
}

/// How many names at the beginning of a path lead through modules, one after another: a container has `home-manager.users` of
/// its own.
fn depth_of(names: &[Arc<str>]) -> usize {
    let mut depth = 0;
    let all = || SUBMODULES.iter().chain(OF_COMPARTMENTS);
    while let Some(pattern) = all().find(|pattern| begins(&names[depth..], pattern)) {
        depth += pattern.len();
    }
    depth
}

/// Whether names begin as a pattern says.
fn begins(names: &[Arc<str>], pattern: &[&str]) -> bool {
    names.len() >= pattern.len() && names.iter().zip(pattern).all(|(name, wanted)| *wanted == "*" || **name == **wanted)
}

/// Whether a name in a path stands for any name.
pub fn is_placeholder(name: &str) -> bool {
    name.starts_with('<') && name.ends_with('>')
}

/// `path` with its beginning `from` replaced by `to`; `<name>` in both stands for the same names.
pub fn renamed(path: &OptionPath, from: &OptionPath, to: &OptionPath) -> Option<OptionPath> {
    if path.names().len() < from.names().len() {
        return None;
    }
    let (start, rest) = path.names().split_at(from.names().len());
    let mut bound = Vec::new();
    for (name, wanted) in start.iter().zip(from.names()) {
        if is_placeholder(wanted) {
            bound.push((wanted, name));
        } else if name != wanted {
            return None;
        }
    }
    let mut names = Vec::new();
    for name in to.names() {
        match bound.iter().find(|(placeholder, _)| **placeholder == *name) {
            Some((_, value)) => names.push((*value).clone()),
            None if is_placeholder(name) => return None,
            None => names.push(name.clone()),
        }
    }
    Some(OptionPath::of(names.iter().chain(rest)))
}

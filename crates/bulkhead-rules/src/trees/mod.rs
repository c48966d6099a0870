//! What the machines' module trees define, under our names for options, for all rules about them.
//!
//! A tree is read once for a machine, and only where some file of the fleet has a word of an option that a rule reads.

pub(crate) mod addresses;
mod beginnings;
mod compartments;
pub(crate) mod container_units;
pub(crate) mod firewall;
pub(crate) mod flags;
pub(crate) mod forced;
pub(crate) mod given;
pub(crate) mod guards;
pub(crate) mod host_keys;
pub(crate) mod inside;
pub(crate) mod made;
mod mapping;
pub(crate) mod namesakes;
pub(crate) mod networkd;
pub(crate) mod nspawn;
pub(crate) mod oci;
pub(crate) mod partial;
pub(crate) mod plugged;
mod reading;
pub(crate) mod repository_file;
mod schema;
pub(crate) mod secret_mention;
mod secret_path;
pub(crate) mod shell;
pub(crate) mod strangers;
pub(crate) mod texts;
pub(crate) mod tmpfiles;
mod when;

use std::borrow::Cow;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_fleet::Machine;
use bulkhead_modules::{
    BUILT_IN, Configuration, Definition, Guard, OptionPath, Undecided, is_apart, is_bulkhead, is_known,
};

pub(crate) use compartments::{Network, Networks, Peer, Purpose, Shape, VPN_CONTAINER, Workspace};
pub use reading::{Origin, OtherSystem, other_systems};
pub(crate) use reading::{Trees, Unread, is_variant_of, read, text_of};
pub(crate) use schema::{Known, OWN, is_submodule, known};
pub(crate) use secret_path::is_secret_path;
pub(crate) use when::{Assumed, When, clashes, written};

pub use mapping::mapping_fault;
pub(crate) use mapping::{Mapping, is_placeholder};

/// So deep may `mkIf` and the like be nested in an item of a list.
const MOST_NESTED: u8 = 64;

/// What the modules of a machine define.
pub(crate) struct Tree<'a> {
    /// The machine; one that only `flake.nix` names has no properties.
    pub(crate) machine: Cow<'a, Machine>,
    /// What messages call it: the machine's name, and for what it may be besides also what that is, as in
    /// `kif (specialisation travel)`.
    pub(crate) name: Arc<str>,
    /// Whether these are all modules of the fleet that the machine has: they are those that `flake.nix` gives it.
    pub(crate) is_whole: bool,
    /// Whether it is a specialisation of a machine that has a tree of its own.
    pub(crate) is_special: bool,
    /// As it was read, without its definitions.
    pub(crate) configuration: Configuration,
    /// Sorted by path.
    definitions: Vec<Named>,
    mapping: Arc<Mapping>,
    /// Its compartments.
    pub(crate) networks: Networks,
    /// Its workspaces.
    pub(crate) workspaces: Vec<Workspace>,
    /// Its files of networkd, where it has compartments.
    pub(crate) networkd: Vec<networkd::File>,
    /// Its files about containers of systemd-nspawn.
    pub(crate) nspawn: Vec<nspawn::File>,
}

/// A definition under our name for its option.
pub(crate) struct Named {
    /// Our name.
    pub(crate) path: OptionPath,
    /// The definition, with the name that is written.
    pub(crate) definition: Definition,
}

impl Named {
    /// Where it is written: its value, its name, or the file. What a function has put together, one of `lib` for example,
    /// may have no place of its own, and is said all the same.
    pub(crate) fn place(&self) -> Place {
        let definition = &self.definition;
        let value = definition.value.place.as_ref().filter(|at| &*at.file != BUILT_IN);
        let at = value.or(definition.key.as_ref());
        at.cloned().unwrap_or_else(|| Place::file(definition.file.clone()))
    }

    /// That it is given, and when.
    pub(crate) fn stated(&self) -> Stated<()> {
        Stated {
            value: (),
            place: Some(self.place()),
            option: self.definition.path.to_string(),
            when: When::of(&self.definition.condition),
        }
    }
}

/// A value that an option has or may have.
#[derive(Clone, Debug)]
pub(crate) struct Stated<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it is written; `None` for a default.
    pub(crate) place: Option<Place>,
    /// The option, as the fleet writes it.
    pub(crate) option: String,
    /// Whether it holds.
    pub(crate) when: When,
}

impl<T> Stated<T> {
    /// The same without the value.
    pub(crate) fn plain(&self) -> Stated<()> {
        self.with(())
    }

    /// The same with another value.
    pub(crate) fn with<V>(&self, value: V) -> Stated<V> {
        Stated { value, place: self.place.clone(), option: self.option.clone(), when: self.when.clone() }
    }
}

impl<'a> Tree<'a> {
    fn new(
        machine: Cow<'a, Machine>,
        name: Arc<str>,
        mut configuration: Configuration,
        is_whole: bool,
        mapping: Arc<Mapping>,
        text_of: &dyn Fn(&str) -> Option<Arc<str>>,
    ) -> Tree<'a> {
        let named = |definition: Definition| Named {
            path: mapping.ours(&definition.path).unwrap_or_else(|| definition.path.clone()),
            definition,
        };
        let mut definitions: Vec<Named> =
            std::mem::take(&mut configuration.definitions).into_iter().map(named).collect();
        definitions.sort_by(|a, b| a.path.cmp(&b.path));
        let mut tree = Tree {
            machine,
            name,
            is_whole,
            is_special: false,
            configuration,
            definitions,
            mapping,
            networks: Networks::default(),
            workspaces: Vec::new(),
            networkd: Vec::new(),
            nspawn: Vec::new(),
        };
        tree.workspaces = compartments::workspaces(&tree);
        tree.networks = compartments::networks(&tree);
        tree.nspawn = nspawn::all_files(&tree, text_of);
        if tree.has_compartments() {
            tree.networkd = networkd::all_files(&tree, &OptionPath::root(), text_of);
        }
        tree
    }

    /// Whether the machine has a `properties.nix`, which says who it is.
    pub(crate) fn has_properties(&self) -> bool {
        matches!(self.machine, Cow::Borrowed(_))
    }

    /// Whether the machine surely has Bulkhead's modules: by way of a `properties.nix`; or from a flake input, and no other
    /// project's that could declare options of the same names.
    pub(crate) fn has_own_modules(&self) -> bool {
        let mut unread = self.configuration.undecided.iter().filter(|undecided| undecided.path.names().is_empty());
        self.has_properties()
            || (unread.clone().all(|undecided| is_apart(&undecided.reason))
                && unread.any(|undecided| is_bulkhead(&undecided.reason)))
    }

    /// Whether this machine has workspaces, other ports of their bridge, or a VPN.
    pub(crate) fn has_compartments(&self) -> bool {
        !self.workspaces.is_empty() || !self.networks.all.is_empty()
    }

    /// The definitions of this option and of those below it.
    pub(crate) fn below(&self, path: &OptionPath) -> &[Named] {
        let start = self.definitions.partition_point(|named| named.path < *path);
        let rest = self.definitions.get(start..).unwrap_or_default();
        let end = rest.partition_point(|named| named.path.starts_with(path));
        rest.get(..end).unwrap_or_default()
    }

    /// All definitions.
    pub(crate) fn definitions(&self) -> &[Named] {
        &self.definitions
    }

    /// The definitions of exactly this option that may count: those with the lowest priority that surely hold, and
    /// those that may with a lower one.
    pub(crate) fn counting(&self, path: &OptionPath) -> Vec<&Named> {
        let all: Vec<&Named> = self.below(path).iter().take_while(|named| named.path == *path).collect();
        let sure = all.iter().filter(|named| named.definition.condition.is_always());
        let best = sure.map(|named| named.definition.priority).min();
        all.into_iter().filter(|named| best.is_none_or(|best| named.definition.priority <= best)).collect()
    }

    /// Whether a definition may count: no stronger one takes its place, and no stronger empty set that of all around it.
    pub(crate) fn counts(&self, named: &Named) -> bool {
        let is_emptied = |depth: usize| {
            let around = OptionPath::of(named.path.names().iter().take(depth));
            self.below(&around).iter().take_while(|other| other.path == around).any(|other| {
                let definition = &other.definition;
                definition.condition.is_always()
                    && definition.priority < named.definition.priority
                    && matches!(&definition.value.kind, DataKind::Attrs(set) if set.attrs.is_empty() && set.open.is_none())
            })
        };
        self.counting(&named.path).iter().any(|counting| std::ptr::eq(*counting, named))
            && !(1..named.path.names().len()).any(is_emptied)
    }

    /// The names right below a path, each with the first definition below it.
    pub(crate) fn children(&self, path: &OptionPath) -> Vec<(Arc<str>, &Named)> {
        let depth = path.names().len();
        let mut found: Vec<(Arc<str>, &Named)> = Vec::new();
        for named in self.below(path) {
            let Some(name) = named.path.names().get(depth) else { continue };
            if found.last().is_none_or(|(last, _)| last != name) {
                found.push((name.clone(), named));
            }
        }
        found
    }

    /// What an option may be, as far as `read` makes something of it. `default` is what it is if nothing defines it.
    pub(crate) fn stated<T>(
        &self,
        path: &OptionPath,
        read: impl Fn(&Data) -> Option<T>,
        default: Option<T>,
    ) -> Vec<Stated<T>> {
        let counting = self.counting(path);
        if let Some(stated) = self.merged(path, &counting, &read) {
            return vec![stated];
        }
        let mut found: Vec<Stated<T>> = counting
            .iter()
            .filter_map(|named| {
                Some(Stated {
                    value: read(&named.definition.value)?,
                    place: Some(named.place()),
                    option: named.definition.path.to_string(),
                    when: when(named, &counting),
                })
            })
            .collect();
        let is_sure = counting.iter().any(|named| named.definition.condition.is_always());
        let declared = self.declared_default(path).and_then(|data| read(&data));
        // That of an option in each of many sets may be made from their names.
        let default = if self.is_declared_by_name(path) { declared.or(default) } else { default.or(declared) };
        if let (false, Some(value)) = (is_sure, default) {
            // It is the default unless one of these holds.
            let mut when = When::default();
            counting.iter().for_each(|named| when.guards.extend(unless(named)));
            let option = counting.first().map_or_else(|| path.to_string(), |named| named.definition.path.to_string());
            if counting.is_empty()
                && let Some(undecided) = self.undecided_at(path)
            {
                let reason = format!("its default is taken, but {}: {}", undecided.what, undecided.reason.reason);
                when.assumed.push(Assumed::value(&option, &reason, undecided.place.clone()));
            }
            found.push(Stated { value, place: None, option, when });
        }
        found
    }

    /// What all definitions of an option come to, where that is certain.
    fn merged<T>(
        &self,
        path: &OptionPath,
        counting: &[&Named],
        read: impl Fn(&Data) -> Option<T>,
    ) -> Option<Stated<T>> {
        // A single one that surely holds tells itself; what several come to depends on types and priorities.
        if counting.len() < 2 {
            return None;
        }
        let written = self.mapping.theirs(path);
        let known = written.iter().find_map(|path| Some((path, self.configuration.value(path)?)));
        let (option, data) = known.filter(|(_, data)| is_known(data))?;
        let same = counting.iter().find(|named| named.definition.value == *data);
        let of_same = same.map(|named| named.place());
        let place = of_same.or_else(|| data.place.clone()).or_else(|| Some(counting.first()?.place()));
        Some(Stated { value: read(data)?, place, option: option.to_string(), when: When::default() })
    }

    /// What a text option may be.
    pub(crate) fn texts(&self, path: &OptionPath, default: Option<&str>) -> Vec<Stated<Arc<str>>> {
        self.stated(path, text, default.map(Arc::from))
    }

    /// What a Boolean option may be.
    pub(crate) fn bools(&self, path: &OptionPath, default: Option<bool>) -> Vec<Stated<bool>> {
        let read = |data: &Data| match data.kind {
            DataKind::Bool(value) => Some(value),
            _ => None,
        };
        self.stated(path, read, default)
    }

    /// The items of a list that all definitions of an option make together, or a single value where a list is allowed.
    pub(crate) fn items(&self, path: &OptionPath) -> Vec<Stated<&Data>> {
        let mut found = Vec::new();
        let counting = self.counting(path);
        for named in &counting {
            let value = &named.definition.value;
            let items = match &value.kind {
                DataKind::List(items) => items.as_slice(),
                DataKind::Null => &[],
                _ => std::slice::from_ref(value),
            };
            for item in items {
                let stated = Stated {
                    value: item,
                    // What a function of `lib` chose has no place of its own.
                    place: item.place.clone().filter(|at| &*at.file != BUILT_IN).or_else(|| Some(named.place())),
                    option: named.definition.path.to_string(),
                    when: when(named, &counting),
                };
                unwrapped(stated, MOST_NESTED, &mut found);
            }
        }
        found
    }

    /// Where an option is true.
    pub(crate) fn on(&self, path: &OptionPath) -> Vec<Stated<()>> {
        self.stated(path, |data| (data.kind == DataKind::Bool(true)).then_some(()), None)
    }

    /// Where an option is false.
    pub(crate) fn off(&self, path: &OptionPath) -> Vec<Stated<()>> {
        self.stated(path, |data| (data.kind == DataKind::Bool(false)).then_some(()), None)
    }

    /// Where an option is given something: a value that is neither null nor empty. Of the items of a
    /// list, one that surely is there if there is one.
    pub(crate) fn given(&self, path: &OptionPath) -> Vec<Stated<()>> {
        let counting = self.counting(path);
        let given = counting.iter().filter_map(|named| {
            let value = &named.definition.value;
            let whole = Stated {
                value,
                place: Some(named.place()),
                option: named.definition.path.to_string(),
                when: when(named, &counting),
            };
            let mut all = Vec::new();
            match &value.kind {
                DataKind::List(items) => {
                    let item = |value| Stated { value, place: whole.place.clone(), ..whole.clone() };
                    items.iter().for_each(|value| unwrapped(item(value), MOST_NESTED, &mut all));
                }
                _ => all.push(whole.clone()),
            }
            all.retain(|item| is_given(item.value));
            let first = all.iter().min_by_key(|item| item.when.guards.len())?;
            Some(Stated { when: first.when.clone(), ..whole.plain() })
        });
        given.collect()
    }

    /// Why definitions of an option that may count are not known, or items of theirs, and where.
    pub(crate) fn unknown(&self, path: &OptionPath) -> Vec<(Arc<str>, Place)> {
        let why = |data: &Data| match &data.kind {
            DataKind::Unknown(unknown) => Some(unknown.reason.clone()),
            DataKind::Failed(failure) => Some(Arc::from(&*failure.message)),
            _ => None,
        };
        let all = self.items(path).into_iter();
        all.filter_map(|item| Some((why(item.value)?, item.place?))).collect()
    }

    /// The default of an option that the tree itself declares.
    fn declared_default(&self, path: &OptionPath) -> Option<Data> {
        let written = self.mapping.theirs(path);
        written.iter().find_map(|path| self.configuration.declared(path)?.default.clone())
    }

    /// Whether the tree declares just this option, and not one for any name in its path.
    fn is_declared_by_name(&self, path: &OptionPath) -> bool {
        self.mapping.theirs(path).iter().any(|path| self.configuration.options.contains_key(path))
    }

    /// Whether the modules declare options below one of our roots themselves, and are not Bulkhead's, which declare more.
    pub(crate) fn declares_otherwise(&self, root: &OptionPath) -> bool {
        let first = root.names().first().map(|name| &**name);
        let (declaring, ours) = match first {
            Some("vpn") => (&["vpn", "vpn.containers", "vpn.enable"][..], "vpn.bridgeName"),
            Some("workspaces") => (&["workspaces"][..], "networking.sandbox.bridge"),
            _ => (&["networking.sandbox", "networking.sandbox.enable"][..], "networking.sandbox.bridge"),
        };
        let declares = |path: &str| self.configuration.options.contains_key(&option(path));
        declaring.iter().any(|path| declares(path)) && !declares(ours)
    }

    /// What the fleet may call our options in quite another place.
    pub(crate) fn elsewhere(&self) -> impl Iterator<Item = &OptionPath> {
        self.mapping.elsewhere()
    }

    /// What we call an option of the fleet.
    pub(crate) fn ours(&self, path: &OptionPath) -> OptionPath {
        self.mapping.ours(path).unwrap_or_else(|| path.clone())
    }

    /// Why something that was not read may define an option, or one below it.
    pub(crate) fn undecided_at(&self, path: &OptionPath) -> Option<&Undecided> {
        let written = self.mapping.theirs(path);
        let matters = |undecided: &&Undecided| !(undecided.path.names().is_empty() && is_apart(&undecided.reason));
        written.iter().find_map(|path| self.configuration.undecided_at(path).into_iter().find(matters))
    }

    /// What the fleet calls an option, or what is above it, going by what it defines.
    pub(crate) fn called(&self, path: &OptionPath) -> OptionPath {
        let first = self.below(path).first();
        first.map_or_else(
            || path.clone(),
            |named| {
                let rest = named.path.names().len() - path.names().len();
                let names = named.definition.path.names();
                OptionPath::of(names.iter().take(names.len().saturating_sub(rest)))
            },
        )
    }
}

/// What an item of a list is: NixOS merges each like an option, so that `mkIf` and the like have their meaning there, too.
pub(crate) fn unwrapped<'d>(item: Stated<&'d Data>, depth: u8, found: &mut Vec<Stated<&'d Data>>) {
    let (Some(depth), DataKind::Attrs(set)) = (depth.checked_sub(1), &item.value.kind) else {
        return found.push(item);
    };
    let get = |name: &str| set.attrs.get(name).map(|field| &field.value);
    let tag = get("_type").and_then(text);
    let inner = |value: &'d Data, when: When| {
        let place = value.place.clone().or_else(|| item.place.clone());
        Stated { value, place, option: item.option.clone(), when }
    };
    match (tag.as_deref(), get("content")) {
        (Some("if"), Some(content)) => match get("condition").map(|test| (test, &test.kind)) {
            Some((_, DataKind::Bool(true))) => unwrapped(inner(content, item.when.clone()), depth, found),
            Some((_, DataKind::Bool(false))) => {}
            Some((test, DataKind::Unknown(reason))) => {
                let guard = Guard { place: test.place.clone(), expected: true, reason: reason.clone() };
                let only = When { guards: vec![guard], assumed: Vec::new() };
                if let Some(when) = item.when.and(&only) {
                    unwrapped(inner(content, when), depth, found);
                }
            }
            _ => found.push(item),
        },
        (Some("merge"), _) => match get("contents").map(|contents| &contents.kind) {
            Some(DataKind::List(contents)) => {
                contents.iter().for_each(|content| unwrapped(inner(content, item.when.clone()), depth, found));
            }
            // It is unknown, and told as that.
            _ => found.extend(get("contents").map(|contents| inner(contents, item.when.clone()))),
        },
        (Some("override" | "order"), Some(content)) => unwrapped(inner(content, item.when.clone()), depth, found),
        _ => found.push(item),
    }
}

/// Whether a value is something, as far as it is known.
fn is_given(data: &Data) -> bool {
    match &data.kind {
        DataKind::Null | DataKind::Unknown(_) | DataKind::Failed(_) => false,
        DataKind::String(text) => !text.is_empty(),
        DataKind::List(items) => !items.is_empty(),
        DataKind::Attrs(set) => !set.attrs.is_empty(),
        _ => true,
    }
}

/// When a definition holds that is one of those that may count: also unless a stronger one does.
fn when(named: &Named, counting: &[&Named]) -> When {
    let mut when = When::of(&named.definition.condition);
    let stronger = counting.iter().filter(|other| other.definition.priority < named.definition.priority);
    for guard in stronger.filter_map(|other| unless(other)) {
        if !when.guards.contains(&guard) {
            when.guards.push(guard);
        }
    }
    when
}

/// What suffices for a definition not to hold.
fn unless(named: &Named) -> Option<Guard> {
    let mut guard = named.definition.condition.guards().first()?.clone();
    guard.expected = !guard.expected;
    Some(guard)
}

/// A path of an option that is written in this program.
pub(crate) fn option(path: &str) -> OptionPath {
    OptionPath::of(path.split('.'))
}

/// A path on a machine without `.`, `..`, doubled slashes and one at its end; other texts as they are.
pub(crate) fn plain_path(path: &str) -> Arc<str> {
    if path.starts_with('/') { Arc::from(bulkhead_eval::normal_path(path)) } else { Arc::from(path) }
}

/// The text of a string.
pub(crate) fn text(data: &Data) -> Option<Arc<str>> {
    match &data.kind {
        DataKind::String(text) => Some(text.clone()),
        _ => None,
    }
}

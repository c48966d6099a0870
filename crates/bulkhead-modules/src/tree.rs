//! Which modules there are: functions are called, imports followed, disabled modules left out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Failure, FailureKind, Unknown};
use bulkhead_eval::{Form, Members, Node, Session, Shape, Split};

use crate::condition::{Condition, Guard};
use crate::library::{Arguments, NOT_READ, is_of_people};
use crate::nixos::{self, Nixos};
use crate::passes::Root;
use crate::{OptionPath, Undecided};

/// So many modules are read at most.
const MAX_MODULES: usize = 20_000;

/// So deep may imports, and splits of unknown lists, be nested.
const MAX_DEPTH: usize = 200;

/// So many branches of values that are unknown are gone into: a function may branch without end.
const MAX_BRANCHES: usize = 10_000;

/// So many problems are told.
const MAX_PROBLEMS: usize = 1_000;

/// The attributes of a module that has `config` or `options`.
const STRUCTURE: &[&str] =
    &["_class", "_file", "key", "disabledModules", "imports", "require", "options", "config", "meta", "freeformType"];

/// The attributes that are no definitions in a module without `config` and `options`.
const SHORTHAND: &[&str] = &["_class", "_file", "key", "disabledModules", "imports", "require", "freeformType"];

/// What the files of NixOS' own modules begin with.
pub const OF_NIXOS: &str = "<nixpkgs>";

/// A module as it is loaded.
pub struct Loaded<'a> {
    pub key: String,
    pub file: Arc<str>,
    pub config: Option<Contents<'a>>,
    pub options: Option<Node<'a>>,
    /// What options are that it does not declare, if it says so.
    pub freeform: Option<Node<'a>>,
    imports: Vec<(usize, Condition)>,
    disabled: Vec<(String, Condition)>,
}

/// What a module defines.
pub enum Contents<'a> {
    /// The value of `config`.
    Config(Node<'a>),
    /// The module itself, apart from its structure.
    Shorthand(Members<'a>),
}

/// What is known of a set of modules: of the whole configuration, or of a submodule.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// What they define together.
    pub config: Node<'a>,
    /// What they declare together.
    pub options: Node<'a>,
}

/// A module of a submodule.
#[derive(Clone)]
pub struct Inner<'a> {
    pub node: Node<'a>,
    pub file: Arc<str>,
    pub condition: Condition,
    pub role: Role,
}

/// How a module is put into a submodule.
#[derive(Clone, Copy, PartialEq)]
pub enum Role {
    /// As it is.
    Module,
    /// Imported by a module of its own, which decides about the order: the modules of an option's type.
    Imported,
    /// It is no module but what the `config` of one would be.
    Config,
}

/// Loads modules, and notes what is wrong or unknown.
pub struct Loader<'s, 'a> {
    pub session: &'s Session<'a>,
    pub arguments: Arguments<'a>,
    pub undecided: Vec<Undecided>,
    pub problems: Vec<Failure>,
    /// What the pass before has found, by the path of the modules.
    pub known: HashMap<OptionPath, Scope<'a>>,
    /// What tells the sets apart that are all of `config`, of any pass.
    pub whole: Option<usize>,
    /// Whether a module asks for `options`.
    pub wants_options: bool,
    /// The modules of specialisations, by their names.
    pub specialised: Vec<(Arc<str>, Inner<'a>)>,
    /// What the modules of users of home-manager are called with besides.
    pub of_homes: HashMap<Arc<str>, Node<'a>>,
    /// The conditions that are unknown, by what tells them apart.
    doubts: HashMap<(Option<Place>, Arc<str>), Node<'a>>,
    /// How many branches of unknown values were gone into.
    branches: usize,
    modules: Vec<Loaded<'a>>,
    by_key: HashMap<String, usize>,
    /// Where these modules are in the configuration: submodules are below its root.
    prefix: OptionPath,
    /// What modules of a submodule are called with as `name`.
    name: Option<Node<'a>>,
}

/// Where a module was found.
struct Origin {
    file: Arc<str>,
    key: String,
    place: Option<Place>,
    depth: usize,
}

/// How messages name a file of the first tree that evaluated code sees at this path.
fn shown(path: &str) -> Arc<str> {
    Arc::from(path.strip_prefix('/').unwrap_or(path))
}

pub fn problem(message: String, place: Option<Place>) -> Failure {
    Failure { message, kind: FailureKind::Evaluation, place, help: None, trace: Vec::new() }
}

impl<'s, 'a> Loader<'s, 'a> {
    pub fn new(session: &'s Session<'a>, arguments: Arguments<'a>) -> Loader<'s, 'a> {
        Loader {
            session,
            arguments,
            undecided: Vec::new(),
            problems: Vec::new(),
            known: HashMap::new(),
            whole: None,
            wants_options: false,
            specialised: Vec::new(),
            of_homes: HashMap::new(),
            doubts: HashMap::new(),
            branches: 0,
            modules: Vec::new(),
            by_key: HashMap::new(),
            prefix: OptionPath::root(),
            name: None,
        }
    }

    pub fn restart(&mut self) {
        self.branches = 0;
        self.undecided.clear();
        self.problems.clear();
        self.specialised.clear();
        self.modules.clear();
        self.by_key.clear();
    }

    pub fn module(&self, index: usize) -> &Loaded<'a> {
        &self.modules[index]
    }

    /// The modules that `starts` begin with, after those of NixOS if they are read too.
    pub fn read(&mut self, starts: &[Root<'a>], nixos: Option<&Nixos>) -> Vec<(usize, Condition)> {
        let mut roots = Vec::new();
        if let Some((nixos, nixpkgs)) = nixos.zip(self.arguments.nixos.clone()) {
            roots.extend(self.nixos(nixos, &nixpkgs));
        }
        for (position, start) in starts.iter().enumerate() {
            let path = match start {
                Root::File(path) => path,
                Root::Value(node, file) => {
                    let key = format!("{file}:{position}");
                    let origin = Origin { file: file.clone(), key: key.clone(), place: None, depth: 0 };
                    let index = self.add(key, file.clone());
                    self.fill(index, *node, &origin, false);
                    roots.push((index, Condition::Always));
                    continue;
                }
                Root::Inner(Inner { node, file, condition, .. }) => {
                    let place = self.session.key(*node);
                    let origin = Origin { file: file.clone(), key: format!("{file}:{position}"), place, depth: 0 };
                    roots.extend(self.module_of(*node, &origin, position, condition));
                    continue;
                }
            };
            match self.session.import(path) {
                Ok(node) => {
                    let key = self.session.absolute(path);
                    let file = self.session.place(node).map_or_else(|| path.to_arc(), |place| place.file);
                    let origin = Origin { file: file.clone(), key: key.clone(), place: None, depth: 0 };
                    let index = self.add(key, file);
                    self.fill(index, node, &origin, false);
                    roots.push((index, Condition::Always));
                }
                Err(failure) => self.failed(failure),
            }
        }
        self.reached(&roots)
    }

    fn nixos(&mut self, nixos: &Nixos, nixpkgs: &str) -> Vec<(usize, Condition)> {
        let list = match nixos::module_list(self.session, nixpkgs) {
            Ok(list) => list,
            Err(failure) => {
                self.failed(failure);
                return Vec::new();
            }
        };
        let origin = Origin { file: Arc::from(OF_NIXOS), key: "nixos".to_owned(), place: None, depth: 0 };
        let mut modules = self.items(list, &Condition::Always, 0, true);
        let platform = nixos.platform.as_ref().map(|name| nixos::platform_module(self.session, name));
        modules.extend(platform.map(|node| (node, Condition::Always)));
        let mut found = Vec::new();
        for (position, (node, condition)) in modules.into_iter().enumerate() {
            found.extend(self.module_of(node, &origin, position, &condition));
        }
        found
    }

    /// Modules below the root, as in a submodule, and their imports. They are called with `special` besides.
    pub fn nested(
        &mut self,
        prefix: &OptionPath,
        modules: &[Inner<'a>],
        special: &[(Arc<str>, Node<'a>)],
    ) -> Vec<(usize, Condition)> {
        let before = (std::mem::replace(&mut self.prefix, prefix.clone()), std::mem::take(&mut self.by_key), self.name);
        let scope = self.known.get(prefix).copied().unwrap_or(self.arguments.not_yet);
        let outer = std::mem::replace(&mut self.arguments.scope, scope);
        let given = std::mem::replace(&mut self.arguments.given, special.iter().cloned().collect());
        // Submodules don't get them.
        let special = match prefix.names() {
            [first, second, _] if **first == *"home-manager" && ["users", "sharedModules"].contains(&&**second) => {
                self.of_homes.clone()
            }
            _ => HashMap::new(),
        };
        let outer_special = std::mem::replace(&mut self.arguments.special, special);
        self.name = prefix.names().last().map(|name| self.arguments.name(self.session, name));
        let mark = self.modules.len();
        let seen = (self.undecided.len(), self.problems.len());
        let mut reached = self.nested_roots(prefix, modules);
        let more = self.module_args(&reached);
        if !more.is_empty() {
            self.modules.truncate(mark);
            self.by_key.clear();
            self.undecided.truncate(seen.0);
            self.problems.truncate(seen.1);
            self.arguments.given.extend(more);
            reached = self.nested_roots(prefix, modules);
        }
        self.arguments.given = given;
        self.arguments.special = outer_special;
        self.arguments.scope = outer;
        (self.prefix, self.by_key, self.name) = before;
        reached
    }

    fn nested_roots(&mut self, prefix: &OptionPath, modules: &[Inner<'a>]) -> Vec<(usize, Condition)> {
        let mut roots = Vec::new();
        for (position, module) in modules.iter().enumerate() {
            let origin = Origin {
                file: module.file.clone(),
                key: format!("{}:{prefix}:{position}", module.file),
                place: self.session.key(module.node),
                depth: 0,
            };
            match module.role {
                Role::Module => roots.extend(self.module_of(module.node, &origin, position, &module.condition)),
                Role::Imported => {
                    let index = self.add(origin.key.clone(), origin.file.clone());
                    let found = self.module_of(module.node, &origin, position, &module.condition);
                    self.modules[index].imports = found;
                    roots.push((index, Condition::Always));
                }
                Role::Config => {
                    let index = self.add(origin.key, origin.file);
                    self.modules[index].config = Some(Contents::Config(module.node));
                    roots.push((index, module.condition.clone()));
                }
            }
        }
        self.reached(&roots)
    }

    /// Forget the modules that were added after there were `count`; none of them may be asked for any more.
    pub fn forget_after(&mut self, count: usize) {
        self.modules.truncate(count);
    }

    /// How many modules there are.
    pub fn count(&self) -> usize {
        self.modules.len()
    }

    /// The value of a condition that is unknown.
    pub fn doubt(&self, guard: &Guard) -> Node<'a> {
        let known = self.doubts.get(&(guard.place.clone(), guard.reason.reason.clone()));
        known.copied().unwrap_or_else(|| self.session.unknown(&guard.reason.reason, guard.reason.help.as_deref()))
    }

    fn add(&mut self, key: String, file: Arc<str>) -> usize {
        let index = self.modules.len();
        self.by_key.insert(key.clone(), index);
        self.modules.push(Loaded {
            key,
            file,
            config: None,
            options: None,
            freeform: None,
            imports: Vec::new(),
            disabled: Vec::new(),
        });
        index
    }

    /// The modules that the roots import, each once and in NixOS' order, without those that are disabled.
    fn reached(&mut self, roots: &[(usize, Condition)]) -> Vec<(usize, Condition)> {
        let mut conditions: HashMap<usize, Condition> = HashMap::new();
        let mut disabled: HashMap<String, Condition> = HashMap::new();
        let mut seen: HashSet<usize> = HashSet::new();
        let mut queue: VecDeque<usize> = roots.iter().map(|(index, _)| *index).collect();
        while let Some(index) = queue.pop_front() {
            if seen.insert(index) {
                for (key, condition) in &self.modules[index].disabled {
                    let is_sure = condition.is_always() && disabled.get(key).is_none_or(|known| !known.is_always());
                    if is_sure || !disabled.contains_key(key) {
                        disabled.insert(key.clone(), condition.clone());
                    }
                }
                queue.extend(self.modules[index].imports.iter().map(|(import, _)| *import));
            }
        }
        // What surely holds first: a module that is imported twice holds if one of the imports does.
        let mut order = Vec::new();
        for sure in [true, false] {
            let mut queue: VecDeque<(usize, Condition)> = roots.iter().cloned().collect();
            let mut walked: HashSet<usize> = HashSet::new();
            while let Some((index, condition)) = queue.pop_front() {
                let condition = match disabled.get(&self.modules[index].key) {
                    None => condition,
                    Some(Condition::Always) => continue,
                    Some(possible) => condition.and_all(possible),
                };
                if (sure && !condition.is_always()) || !walked.insert(index) {
                    continue;
                }
                let condition = conditions.entry(index).or_insert(condition).clone();
                if !sure {
                    order.push((index, condition.clone()));
                }
                let imports = &self.modules[index].imports;
                queue.extend(imports.iter().map(|(import, guard)| (*import, condition.and_all(guard))));
            }
        }
        order
    }

    /// A module that is imported, or several if it is not known which one. Those that can't be read are noted.
    fn module_of(
        &mut self,
        node: Node<'a>,
        origin: &Origin,
        position: usize,
        condition: &Condition,
    ) -> Vec<(usize, Condition)> {
        if self.modules.len() >= MAX_MODULES || origin.depth > MAX_DEPTH {
            let message = format!("more than {MAX_MODULES} modules, or imports nested deeper than {MAX_DEPTH}");
            self.failed(Failure { kind: FailureKind::Limit, ..problem(message, origin.place.clone()) });
            return Vec::new();
        }
        let shape = self.look(node);
        // Our own texts are no places for people.
        let place = self.session.place(node).filter(is_of_people);
        let place = place.or_else(|| origin.place.clone()).or_else(|| Some(Place::file(origin.file.clone())));
        let path = match shape {
            Shape::Path(path) => path,
            // `self + "/modules"` has two slashes where the flake lies at the root.
            Shape::String(path) if path.starts_with('/') => path.replace("//", "/"),
            Shape::Unknown(_, Some(Split::If { condition: test, consequence, alternative })) => {
                let mut modules = Vec::new();
                for (expected, branch) in [(true, consequence), (false, alternative)] {
                    if let Some(condition) = self.guarded(condition, test, expected) {
                        modules.extend(self.module_of(branch, origin, position, &condition));
                    }
                }
                return modules;
            }
            Shape::Unknown(reason, _) => {
                let is_of_nixos = self.session.trail(node).contains("/nixos/modules/");
                let reason = if is_of_nixos { Unknown { reason: Arc::from(NOT_READ), ..reason } } else { reason };
                self.unknown_at(&OptionPath::root(), "an import is unknown", reason, place);
                return Vec::new();
            }
            Shape::Failed(failure) => {
                self.failed((*failure).clone());
                return Vec::new();
            }
            Shape::Attrs(_) | Shape::Function => {
                let key = format!("{}:anon-{}", origin.key, position + 1);
                let index = self.add(key.clone(), origin.file.clone());
                let origin = Origin { file: origin.file.clone(), key, place, depth: origin.depth + 1 };
                self.fill(index, node, &origin, false);
                return vec![(self.by_own_key(index), condition.clone())];
            }
            _ => {
                self.failed(problem(
                    "this is imported but is no module: a set, a function or a path".to_owned(),
                    place,
                ));
                return Vec::new();
            }
        };
        if let Some(index) = self.by_key.get(&path) {
            return vec![(*index, condition.clone())];
        }
        match self.session.import_absolute(&path) {
            Ok(imported) => {
                let file = self.session.place(imported).map_or_else(|| shown(&path), |place| place.file);
                let index = self.add(path.clone(), file.clone());
                self.fill(index, imported, &Origin { file, key: path, place, depth: origin.depth + 1 }, false);
                vec![(self.by_own_key(index), condition.clone())]
            }
            Err(mut failure) => {
                if failure.place.is_none() {
                    failure.place = place;
                }
                self.failed(failure);
                Vec::new()
            }
        }
    }

    /// The module with the `key` that this one gives itself: the first one counts.
    fn by_own_key(&mut self, index: usize) -> usize {
        let key = self.modules[index].key.clone();
        *self.by_key.entry(key).or_insert(index)
    }

    /// Read the value of a module.
    fn fill(&mut self, index: usize, node: Node<'a>, origin: &Origin, called: bool) {
        let members = match self.look(node) {
            Shape::Attrs(members) if members.get("__functor").is_none() => members,
            Shape::Function | Shape::Attrs(_) if !called => {
                let formals = self.session.formals(node).unwrap_or_default();
                let names: Vec<&'static str> = formals.iter().map(|formal| formal.name).collect();
                self.wants_options |= names.is_empty() || names.contains(&"options");
                match self.arguments.call(self.session, node, &names, self.name) {
                    Ok(body) => self.fill(index, body, origin, true),
                    Err(failure) => self.failed(failure),
                }
                return;
            }
            Shape::Unknown(reason, split) => {
                let place = self.session.place(node);
                match split {
                    // `{ … }: if c then { … } else { … }`: each is a module of its own.
                    Some(Split::If { condition, consequence, alternative }) => {
                        for (expected, branch) in [(true, consequence), (false, alternative)] {
                            if let Some(condition) = self.guarded(&Condition::Always, condition, expected) {
                                let found = self.module_of(branch, origin, usize::from(expected), &condition);
                                self.modules[index].imports.extend(found);
                            }
                        }
                    }
                    _ => self.unknown_at(&OptionPath::root(), "a module is unknown", reason, place),
                }
                return;
            }
            Shape::Failed(failure) => return self.failed((*failure).clone()),
            _ => {
                let place = self.session.place(node).or_else(|| Some(Place::file(origin.file.clone())));
                return self.failed(problem("a module must be a set, or a function that gives one".to_owned(), place));
            }
        };
        if self.tag(&members).is_some_and(|tag| tag != "module") {
            // `mkIf c { … }` in the place of a module.
            self.modules[index].config = Some(Contents::Config(node));
            return;
        }
        if let Some(unknown) = &members.open {
            self.unknown_at(
                &OptionPath::root(),
                "a module has further, unknown parts",
                unknown.clone(),
                self.session.place(node),
            );
        }
        if let Some(file) = members.get("_file")
            && let Shape::String(file) | Shape::Path(file) = self.session.look(file)
        {
            self.modules[index].file = self.session.display(&file).unwrap_or_else(|| shown(&file));
        }
        if let Some(key) = members.get("key")
            && let Shape::String(key) = self.session.look(key)
        {
            self.modules[index].key = key;
        }
        for name in ["disabledModules", "require", "imports"] {
            let Some(list) = members.get(name) else { continue };
            for (position, (node, condition)) in self.items(list, &Condition::Always, 0, true).into_iter().enumerate() {
                if name == "disabledModules" {
                    let disabled = self.disabled(node);
                    self.modules[index].disabled.extend(disabled.map(|key| (key, condition)));
                } else {
                    let found = self.module_of(node, origin, position, &condition);
                    self.modules[index].imports.extend(found);
                }
            }
        }
        self.modules[index].freeform = members.get("freeformType");
        if members.get("config").is_some() || members.get("options").is_some() {
            let unsupported = members.attrs.iter().find(|(name, _)| !STRUCTURE.contains(name));
            if let Some((name, node)) = unsupported {
                let message = format!("the module has an attribute `{name}` beside `config` or `options`");
                let mut failure = problem(message, self.session.key(*node));
                failure.help = Some(format!("move `{name}` into `config`"));
                self.failed(failure);
            }
            self.modules[index].config = members.get("config").map(Contents::Config);
            self.modules[index].options = members.get("options");
        } else {
            let definitions = members.attrs.into_iter().filter(|(name, _)| !SHORTHAND.contains(name)).collect();
            let members =
                Members { attrs: definitions, open: None, rest: None, update: None, identity: members.identity };
            self.modules[index].config = Some(Contents::Shorthand(members));
        }
    }

    /// Whether a value is all of `config`, or of `options`: it holds itself, and is not gone into.
    pub fn is_whole(&self, node: Node<'a>) -> bool {
        self.whole.is_some() && matches!(self.session.form(node), Form::Attrs(identity) if Some(identity) == self.whole)
    }

    /// What a value is; of one that is unknown also what it is put together of, as long as that has an end.
    pub fn look(&mut self, node: Node<'a>) -> Shape<'a> {
        match self.session.look(node) {
            Shape::Unknown(reason, Some(split)) => {
                self.branches += 1;
                Shape::Unknown(reason, (self.branches <= MAX_BRANCHES).then_some(split))
            }
            shape => shape,
        }
    }

    /// The items of a list; of one that is unknown, those that its expression tells. `note` what remains unknown.
    pub fn items(
        &mut self,
        list: Node<'a>,
        condition: &Condition,
        depth: usize,
        note: bool,
    ) -> Vec<(Node<'a>, Condition)> {
        match self.look(list) {
            Shape::List(items) => items.into_iter().map(|item| (item, condition.clone())).collect(),
            Shape::Unknown(_, Some(split @ (Split::Concat(..) | Split::If { .. }))) if depth < MAX_DEPTH => match split
            {
                Split::Update(..) => Vec::new(),
                Split::Concat(left, right) => {
                    let mut items = self.items(left, condition, depth + 1, note);
                    items.extend(self.items(right, condition, depth + 1, note));
                    items
                }
                Split::If { condition: test, consequence, alternative } => {
                    let mut items = Vec::new();
                    for (expected, branch) in [(true, consequence), (false, alternative)] {
                        if let Some(condition) = self.guarded(condition, test, expected) {
                            items.extend(self.items(branch, &condition, depth + 1, note));
                        }
                    }
                    items
                }
            },
            Shape::Unknown(reason, _) => {
                if note {
                    let place = self.session.place(list).filter(is_of_people);
                    self.unknown_at(&OptionPath::root(), "a list of modules is unknown", reason, place);
                }
                Vec::new()
            }
            Shape::Failed(failure) => {
                self.failed((*failure).clone());
                Vec::new()
            }
            _ => {
                self.failed(problem("this must be a list".to_owned(), self.session.place(list)));
                Vec::new()
            }
        }
    }

    /// The key of a module that is disabled.
    fn disabled(&mut self, node: Node<'a>) -> Option<String> {
        match self.session.look(node) {
            Shape::Path(path) => Some(path),
            // Other strings name modules of NixOS.
            Shape::String(path) => match &self.arguments.nixos {
                Some(nixpkgs) if !path.starts_with('/') => Some(format!("{nixpkgs}/nixos/modules/{path}")),
                _ => path.starts_with('/').then_some(path),
            },
            Shape::Attrs(members) => match members.get("key") {
                Some(key) => match self.session.look(key) {
                    Shape::String(key) | Shape::Path(key) => Some(key),
                    Shape::Unknown(..) | Shape::Failed(_) => self.disabled(key),
                    _ => self.no_module(node),
                },
                None => self.no_module(node),
            },
            Shape::Failed(failure) => {
                self.failed((*failure).clone());
                None
            }
            Shape::Unknown(reason, _) => {
                if *reason.reason != *NOT_READ {
                    let place = self.session.place(node);
                    self.unknown_at(&OptionPath::root(), "a module is disabled, but not known which", reason, place);
                }
                None
            }
            _ => self.no_module(node),
        }
    }

    fn no_module(&mut self, node: Node<'a>) -> Option<String> {
        let message = "this is disabled but names no module: a path, or a set with `key`".to_owned();
        self.failed(problem(message, self.session.place(node)));
        None
    }

    /// A condition that holds if `test` is as expected too; `None` if it surely is not.
    pub fn guarded(&mut self, condition: &Condition, test: Node<'a>, expected: bool) -> Option<Condition> {
        if let Form::Bool(value) = self.session.form(test) {
            return (value == expected).then(|| condition.clone());
        }
        match self.session.look(test) {
            Shape::Unknown(reason, _) => {
                let place = self.session.place(test);
                self.doubts.insert((place.clone(), reason.reason.clone()), test);
                Some(condition.and(Guard { place, expected, reason }))
            }
            Shape::Failed(failure) => {
                self.failed((*failure).clone());
                None
            }
            _ => {
                self.failed(problem("a condition must be true or false".to_owned(), self.session.place(test)));
                None
            }
        }
    }

    /// The number that `mkOverride` or `mkOrder` was given; why it is not known, if it is not.
    pub fn number(&self, members: &Members<'a>) -> Result<i64, Unknown> {
        let unknown = |reason: &str| Unknown { reason: reason.into(), help: None, place: None };
        let node = members.get("priority").ok_or_else(|| unknown("it has no number"))?;
        match self.session.look(node) {
            Shape::Int(number) => Ok(number),
            Shape::Unknown(reason, _) => Err(reason),
            Shape::Failed(failure) => Err(unknown(&format!("its evaluation failed: {}", failure.message))),
            _ => Err(unknown("a priority or order that is no number")),
        }
    }

    /// `_type` of a set, if it is there and not known.
    pub fn unknown_tag(&self, members: &Members<'a>) -> Option<Node<'a>> {
        let tag = members.get("_type")?;
        (self.session.form(tag) == Form::Unknown).then_some(tag)
    }

    /// `_type` of what is a set.
    pub fn tag_of(&self, node: Node<'a>) -> Option<String> {
        match self.session.look(self.session.member(node, "_type")?) {
            Shape::String(tag) => Some(tag),
            _ => None,
        }
    }

    /// `_type` of a set.
    pub fn tag(&self, members: &Members<'a>) -> Option<String> {
        match self.session.look(members.get("_type")?) {
            Shape::String(tag) => Some(tag),
            _ => None,
        }
    }

    /// What `_module.args` surely defines, once.
    pub fn module_args(&self, modules: &[(usize, Condition)]) -> HashMap<Arc<str>, Node<'a>> {
        self.given_by(modules, ["_module", "args"])
    }

    /// What home-manager calls the modules of users with besides.
    pub fn home_args(&self, modules: &[(usize, Condition)]) -> HashMap<Arc<str>, Node<'a>> {
        self.given_by(modules, ["home-manager", "extraSpecialArgs"])
    }

    /// The attributes of an option that is a set, as far as one module alone says what they are.
    fn given_by(&self, modules: &[(usize, Condition)], option: [&str; 2]) -> HashMap<Arc<str>, Node<'a>> {
        let [set, name] = option;
        let mut found: HashMap<Arc<str>, Vec<Node<'a>>> = HashMap::new();
        for (index, condition) in modules {
            let module = match &self.modules[*index].config {
                Some(Contents::Shorthand(members)) => members.get(set),
                Some(Contents::Config(node)) => self.session.member(*node, set),
                None => None,
            };
            let args = module.and_then(|module| self.session.member(module, name));
            let Some(Shape::Attrs(args)) = args.map(|node| self.session.look(node)) else { continue };
            if self.tag(&args).is_some() || !condition.is_always() {
                continue;
            }
            for (name, node) in args.attrs {
                found.entry(Arc::from(name)).or_default().push(node);
            }
        }
        let plain = |node: Node<'a>| match self.session.look(node) {
            Shape::Attrs(members) => self.tag(&members).is_none(),
            Shape::Failed(_) => false,
            _ => true,
        };
        let once = found.into_iter().filter(|(_, nodes)| nodes.len() == 1 && plain(nodes[0]));
        once.map(|(name, nodes)| (name, nodes[0])).collect()
    }

    /// Note that `path` below these modules may have more.
    pub fn unknown_at(&mut self, path: &OptionPath, what: &'static str, reason: Unknown, place: Option<Place>) {
        let path = OptionPath::of(self.prefix.names().iter().chain(path.names()));
        self.undecided.push(Undecided { path, what, reason, place });
    }

    /// Note what is wrong.
    pub fn failed(&mut self, failure: Failure) {
        if self.problems.len() < MAX_PROBLEMS && !self.problems.contains(&failure) {
            self.problems.push(failure);
        }
    }
}

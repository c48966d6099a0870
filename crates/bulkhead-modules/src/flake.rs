//! The NixOS systems that a flake makes, as far as can be told without its inputs; or a hive of colmena (`hive.nix`), or any
//! other file, by the functions of a nixpkgs for that (`import <nixpkgs/nixos>`, `eval-config.nix`, `pkgs.nixos`).
//!
//! `outputs` is called with inputs whose contents are unknown but for the functions that make systems
//! (`flake.nix` beside this file): `nixosSystem` keeps what it is given, and so the modules of each system can be read.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Failure, Unknown};
use bulkhead_eval::{Members, Node, ParsedText, Session, Shape, Split, World, url_of};
use bulkhead_source::{FileTree, TreePath};

use crate::libraries::{Library, repository, source};
use crate::library::{Arguments, OUTSIDE, OWN_FLAKE, PACKAGES, is_of_people, unusable};
use crate::nixos::{Nixos, nixpkgs};
use crate::passes::{Root, no_thread, read, run, run_again};
use crate::tree::{Scope, problem};
use crate::{Configuration, OptionPath, UNKNOWN_BESIDES, Undecided};

const FLAKE: &str = "flake.nix";
const HIVE: &str = "hive.nix";

/// What a network of nodes says of itself: in `meta`, if it is a hive of colmena, and in `network`, if it is one of morph or
/// NixOps.
const OF_META: [&str; 6] =
    ["machinesFile", "nixpkgs", "nodeNixpkgs", "nodeSpecialArgs", "specialArgs", "allowApplyAll"];
const OF_NETWORK: [&str; 10] = [
    "description",
    "enableRollback",
    "evalConfig",
    "lockInfo",
    "nixConfig",
    "nixpkgs",
    "ordering",
    "pkgs",
    "specialArgs",
    "storage",
];

/// What modules have, and no set of systems.
const OF_MODULES: [&str; 4] = ["config", "imports", "options", "disabledModules"];

/// Why nothing is known of what is made of modules.
const OF_MODULES_MADE: &str = "what is made of these modules is not evaluated";

/// What modules and tests have, and no network of nodes.
const OF_OTHERS: [&str; 6] = ["config", "imports", "nodes", "options", "outputs", "testScript"];

/// The name that stands for our text in places.
const NAME: &str = "<built-in flake>";

static PARSED: OnceLock<ParsedText> = OnceLock::new();

/// What a flake gives out may be read by the modules that make it: so often is it evaluated with what is known then.
const ROUNDS: usize = 3;

/// And so often more where modules have others of the flake in them that are not known yet: each round knows those that are
/// one step further, for all systems of the flake.
const FURTHER_ROUNDS: usize = 12;

/// Where Bulkhead itself comes from.
const OWN: &str = "bulkhead-nix/bulkhead";

/// Flakes whose modules define nothing of workspaces, VPNs and firewalls, by owner and name of the repository.
const APART: [&str; 13] = [
    OWN,
    "danth/stylix",
    "mic92/sops-nix",
    "nix-community/disko",
    "nix-community/home-manager",
    "nix-community/impermanence",
    "nix-community/lanzaboote",
    "nix-community/nix-index-database",
    "nix-community/stylix",
    "nixos/nixos-hardware",
    "nixos/nixpkgs",
    "ryantm/agenix",
    "yaxitech/ragenix",
];

/// How the reason ends why a module of such a flake is unknown.
const APART_REASON: &str = ", and its modules say nothing about isolation";

/// How the reason begins, after the input's name, why a module of Bulkhead itself is unknown.
const OWN_REASON: &str = "is Bulkhead, which is not fetched";

/// Whether something is unknown because it is in Bulkhead itself.
pub fn is_bulkhead(reason: &Unknown) -> bool {
    (is_apart(reason) && reason.reason.contains(OWN_REASON)) || fetched_apart(reason) == Some(OWN)
}

/// Whether something is unknown because it is in another flake, whose modules surely define nothing of workspaces, VPNs
/// and firewalls.
pub fn is_apart(reason: &Unknown) -> bool {
    reason.reason.ends_with(APART_REASON) || fetched_apart(reason).is_some()
}

/// The flake in [`APART`] that something would be fetched from which is unknown.
fn fetched_apart(reason: &Unknown) -> Option<&'static str> {
    apart(&repository(&url_of(&reason.reason)?.to_ascii_lowercase())?)
}

/// The one of [`APART`] that a repository is, by owner and name.
fn apart(repository: &str) -> Option<&'static str> {
    APART.iter().find(|known| **known == repository).copied()
}

/// Whether something is unknown because it is known only where a flake makes the system: an argument of its modules, or what
/// the flake itself gives out.
pub fn is_given(reason: &Unknown) -> bool {
    &*reason.reason == OWN_FLAKE || (reason.reason.starts_with(OUTSIDE.0) && reason.reason.ends_with(OUTSIDE.1))
}

/// Outputs of a flake whose systems are read by themselves.
const READ_APART: [&str; 3] = ["colmena", "colmenaHive", "nixosConfigurations"];

/// Outputs of a flake that have no systems.
const WITHOUT_SYSTEMS: [&str; 14] = [
    "_type",
    "darwinModules",
    "devShell",
    "devShells",
    "flakeModules",
    "formatter",
    "homeManagerModules",
    "homeModules",
    "inputs",
    "lib",
    "modules",
    "nixosModules",
    "overlays",
    "templates",
];

/// What flake-parts makes outputs of for each system.
const OF_SYSTEM: [&str; 4] = ["apps", "checks", "legacyPackages", "packages"];

/// Systems are looked for so deep in what a flake gives out, and in so many values.
const MOST_DEEP: usize = 64;
const MOST_VALUES: usize = 10_000;

/// So many sets may be put together of which one is unknown.
const MOST_SIDES: u8 = 32;

/// How the name of a system of a hive ends where `nixosConfigurations` has one of that name, too.
const OF_HIVE: &str = " (colmena)";

/// What a system of a hive is called in `nixosConfigurations`, if there is one of its name there as well.
///
/// ```
/// assert_eq!(bulkhead_modules::name_outside_hive("kif (colmena)"), Some("kif"));
/// assert_eq!(bulkhead_modules::name_outside_hive("kif"), None);
/// ```
pub fn name_outside_hive(name: &str) -> Option<&str> {
    name.strip_suffix(OF_HIVE)
}

/// The NixOS systems of a flake.
#[derive(Clone, Debug, Default)]
pub struct Systems {
    /// Those that it names, sorted by name.
    pub systems: Vec<System>,
    /// Whether `lib.mkFleet` makes a system of each machine's folder.
    pub has_fleet: bool,
    /// Why there may be others.
    pub unknown: Option<(Unknown, Option<Place>)>,
    /// What is wrong with the flake.
    pub problem: Option<Failure>,
    /// Whether it is no flake and no network of nodes, so that it need not make any.
    pub is_plain: bool,
}

/// Whose modules a system is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// NixOS.
    NixOs,
    /// nix-darwin.
    Darwin,
    /// home-manager, by itself.
    Home,
}

impl Platform {
    /// Its name in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Platform::NixOs => "nixos",
            Platform::Darwin => "nix-darwin",
            Platform::Home => "home-manager",
        }
    }

    /// By what our text says that something is.
    fn of(tag: &str) -> Option<Platform> {
        match tag {
            "nixos-system" => Some(Platform::NixOs),
            "darwin-system" => Some(Platform::Darwin),
            "home-configuration" => Some(Platform::Home),
            _ => None,
        }
    }
}

/// A system that a flake makes.
#[derive(Clone, Debug)]
pub struct System {
    /// Its name in `nixosConfigurations`, or in the hive of colmena.
    pub name: Arc<str>,
    /// Where the flake names it.
    pub place: Option<Place>,
    /// Why its modules are unknown, if they are.
    pub unknown: Option<Unknown>,
    /// Whether it is only found in what else the flake gives out, as an image or for deploy-rs: it may say again what
    /// another one says.
    pub is_product: bool,
    /// What it is made of.
    pub platform: Platform,
}

/// The file in `tree` that makes systems: `flake.nix`, or `hive.nix` where there is no flake, as colmena takes them.
pub fn systems_file(tree: &dyn FileTree) -> Option<TreePath> {
    [FLAKE, HIVE].into_iter().filter_map(|name| TreePath::new(name).ok()).find(|path| tree.exists(path))
}

/// The systems that a file in the first tree of `world` makes: a flake, a network of nodes, or what has systems in its value.
pub fn systems(world: &World, flake: &TreePath) -> Systems {
    let found = world.session(|session| {
        if let Err(failure) = know_nixpkgs(session, world, true) {
            return Systems { problem: Some(failure), ..Systems::default() };
        }
        if kind_of(session, flake).is_none() {
            return Systems::default();
        }
        match Outputs::of(session, world, flake) {
            Ok(outputs) => outputs.systems().0,
            Err(failure) => Systems { problem: Some(failure), ..Systems::default() },
        }
    });
    found.unwrap_or_else(|error| Systems { problem: Some(no_thread(&error)), ..Systems::default() })
}

/// What a file is that may make systems.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Flake,
    /// A hive of colmena, or a network of nodes.
    Hive,
    /// Anything else.
    Plain,
}

/// A flake or a hive by its name, a network of nodes by what it says; anything else unless it is a module or a function that
/// others call.
fn kind_of(session: &Session<'_>, path: &TreePath) -> Option<Kind> {
    if path.name() == FLAKE {
        // In other folders, files of this name may be anything.
        let is_function = || matches!(session.import(path).map(|node| session.look(node)), Ok(Shape::Function));
        return (path.as_str() == FLAKE || !is_function()).then_some(Kind::Flake);
    }
    if path.as_str() == HIVE {
        return Some(Kind::Hive);
    }
    let value = value_of(session, session.import(path).ok()?)?;
    let Shape::Attrs(network) = session.look(value) else { return Some(Kind::Plain) };
    let says = |name: &str, known: &[&str]| match network.get(name).map(|node| session.look(node)) {
        Some(Shape::Attrs(about)) => known.iter().any(|name| about.get(name).is_some()),
        _ => false,
    };
    let has = |names: &[&str]| names.iter().any(|name| network.get(name).is_some());
    if (says("meta", &OF_META) || says("network", &OF_NETWORK)) && !has(&OF_OTHERS) {
        return Some(Kind::Hive);
    }
    let is_system = tag(session, &network).as_deref().and_then(Platform::of).is_some();
    (is_system || !has(&OF_MODULES)).then_some(Kind::Plain)
}

/// What a file gives that is called as Nix calls what it builds: without arguments.
fn value_of<'a>(session: &Session<'a>, value: Node<'a>) -> Option<Node<'a>> {
    match session.look(value) {
        Shape::Function => session.call(value, session.attrs(Vec::new(), None)).ok(),
        _ => Some(value),
    }
}

/// From here on functions of a nixpkgs that make systems are known, wherever it comes from.
/// `at_hand` is whether that is also said of one at hand, which else is evaluated.
fn know_nixpkgs(session: &Session<'_>, world: &World, at_hand: bool) -> Result<(), Failure> {
    let made = session.own_text(&PARSED, include_str!("flake.nix"), NAME)?;
    let not_known = session.attrs(Vec::new(), Some(session.unknown(OF_MODULES_MADE, None)));
    let null = session.null();
    let argument = [("flake", null), ("given", null), ("inputs", null), ("kind", null), ("notKnown", not_known)];
    let lib = crate::library::lib(session, world)?;
    let packages = session.attrs(Vec::new(), Some(session.unknown(PACKAGES, None)));
    let libraries = session.attrs(Vec::new(), None);
    let others = [("lib", lib), ("libraries", libraries), ("packages", packages), ("root", null)];
    let all = session.call(made, session.attrs(argument.into_iter().chain(others).collect(), None))?;
    if let Shape::Attrs(all) = session.look(all)
        && let Some(stand_in) = all.get("standIn")
    {
        session.stand_in(stand_in, at_hand);
    }
    Ok(())
}

/// Read the modules of a system that a flake makes, and `files` as further ones; with `nixos` as [`crate::load_nixos`].
pub fn load_system(
    world: &World,
    flake: &TreePath,
    name: &str,
    files: &[TreePath],
    nixos: Option<&Nixos>,
) -> Configuration {
    let nixpkgs = nixos.and_then(|_| nixpkgs(world));
    read(world, nixpkgs, |session, mut arguments, configuration| {
        let mut roots: Vec<Root<'_>> = files.iter().cloned().map(Root::File).collect();
        match know_nixpkgs(session, world, true).and_then(|()| Outputs::of(session, world, flake)) {
            // There is nothing to go round for.
            Ok(outputs) if nixos.is_some() && !outputs.is_of_parts => {
                outputs.modules_of(name, &mut roots, &mut arguments, configuration);
            }
            Ok(mut outputs) => {
                // Without the modules of NixOS it takes little to tell how often the flake is evaluated.
                let plain = if nixos.is_some() { outputs.base.clone() } else { arguments.clone() };
                let read = outputs.read(|outputs| {
                    let (mut roots, mut arguments) = (roots.clone(), plain.clone());
                    let mut configuration = Configuration::default();
                    outputs.modules_of(name, &mut roots, &mut arguments, &mut configuration);
                    run(session, arguments, &roots, None, &mut configuration);
                    configuration
                });
                if nixos.is_none() {
                    let problems = std::mem::take(&mut configuration.problems);
                    *configuration = read;
                    configuration.problems.splice(0..0, problems);
                    return;
                }
                outputs.modules_of(name, &mut roots, &mut arguments, configuration);
            }
            Err(failure) => configuration.problems.push(failure),
        }
        // The modules of NixOS call it as well, for containers.
        if let (Some(_), Err(failure)) = (nixos, know_nixpkgs(session, world, false)) {
            configuration.problems.push(failure);
        }
        run(session, arguments, &roots, nixos, configuration);
    })
}

/// What is read of a file that makes systems.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'w> {
    /// The system of this name, with further modules: as [`load_system`].
    System(&'w str, &'w [TreePath]),
    /// A machine whose own modules begin in these files, without those that the flake gives it besides, which can't be
    /// known.
    Beginning(&'w [TreePath]),
}

/// Why there may be more in [`Wanted::Beginning`].
const GIVEN_BESIDES: &str = "what else the flake gives to this machine can't be known";

/// What makes a machine that is read from where its own modules begin a part of one.
pub fn given_besides(flake: Option<&TreePath>) -> Undecided {
    Undecided {
        path: OptionPath::root(),
        what: UNKNOWN_BESIDES,
        reason: Unknown { reason: Arc::from(GIVEN_BESIDES), help: None, place: None },
        place: flake.map(|flake| Place::file(flake.to_arc())),
    }
}

/// Read one machine as [`Wanted::Beginning`].
pub fn load_beginning(world: &World, flake: Option<&TreePath>, files: &[TreePath]) -> Configuration {
    let wanted = [Wanted::Beginning(files)];
    let read = load_several(world, flake, &wanted, &AtomicUsize::new(0), &|_, configuration| configuration);
    read.into_iter().next().map(|(_, configuration)| configuration).unwrap_or_default()
}

/// Systems are read in one session until they have taken so many bytes: until then each saves the evaluation of the flake,
/// which takes longer than that of many a system; and none of the memory comes back before.
const MOST_SHARED: u64 = 64 << 20;

/// Read those of `wanted` that nobody has taken yet, and give each to `made` with its index. Several threads may share
/// `taken`, the number of those that are taken. The file is evaluated once for many of them; what each may use is the
/// same as if it were read alone.
pub fn load_several<R: Send>(
    world: &World,
    flake: Option<&TreePath>,
    wanted: &[Wanted<'_>],
    taken: &AtomicUsize,
    made: &(dyn Fn(usize, Configuration) -> R + Sync),
) -> Vec<(usize, R)> {
    let take = || {
        let index = taken.fetch_add(1, Ordering::Relaxed);
        wanted.get(index).map(|wanted| (index, *wanted))
    };
    let of_systems = wanted.iter().any(|wanted| matches!(wanted, Wanted::System(..)));
    let mut all = Vec::new();
    while let Some(first) = take() {
        let read = world.session(|session| {
            let mut read = Vec::new();
            let mut shared = Shared::of(session, world, flake, of_systems);
            let mark = session.mark();
            let mut next = Some(first);
            while let Some((index, wanted)) = next {
                session.begin_again(mark);
                read.push((index, made(index, shared.read(session, world, flake, wanted))));
                next = if session.used_since(mark).1 > MOST_SHARED { None } else { take() };
            }
            read
        });
        match read {
            Ok(read) => all.extend(read),
            Err(error) => {
                let problems = vec![no_thread(&error)];
                all.push((first.0, made(first.0, Configuration { problems, ..Configuration::default() })));
            }
        }
    }
    all
}

/// What systems of a file have in common.
struct Shared<'s, 'a> {
    arguments: Result<Arguments<'a>, Failure>,
    outputs: Option<Result<Outputs<'s, 'a>, Failure>>,
    /// What nearly all flakes call modules with: their inputs, and many themselves.
    given: OnceCell<Vec<(Arc<str>, Node<'a>)>>,
}

impl<'s, 'a> Shared<'s, 'a> {
    fn of(session: &'s Session<'a>, world: &World, flake: Option<&TreePath>, of_systems: bool) -> Shared<'s, 'a> {
        let known = if of_systems { know_nixpkgs(session, world, true) } else { Ok(()) };
        let outputs = |flake| known.and_then(|()| Outputs::of(session, world, flake));
        let outputs = flake.map(outputs);
        let arguments = match &outputs {
            Some(Ok(outputs)) => Ok(outputs.base.clone()),
            _ => Arguments::new(session, world),
        };
        Shared { arguments, outputs, given: OnceCell::new() }
    }

    fn read(
        &mut self,
        session: &'s Session<'a>,
        world: &World,
        flake: Option<&TreePath>,
        wanted: Wanted<'_>,
    ) -> Configuration {
        let problems: Vec<Failure> = unusable(session, world).into_iter().collect();
        let mut configuration = Configuration { problems: problems.clone(), ..Configuration::default() };
        let mut arguments = match &self.arguments {
            Ok(arguments) => arguments.clone(),
            Err(failure) => {
                configuration.problems.push(failure.clone());
                return configuration;
            }
        };
        let (Wanted::System(_, files) | Wanted::Beginning(files)) = wanted;
        let roots: Vec<Root<'_>> = files.iter().cloned().map(Root::File).collect();
        match (wanted, &mut self.outputs) {
            (_, None) => {}
            (Wanted::System(name, _), Some(Ok(outputs))) => {
                return outputs.read(|outputs| {
                    let (mut roots, mut arguments) = (roots.clone(), arguments.clone());
                    let mut configuration = Configuration { problems: problems.clone(), ..Configuration::default() };
                    outputs.modules_of(name, &mut roots, &mut arguments, &mut configuration);
                    run(session, arguments, &roots, None, &mut configuration);
                    configuration
                });
            }
            (Wanted::System(..), Some(Err(failure))) => configuration.problems.push(failure.clone()),
            (Wanted::Beginning(_), Some(outputs)) => {
                let given = self.given.get_or_init(|| outputs.as_ref().map_or_else(|_| Vec::new(), Outputs::given));
                arguments.special.extend(given.iter().cloned());
                configuration.undecided.push(given_besides(flake));
            }
        }
        run(session, arguments, &roots, None, &mut configuration);
        configuration
    }
}

/// A flake, or another file that may make systems, that can be called with inputs of which nothing is known.
struct Called<'s, 'a> {
    session: &'s Session<'a>,
    flake: Node<'a>,
    inputs: Node<'a>,
    /// What stands in for those inputs that are libraries which make systems.
    libraries: Node<'a>,
    /// `flake.nix` beside this file.
    text: Node<'a>,
    lib: Node<'a>,
    not_known: Node<'a>,
    packages: Node<'a>,
    root: Node<'a>,
    kind: Kind,
}

impl<'s, 'a> Called<'s, 'a> {
    fn of(session: &'s Session<'a>, world: &World, path: &TreePath) -> Result<Called<'s, 'a>, Failure> {
        let mut flake = session.import(path)?;
        let kind = kind_of(session, path).unwrap_or(Kind::Plain);
        if kind == Kind::Plain {
            flake = value_of(session, flake).unwrap_or(flake);
        }
        let reason = if kind == Kind::Plain { OF_MODULES_MADE } else { OWN_FLAKE };
        let unknown = |reason| session.attrs(Vec::new(), Some(session.unknown(reason, None)));
        Ok(Called {
            session,
            flake,
            inputs: if kind == Kind::Flake { inputs(session, flake) } else { session.attrs(Vec::new(), None) },
            libraries: if kind == Kind::Flake { libraries(session, flake)? } else { session.attrs(Vec::new(), None) },
            text: session.own_text(&PARSED, include_str!("flake.nix"), NAME)?,
            lib: crate::library::lib(session, world)?,
            not_known: unknown(reason),
            packages: unknown(PACKAGES),
            root: session.string(&session.absolute(&path.parent().unwrap_or_else(TreePath::root))),
            kind,
        })
    }

    /// What comes of it, where `given` is what it gives out as far as that is known.
    fn made(&self, given: Node<'a>) -> Result<Option<Members<'a>>, Failure> {
        let kind = self.session.string(match self.kind {
            Kind::Flake => "flake",
            Kind::Hive => "hive",
            Kind::Plain => "plain",
        });
        let argument = self.session.attrs(
            vec![
                ("flake", self.flake),
                ("given", given),
                ("inputs", self.inputs),
                ("kind", kind),
                ("lib", self.lib),
                ("libraries", self.libraries),
                ("notKnown", self.not_known),
                ("packages", self.packages),
                ("root", self.root),
            ],
            None,
        );
        match self.session.look(self.session.call(self.text, argument)?) {
            Shape::Attrs(all) => Ok(Some(all)),
            _ => Ok(None),
        }
    }
}

/// Where something is unknown because it is what the flake itself gives out.
fn own_unknown(configuration: &Configuration) -> HashSet<(Option<Place>, OptionPath)> {
    let own = configuration.undecided.iter().filter(|undecided| &*undecided.reason.reason == OWN_FLAKE);
    own.map(|undecided| (undecided.place.clone(), undecided.path.clone())).collect()
}

/// What a flake gives out.
struct Outputs<'s, 'a> {
    session: &'s Session<'a>,
    file: Arc<str>,
    called: Called<'s, 'a>,
    /// What modules are called with that are not those of flake-parts.
    base: Arguments<'a>,
    value: Node<'a>,
    /// What was known of that before: what `self` has is one of these.
    before: Vec<Node<'a>>,
    /// Whether modules of flake-parts make it.
    is_of_parts: bool,
    /// How many further rounds there may be.
    further: usize,
    /// What makes a hive of colmena of the attribute `colmena`.
    make_hive: Option<Node<'a>>,
    /// Modules of flake-parts that say something for one system, which stands for all; and what they are called with.
    per_system: Option<(Arguments<'a>, Root<'a>)>,
    /// What they say.
    of_system: OnceCell<Option<Node<'a>>>,
    /// Why modules of flake-parts may say more.
    unseen: Option<Undecided>,
    kind: Kind,
    /// What it gives out, as far as the next round may know it.
    given: Node<'a>,
    /// What modules of flake-parts made of themselves in the last round.
    known: HashMap<OptionPath, Scope<'a>>,
}

impl<'s, 'a> Outputs<'s, 'a> {
    fn of(session: &'s Session<'a>, world: &World, path: &TreePath) -> Result<Outputs<'s, 'a>, Failure> {
        let called = Called::of(session, world, path)?;
        let kind = called.kind;
        let base = Arguments::of_lib(session, called.lib);
        let file = path.to_arc();
        let mut outputs = Outputs {
            session,
            file,
            value: called.not_known,
            base: base.clone(),
            called,
            before: Vec::new(),
            is_of_parts: false,
            further: FURTHER_ROUNDS,
            make_hive: None,
            per_system: None,
            of_system: OnceCell::new(),
            unseen: None,
            kind,
            given: session.null(),
            known: HashMap::new(),
        };
        for _ in 0..ROUNDS {
            if !outputs.round()? {
                break;
            }
        }
        Ok(outputs)
    }

    /// Evaluate it with what is known; whether that may tell more the next time.
    fn round(&mut self) -> Result<bool, Failure> {
        let session = self.session;
        let Some(all) = self.called.made(self.given)? else { return Ok(false) };
        let of_parts = ["arguments", "ofSystem", "options", "products"].map(|name| all.get(name));
        let (Some(value), [Some(arguments), Some(of_system), Some(options), Some(products)]) =
            (all.get("outputs"), of_parts)
        else {
            return Ok(false);
        };
        (self.value, self.make_hive) = (value, all.get("makeHive"));
        if self.kind == Kind::Plain {
            return Ok(false);
        }
        let Shape::Attrs(members) = session.look(value) else { return Ok(false) };
        let (Some("flake-parts"), Some(module)) = (tag(session, &members).as_deref(), members.get("module")) else {
            return Ok(false);
        };
        let mut configuration = Configuration::default();
        let mut called = self.base.clone();
        let members = |node| match session.look(node) {
            Shape::Attrs(members) => members.attrs,
            _ => Vec::new(),
        };
        let arguments: HashMap<Arc<str>, Node<'a>> =
            members(arguments).into_iter().map(|(name, node)| (Arc::from(name), node)).collect();
        called.special = arguments.clone();
        called.is_flake = true;
        if let Some(scope) = self.known.get(&OptionPath::root()) {
            called.set_scope(session, *scope)?;
        }
        called.known = std::mem::take(&mut self.known);
        // The module may be a path.
        let all = session.attrs(vec![("imports", session.list(&[options, module]))], None);
        let roots = [Root::Value(all, self.file.clone())];
        let config;
        (config, self.known) = run_again(session, called, &roots, &mut configuration);
        let of_problem = |failure: Failure| Undecided {
            path: OptionPath::root(),
            what: "a module can't be read",
            reason: Unknown { reason: Arc::from(failure.message), help: failure.help.map(Arc::from), place: None },
            place: failure.place,
        };
        // What is said of `perSystem`, and of what has no systems, makes none.
        let may_make = |undecided: &Undecided| match undecided.path.names() {
            [] => true,
            [flake, rest @ ..] => {
                &**flake == "flake" && !rest.first().is_some_and(|name| WITHOUT_SYSTEMS.contains(&&**name))
            }
        };
        let undecided = configuration.undecided.into_iter().filter(may_make);
        self.unseen = configuration.problems.into_iter().map(of_problem).chain(undecided).next();
        let Shape::Attrs(config) = session.look(config) else { return Ok(false) };
        if let Some(module) = config.get("perSystem") {
            let mut called = self.base.clone();
            called.special = arguments;
            called.special.extend(members(of_system).into_iter().map(|(name, node)| (Arc::from(name), node)));
            let all = session.attrs(vec![("imports", session.list(&[products, module]))], None);
            self.per_system = Some((called, Root::Value(all, self.file.clone())));
        }
        let Some(flake) = config.get("flake") else { return Ok(false) };
        self.before.extend(self.is_of_parts.then_some(self.given));
        (self.value, self.given) = (flake, flake);
        self.of_system = OnceCell::new();
        self.is_of_parts = true;
        Ok(true)
    }

    /// What `read` makes of it, with as many rounds as that needs: modules of flake-parts have each other in them by way of
    /// what the flake gives out.
    fn read(&mut self, read: impl Fn(&Self) -> Configuration) -> Configuration {
        let mut configuration = read(self);
        let mut open = own_unknown(&configuration);
        while self.is_of_parts && !open.is_empty() && self.further > 0 {
            self.further -= 1;
            let before = (self.value, self.make_hive);
            if !matches!(self.round(), Ok(true)) {
                // What is known stays so for the systems that come next.
                (self.value, self.make_hive) = before;
                self.further = 0;
                break;
            }
            configuration = read(self);
            let left = own_unknown(&configuration);
            if left == open {
                break;
            }
            open = left;
        }
        for problem in &mut configuration.problems {
            self.place(problem);
        }
        configuration
    }

    /// What has failed in a text of ours has come from one of people: that is where it is told, or else in the flake.
    fn place(&self, problem: &mut Failure) {
        if problem.place.as_ref().is_none_or(is_of_people) {
            return;
        }
        let called = problem.trace.iter().find_map(|(place, _)| place.clone().filter(is_of_people));
        problem.place = Some(called.unwrap_or_else(|| Place::file(self.file.clone())));
    }

    /// What modules of flake-parts say for one system.
    fn of_system(&self) -> Option<Node<'a>> {
        let run = || {
            let (called, root) = self.per_system.clone()?;
            Some(run(self.session, called, &[root], None, &mut Configuration::default()))
        };
        *self.of_system.get_or_init(run)
    }

    /// What nearly all flakes call modules with. nixos-unified hands over the same as `flake`.
    fn given(&self) -> Vec<(Arc<str>, Node<'a>)> {
        let made = self.called.made(if self.is_of_parts { self.value } else { self.session.null() });
        let arguments = made.ok().flatten().and_then(|made| made.get("arguments"));
        let Some(Shape::Attrs(given)) = arguments.map(|given| self.session.look(given)) else { return Vec::new() };
        let mut all: Vec<(&'static str, Node<'a>)> =
            ["inputs", "self"].into_iter().filter_map(|name| Some((name, given.get(name)?))).collect();
        all.push(("flake", self.session.attrs(all.clone(), Some(self.session.unknown(GIVEN_BESIDES, None)))));
        all.into_iter().map(|(name, node)| (Arc::from(name), node)).collect()
    }

    /// An output of a flake.
    fn member(&self, name: &str) -> Shape<'a> {
        if self.kind == Kind::Plain {
            return Shape::Null;
        }
        match self.session.look(self.value) {
            Shape::Attrs(members) => match (members.get(name), members.open) {
                (Some(node), _) => self.session.look(node),
                (None, Some(reason)) => Shape::Unknown(reason, None),
                (None, None) => Shape::Null,
            },
            Shape::Null => Shape::Unknown(self.reason(), None),
            other => other,
        }
    }

    fn reason(&self) -> Unknown {
        Unknown { reason: Arc::from(OWN_FLAKE), help: None, place: None }
    }

    /// The nodes of the hive of colmena that the flake gives out, if it gives out one.
    fn hive(&self) -> Option<Shape<'a>> {
        if self.kind == Kind::Plain {
            return None;
        }
        let Shape::Attrs(members) = self.session.look(self.value) else { return None };
        let is_given = |node: &Node<'a>| !matches!(self.session.look(*node), Shape::Null);
        let hive = match (members.get("colmenaHive").filter(is_given), members.get("colmena")) {
            (Some(hive), _) => hive,
            (None, Some(raw)) => match self.session.call(self.make_hive?, raw) {
                Ok(hive) => hive,
                Err(failure) => return Some(Shape::Failed(Arc::new(failure))),
            },
            (None, None) => return None,
        };
        match self.session.look(hive) {
            Shape::Attrs(hive) => match (hive.get("nodes"), hive.open) {
                (Some(nodes), _) => Some(self.session.look(nodes)),
                (None, open) => open.map(|reason| Shape::Unknown(reason, None)),
            },
            other => Some(other),
        }
    }

    /// The systems, and those of them that are products.
    fn systems(&self) -> (Systems, Vec<(Arc<str>, Node<'a>)>) {
        let mut found = Systems { is_plain: self.kind == Kind::Plain, ..Systems::default() };
        let wrong = |what: &str| problem(format!("`{what}` must be a set"), self.session.place(self.value));
        match self.member("nixosConfigurations") {
            Shape::Attrs(members) => {
                // That there are none is the default, which a module that is not seen may change.
                if let (true, Some(unseen)) = (members.attrs.is_empty(), &self.unseen) {
                    found.unknown = Some((unseen.reason.clone(), unseen.place.clone()));
                }
                self.add_systems(&members, false, &mut found);
            }
            Shape::Null => {}
            Shape::Unknown(reason, _) => {
                let unseen = self.unseen.as_ref().map(|unseen| (unseen.reason.clone(), unseen.place.clone()));
                found.unknown = Some(unseen.unwrap_or((reason, None)));
            }
            Shape::Failed(failure) => found.problem = Some((*failure).clone()),
            _ => found.problem = Some(wrong("nixosConfigurations")),
        }
        match self.hive() {
            None => {}
            Some(Shape::Attrs(nodes)) => self.add_systems(&nodes, true, &mut found),
            Some(Shape::Unknown(reason, _)) => {
                found.unknown.get_or_insert((reason, None));
            }
            Some(Shape::Failed(failure)) => {
                found.problem.get_or_insert((*failure).clone());
            }
            Some(_) => {
                found.problem.get_or_insert_with(|| wrong("colmena"));
            }
        }
        let products = self.products(&mut found);
        if let (Kind::Plain, Shape::Unknown(reason, _)) = (self.kind, self.session.look(self.value))
            && products.is_empty()
        {
            found.unknown.get_or_insert((reason, None));
        }
        found.systems.sort_by(|a, b| a.name.cmp(&b.name));
        (found, products)
    }

    /// Add the systems that are found elsewhere in what the flake gives out.
    fn products(&self, found: &mut Systems) -> Vec<(Arc<str>, Node<'a>)> {
        let mut walk = Products {
            outputs: self,
            seen: self.known_arguments(),
            looked: 0,
            found: Vec::new(),
            is_too_deep: false,
            beside: None,
        };
        match self.session.look(self.value) {
            _ if self.kind == Kind::Plain => walk.look(self.value, &OptionPath::root(), &mut Vec::new()),
            Shape::Attrs(outputs) => {
                for (name, node) in outputs
                    .attrs
                    .iter()
                    .filter(|(name, _)| !READ_APART.contains(name) && !WITHOUT_SYSTEMS.contains(name))
                {
                    walk.look(*node, &OptionPath::root().join(name), &mut vec![outputs.identity]);
                }
            }
            _ => return Vec::new(),
        }
        if let Some(of_system) = self.of_system()
            && let Shape::Attrs(all) = self.session.look(of_system)
        {
            for (name, node) in all.attrs.iter().filter(|(name, _)| OF_SYSTEM.contains(name)) {
                walk.look(*node, &OptionPath::of([name, "<system>"]), &mut vec![all.identity]);
            }
        }
        if let Some(beside) = walk.beside.take() {
            found.unknown.get_or_insert(beside);
        }
        let limit = if walk.looked > MOST_VALUES {
            Some(format!("systems are looked for in {MOST_VALUES} values that a file gives out, and there are more"))
        } else {
            walk.is_too_deep.then(|| format!("systems are looked for {MOST_DEEP} levels deep in what a file gives out"))
        };
        if let Some(reason) = limit {
            found.unknown.get_or_insert((Unknown { reason: Arc::from(reason), help: None, place: None }, None));
        }
        let mut all = Vec::new();
        for (path, node, platform) in walk.found {
            // For a machine of this name, where nothing else is.
            let short: Option<Arc<str>> = match path.names() {
                [] => Some(self.own_name()),
                _ if platform != Platform::NixOs => None,
                [deploy, nodes, name, ..] if (&**deploy, &**nodes) == ("deploy", "nodes") => Some(name.clone()),
                [.., all, name] if &**all == "nixosConfigurations" => Some(name.clone()),
                _ => None,
            };
            let place = self.session.key(node).filter(is_of_people);
            let system =
                |name: &Arc<str>| System { name: name.clone(), place, unknown: None, is_product: true, platform };
            let is_free = |name: &Arc<str>| {
                !found.systems.iter().any(|known| known.name == *name && known.unknown.is_none()) && !found.has_fleet
            };
            let name = short.filter(is_free).unwrap_or_else(|| Arc::from(path.to_string()));
            match found.systems.iter_mut().find(|known| known.name == name) {
                Some(known) if known.unknown.is_some() => *known = system(&name),
                Some(_) => continue,
                None => found.systems.push(system(&name)),
            }
            all.push((name, node));
        }
        all
    }

    /// What a system is called that is all that a file gives: as the file or its folder is.
    fn own_name(&self) -> Arc<str> {
        let path = self.file.strip_suffix(".nix").unwrap_or(&self.file);
        let path = path.strip_suffix("/default").unwrap_or(path);
        Arc::from(path.rsplit('/').next().unwrap_or(path))
    }

    /// What tells apart what the systems were made of that the flake names as such. What it says of itself is made of what was
    /// known before, and is the same.
    fn known_arguments(&self) -> HashSet<usize> {
        let of = |members: Members<'a>| {
            let made = |(name, node): (&'static str, Node<'a>)| Some((name, self.arguments(node)?.identity));
            members.attrs.into_iter().filter_map(made).collect::<HashMap<_, _>>()
        };
        let named = match self.member("nixosConfigurations") {
            Shape::Attrs(members) => of(members),
            _ => HashMap::new(),
        };
        let nodes = match self.hive() {
            Some(Shape::Attrs(members)) => of(members),
            _ => HashMap::new(),
        };
        let mut known: HashSet<usize> = named.values().chain(nodes.values()).copied().collect();
        for value in &self.before {
            let Shape::Attrs(outputs) = self.session.look(*value) else { continue };
            let systems = outputs.get("nixosConfigurations").map(|node| self.session.look(node));
            if let Some(Shape::Attrs(systems)) = systems {
                known
                    .extend(of(systems).into_iter().filter(|(name, _)| named.contains_key(name)).map(|(_, made)| made));
            }
        }
        known
    }

    /// What a system was made of.
    fn arguments(&self, node: Node<'a>) -> Option<Members<'a>> {
        let Shape::Attrs(system) = self.session.look(node) else { return None };
        match self.session.look(system.get("arguments")?) {
            Shape::Attrs(arguments) => Some(arguments),
            _ => None,
        }
    }

    /// Add systems by name. One that is there already stays, unless its modules are unknown; that of a hive is another one
    /// then ([`name_outside_hive`]).
    fn add_systems(&self, members: &Members<'a>, is_hive: bool, found: &mut Systems) {
        let is_fleet = tag(self.session, members).as_deref() == Some("fleet");
        found.has_fleet |= is_fleet;
        if let (Some(reason), false) = (&members.open, is_fleet) {
            found.unknown.get_or_insert((reason.clone(), None));
        }
        for (name, node) in &members.attrs {
            if is_fleet && ["_type", "arguments", "outPath", "type"].contains(name) {
                continue;
            }
            let unknown = match self.session.look(*node) {
                Shape::Attrs(system) if tag(self.session, &system).as_deref() == Some("nixos-system") => None,
                Shape::Unknown(reason, _) => Some(reason),
                Shape::Failed(failure) => Some(Unknown {
                    reason: Arc::from(&*failure.message),
                    help: failure.help.as_deref().map(Arc::from),
                    place: failure.place.clone(),
                }),
                _ => Some(self.reason()),
            };
            let place = self.session.key(*node).filter(is_of_people);
            let name_of: Arc<str> = Arc::from(*name);
            let system = System { name: name_of, place, unknown, is_product: false, platform: Platform::NixOs };
            match found.systems.iter_mut().find(|known| known.name == system.name) {
                Some(known) if known.unknown.is_some() && system.unknown.is_none() => *known = system,
                Some(_) if is_hive && system.unknown.is_none() => {
                    found.systems.push(System { name: Arc::from(format!("{name}{OF_HIVE}")), ..system });
                }
                Some(_) => {}
                None => found.systems.push(system),
            }
        }
    }

    /// What a system was made of, by its name in a set of systems.
    fn made_of(&self, members: &Members<'a>, name: &str) -> Option<Members<'a>> {
        self.arguments(members.get(name)?)
    }

    /// Add the modules of a system to `roots`, and what they are called with to `arguments`.
    fn modules_of(
        &self,
        name: &str,
        roots: &mut Vec<Root<'a>>,
        arguments: &mut Arguments<'a>,
        configuration: &mut Configuration,
    ) {
        let mut more = |reason: Unknown| {
            configuration.undecided.push(Undecided {
                path: OptionPath::root(),
                what: "a list of modules is unknown",
                reason,
                place: Some(Place::file(self.file.clone())),
            });
        };
        let outside = name_outside_hive(name);
        let name = outside.unwrap_or(name);
        let (members, unknown) = match self.member("nixosConfigurations") {
            _ if outside.is_some() => (None, None),
            Shape::Attrs(members) => (Some(members), None),
            Shape::Unknown(reason, _) => (None, Some(reason)),
            _ => (None, None),
        };
        let of_hive = || match self.hive()? {
            Shape::Attrs(nodes) => self.made_of(&nodes, name),
            _ => None,
        };
        let of_product = || {
            let (_, products) = self.systems();
            let (_, node) = products.into_iter().find(|(product, _)| **product == *name)?;
            self.arguments(node)
        };
        let given = members.as_ref().and_then(|members| self.made_of(members, name)).or_else(of_hive);
        let given = given.or_else(of_product);
        let mut sources = Vec::new();
        if let Some(members) = &members
            && tag(self.session, members).as_deref() == Some("fleet")
            && let Some(Shape::Attrs(fleet)) = members.get("arguments").map(|node| self.session.look(node))
        {
            let own = match fleet.get("machines").map(|node| self.session.look(node)) {
                Some(Shape::Attrs(machines)) => match machines.get(name).map(|node| self.session.look(node)) {
                    None => machines.open.map(|reason| Shape::Unknown(reason, None)),
                    own => own,
                },
                machines => machines,
            };
            sources.push(fleet);
            match own {
                Some(Shape::Attrs(own)) => sources.push(own),
                Some(Shape::Unknown(reason, _)) => more(reason),
                _ => {}
            }
        }
        sources.extend(given);
        if sources.is_empty() {
            return more(unknown.unwrap_or_else(|| self.reason()));
        }
        for source in sources {
            for name in ["extraArgs", "specialArgs"] {
                let Some(node) = source.get(name) else { continue };
                if let Shape::Attrs(special) = self.session.look(node) {
                    arguments.special.extend(special.attrs.into_iter().map(|(name, node)| (Arc::from(name), node)));
                }
            }
            if let Some(lib) = source.get("lib") {
                arguments.special.insert(Arc::from("lib"), lib);
            }
            // That of a nixpkgs which is not at hand, with additions of the fleet or without, is like the one that is.
            if arguments.special.get("lib").is_some_and(|lib| matches!(self.session.look(*lib), Shape::Unknown(..))) {
                arguments.special.remove("lib");
            }
            for name in ["baseModules", "modules", "extraModules"] {
                let Some(modules) = source.get(name) else { continue };
                let module = self.session.attrs(vec![("imports", modules)], None);
                roots.push(Root::Value(module, self.file.clone()));
            }
            if let (None, Some(reason)) = (source.get("modules"), source.open) {
                more(reason);
            }
        }
    }
}

/// A walk through what a flake gives out.
struct Products<'w, 's, 'a> {
    outputs: &'w Outputs<'s, 'a>,
    /// What known systems are made of.
    seen: HashSet<usize>,
    looked: usize,
    found: Vec<(OptionPath, Node<'a>, Platform)>,
    is_too_deep: bool,
    /// What is unknown in a set that has systems in it, and where: it may be one as well.
    beside: Option<(Unknown, Option<Place>)>,
}

impl<'a> Products<'_, '_, 'a> {
    /// `around` are the sets that it lies in.
    fn look(&mut self, node: Node<'a>, path: &OptionPath, around: &mut Vec<usize>) {
        self.looked += 1;
        if self.looked > MOST_VALUES || around.len() > MOST_DEEP {
            self.is_too_deep |= around.len() > MOST_DEEP;
            return;
        }
        let session = self.outputs.session;
        match session.look(node) {
            Shape::Attrs(members) if !around.contains(&members.identity) => {
                if let Some(platform) = tag(session, &members).as_deref().and_then(Platform::of) {
                    if let Some(arguments) = self.outputs.arguments(node)
                        && self.seen.insert(arguments.identity)
                    {
                        self.found.push((path.clone(), node, platform));
                    }
                    return;
                }
                let is_package = members
                    .get("type")
                    .is_some_and(|kind| matches!(session.look(kind), Shape::String(kind) if kind == "derivation"));
                if is_package || members.get("_type").is_some() {
                    return;
                }
                around.push(members.identity);
                let mut has_system = false;
                for (name, node) in &members.attrs {
                    let before = self.found.len();
                    let path = path.join(name);
                    self.look(*node, &path, around);
                    has_system |= self.found.iter().skip(before).any(|(found, ..)| *found == path);
                }
                around.pop();
                if has_system && self.outputs.kind == Kind::Plain && self.beside.is_none() {
                    self.beside = self.unknown_in(&members);
                }
            }
            Shape::Unknown(_, Some(Split::If { consequence, alternative, .. })) => {
                self.look(consequence, path, around);
                self.look(alternative, path, around);
            }
            Shape::Unknown(_, Some(Split::Update(left, right))) => {
                let before = self.found.len();
                self.look(left, path, around);
                self.look(right, path, around);
                if self.found.len() > before && self.outputs.kind == Kind::Plain && self.beside.is_none() {
                    self.beside = [left, right].iter().find_map(|side| self.unknown(*side, MOST_SIDES));
                }
            }
            _ => {}
        }
    }

    /// What is unknown in a set, and may be a system.
    fn unknown_in(&self, members: &Members<'a>) -> Option<(Unknown, Option<Place>)> {
        let of_members = members.attrs.iter().find_map(|(_, node)| self.unknown(*node, MOST_SIDES));
        of_members.or_else(|| members.open.clone().filter(may_be_system).map(|reason| (reason, None)))
    }

    fn unknown(&self, node: Node<'a>, depth: u8) -> Option<(Unknown, Option<Place>)> {
        match self.outputs.session.look(node) {
            Shape::Unknown(_, Some(Split::Update(left, right))) if depth > 0 => {
                [left, right].into_iter().find_map(|side| self.unknown(side, depth - 1))
            }
            Shape::Unknown(_, Some(Split::If { .. })) => None,
            Shape::Unknown(reason, _) if may_be_system(&reason) => {
                Some((reason, self.outputs.session.key(node).filter(is_of_people)))
            }
            _ => None,
        }
    }
}

/// Packages are none.
fn may_be_system(unknown: &Unknown) -> bool {
    &*unknown.reason != PACKAGES
}

/// The inputs of a flake, each with nothing known in it.
fn inputs<'a>(session: &Session<'a>, flake: Node<'a>) -> Node<'a> {
    let mut names: Vec<(&'static str, Option<&str>)> = Vec::new();
    let mut open = None;
    if let Shape::Attrs(flake) = session.look(flake) {
        match flake.get("inputs").map(|node| session.look(node)) {
            Some(Shape::Attrs(inputs)) => {
                open = inputs.rest;
                names.extend(
                    inputs
                        .attrs
                        .iter()
                        .map(|(name, node)| (*name, source(session, *node).and_then(|source| apart(&source)))),
                );
            }
            Some(Shape::Unknown(reason, _)) => open = Some(session.unknown(&reason.reason, None)),
            _ => {}
        }
        let formals = flake.get("outputs").and_then(|outputs| session.formals(outputs)).unwrap_or_default();
        let others = formals.iter().map(|formal| formal.name).filter(|name| names.iter().all(|known| known.0 != *name));
        let others: Vec<_> = others.map(|name| (name, None)).collect();
        names.extend(others);
    }
    let input = |(name, apart): (&'static str, Option<&str>)| {
        let what = if apart == Some(OWN) { OWN_REASON } else { "is not fetched" };
        let end = if apart.is_some() { APART_REASON } else { "" };
        let reason = format!("the flake input `{name}` {what}{end}");
        (name, session.attrs(Vec::new(), Some(session.unknown(&reason, None))))
    };
    session.attrs(names.into_iter().filter(|(name, _)| *name != "self").map(input).collect(), open)
}

/// What stands in for inputs of a flake that are libraries which make systems, by the inputs' names.
fn libraries<'a>(session: &Session<'a>, flake: Node<'a>) -> Result<Node<'a>, Failure> {
    let mut known = Vec::new();
    if let Shape::Attrs(flake) = session.look(flake)
        && let Some(Shape::Attrs(inputs)) = flake.get("inputs").map(|node| session.look(node))
    {
        for (name, input) in inputs.attrs {
            if let Some(library) = Library::of(session, input) {
                known.push((name, library.stand_in(session)?));
            }
        }
    }
    Ok(session.attrs(known, None))
}

fn tag<'a>(session: &Session<'a>, members: &Members<'a>) -> Option<String> {
    match session.look(members.get("_type")?) {
        Shape::String(tag) => Some(tag),
        _ => None,
    }
}

//! `lib`, and what else modules are called with.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::Failure;
use bulkhead_eval::{Identity, Node, ParsedText, Session, Shape, World};

use crate::OptionPath;
use crate::nixos;
use crate::tree::Scope;

/// The name that stands for the built-in `lib` in places.
pub const BUILT_IN: &str = "<built-in lib>";

/// Whether a place is in a file, and not in a text of this program.
pub fn is_of_people(place: &Place) -> bool {
    !place.file.starts_with("<built-in ")
}

/// Why `modulesPath` is unknown.
pub const NOT_READ: &str = "NixOS' own modules are not read";

/// Why something is unknown that is read from `config` or `options` in the first pass. What is so after the last one
/// reads itself.
pub const NOT_YET: &str = "`config` depends on itself here";

/// Why a package is unknown.
pub const PACKAGES: &str = "packages are not evaluated";

/// Why there is more in `config` than these modules define.
pub const NIXOS_CONFIG: &str = "`config` is what all modules define together, and NixOS' own are not read";

/// The same of `options`.
pub const NIXOS_OPTIONS: &str = "`options` are those of all modules, and NixOS' own are not read";

/// Why `inputs.self` is unknown.
pub const OWN_FLAKE: &str = "what this flake gives out is not evaluated";

/// Around the name of a module argument that is not known.
pub const OUTSIDE: (&str, &str) = ("the module argument `", "` comes from outside of these modules");

/// Module arguments that are other projects, or sets of them, wherever fleets get them from.
pub const FOREIGN_PROJECTS: &[&str] = &[
    "agenix",
    "disko",
    "home-manager",
    "impermanence",
    "inputs",
    "lanzaboote",
    "microvm",
    "nix-index-database",
    "nixos-generators",
    "nixos-hardware",
    "nixos-wsl",
    "nixpkgs",
    "nixpkgs-unstable",
    "nur",
    "ragenix",
    "simple-nixos-mailserver",
    "sops-nix",
    "stylix",
];

const TEXT: &str = include_str!("lib.nix");

static PARSED: OnceLock<ParsedText> = OnceLock::new();

/// The values that modules are called with.
#[derive(Clone)]
pub struct Arguments<'a> {
    lib: Node<'a>,
    pkgs: Node<'a>,
    /// `config` and `options`.
    pub scope: Scope<'a>,
    /// What these are where nothing is known yet.
    pub not_yet: Scope<'a>,
    /// What was found before, where the same modules are read again with more that they are called with.
    pub known: HashMap<OptionPath, Scope<'a>>,
    modules_path: Node<'a>,
    /// Whether the modules are those of flake-parts, so that ones that are not seen may say anything of `flake`.
    pub is_flake: bool,
    /// Where the nixpkgs is whose modules are read too, if they are.
    pub nixos: Option<String>,
    /// What `_module.args` defines.
    pub given: HashMap<Arc<str>, Node<'a>>,
    /// `specialArgs`: they come before all else.
    pub special: HashMap<Arc<str>, Node<'a>>,
    /// What modules were called with before, and gave.
    calls: Rc<Calls<'a>>,
}

/// What modules gave that are functions, for all configurations of a session. What a module gave stays evaluated: called with
/// the same again, as in the next pass if it reads no `config`, it takes no time.
#[derive(Default)]
struct Calls<'a> {
    /// By the function, and by what it sees of its arguments.
    given: RefCell<HashMap<(Identity, Vec<Identity>), Node<'a>>>,
    /// Arguments that come from outside, by their names.
    outside: RefCell<HashMap<&'static str, Node<'a>>>,
    /// The names of submodules.
    names: RefCell<HashMap<Arc<str>, Node<'a>>>,
}

impl<'a> Arguments<'a> {
    pub fn new(session: &Session<'a>, world: &World) -> Result<Arguments<'a>, Failure> {
        Ok(Arguments::of_lib(session, lib(session, world)?))
    }

    /// The same, with a `lib` at hand.
    pub fn of_lib(session: &Session<'a>, lib: Node<'a>) -> Arguments<'a> {
        let packages = session.unknown(PACKAGES, None);
        let not_yet = Scope { config: session.unknown(NOT_YET, None), options: session.unknown(NOT_YET, None) };
        Arguments {
            lib,
            pkgs: session.attrs(vec![("lib", lib)], Some(packages)),
            scope: not_yet,
            not_yet,
            known: HashMap::new(),
            modules_path: session.unknown(NOT_READ, None),
            is_flake: false,
            nixos: None,
            given: HashMap::new(),
            special: HashMap::new(),
            calls: Rc::default(),
        }
    }

    /// For a machine whose modules are those of NixOS too.
    pub fn in_nixos(session: &Session<'a>, world: &World, nixpkgs: &str) -> Result<Arguments<'a>, Failure> {
        let mut arguments = Arguments::new(session, world)?;
        arguments.modules_path = session.string(&format!("{nixpkgs}/nixos/modules"));
        arguments.nixos = Some(nixpkgs.to_owned());
        arguments.set_scope(session, arguments.not_yet)?;
        Ok(arguments)
    }

    /// Let modules see what a pass has found.
    pub fn set_scope(&mut self, session: &Session<'a>, scope: Scope<'a>) -> Result<(), Failure> {
        self.scope = scope;
        if let Some(nixpkgs) = &self.nixos {
            self.pkgs = nixos::packages(session, nixpkgs, self.lib, scope.config)?;
        }
        Ok(())
    }

    /// What a module gives that is a function, whose pattern has these names.
    pub fn call(
        &self,
        session: &Session<'a>,
        function: Node<'a>,
        names: &[&'static str],
        name: Option<Node<'a>>,
    ) -> Result<Node<'a>, Failure> {
        let Some(seen) = session.seen_by(function) else {
            return session.call(function, self.of(session, names, name));
        };
        let seen = seen.into_iter().map(|wanted| self.argument(session, wanted, name).identity());
        let key = (function.identity(), seen.collect());
        if let Some(known) = self.calls.given.borrow().get(&key) {
            return Ok(*known);
        }
        let given = session.call(function, self.of(session, names, name))?;
        self.calls.given.borrow_mut().insert(key, given);
        Ok(given)
    }

    /// What modules are called with by this name, that of the submodule being `name`.
    fn argument(&self, session: &Session<'a>, wanted: &'static str, name: Option<Node<'a>>) -> Node<'a> {
        if let Some(special) = self.special.get(wanted) {
            return *special;
        }
        match (wanted, name) {
            ("lib", _) => self.lib,
            ("pkgs", _) => self.pkgs,
            ("config", _) => self.scope.config,
            ("options", _) => self.scope.options,
            ("modulesPath", _) => self.modules_path,
            ("name", Some(name)) => name,
            _ => self.given.get(wanted).copied().unwrap_or_else(|| self.outside(session, wanted)),
        }
    }

    fn outside(&self, session: &Session<'a>, wanted: &'static str) -> Node<'a> {
        *self.calls.outside.borrow_mut().entry(wanted).or_insert_with(|| {
            let unknown = session.unknown(&format!("{}{wanted}{}", OUTSIDE.0, OUTSIDE.1), None);
            match wanted {
                // What the fleet's own flake gives out are modules of the fleet.
                "inputs" => session.attrs(vec![("self", session.unknown(OWN_FLAKE, None))], Some(unknown)),
                _ => unknown,
            }
        })
    }

    /// The name of a submodule.
    pub fn name(&self, session: &Session<'a>, name: &Arc<str>) -> Node<'a> {
        *self.calls.names.borrow_mut().entry(name.clone()).or_insert_with(|| session.string(name))
    }

    /// The set to call a module with, whose pattern has these names.
    fn of(&self, session: &Session<'a>, names: &[&'static str], name: Option<Node<'a>>) -> Node<'a> {
        let outside = "module arguments other than lib, config, options, pkgs and modulesPath come from outside of these \
                       modules";
        let rest = session.unknown(outside, Some("define it in `_module.args` of one of these modules"));
        let always = ["lib", "pkgs", "config", "options", "modulesPath"].into_iter().chain(name.map(|_| "name"));
        let mut entries: Vec<(&str, Node<'a>)> = self.special.iter().map(|(name, node)| (&**name, *node)).collect();
        for wanted in always.chain(names.iter().copied()) {
            if entries.iter().all(|(name, _)| *name != wanted) {
                entries.push((wanted, self.argument(session, wanted, name)));
            }
        }
        let given = self.given.iter().filter(|(name, _)| !names.contains(&&***name));
        let given: Vec<(&str, Node<'a>)> = given.map(|(name, node)| (&**name, *node)).collect();
        // Of entries with the same name, the first one counts.
        entries.extend(given.into_iter().filter(|(name, _)| !["lib", "pkgs", "config", "options"].contains(name)));
        session.attrs(entries, Some(rest))
    }
}

/// The `lib` of the nixpkgs in the search path, else the built-in one.
pub fn lib<'a>(session: &Session<'a>, world: &World) -> Result<Node<'a>, Failure> {
    match given(session, world) {
        Some(Ok(lib)) => Ok(lib),
        _ => built_in(session),
    }
}

/// What is wrong with the `lib` of the nixpkgs in the search path, if the built-in one stands in its place for that.
pub fn unusable(session: &Session<'_>, world: &World) -> Option<Failure> {
    let mut failure = given(session, world)?.err()?;
    failure.help = Some("the built-in `lib` is used in its place".to_owned());
    Some(failure)
}

/// `None` if there is none: not everything that the search path calls `nixpkgs` is one.
fn given<'a>(session: &Session<'a>, world: &World) -> Option<Result<Node<'a>, Failure>> {
    let nixpkgs = nixos::nixpkgs(world)?;
    let file = session.string(&format!("{nixpkgs}/lib/default.nix"));
    let is_there = session.text("builtins.pathExists", BUILT_IN).and_then(|exists| session.call(exists, file));
    if is_there.is_ok_and(|exists| matches!(session.look(exists), Shape::Bool(false))) {
        return None;
    }
    Some(session.import_absolute(&format!("{nixpkgs}/lib")))
}

/// The built-in `lib`.
pub fn built_in<'a>(session: &Session<'a>) -> Result<Node<'a>, Failure> {
    let missing = session.unknown("the built-in `lib` lacks it", Some("give a nixpkgs with `--nixpkgs DIR`"));
    session.call(session.own_text(&PARSED, TEXT, BUILT_IN)?, missing)
}

//! `lib`, and what else modules are called with.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::Failure;
use bulkhead_eval::{Node, ParsedText, Session, Shape, World};

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
}

impl<'a> Arguments<'a> {
    pub fn new(session: &Session<'a>, world: &World) -> Result<Arguments<'a>, Failure> {
        let lib = lib(session, world)?;
        let packages = session.unknown(PACKAGES, None);
        let not_yet = Scope { config: session.unknown(NOT_YET, None), options: session.unknown(NOT_YET, None) };
        Ok(Arguments {
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
        })
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

    /// The set to call a module with, whose pattern has these names.
    pub fn of(&self, session: &Session<'a>, names: &[&'static str], name: Option<Node<'a>>) -> Node<'a> {
        let outside = "module arguments other than lib, config, options, pkgs and modulesPath come from outside of these \
                       modules";
        let rest = session.unknown(outside, Some("define it in `_module.args` of one of these modules"));
        // Of entries with the same name, the first one counts.
        let mut entries: Vec<(&str, Node<'a>)> = self.special.iter().map(|(name, node)| (&**name, *node)).collect();
        entries.extend([
            ("lib", self.lib),
            ("pkgs", self.pkgs),
            ("config", self.scope.config),
            ("options", self.scope.options),
            ("modulesPath", self.modules_path),
        ]);
        entries.extend(name.map(|name| ("name", name)));
        for wanted in names {
            if entries.iter().all(|(name, _)| name != wanted) {
                let value = self.given.get(*wanted).copied().unwrap_or_else(|| {
                    let reason = format!("{}{wanted}{}", OUTSIDE.0, OUTSIDE.1);
                    let unknown = session.unknown(&reason, None);
                    match *wanted {
                        // What the fleet's own flake gives out are modules of the fleet.
                        "inputs" => session.attrs(vec![("self", session.unknown(OWN_FLAKE, None))], Some(unknown)),
                        _ => unknown,
                    }
                });
                entries.push((wanted, value));
            }
        }
        let given = self.given.iter().filter(|(name, _)| !names.contains(&&***name));
        let given: Vec<(&str, Node<'a>)> = given.map(|(name, node)| (&**name, *node)).collect();
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

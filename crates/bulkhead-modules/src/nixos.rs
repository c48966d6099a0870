//! The module set of NixOS itself, from a nixpkgs at hand, with packages that are not known.

use std::sync::OnceLock;

use bulkhead_eval::data::{Data, DataKind, Failure, Unknown};
use bulkhead_eval::{Node, ParsedText, Session, World};

use crate::library::PACKAGES;
use crate::{
    Configuration, Definition, Fault, FaultKind, OptionPath, UNKNOWN_DEFINITION, UNKNOWN_DEFINITIONS, Undecided,
};

/// What [`Undecided::what`] says of an assertion.
pub const UNDECIDED_ASSERTION: &str = "it is not decided whether an assertion holds";

/// What [`Undecided::what`] says of a warning.
pub const UNDECIDED_WARNING: &str = "it is not decided whether NixOS warns";

/// The name that stands for our own packages in places.
const NAME: &str = "<built-in packages>";

const TEXT: &str = include_str!("nixos.nix");

static PARSED: OnceLock<ParsedText> = OnceLock::new();

/// The files of a nixpkgs that the module set of NixOS takes, from its root.
pub const NEEDED: &[&str] = &["lib/default.nix", "nixos/modules/module-list.nix"];

/// With what the machine is made.
#[derive(Clone, Debug, Default)]
pub struct Nixos {
    /// What `nixpkgs.hostPlatform` is unless a module says so: `x86_64-linux`.
    pub platform: Option<String>,
    /// Options of NixOS below this path are listed too; none at the root.
    pub listed: OptionPath,
}

/// Where the nixpkgs of the search path is, as evaluated code names it.
pub fn nixpkgs(world: &World) -> Option<&str> {
    world.search_path().iter().find(|(name, _)| name == "nixpkgs").map(|(_, path)| path.as_str())
}

/// What modules of NixOS are called with as `pkgs`.
pub fn packages<'a>(
    session: &Session<'a>,
    nixpkgs: &str,
    lib: Node<'a>,
    config: Node<'a>,
) -> Result<Node<'a>, Failure> {
    let given = vec![
        ("lib", lib),
        ("config", config),
        ("nixpkgs", session.string(nixpkgs)),
        ("unknown", session.unknown(PACKAGES, None)),
    ];
    session.call(session.own_text(&PARSED, TEXT, NAME)?, session.attrs(given, None))
}

/// The modules of NixOS.
pub fn module_list<'a>(session: &Session<'a>, nixpkgs: &str) -> Result<Node<'a>, Failure> {
    session.import_absolute(&format!("{nixpkgs}/nixos/modules/module-list.nix"))
}

/// A module that says which platform it is for, weaker than all defaults.
pub fn platform_module<'a>(session: &Session<'a>, platform: &str) -> Node<'a> {
    let text = session.string("override");
    let value = vec![("_type", text), ("priority", session.int(1400)), ("content", session.string(platform))];
    let platform = vec![("hostPlatform", session.attrs(value, None))];
    session.attrs(vec![("nixpkgs", session.attrs(platform, None))], None)
}

/// What NixOS says of a configuration before it builds it: assertions that do not hold, and warnings. `all` are the
/// definitions of all modules. Where modules may be missing, an assertion that does not hold is undecided: one of them
/// could make it hold.
pub fn judge(configuration: &mut Configuration, all: &[Definition]) {
    // What is unknown of some options is unknown in `config` too, and so are the assertions that depend on them.
    let may_add = |undecided: &&Undecided| {
        undecided.path.names().is_empty() || ![UNKNOWN_DEFINITION, UNKNOWN_DEFINITIONS].contains(&undecided.what)
    };
    let missing = configuration.undecided.iter().find(may_add).map(|undecided| undecided.reason.clone());
    let mut judge = Judge { configuration, missing };
    let (assertions, warnings) = (OptionPath::of(["assertions"]), OptionPath::of(["warnings"]));
    for definition in counting(all, &assertions) {
        judge.each(definition, &assertions, UNDECIDED_ASSERTION, Judge::assertion);
    }
    for definition in counting(all, &warnings) {
        judge.each(definition, &warnings, UNDECIDED_WARNING, Judge::warning);
    }
}

/// The definitions of an option that are not overridden.
fn counting<'d>(all: &'d [Definition], path: &OptionPath) -> Vec<&'d Definition> {
    let of: Vec<&Definition> = all.iter().filter(|definition| definition.path == *path).collect();
    let sure = of.iter().filter(|definition| definition.condition.is_always());
    let best = sure.map(|definition| definition.priority).min();
    of.into_iter().filter(|definition| best.is_none_or(|best| definition.priority <= best)).collect()
}

struct Judge<'c> {
    configuration: &'c mut Configuration,
    /// Why modules may be missing.
    missing: Option<Unknown>,
}

impl Judge<'_> {
    fn each(
        &mut self,
        definition: &Definition,
        path: &OptionPath,
        what: &'static str,
        judge: fn(&mut Self, &OptionPath, &Data, Option<&Unknown>),
    ) {
        let doubt = definition.condition.guards().first().map(|guard| &guard.reason);
        match &definition.value.kind {
            DataKind::List(items) => items.iter().for_each(|item| judge(self, path, item, doubt)),
            DataKind::Unknown(reason) => self.undecided(path, what, reason.clone(), &definition.value),
            DataKind::Failed(failure) => self.undecided(path, what, failed(failure), &definition.value),
            _ => {}
        }
    }

    fn assertion(&mut self, path: &OptionPath, item: &Data, doubt: Option<&Unknown>) {
        let parts = match &item.kind {
            DataKind::Attrs(parts) => &parts.attrs,
            DataKind::Unknown(reason) => return self.undecided(path, UNDECIDED_ASSERTION, reason.clone(), item),
            DataKind::Failed(failure) => return self.undecided(path, UNDECIDED_ASSERTION, failed(failure), item),
            _ => return,
        };
        let message = match parts.get("message").map(|message| &message.value.kind) {
            Some(DataKind::String(text)) => text.trim().to_owned(),
            _ => "an assertion whose message is not known".to_owned(),
        };
        let unknown = match parts.get("assertion").map(|holds| &holds.value.kind) {
            Some(DataKind::Bool(false)) => doubt.or(self.missing.as_ref()).cloned(),
            Some(DataKind::Unknown(reason)) => Some(reason.clone()),
            Some(DataKind::Failed(failure)) => Some(failed(failure)),
            _ => return,
        };
        if let Some(reason) = unknown {
            let reason = Unknown { reason: format!("{message} ({})", reason.reason).into(), ..reason };
            return self.undecided(path, UNDECIDED_ASSERTION, reason, item);
        }
        let fault = Fault {
            kind: FaultKind::Assertion,
            path: path.clone(),
            message,
            places: item.place.iter().cloned().collect(),
        };
        if !self.configuration.faults.contains(&fault) {
            self.configuration.faults.push(fault);
        }
    }

    fn warning(&mut self, path: &OptionPath, item: &Data, doubt: Option<&Unknown>) {
        match (&item.kind, doubt) {
            (DataKind::String(text), None) => self.configuration.warnings.push(text.to_string()),
            (DataKind::String(text), Some(reason)) => {
                let reason = Unknown { reason: format!("{text} ({})", reason.reason).into(), ..reason.clone() };
                self.undecided(path, UNDECIDED_WARNING, reason, item);
            }
            (DataKind::Unknown(reason), _) => self.undecided(path, UNDECIDED_WARNING, reason.clone(), item),
            (DataKind::Failed(failure), _) => self.undecided(path, UNDECIDED_WARNING, failed(failure), item),
            _ => {}
        }
    }

    fn undecided(&mut self, path: &OptionPath, what: &'static str, reason: Unknown, data: &Data) {
        self.configuration.undecided.push(Undecided { path: path.clone(), what, reason, place: data.place.clone() });
    }
}

fn failed(failure: &Failure) -> Unknown {
    Unknown {
        reason: failure.message.as_str().into(),
        help: failure.help.as_deref().map(Into::into),
        place: failure.place.clone(),
    }
}

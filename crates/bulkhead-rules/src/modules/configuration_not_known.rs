//! `configuration-not-known`: what a machine's modules say about compartments and can't be known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind, Failure, Unknown};
use bulkhead_modules::{
    BUILT_IN, OptionPath, UNKNOWN_BESIDES, UNKNOWN_DEFINITION, UNKNOWN_DEFINITIONS, UNKNOWN_OPTIONS, is_apart,
    is_foreign, is_given, is_of_people, takes_module,
};
use bulkhead_source::TreePath;
use foldhash::HashMap;
use serde_json::Value;

use super::readings::Readings;
use crate::context::Context;
use crate::network::private_range_open::is_open;
use crate::rule::{Area, Rule};
use crate::trees::firewall::in_files;
use crate::trees::guards::removes_a_guard;
use crate::trees::inside::inside;
use crate::trees::made::is_made_in_store;
use crate::trees::partial::partial;
use crate::trees::repository_file::written_file;
use crate::trees::secret_mention::is_only_copied;
use crate::trees::{Known, Tree, is_secret_path, is_submodule, is_variant_of, known, option, text};
use crate::words::{enumerate, quoted};
use crate::workspaces::missing_workspace_config;

pub(crate) const RULE: Rule = Rule {
    name: "configuration-not-known",
    area: Area::Modules,
    severity: Severity::Undecided,
    summary: "What the modules of a machine say about isolation, secrets or unlocking can't be known.",
    docs: "\
A machine has workspaces or services behind a VPN, and its modules say something about them, or about the firewall,
the containers and the networks of their host, that can't be known here: a value that depends on `config` or on the
arguments of modules, a set with unknown names, a module that is imported from outside of the repository (a flake
input). Or the file of a secret in `age.secrets`, or what unlocks a disk, is such a value. Or a module of any machine
can't be read; or a file defines such options, or some of secrets and of unlocking, and no machine whose modules were
read has it; or it can't be known which systems `flake.nix` makes.

**Why it matters.** Rules judge what they see. What is not judged must not look as if it were
fine.

**Fix.** Write the value down, or give a module its arguments by `_module.args`. `bulkhead show MACHINE OPTION` shows
what is known. A file that no machine's modules have is read when one imports it: `machines/<name>/default.nix`, or
the `modules` of a system in `flake.nix`. Of a module that has nothing to do with isolation, say so where it is
imported: `# bulkhead: allow(configuration-not-known) it only has packages`.

```nix
# bad: where `inventory` comes from can't be known
workspaces.dev.ip = inventory.dev;
# good
workspaces.dev.ip = \"10.20.0.10\";
```

**Limits.** One finding for each cause, however many machines and options it concerns: modules that are imported by
way of one argument (`inputs`) are one cause, and so are values in one file that are unknown for one reason, a file
that is missing, all files about secrets that no machine has, and all rules and commands of firewalls of which parts are
unknown (paths of packages in them are none); a comment that allows it is needed at each place.
Modules of other projects are told of machines with compartments only. Paths of decrypted secrets
(`config.age.secrets.<name>.path`) count as known, and so do strings in which nothing is computed but paths of the
repository. Inputs of `flake.nix` whose `url` is that of a well-known project
that has nothing to do with isolation (agenix, disko, home-manager, nixos-hardware, sops-nix …) are no cause. Module
trees are read where some `.nix` file has a word of the options that rules are about: names that are put together from
parts, in files that have no such word, and modules in files of another name do not lead there. Hives of colmena are
read: the outputs `colmena` and `colmenaHive`, and `hive.nix` where there is no flake; a system that
`nixosConfigurations` has too, and that says something else there, is one more machine: `kif (colmena)`. So is what a
machine may be started as: `kif (specialisation travel)`; what else a flake makes of systems, as long as they say
something new: images (`packages.x86_64-linux.iso`), `nixosGenerate`, what deploy-rs takes, `legacyPackages`; and the
systems of flakes in other folders and of networks of nodes (colmena, morph, NixOps) wherever they lie: `kif
(ops/network.nix)`, if there is another `kif`. So are files whose value has systems that a nixpkgs makes, wherever that
comes from: `import <nixpkgs/nixos>`, `eval-config.nix`, `pkgs.nixos`. Of systems of nix-darwin, and of home-manager by
itself (`homeConfigurations`), what they say of secrets is judged. Machines that libraries of other projects make by
rules of their own are read with all modules that these give them, by what the documentation of each says: Snowfall Lib,
blueprint, clan-core, easy-hosts, ez-configs, Flakelight, flake-utils-plus, lite-config and nixos-unified, known by the
`url` of the input. What such a library adds of its own stays unknown where it is more than a few options (clan-core).
Where it can't be known which systems there are, because another library makes them (den, haumea …), machines are read
from where their own modules begin, without what they are given besides: `default.nix`, `configuration.nix` or the like
in a folder of one machine, or its file, in a folder named `hosts`, `machines`, `systems`, `nodes`, `servers` or the
like.

**Data.** `machines`: the machines. `options`: the options, empty where it may be any.
",
    check: Some(check),
};

/// Options of which the rules that read them know a file also by how it is written.
const OF_FILES: [&str; 5] =
    ["age.secrets", "boot.initrd", "boot.loader.grub.extraInitrd", "fileSystems", "swapDevices"];

/// How a file begins that git-crypt has encrypted.
const GIT_CRYPT: &[u8] = b"\0GITCRYPT\0";

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut causes = Causes::default();
    let trees = context.all_trees();
    let of_nixos = trees.all.iter().map(|tree| (tree, Readings::of(tree)));
    for (tree, readings) in of_nixos.chain(trees.others.iter().map(|tree| (tree, Readings::of_secrets()))) {
        values(context, tree, &readings, &mut causes);
        rules_in_files(context, tree, &mut causes);
        unseen_definitions(tree, &readings, &mut causes);
        // What can't be read may make compartments.
        let mut missing: BTreeMap<&str, Vec<&Failure>> = BTreeMap::new();
        for problem in &tree.configuration.problems {
            let is_told = |place| problem.message.ends_with(MISSING) && missing_workspace_config::imports(tree, place);
            if problem.place.as_ref().is_some_and(is_told) {
                continue;
            }
            let is_missing = problem.message.ends_with(MISSING);
            let is_part = tree.configuration.is_part();
            if let (true, false, Some(place)) = (is_missing, is_part, &problem.place) {
                missing.entry(&place.file).or_default().push(problem);
                continue;
            }
            let is_locked = problem.place.as_ref().is_some_and(|place| is_locked(context, &place.file));
            let (reason, help) = if is_locked {
                ("git-crypt has encrypted modules", Some("git-crypt unlock"))
            } else if is_missing && is_part {
                ("files that they import do not exist", Some("if nobody makes the machine any more, remove its folder"))
            } else {
                (&*problem.message, problem.help.as_deref())
            };
            let reason = Unknown { reason: Arc::from(reason), help: help.map(Arc::from), place: problem.place.clone() };
            causes.add(tree, None, UNREAD, reason);
        }
        for problems in missing.into_values() {
            causes.add(tree, None, UNREAD, all_missing(&problems));
        }
    }
    found.extend(causes.all.into_iter().map(finding));
    super::unseen::check(context, found);
}

/// What can't be read, of a module.
const UNREAD: &str = "a module can't be read";

/// Files that one file imports and that are not there.
fn all_missing(problems: &[&Failure]) -> Unknown {
    let names: Vec<String> =
        problems.iter().filter_map(|problem| Some(format!("{}`", problem.message.strip_suffix(MISSING)?))).collect();
    let reason = match problems {
        [problem] => problem.message.clone(),
        _ => format!("{} do not exist", enumerate(&names)),
    };
    let help = problems.first().and_then(|problem| problem.help.as_deref()).map(Arc::from);
    Unknown { reason: Arc::from(reason), help, place: problems.first().and_then(|problem| problem.place.clone()) }
}

/// The option for rules about what is forwarded.
const FORWARD: &str = "networking.firewall.extraForwardRules";

/// Why rules and commands of the host are not known.
const TEXTS: &str = "parts of these rules and commands are unknown, and may take away what keeps compartments in";

/// How the reason ends where a file is missing.
const MISSING: &str = "` does not exist";

/// Whether git-crypt has encrypted a file, so that it is none of Nix as it lies here.
fn is_locked(context: &Context<'_>, file: &str) -> bool {
    let begin = || context.tree.read_prefix(&TreePath::new(file).ok()?, GIT_CRYPT.len() as u64).ok();
    begin().is_some_and(|prefix| prefix.bytes.starts_with(GIT_CRYPT))
}

/// Definitions that rules read and whose values are unknown.
fn values(context: &Context<'_>, tree: &Tree<'_>, readings: &Readings, causes: &mut Causes) {
    for named in tree.definitions().iter().filter(|named| readings.has(&named.path, &named.definition.path)) {
        let value = &named.definition.value;
        // Which options of a fleet of other names take modules is only known to the rules.
        let of_others = || takes_module(&named.path) && !takes_module(&named.definition.path);
        let is_module = matches!(value.kind, DataKind::Function | DataKind::Path(_))
            && (matches!(known(&named.path), Known::Schema(schema) if is_submodule(schema)) || of_others());
        if is_module {
            let reason = Unknown {
                reason: Arc::from("it is a function or a file, and only sets are read here"),
                help: Some(Arc::from("write a set")),
                place: Some(named.place()),
            };
            causes.add(tree, Some(named.definition.path.to_string()), "this is a module", reason);
            continue;
        }
        let is_unknown = matches!(value.kind, DataKind::Unknown(_) | DataKind::Failed(_));
        if is_unknown && readings.is_text(&named.path) {
            let is_forward = |rules: &str| rules.contains("hook forward") || named.path == option(FORWARD);
            let is_decided = partial(context, value).is_some_and(|rules| {
                let text = &rules.text;
                (rules.is_enough && !rules.runs_unknown())
                    || removes_a_guard(tree, text)
                    || (is_forward(text) && is_open(text))
            });
            if !is_decided && tree.counts(named) {
                let help =
                    "write down what they do, or put what is computed elsewhere: in a table of its own, in a unit";
                let reason =
                    Unknown { reason: Arc::from(TEXTS), help: Some(Arc::from(help)), place: Some(named.place()) };
                causes.add(tree, Some(named.definition.path.to_string()), "parts of it are unknown", reason);
            }
            continue;
        }
        let around = value.place.as_ref().or(named.definition.key.as_ref());
        let mut all = Vec::new();
        unknown(value, &named.path, around, &mut all);
        let matters = |(_, path, at): &(Unknown, OptionPath, Option<&Place>)| {
            // Where agenix puts a secret is known well enough, and so is that Nix copies a file into its store.
            let inside = inside(path);
            let is_named = OF_FILES.iter().any(|root| inside.starts_with(&option(root)));
            let is_known = |at: &Place| {
                is_secret_path(context, at)
                    || is_only_copied(context, at)
                    || (is_named && written_file(context, at).is_some())
                    || ((is_named || inside.starts_with(&option("vpn"))) && is_made_in_store(context, at))
            };
            readings.has(path, &named.definition.path) && !at.is_some_and(is_known)
        };
        let Some((Unknown { reason, help, place }, _, at)) = all.into_iter().find(matters) else { continue };
        let at = at.cloned().or(place).filter(|at| &*at.file != BUILT_IN);
        let place = Some(at.unwrap_or_else(|| named.place()));
        let option = named.definition.path.to_string();
        causes.add(tree, Some(option), "a value is unknown", Unknown { reason, help, place });
    }
}

/// Files with rules of nf_tables that can't be read here.
fn rules_in_files(context: &Context<'_>, tree: &Tree<'_>, causes: &mut Causes) {
    let is_on = || !tree.on(&option("networking.nftables.enable")).is_empty();
    if !tree.has_compartments() || !is_on() {
        return;
    }
    for stated in in_files(context, tree) {
        let (Err(reason), option) = (stated.value, stated.option) else { continue };
        let place = stated.place.or(reason.place);
        causes.add(tree, Some(option), "these rules are not known", Unknown { place, ..reason });
    }
}

/// What is unknown of a value, each part with its path and where it is written. `around` is where the whole is.
fn unknown<'d>(
    data: &'d Data,
    path: &OptionPath,
    around: Option<&'d Place>,
    found: &mut Vec<(Unknown, OptionPath, Option<&'d Place>)>,
) {
    let at = data.place.as_ref().or(around);
    match &data.kind {
        DataKind::Unknown(unknown) => found.push((unknown.clone(), path.clone(), at)),
        DataKind::Failed(failure) => {
            let reason = Arc::from(&*failure.message);
            let help = failure.help.as_deref().map(Arc::from);
            found.push((Unknown { reason, help, place: failure.place.clone() }, path.clone(), at));
        }
        DataKind::List(items) => items.iter().for_each(|item| unknown(item, path, at, found)),
        DataKind::Attrs(set) => {
            found.extend(set.open.iter().map(|open| (open.clone(), path.clone(), at)));
            // Rules take an item of a list under a condition for one that may be there.
            let is_condition = set.attrs.get("_type").is_some_and(|tag| text(&tag.value).as_deref() == Some("if"));
            let fields = set.attrs.iter().filter(|(name, _)| !is_condition || &***name != "condition");
            fields.for_each(|(name, field)| unknown(&field.value, &path.join(name), at, found));
        }
        _ => {}
    }
}

/// Where there may be definitions that are not seen.
fn unseen_definitions(tree: &Tree<'_>, readings: &Readings, causes: &mut Causes) {
    let is_part = tree.configuration.is_part();
    for undecided in &tree.configuration.undecided {
        let path = tree.ours(&undecided.path);
        let is_import = path.names().is_empty();
        // What is unknown of a definition has been told as its value.
        let is_value = undecided.what == UNKNOWN_DEFINITION && !is_import;
        // What comes from elsewhere may be about anything, on any machine.
        let is_module = ![UNKNOWN_DEFINITION, UNKNOWN_DEFINITIONS, UNKNOWN_OPTIONS].contains(&undecided.what);
        // What another project's modules say of secrets and disks is theirs; a module of the fleet itself may say anything.
        let is_theirs = is_import && !tree.has_compartments() && is_foreign(&undecided.reason);
        let says_nothing = is_module && (is_apart(&undecided.reason) || is_theirs);
        // It is told with the systems that are not known.
        let is_besides =
            undecided.what == UNKNOWN_BESIDES || (is_part && is_import && is_module && is_given(&undecided.reason));
        if is_besides || is_value || says_nothing || !readings.has(&path, &undecided.path) {
            continue;
        }
        let reason = Unknown { place: undecided.place.clone(), ..undecided.reason.clone() };
        causes.add(tree, (!is_import).then(|| undecided.path.to_string()), undecided.what, reason);
    }
}

/// All that is unknown, by what is to be told together.
#[derive(Default)]
struct Causes {
    all: Vec<Cause>,
    /// By the reason and, for values, the file.
    index: HashMap<(Arc<str>, Option<Arc<str>>), usize>,
}

impl Causes {
    /// `option` is `None` where it may be any.
    fn add(&mut self, tree: &Tree<'_>, option: Option<String>, what: &str, unknown: Unknown) {
        let Unknown { reason, help, place } = unknown;
        // Modules that come by one argument are unknown for one reason, and whatever is made of a file that is missing; other
        // values are told for each file.
        let file = (option.is_some() && !reason.ends_with(MISSING) && *reason != *TEXTS)
            .then(|| place.as_ref().map_or_else(Arc::default, |place| place.file.clone()));
        let next = self.all.len();
        let index = *self.index.entry((reason.clone(), file)).or_insert(next);
        if index == next {
            self.all.push(Cause {
                what: what.to_owned(),
                reason,
                help,
                machines: BTreeSet::default(),
                options: BTreeSet::default(),
                is_any: false,
                places: BTreeSet::default(),
            });
        }
        if let Some(cause) = self.all.get_mut(index) {
            cause.machines.insert(tree.name.clone());
            cause.is_any |= option.is_none();
            cause.options.extend(option);
            cause.places.extend(place.filter(is_of_people));
        }
    }
}

/// Something unknown and what it concerns.
struct Cause {
    what: String,
    reason: Arc<str>,
    help: Option<Arc<str>>,
    machines: BTreeSet<Arc<str>>,
    options: BTreeSet<String>,
    /// Whether it may be any other as well.
    is_any: bool,
    places: BTreeSet<Place>,
}

fn finding(mut cause: Cause) -> Diagnostic {
    if cause.is_any {
        cause.options.clear();
    }
    // What a machine inherits as a specialisation goes without saying.
    let names: Vec<Arc<str>> = cause.machines.iter().cloned().collect();
    // So does what a flake gives out of the same machine under another name.
    let is_of = |name: &str, machine: &str| name != machine && name.split('.').any(|part| part == machine);
    cause.machines.retain(|name| !names.iter().any(|machine| is_variant_of(name, machine) || is_of(name, machine)));
    let machines = quoted(cause.machines.iter().map(|name| &**name));
    let what = if cause.options.is_empty() {
        format!("all that the modules of {machines} say about isolation")
    } else {
        format!("{} of {machines}", quoted(cause.options.iter().map(String::as_str)))
    };
    let mut places = cause.places.into_iter();
    let place = places.next().unwrap_or_else(|| Place::file(bulkhead_fleet::CONFIG_FILE));
    let mut finding = RULE.finding(place, format!("can't tell {what}: {}", cause.reason)).with_label(cause.what);
    for place in places {
        finding = finding.with_same(place, "for the same reason");
    }
    if let Some(help) = cause.help {
        finding = finding.with_help(&*help);
    }
    let options: Vec<Value> = cause.options.into_iter().map(Value::from).collect();
    finding
        .with_data("machines", Value::Array(cause.machines.iter().map(|name| Value::from(&**name)).collect()))
        .with_data("options", options)
}

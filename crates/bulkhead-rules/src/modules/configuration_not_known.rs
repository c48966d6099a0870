//! `configuration-not-known`: what a machine's modules say about compartments and can't be known.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind, Unknown};
use bulkhead_modules::{OptionPath, UNKNOWN_DEFINITION, is_apart};
use bulkhead_source::TreePath;
use serde_json::Value;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Known, Tree, is_secret_path, is_submodule, known, option};
use crate::words::quoted;

pub(crate) const RULE: Rule = Rule {
    name: "configuration-not-known",
    area: Area::Modules,
    severity: Severity::Undecided,
    summary: "What the modules of a machine say about workspaces, services or the firewall can't be known.",
    docs: "\
A machine has workspaces or services behind a VPN, and its modules say something about them that can't be known here:
a value that depends on `config` or on the arguments of modules, a set with unknown names, a module that is imported
from outside of the repository (a flake input). Or a module of any machine can't be read; or a file defines such
options, and no machine whose modules were read has it; or it can't be known which systems `flake.nix` makes.

**Why it matters.** The rules about isolation judge what they see. What is not judged must not look as if it were
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
way of one argument (`inputs`) are one cause. Paths of decrypted secrets (`config.age.secrets.<name>.path`) count as
known. Inputs of `flake.nix` whose `url` is that of a well-known project that has nothing to do with isolation
(agenix, disko, home-manager, nixos-hardware, sops-nix …) are no cause. Module trees are read where some `.nix` file
has a word of the options that rules are about: names that are put together from parts, in files that have no such
word, and modules in files of another name do not lead there. Hives of colmena are read: the outputs `colmena` and
`colmenaHive`, and `hive.nix` where there is no flake; a system that `nixosConfigurations` has too, and that says
something else there, is one more machine: `kif (colmena)`.

**Data.** `machines`: the machines. `options`: the options, empty where it may be any.
",
    check: Some(check),
};

/// What rules about compartments read, below these.
const READ: [&str; 3] = ["workspaces", "networking.sandbox", "vpn"];

/// Single options that they read besides, where there are compartments.
const SINGLE: [&str; 6] = [
    "networking.firewall.extraForwardRules",
    "networking.firewall.filterForward",
    "networking.firewall.trustedInterfaces",
    "networking.nat.internalInterfaces",
    "networking.nat.internalIPs",
    "containers",
];

/// What is below these is text for people and machines of another kind, or what runs inside.
const NOT_READ: [&str; 9] =
    ["config", "packages", "shell", "notes", "authorizedKeys", "user", "package", "onPortForwarded", "timeZone"];

/// How a file begins that git-crypt has encrypted.
const GIT_CRYPT: &[u8] = b"\0GITCRYPT\0";

/// Something unknown and what it concerns.
struct Cause {
    place: Option<Place>,
    what: String,
    reason: Arc<str>,
    help: Option<Arc<str>>,
    machines: Vec<Arc<str>>,
    options: Vec<String>,
    others: Vec<Place>,
}

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut causes: Vec<Cause> = Vec::new();
    for tree in context.trees() {
        if tree.has_compartments() {
            values(context, tree, &mut causes);
            undecided(tree, &mut causes);
        }
        // What can't be read may make compartments.
        for problem in &tree.configuration.problems {
            let is_locked = problem.place.as_ref().is_some_and(|place| is_locked(context, &place.file));
            let (reason, help) = if is_locked {
                ("git-crypt has encrypted modules", Some("git-crypt unlock"))
            } else {
                (&*problem.message, problem.help.as_deref())
            };
            add(
                &mut causes,
                tree,
                Cause {
                    place: problem.place.clone(),
                    what: "a module can't be read".to_owned(),
                    reason: Arc::from(reason),
                    help: help.map(Arc::from),
                    machines: Vec::new(),
                    options: Vec::new(),
                    others: Vec::new(),
                },
            );
        }
    }
    found.extend(causes.into_iter().map(finding));
    super::unseen::check(context, found);
}

/// Whether git-crypt has encrypted a file, so that it is none of Nix as it lies here.
fn is_locked(context: &Context<'_>, file: &str) -> bool {
    let begin = || context.tree.read_prefix(&TreePath::new(file).ok()?, GIT_CRYPT.len() as u64).ok();
    begin().is_some_and(|prefix| prefix.bytes.starts_with(GIT_CRYPT))
}

/// Definitions that rules read and whose values are unknown.
fn values(context: &Context<'_>, tree: &Tree<'_>, causes: &mut Vec<Cause>) {
    for root in READ.iter().chain(&SINGLE) {
        for named in tree.below(&option(root)) {
            let names = named.path.names();
            let is_read = *root != "containers" && !names.iter().skip(1).any(|name| NOT_READ.contains(&&**name));
            if !is_read {
                continue;
            }
            let value = &named.definition.value;
            let is_module = matches!(value.kind, DataKind::Function | DataKind::Path(_))
                && matches!(known(&named.path), Known::Schema(schema) if is_submodule(schema));
            if is_module {
                let cause = Cause {
                    place: Some(named.place()),
                    what: "this is a module".to_owned(),
                    reason: Arc::from("it is a function or a file, and only sets are read here"),
                    help: Some(Arc::from("write a set")),
                    machines: Vec::new(),
                    options: vec![named.definition.path.to_string()],
                    others: Vec::new(),
                };
                add(causes, tree, cause);
                continue;
            }
            let mut all = Vec::new();
            unknown(value, value.place.as_ref().or(named.definition.key.as_ref()), &mut all);
            // Where agenix puts a secret is known well enough.
            let is_path = |at: Option<&Place>| at.is_some_and(|at| is_secret_path(context, at));
            let Some((Unknown { reason, help, place }, at)) = all.into_iter().find(|(_, at)| !is_path(*at)) else {
                continue;
            };
            let at = at.cloned();
            add(
                causes,
                tree,
                Cause {
                    place: at.or(place),
                    what: "a value is unknown".to_owned(),
                    reason,
                    help,
                    machines: Vec::new(),
                    options: vec![named.definition.path.to_string()],
                    others: Vec::new(),
                },
            );
        }
    }
}

/// What is unknown of a value, each part with where it is written. `around` is where the whole is.
fn unknown<'d>(data: &'d Data, around: Option<&'d Place>, found: &mut Vec<(Unknown, Option<&'d Place>)>) {
    let at = data.place.as_ref().or(around);
    match &data.kind {
        DataKind::Unknown(unknown) => found.push((unknown.clone(), at)),
        DataKind::Failed(failure) => {
            let reason = Arc::from(&*failure.message);
            let help = failure.help.as_deref().map(Arc::from);
            found.push((Unknown { reason, help, place: failure.place.clone() }, at));
        }
        DataKind::List(items) => items.iter().for_each(|item| unknown(item, at, found)),
        DataKind::Attrs(set) => {
            found.extend(set.open.iter().map(|open| (open.clone(), at)));
            set.attrs.values().for_each(|field| unknown(&field.value, at, found));
        }
        _ => {}
    }
}

/// Where there may be definitions that are not seen.
fn undecided(tree: &Tree<'_>, causes: &mut Vec<Cause>) {
    let is_read = |path: &OptionPath| {
        READ.iter().any(|root| {
            let root = option(root);
            path.names().is_empty() || path.starts_with(&root) || root.starts_with(path)
        }) && !path.names().iter().skip(1).any(|name| NOT_READ.contains(&&**name))
    };
    for undecided in &tree.configuration.undecided {
        let path = tree.ours(&undecided.path);
        // What is unknown of a definition has been told as its value.
        let is_value = undecided.what == UNKNOWN_DEFINITION && !path.names().is_empty();
        let is_import = path.names().is_empty();
        if is_value || !is_read(&path) || (is_import && is_apart(&undecided.reason)) {
            continue;
        }
        let options = if path.names().is_empty() { Vec::new() } else { vec![undecided.path.to_string()] };
        add(
            causes,
            tree,
            Cause {
                place: undecided.place.clone(),
                what: undecided.what.to_owned(),
                reason: undecided.reason.reason.clone(),
                help: undecided.reason.help.clone(),
                machines: Vec::new(),
                options,
                others: Vec::new(),
            },
        );
    }
}

fn add(causes: &mut Vec<Cause>, tree: &Tree<'_>, cause: Cause) {
    // Modules that come by one argument are unknown for one reason.
    let is_import = cause.options.is_empty();
    let same = |known: &&mut Cause| {
        known.reason == cause.reason && if is_import { known.options.is_empty() } else { known.place == cause.place }
    };
    let machine = tree.machine.name.clone();
    match causes.iter_mut().find(same) {
        Some(known) => {
            if !known.machines.contains(&machine) {
                known.machines.push(machine);
            }
            for option in cause.options {
                if !known.options.contains(&option) {
                    known.options.push(option);
                }
            }
            if let Some(place) = cause.place
                && known.place.as_ref() != Some(&place)
                && !known.others.contains(&place)
            {
                known.others.push(place);
            }
        }
        None => causes.push(Cause { machines: vec![machine], ..cause }),
    }
}

/// How many further places a finding shows.
const MOST_PLACES: usize = 4;

fn finding(cause: Cause) -> Diagnostic {
    let machines = quoted(cause.machines.iter().map(|name| &**name));
    let what = match cause.options.as_slice() {
        [] => format!("all that the modules of {machines} say about isolation"),
        options => format!("{} of {machines}", quoted(options.iter().map(String::as_str))),
    };
    let place = cause.place.unwrap_or_else(|| Place::file(bulkhead_fleet::CONFIG_FILE));
    let mut finding = RULE.finding(place, format!("can't tell {what}: {}", cause.reason)).with_label(cause.what);
    let more = cause.others.len().saturating_sub(MOST_PLACES);
    for place in cause.others.into_iter().take(MOST_PLACES) {
        finding = finding.with_related(place, "for the same reason");
    }
    if more > 0 {
        finding = finding.with_note(format!("and in {more} more places"));
    }
    if let Some(help) = cause.help {
        finding = finding.with_help(&*help);
    }
    finding
        .with_data("machines", Value::Array(cause.machines.iter().map(|name| Value::from(&**name)).collect()))
        .with_data("options", cause.options)
}

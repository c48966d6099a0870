//! `invalid-option`: what NixOS would refuse of what a machine's modules say.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity, nearest};
use bulkhead_eval::data::DataKind;
use bulkhead_fleet::ValueSchema;
use bulkhead_modules::{FaultKind, OptionPath, OptionType, is_of_nixos};
use foldhash::{HashMap, HashMapExt};
use serde_json::Value;

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::{Known, Named, OWN, Tree, When, is_submodule, known, option};

pub(crate) const RULE: Rule = Rule {
    name: "invalid-option",
    area: Area::Modules,
    severity: Severity::Error,
    summary: "An option is given a value that is not of its type, or there is no such option.",
    docs: "\
What a machine's modules say is refused by NixOS: a value of another type than the option's, definitions that
contradict each other, an option that is not there, one that has to be set and is not.

**Why it matters.** The configuration can't be built. And a rule that reads a misspelt option judges something else
than what was meant.

**Fix.** Correct the value or the name. `bulkhead show MACHINE OPTION` shows all definitions of an option.

```nix
# bad
workspaces.dev.resources.memroy = 2048;
# good
workspaces.dev.resources.memory = 2048;
```

**Limits.** Options that the fleet's modules declare are judged by their declarations; those of Bulkhead's modules
(`workspaces`, `networking.sandbox`, `vpn`, `machines`, `thisMachine`) by the schemas in `schemas/`, also under the
names that `mappings` give them, if the type is the same, on machines with a `properties.nix` and those that have
modules of a flake input which is Bulkhead, and none that could have options of the same names. Other options of NixOS
are not judged. `null` for an option of the fleet's own that takes none is a warning: it is refused only where something
reads it; a default of another type is not reported for the same reason. Nor is what a submodule of the fleet's leaves
free below an option of NixOS, which has more options there.

**Data.** `machine`: the machine. `option`: the option. `kind`: `wrong-type`, `conflict`, `undeclared`, `missing` or
`read-only`.
",
    check: Some(check),
};

/// Options whose texts other rules read: `malformed-workspace-key`, `malformed-address`.
const JUDGED: [&str; 8] = ["hostKey", "ip", "ip6", "subnet", "subnet6", "gateway", "gateway6", "mac"];

/// Whether all modules of the machine were read but for those of NixOS.
fn is_complete(tree: &Tree<'_>) -> bool {
    tree.is_whole
        && tree.configuration.problems.is_empty()
        && tree.configuration.undecided.iter().all(|undecided| !undecided.path.names().is_empty())
}

type Validators = HashMap<usize, Option<ValueSchema<'static>>>;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let mut validators = Validators::new();
    for tree in context.trees() {
        for fault in &tree.configuration.faults {
            let is_sure = match fault.kind {
                // It may be declared in NixOS, or in a module that is not among these.
                FaultKind::Undeclared => {
                    is_complete(tree) && !fault.path.names().first().is_some_and(|name| is_of_nixos(name))
                }
                // Found where a value waits for what a pass over all modules does not tell, too.
                FaultKind::Recursion => false,
                _ if is_extended(tree, &fault.path) => false,
                FaultKind::WrongType => true,
                // It stands for "must be set" in many fleets: it is refused where something reads it, and not before.
                FaultKind::WrongDefault => false,
                // What is not seen may be stronger than both.
                FaultKind::Conflict | FaultKind::ReadOnly | FaultKind::Assertion => !tree.configuration.is_part(),
            };
            let Some(first) = fault.places.first().filter(|_| is_sure) else { continue };
            let mut finding = RULE.finding(first.clone(), fault.message.clone());
            for place in fault.places.iter().skip(1) {
                finding = finding.with_related(place.clone(), "defined here, too");
            }
            if fault.kind == FaultKind::WrongType && is_null(tree, &fault.path) {
                finding.severity = Severity::Warning;
                finding = finding.with_note("NixOS refuses `null` where something reads the option, and not before");
            }
            found.push(about(finding, tree, &fault.path, fault.kind.name()));
        }
        // Other fleets may have options of these names from elsewhere.
        if !tree.has_own_modules() {
            continue;
        }
        for root in OWN {
            let root = option(root);
            // What they declare themselves has been judged by that.
            if tree.declares_otherwise(&root) {
                continue;
            }
            let is_declared = |path: &OptionPath| tree.configuration.declared(path).is_some();
            for named in tree.below(&root).iter().filter(|named| !is_declared(&named.definition.path)) {
                definition(context, tree, named, &mut validators, found);
            }
            if let (Known::Schema(schema), false) = (known(&root), tree.below(&root).is_empty()) {
                missing(context, tree, schema, &root, found);
            }
        }
    }
}

/// Whether an option is one that a submodule of the fleet's leaves free, below an option of NixOS: the fleet's declaration
/// adds to that of NixOS, which knows the option. Declarations of any other type leave nothing to NixOS.
fn is_extended(tree: &Tree<'_>, path: &OptionPath) -> bool {
    let names = path.names();
    let declared = |depth: usize| tree.configuration.declared(&OptionPath::of(names.iter().take(depth)));
    let leaves = |depth: usize| {
        declared(depth).is_some_and(|declared| leaves_free(&declared.kind, names.get(depth..).unwrap_or_default()))
    };
    names.first().is_some_and(|name| is_of_nixos(name))
        && declared(names.len()).is_none()
        && (1..names.len()).any(leaves)
}

/// Whether what is at `names` below an option of a type is in the free part of a submodule.
fn leaves_free(kind: &OptionType, names: &[Arc<str>]) -> bool {
    let Some((_, rest)) = names.split_first() else { return false };
    if kind.freeform.is_some() {
        return true;
    }
    kind.nested.iter().any(|(_, inner)| match &*kind.name {
        "attrsOf" | "lazyAttrsOf" | "listOf" => leaves_free(inner, rest),
        _ => leaves_free(inner, names),
    })
}

/// Whether all that an option is given is `null`: it stands for "nothing" in fleets that read the option of other machines
/// alone.
fn is_null(tree: &Tree<'_>, path: &OptionPath) -> bool {
    let mut given = tree.definitions().iter().filter(|named| named.definition.path == *path).peekable();
    given.peek().is_some() && given.all(|named| named.definition.value.kind == DataKind::Null)
}

fn about(finding: Diagnostic, tree: &Tree<'_>, path: &OptionPath, kind: &str) -> Diagnostic {
    finding.with_data("machine", &*tree.name).with_data("option", path.to_string()).with_data("kind", kind.to_owned())
}

/// Judge a definition of an option that no module at hand declares.
fn definition(
    context: &Context<'_>,
    tree: &Tree<'_>,
    named: &Named,
    validators: &mut Validators,
    found: &mut Vec<Diagnostic>,
) {
    let definition = &named.definition;
    let is_native = named.path == definition.path;
    let at = || definition.place().cloned().unwrap_or_else(|| Place::file(definition.file.clone()));
    let when = When::of(&definition.condition);
    match known(&named.path) {
        Known::Unknown(depth, names) if is_native => {
            let name = &named.path.names()[depth];
            let path = OptionPath::of(named.path.names().iter().take(depth + 1));
            let mut finding = RULE.judged(context.tree, &when, at(), format!("there is no option `{path}`"));
            if let Some(near) = nearest(name, names.iter().copied()) {
                finding = finding.with_help(format!("did you mean `{near}`?"));
            }
            finding = finding.with_help(format!("known here: {}", names.join(", ")));
            found.push(about(finding, tree, &path, FaultKind::Undeclared.name()));
        }
        Known::Schema(schema) => {
            if is_native && schema.get("readOnly") == Some(&Value::Bool(true)) {
                let message = format!("`{}` is read-only: the module sets it", definition.path);
                let finding = RULE.judged(context.tree, &when, at(), message).with_help("take it out");
                found.push(about(finding, tree, &definition.path, FaultKind::ReadOnly.name()));
                return;
            }
            // What a set has are definitions of their own.
            if matches!(definition.value.kind, DataKind::Attrs(_) | DataKind::Unknown(_) | DataKind::Failed(_)) {
                return;
            }
            // A submodule may be a function or a file, too; `configuration-not-known` says that it is not read.
            if is_submodule(schema) && matches!(definition.value.kind, DataKind::Function | DataKind::Path(_)) {
                return;
            }
            // Texts of these have a rule that says more.
            let is_judged = named.path.names().last().is_some_and(|name| JUDGED.contains(&&**name));
            if is_judged && matches!(definition.value.kind, DataKind::String(_)) {
                return;
            }
            // Where ours is a list of names, a fleet's own may be one name.
            let is_list = schema.get("type").and_then(Value::as_str) == Some("array");
            if !is_native && is_list && matches!(definition.value.kind, DataKind::String(_)) {
                return;
            }
            let key = std::ptr::from_ref(schema) as usize;
            let Some(validator) = validators.entry(key).or_insert_with(|| ValueSchema::new(schema)) else { return };
            for violation in validator.validate(&definition.path.to_string(), &definition.value, &at()) {
                let mut finding = RULE.judged(context.tree, &when, violation.place, violation.message);
                finding.notes.splice(0..0, violation.notes);
                finding.help.extend(violation.help);
                found.push(about(finding, tree, &definition.path, FaultKind::WrongType.name()));
            }
        }
        Known::Unknown(..) | Known::Any => {}
    }
}

/// Find options without a default that nothing defines, in the sets whose names are free.
fn missing(
    context: &Context<'_>,
    tree: &Tree<'_>,
    schema: &'static Value,
    path: &OptionPath,
    found: &mut Vec<Diagnostic>,
) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, schema) in properties {
            let path = path.join(name);
            if !tree.below(&path).is_empty() {
                missing(context, tree, schema, &path, found);
            }
        }
    }
    let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) else { return };
    for (name, first) in tree.children(path) {
        let path = path.join(&name);
        let required = each.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let is_native = first.path == first.definition.path;
        for wanted in required.filter(|_| is_native && is_used(tree, &path)) {
            let option = path.join(wanted);
            if !tree.below(&option).is_empty()
                || tree.undecided_at(&option).is_some()
                || tree.configuration.declared(&option).is_some()
            {
                continue;
            }
            let at = first.definition.place().cloned().unwrap_or_else(|| Place::file(first.definition.file.clone()));
            let when = When::of(&first.definition.condition);
            let mut finding = RULE.judged(context.tree, &when, at, format!("`{option}` is missing"));
            let meaning = each.get("properties").and_then(|all| all.get(wanted)?.get("description")?.as_str());
            if let Some(meaning) = meaning {
                finding = finding.with_note(format!("`{wanted}`: {meaning}"));
            }
            found.push(about(finding, tree, &option, "missing"));
        }
        missing(context, tree, each, &path, found);
    }
}

/// Whether NixOS looks at it at all: not at the services of a VPN that is off.
fn is_used(tree: &Tree<'_>, path: &OptionPath) -> bool {
    !path.starts_with(&option("vpn")) || tree.networks.vpn().is_some()
}

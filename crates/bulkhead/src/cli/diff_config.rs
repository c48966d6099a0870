//! `diff-config`: what differs between the configurations of two machines, or of one at two revisions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::io::IsTerminal;

use anyhow::{Result, bail};
use bulkhead_diagnostics::{Place, Sources, mask_private_keys};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::{Configuration, DEFAULT_ORDER, DEFAULT_PRIORITY, Definition, OptionPath, is_known};
use serde_json::{Value, json};

use super::args::{DiffConfigArgs, Global, ModulesArgs};
use super::values::{Values, at, place_json, printable, written_whole};
use super::{FINDINGS, OK, Program, configuration, output};
use crate::Project;

/// One of the two configurations.
struct Side {
    project: Project,
    options: BTreeMap<OptionPath, Entry>,
    problems: usize,
    is_open: bool,
}

/// What an option is on one side.
#[derive(Default)]
struct Entry {
    /// The items of a list, else the value; where that is not known, the definitions as they are written.
    parts: Vec<Part>,
    is_default: bool,
    is_known: bool,
}

struct Part {
    text: String,
    place: Option<Place>,
}

/// An option that differs.
struct Change<'s> {
    path: &'s OptionPath,
    before: Vec<&'s Part>,
    after: Vec<&'s Part>,
    /// The same parts, in another order.
    is_order: bool,
    is_known: bool,
}

pub fn diff_config(program: Program, global: &Global, args: &DiffConfigArgs) -> Result<u8> {
    let filter = match &args.option {
        Some(option) => match OptionPath::parse(option) {
            Ok(path) => path,
            Err(error) => bail!("`{option}` is no path of an option: {error}"),
        },
        None => OptionPath::root(),
    };
    let side = |machine: &str| side(program, global, &args.modules, machine, &filter);
    let (old, new) = (side(&args.old)?, side(&args.new)?);
    let (none, mut changes) = (Entry::default(), Vec::new());
    let paths: BTreeSet<&OptionPath> = old.options.keys().chain(new.options.keys()).collect();
    for path in paths.into_iter().filter(|path| path.starts_with(&filter)) {
        let (before, after) = (old.options.get(path).unwrap_or(&none), new.options.get(path).unwrap_or(&none));
        // A default says nothing of a machine that does not have the option.
        if (before.is_default && after.parts.is_empty()) || (after.is_default && before.parts.is_empty()) {
            continue;
        }
        changes.extend(change(path, before, after));
    }
    let doubts = doubts(&old, &new);
    if args.json {
        output::print_json(&json(&changes, &doubts, &old, &new))?;
    } else {
        let color = output::colored(global, std::io::stdout().is_terminal());
        output::print(&mask_private_keys(&text(&changes, &doubts, &old, &new, color)))?;
    }
    Ok(if changes.is_empty() { OK } else { FINDINGS })
}

/// A machine, perhaps of a revision: `web`, `HEAD~1:web`.
fn side(program: Program, global: &Global, modules: &ModulesArgs, text: &str, listed: &OptionPath) -> Result<Side> {
    let (global, machine) = match text.rsplit_once(':') {
        Some((revision, machine)) => {
            (Global { rev: Some(revision.to_owned()), staged: false, ..global.clone() }, machine)
        }
        None => (global.clone(), text),
    };
    let mut project = output::open(output::root(program, &global, None)?, &global)?;
    let (_, configuration) = configuration::load(&mut project, &global, modules, machine, listed)?;
    let options = entries(&configuration, &project);
    let is_open = configuration.undecided.iter().any(|undecided| undecided.path.names().is_empty());
    Ok(Side { options, problems: configuration.problems.len(), is_open, project })
}

fn entries(configuration: &Configuration, project: &Project) -> BTreeMap<OptionPath, Entry> {
    let sources = project.sources();
    let values = Values::new(project.world()).by_contents();
    let mut by_path: BTreeMap<OptionPath, Vec<&Definition>> = BTreeMap::new();
    for definition in &configuration.definitions {
        by_path.entry(definition.path.clone()).or_default().push(definition);
    }
    let mut all = BTreeMap::new();
    for (path, definitions) in &by_path {
        let entry = match configuration.value(path).filter(|value| is_known(value)) {
            Some(value) => known(value, definitions, values),
            None => {
                let part = |definition: &&Definition| Part {
                    text: described(definition, &sources, values),
                    place: definition.place().cloned(),
                };
                Entry { parts: definitions.iter().map(part).collect(), is_default: false, is_known: false }
            }
        };
        all.insert(path.clone(), entry);
    }
    for (path, declared) in &configuration.options {
        let is_defined = || by_path.keys().any(|defined| defined.starts_with(path) || path.starts_with(defined));
        let Some(value) = configuration.value(path).filter(|value| declared.visible && is_known(value)) else {
            continue;
        };
        if !is_defined() {
            let mut entry = known(value, &[], values);
            entry.is_default = true;
            all.insert(path.clone(), entry);
        }
    }
    all
}

fn known(value: &Data, definitions: &[&Definition], values: Values<'_>) -> Entry {
    let place = definitions.first().and_then(|definition| definition.place().cloned());
    let parts = match &value.kind {
        DataKind::List(items) if !items.is_empty() => {
            let part = |item: &Data| Part { text: values.nix(item, 1), place: item.place.clone().or(place.clone()) };
            items.iter().map(part).collect()
        }
        _ => vec![Part { text: values.nix(value, 1), place: place.or(value.place.clone()) }],
    };
    Entry { parts, is_default: false, is_known: true }
}

/// A definition whose value, or whether it holds, is not known: as it is written.
fn described(definition: &Definition, sources: &dyn Sources, values: Values<'_>) -> String {
    let expression = || definition.value.place.as_ref().and_then(|place| written_whole(place, sources));
    let mut text = match is_known(&definition.value) {
        true => values.nix(&definition.value, 1),
        false => expression().unwrap_or_else(|| values.nix(&definition.value, 1)),
    };
    if definition.priority != DEFAULT_PRIORITY {
        let _ = write!(text, "  at priority {}", definition.priority);
    }
    if definition.order != DEFAULT_ORDER {
        let _ = write!(text, "  in order {}", definition.order);
    }
    for guard in definition.condition.guards() {
        let word = if guard.expected { "if" } else { "unless" };
        let condition = guard.place.as_ref().and_then(|place| written_whole(place, sources));
        let _ = write!(text, "  {word} {}", condition.unwrap_or_else(|| "something unknown".to_owned()));
    }
    text
}

fn change<'s>(path: &'s OptionPath, before: &'s Entry, after: &'s Entry) -> Option<Change<'s>> {
    let mut gone: Vec<&Part> = before.parts.iter().collect();
    let mut come = Vec::new();
    for part in &after.parts {
        match gone.iter().position(|old| old.text == part.text) {
            Some(index) => drop(gone.remove(index)),
            None => come.push(part),
        }
    }
    let texts = |entry: &Entry| entry.parts.iter().map(|part| part.text.clone()).collect::<Vec<_>>();
    let is_order = gone.is_empty() && come.is_empty();
    if is_order && texts(before) == texts(after) {
        return None;
    }
    let is_known = (before.is_known || before.parts.is_empty()) && (after.is_known || after.parts.is_empty());
    Some(Change { path, before: gone, after: come, is_order, is_known })
}

/// What may differ besides.
fn doubts(old: &Side, new: &Side) -> Vec<String> {
    let mut doubts = Vec::new();
    let is_unknown = |side: &Side, path: &OptionPath| side.options.get(path).is_some_and(|entry| !entry.is_known);
    let both = old.options.keys().filter(|path| is_unknown(old, path) && is_unknown(new, path)).count();
    if both > 0 {
        doubts.push(format!("of {both} options the value is not known on either side; their definitions are compared"));
    }
    for (name, side) in [("first", old), ("second", new)] {
        if side.problems > 0 {
            doubts.push(format!(
                "{} modules of the {name} could not be read: `bulkhead show` tells which",
                side.problems
            ));
        }
        if side.is_open {
            doubts.push(format!("the {name} imports modules that are not known, which may define more"));
        }
    }
    doubts
}

fn text(changes: &[Change<'_>], doubts: &[String], old: &Side, new: &Side, color: bool) -> String {
    let (bold, red, green, dim, end) = match color {
        true => ("\u{1b}[1m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[2m", "\u{1b}[0m"),
        false => ("", "", "", "", ""),
    };
    let mut out = String::new();
    for change in changes {
        let _ = writeln!(out, "{bold}{}{end}", change.path);
        if change.is_order {
            let _ = writeln!(out, "  the same in another order");
        }
        let sides = [('-', red, &change.before, old), ('+', green, &change.after, new)];
        for (sign, paint, parts, side) in sides {
            for part in parts {
                let sources = side.project.sources();
                let place = part.place.as_ref().map_or_else(String::new, |place| at(place, &sources));
                let _ = writeln!(out, "  {paint}{sign} {}{end}  {dim}{place}{end}", printable(&part.text));
            }
        }
    }
    if changes.is_empty() {
        out.push_str("nothing differs\n");
    }
    if !doubts.is_empty() {
        out.push('\n');
        doubts.iter().for_each(|doubt| {
            let _ = writeln!(out, "{doubt}");
        });
    }
    out
}

fn json(changes: &[Change<'_>], doubts: &[String], old: &Side, new: &Side) -> Value {
    let parts = |parts: &[&Part], side: &Side| -> Value {
        let sources = side.project.sources();
        let one = |part: &&Part| json!({ "text": part.text, "place": part.place.as_ref().map(|place| place_json(place, &sources)) });
        parts.iter().map(one).collect()
    };
    let changes = changes.iter().map(|change| {
        json!({
            "option": change.path.to_string(),
            "path": change.path.names(),
            "removed": parts(&change.before, old),
            "added": parts(&change.after, new),
            "order": change.is_order,
            "known": change.is_known,
        })
    });
    json!({ "changes": changes.collect::<Vec<_>>(), "undecided": doubts })
}

//! `show`: what a machine's modules define.

use std::fmt::Write;
use std::io::IsTerminal;

use anyhow::{Context, Result};
use bulkhead_diagnostics::{Place, Sources, mask_private_keys, slips};
use bulkhead_eval::data::{AttrsData, Data, DataKind, Field};
use bulkhead_modules::{
    Condition, Configuration, DEFAULT_ORDER, DEFAULT_PRIORITY, Definition, Effective, Fault, OptionPath,
    PACKAGES_UNKNOWN as PACKAGES, UNDECIDED_ASSERTION, UNDECIDED_WARNING, UNKNOWN_DEFINITION, Undecided, is_known,
};
use bulkhead_source::TreePath;
use serde_json::{Value, json};

use super::args::{Global, ShowArgs};
use super::values::{Values, at, first_failure, place_json, printable, shortened, written};
use super::{FINDINGS, OK, Program, configuration, output};

/// The name in the path of an option that stands for any.
const ANY_NAME: &str = "<name>";

pub fn show(program: Program, global: &Global, args: &ShowArgs) -> Result<u8> {
    let mut project = output::open(output::root(program, global, None)?, global)?;
    let path = match &args.option {
        Some(option) => OptionPath::parse(option).with_context(|| format!("`{option}` is no path of an option"))?,
        None => OptionPath::root(),
    };
    let (root, configuration) = configuration::load(&mut project, global, &args.modules, &args.machine, &path)?;
    let found = configuration.below(&path);
    let is_nixos = configuration.is_nixos;
    let values = Values::new(project.world());
    let view = View { configuration: &configuration, sources: &project.sources(), values, path: &path, is_nixos };
    if args.json {
        output::print_json(&view.json(&args.machine, &root, &found))?;
    } else {
        let color = output::colored(global, std::io::stdout().is_terminal());
        output::print(&mask_private_keys(&view.text(&found, color)))?;
    }
    let is_sure = configuration.problems.is_empty()
        && view.faults().next().is_none()
        && configuration.undecided_at(&path).is_empty()
        && found.iter().all(|definition| definition.is_known() && definition.condition.is_always());
    Ok(if is_sure { OK } else { FINDINGS })
}

struct View<'v> {
    configuration: &'v Configuration,
    sources: &'v dyn Sources,
    values: Values<'v>,
    path: &'v OptionPath,
    /// Whether the modules of NixOS were read.
    is_nixos: bool,
}

impl View<'_> {
    fn text(&self, found: &[&Definition], color: bool) -> String {
        let (bold, dim, yellow, end) =
            if color { ("\u{1b}[1m", "\u{1b}[2m", "\u{1b}[33m", "\u{1b}[0m") } else { ("", "", "", "") };
        let mut sorted = found.to_vec();
        sorted.sort_by(|a, b| a.path.cmp(&b.path).then(a.order.cmp(&b.order)));
        let mut out = String::new();
        let mut last: Option<&OptionPath> = None;
        for definition in sorted {
            if last != Some(&definition.path) {
                let _ = write!(out, "{bold}{}{end}", definition.path);
                if let Some(value) = self.merged(&definition.path) {
                    let value = self.values.nix(value, 0);
                    let whole = *self.path == definition.path;
                    let _ = write!(out, " = {}", printable(&if whole { value } else { shortened(&value) }));
                }
                if matches!(self.configuration.effective(&definition.path), Effective::Conflict(_)) {
                    let _ = write!(out, "  {yellow}these definitions conflict{end}");
                }
                out.push('\n');
                last = Some(&definition.path);
            }
            let whole = *self.path == definition.path;
            let value = if whole {
                self.values.nix(&definition.value, 1)
            } else {
                shortened(&self.values.nix(&definition.value, 1))
            };
            let place = definition.place().map_or_else(|| definition.file.to_string(), |place| self.at(place));
            let _ = writeln!(out, "  {}  {dim}{place}{end}", printable(&value));
            for note in self.notes(definition) {
                let _ = writeln!(out, "    {yellow}{}{end}", self.printable(&note));
            }
        }
        let defaults = self.defaults(found);
        for (path, data) in &defaults {
            let place = data.place.as_ref().map_or_else(String::new, |place| self.at(place));
            let value = if path == self.path { self.values.nix(data, 0) } else { shortened(&self.values.nix(data, 0)) };
            let _ = writeln!(out, "{bold}{path}{end} = {}  {dim}{place}{end}", printable(&value));
            let origin = if self.is_nixos { "by default, or by the modules of NixOS" } else { "by default" };
            let _ = writeln!(out, "    {yellow}{origin}{end}");
            if let Some(unknown) = bulkhead_modules::first_unknown(data) {
                let _ = writeln!(out, "    {yellow}`?` is unknown: {}{end}", self.printable(&unknown.reason));
            }
        }
        if found.is_empty() && defaults.is_empty() {
            let what = if self.path.names().is_empty() { "anything".to_owned() } else { format!("`{}`", self.path) };
            let _ = writeln!(out, "nothing that was read defines {what}");
            if let Some(near) = self.near(found) {
                let _ = writeln!(out, "did you mean `{near}`?");
            }
        }
        self.rest(&mut out);
        out
    }

    /// The value of an option, where it is not just that of its only definition.
    fn merged(&self, path: &OptionPath) -> Option<&Data> {
        let value = self.configuration.value(path).filter(|value| is_known(value))?;
        match self.configuration.definitions(path).as_slice() {
            [only] if only.condition.is_always() && self.values.nix(&only.value, 0) == self.values.nix(value, 0) => {
                None
            }
            _ => Some(value),
        }
    }

    /// What is known below the path although nothing defines it: defaults, and what submodules make of themselves. Of
    /// the whole configuration that would be too much.
    fn defaults(&self, found: &[&Definition]) -> Vec<(OptionPath, &Data)> {
        if self.path.names().is_empty() {
            return Vec::new();
        }
        let declared = self.configuration.options.iter().filter(|(path, declared)| {
            path.starts_with(self.path) && (declared.visible || *path == self.path) && !declared.internal
        });
        let is_defined = |path: &OptionPath| found.iter().any(|definition| definition.path.starts_with(path));
        let values = declared.filter(|(path, _)| !is_defined(path));
        let mut values: Vec<(OptionPath, &Data)> =
            values.filter_map(|(path, _)| self.configuration.value(path).map(|value| (path.clone(), value))).collect();
        if found.is_empty()
            && values.is_empty()
            && let Some(value) = self.configuration.value(self.path)
        {
            values.push((self.path.clone(), value));
        }
        values
    }

    /// What was probably meant where there is nothing: the option, or what is above options, with the fewest slips, name
    /// by name; else the first one that ends like it.
    fn near(&self, found: &[&Definition]) -> Option<OptionPath> {
        let asked = self.path.names();
        let declared = || self.configuration.options.iter().filter(|(_, option)| option.visible && !option.internal);
        let of_defined = || self.configuration.definitions.iter().map(|definition| &definition.path);
        let all = || of_defined().chain(declared().map(|(path, _)| path));
        let fits = |name: &str, asked: &str| name == asked || name == ANY_NAME;
        // Below a value there may be anything, but not beside the options of a submodule.
        let is_there = |path: &OptionPath| {
            let has_options = || declared().any(|(other, _)| other != path && other.starts_with(path));
            asked.iter().zip(path.names()).all(|(asked, name)| fits(name, asked))
                && (path.names().len() >= asked.len() || !has_options())
        };
        if !found.is_empty() || asked.is_empty() || all().any(is_there) {
            return None;
        }
        let mut best: Option<(usize, Vec<&str>)> = None;
        for path in all().filter(|path| path.names().len() >= asked.len()) {
            let each = asked.iter().zip(path.names()).map(|(asked, name)| match fits(name, asked) {
                true => Some((0, &**asked)),
                false => slips(asked, name).map(|slips| (slips.max(1), &**name)),
            });
            let Some(each) = each.collect::<Option<Vec<_>>>() else { continue };
            let slips: usize = each.iter().map(|(slips, _)| slips).sum();
            if best.as_ref().is_none_or(|(least, _)| slips < *least) {
                best = Some((slips, each.into_iter().map(|(_, name)| name).collect()));
            }
        }
        let alike = best.map(|(_, names)| OptionPath::of(names));
        alike.or_else(|| all().find(|path| path.names().ends_with(asked)).cloned())
    }

    /// What NixOS would refuse of the path, or below it.
    fn faults(&self) -> impl Iterator<Item = &Fault> {
        let faults = self.configuration.faults.iter();
        faults.filter(|fault| fault.path.starts_with(self.path) || self.path.starts_with(&fault.path))
    }

    /// What NixOS would warn of; not where only a part is asked for.
    fn warnings(&self) -> &[String] {
        if self.path.names().is_empty() { &self.configuration.warnings } else { &[] }
    }

    /// What else there may be.
    fn rest(&self, out: &mut String) {
        if self.faults().next().is_some() {
            out.push_str("\nNixOS would refuse:\n");
            for fault in self.faults() {
                let _ = writeln!(out, "  {}{}", self.prefix(fault.places.first()), self.printable(&fault.message));
                for place in fault.places.iter().skip(1) {
                    let _ = writeln!(out, "    and {}", self.at(place));
                }
            }
        }
        let warnings = self.warnings();
        if !warnings.is_empty() {
            out.push_str("\nNixOS would warn:\n");
            for warning in warnings {
                let _ = writeln!(out, "  {}", self.printable(warning).replace('\n', "\n  "));
            }
        }
        let undecided = self.open();
        if !undecided.is_empty() {
            out.push_str("\nThere may be more:\n");
            for (what, reason, place) in undecided {
                let _ = writeln!(out, "  {}{what}: {}", place, self.printable(&reason));
            }
        }
        let judged = self.configuration.undecided_at(self.path).into_iter().filter(|undecided| is_judged(undecided));
        let (packages, others): (Vec<_>, Vec<_>) =
            judged.partition(|undecided| undecided.reason.reason.contains(PACKAGES));
        if packages.len() + others.len() > 0 {
            out.push_str("\nNot decided:\n");
        }
        for undecided in others {
            let place = self.prefix(undecided.place.as_ref());
            let _ = writeln!(out, "  {place}{}: {}", undecided.what, self.printable(&undecided.reason.reason));
        }
        if !packages.is_empty() {
            let count = packages.len();
            let _ = writeln!(out, "  {count} assertions and warnings depend on packages; --json has them all");
        }
        if !self.configuration.problems.is_empty() {
            out.push_str("\nCould not be read:\n");
            for problem in &self.configuration.problems {
                let _ = writeln!(out, "  {}{}", self.prefix(problem.place.as_ref()), self.printable(&problem.message));
            }
        }
    }

    /// What may hold more definitions than are seen. Definitions that are unknown say so themselves.
    fn open(&self) -> Vec<(String, String, String)> {
        let undecided = self.configuration.undecided_at(self.path).into_iter();
        let mut all: Vec<(String, String, String)> = undecided
            .filter(|undecided| undecided.what != UNKNOWN_DEFINITION && !is_judged(undecided))
            .map(|undecided| {
                let what = if undecided.path.names().is_empty() {
                    undecided.what.to_owned()
                } else {
                    format!("{}: {}", undecided.path, undecided.what)
                };
                (what, undecided.reason.reason.to_string(), self.prefix(undecided.place.as_ref()))
            })
            .collect();
        all.dedup();
        all
    }

    /// What is not as usual with a definition.
    fn notes(&self, definition: &Definition) -> Vec<String> {
        let mut notes = Vec::new();
        for guard in definition.condition.guards() {
            let word = if guard.expected { "if" } else { "unless" };
            let condition = guard.place.as_ref().and_then(|place| written(place, self.sources));
            let condition = condition.map_or_else(|| "a condition holds".to_owned(), |text| format!("`{text}`"));
            notes.push(format!("only {word} {condition}, which is unknown: {}", guard.reason.reason));
        }
        if definition.priority != DEFAULT_PRIORITY {
            notes.push(match definition.priority {
                50 => "mkForce".to_owned(),
                1000 => "mkDefault".to_owned(),
                priority => format!("priority {priority}"),
            });
        }
        if definition.order != DEFAULT_ORDER {
            notes.push(match definition.order {
                500 => "mkBefore".to_owned(),
                1500 => "mkAfter".to_owned(),
                order => format!("order {order}"),
            });
        }
        if let Some(unknown) = bulkhead_modules::first_unknown(&definition.value) {
            notes.push(format!("`?` is unknown: {}", unknown.reason));
        }
        if let Some(failure) = first_failure(&definition.value) {
            notes.push(format!("`!` failed: {}", failure.message));
        }
        notes
    }

    fn json(&self, machine: &str, root: &TreePath, found: &[&Definition]) -> Value {
        let definitions = found.iter().map(|definition| self.definition_json(definition));
        let undecided = self.configuration.undecided_at(self.path).into_iter().map(|undecided| {
            json!({
                "path": undecided.path.names(),
                "what": undecided.what,
                "reason": self.values.text(&undecided.reason.reason),
                "place": self.place_json(undecided.place.as_ref()),
            })
        });
        let modules = self
            .configuration
            .modules
            .iter()
            .map(|module| json!({ "file": &*module.file, "condition": self.condition_json(&module.condition) }));
        let problems =
            self.configuration.problems.iter().map(
                |problem| json!({ "message": self.values.text(&problem.message), "place": self.place_json(problem.place.as_ref()) }),
            );
        let mut unknown = Vec::new();
        let value = match self.path.names().is_empty() && self.is_nixos {
            true => self.configuration.config.as_ref().map(|config| only(config, &OptionPath::root(), found)),
            false => self.configuration.value(self.path).cloned(),
        };
        let value = value.as_ref().map(|value| self.values.json(value, &mut Vec::new(), &mut unknown));
        let unknown = unknown
            .into_iter()
            .map(|(at, reason, place)| json!({ "at": at, "reason": reason, "place": self.place_json(place.as_ref()) }));
        let faults = self.faults().map(|fault| {
            json!({
                "path": fault.path.names(),
                "kind": fault.kind.name(),
                "message": self.values.text(&fault.message),
                "places": fault.places.iter().map(|place| self.place_json(Some(place))).collect::<Vec<_>>(),
            })
        });
        let mut whole = json!({
            "machine": machine,
            "root": root.as_str(),
            "option": self.path.names(),
            "value": value,
            "unknown": unknown.collect::<Vec<_>>(),
            "warnings": self.warnings().iter().map(|warning| self.values.text(warning)).collect::<Vec<_>>(),
            "faults": faults.collect::<Vec<_>>(),
            "definitions": definitions.collect::<Vec<_>>(),
            "undecided": undecided.collect::<Vec<_>>(),
            "modules": modules.collect::<Vec<_>>(),
            "problems": problems.collect::<Vec<_>>(),
        });
        if let Some(near) = self.near(found) {
            whole["near"] = json!(near.names());
        }
        whole
    }

    fn definition_json(&self, definition: &Definition) -> Value {
        let mut unknown = Vec::new();
        let value = self.values.json(&definition.value, &mut Vec::new(), &mut unknown);
        let unknown: Vec<Value> = unknown
            .into_iter()
            .map(|(at, reason, place)| json!({ "at": at, "reason": reason, "place": self.place_json(place.as_ref()) }))
            .collect();
        json!({
            "path": definition.path.names(),
            "value": value,
            "unknown": unknown,
            "condition": self.condition_json(&definition.condition),
            "priority": definition.priority,
            "order": definition.order,
            "file": &*definition.file,
            "key": self.place_json(definition.key.as_ref()),
            "place": self.place_json(definition.value.place.as_ref()),
        })
    }

    /// An empty list is "always".
    fn condition_json(&self, condition: &Condition) -> Value {
        let guards = condition.guards().iter().map(|guard| {
            json!({
                "expression": guard.place.as_ref().and_then(|place| written(place, self.sources)),
                "expected": guard.expected,
                "reason": self.values.text(&guard.reason.reason),
                "place": self.place_json(guard.place.as_ref()),
            })
        });
        Value::Array(guards.collect())
    }

    fn place_json(&self, place: Option<&Place>) -> Value {
        place.map_or(Value::Null, |place| place_json(place, self.sources))
    }

    /// What the evaluator or a module says, for a terminal.
    fn printable(&self, text: &str) -> String {
        printable(&self.values.text(text))
    }

    fn prefix(&self, place: Option<&Place>) -> String {
        place.map_or_else(String::new, |place| format!("{}: ", self.at(place)))
    }

    fn at(&self, place: &Place) -> String {
        at(place, self.sources)
    }
}

/// Whether it is about what NixOS would say of the configuration.
fn is_judged(undecided: &Undecided) -> bool {
    [UNDECIDED_ASSERTION, UNDECIDED_WARNING].contains(&undecided.what)
}

/// Of all that NixOS has, only what these definitions are about.
fn only(data: &Data, path: &OptionPath, found: &[&Definition]) -> Data {
    let DataKind::Attrs(attrs) = &data.kind else { return data.clone() };
    let leads = |path: &OptionPath| found.iter().any(|definition| definition.path.starts_with(path));
    if found.iter().any(|definition| definition.path == *path) {
        return data.clone();
    }
    let kept = attrs.attrs.iter().filter_map(|(name, field)| {
        let path = path.join(name);
        let value = leads(&path).then(|| only(&field.value, &path, found))?;
        Some((name.clone(), Field { value, ..field.clone() }))
    });
    Data { kind: DataKind::Attrs(AttrsData { attrs: kept.collect(), open: None }), place: data.place.clone() }
}

//! `show`: what a machine's modules define.

use std::fmt::Write;
use std::io::IsTerminal;

use anyhow::{Context, Result, bail};
use bulkhead_diagnostics::{Place, Sources, mask_private_keys, nearest};
use bulkhead_eval::data::{Data, DataKind, Failure, Unknown};
use bulkhead_fleet::LoadOptions;
use bulkhead_modules::{Condition, Configuration, DEFAULT_ORDER, DEFAULT_PRIORITY, Definition, Effective, OptionPath};
use bulkhead_source::{LineIndex, TreePath};
use serde_json::{Map, Value, json};

use super::args::{Global, ShowArgs};
use super::{FINDINGS, OK, Program, output};
use crate::Project;

/// Files that a machine's folder may begin with.
const ROOT_FILES: &[&str] = &["default.nix", "configuration.nix"];

/// Values in an overview are cut, in characters.
const SHORT: usize = 60;

pub fn show(program: Program, global: &Global, args: &ShowArgs) -> Result<u8> {
    let project = output::open(output::root(program, global, None)?, global)?;
    let path = match &args.option {
        Some(option) => OptionPath::parse(option).with_context(|| format!("`{option}` is no path of an option"))?,
        None => OptionPath::root(),
    };
    let root = root_module(&project, &args.machine)?;
    let configuration = bulkhead_modules::load(project.world(), &root);
    let found = configuration.below(&path);
    let view = View { configuration: &configuration, sources: &project.sources(), path: &path };
    if args.json {
        output::print_json(&view.json(&args.machine, &root, &found))?;
    } else {
        let color = output::colored(global, std::io::stdout().is_terminal());
        output::print(&mask_private_keys(&view.text(&found, color)))?;
    }
    let is_sure = configuration.problems.is_empty()
        && configuration.undecided_at(&path).is_empty()
        && found.iter().all(|definition| definition.is_known() && definition.condition.is_always());
    Ok(if is_sure { OK } else { FINDINGS })
}

/// The file that a machine's configuration starts at: of a machine by its name, or a file or folder.
fn root_module(project: &Project, name: &str) -> Result<TreePath> {
    if let Ok(path) = TreePath::new(name) {
        let inside = ROOT_FILES.iter().filter_map(|file| path.join(file).ok()).find(|file| project.tree().exists(file));
        if let Some(file) = inside {
            return Ok(file);
        }
        if name.ends_with(".nix") && project.tree().exists(&path) {
            return Ok(path);
        }
    }
    let fleet = project.fleet(&LoadOptions::default())?;
    let Some(machine) = fleet.machines.iter().find(|machine| &*machine.name == name) else {
        if let Some(near) = nearest(name, fleet.machines.iter().map(|machine| &*machine.name)) {
            bail!("no machine is called `{name}`; did you mean `{near}`?");
        }
        bail!("no machine is called `{name}`, and there is no such file; `bulkhead machines` lists the machines");
    };
    let files = ROOT_FILES.iter().filter_map(|file| machine.dir.join(file).ok());
    match files.into_iter().find(|file| project.tree().exists(file)) {
        Some(file) => Ok(file),
        None => bail!("`{name}` has no configuration: there is no {}/default.nix", machine.dir.as_str()),
    }
}

struct View<'v> {
    configuration: &'v Configuration,
    sources: &'v dyn Sources,
    path: &'v OptionPath,
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
                if matches!(self.configuration.effective(&definition.path), Effective::Conflict(_)) {
                    let _ = write!(out, "  {yellow}these definitions conflict{end}");
                }
                out.push('\n');
                last = Some(&definition.path);
            }
            let whole = *self.path == definition.path;
            let value = if whole { nix(&definition.value, 1) } else { shortened(&nix(&definition.value, 1)) };
            let place = definition.place().map_or_else(|| definition.file.to_string(), |place| self.at(place));
            let _ = writeln!(out, "  {}  {dim}{place}{end}", printable(&value));
            for note in self.notes(definition) {
                let _ = writeln!(out, "    {yellow}{}{end}", printable(&note));
            }
        }
        if found.is_empty() {
            let what = if self.path.names().is_empty() { "anything".to_owned() } else { format!("`{}`", self.path) };
            let _ = writeln!(out, "nothing that was read defines {what}");
        }
        self.rest(&mut out);
        out
    }

    /// What else there may be.
    fn rest(&self, out: &mut String) {
        let undecided = self.open();
        if !undecided.is_empty() {
            out.push_str("\nThere may be more:\n");
            for (what, reason, place) in undecided {
                let _ = writeln!(out, "  {}{what}: {}", place, printable(&reason));
            }
        }
        if !self.configuration.problems.is_empty() {
            out.push_str("\nCould not be read:\n");
            for problem in &self.configuration.problems {
                let _ = writeln!(out, "  {}{}", self.prefix(problem.place.as_ref()), printable(&problem.message));
            }
        }
    }

    /// What may hold more definitions than are seen. Definitions that are unknown say so themselves.
    fn open(&self) -> Vec<(String, String, String)> {
        let undecided = self.configuration.undecided_at(self.path).into_iter();
        let mut all: Vec<(String, String, String)> = undecided
            .filter(|undecided| undecided.what != bulkhead_modules::UNKNOWN_DEFINITION)
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
            let condition = guard.place.as_ref().and_then(|place| self.written(place));
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
                "reason": &*undecided.reason.reason,
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
                |problem| json!({ "message": &problem.message, "place": self.place_json(problem.place.as_ref()) }),
            );
        json!({
            "machine": machine,
            "root": root.as_str(),
            "option": self.path.names(),
            "definitions": definitions.collect::<Vec<_>>(),
            "undecided": undecided.collect::<Vec<_>>(),
            "modules": modules.collect::<Vec<_>>(),
            "problems": problems.collect::<Vec<_>>(),
        })
    }

    fn definition_json(&self, definition: &Definition) -> Value {
        let mut unknown = Vec::new();
        let value = data_json(&definition.value, &mut Vec::new(), &mut unknown);
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
                "expression": guard.place.as_ref().and_then(|place| self.written(place)),
                "expected": guard.expected,
                "reason": &*guard.reason.reason,
                "place": self.place_json(guard.place.as_ref()),
            })
        });
        Value::Array(guards.collect())
    }

    fn place_json(&self, place: Option<&Place>) -> Value {
        place.map_or(Value::Null, |place| place_json(place, self.sources))
    }

    fn prefix(&self, place: Option<&Place>) -> String {
        place.map_or_else(String::new, |place| format!("{}: ", self.at(place)))
    }

    fn at(&self, place: &Place) -> String {
        at(place, self.sources)
    }

    /// What is written at a place, on one line.
    fn written(&self, place: &Place) -> Option<String> {
        let (span, text) = place.span.zip(self.sources.text(&place.file))?;
        let text = text.get(span.start as usize..span.end as usize)?;
        Some(shortened(&text.split_whitespace().collect::<Vec<_>>().join(" ")))
    }
}

/// A file and a line.
pub fn at(place: &Place, sources: &dyn Sources) -> String {
    match place.span.zip(sources.text(&place.file)) {
        Some((span, text)) => {
            let position = LineIndex::new(&text).position(&text, span.start);
            format!("{}:{}", place.file, position.line)
        }
        None => place.file.to_string(),
    }
}

/// `{ file, line, column }`
pub fn place_json(place: &Place, sources: &dyn Sources) -> Value {
    let position = place.span.zip(sources.text(&place.file)).map(|(span, text)| {
        let position = LineIndex::new(&text).position(&text, span.start);
        (position.line, position.column)
    });
    match position {
        Some((line, column)) => json!({ "file": &*place.file, "line": line, "column": column }),
        None => json!({ "file": &*place.file }),
    }
}

/// A value as Nix code; `?` is unknown, `!` has failed, `…` stands for attributes that there may be.
pub fn nix(data: &Data, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match &data.kind {
        DataKind::Null => "null".to_owned(),
        DataKind::Bool(value) => value.to_string(),
        DataKind::Int(value) => value.to_string(),
        DataKind::Float(value) => value.to_string(),
        DataKind::String(text) => {
            let mut quoted = String::new();
            bulkhead_eval::quote(text, &mut quoted);
            quoted
        }
        DataKind::Path(path) => format!(".{path}"),
        DataKind::Function => "<function>".to_owned(),
        DataKind::Unknown(_) => "?".to_owned(),
        DataKind::Failed(_) => "!".to_owned(),
        DataKind::List(items) if items.is_empty() => "[ ]".to_owned(),
        DataKind::List(items) => {
            let items: Vec<String> = items.iter().map(|item| nix(item, depth + 1)).collect();
            let line = format!("[ {} ]", items.join(" "));
            if line.len() <= SHORT && !line.contains('\n') {
                return line;
            }
            format!("[\n{indent}  {}\n{indent}]", items.join(&format!("\n{indent}  ")))
        }
        DataKind::Attrs(attrs) => {
            // A text of the manual or an expression as text is shown as what it says.
            if let Some(DataKind::String(text)) = attrs.attrs.get("text").map(|field| &field.value.kind)
                && attrs.attrs.contains_key("_type")
            {
                return text.to_string();
            }
            let mut fields: Vec<String> = attrs
                .attrs
                .iter()
                .map(|(name, field)| format!("{} = {};", OptionPath::of([name]), nix(&field.value, depth + 1)))
                .collect();
            if attrs.open.is_some() {
                fields.push("…".to_owned());
            }
            if fields.is_empty() {
                return "{ }".to_owned();
            }
            let line = format!("{{ {} }}", fields.join(" "));
            if line.len() <= SHORT && !line.contains('\n') {
                return line;
            }
            format!("{{\n{indent}  {}\n{indent}}}", fields.join(&format!("\n{indent}  ")))
        }
    }
}

/// Where an unknown or failed part is, why, and where the cause is.
type UnknownPart = (Vec<String>, String, Option<Place>);

/// A value as JSON, with null for what is unknown, which is listed.
pub fn data_json(data: &Data, at: &mut Vec<String>, unknown: &mut Vec<UnknownPart>) -> Value {
    let mut note = |at: &[String], reason: &str, place: Option<&Place>| {
        unknown.push((at.to_vec(), reason.to_owned(), place.cloned()));
        Value::Null
    };
    match &data.kind {
        DataKind::Null => Value::Null,
        DataKind::Bool(value) => json!(value),
        DataKind::Int(value) => json!(value),
        DataKind::Float(value) => json!(value),
        DataKind::String(text) => json!(&**text),
        DataKind::Path(path) => json!(&**path),
        DataKind::Function => note(at, "this is a function", data.place.as_ref()),
        DataKind::Unknown(Unknown { reason, place, .. }) => note(at, reason, place.as_ref()),
        DataKind::Failed(failure) => note(at, &failure.message, failure.place.as_ref()),
        DataKind::List(items) => {
            let mut list = Vec::new();
            for (index, item) in items.iter().enumerate() {
                at.push(index.to_string());
                list.push(data_json(item, at, unknown));
                at.pop();
            }
            Value::Array(list)
        }
        DataKind::Attrs(attrs) => {
            if let Some(open) = &attrs.open {
                at.push("…".to_owned());
                note(at, &open.reason, open.place.as_ref());
                at.pop();
            }
            let mut object = Map::new();
            for (name, field) in &attrs.attrs {
                at.push(name.to_string());
                object.insert(name.to_string(), data_json(&field.value, at, unknown));
                at.pop();
            }
            Value::Object(object)
        }
    }
}

fn first_failure(data: &Data) -> Option<&Failure> {
    match &data.kind {
        DataKind::Failed(failure) => Some(failure),
        DataKind::List(items) => items.iter().find_map(first_failure),
        DataKind::Attrs(attrs) => attrs.attrs.values().find_map(|field| first_failure(&field.value)),
        _ => None,
    }
}

/// One line, cut.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHORT) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// Without what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

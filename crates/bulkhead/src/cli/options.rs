//! `options`: what modules declare.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io::IsTerminal;

use anyhow::{Result, bail};
use bulkhead_diagnostics::{Place, Sources, mask_private_keys};
use bulkhead_eval::data::{Data, DataKind, Failure, FailureKind};
use bulkhead_modules::{Declared, OptionPath, OptionType, load, schema_of_options};
use bulkhead_source::{FileKind, FileTree, TreePath, read_text};
use serde_json::{Map, Value, json};

use super::args::{Global, OptionsArgs, OptionsFormat};
use super::values::{Values, at, place_json};
use super::{FINDINGS, OK, Program, configuration, output};
use crate::Project;

/// Larger files are no modules.
const LARGEST: u64 = 4 << 20;

/// The options that were found, and what was in the way of finding more.
struct Found {
    project: Project,
    options: BTreeMap<OptionPath, Declared>,
    problems: Vec<Failure>,
    is_open: bool,
}

pub fn options(program: Program, global: &Global, args: &OptionsArgs) -> Result<u8> {
    let mut found = find(program, global, &args.paths)?;
    found.options.retain(|_, declared| args.all || (declared.visible && !declared.internal));
    let sources = found.project.sources();
    let values = Values::new(found.project.world());
    match args.format {
        OptionsFormat::Json => output::print_json(&json(&found.options, &sources, values))?,
        OptionsFormat::Markdown => output::print(&mask_private_keys(&markdown(&found.options, &sources, values)))?,
        OptionsFormat::Text => {
            let color = output::colored(global, std::io::stdout().is_terminal());
            output::print(&mask_private_keys(&text(&found.options, &sources, values, color)))?;
        }
    }
    Ok(found.tell())
}

/// `schema from-options`
pub fn schema(program: Program, global: &Global, paths: &[String]) -> Result<u8> {
    let found = find(program, global, paths)?;
    if found.options.is_empty() && found.problems.is_empty() {
        bail!("no module that was read declares options");
    }
    let title = match paths {
        [] => "The options of the fleet's modules".to_owned(),
        paths => format!("The options of {}", paths.join(", ")),
    };
    output::print_json(&schema_of_options(&found.options, &title))?;
    Ok(found.tell())
}

fn find(program: Program, global: &Global, paths: &[String]) -> Result<Found> {
    configuration::with_lib(global)?;
    let project = output::open(output::root(program, global, None)?, global)?;
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    if paths.is_empty() {
        declaring(project.tree(), &TreePath::root(), &mut files, &mut problems);
    }
    for path in paths {
        let Ok(path) = TreePath::new(path) else {
            bail!("`{path}` lies outside of the fleet; paths are relative to its root");
        };
        match project.tree().kind(&path)? {
            Some(FileKind::Directory) => match path.join("default.nix") {
                Ok(file) if project.tree().exists(&file) => files.push(file),
                _ => declaring(project.tree(), &path, &mut files, &mut problems),
            },
            Some(_) => files.push(path),
            None => bail!("there is no `{}` in {}", path.as_str(), project.tree().describe()),
        }
    }
    let mut found = Found { project, options: BTreeMap::new(), problems, is_open: false };
    for file in &files {
        let configuration = load(found.project.world(), file);
        for problem in configuration.problems {
            if !found.problems.contains(&problem) {
                found.problems.push(problem);
            }
        }
        found.is_open |=
            configuration.undecided.iter().any(|undecided| undecided.what == bulkhead_modules::UNKNOWN_OPTIONS);
        for (path, declared) in configuration.options {
            found.options.entry(path).or_insert(declared);
        }
    }
    Ok(found)
}

impl Found {
    /// Tell what was in the way; the exit code.
    fn tell(&self) -> u8 {
        let sources = self.project.sources();
        let values = Values::new(self.project.world());
        for problem in &self.problems {
            let place = problem.place.as_ref().map_or_else(String::new, |place| format!("{}: ", at(place, &sources)));
            output::tell(&format!("{place}{}", values.text(&problem.message)));
        }
        if self.is_open {
            output::tell("some modules may declare further options: the names of these are not known");
        }
        if self.problems.is_empty() && !self.is_open { OK } else { FINDINGS }
    }
}

/// The files below a folder whose text declares options. What can't be read is noted.
fn declaring(tree: &dyn FileTree, folder: &TreePath, files: &mut Vec<TreePath>, problems: &mut Vec<Failure>) {
    let entries = match tree.list(folder) {
        Ok(entries) => entries,
        Err(error) => return problems.push(unread(folder, &error)),
    };
    for entry in entries {
        let path = match folder.join(&entry.name) {
            Ok(path) => path,
            Err(error) => {
                problems.push(unread(folder, &error));
                continue;
            }
        };
        match entry.kind {
            FileKind::Directory if !entry.name.starts_with('.') => declaring(tree, &path, files, problems),
            FileKind::Regular if entry.name.ends_with(".nix") => {
                let declares = |text: &str| {
                    text.contains("options")
                        && ["mkOption", "mkEnableOption", "mkPackageOption"].iter().any(|name| text.contains(name))
                };
                match read_text(tree, &path, LARGEST) {
                    Ok(text) if declares(&text) => files.push(path),
                    Ok(_) => {}
                    Err(error) => problems.push(unread(&path, &error)),
                }
            }
            _ => {}
        }
    }
}

fn unread(path: &TreePath, error: &dyn std::fmt::Display) -> Failure {
    let place = Some(Place::file(path.to_arc()));
    Failure { message: error.to_string(), kind: FailureKind::Read, place, help: None, trace: Vec::new() }
}

/// The default as it is shown: its text if it has one.
fn default_of(declared: &Declared, values: Values<'_>) -> Option<String> {
    declared.default_text.clone().or_else(|| declared.default.as_ref().map(|data| values.nix(data, 0)))
}

fn text(found: &BTreeMap<OptionPath, Declared>, sources: &dyn Sources, values: Values<'_>, color: bool) -> String {
    let (bold, dim, end) = if color { ("\u{1b}[1m", "\u{1b}[2m", "\u{1b}[0m") } else { ("", "", "") };
    let mut out = String::new();
    for (path, declared) in found {
        let place = declared.place.as_ref().map_or_else(|| declared.file.to_string(), |place| at(place, sources));
        let _ = writeln!(out, "{bold}{path}{end}  {dim}{place}{end}");
        let _ = writeln!(out, "    type     {}", declared.kind.description);
        if let Some(default) = default_of(declared, values) {
            let _ = writeln!(out, "    default  {}", default.replace('\n', "\n             "));
        }
        if let Some(example) = &declared.example {
            let _ = writeln!(out, "    example  {}", values.nix(example, 0).replace('\n', "\n             "));
        }
        if let Some(description) = &declared.description {
            let _ = writeln!(out, "    {}", description.replace('\n', "\n    "));
        }
        if !declared.condition.is_always() {
            let _ = writeln!(out, "    declared only under a condition that is not known");
        }
        out.push('\n');
    }
    out.pop();
    if found.is_empty() {
        out.push_str("no module that was read declares options\n");
    }
    out.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\u{1b}') { '?' } else { c }).collect()
}

fn markdown(found: &BTreeMap<OptionPath, Declared>, sources: &dyn Sources, values: Values<'_>) -> String {
    let mut out = String::from("# Options\n");
    for (path, declared) in found {
        let _ = writeln!(out, "\n## `{path}`\n");
        if let Some(description) = &declared.description {
            let _ = writeln!(out, "{description}\n");
        }
        let _ = writeln!(out, "*Type:* {}", declared.kind.description.replace(['<', '*', '_'], ""));
        for (title, value) in [
            ("Default", default_of(declared, values)),
            ("Example", declared.example.as_ref().map(|data| values.nix(data, 0))),
        ] {
            match value {
                Some(value) if value.contains('\n') => {
                    let _ = writeln!(out, "\n*{title}:*\n\n```nix\n{value}\n```");
                }
                Some(value) => {
                    let _ = writeln!(out, "\n*{title}:* `{value}`");
                }
                None => {}
            }
        }
        let place = declared.place.as_ref().map_or_else(|| declared.file.to_string(), |place| at(place, sources));
        let _ = writeln!(out, "\n*Declared in:* {place}");
    }
    out
}

fn json(found: &BTreeMap<OptionPath, Declared>, sources: &dyn Sources, values: Values<'_>) -> Value {
    let mut object = Map::new();
    for (path, declared) in found {
        let value = |data: &Option<Data>| {
            let mut unknown = Vec::new();
            let value = data.as_ref().map(|data| match &data.kind {
                DataKind::Function => json!("<function>"),
                _ => values.json(data, &mut Vec::new(), &mut unknown),
            });
            (value, unknown.into_iter().next().map(|(_, reason, _)| reason))
        };
        let (default, unknown_default) = value(&declared.default);
        let (example, _) = value(&declared.example);
        let mut entry = Map::new();
        entry.insert("path".to_owned(), json!(path.names()));
        entry.insert("type".to_owned(), type_json(&declared.kind, values));
        entry.insert("description".to_owned(), json!(declared.description));
        for (name, value) in
            [("default", default), ("defaultUnknown", unknown_default.map(Value::from)), ("example", example)]
        {
            if let Some(value) = value {
                entry.insert(name.to_owned(), value);
            }
        }
        if let Some(text) = &declared.default_text {
            entry.insert("defaultText".to_owned(), json!(text));
        }
        for (name, flag) in [
            ("internal", declared.internal),
            ("hidden", !declared.visible),
            ("readOnly", declared.read_only),
            ("conditional", !declared.condition.is_always()),
        ] {
            if flag {
                entry.insert(name.to_owned(), json!(true));
            }
        }
        let place = declared.place.as_ref().map(|place| place_json(place, sources));
        entry.insert("place".to_owned(), place.unwrap_or_else(|| json!({ "file": &*declared.file })));
        object.insert(path.to_string(), Value::Object(entry));
    }
    Value::Object(object)
}

fn type_json(kind: &OptionType, values: Values<'_>) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(kind.name));
    object.insert("description".to_owned(), json!(kind.description));
    if !kind.values.is_empty() {
        let all = kind.values.iter().map(|value| values.json(value, &mut Vec::new(), &mut Vec::new()));
        object.insert("values".to_owned(), Value::Array(all.collect()));
    }
    if let Some((low, high)) = kind.bounds {
        object.insert("minimum".to_owned(), json!(low));
        object.insert("maximum".to_owned(), json!(high));
    }
    if let Some(pattern) = &kind.pattern {
        object.insert("pattern".to_owned(), json!(pattern));
    }
    if let Some(freeform) = &kind.freeform {
        object.insert("freeformType".to_owned(), type_json(freeform, values));
    }
    for (role, nested) in &kind.nested {
        object.insert(role.clone(), type_json(nested, values));
    }
    Value::Object(object)
}

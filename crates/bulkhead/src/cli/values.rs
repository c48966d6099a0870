//! Values and places, as the commands about modules show them.

use std::fmt::Write;

use bulkhead_diagnostics::{Place, Sources};
use bulkhead_eval::World;
use bulkhead_eval::data::{Data, DataKind, Failure, Unknown};
use bulkhead_fleet::PlaceView;
use bulkhead_modules::OptionPath;
use bulkhead_source::{LineIndex, Position};
use serde_json::{Map, Value, json};

/// Values in an overview are cut, in characters.
const SHORT: usize = 60;

/// A file and a line.
pub fn at(place: &Place, sources: &dyn Sources) -> String {
    match place_view(place, sources) {
        PlaceView { file, line: Some(line) } => format!("{file}:{line}"),
        PlaceView { file, line: None } => file.to_string(),
    }
}

/// The same as data.
pub fn place_view(place: &Place, sources: &dyn Sources) -> PlaceView {
    let line = position(place, sources).map(|position| position.line);
    PlaceView { file: place.file.clone(), line }
}

/// Where a place begins.
fn position(place: &Place, sources: &dyn Sources) -> Option<Position> {
    let (span, text) = place.span.zip(sources.text(&place.file))?;
    Some(LineIndex::new(&text).position(&text, span.start))
}

/// `{ file, line, column }`
pub fn place_json(place: &Place, sources: &dyn Sources) -> Value {
    match position(place, sources) {
        Some(Position { line, column }) => json!({ "file": &*place.file, "line": line, "column": column }),
        None => json!({ "file": &*place.file }),
    }
}

/// What is written at a place, on one line, cut.
pub fn written(place: &Place, sources: &dyn Sources) -> Option<String> {
    written_whole(place, sources).map(|text| shortened(&text))
}

/// What is written at a place, on one line.
pub fn written_whole(place: &Place, sources: &dyn Sources) -> Option<String> {
    let (span, text) = place.span.zip(sources.text(&place.file))?;
    let text = text.get(span.start as usize..span.end as usize)?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What a path in a literal of Nix may be written with.
fn is_of_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-+/".contains(c)
}

const STORE: &str = "/nix/store/";

/// The longest path that Linux takes, in bytes: `PATH_MAX` of limits.h.
const LONGEST: usize = 4096;

/// Shows values. Files of the fleet are named as in findings, by where they lie in it.
#[derive(Clone, Copy)]
pub struct Values<'w> {
    world: &'w World,
    /// Whether copies of files are shown by their contents' hash.
    by_contents: bool,
}

impl<'w> Values<'w> {
    pub fn new(world: &'w World) -> Values<'w> {
        Values { world, by_contents: false }
    }

    /// The same, for what is compared: copies of files differ when the files do. Those of the whole fleet always do.
    pub fn by_contents(self) -> Values<'w> {
        Values { by_contents: true, ..self }
    }

    /// A value as Nix code; `?` is unknown, `!` has failed, `…` stands for attributes that there may be.
    pub fn nix(self, data: &Data, depth: usize) -> String {
        let indent = "  ".repeat(depth);
        match &data.kind {
            DataKind::Null => "null".to_owned(),
            DataKind::Bool(value) => value.to_string(),
            DataKind::Int(value) => value.to_string(),
            DataKind::Float(value) => value.to_string(),
            DataKind::String(text) => self.quoted(text),
            DataKind::Path(path) => match self.inside(path) {
                Some(inside) if inside.chars().all(is_of_path) => literal(&inside),
                Some(inside) => {
                    let mut rest = String::new();
                    bulkhead_eval::quote(&format!("/{inside}"), &mut rest);
                    format!("(./. + {rest})")
                }
                None => self.outside(path),
            },
            DataKind::Function => "<function>".to_owned(),
            DataKind::Unknown(_) => "?".to_owned(),
            DataKind::Failed(_) => "!".to_owned(),
            DataKind::List(items) if items.is_empty() => "[ ]".to_owned(),
            DataKind::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.nix(item, depth + 1)).collect();
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
                    .map(|(name, field)| format!("{} = {};", OptionPath::of([name]), self.nix(&field.value, depth + 1)))
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

    /// A value as JSON, with null for what is unknown, which is listed.
    pub fn json(self, data: &Data, at: &mut Vec<String>, unknown: &mut Vec<UnknownPart>) -> Value {
        let mut note = |at: &[String], reason: &str, place: Option<&Place>| {
            unknown.push((at.to_vec(), self.text(reason), place.cloned()));
            Value::Null
        };
        match &data.kind {
            DataKind::Null => Value::Null,
            DataKind::Bool(value) => json!(value),
            DataKind::Int(value) => json!(value),
            DataKind::Float(value) => json!(value),
            DataKind::String(text) => json!(self.text(text)),
            DataKind::Path(path) => match self.inside(path) {
                Some(inside) => json!(or_dot(&inside)),
                None => json!(self.outside(path)),
            },
            DataKind::Function => note(at, "this is a function", data.place.as_ref()),
            DataKind::Unknown(Unknown { reason, place, .. }) => note(at, reason, place.as_ref()),
            DataKind::Failed(failure) => note(at, &failure.message, failure.place.as_ref()),
            DataKind::List(items) => {
                let mut list = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    at.push(index.to_string());
                    list.push(self.json(item, at, unknown));
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
                    object.insert(name.to_string(), self.json(&field.value, at, unknown));
                    at.pop();
                }
                Value::Object(object)
            }
        }
    }

    /// A text, in which files of the fleet have the names that findings give them.
    pub fn text(self, text: &str) -> String {
        let mut out = String::new();
        for part in self.parts(text) {
            match part {
                Part::Text(text) | Part::Copy { whole: text, .. } => out.push_str(text),
                Part::File(inside) => out.push_str(or_dot(&inside)),
            }
        }
        out
    }

    /// A string as Nix code, which says what the text of a path was made of.
    fn quoted(self, text: &str) -> String {
        let mut out = String::from("\"");
        for part in self.parts(text) {
            // What is kept as it is has no quotation marks around it.
            let mut kept = |text: &str| {
                let mut quoted = String::new();
                bulkhead_eval::quote(text, &mut quoted);
                out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
            };
            match part {
                Part::Text(text) => kept(text),
                Part::Copy { whole, origin } if self.by_contents && !origin.is_empty() => kept(whole),
                Part::Copy { origin, .. } => {
                    let _ = write!(out, "${{{}}}", literal(&origin));
                }
                Part::File(inside) => {
                    let _ = write!(out, "${{toString {}}}", literal(&inside));
                }
            }
        }
        out.push('"');
        out
    }

    /// What a text is made of. Places on this machine and in its store are known by how they begin.
    fn parts(self, text: &str) -> Vec<Part<'_>> {
        let starts = [self.world.root(), STORE];
        let find = |from: usize, start: &str| {
            let found = text.get(from..).filter(|_| !start.is_empty())?.find(start);
            found.map(|found| found + from)
        };
        // Up to `done` it is in the parts.
        let (mut parts, mut done) = (Vec::new(), 0);
        let mut ahead = starts.map(|start| find(0, start));
        while let Some(at) = ahead.into_iter().flatten().min() {
            let (before, path) = (text.get(done..at).unwrap_or_default(), text.get(at..).unwrap_or_default());
            // They are all of ASCII.
            let (path, _) = path.split_at(path.chars().take(LONGEST).take_while(|c| is_of_path(*c)).count());
            // A part of a longer path is none.
            let is_begun = !before.ends_with(is_of_path);
            let part = match path.strip_prefix(STORE) {
                Some(inside) => {
                    let (copy, _) = path.split_at(STORE.len() + inside.find('/').unwrap_or(inside.len()));
                    // It may be the end of a sentence.
                    [copy, copy.trim_end_matches('.')].into_iter().find_map(|whole| {
                        let origin = self.world.copied_from(whole)?.as_str().to_owned();
                        origin.chars().all(is_of_path).then_some((whole.len(), Part::Copy { whole, origin }))
                    })
                }
                None => {
                    let path = path.trim_end_matches(['/', '.']);
                    self.inside(path).map(|inside| (path.len(), Part::File(inside)))
                }
            };
            let from = match part.filter(|_| is_begun) {
                Some((length, part)) => {
                    parts.push(Part::Text(before));
                    parts.push(part);
                    done = at + length;
                    done
                }
                None => at + 1,
            };
            for (next, start) in ahead.iter_mut().zip(starts) {
                if next.is_some_and(|next| next < from) {
                    *next = find(from, start);
                }
            }
        }
        parts.push(Part::Text(text.get(done..).unwrap_or_default()));
        parts
    }

    /// Where a file of the fleet lies in it, by an absolute path.
    fn inside(self, absolute: &str) -> Option<String> {
        let path = self.world.in_first_tree(absolute)?;
        // A repository without files on disk has no place of its own: all paths begin there.
        let is_sure = !self.world.root().is_empty() || self.world.tree().exists(&path);
        is_sure.then(|| path.as_str().to_owned())
    }

    /// What messages call another path.
    fn outside(self, absolute: &str) -> String {
        let shown = self.world.display(absolute).filter(|_| self.world.in_first_tree(absolute).is_none());
        shown.map_or_else(|| absolute.to_owned(), |shown| shown.to_string())
    }
}

/// Of what a text is made.
enum Part<'t> {
    Text(&'t str),
    /// A path in the store, that of a copy.
    Copy {
        whole: &'t str,
        origin: String,
    },
    /// The path of a file of the fleet.
    File(String),
}

/// A path in the fleet, as Nix has it.
fn literal(inside: &str) -> String {
    format!("./{}", or_dot(inside))
}

fn or_dot(inside: &str) -> &str {
    if inside.is_empty() { "." } else { inside }
}

/// Where an unknown or failed part is, why, and where the cause is.
pub type UnknownPart = (Vec<String>, String, Option<Place>);

pub fn first_failure(data: &Data) -> Option<&Failure> {
    match &data.kind {
        DataKind::Failed(failure) => Some(failure),
        DataKind::List(items) => items.iter().find_map(first_failure),
        DataKind::Attrs(attrs) => attrs.attrs.values().find_map(|field| first_failure(&field.value)),
        _ => None,
    }
}

/// One line, cut.
pub fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHORT) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

/// Without what would steer a terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}

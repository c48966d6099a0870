//! Values and places, as the commands about modules show them.

use bulkhead_diagnostics::{Place, Sources};
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

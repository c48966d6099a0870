//! From declared options to JSON Schema (draft 2020-12).

use std::collections::BTreeMap;
use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind, Field};
use serde_json::{Map, Value, json};

use crate::{Declared, OptionPath, OptionType};

/// What the name of an attribute, and an item of a list, are in the paths of options.
const ANY: [&str; 2] = ["<name>", "*"];

/// The JSON Schema of these options, as one object of nested properties. What JSON can't hold (packages, functions,
/// modules) may be anything. Options that are hidden in manuals are in it too, since they can be set; internal ones are
/// not.
pub fn schema_of_options(options: &BTreeMap<OptionPath, Declared>, title: &str) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!(title));
    let all = Options(options);
    if let Value::Object(rest) = all.set(&OptionPath::root(), None) {
        schema.extend(rest);
    }
    Value::Object(schema)
}

struct Options<'o>(&'o BTreeMap<OptionPath, Declared>);

impl Options<'_> {
    /// The schema of the options below a path: of a set of options, or of a submodule of this type.
    fn set(&self, path: &OptionPath, submodule: Option<&OptionType>) -> Value {
        let depth = path.names().len();
        let mut properties: Map<String, Value> = Map::new();
        let mut required = Vec::new();
        for below in self.0.keys().filter(|below| below.starts_with(path) && below.names().len() > depth) {
            let name = &below.names()[depth];
            if properties.contains_key(&**name) || ANY.contains(&&**name) {
                continue;
            }
            let child = path.join(name);
            match self.0.get(&child) {
                Some(declared) if declared.internal => {}
                Some(declared) => {
                    properties.insert(name.to_string(), self.option(&child, declared));
                    if submodule.is_some() && is_required(declared) {
                        required.push(json!(&**name));
                    }
                }
                None => {
                    properties.insert(name.to_string(), self.set(&child, None));
                }
            }
        }
        let rest = match submodule.and_then(|kind| kind.freeform.as_deref()) {
            Some(kind) => match kind.nested.iter().find(|(role, _)| role == "elemType") {
                Some((_, element)) => self.kind(element, path),
                None => json!(true),
            },
            None => json!(submodule.is_some_and(|kind| kind.is_open)),
        };
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        schema.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), Value::Array(required));
        }
        schema.insert("additionalProperties".to_owned(), rest);
        Value::Object(schema)
    }

    fn option(&self, path: &OptionPath, declared: &Declared) -> Value {
        let mut schema = match self.kind(&declared.kind, path) {
            Value::Object(schema) => schema,
            _ => Map::new(),
        };
        if let Some(description) = &declared.description {
            schema.insert("description".to_owned(), json!(description.trim()));
        }
        if let Some(default) = declared.default.as_ref().and_then(to_json).filter(|_| declared.default_text.is_none()) {
            schema.insert("default".to_owned(), default);
        }
        if let Some(example) = declared.example.as_ref().and_then(to_json) {
            schema.insert("examples".to_owned(), json!([example]));
        }
        if declared.read_only {
            schema.insert("readOnly".to_owned(), json!(true));
        }
        Value::Object(schema)
    }

    /// The schema of a type; `path` is where its options would be if it is a submodule.
    fn kind(&self, kind: &OptionType, path: &OptionPath) -> Value {
        let nested = |role: &str, path: &OptionPath| {
            let found = kind.nested.iter().find(|(name, _)| name == role);
            found.map_or_else(|| json!({}), |(_, inner)| self.kind(inner, path))
        };
        if let Some((low, high)) = kind.bounds {
            let mut schema = Map::new();
            schema.insert("type".to_owned(), json!("integer"));
            schema.extend(low.map(|low| ("minimum".to_owned(), json!(low))));
            schema.extend(high.map(|high| ("maximum".to_owned(), json!(high))));
            return Value::Object(schema);
        }
        if let Some(pattern) = &kind.pattern {
            return json!({ "type": "string", "pattern": format!("^({})$", ecma(pattern)) });
        }
        match &*kind.name {
            "str" | "string" | "separatedString" | "lines" => json!({ "type": "string" }),
            "path" | "pathInStore" => json!({ "type": "string", "pattern": "^/" }),
            "nonEmptyStr" => json!({ "type": "string", "pattern": "[^ \\t\\n]" }),
            "bool" | "boolByOr" => json!({ "type": "boolean" }),
            "int" => json!({ "type": "integer" }),
            "float" => json!({ "type": "number" }),
            "enum" => json!({ "enum": kind.values.iter().filter_map(to_json).collect::<Vec<_>>() }),
            "nullOr" => json!({ "anyOf": [nested("elemType", path), { "type": "null" }] }),
            "listOf" | "nonEmptyListOf" => json!({ "type": "array", "items": nested("elemType", &path.join("*")) }),
            "attrsOf" | "lazyAttrsOf" => {
                json!({ "type": "object", "additionalProperties": nested("elemType", &path.join("<name>")) })
            }
            "attrs" => json!({ "type": "object" }),
            "either" => json!({ "anyOf": [nested("left", path), nested("right", path)] }),
            "coercedTo" => json!({ "anyOf": [nested("finalType", path), nested("coercedType", path)] }),
            "unique" => nested("elemType", path),
            name if name.starts_with("passwdEntry") => match kind.nested.as_slice() {
                [(_, inner)] => self.kind(inner, path),
                _ => json!({ "type": "string" }),
            },
            "submodule" => self.set(path, Some(kind)),
            _ => json!({}),
        }
    }
}

/// A POSIX regular expression as ECMA-262 has it, which JSON Schema takes: the same but for classes of characters.
fn ecma(pattern: &str) -> String {
    let classes = [
        ("[:alnum:]", "A-Za-z0-9"),
        ("[:alpha:]", "A-Za-z"),
        ("[:digit:]", "0-9"),
        ("[:lower:]", "a-z"),
        ("[:upper:]", "A-Z"),
        ("[:space:]", "\\s"),
        ("[:blank:]", " \\t"),
        ("[:xdigit:]", "0-9A-Fa-f"),
        ("[:print:]", " -~"),
        ("[:graph:]", "!-~"),
        ("[:punct:]", "!-/:-@\\[-`{-~"),
    ];
    classes.iter().fold(pattern.to_owned(), |text, (posix, ecma)| text.replace(posix, ecma))
}

/// Whether whoever writes the submodule has to define the option.
fn is_required(declared: &Declared) -> bool {
    let has_default = declared.default.is_some() || declared.default_text.is_some();
    !has_default && declared.condition.is_always() && declared.visible && !declared.read_only
}

/// A value as JSON, if it is known and JSON has such values. Where files are is no part of a schema.
fn to_json(data: &Data) -> Option<Value> {
    Some(match &data.kind {
        DataKind::Null => Value::Null,
        DataKind::Bool(value) => json!(value),
        DataKind::Int(value) => json!(value),
        DataKind::Float(value) => json!(value),
        DataKind::String(value) => json!(&**value),
        DataKind::List(items) => Value::Array(items.iter().map(to_json).collect::<Option<_>>()?),
        DataKind::Attrs(set) if set.open.is_none() && !set.attrs.contains_key("_type") => {
            let field = |(name, field): (&Arc<str>, &Field)| Some((name.to_string(), to_json(&field.value)?));
            Value::Object(set.attrs.iter().map(field).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

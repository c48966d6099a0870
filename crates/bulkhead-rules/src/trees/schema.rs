//! The JSON Schemas of our modules' options, as `bulkhead schema from-options` makes them.

use std::sync::LazyLock;

use bulkhead_modules::OptionPath;
use serde_json::{Map, Value};

use super::option;

/// All options, as one schema.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut all = Value::Object(Map::new());
    for text in [
        include_str!("../../../../schemas/workspaces-options.schema.json"),
        include_str!("../../../../schemas/sandbox-options.schema.json"),
        include_str!("../../../../schemas/vpn-options.schema.json"),
        include_str!("../../../../schemas/fleet-options.schema.json"),
        include_str!("../../../../schemas/secrets-options.schema.json"),
    ] {
        if let Ok(schema) = serde_json::from_str(text) {
            merge(&mut all, schema);
        }
    }
    all
});

/// Below these all options are ours.
pub(crate) const OWN: [&str; 6] =
    ["workspaces", "workspaceDefaults", "networking.sandbox", "vpn", "machines", "thisMachine"];

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                match into.get_mut(&name) {
                    Some(known) => merge(known, value),
                    None => {
                        into.insert(name, value);
                    }
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// What the schemas say about an option.
pub(crate) enum Known {
    /// Its schema.
    Schema(&'static Value),
    /// There is no such option: of its path so many names lead somewhere, where these are known.
    Unknown(usize, Vec<&'static str>),
    /// It is not ours, or anything may be there.
    Any,
}

/// What the schemas say about an option by our name for it.
pub(crate) fn known(path: &OptionPath) -> Known {
    let Some(root) = OWN.iter().map(|root| option(root)).find(|root| path.starts_with(root)) else { return Known::Any };
    let mut schema: &'static Value = &SCHEMA;
    for (depth, name) in path.names().iter().enumerate() {
        match step(schema, name) {
            Some(next) => schema = next,
            None if depth >= root.names().len() && is_closed(schema) => return Known::Unknown(depth, names(schema)),
            None => return Known::Any,
        }
    }
    Known::Schema(schema)
}

/// The schema of an attribute.
pub(crate) fn step(schema: &'static Value, name: &str) -> Option<&'static Value> {
    if let Some(properties) = schema.get("properties")
        && let Some(found) = properties.get(name)
    {
        return Some(found);
    }
    if let Some(others) = schema.get("additionalProperties").filter(|others| others.is_object()) {
        return Some(others);
    }
    branches(schema).find_map(|branch| step(branch, name))
}

/// Whether a schema is that of a submodule: a set of certain options.
pub(crate) fn is_submodule(schema: &Value) -> bool {
    schema.get("properties").is_some() && schema.get("additionalProperties") == Some(&Value::Bool(false))
}

/// The alternatives of a schema.
pub(crate) fn branches(schema: &'static Value) -> impl Iterator<Item = &'static Value> {
    schema.get("anyOf").and_then(Value::as_array).into_iter().flatten()
}

fn is_closed(schema: &'static Value) -> bool {
    schema.get("additionalProperties") == Some(&Value::Bool(false)) || branches(schema).any(is_closed)
}

fn names(schema: &'static Value) -> Vec<&'static str> {
    let own = schema.get("properties").and_then(Value::as_object);
    let own = own.into_iter().flat_map(Map::keys).map(String::as_str);
    own.chain(branches(schema).flat_map(names)).collect()
}

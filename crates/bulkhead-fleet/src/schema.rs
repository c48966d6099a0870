//! JSON Schemas of the files that people write, and validation that points at the text.
//!
//! The schemas are generated from the types in [`crate::properties`] and [`crate::BulkheadToml`]; their descriptions
//! are those types' doc comments. Validators are compiled once.

use std::sync::{Arc, LazyLock};

use bulkhead_diagnostics::{Diagnostic, Place, Severity, nearest};
use bulkhead_eval::data::{Data, DataKind, Unknown};
use foldhash::{HashSet, HashSetExt};
use jsonschema::Validator;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::config::BulkheadToml;
use crate::properties::{AgenixRules, MachineProperties, SecretProperties};
use crate::read::unknown_help;

/// A kind of file that has a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaKind {
    /// A machine's `properties.nix`.
    Machine,
    /// `secrets/properties.nix`.
    Secrets,
    /// An agenix rules file. Validation leaves empty and repeated lists of keys to the rules about recipients.
    Rules,
    /// `bulkhead.toml`.
    Config,
}

/// The generated schemas with the names of their files, for `schemas/`.
///
/// ```
/// let schemas = bulkhead_fleet::schemas();
/// assert!(schemas.iter().any(|(name, _)| *name == "machine-properties.schema.json"));
/// ```
pub fn schemas() -> Vec<(&'static str, Value)> {
    [
        ("agenix-rules.schema.json", SchemaKind::Rules),
        ("bulkhead-toml.schema.json", SchemaKind::Config),
        ("machine-properties.schema.json", SchemaKind::Machine),
        ("secret-properties.schema.json", SchemaKind::Secrets),
    ]
    .into_iter()
    .map(|(name, kind)| (name, compiled(kind).schema.clone()))
    .collect()
}

struct Compiled {
    /// The schema as published.
    schema: Value,
    /// Compiled from it, for [`SchemaKind::Rules`] without the limits on lists of keys. `None` only if the schema
    /// itself is broken, which a test rules out.
    validator: Option<Validator>,
}

fn compiled(kind: SchemaKind) -> &'static Compiled {
    static MACHINE: LazyLock<Compiled> = LazyLock::new(|| compile::<MachineProperties>(SchemaKind::Machine));
    static SECRETS: LazyLock<Compiled> = LazyLock::new(|| compile::<SecretProperties>(SchemaKind::Secrets));
    static RULES: LazyLock<Compiled> = LazyLock::new(|| compile::<AgenixRules>(SchemaKind::Rules));
    static CONFIG: LazyLock<Compiled> = LazyLock::new(|| compile::<BulkheadToml>(SchemaKind::Config));
    match kind {
        SchemaKind::Machine => &MACHINE,
        SchemaKind::Secrets => &SECRETS,
        SchemaKind::Rules => &RULES,
        SchemaKind::Config => &CONFIG,
    }
}

fn compile<T: JsonSchema>(kind: SchemaKind) -> Compiled {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    let mut checked = schema.clone();
    if kind == SchemaKind::Rules
        && let Some(Value::Object(keys)) = checked.pointer_mut("/additionalProperties/properties/publicKeys")
    {
        keys.remove("minItems");
        keys.remove("uniqueItems");
    }
    Compiled { schema, validator: jsonschema::validator_for(&checked).ok() }
}

/// A value as JSON, with what JSON can't say left out: unknown and failed parts and functions are null, and the
/// pointers of the unknown and failed parts are in `gaps`.
pub(crate) struct Json {
    pub(crate) value: Value,
    gaps: Vec<String>,
    /// Pointers of sets that may have further attributes.
    open: HashSet<String>,
}

/// `data` as JSON. Paths become strings.
pub(crate) fn to_json(data: &Data) -> Json {
    let mut json = Json { value: Value::Null, gaps: Vec::new(), open: HashSet::new() };
    let mut pointer = String::new();
    json.value = convert(data, &mut pointer, &mut json.gaps, &mut json.open, 0);
    json
}

/// Values nested deeper than this are cut off; nothing that a schema here describes is near it.
const MAX_DEPTH: u32 = 128;

fn convert(data: &Data, pointer: &mut String, gaps: &mut Vec<String>, open: &mut HashSet<String>, depth: u32) -> Value {
    if depth > MAX_DEPTH {
        gaps.push(pointer.clone());
        return Value::Null;
    }
    match &data.kind {
        DataKind::Null | DataKind::Function => Value::Null,
        DataKind::Bool(value) => Value::Bool(*value),
        DataKind::Int(value) => Value::from(*value),
        // To JSON Schema 7.0 is an integer, to Nix it is none.
        DataKind::Float(value) if value.fract() == 0.0 => Value::from(value + 0.5),
        DataKind::Float(value) => Value::from(*value),
        DataKind::String(value) | DataKind::Path(value) => Value::String(value.to_string()),
        DataKind::List(items) => {
            let length = pointer.len();
            let items = items.iter().enumerate().map(|(index, item)| {
                push_token(pointer, &index.to_string());
                let value = convert(item, pointer, gaps, open, depth + 1);
                pointer.truncate(length);
                value
            });
            Value::Array(items.collect())
        }
        DataKind::Attrs(set) => {
            if set.open.is_some() {
                open.insert(pointer.clone());
            }
            let length = pointer.len();
            let mut object = Map::with_capacity(set.attrs.len());
            for (name, field) in &set.attrs {
                push_token(pointer, name);
                let value = convert(&field.value, pointer, gaps, open, depth + 1);
                pointer.truncate(length);
                object.insert(name.to_string(), value);
            }
            Value::Object(object)
        }
        DataKind::Unknown(_) | DataKind::Failed(_) => {
            gaps.push(pointer.clone());
            Value::Null
        }
    }
}

/// Append `/token` to a JSON pointer (RFC 6901).
fn push_token(pointer: &mut String, token: &str) {
    pointer.push('/');
    for c in token.chars() {
        match c {
            '~' => pointer.push_str("~0"),
            '/' => pointer.push_str("~1"),
            c => pointer.push(c),
        }
    }
}

/// The tokens of a JSON pointer.
fn tokens(pointer: &str) -> impl Iterator<Item = String> + '_ {
    pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~"))
}

/// What a pointer leads to in a value.
struct Target<'a> {
    data: &'a Data,
    /// Where its name is written, if it has one.
    key: Option<&'a Place>,
    /// The nearest place known on the way.
    place: Place,
}

fn locate<'a>(root: &'a Data, pointer: &str, fallback: &Place) -> Target<'a> {
    let mut target = Target { data: root, key: None, place: root.place.clone().unwrap_or_else(|| fallback.clone()) };
    for token in tokens(pointer) {
        let (next, key) = match &target.data.kind {
            DataKind::Attrs(set) => match set.attrs.get(token.as_str()) {
                Some(field) => (&field.value, field.key.as_ref()),
                None => return target,
            },
            DataKind::List(items) => match token.parse::<usize>().ok().and_then(|index| items.get(index)) {
                Some(item) => (item, None),
                None => return target,
            },
            _ => return target,
        };
        let place = next.place.as_ref().or(key).cloned().unwrap_or(target.place);
        target = Target { data: next, key, place };
    }
    target
}

/// Every violation of the schema of `kind` in `data`, as findings of the rule `schema`, each at the text that caused
/// it. `fallback` is used where a value has no place. Parts that are unknown violate nothing.
///
/// ```
/// use bulkhead_diagnostics::Place;
/// use bulkhead_eval::data::{AttrsData, Data, DataKind};
/// use bulkhead_fleet::{SchemaKind, validate};
///
/// let empty = Data { kind: DataKind::Attrs(AttrsData::default()), place: None };
/// let findings = validate(SchemaKind::Machine, &empty, &Place::file("machines/s0/properties.nix"));
/// assert!(findings.iter().any(|finding| finding.message == "`hostNames` is missing"));
/// ```
pub fn validate(kind: SchemaKind, data: &Data, fallback: &Place) -> Vec<Diagnostic> {
    validate_json(kind, &to_json(data), data, fallback)
}

pub(crate) fn validate_json(kind: SchemaKind, json: &Json, data: &Data, fallback: &Place) -> Vec<Diagnostic> {
    let compiled = compiled(kind);
    let Some(validator) = &compiled.validator else { return Vec::new() };
    if validator.is_valid(&json.value) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for error in validator.iter_errors(&json.value) {
        describe(&compiled.schema, &error, json, data, (fallback, ""), &mut findings);
    }
    findings
}

/// The schema of an option, or of a part of any other schema.
pub struct ValueSchema<'s> {
    schema: &'s Value,
    validator: Validator,
}

impl<'s> ValueSchema<'s> {
    /// Compile a schema; `None` if it is none.
    pub fn new(schema: &'s Value) -> Option<ValueSchema<'s>> {
        Some(ValueSchema { schema, validator: jsonschema::validator_for(schema).ok()? })
    }

    /// Every violation in a value that messages call `name`, as findings of the rule `schema`; see [`validate`].
    pub fn validate(&self, name: &str, data: &Data, fallback: &Place) -> Vec<Diagnostic> {
        let json = to_json(data);
        let mut findings = Vec::new();
        if !self.validator.is_valid(&json.value) {
            for error in self.validator.iter_errors(&json.value) {
                describe(self.schema, &error, &json, data, (fallback, name), &mut findings);
            }
        }
        findings
    }
}

/// Whether a violation at `pointer` may be due to an unknown part of the value rather than to what is written.
fn is_excused(error: &ValidationError<'_>, pointer: &str, json: &Json) -> bool {
    if json.gaps.iter().any(|gap| is_prefix(gap, pointer)) {
        return true;
    }
    match error.kind() {
        ValidationErrorKind::Required { .. } | ValidationErrorKind::MinProperties { .. } => json.open.contains(pointer),
        ValidationErrorKind::UniqueItems
        | ValidationErrorKind::AnyOf { .. }
        | ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::OneOfMultipleValid { .. } => json.gaps.iter().any(|gap| is_prefix(pointer, gap)),
        _ => false,
    }
}

fn is_prefix(prefix: &str, pointer: &str) -> bool {
    pointer.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn describe(
    schema: &Value,
    error: &ValidationError<'_>,
    json: &Json,
    data: &Data,
    (fallback, root): (&Place, &str),
    findings: &mut Vec<Diagnostic>,
) {
    let pointer = error.instance_path().as_str();
    if is_excused(error, pointer, json) {
        return;
    }
    let target = locate(data, pointer, fallback);
    let name = subject(root, pointer);
    let owner = owner_schema(schema, error.schema_path().as_str());
    let finding = |place: &Place, message: String| Diagnostic::new("schema", Severity::Error, place.clone(), message);
    let noted = |finding: Diagnostic| match owner.and_then(description) {
        Some(text) => finding.with_note(text),
        None => finding,
    };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known: Vec<&str> = owner
                .and_then(|schema| schema.get("properties")?.as_object())
                .map(|properties| properties.keys().map(String::as_str).collect())
                .unwrap_or_default();
            for property in unexpected {
                let place = match &target.data.kind {
                    DataKind::Attrs(set) => set
                        .attrs
                        .get(property.as_str())
                        .and_then(|field| field.key.clone().or_else(|| field.value.place.clone())),
                    _ => None,
                };
                let place = place.unwrap_or_else(|| target.place.clone());
                let mut found = finding(&place, format!("`{property}` is not a property of {}", whole(&name)));
                if let Some(near) = nearest(property, known.iter().copied()) {
                    found = found.with_help(format!("did you mean `{near}`?"));
                }
                findings.push(found.with_help(format!("known here: {}", list(&known))));
            }
        }
        ValidationErrorKind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            let mut found = finding(&target.place, format!("`{}` is missing", joined(&name, property)));
            let meaning = owner.and_then(|schema| description(schema.get("properties")?.get(property)?));
            if let Some(meaning) = meaning {
                found = found.with_note(format!("`{property}`: {meaning}"));
            }
            findings.push(found);
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<&str> =
                options.as_array().map(|o| o.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
            findings.push(noted(wrong_choice(&target, &name, &options, finding)));
        }
        // A Rust enum whose variants have descriptions is a choice of constants in the schema.
        ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::AnyOf { .. } => {
            let options: Vec<&str> = owner
                .and_then(|schema| schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array())
                .map(|branches| branches.iter().filter_map(|b| b.get("const")?.as_str()).collect())
                .unwrap_or_default();
            let branches = owner.and_then(|schema| schema.get("anyOf")?.as_array()).map(Vec::as_slice);
            findings.push(noted(match (options.is_empty(), branches) {
                (true, Some(branches)) => wrong_everywhere(&target, &name, branches, error.instance(), finding),
                _ => wrong_choice(&target, &name, &options, finding),
            }));
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(single) => noun(&single.to_string()),
                TypeKind::Multiple(several) => {
                    several.iter().map(|t| noun(&t.to_string())).collect::<Vec<_>>().join(" or ")
                }
            };
            let message = format!("{} must be {expected}, not {}", whole(&name), kind_name(&target.data.kind));
            findings.push(noted(finding(&target.place, message)));
        }
        ValidationErrorKind::MinItems { limit } => {
            let message = match limit {
                1 => format!("{} is empty", whole(&name)),
                limit => format!("{} needs at least {limit} items", whole(&name)),
            };
            findings.push(noted(finding(&target.place, message)));
        }
        ValidationErrorKind::MinLength { .. } => {
            findings.push(noted(finding(&target.place, format!("{} is an empty string", whole(&name)))));
        }
        ValidationErrorKind::UniqueItems => {
            findings.push(noted(finding(&target.place, format!("{} names something twice", whole(&name)))));
        }
        ValidationErrorKind::Pattern { pattern } => {
            let message = format!("`{}` is not allowed for {}", shown(error.instance()), whole(&name));
            let found = finding(&target.place, message).with_help(format!("it must match the pattern `{pattern}`"));
            findings.push(noted(found));
        }
        ValidationErrorKind::Minimum { limit } => {
            findings.push(noted(finding(&target.place, format!("{} must be at least {limit}", whole(&name)))));
        }
        ValidationErrorKind::Maximum { limit } => {
            findings.push(noted(finding(&target.place, format!("{} must be at most {limit}", whole(&name)))));
        }
        ValidationErrorKind::PropertyNames { error } => {
            let property = error.instance().as_str().unwrap_or_default().to_owned();
            let place = match &target.data.kind {
                DataKind::Attrs(set) => set.attrs.get(property.as_str()).and_then(|field| field.key.clone()),
                _ => None,
            };
            let place = place.unwrap_or_else(|| target.place.clone());
            findings.push(finding(&place, format!("`{property}` is not allowed as a name in {}", whole(&name))));
        }
        _ => {
            let place = target.key.unwrap_or(&target.place);
            findings.push(noted(finding(place, format!("{}: {}", whole(&name), error.masked()))));
        }
    }
}

/// What none of several types allows.
fn wrong_everywhere(
    target: &Target<'_>,
    name: &str,
    branches: &[Value],
    value: &Value,
    finding: impl Fn(&Place, String) -> Diagnostic,
) -> Diagnostic {
    let types = branches.iter().filter_map(|branch| branch.get("type")?.as_str());
    let is_of_type = |wanted: &str| match value {
        Value::Null => wanted == "null",
        Value::Bool(_) => wanted == "boolean",
        Value::Number(_) => matches!(wanted, "integer" | "number"),
        Value::String(_) => wanted == "string",
        Value::Array(_) => wanted == "array",
        Value::Object(_) => wanted == "object",
    };
    if !types.clone().any(is_of_type) {
        let expected: Vec<String> = types.map(noun).collect();
        let kind = kind_name(&target.data.kind);
        return finding(&target.place, format!("{} must be {}, not {kind}", whole(name), expected.join(" or ")));
    }
    let found = finding(&target.place, format!("`{}` is not allowed for {}", shown(value), whole(name)));
    let patterns = branches.iter().filter_map(|branch| branch.get("pattern")?.as_str());
    patterns.fold(found, |found, pattern| found.with_help(format!("it must match the pattern `{pattern}`")))
}

fn wrong_choice(
    target: &Target<'_>,
    name: &str,
    options: &[&str],
    finding: impl Fn(&Place, String) -> Diagnostic,
) -> Diagnostic {
    let (DataKind::String(value) | DataKind::Path(value)) = &target.data.kind else {
        let message = format!("{} must be a string, not {}", whole(name), kind_name(&target.data.kind));
        return finding(&target.place, message).with_help(format!("allowed: {}", list(options)));
    };
    let message = match name {
        "arch" => format!("`{}` is not an architecture of this fleet", clip(value)),
        name => format!("`{}` is not a value of {}", clip(value), whole(name)),
    };
    let mut found = finding(&target.place, message);
    if let Some(near) = nearest(value, options.iter().copied()) {
        found = found.with_help(format!("did you mean `{near}`?"));
    }
    found.with_help(format!("allowed: {}", list(options)))
}

/// `a.b` for `/a/b`; items of lists are named by their list.
fn subject(root: &str, pointer: &str) -> String {
    let mut name = root.to_owned();
    for token in tokens(pointer) {
        if token.parse::<usize>().is_ok() && !name.is_empty() {
            name.push_str(&format!("[{token}]"));
            continue;
        }
        if !name.is_empty() {
            name.push('.');
        }
        let plain = token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'\''));
        if plain { name.push_str(&token) } else { name.push_str(&format!("{token:?}")) }
    }
    name
}

fn joined(name: &str, property: &str) -> String {
    if name.is_empty() { property.to_owned() } else { format!("{name}.{property}") }
}

fn whole(name: &str) -> String {
    if name.is_empty() { "this file".to_owned() } else { format!("`{name}`") }
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What a value is, in words.
pub(crate) fn kind_name(kind: &DataKind) -> &'static str {
    match kind {
        DataKind::Null => "null",
        DataKind::Bool(_) => "a boolean",
        DataKind::Int(_) => "an integer",
        DataKind::Float(_) => "a floating point number",
        DataKind::String(_) => "a string",
        DataKind::Path(_) => "a path",
        DataKind::List(_) => "a list",
        DataKind::Attrs(_) => "a set",
        DataKind::Function => "a function",
        DataKind::Unknown(_) => "something unknown",
        DataKind::Failed(_) => "something that fails to evaluate",
    }
}

fn noun(json_type: &str) -> String {
    match json_type {
        "array" => "a list".to_owned(),
        "object" => "a set".to_owned(),
        "integer" => "an integer".to_owned(),
        "boolean" => "true or false".to_owned(),
        "null" => "null".to_owned(),
        other => format!("a {other}"),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => clip(text),
        other => clip(&other.to_string()),
    }
}

/// At most 60 characters of a text, on one line.
pub(crate) fn clip(text: &str) -> String {
    let mut chars = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let clipped: String = chars.by_ref().take(60).collect();
    if chars.next().is_some() { clipped + "…" } else { clipped }
}

/// The schema that has the keyword at `path`: without its last token, and through `additionalProperties`.
fn owner_schema<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    let (owner, _keyword) = path.rsplit_once('/')?;
    schema.pointer(owner)
}

fn description(schema: &Value) -> Option<&str> {
    schema.get("description")?.as_str()
}

/// Findings about everything in `data` that is unknown (rule `unknown-value`, undecided) or whose evaluation failed.
pub(crate) fn report_gaps(
    data: &Data,
    fallback: &Place,
    findings: &mut Vec<Diagnostic>,
    failed: &mut Vec<(Arc<bulkhead_eval::data::Failure>, Place)>,
) {
    let mut name = String::new();
    walk_gaps(data, fallback, &mut name, findings, failed, 0);
}

fn walk_gaps(
    data: &Data,
    around: &Place,
    pointer: &mut String,
    findings: &mut Vec<Diagnostic>,
    failed: &mut Vec<(Arc<bulkhead_eval::data::Failure>, Place)>,
    depth: u32,
) {
    let place = data.place.as_ref().unwrap_or(around);
    match &data.kind {
        DataKind::Unknown(unknown) => findings.push(unknown_value(&subject("", pointer), unknown, place)),
        DataKind::Failed(failure) => failed.push((failure.clone(), place.clone())),
        DataKind::List(items) if depth <= MAX_DEPTH => {
            let length = pointer.len();
            for (index, item) in items.iter().enumerate() {
                push_token(pointer, &index.to_string());
                walk_gaps(item, place, pointer, findings, failed, depth + 1);
                pointer.truncate(length);
            }
        }
        DataKind::Attrs(set) if depth <= MAX_DEPTH => {
            if let Some(unknown) = &set.open {
                findings.push(unknown_value(&joined(&subject("", pointer), "…"), unknown, place));
            }
            let length = pointer.len();
            for (name, field) in &set.attrs {
                push_token(pointer, name);
                let around = field.key.as_ref().unwrap_or(place);
                walk_gaps(&field.value, around, pointer, findings, failed, depth + 1);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

fn unknown_value(name: &str, unknown: &Unknown, place: &Place) -> Diagnostic {
    let message = match name {
        "" => format!("can't tell what this file says: {}", unknown.reason),
        name => format!("can't tell what `{name}` is: {}", unknown.reason),
    };
    let origin = unknown.place.as_ref().unwrap_or(place);
    let mut found = Diagnostic::new("unknown-value", Severity::Undecided, origin.clone(), message);
    if origin != place {
        found = found.with_related(place.clone(), "it is used here");
    }
    found.with_help(&*unknown_help(unknown))
}

//! Reading a `SPEC.json`, with the place of what is wrong in it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Spec;

/// Specs are a page long; more than this is some other file.
const MAX_BYTES: u64 = 1 << 20;

/// A spec that can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {reason}", .path.display(), .place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default())]
pub struct SpecError {
    /// The file.
    pub path: PathBuf,
    /// Line and column in it, from 1, if it could be read. They are those of the end of the wrong value.
    pub place: Option<(usize, usize)>,
    /// Which field is wrong, if one is, and how.
    pub reason: String,
}

/// The spec in the file `path`.
///
/// # Errors
/// It can't be read, is no JSON, or says something that can't be meant.
pub fn read(path: &Path) -> Result<Spec, SpecError> {
    let fail = |place, reason: String| SpecError { path: path.to_owned(), place, reason };
    let text = read_bytes(path).map_err(|error| fail(None, format!("can't read it: {error}")))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(fail(None, "it is larger than 1 MiB, so it is no spec".to_owned()));
    }
    let wrong = |field: Option<&str>, error: &serde_json::Error| {
        let (line, column) = (error.line(), error.column());
        // The place is given apart, in front.
        let reason = error.to_string();
        let reason = reason.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&reason);
        let reason = field.map_or_else(|| reason.to_owned(), |field| format!("{field}: {reason}"));
        fail((line > 0).then_some((line, column)), reason)
    };
    let mut json = serde_json::Deserializer::from_slice(&text);
    let spec: Spec = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        wrong((field != ".").then_some(field.as_str()), error.inner())
    })?;
    json.end().map_err(|error| wrong(None, &error))?;
    let written: Value = serde_json::from_slice(&text).map_err(|error| wrong(None, &error))?;
    let meant = serde_json::to_value(&spec).map_err(|error| wrong(None, &error))?;
    match list_for_object(&written, &meant) {
        Some(field) => Err(fail(None, format!("{field}: a list, where an object is expected"))),
        None => Ok(spec),
    }
}

/// The field where a list was `written` and an object `meant`: serde takes it for the object's fields in their order.
fn list_for_object(written: &Value, meant: &Value) -> Option<String> {
    let below = |token: String, written, meant| {
        let inner = list_for_object(written, meant)?;
        Some(if inner.is_empty() { token } else { format!("{token}.{inner}") })
    };
    match (written, meant) {
        (Value::Array(_), Value::Object(_)) => Some(String::new()),
        (Value::Object(written), Value::Object(meant)) => {
            written.iter().find_map(|(name, written)| below(name.clone(), written, meant.get(name)?))
        }
        (Value::Array(written), Value::Array(meant)) => {
            let mut pairs = written.iter().zip(meant).enumerate();
            pairs.find_map(|(index, (written, meant))| below(index.to_string(), written, meant))
        }
        _ => None,
    }
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    Ok(text)
}

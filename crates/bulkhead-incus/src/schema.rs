//! The JSON Schemas of what is read and written.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use crate::error::Error;

/// The schema of `T`, as indented JSON.
///
/// # Errors
/// It can't be written as JSON.
pub fn text<T: JsonSchema>() -> Result<String, Error> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<T>();
    serde_json::to_string_pretty(&schema).map_err(|error| Error::host("write the schema", error))
}

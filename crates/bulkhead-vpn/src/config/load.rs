//! Reading the file, with errors that say where.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::{Config, check};

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where in the file, as `services.torrent.address`; empty if it is about the file as a whole.
    pub path: String,
    /// Line and column, from 1, if they are known.
    pub position: Option<(usize, usize)>,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Problem {
    /// A problem of the field at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), position: None, message: message.into() }
    }
}

/// The configuration can't be used.
#[derive(Clone, Debug)]
pub struct ConfigError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it; at least one.
    pub problems: Vec<Problem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\nerror: ")?;
            }
            write!(f, "{}", self.file.display())?;
            if let Some((line, column)) = problem.position {
                write!(f, ":{line}:{column}")?;
            }
            if !problem.path.is_empty() && problem.path != "." {
                write!(f, ": {}", problem.path)?;
            }
            write!(f, ": {}", problem.message)?;
        }
        Ok(())
    }
}

/// Read and check a file.
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    let text = std::fs::read_to_string(file).map_err(|error| ConfigError {
        file: file.to_owned(),
        problems: vec![Problem::new("", format!("can't read it: {error}"))],
    })?;
    parse(&text).map_err(|problems| ConfigError { file: file.to_owned(), problems })
}

/// Read and check a text. What the fields mean together is checked too, but no file that they name.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let config: Config = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let (path, error) = (error.path().to_string(), error.into_inner());
        vec![at_position(path, &error)]
    })?;
    deserializer.end().map_err(|error| vec![at_position(String::new(), &error)])?;
    let mut problems = check(&config);
    if problems.is_empty() {
        return Ok(config);
    }
    for problem in &mut problems {
        problem.position = locate(text, &problem.path);
    }
    Err(problems)
}

fn at_position(path: String, error: &serde_json::Error) -> Problem {
    // serde_json ends its messages with the place, which is said in front.
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned();
    let position = (error.line() > 0).then(|| (error.line(), error.column()));
    Problem { path, position, message }
}

/// Line and column of the value at a path such as `services.torrent.address` or `a.b[3]`.
fn locate(text: &str, path: &str) -> Option<(usize, usize)> {
    let mut value = text.trim_start();
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        let found: Option<&RawValue> = match step.strip_suffix(']') {
            Some(index) => {
                serde_json::from_str::<Vec<&RawValue>>(value).ok()?.get(index.parse::<usize>().ok()?).copied()
            }
            None => serde_json::from_str::<BTreeMap<String, &RawValue>>(value).ok()?.get(step).copied(),
        };
        // A field that is not written has the place of what it should be in.
        let Some(found) = found else { break };
        value = found.get();
    }
    let offset = (value.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let before = text.get(..offset)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
}

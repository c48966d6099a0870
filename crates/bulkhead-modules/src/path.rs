//! Names of options.

use std::fmt;
use std::sync::Arc;

/// The path of an option or attribute: `services.openssh.enable`. Ordered by its names.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionPath(Vec<Arc<str>>);

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionPathError {
    /// A name is empty: `a..b`.
    EmptyName,
    /// A quote is not closed: `a."b`.
    OpenQuote,
    /// There is something between a quote and the next dot: `"a"b`.
    AfterQuote,
}

impl fmt::Display for OptionPathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OptionPathError::EmptyName => "a name in it is empty",
            OptionPathError::OpenQuote => "a quote in it is not closed",
            OptionPathError::AfterQuote => "behind a closing quote there must be a dot",
        })
    }
}

impl std::error::Error for OptionPathError {}

impl OptionPath {
    /// The path of the whole configuration, without names.
    pub fn root() -> OptionPath {
        OptionPath::default()
    }

    /// The path of these names.
    pub fn of<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> OptionPath {
        OptionPath(names.into_iter().map(|name| Arc::from(name.as_ref())).collect())
    }

    /// Read a path as people write it: names separated by dots, those with dots in double quotes
    /// (`users.users."a.b".uid`).
    pub fn parse(text: &str) -> Result<OptionPath, OptionPathError> {
        let mut names = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (name, after) = match rest.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').ok_or(OptionPathError::OpenQuote)?,
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if name.is_empty() && !rest.starts_with('"') {
                return Err(OptionPathError::EmptyName);
            }
            names.push(Arc::from(name));
            rest = match after.strip_prefix('.') {
                Some("") => return Err(OptionPathError::EmptyName),
                Some(rest) => rest,
                None if after.is_empty() => after,
                None => return Err(OptionPathError::AfterQuote),
            };
        }
        Ok(OptionPath(names))
    }

    /// Its names.
    pub fn names(&self) -> &[Arc<str>] {
        &self.0
    }

    /// This path and a name behind it.
    pub fn join(&self, name: &str) -> OptionPath {
        let mut names = self.0.clone();
        names.push(Arc::from(name));
        OptionPath(names)
    }

    /// Whether it begins with all of `other`; also if it is the same.
    pub fn starts_with(&self, other: &OptionPath) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for OptionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            let mut chars = name.chars();
            let plain =
                chars.next().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, '_' | '<' | '*'))
                    && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '\'' | '>'));
            if plain { f.write_str(name)? } else { write!(f, "\"{name}\"")? }
        }
        Ok(())
    }
}

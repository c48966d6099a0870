//! What would change in a file: a unified diff.

use std::fmt;
use std::time::Duration;

use similar::{ChangeTag, TextDiff};

/// Finding the smallest difference may take quadratic time; after this the difference is still right, but larger.
const PATIENCE: Duration = Duration::from_secs(2);

/// The difference between a file and the text that it should hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diff {
    /// The difference as `diff -u` and `git diff` print it, with three lines around each change.
    pub text: String,
    /// How many lines come in.
    pub added: usize,
    /// How many lines go.
    pub removed: usize,
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Compare the text of the file `path` (nothing where there is no file) with what it should be; nothing if they are the
/// same, byte for byte.
///
/// ```
/// let diff = bulkhead_generate::diff::diff("secrets/secrets.nix", Some("{ }\n"), "{ a = 1; }\n").unwrap();
/// assert_eq!((diff.added, diff.removed), (1, 1));
/// assert!(diff.text.starts_with("--- a/secrets/secrets.nix\n+++ b/secrets/secrets.nix\n@@"));
/// assert!(bulkhead_generate::diff::diff("x", Some("a\n"), "a\n").is_none());
/// ```
pub fn diff(path: &str, current: Option<&str>, wanted: &str) -> Option<Diff> {
    if current == Some(wanted) {
        return None;
    }
    let old_name = if current.is_some() { format!("a/{path}") } else { "/dev/null".to_owned() };
    let lines = TextDiff::configure().timeout(PATIENCE).diff_lines(current.unwrap_or(""), wanted);
    let count = |tag| lines.iter_all_changes().filter(|change| change.tag() == tag).count();
    let text = lines.unified_diff().context_radius(3).header(&old_name, &format!("b/{path}")).to_string();
    Some(Diff { text, added: count(ChangeTag::Insert), removed: count(ChangeTag::Delete) })
}

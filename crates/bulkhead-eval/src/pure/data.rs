//! What `builtins.fromJSON` and `builtins.fromTOML` read.

/// Deeper nesting is refused: values are walked recursively. (Nix has no limit, and overflows its stack at some depth.)
pub(super) const MAX_DEPTH: usize = 512;

/// A value of JSON or TOML, as far as Nix has values for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Data {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Valid UTF-8 without NUL.
    String(String),
    Array(Vec<Data>),
    /// Sorted by key as bytes, without duplicates.
    Object(Vec<(String, Data)>),
}

impl Data {
    /// An object of members in source order; of members with the same name the last wins.
    pub(super) fn object(mut members: Vec<(String, Data)>) -> Data {
        members.sort_by(|(left, _), (right, _)| left.cmp(right));
        // `dedup_by` gives the later element first and removes it, so the later value is moved to the earlier place.
        members.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(&mut later.1, &mut earlier.1);
            }
            same
        });
        Data::Object(members)
    }
}

/// Nix's strings can't hold NUL.
pub(super) fn reject_nul(text: &str) -> Result<(), String> {
    if text.contains('\0') {
        let shown = text.replace('\0', "␀");
        return Err(format!(
            "input string '{shown}' cannot be represented as Nix string because it contains null bytes"
        ));
    }
    Ok(())
}

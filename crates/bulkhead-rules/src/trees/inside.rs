//! What is inside of a machine has modules of its own, and options of the same names.

use bulkhead_modules::{OptionPath, depth_inside};

/// What an option is called there.
pub(crate) fn inside(path: &OptionPath) -> OptionPath {
    OptionPath::of(&path.names()[depth_inside(path)..])
}

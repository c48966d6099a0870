//! Printing that never fails: a reader that went away, or a terminal that was closed, must not keep a command from
//! cleaning up.

use std::io::Write;

/// A line to standard output.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// A line to standard error.
pub fn error_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

//! Printing. What tells of work that goes on never fails: a reader that went away, or a terminal that was closed, must not keep
//! a command from cleaning up.

use std::io::Write;

use crate::error::Error;

/// A line to standard output, which is not what the command is there for.
pub fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Lines to standard output, which are.
///
/// # Errors
/// They can't all be written.
pub fn result(text: &str) -> Result<(), Error> {
    let mut stdout = std::io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| Error::host("write to standard output", error))
}

/// A line to standard error.
pub fn error_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

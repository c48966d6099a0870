//! Messages for the journal: one line each on standard error, with the priority in front that journald reads
//! (sd-daemon(3)) when that is where they go.

use std::fmt::Arguments;
use std::io::{IsTerminal, Write};
use std::sync::LazyLock;

/// Write a line. Not being able to is no reason to stop.
pub fn write(priority: u8, arguments: Arguments<'_>) {
    static TO_JOURNAL: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("JOURNAL_STREAM").is_some() && !std::io::stderr().is_terminal());
    let prefix = if *TO_JOURNAL { format!("<{priority}>") } else { String::new() };
    // What servers say may be in a message; a control character must not make lines of its own.
    let text: String = arguments.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = writeln!(std::io::stderr(), "{prefix}{text}");
}

macro_rules! info {
    ($($part:tt)*) => { $crate::log::write(6, format_args!($($part)*)) };
}
macro_rules! warning {
    ($($part:tt)*) => { $crate::log::write(4, format_args!($($part)*)) };
}
macro_rules! error {
    ($($part:tt)*) => { $crate::log::write(3, format_args!($($part)*)) };
}

pub(crate) use {error, info, warning};

//! What an instance that does not come up has said: the errors of LXC, and the end of its console.

use std::time::Duration;

use crate::api::Api;

/// How long the console of an instance that has stopped may take to be written down.
const CONSOLE: Duration = Duration::from_secs(5);
/// What stands before a line of the console among those of a log.
const ON_CONSOLE: &str = "console: ";

/// The log of an instance that has stopped by itself. Its console may be written down only after that.
pub fn last_words(api: &Api, name: &str) -> Vec<String> {
    let watch = api.watch().within(CONSOLE);
    loop {
        let lines = log(api, name);
        if watch.is_over() || lines.iter().any(|line| line.starts_with(ON_CONSOLE)) {
            return lines;
        }
        watch.sleep(Duration::from_millis(200));
    }
}

/// The lines of LXC's log that are errors, and the last ones of the console. Never fails: it only adds to an error.
pub fn log(api: &Api, name: &str) -> Vec<String> {
    const LINES: usize = 12;
    let read = |path: &str| api.text(&format!("/instances/{name}/{path}"), "read a log").unwrap_or_default();
    let errors = read("logs/lxc.log");
    let errors = errors.lines().filter(|line| line.contains(" ERROR ")).map(|line| {
        // `lxc NAME TIME ERROR part - ../src/lxc/start.c:start:2197 - what happened`
        let words = line.splitn(3, " - ").nth(2).unwrap_or(line);
        format!("lxc: {}", printable(words))
    });
    let mut lines: Vec<String> = errors.take(LINES).collect();
    let console = read("console");
    // Where there is no console, the answer is JSON.
    if !console.starts_with('{') {
        let all: Vec<&str> = console.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = all.get(all.len().saturating_sub(LINES)..).unwrap_or_default();
        lines.extend(last.iter().map(|line| format!("{ON_CONSOLE}{}", printable(line))));
    }
    lines
}

/// What a workspace wrote must not steer a terminal.
fn printable(line: &str) -> String {
    const LENGTH: usize = 300;
    line.trim().chars().filter(|character| !character.is_control()).take(LENGTH).collect()
}

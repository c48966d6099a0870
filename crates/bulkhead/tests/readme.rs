//! What README.md shows is what the program does.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Folder, Run};
use pretty_assertions::assert_eq;

const README: &str = include_str!("../../../README.md");
const KIF: &str = "machines/servers/kif/properties.nix";
const UNLOCK_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOSvUpmxcrayGSLDEFMNKv/6DVjETruQHqjrWtyJVVKo initrd@kif";
const HERMES_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVVvKbXcXZK4YA1bpQ2swmOTsfAV6eBsh+4N8/p12XX";

/// The lines between a command at a prompt and the next one, or the end of the block.
fn shown_after(prompt: &str) -> Vec<&'static str> {
    let lines = README.lines().skip_while(|line| !line.starts_with(prompt)).skip(1);
    let lines: Vec<_> = lines.take_while(|line| !line.starts_with("$ ") && !line.starts_with("```")).collect();
    assert!(!lines.is_empty(), "{prompt}");
    lines
}

/// A line without the time at its end, which is another each time.
fn timeless(line: &str) -> &str {
    line.rsplit_once(" · ").filter(|(_, time)| time.ends_with(" ms")).map_or(line, |(line, _)| line)
}

/// The output has the lines in this order, and none between two that stand together.
fn has(run: &Run, wanted: &[&str]) {
    let said: Vec<&str> = run.stdout.lines().map(timeless).collect();
    let mut rest = said.as_slice();
    // What stands in brackets says what is left out.
    for part in wanted.split(|line| line.starts_with("[…")) {
        let part: Vec<&str> = part.iter().map(|line| timeless(line)).skip_while(|line| line.is_empty()).collect();
        let at = (0..rest.len()).find(|at| rest[*at..].starts_with(&part));
        let at = at.unwrap_or_else(|| panic!("{}\nis not in\n{}", part.join("\n"), run.stdout));
        rest = &rest[at + part.len()..];
    }
    assert_eq!(rest, &[] as &[&str]);
}

#[test]
fn the_first_finding_is_as_shown() {
    let fleet = Folder::fleet();
    fleet.change(KIF, UNLOCK_KEY, HERMES_KEY);
    let run = fleet.bulkhead(&["check"]);
    assert_eq!(run.code, 1);
    has(&run, &shown_after("$ bulkhead check"));
}

#[test]
fn the_example_fleet_is_clean_as_shown() {
    let run = Folder::fleet().bulkhead(&["check"]);
    assert_eq!(run.code, 0);
    has(&run, &shown_after("$ cargo xtask check"));
}

/// The code of a text between single backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn commands_and_options_are_there() {
    let folder = Folder::fleet();
    let commands = README.split("\n## ").find(|section| section.starts_with("Commands")).unwrap();
    let mut seen = 0;
    for row in commands.lines().filter(|line| line.starts_with("| `bulkhead")) {
        let mut columns = row.split(" | ");
        let named: Vec<&str> = code_spans(columns.next().unwrap()).collect();
        for command in named {
            let name = command.trim_start_matches("bulkhead ").split(' ').next().unwrap();
            let run = folder.bulkhead(&[name, "--help"]);
            assert_eq!(run.code, 0, "{command}: {}", run.stderr);
            for option in code_spans(row).filter(|span| span.starts_with("--")) {
                let option = option.split(' ').next().unwrap();
                assert!(run.stdout.contains(option), "{command} {option}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 14);
    let check = folder.bulkhead(&["check", "--help"]).stdout;
    let prose = commands.lines().filter(|line| !line.starts_with('|')).collect::<Vec<_>>().join("\n");
    for option in
        code_spans(prose.split("```").next().unwrap()).filter(|span| span.starts_with("--") && *span != "--help")
    {
        for word in option.split(' ') {
            assert!(check.contains(word), "{option}");
        }
    }
}

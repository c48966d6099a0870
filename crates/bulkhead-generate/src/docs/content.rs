//! What the templates show: plain data, with everything from files made harmless.

use std::sync::Arc;

use bulkhead_fleet::{Fact, Fleet, Many, RulesState, Scope, Secret, SecretRef, Spanned};
use serde::Serialize;

use super::library::{Library, LibraryFunction};
use super::markdown::{cell, code, doc_text};

/// A command that people type in this repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What to type.
    pub command: String,
    /// What it does, in one sentence without full stop.
    pub about: String,
}

/// Bulkhead's own commands, called through `program`: `bulkhead`, `cargo xtask`.
pub fn default_commands(program: &str) -> Vec<Command> {
    let commands = [
        ("check", "judge the whole repository: machines, keys, secrets, rules"),
        ("explain RULE", "what a finding's rule means and what to do"),
        ("machines", "list the machines (`--role R`, `--json`)"),
        ("roles", "list the roles and the machines that have them"),
        ("secrets", "list the secrets (`--machine M`: those that M can read, and why)"),
        ("who-can-read SECRET", "who can read a secret, and why"),
        ("gen-secrets", "write the agenix rules; says which files to rekey"),
        ("gen-docs", "bring the generated regions of this file up to date"),
        ("install-hooks", "judge what is staged before each commit"),
    ];
    let command = |(arguments, about): (&str, &str)| Command {
        command: format!("{program} {arguments}"),
        about: about.to_owned(),
    };
    commands.into_iter().map(command).collect()
}

/// More names than this are cut to a number in tables about secrets; the table of roles has them all.
const MAX_NAMES: usize = 8;

#[derive(Serialize)]
pub(super) struct Row {
    /// Cells in Markdown.
    pub cells: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Table {
    pub head: Vec<&'static str>,
    pub rows: Vec<Row>,
    /// Sentences about the table.
    pub notes: Vec<String>,
}

pub(super) fn machines(fleet: &Fleet) -> Table {
    let mut order: Vec<usize> = (0..fleet.machines.len()).collect();
    order.sort_by(|a, b| {
        (&fleet.machines[*a].name, &fleet.machines[*a].dir).cmp(&(&fleet.machines[*b].name, &fleet.machines[*b].dir))
    });
    let mut notes = Vec::new();
    let mut rows = Vec::new();
    let mut is_complete = true;
    for machine in order.into_iter().filter_map(|index| fleet.machines.get(index)) {
        let description = match machine.meta_gap("description") {
            Some(_) => UNKNOWN.to_owned(),
            None => shown(&machine.meta, |meta| {
                meta.value.get("description").and_then(|text| text.as_str()).map(cell).unwrap_or_default()
            }),
        };
        let arch = shown(&machine.arch, |arch| arch.value.as_str().to_owned());
        is_complete &= machine.meta_gap("description").is_none()
            && machine.arch.gap().is_none()
            && machine.system_roles.is_complete()
            && machine.host_names.is_complete();
        rows.push(Row {
            cells: vec![
                code(&machine.name),
                code(machine.dir.as_str()),
                arch,
                names(&machine.system_roles),
                names(&machine.host_names),
                description,
            ],
        });
        if let Some(gap) = &machine.gap {
            notes.push(format!("{} is not known: {}.", code(&machine.name), cell(&gap.reason)));
        }
    }
    let mut head = vec!["Machine", "Folder", "System", "Roles", "Reached as", "About"];
    if rows.iter().all(|row| row.cells.last().is_none_or(String::is_empty)) {
        head.pop();
        rows.iter_mut().for_each(|row| row.cells.truncate(head.len()));
    }
    if !is_complete {
        notes.push(INCOMPLETE.to_owned());
    }
    Table { head, rows, notes }
}

/// What stands where a fact is not known; an empty cell says that there is none.
const UNKNOWN: &str = "?";
const INCOMPLETE: &str = "`?`: some facts could not be read; `bulkhead check` tells which and why.";

/// A cell for a fact, whose absence is an empty cell.
fn shown<T>(fact: &Fact<T>, show: impl FnOnce(&T) -> String) -> String {
    match fact {
        Fact::Known(value) => show(value),
        Fact::Absent => String::new(),
        Fact::Gap(_) => UNKNOWN.to_owned(),
    }
}

fn names(many: &Many<Spanned<Arc<str>>>) -> String {
    let mut shown: Vec<String> = many.iter().map(|item| code(&item.value)).collect();
    if !many.is_complete() {
        shown.push(UNKNOWN.to_owned());
    }
    shown.join(", ")
}

pub(super) fn roles(fleet: &Fleet) -> Table {
    let answer = fleet.roles_answer();
    let rows = answer.roles.iter().map(|(role, machines)| {
        let machines: Vec<String> = machines.iter().map(|name| code(name)).collect();
        Row { cells: vec![code(role), machines.join(", ")] }
    });
    let notes = fleet.role_gaps.iter().map(|gap| format!("Further machines may have roles: {}.", cell(&gap.reason)));
    let mut notes: Vec<String> = notes.collect();
    notes.dedup();
    Table { head: vec!["Role", "Machines"], rows: rows.collect(), notes }
}

pub(super) fn secrets(fleet: &Fleet) -> Table {
    let mut rows: Vec<Row> = Vec::new();
    let mut is_complete = true;
    for secret in fleet.all_secrets() {
        let (readers, about) = match secret {
            SecretRef::Convention(secret) => {
                let about = shown(&secret.description, |text| cell(&text.value));
                is_complete &= secret.description.gap().is_none();
                (readers(fleet, secret), about)
            }
            SecretRef::Rule(_, entry) => {
                let mut names: Vec<String> = entry.public_keys.iter().map(|key| code(&fleet.key_name(key))).collect();
                names.sort();
                names.dedup();
                let mut shown = cut(names);
                if !entry.public_keys.is_complete() {
                    shown.push_str(" (and what is not known)");
                }
                (shown, String::new())
            }
        };
        rows.push(Row { cells: vec![code(secret.name()), code(secret.file()), readers, about] });
    }
    let mut head = vec!["Secret", "File", "Read by", "For"];
    if rows.iter().all(|row| row.cells.last().is_none_or(String::is_empty)) {
        head.pop();
        rows.iter_mut().for_each(|row| row.cells.truncate(head.len()));
    }
    let mut notes = secret_notes(fleet);
    if !is_complete {
        notes.push(INCOMPLETE.to_owned());
    }
    Table { head, rows, notes }
}

fn secret_notes(fleet: &Fleet) -> Vec<String> {
    let mut notes = Vec::new();
    if fleet.by_convention {
        let mut admins: Vec<String> = fleet.admin_keys().map(|(owner, _)| code(&fleet.owner_name(&owner))).collect();
        admins.sort();
        admins.dedup();
        if !admins.is_empty() {
            notes.push(format!("Admin keys read every secret that does not say otherwise: {}.", admins.join(", ")));
        }
    }
    for rules in fleet.rules_files.iter().filter(|rules| !rules.generated) {
        if let RulesState::Undecided(gap) | RulesState::Failed(gap) = &rules.state {
            notes.push(format!("{} is not fully known: {}.", code(rules.path.as_str()), cell(&gap.reason)));
        }
    }
    if let Some(gap) = &fleet.secrets_gap {
        notes.push(format!("There may be further secrets: {}.", cell(&gap.reason)));
    }
    notes
}

/// Who reads a secret of the convention: the grants as they are written, with the machines behind them.
fn readers(fleet: &Fleet, secret: &Secret) -> String {
    if !secret.is_granted() {
        return "nobody: it is not granted yet".to_owned();
    }
    let mut parts: Vec<String> = Vec::new();
    let of_role = |role: &str| {
        let members = fleet.roles.get(role).map(|role| role.machines.as_slice()).unwrap_or_default();
        let mut names: Vec<String> =
            members.iter().filter_map(|index| Some(code(&fleet.machines.get(*index)?.name))).collect();
        names.sort();
        match names.is_empty() {
            true => format!("role {} (no machine)", code(role)),
            false => format!("role {} ({})", code(role), cut(names)),
        }
    };
    match &secret.scope {
        Scope::Shared => {}
        Scope::Role(role) => parts.push(of_role(role)),
        Scope::Machine(index) => parts.extend(fleet.machines.get(*index).map(|machine| code(&machine.name))),
    }
    if secret.for_everyone() == Some(true) {
        parts.push("everyone".to_owned());
    }
    let mut roles: Vec<&str> = secret.roles.iter().map(|role| &*role.value).collect();
    roles.sort_unstable();
    roles.dedup();
    parts.extend(roles.into_iter().map(of_role));
    let mut machines: Vec<String> = secret.machines.iter().map(|name| code(&name.value)).collect();
    machines.sort();
    machines.dedup();
    parts.extend(machines);
    match (secret.for_admins(), parts.is_empty()) {
        (Some(true), true) => parts.push("admins alone".to_owned()),
        (Some(false), _) => parts.push("not admins".to_owned()),
        _ => {}
    }
    if secret.grant_gap().is_some() {
        parts.push("(and what is not known)".to_owned());
    }
    parts.join(", ")
}

fn cut(mut names: Vec<String>) -> String {
    let more = names.len().saturating_sub(MAX_NAMES);
    if more > 1 {
        names.truncate(MAX_NAMES);
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

#[derive(Serialize)]
pub(super) struct LibFile {
    path: String,
    doc: String,
    functions: Vec<LibFunction>,
}

#[derive(Serialize)]
pub(super) struct LibFunction {
    signature: String,
    doc: String,
}

pub(super) fn library(library: &Library) -> Vec<LibFile> {
    library
        .files
        .iter()
        .map(|file| LibFile {
            path: code(file.path.as_str()),
            doc: file.doc.as_deref().map(|doc| doc_text(doc, "")).unwrap_or_default(),
            functions: file.functions.iter().map(function).collect(),
        })
        .collect()
}

fn function(function: &LibraryFunction) -> LibFunction {
    let mut words: Vec<String> = Vec::new();
    if !function.name.is_empty() {
        words.push(function.name.clone());
    }
    words.extend(function.arguments.iter().map(|argument| format!("{argument}:")));
    let signature = match (function.name.is_empty(), function.arguments.is_empty()) {
        (true, _) | (_, true) => words.join(" "),
        (false, false) => format!("{} = {}", function.name, words[1..].join(" ")),
    };
    // Not in a table: a bar needs no escape.
    LibFunction {
        signature: code(&signature).replace("\\|", "|"),
        doc: function.doc.as_deref().map(|doc| doc_text(doc, "  ")).unwrap_or_default(),
    }
}

/// A sentence of a command or a path, whose own backticks are meant.
pub(super) fn sentence(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>().replace('|', "\\|")
}

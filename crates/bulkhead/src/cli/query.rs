//! `machines`, `roles`, `secrets`, `who-can-read`.

use std::io::{self, IsTerminal};

use anyhow::{Result, bail};
use bulkhead_diagnostics::{Diagnostic, Report, Severity, Summary, nearest};
use bulkhead_fleet::{Fleet, KeyState, LoadOptions, MachinesAnswer, PlaceView, ReadersAnswer, SystemView};
use bulkhead_modules::Platform;
use bulkhead_rules::{Origin, other_systems};

use super::args::{Global, JsonArgs, MachinesArgs, SecretsArgs, WhoCanReadArgs};
use super::progress::Meter;
use super::table::table;
use super::values::place_view;
use super::{FINDINGS, OK, Program, output};
use crate::Project;

/// The fleet; what is wrong with its files goes to standard error.
pub fn load(program: Program, global: &Global) -> Result<(Project, Fleet)> {
    let project = output::open(output::root(program, global, None)?, global)?;
    let meter = Meter::start();
    let tell = |progress| meter.tell(progress);
    let fleet = project.fleet(&LoadOptions { progress: Some(&tell), ..LoadOptions::default() })?;
    drop(meter);
    let errors: Vec<_> = errors(&fleet).cloned().collect();
    if !errors.is_empty() {
        let summary = Summary {
            machines: fleet.counts.machines,
            roles: Some(fleet.counts.roles),
            secrets: fleet.counts.secrets,
            files: fleet.counts.files,
            ..Summary::default()
        };
        output::show_problems(&project, global, &Report::new(errors, summary))?;
    }
    Ok((project, fleet))
}

/// That no machine has properties, which most answers are made of.
fn tell_no_machines(fleet: &Fleet) {
    if fleet.machines.is_empty() {
        output::tell(&format!(
            "no machines: there is no {}/**/properties.nix in {}",
            fleet.config.machines, fleet.origin
        ));
    }
}

/// An answer that lacks something because of errors is still printed, but does not look like a clean run.
pub fn code(fleet: &Fleet) -> u8 {
    if errors(fleet).next().is_some() { FINDINGS } else { OK }
}

/// The errors of the fleet's files, without those that comments allow.
fn errors(fleet: &Fleet) -> impl Iterator<Item = &Diagnostic> {
    let errors = fleet.findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.filter(|finding| !fleet.accepted.contains(finding))
}

/// The same for an answer of which something is not known.
fn answer_code(fleet: &Fleet, is_complete: bool) -> u8 {
    if is_complete { code(fleet) } else { FINDINGS }
}

fn width() -> Option<usize> {
    io::stdout().is_terminal().then(output::width)
}

fn show_place(place: Option<&PlaceView>) -> String {
    match place {
        Some(PlaceView { file, line: Some(line) }) => format!("{file}:{line}"),
        Some(PlaceView { file, line: None }) => file.to_string(),
        None => String::new(),
    }
}

fn unknown_role(fleet: &Fleet, role: &str) -> anyhow::Error {
    match nearest(role, fleet.roles.keys().map(|role| &**role)) {
        Some(near) => anyhow::anyhow!("no machine has the role `{role}`; did you mean `{near}`?"),
        None => anyhow::anyhow!("no machine has the role `{role}`; `bulkhead roles` lists them"),
    }
}

pub fn machines(program: Program, global: &Global, args: &MachinesArgs) -> Result<u8> {
    let (project, fleet) = load(program, global)?;
    let mut answer = fleet.machines_answer(args.role.as_deref());
    if args.role.is_none() {
        let (systems, reasons) = other_systems(&fleet, project.tree(), project.world());
        let sources = project.sources();
        for system in systems {
            let view = SystemView {
                place: place_view(&system.place, &sources),
                platform: system.platform.as_str(),
                by_folder: matches!(system.origin, Origin::Begins(_)),
            };
            answer.systems.insert(system.name, view);
        }
        // One reason may hide many systems.
        for reason in reasons {
            if !answer.undecided.iter().any(|told| **told == *reason) {
                answer.undecided.push(reason.to_string());
            }
        }
    }
    if answer.systems.is_empty() && answer.undecided.is_empty() {
        tell_no_machines(&fleet);
    }
    if let Some(role) = &args.role
        && !fleet.roles.contains_key(role.as_str())
        && answer.is_complete()
    {
        return Err(unknown_role(&fleet, role));
    }
    let code = answer_code(&fleet, answer.is_complete());
    if args.json {
        output::print_json(&answer)?;
        return Ok(code);
    }
    let mut rows: Vec<Vec<String>> = answer
        .machines
        .iter()
        .map(|(name, machine)| {
            // A question mark is what is not known, a dash what is not there.
            let is_unknown = |property: &str| machine.unknown.contains_key(property);
            let mut roles = machine.system_roles.join(", ");
            if is_unknown("systemRoles") {
                roles.push_str(if roles.is_empty() { "?" } else { ", ?" });
            }
            let arch = machine.arch.unwrap_or(if is_unknown("arch") { "?" } else { "-" }).to_owned();
            let roles = if roles.is_empty() { "-".to_owned() } else { roles };
            vec![name.to_string(), arch, roles, machine.path.to_string()]
        })
        .collect();
    rows.extend(answer.systems.iter().map(|(name, system)| {
        let what = if system.platform == Platform::NixOs.as_str() { "-" } else { system.platform };
        vec![name.to_string(), "-".to_owned(), what.to_owned(), show_place(Some(&system.place))]
    }));
    output::print(&table(&rows, width()))?;
    tell_unknown_properties(&answer);
    tell_undecided(&answer.undecided);
    Ok(code)
}

pub fn roles(program: Program, global: &Global, args: &JsonArgs) -> Result<u8> {
    let (_, fleet) = load(program, global)?;
    tell_no_machines(&fleet);
    let answer = fleet.roles_answer();
    if args.json {
        output::print_json(&answer)?;
    } else {
        let rows: Vec<Vec<String>> =
            answer.roles.iter().map(|(role, machines)| vec![role.to_string(), machines.join(", ")]).collect();
        output::print(&table(&rows, width()))?;
        tell_undecided(&answer.undecided);
    }
    Ok(answer_code(&fleet, answer.is_complete()))
}

pub fn secrets(program: Program, global: &Global, args: &SecretsArgs) -> Result<u8> {
    let (project, fleet) = load(program, global)?;
    tell_no_machines(&fleet);
    let machine = match &args.machine {
        None => None,
        Some(name) => match fleet.machines_named(name).next() {
            Some((index, _)) => Some(index),
            None => bail!(match nearest(name, fleet.machines.iter().map(|machine| &*machine.name)) {
                Some(near) => format!("there is no machine `{name}`; did you mean `{near}`?"),
                None => format!("there is no machine `{name}`; `bulkhead machines` lists them"),
            }),
        },
    };
    let answer = fleet.secrets_answer(machine, &project.sources());
    if args.json {
        output::print_json(&answer)?;
    } else {
        let rows: Vec<Vec<String>> = answer
            .secrets
            .iter()
            .map(|secret| match machine {
                Some(_) => vec![secret.name.clone(), secret.why.join("; "), show_place(secret.place.as_ref())],
                None => vec![
                    secret.name.clone(),
                    secret.file.clone(),
                    secret
                        .description
                        .as_deref()
                        .unwrap_or(if secret.incomplete.is_empty() { "" } else { "?" })
                        .to_owned(),
                ],
            })
            .collect();
        output::print(&table(&rows, width()))?;
    }
    tell_undecided(&answer.undecided);
    Ok(answer_code(&fleet, answer.is_complete()))
}

pub fn who_can_read(program: Program, global: &Global, args: &WhoCanReadArgs) -> Result<u8> {
    let (project, fleet) = load(program, global)?;
    tell_no_machines(&fleet);
    let found = fleet.find_secrets(&args.secret);
    if found.is_empty() {
        let all = fleet.all_secrets();
        tell_undecided(&fleet.secrets_undecided());
        bail!(match nearest(&args.secret, all.iter().map(|secret| secret.name())) {
            Some(near) => format!("there is no secret `{}`; did you mean `{near}`?", args.secret),
            None => format!("there is no secret `{}`; `bulkhead secrets` lists them", args.secret),
        });
    }
    let sources = project.sources();
    let answers: Vec<_> = found.iter().map(|secret| fleet.readers(*secret, &sources)).collect();
    let code = answer_code(&fleet, answers.iter().all(ReadersAnswer::is_complete));
    if args.json {
        match &answers[..] {
            [answer] => output::print_json(answer)?,
            answers => output::print_json(&answers)?,
        }
        return Ok(code);
    }
    for answer in &answers {
        if answers.len() > 1 {
            output::print(&format!("{} ({})\n", answer.secret, answer.file))?;
        }
        let rows: Vec<Vec<String>> = answer
            .readers
            .iter()
            .map(|reader| {
                let mut why = reader.why.join("; ");
                let problem = reader.key_problem.as_deref().unwrap_or_default();
                match reader.key {
                    KeyState::Known => {}
                    KeyState::Absent => why.push_str(" (but it has no key)"),
                    KeyState::Unknown => why.push_str(&format!(" (but its key is not known: {problem})")),
                    KeyState::Unfit => why.push_str(&format!(" (but its key is unfit: {problem})")),
                }
                vec![reader.name.clone(), why, show_place(reader.place.as_ref())]
            })
            .collect();
        output::print(&table(&rows, width()))?;
        tell_undecided(&answer.undecided);
    }
    Ok(code)
}

/// The properties of machines that are not known.
pub fn tell_unknown_properties(answer: &MachinesAnswer) {
    for (name, machine) in &answer.machines {
        for (property, reasons) in &machine.unknown {
            output::tell(&format!("undecided: {property} of {name} is not known: {}", reasons.join("; ")));
        }
    }
}

/// What an answer may lack.
pub fn tell_undecided(reasons: &[String]) {
    for reason in reasons {
        output::tell(&format!("undecided: there may be more: {reason}"));
    }
}

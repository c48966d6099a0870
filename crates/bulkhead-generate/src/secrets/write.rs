//! The text of `secrets.nix`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bulkhead_fleet::{Fleet, GENERATED_MARKER, PROPERTIES_FILE};

use super::plan::{AdminLine, Entry, Group, MachineLine, Plan, Readers, Term};
use crate::nix_text::{attr_name, comment, list_binding, string};

/// Names of groups within the sets that they are bound in.
type Names = BTreeMap<Group, String>;

pub(super) fn text(fleet: &Fleet, plan: &Plan<'_>) -> String {
    let mut out = header(fleet);
    let names = names(plan);
    let mut bindings = String::new();
    if !plan.machines.is_empty() {
        machines(&mut bindings, &plan.machines);
    }
    if !plan.admins.is_empty() {
        admins(&mut bindings, &plan.admins);
    }
    groups(&mut bindings, plan, &names);
    if !bindings.is_empty() {
        out.push_str("let\n");
        out.push_str(&bindings);
        out.push_str("in\n");
    }
    entries(&mut out, plan, &names);
    out
}

fn header(fleet: &Fleet) -> String {
    let config = &fleet.config;
    let below = |folder: &str, file: &str| if folder.is_empty() { file.to_owned() } else { format!("{folder}/{file}") };
    let machines = comment(&below(config.machines.as_str(), "**/properties.nix"));
    let secrets = comment(&below(config.secrets.as_str(), PROPERTIES_FILE));
    format!("{GENERATED_MARKER} from {machines} and {secrets}.\n# Do not edit: `bulkhead check` compares it.\n")
}

fn machines(out: &mut String, machines: &[MachineLine<'_>]) {
    out.push_str("  machines = {\n");
    for machine in machines {
        match &machine.key {
            Ok(key) => {
                let binding = format!("    {} = {};", attr_name(&machine.name), string(key.identity()));
                out.push_str(&binding);
                if let Some(other) = &machine.same_as {
                    out.push_str(&format!(" # the same key as {}", comment(other)));
                }
                out.push('\n');
            }
            Err(reason) => out.push_str(&format!("    # {}: {}\n", comment(&machine.name), comment(reason))),
        }
    }
    out.push_str("  };\n");
}

fn admins(out: &mut String, admins: &[AdminLine<'_>]) {
    out.push_str("  admins = [\n");
    for admin in admins {
        let names = comment(&admin.names.join(", "));
        match &admin.key {
            Ok(key) => out.push_str(&format!("    {} # {names}\n", string(key.identity()))),
            Err(reason) => out.push_str(&format!("    # {names}: {}\n", comment(reason))),
        }
    }
    out.push_str("  ];\n");
}

/// Roles have their own names; unions of roles are called `pia or web`.
fn names(plan: &Plan<'_>) -> Names {
    let mut names = Names::new();
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for group in plan.groups.keys() {
        let base = match group {
            Group::Everyone => "every machine".to_owned(),
            Group::Role(role) => role.to_string(),
            Group::AnyRole(roles) => roles.join(" or "),
        };
        // Only roles with blanks in their names, which `check` refuses, can make two names alike.
        let mut name = base.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{base} ({number})");
            number += 1;
        }
        names.insert(group.clone(), name);
    }
    names
}

fn groups(out: &mut String, plan: &Plan<'_>, names: &Names) {
    let used: BTreeSet<&Group> = plan
        .entries
        .iter()
        .flat_map(|entry| &entry.terms)
        .filter_map(|term| match term {
            Term::Group(group) => Some(group),
            _ => None,
        })
        .collect();
    if let Some(members) = plan.groups.get(&Group::Everyone).filter(|_| used.contains(&Group::Everyone)) {
        everyone(out, plan, members);
    }
    let of_kind = |wanted: fn(&Group) -> bool| -> Vec<(&Group, &Vec<Arc<str>>)> {
        plan.groups.iter().filter(|(group, _)| used.contains(group) && wanted(group)).collect()
    };
    set(out, names, "roles", None, &of_kind(|group| matches!(group, Group::Role(_))));
    let title = "Machines that have at least one of several roles, each once.";
    set(out, names, "anyRole", Some(title), &of_kind(|group| matches!(group, Group::AnyRole(_))));
    let title = "Machines whose host key is not an admin key too: ragenix takes no key twice.";
    set(out, names, "withoutAdmins", Some(title), &plan.without_admins.iter().collect::<Vec<_>>());
}

fn everyone(out: &mut String, plan: &Plan<'_>, members: &[Arc<str>]) {
    let bound = plan.machines.iter().filter(|machine| machine.key.is_ok()).count();
    if bound == members.len() {
        out.push_str("  everyone = builtins.attrValues machines;\n");
    } else {
        list_binding(out, 2, "everyone", &references(members));
    }
}

fn set(out: &mut String, names: &Names, binding: &str, title: Option<&str>, groups: &[(&Group, &Vec<Arc<str>>)]) {
    if groups.is_empty() {
        return;
    }
    if let Some(title) = title {
        out.push_str(&format!("  # {title}\n"));
    }
    out.push_str(&format!("  {binding} = {{\n"));
    for (group, members) in groups {
        list_binding(out, 4, &attr_name(name_of(names, group)), &references(members));
    }
    out.push_str("  };\n");
}

fn name_of<'n>(names: &'n Names, group: &Group) -> &'n str {
    names.get(group).map_or("", String::as_str)
}

fn references(members: &[Arc<str>]) -> Vec<String> {
    members.iter().map(|name| format!("machines.{}", attr_name(name))).collect()
}

fn entries(out: &mut String, plan: &Plan<'_>, names: &Names) {
    if plan.entries.is_empty() {
        out.push_str("{ }\n");
        return;
    }
    out.push_str("{\n");
    let mut before: Option<&Readers> = None;
    for entry in &plan.entries {
        if before != Some(&entry.readers) {
            if before.is_some() {
                out.push('\n');
            }
            out.push_str(&format!("  # {}\n", comment(&title(&entry.readers))));
        }
        before = Some(&entry.readers);
        out.push_str(&line(entry, names));
    }
    out.push_str("}\n");
}

fn title(readers: &Readers) -> String {
    match readers {
        Readers::Everyone => "everyone".to_owned(),
        Readers::Roles(roles) if roles.len() == 1 => format!("role {}", roles.join(", ")),
        Readers::Roles(roles) => format!("roles {}", roles.join(", ")),
        Readers::Machines(names) if names.len() == 1 => format!("machine {}", names.join(", ")),
        Readers::Machines(names) => format!("machines {}", names.join(", ")),
        Readers::Admins => "admins alone".to_owned(),
    }
}

fn line(entry: &Entry, names: &Names) -> String {
    let name = string(&entry.name);
    let terms: Vec<String> = entry.terms.iter().map(|term| reference(term, names)).collect();
    let mut line = format!("  {name}.publicKeys = {};\n", terms.join(" ++ "));
    if entry.armor {
        line.push_str(&format!("  {name}.armor = true;\n"));
    }
    line
}

fn reference(term: &Term, names: &Names) -> String {
    match term {
        Term::Group(Group::Everyone) => "everyone".to_owned(),
        Term::Group(group @ Group::Role(_)) => format!("roles.{}", attr_name(name_of(names, group))),
        Term::Group(group @ Group::AnyRole(_)) => format!("anyRole.{}", attr_name(name_of(names, group))),
        Term::WithoutAdmins(group) => format!("withoutAdmins.{}", attr_name(name_of(names, group))),
        Term::Machines(machines) => format!("[ {} ]", references(machines).join(" ")),
        Term::Admins => "admins".to_owned(),
    }
}

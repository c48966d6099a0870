//! Fleets to measure with: of any size, the same on every run, and without faults.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use super::key::{Key, age_file};
use crate::random::Random;

/// Machines with one role.
const ROLE_SIZE: usize = 10;
/// Machines in one folder below `machines/`.
const SITE_SIZE: usize = 50;
/// Laptops, whose users read every secret.
const MOST_ADMINS: usize = 3;

struct Machine {
    name: String,
    folder: String,
    role: String,
    host: Key,
    user: Option<Key>,
}

/// Make a fleet of `size` machines in the new folder `root`, with as many secrets: half of them for a role, half for a
/// machine. There is no `secrets.nix` yet.
pub fn make(root: &Path, size: usize) -> Result<()> {
    ensure!(!root.exists(), "{} exists; remove it, or name another folder", root.display());
    let mut random = Random::new(size as u64);
    let machines: Vec<Machine> = (0..size).map(|index| machine(&mut random, index)).collect();
    let admins: Vec<&Key> = machines.iter().filter_map(|machine| machine.user.as_ref()).collect();

    let mut sites: Vec<&str> = machines.iter().map(|machine| site(&machine.folder)).collect();
    sites.dedup();
    for site in sites {
        write(
            root,
            &format!("{site}/site.nix"),
            "{\n  domain = \"example.net\";\n  timeZone = \"Europe/Berlin\";\n}\n",
        )?;
    }
    for (index, machine) in machines.iter().enumerate() {
        let folder = &machine.folder;
        write(root, &format!("{folder}/properties.nix"), properties(&mut random, index, machine))?;
        write(root, &format!("{folder}/default.nix"), configuration(machine))?;
        if matches!(Style::of(index), Style::ReadFile | Style::Path) {
            write(root, &format!("{folder}/host.pub"), format!("{} root@{}\n", machine.host.line, machine.name))?;
        }
    }

    let by_role = size / 2;
    let mut entries = String::from("# Who is meant to read which secret.\n{\n");
    for index in 0..by_role {
        let role = role(index * ROLE_SIZE % size);
        entries.push_str(&format!("  service-{index} = {{\n    roles = [ \"{role}\" ];\n"));
        entries.push_str(&format!("    description = \"Token of service {index}\";\n  }};\n"));
        let members = machines.iter().skip(index * ROLE_SIZE % size / ROLE_SIZE * ROLE_SIZE).take(ROLE_SIZE);
        let keys = members.filter(|machine| machine.role == role).map(|machine| &machine.host);
        let file = age_file(&mut random, keys.chain(admins.iter().copied()));
        write(root, &format!("secrets/service-{index}.age"), &file)?;
    }
    entries.push_str("}\n");
    write(root, "secrets/properties.nix", &entries)?;
    for machine in machines.iter().take(size - by_role) {
        let file = age_file(&mut random, std::iter::once(&machine.host).chain(admins.iter().copied()));
        write(root, &format!("{}/secrets/token.age", machine.folder), &file)?;
    }
    Ok(())
}

fn machine(random: &mut Random, index: usize) -> Machine {
    let name = format!("node-{index}");
    Machine {
        folder: format!("machines/site-{}/{name}", index / SITE_SIZE),
        name,
        role: role(index),
        host: Key::random(random),
        user: (index < MOST_ADMINS).then(|| Key::random(random)),
    }
}

fn role(index: usize) -> String {
    format!("service-{}", index / ROLE_SIZE)
}

fn site(folder: &str) -> &str {
    folder.rsplit_once('/').map_or(folder, |(site, _)| site)
}

/// The ways in which people write a `properties.nix`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Let,
    ReadFile,
    Path,
    Import,
    Computed,
}

impl Style {
    fn of(index: usize) -> Style {
        const STYLES: [Style; 6] =
            [Style::Plain, Style::Let, Style::ReadFile, Style::Path, Style::Import, Style::Computed];
        STYLES[index % STYLES.len()]
    }
}

fn properties(random: &mut Random, index: usize, machine: &Machine) -> String {
    let Machine { name, host, role, user, .. } = machine;
    let literal = format!("\"{} root@{name}\"", host.line);
    let (before, host_names, key) = match Style::of(index) {
        Style::Plain => (String::new(), format!("[ \"{name}.example.net\" ]"), literal),
        Style::Let => (
            format!("let\n  name = \"{name}\";\n  domain = \"example.net\";\nin\n"),
            "[\n    \"${name}.${domain}\"\n    name\n  ]".to_owned(),
            literal,
        ),
        Style::ReadFile => {
            (String::new(), format!("[ \"{name}.example.net\" ]"), "builtins.readFile ./host.pub".to_owned())
        }
        Style::Path => (String::new(), format!("[ \"{name}.example.net\" ]"), "./host.pub".to_owned()),
        Style::Import => {
            ("let\n  site = import ../site.nix;\nin\n".to_owned(), format!("[ \"{name}.${{site.domain}}\" ]"), literal)
        }
        Style::Computed => (
            String::new(),
            format!("map (domain: \"{name}.${{domain}}\") [\n    \"example.net\"\n    \"example.org\"\n  ]"),
            literal,
        ),
    };
    let arch = if index % 4 == 3 { "aarch64-linux" } else { "x86_64-linux" };
    let personal = if user.is_some() { "\n    \"personal\"" } else { "" };
    let mut text = format!(
        "# {name}, made up.\n{before}{{\n  hostNames = {host_names};\n  arch = \"{arch}\";\n  systemRoles = [{personal}\n    \
         \"{role}\"\n  ];\n\n  hostKey = {key};\n"
    );
    if let Some(user) = user {
        text.push_str(&format!("  userKeys = [ \"{} admin@{name}\" ];\n", user.line));
    }
    if index % 8 == 5 {
        let unlock = Key::random(random);
        text.push_str(&format!(
            "\n  remoteUnlock = {{\n    hostKey = \"{} initrd@{name}\";\n    clearnetHost = \"unlock.{name}.example.net\";\n  }};\n",
            unlock.line
        ));
    }
    if index % 8 == 1 {
        text.push_str(&format!(
            "\n  publicIP = \"10.{}.{}.{}\";\n",
            index / 65536 % 256,
            index / 256 % 256,
            index % 256
        ));
    }
    if index.is_multiple_of(3) {
        let rack = index / SITE_SIZE;
        text.push_str(&format!("\n  meta = {{\n    rack = {rack};\n    tags = [ \"made-up\" ];\n  }};\n"));
    }
    text.push_str("}\n");
    text
}

fn configuration(machine: &Machine) -> String {
    format!(
        "{{ config, pkgs, ... }}:\n{{\n  imports = [ ../../../modules/base.nix ];\n\n  networking.hostName = \"{}\";\n  \
         services.openssh.enable = true;\n  environment.systemPackages = [ pkgs.git ];\n}}\n",
        machine.name
    )
}

fn write(root: &Path, path: &str, content: impl AsRef<[u8]>) -> Result<()> {
    let target = root.join(path);
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    }
    fs::write(&target, content).with_context(|| format!("can't write {}", target.display()))
}

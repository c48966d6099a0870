//! Where things lie in a fleet.

use bulkhead_fleet::{CONFIG_FILE, Fleet, PROPERTIES_FILE};
use bulkhead_source::{FileTree, TreePath};

/// A path and what lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutItem {
    /// The path, relative to the root; may have `**` and `<name>` in it.
    pub path: String,
    /// What lies there.
    pub about: &'static str,
}

/// The parts of the layout that are there in `tree`, or that Bulkhead writes.
pub fn layout(fleet: &Fleet, tree: &dyn FileTree) -> Vec<LayoutItem> {
    let config = &fleet.config;
    let mut items = Vec::new();
    let mut add = |path: String, about| items.push(LayoutItem { path, about });
    let is_there = |path: &str| TreePath::new(path).is_ok_and(|path| tree.exists(&path));
    let below = |folder: &TreePath, rest: &str| {
        if folder.is_root() { rest.to_owned() } else { format!("{}/{rest}", folder.as_str()) }
    };
    if is_there(CONFIG_FILE) {
        add(CONFIG_FILE.to_owned(), "how Bulkhead reads this repository: layout, policy, severities");
    }
    if is_there("flake.nix") {
        add("flake.nix".to_owned(), "the flake: inputs and NixOS configurations");
    }
    if !fleet.machines.is_empty() {
        let machine = |rest: &str| below(&config.machines, &format!("**/<machine>/{rest}"));
        add(machine(PROPERTIES_FILE), "who a machine is: its names, roles and keys; makes the folder a machine");
        let has = |name: &str| {
            fleet.machines.iter().any(|machine| machine.dir.join(name).is_ok_and(|path| tree.exists(&path)))
        };
        if has("default.nix") {
            add(machine("default.nix"), "its NixOS configuration");
        }
        if has("secrets") {
            add(machine("secrets/*.age"), "secrets of this machine alone");
        }
    }
    if fleet.by_convention && tree.exists(&config.secrets) {
        let properties = below(&config.secrets, PROPERTIES_FILE);
        if is_there(&properties) {
            add(properties, "who may read which shared secret");
        }
        add(below(&config.secrets, "*.age"), "shared secrets, encrypted");
        let has_role_folder = fleet.secrets.iter().any(|secret| matches!(secret.scope, bulkhead_fleet::Scope::Role(_)));
        if has_role_folder {
            add(below(&config.secrets, "<role>/*.age"), "secrets of all machines with this role");
        }
    }
    // Files that Bulkhead writes are listed before they are there: else writing them would change the list.
    if fleet.by_convention && !fleet.secrets.is_empty() {
        add(config.rules.to_string(), "agenix rules, generated: never edit them");
    }
    for rules in fleet.rules_files.iter().filter(|rules| !rules.generated) {
        add(rules.path.to_string(), "agenix rules, written by hand: who may read which secret");
    }
    if !config.lib.is_root() && tree.exists(&config.lib) {
        add(below(&config.lib, "*.nix"), "functions for the configurations, without dependencies");
    }
    add(config.claude_md.to_string(), "this file; the regions between markers are generated");
    items
}

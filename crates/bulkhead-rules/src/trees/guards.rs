//! What takes the rules of a guard away, or may: commands of its own units, and others' that remove tables.

use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::{DEFAULT_PRIORITY, OptionPath};

use super::firewall::in_files;
use super::forced::Taken;
use super::partial::partial;
use super::{Network, Purpose, Shape, Stated, Tree, option, text};
use crate::context::Context;

/// Commands of a unit, as attributes of `systemd.services.<name>`.
const SCRIPTS: [&str; 6] = ["postStart", "postStop", "preStart", "preStop", "reload", "script"];

/// The same in its `serviceConfig`. What the guard itself starts with is the module's.
const COMMANDS: [&str; 4] = ["ExecStartPost", "ExecStartPre", "ExecStop", "ExecStopPost"];

/// Scripts that Bulkhead's modules refuse where they remove all rules; as in `nix/modules/shared/firewall.nix`.
pub(crate) const REFUSED: [&str; 7] = [
    "networking.firewall.extraCommands",
    "networking.firewall.extraStopCommands",
    "networking.localCommands",
    "networking.nat.extraCommands",
    "networking.nat.extraStopCommands",
    "networking.nftables.extraDeletions",
    "networking.nftables.ruleset",
];

/// Options below which a text may be a script of the host.
const OF_HOST: [&str; 7] = ["boot", "environment", "networking", "services", "system", "systemd", "virtualisation"];

/// A guard that Bulkhead's modules have.
pub(crate) struct Guard {
    /// Its unit, without `.service`.
    pub(crate) unit: &'static str,
    /// What its tables are called.
    table: &'static str,
}

/// The guard of a network.
pub(crate) fn guard(network: &Network) -> Option<Guard> {
    match (network.shape, network.purpose) {
        (Shape::Native, Purpose::Sandbox) => Some(Guard { unit: "sandbox-guard", table: "bulkhead-sandbox" }),
        (Shape::Native, Purpose::Vpn) => Some(Guard { unit: "vpn-guard", table: "bulkhead-vpn" }),
        _ => None,
    }
}

/// What takes the rules of a network's guard away.
pub(crate) fn taken(context: &Context<'_>, tree: &Tree<'_>, network: &Network) -> Vec<Taken> {
    let Some(guard) = guard(network) else { return Vec::new() };
    let mut found = Vec::new();
    own_commands(tree, &guard, &mut found);
    verification(tree, &guard, &mut found);
    flushes(context, tree, &mut found);
    let is_nftables = !tree.on(&option("networking.nftables.enable")).is_empty();
    // What a unit of the guard's does has been judged.
    let own = option("systemd.services").join(guard.unit);
    for stated in in_files(context, tree).into_iter().filter(|_| is_nftables) {
        if stated.value.as_ref().is_ok_and(|rules| removes(rules, guard.table)) {
            let what = "it removes the guard's rules".to_owned();
            found.push(Taken { stated: stated.plain(), what, is_certain: true });
        }
    }
    let of_host = tree.definitions().iter().filter(|named| {
        named.path.names().first().is_some_and(|first| OF_HOST.contains(&&**first)) && !named.path.starts_with(&own)
    });
    for named in of_host {
        let value = &named.definition.value;
        let is_removed = match text(value) {
            Some(script) => removes(&script, guard.table),
            None => partial(context, value).is_some_and(|script| removes(&script.text, guard.table)),
        };
        if !is_removed || !tree.counts(named) {
            continue;
        }
        // Rules of nftables are nothing where they are not on.
        let is_on = !named.path.starts_with(&option("networking.nftables")) || is_nftables;
        let is_refused = is_on && REFUSED.iter().any(|path| named.path == option(path));
        found.push(Taken {
            stated: named.stated(),
            what: "it removes the guard's rules".to_owned(),
            is_certain: is_refused,
        });
    }
    found
}

/// Whether a script, or rules, surely remove the tables of a guard of this machine.
pub(crate) fn removes_a_guard(tree: &Tree<'_>, script: &str) -> bool {
    tree.networks.all.iter().filter_map(guard).any(|guard| removes(script, guard.table))
}

/// Commands that run with the guard, besides the module's.
fn own_commands(tree: &Tree<'_>, guard: &Guard, found: &mut Vec<Taken>) {
    let unit = option("systemd.services").join(guard.unit);
    let scripts = SCRIPTS.iter().map(|name| unit.join(name));
    let commands = COMMANDS.iter().map(|name| unit.join("serviceConfig").join(name));
    for path in scripts.chain(commands) {
        // What is forced is told as that.
        let is_forced = tree.counting(&path).iter().any(|named| named.definition.priority < DEFAULT_PRIORITY);
        for item in tree.items(&path) {
            let Some(command) = text(item.value).filter(|command| !command.trim().is_empty()) else { continue };
            let is_certain = removes(&command, guard.table);
            if is_forced && !is_certain {
                continue;
            }
            let what = if is_certain {
                "it removes the guard's rules"
            } else {
                "it runs with the guard, and whether it removes rules is not judged"
            };
            found.push(Taken { stated: item.plain(), what: what.to_owned(), is_certain });
        }
    }
}

/// The verification is off.
fn verification(tree: &Tree<'_>, guard: &Guard, found: &mut Vec<Taken>) {
    let name = format!("{}-verify", guard.unit);
    let units = [format!("{name}.service"), format!("{name}.timer")];
    let mut add = |stated: Stated<()>| {
        let what = format!("`{name}` never runs, and nobody notices when the guard's rules are gone");
        found.push(Taken { stated, what, is_certain: false });
    };
    let switches = units.iter().map(|unit| option("systemd.units").join(unit));
    let switches = switches.chain(["systemd.services", "systemd.timers"].iter().map(|root| option(root).join(&name)));
    for unit in switches {
        tree.off(&unit.join("enable")).into_iter().for_each(&mut add);
    }
    for item in tree.items(&option("systemd.suppressedSystemUnits")) {
        if text(item.value).is_some_and(|unit| units.iter().any(|known| **known == *unit)) {
            add(item.plain());
        }
    }
}

/// The host's nftables begin with `flush ruleset` at each reload. It is the default of NixOS where there are rules of one's
/// own, and before 23.11: `nixos/modules/services/networking/nftables.nix`.
fn flushes(context: &Context<'_>, tree: &Tree<'_>, found: &mut Vec<Taken>) {
    let at = |name: &str| option(&format!("networking.nftables.{name}"));
    let flush = at("flushRuleset");
    let mut whys: Vec<Stated<()>> = tree.on(&flush);
    let is_said = !tree.below(&flush).is_empty();
    if !is_said {
        whys.extend(["ruleset", "rulesetFile"].iter().flat_map(|name| rules(context, tree, &at(name))));
        let version = tree.texts(&option("system.stateVersion"), None).into_iter();
        whys.extend(version.filter(|version| is_before_23_11(&version.value)).map(|version| version.plain()));
    }
    for enabled in tree.on(&at("enable")) {
        for why in &whys {
            let Some(when) = enabled.when.and(&why.when) else { continue };
            let by = if is_said { "" } else { "`networking.nftables.flushRuleset` is on by it, and " };
            let what = format!("{by}each reload of the host's rules removes the guard's");
            found.push(Taken { stated: Stated { when, ..why.clone() }, what, is_certain: true });
        }
    }
}

/// Rules of one's own: a text that is not empty, or a file.
fn rules(context: &Context<'_>, tree: &Tree<'_>, path: &OptionPath) -> Vec<Stated<()>> {
    let is_some = |data: &Data| match &data.kind {
        DataKind::String(rules) => !rules.is_empty(),
        DataKind::Path(_) => true,
        _ => partial(context, data).is_some_and(|rules| !rules.text.replace('…', "").is_empty()),
    };
    tree.stated(path, |data| is_some(data).then_some(()), None)
}

fn is_before_23_11(version: &Arc<str>) -> bool {
    let number = |part: &str| part.parse::<u32>().ok();
    let parsed = version.split_once('.').and_then(|(year, month)| Some((number(year)?, number(month)?)));
    parsed.is_some_and(|version| version < (23, 11))
}

/// Whether a script, or rules, remove all tables, or those of this name. Comments about it are no such command.
fn removes(script: &str, table: &str) -> bool {
    if !script.contains("ruleset") && !script.contains(table) {
        return false;
    }
    let joined = script.replace("\\\n", " ");
    joined.lines().map(|line| line.split('#').next().unwrap_or_default()).any(|line| {
        let is_between = |c: char| c.is_whitespace() || matches!(c, ';' | '\'' | '"' | '{' | '}' | '&' | '|');
        let words: Vec<&str> = line.split(is_between).filter(|word| !word.is_empty()).collect();
        words.windows(2).any(|pair| matches!(pair, ["flush", "ruleset"]))
            || words.windows(4).any(|command| match command {
                ["delete" | "destroy" | "flush", "table", _, name] => *name == table,
                _ => false,
            })
    })
}

#[cfg(test)]
mod tests {
    use super::{is_before_23_11, removes};

    #[test]
    fn tables_are_called_as_the_modules_call_them() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../nix/modules/");
        let read = |file: &str| std::fs::read_to_string(format!("{root}{file}")).unwrap_or_else(|_| panic!("{file}"));
        assert!(read("sandbox/options.nix").contains("name = \"bulkhead-sandbox\""));
        assert!(read("vpn/description.nix").contains("name = \"bulkhead-vpn\""));
    }

    #[test]
    fn what_removes_tables_is_recognised() {
        for (script, expected) in [
            ("nft flush ruleset", true),
            ("nft 'flush ruleset'; true", true),
            ("nft flush \\\n  ruleset", true),
            ("# nft flush ruleset", false),
            ("nft flush ruleset-x", false),
            ("nft delete table inet bulkhead-vpn", true),
            ("delete table bridge bulkhead-vpn;", true),
            ("nft delete table inet nixos-fw", false),
            ("nft list ruleset", false),
        ] {
            assert_eq!(removes(script, "bulkhead-vpn"), expected, "{script}");
        }
    }

    #[test]
    fn releases_are_compared_as_numbers() {
        let is = |version: &str| is_before_23_11(&std::sync::Arc::from(version));
        assert!(is("23.05") && is("22.11") && !is("23.11") && !is("24.05") && !is("unknown"));
    }
}

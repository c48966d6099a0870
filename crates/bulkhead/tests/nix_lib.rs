//! `nix/lib` and Bulkhead compute the same from the same fleet: machines, roles, who is meant to read which secret, and
//! what is wrong with boot environments. Skipped, and said so, where there is no Nix.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bulkhead_eval::{Limits, World};
use bulkhead_fleet::{Fleet, LoadOptions};
use bulkhead_source::WorkTree;
use pretty_assertions::assert_eq;
use serde::Deserialize;
use serde_json::{Value, json};

/// The rules that `unlockFaults` of nix/lib asserts.
const UNLOCK_RULES: [&str; 5] = [
    "unlock-key-reused",
    "unlock-key-is-recipient",
    "unlock-host-name-shared",
    "unlock-unreachable",
    "malformed-onion-address",
];

/// What both sides are asked.
#[derive(Debug, PartialEq, Deserialize)]
struct Answer {
    machines: BTreeSet<(String, String)>,
    roles: BTreeMap<String, Vec<String>>,
    /// By the file of the secret: the keys, in whatever order.
    recipients: BTreeMap<String, BTreeSet<String>>,
    /// Rule and message.
    faults: BTreeSet<(String, String)>,
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Real keys for those that the tests of nix/lib only name.
const KEYS: [(&str, &str); 6] = [
    ("ssh-ed25519 AMY_HOST", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsm3UYiDp8ceatKtANk7ia0AtMWUb3QQIxHLLa8SmA9"),
    ("ssh-ed25519 AMY_USER", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh0LnUdQLgVb+TmnH0Yy1qduIhjDJA56AszGo+ebydI"),
    ("ssh-rsa AMY_USER2", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFVVvKbXcXZK4YA1bpQ2swmOTsfAV6eBsh+4N8/p12XX"),
    ("ssh-ed25519 ZAP_HOST", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGvyacdsYrBTKite4rJeMb6dWF+ROiiDEkpDRTllOoJm"),
    ("ssh-ed25519 ZAP_UNLOCK", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOSvUpmxcrayGSLDEFMNKv/6DVjETruQHqjrWtyJVVKo"),
    ("age1admin", "age1a8n4glqv9zcmuapkj73axj8yaackup88z4pt4v3qg4hvazhxh4zq928u8j"),
];

/// A copy outside of git, links and all.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(entry.path()).unwrap(), target).unwrap();
        } else {
            let bytes = fs::read(entry.path()).unwrap();
            let named = |text: String| KEYS.iter().fold(text, |text, (name, key)| text.replace(name, key));
            fs::write(
                target,
                String::from_utf8(bytes).map_or_else(|error| error.into_bytes(), |text| named(text).into_bytes()),
            )
            .unwrap();
        }
    }
}

fn load(folder: &Path) -> Fleet {
    let tree = WorkTree::open(folder).unwrap();
    let world = World::new(Arc::new(WorkTree::open(folder).unwrap()), Limits::default());
    Fleet::load(&tree, &world, &LoadOptions::default()).unwrap()
}

fn machines(fleet: &Fleet) -> BTreeSet<(String, String)> {
    fleet.machines.iter().map(|machine| (machine.name.to_string(), machine.dir.to_string())).collect()
}

/// What Bulkhead says.
fn by_bulkhead(folder: &Path) -> Answer {
    let fleet = load(folder);
    let roles = serde_json::to_value(fleet.roles_answer()).unwrap();
    let recipients = fleet.secrets.iter().map(|secret| {
        let keys = fleet.recipients(secret).into_iter().map(|key| key.identity().to_owned());
        (secret.file.to_string(), keys.collect())
    });
    let run = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .args(["check", "--format", "json"])
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let findings: Value = serde_json::from_slice(&run.stdout).unwrap();
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    let faults =
        findings["findings"].as_array().unwrap().iter().filter(|finding| {
            finding["severity"] == "error" && UNLOCK_RULES.contains(&finding["rule"].as_str().unwrap())
        });
    Answer {
        machines: machines(&fleet),
        roles: serde_json::from_value(roles["roles"].clone()).unwrap(),
        recipients: recipients.collect(),
        faults: faults.map(|finding| (text(finding, "rule"), text(finding, "message"))).collect(),
    }
}

/// What Nix makes of an expression in which `lib` is nix/lib and `root` a folder.
fn nix(folder: &Path, expression: &str) -> Value {
    let header = "{ lib, root }: let root' = /. + root; bulkhead = import (/. + lib); in with bulkhead;";
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--strict", "--json", "--expr"])
        .arg(format!("{header} {}", expression.replace("root", "root'")))
        .args(["--argstr", "lib"])
        .arg(repository("nix/lib").canonicalize().unwrap())
        .args(["--argstr", "root"])
        .arg(folder.canonicalize().unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{expression}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn has_nix() -> bool {
    let found = Command::new("nix-instantiate").arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        eprintln!("SKIPPED: nix-instantiate is not installed");
    }
    found
}

/// What Nix says.
fn by_nix(folder: &Path) -> Answer {
    let answer = nix(
        folder,
        r"let
            fleet = loadFleet root;
            fileOf = secret: relativePath (dirOf fleet.config.rules) secret.file;
          in {
            machines = map (machine: [ machine.name machine.path ]) fleet.machines;
            inherit (fleet) roles;
            recipients = builtins.listToAttrs (map (secret: {
              name = secret.file;
              value = fleet.recipients.${fileOf secret}.publicKeys;
            }) fleet.secrets);
            faults = map (fault: [ fault.rule fault.message ]) (unlockFaults fleet);
          }",
    );
    serde_json::from_value(answer).unwrap()
}

/// Compare both for a copy of a fleet, from which the machines are taken that Nix can't evaluate, after their discovery.
/// Gives what was compared.
fn compare(fleet: &str) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    copy(&repository(fleet), folder.path());
    compare_in(folder.path(), fleet)
}

fn compare_in(folder: &Path, fleet: &str) -> Answer {
    let found = nix(folder, "map (machine: [ machine.name machine.path ]) (findMachines (readConfig root))");
    let found: BTreeSet<(String, String)> = serde_json::from_value(found).unwrap();
    let loaded = load(folder);
    assert_eq!(found, machines(&loaded), "{fleet}");

    let answer = serde_json::to_value(loaded.machines_answer(None)).unwrap();
    for machine in &loaded.machines {
        let known = &answer["machines"][&*machine.name];
        if machine.gap.is_some() || known.get("incomplete").is_some_and(|names| names != &json!([])) {
            fs::remove_file(folder.join(machine.dir.as_str()).join("properties.nix")).unwrap();
        }
    }
    let (mut rust, nix) = (by_bulkhead(folder), by_nix(folder));
    // Two machines of one name are one name in Nix.
    rust.roles.values_mut().for_each(Vec::dedup);
    // SHA-3 and the headers of `.age` files are beyond Nix.
    rust.faults.retain(|(_, message)| !message.contains("checksum"));
    assert_eq!(rust, nix, "{fleet}");
    rust
}

#[test]
fn the_tests_of_the_library_hold() {
    let run = Command::new(env!("CARGO_BIN_EXE_bulkhead"))
        .args(["eval", "--json"])
        .arg(repository("nix/lib/tests/tests.nix"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&run.stdout).unwrap(), json!([]), "by Bulkhead");

    if !has_nix() {
        return;
    }
    let failing = nix(&repository("nix"), "import (root + \"/lib/tests/tests.nix\")");
    assert_eq!(failing, json!([]), "by Nix");
}

#[test]
fn the_example() {
    if !has_nix() {
        return;
    }
    let answer = compare("nix/fleet");
    assert_eq!((answer.machines.len(), answer.faults.len()), (5, 0));
    assert_eq!(answer.recipients["secrets/wifi.age"].len(), 5);
}

#[test]
fn another_layout_with_tools_and_ignored_folders() {
    if !has_nix() {
        return;
    }
    let answer = compare("nix/lib/tests/fleet");
    assert_eq!(answer.roles["mail"], ["amy", "zap"]);
    assert!(answer.recipients.len() > 5);
}

#[test]
fn boot_environments_with_faults() {
    if !has_nix() {
        return;
    }
    assert_eq!(compare("nix/tests/fleet/faulty").faults.len(), 3);
    assert!(compare("nix/tests/secrets/faulty").faults.is_empty());
    assert!(compare("nix/tests/flake/fleet").machines.len() == 3);
}

#[test]
fn the_fleet_that_has_every_fault() {
    if !has_nix() {
        return;
    }
    assert!(compare("crates/bulkhead/tests/faults/fleet").faults.len() >= 4);
}

#[test]
fn every_fault_of_boot_environments_in_the_same_words() {
    if !has_nix() {
        return;
    }
    let good = "2dfhbnofd7jarkoit5e62dxjwutuc2rnz4a5fjgeskj4kexxj5yg4aqd.onion";
    let onions = [
        good.to_owned(),
        good.to_uppercase(),
        format!("{good}."),
        format!("boot.{good}"),
        format!("-.{good}"),
        format!("http://{good}/"),
        format!("{good}:22"),
        good.replace("qd.onion", "qe.onion"),
        good.replace("2dfh", "1dfh"),
        good.replacen("2dfh", "dfh", 1),
        "expyuzz4wqqyqhjn.onion".to_owned(),
        "boot.example.org".to_owned(),
        String::new(),
    ];
    let folder = common::Folder::empty();
    for (index, onion) in onions.iter().enumerate() {
        let properties = format!(
            "{{ hostNames = [ \"m{index}\" ]; arch = \"x86_64-linux\"; systemRoles = [ ]; remoteUnlock = {{ hostKey = \"{}\"; onionHost = \"{onion}\"; }}; }}",
            KEYS[4].1
        );
        folder.write(&format!("machines/m{index}/properties.nix"), properties);
    }
    // The clearnet host is an onion, and a name of another machine; the key has every other use too.
    let machine = |more: &str| {
        format!(
            "{{ hostNames = [ \"x.example.org\" ]; arch = \"x86_64-linux\"; systemRoles = [ \"personal\" \"deploy\" ]; {more} }}"
        )
    };
    let key = KEYS[4].1;
    folder.write(
        "machines/users/properties.nix",
        machine(&format!(
            "hostKey = \"{key} host\"; userKeys = [ \"{key} user\" ]; deployKeys = [ \"{key} deploy\" ];"
        )),
    );
    folder.write(
        "machines/clear/properties.nix",
        machine(&format!("remoteUnlock = {{ hostKey = \"{}\"; clearnetHost = \"X.example.org.\"; }};", KEYS[3].1)),
    );
    folder.write(
        "machines/hidden/properties.nix",
        machine("remoteUnlock = { hostKey = \"ssh-ed25519 no key\"; clearnetHost = \"short.onion\"; };"),
    );
    folder.write("bulkhead.toml", format!("admins = [ \"{key} paper\" ]\n"));
    folder.write("secrets/properties.nix", "{ wifi.everyone = true; a.machines = [ \"users\" ]; }");
    folder.write("secrets/secrets.nix", format!("{{ \"b.age\".publicKeys = [ \"{} boot\" ]; }}", KEYS[3].1));

    let answer = compare_in(folder.path(), "made up");
    let rules: BTreeSet<&str> = answer.faults.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(rules.len(), 4, "{:#?}", answer.faults);
    assert!(answer.faults.len() > 30, "{}", answer.faults.len());
}

//! `machines`, `roles`, `secrets`, `who-can-read`, `gen-docs`: what is not known never looks as if it were not there.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;
use pretty_assertions::assert_eq;
use serde_json::json;

const HOWL: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFLGOASoWTzmy02r0+WFV8h3+S927pQdbQbzkC7VkjQE howl";
const S0: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnrwTMPJIXNryDOefMTE+gePVgiSRidvtodMSrfyKbx root@s0";
const UNKNOWN: &str = "builtins.getEnv \"X\"";

/// `s0` is known; `dark` has a role, a key and an architecture that are not; `bare` has no key.
fn fleet() -> Folder {
    let folder = Folder::empty();
    let properties = |name: &str, roles: &str, more: &str| {
        format!("{{ hostNames = [ \"{name}\" ]; systemRoles = [ {roles} ]; {more} }}")
    };
    folder.write(
        "machines/s0/properties.nix",
        properties("s0", "\"pia\"", &format!("arch = \"x86_64-linux\"; hostKey = \"{S0}\";")),
    );
    folder.write(
        "machines/dark/properties.nix",
        properties("dark", &format!("\"web\" ({UNKNOWN})"), &format!("arch = {UNKNOWN}; hostKey = {UNKNOWN};")),
    );
    folder.write("machines/bare/properties.nix", properties("bare", "\"web\"", "arch = \"x86_64-linux\";"));
    folder.write("bulkhead.toml", format!("admins = [\"{HOWL}\"]\n"));
    folder.write(
        "secrets/properties.nix",
        format!(
            "{{ pia.roles = [ \"pia\" ]; web.roles = [ \"web\" ]; odd = {{ machines = [ ({UNKNOWN}) ]; description = {UNKNOWN}; }}; \
             own.machines = [ \"s0\" ]; }}"
        ),
    );
    folder
}

#[test]
fn machines_of_which_something_is_not_known() {
    let fleet = fleet();
    let run = fleet.bulkhead(&["machines", "--json"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let machines = run.json();
    let dark = &machines["machines"]["dark"];
    assert_eq!(dark["incomplete"], json!(["arch", "systemRoles", "hostKey"]));
    assert!(dark["unknown"]["hostKey"][0].as_str().unwrap().contains("environment"), "{dark}");
    assert_eq!(machines["machines"]["s0"].get("unknown"), None);
    assert_eq!(machines["machines"]["bare"].get("unknown"), None);

    let run = fleet.bulkhead(&["machines"]);
    assert_eq!(run.code, 1);
    let line = run.stdout.lines().find(|line| line.starts_with("dark")).unwrap();
    assert!(line.contains("?") && line.contains("web, ?"), "{}", run.stdout);
    assert!(run.stderr.contains("undecided: hostKey of dark is not known: "), "{}", run.stderr);

    // `dark` may have any role.
    let run = fleet.bulkhead(&["machines", "--role", "pia", "--json"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.json()["machines"].as_object().unwrap().keys().collect::<Vec<_>>(), ["s0"]);
    assert!(run.json()["undecided"][0].as_str().unwrap().starts_with("the roles of dark: "), "{}", run.stdout);
    let run = fleet.bulkhead(&["machines", "--role", "mail"]);
    assert_eq!((run.code, &*run.stdout), (1, ""), "{}", run.stderr);
    assert!(run.stderr.contains("undecided: there may be more: the roles of dark"), "{}", run.stderr);

    // Where all is known, an unknown role is a mistake.
    std::fs::remove_dir_all(fleet.path().join("machines/dark")).unwrap();
    let run = fleet.bulkhead(&["machines", "--json"]);
    assert_eq!((run.code, run.json().get("undecided")), (0, None), "{}", run.stderr);
    assert_eq!(fleet.bulkhead(&["machines", "--role", "mail"]).code, 2);
}

#[test]
fn roles_of_which_something_is_not_known() {
    let fleet = fleet();
    let run = fleet.bulkhead(&["roles", "--json"]);
    assert_eq!(run.code, 1);
    assert_eq!(run.json()["roles"], json!({ "pia": ["s0"], "web": ["bare", "dark"] }));
    assert_eq!(run.json()["incomplete"], json!(["dark"]));
    let run = fleet.bulkhead(&["roles"]);
    assert_eq!(run.code, 1);
    assert!(run.stderr.contains("the roles of dark: "), "{}", run.stderr);

    let whole = Folder::fleet();
    let run = whole.bulkhead(&["roles", "--json"]);
    assert_eq!((run.code, run.json().as_object().unwrap().len()), (0, 1), "{}", run.stdout);
}

#[test]
fn secrets_of_a_machine_that_may_read_more() {
    let fleet = fleet();
    let run = fleet.bulkhead(&["secrets", "--machine", "s0", "--json"]);
    assert_eq!(run.code, 1);
    let names = |run: &common::Run| -> Vec<String> {
        let json = run.json();
        json["secrets"].as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&run), ["own", "pia"]);
    let undecided = run.json()["undecided"].clone();
    assert_eq!(undecided.as_array().unwrap().len(), 1, "{undecided}");
    assert!(undecided[0].as_str().unwrap().starts_with("odd: "), "{undecided}");

    let run = fleet.bulkhead(&["secrets", "--machine", "dark", "--json"]);
    assert_eq!((run.code, names(&run)), (1, vec!["web".to_owned()]));
    assert_eq!(run.json()["undecided"].as_array().unwrap().len(), 2, "odd and pia: {}", run.stdout);

    let run = fleet.bulkhead(&["secrets", "--json"]);
    assert_eq!(run.code, 1);
    let odd = &run.json()["secrets"][0];
    assert_eq!((&odd["name"], &odd["incomplete"]), (&json!("odd"), &json!(["description"])));
}

#[test]
fn readers_whose_key_is_not_known() {
    let fleet = fleet();
    let run = fleet.bulkhead(&["who-can-read", "web", "--json"]);
    assert_eq!(run.code, 1);
    let json = run.json();
    let key = |name: &str| {
        let reader = json["readers"].as_array().unwrap().iter().find(|reader| reader["name"] == name).unwrap();
        (reader["has_key"].as_bool().unwrap(), reader["key"].as_str().unwrap().to_owned())
    };
    assert_eq!(key("dark"), (false, "unknown".to_owned()));
    assert_eq!(key("bare"), (false, "absent".to_owned()));
    assert_eq!(key("howl"), (true, "known".to_owned()));
    let run = fleet.bulkhead(&["who-can-read", "web"]);
    assert!(run.stdout.contains("(but its key is not known: "), "{}", run.stdout);
    assert!(run.stdout.contains("(but it has no key)"), "{}", run.stdout);

    fleet.change("machines/bare/properties.nix", "arch", "hostKey = \"ssh-dss AAAAB3NzaC1kc3M\"; arch");
    let run = fleet.bulkhead(&["who-can-read", "web", "--json"]);
    assert!(run.stdout.contains("\"unfit\""), "{}", run.stdout);
}

#[test]
fn documents_say_on_standard_error_what_is_not_known() {
    let fleet = fleet();
    let run = fleet.bulkhead(&["gen-docs"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(run.stderr.contains("undecided: arch of dark is not known: "), "{}", run.stderr);
}

#[test]
fn the_help_says_what_the_exit_codes_mean() {
    for command in ["machines", "roles", "secrets", "who-can-read", "gen-docs", "gen-secrets"] {
        let help = Folder::empty().bulkhead(&[command, "--help"]).stdout;
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(help.contains("Exit code: 0 ") && help.contains("2 the tool failed"), "{command}: {help}");
    }
}

#[test]
fn names_end_in_small_letters() {
    let fleet = Folder::fleet();
    std::fs::rename(fleet.path().join("secrets/wifi.age"), fleet.path().join("secrets/wifi.AGE")).unwrap();
    let run = fleet.bulkhead(&["check", "--format", "json"]);
    assert!(run.stdout.contains("git mv secrets/wifi.AGE secrets/wifi.age"), "{}", run.stdout);
    let run = fleet.bulkhead(&["secrets", "--json"]);
    assert!(!run.stdout.contains("wifi.AGE"), "{}", run.stdout);

    // An entry of that name is no other secret.
    let fleet = Folder::fleet();
    fleet.change("secrets/properties.nix", "wifi", "\"wifi.AGE\"");
    let run = fleet.bulkhead(&["check", "--format", "json"]);
    assert!(run.stdout.contains("`wifi.AGE` is named with `.AGE`"), "{}", run.stdout);
    assert!(!run.stdout.contains(".AGE.age"), "{}", run.stdout);

    // In handwritten rules names are what they are, as to agenix.
    let folder = Folder::empty();
    folder.write("secrets.nix", format!("{{ \"wifi.AGE\".publicKeys = [ \"{HOWL}\" ]; }}"));
    for name in ["wifi.AGE", "./wifi.AGE"] {
        let run = folder.bulkhead(&["who-can-read", name, "--json"]);
        assert_eq!((run.code, &run.json()["secret"]), (0, &json!("wifi.AGE")), "{}", run.stderr);
        assert_eq!(run.json()["readers"][0]["name"], "howl");
    }
    assert_eq!(folder.bulkhead(&["who-can-read", "wifi"]).code, 2);
}

/// The findings of `check` about the rules file, and the exit codes of `check`, `gen-secrets --check` and `gen-secrets`.
fn verdicts(fleet: &Folder) -> (Vec<(String, String)>, [i32; 3], String) {
    let run = fleet.bulkhead(&["check", "--format", "json"]);
    let json = run.json();
    let about = json["findings"].as_array().unwrap().iter().filter(|finding| finding["rule"] == "secrets-nix-outdated");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let found = about.map(|finding| (text(&finding["severity"]), text(&finding["message"]))).collect();
    let before = std::fs::read(fleet.path().join("secrets/secrets.nix")).ok();
    let check = fleet.bulkhead(&["gen-secrets", "--check"]);
    let write = fleet.bulkhead(&["gen-secrets"]);
    assert_eq!(std::fs::read(fleet.path().join("secrets/secrets.nix")).ok(), before, "{}", write.stdout);
    (found, [run.code, check.code, write.code], check.stderr)
}

#[test]
fn gen_secrets_and_check_agree_on_what_is_refused() {
    let start = || {
        let fleet = fleet();
        std::fs::remove_dir_all(fleet.path().join("machines/dark")).unwrap();
        fleet.write("secrets/properties.nix", "{ pia.roles = [ \"pia\" ]; }");
        assert_eq!(fleet.bulkhead(&["gen-secrets"]).code, 0);
        fleet
    };
    let agree = |fleet: &Folder, severity: &str, codes: [i32; 3]| {
        let (found, seen, stderr) = verdicts(fleet);
        assert_eq!((found.len(), seen), (1, codes), "{found:?}{stderr}");
        assert_eq!(found[0].0, severity);
        assert!(stderr.contains(&format!("{severity}[secrets-nix-outdated]: {}", found[0].1)), "{found:?}{stderr}");
    };

    let fleet = start();
    fleet.change("machines/s0/properties.nix", "\"pia\"", &format!("\"pia\" ({UNKNOWN})"));
    agree(&fleet, "undecided", [0, 1, 1]);
    assert_eq!(fleet.bulkhead(&["check", "--deny", "undecided"]).code, 1);

    let fleet = start();
    fleet.change("machines/s0/properties.nix", "\"pia\"", "\"pia\" (throw \"no\")");
    agree(&fleet, "error", [1, 1, 1]);

    let fleet = start();
    let text = fleet.read("secrets/secrets.nix");
    fleet.write("secrets/secrets.nix", format!("# mine\n{}", text.split_once('\n').unwrap().1));
    agree(&fleet, "undecided", [0, 1, 1]);

    let fleet = start();
    std::fs::remove_file(fleet.path().join("secrets/secrets.nix")).unwrap();
    std::os::unix::fs::symlink("/etc/rules.nix", fleet.path().join("secrets/secrets.nix")).unwrap();
    agree(&fleet, "error", [1, 1, 1]);
}

#[test]
fn systems_without_properties_are_listed_and_shown() {
    let fleet = Folder::empty();
    let flake = r#"{
  outputs = { nixpkgs, frame, darwin, ... }: {
    nixosConfigurations = {
      made = nixpkgs.lib.nixosSystem { modules = [ { services.made.enable = true; } ]; };
      begun = frame.lib.machine ./hosts/begun;
    };
    darwinConfigurations.mac = darwin.lib.darwinSystem { modules = [ { services.mac.enable = true; } ]; };
  };
}"#;
    fleet
        .write("flake.nix", flake)
        .write("hosts/begun/default.nix", "{ flake, ... }: { services.begun.enable = flake.inputs != null; }")
        .write("plain.nix", "import <nixpkgs/nixos> { configuration = { services.plain.enable = true; }; }");
    let run = fleet.bulkhead(&["machines"]);
    assert_eq!(run.code, 1, "{}", run.stderr);
    let listed: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        ["begun", "-", "-", "hosts/begun/default.nix"],
        ["darwinConfigurations.mac", "-", "nix-darwin", "flake.nix:7"],
        ["made", "-", "-", "flake.nix:4"],
        ["plain", "-", "-", "plain.nix"],
    ];
    assert_eq!(listed, expected, "{}", run.stdout);
    assert!(!run.stderr.contains("no machines"), "{}", run.stderr);
    assert!(run.stderr.contains("the flake input `frame` is not fetched"), "{}", run.stderr);

    let systems = fleet.bulkhead(&["machines", "--json"]).json()["systems"].clone();
    assert_eq!(
        systems["made"],
        json!({ "place": { "file": "flake.nix", "line": 4 }, "platform": "nixos", "by_folder": false })
    );
    assert_eq!(systems["begun"]["by_folder"], true);
    for row in expected {
        let shown = fleet.bulkhead(&["show", row[0], "services"]);
        let name = row[0].rsplit('.').next().unwrap();
        assert!(shown.stdout.contains(&format!("services.{name}.enable")), "{}: {}", row[0], shown.stdout);
    }
    // One that has no folder of its own.
    fleet.change("flake.nix", "      begun =", "      gone = frame.lib.machine { };\n      begun =");
    let run = fleet.bulkhead(&["show", "gone"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("the flake input `frame` is not fetched"), "{}", run.stderr);
    let run = fleet.bulkhead(&["show", "begum"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("did you mean `begun`?"), "{}", run.stderr);
    // Roles are properties.
    assert_eq!(fleet.bulkhead(&["machines", "--role", "web", "--json"]).code, 2);
}

#[test]
fn what_is_unknown_beside_systems_may_be_one() {
    let fleet = Folder::empty();
    let text = |other: &str| {
        format!(
            "{{ pkgs ? import <nixpkgs> {{ }}, maker ? import (builtins.fetchTarball \"https://example.org/m\") }}: {{
  web = import <nixpkgs/nixos> {{ configuration.users.users.a.passwordFile = \"/run/a\"; }};
  {other}
}}"
        )
    };
    fleet.write("hosts.nix", text("db = maker ./db;"));
    let run = fleet.bulkhead(&["machines"]);
    assert_eq!((run.code, run.stdout.lines().count()), (1, 1), "{}", run.stdout);
    assert!(run.stderr.contains("undecided: there may be more: "), "{}", run.stderr);
    let run = fleet.bulkhead(&["check", "--format", "concise"]);
    assert!(run.stdout.contains("hosts.nix:3:3: undecided[configuration-not-known]"), "{}", run.stdout);
    // Packages are none, nor is what lies elsewhere.
    for other in ["tool = pkgs.hello;", "tools.own = maker ./tool;", "", "db = ./db;"] {
        fleet.write("hosts.nix", text(other));
        let run = fleet.bulkhead(&["machines"]);
        assert_eq!((run.code, run.stdout.lines().count(), &*run.stderr), (0, 1, ""), "{other}");
    }
}

//! Systems that are not of NixOS: what `machines`, `show` and completions call them.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::Folder;

fn fleet() -> Folder {
    let fleet = Folder::empty();
    fleet.write(
        "flake.nix",
        r#"{
  outputs = { nixpkgs, home-manager, ... }: let
    home = mark: home-manager.lib.homeManagerConfiguration { modules = [ { programs.${mark}.enable = true; } ]; };
  in {
    homeConfigurations = { me = home "me"; "me@host" = home "meAtHost"; twice = home "one"; web = home "web"; };
    packages.x86_64-linux.homeConfigurations.twice = home "two";
    # What says again what another one says, whatever it is called.
    deploy.nodes.m.profiles.home.path = home "me";
    nixosConfigurations.web = nixpkgs.lib.nixosSystem {
      modules = [ { services.a.token = "/run/t"; specialisation.travel.configuration.services.b.enable = true; } ];
    };
  };
}"#,
    );
    fleet
}

#[test]
fn homes_are_shown_by_the_names_that_home_manager_takes() {
    let fleet = fleet();
    let shown = |name: &str| fleet.bulkhead(&["show", name, "programs"]);
    for (name, mark) in [
        ("me", "me"),
        ("homeConfigurations.me", "me"),
        ("me@host", "meAtHost"),
        ("homeConfigurations.\"me@host\"", "meAtHost"),
        ("homeConfigurations.me@host", "meAtHost"),
        ("homeConfigurations.twice", "one"),
    ] {
        let run = shown(name);
        assert!(run.stdout.starts_with(&format!("programs.{mark}.enable\n")), "{name}: {}{}", run.stdout, run.stderr);
    }
    // A machine of that name comes first.
    assert!(shown("web").stdout.starts_with("nothing that was read defines `programs`"));
    let run = shown("twice");
    assert_eq!(run.code, 2);
    let both = "`homeConfigurations.twice`, `packages.x86_64-linux.homeConfigurations.twice`";
    assert!(run.stderr.contains(&format!("several systems are called `twice`: {both}")), "{}", run.stderr);
    assert!(shown("mee@host").stderr.contains("did you mean `me@host`?"));
    let run = fleet.bulkhead(&["diff-config", "me", "me@host"]);
    assert_eq!((run.code, run.stdout.contains("programs.meAtHost.enable")), (1, true), "{}", run.stderr);
}

#[test]
fn check_counts_the_systems_that_machines_lists() {
    let fleet = fleet();
    let counted = |fleet: &Folder| fleet.bulkhead(&["check", "--format", "json"]).json()["summary"]["machines"].clone();
    let listed = |fleet: &Folder| fleet.bulkhead(&["machines"]).stdout.lines().count();
    assert_eq!((listed(&fleet), counted(&fleet)), (6, 6.into()));
    // Nothing in the modules matters to a rule.
    fleet.change("flake.nix", "services.a.token = \"/run/t\";", "");
    fleet.write("secrets.nix", "{ \"a.age\".publicKeys = [ ]; }");
    assert_eq!((listed(&fleet), counted(&fleet)), (6, 6.into()));
    // What says again what another one says.
    fleet.write("two/flake.nix", fleet.read("flake.nix"));
    assert_eq!(counted(&fleet), listed(&fleet));
}

#[test]
fn homes_outside_of_flakes() {
    let fleet = Folder::empty();
    let home = |mark: &str| format!("{{ programs.{mark}.enable = true; }}");
    fleet
        .write("mine.nix", format!("import <home-manager/modules> {{ configuration = {}; }}", home("mine")))
        .write(
            "pinned.nix",
            format!("let pins = import ./pins.nix; in {{ home = import \"${{pins.home-manager}}/modules\" {{ configuration = {}; }}; }}", home("pinned")),
        )
        .write("pins.nix", "{ home-manager = builtins.fetchTarball { url = \"https://example.org/home-manager/main.tar.gz\"; }; }")
        .write("mac.nix", format!("import <darwin> {{ configuration = {}; }}", home("mac")))
        // A branch of nixpkgs.
        .write("server.nix", "(import <nixpkgs-darwin> { }).nixos { services.openssh.enable = true; }");
    let run = fleet.bulkhead(&["machines"]);
    let listed: Vec<Vec<&str>> = run.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected = [
        ["home", "-", "home-manager", "pinned.nix:1"],
        ["mac", "-", "nix-darwin", "mac.nix"],
        ["mine", "-", "home-manager", "mine.nix"],
        ["server", "-", "-", "server.nix"],
    ];
    assert_eq!(format!("{listed:?}"), format!("{expected:?}"), "{}", run.stderr);
}
